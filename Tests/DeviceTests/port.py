"""A channel between the host and a program in the guest: a virtio serial port there, a Unix socket here."""

import socket
import threading
from collections.abc import Iterable
from pathlib import Path


class Port:
    """Listens for the machine, which connects when it starts.

    What comes from the guest is gathered by a thread, so that the guest never waits for its reader.
    """

    def __init__(self, name: str, directory: Path):
        self.name = name
        self.path = directory / f"{name}.sock"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen(1)
        self._connection: socket.socket | None = None
        self._received = bytearray()
        self._ended = False
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []

    def connect(self, timeout: float) -> None:
        """Waits for the machine to connect."""
        self._listener.settimeout(timeout)
        self._connection, _ = self._listener.accept()
        self._connection.settimeout(None)
        self._start(self._receive)

    def send(self, data: bytes) -> None:
        assert self._connection
        self._connection.sendall(data)

    def stream(self, pieces: Iterable[bytes]) -> None:
        """Sends pieces one after the other in the background, until they or the machine end."""
        assert self._connection
        connection = self._connection

        def pump() -> None:
            try:
                for piece in pieces:
                    connection.sendall(piece)
            except OSError:
                pass  # The machine is gone.

        self._start(pump)

    def find(self, text: bytes, timeout: float, start: int = 0) -> int | None:
        """Where `text` begins, from `start` on; `None` where it does not come in time or the machine ends."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._received.find(text, start) >= 0, timeout)
            place = self._received.find(text, start)
        return place if place >= 0 else None

    def take(self, count: int) -> bytes:
        """Removes the first bytes of what has come."""
        with self._changed:
            taken = bytes(self._received[:count])
            del self._received[:count]
        return taken

    def close(self) -> None:
        """Closes, once the machine has ended."""
        for thread in self._threads:
            thread.join(30)
        if self._connection:
            self._connection.close()
        self._listener.close()
        self.path.unlink(missing_ok=True)

    def _start(self, body) -> None:
        thread = threading.Thread(target=body, name=f"{self.name}-{body.__name__}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _receive(self) -> None:
        assert self._connection
        while True:
            try:
                data = self._connection.recv(1 << 16)
            except OSError:
                data = b""
            with self._changed:
                if data:
                    self._received += data
                else:
                    self._ended = True
                self._changed.notify_all()
            if not data:
                return
