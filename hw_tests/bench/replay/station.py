"""The view `station`: the whole firmware in virtual time, with the recorded car at its connector.

What the firmware answers is laid beside what the recorded charger answered: the words in their order, the phases, and
the first place where the two part, with the reason. What no bus shows (pins, volts, a person's wish) is inferred, and
listed as inferred.
"""

import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from hw_tests.bench.replay.player import Player
from hw_tests.bench.replay.protocol import CHARGER, Counts, Dialect, Told
from hw_tests.bench.replay.script import Script, Word
from hw_tests.bench.replay.session import tell
from hw_tests.bench.replay.show import Line, Show
from hw_tests.bench.replay.story import Story

_FAULT_WORDS = Path(__file__).resolve().parent.parent.parent.parent / "firmware" / "fault_text.txt"
_GRACE_s = 120.0  # the firmware's own times: insulation test, precharge, retries
_TAIL_s = 2.0  # after the last frame
_LEASE_ms = 80_000_000
_SILENT_s = 0.5
_BREATH_s = 0.02
_APART_s = 10.0  # both sides silent for longer: what was said before is no part of the session
_LOG_ENDS_s = 0.2
_UNSEEN = ("insulation",)  # a charger may tell the voltage of its test to the car or keep it to itself


@dataclass
class Result:
    """How it went."""

    player: Player
    script: Script
    recorded: Story
    replayed: Story
    faults: list[Line] = field(default_factory=list)
    parts: Line | None = None  # the first place where recorded charger and firmware part
    virtual_s: float = 0.0
    last_s: float = 0.0  # of the recording
    current_most_A: float = 0.0

    @property
    def followed(self) -> bool:
        """The firmware gave the recorded car everything that it waited for, to its last frame."""
        return self.player.finished and self.player.parted is None

    @property
    def phases(self) -> tuple[list[str], list[str]]:
        """Recorded and replayed; the second as far as the first goes."""
        recorded = [phase.name for phase in self.recorded.phases if phase.name not in _UNSEEN]
        replayed = [phase.name for phase in self.replayed.phases if phase.name not in _UNSEEN]
        return recorded, replayed[: len(recorded)]


def _fault_names() -> dict[int, str]:
    rows = (line.split(" ", 2) for line in _FAULT_WORDS.read_text(encoding="utf-8").splitlines())
    return {int(row[0]): row[1] for row in rows if len(row) > 1 and row[0].isdigit()}


class _Stage:
    """The world with the player in it."""

    def __init__(self, script: Script, dialect: Dialect):
        from hw_tests.bench.world import StepWorld  # the firmware is loaded only by who steps it

        self.world = StepWorld(script.car, script.plant, script.station, services=False)
        around = self.world.around
        self.player = Player(script, dialect.reader(), script.flow(self.world), around.rig.vehicle)
        around.car = self.player  # type: ignore[assignment]
        around.rig.pins.plug()
        self._script = script
        self._wishes = list(script.wishes)
        self._stopped = False
        self._event = [0, 0, 0, 0]
        self._names = _fault_names()
        self.faults: list[Line] = []
        self.current_most_A = 0.0

    def tick(self) -> None:
        """10 ms."""
        world, player = self.world, self.player
        while self._wishes and player.rec_s >= self._wishes[0][0]:
            watt = self._wishes.pop(0)[1]
            world.fw.wishes.post_power(0, 1, watt, world.ticks_ms(), _LEASE_ms)
        if self._script.stop_s is not None and not self._stopped and player.held_for in self._script.endings:
            if player.held_ms(world.now_ms) >= self._script.stop_grace_ms:
                self._stopped = True
                world.around.rig.pins.press()
        world.tick()
        self.current_most_A = max(self.current_most_A, abs(world.around.rig.plant.current_A))
        while world.fw.station.events.get(self._event):
            code, state, data, _ = self._event
            if code and state:
                name = self._names.get(code, f"fault_{code}")
                self.faults.append({"kind": "fault", "t_s": world.now_ms / 1000, "name": name, "data": data})


def sessions(tolds: list[Told], dialect: Dialect) -> list[list[Told]]:
    """A log cut where sessions begin: a plug of its own for each. What was said before the first is left out."""
    begins_s = [phase.t_s for phase in tell(tolds, dialect).phases if phase.name == "handshake"]
    cuts: list[int] = []
    since = 0
    for begin_s in begins_s:
        charger = next(i for i, told in enumerate(tolds) if told.side == CHARGER and told.t_s >= begin_s)
        cuts.append(_after_silence(tolds, since, charger) or (charger if cuts else 0))
        since = charger
    cuts = cuts or [0]
    return [tolds[begin:end] for begin, end in zip(cuts, [*cuts[1:], len(tolds)])]


def _after_silence(tolds: list[Told], since: int, until: int) -> int:
    """The first entry after the last long silence between the two; 0 if nobody was silent."""
    apart = (at for at in range(until, since, -1) if tolds[at].t_s - tolds[at - 1].t_s > _APART_s)
    return next(apart, 0)


def play(tolds: list[Told], dialect: Dialect, out: Show | None = None) -> Result:
    """Play one session at the firmware."""
    script = dialect.script(tolds)
    recorded = tell(tolds, dialect)
    stage = _Stage(script, dialect)
    player, world = stage.player, stage.world
    length_s = tolds[-1].t_s - tolds[0].t_s
    limit = round((length_s * 1.5 + _GRACE_s) * 100)
    left = round(_TAIL_s * 100)
    for _ in (out or Show()).watched(range(limit), limit, "station") if out else range(limit):
        try:
            stage.tick()
        except Exception as error:  # the firmware's tick, and nothing is worse: it is told, with where it stood
            if Path(traceback.extract_tb(error.__traceback__)[-1].filename).parent == Path(__file__).parent:
                raise  # no, it is ours
            player.crash(world.now_ms, error)
        if player.finished or player.parted is not None:
            left -= 1
            if left <= 0:
                break
    if not player.finished and player.parted is None:
        player.parted = {"t_s": world.now_ms / 1000, "recorded_s": round(player.rec_s, 3),
                         "reason": "the replay took much longer than the recording"}  # fmt: skip
    result = Result(player, script, recorded, tell(player.tolds, dialect), stage.faults)
    result.last_s = tolds[-1].t_s
    result.virtual_s, result.current_most_A = world.now_ms / 1000, stage.current_most_A
    result.parts = _parts(result, tolds)
    return result


# --- beside each other ---
def answers(result: Result) -> list[Line]:
    """Each word of the recorded charger with the firmware's, in order."""
    lines: list[Line] = []
    said = [mine for mine, _ in _in_order(result.script.words, result.player)]
    for word in result.script.words:
        mine = next((each for each in said if each.text == word.text), None)
        line: Line = {"kind": "answer", "name": word.text, "recorded_s": word.t_s, "recorded": word.raw.hex(" ")}
        if mine is not None:
            said = said[said.index(mine) + 1 :] if word.waited else said
            line |= {"firmware_s": round(mine.t_s, 3), "firmware": mine.raw.hex(" ")}
            line["same"] = "bytes" if mine.raw == word.raw else "word"
            differs = {name: [value, mine.signals.get(name)] for name, value in word.signals.items()
                       if mine.signals.get(name) != value}  # fmt: skip
            if differs:
                line["differs"] = differs
        else:
            line["same"] = "own" if not word.waited else "missing"
        lines.append(line)
    return lines


def _in_order(recorded: list[Word], player: Player) -> list[tuple[Word, float]]:
    """What the firmware said, and when of the recording: two words that the recorded charger said in one breath are in
    its order, whichever left first here."""
    said = list(zip(player.said, player.said_rec_s))
    breaths = [(one.text, two.text) for one, two in pairwise(recorded) if two.t_s - one.t_s <= _BREATH_s]
    for at in range(len(said) - 1):
        first, second = said[at][0].text, said[at + 1][0].text
        if (second, first) in breaths and (first, second) not in breaths:
            said[at], said[at + 1] = said[at + 1], said[at]
    return said


def _parts(result: Result, tolds: list[Told]) -> Line | None:
    """The first place where the two part, by the recorded time."""
    found = [each for each in (result.player.parted, _other_word(result), _silence(result, tolds)) if each is not None]
    return dict(min(found, key=lambda each: round(each["recorded_s"], 1))) if found else None


def _other_word(result: Result) -> Line | None:
    """The first word that the other did not say, its own affairs apart."""
    player, own = result.player, result.script.own
    recorded = [word for word in result.script.words if word.text not in own]
    said = [(word, rec_s) for word, rec_s in _in_order(result.script.words, player) if word.text not in own]
    for theirs, (mine, _) in zip(recorded, said):
        if theirs.text != mine.text:
            why = f"the firmware says {mine.text}, the recorded charger {theirs.text}"
            return {"t_s": round(mine.t_s, 3), "recorded_s": theirs.t_s, "reason": why}
    if len(said) > len(recorded):
        mine, rec_s = said[len(recorded)]
        if rec_s >= result.last_s - _LOG_ENDS_s:
            return None  # the log is over, not the session
        why = f"the firmware says {mine.text}, the recorded charger says nothing new any more"
        return {"t_s": round(mine.t_s, 3), "recorded_s": rec_s, "reason": why}
    if len(said) < len(recorded) and player.parted is None:
        theirs = recorded[len(said)]
        return {"recorded_s": theirs.t_s, "reason": f"the recorded charger says {theirs.text}, the firmware never does"}
    return None


def _silence(result: Result, tolds: list[Told]) -> Line | None:
    """The recorded charger fell silent and the car gave up, or the log went on without it."""
    end = next((each for each in result.recorded.endings if each.how in ("error", "silence")), None)
    if end is None:
        return None
    until_s = end.t_s if end.how == "error" else tolds[-1].t_s
    last_s = max((told.t_s for told in tolds if told.side == CHARGER and told.t_s <= until_s), default=0.0)
    if until_s - last_s <= _SILENT_s:
        return None
    why = f"the recorded charger is silent from {last_s:.1f} s until {until_s:.1f} s; the firmware goes on"
    return {"recorded_s": last_s, "reason": why}


def show(stream: Iterable[Told], dialect: Dialect, counts: Counts, out: Show) -> int:
    """Play and write. Exit status 0 if the firmware followed the car to the end of every session, else 1."""
    tolds = list(stream)
    parts = sessions(tolds, dialect)
    followed = True
    if before := [told for told in tolds if told.t_s < parts[0][0].t_s]:
        out.line({"kind": "left_out", "t_s": before[0].t_s, "to_s": before[-1].t_s, "messages": len(before),
                  "reason": f"said more than {_APART_s:.0f} s before the session"})  # fmt: skip
    for number, part in enumerate(parts, 1):
        if len(parts) > 1:
            out.line({"kind": "session", "t_s": part[0].t_s, "number": number, "of": len(parts)})
        result = play(part, dialect, out)
        followed &= result.followed
        _write(result, out)
    return 0 if followed else 1


def _write(result: Result, out: Show) -> None:
    for name, text in result.script.inferred.items():
        out.line({"kind": "inferred", "name": name, "text": text})
    for line in answers(result):
        out.line(line)
    for wait in result.player.waits:
        out.line({"kind": "wait", "t_s": wait["recorded_s"], "name": wait["for"], "waited_s": wait["s"]})
    for fault in result.faults:
        out.line(fault)
    for each in result.replayed.deviations:
        if each.side == CHARGER:
            out.line({"kind": "deviation", "t_s": each.t_s, "dir": "firmware", "name": each.name, "detail": each.detail,
                      "clause": each.clause})  # fmt: skip
    recorded, replayed = result.phases
    out.line({"kind": "phases", "recorded": recorded, "firmware": replayed, "same": recorded == replayed})
    if result.parts is not None:
        out.line({"kind": "parts", **result.parts})
    player = result.player
    played = len(result.script.steps) - player.dropped - player.cut_off
    out.line({"kind": "summary", "followed": result.followed, "same_phases": recorded == replayed,
              "frames_played": played, "repeats_left_out": player.dropped, "cut_off": player.cut_off,
              "repeated_while_waiting": player.repeated, "current_most_A": round(result.current_most_A, 1),
              "virtual_s": round(result.virtual_s, 2)})  # fmt: skip
