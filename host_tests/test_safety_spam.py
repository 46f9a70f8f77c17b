"""Every id of every protocol, standard and extended, with every length, and all standard ids, thrown at the gate.

In every phase of a session: nothing leaves that is not listed, and nothing non-zero that does not fit the phase.
"""

import pytest

from host_tests.unit.safety_rig import Rig

GBT_PF = {0x26, 0x01, 0x07, 0x08, 0x0A, 0x12, 0x1A, 0x1D, 0x1F, 0xEC, 0xEB, 0x28, 0x31, 0x32, 0x33,
          0x27, 0x02, 0x06, 0x09, 0x10, 0x11, 0x13, 0x15, 0x16, 0x17, 0x19, 0x1C, 0x1E, 0x29, 0x30, 0x34,
          0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x38, 0x39, 0x37, 0x35, 0x36}  # fmt: skip
GBT = sorted({p << 26 | pf << 16 | da << 8 | sa for p in range(8) for pf in GBT_PF
              for da, sa in ((0x56, 0xF4), (0xF4, 0x56))})  # fmt: skip
INFY = sorted({error << 26 | device << 22 | command << 16 | destination << 8 | source
               for error in (0, 2, 3, 7) for device in (0xA, 0xB) for command in range(0x20, 0x28)
               for destination in (0x00, 0x01, 0x3F, 0x40, 0xF0) for source in (0xF0, 0xF1, 0x00)})  # fmt: skip
OTHERS = [0x02204000, 0x068180FC, 0x06080F80, 0x06080783, 0x029B3FF0, 0x029C3FF0, 0x029A3FF0, 0x0C38F456, 0x0C37F456,
          0x1834F456, 0x1035F456, 0x1836F456, 0x1FFFFFFF, 0]  # fmt: skip
STANDARD = range(2048)  # CHAdeMO's 0x100 to 0x110, 0x200 and 0x700 among them

LISTED_CAR = {
    0x1826F456: {3}, 0x1801F456: {8}, 0x1807F456: {7}, 0x1808F456: {8}, 0x100AF456: {1}, 0x1812F456: {8},
    0x101AF456: {4}, 0x181DF456: {8}, 0x081FF456: {4}, 0x1CECF456: {8},
}  # fmt: skip
LISTED_TRIAL = {0x1828F456: {3, 8}, 0x1831F456: {8}, 0x1832F456: {1, 8}, 0x1833F456: {8}}
PHASES = {
    "reset": lambda v112: Rig(v112),
    "plugged": lambda v112: Rig(v112).plug(),
    "handshake": lambda v112: Rig(v112).plug().handshake(v112),
    "precharge": lambda v112: Rig(v112).plug().handshake(v112).precharge(),
    "charge": lambda v112: Rig(v112).charging(30, v112),
    "discharge": lambda v112: Rig(v112).discharging(30) if v112 else Rig(v112).charging(0, False),
    "shut": lambda v112: _pressed(Rig(v112).charging(30, v112)),
}
FILLS = [
    bytes(8), b"\xff" * 8, b"\x01" * 8, b"\xaa" * 8, b"\x11" + bytes(7),
    b"\x10\x02\0\0\0\x01\x86\xa0",  # 100 A
    b"\x11\x10\0\0\0\0\0\xa0", b"\x11\x10\0\0\0\0\0\xa1",  # ON, OFF
    b"\x10\x01\0\0\0\x0f\x42\x40",  # 1000 V
    b"\x21\x10\0\0\0\0\0\xa1",  # inverter
    b"\x00\x00\x00\x00\xa0\x0f\xa0\x0f",
]  # fmt: skip


def _pressed(rig):
    rig.estop = 1
    rig.tick(3)
    assert rig.gate.off_needed
    return rig


def _spam(rig, vet, ids):
    """What leaves of all ids, both widths, all lengths and all fills; nothing is told to have left."""
    left = set()
    tried = 0
    for can_id in ids:
        for ext in (0, 1):
            for length in range(9):
                for data in FILLS:
                    tried += 1
                    if vet(can_id, ext, data[:length], rig.now):
                        left.add((can_id, ext, length, data[:length]))
    assert tried == len(ids) * 2 * 9 * len(FILLS)
    return left


@pytest.mark.parametrize("v112", (0, 1))
@pytest.mark.parametrize("phase", PHASES)
def test_nothing_unlisted_leaves_to_the_car(phase, v112):
    """Only listed ids, extended, with the length of the list."""
    rig = PHASES[phase](v112)
    listed = {**LISTED_CAR, **(LISTED_TRIAL if v112 else {})}
    left = _spam(rig, rig.gate.vet_car, sorted({*GBT, *INFY[::7], *OTHERS, *STANDARD}))
    assert left
    for can_id, ext, length, data in left:
        assert ext == 1 and length in listed[can_id], (hex(can_id), ext, length)
        if can_id == 0x100AF456 and data[0]:
            assert phase in ("precharge", "charge", "discharge")
        if can_id == 0x1812F456 and data[6] & 3:
            assert phase in ("precharge", "charge", "discharge") and (v112 or data[6] & 3 == 1)
    assert {can_id for can_id, *_ in left} <= set(listed)


@pytest.mark.parametrize("phase", PHASES)
def test_nothing_unlisted_leaves_to_the_converter(phase):
    """Only reads and writes to modules, from our own address; before OFF nothing but zero and OFF."""
    rig = PHASES[phase](1)
    left = _spam(rig, rig.gate.vet_converter, sorted({*GBT, *INFY, *OTHERS, *STANDARD}))
    assert left
    for can_id, ext, length, data in left:
        assert ext == 1 and length == 8
        assert can_id >> 16 in (0x2A3, 0x2A4, 0x2E3, 0x2E4) and can_id & 0xFF == 0xF0 and can_id >> 8 & 0xFF <= 0x3F
        if can_id >> 16 & 0x3F == 0x24:
            assert not (data[:2] == b"\x10\x02" and any(data[4:])), "100 A fit nobody here"
            assert data[:2] != b"\x10\x01", "1000 V fit nobody here"
        if data[:2] == b"\x11\x10" and data[7] == 0xA0:
            assert phase in ("precharge", "charge", "discharge")
        if phase == "reset":
            assert data in (b"\x11\x10\0\0\0\0\0\xa1", b"\x10\x02" + bytes(6))


@pytest.mark.parametrize("phase", PHASES)
def test_every_register_with_every_switch_value(phase):
    """65,536 registers: what is not listed never leaves, whatever it says."""
    rig = PHASES[phase](1)
    reads = {0x1010, 0x1130, 0x1131, 0x1133, 0x1103, 0x1104, 0x1105, 0x1106, 0x1111, 0x4101, 0x4102}
    reads |= {0x1001, 0x1002, 0x1110, 0x1132, *range(0x2101, 0x2114)}
    writes = {0x1001, 0x1002, 0x1110, 0x1132, 0x1122, 0x1126, 0x2110}
    for register in range(0x10000):
        head = bytes((register >> 8, register & 0xFF, 0, 0, 0, 0, 0))
        if rig.gate.vet_converter(0x02A300F0, 1, head + b"\0", rig.now):
            assert register in reads
        for value in (0xA0, 0xA1):
            if rig.gate.vet_converter(0x02A400F0, 1, head + bytes((value,)), rig.now):
                assert register in writes
