# Wall time. Inside the firmware it is whole seconds since 2000-01-01 00:00 UTC, a small int until 2034; on MQTT it is
# Unix seconds. Only this file converts. A board that was never told the time starts in 2000 (ESP32) or in 1970: such
# a clock is unset and says None, never a wrong time.
import time

from micropython import const

from firmware.units import age_ms

_GAP_s = const(946684800)  # from 1970-01-01 to 2000-01-01
_SET_s = const(789004800)  # 2025-01-01 in seconds since 2000: an earlier time was never set


def epoch_year():
    # 1970 on a PC and the unix port, 2000 on the ESP32 (reference of MicroPython, module time).
    return time.gmtime(0)[0]


def unix_s(seconds):
    return seconds + _GAP_s


def from_unix_s(seconds):
    return seconds - _GAP_s


class Clock:
    # A service too: it keeps the uptime in seconds, which ticks cannot (they wrap after 12 days).
    name = "clock"

    def __init__(self, read_s, year):
        if year not in (1970, 2000):
            raise ValueError("clock: epoch %s; the board's time must count from 1970 or 2000" % year)
        self._read_s = read_s
        self._gap_s = _GAP_s if year == 1970 else 0
        self._last = None
        self._rest_ms = 0
        self.up_s = 0

    def now_s(self):
        # Seconds since 2000, or None while the clock is unset.
        seconds = int(self._read_s()) - self._gap_s
        return seconds if seconds >= _SET_s else None

    def step(self, now):
        if self._last is not None:
            self._rest_ms += age_ms(now, self._last)
            self.up_s += self._rest_ms // 1000
            self._rest_ms %= 1000
        self._last = now

    def restart(self):
        pass
