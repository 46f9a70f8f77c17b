# OFF: ramp to zero, converter OFF, contactors open without load, bleed. At once when something is wrong: then the gate
# keeps the relay until the current is down, 90 ms at the longest (house rule 2).
from micropython import const

from firmware.faults import F_BLEED, F_CAR_CONTACTOR_WELDED, F_CONTACTOR_FEEDBACK, F_CONTACTOR_WELDED, F_CONVERTER_OFF
from firmware.signals import OUT_BLEED, OUT_CONTACTOR, OUT_ENABLE
from firmware.station import V_ON, S_CURRENT_dA, S_INLET_dV, S_LINK_dV
from firmware.units import TICKS_MASK, UNKNOWN

SAFE_dV = const(600)  # GB/T 18487.1-2015: 60 V
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


class Off:
    def __init__(self, stage, config):
        self._stage = stage
        self._state = _BLEED  # after a reset: contactors are open, the link may hold a charge
        self._since = UNKNOWN  # the first step's time
        self._told = 0
        self._left = 0  # of the ramp, in dA ms
        self._off_ms = _OFF_ms + 2 * config["converter_reaction_ms"]

    def begin(self, now):
        stage = self._stage
        self._since = now
        self._told = self._left = 0
        stage.relays &= ~OUT_BLEED
        self._state = _RAMP
        # With the contactors open, or no current ordered, nothing has to be ramped.
        if not (stage.relays & OUT_CONTACTOR and stage.order.current_dA):
            stage.release()
            self._state = _WAIT

    def opened(self):
        # Its own opening is done, the contactors are fed back open.
        return self._state >= _BLEED and self._stage.reached.open

    def at_once(self, now):
        # Called every tick of an emergency. Zero and OFF leave in this tick, before anything else.
        stage = self._stage
        stage.release()
        stage.relays &= ~(OUT_CONTACTOR | OUT_ENABLE)
        if self._state < _OPEN:
            self._go(_OPEN, now)
        stage.order.now = 1 if self._state == _OPEN else 0

    def step(self, now, want):
        state = self._state
        if state == _REST:
            self._rest(now)
        elif state == _BLEED:
            self._bleed(now)
        elif state == _RAMP:
            self._ramp(now, want)
        elif state == _WAIT:
            self._wait(now)
        elif self._stage.reached.open:
            self._opened(now)
        elif (now - self._since) & TICKS_MASK >= _OPEN_ms:
            self._fault(F_CONTACTOR_FEEDBACK, now)
            self._opened(now)

    def _go(self, state, now):
        self._state = state
        self._since = now

    def _opened(self, now):
        self._stage.relays &= ~OUT_ENABLE
        self._go(_BLEED, now)

    def _ramp(self, now, want):
        order = self._stage.order
        if want.stop_dA_s > 0 and order.on:
            self._left += max(want.stop_dA_s, _SLOPE_dA_s) * 3 // 2 * self._stage.dt_ms(now)
            order.current_dA = max(0, order.current_dA - self._left // 1000)
            self._left %= 1000
        else:
            order.current_dA = 0
        if order.current_dA == 0:
            order.on = 0
            self._go(_WAIT, now)

    def _wait(self, now):
        # Converter OFF is on its way; the contactors open when the board's own sensor sees no load.
        stage = self._stage
        waited_ms = (now - self._since) & TICKS_MASK
        if -_NO_LOAD_dA <= stage.sense[S_CURRENT_dA] <= _NO_LOAD_dA:
            if stage.converter[V_ON] == 0 or waited_ms >= _UNCONFIRMED_ms or not stage.relays & OUT_CONTACTOR:
                stage.relays &= ~OUT_CONTACTOR
                self._go(_OPEN, now)
        elif waited_ms >= self._off_ms:
            self._fault(F_CONVERTER_OFF, now)
            self.at_once(now)

    def _bleed(self, now):
        stage = self._stage
        link_dV, inlet_dV = stage.sense[S_LINK_dV], stage.sense[S_INLET_dV]
        reached = stage.reached
        if reached.open and stage.below(SAFE_dV):
            reached.done = 1
        if reached.done and link_dV < _EMPTY_dV and (inlet_dV < _EMPTY_dV or inlet_dV >= SAFE_dV):
            stage.relays &= ~OUT_BLEED
            self._go(_REST, now)
            return
        if self._since == UNKNOWN:
            self._since = now
        # Never onto a closed contactor: a battery may hang behind it.
        if reached.open and (not self._told or now & _AGAIN_ms < 1000):
            stage.relays |= OUT_BLEED
        else:
            stage.relays &= ~OUT_BLEED
        if not self._told and (now - self._since) & TICKS_MASK >= _BLEED_ms:
            self._blame(link_dV, inlet_dV, now)

    def _blame(self, link_dV, inlet_dV, now):
        reached = self._stage.reached
        if reached.done:
            self._told = 1  # below 60 V but not empty: good enough
        elif not reached.open:
            self._fault(F_CONTACTOR_WELDED, now)
        elif 0 <= link_dV < SAFE_dV <= inlet_dV:
            self._fault(F_CAR_CONTACTOR_WELDED, now)
        else:
            self._fault(F_BLEED, now)

    def _rest(self, now):
        # The inlet may come back to life: a car closes its contactors before it says ready. It is not ours to bleed.
        reached = self._stage.reached
        reached.done = reached.open
        if not reached.open or self._stage.sense[S_LINK_dV] >= SAFE_dV:
            reached.done = self._told = 0
            self._go(_BLEED, now)

    def _fault(self, code, now):
        stage = self._stage
        self._told = 1
        stage.faults.set(code, 0, now)
        if stage.reached.fault == 0:
            stage.reached.fault = code
