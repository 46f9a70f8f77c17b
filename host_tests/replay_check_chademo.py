"""CHECK=1 for CHAdeMO: the firmware's codec and the gate's rules beside the bench's.

The gate reads nothing before line k, and k is not on the bus: here it goes with 102.5.0.
"""

from typing import Any

from firmware.safety import chademo_rules, kinds
from firmware.vehicle.chademo import frames
from host_tests.replay_check import KINDS, SKIP, Expected, Noting, differences, readable
from hw_tests.bench.chademo.codec import FAULTS
from hw_tests.bench.replay.protocol import CHARGER, Signals, Told

_EXTENDED_dA = 2550  # 102.3 = FF: see 110


def _errors(s: Signals) -> int:
    return sum(s[name] << bit for bit, name in enumerate(FAULTS))


FIRMWARE: dict[str, dict[str, Expected]] = {
    "100": {"least_dA": lambda s: s["current_min_dA"], "battery_min_dV": lambda s: s["voltage_min_dV"],
            "battery_max_dV": lambda s: s["voltage_max_dV"], "constant": lambda s: s["soc_reference"]},
    "101": {"capacity_Wh": lambda s: s["capacity_Wh"],
            "minutes": lambda s: s["time_max_min"] if s["time_max_s"] == 2550 else s["time_max_s"] // 60},
    "102": {"number": lambda s: s["protocol"], "target_dV": lambda s: s["target_dV"], "errors": _errors,
            "soc_raw": lambda s: s["soc_raw"],
            "request_dA": lambda s: SKIP if s["request_dA"] == _EXTENDED_dA else s["request_dA"],
            "status": lambda s: s["charge_enabled"] | s["not_in_park"] << 1 | s["system_fault"] << 2
            | s["contactors_open"] << 3 | s["stop_before_charge"] << 4 | s["dynamic_ze0"] << 6
            | s["discharge_compatible"] << 7},
    "103": {"voltage_dV": lambda s: s["voltage_dV"]},
    "110": {"extended_dA": lambda s: s["request_extended_dA"]},
    "200": {"discharge_dA": lambda s: -s["discharge_max_dA"],
            "discharge_min_dV": lambda s: s["discharge_voltage_min_dV"],
            "least_raw": lambda s: s["energy_min_raw"], "most_raw": lambda s: s["energy_max_raw"]},
    "201": {"sequence": lambda s: s["sequence"], "discharge_min": lambda s: s["discharge_time_min"],
            "available_Wh": lambda s: s["energy_available_Wh"]},
    "700": {"maker": lambda s: s["maker"]},
}  # fmt: skip

# What the gate holds after the frame.
GATE: dict[str, dict[str, Expected]] = {
    "100": {"_battery_dV": lambda s: s["voltage_max_dV"], "_constant": lambda s: s["soc_reference"]},
    "102": {"_their_number": lambda s: s["protocol"], "soc_permille": lambda s: s.get("soc_permille", SKIP),
            "_request_dA": lambda s: SKIP if s["request_dA"] == _EXTENDED_dA or not s["target_dV"]
            else s["request_dA"]},
    "200": {"_gives_dA": lambda s: -s["discharge_max_dA"], "_car_least_dV": lambda s: s["discharge_voltage_min_dV"],
            "_least_raw": lambda s: s["energy_min_raw"], "_most_raw": lambda s: s["energy_max_raw"]},
    "201": {"_sequence": lambda s: s["sequence"]},
    "108": {"value": lambda s: s["voltage_available_dV"], "value_dA": lambda s: s["current_available_dA"]},
    "208": {"_discharge_told_dA": lambda s: -s["discharge_max_dA"],
            "_least_told_dV": lambda s: s["voltage_threshold_dV"]},
}  # fmt: skip


class _Wires:
    """The gate's own sensors, as far as the bus tells: a sound station."""

    plugged = fresh = 1
    contactor = current_dA = inlet_dV = 0

    def __init__(self) -> None:
        self.k = False

    def permission(self) -> bool:
        return self.k

    def locked(self) -> bool:
        return True


class _Gate(Noting, chademo_rules.Rules):
    pass


class _Told(Noting, frames.Told):
    pass


class ChademoCheck:
    """Call it with everything told, in order."""

    def __init__(self) -> None:
        self._gate = _Gate(3)
        self._gate.wires = self._wires = _Wires()
        self._told = _Told()

    def __call__(self, told: Told) -> tuple[dict[str, Any], list[str]]:
        if told.frame is None or len(told.raw) != 8:
            return {}, []
        if told.side == CHARGER:
            gate = self._charger(told)
            return {"gate": gate}, differences("gate", told, gate, GATE)
        number = frames.IDS.get(told.frame.id)
        firmware: Signals = {}
        if number is not None:
            self._told.__dict__["noted"].clear()
            frames.DECODE[number](self._told, told.raw)
            firmware = {name: readable(value) for name, value in self._told.__dict__["noted"].items()}
        gate = self._car(told)
        differs = differences("firmware", told, firmware, FIRMWARE)
        if gate.get("soc_permille", 0) is None:  # 100.6 has not come again since k
            told = told._replace(signals={name: each for name, each in told.signals.items() if name != "soc_permille"})
        if gate:
            differs += differences("gate", told, gate, GATE)
        return {name: value for name, value in (("firmware", firmware), ("gate", gate)) if value}, differs

    def _car(self, told: Told) -> Signals:
        """What it holds of this frame; nothing while k is off."""
        gate = self._gate
        if told.name == "102":
            self._wires.k = bool(told.raw[5] & 1)
        if not self._wires.k:
            return {}
        assert told.frame is not None
        now = round(told.t_s * 1000) & 0x3FFFFFFF
        gate.step(now)
        gate.observe(told.frame.id, 0, told.raw, now)
        if told.name == "102" and not gate._permits:
            return {"permits": 0}
        return {name: readable(getattr(gate, name)) for name in GATE.get(told.name, {})}

    def _charger(self, told: Told) -> Signals:
        gate = self._gate
        now = round(told.t_s * 1000) & 0x3FFFFFFF
        assert told.frame is not None
        gate.__dict__["noted"].clear()
        kind = gate.judge(told.frame.id, 0, told.raw)
        reading: Signals = {"kind": KINDS.get(kind, str(kind)).lower()}
        noted = gate.__dict__["noted"]
        reading |= {name: noted[name] for name in ("value", "value_dA") if name in noted}
        if kind != kinds.NEVER:
            gate.left(told.frame.id, told.raw, now)
            reading |= {name: getattr(gate, name) for name in GATE.get(told.name, {}) if name not in reading}
        return reading
