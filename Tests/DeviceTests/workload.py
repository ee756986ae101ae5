"""Programs that write to a store until they are killed, and know what they may leave."""

import random
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path

from judgement import Contents, Judgement, format_dump


class Workload(ABC):
    """A program in the guest whose standard input and output are ports of the host."""

    name: str

    @abstractmethod
    def command(self, address: str) -> str:
        """The program and its arguments, for the store at `address`."""

    @abstractmethod
    def input(self) -> Iterable[bytes]:
        """What it reads."""

    @abstractmethod
    def has_acknowledged(self, output: bytes) -> bool:
        """Whether some write was acknowledged, according to what the program wrote."""

    @abstractmethod
    def judge(self, before: Contents, output: bytes, found: Contents) -> Judgement:
        """Compares what is there after the crash with what may be there."""


class Load(Workload):
    """`kvcli load`, fed with entries that are drawn from a seed; after the last one it waits for more.

    Keys come again, so that there are overwrites; most values are short, some go to an extent.
    """

    KEYS = 4000

    def __init__(self, seed: str, group_size: int, limit: int):
        self.name = f"load by {group_size}"
        self._group_size = group_size
        self._limit = limit
        self._random = random.Random(seed)
        self._entries: list[tuple[bytes, bytes]] = []

    def command(self, address: str) -> str:
        return f"kvcli load {address} - --hex --batch {self._group_size} --acknowledge"

    def input(self) -> Iterator[bytes]:
        while len(self._entries) < self._limit:
            # What was drawn is kept for the judgement.
            drawn = [self._draw() for _ in range(50)]
            self._entries += drawn
            yield format_lines(drawn)

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

    def has_acknowledged(self, output: bytes) -> bool:
        return b"\n" in output

    def judge(self, before: Contents, output: bytes, found: Contents) -> Judgement:
        """All acknowledged groups are there, and the one in flight whole or not at all."""
        acknowledged = acknowledged_lines(output)
        sure = before | dict(self._entries[:acknowledged])
        maybe = before | dict(self._entries[: acknowledged + self._group_size])
        judgement = Judgement(acknowledged, checked=len(sure), lost=0)
        if found in (sure, maybe):
            return judgement
        wrong = [key for key in sure | maybe | found if found.get(key) not in (sure.get(key), maybe.get(key))]
        judgement.lost = sum(key in sure for key in wrong)
        judgement.findings = [f"{key.decode(errors='replace')} has an impossible value" for key in wrong]
        if not wrong:
            judgement.findings = ["the group in flight is there in part"]
        return judgement


def format_lines(entries: list[tuple[bytes, bytes]]) -> bytes:
    """Entries as `kvcli load --hex` reads them; a key may come again."""
    return b"".join(b"%s\t%s\n" % (key.hex().encode(), value.hex().encode()) for key, value in entries)


def acknowledged_lines(output: bytes) -> int:
    """The number of durable lines that `kvcli load --acknowledge` wrote last; half a line counts for nothing."""
    whole, newline, _ = output.rpartition(b"\n")
    return int(whole.rpartition(b"\n")[2]) if newline else 0


class Writers(Workload):
    """Four threads that put, overwrite, delete and write batches, on keys of their own and on shared ones: the writer of
    the kill loop's tests, and its judge."""

    name = "four writers"

    # A message is eight bytes, the first of which says what happened.
    MESSAGE = 8
    ACKNOWLEDGED = 2

    def __init__(self, seed: str, program: Path):
        self._seed = random.Random(seed).getrandbits(63)
        self._program = program

    def command(self, address: str) -> str:
        return f"StoreProcess write {address} {self._seed}"

    def input(self) -> Iterable[bytes]:
        return ()

    def has_acknowledged(self, output: bytes) -> bool:
        return self.ACKNOWLEDGED in output[:: self.MESSAGE]

    def judge(self, before: Contents, output: bytes, found: Contents) -> Judgement:
        with tempfile.TemporaryDirectory() as name:
            paths = [Path(name, part) for part in ("before", "messages", "after")]
            paths[0].write_text(format_dump(before))
            paths[1].write_bytes(output)
            paths[2].write_text(format_dump(found))
            said = subprocess.run(
                [self._program, "judge", str(self._seed), *paths], check=True, capture_output=True, text=True).stdout
        counts, *findings = said.splitlines()
        words = counts.split()
        values = dict(zip(words[::2], map(int, words[1::2]), strict=True))
        return Judgement(values["acknowledged"], values["checked"], values["lost"], findings)
