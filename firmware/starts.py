# How often in a row the station was reset under way: its watchdog bit, the tick raised, or the program crashed. Each of
# these opens K1/K2 under power, and whatever was the cause is likely to come again with the same car: left alone, it
# would begin a session and be reset every minute of a night. So after three in a row, none followed by a good hour, it
# energises nothing until somebody has looked: by the button, or by switching it off and on. A reset at rest opens
# nothing and is only told: the restart of a radio that hangs may hold the interpreter until the watchdog bites
# (net/wifi.py), and no outage of the network is to end the charging.
#
# Kept in the board's retained memory, behind the gate's account (safety/retained.py, 36 bytes), each byte with its
# complement. A loss of power forgets it, and so does an end by hand.
from micropython import const

from firmware.faults import F_RESETS, F_TICK, F_WATCHDOG

_AT = const(40)  # how it stands; then how many in a row; then both complements
_RUNS = const(0x5A)  # something is energised or about to be
_RESTS = const(0x3C)
_RAISED = const(0xA5)
_MOST = const(3)
_LAST = const(99)
_GOOD_s = const(3600)


class Starts:
    def __init__(self, rtc, faults):
        self._rtc = rtc
        self._faults = faults
        self.count = 0
        self._state = 0
        self._left_s = 0  # of the good hour; 0: there is nothing to forget, or only a person may

    def begin(self, cause, now):
        # Once, before the first tick. cause: 0 after power-on or by hand (lib/board_wires.py).
        image = self._rtc.image
        state, count = image[_AT], image[_AT + 1]
        if not cause or state ^ image[_AT + 2] != 0xFF or count ^ image[_AT + 3] != 0xFF:
            state = count = 0
        if state in (_RUNS, _RAISED):
            count = min(count + 1, _LAST)
        if state:
            self._faults.set(F_TICK if state == _RAISED else F_WATCHDOG, count, now)
            self._left_s = _GOOD_s
        if count >= _MOST:
            self._faults.set(F_RESETS, count, now)
            self._left_s = 0
        self._keep(_RESTS, count)

    def rests(self, quiet):
        # Once a second.
        state = _RESTS if quiet else _RUNS
        if state != self._state:
            self._keep(state, self.count)

    def second(self, now):
        # Once a second.
        if self._left_s > 1:
            self._left_s -= 1
        elif self._left_s:
            self.forget(now)

    def forget(self, now):
        # Also by the button, when no session runs.
        if self.count or self._left_s:
            self._left_s = 0
            self._keep(self._state, 0)
            self._faults.clear(F_WATCHDOG, now)
            self._faults.clear(F_RESETS, now)

    def end(self, raised):
        # The program ends in order: by hand, or because the tick raised.
        self._keep(_RAISED if raised else 0, self.count if raised else 0)

    def _keep(self, state, count):
        self._state, self.count = state, count
        image = self._rtc.image
        image[_AT], image[_AT + 1] = state, count
        image[_AT + 2], image[_AT + 3] = state ^ 0xFF, count ^ 0xFF
        self._rtc.save()
