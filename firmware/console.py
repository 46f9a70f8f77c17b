# Tells the serial port what the station is in, for who stands at the desk: `state <phase> safe|energised`, at each
# change and every 2 s. The tools read it before they touch anything.
from micropython import const

from firmware.station import C_PHASE, PHASE_NAMES, energised, name_of
from firmware.units import age_ms

_EVERY_ms = const(2000)


class Console:
    name = "console"

    def __init__(self, view, log):
        self._view = view
        self._log = log
        self._told = -1
        self._told_at = 0

    def step(self, now):
        phase = self._view.car.values[C_PHASE]
        live = energised(self._view.sense.values)
        if self._told == phase * 2 + live and age_ms(now, self._told_at) < _EVERY_ms:
            return
        self._told = phase * 2 + live
        self._told_at = now
        self._log("state %s %s" % (name_of(PHASE_NAMES, phase), "energised" if live else "safe"))
