# From the plug to closed contactors: facts 1.5 (power) and 1.6 (time-outs). One function a state; `s` is the session.
from firmware.contract import INSULATE, MATCH, OFF, RUN
from firmware.faults import F_CAR_ERROR_FRAME, F_CAR_INCOMPATIBLE, F_CAR_INCONSISTENT, F_CAR_VOLTAGE_ABSENT, F_LOCK
from firmware.station import (
    C_PROTOCOL,
    C_SESSION,
    C_STOP_REASON,
    PROTO_GBT27930_V112,
    S_LOCKED,
    S_PLUGGED,
    C_CAPACITY_Wh,
    C_SOC_permille,
    C_SOC_STEP_permille,
    C_VOLTAGE_dV,
    C_VOLTAGE_MAX_dV,
    C_VOLTAGE_MIN_dV,
    S_INLET_dV,
    V_MAX_dA,
    V_MAX_dV,
    V_MIN_dV,
)
from firmware.units import TICKS_MASK, UNKNOWN
from firmware.vehicle.gbt27930 import energy, stops
from firmware.vehicle.gbt27930.frames import (
    BCL,
    BCP,
    BCPP,
    BCS,
    BDC,
    BHM,
    BRM,
    BRO,
    CEM_BCL,
    CEM_BCP,
    CEM_BCS,
    CEM_BRM,
    CEM_BRO,
    READY,
    cml,
)
from firmware.vehicle.gbt27930.settings import (
    BCL_FIRST_ms,
    BCP_ms,
    BCPP_ms,
    BCS_ms,
    BRM_ms,
    BRO_ms,
    BRO_READY_ms,
    CDC_ms,
    CRM_ms,
    CRO_ms,
    HELLO_BLIND_dV,
    HELLO_ms,
    INLET_ms,
    INLET_permille,
    LOCK_ms,
    RETRY_ms,
    VOLTAGE_MIN_dV,
)
from firmware.vehicle.gbt27930.states import (
    ACCEPT,
    CLOSED,
    CONFIGURE,
    DISCHARGED,
    ENERGY,
    HELLO,
    IDLE,
    INSULATION,
    LOCKING,
    PLUGGED,
    PRECHARGE,
    PROPOSE,
)
from firmware.vehicle.gbt27930.wire import CCD, CCS, CDC, CHM, CML, CMLP, CRM, CRO, CTS, O_CCD, O_CML, O_CMLP, O_CRO


def idle(s, now, reached):
    if s.sense[S_PLUGGED]:
        # Faults that came after the plug was pulled (a pull at full power raises them then) end with this plug-in.
        s.faults.replugged(now)
        s.car[C_SESSION] = s.car[C_SESSION] + 1 & TICKS_MASK
        s.car[C_STOP_REASON] = 0
        s.forget()
        s.go(PLUGGED, 0, now)


def plugged(s, now, reached):
    if not s.sense[S_PLUGGED]:
        s.go(IDLE, 0, now)
    elif not s.stop and (s.begin or s.settings.autostart) and s.is_off(reached):
        s.begin = 0
        s.want.lock = 1
        s.want.emergency = 0
        s.go(LOCKING, 0, now)


def locking(s, now, reached):
    if s.sense[S_LOCKED]:
        s.want.aux = 1
        if s.settings.v112:
            s.go(PROPOSE, CDC, now)
        else:
            s.go(HELLO, CHM, now)
    elif s.waited_ms >= LOCK_ms:
        stops.fault(s, F_LOCK, 0, 0, now)


def propose(s, now, reached):
    # V1.12: without a complete BDC in answer to our CDC this is plain 2015 charging (facts 1.8a).
    if not s.lacks(BDC):
        s.v112 = 1
        s.car[C_PROTOCOL] = PROTO_GBT27930_V112
        s.go(HELLO, CHM, now)
    elif s.waited_ms >= CDC_ms:
        s.go(HELLO, CHM, now)


def hello(s, now, reached):
    voltage_dV = UNKNOWN
    if not s.lacks(BHM):
        voltage_dV = s.told.hello_dV
        s.car[C_VOLTAGE_MAX_dV] = voltage_dV
    elif s.waited_ms < HELLO_ms:
        return
    if voltage_dV <= 0:
        voltage_dV = HELLO_BLIND_dV
    want = s.want
    want.mode = INSULATE
    want.voltage_dV = min(voltage_dV, _most_dV(s))
    want.deadline_ms = CRM_ms - s.waited_ms
    s.go(INSULATION, CHM, now)


def insulation(s, now, reached):
    if reached.fault:
        stops.failed(s, reached.fault, now)
    elif reached.mode == INSULATE and reached.done:
        s.want.mode = OFF
        s.go(DISCHARGED, CHM, now)


def discharged(s, now, reached):
    if s.is_off(reached):
        s.identification(now)


def identify(s, now, reached):
    if not s.lacks(BRM):
        s.crm(READY)
        # The car is back: what stood for its silence is over.
        s.faults.clear(F_CAR_ERROR_FRAME, now)
        s.car[C_STOP_REASON] = 0
        s.go(ACCEPT, CRM, now)
    elif s.waited_ms >= (RETRY_ms if s.tries else BRM_ms):
        stops.again(s, CEM_BRM, now)


def accept(s, now, reached):
    if s.lacks(BCP):
        if s.waited_ms >= BCP_ms:
            stops.again(s, CEM_BCP, now)
    elif not s.v112 or not s.lacks(BCPP):
        _parameters(s, now)
    elif not s.waits:
        s.waits = 1
        s.waits_at = now
    elif (now - s.waits_at) & TICKS_MASK >= BCPP_ms:
        _parameters(s, now)


def _parameters(s, now):
    t, car = s.told, s.car
    s.waits = 0
    car[C_SOC_permille] = t.soc_permille
    car[C_SOC_STEP_permille] = 1
    car[C_VOLTAGE_dV] = t.pack_dV
    car[C_VOLTAGE_MAX_dV] = t.pack_max_dV
    energy_Wh = t.energy_Wh
    if energy_Wh <= 0 and t.capacity_dAh > 0 and t.rated_dV > 0:
        energy_Wh = t.capacity_dAh * t.rated_dV // 100
    car[C_CAPACITY_Wh] = energy_Wh
    least_dV, most_dV = _least_dV(s), _most_dV(s)
    if not least_dV <= t.pack_dV <= most_dV or t.pack_dV > t.pack_max_dV:
        return stops.fault(s, F_CAR_INCOMPATIBLE, t.pack_dV & 0xFFFF, 0, now)
    most_dA = s.settings.current_max_dA
    known_dA = s.converter[V_MAX_dA]
    if 0 < known_dA < most_dA:
        most_dA = known_dA
    cml(s.out.frames[O_CML].data, most_dV, least_dV, most_dA, 0)
    mask = CTS | CML
    if s.v112:
        cml(s.out.frames[O_CMLP].data, most_dV, least_dV, -most_dA, 0)
        mask |= CMLP
    s.seen &= ~(1 << BRO)
    t.ready = 0
    s.go(CONFIGURE, mask, now)


def configure(s, now, reached):
    if s.told.ready == READY:
        s.out.frames[O_CRO].data[0] = 0
        s.go(PRECHARGE, CRO, now)
    elif s.waited_ms >= (BRO_ms if s.lacks(BRO) else BRO_READY_ms):
        stops.again(s, CEM_BRO, now)


def precharge(s, now, reached):
    if s.told.ready != READY:
        # It takes BRO=AA back: its contactors may be open (facts 1.5), ours are not closed onto that.
        stops.fault(s, F_CAR_INCONSISTENT, s.told.ready & 0xFF, 0, now)
    elif s.want.mode == MATCH:
        if reached.fault:
            stops.failed(s, reached.fault, now)
        elif reached.mode == MATCH and reached.done:
            _closed(s, now)
    elif _inlet_fits(s, s.sense[S_INLET_dV], s.told.pack_dV):
        s.judge_weld = 1
        s.want.voltage_dV = s.sense[S_INLET_dV]
        s.want.deadline_ms = CRO_ms - (s.waited_ms)
        s.want.mode = MATCH
    elif s.waited_ms >= INLET_ms:
        stops.fault(s, F_CAR_VOLTAGE_ABSENT, s.sense[S_INLET_dV] & 0xFFFF, 0, now)


def _inlet_fits(s, inlet_dV, pack_dV):
    # The inlet agrees with what the car said of its battery, and with what we can do (facts 1.5).
    if not _least_dV(s) <= inlet_dV <= _most_dV(s):
        return 0
    far_dV = inlet_dV - pack_dV if inlet_dV > pack_dV else pack_dV - inlet_dV
    return far_dV * 1000 <= pack_dV * INLET_permille


def _closed(s, now):
    s.out.frames[O_CRO].data[0] = READY
    mask = CRO
    t = s.told
    if s.v112:
        s.out.frames[O_CCD].data[0] = 0  # charge first (facts 1.8a)
        mask |= CCD
        left = t.cycles_left if t.cycles_left != UNKNOWN else s.settings.cycles_unknown
        s.offered = 1 if left > 0 and not s.lacks(BCPP) and t.discharge_max_dA > 0 else 0
        energy.offer(s)
        s.car[C_VOLTAGE_MIN_dV] = t.pack_min_dV
    s.seen &= ~(1 << BCL | 1 << BCS)
    s.go(CLOSED, mask, now)
    s.out.hurry(O_CRO, now)


def closed(s, now, reached):
    if reached.fault:
        stops.failed(s, reached.fault, now)
    elif not s.lacks(BCL) and not s.lacks(BCS):
        s.want.mode = RUN
        s.minute_at = s.told_at = now
        energy.begin(s, now)
        s.go(ENERGY, CCS | CCD if s.v112 else CCS, now)
    elif s.lacks(BCL) and s.waited_ms >= BCL_FIRST_ms:
        stops.again(s, CEM_BCL, now)
    elif s.waited_ms >= BCS_ms:
        stops.again(s, CEM_BCS, now)


# --- own limits: what the installer set, no more than the converter reports ---
def _most_dV(s):
    known_dV = s.converter[V_MAX_dV]
    own_dV = s.settings.voltage_max_dV
    return known_dV if 0 < known_dV < own_dV else own_dV


def _least_dV(s):
    known_dV = s.converter[V_MIN_dV]
    own_dV = VOLTAGE_MIN_dV
    return known_dV if known_dV > own_dV else own_dV
