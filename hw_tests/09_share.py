# What the control loop leaves to the second thread, in per cent of what it gets alone.
# Needs: the board's sensors, link and inlet dead: checked. GIVEN=seconds=10. A tick that waits by sleep_ms(10), not by
# sleep_ms(0) holds the interpreter all the time on an ESP32 and leaves a few per cent: a PC never shows it.
import time

import onboard

_SHARE_percent = 20
_ALONE_ms = 2000


def first():
    board = onboard.the_board()
    io = onboard.pins(board)
    onboard.dead(board, io)
    alone = Worker()
    start = time.ticks_ms()
    while time.ticks_diff(time.ticks_ms(), start) < _ALONE_ms:
        alone.turn()
    alone_s = alone.turns * 1000 // _ALONE_ms
    seconds = onboard.given("seconds", 10)
    worker = Worker()
    ends = time.ticks_add(time.ticks_ms(), seconds * 1000)

    def each(proxy):
        if time.ticks_diff(ends, time.ticks_ms()) <= 0:
            proxy.closed = 1

    onboard.station(onboard.Proxy(io, each), worker)
    beside_s = worker.turns // seconds
    onboard.at_least("turns a second alone", alone_s, 100)
    onboard.at_least("share of the services", beside_s * 100 // max(alone_s, 1), _SHARE_percent, "%")


class Worker:
    # A service that always has something to do.
    def __init__(self):
        self.turns = 0
        self._stop = False

    def run(self, sleep_ms):
        while not self._stop:
            self.turn()

    def turn(self):
        for _ in range(20):
            pass
        self.turns += 1

    def step(self, now):
        self.turn()

    def stop(self):
        self._stop = True


onboard.run(first=first)
