"""The program that has peers move values, in the guest."""

import json
from collections.abc import Iterable

from machine import DeviceTestError, Machine
from peerhardware import DISK, EDU, QUEUES
from store import Store

DISK_OPTIONS = f"--disk {DISK} --queues {QUEUES} --unbind"


def run_ingest(machine: Machine, command: str) -> dict:
    """Runs `barkv-ingest`, and answers its report."""
    return json.loads(machine.check(f"barkv-ingest {command} --json", timeout=120))


def reservations(machine: Machine, store: Store) -> list[dict]:
    """What is reserved in a store."""
    return json.loads(machine.check(f"kvcli peer list {store.medium.address} --json"))["reservations"]


def read_command(store: Store) -> str:
    return f"read {store.medium.address} {DISK_OPTIONS}"


def copy_command(source: Store, target: Store) -> str:
    return f"copy {source.medium.address} {target.medium.address} --edu {EDU} --queues {QUEUES}"


class RunningIngest:
    """`barkv-ingest` in the background, until it or the machine is killed; it acknowledges value by value."""

    def __init__(self, machine: Machine, port: str, command: str, lines: Iterable[str] = ()):
        self._machine = machine
        self._port = port
        files = f"</dev/ports/{port}-in >/dev/ports/{port}-out 2>/tmp/{port}.error"
        machine.check(
            f"(sh -c 'echo $$ >/tmp/{port}.pid; exec barkv-ingest {command} --acknowledge' {files}; "
            f"echo $? >/tmp/{port}.status) >/dev/null 2>&1 &")
        machine.inputs[port].stream(f"{line}\n".encode() for line in lines)

    @property
    def acknowledged(self) -> int:
        """How many values are durable, by what it said last."""
        whole = self._machine.outputs[self._port].contents().rpartition(b"\n")[0]
        return int(whole.rpartition(b"\n")[2]) if whole else 0

    def wait_for(self, count: int) -> None:
        """Waits until so many values are durable, or fails."""
        if not self._machine.outputs[self._port].wait_for(lambda _: self.acknowledged >= count, 60):
            said = self._machine.run(f"cat /tmp/{self._port}.error").output
            raise DeviceTestError(f"barkv-ingest has not moved {count} values: {said}")

    def kill(self) -> None:
        """Ends the process in this very moment, and not the device: that goes on with what it was told."""
        port = self._port
        self._machine.check(
            f"kill -9 $(cat /tmp/{port}.pid); for _ in $(seq 200); do [ -s /tmp/{port}.status ] && break; usleep 5000; done; "
            f"[ $(cat /tmp/{port}.status) = 137 ] || {{ cat /tmp/{port}.status /tmp/{port}.error; false; }}")
