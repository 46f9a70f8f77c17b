# The energy meter: what it says of power, volts and frequency, and its registers of energy, which are what a settlement
# goes by: lifetime, never falling, kept by the meter through our resets. They are believed as far as physics allow: a
# step back, or more energy than the power of this station gives in the time, is told and is not counted.
from array import array

from micropython import const
from modbus import Slave, frame
from registers import decimal, float32, signed16, unsigned32

from firmware.faults import F_METER, F_METER_SILENT
from firmware.station import (
    G_METER,
    G_POWER_W,
    GRID_SLOTS,
    METER_DOUBTED,
    METER_GOOD,
    METER_SILENT,
    G_AGE_ms,
    G_FREQUENCY_mHz,
    G_IMPORT_Wh,
)
from firmware.units import TICKS_MASK, UNKNOWN, AGE_MAX_ms, Ages

# Kinds of a value (the third column of a part's rows).
FLOAT = const(0)  # float32, times the fourth column, divided by the fifth (-1 turns the sign)
DECIMAL = const(1)  # signed 16 bits and, in the next register, 3 more than its power of ten
WHOLE = const(2)  # 32 bits

_SILENT_ms = const(5000)  # without a reading of the power
_OTHERS_ms = const(10000)  # of volts and frequency: they come once in two or three seconds
_ENERGY_ms = const(30000)  # without one of an energy
_NEEDED = const(14)  # bits: the power and the energies
_WAKE_ms = const(5000)
_LOSSES_percent = const(125)  # of the converter's rating: what it draws itself, and the meter's error
_FINE_Wh = const(20)  # a step of the register: 10 Wh in most meters


class Meter:
    def __init__(self, station, faults, part, number, rated_W):
        self.slave = Slave(number, part.TURNAROUND_ms, part.PROBE)
        self._rows = part.ROWS
        self._requests = [frame(number, part.FUNCTION, row[1], 2) for row in self._rows]
        self._grid = grid = station.grid.now
        self._faults = faults
        self._Wh_10s = rated_W * _LOSSES_percent // 36000  # in ten seconds
        self._ages = Ages(GRID_SLOTS)
        self._last_Wh = array("i", [UNKNOWN] * 2)  # import and export as last told
        self._since = array("i", [0] * 2)  # it was first so
        self._most_Wh = 0  # that a register can have grown by since it was read
        self._off = 0  # bits: that register is not what we count to
        self._old = _NEEDED  # bits: that slot has not been read for too long
        self._row = 0
        self._others = 0
        self._turn = 2 * G_IMPORT_Wh - 1
        for slot in range(GRID_SLOTS):
            grid[slot] = UNKNOWN
        grid[G_AGE_ms] = AGE_MAX_ms
        grid[G_METER] = METER_SILENT
        station.grid.publish()

    # --- for the line ---
    def request(self):
        # The first row in every second question: it is the power, where there is one.
        if self._row:
            self._row = 0
        else:
            self._others = self._others + 1 if self._others + 1 < len(self._rows) else 1
            self._row = self._others
        return self._requests[self._row]

    def took(self, line, now):
        row = self._rows[self._row]
        value = self._value(row, line)
        if value is None:
            return  # no number: as if it had said nothing
        slot = row[0]
        if slot == G_IMPORT_Wh or slot == G_IMPORT_Wh + 1:
            self._register(slot - G_IMPORT_Wh, value, now)
        else:
            self._grid[slot] = value
            if slot == G_POWER_W:
                self._grid[G_AGE_ms] = 0  # as published with it
        self._ages.mark(slot, now)

    def _value(self, row, line):
        high, low = line.word(0), line.word(1)
        if row[2] == FLOAT:
            high = float32(high, low, row[3])
            return high if high is None or row[4] == 1 else high // row[4]
        if row[2] == DECIMAL:
            return decimal(signed16(high), low - 3)
        return unsigned32(high, low)

    # --- the energies; `way` 0: import, 1: export ---
    def _register(self, way, told_Wh, now):
        grew_Wh = self._last_Wh[way]
        self._last_Wh[way] = told_Wh
        if grew_Wh == UNKNOWN:
            self._since[way] = now
            return
        grew_Wh = told_Wh - grew_Wh
        self._most_Wh = _FINE_Wh + (self._ages.ms(G_IMPORT_Wh + way, now) // 10000 + 1) * self._Wh_10s
        if not 0 <= grew_Wh <= self._most_Wh:
            grew_Wh = -1
        if self._grid[G_IMPORT_Wh + way] == UNKNOWN:
            self._woke(way, told_Wh, grew_Wh, now)
        else:
            self._count(way, told_Wh, grew_Wh)

    def _woke(self, way, told_Wh, grew_Wh, now):
        # Nor is the second believed: a meter that wakes up may say 0 for a while.
        if grew_Wh < 0:
            self._since[way] = now
        elif (now - self._since[way]) & TICKS_MASK >= _WAKE_ms:
            self._grid[G_IMPORT_Wh + way] = told_Wh

    def _count(self, way, told_Wh, grew_Wh):
        slot = G_IMPORT_Wh + way
        counted_Wh = self._grid[slot]
        if counted_Wh <= told_Wh <= counted_Wh + self._most_Wh:
            self._grid[slot] = told_Wh
            self._off &= ~(1 << way)
        else:
            # What it grows by from here on is believed; where it stands is not, until it is back or somebody looked.
            self._off |= 1 << way
            if grew_Wh > 0:
                self._grid[slot] = counted_Wh + grew_Wh

    # --- in turns with the line's steps: one number a step, every other time that of the power ---
    def step(self, now):
        slot = self._turn
        if slot & 1:
            self._grid[G_AGE_ms] = self._look(G_POWER_W, _SILENT_ms, now)
        elif slot < 2 * G_FREQUENCY_mHz:
            self._look(slot >> 1, _ENERGY_ms, now)
        elif slot < 2 * G_METER:
            self._look(slot >> 1, _OTHERS_ms, now)
        else:
            self._turn = 2 * G_IMPORT_Wh - 1
            self._ages.keep(now)
            self._judge(now)
            return
        self._turn = slot + 1

    def _look(self, slot, most_ms, now):
        # A number that is told as of now, and is not, goes; what was counted stays.
        age_ms = self._ages.ms(slot, now)
        if age_ms <= most_ms:
            self._old &= ~(1 << slot)
            return age_ms
        self._old |= 1 << slot
        if not G_IMPORT_Wh <= slot <= G_IMPORT_Wh + 1:
            self._grid[slot] = UNKNOWN
        return age_ms

    def _judge(self, now):
        if self._old & _NEEDED:
            # Or it was not asked long enough since the start.
            if self.slave.failures or self.slave.exception:
                self._faults.set(F_METER_SILENT, self.slave.failures, now)
            self._grid[G_METER] = METER_SILENT
            return
        state = METER_DOUBTED if self._off else METER_GOOD
        if state != self._grid[G_METER]:
            self._grid[G_METER] = state
            self._faults.clear(F_METER_SILENT, now)
            if self._off:
                self._faults.set(F_METER, self._off, now)
            else:
                self._faults.clear(F_METER, now)
