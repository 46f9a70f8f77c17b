# INSULATE: the link goes to the test voltage with the contactors open, stays there, and is bled again.
#
# What this does NOT measure: the insulation resistance. That needs an insulation monitor between DC+, DC- and earth
# (a later issue; its value then decides in _holds). Until then the evidence is only that the link reaches and keeps
# the voltage with next to no current, and that nothing of it appears at the inlet, so our contactors really are open.
# The contactors stay open here, so cable and inlet are not under test, which GB/T 18487.1-2015 B.3.3 would have.
from micropython import const

from firmware.contract import CHARGE
from firmware.faults import (
    F_BLEED,
    F_CAR_CONTACTOR_WELDED,
    F_CONTACTOR_WELDED,
    F_CONVERTER_MISSING,
    F_INSULATION,
)
from firmware.signals import OUT_BLEED, OUT_ENABLE
from firmware.stage.off import SAFE_dV
from firmware.station import V_READY, S_CURRENT_dA, S_INLET_dV, S_LINK_dV, V_MAX_dV
from firmware.units import TICKS_MASK, UNKNOWN

_CLEAR = const(0)
_RAISE = const(1)
_HOLD = const(2)
_LOWER = const(3)
_OUTSIDE_dV = const(100)  # GB/T 18487.1-2015: less than 10 V outside before the test
_TEST_dA = const(10)  # charges the link; into a dead short it does no harm
_HOLD_ms = const(500)
_LEAK_dA = const(5)  # sensor's error and no more: the contactors are open
_INSULATE_ms = const(15000)


class Insulate:
    def __init__(self, stage):
        self._stage = stage
        self._state = _CLEAR
        self._since = 0
        self._test_dV = 0

    def begin(self, now):
        self._state = _CLEAR
        self._stage.contactor(0)

    def step(self, now, want):
        stage = self._stage
        if stage.reached.done:
            return
        link_dV, inlet_dV = stage.sense[S_LINK_dV], stage.sense[S_INLET_dV]
        if stage.late(want, now, _INSULATE_ms):
            self._blame(now, link_dV, inlet_dV)
        elif self._state == _CLEAR:
            self._clear(want, link_dV, inlet_dV)
        elif self._state == _LOWER:
            self._lower(link_dV, inlet_dV)
        elif inlet_dV > _OUTSIDE_dV + 100 or not stage.reached.open:
            stage.fail(F_CONTACTOR_WELDED, max(0, inlet_dV), now)
        elif self._state == _RAISE:
            if link_dV >= self._test_dV * 95 // 100:
                self._state = _HOLD
                self._since = now
        else:
            self._hold(now, link_dV)

    def _clear(self, want, link_dV, inlet_dV):
        stage = self._stage
        if -_OUTSIDE_dV < link_dV < _OUTSIDE_dV and -_OUTSIDE_dV < inlet_dV < _OUTSIDE_dV:
            stage.relays &= ~OUT_BLEED
            if stage.converter[V_READY] == 1 and want.voltage_dV > 0:
                self._test_dV = min(want.voltage_dV, stage.board.RATED_dV, stage.converter[V_MAX_dV])
                stage.command(CHARGE, self._test_dV, _TEST_dA)
                self._state = _RAISE
        elif link_dV != UNKNOWN and inlet_dV < _OUTSIDE_dV:
            stage.relays |= OUT_BLEED

    def _hold(self, now, link_dV):
        if not self._holds(link_dV):
            self._stage.fail(F_INSULATION, max(0, link_dV), now)
        elif (now - self._since) & TICKS_MASK >= _HOLD_ms:
            self._stage.release()
            self._state = _LOWER

    def _holds(self, link_dV):
        # Here an insulation monitor's resistance will decide.
        leak_dA = self._stage.sense[S_CURRENT_dA]
        return link_dV >= self._test_dV * 90 // 100 and -_LEAK_dA <= leak_dA <= _LEAK_dA

    def _lower(self, link_dV, inlet_dV):
        stage = self._stage
        if stage.converter_off():
            stage.relays = stage.relays & ~OUT_ENABLE | OUT_BLEED
            if -SAFE_dV < link_dV < SAFE_dV and -SAFE_dV < inlet_dV < SAFE_dV:
                stage.reached.done = 1

    def _blame(self, now, link_dV, inlet_dV):
        code = F_INSULATION
        if self._state == _LOWER:
            code = F_BLEED
        elif self._state == _CLEAR:
            code = F_CONVERTER_MISSING
            if inlet_dV >= _OUTSIDE_dV:
                code = F_CAR_CONTACTOR_WELDED
            elif link_dV >= _OUTSIDE_dV:
                code = F_BLEED
        self._stage.fail(code, max(0, link_dV), now)
