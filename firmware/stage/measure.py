# INSULATE with an insulation monitor (GB/T 18487.1-2015 B.3.3): K1/K2 are closed onto a dead cable, link and cable go
# to the test voltage, the monitor's resistance decides, all is bled and the contactors open again. Cable and inlet are
# under test, up to the car's own contactors. The limit is insulation_min_kohm: its least, 100 kohm, is 100 ohm a volt
# at 1,000 V, more than any board of ours has. How a test ended is told as an event; one that was broken off has none.
from micropython import const

from firmware.contract import CHARGE
from firmware.faults import (
    F_BLEED,
    F_CAR_CONTACTOR_WELDED,
    F_CONTACTOR_FEEDBACK,
    F_CONVERTER_MISSING,
    F_INSULATION,
    F_MONITOR,
)
from firmware.signals import OUT_BLEED, OUT_CONTACTOR, OUT_ENABLE
from firmware.stage.off import SAFE_dV
from firmware.station import (
    EV_INSULATION,
    I_ALARM,
    I_COUNT,
    I_TEST,
    RESULT_PASSED,
    TEST_PASSED,
    V_ON,
    V_READY,
    I_AGE_ms,
    I_R_kohm,
    S_CURRENT_dA,
    S_INLET_dV,
    S_LINK_dV,
    V_MAX_dV,
)
from firmware.units import TICKS_MASK, UNKNOWN

_OWN_ms = const(25000)
_LOOK = const(0)
_CLOSE = const(1)
_RAISE = const(2)
_HOLD = const(3)
_LOWER = const(4)
_OPEN = const(5)
_PART = const(6)  # it could not be bled: opened, to see whose voltage it is
_LOOK_ms = const(200)  # the car is told first that its plug is locked (every 100 ms): the gate waits for that
_OUTSIDE_dV = const(100)  # GB/T 18487.1-2015: less than 10 V outside before the test
_TEST_dA = const(10)
_LEAK_dA = const(5)
_APART_dV = const(100)  # closed contacts: both sensors read the same
_CLOSING_ms = const(500)
_SETTLE_ms = const(500)  # what was measured before the voltage stood does not count
_GOOD = const(3)  # readings in a row, each new ...
# ... over so long, and none an eighth below the first: a monitor takes its time (a fault of one pole 1 s, Bender
# isoCHA425 and Dold RN5897/020), and what still falls may fall below the limit.
_STEADY_ms = const(1000)
_BAD = const(2)
_SILENT_ms = const(5000)
_BLEED_ms = const(4500)  # link and cable are empty by then, or the gate opens after 5 s and can name no cause
_PART_ms = const(1500)
_PARTED_dV = const(200)  # the link is bled and the inlet is not: a battery is behind it


class Measure:
    def __init__(self, stage, station, least_kohm):
        self._stage = stage
        self._record = station.insulation.now
        self._events = station.events
        self._least_kohm = least_kohm
        self._state = _LOOK
        self._since = 0
        self._level_dV = 0
        self._count = self._good = self._bad = 0
        self._kohm = UNKNOWN  # the newest that counts
        self._first_kohm = self._from = 0  # of the readings in a row

    def begin(self, now):
        self._kohm = UNKNOWN
        self._go(_LOOK, now)
        self._stage.relays &= ~OUT_CONTACTOR

    def step(self, now, want):
        stage, state = self._stage, self._state
        if stage.reached.done:
            return
        if stage.overdue(now, want, _OWN_ms):
            self._blame(stage.sense[S_LINK_dV], now)
        elif state == _LOOK:
            self._look(want, now)
        elif state == _LOWER:
            self._lower(now)
        elif state == _OPEN:
            stage.reached.done = stage.reached.open
        elif state == _PART:
            self._part(now)
        else:
            self._test(now)

    def _go(self, state, now):
        self._state = state
        self._since = now

    def _look(self, want, now):
        stage, record = self._stage, self._record
        if not stage.below(_OUTSIDE_dV):
            if stage.sense[S_LINK_dV] != UNKNOWN and stage.sense[S_INLET_dV] < _OUTSIDE_dV:
                stage.relays |= OUT_BLEED
        elif stage.relays & OUT_BLEED:
            stage.relays &= ~OUT_BLEED
        elif record[I_TEST] == TEST_PASSED and record[I_AGE_ms] <= _SILENT_ms and stage.converter[V_ON] == 0:
            if (
                stage.converter[V_READY] == 1
                and want.voltage_dV > 0
                and (now - self._since) & TICKS_MASK >= _LOOK_ms
            ):
                self._level_dV = min(want.voltage_dV, stage.board.RATED_dV, stage.converter[V_MAX_dV])
                stage.relays |= OUT_CONTACTOR
                self._go(_CLOSE, now)

    def _test(self, now):
        stage = self._stage
        link_dV = stage.sense[S_LINK_dV]
        waited_ms = (now - self._since) & TICKS_MASK
        if self._state == _CLOSE:
            if not stage.reached.open:
                stage.command(CHARGE, self._level_dV, _TEST_dA)
                self._go(_RAISE, now)
            elif waited_ms >= _CLOSING_ms:
                self._fail(F_CONTACTOR_FEEDBACK, 0, now)
        elif self._record[I_AGE_ms] > _SILENT_ms:
            self._fail(F_MONITOR, 0, now)
        elif self._state == _RAISE:
            if self._flows():  # a car that has closed its own contactors would be charged, untold
                self._fail(F_INSULATION, max(0, link_dV), now)
            elif link_dV >= self._level_dV * 95 // 100:
                self._good = self._bad = 0
                self._go(_HOLD, now)
        elif self._leaks(link_dV):
            self._fail(F_INSULATION, max(0, link_dV), now)
        elif waited_ms < _SETTLE_ms:
            self._count = self._record[I_COUNT]
        else:
            self._read(now)

    def _flows(self):
        return not -_LEAK_dA <= self._stage.sense[S_CURRENT_dA] <= _LEAK_dA

    def _leaks(self, link_dV):
        return (
            self._stage.reached.open  # what is read then is of the link alone
            or link_dV < self._level_dV * 90 // 100
            or self._flows()
            or not -_APART_dV <= link_dV - self._stage.sense[S_INLET_dV] <= _APART_dV
        )

    def _read(self, now):
        record = self._record
        if record[I_COUNT] == self._count:
            return
        self._count = record[I_COUNT]
        kohm = self._kohm = record[I_R_kohm]
        if kohm == UNKNOWN and not record[I_ALARM]:
            self._good = 0
        elif kohm < self._least_kohm or record[I_ALARM]:
            self._good = 0
            self._bad += 1
            if self._bad >= _BAD:
                self._fail(F_INSULATION, max(0, kohm), now)
        else:
            self._bad = 0
            self._enough(kohm, now)

    def _enough(self, kohm, now):
        if not self._good or kohm < self._first_kohm - (self._first_kohm >> 3):
            self._good = 0
            self._first_kohm = kohm
            self._from = now
        self._good += 1
        if self._good >= _GOOD and (now - self._from) & TICKS_MASK >= _STEADY_ms:
            self._ended(RESULT_PASSED, now)
            self._stage.release()
            self._go(_LOWER, now)

    def _lower(self, now):
        # GB/T 18487.1-2015: discharged first, with link and cable together, then opened.
        stage = self._stage
        if stage.reached.open:  # the gate's doing: it could not be bled
            self._blame(stage.sense[S_LINK_dV], now)
        elif stage.relays & OUT_BLEED:
            if stage.below(SAFE_dV) or (now - self._since) & TICKS_MASK >= _BLEED_ms:
                stage.relays &= ~OUT_CONTACTOR
                self._go(_OPEN if stage.below(SAFE_dV) else _PART, now)
        elif stage.converter[V_ON] == 0 and stage.reached.idle:
            stage.relays = stage.relays & ~OUT_ENABLE | OUT_BLEED
            self._since = now

    def _part(self, now):
        # A car that closed its own contactors holds its side up while the bleeder empties ours; a bleeder that does not
        # work leaves both.
        stage = self._stage
        link_dV = stage.sense[S_LINK_dV]
        if stage.reached.open and 0 <= link_dV <= stage.sense[S_INLET_dV] - _PARTED_dV:
            self._fail(F_CAR_CONTACTOR_WELDED, link_dV, now)
        elif (now - self._since) & TICKS_MASK >= _PART_ms:
            self._blame(link_dV, now)

    def _ended(self, result, now):
        self._events.put(EV_INSULATION, result | self._record[I_ALARM] << 1, self._kohm, now)

    def _fail(self, code, data, now):
        # K1/K2 open with the converter's OFF, not after it was reported: nothing flows, and the protocol goes on.
        if _CLOSE <= self._state <= _HOLD:  # it had begun, and is not over
            self._ended(0, now)
        self._stage.relays &= ~OUT_CONTACTOR
        self._stage.fail(code, data, now)

    def _blame(self, link_dV, now):
        stage, state = self._stage, self._state
        if state == _OPEN or (state == _PART and not stage.reached.open):
            code = F_CONTACTOR_FEEDBACK
        elif state != _LOOK:
            code = F_BLEED if state == _LOWER or state == _PART else F_INSULATION
        elif stage.sense[S_INLET_dV] >= _OUTSIDE_dV:
            code = F_CAR_CONTACTOR_WELDED
        elif link_dV >= _OUTSIDE_dV:
            code = F_BLEED
        else:
            code = F_MONITOR if self._record[I_TEST] != TEST_PASSED else F_CONVERTER_MISSING
        self._fail(code, max(0, link_dV), now)
