# The power path, step by step: what the session wants becomes an order to the converter and a proposal for the relays.
# The other steps are a file each: begin(now), step(now, want). Whatever does not fit goes through OFF, which is here:
# ramp to zero, converter OFF, contactors open without load, bleed. At once when something is wrong: then the gate keeps
# the relay until the current is down, 90 ms at the longest (DESIGN rule 2).
from micropython import const

from firmware.contract import MATCH, OFF, RUN, WELD, Order, Reached
from firmware.faults import (
    EMERGENCY,
    F_BLEED,
    F_CAR_CONTACTOR_WELDED,
    F_CONTACTOR_FEEDBACK,
    F_CONTACTOR_WELDED,
    F_CONVERTER_OFF,
    severity,
)
from firmware.signals import OUT_BLEED, OUT_CONTACTOR, OUT_ENABLE
from firmware.stage.prepare import Prepare, SAFE_dV
from firmware.stage.run import Run
from firmware.station import S_CONTACTOR, V_ON, P_TARGET_dA, S_CURRENT_dA, S_INLET_dV, S_LINK_dV
from firmware.units import TICKS_MASK, UNKNOWN

_LONGEST_ms = const(100)  # a ramp never jumps further than this after a stall of the tick
# The states of OFF.
_RAMP = const(0)
_WAIT = const(1)
_OPEN = const(2)
_BLEED = const(3)
_REST = const(4)
_NO_LOAD_dA = const(50)  # GB/T 18487.1-2015 B.3.7: contacts open at 5 A or less
_SLOPE_dA_s = const(1000)  # GB/T 27930-2015: at least 100 A/s; half as much again is ordered
_UNCONFIRMED_ms = const(300)  # no current, but no OFF reported either: open all the same
_OFF_ms = const(1500)  # beyond the converter's own reaction
_OPEN_ms = const(300)  # relay 30 ms, the gate's sequence 90 ms
_EMPTY_dV = const(50)  # well below what an insulation test asks for (10 V)
_BLEED_ms = const(15000)  # a car that was not told opens its own contactors only after its time-outs
_AGAIN_ms = const(8191)  # after a failure the resistor is used one second in eight: it may hang on a battery


class Stage:
    def __init__(self, station, faults, board, config):
        self.sense = station.sense.now
        self.converter = station.converter.now
        self.car = station.car.now
        self.power = station.power.now
        self.faults = faults
        self.board = board
        self.order = Order()
        self.reached = Reached()
        self.relays = 0
        self._last = 0
        self._state = _BLEED  # after a reset: contactors are open, the link may hold a charge
        self._since = UNKNOWN  # the first step's time
        self._told = 0
        self._left = 0  # of the ramp, in dA ms
        self._off_ms = _OFF_ms + 2 * config["converter_reaction_ms"]
        prepare = Prepare(self)
        self._steps = (prepare, prepare, prepare, Run(self, config), prepare)  # by contract mode, but OFF

    def step(self, now, want):
        sense, reached, order = self.sense, self.reached, self.order
        reached.open = 1 if sense[S_CONTACTOR] == 0 else 0
        reached.idle = 1 if -10 < sense[S_CURRENT_dA] < 10 else 0
        if want.emergency or self.faults.severity >= EMERGENCY:
            self._at_once(now)
        elif want.mode != reached.mode:
            self._change(now, want)
        elif reached.fault and reached.done and want.mode == OFF:
            reached.fault = 0
        if reached.mode == OFF:
            self._off(now, want)
        else:
            self._steps[reached.mode].step(now, want)
        self._last = now
        self.power[P_TARGET_dA] = order.current_dA * order.mode if order.on else 0

    def _change(self, now, want):
        reached = self.reached
        mode = want.mode
        if reached.mode == MATCH and mode == RUN and reached.done:
            self._begin(RUN, now)
        elif reached.mode != OFF:
            self._begin(OFF, now)
        elif not reached.fault and mode != RUN:
            if reached.done or mode == WELD and self._state >= _BLEED and reached.open:
                self._begin(mode, now)

    def _begin(self, mode, now):
        reached = self.reached
        reached.mode = mode
        reached.done = 0
        if mode != OFF:
            self._steps[mode].begin(now)
            return
        self._since = now
        self._told = self._left = 0
        self.relays &= ~OUT_BLEED
        self._state = _RAMP
        # With the contactors open, or no current ordered, nothing has to be ramped.
        if not (self.relays & OUT_CONTACTOR and self.order.current_dA):
            self.release()
            self._state = _WAIT

    # --- for the steps ---
    def dt_ms(self, now):
        # Since the last tick, for ramps.
        return min((now - self._last) & TICKS_MASK, _LONGEST_ms)

    def below(self, most_dV):
        # Are both sides of the contactors? What is UNKNOWN is not.
        return -most_dV < self.sense[S_LINK_dV] < most_dV and -most_dV < self.sense[S_INLET_dV] < most_dV

    def fail(self, code, data, now):
        # The step could not be done: the power path goes to OFF in this tick, the session learns why.
        self.faults.set(code, data, now)
        self._begin(OFF, now)
        self.reached.fault = code
        if severity[code] >= EMERGENCY:
            self._at_once(now)

    def command(self, mode, voltage_dV, current_dA):
        order = self.order
        order.mode = mode
        order.voltage_dV = voltage_dV
        order.current_dA = current_dA
        order.on = 1
        self.relays |= OUT_ENABLE

    def release(self):
        # Zero and OFF to the converter.
        self.order.on = self.order.current_dA = 0

    # --- OFF ---
    def _at_once(self, now):
        # Called every tick of an emergency. Zero and OFF leave in this tick, before anything else.
        if self.reached.mode != OFF:
            self._begin(OFF, now)
        self.release()
        self.relays &= ~(OUT_CONTACTOR | OUT_ENABLE)
        if self._state < _OPEN:
            self._go(_OPEN, now)
        self.order.now = 1 if self._state == _OPEN else 0

    def _off(self, now, want):
        state = self._state
        if state == _REST:
            self._rest(now)
        elif state == _BLEED:
            self._bleed(now)
        elif state == _RAMP:
            self._ramp(now, want)
        elif state == _WAIT:
            self._wait(now)
        elif self.reached.open:
            self._opened(now)
        elif (now - self._since) & TICKS_MASK >= _OPEN_ms:
            self._fault(F_CONTACTOR_FEEDBACK, now)
            self._opened(now)

    def _go(self, state, now):
        self._state = state
        self._since = now

    def _opened(self, now):
        self.relays &= ~OUT_ENABLE
        self._go(_BLEED, now)

    def _ramp(self, now, want):
        order = self.order
        if want.stop_dA_s > 0 and order.on:
            self._left += max(want.stop_dA_s, _SLOPE_dA_s) * 3 // 2 * self.dt_ms(now)
            order.current_dA = max(0, order.current_dA - self._left // 1000)
            self._left %= 1000
        else:
            order.current_dA = 0
        if order.current_dA == 0:
            order.on = 0
            self._go(_WAIT, now)

    def _wait(self, now):
        # Converter OFF is on its way; the contactors open when the board's own sensor sees no load.
        waited_ms = (now - self._since) & TICKS_MASK
        if -_NO_LOAD_dA <= self.sense[S_CURRENT_dA] <= _NO_LOAD_dA:
            if self.converter[V_ON] == 0 or waited_ms >= _UNCONFIRMED_ms or not self.relays & OUT_CONTACTOR:
                self.relays &= ~OUT_CONTACTOR
                self._go(_OPEN, now)
        elif waited_ms >= self._off_ms:
            self._fault(F_CONVERTER_OFF, now)
            self._at_once(now)

    def _bleed(self, now):
        link_dV, inlet_dV = self.sense[S_LINK_dV], self.sense[S_INLET_dV]
        reached = self.reached
        if reached.open and self.below(SAFE_dV):
            reached.done = 1
        if reached.done and link_dV < _EMPTY_dV and (inlet_dV < _EMPTY_dV or inlet_dV >= SAFE_dV):
            self.relays &= ~OUT_BLEED
            self._go(_REST, now)
            return
        if self._since == UNKNOWN:
            self._since = now
        # Never onto a closed contactor: a battery may hang behind it.
        if reached.open and (not self._told or now & _AGAIN_ms < 1000):
            self.relays |= OUT_BLEED
        else:
            self.relays &= ~OUT_BLEED
        if not self._told and (now - self._since) & TICKS_MASK >= _BLEED_ms:
            self._blame(link_dV, inlet_dV, now)

    def _blame(self, link_dV, inlet_dV, now):
        if self.reached.done:
            self._told = 1  # below 60 V but not empty: good enough
        elif not self.reached.open:
            self._fault(F_CONTACTOR_WELDED, now)
        elif 0 <= link_dV < SAFE_dV <= inlet_dV:
            self._fault(F_CAR_CONTACTOR_WELDED, now)
        else:
            self._fault(F_BLEED, now)

    def _rest(self, now):
        # The inlet may come back to life: a car closes its contactors before it says ready. It is not ours to bleed.
        reached = self.reached
        reached.done = reached.open
        if not reached.open or self.sense[S_LINK_dV] >= SAFE_dV:
            reached.done = self._told = 0
            self._go(_BLEED, now)

    def _fault(self, code, now):
        self._told = 1
        self.faults.set(code, 0, now)
        if self.reached.fault == 0:
            self.reached.fault = code
