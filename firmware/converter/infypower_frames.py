# Infypower BEG/BEC, CAN protocol V1.04 (facts 3.1): 29-bit ids, 8 bytes, big-endian: [item, item, 0, 0, value32].
# Pure codec; the house's units and sign outside, millivolts and magnitudes inside.
from micropython import const

from firmware.units import UNKNOWN

# id: error 28:26 | device 25:22 | command 21:16 | destination 15:8 | source 7:0. We are 0xF0 and speak to group 0: its
# voltage and current are the group's total, answered by the master; the rest every module answers.
READ_ID = const(0x02E300F0)
WRITE_ID = const(0x02E400F0)
_REPLY = const(0x02A3F000)
_REPLY_TO_WRITE = const(0x02A4F000)
_REPLY_MASK = const(0x03BFFF00)  # without error, source and the bit that tells a group from a module

NO_REPLY = const(0)
READ = const(1)
WRITTEN = const(2)

# Items: byte 0 and byte 1. Written:
SWITCH = const(0x1110)
VOLTAGE = const(0x1001)  # mV
CURRENT = const(0x1002)  # mA, magnitude
MODE = const(0x2110)
CUTOFF = const(0x1132)  # mV: an inverter stops itself below
# Read: VOLTAGE, CURRENT (actual), and
STATUS = const(0x1110)
INVERTER = const(0x1111)  # byte 7 bit 0
COUNT = const(0x1010)
MAX_VOLTAGE = const(0x1130)  # mV
MIN_VOLTAGE = const(0x1131)  # mV
MAX_CURRENT = const(0x1132)  # mA
RATED_POWER = const(0x1133)  # mW
TEMPERATURE = const(0x1106)  # ambient, 0.001 degC
POWER_AC = const(0x2108)  # mW, total

ON = const(0xA0)
OFF = const(0xA1)
RECTIFIER = const(0xA0)
INVERT = const(0xA1)

# Status: byte 5 << 16 | byte 6 << 8 | byte 7.
DC_OFF = const(0x000100)
# What no module works on with: output short, discharge abnormal; fault, protection, over-temperature, output
# over-voltage; id repeat, phase lost, input low voltage, input over-voltage.
BROKEN = const(0x6A3621)
BUSY = const(7)  # error code of a reply: in start processing, ask again


def kind(can_id):
    # Is it a module's reply to us, and to what?
    masked = can_id & _REPLY_MASK
    if masked == _REPLY:
        return READ
    return WRITTEN if masked == _REPLY_TO_WRITE else NO_REPLY


def error(can_id):
    return can_id >> 26 & 7


def module(can_id):
    return can_id & 0xFF


def item(data):
    return data[0] << 8 | data[1]


def value(data):
    # int32, UNKNOWN where it does not fit 31 bits: no millivolt, milliampere or milliwatt of ours is that large.
    high = data[4]
    if high >= 0xC0:
        high -= 256
    elif high >= 0x40:
        return UNKNOWN
    return high << 24 | data[5] << 16 | data[6] << 8 | data[7]


def status(data):
    return data[5] << 16 | data[6] << 8 | data[7]


def fill(data, what, number):
    # number: 0 to 2^30-1
    data[0] = what >> 8
    data[1] = what & 0xFF
    data[2] = data[3] = 0
    data[4] = number >> 24
    data[5] = number >> 16 & 0xFF
    data[6] = number >> 8 & 0xFF
    data[7] = number & 0xFF
