# CHAdeMO 0.9 to 2.0 with V2X, codec: bytes to the house's integers and back. No state, no time.
#
# Source of every layout: facts 2.2 and 2.3. 11-bit ids, 8 bytes, little-endian, unused bytes 0. Volts, amperes and
# tenths of kWh on the wire; dV, dA and Wh in the house. Charging and discharging currents are magnitudes in frames of
# their own, two of them (200, 208) counted down from 255: they become signs and magnitudes here and nowhere else.
from micropython import const

from firmware.units import UNKNOWN

# What the car sends, by number: bit 1 << number in Session.seen.
V100 = const(0)
V101 = const(1)
V102 = const(2)
V103 = const(3)
V110 = const(4)
V200 = const(5)
V201 = const(6)
V700 = const(7)
MESSAGES = const(8)
IDS = {0x102: V102, 0x100: V100, 0x101: V101, 0x200: V200, 0x103: V103, 0x110: V110, 0x201: V201, 0x700: V700}
LENGTH = const(8)

# 102.5
ENABLED = const(0x01)
NOT_PARKED = const(0x02)
SYSTEM_FAULT = const(0x04)
OPEN = const(0x08)  # contactors open, or welding check done
STOP_BEFORE = const(0x10)
FOLLOWS_108 = const(0x40)  # ZE0: 108.3 may change in the session (seen in one other implementation)
CAN_DISCHARGE = const(0x80)
# 109.5
CHARGING = const(0x01)
FAULT = const(0x02)
LOCKED = const(0x04)
INCOMPATIBLE = const(0x08)
SYSTEM = const(0x10)
STOPPED = const(0x20)
# 110.0 and 118.0
DYNAMIC = const(0x01)
HIGH_CURRENT = const(0x02)

_SEE_110 = const(0xFF)  # 102.3: the request is too large for a byte


class Told:
    # What the car has told in this session. Nothing counts before line k is on (facts 2.5): the session sees to it.
    def __init__(self):
        self.least_dA = 0  # 100.0
        self.battery_min_dV = 0
        self.battery_max_dV = 0
        self.constant = 0  # what 102.6 counts as full
        self.minutes = UNKNOWN  # 101: longest charging time
        self.capacity_Wh = 0
        self.number = UNKNOWN
        self.target_dV = 0
        self.request_dA = 0
        self.request_raw = 0
        self.errors = 0  # 102.4
        self.status = 0  # 102.5
        self.soc_raw = UNKNOWN
        self.voltage_dV = UNKNOWN  # 103
        self.abilities = 0  # 110.0
        self.extended_dA = 0  # 110.1-2
        self.discharge_dA = 0  # 200.0, magnitude
        self.discharge_min_dV = 0
        self.least_raw = 0  # 200.6 and 7: their unit follows 201.0
        self.most_raw = 0
        self.sequence = UNKNOWN  # 201.0
        self.discharge_min = UNKNOWN  # 201.1-2: doubt, another source has it at 2-3
        self.available_Wh = UNKNOWN
        self.maker = UNKNOWN  # 700.0


def v100(t, d):
    t.least_dA = d[0] * 10
    t.battery_min_dV = (d[2] | d[3] << 8) * 10
    t.battery_max_dV = (d[4] | d[5] << 8) * 10
    t.constant = d[6]


def v101(t, d):
    # Byte 1 counts 10 s; FF there: byte 2 has minutes.
    t.minutes = d[2] if d[1] == 0xFF else d[1] // 6
    t.capacity_Wh = (d[5] | d[6] << 8) * 100


def v102(t, d):
    # The hottest frame: no calls.
    raw = d[3]
    t.number = d[0]
    t.target_dV = (d[1] | d[2] << 8) * 10
    t.request_raw = raw
    t.request_dA = raw * 10 if raw != _SEE_110 else t.extended_dA
    t.errors = d[4] & 0x1F
    t.status = d[5]
    t.soc_raw = d[6]


def v103(t, d):
    t.voltage_dV = (d[0] | d[1] << 8) * 10


def v110(t, d):
    t.abilities = d[0]
    t.extended_dA = (d[1] | d[2] << 8) * 10
    if t.request_raw == _SEE_110:
        t.request_dA = t.extended_dA


def v200(t, d):
    t.discharge_dA = (255 - d[0]) * 10
    t.discharge_min_dV = (d[4] | d[5] << 8) * 10
    t.least_raw = d[6]
    t.most_raw = d[7]


def v201(t, d):
    t.sequence = d[0]
    t.discharge_min = d[1] | d[2] << 8
    t.available_Wh = (d[3] | d[4] << 8) * 100


def v700(t, d):
    t.maker = d[0]


DECODE = (v100, v101, v102, v103, v110, v200, v201, v700)


def soc_permille(t):
    # 102.6 against the constant of 100.6 (8F of FF is 56 %).
    return t.soc_raw * 1000 // t.constant if 0 <= t.soc_raw <= t.constant and t.constant else UNKNOWN


# --- what the charger sends: into the bytes of a frame that exists ---
def _volts(d, at, voltage_dV):
    volts = (voltage_dV + 5) // 10 if voltage_dV > 0 else 0  # UNKNOWN is less than 0
    d[at] = volts & 0xFF
    d[at + 1] = volts >> 8 & 0xFF


def _amperes(current_dA):
    # A magnitude in a byte; FF has a meaning of its own.
    amperes = (current_dA + 5) // 10
    return 0 if amperes < 0 else 254 if amperes > 254 else amperes


def c108(d, weld_check, voltage_dV, current_dA, threshold_dV):
    d[0] = weld_check
    _volts(d, 1, voltage_dV)
    d[3] = _amperes(current_dA - 5)  # promised: never rounded up
    _volts(d, 4, threshold_dV)


def c109(d, number, voltage_dV, current_dA, compatible, status, minutes):
    # current_dA: house sign; while it discharges this says 0. `minutes`: UNKNOWN before anything is known.
    d[0] = number
    _volts(d, 1, voltage_dV)
    d[3] = _amperes(current_dA)
    d[4] = compatible
    d[5] = status
    d[6] = 0 if minutes == 0 else 0xFF
    d[7] = 0xFF if minutes < 0 else minutes if minutes < 0xFF else 0xFE


def c118(d, abilities):
    d[0] = abilities


def c208(d, current_dA, input_dV, most_dA, least_dV):
    # current_dA: house sign; most_dA: magnitude.
    d[0] = 255 - _amperes(-current_dA)
    _volts(d, 1, input_dV)
    d[3] = 255 - _amperes(most_dA - 5)
    _volts(d, 6, least_dV)


def c209(d, sequence, minutes):
    d[0] = sequence
    d[1] = minutes & 0xFF
    d[2] = minutes >> 8 & 0xFF
