# The wires of a real board on the bench: the CAN controllers, the watchdog and the RTC memory are its own, the pins are
# records over its console. `board.CHIPS` is the data of the board as it stands at a station: judged whole, its chips
# made, its selects taken; its ADC and its expander stay silent, and none of its outputs is ever written: boot.py
# brings them to their safe level (the bench board's OUTPUTS are the same), and there they stay.
#
# A bench that falls silent leaves the pins stale: the gate stops after 100 ms. After 5 s the stream counts as ended:
# the station takes its way out and leaves the prompt to the desk, for as long as after a Ctrl-C. Without a bench that
# is what such a board comes to after each start.
#
# A reset by EN takes the board's clock, and without the time a station refuses every order: the first sample brings it
# again (hw_tests/bench/console_link.py). A clock that runs is left alone.
import time

import board_wires
import machine
from console_stream import Console
from micropython import const
from remoteio import RemoteIO

_TO_2000_s = const(946684800)  # from 1970, where a MicroPython counts from there
_BEFORE = const(2025)  # no clock that was ever set


class Wires(board_wires.Wires):
    def _pins(self, board):
        return RemoteIO(Console())

    def start(self):
        board_wires.Wires.start(self)
        if time.gmtime()[0] < _BEFORE:
            self._fed, self.feed = self.feed, self._first_fed

    def _first_fed(self):
        # After each good tick, until one has seen a sample.
        self._fed()
        io = self.io
        if io.seq:
            self.feed = self._fed
            gap_s = _TO_2000_s if time.gmtime(0)[0] == 1970 else 0
            year, month, day, hour, minute, second, weekday, _ = time.gmtime(io.now_ms + gap_s)[:8]
            machine.RTC().datetime((year, month, day, weekday, hour, minute, second, 0))

    def end(self, by_hand):
        board_wires.Wires.end(self, by_hand or self.io.closed)


def connect(board, protocol, watchdog=0):
    return board_wires.connect(board.CHIPS, protocol, watchdog, Wires)
