# The running session: BCL, BCS and BSM in, CCS (and CCD) out; pause, and in the V1.12 trial the turn of direction.
# The direction given to the stage is only ever one that the car has confirmed; every change goes through zero current.
from micropython import const

from firmware.contract import CHARGE, DISCHARGE, NEITHER
from firmware.faults import F_CAR_FAULT, F_CAR_PAUSE_LONG, F_CAR_TIMEOUT, F_CAR_VOLTAGE_ABSENT
from firmware.station import (
    C_CAN_DISCHARGE,
    C_GATE_DISCHARGE_OK,
    C_PAUSED,
    C_PHASE,
    PH_CHARGE,
    PH_DISCHARGE,
    PH_PAUSE,
    C_CHARGE_dA,
    C_CURRENT_dA,
    C_DEMAND_dV,
    C_DISCHARGE_dA,
    C_FLOOR_permille,
    C_REMAINING_min,
    C_SOC_permille,
    C_SOC_STEP_permille,
    C_TEMP_MAX_dC,
    C_VOLTAGE_dV,
    S_CURRENT_dA,
    S_INLET_dV,
)
from firmware.units import TICKS_MASK, UNKNOWN
from firmware.vehicle.gbt27930 import stops
from firmware.vehicle.gbt27930.frames import BCL, BCS, BSM, CEM_BCS, MODE_DISCHARGE, ccs
from firmware.vehicle.gbt27930.settings import AGAIN_ms, BCL_ms, BCS_ms, BSM_ms, PAUSE_ms, TRIES_BACK_min, TURN_ms
from firmware.vehicle.gbt27930.wire import CCD, CCS, O_CCD, O_CCS

_BCL = const(1 << 0)
_BCS = const(1 << 1)
_BSM = const(1 << 2)
_BCSP = const(1 << 11)
_NEWS = const(1 << 0 | 1 << 1 | 1 << 2 | 1 << 11)
_PAUSE = const(1)  # s.waits: the car does not permit
_TURN = const(2)  # the car has not confirmed the direction it was told
_CHECK_ms = const(100)
_APART_dV = const(150)
_APART_BCS = const(20)  # reports in a row: 5 s
_QUIET_ms = const(800)  # silence of BCL from which every tick counts
_MINUTE_ms = const(60000)
_Wh_mJ = const(3600000)
_ACCOUNT_ms = const(200)
_ACCOUNT_MAX_ms = const(1000)  # bounds the product: 100 kW s in mJ


def begin(s, now):
    t, want = s.told, s.want
    want.direction = NEITHER
    want.charge_dA = want.discharge_dA = 0
    want.voltage_dV = t.pack_max_dV
    want.voltage_min_dV = t.pack_min_dV if t.pack_min_dV > 0 else 0
    s.seen &= ~_BSM
    s.unsteady = 1
    _limits(s)
    _status(s)


def offer(s):
    # What discharge is offered, into the facts.
    car = s.car
    car[C_CAN_DISCHARGE] = s.offered
    if s.offered:
        car[C_FLOOR_permille] = s.told.floor_permille
        car[C_DISCHARGE_dA] = s.told.discharge_max_dA
    else:
        car[C_DISCHARGE_dA] = 0


def energy(s, now, reached):
    seen = s.seen
    silent_ms = (now - s.at[BCL]) & TICKS_MASK
    if silent_ms >= BCL_ms:
        return stops.silent(s, now)
    s.check_at = (now + _CHECK_ms) & TICKS_MASK if silent_ms < _QUIET_ms else now
    if (now - s.at[BCS]) & TICKS_MASK >= BCS_ms:
        return stops.again(s, CEM_BCS, now)
    if reached.fault:
        return stops.failed(s, reached.fault, now)
    if seen & _NEWS:
        s.seen = seen & ~_NEWS
        if seen & _BCL:
            _limits(s)
        if seen & _BSM and _battery(s, now):
            return
        if seen & (_BCS | _BCSP):
            _status(s)
            if _apart(s, reached):
                return _powerless(s, now)
    _steer(s, now, reached)


def _limits(s):
    # BCL or BCLP. What the car takes in the direction that it does not ask for now is the most that it ever takes.
    t, want, car = s.told, s.want, s.car
    current_dA = t.demand_dA
    most_dA = t.charge_max_dA
    car[C_DEMAND_dV] = t.demand_dV
    if t.mode == MODE_DISCHARGE:
        want.charge_dA = 0
        want.voltage_dV = t.pack_max_dV
        current_dA = min(-current_dA, t.discharge_max_dA)
        want.discharge_dA = car[C_DISCHARGE_dA] = current_dA if current_dA > 0 and s.offered else 0
        car[C_CHARGE_dA] = most_dA if most_dA > 0 else 0
    else:
        want.discharge_dA = 0
        want.voltage_dV = t.demand_dV if t.demand_dV < t.pack_max_dV else t.pack_max_dV
        if current_dA > most_dA:
            current_dA = most_dA
        want.charge_dA = car[C_CHARGE_dA] = current_dA if current_dA > 0 else 0
        car[C_DISCHARGE_dA] = t.discharge_max_dA if s.offered and not s.held else 0


def _status(s):
    t, car = s.told, s.car
    car[C_SOC_permille] = t.soc_permille
    car[C_SOC_STEP_permille] = 10
    car[C_VOLTAGE_dV] = t.voltage_dV
    car[C_CURRENT_dA] = t.current_dA
    car[C_REMAINING_min] = t.remaining_min


def _apart(s, reached):
    # Without current the inlet is at the battery's voltage, or K5/K6 are open: a car that opens them while it charges
    # goes on as if nothing were, and the inlet stays under voltage with nothing behind it.
    told_dV, inlet_dV = s.told.voltage_dV, s.sense[S_INLET_dV]
    if reached.idle and told_dV > 0 and not -_APART_dV <= inlet_dV - told_dV <= _APART_dV:
        s.apart += 1
    else:
        s.apart = 0
    return s.apart >= _APART_BCS


def _powerless(s, now):
    stops.fault(s, F_CAR_VOLTAGE_ABSENT, s.sense[S_INLET_dV] & 0xFFFF, 0, now)


def _battery(s, now):
    # BSM (facts 1.4): 01 in any alarm stops; 3096 = 00 pauses; 10 is "discharge allowed" only in answer to CCD=01,
    # else "untrusted": the last one holds, charging if there was none. 11 is not used.
    t = s.told
    s.car[C_TEMP_MAX_dC] = t.temp_dC
    if t.fault:
        stops.fault(s, F_CAR_FAULT, t.fault, 1, now)
        return 1
    permission = t.permission
    if permission < 2 or (permission == 2 and s.direction == DISCHARGE):
        s.permission = permission
    elif s.permission == UNKNOWN:
        s.permission = s.settings.untrusted_first
    if s.offered and (t.low or t.cell_high_cV < t.cell_min_cV or -1 < s.transport.cell_low_cV < t.cell_min_cV):
        withdraw(s)
    return 0


def withdraw(s):
    # No discharge in what is left of this session.
    s.offered = 0
    offer(s)


def _steer(s, now, reached):
    if s.v112 and _turn(s, now, reached):
        return
    ours = s.direction
    permission = s.permission
    mode = s.told.mode
    if permission <= 0 or (now - s.at[BSM]) & TICKS_MASK >= BSM_ms:
        _wait(s, _PAUSE, now)
    elif (mode == MODE_DISCHARGE) != (ours == DISCHARGE) or not mode or (permission == 2) != (ours == DISCHARGE):
        _wait(s, _TURN if s.v112 else _PAUSE, now)
    elif s.unsteady:
        s.unsteady = s.waits = 0  # the next CCS permits, and with it current may flow: see tell()
        s.car[C_PAUSED] = 0
        s.car[C_PHASE] = PH_CHARGE if ours == CHARGE else PH_DISCHARGE


def _turn(s, now, reached):
    # 1 while current must be zero first. Toward discharge only where it is offered and the gate allows it; away from
    # it as soon as either is gone.
    asked, ours = s.asked, s.direction
    if s.held and (now - s.held_at) & TICKS_MASK >= AGAIN_ms:
        s.held = 0
    may = s.offered and not s.held and s.car[C_GATE_DISCHARGE_OK] == 1
    if ours == DISCHARGE:
        if asked != CHARGE and may:
            return 0
    elif asked != DISCHARGE or not may or s.permission <= 0:
        return 0
    s.want.direction = NEITHER
    s.unsteady = 1
    s.waits = 0
    if not may:
        s.out.only(CCS, now)  # the gate lets no word of discharge out any more
    if not reached.idle:
        return 1
    s.direction = -ours
    s.out.only(CCS | CCD, now)
    s.told.mode = 0  # only a BCL of after this confirms
    s.out.frames[O_CCD].data[0] = 1 if ours == CHARGE else 0
    s.out.hurry(O_CCD, now)
    return 0


def _wait(s, kind, now):
    s.want.direction = NEITHER
    s.unsteady = 1
    if s.waits != kind:
        s.waits = kind
        s.waits_at = now
        if kind == _PAUSE and s.permission != UNKNOWN:
            s.car[C_PAUSED] = 1
            s.car[C_PHASE] = PH_PAUSE
        else:
            s.car[C_PAUSED] = 0
            s.car[C_PHASE] = PH_CHARGE
        return
    waited_ms = (now - s.waits_at) & TICKS_MASK
    if waited_ms >= TURN_ms and s.direction == DISCHARGE and kind == _PAUSE:
        # It gives no more, but may well take: back to charging, and not at once here again.
        s.held = 1
        s.held_at = now
    elif kind == _PAUSE:
        if waited_ms >= PAUSE_ms:
            stops.fault(s, F_CAR_PAUSE_LONG, 0, 0, now)
    elif waited_ms >= TURN_ms:
        if s.direction == DISCHARGE:
            withdraw(s)  # and back to charging
        else:
            stops.fault(s, F_CAR_TIMEOUT, s.told.mode, 0, now)


def tell(s, now):
    # CCS, just before it leaves.
    voltage_dV, current_dA = s.sense[S_INLET_dV], s.sense[S_CURRENT_dA]
    if voltage_dV == UNKNOWN or current_dA == UNKNOWN:
        voltage_dV = current_dA = 0
    if (now - s.told_at) & TICKS_MASK >= _ACCOUNT_ms:
        _account(s, voltage_dV * current_dA // 100, now)
    if not s.unsteady:
        s.want.direction = s.direction  # not before: the gate lets no current flow that CCS has not permitted
    permission = 1
    if s.direction == DISCHARGE:
        permission = 2 if s.car[C_GATE_DISCHARGE_OK] == 1 else 0
    if s.unsteady:
        if s.waits == _PAUSE:
            if s.permission != UNKNOWN:  # before the first BSM: ready
                permission = s.settings.pause_permission and permission
        elif not s.settings.turn_permission:
            permission = 0
    ccs(s.out.frames[O_CCS].data, voltage_dV, current_dA, s.minutes, permission)


def _account(s, power_W, now):
    # For CSD: energy into the car, and whole minutes.
    ms = (now - s.told_at) & TICKS_MASK
    s.told_at = now
    if power_W > 0:
        carry_mJ = s.carry_mJ + power_W * (ms if ms < _ACCOUNT_MAX_ms else _ACCOUNT_MAX_ms)
        s.charged_Wh += carry_mJ // _Wh_mJ
        s.carry_mJ = carry_mJ % _Wh_mJ
    if (now - s.minute_at) & TICKS_MASK >= _MINUTE_ms:
        s.minute_at = (s.minute_at + _MINUTE_ms) & TICKS_MASK
        s.minutes = min(s.minutes + 1, 0xFFFF)
        if s.minutes >= TRIES_BACK_min:
            s.tries = 0
