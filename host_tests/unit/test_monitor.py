"""The insulation monitor on the field bus: self-test, values, watch. Runs on CPython and on MicroPython."""

import gc
import struct

from firmware.contract import OFF, RUN
from firmware.faults import F_INSULATION, F_MONITOR, Active
from firmware.fieldbus import build
from firmware.station import (
    C_PHASE,
    E_CODE,
    E_DATA,
    E_STATE,
    EV_SELF_TEST,
    EVENT_SLOTS,
    I_ALARM,
    I_TEST,
    K_STAGE,
    PH_CHARGE,
    PH_ENDED,
    PH_IDLE,
    RESULT_PASSED,
    S_CONTACTOR,
    TEST_FAILED,
    TEST_NONE,
    TEST_PASSED,
    TEST_RUNS,
    I_AGE_ms,
    I_R_kohm,
    Station,
)
from firmware.units import TICKS_MASK, UNKNOWN, AGE_MAX_ms
from lib.modbus import crc


def sealed(body):
    check = crc(body, len(body))
    return body + bytes((check & 255, check >> 8))


class Device:
    """Either monitor on a UART that answers at once."""

    def __init__(self, kind):
        self.kind = kind
        self.kohm = 5000
        self.alarm = self.error = self.testing = self.valid = 0
        self.silent = self.fails = False
        self.began = []  # what was written
        self.coming = b""

    def readinto(self, into):
        count = min(len(into), len(self.coming))
        into[:count] = self.coming[:count]
        self.coming = self.coming[count:]
        return count or None

    def write(self, data):
        data = bytes(data)
        number, function, address, count = struct.unpack(">BBHH", data[:6])
        if self.silent:
            return
        if function == 6:
            self.began.append((address, count))
            self.coming += data
            return
        words = self.isocha425(count) if self.kind == "isocha425" else self.rn5893(address, count)
        self.coming += sealed(bytes((number, function, 2 * count)) + words)

    def isocha425(self, count):
        status = self.testing << 14 | self.alarm << 8 | (3 if self.testing else self.valid) << 6
        return (struct.pack(">fHH", self.kohm * 1000.0, status, 1) * 3)[: 2 * count]

    def rn5893(self, address, count):
        state = 3 if self.testing else 6 if self.alarm else 1
        words = [self.error, state, 0, 0] if address == 0 else [min(0xFFFF, self.kohm * 10)] * 4
        return struct.pack(">4H", *words)[: 2 * count]

    def txdone(self):
        return True


CONFIG = {"meter": "none", "meter_address": 1, "insulation_monitor": "isocha425", "insulation_address": 3,
          "fieldbus_bit_s": 19200, "fieldbus_parity": "even", "insulation_min_kohm": 100}  # fmt: skip


class Rig:
    def __init__(self, kind="isocha425", start_ms=0):
        self.station = Station()
        self.faults = Active(self.station.events)
        self.device = Device(kind)
        config = dict(CONFIG)
        config["insulation_monitor"] = kind
        line = lambda bit_s, parity: (self.device, None)  # noqa: E731
        self.meter, self.bus = build(config, self.station, self.faults, 22000, line)
        self.now = start_ms
        self.station.sense.now[S_CONTACTOR] = 0
        self.station.control.now[K_STAGE] = OFF
        self.station.car.now[C_PHASE] = PH_IDLE

    def run(self, ms):
        for _ in range(ms // 20):
            self.now = (self.now + 20) & TICKS_MASK
            self.bus.step(self.now)
        return self

    def tested(self):
        self.run(500)
        self.device.testing = 1
        self.run(1000)
        self.device.testing = 0
        return self.run(500)

    def session(self, stage, contactor, phase):
        self.station.control.now[K_STAGE] = stage
        self.station.sense.now[S_CONTACTOR] = contactor
        self.station.car.now[C_PHASE] = phase

    def __getitem__(self, slot):
        return self.station.insulation.now[slot]

    def told(self):
        # The self-tests' results, as told since the last look.
        event, found = [0] * EVENT_SLOTS, []
        while self.station.events.get(event):
            if event[E_CODE] == EV_SELF_TEST:
                assert event[E_DATA] == UNKNOWN
                found.append(event[E_STATE])
        return found


KINDS = ("isocha425", "rn5893")
BEGIN = {"isocha425": (8005, 0x5445), "rn5893": (0, 0x10)}


def test_nothing_is_known_at_start():
    rig = Rig()
    assert rig.meter is None
    assert rig[I_R_kohm] == UNKNOWN and rig[I_TEST] == TEST_NONE and rig[I_AGE_ms] == AGE_MAX_ms
    rig.bus.step(10)
    assert not rig.faults.has(F_MONITOR)


def test_the_self_test_begins_by_itself_and_passes_when_it_was_seen_to_run():
    for kind in KINDS:
        for start_ms in (0, TICKS_MASK - 900):
            rig = Rig(kind, start_ms).run(1000)
            assert rig.device.began == [BEGIN[kind]] and rig[I_TEST] == TEST_RUNS
            rig.device.testing = 1
            rig.run(2000)
            assert rig[I_TEST] == TEST_RUNS and rig[I_R_kohm] == UNKNOWN
            rig.device.testing = 0
            rig.run(1000)
            assert rig[I_TEST] == TEST_PASSED and not rig.faults.has(F_MONITOR)
            assert rig[I_R_kohm] == (5000 if kind == "isocha425" else 5000)
            assert rig.device.began[1:] == ([] if kind == "isocha425" else [(0, 0)])


def test_a_self_test_that_is_never_seen_to_run_has_failed():
    rig = Rig().run(34000)
    assert rig[I_TEST] == TEST_RUNS
    rig.run(3000)
    assert rig[I_TEST] == TEST_FAILED and rig.faults.has(F_MONITOR)
    rig.run(10000)  # and is tried again
    assert rig.device.began == [BEGIN["isocha425"]] * 2 and rig.faults.has(F_MONITOR)
    rig.device.testing = 1
    rig.run(1000)
    assert rig.faults.has(F_MONITOR)
    rig.device.testing = 0
    rig.run(1000)
    assert rig[I_TEST] == TEST_PASSED and not rig.faults.has(F_MONITOR)


def test_the_result_of_a_self_test_is_told_once():
    for kind in KINDS:
        rig = Rig(kind).tested()
        assert rig.told() == [RESULT_PASSED]
        rig.session(RUN, 1, PH_CHARGE)
        rig.run(500).session(OFF, 0, PH_ENDED)
        rig.tested()
        assert rig.told() == [RESULT_PASSED]
        rig.device.error = 1
        rig.device.alarm = 2 if kind == "isocha425" else 0
        rig.run(60000)  # tried again and again
        assert rig.told() == [0]
        rig.device.error = rig.device.alarm = 0
        rig.run(11000).tested()
        assert rig.told() == [RESULT_PASSED]


def test_a_device_error_is_a_self_test_that_failed():
    for kind in KINDS:
        rig = Rig(kind).tested()
        rig.device.error = 1
        rig.device.alarm = 2 if kind == "isocha425" else 0
        rig.run(500)
        assert rig[I_TEST] == TEST_FAILED and rig.faults.has(F_MONITOR), kind


def test_a_session_uses_the_self_test_up():
    rig = Rig().tested()
    rig.session(RUN, 1, PH_CHARGE)
    rig.run(500)
    rig.session(OFF, 0, PH_CHARGE)  # between the test and the precharge they are open, too
    rig.run(500)
    assert rig[I_TEST] == TEST_PASSED and len(rig.device.began) == 1
    rig.session(OFF, 0, PH_ENDED)
    rig.run(500)
    assert rig[I_TEST] == TEST_RUNS and len(rig.device.began) == 2


def test_with_closed_contactors_no_self_test_begins():
    rig = Rig()
    rig.session(RUN, 1, PH_CHARGE)
    rig.run(20000)
    assert rig.device.began == []


def test_what_the_validity_says():
    for valid, expected in ((0, 5000), (1, 0), (2, 5000), (3, UNKNOWN)):
        rig = Rig().tested()
        rig.device.valid = valid
        rig.run(500)
        assert rig[I_R_kohm] == expected, valid
    rig = Rig("rn5893").tested()
    rig.device.kohm = 6553.5
    rig.device.kohm = 7000
    rig.run(500)
    assert rig[I_R_kohm] == 2000


def test_too_little_while_power_flows_ends_it():
    for kind in KINDS:
        for kohm, found in ((99, True), (100, False)):
            rig = Rig(kind).tested()
            rig.session(RUN, 1, PH_CHARGE)
            rig.device.kohm = kohm
            rig.run(1000)
            assert rig.faults.has(F_INSULATION) == found, (kind, kohm)


def test_one_reading_is_none_and_without_power_nothing_is_watched():
    rig = Rig().tested()
    rig.session(RUN, 1, PH_CHARGE)
    for _ in range(5):
        rig.device.kohm = 50
        while rig.bus._monitor._bad == 0:
            rig.run(20)
        rig.device.kohm = 5000
        rig.run(200)
    assert not rig.faults.has(F_INSULATION)
    rig.session(OFF, 0, PH_IDLE)
    rig.device.kohm = 50
    rig.run(2000)
    assert not rig.faults.has(F_INSULATION)


def test_an_alarm_of_the_device_ends_it_whatever_the_number():
    for kind, alarm, found in (("isocha425", 5, True), ("isocha425", 4, True), ("isocha425", 1, False),
                               ("rn5893", 1, True)):  # fmt: skip
        rig = Rig(kind).tested()
        rig.session(RUN, 1, PH_CHARGE)
        rig.device.alarm = alarm
        rig.run(1000)
        assert rig.faults.has(F_INSULATION) == found and rig[I_ALARM] == found


def test_silence_is_told_after_5_s_and_takes_the_self_test_with_it():
    rig = Rig().tested()
    rig.device.silent = True
    rig.run(4500)
    assert not rig.faults.has(F_MONITOR) and rig[I_TEST] == TEST_PASSED
    rig.run(1000)
    assert rig.faults.has(F_MONITOR) and rig[I_R_kohm] == UNKNOWN and rig[I_TEST] == TEST_NONE
    rig.device.silent = False
    rig.run(4000)
    assert not rig.faults.has(F_MONITOR) and rig[I_TEST] == TEST_RUNS


class Ready:
    """One answer to every question, made before: it allocates nothing."""

    def __init__(self, replies):
        self.replies = replies
        self.reply = None
        self.at = 0

    def readinto(self, into):
        if self.reply is None:
            return None
        count = min(len(into), len(self.reply) - self.at)
        for index in range(count):
            into[index] = self.reply[self.at + index]
        self.at += count
        if self.at == len(self.reply):
            self.reply = None
        return count

    def write(self, data):
        self.reply = self.replies.get(data[1])
        self.at = 0

    def txdone(self):
        return True


def test_nothing_is_allocated():
    if not hasattr(gc, "mem_alloc"):
        return
    maker = Device("isocha425")
    maker.write(bytes((3, 3, 3, 0xE8, 0, 4)))
    line = Ready({3: maker.coming})
    station = Station()
    _, bus = build(CONFIG, station, Active(station.events), 22000, lambda bit_s, parity: (line, None))
    now = most = 0
    for _ in range(2):
        gc.collect()
        most = 0
        for _ in range(500):
            now += 20
            before = gc.mem_alloc()
            bus.step(now)
            most = max(most, gc.mem_alloc() - before)
    assert most == 0, most
    assert station.insulation.now[I_R_kohm] == 5000
