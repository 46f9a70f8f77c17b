# The record of what happened: events and meter intervals, numbered, in order, until someone has acknowledged them.
# They wait in RAM, bounded; what does not fit is counted and leaves a gap in the numbers.
#
# The seam for flash: a store with put(values), oldest(into) and done() like Ring's, which writes only while control
# grants quiet (station, K_QUIET) and before that keeps what it was given in such a ring. Signed records: the seam is
# in write().
from array import array

from micropython import const

from firmware import fault_text
from firmware.faults import F_EVENTS_LOST, FAULTS, severity
from firmware.station import (
    C_PHASE,
    C_SESSION,
    E_AT,
    E_CODE,
    E_DATA,
    E_STATE,
    EV_INSULATION,
    EV_PHASE,
    G_METER,
    METER_GOOD,
    METER_NAMES,
    METER_NONE,
    PH_IDLE,
    PHASE_NAMES,
    RESULT_ALARM,
    RESULT_PASSED,
    C_SOC_permille,
    G_EXPORT_Wh,
    G_IMPORT_Wh,
    name_of,
)
from firmware.units import UNKNOWN, age_ms

EVENT = const(1)
METER = const(2)
_EVENTS = const(32)
_METERS = const(32)  # 8 hours of quarters
_EVENTS_A_STEP = const(32)

# Slots of every record. Times are uptimes: the clock may be set later.
_SEQ = const(0)  # counts from 1 since boot over both kinds: a gap is a loss
_UP_s = const(1)  # of an interval, its end
_SESSION = const(2)  # 0: no car
# An event:
_CODE = const(3)  # fault code, or EV_...
_STATE = const(4)  # 1 raised, 0 cleared; of the others as in station.py
_DATA = const(5)
_EVENT_SLOTS = const(6)
# An interval at the meter:
_START_s = const(3)
_IMPORT_Wh = const(4)
_EXPORT_Wh = const(5)
_SOC_START = const(6)
_SOC_END = const(7)
_IMPORT_TOTAL_Wh = const(8)  # a meter's registers at its end
_EXPORT_TOTAL_Wh = const(9)
_DOUBT = const(10)  # METER_SILENT or METER_DOUBTED if the meter was so at any time in it
_METER_SLOTS = const(11)
_METER_KEYS = "- - - - import_Wh export_Wh soc_start_permille soc_end_permille import_total_Wh export_total_Wh -"

_SEVERITIES = "info warn stop emergency "


class Ring:
    # Records in the order they came; full, the oldest gives way and is counted.
    def __init__(self, count, slots):
        self._count = count
        self._slots = slots
        self._values = array("i", [0] * (count * slots))
        self._first = 0
        self.held = 0
        self.lost = 0

    def put(self, record):
        if self.held == self._count:
            self.done()
            self.lost += 1
        at = ((self._first + self.held) % self._count) * self._slots
        for slot in range(self._slots):
            self._values[at + slot] = record[slot]
        self.held += 1

    def oldest(self, into):
        if not self.held:
            return False
        at = self._first * self._slots
        for slot in range(self._slots):
            into[slot] = self._values[at + slot]
        return True

    def done(self):
        # The oldest is safe elsewhere.
        self._first = (self._first + 1) % self._count
        self.held -= 1


class Journal:
    name = "journal"

    def __init__(self, view, events, config, clock):
        self._view = view
        self._events = events
        self._clock = clock
        self._interval_s = config["meter_interval_s"]
        self.events = Ring(_EVENTS, _EVENT_SLOTS)
        self.meters = Ring(_METERS, _METER_SLOTS)
        self._seq = 0
        self._record = array("i", [0] * _METER_SLOTS)
        self._told = array("i", [0] * _METER_SLOTS)
        self._lost = 0
        self.active = bytearray(FAULTS)  # faults that are raised now, as told by the events
        self._slice = None  # which interval is open
        self._session = 0
        self._open = array("i", [0] * _METER_SLOTS)  # its beginning

    def step(self, now):
        self._meter()
        record = self._record
        for _ in range(_EVENTS_A_STEP):
            if not self._events.get(record):
                break
            age_s = age_ms(now, record[E_AT]) // 1000
            self._keep(record[E_CODE], record[E_STATE], record[E_DATA], age_s)
        lost = self._events.lost[0]
        if lost != self._lost:
            self._keep(F_EVENTS_LOST, 1, lost - self._lost, 0)
            self._keep(F_EVENTS_LOST, 0, 0, 0)
            self._lost = lost

    def note(self, code, state, data):
        # An event of the services themselves; raised or cleared once.
        if self.active[code] != state:
            self._keep(code, state, data, 0)

    def _keep(self, code, state, data, age_s):
        if EV_PHASE < code < FAULTS:
            self.active[code] = state
        record = self._head(age_s)
        record[_CODE] = code
        record[_STATE] = state
        record[_DATA] = data
        self.events.put(record)

    def _head(self, age_s):
        record = self._record
        self._seq += 1
        record[_SEQ] = self._seq
        record[_UP_s] = max(self._clock.up_s - age_s, 0)
        record[_SESSION] = self._session
        return record

    def _meter(self):
        # Quarters of the wall clock, cut also where a session begins or ends.
        car, grid, clock = self._view.car.values, self._view.grid.values, self._clock
        session = 0 if car[C_PHASE] <= PH_IDLE else car[C_SESSION]
        unix_s = clock.unix_s(clock.up_s)
        slice_ = (clock.up_s if unix_s is None else unix_s) // self._interval_s
        begun = self._open
        if grid[G_METER] > METER_GOOD and grid[G_METER] > begun[_DOUBT]:
            begun[_DOUBT] = grid[G_METER]
        if begun[_IMPORT_Wh] == UNKNOWN or begun[_EXPORT_Wh] == UNKNOWN:
            self._begin(begun, grid)  # a meter that was not heard before
        if slice_ == self._slice and session == self._session:
            return
        if self._slice is not None:
            record = self._head(0)
            record[_START_s] = begun[_START_s]
            known = begun[_IMPORT_Wh] != UNKNOWN and begun[_EXPORT_Wh] != UNKNOWN
            record[_IMPORT_Wh] = grid[G_IMPORT_Wh] - begun[_IMPORT_Wh] if known else UNKNOWN
            record[_EXPORT_Wh] = grid[G_EXPORT_Wh] - begun[_EXPORT_Wh] if known else UNKNOWN
            of_meter = grid[G_METER] != METER_NONE
            record[_IMPORT_TOTAL_Wh] = grid[G_IMPORT_Wh] if of_meter else UNKNOWN
            record[_EXPORT_TOTAL_Wh] = grid[G_EXPORT_Wh] if of_meter else UNKNOWN
            record[_DOUBT] = begun[_DOUBT]
            record[_SOC_START] = begun[_SOC_START]
            record[_SOC_END] = car[C_SOC_permille]
            self.meters.put(record)
        self._slice, self._session = slice_, session
        begun[_START_s] = clock.up_s
        begun[_SOC_START] = car[C_SOC_permille]
        begun[_DOUBT] = 0
        self._begin(begun, grid)

    def _begin(self, begun, grid):
        begun[_IMPORT_Wh], begun[_EXPORT_Wh] = grid[G_IMPORT_Wh], grid[G_EXPORT_Wh]

    # --- for who tells them ---
    def write(self, text, online_s):
        # The record that waits longest, as JSON into `text`; its kind, or 0 if none waits. What is older than the
        # uptime `online_s`, when this connection was made, had to wait for it.
        record = self._told
        kind = METER if self.meters.oldest(record) else 0
        seq = record[_SEQ]
        if self.events.oldest(record):
            if kind and seq < record[_SEQ]:
                self.meters.oldest(record)
            else:
                kind = EVENT
        if kind:
            up_s, unix_s = record[_UP_s], self._clock.unix_s
            text.number("seq", record[_SEQ])
            text.number("t" if kind == EVENT else "end_s", unix_s(up_s))
            text.number("session", record[_SESSION])
            if kind == EVENT:
                self._write_event(text, record[_CODE], record)
            else:
                text.number("start_s", unix_s(record[_START_s]))
                text.number("length_s", up_s - record[_START_s])
                text.numbers(_METER_KEYS, record)
                if record[_DOUBT]:
                    text.word("meter", name_of(METER_NAMES, record[_DOUBT]))
            text.raw("hist", "true" if up_s < online_s else "false")  # then, one day, "mac" over all of it
        return kind

    def _write_event(self, text, code, record):
        if code == EV_PHASE:
            text.word("code", "phase")
            text.word("phase", name_of(PHASE_NAMES, record[_STATE]))
            return
        if code >= FAULTS:
            self._write_test(text, code, record[_STATE], record[_DATA])
            return
        name, mrec, action = fault_text.words_of(code, record[_DATA])
        text.word("code", name)
        text.word("state", "raised" if record[_STATE] else "cleared")
        text.word("sev", name_of(_SEVERITIES, severity[code]))
        if mrec != "0":
            text.raw("mrec", mrec)
        text.number("data", record[_DATA])
        if record[_STATE]:
            text.word("action", action)

    def _write_test(self, text, code, result, kohm):
        text.word("code", "insulation_test" if code == EV_INSULATION else "self_test")
        text.word("result", "passed" if result & RESULT_PASSED else "failed")
        text.number("insulation_kohm", kohm)
        if result & RESULT_ALARM:
            text.number("alarm", 1)

    def done(self, kind):
        # The record written last is safe elsewhere. It may have given way meanwhile: then nothing is taken.
        ring = self.events if kind == EVENT else self.meters
        if ring.oldest(self._record) and self._record[_SEQ] == self._told[_SEQ]:
            ring.done()
