# The board's own sensors: scaled, range-checked, with their age. A value out of its range is UNKNOWN, never a number.
from array import array

from micropython import const

from firmware.faults import F_ESTOP, F_SENSOR, F_SENSOR_STALE
from firmware.station import S_ESTOP, S_PLUGGED, S_AGE_ms, S_CC1_mV
from firmware.units import TICKS_MASK, UNKNOWN, AGE_MAX_ms

_NAMES = ("link", "inlet", "current", "cc1", "temp1", "temp2")  # in the order of signals.IN_ and station.S_
_FAST = const(4)  # the temperatures after them take turns: they are slow
_TEMP1, _TEMP2 = const(4), const(5)
_DIGITAL, _INPUTS = const(6), const(11)
_SPOILED = const(3)  # broken samples in a row: one may be a spike, 30 ms of them are a broken sensor
_STALE_ms = const(200)  # the gate stops sooner; this keeps an old number from being read as a fact
# GB/T 18487.1-2015 Annex B, facts 1.5: 4 V at detection point 1 means inserted and latched.
_CC1_LOW_mV, _CC1_HIGH_mV = const(3200), const(4800)
_LOST_ms, _GAINED_ms = const(20), const(200)


class Sense:
    # Slot S_x of the record is input IN_x plus one, for all that are wired.
    def __init__(self, station, faults, scale):
        self._now = station.sense.now
        self._faults = faults
        self._offset = array("i", [scale[name][0] for name in _NAMES])
        self._num = array("i", [scale[name][1] for name in _NAMES])
        self._den = array("i", [scale[name][2] for name in _NAMES])
        self._low = array("i", [scale[name][3] for name in _NAMES])
        self._high = array("i", [scale[name][4] for name in _NAMES])
        self._spoiled = bytearray(len(_NAMES))
        self._temp = _TEMP1
        self._at = UNKNOWN  # of the newest whole sample
        self._steady = 0  # when CC1 last agreed with S_PLUGGED
        self._now[S_AGE_ms] = AGE_MAX_ms
        self._now[S_PLUGGED] = 0

    def step(self, inputs, fresh, now):
        sense = self._now
        if not fresh:
            self._age(now)
            return
        self._at = now
        sense[S_AGE_ms] = 0
        offset, num, den, low, high = self._offset, self._num, self._den, self._low, self._high
        for slot in range(_FAST):
            raw = inputs[slot]
            if low[slot] <= raw <= high[slot]:
                sense[slot + 1] = (raw - offset[slot]) * num[slot] // den[slot]
                self._spoiled[slot] = 0
            else:
                self._broken(slot, now)
        slot = self._temp
        raw = inputs[slot]
        if low[slot] <= raw <= high[slot]:
            sense[slot + 1] = (raw - offset[slot]) * num[slot] // den[slot]
            self._spoiled[slot] = 0
            self._temp = _TEMP1 + _TEMP2 - slot
        else:
            self._broken(slot, now)
        for slot in range(_DIGITAL, _INPUTS):
            sense[slot + 1] = inputs[slot]
        if sense[S_ESTOP]:
            self._faults.set(F_ESTOP, 0, now)
        self._plug(sense, now)

    def _plug(self, sense, now):
        inside = 1 if _CC1_LOW_mV <= sense[S_CC1_mV] <= _CC1_HIGH_mV else 0
        plugged = sense[S_PLUGGED]
        if inside == plugged:
            self._steady = now
        elif (now - self._steady) & TICKS_MASK >= (_LOST_ms if plugged else _GAINED_ms):
            sense[S_PLUGGED] = inside
            self._steady = now

    def _broken(self, slot, now):
        self._now[slot + 1] = UNKNOWN
        self._spoiled[slot] += 1
        if self._spoiled[slot] >= _SPOILED:
            self._spoiled[slot] = _SPOILED
            self._faults.set(F_SENSOR, slot, now)

    def _age(self, now):
        # S_PLUGGED stays: an old sample must not look like a pulled plug, which would clear latched faults.
        sense = self._now
        if self._at == UNKNOWN:
            return
        age = (now - self._at) & TICKS_MASK
        sense[S_AGE_ms] = age
        if age < _STALE_ms:
            return
        self._at = UNKNOWN  # AGE_MAX until the next sample: no wrap can make it young
        sense[S_AGE_ms] = AGE_MAX_ms
        for slot in range(_TEMP2 + 1):
            sense[slot + 1] = UNKNOWN
        self._faults.set(F_SENSOR_STALE, 0, now)
