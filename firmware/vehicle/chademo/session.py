# A session by CHAdeMO, the charger's side, with V2X. State and steps; what is done in each state stands in starting.py,
# running.py and ending.py, the ways out in stops.py, what the charger says in telling.py.
from array import array

from micropython import const

from firmware.contract import NEITHER, OFF, Want
from firmware.station import (
    C_CAN_DISCHARGE,
    C_PAUSED,
    C_PHASE,
    C_PROFILE,
    C_PROTOCOL,
    C_SESSION,
    C_STOP_REASON,
    PH_IDLE,
    PROTO_CHADEMO,
    S_LOCKED,
    S_PERMISSION,
    S_PLUGGED,
    C_AGE_ms,
    C_CHARGE_dA,
    C_DISCHARGE_dA,
)
from firmware.units import TICKS_MASK, UNKNOWN
from firmware.vehicle.chademo import ending, running, starting, stops, telling
from firmware.vehicle.chademo.frames import DECODE, ENABLED, IDS, LENGTH, MESSAGES, STOPPED, V102, Told
from firmware.vehicle.chademo.outbox import Outbox
from firmware.vehicle.chademo.settings import SILENT_ms, UNSTEADY_ms
from firmware.vehicle.chademo.states import BLEEDING, ENERGY, HELLO, INSULATION, LOCKING, PHASES

_OLD_ms = const(0x0FFFFFFF)  # an age stays here: it never wraps back to fresh
_NEVER = const(-1)
_CHECK_ms = const(50)
_HALF = const(0x20000000)

_STEPS = (
    starting.idle, starting.plugged, starting.hello, starting.offer, starting.accept, starting.locking,
    starting.insulation, starting.discharged, starting.closing, starting.precharge, running.energy, ending.stopping,
    ending.opening, ending.weld, ending.release, ending.bleeding, ending.unlocking, ending.ended,
)  # fmt: skip


class Session:
    protocol = PROTO_CHADEMO
    LISTENS = ((0x100, 0x7FC, 0), (0x110, 0x7FF, 0), (0x200, 0x7FC, 0), (0x700, 0x7FF, 0))  # what it reads

    def __init__(self, station, faults, settings):
        self.want = Want()
        self.settings = settings
        self.faults = faults
        self.car = station.car.now
        self.sense = station.sense.now
        self.converter = station.converter.now
        self.power = station.power.now
        self.told = Told()
        self.out = Outbox()
        self.poll = self.out.poll  # control asks the outbox itself: a call less for each frame
        self.sent = self.out.sent
        self.at = array("i", [0] * MESSAGES)  # when each message came last
        self._heard_at = 0
        self.state = 0
        self.since = 0  # when this state began
        self.stop = 0  # as asked of this tick
        self.asked = NEITHER
        self.begin = 0  # a person asked to start
        self.session = 0
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
        car[C_PROTOCOL] = PROTO_CHADEMO
        car[C_PROFILE] = 0
        self.told.__init__()
        self.seen = 0  # bits of what has come since a state last cleared them
        self.news = 0  # the same since the running session looked
        self.heard = 0
        self.reason = 0
        self.away = 0  # the plug was pulled in mid-session
        self.judge_weld = 0  # contactors were closed: check them at the end
        self.profile = 0
        self.number = 0  # effective protocol number
        self.k = 0  # line k, off only when it stays off
        self.k_at = 0
        self.status = STOPPED  # 109.5
        self.minutes = UNKNOWN  # 109.6-7
        self.discharge_min = 0  # 209.1-2
        self.compatible = 0  # 109.4
        self.offered_at = 0  # the first 108
        self.offered = 0  # 1: discharge was offered completely, by both
        self.most_dV = self.most_dA = self.least_dV = 0  # our own limits, as told
        self.own_dA = 0
        self.room_dA = 0  # what may be ordered until the next look: the slope
        self.threshold_dV = 0  # 108.4-5
        self.target_dV = 0  # frozen at d2
        self.flowed = 0
        self.check_at = self.pace_at = self.minute_at = self.taken_at = 0
        self.awake_at = 0
        self.due = 0  # 1: a charge that keeps the car (running.py)
        self.apart_at = 0  # since when k and 102.5.0 differ
        self.apart = 0

    def restart(self):
        # A person asks for a session: begins one that waits (autostart off) or that has ended.
        self.begin = 1

    # --- in ---
    def receive(self, can_id, ext, data, now):
        message = _NEVER if ext else IDS.get(can_id, _NEVER)
        if message < 0 or len(data) < LENGTH:
            return
        DECODE[message](self.told, data)
        self.at[message] = self._heard_at = now
        bit = 1 << message
        self.seen |= bit
        self.news |= bit
        self.heard = 1

    # --- the tick ---
    def step(self, now, reached, direction_asked, stop):
        # Most ticks of a running session bring nothing new; they end after this look.
        if (
            self.state != ENERGY
            or self.news
            or direction_asked != self.asked
            or stop
            or reached.fault
            or not self.sense[S_PERMISSION]
            or not self.sense[S_PLUGGED]
            or not self.sense[S_LOCKED]
            or (now - self.check_at) & TICKS_MASK < _HALF
        ):
            self.asked = direction_asked
            self.stop = stop
            self._step(now, reached, stop)
            self.check_at = (now + _CHECK_ms) & TICKS_MASK
        slot = self.out.step(now)
        if slot >= 0:
            telling.tell(self, slot)

    def _step(self, now, reached, stop):
        self._wires(now)
        state = self.state
        if HELLO <= state <= BLEEDING:
            if not self.sense[S_PLUGGED] and not self.away:
                stops.pulled(self, now)
            elif stop:
                stops.asked(self, now, stop)
            elif LOCKING <= state <= ENERGY and stops.car_stops(self, now):
                pass
            elif INSULATION <= state <= ENERGY and self.sense[S_LOCKED] == 0:
                stops.unlocked(self, now)
        _STEPS[self.state](self, now, reached)
        if self.heard:
            age = (now - self._heard_at) & TICKS_MASK
            if age > _OLD_ms:
                self._heard_at = (now - _OLD_ms) & TICKS_MASK
            self.car[C_AGE_ms] = age

    def _wires(self, now):
        # Line k: on at once, off when it stays off.
        if self.sense[S_PERMISSION] == 1:
            self.k = 1
            self.k_at = now
        elif self.k and (now - self.k_at) & TICKS_MASK >= UNSTEADY_ms:
            self.k = 0

    # --- for the states ---
    def go(self, state, now):
        self.state = state
        self.since = now
        self.car[C_PHASE] = PHASES[state]

    def lacks(self, message):
        return not self.seen >> message & 1

    def permitted(self):
        # Both ways of saying it.
        return self.k and self.told.status & ENABLED

    def silent(self, now):
        return (now - self.at[V102]) & TICKS_MASK >= SILENT_ms

    def late(self, now, limit_ms):
        return (now - self.since) & TICKS_MASK >= limit_ms

    def is_off(self, reached):
        return self.want.mode == OFF and reached.mode == OFF and reached.done
