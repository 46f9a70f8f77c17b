# The ways out of a session, and the way back from a time-out. Each takes the current away in the same tick.
from micropython import const

from firmware.contract import NEITHER, OFF
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
from firmware.station import C_PAUSED, C_STOP_REASON, C_CHARGE_dA, C_DISCHARGE_dA
from firmware.vehicle.gbt27930.frames import BEM, BSD, BST, CEM_BCL, CST_CAR, CST_FAULT, CST_MANUAL, cem, cst
from firmware.vehicle.gbt27930.outbox import CEM, CST, O_CEM, O_CST
from firmware.vehicle.gbt27930.states import BLEEDING, ENERGY, IDENTIFY, RETRY, STOPPING, WELD

_URGENT = const(2)
_CONNECTOR = const(0x04)  # CST.2
_TOO_HOT = const(0x01)
_UNDELIVERABLE = const(0x40)
_ESTOP = const(0x01)  # CST.3
_OTHER = const(0x04)
_CURRENT = const(0x01)  # CST.4
_VOLTAGE = const(0x04)


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
        s.reason = s.car[C_STOP_REASON] = F_CC1_LOST
        s.go(BLEEDING, 0, now)


def unlocked(s, now):
    s.faults.set(F_LOCK, 1, now)
    end(s, F_LOCK, 0, now)


def failed(s, code, now):
    # The stage could not do what was wanted.
    s.faults.set(code, 0, now)
    end(s, code, severity[code] >= EMERGENCY, now)


def loud(s, now):
    # BST or BEM in the conversation.
    t = s.told
    if not s.lacks(BST):
        if t.stop_fault:
            s.faults.set(F_CAR_FAULT, t.stop_fault, now)
            end(s, F_CAR_FAULT, 1, now)
        else:
            s.faults.set(F_CAR_STOPPED, t.stop, now)
            end(s, F_CAR_STOPPED, 0, now)
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


def heard_again(s, now):
    # The car is back: what stood for its silence is over.
    s.faults.clear(F_CAR_ERROR_FRAME, now)
    s.car[C_STOP_REASON] = 0


def given_up(s, now):
    s.faults.set(F_CAR_RETRIES, s.tries, now)
    s.reason = s.car[C_STOP_REASON] = F_CAR_RETRIES
    s.go(BLEEDING, s.out.mask, now)


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
    want.stop_dA_s = s.settings.stop_dA_s
    if urgent:
        want.emergency = 1  # and stays until the stage is open and bled
    want.deadline_ms = 0
    car[C_CHARGE_dA] = car[C_DISCHARGE_dA] = car[C_PAUSED] = 0
    s.reason = car[C_STOP_REASON] = code


def _reasons(d, code, by_car, stop):
    # CST (facts 1.4). What has no bit of its own is "other".
    if by_car:
        return cst(d, CST_CAR, 0, 0, 0)
    if not code:
        return cst(d, CST_FAULT if stop == _URGENT else CST_MANUAL, 0,
                          _OTHER if stop == _URGENT else 0, 0)  # fmt: skip
    if code == F_CC1_LOST or code == F_LOCK:
        cst(d, CST_FAULT, _CONNECTOR, 0, 0)
    elif code == F_TEMPERATURE:
        cst(d, CST_FAULT, _TOO_HOT, 0, 0)
    elif code == F_ESTOP:
        cst(d, CST_FAULT, 0, _ESTOP, 0)
    elif code == F_CAR_INCOMPATIBLE:
        cst(d, CST_FAULT, _UNDELIVERABLE, 0, _VOLTAGE)
    elif code in (F_OVER_VOLTAGE, F_UNDER_VOLTAGE, F_VOLTAGE_DISAGREES, F_CAR_VOLTAGE_ABSENT):
        cst(d, CST_FAULT, 0, 0, _VOLTAGE)
    elif code in (F_OVER_CURRENT, F_CURRENT_DISAGREES, F_DIRECTION):
        cst(d, CST_FAULT, 0, 0, _CURRENT)
    else:
        cst(d, CST_FAULT, 0, _OTHER, 0)
