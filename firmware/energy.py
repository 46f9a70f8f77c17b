# Power and energy where no meter is fitted (firmware/fieldbus/meter.py): the converter's own AC reading stands for it.
from micropython import const

from firmware.station import (
    G_METER,
    G_POWER_W,
    GRID_SLOTS,
    METER_NONE,
    V_POWER_AC_W,
    G_AGE_ms,
    G_FREQUENCY_mHz,
    G_IMPORT_Wh,
    V_AGE_ms,
)
from firmware.units import TICKS_MASK, UNKNOWN, AGE_MAX_ms

_Wms_IN_Wh = const(3600000)
_STALE_ms = const(1000)  # no reading that old is integrated: the gap is not invented
_GAP_ms = const(1000)
_EVERY = const(5)  # steps


class Energy:
    def __init__(self, station):
        self._converter = station.converter.now
        self._grid = station.grid.now
        self._grid[G_AGE_ms] = AGE_MAX_ms
        for slot in range(G_FREQUENCY_mHz, GRID_SLOTS):
            self._grid[slot] = UNKNOWN
        self._grid[G_POWER_W] = UNKNOWN
        self._grid[G_METER] = METER_NONE
        self._rest_Wms = [0, 0]  # imported and exported, not yet a whole Wh
        self._last = UNKNOWN
        self._turn = 0

    def step(self, now):
        # The reading itself is renewed a few times a second.
        self._turn += 1
        if self._turn < _EVERY:
            return
        self._turn = 0
        dt_ms = (now - self._last) & TICKS_MASK if self._last != UNKNOWN else 0
        self._last = now
        grid = self._grid
        grid[G_AGE_ms] = self._converter[V_AGE_ms]
        power_W = self._converter[V_POWER_AC_W] if 0 <= grid[G_AGE_ms] <= _STALE_ms else UNKNOWN
        grid[G_POWER_W] = power_W
        if power_W != UNKNOWN and power_W:
            self._count(power_W, min(dt_ms, _GAP_ms))

    def _count(self, power_W, dt_ms):
        way = 0 if power_W > 0 else 1  # the slot of what is exported follows that of what is imported
        rest_Wms = self._rest_Wms[way] + abs(power_W) * dt_ms
        while rest_Wms >= _Wms_IN_Wh:
            rest_Wms -= _Wms_IN_Wh
            self._grid[G_IMPORT_Wh + way] += 1
        self._rest_Wms[way] = rest_Wms
