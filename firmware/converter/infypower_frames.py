# Infypower BEG/BEC, CAN protocol V1.04 (facts 3.1): 29-bit ids, 8 bytes, big-endian: [item, item, 0, 0, value32].
# Numbers only; the codec stands in infypower_modules.py.
from micropython import const

# id: error 28:26 | device 25:22 | command 21:16 | destination 15:8 | source 7:0. We are 0xF0 and speak to group 0: its
# voltage and current are the group's total, answered by the master; the rest every module answers.
READ_ID = const(0x02E300F0)
WRITE_ID = const(0x02E400F0)
REPLY_MASK = const(0x03BFFF00)  # without error, source and the bit that tells a group from a module
READ = const(0x02A3F000)  # a module's reply to us, so masked
WRITTEN = const(0x02A4F000)

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
