"""What a program in the guest has written to a port, kept in a file of the host."""

import time
from collections.abc import Callable
from pathlib import Path


class Recording:
    """A port whose bytes QEMU writes to a file, in the call of the guest's that writes them.

    So a write that has returned in the guest is in the file, whatever happens to QEMU next. A socket would not do: when it
    is full, the guest's call returns before its bytes are on their way.
    """

    def __init__(self, name: str, directory: Path):
        self.name = name
        self.path = directory / f"{name}.recording"
        self.path.unlink(missing_ok=True)

    def contents(self) -> bytes:
        return self.path.read_bytes() if self.path.exists() else b""

    def wait_for(self, condition: Callable[[bytes], bool], timeout: float) -> bool:
        """Waits until a condition holds of what was written; `False` where it does not in time."""
        deadline = time.monotonic() + timeout
        while not condition(self.contents()):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True
