"""Plant, pins and converter of one station, stepped together: what stands behind the board in every kind of run."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any

from hw_tests.bench.converter import INVERTER, Converter, ConverterParams
from hw_tests.bench.field import Field, FieldParams
from hw_tests.bench.frame import Frame
from hw_tests.bench.moments import Moments
from hw_tests.bench.pack import PackParams
from hw_tests.bench.pins import Pins, PinsParams
from hw_tests.bench.plant import Plant, PlantParams
from hw_tests.bench.power_stage import StageParams

QUIET_ms = 10  # longest step while nothing moves


@dataclass(frozen=True)
class RigParams:
    """All parameters of the station's surroundings."""

    plant: PlantParams = field(default_factory=PlantParams)
    pins: PinsParams = field(default_factory=PinsParams)
    converter: ConverterParams = field(default_factory=ConverterParams)
    field: FieldParams = field(default_factory=FieldParams)


def parameters(table: dict[str, Any]) -> RigParams:
    """RigParams from a flat table of their fields' names, e.g. {"reaction_ms": 10, "soc_permille": 520}."""
    given = dict(table)
    if "soc_permille" in given:
        given["soc"] = given.pop("soc_permille") / 1000.0
    if "ocv_V" in given:
        given["ocv_V"] = tuple((float(soc), float(volts)) for soc, volts in given["ocv_V"])
    parts: dict[type, dict[str, Any]] = {}
    for kind in (PackParams, StageParams, PlantParams, PinsParams, ConverterParams, FieldParams):
        names = {each.name for each in fields(kind)} - {"pack", "stage"}
        parts[kind] = {name: given.pop(name) for name in list(given) if name in names}
    if given:
        raise ValueError(f"plant, pins and converter have no parameter {sorted(given)[0]!r}")
    plant = replace(
        PlantParams(**parts[PlantParams]), pack=PackParams(**parts[PackParams]), stage=StageParams(**parts[StageParams])
    )
    return RigParams(
        plant,
        PinsParams(**parts[PinsParams]),
        ConverterParams(**parts[ConverterParams]),
        FieldParams(**parts[FieldParams]),
    )


class Rig:
    """`advance(now)`; hand it converter-bus frames with `receive`, take the modules' frames from `advance`."""

    def __init__(self, params: RigParams = RigParams(), now_ms: int = 0):
        self.params = params
        self.now_ms = now_ms
        self.plant = Plant(params.plant, now_ms)
        self.pins = Pins(self.plant, params.pins, now_ms)
        self.converter = Converter(self.plant, params.converter, now_ms)
        self.field = Field(self.plant, params.field)
        self.vehicle = self.plant.vehicle
        self.moments = Moments(self.plant, self.pins)

    def receive(self, frame: Frame) -> None:
        """A frame on the converter bus."""
        self.converter.receive(frame, self.now_ms)

    def advance(self, now_ms: int) -> list[Frame]:
        """Let time pass up to `now_ms`; the frames that the modules send meanwhile."""
        sent: list[Frame] = []
        plant, pins, converter = self.plant, self.pins, self.converter
        while self.now_ms < now_ms:
            pins.step(self.now_ms)
            step_ms = 1 if plant.busy else min(now_ms - self.now_ms, QUIET_ms)
            plant.step(step_ms)
            self.now_ms += step_ms
            sent += converter.step(self.now_ms)
            self.field.step()
            self.moments.look(self.now_ms)
        pins.step(self.now_ms)
        return sent

    # --- scenarios ---
    def do(self, verb: str, what: str = "", args: dict[str, Any] | None = None, **how: Any) -> None:
        """One step of a scenario: plug, unplug, press, mark, pins, converter and
        field (`what`, `args`)."""
        if verb == "plug":
            self.pins.plug()
        elif verb == "unplug":
            self.pins.unplug(**how)
        elif verb == "press" and what == "button":
            self.pins.press(**how)
        elif verb == "press" and what == "estop":
            self.pins.press_estop(**how)
        elif verb == "mark":
            self.moments.mark(int(how.get("at_ms", self.now_ms)))
        elif verb == "converter":
            self.converter.misbehave(what, **(args or {}))
        elif verb == "pins":
            self.misbehave(what, **(args or {}))
        elif verb == "field":
            self.field.misbehave(what, **(args or {}))
        else:
            raise ValueError(f"the station's surroundings have no verb {verb!r} {what!r}")

    def misbehave(self, what: str, **args: Any) -> None:
        """Sensors, pins, contactors and pack: the names of the table below, each with the arguments of its method."""
        pins = self.pins
        actions: dict[str, Callable[..., None]] = {
            "cc1_lost": lambda: pins.set_cc1(6000.0),
            "cc1": lambda level_mV=None: pins.set_cc1(level_mV),
            "estop": lambda pressed=True: setattr(pins, "estop", pressed),
            "temperature": pins.set_temperature,
            "sensor": pins.sensor_fault,
            "contactor": pins.contactor_fault,
            "lock": pins.lock_fault,
            "freeze": lambda frozen=True: setattr(pins, "frozen", frozen),
            "car_contactor": self.car_contactor_fault,
            "pack": self.set_pack,
            "watch": lambda soc: setattr(self.plant, "watch_soc", soc),
            "heal": pins.heal,
        }
        if what not in actions:
            raise ValueError(f"pins know no misbehaviour {what!r}, only {', '.join(actions)}")
        actions[what](**args)

    def car_contactor_fault(self, kind: str | None = "welded") -> None:
        """K5/K6: "welded", "stuck_open"; "closes": now, by itself, and for ever; None: new ones."""
        relay = self.plant.car_contactor
        if kind == "closes":
            relay.weld()
            self.plant.close_car_contactor()
        elif kind is None:
            relay.heal(self.now_ms)
        elif kind == "welded":
            relay.weld()
        else:
            relay.stick_open()

    def set_pack(
        self, soc: float | None = None, load_W: float | None = None, temperature_C: float | None = None
    ) -> None:
        """Another charge (the record of the lowest begins anew), the car's own consumption, temperature."""
        plant, pack = self.plant, self.plant.pack
        if soc is not None:
            pack.soc = soc
            pack.add(0.0)
            plant.soc_min = plant.soc_start = soc
        if load_W is not None:
            pack.load_W = load_W
        if temperature_C is not None:
            pack.temperature_C = temperature_C

    def facts(self) -> dict[str, Any]:
        """The truth, under the names of hw_tests/bench/facts.py, and some more."""
        return {
            "now_ms": self.now_ms, **self._energy_facts(), **self._path_facts(), **self._pins_facts(),
            "converter_mode": -1 if self.converter.modules[0].mode == INVERTER else 1,
            **self.converter.facts(), **self.moments.facts(), **self.field.facts(),
        }  # fmt: skip

    def _energy_facts(self) -> dict[str, Any]:
        plant = self.plant
        return {
            "soc_permille": plant.pack.soc * 1000.0,
            "soc_start_permille": plant.soc_start * 1000.0,
            "soc_min_permille": plant.soc_min * 1000.0,
            "soc_discharged_min_permille": plant.soc_min_discharging * 1000.0,
            "soc_taken_permille": plant.soc_taken * 1000.0,
            "taken_below_watch_permille": plant.taken_below_watch * 1000.0,
            "power_W": plant.power_ac_W,
            "energy_import_Wh": plant.import_Wh,
            "energy_export_Wh": plant.export_Wh,
            "charged_Ah": plant.charged_As / 3600.0,
            "discharged_Ah": plant.soc_taken * plant.pack.capacity_As / 3600.0,
        }

    def _path_facts(self) -> dict[str, Any]:
        plant = self.plant
        return {
            "link_V": plant.link_V,
            "inlet_V": plant.inlet_V,
            "current_A": plant.current_A,
            "pack_V": plant.pack_V,
            "pack_current_A": plant.pack_current_A,
            "power_dc_W": plant.inlet_V * plant.current_A,
            "plugged": int(plant.plugged),
            "contactor": int(plant.contactor.closed),
            "car_contactor": int(plant.car_contactor.closed),
            "bleed": int(plant.bleed.closed),
            "openings": plant.openings,
            "opened_under_load": plant.opened_under_load,
            "open_current_A": plant.open_current_A,
            "car_openings": plant.vehicle_openings,
            "car_opened_under_load": plant.vehicle_opened_under_load,
            "unplugged_under_load": plant.unplugged_under_load,
            "inrush_max_A": plant.inrush_max_A,
        }

    def _pins_facts(self) -> dict[str, Any]:
        pins = self.pins
        return {
            "outputs": pins.mask,
            "locked": int(pins.lock.closed),
            "aux": int(pins.aux.closed),
            "d1": int(pins.d1.closed),
            "d2": int(pins.d2.closed),
            "permission": int(self.vehicle.permission),
            "enable": int(pins.enable),
            "heartbeat": int(pins.alive),
            "heartbeat_losses": pins.heartbeat_losses,
        }
