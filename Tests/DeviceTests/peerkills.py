"""Crashes while peers write: of the store's process, which the peer survives, and of the whole machine."""

import json
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from cpus import CPU
from hostpeer import HostPeer
from ingest import RunningIngest, read_command, reservations, run_ingest
from machine import DeviceTestError, Machine
from peercopies import commit, reserve
from peerhardware import DISK, completed_reads, devices, limit_disk
from peertally import PeerTallies, PeerTally
from peervalues import PeerContents, PeerDisk
from peerwork import PeerWork, disk_work, edu_work
from store import Store
from testbed import Testbed

# So slow that a kill mostly finds transfers going on; and so slow that most of what is under way is still to come.
SLOW = 1 << 21
VERY_SLOW = 1 << 15
# The time that a device gets for what it was told to do before the kill: the one that is not reset needs a tenth of it.
SETTLING_SECONDS = 1
MEDIA = ("pmr", "ivshmem")


@dataclass
class Unfinished:
    """A value of the host's of which a part is written, and its place."""

    place: dict
    value: bytes
    writer: threading.Thread


class PeerKills:
    """Cycles of kills; what one leaves, the next one finds."""

    def __init__(
        self, testbed: Testbed, disk: PeerDisk, contents: dict[str, PeerContents], tallies: PeerTallies, seed: str,
        cpus: list[CPU]
    ):
        self._testbed = testbed
        self._disk = disk
        self._contents = contents
        self._tallies = tallies
        self._seed = seed
        self._cpus = cpus
        self._stores = {store.medium.name: store for store in testbed.stores if store.medium.name in MEDIA}
        self._hosts = {name: HostPeer(testbed.backing.path(name)) for name in MEDIA}
        # Which kind of peer wrote to each store when the machine was killed.
        self._last: dict[str, PeerTally] = {}
        self._unfinished: Unfinished | None = None
        self._cycle = 0

    def run(self, cycles: int) -> None:
        kinds = [("disk to pmr", "pmr"), ("edu, ivshmem to pmr", "pmr"), ("disk to ivshmem", "ivshmem")]
        for self._cycle in range(cycles):
            title, name = kinds[self._cycle % len(kinds)]
            generator = random.Random(f"{self._seed}/peers/{self._cycle}")
            with self._boot() as machine:
                self._check(machine, generator)
                work = self._work(title, machine, generator)
                # In half of the cycles while the first values are under way: the disk has several to write then.
                is_early = title.startswith("disk") and self._cycle % 2 == 0
                running = self._start_early(machine, work) if is_early else self._start(machine, work, "pmr", generator)
                found, late = self._kill_store(machine, work, running, generator)
                if is_early and late == 0:
                    raise DeviceTestError(f"{title}: the disk wrote nothing after the store was killed")
                if title == "disk to pmr":
                    self._start_host(machine, generator)
                self._kill_machine(machine, self._work(title, machine, generator), generator)
            if self._unfinished:
                self._unfinished.writer.join()
            print(
                f"  cycle {self._cycle + 1:2}: {title}; {found} places in quarantine when the store was killed, "
                f"{late} of them written to later", flush=True)
        self._cycle = cycles
        with self._boot() as machine:
            self._check(machine, random.Random(f"{self._seed}/peers/end"))

    def _boot(self) -> Machine:
        cpu = self._cpus[self._cycle % len(self._cpus)]
        return self._testbed.boot(cpu, MEDIA, devices(self._testbed.backing))

    def _work(self, title: str, machine: Machine, generator: random.Random) -> PeerWork:
        pmr, ivshmem = self._stores["pmr"], self._stores["ivshmem"]
        if title.startswith("edu"):
            return edu_work(
                machine, self._disk, ivshmem, self._contents["ivshmem"], pmr, self._tallies["edu, both"], generator)
        store = pmr if title == "disk to pmr" else ivshmem
        return disk_work(self._disk, store, self._tallies[f"NVMe, {store.medium.name}"], generator)

    # MARK: Killing the store

    def _kill_store(
        self, machine: Machine, work: PeerWork, running: RunningIngest, generator: random.Random
    ) -> tuple[int, int]:
        """Kills the process while its peer writes, and looks at what the next owner finds, while the peer goes on.

        - Returns: the number of places in quarantine, and of those in which bytes changed afterwards.
        """
        name = work.store.medium.name
        contents, host = self._contents[name], self._hosts[name]
        running.kill()
        before = host.snapshot()
        work.tally.store_kills += 1
        work.note(running.acknowledged, contents)
        left = self._find_quarantine(machine, work.store)
        work.tally.quarantined += len(left)
        # What others are given meanwhile is not the peer's.
        values = {f"other{number}": generator.randbytes(generator.randrange(1, 9000)).hex() for number in range(4)}
        self._load(machine, work.store, values)
        for key, value in values.items():
            contents.set(key, value.encode())
        late = self._let_settle(machine, host, [slice(each["offset"], each["offset"] + each["length"]) for each in left], before)
        work.tally.late += late
        contents.check(machine, work.store, work.tally)
        self._release(machine, work.store, left, generator)
        return len(left), late

    def _load(self, machine: Machine, store: Store, values: dict[str, str]) -> None:
        """Has the guest put some texts."""
        lines = "".join(f"{key}\\t{value}\\n" for key, value in values.items())
        machine.check(f"printf '{lines}' | kvcli load {store.medium.address} - >/dev/null")

    def _let_settle(self, machine: Machine, host: HostPeer, places: list[slice], before: bytes) -> int:
        """Lets the peer end what it was told to do, and makes sure that it has; how many of the places it wrote to."""
        limit_disk(machine, 0)
        time.sleep(SETTLING_SECONDS)
        # From here on the disk writes no more.
        machine.check(f"echo 1 >/sys/bus/pci/devices/{DISK}/reset")
        after = host.snapshot()
        return sum(before[place] != after[place] for place in places)

    def _start(self, machine: Machine, work: PeerWork, port: str, generator: random.Random) -> RunningIngest:
        """Starts the work, and lets it come to some moment after the first value."""
        limit_disk(machine, SLOW)
        running = RunningIngest(machine, port, work.command, work.lines)
        running.wait_for(1)
        time.sleep(generator.uniform(0, 0.6))
        return running

    def _start_early(self, machine: Machine, work: PeerWork) -> RunningIngest:
        """Starts the work, and lets it come to where the disk has written one value, and has others to write."""
        limit_disk(machine, VERY_SLOW)
        before = completed_reads(machine)
        running = RunningIngest(machine, "pmr", work.command, work.lines)
        deadline = time.monotonic() + 60
        while completed_reads(machine) == before:
            if time.monotonic() > deadline:
                raise DeviceTestError(f"{work.store.medium.address}: the disk reads nothing")
            time.sleep(0.02)
        return running

    # MARK: Killing the machine

    def _kill_machine(self, machine: Machine, work: PeerWork, generator: random.Random) -> None:
        running = self._start(machine, work, "devdax", generator)
        machine.kill()
        work.tally.machine_kills += 1
        work.note(running.acknowledged, self._contents[work.store.medium.name])
        self._last[work.store.medium.name] = work.tally

    def _start_host(self, machine: Machine, generator: random.Random) -> None:
        """Has the host write into the shared memory until the machine is gone, and longer."""
        value = generator.randbytes(generator.randrange(4096, 200_000))
        place = reserve(machine, self._stores["ivshmem"], "host", len(value))
        writer = self._hosts["ivshmem"].start_writing(place["offset"], value, seconds=4)
        self._unfinished = Unfinished(place, value, writer)
        self._tallies["host, ivshmem"].machine_kills += 1

    # MARK: Checking

    def _check(self, machine: Machine, generator: random.Random) -> None:
        """What the last cycle left: values whole, places that a peer may still write to in quarantine."""
        for name, store in self._stores.items():
            tally = self._last.pop(name, self._tallies[f"NVMe, {name}"])
            left = self._find_quarantine(machine, store)
            self._contents[name].check(machine, store, tally)
            if self._unfinished and name == "ivshmem":
                left = self._finish_host(machine, store, left)
            tally.quarantined += len(left)
            if left:
                self._release(machine, store, left, generator)

    def _finish_host(self, machine: Machine, store: Store, left: list[dict]) -> list[dict]:
        """Commits what the host has finished since; answers the other places."""
        assert self._unfinished
        tally = self._tallies["host, ivshmem"]
        token = self._unfinished.place["token"]
        if token not in [place["token"] for place in left]:
            raise DeviceTestError(f"{store.medium.address}: the place that the host writes to is not in quarantine")
        commit(machine, store, token, self._unfinished.value)
        self._contents["ivshmem"].set("host", self._unfinished.value)
        self._contents["ivshmem"].check(machine, store, tally, prefix="h")
        tally.quarantined += 1
        tally.transfers += 1
        tally.payload_bytes += len(self._unfinished.value)
        self._unfinished = None
        return [place for place in left if place["token"] != token]

    def _find_quarantine(self, machine: Machine, store: Store) -> list[dict]:
        """The places that nobody may be given; `kvcli info` has to count them, too."""
        left = reservations(machine, store)
        if any(place["state"] != "quarantined" for place in left):
            raise DeviceTestError(f"{store.medium.address}: not all in quarantine: {left}")
        info = json.loads(machine.check(f"kvcli info {store.medium.address} --json"))
        if info["quarantined"] != len(left):
            raise DeviceTestError(f"{store.medium.address}: info counts {info['quarantined']}, not {len(left)}")
        return left

    def _release(self, machine: Machine, store: Store, left: list[dict], generator: random.Random) -> None:
        """Gives the places up, now that no peer writes there any more: one by one, or by the program that resets the disk."""
        if generator.randrange(2) == 0:
            for place in left:
                machine.check(f"kvcli peer abandon {store.medium.address} {place['token']}")
        else:
            report = run_ingest(machine, f"{read_command(store)} --release")
            if report["released"] != len(left):
                raise DeviceTestError(f"{store.medium.address}: {report['released']} places released, not {len(left)}")
        if still := reservations(machine, store):
            raise DeviceTestError(f"{store.medium.address}: still reserved: {still}")
