# Power and energy at the meter. Until a meter is fitted, the converter's own AC reading stands for it.
from micropython import const

from firmware.station import (
    G_POWER_W,
    V_POWER_AC_W,
    G_AGE_ms,
    G_EXPORT_Wh,
    G_FREQUENCY_mHz,
    G_IMPORT_Wh,
    G_VOLTAGE_dV,
    V_AGE_ms,
)
from firmware.units import TICKS_MASK, UNKNOWN, AGE_MAX_ms

_Wms_IN_Wh = const(3600000)
_STALE_ms = const(1000)  # no reading that old is integrated: the gap is not invented
_GAP_ms = const(1000)
_EVERY = const(5)  # ticks


class Energy:
    def __init__(self, station):
        self._converter = station.converter.now
        self._grid = station.grid.now
        self._grid[G_AGE_ms] = AGE_MAX_ms
        self._grid[G_POWER_W] = self._grid[G_FREQUENCY_mHz] = self._grid[G_VOLTAGE_dV] = UNKNOWN
        self._import_Wms = 0  # not yet a whole Wh
        self._export_Wms = 0
        self._last = UNKNOWN
        self._turn = 0

    def step(self, now):
        # The reading itself is renewed a few times a second.
        self._turn += 1
        if self._turn >= _EVERY:
            self._turn = 0
            self._step(now)

    def _step(self, now):
        dt_ms = (now - self._last) & TICKS_MASK if self._last != UNKNOWN else 0
        self._last = now
        grid = self._grid
        age = grid[G_AGE_ms] = self._converter[V_AGE_ms]
        if not 0 <= age <= _STALE_ms:
            grid[G_POWER_W] = UNKNOWN
            return
        power_W = grid[G_POWER_W] = self._converter[V_POWER_AC_W]
        if power_W != UNKNOWN and power_W:
            self._count(power_W, dt_ms if dt_ms < _GAP_ms else _GAP_ms)

    def _count(self, power_W, dt_ms):
        grid = self._grid
        if power_W > 0:
            self._import_Wms += power_W * dt_ms
            while self._import_Wms >= _Wms_IN_Wh:
                self._import_Wms -= _Wms_IN_Wh
                grid[G_IMPORT_Wh] += 1
        else:
            self._export_Wms -= power_W * dt_ms
            while self._export_Wms >= _Wms_IN_Wh:
                self._export_Wms -= _Wms_IN_Wh
                grid[G_EXPORT_Wh] += 1
