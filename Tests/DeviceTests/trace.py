"""What a put and a get cost on the bus, counted by QEMU."""

from collections.abc import Callable

from machine import DeviceTestError, Machine
from store import Store

# QEMU's event for a read of a controller's registers, and how it writes the address of PMRSTS.
EVENT = "pci_nvme_mmio_read"
STATUS_REGISTER = "addr 0xe08 "

PUTS = 200


def run_trace(machine: Machine, store: Store) -> None:
    """Fails unless a put reads PMRSTS once, and a get not at all.

    Opening and closing a store has barriers, too, as many for few entries as for many: what is counted is the difference.
    """
    address = store.medium.address
    store.create(machine)
    machine.check(f"for i in $(seq {PUTS}); do echo \"$i	value $i\"; done >/tmp/entries")
    load = f"kvcli load {address} - --batch 1 >/dev/null"
    few = count(machine, f"head -n {PUTS // 2} /tmp/entries | {load}")
    many = count(machine, f"cat /tmp/entries | {load}")
    puts = many - few
    none = count(machine, f"kvcli exists {address} 'no such key' >/dev/null; true")
    one = count(machine, f"kvcli get {address} 1 >/dev/null")
    all_of_them = count(machine, f"[ $(kvcli dump {address} | wc -l) = {PUTS} ]")
    print(
        f"  PMRSTS reads: {puts} for {PUTS - PUTS // 2} puts; opening to read takes {none}, with one get {one}, "
        f"with {PUTS} entries read {all_of_them}", flush=True)
    if puts != PUTS - PUTS // 2 or not none == one == all_of_them:
        raise DeviceTestError("a put does not read PMRSTS once, or a get reads it")


def count(machine: Machine, command: str) -> int:
    """How often a command in the guest has PMRSTS read."""
    before = len(machine.traced_lines())
    machine.trace(EVENT, enable=True)
    machine.check(command)
    machine.trace(EVENT, enable=False)
    return sum(STATUS_REGISTER in line for line in machine.traced_lines()[before:])
