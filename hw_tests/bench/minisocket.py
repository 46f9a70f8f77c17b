"""How firmware in this process, or a TCP client on this machine, meets the `Broker` of minibroker.py.

`Sockets` stands where a board has the module `socket`. It waits as an ESP32 does (reference of MicroPython, section 4):
`setblocking(True)` means forever, whatever time-out was set before; a read that could never end is an error of the
code under test and raises `BlockedForever`, which nothing in the firmware catches.
"""

import errno
import selectors
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from hw_tests.bench.minibroker import Broker, Connection


class BlockedForever(BaseException):
    """The firmware waits for something that cannot come, without a time-out: on a board it would hang for good."""


class Sockets:
    """The module `socket` of a board whose only peer is the broker.

    `wait(ms)` is called when the firmware would wait in vain: it may let virtual time pass, and may bring bytes.
    """

    AF_INET = 2
    SOCK_STREAM = 1

    def __init__(self, broker: Broker, wait: Callable[[int], None] | None = None) -> None:
        self.broker = broker
        self.wait = wait or (lambda _ms: None)
        self.resolved = 0  # how often the resolver was asked
        self.unreachable = False  # connect() gets no answer at all
        self.chunk = 65536  # most bytes that one recv() brings
        self.room = 65536  # most bytes that one send() takes
        self.sends = 0  # calls of send(): packets on a real network

    def getaddrinfo(self, host: str, port: int, *_more: Any) -> list[tuple[Any, ...]]:
        """One address, whatever the name."""
        self.resolved += 1
        return [(self.AF_INET, self.SOCK_STREAM, 0, "", (host, port))]

    def socket(self, *_more: Any) -> "FakeSocket":
        """A new socket."""
        return FakeSocket(self)


class FakeSocket:
    """One stream socket. Bytes written reach the broker at once; its answers can be read at once."""

    def __init__(self, module: Sockets) -> None:
        self._module = module
        self._connection: Connection | None = None
        self._timeout_ms: int | None = None  # None: forever

    def settimeout(self, seconds: float | None) -> None:
        self._timeout_ms = None if seconds is None else int(seconds * 1000)

    def setblocking(self, blocking: bool) -> None:
        self._timeout_ms = None if blocking else 0

    def connect(self, _address: Any) -> None:
        if self._module.unreachable:
            self._in_vain()
        self._connection = self._module.broker.connect()

    def send(self, data: bytes | memoryview) -> int:
        connection = self._alive()
        taken = bytes(data[: self._module.room])
        self._module.sends += 1
        connection.feed(taken)
        return len(taken)

    def recv(self, most: int) -> bytes:
        connection = self._connection
        if connection is None:
            raise OSError(errno.ENOTCONN, "not connected")
        if not connection.outgoing:
            if not connection.open:
                return b""
            self._in_vain(connection)
        count = min(most, self._module.chunk)
        data = bytes(connection.outgoing[:count])
        del connection.outgoing[:count]
        return data

    def close(self) -> None:
        if self._connection is not None:
            self._module.broker.drop(self._connection)
            self._connection = None

    def _alive(self) -> Connection:
        if self._connection is None or not self._connection.open:
            raise OSError(errno.ECONNRESET, "connection reset")
        return self._connection

    def _in_vain(self, connection: Connection | None = None) -> None:
        """Nothing is there to read: wait as the ESP32 does."""
        if self._timeout_ms == 0:
            raise OSError(errno.EAGAIN, "nothing there")
        if self._timeout_ms is None:
            raise BlockedForever("recv without a time-out, and nothing will come")
        self._module.wait(self._timeout_ms)
        if connection is None or not connection.outgoing:
            raise OSError(errno.ETIMEDOUT, "timed out")


class TcpServer:
    """The same broker on a TCP port of this machine, in a thread of its own."""

    def __init__(self, broker: Broker, port: int = 0) -> None:
        self.broker = broker
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.RLock()
        self._ending = threading.Event()
        self._clients: dict[socket.socket, Connection] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._begun = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="minibroker", daemon=True)
        self._thread.start()

    def __enter__(self) -> "TcpServer":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def call(self, act: Callable[[Broker], Any]) -> Any:
        """Do something with the broker while its thread stands still."""
        with self._lock:
            return act(self.broker)

    def close(self) -> None:
        """End the thread and every connection."""
        self._ending.set()
        self._thread.join()
        for client in list(self._clients):
            client.close()
        self._listener.close()
        self._selector.close()

    def _run(self) -> None:
        while not self._ending.is_set():
            ready = self._selector.select(0.01)
            with self._lock:
                self.broker.tick(int((time.monotonic() - self._begun) * 1000))
                for key, _mask in ready:
                    if key.fileobj is self._listener:
                        self._accept()
                    elif isinstance(key.fileobj, socket.socket):
                        self._read(key.fileobj)
                for client in list(self._clients):
                    self._write(client)

    def _accept(self) -> None:
        client, _address = self._listener.accept()
        client.setblocking(False)
        try:
            self._clients[client] = self.broker.connect()
        except ConnectionRefusedError:
            client.close()
            return
        self._selector.register(client, selectors.EVENT_READ)

    def _read(self, client: socket.socket) -> None:
        connection = self._clients.get(client)
        if connection is None:
            return
        try:
            data = client.recv(65536)
            if data:
                connection.feed(data)
                return
        except BlockingIOError:
            return
        except (OSError, ValueError):
            pass
        self._forget(client)

    def _write(self, client: socket.socket) -> None:
        connection = self._clients[client]
        if connection.outgoing:
            try:
                sent = client.send(connection.outgoing)
                del connection.outgoing[:sent]
            except BlockingIOError:
                return
            except OSError:
                connection.open = False
        if not connection.open:
            self._forget(client)

    def _forget(self, client: socket.socket) -> None:
        self.broker.drop(self._clients.pop(client))
        self._selector.unregister(client)
        client.close()
