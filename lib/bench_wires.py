# The wires of a board that stands on the bench: pins, two CAN buses and the RS-485 line as sockets on this machine.
# Where they are is told by `bench.json` in the current directory: {"io": port, "car": port, "converter": port,
# "field": port, "lockstep": 0 or 1, "retained": file, "reset_cause": number, "wall_s": Unix time at 0 ms of lockstep};
# "io": "console" has the pins come over standard input and output. On a board lib/board_wires.py stands in their place,
# with the same surface; what the board's chip does for it is the runner's part here.
import json
import socket
import time

from remoteio import RemoteIO, RetainedFile
from slcan_core import CAN

_NODELAY = 1  # TCP_NODELAY: the unix port names neither the option nor its level (6, TCP)


class Wires:
    def __init__(self, where, board, protocol):
        self.io = RemoteIO(_stream(where["io"]))
        self.car_can = CAN(_stream(where["car"]), board.CAN_CAR_bit_s[protocol])
        self.converter_can = CAN(_stream(where["converter"]), board.CAN_CONVERTER_bit_s)
        for can in (self.car_can, self.converter_can):
            can.set_filters(None)
        self._field = where.get("field", 0)
        self.rtc = RetainedFile(where.get("retained", "retained.bin"))
        self.lockstep = where.get("lockstep", 0)
        self.reset_cause = where.get("reset_cause", 0)
        self.wall_s = where.get("wall_s", 0)
        self.sleep_ms = time.sleep_ms  # of the way out

    def field(self, bit_s, parity):
        # The RS-485 line, with a UART's surface, and the pin of its direction: it has none.
        return __import__("bench_serial").Serial(_stream(self._field)), None

    # The runner plays the watchdog, and a Ctrl-C reaches the runner alone.
    def start(self):
        pass

    def feed(self):
        pass

    def keys(self, char):
        pass

    def end(self, by_hand):
        pass


def connect(board, protocol, watchdog=0, path="bench.json"):
    try:
        with open(path) as file:
            where = json.load(file)
    except (OSError, ValueError) as error:
        raise OSError("%s: %s; the bench writes it: start with `make run`" % (path, error))
    return Wires(where, board, protocol)


def _stream(port):
    if port == "console":
        from console_stream import Console

        return Console()
    stream = socket.socket()
    stream.connect(socket.getaddrinfo("127.0.0.1", port)[0][-1])
    stream.setsockopt(6, _NODELAY, 1)
    stream.setblocking(False)
    return stream
