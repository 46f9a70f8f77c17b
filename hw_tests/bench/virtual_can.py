"""A node of a virtual wire with the surface of machine.CAN (MicroPython 1.28), for firmware stepped in CPython."""

from typing import Any

from hw_tests.bench.frame import Frame
from hw_tests.bench.virtual_wire import Node


class VirtualCan:
    """Set `now_ms` before each tick. Frames to and from `node`; data arrives in a memoryview of its own length."""

    FLAG_RTR = 1
    FLAG_EXT_ID = 2
    FLAG_UNORDERED = 4
    FILTERS_MAX = 16
    STATE_STOPPED, STATE_ACTIVE, STATE_WARNING, STATE_PASSIVE, STATE_BUS_OFF = range(5)

    def __init__(self, node: Node, now_ms: int = 0):
        self.node = node
        self.now_ms = now_ms
        self._filters: Any = None
        self._buffer = bytearray(8)
        self._views = [memoryview(self._buffer)[:length] for length in range(9)]

    def send(self, can_id: int, data: Any, flags: int = 0) -> int | None:
        """Index, or None if no buffer is free; OSError in bus-off."""
        if self.node.bus_off:
            raise OSError("bus-off")
        frame = Frame(can_id, bool(flags & self.FLAG_EXT_ID), bytes(data))
        return 0 if self.node.send(frame, self.now_ms) else None

    def cancel_send(self, index: int) -> bool:
        """Whatever waits is forgotten: there is one index for all."""
        waits = self.node.pending > 0
        self.node.drop_pending()
        return waits

    def recv(self, into: list[Any] | None = None) -> list[Any] | None:
        """[id, memoryview, flags, errors], the given list if there is one; None without a frame."""
        frame = self._next()
        if frame is None:
            return None
        length = len(frame.data)
        self._buffer[:length] = frame.data
        result = [0, None, 0, 0] if into is None else into
        result[0] = frame.id
        result[1] = self._views[length]
        result[2] = self.FLAG_EXT_ID if frame.ext else 0
        result[3] = 0
        return result

    def state(self) -> int:
        """Bus-off is left only through restart()."""
        return self.STATE_BUS_OFF if self.node.bus_off else self.STATE_ACTIVE

    def restart(self) -> None:
        """Leave bus-off; what waited is forgotten."""
        self.node.drop_pending()
        self.node.bus_off = False

    def set_filters(self, filters: Any) -> None:
        """None: everything; else (id, mask, flags) each."""
        self._filters = filters

    def _next(self) -> Frame | None:
        while self.node.received:
            frame = self.node.received.popleft()
            if self._filters is None or any(self._passes(frame, each) for each in self._filters):
                return frame
        return None

    def _passes(self, frame: Frame, wanted: Any) -> bool:
        can_id, mask, flags = wanted
        return bool(flags & self.FLAG_EXT_ID) == frame.ext and (frame.id ^ can_id) & mask == 0
