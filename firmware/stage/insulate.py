# INSULATE: the link goes to the test voltage with the contactors open, stays there, and is bled again.
#
# This is what is done where no insulation monitor is configured (with one: measure.py). It does NOT measure the
# insulation resistance. The evidence is only that the link reaches and keeps the voltage with next to no current, and
# that nothing of it appears at the inlet, so our contactors really are open. They stay open, so cable and inlet are not
# under test, which GB/T 18487.1-2015 B.3.3 would have.
from micropython import const

from firmware.contract import CHARGE
from firmware.faults import F_BLEED, F_CAR_CONTACTOR_WELDED, F_CONTACTOR_WELDED, F_CONVERTER_MISSING, F_INSULATION
from firmware.signals import OUT_BLEED, OUT_CONTACTOR, OUT_ENABLE
from firmware.stage.off import SAFE_dV
from firmware.station import V_ON, V_READY, S_CURRENT_dA, S_INLET_dV, S_LINK_dV, V_MAX_dV
from firmware.units import TICKS_MASK, UNKNOWN

_OWN_ms = const(15000)
_LOOK = const(0)
_RAISE = const(1)
_HOLD = const(2)
_LOWER = const(3)
_OUTSIDE_dV = const(100)  # GB/T 18487.1-2015: less than 10 V outside before the test
_TEST_dA = const(10)  # charges the link; into a dead short it does no harm
_HOLD_ms = const(500)
_LEAK_dA = const(5)  # sensor's error and no more: the contactors are open


class Insulate:
    def __init__(self, stage):
        self._stage = stage
        self._state = _LOOK
        self._since = 0
        self._level_dV = 0  # the test voltage

    def begin(self, now):
        self._state = _LOOK
        self._since = now
        self._stage.relays &= ~OUT_CONTACTOR

    def step(self, now, want):
        stage = self._stage
        if stage.reached.done:
            return
        if stage.overdue(now, want, _OWN_ms):
            self._blame(stage.sense[S_LINK_dV], now)
        elif self._state == _LOOK:
            self._clear(want)
        else:
            self._test(now)

    def _clear(self, want):
        stage = self._stage
        if stage.below(_OUTSIDE_dV):
            stage.relays &= ~OUT_BLEED
            if stage.converter[V_READY] == 1 and want.voltage_dV > 0:
                self._level_dV = min(want.voltage_dV, stage.board.RATED_dV, stage.converter[V_MAX_dV])
                stage.command(CHARGE, self._level_dV, _TEST_dA)
                self._state = _RAISE
        elif stage.sense[S_LINK_dV] != UNKNOWN and stage.sense[S_INLET_dV] < _OUTSIDE_dV:
            stage.relays |= OUT_BLEED

    def _test(self, now):
        stage = self._stage
        link_dV, inlet_dV = stage.sense[S_LINK_dV], stage.sense[S_INLET_dV]
        if self._state == _LOWER:
            if stage.converter[V_ON] == 0 and stage.reached.idle:
                stage.relays = stage.relays & ~OUT_ENABLE | OUT_BLEED
                stage.reached.done = 1 if stage.below(SAFE_dV) else 0
        elif inlet_dV > _OUTSIDE_dV + 100 or not stage.reached.open:
            stage.fail(F_CONTACTOR_WELDED, max(0, inlet_dV), now)
        elif self._state == _RAISE:
            if link_dV >= self._level_dV * 95 // 100:
                self._state = _HOLD
                self._since = now
        elif link_dV < self._level_dV * 90 // 100 or not -_LEAK_dA <= stage.sense[S_CURRENT_dA] <= _LEAK_dA:
            stage.fail(F_INSULATION, max(0, link_dV), now)
        elif (now - self._since) & TICKS_MASK >= _HOLD_ms:
            stage.release()
            self._state = _LOWER

    def _blame(self, link_dV, now):
        # What was it, when the time is over.
        if self._state != _LOOK:
            code = F_BLEED if self._state == _LOWER else F_INSULATION
        elif self._stage.sense[S_INLET_dV] >= _OUTSIDE_dV:
            code = F_CAR_CONTACTOR_WELDED
        else:
            code = F_BLEED if link_dV >= _OUTSIDE_dV else F_CONVERTER_MISSING
        self._stage.fail(code, max(0, link_dV), now)
