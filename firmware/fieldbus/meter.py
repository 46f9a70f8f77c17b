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
    G_IMPORT_Wh,
)
from firmware.units import TICKS_MASK, UNKNOWN, AGE_MAX_ms, Ages

# Kinds of a value (the third column of a part's rows).
FLOAT = const(0)  # float32, times the fourth column, divided by the fifth (-1 turns the sign)
DECIMAL = const(1)  # signed 16 bits and, in the next register, 3 more than its power of ten
WHOLE = const(2)  # 32 bits

_SILENT_ms = const(5000)  # without a reading of the power
_ENERGY_ms = const(30000)  # without one of an energy
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
        self._off = 0  # bits: that register is not what we count to
        self._row = 0
        self._others = 0
        for slot in range(GRID_SLOTS):
            grid[slot] = UNKNOWN
        grid[G_AGE_ms] = AGE_MAX_ms
        grid[G_METER] = METER_SILENT
        station.grid.publish()

    # --- for the line ---
    def request(self, now):
        # The first row in every second question: it is the power, where there is one.
        if self._row:
            self._row = 0
        else:
            self._others = self._others + 1 if self._others + 1 < len(self._rows) else 1
            self._row = self._others
        return self._requests[self._row]

    def took(self, line, now):
        row = self._rows[self._row]
        kind, slot = row[2], row[0]
        if kind == FLOAT:
            value = float32(line.word(0), line.word(1), row[3])
            if value is not None:
                value //= row[4]
        elif kind == DECIMAL:
            value = decimal(signed16(line.word(0)), line.word(1) - 3)
        else:
            value = unsigned32(line.word(0), line.word(1))
        if value is None:
            return  # no number: as if it had said nothing
        if slot == G_IMPORT_Wh or slot == G_IMPORT_Wh + 1:
            self._register(slot, value, now)
        else:
            self._grid[slot] = value
        self._ages.mark(slot, now)

    def missed(self, now):
        pass  # its age tells

    # --- the energies ---
    def _register(self, slot, told_Wh, now):
        grid = self._grid
        way = slot - G_IMPORT_Wh
        last_Wh = self._last_Wh[way]
        self._last_Wh[way] = told_Wh
        if last_Wh == UNKNOWN:
            self._since[way] = now
            return
        most_Wh = _FINE_Wh + (self._ages.ms(slot, now) // 10000 + 1) * self._Wh_10s
        grew_Wh = told_Wh - last_Wh
        counted_Wh = grid[slot]
        if counted_Wh == UNKNOWN:
            # Nor is the second: a meter that wakes up may say 0 for a while.
            if not 0 <= grew_Wh <= most_Wh:
                self._since[way] = now
            elif (now - self._since[way]) & TICKS_MASK >= _WAKE_ms:
                grid[slot] = told_Wh
            return
        if counted_Wh <= told_Wh <= counted_Wh + most_Wh:
            grid[slot] = told_Wh
            self._off &= ~(1 << way)
            return
        # What it grows by from here on is believed; where it stands is not, until it is back or somebody looked.
        self._off |= 1 << way
        if 0 <= grew_Wh <= most_Wh:
            grid[slot] = counted_Wh + grew_Wh

    # --- in turns with the line's steps ---
    def step(self, now):
        grid, ages = self._grid, self._ages
        ages.keep(now)
        grid[G_AGE_ms] = ages.ms(G_POWER_W, now)
        if (
            grid[G_AGE_ms] > _SILENT_ms
            or ages.ms(G_IMPORT_Wh, now) > _ENERGY_ms
            or ages.ms(G_IMPORT_Wh + 1, now) > _ENERGY_ms
        ):
            self._silent(now)
        else:
            self._judge(now)

    def _silent(self, now):
        grid = self._grid
        if self.slave.failures:  # or it was not asked long enough since the start
            self._faults.set(F_METER_SILENT, self.slave.failures, now)
        if grid[G_METER] == METER_SILENT:
            return
        grid[G_METER] = METER_SILENT
        for slot in range(GRID_SLOTS):
            if slot != G_AGE_ms and slot != G_METER and not G_IMPORT_Wh <= slot <= G_IMPORT_Wh + 1:
                grid[slot] = UNKNOWN

    def _judge(self, now):
        was = self._grid[G_METER]
        state = METER_DOUBTED if self._off else METER_GOOD
        if state == was:
            return
        self._grid[G_METER] = state
        self._faults.clear(F_METER_SILENT, now)
        if self._off:
            self._faults.set(F_METER, self._off, now)
        else:
            self._faults.clear(F_METER, now)
