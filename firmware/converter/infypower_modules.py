# What the Infypower modules of one group tell: who they are, how long each is silent, their state and what they can do.
# Written into the converter record; several modules are one converter to the rest of the station. The house's units and
# sign outside, millivolts and magnitudes inside.
from array import array

from micropython import const

from firmware.contract import CHARGE, DISCHARGE
from firmware.converter.infypower_frames import (
    BROKEN,
    COUNT,
    CURRENT,
    DC_OFF,
    INVERTER,
    MAX_CURRENT,
    MAX_VOLTAGE,
    MIN_VOLTAGE,
    POWER_AC,
    RATED_POWER,
    STATUS,
    TEMPERATURE,
    VOLTAGE,
)
from firmware.faults import F_CONVERTER_FAULT
from firmware.station import (
    V_FAULT,
    V_MODE,
    V_MODE_SET,
    V_MODULES,
    V_ON,
    V_POWER_AC_W,
    V_RATED_W,
    V_READY,
    V_STATUS,
    V_AGE_ms,
    V_CURRENT_dA,
    V_MAX_dA,
    V_MAX_dV,
    V_MIN_dV,
    V_TEMP_dC,
    V_VOLTAGE_dV,
)
from firmware.units import UNKNOWN, AGE_MAX_ms

_MODULES = const(8)  # in one group; masks of them are bytes
SILENT_ms = const(600)
_CONSUMES_W = const(100)


def value(data):
    # int32, UNKNOWN where it does not fit 31 bits: no millivolt, milliampere or milliwatt of ours is that large.
    high = data[4]
    if high >= 0xC0:
        high -= 256
    elif high >= 0x40:
        return UNKNOWN
    return high << 24 | data[5] << 16 | data[6] << 8 | data[7]


def fill(data, item, number):
    # number: 0 to 2^30-1
    data[0] = item >> 8
    data[1] = item & 0xFF
    data[2] = data[3] = 0
    data[4] = number >> 24
    data[5] = number >> 16 & 0xFF
    data[6] = number >> 8 & 0xFF
    data[7] = number & 0xFF


class Modules:
    def __init__(self, station, count):
        self._now = record = station.converter.now
        self._count = min(count, _MODULES)
        self._all = (1 << self._count) - 1
        self._address = bytearray(b"\xff" * self._count)
        self._from = 0  # whose reply is being read
        self._silence = array("i", [AGE_MAX_ms] * self._count)  # of each module; counted, so no wrap makes it young
        self._max_dA = array("i", [0] * self._count)
        self._rated_W = array("i", [0] * self._count)
        self._power_W = array("i", [0] * self._count)
        self._known = bytearray(5)  # masks of modules that told: status, mode, then what they can do (3)
        self._off = self._inverts = 0  # masks of modules
        self._told = self._modes = 0  # masks: told their status since the switch, their mode since its echo
        record[V_AGE_ms] = AGE_MAX_ms
        record[V_MODULES] = record[V_READY] = record[V_FAULT] = 0

    def _age(self, dt_ms):
        # The age is that of the module that is silent longest.
        record = self._now
        oldest = 0
        for slot in range(self._count):
            age = self._silence[slot] = min(self._silence[slot] + dt_ms, AGE_MAX_ms)
            if age > oldest:
                oldest = age
        record[V_AGE_ms] = oldest
        if oldest >= SILENT_ms and record[V_READY] == 1:
            record[V_READY] = 0
            record[V_ON] = record[V_MODE] = UNKNOWN
            self._known[0] = self._known[1] = 0

    def _is_ours(self, address):
        # One of the counted modules; the first ones that speak are.
        for slot in range(self._count):
            if self._address[slot] == 0xFF:
                self._address[slot] = address
            if self._address[slot] == address:
                self._from = slot
                return True
        return False

    def _report(self, item, data):
        bit = 1 << self._from
        if item == STATUS:
            self._status(bit, data[5] << 16 | data[6] << 8 | data[7])
        elif item == INVERTER:
            self._mode(bit, data[7] & 1)
        else:
            number = value(data)
            if number != UNKNOWN:
                self._number(self._from, item, number)

    def _number(self, slot, item, number):
        record = self._now
        if item == CURRENT:
            record[V_CURRENT_dA] = abs(number) // 100 * (DISCHARGE if self._inverts else CHARGE)
        elif item == VOLTAGE:
            record[V_VOLTAGE_dV] = abs(number) // 100
        elif item == POWER_AC:
            # The sign is not documented: that of the mode counts, save for the converter's own consumption.
            number = abs(number) // 1000
            self._power_W[slot] = -number if self._inverts and number > _CONSUMES_W else number
            record[V_POWER_AC_W] = self._sum(self._power_W)
        elif item == COUNT:
            record[V_MODULES] = number & 0xFFFF
        elif item == MAX_VOLTAGE:
            number //= 100
            record[V_MAX_dV] = min(record[V_MAX_dV], number) if self._known[2] else number
            self._known[2] |= 1 << slot
        elif item == MIN_VOLTAGE:
            record[V_MIN_dV] = max(record[V_MIN_dV], number // 100)
        elif item == MAX_CURRENT:
            self._max_dA[slot] = number // 100
            record[V_MAX_dA] = self._sum(self._max_dA)
            self._known[3] |= 1 << slot
        elif item == RATED_POWER:
            self._rated_W[slot] = number // 1000
            record[V_RATED_W] = self._sum(self._rated_W)
            self._known[4] |= 1 << slot
        elif item == TEMPERATURE:
            record[V_TEMP_dC] = number // 100

    def _status(self, bit, bits):
        # One module's word each time; the record holds what any of them complains of.
        record = self._now
        self._known[0] |= bit
        self._told |= bit
        if bits & DC_OFF:
            self._off |= bit
        else:
            self._off &= ~bit
        if self._all != 1 and record[V_STATUS] != UNKNOWN and bit != 1:
            bits |= record[V_STATUS] & ~DC_OFF
        record[V_STATUS] = bits
        record[V_FAULT] = F_CONVERTER_FAULT if bits & BROKEN else 0
        if record[V_FAULT]:
            record[V_READY] = 0
        if self._told == self._all:
            off = self._off
            record[V_ON] = 1 if off == 0 else 0 if off == self._all else UNKNOWN

    def _mode(self, bit, inverts):
        record = self._now
        self._known[1] |= bit
        self._modes |= bit
        if inverts:
            self._inverts |= bit
        else:
            self._inverts &= ~bit
        if record[V_MODE_SET] == UNKNOWN or self._modes != self._all:
            return
        reported = self._all if record[V_MODE_SET] == DISCHARGE else 0
        record[V_MODE] = record[V_MODE_SET] if self._inverts == reported else UNKNOWN

    def _sum(self, values):
        # The current of the modules in a group adds up; that theirs is shared equally is the master's business.
        total = 0
        for slot in range(self._count):
            total += values[slot]
        return total
