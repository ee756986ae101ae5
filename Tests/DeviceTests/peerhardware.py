"""Devices of the emulated machine that move data by themselves, and what of that QEMU can be asked to do and to count."""

import re

from machine import Backing, DeviceTestError, Machine
from media import REGION_FUNCTION, SHARED_MEMORY_FUNCTION

# A second NVMe controller, with a disk; memory for its queues; QEMU's device for teaching.
DISK = "0000:03:00.0"
QUEUES = "0000:00:11.0/2"
EDU = "0000:00:12.0"

BLOCK = 512

# QEMU's event for each piece of memory that an NVMe command names.
EVENT = "pci_nvme_map_addr"


def devices(backing: Backing) -> tuple[str, ...]:
    """The devices, for QEMU. The disk's speed can be limited while the machine runs."""
    return (
        "-object", "throttle-group,id=speed",
        "-blockdev",
        "driver=throttle,node-name=peerdisk,throttle-group=speed,file.driver=raw,file.file.driver=file,"
        f"file.file.filename={backing.path('peerdisk')}",
        "-device", "pcie-root-port,id=slot3,chassis=3,slot=3,addr=7",
        "-device", "nvme,serial=peer,drive=peerdisk,bus=slot3",
        "-object", "memory-backend-ram,id=queues,share=on,size=1M",
        "-device", "ivshmem-plain,memdev=queues,addr=0x11",
        # Its usual mask would cut bus addresses off, and write elsewhere.
        "-device", "edu,addr=0x12,dma_mask=0xffffffffffffffff",
    )


def limit_disk(machine: Machine, bytes_per_second: int) -> None:
    """Makes the disk so slow that transfers are still going on when something is killed; 0 for no limit."""
    machine.monitor("qom-set", path="/objects/speed", property="limits", value={"bps-total": bytes_per_second})


def completed_reads(machine: Machine) -> int:
    """How many reads the disk has done since the machine was started."""
    for device in machine.monitor("query-blockstats"):
        if device.get("node-name") == "peerdisk":
            return device["stats"]["rd_operations"]
    raise DeviceTestError("QEMU has no statistics of the disk")


class TransferTrace:
    """Counts the bytes that NVMe commands move from and to memory behind BARs, and from and to the machine's own."""

    def __init__(self, machine: Machine):
        self._machine = machine
        self._windows = [
            _window(machine, REGION_FUNCTION, 4), _window(machine, SHARED_MEMORY_FUNCTION, 2),
            _window(machine, QUEUES.split("/")[0], 2)]

    def __enter__(self) -> "TransferTrace":
        self._before = len(self._machine.traced_lines())
        self._machine.trace(EVENT, enable=True)
        return self

    def __exit__(self, *_) -> None:
        self._machine.trace(EVENT, enable=False)
        self.device_bytes = self.system_bytes = 0
        for line in self._machine.traced_lines()[self._before:]:
            if found := re.search(rf"{EVENT} addr 0x([0-9a-f]+) len (\d+)", line):
                start, length = int(found[1], 16), int(found[2])
                if any(start in window and start + length - 1 in window for window in self._windows):
                    self.device_bytes += length
                else:
                    self.system_bytes += length


def _window(machine: Machine, function: str, bar: int) -> range:
    """The bus addresses of a BAR."""
    first, last, _ = machine.check(f"sed -n {bar + 1}p /sys/bus/pci/devices/{function}/resource").split()
    return range(int(first, 16), int(last, 16) + 1)
