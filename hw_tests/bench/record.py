"""What a run leaves behind: events.jsonl, mqtt.jsonl, both buses as candump logs, and the samples for the picture."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from hw_tests.bench.frame import Frame

SAMPLED = (
    "t_s", "power_W", "power_dc_W", "soc_permille", "told_soc_permille", "told_floor_permille", "told_applied_W",
    "ordered_W", "link_V", "inlet_V", "current_A", "contactor", "broker", "phase", "told_reason",
)  # fmt: skip
SAMPLE_EVERY_s = 0.1


class Record:
    """The files of one run. With `folder` None it keeps the samples and events in memory only."""

    def __init__(self, folder: Path | None):
        self.folder = folder
        self.events: list[dict[str, Any]] = []
        self.samples: list[tuple[Any, ...]] = []
        self._files: dict[str, TextIO] = {}
        self._sampled_s = -1.0
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            for name in ("events.jsonl", "mqtt.jsonl", "car.log", "converter.log"):
                self._files[name] = open(folder / name, "w", encoding="utf-8")

    def __enter__(self) -> "Record":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def leave_buses_to_others(self) -> None:
        """Somebody else writes car.log and converter.log."""
        for name in ("car.log", "converter.log"):
            if name in self._files:
                self._files.pop(name).close()

    def event(self, t_s: float, kind: str, text: str, **more: Any) -> None:
        """One thing that happened: `kind` says who tells it (director, phase, fault, ack, firmware, bench)."""
        entry = {"t_s": round(t_s, 3), "kind": kind, "text": text, **more}
        self.events.append(entry)
        self._line("events.jsonl", json.dumps(entry))

    def mqtt(self, t_s: float, direction: str, topic: str, payload: bytes, retain: bool = False, qos: int = 0) -> None:
        """One message: `direction` is "up" (station to broker) or "down". Long payloads are cut, with their length."""
        text = payload[:2048].decode("utf-8", "backslashreplace")
        entry: dict[str, Any] = {
            "t_s": round(t_s, 3),
            "direction": direction,
            "topic": topic,
            "qos": qos,
            "payload": text,
        }
        if retain:
            entry["retain"] = True
        if len(payload) > 2048:
            entry["bytes"] = len(payload)
        self._line("mqtt.jsonl", json.dumps(entry))

    def frame(self, t_s: float, bus: str, frame: Frame) -> None:
        """One frame in candump's log format; `bus` is "car" or "converter"."""
        file = self._files.get(f"{bus}.log")
        if file is not None:
            number = f"{frame.id:08X}" if frame.ext else f"{frame.id:03X}"
            file.write(f"({t_s:017.6f}) {bus} {number}#{frame.data.hex().upper()}\n")

    def sample(self, facts: Mapping[str, Any]) -> None:
        """The facts of now, for the picture; kept every SAMPLE_EVERY_s seconds."""
        t_s = facts["t_s"]
        if t_s - self._sampled_s >= SAMPLE_EVERY_s - 1e-6:
            self._sampled_s = t_s
            self.samples.append(tuple(facts.get(name) for name in SAMPLED))

    def close(self) -> None:
        """Write what is still held and close the files."""
        for file in self._files.values():
            file.close()
        self._files = {}
        if self.folder is not None and self.samples:
            with open(self.folder / "samples.csv", "w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(SAMPLED)
                writer.writerows(self.samples)

    def _line(self, name: str, text: str) -> None:
        if name in self._files:
            self._files[name].write(text + "\n")
