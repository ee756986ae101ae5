"""Load, kill, boot, check: what was acknowledged has to be there."""

import random
import time
from collections import Counter

from testbed import Testbed
from cpus import CPU
from machine import DeviceTestError, Machine
from store import Store
from workload import Load, Workload, Writers


class KillLoop:
    """Cycles on all media at once, each with another processor than the one before."""

    # The most that a load writes in a cycle: about 10 MB, so that no store runs full, however fast the host is.
    LINES = 20_000

    def __init__(self, testbed: Testbed, cpus: list[CPU], seed: str):
        self._testbed = testbed
        self._cpus = cpus
        self._seed = seed
        self.cycles = 0
        self.cycles_by_cpu: Counter[str] = Counter()

    def run(self, cycles: int) -> None:
        for number in range(cycles):
            self._cycle(number)
        with self._testbed.boot(self._cpus[-1]) as machine:
            self._check(machine)

    def _check(self, machine: Machine) -> None:
        for store in self._testbed.stores:
            store.check(machine)

    def _cycle(self, number: int) -> None:
        generator = random.Random(f"{self._seed}/{number}")
        cpu = self._cpus[number % len(self._cpus)]
        with self._testbed.boot(cpu) as machine:
            if number == 0:
                for store in self._testbed.stores:
                    store.create(machine)
            else:
                self._check(machine)
            for store in self._testbed.stores:
                store.start(self._workload(generator, number, store), machine)
            if generator.randrange(6) > 0:
                self._let_write(machine, generator.uniform(0, 0.6))
            else:
                # While programs start, and stores are opened and recovered.
                time.sleep(generator.uniform(0, 0.6))
            machine.kill()
        for store in self._testbed.stores:
            store.note_output(machine)
        self.cycles += 1
        self.cycles_by_cpu[cpu.name] += 1
        workloads = ", ".join(f"{store.medium.name} {store.workload.name}" for store in self._testbed.stores if store.workload)
        print(f"  cycle {number + 1:2}: {cpu.name}, booted in {machine.boot_seconds:.1f} s; {workloads}", flush=True)

    def _let_write(self, machine: Machine, seconds: float) -> None:
        """Waits from the moment when all have written something, and fails if one has ended."""
        for store in self._testbed.stores:
            store.wait_for_acknowledgement(machine)
        time.sleep(seconds)
        for store in self._testbed.stores:
            if store.has_ended(machine):
                raise DeviceTestError(f"{store.medium.address}: the writing ended by itself: {store.error(machine)}")

    def _workload(self, generator: random.Random, number: int, store: Store) -> Workload:
        seed = f"{self._seed}/{number}/{store.medium.name}"
        if generator.randrange(3) == 0:
            return Writers(seed, self._testbed.program)
        return Load(seed, generator.choice([1, 1, 1, 7, 64]), self.LINES)
