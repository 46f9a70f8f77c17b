"""Infypower BEG/BEC "V1.04" CAN frames as the bench reads and writes them: 125 kbit/s, 29 bit ids, big-endian."""

from typing import NamedTuple

from hw_tests.bench.frame import Frame

SINGLE, GROUP = 0xA, 0xB  # device field
READ, WRITE = 0x23, 0x24  # command field
BROADCAST = 0x3F
CONTROLLERS = range(0xF0, 0xF9)

OK, COMMAND_INVALID, DATA_INVALID, IN_START = 0, 2, 3, 7  # error field

VOLTAGE, CURRENT, COUNT = 0x1001, 0x1002, 0x1010
LINE_AB, LINE_BC, LINE_CA, AMBIENT = 0x1103, 0x1104, 0x1105, 0x1106
ON_OFF = STATUS = 0x1110
INVERTER_STATUS, WALK_IN, OUTPUT_STAGE = 0x1111, 0x1122, 0x1126
MAX_VOLTAGE, MIN_VOLTAGE, CUT_OFF, RATED_POWER = 0x1130, 0x1131, 0x1132, 0x1133
MAX_CURRENT = 0x1132  # read; written, the same item is the cut-off voltage
MODE, POWER_FACTOR, FREQUENCY, POWER_AC = 0x2110, 0x2105, 0x2107, 0x2108
GRID_LIMITS = range(0x2120, 0x2130)
HIGH_SIDE_VOLTAGE, HIGH_SIDE_CURRENT = 0x4101, 0x4102

KINDS = {  # names for scenarios
    "voltage": VOLTAGE, "current": CURRENT, "count": COUNT, "on_off": ON_OFF, "status": STATUS,
    "inverter_status": INVERTER_STATUS, "walk_in": WALK_IN, "output_stage": OUTPUT_STAGE, "cut_off": CUT_OFF,
    "max_voltage": MAX_VOLTAGE, "min_voltage": MIN_VOLTAGE, "max_current": MAX_CURRENT, "rated_power": RATED_POWER,
    "mode": MODE, "power_ac": POWER_AC, "frequency": FREQUENCY,
}  # fmt: skip

# Status bits, byte 5 highest: value of the 24 bits b5 << 16 | b6 << 8 | b7.
STATUS_BITS = {
    "output_short": 0, "sleeping": 4, "discharge_abnormal": 5,
    "dc_off": 8, "fault": 9, "protection": 10, "fan": 11, "over_temperature": 12, "output_over_voltage": 13,
    "walk_in": 14, "communication": 15,
    "power_limiting": 16, "id_repeat": 17, "load_sharing": 18, "phase_lost": 19, "input_unbalanced": 20,
    "input_low": 21, "input_over_voltage": 22, "pfc_off": 23,
}  # fmt: skip


class Message(NamedTuple):
    """One frame, decoded."""

    error: int
    device: int
    command: int
    dest: int
    src: int
    item: int
    value: int  # signed 32 bits


def parse(frame: Frame) -> Message | None:
    """None for what is not of this protocol: standard id, not 8 bytes, or another device or command field."""
    if not frame.ext or len(frame.data) != 8:
        return None
    can_id, data = frame.id, frame.data
    device, command = can_id >> 22 & 0xF, can_id >> 16 & 0x3F
    if device not in (SINGLE, GROUP) or command not in (READ, WRITE):
        return None
    item = data[0] << 8 | data[1]
    value = int.from_bytes(data[4:8], "big", signed=True)
    return Message(can_id >> 26 & 7, device, command, can_id >> 8 & 0xFF, can_id & 0xFF, item, value)


def build(message: Message) -> Frame:
    """The other way round."""
    can_id = (
        message.error << 26 | message.device << 22 | message.command << 16 | message.dest << 8 | message.src
    )  # fmt: skip
    data = message.item.to_bytes(2, "big") + b"\0\0" + (message.value & 0xFFFFFFFF).to_bytes(4, "big")
    return Frame(can_id, True, data)


def request(command: int, item: int, value: int = 0, device: int = GROUP, dest: int = 0, src: int = 0xF0) -> Frame:
    """A controller's read or write, for tests and hand-made traffic."""
    return build(Message(0, device, command, dest, src, item, value))
