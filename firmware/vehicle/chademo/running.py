# The running session, facts 2.5 step 7 and 2.6. The car says how much it would take and give at the most; the charger
# picks the point, zero may be crossed at any time. What the car's own floor or ceiling forbids is inhibited in that
# direction; the session goes on.
from micropython import const

from firmware.contract import CHARGE, DISCHARGE, NEITHER, RUN
from firmware.faults import F_CAR_SILENT, F_CAR_VOLTAGE_ABSENT, F_OVER_VOLTAGE, F_UNDER_VOLTAGE
from firmware.station import (
    C_AWAKE_W,
    C_CAN_DISCHARGE,
    C_GATE_DISCHARGE_OK,
    C_PHASE,
    PH_CHARGE,
    PH_DISCHARGE,
    C_CHARGE_dA,
    C_DEMAND_dV,
    C_DISCHARGE_dA,
    C_FLOOR_permille,
    C_REMAINING_min,
    C_SOC_permille,
    C_SOC_STEP_permille,
    C_VOLTAGE_dV,
    C_VOLTAGE_MIN_dV,
    P_TARGET_dA,
    S_CURRENT_dA,
    S_INLET_dV,
)
from firmware.units import TICKS_MASK, UNKNOWN
from firmware.vehicle.chademo import stops
from firmware.vehicle.chademo.frames import CAN_DISCHARGE, CHARGING, LOCKED, V200, soc_permille
from firmware.vehicle.chademo.profiles import CHARGE_ONLY, ceiling_permille, ends_idle, floor_permille
from firmware.vehicle.chademo.settings import (
    MINUTES,
    ABOVE_dA,
    AHEAD_dA,
    AWAKE_dA,
    AWAKE_ms,
    AWAKE_TOLD_dA,
    DISCHARGE_min,
    SLOPE_dA,
    TAKEN_dA,
    TAKEN_ms,
    V200_ms,
)

_PACE_ms = const(100)
_MINUTE_ms = const(60000)
_FLOWS_dA = const(10)
_NEAR_dV = const(50)  # the converter holds the voltage


def begin(s, now):
    want = s.want
    want.direction = CHARGE
    want.charge_dA = want.discharge_dA = 0
    want.mode = RUN
    s.status = CHARGING | LOCKED
    told_min = s.told.minutes
    s.minutes = told_min if told_min > 0 else MINUTES
    s.discharge_min = DISCHARGE_min
    s.minute_at = s.taken_at = s.awake_at = now
    s.due = 0
    if s.settings.awake_ms and ends_idle(s.profile, s.told):
        s.car[C_AWAKE_W] = 0
    s.pace_at = (now - _PACE_ms) & TICKS_MASK


def energy(s, now, reached):
    if s.silent(now):
        s.faults.set(F_CAR_SILENT, 0, now)
        stops.end(s, F_CAR_SILENT, 1, now)
    elif reached.fault:
        stops.failed(s, reached.fault, now)
    elif not _too_far(s, now):
        s.news = 0
        if (now - s.pace_at) & TICKS_MASK >= _PACE_ms:
            s.pace_at = now
            state_of_charge(s)
            _pace(s)
            _accepts(s, now)
            _minute(s, now)
            _awake(s, now)
        _most(s)
        _steer(s, now, reached)


def _too_far(s, now):
    # The output ends at the threshold; the discharge at the higher one of both least voltages.
    inlet_dV, want = s.sense[S_INLET_dV], s.want
    current_dA = s.sense[S_CURRENT_dA]
    if inlet_dV >= s.threshold_dV:
        s.faults.set(F_OVER_VOLTAGE, inlet_dV, now)
        stops.end(s, F_OVER_VOLTAGE, 1, now)
        return 1
    if current_dA <= -_FLOWS_dA and inlet_dV <= want.voltage_min_dV:
        s.faults.set(F_UNDER_VOLTAGE, max(0, inlet_dV), now)
        stops.end(s, F_UNDER_VOLTAGE, 0, now)
        return 1
    if (
        (want.direction == DISCHARGE and inlet_dV <= want.voltage_min_dV)
        or inlet_dV < s.least_dV
        or _takes_nothing(s, inlet_dV, current_dA, now)
    ):
        # The car's contactors are open, whatever 102.5.3 says.
        s.faults.set(F_CAR_VOLTAGE_ABSENT, max(0, inlet_dV), now)
        stops.end(s, F_CAR_VOLTAGE_ABSENT, 1, now)
        return 1
    return 0


def _takes_nothing(s, inlet_dV, current_dA, now):
    if current_dA >= _FLOWS_dA or current_dA <= -_FLOWS_dA:
        s.flowed = 1
    elif inlet_dV >= s.want.voltage_dV - _NEAR_dV and s.want.charge_dA > 0 and s.told.request_dA >= TAKEN_dA:
        return (now - s.taken_at) & TICKS_MASK >= TAKEN_ms
    s.taken_at = now
    return 0


def state_of_charge(s):
    t, car = s.told, s.car
    car[C_SOC_permille] = soc_permille(t)
    car[C_SOC_STEP_permille] = 10
    car[C_VOLTAGE_dV] = t.voltage_dV
    car[C_DEMAND_dV] = t.target_dV


def _accepts(s, now):
    # What the car takes and gives, as facts. 200.0 counts from the running session on: some cars say more before.
    t, car = s.told, s.car
    soc = car[C_SOC_permille]
    most_dV = min(s.target_dV, t.target_dV, s.threshold_dV - 20)  # frozen at d2; only a lower target counts
    if most_dV < s.want.voltage_dV:
        s.want.voltage_dV = most_dV
    ceiling = ceiling_permille(t.most_raw, t.sequence, t.capacity_Wh) if s.compatible else UNKNOWN
    full = ceiling != UNKNOWN and soc >= ceiling
    car[C_CHARGE_dA] = 0 if full else min(t.request_dA, s.most_dA)
    fresh = (now - s.at[V200]) & TICKS_MASK < V200_ms
    s.offered = 1 if s.compatible and t.status & CAN_DISCHARGE and not s.lacks(V200) and fresh else 0
    car[C_CAN_DISCHARGE] = s.offered
    car[C_DISCHARGE_dA] = 0
    if s.offered:
        floor = floor_permille(t.least_raw, t.sequence, t.capacity_Wh)
        car[C_FLOOR_permille] = floor
        if soc != UNKNOWN and (floor == UNKNOWN or soc > floor):
            car[C_DISCHARGE_dA] = min(t.discharge_dA, s.most_dA)
        least_dV = max(t.discharge_min_dV, s.least_dV)
        if least_dV > s.want.voltage_min_dV:
            s.want.voltage_min_dV = car[C_VOLTAGE_MIN_dV] = least_dV


def _most(s):
    # What the stage may order now: down at once, up by 20 A/s.
    t, want, room_dA = s.told, s.want, s.room_dA
    want.charge_dA = min(s.car[C_CHARGE_dA], t.request_dA, room_dA)
    want.discharge_dA = min(s.car[C_DISCHARGE_dA], t.discharge_dA, room_dA)


def _steer(s, now, reached):
    # Which way. The car need not be asked, but the way through leads over zero, and 109 and 208 say so first.
    want = s.want
    aim = s.asked
    if aim == NEITHER:
        aim = want.direction if want.direction != NEITHER else CHARGE
    if aim == DISCHARGE and not (s.car[C_DISCHARGE_dA] > 0 and s.car[C_GATE_DISCHARGE_OK] == 1):
        aim = CHARGE
    if aim != want.direction:
        want.direction = aim if reached.idle else NEITHER
    s.car[C_PHASE] = PH_DISCHARGE if want.direction == DISCHARGE else PH_CHARGE


def _minute(s, now):
    # 109.7 counts down but never to 0: a car would end the session (facts 2.6).
    if (now - s.minute_at) & TICKS_MASK >= _MINUTE_ms:
        s.minute_at = (s.minute_at + _MINUTE_ms) & TICKS_MASK
        if s.minutes > 1:
            s.minutes -= 1
    s.car[C_REMAINING_min] = s.minutes


def _awake(s, now):
    # What keeps such a car: 2 A of charge for some seconds, before its patience ends. A wish, for the limits to grant;
    # until they do it stays due. `awake_at`: the last charge that was told, or while it is due the last moment without.
    car = s.car
    if car[C_AWAKE_W] == UNKNOWN:
        return
    told = s.want.direction == CHARGE and s.sense[S_CURRENT_dA] >= AWAKE_TOLD_dA
    if told != s.due:
        s.awake_at = now
    elif (now - s.awake_at) & TICKS_MASK >= (AWAKE_ms if s.due else s.settings.awake_ms):
        s.due = not s.due
        s.awake_at = now
    car[C_AWAKE_W] = AWAKE_dA * max(0, s.sense[S_INLET_dV]) // 100 if s.due else 0


def _pace(s):
    # Once in 100 ms: room for 2 A more than is ordered, and no order far ahead of what flows: the car hears only of
    # that. Who reports undersupply is offered little more than he gets.
    target_dA, flowing_dA = s.power[P_TARGET_dA], s.sense[S_CURRENT_dA]
    if flowing_dA == UNKNOWN:
        flowing_dA = 0
    if target_dA < 0:
        s.room_dA = min(-target_dA, max(0, -flowing_dA) + AHEAD_dA) + SLOPE_dA
    else:
        s.room_dA = min(target_dA, max(0, flowing_dA) + AHEAD_dA) + SLOPE_dA
    if s.profile <= CHARGE_ONLY:
        s.most_dA = min(s.own_dA, max(target_dA + ABOVE_dA, s.told.least_dA))
