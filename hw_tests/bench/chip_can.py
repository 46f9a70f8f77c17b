"""The board's CAN in the stepped world as it is on a board: the real driver, on the model of its chip.

A plant with `can = "mcp2515"` has one of these for each bus instead of VirtualCan. The chip stands on a bus of its own
(hw_tests/bench/chips), where a gateway carries frames to and from the node on the bench's wire: one frame time more.
The clock of the chip is that of the world; after each tick it runs a little ahead, so that what was sent is on the wire
at once. `do()` breaks things: it is the verb `can` of a scenario.
"""

from collections.abc import Callable
from typing import Any

from hw_tests.bench.chips.board import Clock, Spi
from hw_tests.bench.chips.bus import GOOD, SHORT, Bus
from hw_tests.bench.chips.mcp2515 import Mcp2515
from hw_tests.bench.chips.node import Peer
from hw_tests.bench.chips.wire import frame
from hw_tests.bench.frame import Frame
from hw_tests.bench.virtual_wire import Node

CRYSTAL_Hz = 16_000_000
SPI_CALL_ns = 50_000
_AHEAD_ns = 3_000_000
_MS = 1_000_000


class ChipCan:
    """What stands between the firmware and one wire. `can` is the driver's, handed to the firmware as it is."""

    def __init__(self, node: Node, bitrate: int):
        self.node = node
        self._bitrate = bitrate
        self._bus = Bus(bitrate)
        self._clock = Clock(self._bus)
        self._spi = Spi(self._clock, overhead_ns=SPI_CALL_ns)
        self._gateway = self._bus.attach(Peer("gateway"))
        self._chip = Mcp2515(self._clock, CRYSTAL_Hz)
        self._bus.attach(self._chip, on=False)
        self._cs = self._spi.select(self._chip)
        self.can: Any = None
        self._now_ms = 0

    def boot(self) -> Any:
        """The firmware starts: a new driver on the same chip."""
        from lib.mcp2515 import CAN  # the board's path is set by whoever steps the firmware

        self.can = CAN(1, self._bitrate, port=(self._spi, self._cs, self._chip.int_pin, CRYSTAL_Hz), rx_frames=32)
        return self.can

    # --- time ---
    @property
    def now_ms(self) -> int:
        """The world's time when it was told last."""
        return self._now_ms

    @now_ms.setter
    def now_ms(self, now_ms: int) -> None:
        self._now_ms = now_ms
        while self.node.received:
            f = self.node.received.popleft()
            self._gateway.send(frame(f.id, f.data, ext=f.ext), self._clock.now)
        ahead_ns = now_ms * _MS - self._clock.now
        if ahead_ns > 0:
            self._clock.wait(ahead_ns)
        self._forward()

    def ticked(self) -> None:
        """The tick is over: what it has sent reaches the wire."""
        self._clock.wait(_AHEAD_ns)
        self._forward()

    def _forward(self) -> None:
        for _, (can_id, ext, _rtr, _dlc, data) in self._gateway.inbox:
            self.node.send(Frame(can_id, bool(ext), data), self._now_ms)
        self._gateway.inbox.clear()
        self._gateway.outbox.clear()

    # --- scenarios ---
    def do(self, what: str) -> None:
        """Break it or mend it."""
        chip = self._chip
        actions: dict[str, Callable[[], None]] = {
            "miso_low": lambda: setattr(chip, "miso", 0),
            "miso_high": lambda: setattr(chip, "miso", 255),
            "reset": chip.brown_out,
            "unpowered": lambda: chip.power(False),
            "short": lambda: self._bus.set_fault(self._clock.now, SHORT),
            "mend": self._mend,
        }
        if what not in actions:
            raise ValueError(f"can: there is no {what!r}; there are {', '.join(actions)}")
        actions[what]()

    def _mend(self) -> None:
        self._chip.miso = None
        if not self._chip.powered:
            self._chip.power(True)
        if self._bus.fault != GOOD:
            self._bus.set_fault(self._clock.now, GOOD)
        self._gateway.queue.clear()
