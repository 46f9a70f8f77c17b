# How long a write to the flash takes, and how long it stops everything else.
# Needs: 64 KB free on the file system; nothing wired. The file is removed again.
import os
import time

import onboard

_NAME = "onboard.tmp"
_WRITES = 16
_BLOCK_B = 4096
_PAUSE_ms = 20
_WRITE_ms = 500  # erase and write of a page: 80 ms, and littlefs moves some more


def first():
    board = onboard.the_board()
    free_B = _free_B()
    if free_B < _WRITES * _BLOCK_B:
        raise onboard.Skip("only %d bytes are free on the file system" % free_B)
    watcher = Watcher()
    onboard.beside(watcher)
    try:
        spent_ms = [_write(number) for number in range(_WRITES)]
    finally:
        watcher.stop = True
        _remove()
    spent_ms.sort()
    onboard.at_most("a write of 4 KB, median", spent_ms[_WRITES // 2], _WRITE_ms // 2, "ms")
    onboard.at_most("a write of 4 KB, worst", spent_ms[-1], _WRITE_ms, "ms")
    # While it lasts no tick runs: half the watchdog's time is the budget (house rule 11), with contactors open.
    limit_ms = board.WATCHDOG_ms // 2
    onboard.at_most("the longest hold of the interpreter", watcher.longest_ms, limit_ms, "ms")
    onboard.result("the watcher saw time pass", watcher.rounds > _WRITES, watcher.rounds, _WRITES)


class Watcher:
    # On the second thread: how long it did not get its turn.
    def __init__(self):
        self.stop = False
        self.longest_ms = self.rounds = 0
        self._at = None

    def run(self, sleep_ms):
        while not self.stop:
            self.step(0)

    def step(self, _now):
        now = time.ticks_ms()
        if self._at is not None:
            self.longest_ms = max(self.longest_ms, time.ticks_diff(now, self._at))
        self._at = now
        self.rounds += 1


def _write(number):
    start = time.ticks_ms()
    with open(_NAME, "ab") as file:
        file.write(bytes((number,)) * _BLOCK_B)
    spent_ms = time.ticks_diff(time.ticks_ms(), start)
    time.sleep_ms(_PAUSE_ms)
    return spent_ms


def _free_B():
    stat = os.statvfs("/")
    return stat[1] * stat[3]


def _remove():
    try:
        os.remove(_NAME)
    except OSError:
        pass


onboard.run(first=first)
