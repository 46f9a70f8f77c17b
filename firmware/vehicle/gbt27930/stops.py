# The ways out of a session, each of which takes the current away in the same tick; the way back from a time-out; the
# states from the stop to the pulled plug (facts 1.5, 1.6).
from micropython import const

from firmware.contract import NEITHER, OFF
from firmware.contract import WELD as JUDGE
from firmware.faults import (
    EMERGENCY,
    F_CAR_ERROR_FRAME,
    F_CAR_FAULT,
    F_CAR_INCOMPATIBLE,
    F_CAR_RETRIES,
    F_CAR_SILENT,
    F_CAR_STOPPED,
    F_CAR_TIMEOUT,
    F_CAR_VOLTAGE_ABSENT,
    F_CC1_LOST,
    F_CURRENT_DISAGREES,
    F_DIRECTION,
    F_ESTOP,
    F_LOCK,
    F_OVER_CURRENT,
    F_OVER_VOLTAGE,
    F_TEMPERATURE,
    F_UNDER_VOLTAGE,
    F_VOLTAGE_DISAGREES,
    STOP,
    severity,
)
from firmware.station import C_PAUSED, C_PHASE, C_STOP_REASON, PH_FAULT, S_PLUGGED, C_CHARGE_dA, C_DISCHARGE_dA
from firmware.vehicle.gbt27930.frames import (
    BEM,
    BSD,
    BST,
    CEM_BCL,
    CEM_BSD,
    CEM_BST,
    CST_CAR,
    CST_FAULT,
    CST_MANUAL,
    cem,
    csd,
    cst,
)
from firmware.vehicle.gbt27930.settings import (
    CHARGER_NUMBER,
    TRIES,
    AUX_OFF_ms,
    BSD_ms,
    BST_ms,
    CEM_ms,
    CSD_ms,
    STOP_dA_s,
    WELD_ms,
)
from firmware.vehicle.gbt27930.states import (
    BLEEDING,
    ENDED,
    ENERGY,
    IDENTIFY,
    IDLE,
    PLUGGED,
    RETRY,
    STATISTICS,
    STOPPING,
    UNLOCKING,
    WELD,
)
from firmware.vehicle.gbt27930.wire import CEM, CSD, CST, O_CEM, O_CSD, O_CST

_URGENT = const(2)
_CONNECTOR = const(0x04)  # CST.2
_TOO_HOT = const(0x01)
_UNDELIVERABLE = const(0x40)
_ESTOP = const(0x01)  # CST.3
_OTHER = const(0x04)
_CURRENT = const(0x01)  # CST.4
_VOLTAGE = const(0x04)
# What has bits of its own in CST.2, CST.3 and CST.4; all else is "other".
_CAUSES = bytes(
    (F_CC1_LOST, _CONNECTOR, 0, 0,  F_LOCK, _CONNECTOR, 0, 0,  F_TEMPERATURE, _TOO_HOT, 0, 0,  F_ESTOP, 0, _ESTOP, 0,
     F_CAR_INCOMPATIBLE, _UNDELIVERABLE, 0, _VOLTAGE,  F_OVER_VOLTAGE, 0, 0, _VOLTAGE,
     F_UNDER_VOLTAGE, 0, 0, _VOLTAGE,  F_VOLTAGE_DISAGREES, 0, 0, _VOLTAGE,  F_CAR_VOLTAGE_ABSENT, 0, 0, _VOLTAGE,
     F_OVER_CURRENT, 0, 0, _CURRENT,  F_CURRENT_DISAGREES, 0, 0, _CURRENT,  F_DIRECTION, 0, 0, _CURRENT)
)  # fmt: skip


def asked(s, now, stop):
    # Every tick while something asks for a stop: 1 in the normal order, 2 at once.
    if s.state < STOPPING:
        code = s.faults.worst
        end(s, code if severity[code] >= STOP else 0, stop == _URGENT, now)
    elif stop == _URGENT and s.want.mode != OFF:
        s.want.mode = OFF  # the weld check
        s.want.emergency = 1
        s.go(BLEEDING, s.out.mask, now)
    elif stop == _URGENT and s.state < WELD:
        s.want.emergency = 1


def pulled(s, now):
    # CC1 lost (facts 1.5: 5 A within 50 ms).
    s.away = 1
    s.faults.set(F_CC1_LOST, 0, now)
    if s.state < STOPPING:
        end(s, F_CC1_LOST, 1, now)
    else:
        s.want.mode = OFF
        s.want.emergency = 1
        s.car[C_STOP_REASON] = F_CC1_LOST
        s.go(BLEEDING, 0, now)


def fault(s, code, data, urgent, now):
    s.faults.set(code, data, now)
    end(s, code, urgent, now)


def unlocked(s, now):
    fault(s, F_LOCK, 1, 0, now)


def failed(s, code, now):
    # The stage could not do what was wanted.
    fault(s, code, 0, severity[code] >= EMERGENCY, now)


def loud(s, now):
    # BST or BEM in the conversation.
    t = s.told
    if not s.lacks(BST):
        if t.stop_fault:
            fault(s, F_CAR_FAULT, t.stop_fault, 1, now)
        else:
            fault(s, F_CAR_STOPPED, t.stop, 0, now)
        return
    s.seen &= ~(1 << BEM)
    s.faults.set(F_CAR_ERROR_FRAME, t.error, now)
    if s.state > IDENTIFY:  # there the car may still be saying that it gave up before
        _back(s, 0, now)


def silent(s, now):
    # No BCL for 1 s: stop at once, CEM.
    cem(s.out.frames[O_CEM].data, CEM_BCL)
    if s.settings.silence_retry:
        return _back(s, CEM, now)
    s.faults.set(F_CAR_SILENT, 0, now)
    _cut(s, F_CAR_SILENT, 1)
    s.go(BLEEDING, CEM, now)


def again(s, missing, now):
    # A time-out that may be tried again: CEM, and back to CRM 00.
    cem(s.out.frames[O_CEM].data, missing)
    _back(s, CEM, now)


def _back(s, mask, now):
    # A car that gave up opens its contactors whether current flows or not: no slow ramp.
    _cut(s, F_CAR_TIMEOUT, s.state == ENERGY)
    s.tries += 1
    s.transport.close()
    s.go(RETRY, mask, now)


def end(s, code, urgent, now):
    # CST, if the car has come so far as to understand it (facts 1.6: it stops, answers, and statistics follow).
    spoken = IDENTIFY < s.state <= ENERGY
    by_car = not s.lacks(BST)
    _cut(s, code, urgent)
    s.begin = 0
    s.seen &= ~(1 << BSD) if by_car else ~(1 << BSD | 1 << BST)
    if spoken:
        _reasons(s.out.frames[O_CST].data, code, by_car, s.stop)
        s.go(STOPPING, CST, now)
    else:
        s.go(BLEEDING, 0, now)


def _cut(s, code, urgent):
    want, car = s.want, s.car
    want.mode = OFF
    want.direction = NEITHER
    want.charge_dA = want.discharge_dA = 0
    want.stop_dA_s = STOP_dA_s
    if urgent:
        want.emergency = 1  # and stays until the stage is open and bled
    want.deadline_ms = 0
    car[C_CHARGE_dA] = car[C_DISCHARGE_dA] = car[C_PAUSED] = 0
    car[C_STOP_REASON] = code


def _reasons(d, code, by_car, stop):
    # CST (facts 1.4).
    if by_car:
        return cst(d, CST_CAR, 0, 0, 0)
    if not code and stop != _URGENT:
        return cst(d, CST_MANUAL, 0, 0, 0)
    cst(d, CST_FAULT, 0, _OTHER, 0)
    for at in range(0, len(_CAUSES), 4):
        if _CAUSES[at] == code:
            cst(d, CST_FAULT, _CAUSES[at + 1], _CAUSES[at + 2], _CAUSES[at + 3])


# --- from the stop to the pulled plug. Auxiliary power and lock go only when the stage is open and bled ---
def retry(s, now, reached):
    if s.waited_ms < CEM_ms or not s.is_off(reached):
        return
    s.want.emergency = 0
    if s.tries > TRIES:
        s.faults.set(F_CAR_RETRIES, s.tries, now)
        s.car[C_STOP_REASON] = F_CAR_RETRIES
        s.go(BLEEDING, s.out.mask, now)
    else:
        s.identification(now)


def stopping(s, now, reached):
    if s.away:
        if s.is_off(reached) and s.waited_ms >= 50:  # CST a few times, in case the bus is still there
            s.go(BLEEDING, 0, now)
    elif not s.lacks(BSD):
        csd(s.out.frames[O_CSD].data, s.minutes, s.charged_Wh // 100, CHARGER_NUMBER)
        s.go(STATISTICS, CSD, now)
    elif s.lacks(BST):
        if s.waited_ms >= BST_ms:
            _unanswered(s, CEM_BST, now)
    elif s.waited_ms >= BSD_ms:
        _unanswered(s, CEM_BSD, now)


def _unanswered(s, missing, now):
    # Not retried: the session is over in any case.
    cem(s.out.frames[O_CEM].data, missing)
    s.go(BLEEDING, CEM, now)


def statistics(s, now, reached):
    if s.waited_ms >= CSD_ms and s.is_off(reached):
        _weld_or_bleed(s, now)


def _weld_or_bleed(s, now):
    # With a fault that cuts at once nothing is tried any more; the next insulation test finds a welded contactor too.
    if s.judge_weld and not s.away and s.stop < 2:
        s.judge_weld = 0
        s.want.emergency = 0
        s.want.deadline_ms = WELD_ms
        s.want.mode = JUDGE
        s.go(WELD, s.out.mask, now)
    else:
        s.judge_weld = 0
        s.go(BLEEDING, s.out.mask, now)


def weld(s, now, reached):
    late = s.waited_ms >= WELD_ms + CSD_ms
    if not reached.fault and not late and not (reached.mode == JUDGE and reached.done):
        return
    if reached.fault:
        s.faults.set(reached.fault, 0, now)
        s.car[C_STOP_REASON] = reached.fault
    s.want.mode = OFF
    s.go(BLEEDING, s.out.mask, now)


def bleeding(s, now, reached):
    if not s.is_off(reached):
        return
    if s.out.mask & CEM and s.waited_ms < CEM_ms:
        return
    s.want.emergency = 0
    if s.judge_weld:
        return _weld_or_bleed(s, now)
    s.want.aux = 0
    s.transport.close()
    s.go(UNLOCKING, 0, now)


def unlocking(s, now, reached):
    if s.waited_ms >= AUX_OFF_ms and s.is_off(reached):
        s.want.lock = 0
        s.go(ENDED, 0, now)
        if s.car[C_STOP_REASON] and severity[s.car[C_STOP_REASON]] >= STOP:
            s.car[C_PHASE] = PH_FAULT


def ended(s, now, reached):
    if not s.sense[S_PLUGGED]:
        s.forget()
        s.go(IDLE, 0, now)
    elif s.begin and not s.stop:
        s.forget()
        s.car[C_STOP_REASON] = 0
        s.go(PLUGGED, 0, now)
