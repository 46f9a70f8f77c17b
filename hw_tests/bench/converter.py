"""N Infypower BEG modules on the converter bus, in front of the plant's power stage."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from hw_tests.bench import infypower as infy
from hw_tests.bench.converter_faults import Faults
from hw_tests.bench.frame import Frame
from hw_tests.bench.infypower import Message
from hw_tests.bench.plant import Plant
from hw_tests.bench.power_stage import CHARGE, DISCHARGE, SetPoint

RECTIFIER, INVERTER = 0xA0, 0xA1
ON, OFF = 0xA0, 0xA1
ENABLE, DISABLE = 0xA1, 0xA0
_MASTER_ONLY = (infy.VOLTAGE, infy.CURRENT, infy.COUNT)


@dataclass(frozen=True)
class ConverterParams:
    """A BEG1K075G of 22 kW unless told otherwise."""

    modules: int = 1
    max_V: float = 1000.0
    min_V: float = 150.0
    max_A: float = 73.3  # one module
    rated_W: float = 22000.0  # one module
    group: int = 0
    reply_ms: int = 2  # from the request to the reply of module 0; each further one 1 ms later
    communication_ms: int = 10000  # no message for longer: off
    reading_ms: int = 20  # their own measurements are renewed this often
    report_negative: bool = True  # current and AC power are reported below zero while discharging
    voltage_gain: float = 1.0  # of the modules' own measurement
    current_gain: float = 1.0
    line_V: float = 400.0
    frequency_Hz: float = 50.0
    ambient_C: float = 30.0


@dataclass
class Module:
    """What one module keeps."""

    address: int
    on: bool = False
    mode: int = RECTIFIER
    voltage_mV: int = 0
    current_mA: int = 0  # of the whole group
    cut_off_mV: int = 0
    walk_in: bool = False
    present: bool = True
    status: int = 0  # bits that a fault holds
    other: dict[int, int] = field(default_factory=dict)  # written and never looked at again: power factor, grid limits


class _Reply(NamedTuple):
    at_ms: int
    frame: Frame


class Converter:
    """`receive` what is on the bus, `step` for the replies."""

    def __init__(self, plant: Plant, params: ConverterParams = ConverterParams(), now_ms: int = 0):
        self.plant = plant
        self.params = params
        self.modules = [Module(address) for address in range(params.modules)]
        self.faults = Faults()
        self.interrupted = True  # communication: nobody has spoken yet
        self.heard = 0
        self.replied = 0
        self.errors = 0  # replies with an error code
        self._now_ms = now_ms
        self._heard_ms: int | None = None
        self._replies: list[_Reply] = []
        self._read_ms = now_ms
        self._readings = (0.0, 0.0, 0.0)  # volts, amperes, watts AC
        self._rate()

    # --- the bus ---
    def receive(self, frame: Frame, now_ms: int) -> None:
        """A frame on the bus, from anyone."""
        self._now_ms = now_ms
        message = infy.parse(frame)
        if message is None or message.error or message.src not in infy.CONTROLLERS:
            return
        if self.faults.deaf(now_ms) or self.faults.loses(message):
            return
        self._heard_ms = now_ms
        self.heard += 1
        self.interrupted = False
        for module in self._addressed(message):
            if self.faults.loses_for(message, module.address):
                continue
            error, value = self._serve(module, message)
            self._answer(module, message, error, value)
        self._apply()

    def step(self, now_ms: int) -> list[Frame]:
        """What the modules send by now."""
        self._now_ms = now_ms
        if now_ms >= self._read_ms:
            plant = self.plant
            self._read_ms = now_ms + self.params.reading_ms
            self._readings = (plant.link_V, plant.source_A, plant.power_ac_W)
        if self._heard_ms is not None and now_ms - self._heard_ms > self.params.communication_ms:
            self._heard_ms = None
            self.interrupted = True
            self._all_off()
        if not self.plant.stage.enabled:
            self._all_off()
        if self.faults.tick(now_ms):
            self._rate()
            self._apply()
        if not self._replies or self._replies[0].at_ms > now_ms:
            return []
        due = [reply.frame for reply in self._replies if reply.at_ms <= now_ms]
        self._replies = [reply for reply in self._replies if reply.at_ms > now_ms]
        if self.faults.mute(now_ms):
            return []
        self.replied += len(due)
        return due

    # --- requests ---
    def _present(self) -> list[Module]:
        return [module for module in self.modules if module.present]

    def _addressed(self, message: Message) -> list[Module]:
        present = self._present()
        if message.device == infy.GROUP:
            if message.dest not in (self.params.group, infy.BROADCAST):
                return []
            return present
        if message.dest == infy.BROADCAST:
            return present
        return [module for module in present if module.address == message.dest]

    def _answer(self, module: Module, message: Message, error: int, value: int) -> None:
        # Of a group, voltage, current and count are answered by the master alone (lowest address that lives).
        if message.device == infy.GROUP and message.item in _MASTER_ONLY and module is not self._present()[0]:
            return
        self.errors += error != infy.OK
        frame = infy.build(
            Message(error, message.device, message.command, message.src, module.address, message.item, value)
        )
        if self.faults.loses_reply(message):
            return
        self._replies.append(_Reply(self._now_ms + self.params.reply_ms + module.address, frame))
        self._replies.sort(key=lambda reply: reply.at_ms)

    def _serve(self, module: Module, message: Message) -> tuple[int, int]:
        if message.command == infy.READ:
            reader = _READERS.get(message.item)
            return (infy.OK, reader(self, module)) if reader else (infy.COMMAND_INVALID, 0)
        if message.item in infy.GRID_LIMITS:
            module.other[message.item] = message.value
            return infy.OK, message.value
        writer = _WRITERS.get(message.item)
        error = writer(self, module, message.value) if writer else infy.COMMAND_INVALID
        return error, message.value

    # --- writes ---
    def _write_voltage(self, module: Module, value_mV: int) -> int:
        if value_mV and not self.params.min_V * 1000 <= value_mV <= self.params.max_V * 1000:
            return infy.DATA_INVALID
        module.voltage_mV = value_mV
        return infy.OK

    def _write_current(self, module: Module, value_mA: int) -> int:
        if not 0 <= value_mA <= self.params.max_A * 1000 * len(self.modules):
            return infy.DATA_INVALID
        module.current_mA = value_mA
        return infy.OK

    def _write_on_off(self, module: Module, value: int) -> int:
        if value not in (ON, OFF):
            return infy.DATA_INVALID
        if value == OFF:
            if not self.faults.ignores_off(self._now_ms):
                module.on = False
        elif not self._stopped(module):
            module.on = module.on or not self.faults.ignores_on(self._now_ms)
        return infy.OK

    def _write_mode(self, module: Module, value: int) -> int:
        if value not in (RECTIFIER, INVERTER):
            return infy.DATA_INVALID
        if self.faults.ignores_mode():
            return infy.OK
        if value != module.mode and (module.on or self.plant.stage.actual.on):
            return infy.IN_START if not self.plant.stage.running else infy.DATA_INVALID
        module.mode = value
        return infy.OK

    def _write_walk_in(self, module: Module, value: int) -> int:
        if value not in (ENABLE, DISABLE):
            return infy.DATA_INVALID
        module.walk_in = value == ENABLE
        return infy.OK

    def _write_cut_off(self, module: Module, value_mV: int) -> int:
        if not 0 <= value_mV <= self.params.max_V * 1000:
            return infy.DATA_INVALID
        module.cut_off_mV = value_mV
        return infy.OK

    def _write_output_stage(self, module: Module, value: int) -> int:
        return infy.OK if value in (0xA0, 0xA1, 0xA2) and not module.on else infy.DATA_INVALID

    def _write_power_factor(self, module: Module, value: int) -> int:
        module.other[infy.POWER_FACTOR] = value
        return infy.OK if -1000 <= value <= 1000 else infy.DATA_INVALID

    # --- reads ---
    def _volts(self) -> int:
        return round((self._readings[0] * self.params.voltage_gain + self.faults.voltage_offset_V) * 1000)

    def _amps(self) -> int:
        amps = self._readings[1] * self.params.current_gain + self.faults.current_offset_A
        return round((amps if self.params.report_negative else abs(amps)) * 1000)

    def _watts(self) -> int:
        watts = self._readings[2]
        return round((watts if self.params.report_negative else abs(watts)) * 1000)

    def _status(self, module: Module) -> int:
        bits = module.status
        stage = self.plant.stage
        if not (module.on or stage.actual.on) or self._stopped(module):
            bits |= 1 << infy.STATUS_BITS["dc_off"]
        if module.walk_in:
            bits |= 1 << infy.STATUS_BITS["walk_in"]
        if self.interrupted:
            bits |= 1 << infy.STATUS_BITS["communication"]
        if self.faults.derating < 1.0:
            bits |= 1 << infy.STATUS_BITS["power_limiting"]
        return bits

    def _inverter(self, module: Module) -> int:
        return int((module.mode == INVERTER) != self.faults.wrong_mode)

    # --- the power stage ---
    def _stopped(self, module: Module) -> bool:
        return bool(module.status & self.faults.stopping_bits) or not module.present

    def _all_off(self) -> None:
        changed = False
        for module in self.modules:
            changed |= module.on
            module.on = False
        if changed:
            self._apply()

    def _rate(self) -> None:
        working = [module for module in self.modules if not self._stopped(module)]
        stage = self.plant.stage
        stage.rated_V = self.params.max_V
        stage.rated_A = self.params.max_A * len(working) * self.faults.derating
        stage.rated_W = self.params.rated_W * len(working) * self.faults.derating
        stage.extra_A = self.faults.extra_A
        stage.reaction_ms = (
            self.faults.reaction_ms if self.faults.reaction_ms is not None else self.plant.params.stage.reaction_ms
        )

    def _apply(self) -> None:
        """One source out of all modules: their currents add up, each by its own mode."""
        if self.faults.holds(self._now_ms):
            return
        running = [module for module in self.modules if module.on and not self._stopped(module)]
        if not running:
            self.plant.stage.command(SetPoint(), self._now_ms)
            return
        count = max(1, len(self._present()))
        amps = sum(
            (CHARGE if module.mode == RECTIFIER else DISCHARGE)
            * min(module.current_mA / 1000.0 / count, self.params.max_A * self.faults.derating)
            for module in running
        )
        first = running[0]
        direction = DISCHARGE if amps < 0 or (amps == 0 and first.mode == INVERTER) else CHARGE
        cut_off_V = max(first.cut_off_mV / 1000.0, self.params.min_V)
        self.plant.stage.command(
            SetPoint(True, direction, first.voltage_mV / 1000.0, abs(amps), cut_off_V, first.walk_in), self._now_ms
        )

    # --- verbs of a scenario ---
    def misbehave(self, name: str, **how: Any) -> None:
        """Raise a fault of converter_faults.py; "heal" ends them all."""
        self.faults.raise_fault(self, name, self._now_ms, **how)
        self._rate()
        self._apply()

    def facts(self) -> dict[str, Any]:
        """The truth, for the runner."""
        stage = self.plant.stage
        return {
            "converter_on": int(stage.actual.on),
            "converter_running": int(stage.running),
            "converter_direction": stage.actual.direction,
            "converter_set_V": stage.actual.voltage_V,
            "converter_set_A": stage.actual.current_A,
            "converter_interrupted": int(self.interrupted),
            "converter_heard": self.heard,
            "converter_replied": self.replied,
            "converter_errors": self.errors,
            "reaction_ms": stage.reaction_ms,
        }


def _constant(attribute: str, scale: float = 1000.0) -> Callable[[Converter, Module], int]:
    return lambda converter, module: round(getattr(converter.params, attribute) * scale)


_READERS: dict[int, Callable[[Converter, Module], int]] = {
    infy.VOLTAGE: lambda c, m: c._volts(),
    infy.CURRENT: lambda c, m: c._amps(),
    infy.COUNT: lambda c, m: len(c._present()),
    infy.STATUS: lambda c, m: c._status(m),
    infy.INVERTER_STATUS: lambda c, m: c._inverter(m),
    infy.MAX_VOLTAGE: _constant("max_V"),
    infy.MIN_VOLTAGE: _constant("min_V"),
    infy.MAX_CURRENT: lambda c, m: round(c.params.max_A * c.faults.derating * 1000),
    infy.RATED_POWER: lambda c, m: round(c.params.rated_W * c.faults.derating * 1000),
    infy.LINE_AB: _constant("line_V"),
    infy.LINE_BC: _constant("line_V"),
    infy.LINE_CA: _constant("line_V"),
    infy.AMBIENT: _constant("ambient_C"),
    0x2101: _constant("line_V", 1000.0 / 3**0.5),
    0x2102: _constant("line_V", 1000.0 / 3**0.5),
    0x2103: _constant("line_V", 1000.0 / 3**0.5),
    infy.FREQUENCY: _constant("frequency_Hz"),
    infy.POWER_AC: lambda c, m: c._watts(),
    0x210C: lambda c, m: 0,  # reactive power
    0x2113: lambda c, m: abs(c._watts()),
    infy.HIGH_SIDE_VOLTAGE: lambda c, m: c._volts(),
    infy.HIGH_SIDE_CURRENT: lambda c, m: c._amps(),
}
_WRITERS: dict[int, Callable[[Converter, Module, int], int]] = {
    infy.VOLTAGE: Converter._write_voltage,
    infy.CURRENT: Converter._write_current,
    infy.ON_OFF: Converter._write_on_off,
    infy.MODE: Converter._write_mode,
    infy.WALK_IN: Converter._write_walk_in,
    infy.CUT_OFF: Converter._write_cut_off,
    infy.OUTPUT_STAGE: Converter._write_output_stage,
    infy.POWER_FACTOR: Converter._write_power_factor,
}
