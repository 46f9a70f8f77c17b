"""Power and energy at the meter. Runs on CPython and on MicroPython."""

from firmware.energy import Energy
from firmware.station import G_POWER_W, V_POWER_AC_W, G_AGE_ms, G_EXPORT_Wh, G_IMPORT_Wh, Station, V_AGE_ms
from firmware.units import TICKS_MASK, UNKNOWN, AGE_MAX_ms


class Rig:
    def __init__(self, start_ms=0):
        self.station = Station()
        self.energy = Energy(self.station)
        self.now = start_ms
        self.station.converter.now[V_AGE_ms] = 0

    def run(self, power_W, ms):
        self.station.converter.now[V_POWER_AC_W] = power_W
        for _ in range(ms // 10):
            self.now = (self.now + 10) & TICKS_MASK
            self.energy.step(self.now)

    def __getitem__(self, slot):
        return self.station.grid.now[slot]


def test_nothing_is_known_at_start():
    rig = Rig()
    assert rig[G_POWER_W] == UNKNOWN and rig[G_AGE_ms] == AGE_MAX_ms
    assert rig[G_IMPORT_Wh] == rig[G_EXPORT_Wh] == 0


def test_import_and_export_are_counted_apart():
    for start_ms in (0, TICKS_MASK - 15000):
        rig = Rig(start_ms)
        rig.run(18000, 30060)  # 150 Wh
        assert rig[G_IMPORT_Wh] == 150 and rig[G_EXPORT_Wh] == 0
        rig.run(-9000, 20060)  # 50 Wh
        assert rig[G_IMPORT_Wh] == 150 and rig[G_EXPORT_Wh] == 50
        assert rig[G_POWER_W] == -9000


def test_small_powers_add_up():
    rig = Rig()
    rig.run(15, 3600 * 100)  # a tenth of an hour
    assert rig[G_IMPORT_Wh] == 1


def test_no_reading_no_energy():
    rig = Rig()
    rig.run(18000, 10000)
    before = rig[G_IMPORT_Wh]
    rig.station.converter.now[V_AGE_ms] = 1001
    rig.run(18000, 10000)
    assert rig[G_POWER_W] == UNKNOWN and rig[G_IMPORT_Wh] == before
    rig.station.converter.now[V_AGE_ms] = 0
    rig.run(UNKNOWN, 1000)
    assert rig[G_POWER_W] == UNKNOWN and rig[G_IMPORT_Wh] == before


def test_a_gap_is_not_invented():
    rig = Rig()
    rig.run(18000, 100)
    rig.now += 3600000
    rig.run(18000, 100)
    assert rig[G_IMPORT_Wh] <= 5
