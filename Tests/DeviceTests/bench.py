"""Where the tests take place."""

from pathlib import Path

from cpus import CPU, check_flags
from machine import Backing, Machine
from media import Medium
from store import Store


class Bench:
    """What machines are made of, and the stores on their media."""

    def __init__(self, build: Path, backing: Backing, media: list[Medium]):
        self._build = build
        self._backing = backing
        # The writer of the kill loop, which runs here, too, as its judge.
        self.program = build / "root/bin/StoreProcess"
        self.stores = [Store(medium) for medium in media]

    def boot(self, cpu: CPU) -> Machine:
        """A machine with its media prepared."""
        machine = Machine(self._build, self._backing, [store.medium.name for store in self.stores], cpu.arguments)
        try:
            check_flags(machine, cpu)
            for store in self.stores:
                store.prepare(machine)
        except BaseException:
            machine.kill()
            raise
        return machine
