"""What may flow, per direction, with its reason. Runs on CPython and on MicroPython."""

from firmware.contract import CHARGE, DISCHARGE, MATCH, RUN, Reached, Want
from firmware.faults import EMERGENCY, INFO, STOP, WARN
from firmware.limits import Limits
from firmware.station import (
    C_AWAKE_W,
    C_CAN_DISCHARGE,
    C_GATE_DISCHARGE_OK,
    C_GATE_WHY,
    C_PAUSED,
    C_PHASE,
    P_AGGREGATOR_SERIAL,
    P_APPLIED_W,
    P_CHARGE_MAX_W,
    P_CHARGE_WHY,
    P_DIRECTION,
    P_DISCHARGE_MAX_W,
    P_DISCHARGE_WHY,
    P_REASON,
    P_SOURCE,
    P_WANTED_W,
    PH_ENDED,
    PH_FAULT,
    PH_HANDSHAKE,
    PH_STOPPING,
    R_AGGREGATOR,
    R_BOARD,
    R_CAR_AWAKE,
    R_CAR_CURRENT,
    R_CAR_NO_DISCHARGE,
    R_CAR_PAUSE,
    R_CAR_VOLTAGE,
    R_CONVERTER,
    R_FAULT,
    R_FLOOR,
    R_FULL,
    R_NO_SESSION,
    R_NO_WISH,
    R_NONE,
    R_OWNER,
    R_SITE,
    R_SOC_DOUBT,
    R_STOPPING,
    R_TEMPERATURE,
    R_TURNING,
    V_POWER_AC_W,
    V_RATED_W,
    V_READY,
    V_STATUS,
    C_CHARGE_dA,
    C_DISCHARGE_dA,
    C_SOC_permille,
    C_VOLTAGE_MIN_dV,
    P_CHARGE_MAX_dA,
    P_CHARGE_RATIO_permille,
    P_DISCHARGE_MAX_dA,
    P_TARGET_dA,
    S_CURRENT_dA,
    S_INLET_dV,
    S_TEMP1_dC,
    S_TEMP2_dC,
    Station,
    V_MAX_dA,
)
from firmware.units import TICKS_MASK, UNKNOWN
from firmware.wishes import SRC_AGGREGATOR, SRC_OWNER, SRC_PLAN, Wishes
from host_tests.unit.power_rig import Board, config, ready_car

LOOK = 40  # ticks after which both directions were looked at


class Rig:
    """A car at 380 V that takes and gives 50 A: 20 kW to, 18.05 kW from the car at the meter by the first guess."""

    def __init__(self, wanted_W=0, start_ms=0, **changes):
        self.station, self.wishes = Station(), Wishes()
        self.limits = Limits(self.station, self.wishes, Board, config(**changes))
        self.want, self.reached = Want(), Reached()
        self.want.mode = self.reached.mode = RUN
        self.want.direction = CHARGE if wanted_W >= 0 else DISCHARGE
        self.want.voltage_dV, self.want.voltage_min_dV = 4100, 3200
        self.severity = INFO
        self.now = start_ms
        ready_car(self.station)
        self.wish(wanted_W)

    def wish(self, wanted_W):
        power = self.station.power.now
        power[P_SOURCE], power[P_WANTED_W] = SRC_AGGREGATOR, wanted_W
        return self

    def tick(self, count=1):
        for _ in range(count):
            self.now = (self.now + 10) & TICKS_MASK
            self.wishes.take(self.now)
            self.limits.step(self.now, self.want, self.reached, self.severity)
        return self

    def of(self, record, slot, value):
        getattr(self.station, record).now[slot] = value
        return self

    def __getitem__(self, slot):
        return self.station.power.now[slot]


def both(rig):
    return rig[P_CHARGE_MAX_W], rig[P_CHARGE_WHY], rig[P_DISCHARGE_MAX_W], rig[P_DISCHARGE_WHY]


def test_a_wish_within_all_limits_is_applied_whole():
    rig = Rig(5000).tick()
    assert rig[P_APPLIED_W] == 5000 and rig[P_REASON] == R_NONE and rig[P_DIRECTION] == CHARGE
    rig = Rig(-5000).tick()
    assert rig[P_APPLIED_W] == -5000 and rig[P_REASON] == R_NONE and rig[P_DIRECTION] == DISCHARGE


def test_no_wish_holds_zero():
    rig = Rig()
    rig.of("power", P_SOURCE, UNKNOWN).tick()
    assert rig[P_APPLIED_W] == 0 and rig[P_REASON] == R_NO_WISH and rig[P_DIRECTION] == 0


def test_the_cars_current_at_the_meter():
    # 50 A at 380 V are 19 kW: 20 kW drawn at 95 %, 18.1 kW delivered (ratio 1052 permille, rounded down).
    rig = Rig(30000).tick()
    assert rig[P_APPLIED_W] == rig[P_CHARGE_MAX_W] == 20000 and rig[P_REASON] == R_CAR_CURRENT
    rig = Rig(-30000).tick()
    assert rig[P_APPLIED_W] == -18060 and rig[P_REASON] == R_CAR_CURRENT
    assert rig[P_CHARGE_MAX_dA] == rig[P_DISCHARGE_MAX_dA] == 500


def test_the_measured_ratio_counts_when_there_is_one():
    rig = Rig(30000).tick()
    rig.of("power", P_CHARGE_RATIO_permille, 900).tick(LOOK)
    assert rig[P_CHARGE_MAX_W] == 19000 * 1000 // 900


def check(record, slot, value, charge, discharge, **changes):
    # charge, discharge: (watts or None, reason) expected once the value is there.
    rig = Rig(1000, **changes).tick(LOOK)
    rig.of(record, slot, value).tick(LOOK)
    for limit_W, why, max_slot, why_slot in (
        (charge[0], charge[1], P_CHARGE_MAX_W, P_CHARGE_WHY),
        (discharge[0], discharge[1], P_DISCHARGE_MAX_W, P_DISCHARGE_WHY),
    ):
        assert rig[why_slot] == why, (slot, value, why_slot, rig[why_slot])
        assert rig[max_slot] == limit_W, (slot, value, max_slot, rig[max_slot])
    return rig


CAR = (20000, R_CAR_CURRENT)
TAKEN = (18060, R_CAR_CURRENT)


def test_each_limit_binds_its_direction_with_its_reason():
    check("car", C_CHARGE_dA, 250, (10000, R_CAR_CURRENT), TAKEN)
    check("car", C_DISCHARGE_dA, 250, CAR, (9030, R_CAR_CURRENT))
    check("car", C_CHARGE_dA, 0, (0, R_CAR_CURRENT), TAKEN)
    check("car", C_CHARGE_dA, UNKNOWN, (0, R_CAR_CURRENT), TAKEN)
    check("car", C_CAN_DISCHARGE, 0, CAR, (0, R_CAR_NO_DISCHARGE))
    check("car", C_CAN_DISCHARGE, UNKNOWN, CAR, (0, R_CAR_NO_DISCHARGE))
    check("car", C_GATE_DISCHARGE_OK, 0, CAR, (0, R_FLOOR))
    check("car", C_PAUSED, 1, (0, R_CAR_PAUSE), (0, R_CAR_PAUSE))
    check("converter", V_MAX_dA, 300, (12000, R_CONVERTER), (10836, R_CONVERTER))
    check("converter", V_RATED_W, 11000, (11000, R_CONVERTER), (11000, R_CONVERTER))
    check("converter", V_READY, 0, (0, R_CONVERTER), (0, R_CONVERTER))
    check("converter", V_READY, UNKNOWN, (0, R_CONVERTER), (0, R_CONVERTER))
    check("sense", S_TEMP1_dC, 900, (0, R_TEMPERATURE), (0, R_TEMPERATURE))
    check("sense", S_TEMP2_dC, UNKNOWN, (0, R_TEMPERATURE), (0, R_TEMPERATURE))
    check("sense", S_INLET_dV, UNKNOWN, (0, R_CAR_CURRENT), (0, R_CAR_VOLTAGE))


def test_site_limits_are_each_of_one_direction():
    rig = Rig(30000, charge_max_W=7000).tick()
    assert both(rig) == (7000, R_SITE, 18060, R_CAR_CURRENT)
    rig = Rig(-30000, discharge_max_W=0).tick()
    assert both(rig) == (20000, R_CAR_CURRENT, 0, R_SITE)
    assert rig[P_APPLIED_W] == 0 and rig[P_REASON] == R_SITE


def test_the_boards_own_rating():
    rig = Rig(30000)
    rig.of("car", C_CHARGE_dA, 4000).of("converter", V_MAX_dA, 4000).of("converter", V_RATED_W, 90000).tick()
    assert rig[P_CHARGE_MAX_W] == 22000 and rig[P_CHARGE_WHY] == R_BOARD
    rig.of("sense", S_INLET_dV, 3000).tick(LOOK)  # now the current binds: 60 A
    assert rig[P_CHARGE_MAX_W] == 60 * 300 * 1000 // 950 and rig[P_CHARGE_WHY] == R_BOARD


def test_the_gates_reason_is_passed_on():
    rig = Rig(-5000).tick()
    rig.of("car", C_GATE_DISCHARGE_OK, 0).of("car", C_GATE_WHY, R_SOC_DOUBT).tick()
    assert rig[P_APPLIED_W] == 0 and rig[P_REASON] == R_SOC_DOUBT


def test_what_must_stop_stops_in_the_same_tick():
    for record, slot, value, reason in (
        ("car", C_GATE_DISCHARGE_OK, 0, R_FLOOR),
        ("car", C_PAUSED, 1, R_CAR_PAUSE),
        ("car", C_DISCHARGE_dA, 0, R_CAR_CURRENT),
        ("car", C_CAN_DISCHARGE, 0, R_CAR_NO_DISCHARGE),
    ):
        for phase in range(12):
            rig = Rig(-5000).tick(phase + 1)
            rig.of(record, slot, value).tick()
            assert rig[P_APPLIED_W] == 0 and rig[P_REASON] == reason
    for severity in (STOP, EMERGENCY):
        rig = Rig(5000).tick(5)
        rig.severity = severity
        rig.tick()
        assert both(rig) == (0, R_FAULT, 0, R_FAULT) and rig[P_APPLIED_W] == 0 and rig[P_REASON] == R_FAULT
    rig = Rig(5000).tick(5)
    rig.severity = WARN
    rig.tick()
    assert rig[P_APPLIED_W] == 5000


def test_no_power_but_in_run():
    for phase, reason in (
        (PH_HANDSHAKE, R_NO_SESSION),
        (PH_STOPPING, R_STOPPING),
        (PH_ENDED, R_NO_SESSION),
        (PH_FAULT, R_FAULT),
    ):
        rig = Rig(5000).tick(3)
        rig.want.mode = 0
        rig.of("car", C_PHASE, phase).tick()
        assert rig[P_APPLIED_W] == 0 and rig[P_REASON] == reason
    rig = Rig(5000)
    rig.reached.mode = MATCH
    assert rig.tick()[P_APPLIED_W] == 0


def test_the_aggregators_and_the_owners_limit():
    rig = Rig(15000).tick()
    rig.wishes.post_limit(SRC_AGGREGATOR, 9, 6000, 0, rig.now, 1000)
    rig.of("power", P_AGGREGATOR_SERIAL, 9).tick()
    assert both(rig) == (6000, R_AGGREGATOR, 0, R_AGGREGATOR)
    assert rig[P_APPLIED_W] == 6000 and rig[P_REASON] == R_AGGREGATOR
    rig.wishes.post_limit(SRC_OWNER, 1, 4000, UNKNOWN, rig.now, 100000)
    rig.tick(LOOK)
    assert rig[P_CHARGE_MAX_W] == 4000 and rig[P_CHARGE_WHY] == R_OWNER
    rig.tick(100)  # the aggregator's lapsed, the owner's did not
    assert both(rig) == (4000, R_OWNER, 18060, R_CAR_CURRENT)


def test_a_new_limit_of_the_aggregator_is_judged_in_the_tick_that_tells_its_serial():
    for phase in range(12):
        rig = Rig(15000).tick(phase + 1)
        rig.wishes.post_limit(SRC_AGGREGATOR, phase + 5, 6000, 0, rig.now, 1000)
        rig.of("power", P_AGGREGATOR_SERIAL, phase + 5).tick()
        assert rig[P_APPLIED_W] == 6000


def test_a_charge_limit_of_zero_never_discharges():
    for wanted_W in (22000, 1, -1, -22000):
        rig = Rig(wanted_W).tick()
        rig.wishes.post_limit(SRC_AGGREGATOR, 3, 0, UNKNOWN, rig.now, 100000)
        rig.tick(LOOK)
        assert rig[P_CHARGE_MAX_W] == 0
        assert rig[P_APPLIED_W] <= 0 and (wanted_W < 0 or rig[P_APPLIED_W] == 0)
        rig.wishes.post_limit(SRC_AGGREGATOR, 4, -5000, -5000, rig.now, 100000)
        rig.tick(LOOK)
        assert rig[P_APPLIED_W] == 0 and rig[P_CHARGE_MAX_W] == rig[P_DISCHARGE_MAX_W] == 0


def test_temperature_derates_between_its_two_limits():
    for hot_dC, expected_dA in ((700, 500), (750, 450), (800, 300), (850, 150), (899, 3), (950, 0)):
        rig = Rig(30000).of("sense", S_TEMP2_dC, hot_dC).tick()
        assert rig[P_CHARGE_MAX_dA] == expected_dA
        assert rig[P_CHARGE_WHY] == (R_CAR_CURRENT if expected_dA == 500 else R_TEMPERATURE)


def test_the_ceiling_ends_charging_with_hysteresis():
    rig = Rig(5000, ceiling_permille=800).of("car", C_SOC_permille, 799).tick()
    assert rig[P_APPLIED_W] == 5000
    rig.of("car", C_SOC_permille, 800).tick(LOOK)
    assert rig[P_APPLIED_W] == 0 and rig[P_REASON] == R_FULL
    rig.of("car", C_SOC_permille, 790).tick(LOOK)
    assert rig[P_APPLIED_W] == 0
    rig.of("car", C_SOC_permille, 789).tick(LOOK)
    assert rig[P_APPLIED_W] == 5000
    rig.wish(-5000).of("car", C_SOC_permille, 950).tick()
    assert rig[P_APPLIED_W] == -5000


def test_a_full_car_says_so_itself_where_no_ceiling_is_set():
    rig = Rig(5000).of("car", C_SOC_permille, 1000).tick()
    assert rig[P_APPLIED_W] == 5000


def test_discharging_ends_softly_above_the_least_voltage():
    for inlet_dV, expected_dA in ((3400, 500), (3320, 480), (3260, 240), (3210, 40), (3200, 0), (3100, 0)):
        rig = Rig(-30000).of("sense", S_INLET_dV, inlet_dV).tick()
        assert rig[P_DISCHARGE_MAX_dA] == expected_dA
        assert rig[P_DISCHARGE_WHY] == (R_CAR_CURRENT if expected_dA == 500 else R_CAR_VOLTAGE)


def test_without_a_least_voltage_nothing_is_discharged():
    rig = Rig(-5000)
    rig.want.voltage_min_dV = 0
    rig.of("car", C_VOLTAGE_MIN_dV, UNKNOWN).tick()
    assert rig[P_APPLIED_W] == 0 and rig[P_REASON] == R_CAR_NO_DISCHARGE


def test_at_the_cars_voltage_the_limit_is_what_flows():
    rig = Rig(15000).of("sense", S_INLET_dV, 4098).of("sense", S_CURRENT_dA, 200)
    rig.of("power", P_TARGET_dA, 340).tick(LOOK)
    assert rig[P_CHARGE_MAX_dA] == 202 and rig[P_CHARGE_WHY] == R_CAR_VOLTAGE
    rig.of("power", P_TARGET_dA, 202).tick(LOOK)  # it stays, though the target follows
    assert rig[P_CHARGE_MAX_dA] == 202
    rig.of("sense", S_INLET_dV, 4050).tick(LOOK)
    assert rig[P_CHARGE_WHY] == R_CAR_CURRENT


def test_a_converter_that_limits_its_power_is_told():
    rig = Rig(20000).of("converter", V_STATUS, 0x010000).of("converter", V_POWER_AC_W, 8000).tick(LOOK)
    assert rig[P_APPLIED_W] == 8360 and rig[P_REASON] == R_CONVERTER
    rig.of("converter", V_POWER_AC_W, UNKNOWN).tick(LOOK)
    assert rig[P_APPLIED_W] == 20000


def test_turning_is_the_reason_until_the_car_confirms():
    rig = Rig(5000).tick()
    rig.wish(-5000).tick()
    assert rig[P_APPLIED_W] == -5000 and rig[P_REASON] == R_TURNING and rig[P_DIRECTION] == DISCHARGE
    rig.want.direction = DISCHARGE
    rig.tick()
    assert rig[P_REASON] == R_NONE


def test_the_direction_does_not_flap():
    rig = Rig(5000).tick()
    for wanted_W in (-100, 90, 0, -50):
        rig.wish(wanted_W).tick(20)
        assert rig[P_DIRECTION] == CHARGE
    rig.wish(-101).tick(20)
    assert rig[P_DIRECTION] == DISCHARGE


def test_the_direction_is_held_for_a_while_at_zero():
    for start_ms in (0, TICKS_MASK - 3000):
        rig = Rig(-5000, start_ms).tick(5)
        rig.wish(0).tick(995)
        assert rig[P_DIRECTION] == DISCHARGE
        rig.tick(20)
        assert rig[P_DIRECTION] == 0
        rig.wish(50).tick(2000)
        assert rig[P_DIRECTION] == 0


def test_a_plan_of_zero_has_no_reason_to_be_told():
    rig = Rig(0)
    rig.of("power", P_SOURCE, SRC_PLAN).tick()
    assert rig[P_REASON] == R_NONE and rig[P_APPLIED_W] == 0


# --- a car that ends an idle session ---
def test_a_small_charge_keeps_the_car_in_place_of_a_smaller_wish():
    for wanted_W in (0, 500, -6000):
        rig = Rig(wanted_W).of("car", C_AWAKE_W, 750).tick(LOOK)
        assert rig[P_APPLIED_W] == 750 and rig[P_REASON] == R_CAR_AWAKE and rig[P_DIRECTION] == CHARGE
        rig.of("car", C_AWAKE_W, 0).tick(LOOK)
        assert rig[P_APPLIED_W] == wanted_W and rig[P_REASON] in (R_NONE, R_TURNING)
    rig = Rig(5000).of("car", C_AWAKE_W, 750).tick(LOOK)
    assert rig[P_APPLIED_W] == 5000 and rig[P_REASON] == R_NONE
    rig = Rig().of("power", P_SOURCE, UNKNOWN).of("car", C_AWAKE_W, 750).tick(LOOK)
    assert rig[P_APPLIED_W] == 750


def test_where_charging_is_forbidden_nothing_keeps_the_car():
    def full(rig):
        rig.of("car", C_SOC_permille, 900)

    def limited(rig):
        rig.wishes.post_limit(SRC_AGGREGATOR, 1, 0, UNKNOWN, rig.now, 60000)

    def owner(rig):
        rig.wishes.post_limit(SRC_OWNER, 1, 749, UNKNOWN, rig.now, 60000)

    def takes_none(rig):
        rig.of("car", C_CHARGE_dA, 0)

    for wanted_W in (0, -6000):
        for forbid, changes in ((full, {"ceiling_permille": 900}), (limited, {}), (owner, {}), (takes_none, {}),
                                (lambda rig: None, {"charge_max_W": 700})):  # fmt: skip
            rig = Rig(wanted_W, **changes)
            forbid(rig)
            rig.of("car", C_AWAKE_W, 750).tick(LOOK)
            assert rig[P_APPLIED_W] == wanted_W and rig[P_REASON] != R_CAR_AWAKE, (wanted_W, forbid)
