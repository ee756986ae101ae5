"""Load, kill, boot, check: what was acknowledged has to be there."""

import json
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from cpus import CPU, check_flags
from machine import Backing, DeviceTestError, Machine
from media import Medium
from workload import Contents, Load, acknowledged_count, judge, parse_dump


@dataclass
class Tally:
    """The counts of one medium."""

    cycles: int = 0
    acknowledged: int = 0
    checked: int = 0
    lost: int = 0


@dataclass
class Store:
    """A store in the guest, and what is known of its contents."""

    medium: Medium
    tally: Tally = field(default_factory=Tally)
    contents: Contents = field(default_factory=dict)
    # What ran when the machine was killed, until it is checked.
    load: Load | None = None
    acknowledged: int = 0

    def prepare(self, machine: Machine) -> None:
        machine.check(self.medium.preparation)

    def create(self, machine: Machine) -> None:
        """Makes the store, in place of one that is there, and has it put, get and delete an entry."""
        address = self.medium.address
        self.contents = {}
        machine.check(f"kvcli create {address} {self.medium.creation} --force")
        machine.check(f"kvcli put {address} greeting hello")
        if (said := machine.check(f"kvcli get {address} greeting")) != "hello":
            raise DeviceTestError(f"{address}: get answers {said!r}")
        machine.check(f"kvcli delete {address} greeting")
        if machine.run(f"kvcli get {address} greeting").code != 1:
            raise DeviceTestError(f"{address}: a deleted key is there")
        self.info(machine)

    def info(self, machine: Machine) -> dict:
        """What `kvcli info` reports, which names the domain and level that the medium has, or this fails."""
        report = json.loads(machine.check(f"kvcli info {self.medium.address} --json"))
        expected = (self.medium.domain, self.medium.level)
        if (found := (report["domain"], report["level"])) != expected:
            raise DeviceTestError(f"{self.medium.address}: info says {found}, not {expected}")
        return report

    def start_load(self, machine: Machine, seed: str, group_size: int) -> None:
        """Has `kvcli load` store entries in the background, each group acknowledged through the medium's port."""
        name = self.medium.name
        self.load = Load(f"{seed}/{name}", group_size)
        self.acknowledged = 0
        # Redirected before kvcli starts, or its port would be the commands' one.
        machine.check(
            f"rm -f /tmp/{name}.status; (kvcli load {self.medium.address} - --hex --batch {group_size} --acknowledge "
            f"<>/dev/ports/{name} >&0 2>/tmp/{name}.error; echo $? >/tmp/{name}.status) >/dev/null 2>&1 &")
        machine.ports[name].stream(self.load.lines())

    def has_acknowledged(self, machine: Machine) -> bool:
        return machine.ports[self.medium.name].wait_for(b"\n", 30) is not None

    def note_acknowledged(self, machine: Machine) -> None:
        """Takes down what the load had acknowledged when the machine was killed."""
        self.acknowledged = acknowledged_count(machine.ports[self.medium.name].received())

    def check(self, machine: Machine) -> None:
        """Verifies the store, and compares all of it with what was acknowledged."""
        address = self.medium.address
        machine.check(f"kvcli verify {address}")
        found = parse_dump(machine.check(f"kvcli dump {address} --hex"))
        if self.load:
            self._judge(found)
        elif found != self.contents:
            raise DeviceTestError(f"{address}: contents differ without a load")
        report = self.info(machine)
        if report["freeBytes"] < report["capacityBytes"] / 2:
            self.create(machine)

    def _judge(self, found: Contents) -> None:
        assert self.load
        judgement = judge(self.contents, self.load, self.acknowledged, found)
        self.tally.cycles += 1
        self.tally.acknowledged += self.acknowledged
        self.tally.checked += judgement.checked
        self.tally.lost += len(judgement.lost)
        if not judgement.is_right:
            raise DeviceTestError(
                f"{self.medium.address}: of {self.acknowledged} acknowledged writes {len(judgement.lost)} keys are lost, "
                f"{len(judgement.foreign)} are foreign, the group in flight is {'torn' if judgement.is_torn else 'whole'}; "
                f"first: {(judgement.lost + judgement.foreign)[:3]}")
        self.contents = found
        self.load = None


class KillLoop:
    """Cycles on all media at once, each with another processor than the one before."""

    def __init__(self, build: Path, backing: Backing, media: list[Medium], cpus: list[CPU], seed: str):
        self._build = build
        self._backing = backing
        self.stores = [Store(medium) for medium in media]
        self._cpus = cpus
        self._seed = seed
        self.cycles = 0
        self.cycles_by_cpu: Counter[str] = Counter()

    def run(self, cycles: int) -> None:
        for number in range(cycles):
            self._cycle(number)
        with self.boot(self._cpus[0]) as machine:
            self._check(machine)

    def boot(self, cpu: CPU) -> Machine:
        """A machine with its media prepared, and stores on them."""
        machine = Machine(self._build, self._backing, [store.medium.name for store in self.stores], cpu.arguments)
        try:
            check_flags(machine, cpu)
            for store in self.stores:
                store.prepare(machine)
        except BaseException:
            machine.kill()
            raise
        return machine

    def _check(self, machine: Machine) -> None:
        for store in self.stores:
            store.check(machine)

    def _cycle(self, number: int) -> None:
        generator = random.Random(f"{self._seed}/{number}")
        cpu = self._cpus[number % len(self._cpus)]
        with self.boot(cpu) as machine:
            if number == 0:
                for store in self.stores:
                    store.create(machine)
            else:
                self._check(machine)
            for store in self.stores:
                store.start_load(machine, f"{self._seed}/{number}", generator.choice([1, 1, 1, 7, 64]))
            # Mostly from the first write on; now and then while the stores are opened and recovered.
            if generator.randrange(6) > 0 and not all(store.has_acknowledged(machine) for store in self.stores):
                raise DeviceTestError(f"a load does not begin: {machine.run('cat /tmp/*.error').output}")
            time.sleep(generator.uniform(0, 0.6))
            ended = machine.run("cat /tmp/*.status /tmp/*.error 2>/dev/null").output.strip()
            if ended:
                raise DeviceTestError(f"a load ended by itself: {ended}")
            machine.kill()
        for store in self.stores:
            store.note_acknowledged(machine)
        self.cycles += 1
        self.cycles_by_cpu[cpu.name] += 1
        counts = ", ".join(f"{store.medium.name} {store.acknowledged}" for store in self.stores)
        print(f"  cycle {number + 1:2}, {cpu.name}, booted in {machine.boot_seconds:.1f} s: acknowledged {counts}", flush=True)
