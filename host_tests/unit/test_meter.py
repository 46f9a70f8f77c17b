"""The meter on the field bus: maps, registers that are believed and those that are not. CPython and MicroPython."""

import gc
import struct

from firmware.faults import F_METER, F_METER_SILENT, Active
from firmware.fieldbus import build
from firmware.station import (
    G_METER,
    G_POWER_W,
    METER_DOUBTED,
    METER_GOOD,
    METER_SILENT,
    G_AGE_ms,
    G_EXPORT_Wh,
    G_FREQUENCY_mHz,
    G_IMPORT_Wh,
    G_VOLTAGE2_dV,
    G_VOLTAGE_dV,
    Station,
)
from firmware.units import TICKS_MASK, UNKNOWN, AGE_MAX_ms
from lib.modbus import crc


class Line:
    """A meter of floats on a UART that answers at once: {register: value}."""

    def __init__(self, values):
        self.values = values
        self.silent = False
        self.coming = b""
        self.functions = set()

    def readinto(self, into):
        count = min(len(into), len(self.coming))
        into[:count] = self.coming[:count]
        self.coming = self.coming[count:]
        return count or None

    def write(self, data):
        number, function, address, count = struct.unpack(">BBHH", bytes(data[:6]))
        self.functions.add(function)
        if self.silent:
            return
        value = self.values.get(address, 0)
        body = value if isinstance(value, bytes) else struct.pack(">f", value)
        body = (body * count)[: 2 * count]  # a probe is longer or shorter
        reply = bytes((number, function, 2 * count)) + body
        check = crc(reply, len(reply))
        self.coming += reply + bytes((check & 255, check >> 8))

    def txdone(self):
        return True


CONFIG = {"meter": "sdm630", "meter_address": 1, "insulation_monitor": "none", "fieldbus_bit_s": 9600,
          "fieldbus_parity": "none"}  # fmt: skip
SDM630 = {0x34: -7361.4, 0x48: 54321.0, 0x4A: 1000.0, 0x46: 49.987, 0: 230.5, 2: 229.0, 4: 231.0}


class Rig:
    def __init__(self, start_ms=0, meter="sdm630", values=None):
        self.station = Station()
        self.faults = Active(self.station.events)
        self.line = Line(dict(values or SDM630))
        config = dict(CONFIG)
        config["meter"] = meter
        self.meter, self.bus = build(config, self.station, self.faults, 22000, lambda bit_s, parity: (self.line, None))
        self.now = start_ms

    def run(self, ms):
        for _ in range(ms // 20):
            self.now = (self.now + 20) & TICKS_MASK
            self.bus.step(self.now)
            self.meter.step(self.now)

    def __getitem__(self, slot):
        return self.station.grid.now[slot]


def test_nothing_is_known_at_start():
    rig = Rig()
    assert rig[G_POWER_W] == UNKNOWN and rig[G_AGE_ms] == AGE_MAX_ms and rig[G_IMPORT_Wh] == UNKNOWN
    rig.meter.step(0)
    assert rig[G_METER] == METER_SILENT and not rig.faults.has(F_METER_SILENT)


def test_what_the_meter_says_in_the_house_s_units():
    for start_ms in (0, TICKS_MASK - 1500):
        rig = Rig(start_ms)
        rig.run(9000)
        assert rig[G_POWER_W] == -7361 and rig[G_FREQUENCY_mHz] == 49987
        assert rig[G_VOLTAGE_dV] == 2305 and rig[G_VOLTAGE2_dV] == 2290
        assert rig[G_IMPORT_Wh] == 54321000 and rig[G_EXPORT_Wh] == 1000000
        assert rig[G_METER] == METER_GOOD and rig[G_AGE_ms] <= 200


def test_every_part_s_map():
    tenths = {0x2012: -73614.0, 0x101E: 54321.0, 0x1028: 1000.0, 0x2044: 4998.7, 0x2006: 2305.0, 0x2008: 2290.0}
    plain = {0x2012: -7361.4, 0x101E: 54321.0, 0x1028: 1000.0, 0x2044: 49.987, 0x2006: 230.5, 0x2008: 229.0}
    one = {0x0C: -7361.4, 0x48: 54321.0, 0x4A: 1000.0, 0x46: 49.987, 0: 230.5}
    direct = {8: struct.pack(">hH", -7361, 3), 12: struct.pack(">I", 54321000), 14: struct.pack(">I", 1000000)}
    for meter, values, function in (("sdm120", one, 4), ("sdm230", one, 4), ("dtsu666", plain, 3),
                                    ("dtsu666_tenths", tenths, 3), ("djsf1352", direct, 3)):  # fmt: skip
        rig = Rig(0, meter, values)
        rig.run(9000)
        told = (rig[G_IMPORT_Wh], rig[G_EXPORT_Wh], rig[G_METER])
        assert told == (54321000, 1000000, METER_GOOD), meter
        assert -7362 <= rig[G_POWER_W] <= -7361, meter
        assert rig[G_VOLTAGE_dV] == (UNKNOWN if meter == "djsf1352" else 2305), meter
        assert rig.line.functions == {function}


def test_the_decimal_point_of_a_dc_meter():
    for point, expected in ((0, -7), (2, -736), (3, -7361), (4, -73610)):
        rig = Rig(0, "djsf1352", {8: struct.pack(">hH", -7361, point)})
        rig.run(3000)
        assert rig[G_POWER_W] == expected


def test_energy_grows_with_the_register():
    rig = Rig()
    rig.run(9000)
    for step in range(1, 6):
        rig.line.values[0x48] = 54321.0 + step * 0.015625
        rig.run(3000)
        assert abs(rig[G_IMPORT_Wh] - 54321000 - step * 15.625) <= 0.5 and rig[G_METER] == METER_GOOD


def test_a_step_back_is_a_fault_and_no_number():
    rig = Rig()
    rig.run(9000)
    rig.line.values[0x48] = 54000.0
    rig.run(9000)
    assert rig[G_IMPORT_Wh] == 54321000 and rig[G_METER] == METER_DOUBTED and rig.faults.has(F_METER)
    # What it grows by from there on is counted, and the doubt stays: a person must look.
    rig.line.values[0x48] = 54000.03125
    rig.run(600000)
    assert rig[G_IMPORT_Wh] == 54321031 and rig[G_METER] == METER_DOUBTED
    assert rig[G_EXPORT_Wh] == 1000000
    # Back where it was: it had been misread.
    rig.line.values[0x48] = 54321.03125
    rig.run(9000)
    assert rig[G_IMPORT_Wh] == 54321031 and rig[G_METER] == METER_GOOD and not rig.faults.has(F_METER)


def test_a_jump_is_no_number_either_and_time_does_not_make_it_one():
    rig = Rig()
    rig.run(9000)
    rig.line.values[0x4A] = 1001.0
    rig.run(900000)
    assert rig[G_EXPORT_Wh] == 1000000 and rig[G_METER] == METER_DOUBTED and rig.faults.has(F_METER)
    rig.line.values[0x4A] = 1000.0
    rig.run(9000)
    assert rig[G_METER] == METER_GOOD


def test_what_the_power_gives_in_the_time_is_believed():
    # 27.5 kW: 22 kW of converter and its losses. After an hour of silence 27.5 kWh, and no more.
    for grew_kWh, expected in ((27.0, METER_GOOD), (28.0, METER_DOUBTED)):
        rig = Rig()
        rig.run(9000)
        rig.line.silent = True
        rig.run(3600000)
        assert rig[G_METER] == METER_SILENT and rig.faults.has(F_METER_SILENT)
        rig.line.silent = False
        rig.line.values[0x48] = 54321.0 + grew_kWh
        rig.run(10000)
        assert rig[G_METER] == expected and not rig.faults.has(F_METER_SILENT), grew_kWh
        assert rig[G_IMPORT_Wh] == 54321000 + (27000 if expected == METER_GOOD else 0)


def test_a_meter_that_wakes_up_with_zero_is_not_taken_at_its_word():
    rig = Rig()
    rig.line.values[0x48] = rig.line.values[0x4A] = 0.0
    rig.run(4000)
    rig.line.values[0x48], rig.line.values[0x4A] = 54321.0, 1000.0
    rig.run(12000)
    assert rig[G_IMPORT_Wh] == 54321000 and rig[G_EXPORT_Wh] == 1000000 and rig[G_METER] == METER_GOOD


def test_a_silent_meter_is_told_and_its_numbers_go():
    rig = Rig()
    rig.run(9000)
    rig.line.silent = True
    rig.run(4000)
    assert rig[G_POWER_W] == -7361 and rig[G_AGE_ms] > 3000
    rig.run(2000)
    assert rig[G_POWER_W] == UNKNOWN and rig.faults.has(F_METER_SILENT) and rig[G_METER] == METER_SILENT
    rig.run(5000)
    assert rig[G_FREQUENCY_mHz] == rig[G_VOLTAGE_dV] == UNKNOWN
    assert rig[G_IMPORT_Wh] == 54321000
    rig.line.silent = False
    rig.run(6000)
    assert rig[G_POWER_W] == -7361 and not rig.faults.has(F_METER_SILENT) and rig[G_METER] == METER_GOOD


def test_no_number_is_as_good_as_silence():
    rig = Rig()
    rig.run(9000)
    rig.line.values[0x34] = b"\x7f\xc0\x00\x00"  # not a number
    rig.run(8000)
    assert rig[G_POWER_W] == UNKNOWN and rig[G_METER] == METER_SILENT


class Ready:
    # The reply to what was asked last, made before.
    def __init__(self, replies):
        self.replies = replies
        self.at = self.left = 0

    def readinto(self, into):
        if not self.left:
            return None
        self.left = 0
        reply = self.replies[self.at]
        for index in range(len(reply)):
            into[index] = reply[index]
        return len(reply)

    def write(self, data):
        self.at = data[3]
        self.left = 1

    def txdone(self):
        return True


def test_nothing_is_allocated():
    if not hasattr(gc, "mem_alloc"):
        return

    replies = {}
    maker = Line(SDM630)
    for address in SDM630:
        maker.write(bytes((1, 4, 0, address, 0, 2)))
        replies[address] = maker.coming
        maker.coming = b""
    line = Ready(replies)
    rig = Rig()
    rig.meter, rig.bus = build(CONFIG, rig.station, rig.faults, 22000, lambda bit_s, parity: (line, None))
    now = most = 0
    for _ in range(2):
        gc.collect()
        most = 0
        for _ in range(500):
            now += 20
            before = gc.mem_alloc()
            rig.bus.step(now)
            rig.meter.step(now)
            most = max(most, gc.mem_alloc() - before)
    assert most == 0, most
    assert rig[G_METER] == METER_GOOD
