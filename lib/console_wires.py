# The wires of a real board on the bench: the CAN controllers, the watchdog and the RTC memory are its own, the pins are
# records over its console. `board.CHIPS` is the data of the board as it stands at a station: judged whole, its chips
# made, its selects taken; its ADC and its expander stay silent, and none of its outputs is ever written: boot.py
# brings them to their safe level (the bench board's OUTPUTS are the same), and there they stay.
#
# A bench that falls silent leaves the pins stale: the gate stops after 100 ms. After 5 s the stream counts as ended:
# the station takes its way out and leaves the prompt to the desk, for as long as after a Ctrl-C. Without a bench that
# is what such a board comes to after each start.
import board_wires
from console_stream import Console
from remoteio import RemoteIO


class Wires(board_wires.Wires):
    def _pins(self, board):
        return RemoteIO(Console())

    def end(self, by_hand):
        board_wires.Wires.end(self, by_hand or self.io.closed)


def connect(board, protocol, watchdog=0):
    return board_wires.connect(board.CHIPS, protocol, watchdog, Wires)
