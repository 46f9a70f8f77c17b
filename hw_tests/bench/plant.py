"""The physics between the grid and the pack: converter, link, contactors K1/K2, cable, car's contactors K5/K6, pack.

One sign: + charges the car. The network is linear between events, so every step is solved exactly: a node of
capacitance C towards its final voltage with C/G. Relays and slopes move at whole milliseconds; a longer step is
divided while anything moves. Energy is booked so that a test can close the balance.
"""

import math
from dataclasses import dataclass, field
from typing import NamedTuple

from hw_tests.bench.pack import Pack, PackParams
from hw_tests.bench.power_stage import CHARGE, PowerStage, StageParams
from hw_tests.bench.relay import Relay
from hw_tests.bench.vehicle_side import VehicleSide

UNDER_LOAD_A = 5.0  # GB/T 18487.1-2015 B.3.7: contacts open at 5 A or less
_SURGE_As = 0.1  # what closing onto a link some volts lower takes is no discharge
_CLOSED, _CAR, _BLEED, _PLUGGED = 1, 2, 4, 8


@dataclass(frozen=True)
class PlantParams:
    """Everything that is a number here. SI units."""

    pack: PackParams = field(default_factory=PackParams)
    stage: StageParams = field(default_factory=StageParams)
    link_F: float = 500e-6  # DC link with the converter's output capacitor
    cable_F: float = 0.1e-6  # the station's cable up to the connector
    inlet_F: float = 1.5e-6  # the car's side of the connector, up to K5/K6
    cable_ohm: float = 0.010
    bleed_ohm: float = 2000.0  # one across the link, one across the inlet, switched together
    link_leak_ohm: float = 100e3  # bleeder inside the converter
    inlet_leak_ohm: float = 1e6  # voltage sensors
    relay_ms: int = 30  # K1/K2, command to contact, both ways
    bleed_relay_ms: int = 10
    car_relay_ms: int = 20  # K5/K6
    charge_efficiency: float = 0.95
    discharge_efficiency: float = 0.95
    standby_W: float = 15.0


class Inrush(NamedTuple):
    """A contact that closed onto a voltage difference."""

    at_ms: int
    contact: str  # "station" K1/K2, "vehicle" K5/K6
    difference_V: float
    peak_A: float
    energy_J: float


class _Factors(NamedTuple):
    decay: float  # of the distance to the final voltage over one step
    mean: float  # mean distance over the step
    leak_S: float
    car_S: float
    total_S: float
    farad: float
    squared_s: float  # integral of the squared exponential


class Plant:
    """Step it with `step(dt_ms)`; everything else is a plain attribute to read."""

    def __init__(self, params: PlantParams = PlantParams(), now_ms: int = 0):
        self.params = params
        self.now_ms = now_ms
        self.pack = Pack(params.pack)
        self.stage = PowerStage(params.stage)
        self.contactor = Relay(params.relay_ms, params.relay_ms)
        self.bleed = Relay(params.bleed_relay_ms, params.bleed_relay_ms)
        self.car_contactor = Relay(params.car_relay_ms, params.car_relay_ms)
        self.plugged = False
        self.aux_V = 0.0
        self.d1 = self.d2 = False  # CHAdeMO: the station's switches towards the car
        self.link_V = 0.0
        self.inlet_V = 0.0  # at the station's end of the cable, car side of K1/K2
        self.current_A = 0.0  # through K1/K2: what the station's sensor sees
        self.pack_current_A = 0.0
        self.pack_V = self.pack.ocv_V
        self.source_A = 0.0  # out of the converter
        self.power_ac_W = params.standby_W
        self.import_Wh = 0.0
        self.export_Wh = 0.0
        self.openings = 0
        self.opened_under_load = 0
        self.open_current_A = 0.0  # magnitude at the last opening
        self.vehicle_openings = 0
        self.vehicle_opened_under_load = 0
        self.unplugged_under_load = 0
        self.inrush: list[Inrush] = []
        self.inrush_max_A = 0.0
        self.soc_min = self.soc_start = self.pack.soc
        self.soc_min_discharging = 1.0  # lowest SOC at which we still took current, surges of closing apart
        self.soc_taken = 0.0  # share of the capacity that went out through K1/K2
        self.charged_As = 0.0
        self._run_As = 0.0  # taken since it last was not discharging
        self.watch_soc = 0.0  # a scenario's floor
        self.taken_below_watch = 0.0
        self.dc_J = 0.0  # from the converter into the link, balance
        self.loss_J = 0.0  # in resistors, contacts and bleeders
        self._factors: dict[int, _Factors] = {}
        self.vehicle = VehicleSide(self)

    # --- what happens around it ---
    def plug(self) -> None:
        """The connector is in: the car's capacitor and pack wait behind it."""
        self.plugged = True

    def unplug(self) -> None:
        """The connector is out, whatever flows."""
        if self.plugged and abs(self.current_A) > UNDER_LOAD_A:
            self.unplugged_under_load += 1
        self.plugged = False
        self.aux_V = 0.0

    @property
    def busy(self) -> bool:
        """A relay or a slope moves: steps of 1 ms. Otherwise 10 ms are as exact."""
        return self.stage.moving or self.contactor.moving or self.car_contactor.moving or self.bleed.moving

    @property
    def capacitor_J(self) -> float:
        """What the capacitors hold."""
        return 0.5 * self.params.link_F * self.link_V**2 + 0.5 * self._inlet_F * self.inlet_V**2

    @property
    def _inlet_F(self) -> float:
        return self.params.cable_F + (self.params.inlet_F if self.plugged else 0.0)

    # --- time ---
    def step(self, dt_ms: int = 1) -> None:
        """Advance by `dt_ms`, 1 to 10 and more."""
        while dt_ms > 0:
            part = 1 if self.busy else dt_ms
            self._step(part)
            dt_ms -= part

    def _step(self, dt_ms: int) -> None:
        self.now_ms = now_ms = self.now_ms + dt_ms
        if self.contactor.moving and self.contactor.step(now_ms):
            self._contactor_moved()
        if self.car_contactor.moving and self.car_contactor.step(now_ms):
            self._car_contactor_moved()
        if self.bleed.moving:
            self.bleed.step(now_ms)
        stage = self.stage
        dt_s = dt_ms * 1e-3
        if stage.moving:
            stage.step(now_ms, dt_s, self.link_V)
        self._solve(dt_ms, dt_s)
        if self.pack.load_W:
            self.pack.add(-self.pack.load_W / self.pack.ocv_V * dt_s)
        if self.pack.soc < self.soc_min:
            self.soc_min = self.pack.soc

    def _solve(self, dt_ms: int, dt_s: float) -> None:
        closed = self.contactor.closed
        switches = (
            (_BLEED if self.bleed.closed else 0)
            | (_PLUGGED if self.plugged else 0)
            | (_CAR if self.plugged and self.car_contactor.closed else 0)
        )
        if closed:
            before_V = self.link_V
            f = self._factors.get(dt_ms << 5 | switches | _CLOSED) or self._make(dt_ms, switches | _CLOSED)
            source_A = self._regulate(f, before_V)
            car_A, self.link_V, mean_V = self._node(f, before_V, source_A, dt_s)
            link_farad = self.params.link_F
            self.current_A = current_A = (
                source_A - link_farad * (self.link_V - before_V) / dt_s - mean_V / self._link_ohm()
            )
            self.inlet_V = self.link_V - current_A * self.params.cable_ohm
        else:
            f = self._factors.get(dt_ms << 5 | switches & _BLEED | 16) or self._make(dt_ms, switches & _BLEED | 16)
            source_A = self._regulate(f, self.link_V)
            _, self.link_V, mean_V = self._node(f, self.link_V, source_A, dt_s)
            self.current_A = 0.0
            f = self._factors.get(dt_ms << 5 | switches) or self._make(dt_ms, switches)
            car_A, self.inlet_V, _ = self._node(f, self.inlet_V, 0.0, dt_s)
        self.source_A = source_A
        self.pack_current_A = car_A
        self.pack_V = self.pack.ocv_V + car_A * self.pack.resistance_ohm
        if car_A != 0.0:
            self.pack.add(car_A * dt_s)
        if closed:
            self._count(self.current_A * dt_s, dt_s)
        self._meter(mean_V * source_A, dt_s)

    def _node(self, f: _Factors, before_V: float, source_A: float, dt_s: float) -> tuple[float, float, float]:
        """Current into the pack (mean), voltage after, mean voltage of one node."""
        decay, mean, leak_S, car_S, total_S, _, squared_s = f
        ocv_V = self.pack.ocv_V
        final_V = (source_A + ocv_V * car_S) / total_S
        distance_V = before_V - final_V
        mean_V = final_V + distance_V * mean
        self.loss_J += mean_V * mean_V * leak_S * dt_s
        if not car_S:
            after_V = final_V + distance_V * decay
            return 0.0, after_V if after_V > 1e-6 or after_V < -1e-6 else 0.0, mean_V
        car_A = (mean_V - ocv_V) * car_S
        if -0.1 < distance_V < 0.1:
            self.loss_J += car_A * car_A / car_S * dt_s
        else:
            steady_A, surge_A = (final_V - ocv_V) * car_S, distance_V * car_S
            self.loss_J += (
                steady_A * steady_A * dt_s + 2 * steady_A * surge_A * mean * dt_s + surge_A * surge_A * squared_s
            ) / car_S
        return car_A, final_V + distance_V * decay, mean_V

    def _regulate(self, f: _Factors, before_V: float) -> float:
        """Current of the power stage: its limit, unless the voltage to hold needs less."""
        stage = self.stage
        if not stage.running:
            return 0.0
        limit_A = stage.limit_A
        if before_V > 1.0 and limit_A * before_V > stage.rated_W:
            limit_A = stage.rated_W / before_V
        charging = stage.actual.direction == CHARGE
        hold_V = stage.reference_V if charging else stage.actual.cutoff_V
        held_A = ((hold_V - before_V * f.decay) / (1.0 - f.decay)) * f.total_S - self.pack.ocv_V * f.car_S
        if charging:
            return min(limit_A, held_A) if held_A > 0.0 else 0.0
        return max(-limit_A, held_A) if held_A < 0.0 else 0.0

    def _meter(self, power_W: float, dt_s: float) -> None:
        params = self.params
        self.dc_J += power_W * dt_s
        if power_W > 0.0:
            power_W /= params.charge_efficiency
        else:
            power_W *= params.discharge_efficiency
        self.power_ac_W = power_W = power_W + params.standby_W
        if power_W > 0.0:
            self.import_Wh += power_W * dt_s / 3600.0
        else:
            self.export_Wh -= power_W * dt_s / 3600.0

    def _count(self, charge_As: float, dt_s: float) -> None:
        """What went through K1/K2, and at which state of charge we still took some."""
        if charge_As > -0.5 * dt_s:
            self._run_As = 0.0
            if charge_As > 0.5 * dt_s:
                self.charged_As += charge_As
            return
        share = -charge_As / self.pack.capacity_As
        soc = self.pack.soc
        self.soc_taken += share
        self._run_As -= charge_As
        if self._run_As < _SURGE_As:
            return
        if soc < self.soc_min_discharging:
            self.soc_min_discharging = soc
        if soc < self.watch_soc:
            self.taken_below_watch += share

    def _link_ohm(self) -> float:
        params = self.params
        if self.bleed.closed:
            return 1.0 / (1.0 / params.link_leak_ohm + 1.0 / params.bleed_ohm)
        return params.link_leak_ohm

    def _make(self, dt_ms: int, switches: int) -> _Factors:
        # Bit 16: the link alone; bit 1: link and inlet together; neither: the inlet alone.
        params = self.params
        bleed_S = 1.0 / params.bleed_ohm if switches & _BLEED else 0.0
        farad = leak_S = car_S = 0.0
        if switches & (_CLOSED | 16):
            farad += params.link_F
            leak_S += 1.0 / params.link_leak_ohm + bleed_S
        if not switches & 16:
            farad += params.cable_F + (params.inlet_F if switches & _PLUGGED else 0.0)
            leak_S += 1.0 / params.inlet_leak_ohm + bleed_S
            if switches & _CAR:
                car_S = 1.0 / (self.pack.resistance_ohm + params.cable_ohm)
        total_S = leak_S + car_S
        tau_s, dt_s = farad / total_S, dt_ms * 1e-3
        decay = math.exp(-dt_s / tau_s)
        f = _Factors(
            decay, tau_s / dt_s * -math.expm1(-dt_s / tau_s), leak_S, car_S, total_S, farad,
            tau_s / 2 * -math.expm1(-2 * dt_s / tau_s),
        )  # fmt: skip
        self._factors[dt_ms << 5 | switches] = f
        return f

    # --- contacts ---
    def _contactor_moved(self) -> None:
        if not self.contactor.closed:
            self.openings += 1
            self.open_current_A = abs(self.current_A)
            self.opened_under_load += abs(self.current_A) > UNDER_LOAD_A
            return
        link_F, inlet_F = self.params.link_F, self._inlet_F
        difference_V = self.link_V - self.inlet_V
        shared_V = (link_F * self.link_V + inlet_F * self.inlet_V) / (link_F + inlet_F)
        lost_J = 0.5 * link_F * inlet_F / (link_F + inlet_F) * difference_V**2
        self.loss_J += lost_J
        self.link_V = self.inlet_V = shared_V
        if self.plugged and self.car_contactor.closed:
            ohm = self.params.cable_ohm + self.pack.resistance_ohm
            energy_J = 0.5 * link_F * difference_V**2
        else:
            ohm, energy_J = self.params.cable_ohm, lost_J
        self._rushed("station", difference_V, difference_V / ohm, energy_J)

    def close_car_contactor(self) -> None:
        """K5/K6 close at once, whatever their coil says."""
        if not self.car_contactor.closed:
            self.car_contactor.closed = True
            self._car_contactor_moved()

    def _car_contactor_moved(self) -> None:
        if not self.car_contactor.closed:
            self.vehicle_openings += 1
            self.vehicle_opened_under_load += abs(self.pack_current_A) > UNDER_LOAD_A
        elif self.plugged:
            difference_V = self.pack.ocv_V - self.inlet_V
            farad = self._inlet_F + (self.params.link_F if self.contactor.closed else 0.0)
            peak_A = difference_V / self.pack.resistance_ohm
            self._rushed("vehicle", difference_V, peak_A, 0.5 * farad * difference_V**2)

    def _rushed(self, contact: str, difference_V: float, peak_A: float, energy_J: float) -> None:
        if len(self.inrush) < 1000:
            self.inrush.append(Inrush(self.now_ms, contact, difference_V, abs(peak_A), energy_J))
        if contact == "station":
            self.inrush_max_A = max(self.inrush_max_A, abs(peak_A))
