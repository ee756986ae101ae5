"""Where the tests take place."""

from pathlib import Path

from cpus import CPU, check_flags
from judgement import format_dump
from machine import Backing, BootError, Machine
from media import Medium
from store import Store


class Testbed:
    """What machines are made of, and the stores on their media."""

    BOOT_ATTEMPTS = 3

    def __init__(self, build: Path, backing: Backing, media: list[Medium]):
        self._build = build
        self.backing = backing
        # The writer of the kill loop, which runs here, too, as its judge.
        self.program = build / "root/bin/StoreProcess"
        self.stores = [Store(medium) for medium in media]

    def boot(self, cpu: CPU, media: tuple[str, ...] | None = None, devices: tuple[str, ...] = ()) -> Machine:
        """A machine with its media prepared, or those that are named, and with more devices."""
        machine = self._start(cpu, devices)
        try:
            check_flags(machine, cpu)
            for store in self.stores:
                if media is None or store.medium.name in media:
                    store.prepare(machine)
        except BaseException:
            machine.kill()
            raise
        return machine

    def _start(self, cpu: CPU, devices: tuple[str, ...]) -> Machine:
        """Starts a machine, again if its kernel does not come up: on a busy host an emulated one may wait for ever."""
        programs = [store.medium.name for store in self.stores]
        for _ in range(self.BOOT_ATTEMPTS - 1):
            try:
                return Machine(self._build, self.backing, programs, cpu.arguments, cpu.cores, devices)
            except BootError as error:
                print(f"  starting the machine again: {error}", flush=True)
        return Machine(self._build, self.backing, programs, cpu.arguments, cpu.cores, devices)

    def keep_evidence(self) -> None:
        """Writes, beside the media, what is expected of the stores that are not checked yet."""
        for store in self.stores:
            if store.workload:
                path = self.backing.directory / store.medium.name
                path.with_suffix(".before").write_text(format_dump(store.contents))
                path.with_suffix(".acknowledged").write_bytes(store.output)
