"""Peers that write values in place and read them in place, with nothing going wrong."""

import json
import random

from hostpeer import HostPeer, crc32c
from ingest import DISK_OPTIONS, copy_command, read_command, reservations, run_ingest
from machine import DeviceTestError, Machine
from peerhardware import BLOCK, TransferTrace
from peertally import PeerTallies, PeerTally
from peervalues import BlockRange, PeerContents, PeerDisk
from store import Store

# Blocks of a value: of one page and around it, of more than a page's list, of more than a command.
LENGTHS = [1, 7, 8, 9, 1025, 2048]


class PeerCopies:
    """The transfers of each kind of peer, on one machine."""

    def __init__(self, machine: Machine, disk: PeerDisk, tallies: PeerTallies, generator: random.Random):
        self._machine = machine
        self._disk = disk
        self._tallies = tallies
        self._random = generator

    def disk_and_back(self, store: Store, contents: PeerContents) -> None:
        """The disk writes values into the store, and writes them from there to other blocks of its own."""
        tally = self._tallies[f"NVMe, {store.medium.name}"]
        lengths = LENGTHS + [self._random.randrange(1, 300) for _ in range(4)]
        values = [self._disk.draw(self._random, f"n{number}", blocks) for number, blocks in enumerate(lengths)]
        total = sum(value.byte_count for value in values)
        arguments = " ".join(value.argument for value in values)
        with TransferTrace(self._machine) as trace:
            report = run_ingest(self._machine, f"{read_command(store)} {arguments}")
        # Each value is written, and read by the disk to compare it.
        self._expect(store, report, len(values), total, trace, least=2 * total)
        self._count(tally, report)
        for value in values:
            contents.set(value.key, self._disk.value(value))
        contents.check(self._machine, store, tally)
        self._write_back(store, values, tally)

    def _write_back(self, store: Store, values: list[BlockRange], tally: PeerTally) -> None:
        place = self._disk.half
        copies = []
        for value in self._random.sample(values, len(values)):
            copies.append((value, BlockRange(value.key, place, value.blocks)))
            place += value.blocks
        arguments = " ".join(f"{copy.key}:{copy.first}" for _, copy in copies)
        total = sum(copy.byte_count for _, copy in copies)
        with TransferTrace(self._machine) as trace:
            report = run_ingest(self._machine, f"write {store.medium.address} {DISK_OPTIONS} {arguments}")
        self._expect(store, report, len(values), total, trace, least=total)
        self._count(tally, report)
        for value, copy in copies:
            tally.compared += 1
            if self._disk.value(value) != self._disk.value(copy):
                tally.wrong += 1
                raise DeviceTestError(f"{store.medium.address}: the disk got something else than {value.key}")

    def through_memory(self, store: Store, contents: PeerContents) -> None:
        """The count of copied bytes counts: a value that is copied shows in it, byte for byte."""
        value = self._disk.draw(self._random, "staged", 100)
        report = run_ingest(self._machine, f"{read_command(store)} --through-memory {value.argument}")
        if report["copiedBytes"] != value.byte_count:
            raise DeviceTestError(f"of {value.byte_count} copied bytes {report['copiedBytes']} were counted")
        contents.set(value.key, self._disk.value(value))
        print(
            f"  {store.medium.address}: copied through memory, {value.byte_count:,} bytes are counted as "
            f"{report['copiedBytes']:,}", flush=True)

    def _expect(
        self, store: Store, report: dict, transfers: int, total: int, trace: TransferTrace, least: int
    ) -> None:
        """Fails unless all bytes went from device to device: by the program's count, the kernel's, and QEMU's."""
        title = f"{store.medium.address}: {report}"
        if (report["transfers"], report["payloadBytes"]) != (transfers, total):
            raise DeviceTestError(f"{title}: not {transfers} transfers of {total} bytes")
        if report["copiedBytes"] != 0 or report["kernelBytes"] is None or report["kernelBytes"] > total // 4:
            raise DeviceTestError(f"{title}: values went through memory")
        if trace.system_bytes != 0 or trace.device_bytes < least:
            raise DeviceTestError(
                f"{title}: QEMU saw {trace.device_bytes} bytes between devices, {trace.system_bytes} with memory")
        print(
            f"  {store.medium.address}: {transfers} values, {total:,} bytes by {report['commands']} commands; QEMU counts "
            f"{trace.device_bytes:,} bytes between devices, {trace.system_bytes} with system memory; the processor moved "
            f"{report['queueBytes']:,} bytes in queues, {report['kernelBytes']:,} by system calls", flush=True)

    def edu(
        self, source: Store, target: Store, source_contents: PeerContents, target_contents: PeerContents
    ) -> None:
        """The device for teaching copies values from store to store in pieces of less than 4 KiB."""
        tally = self._tallies["edu, both"]
        values = [self._disk.draw(self._random, f"e{number}", blocks) for number, blocks in enumerate([1, 7, 8, 17])]
        arguments = " ".join(value.argument for value in values)
        run_ingest(self._machine, f"{read_command(source)} {arguments}")
        report = run_ingest(self._machine, f"{copy_command(source, target)} {' '.join(value.key for value in values)}")
        if report["payloadBytes"] != sum(value.byte_count for value in values) or report["copiedBytes"] != 0:
            raise DeviceTestError(f"edu to {target.medium.address}: {report}")
        self._count(tally, report)
        for value in values:
            source_contents.set(value.key, self._disk.value(value))
            target_contents.set(value.key, self._disk.value(value))
        target_contents.check(self._machine, target, tally)

    def host(self, store: Store, contents: PeerContents, host: HostPeer) -> None:
        """A process of the host writes values while the guest commits them: it is told their checksums, and waits."""
        tally = self._tallies[f"host, {store.medium.name}"]
        for number in range(4):
            value = self._random.randbytes(self._random.randrange(1, 40_000))
            place = reserve(self._machine, store, f"h{number}", len(value))
            writer = host.start_writing(place["offset"], value, seconds=self._random.uniform(0.2, 1))
            commit(self._machine, store, place["token"], value)
            writer.join()
            tally.transfers += 1
            tally.payload_bytes += len(value)
            contents.set(f"h{number}", value)
        contents.check(self._machine, store, tally, prefix="h")
        if left := reservations(self._machine, store):
            raise DeviceTestError(f"{store.medium.address}: still reserved: {left}")

    @staticmethod
    def _count(tally: PeerTally, report: dict) -> None:
        tally.transfers += report["transfers"]
        tally.payload_bytes += report["payloadBytes"]
        tally.copied_bytes += report["copiedBytes"]


def reserve(machine: Machine, store: Store, key: str, length: int) -> dict:
    """Has the guest reserve a place, and answers where it is."""
    return json.loads(machine.check(f"kvcli peer reserve {store.medium.address} {key} {length} --json"))


def commit(machine: Machine, store: Store, token: str, value: bytes) -> None:
    """Has the guest commit a value that may not be there yet."""
    machine.check(f"kvcli peer commit {store.medium.address} {token} --checksum {crc32c(value):08x} --timeout 20000")
