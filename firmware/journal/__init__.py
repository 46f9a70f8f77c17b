# The record of what happened: events and meter intervals, numbered, in order, until someone has acknowledged them.
# They wait in RAM, bounded; what does not fit is counted and leaves a gap in the numbers.
#
# The seam for flash: a store with put(values), oldest(into) and done() like Ring's, which writes only while control
# grants quiet (station, K_QUIET) and before that keeps what it was given in such a ring.
from array import array

from micropython import const

from firmware.faults import F_EVENTS_LOST, FAULTS
from firmware.station import (
    C_PHASE,
    C_SESSION,
    E_AT,
    E_CODE,
    E_DATA,
    E_STATE,
    EV_PHASE,
    EVENT_SLOTS,
    PH_IDLE,
    C_SOC_permille,
    G_EXPORT_Wh,
    G_IMPORT_Wh,
    Reader,
)
from firmware.units import UNKNOWN, age_ms

# Slots that every record has. UNKNOWN: not known, for J_AT_s: made before the clock was set.
J_KIND = const(0)
J_SEQ = const(1)  # counts from 1 since boot over both kinds: a gap is a loss
J_AT_s = const(2)  # seconds since 2000; of an interval, its end
J_UP_s = const(3)  # the same moment as uptime
J_SESSION = const(4)  # 0: no car
# An event:
J_CODE = const(5)  # fault code, or EV_PHASE
J_STATE = const(6)  # 1 raised, 0 cleared; of EV_PHASE the new phase
J_DATA = const(7)
# An interval at the meter:
J_LENGTH_s = const(5)
J_IMPORT_Wh = const(6)  # in this interval
J_EXPORT_Wh = const(7)
J_IMPORT_TOTAL_Wh = const(8)  # since boot: a lost record cannot lose energy
J_EXPORT_TOTAL_Wh = const(9)
J_SOC_START_permille = const(10)
J_SOC_END_permille = const(11)

EVENT = const(1)
METER = const(2)
_EVENT_SLOTS = const(8)
RECORD_SLOTS = const(12)
_EVENTS = const(64)
_METERS = const(64)  # 16 hours of quarters
_EVENTS_A_STEP = const(32)


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

    def __init__(self, station, config, clock):
        self._events = station.events
        self._car = Reader(station.car)
        self._grid = Reader(station.grid)
        self._clock = clock
        self._interval_s = config["meter_interval_s"]
        self._rings = (Ring(_EVENTS, _EVENT_SLOTS), Ring(_METERS, RECORD_SLOTS))
        self._seq = 0
        self._event = array("i", [0] * EVENT_SLOTS)
        self._record = array("i", [0] * RECORD_SLOTS)
        self._lost = 0
        self.active = bytearray(FAULTS)  # faults that are raised now, as told by the events
        self._slice = None  # which interval is open
        self._session = 0
        self._start = array("i", [0, 0, 0, UNKNOWN])  # of the open interval: uptime, import, export, SOC

    def step(self, now):
        self._car.refresh()
        self._grid.refresh()
        self._meter()
        for _ in range(_EVENTS_A_STEP):
            event = self._event
            if not self._events.get(event):
                break
            self._keep(event[E_CODE], event[E_STATE], event[E_DATA], age_ms(now, event[E_AT]) // 1000)
        lost = self._events.lost[0]
        if lost != self._lost:
            self.note(F_EVENTS_LOST, 1, lost - self._lost)
            self.note(F_EVENTS_LOST, 0, 0)
            self._lost = lost

    def restart(self):
        pass

    def note(self, code, state, data):
        # An event of the services themselves; raised or cleared once.
        if self.active[code] != state or code == F_EVENTS_LOST:
            self._keep(code, state, data, 0)

    def waiting(self):
        return self._rings[0].held + self._rings[1].held

    def lost(self):
        return self._rings[0].lost + self._rings[1].lost

    def oldest(self, into):
        # The record that waits longest, of either kind; False if none does.
        events, meters = self._rings
        if not meters.oldest(into):
            return events.oldest(into)
        seq = into[J_SEQ]
        if events.oldest(into) and into[J_SEQ] < seq:
            return True
        return meters.oldest(into)

    def done(self, kind):
        # The oldest of this kind was acknowledged.
        self._rings[kind - 1].done()

    def _keep(self, code, state, data, age_s):
        if code != EV_PHASE:
            self.active[code] = state
        record = self._head(EVENT, age_s)
        record[J_CODE] = code
        record[J_STATE] = state
        record[J_DATA] = data
        self._rings[0].put(record)

    def _head(self, kind, age_s):
        record = self._record
        now_s = self._clock.now_s()
        self._seq += 1
        record[J_KIND] = kind
        record[J_SEQ] = self._seq
        record[J_AT_s] = UNKNOWN if now_s is None else now_s - age_s
        record[J_UP_s] = max(self._clock.up_s - age_s, 0)
        record[J_SESSION] = self._session
        return record

    # --- meter intervals: quarters of the wall clock, cut also where a session begins or ends ---
    def _meter(self):
        car = self._car.values
        session = 0 if car[C_PHASE] in (PH_IDLE, UNKNOWN) else car[C_SESSION]
        now_s = self._clock.now_s()
        slice_ = (now_s is None, (self._clock.up_s if now_s is None else now_s) // self._interval_s)
        if slice_ != self._slice or session != self._session:
            if self._slice is not None:
                self._close()
            self._slice, self._session = slice_, session
            self._open()

    def _open(self):
        start, grid = self._start, self._grid.values
        start[0] = self._clock.up_s
        start[1], start[2] = grid[G_IMPORT_Wh], grid[G_EXPORT_Wh]
        start[3] = self._car.values[C_SOC_permille]

    def _close(self):
        start, grid = self._start, self._grid.values
        record = self._head(METER, 0)
        record[J_LENGTH_s] = self._clock.up_s - start[0]
        record[J_IMPORT_Wh] = grid[G_IMPORT_Wh] - start[1]
        record[J_EXPORT_Wh] = grid[G_EXPORT_Wh] - start[2]
        record[J_IMPORT_TOTAL_Wh] = grid[G_IMPORT_Wh]
        record[J_EXPORT_TOTAL_Wh] = grid[G_EXPORT_Wh]
        record[J_SOC_START_permille] = start[3]
        record[J_SOC_END_permille] = self._car.values[C_SOC_permille]
        self._rings[1].put(record)
