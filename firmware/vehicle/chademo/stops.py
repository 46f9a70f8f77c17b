# The ways out, facts 2.5 step 8. Whatever ends the session ends here: the reason is kept, 109.5 tells it, and the power
# path goes to OFF in the same tick.
from micropython import const

from firmware.contract import NEITHER, OFF
from firmware.faults import (
    EMERGENCY,
    F_CAR_FAULT,
    F_CAR_IDLE,
    F_CAR_INCONSISTENT,
    F_CAR_SILENT,
    F_CAR_STOPPED,
    F_CC1_LOST,
    F_LOCK,
    F_PERMISSION_LOST,
    STOP,
    severity,
)
from firmware.station import (
    C_AWAKE_W,
    C_PAUSED,
    C_STOP_REASON,
    P_CHARGE_MAX_W,
    P_CHARGE_WHY,
    C_CHARGE_dA,
    C_DISCHARGE_dA,
)
from firmware.units import TICKS_MASK, UNKNOWN
from firmware.vehicle.chademo.frames import (
    CHARGING,
    ENABLED,
    FAULT,
    NOT_PARKED,
    OPEN,
    STOP_BEFORE,
    STOPPED,
    SYSTEM,
    SYSTEM_FAULT,
    V102,
)
from firmware.vehicle.chademo.profiles import FIRST
from firmware.vehicle.chademo.settings import APART_K_ms, APART_ms, STOP_dA_s
from firmware.vehicle.chademo.states import ENERGY, OPENING, PRECHARGE, RELEASE, STOPPING

_URGENT = const(2)
_HALF = const(0x20000000)
_CAR = const(15)  # faults up to here are the car's or its connector's


def asked(s, now, stop):
    # Every tick while something asks for a stop: 1 in the normal order, 2 at once.
    if s.state < STOPPING:
        code = s.faults.worst
        end(s, code if severity[code] >= STOP else 0, stop == _URGENT, now)
    elif stop == _URGENT and s.state < RELEASE:
        s.want.emergency = 1
        if s.want.mode != OFF:
            s.want.mode = OFF  # the weld check
            s.go(RELEASE, now)


def car_stops(s, now):
    # 1 if the car ends it. Looked at from its permission on.
    t = s.told
    status = t.status
    if s.silent(now):
        _fault(s, F_CAR_SILENT, 0, now)
    elif t.errors or status & SYSTEM_FAULT:
        _fault(s, F_CAR_FAULT, t.errors << 8 | status, now)
    elif status & OPEN and s.state >= PRECHARGE and s.profile != FIRST:
        s.faults.set(F_CAR_INCONSISTENT, status, now)
        end(s, F_CAR_INCONSISTENT, 1, now)
    elif not s.k or not status & ENABLED or status & NOT_PARKED or t.target_dV <= 0:
        _stopped(s, now)
    elif status & STOP_BEFORE and not s.flowed:
        _stopped(s, now)
    else:
        return 0
    return 1


def _fault(s, code, data, now):
    s.faults.set(code, data, now)
    end(s, code, severity[code] >= EMERGENCY, now)


def _stopped(s, now):
    # In the normal order; without k the current is gone in 0.5 s, so no ramp.
    code, data = F_CAR_STOPPED, s.told.status
    if s.due and s.power[P_CHARGE_MAX_W] < s.car[C_AWAKE_W]:
        code, data = F_CAR_IDLE, s.power[P_CHARGE_WHY]
    s.faults.set(code, data, now)
    end(s, code, 0, now)
    if not s.k:
        s.want.stop_dA_s = 0


def both(s, now):
    # While it ends: k and 102.5.0 say the same, or one of them is broken. A 102 that still permits, sent well after k
    # went off, is no echo of the past.
    if not s.k and s.told.status & ENABLED and _after_k(s):
        note(s, F_PERMISSION_LOST, s.told.status, now)
    elif (s.k == 1) == (s.told.status & ENABLED == ENABLED):
        s.apart = 0
    elif not s.apart:
        s.apart = 1
        s.apart_at = now
    elif (now - s.apart_at) & TICKS_MASK >= APART_ms and not s.silent(now):
        note(s, F_CAR_INCONSISTENT, s.told.status, now)
        s.apart_at = now


def note(s, code, data, now):
    # A fault that comes while it ends is the reason, if it was to be a good end.
    s.faults.set(code, data, now)
    if not s.reason or severity[s.reason] < STOP:
        s.reason = s.car[C_STOP_REASON] = code


def _after_k(s):
    return APART_K_ms <= (s.at[V102] - s.k_at) & TICKS_MASK < _HALF


def pulled(s, now):
    # The proximity line says that the plug is gone.
    s.away = 1
    s.faults.set(F_CC1_LOST, 0, now)
    _cut(s, F_CC1_LOST, 1)
    s.out.only(0, now)
    s.go(RELEASE, now)


def unlocked(s, now):
    s.faults.set(F_LOCK, 1, now)
    end(s, F_LOCK, 0, now)


def failed(s, code, now):
    # The stage could not do what was wanted.
    s.faults.set(code, 0, now)
    end(s, code, severity[code] >= EMERGENCY, now)


def end(s, code, urgent, now):
    # 109.5: 25 while current may still flow, 24 without; who is to blame, in bits of their own.
    running = s.state == ENERGY
    _cut(s, code, urgent)
    s.begin = 0
    if code and severity[code] >= STOP:
        s.status |= SYSTEM if code <= _CAR else FAULT
    s.status |= STOPPED
    if running:
        s.go(STOPPING, now)
    elif s.want.d2:
        s.status &= ~CHARGING
        s.go(OPENING, now)
    else:
        s.status &= ~CHARGING
        s.go(RELEASE, now)


def _cut(s, code, urgent):
    want, car = s.want, s.car
    want.mode = OFF
    want.direction = NEITHER
    want.charge_dA = want.discharge_dA = 0
    want.stop_dA_s = STOP_dA_s
    if urgent:
        want.emergency = 1  # and stays until the stage is open and bled
    want.deadline_ms = 0
    car[C_AWAKE_W] = UNKNOWN
    car[C_CHARGE_dA] = car[C_DISCHARGE_dA] = car[C_PAUSED] = 0
    s.reason = car[C_STOP_REASON] = code
