# The insulation monitor between DC+, DC- and earth. It is self-tested before each session: as soon as the one before is
# over, so that the next one finds it done. In the stage's insulation test its value decides; while power flows it is
# watched here.
from micropython import const
from modbus import Slave, frame

from firmware.contract import OFF, RUN
from firmware.faults import F_INSULATION, F_MONITOR
from firmware.station import (
    C_PHASE,
    EV_SELF_TEST,
    I_ALARM,
    I_COUNT,
    I_TEST,
    K_STAGE,
    PH_ENDED,
    PH_FAULT,
    PH_PLUGGED,
    RESULT_PASSED,
    S_CONTACTOR,
    TEST_FAILED,
    TEST_NONE,
    TEST_PASSED,
    TEST_RUNS,
    I_AGE_ms,
    I_R_kohm,
)
from firmware.units import TICKS_MASK, UNKNOWN, AGE_MAX_ms

# What a reading says beside the number.
ALARM = const(1)
ERROR = const(2)
TESTS = const(4)

_SILENT_ms = const(5000)
_AGAIN_ms = const(10000)  # after a self-test that failed
_SPOILED = const(2)  # readings in a row


class Monitor:
    def __init__(self, station, faults, part, number, least_kohm):
        self.slave = Slave(number, part.TURNAROUND_ms, part.PROBE)
        self._part = part
        self._requests = [frame(number, row[0], row[1], row[2]) for row in part.ROWS]
        self._begin = frame(number, *part.FUNCTION_SELF_TEST)
        self._after = frame(number, *part.FUNCTION_AFTER) if part.FUNCTION_AFTER else None
        self._least_kohm = least_kohm
        self._faults = faults
        self._events = station.events
        self._record = station.insulation.now
        self._sense = station.sense.now
        self._control = station.control.now
        self._car = station.car.now
        self._heard = 0
        self._row = 0
        self._writes = self._wrote = None  # a frame that goes, or went, instead of a question
        self._since = 0  # of the self-test
        self._tests = 0  # 1: the device said so
        self._failed = 0  # 1: and none has passed since
        self._used = 0  # 1: contactors were closed since the self-test
        self._bad = 0
        self._told = 0  # 1: that something is wrong with it
        self._now = 0
        self.state = -1
        self.fault = 0
        record = self._record
        record[I_AGE_ms] = AGE_MAX_ms
        record[I_R_kohm] = UNKNOWN
        record[I_ALARM] = record[I_COUNT] = 0
        record[I_TEST] = TEST_NONE

    # --- for the line ---
    def request(self):
        self._wrote = self._writes
        if self._writes is not None:
            return self._writes
        self._row = self._row + 1 if self._row + 1 < len(self._requests) else 0
        if not self._row:
            self.state = -1  # until it says so again
        return self._requests[self._row]

    def took(self, line, now):
        self._now = now
        if self._wrote is None:
            self._part.took(self, self._row, line)
        elif self._wrote is self._writes:  # or another came meanwhile
            self._writes = None
            self._since = now

    def told(self, kohm, says):
        # By the part: kohm below 0 is no value; `says` is of ALARM, ERROR and TESTS what the device reports.
        record = self._record
        self._heard = self._now
        record[I_AGE_ms] = 0
        record[I_ALARM] = says & ALARM
        record[I_R_kohm] = kohm if kohm >= 0 else UNKNOWN
        record[I_COUNT] = (record[I_COUNT] + 1) & TICKS_MASK
        self._progress(record, says)
        self._watch(record, kohm, says & ALARM)

    def _progress(self, record, says):
        # Of the self-test.
        if says & TESTS:
            self._tests = 1
            return
        if says & ERROR:
            if record[I_TEST] != TEST_RUNS or self._tests:  # not that of before the test
                self._fail(record, self._now)
        elif self._tests and record[I_TEST] == TEST_RUNS:
            record[I_TEST] = TEST_PASSED
            self._failed = 0
            self._writes = self._after
            self._events.put(EV_SELF_TEST, RESULT_PASSED, UNKNOWN, self._now)
        self._tests = 0

    def _fail(self, record, now):
        if not self._failed:  # it is tried again every 10 s, and that is told once
            self._events.put(EV_SELF_TEST, 0, UNKNOWN, now)
        self._failed = 1
        if record[I_TEST] != TEST_FAILED:
            record[I_TEST] = TEST_FAILED
            self._since = now

    def _watch(self, record, kohm, alarm):
        # While power flows.
        if self._control[K_STAGE] != RUN or not self._sense[S_CONTACTOR]:
            self._bad = 0
        elif alarm or 0 <= kohm < self._least_kohm:
            self._bad += 1
            if self._bad >= _SPOILED:
                self._faults.set(F_INSULATION, max(0, kohm), self._now)
        else:
            self._bad = 0

    # --- what follows ---
    def step(self, now):
        record = self._record
        if record[I_AGE_ms] <= _SILENT_ms:
            record[I_AGE_ms] = (now - self._heard) & TICKS_MASK
        if record[I_AGE_ms] > _SILENT_ms:
            record[I_AGE_ms] = AGE_MAX_ms  # old until it answers, for how long ever
            record[I_R_kohm] = UNKNOWN
            record[I_TEST] = TEST_NONE  # whatever it was, it must show again that it works
            self._writes = None
            # Or it was not asked long enough since the start.
            if self.slave.failures > 1 or self.slave.exception:
                self._wrong(now)
            return
        if self._failed:
            self._wrong(now)
        elif self._told:
            self._told = 0
            self._faults.clear(F_MONITOR, now)
        self._test(record, now)

    def _wrong(self, now):
        self._told = 1
        self._faults.set(F_MONITOR, self.slave.failures, now)

    def _test(self, record, now):
        phase = self._car[C_PHASE]
        if self._sense[S_CONTACTOR]:
            self._used = 1
        elif self._used and self._control[K_STAGE] == OFF and (phase <= PH_PLUGGED or PH_ENDED <= phase <= PH_FAULT):
            self._used = 0
            record[I_TEST] = TEST_NONE
        state = record[I_TEST]
        waited_ms = (now - self._since) & TICKS_MASK
        if state == TEST_RUNS and waited_ms >= self._part.SELF_TEST_ms:
            self._fail(record, now)
        elif state == TEST_NONE or state == TEST_FAILED and waited_ms >= _AGAIN_ms:
            # Never with the contactors closed: what it measures then counts.
            if not self._sense[S_CONTACTOR]:
                record[I_TEST] = TEST_RUNS
                self._since = now
                self._tests = 0
                self._writes = self._begin
