# Wall time. Inside the firmware it is whole seconds since 2000-01-01 00:00 UTC, a small int until 2034; on MQTT it is
# Unix seconds. Only this file converts. A board that was never told the time starts in 2000 (ESP32) or in 1970: such
# a clock is unset and says None, never a wrong time. What the network says (net/sntp.py) comes before the board's own
# clock, which then is not asked any more: wall time is the uptime and when it began.
import time

from micropython import const

from firmware.units import age_ms

_GAP_s = const(946684800)  # from 1970-01-01 to 2000-01-01
SET_s = const(789004800)  # 2025-01-01 in seconds since 2000: an earlier time was never set
_JUMP_s = const(2)  # more than rounding and drift between two steps: the clock was set


def epoch_year():
    # 1970 on a PC and the unix port, 2000 on the ESP32 (MicroPython, module time).
    return time.gmtime(0)[0]


class Clock:
    # A service too: it keeps the uptime in seconds, which ticks cannot (they wrap after 12 days).
    name = "clock"

    def __init__(self, read_s, year):
        if year not in (1970, 2000):
            raise ValueError("clock: epoch %s, not 1970 or 2000" % year)
        self._read_s = read_s
        self._gap_s = _GAP_s if year == 1970 else 0
        self._last = None
        self._rest_ms = 0
        self._born_s = None  # wall time at uptime 0
        self.up_s = 0
        self.told = False  # by the network

    def now_s(self):
        # Seconds since 2000, or None while the clock is unset.
        if self.told:
            return self._born_s + self.up_s
        seconds = int(self._read_s()) - self._gap_s
        return seconds if seconds >= SET_s else None

    def set(self, now_s):
        self._born_s = now_s - self.up_s
        self.told = True

    def unix_s(self, up_s):
        # The moment of an uptime in Unix seconds, or None; the same answer each time, unless the clock is set anew.
        return None if self._born_s is None else self._born_s + up_s + _GAP_s

    def from_unix_s(self, seconds):
        return seconds - _GAP_s

    def step(self, now):
        if self._last is not None:
            self._rest_ms += age_ms(now, self._last)
            self.up_s += self._rest_ms // 1000
            self._rest_ms %= 1000
        self._last = now
        now_s = self.now_s()
        if now_s is not None and not self.told:
            born_s = now_s - self.up_s
            if self._born_s is None or abs(born_s - self._born_s) > _JUMP_s:
                self._born_s = born_s
