"""What values a peer's work may leave in a store, and the comparison with what is there."""

import hashlib
import random
from dataclasses import dataclass, field
from pathlib import Path

from machine import DeviceTestError, Machine
from peerhardware import BLOCK
from peertally import PeerTally
from store import Store

# The digest of what a get of an absent key prints.
ABSENT = hashlib.sha256(b"").hexdigest()


def digest(value: bytes) -> str:
    return hashlib.sha256(value).hexdigest()


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
    """What a store may hold: for each key the digests of the values that it may have."""

    may_be: dict[str, set[str]] = field(default_factory=dict)

    def set(self, key: str, value: bytes) -> None:
        """The key has this value, and no other."""
        self.may_be[key] = {digest(value)}

    def allow(self, key: str, value: bytes) -> None:
        """The key may have this value, too: nobody knows how far its writing came."""
        self.may_be.setdefault(key, {ABSENT}).add(digest(value))

    def check(self, machine: Machine, store: Store, tally: PeerTally) -> None:
        """Verifies the store and compares each value; what is found is all that there may be from now on."""
        address = store.medium.address
        machine.check(f"kvcli verify {address}")
        keys = list(self.may_be)
        if not keys:
            return
        found = machine.check(
            f"for key in {' '.join(keys)}; do kvcli get {address} $key 2>/dev/null | sha256sum; done").split()[::2]
        if len(found) != len(keys):
            raise DeviceTestError(f"{address}: {len(found)} digests for {len(keys)} keys")
        wrong = []
        for key, value in zip(keys, found):
            tally.compared += 1
            if value not in self.may_be[key]:
                tally.wrong += 1
                wrong.append(key)
            self.may_be[key] = {value}
        if wrong:
            raise DeviceTestError(f"{address}: wrong values of {', '.join(wrong)}")
