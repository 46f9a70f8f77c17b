"""CHECK=1 for GB/T 27930: the firmware's codec and the gate's rules beside the bench's."""

from typing import Any

from firmware.safety import gbt27930_rules, kinds
from firmware.units import UNKNOWN
from firmware.vehicle.gbt27930 import frames
from host_tests.replay_check import KINDS, Expected, Noting, differences, readable
from hw_tests.bench.replay.protocol import CHARGER, Signals, Told

_BSM_STATES = ("cell_voltage", "soc", "over_current", "over_temperature", "insulation", "connector")
_BSM_PLACES = (0, 2, 4, 6, 8, 10)  # of those in Told.fault
_NO_WORD, _NO_BYTE = 0xFFFF, 0xFF


def _word(name: str, scale: int = 1) -> Expected:
    """A number of two bytes; all ones mean that the car does not tell."""
    return lambda s: UNKNOWN if s[name] // scale >= _NO_WORD else s[name] // scale


def _current(name: str, sign: int = 1) -> Expected:
    """A current; beyond 400 A the wire's range ends."""
    return lambda s: sign * s[name] if s[name] >= -4000 else UNKNOWN


def _soc(name: str) -> Expected:
    return lambda s: s[name] if s[name] <= 1000 else UNKNOWN


def _floor(most_permille: int) -> Expected:
    return lambda s: UNKNOWN if s["soc_min_permille"] == 10 * _NO_BYTE else min(s["soc_min_permille"], most_permille)


def _faults(s: Signals) -> int:
    return sum(1 << place for state, place in zip(_BSM_STATES, _BSM_PLACES) if s[state] == 1)


# message: the firmware's name (firmware.vehicle.gbt27930.frames.Told) and what it must be by the bench's signals.
FIRMWARE: dict[str, dict[str, Expected]] = {
    "BHM": {"hello_dV": _word("voltage_max_dV")},
    "BRM": {"capacity_dAh": _word("capacity_mAh", 100), "rated_dV": _word("voltage_dV")},
    "BCP": {
        "charge_max_dA": _current("current_max_dA"),
        "energy_Wh": lambda s: s["energy_Wh"] if s["energy_Wh"] < 100 * _NO_WORD else UNKNOWN,
        "pack_max_dV": _word("voltage_max_dV"), "soc_permille": _soc("soc_permille"), "pack_dV": _word("voltage_dV"),
    },
    "BRO": {"ready": lambda s: s["ready"]},
    "BCL": {"demand_dV": lambda s: s["voltage_dV"], "mode": lambda s: s["mode"],
            "demand_dA": lambda s: s["current_dA"] if s["current_dA"] >= -4000 else 0},
    "BCS": {
        "voltage_dV": _word("voltage_dV"), "current_dA": _current("current_dA"),
        "cell_high_cV": lambda s: s["cell_voltage_max_mV"] // 10, "soc_permille": _soc("soc_permille"),
        "remaining_min": _word("remaining_min"),
    },
    "BSM": {"temp_dC": lambda s: s["temperature_max_dC"], "permission": lambda s: s["permission"], "fault": _faults},
    "BSD": {"soc_permille": _soc("soc_permille")},
    "BCPP": {"discharge_max_dA": lambda s: max(0, -s["current_max_dA"]) if s["current_max_dA"] >= -4000 else 0,
             "pack_min_dV": _word("voltage_min_dV"), "cell_min_cV": _word("cell_voltage_min_mV", 10),
             "floor_permille": _floor(1000)},
    "BCSP": {"remaining_min": _word("remaining_min")},
    "BDC": {"cycles_left": _word("cycles_left")},
}  # fmt: skip
FIRMWARE["BCLP"] = FIRMWARE["BCL"]

# The same for the gate (firmware.safety.gbt27930_rules.Rules). It reads raw numbers, all ones included.
GATE: dict[str, dict[str, Expected]] = {
    "BCP": {"_charge_max_dA": lambda s: s["current_max_dA"], "voltage_max_dV": lambda s: s["voltage_max_dV"]},
    "BRO": {"may_close": lambda s: int(s["ready"] == 0xAA)},
    "BCL": {"_demand_dA": lambda s: max(0, s["current_dA"])},
    "BCS": {"voltage_dV": lambda s: s["voltage_dV"], "current_dA": lambda s: s["current_dA"],
            "highest_cV": lambda s: s["cell_voltage_max_mV"] // 10,
            "soc_permille": lambda s: s["soc_permille"] if s["soc_permille"] <= 1000 else None},
    "BCPP": {"_discharge_max_dA": lambda s: -s["current_max_dA"], "voltage_min_dV": _word("voltage_min_dV"),
             "cell_min_cV": _word("cell_voltage_min_mV", 10),
             "floor_permille": _floor(10 * _NO_BYTE)},
    "CCS": {"told": lambda s: -1 if s.get("permission", 1) == 2 else s.get("permission", 1) & 1},
    "CML": {"value": lambda s: s["voltage_max_dV"], "value_dA": lambda s: s["current_max_dA"]},
    "CMLP": {"value": lambda s: s["voltage_max_dV"], "value_dA": lambda s: -s["current_max_dA"]},
}  # fmt: skip


class _Gate(Noting, gbt27930_rules.Rules):
    pass


class _Told(Noting):
    pass


class Gbt27930Check:
    """Call it with everything told, in order."""

    def __init__(self) -> None:
        self._gate = _Gate(1, 8)
        self._last: Signals = {}

    def __call__(self, told: Told) -> tuple[dict[str, Any], list[str]]:
        firmware = self._firmware(told)
        if told.frame is not None:
            self._last = self._gate_reading(told)
        gate = self._last
        readings = {name: value for name, value in (("firmware", firmware), ("gate", gate)) if value}
        differs: list[str] = []
        if not told.error:
            differs = differences("firmware", told, firmware, FIRMWARE) + differences("gate", told, gate, GATE)
        if told.frame is None:
            self._last = {}
        return readings, differs

    def _firmware(self, told: Told) -> Signals:
        """Only what the car says: the firmware never reads a charger."""
        number = getattr(frames, told.name.replace("BCLP", "BCL"), None)
        if told.side == CHARGER or not isinstance(number, int) or number >= frames.MESSAGES:
            return {}
        if len(told.raw) < frames.LENGTHS[number] or told.frame is None and told.error.startswith("incomplete"):
            return {}
        into = _Told()
        frames.decode(number, into, told.raw)
        return {name: readable(value) for name, value in into.__dict__.get("noted", {}).items()}

    def _gate_reading(self, told: Told) -> Signals:
        gate, frame = self._gate, told.frame
        assert frame is not None
        gate.__dict__["noted"].clear()
        now = round(told.t_s * 1000) & 0x3FFFFFFF
        if told.side != CHARGER:
            gate.observe(frame.id, 1, frame.data, now)
            noted = gate.__dict__["noted"]
            return {name: readable(value) for name, value in noted.items() if not name.endswith("_at")}
        if not frame.data:
            return {}
        if told.name == "CCS":
            gate.table[frame.id] = 1 << len(frame.data)  # the length is the installer's choice, not the standard's
        kind = gate.judge(frame.id, 1, frame.data)
        reading: Signals = {"kind": KINDS.get(kind, str(kind)).lower()}
        if told.name != "CCS":
            noted = gate.__dict__["noted"]
            reading |= {name: noted[name] for name in ("value", "value_dA") if name in noted}
        if kind != kinds.NEVER:
            gate.left(frame.id, frame.data, now)
        if told.name == "CCS":
            reading["told"] = gate._told
        return reading
