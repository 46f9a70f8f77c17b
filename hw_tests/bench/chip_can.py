"""The board's CAN in the stepped world as it is on a board: the real driver, on the model of its chip.

A plant with `can = "mcp2515"` or "mcp2518fd" has one of these for each bus instead of VirtualCan. The chip stands on a
bus of its own (hw_tests/bench/chips), where a gateway carries frames to and from the node on the bench's wire: one
frame time more. The clock of the chip is that of the world; after each tick it runs a little ahead, so that what was
sent is on the wire at once. `do()` breaks things: it is the verb `can` of a scenario.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from hw_tests.bench.chips.board import Clock, Spi
from hw_tests.bench.chips.bus import GOOD, SHORT, Bus
from hw_tests.bench.chips.mcp2515 import Mcp2515
from hw_tests.bench.chips.mcp2518fd import Mcp2518fd
from hw_tests.bench.chips.node import Peer
from hw_tests.bench.chips.wire import frame
from hw_tests.bench.frame import Frame
from hw_tests.bench.virtual_wire import Node

KINDS: dict[str, tuple[Any, int]] = {"mcp2515": (Mcp2515, 16_000_000), "mcp2518fd": (Mcp2518fd, 40_000_000)}
SPI_CALL_ns = 50_000
_AHEAD_ns = 3_000_000
_MS = 1_000_000


def reset_drivers() -> None:
    """The firmware begins anew: no controller of the life before is asked whether it missed an interrupt."""
    import_module("canbase")._ALL.clear()


class ChipCan:
    """What stands between the firmware and one wire. `can` is the driver's, handed to the firmware as it is."""

    def __init__(self, node: Node, bitrate: int, kind: str = "mcp2515"):
        self.node = node
        self.kind = kind
        self._bitrate = bitrate
        self.bus = Bus(bitrate)
        self.clock = Clock(self.bus)
        self.spi = Spi(self.clock, overhead_ns=SPI_CALL_ns)
        self._gateway = self.bus.attach(Peer("gateway"))
        model, crystal_Hz = KINDS[kind]
        self.chip = model(self.clock, crystal_Hz)
        self.bus.attach(self.chip, on=False)
        # What the driver gets; a test may put something in between.
        self.port: Any = self.spi, self.spi.select(self.chip), self.chip.int_pin, crystal_Hz
        self.can: Any = None
        self._now_ms = 0

    def boot(self) -> Any:
        """The firmware starts: a new driver on the same chip."""
        driver = import_module("lib." + self.kind)  # the board's path is set by whoever steps the firmware
        self.can = driver.CAN(1, self._bitrate, port=self.port, rx_frames=32)
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
            self._gateway.send(frame(f.id, f.data, ext=f.ext), self.clock.now)
        ahead_ns = now_ms * _MS - self.clock.now
        if ahead_ns > 0:
            self.clock.wait(ahead_ns)
        self._forward()

    def ticked(self) -> None:
        """The tick is over: what it has sent reaches the wire."""
        self.clock.wait(_AHEAD_ns)
        self._forward()

    def _forward(self) -> None:
        for _, (can_id, ext, _rtr, _dlc, data) in self._gateway.inbox:
            self.node.send(Frame(can_id, bool(ext), data), self._now_ms)
        self._gateway.inbox.clear()
        self._gateway.outbox.clear()

    # --- scenarios ---
    def do(self, what: str) -> None:
        """Break it or mend it."""
        chip = self.chip
        actions: dict[str, Callable[[], None]] = {
            "miso_low": lambda: setattr(chip, "miso", 0),
            "miso_high": lambda: setattr(chip, "miso", 255),
            "reset": chip.brown_out,
            "unpowered": lambda: chip.power(False),
            "short": lambda: self.bus.set_fault(self.clock.now, SHORT),
            "cut": self._cut,
            "mend": self._mend,
        }
        if what not in actions:
            raise ValueError(f"can: there is no {what!r}; there are {', '.join(actions)}")
        actions[what]()

    def _cut(self) -> None:
        """The cable: the chip is alone, nobody acknowledges and nothing arrives."""
        self.bus.detach(self._gateway)

    def _mend(self) -> None:
        self.chip.miso = None
        if self.kind == "mcp2515" and not self.chip.powered:
            self.chip.power(True)
        if self._gateway.bus is None:
            self.bus.attach(self._gateway)
        if self.bus.fault != GOOD:
            self.bus.set_fault(self.clock.now, GOOD)
        self._gateway.queue.clear()
