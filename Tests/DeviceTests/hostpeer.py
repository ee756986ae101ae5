"""A process of the host as a peer: it writes into the file behind a BAR while the guest uses the store there."""

import threading
import time
from pathlib import Path


class HostPeer:
    """Writes values to places that the guest has reserved, a piece at a time."""

    PIECE = 4096

    def __init__(self, path: Path):
        self._path = path
        self.written = 0

    def write(self, offset: int, value: bytes, seconds: float = 0) -> None:
        """Writes a value from its last piece to its first, with pauses that add up to `seconds`.

        Backwards, so that who looks at the first bytes alone takes for whole what is not.
        """
        with self._path.open("r+b", buffering=0) as file:
            starts = range(0, len(value), self.PIECE)
            for start in reversed(starts):
                file.seek(offset + start)
                file.write(value[start : start + self.PIECE])
                time.sleep(seconds / len(starts))
        self.written += len(value)

    def start_writing(self, offset: int, value: bytes, seconds: float) -> threading.Thread:
        """The same in the background."""
        thread = threading.Thread(target=self.write, args=(offset, value, seconds), daemon=True)
        thread.start()
        return thread

    def snapshot(self) -> bytes:
        """All that is behind the BAR now."""
        return self._path.read_bytes()


def _table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_TABLE = _table()


def crc32c(value: bytes) -> int:
    """The checksum by which the store is told what a value has to be (Castagnoli, as in iSCSI)."""
    crc = 0xFFFFFFFF
    for byte in value:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF
