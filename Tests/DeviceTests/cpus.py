"""Processors on which libpmem, and the store, flush and copy each in another way."""

from dataclasses import dataclass

from machine import DeviceTestError, Machine

# The flags that decide, as Linux names them.
DECIDING = ("clflush", "clflushopt", "clwb", "avx")


@dataclass(frozen=True)
class CPU:
    """A processor, by the flags of `DECIDING` that it has: the ways to flush, best last."""

    flushes: tuple[str, ...]
    has_avx: bool
    cores: int

    @property
    def flags(self) -> set[str]:
        return {*self.flushes, *(["avx"] if self.has_avx else [])}

    @property
    def name(self) -> str:
        return f"{self.flushes[-1]} {'with' if self.has_avx else 'without'} avx, {'one core' if self.cores == 1 else 'two cores'}"

    @property
    def arguments(self) -> str:
        """What it is for QEMU."""
        return "max" + "".join(f",{flag}=off" for flag in DECIDING if flag not in self.flags)


# Two cores have programs really run beside each other; one costs the host half.
CPUS = [
    CPU(flushes, has_avx, cores)
    for has_avx, cores in ((True, 2), (False, 1))
    for flushes in (("clflush", "clflushopt", "clwb"), ("clflush", "clflushopt"), ("clflush",))
]


def check_flags(machine: Machine, cpu: CPU) -> None:
    """Fails unless the guest's processor has what it should have, and lacks what it should lack."""
    found = machine.check("grep -m 1 ^flags /proc/cpuinfo").split()
    if {flag for flag in DECIDING if flag in found} != cpu.flags:
        raise DeviceTestError(f"the processor has not just {sorted(cpu.flags)}")
