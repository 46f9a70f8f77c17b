"""What passes on the adapter: counted, shown to whoever follows the other side, and handed on."""

import contextlib
from collections.abc import Callable
from typing import Any

import can

from hw_tests.bench.frame import Frame


class Tap:
    """A python-can bus that says what it heard. `heard(frame)` is called for each frame of the others."""

    def __init__(self, bus: can.BusABC, heard: Callable[[Frame], None]):
        self.received = self.sent = 0
        self._bus, self._heard = bus, heard

    def recv(self, timeout: float | None = None) -> can.Message | None:
        """The next message, or None after `timeout` s."""
        message = self._bus.recv(timeout)
        if message is not None and not message.is_remote_frame and not message.is_error_frame:
            self.received += 1
            self._heard(Frame(message.arbitration_id, message.is_extended_id, bytes(message.data)))
        return message

    def send(self, message: can.Message) -> None:
        """One message; raises what the adapter raises."""
        self._bus.send(message)
        self.sent += 1

    def shutdown(self) -> None:
        """The end."""
        with contextlib.suppress(can.CanError, OSError):  # an adapter that is gone cannot be told
            self._bus.shutdown()

    def facts(self) -> dict[str, Any]:
        """Counters since the beginning."""
        return {"bus_received": self.received, "bus_sent": self.sent}
