"""Around the power rooms: a board, settings, modules that answer, and a link with capacitance. Whole numbers only."""

from array import array

from firmware.contract import CHARGE, Want
from firmware.faults import Active
from firmware.limits import Limits
from firmware.signals import OUT_BLEED, OUT_CONTACTOR, OUT_ENABLE
from firmware.stage import Stage
from firmware.station import (
    C_CAN_DISCHARGE,
    C_GATE_DISCHARGE_OK,
    C_GATE_WHY,
    C_PAUSED,
    C_PHASE,
    PH_CHARGE,
    R_NONE,
    S_CONTACTOR,
    S_PLUGGED,
    V_MODE,
    V_ON,
    V_POWER_AC_W,
    V_RATED_W,
    V_READY,
    V_STATUS,
    C_CHARGE_dA,
    C_DISCHARGE_dA,
    C_SOC_permille,
    C_VOLTAGE_MIN_dV,
    S_AGE_ms,
    S_CURRENT_dA,
    S_INLET_dV,
    S_LINK_dV,
    S_TEMP1_dC,
    S_TEMP2_dC,
    Station,
    V_AGE_ms,
    V_MAX_dA,
    V_MAX_dV,
    V_VOLTAGE_dV,
)
from firmware.units import TICKS_MASK, UNKNOWN
from firmware.wishes import Wishes


class Board:
    RATED_dV = 7500
    RATED_dA = 600
    RATED_W = 22000


CONFIG = {
    "charge_max_W": 22000,
    "discharge_max_W": 22000,
    "grid_ramp_W_s": 20000,
    "efficiency_permille": 950,
    "modules": 1,
    "temperature_derate_dC": 700,
    "temperature_stop_dC": 900,
    "converter_reaction_ms": 100,
    "ceiling_permille": 1000,
    "insulation_monitor": "none",
    "insulation_min_kohm": 100,
}


def config(**changes):
    table = dict(CONFIG)
    table.update(changes)
    return table


def ready_car(station, pack_dV=3800):
    """A car in session that takes and gives 50 A, and all sensors well."""
    car, sense, converter = station.car.now, station.sense.now, station.converter.now
    car[C_PHASE] = PH_CHARGE
    car[C_SOC_permille] = 600
    car[C_CHARGE_dA] = car[C_DISCHARGE_dA] = 500
    car[C_CAN_DISCHARGE] = car[C_GATE_DISCHARGE_OK] = 1
    car[C_GATE_WHY] = R_NONE
    car[C_PAUSED] = 0
    car[C_VOLTAGE_MIN_dV] = 3200
    sense[S_AGE_ms] = 0
    sense[S_LINK_dV] = sense[S_INLET_dV] = pack_dV
    sense[S_CURRENT_dA] = 0
    sense[S_TEMP1_dC] = sense[S_TEMP2_dC] = 250
    sense[S_CONTACTOR] = sense[S_PLUGGED] = 1
    converter[V_READY] = 1
    converter[V_MAX_dV] = 10000
    converter[V_MAX_dA] = 733
    converter[V_RATED_W] = 22000
    converter[V_STATUS] = 0
    converter[V_AGE_ms] = 0


class Power:
    """Stage and limits before a converter and a battery that behave; `faulty` names what does not."""

    def __init__(self, start_ms=0, **changes):
        self.station = Station()
        self.wishes = Wishes()
        self.faults = Active(self.station.events)
        settings = config(**changes)
        self.limits = Limits(self.station, self.wishes, Board, settings)
        self.stage = Stage(self.station, self.faults, Board, settings)
        self.want = Want()
        self.now = start_ms
        self.limited = True  # run Limits before the stage
        self.faulty = set()
        self.pack_dV = UNKNOWN  # behind the car's contactors; UNKNOWN: they are open
        self.link_dV = self.inlet_dV = 0
        self.current_dA = 0
        self.on = 0
        self.mode = CHARGE
        self.closed = 0
        self._on_in = self._close_in = 0
        self.efficiency_permille = 950
        self.relays = []  # what was proposed, each tick
        ready_car(self.station, 0)
        self._sense()

    def tick(self, count=1):
        for _ in range(count):
            self.now = (self.now + 10) & TICKS_MASK
            self._physics()
            self._sense()
            if self.limited:
                self.limits.step(self.now, self.want, self.stage.reached, self.faults.severity)
            self.stage.step(self.now, self.want)

    def until(self, done, ticks=3000):
        for count in range(ticks):
            if done():
                return count
            self.tick()
        raise AssertionError("it never happened")

    # --- what is there ---
    def _physics(self):
        order, relays = self.stage.order, self.stage.relays
        self._switch(order, relays)
        self._contact(1 if relays & OUT_CONTACTOR else 0)
        charging = self.on and self.mode == CHARGE and relays & OUT_ENABLE
        taking = self.on and self.mode != CHARGE and relays & OUT_ENABLE
        self.current_dA = 0
        if self.closed and self.pack_dV != UNKNOWN:
            if charging and order.voltage_dV > self.pack_dV:
                self.current_dA = order.current_dA
            elif taking and order.cutoff_dV < self.pack_dV:
                self.current_dA = -order.current_dA
            self.link_dV = self.inlet_dV = self.pack_dV + self.current_dA // 50
        else:
            if charging and "link stays down" not in self.faulty:
                self.link_dV = min(order.voltage_dV, self.link_dV + order.current_dA * 20)  # 500 uF: 2 V a A and 1 ms
            if "inlet follows" in self.faulty:
                self.inlet_dV = self.link_dV
            elif self.pack_dV != UNKNOWN:
                self.inlet_dV = self.pack_dV
        if relays & OUT_BLEED and "no bleed" not in self.faulty:
            self.link_dV -= self.link_dV // 50
            if self.pack_dV == UNKNOWN:
                self.inlet_dV -= self.inlet_dV // 5
        if "runs away" in self.faulty:
            self.current_dA = -500

    def _switch(self, order, relays):
        # The driver and the modules: on or off with the right mode some ticks after the order.
        if order.now or (not order.on and "never off" not in self.faulty):
            self.on = 0
            self._on_in = 8
        elif order.on and "never on" not in self.faulty:
            self._on_in -= 1
            if self._on_in <= 0:
                self.on = 1
                if "wrong mode" not in self.faulty:
                    self.mode = order.mode

    def _contact(self, told):
        if told == self.closed or "contact sticks" in self.faulty:
            self._close_in = 3
            return
        self._close_in -= 1
        if self._close_in <= 0:
            self.closed = told

    def _sense(self):
        sense, converter, order = self.station.sense.now, self.station.converter.now, self.stage.order
        sense[S_LINK_dV] = self.link_dV
        sense[S_INLET_dV] = self.inlet_dV
        sense[S_CURRENT_dA] = self.current_dA
        sense[S_CONTACTOR] = self.closed
        converter[V_ON] = self.on
        converter[V_MODE] = self.mode if self.on and self.mode == order.mode else UNKNOWN
        converter[V_VOLTAGE_dV] = self.link_dV + (300 if "converter reads wrong" in self.faulty else 0)
        dc_W = self.link_dV * self.current_dA // 100
        if self.current_dA >= 0:
            converter[V_POWER_AC_W] = dc_W * 1000 // self.efficiency_permille
        else:
            converter[V_POWER_AC_W] = dc_W * self.efficiency_permille // 1000

    # --- the way to power ---
    def to_run(self, direction=CHARGE, pack_dV=3800):
        """Through MATCH into RUN, the car's contactors closed and the direction confirmed."""
        want = self.want
        self.until(lambda: self.stage.reached.done)
        self.pack_dV = pack_dV
        want.mode, want.voltage_dV, want.deadline_ms = 2, pack_dV, 20000
        self.until(lambda: self.stage.reached.mode == 2 and self.stage.reached.done)
        want.mode, want.direction = 3, direction
        want.voltage_dV, want.voltage_min_dV = 4100, 3200
        want.charge_dA = want.discharge_dA = 500
        self.tick()
        return self

    def order_W(self, power_W):
        self.wishes.post_power(1, self.now & 0xFFFF, power_W, self.now, 3600000)
        self.wishes.take(self.now)
        power = self.station.power.now
        power[0], power[1], power[2] = 1, self.now & 0xFFFF, power_W  # as the arbiter writes it
        power[13] = self.now & 0xFFFF


def raw_inputs():
    """A quiet board, as the bench board's scale codes it: nothing plugged in."""
    return array("i", [1000, 1000, 32768, 6000, 750, 750, 0, 0, 0, 0, 0])
