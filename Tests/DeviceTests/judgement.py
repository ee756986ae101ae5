"""What became of acknowledged writes."""

from dataclasses import dataclass, field

Contents = dict[bytes, bytes]


@dataclass
class Judgement:
    """A store after a crash, compared with what it may be."""

    # Writes that were acknowledged before the crash: single ones, or batches.
    acknowledged: int
    # Keys of which something is acknowledged, and was looked for.
    checked: int
    # Those of which that is not there, nor anything later.
    lost: int
    # All that is wrong, in words.
    findings: list[str] = field(default_factory=list)


def parse_dump(text: str) -> Contents:
    """The entries of `kvcli dump --hex`."""
    pairs = [line.split("\t") for line in text.splitlines()]
    contents = {bytes.fromhex(key): bytes.fromhex(value) for key, value in pairs}
    if len(contents) != len(pairs):
        raise ValueError("a key is there twice")
    return contents


def format_dump(contents: Contents) -> str:
    """The same entries as such a dump."""
    return "".join(f"{key.hex()}\t{value.hex()}\n" for key, value in contents.items())
