"""What every CAN driver on SPI must do, against its chip model: the same checks for each. Both interpreters.

A driver's test file makes a Desk subclass whose `controller()` gives a chip on a bus and a CAN on that chip, and calls
`collect(__name__, TheDesk, can_driver_traffic, can_driver_faults)`: each `check_...(desk_class)` of those becomes a
test of its own. `holds` of the Desk says how many frames the chip itself can hold while nobody reads.
"""

import sys

import canbase

from hw_tests.bench.chips.board import Clock, Spi
from hw_tests.bench.chips.bus import Bus
from hw_tests.bench.chips.node import Peer
from hw_tests.bench.chips.wire import frame

US = 1000
MS = 1000000
RTR, EXT, UNORDERED = 1, 2, 16


class Desk:
    """A bus with a peer, a board with one SPI, and a controller on it."""

    holds = 2

    def __init__(self, bitrate=250000, overhead_ns=30 * US, filters=None, **how):
        canbase._ALL.clear()  # the controllers of the test before: they would all be kept
        self.bitrate = bitrate
        self.bus = Bus(bitrate)
        self.clock = Clock(self.bus)
        self.spi = Spi(self.clock, overhead_ns=overhead_ns)
        self.peer = self.bus.attach(Peer())
        self.chip, self.can = self.controller(self.bus, self.spi, bitrate, **how)
        if filters != "none":
            self.can.set_filters(filters)
        self.held = [0, memoryview(bytearray(8)), 0, 0]
        self.clock.wait(1 * MS)

    def controller(self, bus, spi, bitrate, **how):
        raise NotImplementedError

    def from_peer(self, *frames):
        """The peer sends these, one after the other, from now on."""
        for f in frames:
            self.peer.send(f, self.clock.now)

    def received(self):
        """All that recv() gives, as the wire's tuples; the errors beside."""
        frames, self.errors = [], 0
        while self.can.recv(self.held) is not None:
            can_id, data, flags, errors = self.held
            self.errors |= errors
            frames.append(frame(can_id, bytes(data), ext=flags & EXT, rtr=flags & RTR))
        return frames


def raises(error, call, *args):
    try:
        call(*args)
    except error as told:
        return str(told) or "?"
    return ""


def collect(module, desk, *checks):
    """Every check of these modules as a test of the module of that name."""

    def test_of(check):
        return lambda: check(desk)

    for rig in checks:
        for name in dir(rig):
            if name.startswith("check_"):
                setattr(sys.modules[module], "test_" + name[6:], test_of(getattr(rig, name)))


def some(count, seed=3):
    """Pseudo-random frames of all kinds."""
    out = []
    for _ in range(count):
        seed = (seed * 75 + 74) % 65537
        other = (seed * 75 + 74) % 65537
        ext = seed >> 3 & 1
        data = bytes([(other >> k) & 255 for k in range(seed % 9)])
        out.append(frame((other << 9 ^ seed) % (1 << (29 if ext else 11)), data, ext=ext, rtr=seed % 13 == 0))
    return out
