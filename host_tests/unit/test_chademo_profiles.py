"""What differs between cars: chosen by what they show. Runs on CPython and on MicroPython."""

from firmware.units import UNKNOWN
from firmware.vehicle.chademo import profiles as p
from firmware.vehicle.chademo.frames import Told


def shown(status=0, sequence=UNKNOWN, abilities=0):
    told = Told()
    told.status, told.sequence, told.abilities = status, sequence, abilities
    return told


def test_the_effective_number_is_the_smaller():
    for ours, theirs, both in ((2, 1, 1), (2, 2, 2), (2, 3, 2), (3, 3, 3), (2, 0, 0)):
        assert p.number(ours, theirs) == both


def test_profiles_by_what_the_car_shows():
    for effective, told, expected in (
        (0, shown(), p.FIRST),
        (1, shown(0x80, 2), p.FIRST),
        (2, shown(), p.CHARGE_ONLY),
        (2, shown(0x40), p.CHARGE_DYNAMIC),
        (2, shown(abilities=1), p.CHARGE_DYNAMIC),
        (2, shown(abilities=6), p.CHARGE_ONLY),
        (2, shown(0x80), p.V2X_ENERGY),
        (2, shown(0xC0, 0), p.V2X_ENERGY),
        (2, shown(0x80, 1), p.V2X_PERCENT),
        (2, shown(0x80, 2), p.V2X_PERCENT),
        (3, shown(0x80, 3), p.V2X_DOUBT),
    ):
        assert p.choose(effective, told) == expected, (effective, told.status, told.sequence)
        assert p.NAMES[expected]


def test_only_a_car_that_shows_102_5_6_and_7_is_one_that_ends_idle():
    for status, ends in ((0xC1, True), (0x81, False), (0x41, False), (0x01, False)):
        told = shown(status)
        assert bool(p.ends_idle(p.choose(2, told), told)) == ends
    assert not p.ends_idle(p.choose(1, shown(0xC1)), shown(0xC1))


# raw, 201.0, capacity: floor and ceiling
BORDERS = (
    (0, UNKNOWN, 22200, UNKNOWN, UNKNOWN),  # not used
    (0, 2, 22200, UNKNOWN, UNKNOWN),
    (67, UNKNOWN, 22200, 302, 301),  # ZE0: 6.7 of 22.2 kWh
    (67, 0, 22200, 302, 301),
    (178, UNKNOWN, 22200, 802, 801),
    (10, 2, 35400, 100, 100),  # ZE1
    (10, 1, 0, 100, 100),
    (100, 2, 35400, 1000, 1000),
    (101, 2, 35400, 1000, 1000),  # no percentage
    (255, UNKNOWN, 22200, 1000, 1000),  # more than there is
    (67, UNKNOWN, 0, 1000, 670),  # energy of an unknown whole
    (67, 3, 22200, 670, 301),  # unsettled: higher floor, lower ceiling
    (67, 7, 3000, 1000, 670),
)  # fmt: skip


def test_floor_and_ceiling():
    for raw, sequence, capacity_Wh, floor, ceiling in BORDERS:
        assert p.floor_permille(raw, sequence, capacity_Wh) == floor, (raw, sequence, capacity_Wh)
        assert p.ceiling_permille(raw, sequence, capacity_Wh) == ceiling, (raw, sequence, capacity_Wh)
