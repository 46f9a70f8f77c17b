# The power path, step by step: what the session wants becomes an order to the converter and a proposal for the relays.
# One file a step: begin(now), step(now, want). Whatever does not fit goes through OFF. What the steps share is here.
from micropython import const

from firmware.contract import MATCH, OFF, RUN, WELD, Order, Reached
from firmware.faults import EMERGENCY, severity
from firmware.signals import OUT_ENABLE
from firmware.stage.match import Match
from firmware.stage.off import Off
from firmware.stage.run import Run
from firmware.stage.weld import Weld
from firmware.station import S_CONTACTOR, P_TARGET_dA, S_CURRENT_dA, S_INLET_dV, S_LINK_dV
from firmware.units import TICKS_MASK

_LONGEST_ms = const(100)  # a ramp never jumps further than this after a stall of the tick


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
        self._begun = 0  # the step at work
        self._off = Off(self, config)
        # By contract mode.
        self._steps = (self._off, self._insulate(station, config), Match(self), Run(self, config), Weld(self))

    def _insulate(self, station, config):
        # With a monitor the test is one of the resistance; without, of the link alone. One of the two is loaded.
        if config["insulation_monitor"] == "none":
            from firmware.stage.insulate import Insulate

            return Insulate(self)
        from firmware.stage.measure import Measure

        return Measure(self, station, config["insulation_min_kohm"])

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
            if reached.done or mode == WELD and self._off.opened():
                self._begin(mode, now)

    def _begin(self, mode, now):
        self.reached.mode = mode
        self.reached.done = 0
        self._begun = now
        self._steps[mode].begin(now)

    def _at_once(self, now):
        if self.reached.mode != OFF:
            self._begin(OFF, now)
        self._off.at_once(now)

    # --- for the steps ---
    def dt_ms(self, now):
        # Since the last tick, for ramps.
        return min((now - self._last) & TICKS_MASK, _LONGEST_ms)

    def overdue(self, now, want, own_ms):
        # Is the time of the step at work over? The protocol may leave it less than its own.
        if 0 < want.deadline_ms < own_ms:
            own_ms = want.deadline_ms
        return (now - self._begun) & TICKS_MASK >= own_ms

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
