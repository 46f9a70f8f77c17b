"""Every id of every protocol at the gate of a CHAdeMO station: nothing leaves that is not listed or does not fit."""

import pytest

from host_tests.test_safety_spam import FILLS, GBT, INFY, OTHERS, STANDARD
from host_tests.unit.safety_chademo_rig import Rig


def _pressed(rig):
    rig.estop = 1
    rig.tick(3)
    assert rig.gate.off_needed
    return rig


PHASES = {
    "reset": Rig,
    "permitted": lambda: Rig().permitted(),
    "closed": lambda: Rig().closed(),
    "charge": lambda: Rig().charging(30),
    "discharge": lambda: Rig().discharging(30),
    "shut": lambda: _pressed(Rig().charging(30)),
}
MINE = [
    b"\x01\xf4\x01\x3c\xb3\x01\0\0",  # 108
    b"\x01\xf4\x01\x3d\xb3\x01\0\0",  # 61 A
    *(bytes((2, 0x76, 1, amperes, 1, status, 0xFF, 60)) for amperes in (0, 9) for status in (0x20, 0x24, 0x05, 0x25)),
    *(bytes((255 - amperes, 0xF4, 1, 0xC3, 0, 0, 0xAA, 0)) for amperes in (0, 9, 60)),
]
LISTED = {0x108, 0x109, 0x208, 0x209}


def _spam(rig, vet, ids):
    """What leaves of all ids, both widths, all lengths and all fills; nothing is told to have left."""
    left = set()
    for can_id in ids:
        for ext in (0, 1):
            for length in range(9):
                for data in [*FILLS, *MINE]:
                    if vet(can_id, ext, data[:length], rig.now):
                        left.add((can_id, ext, length, data[:length]))
    return left


@pytest.mark.parametrize("phase", PHASES)
def test_nothing_unlisted_leaves_to_the_car(phase):
    """Standard ids of the list, 8 bytes; 109.5 = 05 and a discharge only where they may be."""
    rig = PHASES[phase]()
    left = _spam(rig, rig.gate.vet_car, sorted({*GBT[::5], *INFY[::7], *OTHERS, *STANDARD}))
    assert {can_id for can_id, *_ in left} == LISTED
    for can_id, ext, length, data in left:
        assert ext == 0 and length == 8
        if can_id == 0x109 and data[5] & 0x21 == 0x01:
            assert phase in ("charge", "discharge") and not (data[3] and phase == "discharge"), (phase, data)
        if can_id == 0x108:
            assert data[3] <= 60 and data[1] | data[2] << 8 <= 750
        if can_id == 0x208 and data[0] != 0xFF and phase == "charge":
            raise AssertionError("a discharge is told while it charges")


@pytest.mark.parametrize("phase", PHASES)
def test_nothing_unlisted_leaves_to_the_converter(phase):
    """The same answers as in front of a GB/T car: reads and writes to modules; zero and OFF always."""
    rig = PHASES[phase]()
    left = _spam(rig, rig.gate.vet_converter, sorted({*INFY, *OTHERS, *STANDARD[::16]}))
    assert left
    for can_id, ext, length, data in left:
        assert ext == 1 and length == 8
        assert can_id >> 16 in (0x2A3, 0x2A4, 0x2E3, 0x2E4) and can_id & 0xFF == 0xF0 and can_id >> 8 & 0xFF <= 0x3F
        if can_id >> 16 & 0x3F == 0x24:
            assert not (data[:2] == b"\x10\x02" and any(data[4:])), "100 A fit nobody here"
            assert data[:2] != b"\x10\x01", "1000 V fit nobody here"
        if data[:2] == b"\x11\x10" and data[7] == 0xA0:
            assert phase in ("charge", "discharge")
