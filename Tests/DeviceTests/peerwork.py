"""What peers are doing when something is killed, and what that may leave."""

import random
from dataclasses import dataclass

from ingest import DISK_OPTIONS, copy_command, read_command, run_ingest
from machine import Machine
from peertally import PeerTally
from peervalues import PeerContents, PeerDisk
from store import Store

# More than a run comes to before it is killed.
TRANSFERS = 80
LARGEST_BLOCKS = 400
KEYS = 6
SMALL_BLOCKS = [1, 7, 8, 17]


@dataclass
class PeerWork:
    """A run of `barkv-ingest` that makes one value after the other."""

    # The store that it writes to, and how it is counted.
    store: Store
    tally: PeerTally
    command: str
    # What it reads from standard input, and what becomes of each line or argument.
    lines: list[str]
    values: list[tuple[str, bytes]]

    def note(self, acknowledged: int, contents: PeerContents) -> None:
        """Takes down what is there for sure, and what may be: commits come one by one, and the next may be made already."""
        for key, value in self.values[:acknowledged]:
            contents.set(key, value)
            self.tally.transfers += 1
            self.tally.payload_bytes += len(value)
        for key, value in self.values[acknowledged : acknowledged + 1]:
            contents.allow(key, value)


def disk_work(disk: PeerDisk, store: Store, tally: PeerTally, generator: random.Random) -> PeerWork:
    """The disk writes values into a store, over and over under the same few keys."""
    ranges = [
        disk.draw(generator, f"k{generator.randrange(KEYS)}", generator.randrange(1, LARGEST_BLOCKS))
        for _ in range(TRANSFERS)]
    return PeerWork(
        store, tally, f"{read_command(store)} -", [each.argument for each in ranges],
        [(each.key, disk.value(each)) for each in ranges])


def edu_work(
    machine: Machine, disk: PeerDisk, source: Store, source_contents: PeerContents, target: Store, tally: PeerTally,
    generator: random.Random
) -> PeerWork:
    """The device for teaching copies small values from store to store, which are others than the last time."""
    ranges = [disk.draw(generator, f"e{number}", blocks) for number, blocks in enumerate(SMALL_BLOCKS)]
    run_ingest(machine, f"read {source.medium.address} {DISK_OPTIONS} {' '.join(each.argument for each in ranges)}")
    for each in ranges:
        source_contents.set(each.key, disk.value(each))
    again = ranges * (TRANSFERS // len(ranges))
    return PeerWork(
        target, tally, f"{copy_command(source, target)} {' '.join(each.key for each in again)}", [],
        [(each.key, disk.value(each)) for each in again])
