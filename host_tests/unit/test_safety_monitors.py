# One watch for each danger. Runs on CPython and on MicroPython.
from firmware import faults
from firmware.boards import bench
from firmware.safety.monitors import Monitors
from firmware.safety.sensed import ALARM_CC1, ALARM_ESTOP, ALARM_SENSOR, ALARM_STALE
from firmware.signals import OUT_AUX, OUT_BLEED, OUT_CONTACTOR, OUT_ENABLE, OUT_HEARTBEAT, OUT_LOCK
from firmware.units import TICKS_MASK, UNKNOWN


class Sensed:
    def __init__(self):
        self.link_dV = self.inlet_dV = 3800
        self.current_dA = 300
        self.contactor = 1
        self.hot_dC = 250

    def hottest_dC(self):
        return self.hot_dC


class Car:
    def __init__(self):
        self.voltage_max_dV = 4200
        self.voltage_dV = 3800
        self.current_dA = 300


class Converter:
    def __init__(self):
        self.on_direction = 1
        self.on_left = self.live = 1
        self.voltage_dV = 3800
        self.current_dA = 300


class Sequence:
    def __init__(self):
        self.held = OUT_CONTACTOR | OUT_ENABLE | OUT_LOCK | OUT_AUX


class Bed:
    def __init__(self, now=0):
        self.sensed, self.car, self.converter, self.sequence = Sensed(), Car(), Converter(), Sequence()
        self.monitors = Monitors(self.sensed, self.car, self.converter, self.sequence, bench)
        self.now = now
        self.allowed_dA = 300
        self.floor_ok = 1

    def run(self, ms):
        # Until a fault, at most so long; ms until it.
        for passed in range(0, ms + 20, 20):
            self.monitors.step(self.now, self.allowed_dA, self.floor_ok)
            self.now = (self.now + 20) & TICKS_MASK
            if self.monitors.fault:
                return passed
        return -1


def trips(fault, hold_ms, spoil, slow=0):
    # The fault comes after its hold time and not before, and only if the cause lasts. A slow watch looks every 200 ms.
    for now in (0, TICKS_MASK - 60):
        bed = Bed(now)
        assert bed.run(400) == -1
        assert bed.monitors.calm == 1
        spoil(bed)
        passed = bed.run(hold_ms + 400)
        assert bed.monitors.fault == fault, (fault, bed.monitors.fault)
        assert (hold_ms + 19) // 20 * 20 <= passed <= hold_ms + 20 + slow, passed
        assert bed.monitors.calm == 0
    return True


def stays(spoil, ms=8000):
    bed = Bed()
    spoil(bed)
    assert bed.run(ms) == -1, bed.monitors.fault
    return True


def set_(thing, **values):
    for name in values:
        assert hasattr(thing, name)
        setattr(thing, name, values[name])


def test_a_healthy_session_trips_nothing():
    assert stays(lambda bed: None)


def test_over_voltage():
    for name in ("link_dV", "inlet_dV"):
        assert trips(faults.F_OVER_VOLTAGE, 20, lambda bed, n=name: set_(bed.sensed, **{n: 4351}))
    bed = Bed()
    set_(bed.sensed, link_dV=4350, inlet_dV=4350)
    set_(bed.converter, voltage_dV=4350)
    set_(bed.car, voltage_dV=4350)
    assert bed.run(8000) == -1
    # what the car does not know the board does: 750 V
    bed = Bed()
    set_(bed.sensed, link_dV=7650, inlet_dV=7650)
    set_(bed.converter, voltage_dV=7650)
    set_(bed.car, voltage_dV=7650, voltage_max_dV=TICKS_MASK)
    assert bed.run(8000) == -1
    bed.sensed.link_dV = 7651
    assert bed.run(100) == 20 and bed.monitors.fault == faults.F_OVER_VOLTAGE


def flowing(bed, current_dA, allowed_dA=1000):
    bed.sensed.current_dA = bed.car.current_dA = current_dA
    bed.converter.current_dA = abs(current_dA)
    bed.allowed_dA = allowed_dA
    if current_dA < 0:
        bed.converter.on_direction = -1


def test_over_current():
    for current_dA in (661, -661):
        assert trips(faults.F_OVER_CURRENT, 20, lambda bed, i=current_dA: flowing(bed, i))
    for current_dA in (660, -660):
        assert stays(lambda bed, i=current_dA: flowing(bed, i))


def test_more_than_what_may_flow():
    assert trips(faults.F_OVER_CURRENT, 1000, lambda bed: flowing(bed, 351, 300))
    assert trips(faults.F_OVER_CURRENT, 1000, lambda bed: flowing(bed, -351, 300))
    assert stays(lambda bed: flowing(bed, 350, 300))


def test_the_wrong_direction():
    for direction in (1, -1):

        def wrong(bed, d=direction, current_dA=21):
            flowing(bed, -current_dA * d, 300)
            bed.converter.on_direction = d

        assert trips(faults.F_DIRECTION, 100, wrong)
        assert stays(lambda bed, w=wrong: w(bed, current_dA=20))


def test_current_after_off():
    def off(bed, current_dA):
        flowing(bed, current_dA, 0)
        set_(bed.converter, on_direction=0, on_left=0)

    for current_dA in (51, -51):
        assert trips(faults.F_CONVERTER_OFF, 1500, lambda bed, i=current_dA: off(bed, i))
    for current_dA in (50, -50, 22):
        assert stays(lambda bed, i=current_dA: off(bed, i))
    assert trips(faults.F_OVER_CURRENT, 20, lambda bed: off(bed, 700))


def test_current_below_the_floor():
    def hungry(bed, current_dA):
        flowing(bed, current_dA)
        bed.floor_ok = 0

    assert trips(faults.F_CURRENT_AT_FLOOR, 5000, lambda bed: hungry(bed, -21))
    assert stays(lambda bed: hungry(bed, -20))
    assert stays(lambda bed: hungry(bed, 100))


def test_contactors_follow_within_100_ms():
    assert trips(faults.F_CONTACTOR_FEEDBACK, 100, lambda bed: set_(bed.sensed, contactor=0))
    assert trips(faults.F_CONTACTOR_FEEDBACK, 100, lambda bed: set_(bed.sequence, held=OUT_LOCK))


def test_the_converter_reads_another_voltage():
    # 20 V and a 32th of 380 V: 31.8 V
    assert trips(faults.F_VOLTAGE_DISAGREES, 3000, lambda bed: set_(bed.converter, voltage_dV=3800 + 319), 200)
    assert trips(faults.F_VOLTAGE_DISAGREES, 3000, lambda bed: set_(bed.converter, voltage_dV=3800 - 319), 200)
    assert stays(lambda bed: set_(bed.converter, voltage_dV=3800 + 318))
    assert stays(lambda bed: set_(bed.converter, voltage_dV=3800 - 318))
    assert stays(lambda bed: set_(bed.converter, voltage_dV=0, live=0))
    assert stays(lambda bed: set_(bed.converter, voltage_dV=0, on_left=0))


def test_the_converter_reads_another_current():
    # 5 A and a 32th of 30 A: 5.9 A, magnitudes
    assert trips(faults.F_CURRENT_DISAGREES, 5000, lambda bed: set_(bed.converter, current_dA=360), 200)
    assert stays(lambda bed: set_(bed.converter, current_dA=359))
    assert stays(lambda bed: set_(bed.converter, current_dA=0, live=0))
    assert stays(lambda bed: set_(bed.converter, current_dA=0, on_left=0))

    def discharging(bed, told_dA):
        flowing(bed, -300)
        bed.converter.current_dA = told_dA

    assert stays(lambda bed: discharging(bed, 359))
    assert trips(faults.F_CURRENT_DISAGREES, 5000, lambda bed: discharging(bed, 360), 200)

    def open_(bed):
        flowing(bed, 0)
        set_(bed.sensed, contactor=0)
        set_(bed.sequence, held=0)
        set_(bed.converter, current_dA=500)

    assert stays(open_)


def test_the_car_reads_another_voltage():
    assert trips(faults.F_VOLTAGE_DISAGREES, 5000, lambda bed: set_(bed.car, voltage_dV=3800 + 319), 200)
    assert stays(lambda bed: set_(bed.car, voltage_dV=3800 - 318))
    assert stays(lambda bed: set_(bed.car, voltage_dV=UNKNOWN))

    def open_(bed):
        flowing(bed, 0)
        set_(bed.sensed, contactor=0, inlet_dV=0)
        set_(bed.sequence, held=0)

    assert stays(open_)


def test_the_car_reads_another_current():
    # 10 A and a 32th of 30 A: 10.9 A, with its sign
    assert trips(faults.F_CURRENT_DISAGREES, 5000, lambda bed: set_(bed.car, current_dA=410), 200)
    assert trips(faults.F_CURRENT_DISAGREES, 5000, lambda bed: set_(bed.car, current_dA=190), 200)
    assert stays(lambda bed: set_(bed.car, current_dA=409))
    assert stays(lambda bed: set_(bed.car, current_dA=191))
    assert stays(lambda bed: set_(bed.car, current_dA=-300, voltage_dV=UNKNOWN))

    def open_(bed):
        flowing(bed, 0)
        set_(bed.sensed, contactor=0)
        set_(bed.sequence, held=0)
        set_(bed.car, current_dA=500)

    assert stays(open_)
    assert trips(faults.F_CURRENT_DISAGREES, 5000, lambda bed: (flowing(bed, -300), set_(bed.car, current_dA=300)), 200)
    assert stays(lambda bed: (flowing(bed, -300), set_(bed.car, current_dA=-409)))


def test_a_hot_connector():
    assert trips(faults.F_TEMPERATURE, 500, lambda bed: set_(bed.sensed, hot_dC=951), 200)
    assert stays(lambda bed: set_(bed.sensed, hot_dC=950))


def test_a_cause_that_goes_begins_anew():
    causes = (
        (lambda bed, bad: set_(bed.sensed, link_dV=5000 if bad else 3800), 20, 1),
        (lambda bed, bad: set_(bed.sensed, contactor=0 if bad else 1), 100, 1),
        (lambda bed, bad: set_(bed.converter, voltage_dV=0 if bad else 3800), 3000, 10),
        (lambda bed, bad: set_(bed.converter, current_dA=0 if bad else 300), 5000, 10),
        (lambda bed, bad: set_(bed.car, voltage_dV=0 if bad else 3800), 5000, 10),
        (lambda bed, bad: set_(bed.car, current_dA=0 if bad else 300), 5000, 10),
        (lambda bed, bad: set_(bed.sensed, hot_dC=2000 if bad else 250), 500, 10),
    )
    for cause, hold_ms, looks in causes:
        bed = Bed()
        for _ in range(3):
            cause(bed, True)
            assert bed.run(hold_ms - 40 - 20 * looks) == -1
            cause(bed, False)
            assert bed.run(20 * looks) == -1
        assert bed.run(400) == -1
        assert bed.monitors.calm == 1


def test_the_first_fault_stays():
    bed = Bed()
    bed.sensed.link_dV = 5000
    bed.run(100)
    bed.sensed.link_dV = 3800
    bed.sensed.contactor = 0
    for _ in range(20):
        bed.monitors.step(bed.now, 300, 1)
        bed.now += 20
    assert bed.monitors.fault == faults.F_OVER_VOLTAGE
    bed.monitors.overdue()
    bed.monitors.alarm(ALARM_ESTOP)
    assert bed.monitors.fault == faults.F_OVER_VOLTAGE
    bed = Bed()
    bed.monitors.overdue()
    assert bed.monitors.fault == faults.F_OVER_CURRENT


def test_alarms_act_at_once():
    live = (OUT_CONTACTOR, OUT_AUX, OUT_ENABLE)
    idle = (0, OUT_LOCK, OUT_BLEED, OUT_HEARTBEAT)
    for held in live + idle:
        for bits, fault in (
            (ALARM_CC1, faults.F_CC1_LOST),
            (ALARM_CC1 | ALARM_SENSOR, faults.F_CC1_LOST),
            (ALARM_STALE, faults.F_SENSOR_STALE),
            (ALARM_SENSOR, faults.F_SENSOR),
        ):
            bed = Bed()
            bed.sequence.held = held
            bed.monitors.calm = 1
            bed.monitors.alarm(bits)
            assert bed.monitors.fault == (fault if held in live else 0)
            assert bed.monitors.calm == 0
        bed = Bed()
        bed.sequence.held = held
        bed.monitors.alarm(ALARM_ESTOP | ALARM_CC1)
        assert bed.monitors.fault == faults.F_ESTOP


def test_a_new_monitor_is_not_calm_before_it_looked():
    assert Bed().monitors.calm == 0
    assert Bed().monitors.fault == 0


def test_a_cause_that_goes_as_its_time_ends_does_not_trip():
    bed = Bed()
    bed.sensed.link_dV = 5000
    bed.monitors.step(0, 300, 1)
    bed.sensed.link_dV = 3800
    bed.monitors.step(20, 300, 1)
    assert bed.monitors.fault == 0


def test_an_open_contactor_or_a_silent_car_ends_a_comparison():
    causes = (
        lambda bed: set_(bed.converter, current_dA=0),
        lambda bed: set_(bed.car, voltage_dV=0),
        lambda bed: set_(bed.car, current_dA=0),
    )
    for cause in causes:
        bed = Bed()
        cause(bed)
        assert bed.run(4000) == -1
        set_(bed.sensed, contactor=0)
        set_(bed.sequence, held=0)
        assert bed.run(8000) == -1
        assert bed.monitors.calm == 1
    for cause in causes[1:]:
        bed = Bed()
        cause(bed)
        assert bed.run(4000) == -1
        bed.car.voltage_dV = UNKNOWN
        assert bed.run(8000) == -1
        assert bed.monitors.calm == 1
