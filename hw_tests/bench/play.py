"""One run of a scenario, the same for every kind of world: director, aggregator, record, view and verdict together.

A world owns time, the wires and the firmware. It hands in facts and what arrives over MQTT, and carries out what
`Outside` names.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hw_tests.bench import summary
from hw_tests.bench.aggregator import Aggregator
from hw_tests.bench.director import Director
from hw_tests.bench.facts import FACTS
from hw_tests.bench.record import Record
from hw_tests.bench.scenario import Scenario, Step
from hw_tests.bench.view import View

SITE, STATION = "bench", "1"
_OF_THE_AGGREGATOR = ("order", "limit", "replay", "publish", "flood")


@dataclass
class Outside:
    """What a world does for a run."""

    act: Callable[[str, dict[str, Any]], None]  # a verb that is not the aggregator's
    mark: Callable[[str], None]  # "now" or "frame 0x.."
    send: Callable[[str, bytes, bool], None]  # publish as the aggregator: topic, payload, retain
    wall_s: Callable[[], float]  # Unix time


@dataclass
class _Flood:
    until_s: float
    per_s: float
    args: dict[str, Any]
    sent: float = 0.0
    at_s: float | None = None


class Play:
    """`step` it with the newest facts until `done`; then `finish`."""

    def __init__(self, scenario: Scenario, outside: Outside, folder: Path | None, view: View | None = None):
        self.scenario = scenario
        self.record = Record(folder)
        self.view = view
        self.t_s = 0.0
        self.facts: dict[str, Any] = dict.fromkeys(FACTS)
        self.facts.update(t_s=0.0, station_floor_permille=scenario.station.get("floor_permille", 1000), boots=0)
        station = scenario.station
        self.aggregator = Aggregator(str(station.get("site", SITE)), str(station.get("station", STATION)),
                                     outside.send, outside.wall_s)  # fmt: skip
        self.director = Director(scenario, self._do, lambda text: self.tell("director", text))
        self._outside = outside
        self._floods: list[_Flood] = []
        self._news = True  # something arrived that facts must learn

    @property
    def done(self) -> bool:
        """The scenario is over."""
        return self.director.done

    def tell(self, kind: str, text: str, **more: Any) -> None:
        """One thing that happened: into the record and before the eyes."""
        self.record.event(self.t_s, kind, text, **more)
        if self.view is not None:
            self.view.line(self.t_s, kind, text)

    def step(self, t_s: float, facts: Mapping[str, Any]) -> None:
        """The world as it is at `t_s` since the beginning."""
        self.t_s = t_s
        mine = self.facts
        before = mine["phase"]
        mine.update(facts)
        mine["t_s"] = t_s
        if self._news or mine["told_age_s"] is not None:
            mine.update(self.aggregator.facts(t_s))
            self._news = False
        if mine["phase"] != before:
            self.tell("phase", str(mine["phase"]))
            self.director.seen.setdefault(str(mine["phase"]), t_s)
        self.director.step(t_s, mine)
        self._pour(t_s)
        self.record.sample(mine)
        if self.view is not None:
            self.view.update(mine, self.director.waiting_for, self.director.progress)

    def arrived(self, topic: str, payload: bytes, retain: bool) -> None:
        """A message that the broker handed to the aggregator."""
        news = self.aggregator.arrived(topic, payload, retain, self.t_s)
        self._news = True
        if news is None:
            return
        what, message = news
        if what == "ack":
            self._acked(message)
        elif what == "event":
            self._event(message)
        elif what in ("status", "birth", "meter"):
            self.tell(what, _words(message))

    def finish(self, phases: Iterable[str], firmware: Mapping[str, Any]) -> dict[str, Any]:
        """Judge, and write summary.json; `phases` as the bench saw them."""
        told = self.aggregator.phases
        verdicts = self.director.verdicts(self.facts)
        made = summary.build(self.scenario, verdicts, self.facts, told or list(phases), firmware)
        self.record.close()
        if self.record.folder is not None:
            summary.write(made, self.record.folder)
        return made

    def draw(self, phases: list[tuple[float, str]], outcome: str) -> None:
        """session.png into the run's folder."""
        if self.record.folder is None or not self.record.samples:
            return
        from hw_tests.bench import picture  # matplotlib takes its time

        title = f"{self.scenario.run_name}: {self.scenario.title}"
        picture.draw(self.record.samples, phases, self.director.fired_s, title, outcome,
                     self.record.folder / "session.png")  # fmt: skip

    # --- steps ---
    def _do(self, step: Step) -> None:
        if step.mark:
            self._outside.mark(step.mark)
        if step.do == "mark":
            self._outside.mark("now")
        elif step.do in _OF_THE_AGGREGATOR:
            self._aggregate(step)
        elif step.do not in ("note", "end"):
            self._outside.act(step.do, dict(step.args))

    def _aggregate(self, step: Step) -> None:
        args, aggregator = step.args, self.aggregator
        self._news = True
        if step.do == "order":
            aggregator.order(step.name, args["power_W"], args["lease_s"], args["id"], args["extra"])
        elif step.do == "limit":
            aggregator.limit(step.name, args["charge_max_W"], args["discharge_max_W"], args["lease_s"])
        elif step.do == "replay":
            aggregator.replay(args["step"])
        elif step.do == "publish":
            text = (args["payload"] or "") + args["repeat"] * int(args["times"])
            aggregator.raw(args["verb"], text.encode(), args["retain"])
        else:
            self._floods.append(_Flood(self.t_s + args["during_s"], args["per_s"], args))

    def _pour(self, t_s: float) -> None:
        for flood in list(self._floods):
            begin_s = flood.at_s if flood.at_s is not None else t_s
            flood.at_s = t_s
            flood.sent += (t_s - begin_s) * flood.per_s
            count, flood.sent = int(flood.sent), flood.sent - int(flood.sent)
            if flood.args["payload"] is not None:
                for _ in range(count):
                    self.aggregator.raw(flood.args["verb"], flood.args["payload"].encode(), False)
            else:
                self.aggregator.spam(count, flood.args["power_W"] or 0)
            if t_s >= flood.until_s:
                self._floods.remove(flood)

    # --- what arrives ---
    def _acked(self, ack: dict[str, Any]) -> None:
        step = self.aggregator.step_of(ack)
        # The answer to the order itself is the first; a repetition of it is refused later and must not hide it.
        self.director.acks.setdefault(step, ack)
        if step != "flood":
            self.tell("ack", f"{step or '?'}: {_words(ack)}")

    def _event(self, event: dict[str, Any]) -> None:
        self.director.raised.update(self.aggregator.raised)
        if event.get("code") == "phase":
            self.director.seen.setdefault(str(event.get("phase")), self.t_s)
            self.tell("told", f"phase {event.get('phase')}")
        elif "result" in event:
            self.tell("told", _words(event))
        else:
            self.tell("fault" if event.get("state") == "raised" else "cleared", _words(event))


def _words(message: Mapping[str, Any]) -> str:
    left_out = ("t", "boot_id", "seq", "hist", "mrec", "id", "config", "caps")
    return ", ".join(f"{key} {value}" for key, value in message.items() if key not in left_out)
