"""Processors that take libpmem, and the store, each another way to flush and to copy."""

from dataclasses import dataclass

from machine import DeviceTestError, Machine

# The flags that decide, as Linux names them.
DECIDING = ("clflush", "clflushopt", "clwb", "avx")


@dataclass(frozen=True)
class CPU:
    """A processor, by the flags of `DECIDING` that it has."""

    flags: tuple[str, ...]

    @property
    def name(self) -> str:
        has_avx = "avx" in self.flags
        return f"{self.flags[-2] if has_avx else self.flags[-1]} {'with' if has_avx else 'without'} avx"

    @property
    def arguments(self) -> str:
        """What it is for QEMU."""
        return "max" + "".join(f",{flag}=off" for flag in DECIDING if flag not in self.flags)


# Best first: libpmem takes the last of each row that has the name of a flush instruction.
CPUS = [
    CPU(flushes + avx)
    for avx in (("avx",), ())
    for flushes in (("clflush", "clflushopt", "clwb"), ("clflush", "clflushopt"), ("clflush",))
]


def check_flags(machine: Machine, cpu: CPU) -> None:
    """Fails unless the guest's processor has what it should have, and lacks what it should lack."""
    found = machine.check("grep -m 1 ^flags /proc/cpuinfo").split()
    if {flag for flag in DECIDING if flag in found} != set(cpu.flags):
        raise DeviceTestError(f"the processor has not just {cpu.flags}")
