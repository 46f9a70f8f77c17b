# From the stop to the pulled plug: facts 1.5 and 1.6. Auxiliary power and lock go only when the stage is open and bled.
from firmware.contract import OFF, WELD
from firmware.faults import STOP, severity
from firmware.station import C_PHASE, C_STOP_REASON, PH_FAULT, S_PLUGGED
from firmware.units import TICKS_MASK
from firmware.vehicle.gbt27930 import handshake, stops
from firmware.vehicle.gbt27930.frames import BSD, BST, CEM_BSD, CEM_BST, cem, csd
from firmware.vehicle.gbt27930.outbox import CEM, CSD, O_CEM, O_CSD
from firmware.vehicle.gbt27930.states import BLEEDING, ENDED, IDLE, PLUGGED, STATISTICS, UNLOCKING
from firmware.vehicle.gbt27930.states import WELD as WELDED


def retry(s, now, reached):
    if (now - s.since) & TICKS_MASK < s.settings.cem_ms or not s.is_off(reached):
        return
    s.want.emergency = 0
    if s.tries > s.settings.tries:
        stops.given_up(s, now)
    else:
        handshake.identification(s, now)


def stopping(s, now, reached):
    waited_ms = (now - s.since) & TICKS_MASK
    if s.away:
        if s.is_off(reached) and waited_ms >= 50:  # CST a few times, in case the bus is still there
            s.go(BLEEDING, 0, now)
    elif not s.lacks(BSD):
        csd(s.out.frames[O_CSD].data, s.minutes, s.charged_Wh // 100, s.settings.charger_number)
        s.go(STATISTICS, CSD, now)
    elif s.lacks(BST):
        if waited_ms >= s.settings.bst_ms:
            _unanswered(s, CEM_BST, now)
    elif waited_ms >= s.settings.bsd_ms:
        _unanswered(s, CEM_BSD, now)


def _unanswered(s, missing, now):
    # Not retried: the session is over in any case.
    cem(s.out.frames[O_CEM].data, missing)
    s.go(BLEEDING, CEM, now)


def statistics(s, now, reached):
    if (now - s.since) & TICKS_MASK >= s.settings.csd_ms and s.is_off(reached):
        _weld_or_bleed(s, now)


def _weld_or_bleed(s, now):
    # With a fault that cuts at once nothing is tried any more; the next insulation test finds a welded contactor too.
    if s.judge_weld and not s.away and s.stop < 2:
        s.judge_weld = 0
        s.want.emergency = 0
        s.want.deadline_ms = s.settings.weld_ms
        s.want.mode = WELD
        s.go(WELDED, s.out.mask, now)
    else:
        s.judge_weld = 0
        s.go(BLEEDING, s.out.mask, now)


def weld(s, now, reached):
    late = (now - s.since) & TICKS_MASK >= s.settings.weld_ms + s.settings.csd_ms
    if not reached.fault and not late and not (reached.mode == WELD and reached.done):
        return
    if reached.fault:
        s.faults.set(reached.fault, 0, now)
        s.reason = s.car[C_STOP_REASON] = reached.fault
    s.want.mode = OFF
    s.go(BLEEDING, s.out.mask, now)


def bleeding(s, now, reached):
    if not s.is_off(reached):
        return
    if s.out.mask & CEM and (now - s.since) & TICKS_MASK < s.settings.cem_ms:
        return
    s.want.emergency = 0
    if s.judge_weld:
        return _weld_or_bleed(s, now)
    s.want.aux = 0
    s.transport.close()
    s.go(UNLOCKING, 0, now)


def unlocking(s, now, reached):
    if (now - s.since) & TICKS_MASK >= s.settings.aux_off_ms and s.is_off(reached):
        s.want.lock = 0
        s.go(ENDED, 0, now)
        if s.reason and severity[s.reason] >= STOP:
            s.car[C_PHASE] = PH_FAULT


def ended(s, now, reached):
    if not s.sense[S_PLUGGED]:
        s.forget()
        s.go(IDLE, 0, now)
    elif s.begin and not s.stop:
        s.forget()
        s.car[C_STOP_REASON] = 0
        s.go(PLUGGED, 0, now)
