"""The door for the board's RS-485 line in a live run: bytes both ways over TCP, each at its time on the line."""

import contextlib
import socket

from hw_tests.bench.field import Field


class FieldLink:
    """`exchange` every ms."""

    def __init__(self, port: int = 0):
        self._door = socket.create_server(("127.0.0.1", port))
        self._door.setblocking(False)
        self.port = self._door.getsockname()[1]
        self._peer: socket.socket | None = None

    def exchange(self, field: Field, now_ms: int) -> None:
        """What each side has said since."""
        with contextlib.suppress(BlockingIOError, InterruptedError):
            peer, _ = self._door.accept()
            self.leave()
            peer.setblocking(False)
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._peer = peer
        if self._peer is None:
            return
        try:
            with contextlib.suppress(BlockingIOError, InterruptedError):
                data = self._peer.recv(4096)
                if not data:
                    self.leave()
                    return
                field.heard(data, now_ms)
            if said := field.speak(now_ms):
                self._peer.sendall(said)
        except OSError:
            self.leave()

    def leave(self) -> None:
        """The board is gone."""
        if self._peer is not None:
            self._peer.close()
        self._peer = None

    def close(self) -> None:
        """The end."""
        self.leave()
        self._door.close()
