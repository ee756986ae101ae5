"""Devices that go away under a load, and come back."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from machine import DeviceTestError, Machine
from media import DISK_FUNCTION, REGION_FUNCTION, SHARED_MEMORY_FUNCTION
from store import Store
from workload import Load

# Exit code of kvcli for a device that fails.
DEVICE_FAILED = 74
# The longest that a call may take to notice: far more than one barrier, far less than a hang.
NOTICE_SECONDS = 20
# More than a load can write until its device is gone.
LINES = 1_000_000


@dataclass(frozen=True)
class Fault:
    """A way to lose a medium, and the way back."""

    name: str
    medium: str
    inject: Callable[[Machine], None]
    restore: Callable[[Machine], None]


def unplug(device: str, function: str) -> Callable[[Machine], None]:
    def body(machine: Machine) -> None:
        machine.unplug(device)
        wait_until(machine, f"[ ! -e /sys/bus/pci/devices/{function} ]")

    return body


def plug(device: str, function: str) -> Callable[[Machine], None]:
    def body(machine: Machine) -> None:
        machine.plug(device)
        # Once its driver has it, nobody takes it from whom it is given next.
        wait_until(machine, f"[ -e /sys/bus/pci/devices/{function}/driver ]")

    return body


def decode(function: str, state: str) -> Callable[[Machine], None]:
    """Switches the memory of a function on or off, behind the back of whoever uses it."""
    return lambda machine: machine.check(f"medium decode {function} {state}")


def reset(function: str) -> Callable[[Machine], None]:
    return lambda machine: machine.check(f"echo 1 >/sys/bus/pci/devices/{function}/reset")


def wait_until(machine: Machine, condition: str) -> None:
    machine.check(f"for _ in $(seq 500); do {condition} && exit 0; usleep 20000; done; exit 1")


def nothing(_: Machine) -> None:
    """The medium comes back by itself."""


def plug_disk(machine: Machine) -> None:
    machine.check("umount /mnt/file")
    plug("disk", DISK_FUNCTION)(machine)


FAULTS = [
    Fault("disk unplugged", "file", unplug("disk", DISK_FUNCTION), plug_disk),
    Fault("controller unplugged", "pmr", unplug("region", REGION_FUNCTION), plug("region", REGION_FUNCTION)),
    Fault("memory decode off", "pmr", decode(REGION_FUNCTION, "off"), decode(REGION_FUNCTION, "on")),
    Fault("function reset", "pmr", reset(REGION_FUNCTION), nothing),
    Fault("memory decode off", "ivshmem", decode(SHARED_MEMORY_FUNCTION, "off"), decode(SHARED_MEMORY_FUNCTION, "on")),
]


def run_fault(machine: Machine, store: Store, fault: Fault, seed: str) -> None:
    """Loses the medium under a load, which has to end with the right code, and checks what was acknowledged."""
    title = f"{store.medium.address}, {fault.name}"
    generator = random.Random(f"{seed}/{title}")
    store.start(Load(f"{seed}/{title}", generator.choice([1, 7]), LINES), machine)
    store.wait_for_acknowledgement(machine)
    time.sleep(generator.uniform(0, 0.5))
    fault.inject(machine)
    started = time.monotonic()
    code = store.wait_for_end(machine, NOTICE_SECONDS)
    seconds = time.monotonic() - started
    error = store.error(machine)
    if code != DEVICE_FAILED:
        raise DeviceTestError(f"{title}: the load ends with {code}, not {DEVICE_FAILED}: {error}")
    # Whoever comes while it is gone is told so, or brings it up: nothing hangs, and nothing ends by a signal.
    for command in ("verify", "dump"):
        result = machine.run(f"kvcli {command} {store.medium.address} >/dev/null", NOTICE_SECONDS)
        if result.code >= 128:
            raise DeviceTestError(f"{title}: {command} ends with {result.code}")
    fault.restore(machine)
    store.prepare(machine)
    store.note_output(machine)
    store.check(machine)
    print(f"  {title}: exit code {code} after {seconds:.1f} s; {error}", flush=True)
