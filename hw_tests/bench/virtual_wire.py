"""A CAN bus in virtual time: frames take their time, the lowest id goes first, a full receiver loses the newest."""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from hw_tests.bench.bits import bit_length, priority
from hw_tests.bench.frame import Frame

TX_QUEUE = 3  # buffers of a common controller


class _Waiting(NamedTuple):
    priority: int
    order: int
    ready_us: int
    frame: Frame
    sender: "Node"


class Node:
    """One controller on a virtual wire."""

    def __init__(self, wire: "VirtualWire", name: str, rx_buffers: int = 0, tx_queue: int = 0):
        self.wire = wire
        self.name = name
        self.rx_buffers = rx_buffers  # 0: no limit
        self.tx_queue = tx_queue  # 0: no limit
        self.received: deque[Frame] = deque()
        self.on_frame: Callable[[Frame], None] | None = None  # instead of the queue
        self.connected = True  # False: the wire is cut here
        self.bus_off = False
        self.overruns = 0
        self.sent = 0
        self.pending = 0

    def send(self, frame: Frame, now_ms: int) -> bool:
        """Queue a frame for the bus; False if the controller has no free buffer (or is bus-off)."""
        return self.send_us(frame, now_ms * 1000)

    def send_us(self, frame: Frame, now_us: int) -> bool:
        """The same, by the microsecond."""
        if self.bus_off or (self.tx_queue and self.pending >= self.tx_queue):
            return False
        self.pending += 1
        self.wire._queue(self, frame, now_us)
        return True

    def receive(self) -> Frame | None:
        """The oldest frame that arrived, or None."""
        return self.received.popleft() if self.received else None

    def drop_pending(self) -> None:
        """What waits to be sent is forgotten (restart of the controller)."""
        self.wire._forget(self)

    def _deliver(self, frame: Frame) -> None:
        if self.on_frame is not None:
            self.on_frame(frame)
        elif self.rx_buffers and len(self.received) >= self.rx_buffers:
            self.overruns += 1
        else:
            self.received.append(frame)


class VirtualWire:
    """`attach` nodes, let them send, and call `step(now)`; deliveries happen at the end of each frame."""

    def __init__(self, bitrate: int, now_ms: int = 0, on_frame: Callable[[int, str, Frame], None] | None = None):
        self.bitrate = bitrate
        self.nodes: list[Node] = []
        self.on_frame = on_frame  # (end in us, sender's name, frame): a log
        self.frames = 0
        self.busy_us = 0
        self._us_per_bit = 1e6 / bitrate
        self._waiting: list[_Waiting] = []
        self._free_us = now_ms * 1000
        self._order = 0
        self._flying: _Waiting | None = None

    def attach(self, name: str, rx_buffers: int = 0, tx_queue: int = 0) -> Node:
        """A new controller; rx_buffers=2 loses frames as a two-buffer one does, tx_queue=3 is TX_QUEUE."""
        node = Node(self, name, rx_buffers, tx_queue)
        self.nodes.append(node)
        return node

    @property
    def idle(self) -> bool:
        """Nothing waits and nothing is on the wire."""
        return self._flying is None and not self._waiting

    def step(self, now_ms: int) -> None:
        """Everything that ends by now arrives."""
        if self._flying is not None or self._waiting:
            self.step_us(now_ms * 1000)

    @property
    def next_us(self) -> int | None:
        """When the frame on the wire ends; None if there is none."""
        return self._free_us if self._flying is not None else None

    def detach(self, node: Node) -> None:
        """The controller is gone, with what it had to send."""
        self._forget(node)
        if self._flying is not None and self._flying.sender is node:
            self._flying = None
        self.nodes.remove(node)

    def step_us(self, now_us: int) -> None:
        """The same, by the microsecond."""
        while True:
            if self._flying is None and not self._start(now_us):
                return
            if self._free_us > now_us:
                return
            self._arrive()

    def _queue(self, node: Node, frame: Frame, ready_us: int) -> None:
        self._order += 1
        self._waiting.append(_Waiting(priority(frame), self._order, ready_us, frame, node))

    def _forget(self, node: Node) -> None:
        self._waiting = [waiting for waiting in self._waiting if waiting.sender is not node]
        node.pending = int(self._flying is not None and self._flying.sender is node)

    def _start(self, now_us: int) -> bool:
        """The winner among those that wait when the bus gets free."""
        waiting = [each for each in self._waiting if each.sender.connected and not each.sender.bus_off]
        if not waiting:
            return False
        begin_us = max(self._free_us, min(each.ready_us for each in waiting))
        if begin_us > now_us:
            return False
        winner = min(each for each in waiting if each.ready_us <= begin_us)
        self._waiting.remove(winner)
        took_us = round(bit_length(winner.frame) * self._us_per_bit)
        self.busy_us += took_us
        self._free_us = begin_us + took_us
        self._flying = winner
        return True

    def _arrive(self) -> None:
        assert self._flying is not None
        _, _, _, frame, sender = self._flying
        self._flying = None
        sender.pending -= 1
        sender.sent += 1
        self.frames += 1
        if self.on_frame is not None:
            self.on_frame(self._free_us, sender.name, frame)
        for node in self.nodes:
            if node is not sender and node.connected and not node.bus_off:
                node._deliver(frame)
