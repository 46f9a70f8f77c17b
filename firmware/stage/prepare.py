# The steps without power. What each proves stands at its function.
from micropython import const

from firmware.contract import CHARGE, MATCH, WELD
from firmware.faults import (
    F_BLEED,
    F_CAR_CONTACTOR_WELDED,
    F_CAR_VOLTAGE_ABSENT,
    F_CONTACTOR_FEEDBACK,
    F_CONTACTOR_WELDED,
    F_CONVERTER_MISSING,
    F_INSULATION,
    F_PRECHARGE,
)
from firmware.signals import OUT_BLEED, OUT_CONTACTOR, OUT_ENABLE
from firmware.station import (
    V_ON,
    V_READY,
    S_AGE_ms,
    S_CURRENT_dA,
    S_INLET_dV,
    S_LINK_dV,
    V_AGE_ms,
    V_MAX_dV,
    V_VOLTAGE_dV,
)
from firmware.units import TICKS_MASK, UNKNOWN

_OWN_ms = (0, 15000, 20000, 0, 10000)  # the longest of each contract mode; the protocol may leave less
SAFE_dV = const(600)  # GB/T 18487.1-2015: 60 V
_LOOK = const(0)
_RAISE = const(1)
_CLOSE = const(2)  # MATCH
_HOLD = const(2)  # INSULATE
_LOWER = const(3)
# INSULATE
_OUTSIDE_dV = const(100)  # GB/T 18487.1-2015: less than 10 V outside before the test
_TEST_dA = const(10)  # charges the link; into a dead short it does no harm
_HOLD_ms = const(500)
_LEAK_dA = const(5)  # sensor's error and no more: the contactors are open
# MATCH
_BELOW_dV = const(50)  # GB/T 18487.1-2015 B.3.5: 1 to 10 V below the battery
_APART_dV = const(100)
_FRESH_ms = const(50)
_REPLY_ms = const(500)
_AGREES_dV = const(150)  # the converter's reading may be a few hundred milliseconds old
_PRECHARGE_dA = const(20)
_SETTLED_ms = const(100)  # that long all three must hold
_CLOSING_ms = const(500)


class Prepare:
    def __init__(self, stage):
        self._stage = stage
        self._state = _LOOK
        self._begun = self._since = 0
        self._level_dV = 0  # INSULATE: the test voltage; MATCH: where the link stood when it was told to rise

    def begin(self, now):
        stage = self._stage
        self._state = _LOOK
        self._begun = self._since = now
        stage.relays &= ~OUT_CONTACTOR
        if stage.reached.mode == MATCH:
            stage.relays &= ~OUT_BLEED
        elif stage.reached.mode == WELD:
            stage.release()
            stage.relays |= OUT_BLEED

    def step(self, now, want):
        stage = self._stage
        mode = stage.reached.mode
        if stage.reached.done:
            return
        own_ms = _OWN_ms[mode]
        if (now - self._begun) & TICKS_MASK >= (want.deadline_ms if 0 < want.deadline_ms < own_ms else own_ms):
            self._blame(want, now)
        elif mode == MATCH:
            self._match(now, want)
        elif mode == WELD:
            self._weld()
        elif self._state == _LOOK:
            self._clear(want)
        else:
            self._insulate(now)

    # --- INSULATE: the link goes to the test voltage with the contactors open, stays there, and is bled again.
    #
    # What this does NOT measure: the insulation resistance. That needs an insulation monitor between DC+, DC- and earth
    # (a later issue; its value then decides in _insulate). Until then the evidence is only that the link reaches and
    # keeps the voltage with next to no current, and that nothing of it appears at the inlet, so our contactors really
    # are open. They stay open here, so cable and inlet are not under test, which GB/T 18487.1-2015 B.3.3 would have.
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

    def _insulate(self, now):
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
        # Held; here an insulation monitor's resistance will decide.
        elif link_dV < self._level_dV * 90 // 100 or not -_LEAK_dA <= stage.sense[S_CURRENT_dA] <= _LEAK_dA:
            stage.fail(F_INSULATION, max(0, link_dV), now)
        elif (now - self._since) & TICKS_MASK >= _HOLD_ms:
            stage.release()
            self._state = _LOWER

    # --- MATCH: precharge. The link rises to just below the battery, the contactors close, feedback says so.
    # They close only on three independent readings (DESIGN rule 13): the link was seen to rise in this precharge, link
    # and inlet are 10 V apart at most and younger than 50 ms, and the converter's own reading agrees.
    def _match(self, now, want):
        stage = self._stage
        if self._state == _RAISE:
            if not self._agree(stage.sense[S_LINK_dV], stage.sense[S_INLET_dV]):
                self._since = now
            elif (now - self._since) & TICKS_MASK >= _SETTLED_ms:
                stage.relays |= OUT_CONTACTOR
                self._state = _CLOSE
                self._since = now
        elif self._state == _LOOK:
            self._since = now
            self._look(want, stage.sense[S_INLET_dV])
        elif not stage.reached.open:
            stage.order.current_dA = 0  # RUN decides what flows
            stage.reached.done = 1
        elif (now - self._since) & TICKS_MASK >= _CLOSING_ms:
            stage.fail(F_CONTACTOR_FEEDBACK, 0, now)

    def _look(self, want, inlet_dV):
        stage = self._stage
        link_dV = stage.sense[S_LINK_dV]
        if self._battery(want, inlet_dV) and -100 < link_dV < inlet_dV // 2 and stage.converter[V_READY] == 1:
            self._level_dV = link_dV
            self._state = _RAISE
            stage.command(CHARGE, inlet_dV - _BELOW_dV, _PRECHARGE_dA)

    def _battery(self, want, inlet_dV):
        # GB/T 18487.1-2015 B.3.5: the inlet shows what the car told, within 5 %, and within what the station stands.
        told_dV = want.voltage_dV
        if inlet_dV <= 0 or told_dV <= 0:
            return False
        return told_dV * 95 <= inlet_dV * 100 <= told_dV * 105 and inlet_dV < self._stage.board.RATED_dV

    def _agree(self, link_dV, inlet_dV):
        stage = self._stage
        read_dV = stage.converter[V_VOLTAGE_dV]
        return (
            link_dV > 0
            and inlet_dV > 0  # UNKNOWN must not be calculated with
            and read_dV > 0
            and link_dV - self._level_dV >= inlet_dV // 4
            and -_APART_dV <= link_dV - inlet_dV <= _APART_dV
            and stage.sense[S_AGE_ms] < _FRESH_ms
            and 0 <= stage.converter[V_AGE_ms] < _REPLY_ms
            and -_AGREES_dV <= read_dV - link_dV <= _AGREES_dV
        )

    # --- WELD: with all contactors told to open, whose voltage stays? GB/T 27930-2015 has no contactor bits: a welded
    # contactor of the car shows only as an inlet that keeps the battery's voltage (facts 1.5).
    def _weld(self):
        stage = self._stage
        if stage.reached.open and stage.below(SAFE_dV):
            stage.relays &= ~OUT_BLEED
            stage.reached.done = 1

    # --- what was it, when the time is over ---
    def _blame(self, want, now):
        stage = self._stage
        link_dV, inlet_dV = stage.sense[S_LINK_dV], stage.sense[S_INLET_dV]
        mode = stage.reached.mode
        if mode == WELD:
            code = self._welded(link_dV, inlet_dV)
            link_dV = inlet_dV
        elif self._state != _LOOK:
            code = F_PRECHARGE if mode == MATCH else F_BLEED if self._state == _LOWER else F_INSULATION
        elif mode != MATCH:
            code = F_BLEED if link_dV >= _OUTSIDE_dV else F_CONVERTER_MISSING
            if inlet_dV >= _OUTSIDE_dV:
                code = F_CAR_CONTACTOR_WELDED
        elif not self._battery(want, inlet_dV):
            code = F_CAR_VOLTAGE_ABSENT
        else:
            code = F_CONTACTOR_WELDED if link_dV >= inlet_dV // 2 else F_CONVERTER_MISSING
        stage.fail(code, max(0, link_dV), now)

    def _welded(self, link_dV, inlet_dV):
        if not self._stage.reached.open or link_dV >= SAFE_dV and -100 <= link_dV - max(0, inlet_dV) <= 100:
            return F_CONTACTOR_WELDED
        return F_CAR_CONTACTOR_WELDED if inlet_dV >= SAFE_dV else F_BLEED
