"""GB/T 27930 codec against golden vectors. Runs on CPython and on MicroPython."""

from firmware.units import UNKNOWN
from firmware.vehicle.gbt27930 import frames
from firmware.vehicle.gbt27930.settings import Settings
from firmware.vehicle.gbt27930.wire import Outbox, Receiver
from host_tests.vectors_gbt27930 import CAR_IDS, CHARGER_IDS, FIXED, FROM_CAR, FROM_CHARGER, TP_PF, octets


def test_every_vector_of_the_car_is_read():
    for name, text, expected, source in FROM_CAR:
        told = frames.Told()
        data = memoryview(bytearray(octets(text)))
        number = getattr(frames, name)
        assert len(data) >= frames.LENGTHS[number], (name, source)
        frames.decode(number, told, data)
        for key, value in expected.items():
            assert getattr(told, key) == value, (name, source, key, getattr(told, key))


def test_there_is_a_vector_for_every_message():
    covered = {name for name, _, _, _ in FROM_CAR}
    assert covered == {"BHM", "BRM", "BCP", "BRO", "BCL", "BCS", "BSM", "BST", "BSD", "BEM", "BDC", "BCPP", "BCSP"}
    covered = {row[0] for row in FROM_CHARGER} | {row[0] for row in FIXED}
    assert covered == set(CHARGER_IDS) - {"TP"}


def test_every_vector_of_the_charger_is_written():
    for name, length, encoder, arguments, text, source in FROM_CHARGER:
        data = bytearray(b"\xff" * length)
        getattr(frames, encoder)(data, *arguments)
        assert bytes(data) == octets(text), (name, source, data)


def test_writing_twice_leaves_nothing_of_the_first():
    data = bytearray(b"\xff" * 4)
    for which in (frames.CEM_BST, frames.CEM_BSD, frames.CEM_BRM):
        frames.cem(data, which)
    assert bytes(data) == octets("F1 F0 F0 FC")


def test_the_ids_are_those_of_the_standard():
    assert frames.IDS == {can_id: getattr(frames, name) for name, can_id in CAR_IDS.items()}
    assert frames.LONG == {pf: getattr(frames, name) for name, pf in TP_PF.items()}
    receiver = Receiver(255)
    sent = {frame.id for frame in Outbox(receiver, Settings({})).frames}
    assert sent == set(CHARGER_IDS.values())


def test_lengths_are_exactly_those_of_the_standard():
    lengths = {}
    for frame in Outbox(Receiver(255), Settings({})).frames:
        lengths[frame.id] = len(frame.data)
        assert frame.ext == 1
    for name, length in (("CHM", 3), ("CRM", 8), ("CTS", 7), ("CML", 8), ("CRO", 1), ("CCS", 8), ("CST", 4), ("CSD", 8),
                         ("CEM", 4), ("TP", 8), ("CMLP", 8)):  # fmt: skip
        assert lengths[CHARGER_IDS[name]] == length, name
    for length in (6, 7, 8):
        frame = Outbox(Receiver(255), Settings({"ccs_length": length})).frames[4]
        assert frame.id == CHARGER_IDS["CCS"] and len(frame.data) == length


def test_a_six_byte_ccs_has_no_permission_to_write():
    data = bytearray(6)
    frames.ccs(data, 5406, 29, 3, 1)
    assert bytes(data) == octets("1E 15 83 0F 03 00")


def test_what_the_car_does_not_tell_is_unknown():
    told = frames.Told()
    frames.decode(frames.BCS, told, b"\xff" * 9)
    assert told.voltage_dV == UNKNOWN and told.current_dA == UNKNOWN and told.soc_permille == UNKNOWN
    assert told.remaining_min == UNKNOWN
    frames.decode(frames.BCP, told, b"\xff" * 13)
    assert told.charge_max_dA == UNKNOWN and told.energy_Wh == UNKNOWN and told.soc_permille == UNKNOWN
    frames.decode(frames.BCPP, told, b"\xff" * 7)
    assert told.discharge_max_dA == 0 and told.pack_min_dV == UNKNOWN and told.floor_permille == UNKNOWN
    frames.decode(frames.BDC, told, b"\xff" * 28)
    assert told.cycles_left == UNKNOWN


def test_a_discharge_limit_of_the_wrong_sign_is_none():
    told = frames.Told()
    frames.decode(frames.BCPP, told, octets("D8 0E 80 0C 18 01 14"))  # raw 3800: the sign of charging
    assert told.discharge_max_dA == 0


def test_no_current_is_ever_beyond_the_range():
    told = frames.Told()
    for raw in (8001, 0x2000, 0xFFFE, 0xFFFF):
        frames.decode(frames.BCL, told, bytes([0, 0, raw & 255, raw >> 8, 2]))
        assert told.demand_dA == 0
    for raw in range(0, 8001, 250):
        frames.decode(frames.BCL, told, bytes([0, 0, raw & 255, raw >> 8, 2]))
        assert told.demand_dA == 4000 - raw
