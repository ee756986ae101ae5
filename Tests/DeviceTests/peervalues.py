"""What values a peer's work may leave in a store, and the comparison with what is there."""

import hashlib
import itertools
import random
from dataclasses import dataclass, field
from pathlib import Path

from judgement import format_dump
from machine import DeviceTestError, Machine
from peerhardware import BLOCK
from peertally import PeerTally
from store import Store


@dataclass(frozen=True)
class BlockRange:
    """A key, and the blocks of the disk that are to be its value."""

    key: str
    first: int
    blocks: int

    @property
    def argument(self) -> str:
        return f"{self.key}:{self.first}:{self.blocks}"

    @property
    def byte_count(self) -> int:
        return self.blocks * BLOCK


class PeerDisk:
    """The file behind the second controller's disk: its first half holds random blocks, to be read; its second half is to
    be written."""

    def __init__(self, path: Path, generator: random.Random):
        self._path = path
        self.block_count = path.stat().st_size // BLOCK
        self.half = self.block_count // 2
        with path.open("r+b") as file:
            file.write(generator.randbytes(self.half * BLOCK))

    def value(self, blocks: BlockRange) -> bytes:
        with self._path.open("rb") as file:
            file.seek(blocks.first * BLOCK)
            return file.read(blocks.byte_count)

    def draw(self, generator: random.Random, key: str, blocks: int) -> BlockRange:
        """Some of the blocks that are to be read."""
        return BlockRange(key, generator.randrange(self.half - blocks + 1), blocks)


@dataclass
class PeerContents:
    """What a store may hold: for each key the values that it may have, `None` where it may be absent."""

    may_be: dict[str, list[bytes | None]] = field(default_factory=dict)

    def set(self, key: str, value: bytes) -> None:
        """The key has this value, and no other."""
        self.may_be[key] = [value]

    def allow(self, key: str, value: bytes) -> None:
        """The key may have this value, too: nobody knows how far its writing came."""
        self.may_be.setdefault(key, [None]).append(value)

    def check(self, machine: Machine, store: Store, tally: PeerTally, prefix: str = "") -> None:
        """Verifies the store, and compares all that is in it; what is found is all that there may be from now on.

        Keys that begin with `prefix` are counted.
        """
        address = store.medium.address
        machine.check(f"kvcli verify {address}")
        # One digest of all entries, as they are too many bytes for the machine's slow ports.
        found = machine.check(f"kvcli dump {address} --hex | LC_ALL=C sort | sha256sum").split()[0]
        tally.compared += sum(key.startswith(prefix) for key in self.may_be)
        for values in itertools.product(*self.may_be.values()):
            contents = {key.encode(): value for key, value in zip(self.may_be, values) if value is not None}
            if found == _digest_of_dump(contents):
                self.may_be = {key: [value] for key, value in zip(self.may_be, values)}
                return
        wrong = self._find_wrong(machine, address)
        tally.wrong += max(1, len(wrong))
        raise DeviceTestError(f"{address}: wrong values of {', '.join(wrong) or 'keys that nobody wrote'}")

    def _find_wrong(self, machine: Machine, address: str) -> list[str]:
        """The keys whose values are none that they may have."""
        found = machine.check(
            f"for key in {' '.join(self.may_be)}; do kvcli get {address} $key 2>/dev/null | sha256sum; done",
            timeout=300).split()[::2]
        return [
            key for (key, values), digest in zip(self.may_be.items(), found)
            if digest not in [hashlib.sha256(value or b"").hexdigest() for value in values]]


def _digest_of_dump(contents: dict[bytes, bytes]) -> str:
    lines = format_dump(contents).encode().splitlines(keepends=True)
    return hashlib.sha256(b"".join(sorted(lines))).hexdigest()
