# From the stop to the pulled plug: facts 2.5, steps 8 to 10. d2 goes when our contactors are open, d1 half a second
# later, the lock when the connector is dead.
from micropython import const

from firmware.contract import OFF, WELD
from firmware.faults import F_BLEED, F_CAR_CONTACTOR_WELDED, F_CAR_TIMEOUT, STOP, severity
from firmware.station import C_PHASE, C_STOP_REASON, PH_FAULT, S_PLUGGED, S_INLET_dV, S_LINK_dV
from firmware.vehicle.chademo import stops
from firmware.vehicle.chademo.frames import CHARGING, LOCKED, OPEN
from firmware.vehicle.chademo.profiles import FIRST
from firmware.vehicle.chademo.settings import (
    D1_ms,
    GOODBYE_ms,
    OPENED_BLIND_ms,
    OPENED_ms,
    OPENED_URGENT_ms,
    TOLD_ms,
    UNLOCK_dV,
    UNLOCK_ms,
    WELD_ms,
    WELDED_dV,
)
from firmware.vehicle.chademo.states import BLEEDING, ENDED, IDLE, OPENING, PLUGGED, RELEASE, UNLOCKING
from firmware.vehicle.chademo.states import WELD as WELDED

_STUCK_ms = const(3000)


def stopping(s, now, reached):
    # 109.5.0 = 0 only without current. A car opens by itself 2.5 s after it was told; then there is none.
    stops.both(s, now)
    if not s.k:
        s.want.stop_dA_s = 0  # whoever began it
    if s.late(now, TOLD_ms) and reached.idle or s.late(now, _STUCK_ms):
        s.status &= ~CHARGING
        s.go(OPENING, now)


def opening(s, now, reached):
    # Our bleeding is what the car's check counts on (108.0), so it begins before the car opens.
    stops.both(s, now)
    want = s.want
    if s.judge_weld and s.stop < 2 and reached.open and want.mode == OFF:
        want.emergency = 0
        want.deadline_ms = OPENED_ms + WELD_ms
        want.mode = WELD
    if s.told.status & OPEN and s.profile != FIRST and reached.open:
        return s.go(WELDED, now)
    limit_ms = OPENED_BLIND_ms if s.profile == FIRST else OPENED_ms
    if s.stop == 2 or s.silent(now):
        limit_ms = OPENED_URGENT_ms
    if s.late(now, limit_ms):
        if limit_ms == OPENED_ms:
            stops.note(s, F_CAR_TIMEOUT, s.told.status, now)
        s.go(WELDED, now)


def weld(s, now, reached):
    # With a fault that cuts at once nothing is tried any more; the next insulation test finds a welded contactor too.
    code = reached.fault
    if s.want.mode == WELD and not code:
        if reached.mode != WELD or not reached.done:
            if not s.late(now, WELD_ms):
                return
            code = F_CAR_CONTACTOR_WELDED if s.sense[S_INLET_dV] >= WELDED_dV else F_BLEED
    if code:
        stops.note(s, code, max(0, s.sense[S_INLET_dV]), now)
    s.judge_weld = 0
    s.want.mode = OFF
    s.go(RELEASE, now)


def release(s, now, reached):
    # A contactor of ours that does not open leaves the car's as the only ones that can: d2 goes then too.
    want = s.want
    if want.d2:
        if reached.open or reached.idle and s.late(now, _STUCK_ms):
            want.d2 = 0
            s.since = now
    elif s.late(now, D1_ms) and (_dead(s, S_INLET_dV) or s.late(now, UNLOCK_ms)):
        want.d1 = 0
        s.go(BLEEDING, now)


def _dead(s, slot):
    return -100 < s.sense[slot] < UNLOCK_dV


def bleeding(s, now, reached):
    if s.is_off(reached) and _dead(s, S_LINK_dV) and _dead(s, S_INLET_dV):
        s.want.emergency = 0
        s.status &= ~LOCKED
        s.go(UNLOCKING, now)
    elif s.late(now, UNLOCK_ms) and s.want.lock:
        stops.note(s, F_BLEED, max(0, s.sense[S_INLET_dV]), now)
        s.since = now


def unlocking(s, now, reached):
    if s.late(now, GOODBYE_ms):
        s.want.lock = 0
        s.out.only(0, now)
        s.go(ENDED, now)
        if s.reason and severity[s.reason] >= STOP:
            s.car[C_PHASE] = PH_FAULT


def ended(s, now, reached):
    if not s.sense[S_PLUGGED]:
        s.forget()
        s.go(IDLE, now)
    elif s.begin and not s.stop:
        s.forget()
        s.car[C_STOP_REASON] = 0
        s.go(PLUGGED, now)
