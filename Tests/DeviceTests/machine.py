"""The emulated machine: a QEMU process whose persistent media are files that outlive it."""

import ctypes
import json
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from port import Port
from recording import Recording

MEBIBYTE = 1 << 20

# Devices behind root ports, which can be unplugged: an NVMe controller with a Persistent Memory Region, and a disk.
PLUGGED = {
    "region": {"driver": "nvme", "serial": "region", "pmrdev": "pmr", "bus": "slot1"},
    "disk": {"driver": "virtio-blk-pci", "drive": "disk", "bus": "slot2"},
}

# Without what this machine has not, so that it is up in two or three seconds.
KERNEL_OPTIONS = ["console=ttyS0", "tsc=reliable", "no_timer_check", "i8042.noaux", "i8042.nokbd", "panic=-1"]


class DeviceTestError(Exception):
    """The machine did not do what it was asked for, or a store is not as it should be."""


class BootError(DeviceTestError):
    """The machine did not come as far as the first command."""


@dataclass(frozen=True)
class Result:
    """What a command in the guest printed, and how it ended."""

    output: str
    code: int


@dataclass(frozen=True)
class Backing:
    """The files that hold what the guest's media hold."""

    directory: Path

    # Names, and sizes in MiB: powers of two for BARs, multiples of 128 for memory modules.
    SIZES = {"pmr": 64, "ivshmem": 64, "fsdax": 128, "devdax": 128, "disk": 96, "peerdisk": 32}

    def path(self, name: str) -> Path:
        return self.directory / f"{name}.img"

    def create(self) -> None:
        """Makes all files anew: zeros."""
        for name, size in self.SIZES.items():
            self.path(name).unlink(missing_ok=True)
            with self.path(name).open("wb") as file:
                file.truncate(size * MEBIBYTE)


class Machine:
    """A running machine. Use it as a context: whatever happens inside, the process is gone afterwards."""

    BOOT_SECONDS = 120

    def __init__(
        self, build: Path, backing: Backing, programs: list[str], cpu: str = "max", cores: int = 1,
        devices: tuple[str, ...] = ()
    ):
        self._backing = backing
        # More devices, as QEMU is told of them.
        self._devices = devices
        self._console = backing.directory / "console.log"
        self._trace = backing.directory / "trace.log"
        self._qmp_path = backing.directory / "qmp.sock"
        self._qmp_path.unlink(missing_ok=True)
        self._commands = Port("commands", backing.directory)
        # What programs read and write, by the program's name: `NAME-in` and `NAME-out` in the guest.
        self.inputs = {name: Port(f"{name}-in", backing.directory) for name in programs}
        self.outputs = {name: Recording(f"{name}-out", backing.directory) for name in programs}
        self._number = 0
        started = time.monotonic()
        self._process = subprocess.Popen(
            self._arguments(build, cpu, cores), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            preexec_fn=_end_with_parent)
        try:
            for port in self._sockets():
                port.connect(10)
            self._wait_until_ready()
        except BaseException as error:
            self.kill()
            if isinstance(error, TimeoutError):
                raise BootError(f"the machine does not start: {self._last_words()}") from error
            raise
        self.boot_seconds = time.monotonic() - started

    def __enter__(self) -> "Machine":
        return self

    def __exit__(self, *_) -> None:
        self.kill()

    def kill(self) -> None:
        """Ends the machine in this very moment, by SIGKILL."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        for port in self._sockets():
            port.close()

    # MARK: Commands

    def run(self, command: str, timeout: float = 60) -> Result:
        """Runs a line of shell in the guest, and waits until it has ended."""
        self._number += 1
        self._commands.send(f"{self._number} {command}\n".encode())
        mark = f"\n@@{self._number} ".encode()
        place = self._commands.find(mark, timeout)
        end = None if place is None else self._commands.find(b"\n", timeout, place + len(mark))
        if place is None or end is None:
            raise DeviceTestError(f"no answer in {timeout:.0f} s to: {command}\n{self._last_words()}")
        answer = self._commands.take(end + 1)
        return Result(answer[:place].decode(), int(answer[place + len(mark) : end]))

    def check(self, command: str, timeout: float = 60) -> str:
        """Runs a line of shell that has to succeed, and answers what it printed."""
        result = self.run(command, timeout)
        if result.code != 0:
            raise DeviceTestError(f"exit code {result.code}: {command}\n{result.output}")
        return result.output

    # MARK: QEMU's monitor

    def monitor(self, command: str, **arguments) -> dict:
        """Runs one command of QEMU's own protocol."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(30)
            connection.connect(str(self._qmp_path))
            with connection.makefile("rwb") as stream:
                stream.readline()  # The greeting.
                for name, values in (("qmp_capabilities", {}), (command, arguments)):
                    stream.write(json.dumps({"execute": name, "arguments": values}).encode() + b"\n")
                    stream.flush()
                    answer = {}
                    while "return" not in answer:
                        answer = json.loads(stream.readline())
                        if "error" in answer:
                            raise DeviceTestError(f"QEMU refuses {name}: {answer['error']['desc']}")
        return answer["return"]

    def unplug(self, device: str) -> None:
        """Asks the guest to let go of a device of `PLUGGED`, as the button at its slot does."""
        self.monitor("device_del", id=f"{device}-device")

    def plug(self, device: str) -> None:
        """Plugs the same device again, with what it held."""
        self.monitor("device_add", id=f"{device}-device", **PLUGGED[device])

    def trace(self, event: str, enable: bool) -> None:
        self.monitor("trace-event-set-state", name=event, enable=enable)

    def traced_lines(self) -> list[str]:
        """What QEMU has traced so far."""
        return self._trace.read_text().splitlines() if self._trace.exists() else []

    # MARK: Starting

    def _sockets(self) -> list[Port]:
        return [self._commands, *self.inputs.values()]

    def _channels(self) -> dict[str, str]:
        """What is behind each port, for QEMU."""
        channels = {port.name: f"socket,path={port.path}" for port in self._sockets()}
        return channels | {recording.name: f"file,path={recording.path}" for recording in self.outputs.values()}

    def _wait_until_ready(self) -> None:
        ready = b"@@ready\n"
        place = self._commands.find(ready, self.BOOT_SECONDS)
        if place is None:
            raise BootError(f"the machine does not boot: {self._last_words()}")
        self._commands.take(place + len(ready))

    def _last_words(self) -> str:
        """The end of what QEMU and the guest's kernel said."""
        text = ""
        if self._process.poll() is not None and self._process.stdout:
            text = self._process.stdout.read().decode(errors="replace")
        if self._console.exists():
            text += "\n".join(self._console.read_text(errors="replace").splitlines()[-20:])
        return text or "it says nothing"

    def _arguments(self, build: Path, cpu: str, cores: int) -> list[str]:
        arguments = [
            "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-M", "q35,nvdimm=on", "-cpu", cpu, "-smp", str(cores),
            "-m", "512,slots=4,maxmem=4G", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-kernel", str(build / "kernel/vmlinuz"), "-initrd", str(build / "initrd.cpio"),
            "-append", " ".join([*KERNEL_OPTIONS, f"ports={len(self._channels())}"]),
            "-serial", f"file:{self._console}", "-qmp", f"unix:{self._qmp_path},server=on,wait=off",
            # An event that never comes opens the log to those that are switched on later.
            "-D", str(self._trace), "-d", "trace:pci_nvme_err_startfail",
        ]
        # The memory of BARs and modules: shared, so that it is the file's page cache.
        for name in ("pmr", "ivshmem", "fsdax", "devdax"):
            size = Backing.SIZES[name]
            align = ",align=128M" if name in ("fsdax", "devdax") else ""
            arguments += [
                "-object",
                f"memory-backend-file,id={name},share=on,mem-path={self._backing.path(name)},size={size}M{align}"]
        arguments += [
            "-blockdev", f"driver=raw,node-name=disk,file.driver=file,file.filename={self._backing.path('disk')}",
            "-device", "pcie-root-port,id=slot1,chassis=1,slot=1,addr=5",
            "-device", "pcie-root-port,id=slot2,chassis=2,slot=2,addr=6",
            "-device", "ivshmem-plain,memdev=ivshmem,addr=0x10",
            "-device", "nvdimm,memdev=fsdax", "-device", "nvdimm,memdev=devdax",
            # Without ioeventfd the guest's call waits until its bytes are written.
            "-device", "virtio-serial-pci,ioeventfd=off",
        ]
        for device, properties in PLUGGED.items():
            given = [f"{name}={value}" for name, value in properties.items()]
            arguments += ["-device", ",".join([*given, f"id={device}-device"])]
        arguments += self._devices
        for name, channel in self._channels().items():
            arguments += ["-chardev", f"{channel},id={name}", "-device", f"virtserialport,chardev={name},name={name}"]
        return arguments


def _end_with_parent() -> None:
    """Has the kernel kill this process with its parent: a machine that nobody waits for would run on."""
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
