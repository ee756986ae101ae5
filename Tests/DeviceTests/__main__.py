"""Tests BarKV in an emulated machine whose media outlive the power: see Docs/Testing.md.

Exit code 0: all was as it should be; 1: something was not; 2: the arguments are wrong.
"""

import argparse
import secrets
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from testbed import Testbed
from machine import MEBIBYTE, Backing, DeviceTestError
from media import MEDIA
from run import PARTS, Run


def main() -> int:
    arguments = parse_arguments()
    # As an interruption does, it ends the machine and takes the media away.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    # Sockets' paths must be short.
    directory = Path(tempfile.mkdtemp(prefix="barkv-device.", dir=arguments.directory or roomy_directory()))
    print(f"seed {arguments.seed}, {arguments.cycles} cycles, {arguments.peer_cycles} with peers, media in {directory}", flush=True)
    backing = Backing(directory)
    backing.create()
    run = Run(Testbed(arguments.build, backing, MEDIA), arguments.seed)
    try:
        run.some(arguments.parts, arguments.cycles, arguments.peer_cycles)
    except DeviceTestError as error:
        run.testbed.keep_evidence()
        print(f"{run.summary}\nFAILED: {error}\n  again: make test-device SEED={arguments.seed} CYCLES={arguments.cycles} PEER_CYCLES={arguments.peer_cycles}")
        print(f"  the media, what was acknowledged, and what the machine said, are kept in {directory}")
        return 1
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    shutil.rmtree(directory)
    print(run.summary)
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="device tests")
    parser.add_argument("--build", type=Path, required=True, help="where the kernel and the archive are")
    parser.add_argument("--cycles", type=int, default=24, help="how often the machine is killed")
    parser.add_argument("--peer-cycles", type=int, default=12, help="how often it is killed while other devices write")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what to do of it all")
    parser.add_argument("--seed", default=secrets.token_hex(4), help="decides the loads and the moments of the kills")
    parser.add_argument("--directory", help="where the media's files go: /dev/shm, where that has the room, unless given")
    arguments = parser.parse_args()
    if arguments.cycles < 1 or arguments.peer_cycles < 1:
        parser.error("--cycles and --peer-cycles take a number from 1 on")
    return arguments


def roomy_directory() -> str:
    """A file system in memory, if there is one for all media: only the machine's end is simulated, not the host's."""
    needed = 2 * sum(Backing.SIZES.values()) * MEBIBYTE
    memory = "/dev/shm"
    return memory if Path(memory).is_dir() and shutil.disk_usage(memory).free > needed else tempfile.gettempdir()


if __name__ == "__main__":
    sys.exit(main())
