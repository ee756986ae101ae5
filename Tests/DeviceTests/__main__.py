"""Tests BarKV in an emulated machine whose media outlive the power: see Docs/Testing.md.

Exit code 0: all was as it should be; 1: something was not; 2: the arguments are wrong.
"""

import argparse
import secrets
import shutil
import sys
import tempfile
import time
from pathlib import Path

from bench import Bench
from cpus import CPUS
from cycles import KillLoop
from faults import FAULTS, run_fault
from machine import Backing, DeviceTestError
from media import MEDIA
from trace import run_trace


def main() -> int:
    arguments = parse_arguments()
    started = time.monotonic()
    # Sockets' paths must be short. In memory, as nothing but this machine's own end is simulated.
    directory = Path(tempfile.mkdtemp(prefix="barkv-device.", dir=arguments.directory))
    print(f"seed {arguments.seed}, {arguments.cycles} cycles, media in {directory}", flush=True)
    backing = Backing(directory)
    backing.create()
    try:
        bench = Bench(arguments.build, backing, MEDIA)
        loop = KillLoop(bench, CPUS, arguments.seed)
        loop.run(arguments.cycles)
        faults = run_faults(bench, arguments.seed)
        trace_barriers(bench)
    except DeviceTestError as error:
        print(f"FAILED: {error}\n  again: make test-device SEED={arguments.seed} CYCLES={arguments.cycles}")
        print(f"  the media and the console are kept in {directory}")
        return 1
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    shutil.rmtree(directory)
    print_summary(bench, loop, faults, time.monotonic() - started)
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="device tests")
    parser.add_argument("--build", type=Path, required=True, help="where the kernel and the archive are")
    parser.add_argument("--cycles", type=int, default=24, help="how often the machine is killed")
    parser.add_argument("--seed", default=secrets.token_hex(4), help="decides the loads and the moments of the kills")
    parser.add_argument("--directory", default="/dev/shm", help="where the media's files go")
    arguments = parser.parse_args()
    if arguments.cycles < 1:
        parser.error("--cycles takes a number from 1 on")
    return arguments


def run_faults(bench: Bench, seed: str) -> int:
    """Makes each fault that the media permit, and answers how many there were."""
    print("faults under load:", flush=True)
    stores = {store.medium.name: store for store in bench.stores}
    faults = [fault for fault in FAULTS if fault.medium in stores]
    for fault in faults:
        with bench.boot(CPUS[0]) as machine:
            run_fault(machine, stores[fault.medium], fault, seed)
    return len(faults)


def trace_barriers(bench: Bench) -> None:
    """Counts what reaches the bus, where there is a Persistent Memory Region."""
    print("traced by QEMU:", flush=True)
    for store in bench.stores:
        if store.medium.domain == "pmrStatusRead":
            with bench.boot(CPUS[0]) as machine:
                run_trace(machine, store)


def print_summary(bench: Bench, loop: KillLoop, faults: int, seconds: float) -> None:
    print("\nmedium   checks  writes acknowledged  acknowledged keys checked  lost")
    for store in bench.stores:
        tally = store.tally
        print(f"{store.medium.name:8}  {tally.checks:5}  {tally.acknowledged:19}  {tally.checked:25}  {tally.lost:4}")
    print("cycles by processor: " + ", ".join(f"{name} {count}" for name, count in loop.cycles_by_cpu.items()))
    tallies = [store.tally for store in bench.stores]
    print(
        f"{loop.cycles} cycles, {faults} faults under load, {sum(tally.checked for tally in tallies)} acknowledged keys checked, "
        f"{sum(tally.lost for tally in tallies)} lost, in {seconds:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
