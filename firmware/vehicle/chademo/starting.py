# From the plug to closed contactors: facts 2.5, steps 1 to 5. One function a state; `s` is the session.
from firmware.contract import INSULATE, MATCH, OFF
from firmware.faults import (
    F_CAR_INCOMPATIBLE,
    F_CAR_INCONSISTENT,
    F_CAR_SILENT,
    F_CAR_TIMEOUT,
    F_CAR_VOLTAGE_ABSENT,
    F_INSULATION,
    F_LOCK,
    F_PRECHARGE,
)
from firmware.station import (
    C_CAN_DISCHARGE,
    C_PROFILE,
    C_SESSION,
    C_STOP_REASON,
    S_LOCKED,
    S_PERMISSION,
    S_PLUGGED,
    V_READY,
    C_CAPACITY_Wh,
    C_VOLTAGE_MAX_dV,
    C_VOLTAGE_MIN_dV,
    S_INLET_dV,
    V_MAX_dA,
    V_MAX_dV,
    V_MIN_dV,
)
from firmware.units import TICKS_MASK, UNKNOWN
from firmware.vehicle.chademo import profiles, running, stops
from firmware.vehicle.chademo.frames import CAN_DISCHARGE, INCOMPATIBLE, LOCKED, OPEN, STOPPED, V100, V101, V102, V200
from firmware.vehicle.chademo.outbox import BASIC, HIGH, V2X
from firmware.vehicle.chademo.profiles import CHARGE_ONLY, FIRST
from firmware.vehicle.chademo.settings import (
    ABOVE_dA,
    AGAIN_ms,
    APART_ms,
    AVAILABLE_dV,
    CLOSE_BLIND_dV,
    CLOSE_BLIND_ms,
    CLOSE_ms,
    D2_ms,
    EMPTY_dV,
    HELLO_ms,
    LOCK_ms,
    MATCH_ms,
    PERMIT_ms,
    QUIET_ms,
    REQUEST_ms,
    SET_ms,
    TARGET_permille,
    VOLTAGE_MIN_dV,
)
from firmware.vehicle.chademo.states import (
    ACCEPT,
    CLOSING,
    DISCHARGED,
    ENERGY,
    HELLO,
    IDLE,
    INSULATION,
    LOCKING,
    OFFER,
    PLUGGED,
    PRECHARGE,
)

_MARGIN_dV = 20  # our own regulation stays so far below the threshold at which the session ends


def idle(s, now, reached):
    if s.sense[S_PLUGGED]:
        # Faults that came after the plug was pulled (a pull at full power raises them then) end with this plug-in.
        s.faults.replugged(now)
        s.car[C_SESSION] = s.session = s.session + 1 & TICKS_MASK
        s.car[C_STOP_REASON] = 0
        s.forget()
        s.go(PLUGGED, now)


def plugged(s, now, reached):
    if not s.sense[S_PLUGGED]:
        s.go(IDLE, now)
    elif s.stop or not (s.begin or s.settings.autostart) or not s.is_off(reached) or s.converter[V_READY] != 1:
        s.since = now
    elif s.sense[S_PERMISSION] != 0:  # still on from a session before, or not sampled yet
        if s.late(now, QUIET_ms):
            s.faults.set(F_CAR_INCONSISTENT, 0, now)
            stops.end(s, F_CAR_INCONSISTENT, 0, now)
    else:
        s.begin = 0
        s.forget()
        s.want.emergency = 0
        s.want.d1 = 1
        s.go(HELLO, now)


def hello(s, now, reached):
    # Step 1. Charger starts only after it has received the car's first set (facts 2.1): what it has beside 102 follows.
    if not s.lacks(V100) and not s.lacks(V102) and (now - s.at[V102]) & TICKS_MASK >= SET_ms:
        _own_limits(s)
        s.offered_at = now
        s.go(OFFER, now)
        offer(s, now, reached)
    elif s.late(now, HELLO_ms):
        _late(s, F_CAR_TIMEOUT, 0, now)


def _own_limits(s):
    settings, converter = s.settings, s.converter
    s.most_dV = _least_of(converter[V_MAX_dV], min(AVAILABLE_dV, settings.voltage_max_dV))
    s.own_dA = s.most_dA = _least_of(converter[V_MAX_dA], settings.current_max_dA)
    s.least_dV = max(converter[V_MIN_dV], VOLTAGE_MIN_dV)


def _least_of(known, own):
    return known if 0 < known < own else own


def offer(s, now, reached):
    # Step 2. What leaves now is an offer; what the car says is provisional until k is on.
    _roles(s, now)
    if s.permitted():
        s.seen = 0
        s.minutes = 0
        s.go(ACCEPT, now)
    elif s.late(now, PERMIT_ms):
        _late(s, F_CAR_INCONSISTENT if s.k or s.told.status & 1 else F_CAR_TIMEOUT, s.k, now)
    elif s.silent(now):
        _late(s, F_CAR_SILENT, 0, now)


def _roles(s, now):
    # 109.4, 208 and 209 go together (facts 2.3), and only to a car that knows them.
    s.number = profiles.number(s.settings.number, s.told.number)
    v2x = s.settings.discharge and s.number >= 2 and s.told.status & CAN_DISCHARGE and not s.lacks(V200)
    s.compatible = 1 if v2x else 0
    s.out.only(BASIC | (V2X if v2x else 0) | (HIGH if s.number >= 3 else 0), now)


def accept(s, now, reached):
    # Everything once more, now that it counts.
    if not s.permitted():
        if s.late(now, APART_ms):
            _late(s, F_CAR_INCONSISTENT, s.k, now)
    elif not (s.lacks(V100) or s.lacks(V101) or s.lacks(V102) or (s.compatible and s.lacks(V200))):
        _parameters(s, now)
    elif s.late(now, AGAIN_ms):
        _late(s, F_CAR_SILENT, s.seen, now)


def _parameters(s, now):
    # Step 3.
    t, car = s.told, s.car
    _roles(s, now)
    s.profile = car[C_PROFILE] = profiles.choose(s.number, t)
    car[C_CAPACITY_Wh] = t.capacity_Wh if t.capacity_Wh else UNKNOWN
    car[C_VOLTAGE_MAX_dV] = t.battery_max_dV
    running.state_of_charge(s)
    s.threshold_dV = min(t.battery_max_dV, s.most_dV)
    if t.target_dV > s.most_dV or t.target_dV <= 0 or t.battery_max_dV < s.least_dV:
        s.status |= INCOMPATIBLE
        s.faults.set(F_CAR_INCOMPATIBLE, t.target_dV & 0xFFFF, now)
        return stops.end(s, F_CAR_INCOMPATIBLE, 0, now)
    if s.profile <= CHARGE_ONLY:
        s.most_dA = min(s.own_dA, max(ABOVE_dA, t.least_dA))
    s.want.lock = 1
    s.go(LOCKING, now)


def locking(s, now, reached):
    if s.sense[S_LOCKED] == 1:
        s.status = STOPPED | LOCKED
        want = s.want
        want.mode = INSULATE
        want.voltage_dV = s.most_dV
        want.deadline_ms = D2_ms - ((now - s.offered_at) & TICKS_MASK)
        s.go(INSULATION, now)
    elif s.late(now, LOCK_ms):
        _late(s, F_LOCK, 0, now)


def insulation(s, now, reached):
    # Only while 102.5.0 = 1: its loss is a stop.
    if reached.fault:
        stops.failed(s, reached.fault, now)
    elif reached.mode == INSULATE and reached.done:
        s.want.mode = OFF
        s.go(DISCHARGED, now)


def discharged(s, now, reached):
    # Step 4: some cars abort if the inlet is not about 0 V when d2 closes.
    if s.is_off(reached) and -100 < s.sense[S_INLET_dV] < EMPTY_dV:
        s.target_dV = s.told.target_dV
        s.want.d2 = s.judge_weld = 1
        s.go(CLOSING, now)
    elif (now - s.offered_at) & TICKS_MASK >= D2_ms:
        _late(s, F_INSULATION, max(0, s.sense[S_INLET_dV]), now)


def closing(s, now, reached):
    inlet_dV = s.sense[S_INLET_dV]
    if s.profile == FIRST:
        if inlet_dV >= CLOSE_BLIND_dV:
            s.go(PRECHARGE, now)
        elif s.late(now, CLOSE_BLIND_ms):
            _late(s, F_CAR_VOLTAGE_ABSENT, 0, now)
    elif not s.told.status & OPEN and s.least_dV <= inlet_dV:
        s.go(PRECHARGE, now)
    elif s.late(now, CLOSE_ms):
        _late(s, F_CAR_TIMEOUT if s.told.status & OPEN else F_CAR_VOLTAGE_ABSENT, max(0, inlet_dV), now)


def precharge(s, now, reached):
    # Step 5. The car tells no battery voltage: our own sensor does, within what car and station stand.
    want = s.want
    if reached.fault:
        stops.failed(s, reached.fault, now)
    elif want.mode == MATCH:
        if reached.mode == MATCH and reached.done:
            if s.told.request_dA > 0:
                if s.out.begins(now):
                    _run(s, now)
            elif s.late(now, REQUEST_ms):
                _late(s, F_CAR_TIMEOUT, 0, now)
        elif s.late(now, MATCH_ms + REQUEST_ms):
            _late(s, F_PRECHARGE, 0, now)
    elif s.least_dV <= s.sense[S_INLET_dV] <= _highest_dV(s):
        want.voltage_dV = s.sense[S_INLET_dV]
        want.deadline_ms = MATCH_ms
        want.mode = MATCH
    elif s.late(now, MATCH_ms):
        _late(s, F_CAR_VOLTAGE_ABSENT, max(0, s.sense[S_INLET_dV]), now)


def _highest_dV(s):
    # A battery above its own target is full, or was told wrong.
    allowed_dV = s.target_dV * (1000 + TARGET_permille) // 1000
    return min(allowed_dV, s.threshold_dV)


def _run(s, now):
    # Step 6: 109.5 = 05, in the round that begins in this tick: 0.1 s of the 0.5 s are gone at the most. A round of its
    # own would come too soon for 100 +-10 ms (facts 2.1), and no current may be asked for before 05 has left.
    t, want = s.told, s.want
    want.voltage_dV = min(s.target_dV, t.target_dV, s.threshold_dV - _MARGIN_dV)
    want.voltage_min_dV = s.car[C_VOLTAGE_MIN_dV] = max(t.discharge_min_dV, s.least_dV)
    s.car[C_CAN_DISCHARGE] = s.offered = 0
    running.begin(s, now)
    s.go(ENERGY, now)


def _late(s, code, data, now):
    s.faults.set(code, data & 0xFFFF, now)
    stops.end(s, code, 0, now)
