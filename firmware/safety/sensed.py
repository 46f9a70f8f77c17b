# The gate's own reading of the board's sensors: raw counts in, house units out. It shares nothing with
# firmware/sense.py, so that one slip cannot blind both. Fed once a tick.
from micropython import const

from firmware.signals import (
    IN_CC1,
    IN_CONTACTOR,
    IN_CURRENT,
    IN_ESTOP,
    IN_INLET,
    IN_LINK,
    IN_LOCKED,
    IN_TEMP1,
    IN_TEMP2,
)
from firmware.units import TICKS_MASK

FRESH_ms = const(50)  # DESIGN rule 13: evidence is younger than this
STALE_ms = const(100)  # no sample for so long: stop
CC1_LOW_mV = const(3200)  # GB/T 18487.1 detection point 1, 4 V = inserted and latched (facts 1.5)
CC1_HIGH_mV = const(4800)
_GAINED = const(10)  # samples inside the window before we believe in a plug
_LOST = const(2)  # samples outside before it is gone: two ticks, so at most 20 ms
_TEMP_EVERY = const(16)  # samples: connectors warm up slowly


class Sensed:
    def __init__(self, scale):
        self._link = scale["link"]
        self._inlet = scale["inlet"]
        self._current = scale["current"]
        self._temp1 = scale["temp1"]
        self._temp2 = scale["temp2"]
        offset, num, den, _, _ = scale["cc1"]
        self._cc1_low = offset + (CC1_LOW_mV * den + num - 1) // num
        self._cc1_high = offset + CC1_HIGH_mV * den // num
        self.link_dV = 0
        self.inlet_dV = 0
        self.current_dA = 0
        self.before_dA = 0  # current of the sample before
        self.temp_dC = 0  # the hotter one
        self.contactor = 0
        self.estop = 0
        self.locked = 0
        self.plugged = 0
        self.broken = 0  # 1: a sensor of the last sample is out of its range
        self.fresh = 0  # 1: the last sample was whole and is younger than FRESH_ms
        self.stale = 1  # 1: no sample for STALE_ms
        self._cc1_run = 0
        self._turn = 0
        self._at = 0

    def observe(self, inputs, fresh, now):
        if not fresh:
            self._wait(now)
            return
        self._at = now
        self.stale = 0
        self.broken = broken = self._analog(inputs)
        self.fresh = 0 if broken else 1
        self.contactor = inputs[IN_CONTACTOR]
        self.estop = inputs[IN_ESTOP]
        self.locked = inputs[IN_LOCKED]
        if (self._cc1_low <= inputs[IN_CC1] <= self._cc1_high) != self.plugged:
            self._cc1_run += 1
            if self._cc1_run >= (_LOST if self.plugged else _GAINED):
                self.plugged = 1 - self.plugged
                self._cc1_run = 0
        else:
            self._cc1_run = 0
        self._turn += 1
        if self._turn >= _TEMP_EVERY:
            self._turn = 0
            self._temperatures(inputs)

    def _wait(self, now):
        age = (now - self._at) & TICKS_MASK
        if age >= FRESH_ms:
            self.fresh = 0
            if age >= STALE_ms:
                self.stale = 1  # stays until a sample comes: no wrap makes it young

    def _analog(self, inputs):
        broken = 0
        offset, num, den, low, high = self._link
        raw = inputs[IN_LINK]
        if low <= raw <= high:
            self.link_dV = (raw - offset) * num // den
        else:
            broken = 1
        offset, num, den, low, high = self._inlet
        raw = inputs[IN_INLET]
        if low <= raw <= high:
            self.inlet_dV = (raw - offset) * num // den
        else:
            broken = 1
        offset, num, den, low, high = self._current
        raw = inputs[IN_CURRENT]
        self.before_dA = self.current_dA
        if low <= raw <= high:
            self.current_dA = (raw - offset) * num // den
        else:
            broken = 1
        return broken

    def _temperatures(self, inputs):
        offset, num, den, low, high = self._temp1
        raw = inputs[IN_TEMP1]
        one = (raw - offset) * num // den if low <= raw <= high else TICKS_MASK
        offset, num, den, low, high = self._temp2
        raw = inputs[IN_TEMP2]
        two = (raw - offset) * num // den if low <= raw <= high else TICKS_MASK
        self.temp_dC = one if one > two else two
