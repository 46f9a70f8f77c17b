# The gate's own reading of the board's sensors: raw counts in, house units out. It shares nothing with
# firmware/sense.py, so that one slip cannot blind both. Fed once a tick; every call here is paid for a hundred times a
# second, so it is straight and short.
from micropython import const

from firmware.signals import (
    IN_CC1,
    IN_CONTACTOR,
    IN_CURRENT,
    IN_ESTOP,
    IN_INLET,
    IN_LINK,
    IN_LOCKED,
    IN_PERMISSION,
    IN_TEMP1,
    IN_TEMP2,
)
from firmware.units import TICKS_MASK

# What must act in the very tick in which it is sure; bits of `alarm`.
ALARM_ESTOP = const(1)
ALARM_CC1 = const(2)  # the plug was there and is gone
ALARM_STALE = const(4)
ALARM_SENSOR = const(8)

_FRESH_ms = const(50)  # house rule 13: evidence is younger than this
_STALE_ms = const(100)  # no sample for so long: stop
_CC1_LOW_mV = const(3200)  # GB/T 18487.1 detection point 1, 4 V = inserted and latched (facts 1.5)
_CC1_HIGH_mV = const(4800)
_GAINED = const(10)  # samples inside the window before we believe in a plug
_LOST = const(2)  # samples outside before it is gone: two ticks, so at most 20 ms
_PRESSED = const(2)
_SPOILED = const(3)
_HOT_dC = const(10000)  # what a broken temperature sensor stands for


class Sensed:
    def __init__(self, scale):
        # One attribute a number: a call a channel, or more than 11 words of locals and stack, would cost more.
        self._link_offset, self._link_num, self._link_den, self._link_low, self._link_high = scale["link"]
        self._inlet_offset, self._inlet_num, self._inlet_den, self._inlet_low, self._inlet_high = scale["inlet"]
        self._offset, self._num, self._den, self._low, self._high = scale["current"]
        self._temp1 = scale["temp1"]
        self._temp2 = scale["temp2"]
        offset, num, den, _, _ = scale["cc1"]
        self._cc1_low = offset + (_CC1_LOW_mV * den + num - 1) // num
        self._cc1_high = offset + _CC1_HIGH_mV * den // num
        self._inputs = None
        self.link_dV = 0
        self.inlet_dV = 0
        self.current_dA = 0
        self.before_dA = 0  # current of the sample before
        self.contactor = 0
        self.plugged = 0
        self.fresh = 0  # 1: the last sample was whole and is younger than _FRESH_ms
        self.stale = 1  # 1: no sample for _STALE_ms
        self.alarm = 0  # bits since somebody set it to 0
        self._cc1_run = 0
        self._pressed = 0  # samples in a row
        self._spoiled = 0
        self._at = 0

    def observe(self, inputs, fresh, now):
        if not fresh:
            self._wait(now)
            return
        self._at = now
        self._inputs = inputs
        raw = inputs[IN_LINK]
        if self._link_low <= raw <= self._link_high:
            self.link_dV = (raw - self._link_offset) * self._link_num // self._link_den
        else:
            fresh = 0
        raw = inputs[IN_INLET]
        if self._inlet_low <= raw <= self._inlet_high:
            self.inlet_dV = (raw - self._inlet_offset) * self._inlet_num // self._inlet_den
        else:
            fresh = 0
        self.before_dA = self.current_dA
        raw = inputs[IN_CURRENT]
        if self._low <= raw <= self._high:
            self.current_dA = (raw - self._offset) * self._num // self._den
        else:
            fresh = 0
        self.contactor = inputs[IN_CONTACTOR]
        if (self._cc1_low <= inputs[IN_CC1] <= self._cc1_high) != self.plugged or self._cc1_run:
            self._plug(inputs[IN_CC1])
        if not fresh or inputs[IN_ESTOP] or self._pressed or not self.fresh:
            self._trouble(inputs[IN_ESTOP], 0 if fresh else 1)

    def _wait(self, now):
        age_ms = (now - self._at) & TICKS_MASK
        if age_ms >= _FRESH_ms or self.stale:
            self.fresh = 0
            if age_ms >= _STALE_ms:
                self.stale = 1  # until a sample comes: no wrap makes it young
            if self.stale:
                self.alarm |= ALARM_STALE

    def _plug(self, raw):
        if (self._cc1_low <= raw <= self._cc1_high) == self.plugged:
            self._cc1_run = 0
            return
        self._cc1_run += 1
        if self._cc1_run >= (_LOST if self.plugged else _GAINED):
            self._cc1_run = 0
            self.plugged = 1 - self.plugged
            if not self.plugged:
                self.alarm |= ALARM_CC1

    def _trouble(self, pressed, spoiled):
        self.stale = 0
        self.fresh = 1 - spoiled
        self._pressed = self._pressed + 1 if pressed else 0
        if self._pressed >= _PRESSED:
            self.alarm |= ALARM_ESTOP
        self._spoiled = self._spoiled + 1 if spoiled else 0
        if self._spoiled >= _SPOILED:
            self.alarm |= ALARM_SENSOR

    # --- rarely asked ---
    def permission(self):
        return self._inputs is not None and self._inputs[IN_PERMISSION]

    def locked(self):
        return self._inputs is not None and self._inputs[IN_LOCKED]

    def hottest_dC(self):
        if self._inputs is None:
            return 0
        one_dC = _scaled(self._inputs[IN_TEMP1], self._temp1)
        two_dC = _scaled(self._inputs[IN_TEMP2], self._temp2)
        return one_dC if one_dC > two_dC else two_dC


def _scaled(raw, scale):
    offset, num, den, low, high = scale
    return (raw - offset) * num // den if low <= raw <= high else _HOT_dC
