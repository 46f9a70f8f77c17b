# The heartbeat beats while the tick does, and stops with it: also when the tick hangs and the other thread goes on.
# Needs: the board's sensors, link and inlet dead: checked. The output is read back at its pad.
import time

import onboard

_BEAT_ms = 25  # longest time between two edges: half of what the chain takes for lost
_RUN_ms = 2000
_HANG_ms = 400


def first():
    board = onboard.the_board()
    io = onboard.pins(board)
    onboard.dead(board, io)
    beat = Beat(onboard.pad(board, "heartbeat")[0])
    hang = Hang(beat)
    onboard.station(onboard.Proxy(io, hang), beat)
    onboard.at_least("edges while the tick runs", hang.edges, _RUN_ms // 10 * 8 // 10, "of %d" % (_RUN_ms // 10))
    onboard.at_most("longest time between two edges", hang.longest_ms, _BEAT_ms, "ms")
    onboard.at_least("looks while the tick hangs", hang.looks, 100, "", "of the second thread")
    onboard.at_most("edges while the tick hangs", hang.late_edges, 0)


class Beat:
    # In place of the services: watches the pad.
    def __init__(self, pin):
        self._pin = pin
        self._level = self._at = None
        self._stop = False
        self.edges = self.looks = self.longest_ms = 0

    def run(self, sleep_ms):
        while not self._stop:
            self.look()

    def look(self):
        level, now = self._pin.value(), time.ticks_ms()
        self.looks += 1
        if level == self._level:
            return
        if self._level is not None and self._at is not None:
            self.longest_ms = max(self.longest_ms, time.ticks_diff(now, self._at))
        self.edges += self._level is not None
        self._level, self._at = level, now

    def step(self, now):
        self.look()

    def stop(self):
        self._stop = True


class Hang:
    # Called once a tick: after a while one tick does not come back for long.
    def __init__(self, beat):
        self._beat = beat
        self._start = None
        self.edges = self.longest_ms = self.looks = self.late_edges = 0

    def __call__(self, proxy):
        now = time.ticks_ms()
        if self._start is None:
            self._start = now
        if time.ticks_diff(now, self._start) < _RUN_ms:
            return
        beat = self._beat
        self.edges, self.longest_ms, before = beat.edges, beat.longest_ms, beat.looks
        while time.ticks_diff(time.ticks_ms(), now) < _HANG_ms:
            pass
        self.looks, self.late_edges = beat.looks - before, beat.edges - self.edges
        proxy.closed = 1


onboard.run(first=first)
