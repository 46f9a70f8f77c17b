"""The grid aggregator: sends orders, keeps the record, and counts what is missing from it.

`Aggregator` is pure: it is told what arrives and hands out what to send; a broker's client (paho in a live run, the
stepped world's own broker in virtual time) carries the bytes. Everything it knows it knows from MQTT.
"""

import json
from collections.abc import Callable
from typing import Any

PREFIX = "v2g/1"


class Aggregator:
    """One aggregator for one station. `send(topic, payload, retain)` publishes; `wall_s()` is Unix time in s."""

    def __init__(self, site: str, station: str, send: Callable[[str, bytes, bool], None], wall_s: Callable[[], float]):
        self.base = f"{PREFIX}/{site}/{station}/"
        self.acks: list[dict[str, Any]] = []
        self.raised: dict[str, int] = {}  # by name of the fault
        self.active: dict[str, int] = {}  # faults that are raised now
        self.phases: list[str] = []  # in the order of the record
        self.tests: dict[str, dict[str, Any]] = {}  # by name: the newest event with a result
        self.state: dict[str, Any] = {}
        self.state_at_s: float | None = None
        self.status: str | None = None
        self.births = 0
        self.orders = 0
        self.notes: list[str] = []  # what arrived that should not
        self._send = send
        self._wall_s = wall_s
        self._sent: dict[str, bytes] = {}  # by step: its order, to be replayed
        self._ids: dict[str, str] = {}  # by id: the step
        self._serial = 0
        self._ordered: tuple[float, float] | None = None  # newest order: W, and until when (Unix s)
        self._record: dict[str, dict[int, dict[str, Any]]] = {}  # by boot: by seq: what arrived
        self._boot = ""
        self._boots: set[str] = set()

    # --- out ---
    def order(self, step: str, power_W: float, lease_s: float, order_id: str | None = None,
              extra: dict[str, Any] | None = None) -> None:  # fmt: skip
        """cmd/setpoint: `power_W` at the meter, for `lease_s` from now."""
        self._ordered = (power_W, self._wall_s() + lease_s)
        self._command(step, "setpoint", {"power_W": power_W}, lease_s, order_id, extra)

    def limit(self, step: str, charge_max_W: float | None, discharge_max_W: float | None, lease_s: float) -> None:
        """cmd/limit: magnitudes per direction, for `lease_s` from now."""
        body = {"charge_max_W": charge_max_W, "discharge_max_W": discharge_max_W}
        self._command(step, "limit", {key: value for key, value in body.items() if value is not None}, lease_s)

    def replay(self, step: str) -> None:
        """The order of that step once more, byte for byte."""
        self._send(self.base + "cmd/setpoint", self._sent[step], False)
        self.orders += 1

    def raw(self, verb: str, payload: bytes, retain: bool) -> None:
        """Any bytes on cmd/<verb>."""
        self._send(f"{self.base}cmd/{verb}", payload, retain)
        self.orders += 1

    def spam(self, count: int, power_W: float) -> None:
        """`count` orders at once, each with an id of its own."""
        for _ in range(count):
            self._command("flood", "setpoint", {"power_W": power_W}, 5)

    def _command(self, step: str, verb: str, body: dict[str, Any], lease_s: float, order_id: str | None = None,
                 extra: dict[str, Any] | None = None) -> None:  # fmt: skip
        self._serial += 1
        now_s = self._wall_s()
        order_id = order_id or f"{step}-{self._serial}"
        message = {"id": order_id, "t": int(now_s), "exp": int(now_s + lease_s), **body, **(extra or {})}
        payload = json.dumps(message).encode()
        self._ids[order_id] = step
        self._sent[step] = payload
        self._send(f"{self.base}cmd/{verb}", payload, False)
        self.orders += 1

    # --- in ---
    def arrived(self, topic: str, payload: bytes, retain: bool, now_s: float) -> tuple[str, dict[str, Any]] | None:
        """A message from the station, at `now_s`. Returns what it was, as ("ack", message) and the like, if it told
        something new."""
        if not topic.startswith(self.base):
            return None
        name = topic[len(self.base) :]
        if name == "status":
            return self._status(payload.decode())
        if name.startswith("cmd/"):
            return None
        try:
            message = json.loads(payload)
        except ValueError:
            self.notes.append(f"{name}: not JSON: {payload[:80]!r}")
            return None
        if name == "birth":
            return self._birth(message, retain)
        if name == "state":
            self.state, self.state_at_s = message, now_s
            return "state", message
        if name in ("event", "meter"):
            return self._recorded(name, message)
        if name.startswith("ack/"):
            return self._ack(message)
        return None

    def _status(self, status: str) -> tuple[str, dict[str, Any]] | None:
        news = status != self.status
        self.status = status
        return ("status", {"status": status}) if news else None

    def _birth(self, message: dict[str, Any], retain: bool) -> tuple[str, dict[str, Any]] | None:
        self._boot = str(message.get("boot_id", ""))
        if retain:  # of the past, told to whoever subscribes
            return None
        self.births += 1
        self._boots.add(self._boot)
        return "birth", message

    def _ack(self, message: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        self.acks.append(message)
        return "ack", message

    def step_of(self, ack: dict[str, Any]) -> str:
        """Name of the step whose order this acknowledges; "" if none."""
        return self._ids.get(str(ack.get("id", "")), "")

    def _recorded(self, name: str, message: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
        seq = message.get("seq")
        if not isinstance(seq, int):
            self.notes.append(f"{name} without seq: {message}")
            return None
        of_boot = self._record.setdefault(str(message.get("boot_id", self._boot)), {})
        if seq in of_boot:  # QoS 1: at least once
            return None
        of_boot[seq] = {"topic": name, **message}
        if name == "event":
            self._event(message)
        return name, message

    def _event(self, message: dict[str, Any]) -> None:
        code, state = str(message.get("code", "")), message.get("state")
        if code == "phase":
            self.phases.append(str(message.get("phase", message.get("data", ""))))
        elif "result" in message:
            self.tests[code] = message
        elif state == "raised":
            self.raised[code] = self.raised.get(code, 0) + 1
            self.active[code] = 1
        elif state == "cleared":
            self.active.pop(code, None)

    # --- the record ---
    @property
    def acknowledged(self) -> int:
        """Records (event and meter) that arrived, each counted once."""
        return sum(len(of_boot) for of_boot in self._record.values())

    @property
    def published(self) -> int:
        """Records that the station has numbered, as far as the highest number that arrived in each boot tells."""
        return sum(max(of_boot) - min(of_boot) + 1 for of_boot in self._record.values())

    def _recorded_Wh(self, key: str) -> int:
        records = [record for of_boot in self._record.values() for record in of_boot.values()]
        return sum(record.get(key, 0) for record in records if record["topic"] == "meter")

    @property
    def lost(self) -> int:
        """Numbers missing between the first and the last of each boot."""
        return self.published - self.acknowledged

    @property
    def reconnects(self) -> int:
        """Times the station came back without having been started anew."""
        return max(0, self.births - len(self._boots))

    def facts(self, now_s: float) -> dict[str, Any]:
        """The aggregator's part of the facts."""
        state = self.state
        results = [ack.get("result") for ack in self.acks]
        ordered = self._ordered if self._ordered and self._wall_s() < self._ordered[1] else (None, 0.0)
        return {
            "ordered_W": ordered[0],
            "status": self.status,
            "told_phase": state.get("phase"),
            "told_reason": state.get("limiting_factor", state.get("reason")),
            "told_power_W": state.get("power_W"),
            "told_applied_W": state.get("applied_W"),
            "told_soc_permille": state.get("soc_permille"),
            "told_floor_permille": state.get("floor_permille"),
            "told_import_Wh": state.get("import_Wh"),
            "told_export_Wh": state.get("export_Wh"),
            "told_insulation": self.tests.get("insulation_test", {}).get("result"),
            "told_insulation_kohm": self.tests.get("insulation_test", {}).get("insulation_kohm"),
            "told_self_test": self.tests.get("self_test", {}).get("result"),
            "recorded_import_Wh": self._recorded_Wh("import_Wh"),
            "recorded_export_Wh": self._recorded_Wh("export_Wh"),
            "ticks": state.get("tick", {}).get("count"),
            "late": state.get("tick", {}).get("late"),
            "gap_max_ms": state.get("tick", {}).get("gap_max_ms"),
            "gate_refused": state.get("gate_refused"),
            "fault": next(iter(state.get("faults", [])), "") if state else None,
            "told_age_s": None if self.state_at_s is None else now_s - self.state_at_s,
            "orders": self.orders,
            "acks": len(results),
            "acks_accepted": results.count("accepted"),
            "acks_limited": results.count("limited"),
            "acks_rejected": results.count("rejected"),
            "published": self.published,
            "acknowledged": self.acknowledged,
            "lost": self.lost,
            "reconnects": self.reconnects,
            "births": self.births,
        }
