"""What the CAN drivers did at the SPI and the pins of their chips, tick by tick: the part of a trace (trace.py) that a
session on modelled chips has.

The replay has no chips. Its drivers, on MicroPython, find the same answers and must do the same in the same order, byte
by byte: `host_tests/board/replay_chips.py` holds them to it and describes the file.
"""

import json
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hw_tests.bench.chip_can import ChipCan

SELECT, FREE, LEVEL, WRITE, TRANSFER, AMIDST, BETWEEN = range(7)


def _fresh_drivers(kind: str) -> None:
    """As after a start of the board: bytes that nobody minds, left in a driver's buffers, are those of the image."""
    for name in list(sys.modules):
        if name == "canbase" or name.removeprefix("lib.").startswith(kind):
            del sys.modules[name]


class Tape:
    """Stands between the drivers and their chips. One for both buses, as the order between them counts too."""

    def __init__(self, chips: list[ChipCan], path: Path):
        self.events: list[bytes] = []
        self.depth = 0  # of calls that are under way
        self._costly = 0  # this tick has lost a controller or tried to bring one back: what it raises costs heap
        self._chips = chips
        _fresh_drivers(chips[0].kind)
        self._file = path.open("wb")
        about = {"driver": chips[0].kind, "crystal_Hz": chips[0].port[3], "bit_s": [chip.bus.bitrate for chip in chips]}
        self._file.write(json.dumps(about).encode() + b"\n")
        for side, chip in enumerate(chips):
            spi, select, pin, crystal_Hz = chip.port
            chip.port = _Spi(self, side, spi), _Select(self, side, select), _Pin(self, side, pin), crystal_Hz

    def booted(self) -> None:
        """The firmware is assembled; what that took is the first record."""
        for chip in self._chips:
            chip.can.send = self._watched(chip.can.send)
            chip.can.restart = self._watched(chip.can.restart, always=True)
        self.ticked()

    def _watched(self, call: Callable[..., Any], always: bool = False) -> Callable[..., Any]:
        def watched(*args: Any) -> Any:
            self._costly |= always
            try:
                return call(*args)
            except OSError:
                self._costly = 1
                raise

        return watched

    def ticked(self) -> None:
        """One record is whole."""
        events = b"".join(self.events)
        self._file.write(struct.pack("<HB", len(events), self._costly) + events)
        self.events.clear()
        self._costly = 0

    def close(self) -> None:
        """The trace ends here."""
        self._file.close()

    def note(self, side: int, kind: int, data: bytes = b"") -> None:
        """One event of one chip."""
        self.events.append(bytes((side << 4 | kind,)) + data)


class _Part:
    def __init__(self, tape: Tape, side: int, inner: Any):
        self._tape, self._side, self._inner = tape, side, inner

    def _call(self, call: Callable[..., Any], *args: Any) -> Any:
        self._tape.depth += 1
        try:
            return call(*args)
        finally:
            self._tape.depth -= 1


class _Spi(_Part):
    def write(self, out: Any) -> None:
        self._tape.note(self._side, WRITE, bytes((len(out),)) + bytes(out))
        self._call(self._inner.write, out)

    def write_readinto(self, out: Any, into: Any) -> None:
        said = bytes((len(out),)) + bytes(out)
        at = len(self._tape.events)
        self._tape.note(self._side, TRANSFER)
        self._call(self._inner.write_readinto, out, into)  # an interrupt that came meanwhile stands behind it
        self._tape.events[at] += said + bytes(into)


class _Select(_Part):
    def __call__(self, level: int) -> None:
        self._tape.note(self._side, FREE if level else SELECT)
        self._call(self._inner, level)


class _Pin(_Part):
    IRQ_FALLING = 2

    def __call__(self) -> int:
        level: int = self._inner()
        self._tape.note(self._side, LEVEL, bytes((level,)))
        return level

    def irq(self, handler: Callable[[Any], None], trigger: int) -> None:
        def interrupt(pin: Any) -> None:
            self._tape.note(self._side, AMIDST if self._tape.depth else BETWEEN)
            handler(pin)

        self._inner.irq(interrupt, trigger)
