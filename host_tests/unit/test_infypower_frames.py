"""Golden vectors of the Infypower frames, written down from the facts' table 3.1. CPython and MicroPython."""

from firmware.contract import Frame
from firmware.converter import infypower_frames as frames
from firmware.converter.infypower_modules import fill, value
from firmware.faults import F_CONVERTER_FAULT
from firmware.station import V_FAULT, V_ON, V_STATUS
from firmware.units import UNKNOWN
from host_tests.unit.infypower_rig import Rig


def unhex(text):
    return bytes(int(part, 16) for part in text.split())


def same_text(data):
    return " ".join(f"{byte:02X}" for byte in data)


# What we send: id, item, number, the eight bytes. Group 0 (facts: read 0x02E300F0, write 0x02E400F0).
SENT = (
    (frames.WRITE_ID, frames.VOLTAGE, 400000, 0x02E400F0, "10 01 00 00 00 06 1A 80"),  # 400 V
    (frames.WRITE_ID, frames.VOLTAGE, 750000, 0x02E400F0, "10 01 00 00 00 0B 71 B0"),  # 750 V
    (frames.WRITE_ID, frames.CURRENT, 50000, 0x02E400F0, "10 02 00 00 00 00 C3 50"),  # 50 A
    (frames.WRITE_ID, frames.CURRENT, 0, 0x02E400F0, "10 02 00 00 00 00 00 00"),
    (frames.WRITE_ID, frames.SWITCH, frames.ON, 0x02E400F0, "11 10 00 00 00 00 00 A0"),
    (frames.WRITE_ID, frames.SWITCH, frames.OFF, 0x02E400F0, "11 10 00 00 00 00 00 A1"),
    (frames.WRITE_ID, frames.MODE, frames.RECTIFIER, 0x02E400F0, "21 10 00 00 00 00 00 A0"),
    (frames.WRITE_ID, frames.MODE, frames.INVERT, 0x02E400F0, "21 10 00 00 00 00 00 A1"),
    (frames.WRITE_ID, frames.CUTOFF, 320000, 0x02E400F0, "11 32 00 00 00 04 E2 00"),  # 320 V
    (frames.READ_ID, frames.VOLTAGE, 0, 0x02E300F0, "10 01 00 00 00 00 00 00"),
    (frames.READ_ID, frames.CURRENT, 0, 0x02E300F0, "10 02 00 00 00 00 00 00"),
    (frames.READ_ID, frames.COUNT, 0, 0x02E300F0, "10 10 00 00 00 00 00 00"),
    (frames.READ_ID, frames.STATUS, 0, 0x02E300F0, "11 10 00 00 00 00 00 00"),
    (frames.READ_ID, frames.INVERTER, 0, 0x02E300F0, "11 11 00 00 00 00 00 00"),
    (frames.READ_ID, frames.TEMPERATURE, 0, 0x02E300F0, "11 06 00 00 00 00 00 00"),
    (frames.READ_ID, frames.MAX_VOLTAGE, 0, 0x02E300F0, "11 30 00 00 00 00 00 00"),
    (frames.READ_ID, frames.MIN_VOLTAGE, 0, 0x02E300F0, "11 31 00 00 00 00 00 00"),
    (frames.READ_ID, frames.MAX_CURRENT, 0, 0x02E300F0, "11 32 00 00 00 00 00 00"),
    (frames.READ_ID, frames.RATED_POWER, 0, 0x02E300F0, "11 33 00 00 00 00 00 00"),
    (frames.READ_ID, frames.POWER_AC, 0, 0x02E300F0, "21 08 00 00 00 00 00 00"),
)


def test_what_we_send():
    frame = Frame(0, 8)
    for which, item, number, can_id, text in SENT:
        frame.data[:] = b"\xff" * 8
        fill(frame.data, item, number)
        assert which == can_id and frame.ext == 1
        assert same_text(frame.data) == text


def test_largest_number():
    frame = Frame(0, 8)
    fill(frame.data, frames.VOLTAGE, 0x3FFFFFFF)
    assert same_text(frame.data) == "10 01 00 00 3F FF FF FF"


# What comes back: id, bytes, kind, value.
HEARD = (
    (0x02A3F000, "10 01 00 00 00 05 CF 98", frames.READ, 380824),
    (0x02E3F000, "10 02 00 00 FF FF 3C B0", frames.READ, -50000),
    (0x02A3F03C, "10 10 00 00 00 00 00 03", frames.READ, 3),
    (0x02E4F001, "21 10 00 00 00 00 00 A1", frames.WRITTEN, 0xA1),
    (0x02A4F002, "10 02 00 00 00 00 C3 50", frames.WRITTEN, 50000),
    (0x0EE4F000, "10 01 00 00 00 06 1A 80", frames.WRITTEN, 400000),  # data invalid
    (0x0AA4F000, "10 01 00 00 00 06 1A 80", frames.WRITTEN, 400000),  # command invalid
    (0x1EE4F005, "11 10 00 00 00 00 00 A0", frames.WRITTEN, 0xA0),  # in start processing
    (0x02E3F000, "21 08 00 00 FE CE D3 00", frames.READ, -19999999 - 1),
    (0x02E3F000, "11 33 00 00 01 4F B1 80", frames.READ, 22000000),
    (0x02E3F000, "11 32 00 00 00 01 1E 54", frames.READ, 73300),
    (0x02E3F000, "11 06 00 00 FF FF D8 F0", frames.READ, -10000),
)


def test_what_comes_back():
    for can_id, text, kind, number in HEARD:
        assert can_id & frames.REPLY_MASK == kind
        assert value(unhex(text)) == number


def test_who_is_not_a_module_that_answers_us():
    for can_id in (
        0x02A33FF0,  # our own broadcast
        0x02E300F0,
        0x02E400F0,
        0x02A3F100,  # to another controller
        0x02A5F000,  # another command
        0x02A2F000,
        0x0263F000,  # device 9
        0x0323F000,  # device C
        0x0023F000,  # V1.13: another device field
        0x1826F456,
        0,
    ):
        assert can_id & frames.REPLY_MASK not in (frames.READ, frames.WRITTEN)


def test_numbers_that_do_not_fit_are_unknown():
    for text, expected in (
        ("10 01 00 00 3F FF FF FF", 0x3FFFFFFF),
        ("10 01 00 00 40 00 00 00", UNKNOWN),
        ("10 01 00 00 7F FF FF FF", UNKNOWN),
        ("10 01 00 00 80 00 00 00", UNKNOWN),
        ("10 01 00 00 BF FF FF FF", UNKNOWN),
        ("10 01 00 00 C0 00 00 01", -0x3FFFFFFF),
        ("10 01 00 00 FF FF FF FF", -1),
    ):
        assert value(unhex(text)) == expected


# Every bit of the status table (facts 3.1): byte, bit, is it one that ends the work?
STATUS_BITS = (
    (7, 0, 1),  # output short
    (7, 4, 0),  # sleeping
    (7, 5, 1),  # discharge abnormal
    (6, 0, 0),  # DC side off
    (6, 1, 1),  # fault alarm
    (6, 2, 1),  # protection alarm
    (6, 3, 0),  # fan fault: the module derates, and ends it itself
    (6, 4, 1),  # over-temperature
    (6, 5, 1),  # output over-voltage
    (6, 6, 0),  # walk-in enabled
    (6, 7, 0),  # communication interrupt: stands until the first frame is heard
    (5, 0, 0),  # power limiting
    (5, 1, 1),  # id repeat
    (5, 2, 0),  # load-sharing alarm
    (5, 3, 1),  # input phase lost
    (5, 4, 0),  # input unbalanced
    (5, 5, 1),  # input low voltage
    (5, 6, 1),  # input over-voltage
    (5, 7, 0),  # PFC side off
)


def test_the_bits_of_the_status():
    for byte, bit, ends in STATUS_BITS:
        rig = Rig()
        data = bytearray(b"\x11\x10\0\0\0\0\0\0")
        data[byte] |= 1 << bit
        rig.driver.receive(0x02E3F000, 1, memoryview(data), 0)
        assert rig[V_STATUS] == 1 << bit << 8 * (7 - byte)
        assert rig[V_FAULT] == (F_CONVERTER_FAULT if ends else 0), (byte, bit)
        assert rig[V_ON] == (0 if (byte, bit) == (6, 0) else 1)
