"""What is loaded into a store until the machine is killed, and what may be left of it."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

Contents = dict[bytes, bytes]


class Load:
    """Entries without end, drawn from a seed, in the form that `kvcli load --hex` reads.

    Keys come again, so that there are overwrites; most values are short, some go to an extent.
    """

    KEYS = 4000

    def __init__(self, seed: str, group_size: int):
        self.group_size = group_size
        self._random = random.Random(seed)
        self._entries: list[tuple[bytes, bytes]] = []

    def lines(self) -> Iterator[bytes]:
        """The entries from the first one on, a few lines at a time; what was drawn is kept for the check."""
        while True:
            drawn = [self._draw() for _ in range(50)]
            self._entries += drawn
            yield b"".join(b"%s\t%s\n" % (key.hex().encode(), value.hex().encode()) for key, value in drawn)

    def _draw(self) -> tuple[bytes, bytes]:
        key = b"key %d" % self._random.randrange(self.KEYS)
        kind = self._random.randrange(50)
        if kind == 0:
            length = self._random.randrange(4096, 16384)
        elif kind < 5:
            length = self._random.randrange(3000)
        else:
            length = self._random.randrange(200)
        return key, self._random.randbytes(length)

    def entries(self, count: int) -> list[tuple[bytes, bytes]]:
        """The first `count` entries, as far as they were sent."""
        return self._entries[:count]


def acknowledged_count(output: bytes) -> int:
    """The number of durable lines that `kvcli load --acknowledge` wrote last; half a line counts for nothing."""
    whole, newline, _ = output.rpartition(b"\n")
    return int(whole.rpartition(b"\n")[2]) if newline else 0


def parse_dump(text: str) -> Contents:
    """The entries of `kvcli dump --hex`."""
    pairs = (line.split("\t") for line in text.splitlines())
    return {bytes.fromhex(key): bytes.fromhex(value) for key, value in pairs}


@dataclass
class Judgement:
    """What became of the acknowledged writes."""

    # Keys whose last acknowledged write was looked for.
    checked: int = 0
    # Those that have another value, or none, without a later write that explains it.
    lost: list[bytes] = field(default_factory=list)
    # Other keys and values that are there without an explanation.
    foreign: list[bytes] = field(default_factory=list)
    # Whether a group that was in flight is there in part.
    is_torn: bool = False

    @property
    def is_right(self) -> bool:
        return not (self.lost or self.foreign or self.is_torn)


def judge(before: Contents, load: Load, acknowledged: int, found: Contents) -> Judgement:
    """Compares what a killed load left with what it may leave: all acknowledged groups, and the one in flight whole or
    not at all."""
    sure = before | dict(load.entries(acknowledged))
    maybe = before | dict(load.entries(acknowledged + load.group_size))
    judgement = Judgement(checked=len(sure))
    if found in (sure, maybe):
        return judgement
    for key in sure.keys() | maybe.keys() | found.keys():
        if found.get(key) in (sure.get(key), maybe.get(key)):
            continue
        (judgement.lost if key in sure else judgement.foreign).append(key)
    judgement.is_torn = judgement.is_right
    return judgement
