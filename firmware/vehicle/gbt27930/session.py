# A session by GB/T 27930-2015, the charger's side, with the V1.12 trial as an option. State and steps; what is done in
# each state stands in handshake.py, energy.py and stops.py.
from array import array

from micropython import const

from firmware.contract import CHARGE, NEITHER, OFF, Want
from firmware.station import (
    C_CAN_DISCHARGE,
    C_PAUSED,
    C_PHASE,
    C_PROTOCOL,
    C_SESSION,
    C_STOP_REASON,
    PH_BLEED,
    PH_CHARGE,
    PH_CONFIGURE,
    PH_ENDED,
    PH_HANDSHAKE,
    PH_IDENTIFY,
    PH_IDLE,
    PH_INSULATION,
    PH_PLUGGED,
    PH_PRECHARGE,
    PH_RETRY,
    PH_STATISTICS,
    PH_STOPPING,
    PH_WELD_CHECK,
    PROTO_GBT27930_2015,
    S_LOCKED,
    S_PLUGGED,
    C_AGE_ms,
    C_CHARGE_dA,
    C_DISCHARGE_dA,
)
from firmware.units import TICKS_MASK, UNKNOWN
from firmware.vehicle.gbt27930 import energy, handshake, stops
from firmware.vehicle.gbt27930.frames import IDS, LENGTHS, MESSAGES, TP_DT, Told, crm, decode
from firmware.vehicle.gbt27930.settings import CHARGER_NUMBER
from firmware.vehicle.gbt27930.states import BLEEDING, ENERGY, IDENTIFY, LOCKING
from firmware.vehicle.gbt27930.wire import CRM, O_CRM, Outbox, Receiver

_OLD_ms = const(0x0FFFFFFF)  # an age stays here: it never wraps back to fresh
_NEVER = const(-1)
_LOUD = const(1 << 7 | 1 << 9)  # BST and BEM: looked at in every state of the conversation
_STIRS = const(1 << 0 | 1 << 1 | 1 << 2 | 1 << 7 | 1 << 9 | 1 << 11)  # BCL BCS BSM BST BEM BCSP: wake a running session
_HALF = const(0x20000000)

# The phase that each state shows to the house.
_PHASES = bytes(
    (PH_IDLE, PH_PLUGGED, PH_PLUGGED, PH_HANDSHAKE, PH_HANDSHAKE, PH_INSULATION, PH_INSULATION, PH_IDENTIFY,
     PH_IDENTIFY, PH_CONFIGURE, PH_PRECHARGE, PH_PRECHARGE, PH_CHARGE, PH_RETRY, PH_STOPPING, PH_STATISTICS,
     PH_WELD_CHECK, PH_BLEED, PH_BLEED, PH_ENDED)
)  # fmt: skip

_STEPS = (
    handshake.idle, handshake.plugged, handshake.locking, handshake.propose, handshake.hello, handshake.insulation,
    handshake.discharged, handshake.identify, handshake.accept, handshake.configure, handshake.precharge,
    handshake.closed, energy.energy, stops.retry, stops.stopping, stops.statistics, stops.weld, stops.bleeding,
    stops.unlocking, stops.ended,
)  # fmt: skip


class Session:
    LISTENS = ((0x000056F4, 0x0000FFFF, 2),)  # what it reads: whatever F4, the BMS, says to 56, us

    def __init__(self, station, faults, settings):
        self.want = Want()
        self.settings = settings
        self.faults = faults
        self.car = station.car.now
        self.sense = station.sense.now
        self.converter = station.converter.now
        self.told = Told()
        self.transport = Receiver(settings.tp_packets)
        self.out = Outbox(self.transport, settings)
        self.poll = self.out.poll  # control asks the outbox itself: a call less for each frame
        self.sent = self.out.sent
        self.seen = 0  # bits of what has come since a state last cleared them
        self.at = array("i", [0] * MESSAGES)  # when it came
        self._heard_at = 0
        self.state = 0
        self.since = 0  # when this state began
        self.waited_ms = 0  # in it, for its step
        self.stop = 0  # as asked of this tick
        self.asked = NEITHER
        self.begin = 0  # a person asked to start
        self.car[C_SESSION] = 0
        self.car[C_PHASE] = PH_IDLE
        self.car[C_STOP_REASON] = 0
        self.forget()

    def forget(self):
        # A new session: nothing that the last car told is left.
        car = self.car
        for slot in range(C_SESSION):
            if slot != C_PHASE and slot != C_STOP_REASON:
                car[slot] = UNKNOWN
        car[C_PAUSED] = car[C_CAN_DISCHARGE] = car[C_CHARGE_dA] = car[C_DISCHARGE_dA] = 0
        car[C_PROTOCOL] = PROTO_GBT27930_2015
        self.told.forget(UNKNOWN, UNKNOWN)
        self.transport.close()
        self.heard = 0
        self.seen = 0
        self.away = 0  # the plug was pulled in mid-session
        self.tries = 0
        self.judge_weld = 0  # contactors were closed: check them at the end
        self.v112 = 0  # 1: BDC answered our CDC
        self.offered = 0  # 1: BCPP too, and cycles left
        self.minutes = 0
        self.minute_at = self.told_at = 0
        self.charged_Wh = 0
        self.carry_mJ = 0
        self.fresh()

    def fresh(self):
        # A new identification.
        self.told.forget(self.told.hello_dV, self.told.cycles_left)
        self.transport.cell_low_cV = UNKNOWN
        self.offered = 0
        self.direction = CHARGE  # what the car was told (CCD)
        self.permission = UNKNOWN  # BSM, trusted values only
        self.unsteady = 0  # 1: the running session must be looked at in every tick
        self.check_at = 0  # ... or else at this moment, whatever comes
        self.waits = 0  # since waits_at: for a permission, a turn, a BCPP
        self.waits_at = 0
        self.held = 0  # discharge is not tried again before again_ms
        self.held_at = 0
        self.apart = 0  # reports of another voltage than the inlet's, in a row

    def restart(self):
        # A person asks for a session: begins one that waits (autostart off) or that has ended.
        self.begin = 1

    # --- in ---
    def receive(self, can_id, ext, data, now):
        message = IDS.get(can_id, _NEVER) if ext else _NEVER
        if message < 0 or len(data) < LENGTHS[message]:
            return
        if message < MESSAGES:
            decode(message, self.told, data)
        elif message == TP_DT:
            message = self.transport.packet(data, now)
            if message < 0:
                return
            decode(message, self.told, self.transport.data)
        else:
            if LOCKING <= self.state <= BLEEDING:
                self.transport.control(data, now)
            return
        self.at[message] = now
        self.seen |= 1 << message
        self._heard_at = now
        self.heard = 1

    # --- the tick ---
    def step(self, now, reached, direction_asked, stop):
        # Most ticks of a running session bring nothing new; they end after this look.
        if (
            self.state != ENERGY
            or self.seen & _STIRS
            or direction_asked != self.asked
            or self.unsteady
            or stop
            or reached.fault
            or not self.sense[S_PLUGGED]
            or not self.sense[S_LOCKED]
            or (now - self.check_at) & TICKS_MASK < _HALF
        ):
            self.asked = direction_asked
            self.stop = stop
            self._step(now, reached, stop)
        out = self.out
        if (now - out.wake) & TICKS_MASK < _HALF or self.transport.due:
            out.step(now)
            if out.ccs_due:
                energy.tell(self, now)

    def _step(self, now, reached, stop):
        if self.transport.open:
            self.transport.step(now)
        state = self.state
        if LOCKING <= state <= BLEEDING:
            if not self.sense[S_PLUGGED] and not self.away:
                stops.pulled(self, now)
            elif stop:
                stops.asked(self, now, stop)
            elif IDENTIFY <= state <= ENERGY:
                if self.seen & _LOUD:
                    stops.loud(self, now)
                elif self.sense[S_LOCKED] == 0:
                    stops.unlocked(self, now)
        self.waited_ms = (now - self.since) & TICKS_MASK
        _STEPS[self.state](self, now, reached)
        if self.heard:
            self.car[C_AGE_ms] = age_ms = (now - self._heard_at) & TICKS_MASK
            if age_ms > _OLD_ms:
                self._heard_at = (now - _OLD_ms) & TICKS_MASK

    # --- for the states ---
    def go(self, state, mask, now):
        self.state = state
        self.since = now
        self.out.only(mask, now)
        self.car[C_PHASE] = _PHASES[state]

    def identification(self, now):
        self.fresh()
        self.seen = 0
        self.transport.close()
        self.crm(0)
        self.go(IDENTIFY, CRM, now)

    def crm(self, result):
        crm(self.out.frames[O_CRM].data, result, CHARGER_NUMBER)

    def lacks(self, message):
        return not self.seen >> message & 1

    def is_off(self, reached):
        return self.want.mode == OFF and reached.mode == OFF and reached.done
