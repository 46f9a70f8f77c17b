"""Plays the car's side of a recording, causally: the world's car object of the view `station`.

A clock counts recorded time. It stops where the recorded car had heard a word that the firmware has not yet said, and
jumps ahead when the firmware is the quicker one. While it stands, the car repeats its cyclic frames as a real one does.
"""

import traceback
from pathlib import Path
from typing import Any

from hw_tests.bench.frame import Frame
from hw_tests.bench.replay.protocol import CHARGER, VEHICLE, Reader, Told
from hw_tests.bench.replay.script import Flow, Script, Step, Word

CYCLE_s = 0.01
_MOST = 3  # frames a cycle: a bus of 250 kbit/s has room for no more beside the charger's
_EARLY_s = 1.0  # an ending so much before the recorded one is another ending
_ASLEEP_ms, _LAST_WORD_ms = 500, 10_000  # without supply: the car's last frames, and the charger's last words
_AHEAD = 400  # frames that are looked through for what a quicker firmware must wait for
_ALIVE_s = 1.0  # cyclic frames of this last time are repeated while waiting


class Player:
    """`receive` and `step` as every emulated car; `finished`, `parted` and `said` for the view."""

    def __init__(self, script: Script, reader: Reader, flow: Flow, vehicle: Any):
        self.script = script
        self.said: list[Word] = []  # the firmware's words, with replay times in s
        self.said_rec_s: list[float] = []  # where in the recording each fell
        self.tolds: list[Told] = []  # everything on the replayed bus
        self.parted: dict[str, Any] | None = None
        self.waits: list[dict[str, Any]] = []
        self.dropped = 0  # repeats that a quicker firmware made needless
        self.repeated = 0  # while waiting
        self.phase = "replay"
        self._flow = flow
        self._reader = reader
        self._vehicle = vehicle
        self._steps = script.steps
        self._marks = [word for word in script.words if word.waited]
        self._at = 0
        self._mark = 0
        self.rec_s = script.steps[0].t_s if script.steps else 0.0
        if self._marks:
            self.rec_s = min(self.rec_s, self._marks[0].t_s)
        self._newest: dict[str, str] = {}
        self._heard_ms: dict[str, int] = {}  # word: when the firmware last said it
        self._met_ms = -1
        self._hold_ms: int | None = None
        self.held_for = ""  # the word that the car waits for now
        self._sent: dict[int, tuple[float, Frame]] = {}  # id: recorded s, frame
        self._sent_ms: dict[int, int] = {}
        self._everything: set[Frame] = set()
        self.awake_ms: int | None = None
        self._asleep_ms: int | None = None
        self.cut_off = 0  # frames of a car that the firmware had no more need of
        self._actions = list(script.actions)

    @property
    def finished(self) -> bool:
        """Every frame of the car was played and every word of the charger that it waited for was said."""
        return self._at >= len(self._steps) and self._mark >= len(self._marks)

    @property
    def done_share(self) -> float:
        """How far it is, 0 to 1."""
        return self._at / max(1, len(self._steps))

    # --- what the firmware says ---
    def receive(self, frame: Frame, now_ms: int) -> None:
        """A frame of the firmware."""
        for told in self._reader.feed(now_ms / 1000, frame, 0):
            self.tolds.append(told)
            if told.side != CHARGER:
                continue
            self._flow.heard(told, now_ms)
            said = self.script.word_of(told)
            if said is not None:
                self._word(said[0], said[1], told, now_ms)

    def _word(self, text: str, waited: bool, told: Told, now_ms: int) -> None:
        self._heard_ms[text] = now_ms
        name = text.split("=")[0]
        if self._newest.get(name) != text:
            self._newest[name] = text
            self.said.append(Word(len(self.said), now_ms / 1000, text, told.raw, waited, told.signals))
            self.said_rec_s.append(round(self.rec_s, 3))
            if text in self.script.endings:
                self._ending(text, told, now_ms)

    def _ending(self, text: str, told: Told, now_ms: int) -> None:
        """The firmware ends the session: as recorded, or by itself."""
        mark = self._marks[self._mark] if self._mark < len(self._marks) else None
        if mark is not None and mark.text == text and mark.t_s - self.rec_s <= _EARLY_s:
            return
        later = [each for each in self._marks[self._mark :] if each.text in self.script.endings]
        if self._at >= len(self._steps) or (later and later[0].t_s - self.rec_s <= _EARLY_s):
            return
        then = "the recorded charger goes on"
        if later:
            then = f"the recorded charger says {later[0].text} at {later[0].t_s:.1f} s"
        why = {key: value for key, value in told.signals.items() if value == 1}
        self._part(now_ms, f"the firmware says {text} ({', '.join(why) or told.raw.hex(' ')}); {then}")

    def _part(self, now_ms: int, reason: str) -> None:
        if self.parted is None:
            self.parted = {"t_s": now_ms / 1000, "recorded_s": round(self.rec_s, 3), "reason": reason}

    def crash(self, now_ms: int, error: Exception) -> None:
        """The firmware's tick raised."""
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}:{place.lineno}"
        self._part(now_ms, f"the firmware's tick raised {error!r} in {where}")

    def _meet(self, now_ms: int) -> None:
        """Go past every word that was said."""
        while self._mark < len(self._marks):
            mark = self._marks[self._mark]
            heard_ms = self._heard_ms.get(mark.text)
            if heard_ms is None or heard_ms < self._met_ms:
                return
            if self._asleep_ms is None and mark.t_s - self.rec_s > _EARLY_s and self._needed(mark):
                return  # what the car must say before comes first, at its own pace
            self._met_ms = heard_ms
            self._mark += 1
            if self._hold_ms is not None:
                self._release(now_ms)
            if mark.t_s > self.rec_s:
                self._hurry(mark)

    def _needed(self, mark: Word) -> bool:
        """Something that the car has not said yet stands before this word."""
        ahead = self._steps[self._at : self._at + _AHEAD]
        return any(step.order < mark.order and not self._surplus(step) for step in ahead)

    def _surplus(self, step: Step) -> bool:
        can_id = step.frame.id
        return step.frame in self._everything or (can_id in self.script.periods_ms and can_id in self._sent)

    def _hurry(self, mark: Word) -> None:
        """The firmware was quicker than the recorded charger: what the car only repeated meanwhile is left out."""
        kept = [step for step in self._steps[self._at :] if step.order > mark.order or not self._surplus(step)]
        self.dropped += len(self._steps) - self._at - len(kept)
        self._steps = self._steps[: self._at] + kept
        self.rec_s = mark.t_s

    # --- what the car says ---
    def step(self, now_ms: int) -> list[Frame]:
        """What is due now. The world calls it once a tick of 10 ms."""
        if self.parted is not None or not self._awake(now_ms):
            return []
        self._flow.cycle(now_ms)
        while self._actions and self.rec_s >= self._actions[0][0]:
            self._flow.act(self._actions.pop(0)[1])
        if self.awake_ms is None:
            self.awake_ms = now_ms
        self._meet(now_ms)
        out: list[Frame] = []
        waits_for = ""
        while self._at < len(self._steps) and len(out) < _MOST and not waits_for:
            step = self._steps[self._at]
            waits_for = self._waits_for(step, now_ms)
            if waits_for or step.t_s > self.rec_s:
                break
            self._at += 1
            self._send(step, out, now_ms)
            if self._flow.sent(step, now_ms):
                break
        if self._at >= len(self._steps) and self._mark < len(self._marks) and self.rec_s >= self._marks[self._mark].t_s:
            waits_for = self._marks[self._mark].text
        if waits_for:
            self._hold(waits_for, out, now_ms)
        else:
            self._release(now_ms)
            self._advance()
        for frame in out:
            self.tolds += [told for told in self._reader.feed(now_ms / 1000, frame, 0) if told.side == VEHICLE]
        return out

    def _awake(self, now_ms: int) -> bool:
        """The station supplies the car. Once it does so no more, the session is over, in time or not."""
        if self.script.awake(self._vehicle):
            self._asleep_ms = None
            return True
        if self.awake_ms is None or self.finished:
            return False
        if self._asleep_ms is None:
            self._asleep_ms = now_ms
        self._meet(now_ms)  # a charger's last words may come after it
        over = self._mark >= len(self._marks)
        if now_ms - self._asleep_ms > (_ASLEEP_ms if over else _LAST_WORD_ms):
            if not over:
                self._part(now_ms, f"the firmware switched the car off before {self._marks[self._mark].text}")
            self.cut_off += len(self._steps) - self._at
            self._steps = self._steps[: self._at]
        return False

    def _advance(self) -> None:
        """Recorded time goes on, but not past a word that is waited for."""
        self.rec_s += CYCLE_s
        if self._mark < len(self._marks):
            self.rec_s = min(self.rec_s, self._marks[self._mark].t_s)

    def _waits_for(self, step: Step, now_ms: int) -> str:
        if self._mark < len(self._marks) and self._marks[self._mark].order < step.order:
            mark = self._marks[self._mark]
            return mark.text if self.rec_s >= mark.t_s else ""
        return self._flow.may(step, now_ms) if step.t_s <= self.rec_s else ""

    def _send(self, step: Step, out: list[Frame], now_ms: int) -> None:
        out.append(step.frame)
        self._sent[step.frame.id] = step.t_s, step.frame
        self._sent_ms[step.frame.id] = now_ms
        self._everything.add(step.frame)

    def _hold(self, waits_for: str, out: list[Frame], now_ms: int) -> None:
        if self._hold_ms is None or self.held_for != waits_for:
            self._hold_ms, self.held_for = now_ms, waits_for
        limit_s, clause = self.script.timeouts_s.get(waits_for, self.script.timeouts_s[""])
        if now_ms - self._hold_ms > limit_s * 1000:
            if self._at >= len(self._steps):
                self._mark = len(self._marks)  # the car has nothing more to say: only the comparison lacks a word
                return
            self._part(now_ms, f"the car waited {limit_s:g} s for {waits_for} ({clause}); the firmware's newest "
                               f"words are {', '.join(word.text for word in self.said[-3:]) or 'none'}")  # fmt: skip
            return
        for can_id, (t_s, frame) in self._sent.items():
            period_ms = self.script.periods_ms.get(can_id)
            if period_ms and self.rec_s - t_s <= _ALIVE_s and now_ms - self._sent_ms[can_id] >= period_ms:
                self._sent_ms[can_id] = now_ms
                self.repeated += 1
                out.append(frame)
        if not waits_for.endswith("transport"):
            out += self._flow.repeat(now_ms)

    def held_ms(self, now_ms: int) -> int:
        """For how long."""
        return 0 if self._hold_ms is None else now_ms - self._hold_ms

    def _release(self, now_ms: int) -> None:
        if self._hold_ms is not None:
            waited_ms = now_ms - self._hold_ms
            if waited_ms >= 100:
                self.waits.append({"for": self.held_for, "s": waited_ms / 1000, "recorded_s": round(self.rec_s, 3)})
            self._hold_ms = None
            self.held_for = ""

    def facts(self) -> dict[str, Any]:
        """As every emulated car."""
        return {"phase": self.phase}
