# The board's own sensors: scaled, range-checked, with their age. A value out of its range is UNKNOWN, never a number.
from micropython import const

from firmware.faults import F_ESTOP, F_SENSOR, F_SENSOR_STALE
from firmware.signals import (
    IN_CC1,
    IN_CONTACTOR,
    IN_CURRENT,
    IN_ESTOP,
    IN_INLET,
    IN_LINK,
    IN_PERMISSION,
    IN_TEMP1,
    INPUTS,
)
from firmware.station import (
    S_CONTACTOR,
    S_ESTOP,
    S_PERMISSION,
    S_PLUGGED,
    S_AGE_ms,
    S_CC1_mV,
    S_CURRENT_dA,
    S_INLET_dV,
    S_LINK_dV,
)
from firmware.units import TICKS_MASK, UNKNOWN, AGE_MAX_ms

_NAMES = ("link", "inlet", "current", "cc1", "temp1", "temp2")  # in the order of signals.IN_
_ANALOG = const(6)
# The others take turns and are up to 70 ms old. Slot S_x of the record is input IN_x plus one.
_SPOILED = const(3)  # broken samples in a row: one may be a spike, 30 ms of them are a broken sensor
_STALE_ms = const(200)  # the gate stops sooner; this keeps an old number from being read as a fact
# GB/T 18487.1-2015 Annex B, facts 1.5: 4 V at detection point 1 means inserted and latched.
_CC1_LOW_mV = const(3200)
_CC1_HIGH_mV = const(4800)
_LOST_ms = const(15)  # the second sample outside, also when a tick comes a little early: at most 20 ms
_GAINED_ms = const(200)


class Sense:
    def __init__(self, station, faults, scale):
        self._now = station.sense.now
        self._faults = faults
        self._scale = [tuple(scale[name]) for name in _NAMES]  # offset, num, den, low, high
        self._link, self._inlet, self._current, self._cc1 = self._scale[:4]
        self._spoiled = bytearray(_ANALOG)
        self._hit = self._hurt = 0  # inputs out of range, as bits: in this sample, in the last ones
        self._turn = IN_TEMP1
        self._at = UNKNOWN  # of the newest whole sample
        self._steady = UNKNOWN  # when CC1 last agreed with S_PLUGGED
        self._outside = UNKNOWN  # the same stamp, once CC1 was seen outside since
        self._now[S_AGE_ms] = AGE_MAX_ms
        self._now[S_PLUGGED] = 0

    def step(self, inputs, fresh, now):
        # Few locals: a call with more than 11 words of them takes them from the heap (host_tests/state_words.py).
        if not fresh:
            self._age(now)
            return
        self._at = now
        sense = self._now
        sense[S_AGE_ms] = 0
        raw = inputs[IN_LINK]
        at = self._link
        sense[S_LINK_dV] = (raw - at[0]) * at[1] // at[2] if at[3] <= raw <= at[4] else self._broken(IN_LINK, now)
        raw = inputs[IN_INLET]
        at = self._inlet
        sense[S_INLET_dV] = (raw - at[0]) * at[1] // at[2] if at[3] <= raw <= at[4] else self._broken(IN_INLET, now)
        raw = inputs[IN_CURRENT]
        at = self._current
        sense[S_CURRENT_dA] = (raw - at[0]) * at[1] // at[2] if at[3] <= raw <= at[4] else self._broken(IN_CURRENT, now)
        raw = inputs[IN_CC1]
        at = self._cc1
        raw = (raw - at[0]) * at[1] // at[2] if at[3] <= raw <= at[4] else self._broken(IN_CC1, now)
        sense[S_CC1_mV] = raw
        if (_CC1_LOW_mV <= raw <= _CC1_HIGH_mV) == sense[S_PLUGGED]:
            self._steady = now
        else:
            self._plug(now)
        sense[S_CONTACTOR] = inputs[IN_CONTACTOR]
        sense[S_ESTOP] = inputs[IN_ESTOP]
        sense[S_PERMISSION] = inputs[IN_PERMISSION]  # CHAdeMO: 5 A within 0.5 s of its end
        self._slowly(inputs, now)

    def _slowly(self, inputs, now):
        # One of the others a sample.
        slot = self._turn
        self._turn = slot + 1 if slot + 1 < INPUTS else IN_TEMP1
        raw = inputs[slot]
        if slot < _ANALOG:
            at = self._scale[slot]
            raw = (raw - at[0]) * at[1] // at[2] if at[3] <= raw <= at[4] else self._broken(slot, now)
        self._now[slot + 1] = raw
        if inputs[IN_ESTOP]:
            self._faults.set(F_ESTOP, 0, now)
        if self._hurt:
            self._mend(slot)

    def _plug(self, now):
        plugged = self._now[S_PLUGGED]
        if self._steady == UNKNOWN:  # the first sample since the start: the car may have been there before us
            self._steady = now
        elif plugged and self._outside != self._steady:
            self._outside = self._steady  # the first look outside: one is a glitch, and looks may be two ticks apart
        elif (now - self._steady) & TICKS_MASK >= (_LOST_ms if plugged else _GAINED_ms):
            self._now[S_PLUGGED] = 1 - plugged
            self._steady = now

    def _broken(self, slot, now):
        self._hit |= 1 << slot
        self._hurt |= 1 << slot
        self._spoiled[slot] += 1
        if self._spoiled[slot] >= _SPOILED:
            self._spoiled[slot] = _SPOILED
            self._faults.set(F_SENSOR, slot, now)
        return UNKNOWN

    def _mend(self, turn):
        # Who was in range in this sample counts from 0 again; a slow one is looked at again at once.
        for slot in range(_ANALOG):
            if not self._hit >> slot & 1 and (slot < IN_TEMP1 or slot == turn):
                self._spoiled[slot] = 0
                self._hurt &= ~(1 << slot)
            elif slot >= IN_TEMP1 and self._hurt >> slot & 1:
                self._turn = slot
        self._hit = 0

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
        for slot in range(_ANALOG):
            sense[slot + 1] = UNKNOWN
        self._faults.set(F_SENSOR_STALE, 0, now)
