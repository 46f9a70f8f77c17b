# MATCH: precharge. The link rises to just below the battery, the contactors close, feedback says so.
# They close only on three independent readings (house rule 13): the link was seen to rise in this precharge, link and
# inlet are 10 V apart at most and younger than 50 ms, and the converter's own reading agrees.
from micropython import const

from firmware.contract import CHARGE
from firmware.faults import (
    F_CAR_VOLTAGE_ABSENT,
    F_CONTACTOR_FEEDBACK,
    F_CONTACTOR_WELDED,
    F_CONVERTER_MISSING,
    F_PRECHARGE,
)
from firmware.signals import OUT_BLEED, OUT_CONTACTOR
from firmware.station import V_READY, S_AGE_ms, S_INLET_dV, S_LINK_dV, V_AGE_ms, V_VOLTAGE_dV
from firmware.units import TICKS_MASK

_OWN_ms = const(20000)
_LOOK = const(0)
_RAISE = const(1)
_CLOSE = const(2)
_BELOW_dV = const(50)  # GB/T 18487.1-2015 B.3.5: 1 to 10 V below the battery
_APART_dV = const(100)
_FRESH_ms = const(50)
_REPLY_ms = const(500)
_AGREES_dV = const(150)  # the converter's reading may be a few hundred milliseconds old
_PRECHARGE_dA = const(20)
_SETTLED_ms = const(100)  # that long all three must hold
_CLOSING_ms = const(500)


class Match:
    def __init__(self, stage):
        self._stage = stage
        self._state = _LOOK
        self._since = 0
        self._level_dV = 0  # where the link stood when it was told to rise

    def begin(self, now):
        self._state = _LOOK
        self._since = now
        self._stage.relays &= ~(OUT_CONTACTOR | OUT_BLEED)

    def step(self, now, want):
        stage = self._stage
        if stage.reached.done:
            return
        if stage.overdue(now, want, _OWN_ms):
            self._blame(want, now)
        else:
            self._match(now, want)

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

    def _blame(self, want, now):
        # What was it, when the time is over.
        link_dV, inlet_dV = self._stage.sense[S_LINK_dV], self._stage.sense[S_INLET_dV]
        if self._state != _LOOK:
            code = F_PRECHARGE
        elif not self._battery(want, inlet_dV):
            code = F_CAR_VOLTAGE_ABSENT
        else:
            code = F_CONTACTOR_WELDED if link_dV >= inlet_dV // 2 else F_CONVERTER_MISSING
        self._stage.fail(code, max(0, link_dV), now)
