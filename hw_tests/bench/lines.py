"""JSON lines over TCP, read without waiting: the control line of a bench process and its link to the plant."""

import json
import socket
import time
from typing import Any, Protocol


def address(text: str) -> tuple[str, int]:
    """`host:port`, or a port of this machine."""
    host, _, port = text.rpartition(":")
    return host or "127.0.0.1", int(port)


class Link(Protocol):
    """What an emulator needs of its plant and of its runner: Lines, or something in the same process."""

    alive: bool

    def receive(self) -> list[dict[str, Any]]: ...

    def send(self, message: dict[str, Any]) -> None: ...


class Lines:
    """One connection. `receive` gives what has come, `send` never waits: what the peer does not take is dropped."""

    def __init__(self, connection: socket.socket):
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.alive = True
        self.dropped = 0  # messages that the peer was too slow for
        self._socket = connection
        self._in = b""
        self._out = b""

    @classmethod
    def connect(cls, where: str, patience_s: float = 10.0) -> "Lines":
        """To a server that may not have started yet."""
        deadline_s = time.monotonic() + patience_s
        while True:
            try:
                return cls(socket.create_connection(address(where), timeout=2))
            except OSError:
                if time.monotonic() > deadline_s:
                    raise
                time.sleep(0.05)

    def receive(self) -> list[dict[str, Any]]:
        """The messages that have arrived whole. A line that is no JSON object raises ValueError."""
        while self.alive:
            try:
                data = self._socket.recv(65536)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                data = b""
            if not data:
                self.alive = False
            self._in += data
        if b"\n" not in self._in:
            return []
        *whole, self._in = self._in.split(b"\n")
        messages = [json.loads(line) for line in whole if line.strip()]
        if not all(isinstance(message, dict) for message in messages):
            raise ValueError("a line is no JSON object")
        return messages

    def send(self, message: dict[str, Any]) -> None:
        """One message, after those that still wait."""
        if len(self._out) > 65536:
            self.dropped += 1
        else:
            self._out += json.dumps(message, separators=(",", ":")).encode() + b"\n"
        self.flush()

    def flush(self) -> None:
        """Hand over what the peer takes now."""
        try:
            while self._out and self.alive:
                self._out = self._out[self._socket.send(self._out) :]
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            self.alive = False

    def close(self) -> None:
        """The end."""
        self.alive = False
        self._socket.close()
