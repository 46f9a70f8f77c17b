"""Plays a scenario against a world: fires its steps, watches its checks, and knows when it is over.

The director knows no clock, no process and no firmware. Whoever owns the world calls `step(now_s, facts)` as often as
facts change; verbs go out through one function. So the same director serves virtual time and a real board.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hw_tests.bench import facts as known
from hw_tests.bench.expression import Unknown
from hw_tests.bench.scenario import Check, Scenario, Step

_JITTER_s = 1e-6  # times are sums of steps: they may be late by a rounding


@dataclass
class Verdict:
    """How one check ended."""

    name: str
    passed: bool
    detail: str


class Director:
    """`do(step)` carries a step out; `tell(text)` gets one line for each thing that happens.

    `done` becomes True when the last step has fired and the settling time is over, or when a deadline has passed.
    """

    def __init__(
        self, scenario: Scenario, do: Callable[[Step], None], tell: Callable[[str], None] = lambda _text: None
    ):
        self.scenario = scenario
        self.done = False
        self.failure = ""  # why it could not be played to its end
        self.fired_s: dict[str, float] = {}
        self.acks: dict[str, dict[str, Any]] = {}  # by step: the answer to its order (filled by the world)
        self.raised: dict[str, int] = {}  # by name of the fault (filled by the world)
        self.seen: dict[str, float] = {}  # phases and when they began (filled by the world)
        self._do = do
        self._tell = tell
        self._next = 0
        self._last_s = 0.0
        self._held_since: float | None = None
        self._now_s = 0.0
        self.questions = known.questions(self.acks, self.raised, self.seen, self.fired_s, lambda: self._now_s)
        self._watches = [_Watch(check, self) for check in scenario.checks]

    @property
    def waiting_for(self) -> str:
        """What happens next, for a view."""
        steps = self.scenario.steps
        return steps[self._next].name if self._next < len(steps) else "the end"

    @property
    def progress(self) -> float:
        """Share of the steps that have fired, 0 to 1."""
        return self._next / len(self.scenario.steps)

    def step(self, now_s: float, facts: Mapping[str, Any]) -> None:
        """Once for each new set of facts; `now_s` in seconds since the scenario began."""
        if self.done:
            return
        self._now_s = now_s
        while self._next < len(self.scenario.steps) and self._due(self.scenario.steps[self._next], now_s, facts):
            self._fire(self.scenario.steps[self._next], now_s)
        for watch in self._watches:
            watch.look(now_s, facts)
        self._ending(now_s)

    def verdicts(self, facts: Mapping[str, Any]) -> list[Verdict]:
        """All checks judged, after the run; the first is the run itself."""
        played = Verdict("played_to_the_end", self.done and not self.failure,
                         self.failure or f"{len(self.fired_s)} steps in {self._now_s:.1f} s")  # fmt: skip
        return [played, *(watch.verdict(facts) for watch in self._watches)]

    def _due(self, step: Step, now_s: float, facts: Mapping[str, Any]) -> bool:
        if step.when is not None and not self._held(step, now_s, facts):
            waited_s = now_s - self._last_s
            if step.deadline_s is not None and waited_s > step.deadline_s and not self.failure:
                self._fail(f"step {step.name!r} waited {waited_s:.1f} s in vain for: {step.when.text}")
            return False
        if step.at_s is not None and now_s < step.at_s - _JITTER_s:
            return False
        return now_s - self._last_s >= step.after_s - _JITTER_s and not self.failure

    def _held(self, step: Step, now_s: float, facts: Mapping[str, Any]) -> bool:
        if step.when is None or not step.when.holds(facts, self.questions):
            self._held_since = None
            return False
        if self._held_since is None:
            self._held_since = now_s
        return now_s - self._held_since >= step.for_s - _JITTER_s

    def _fire(self, step: Step, now_s: float) -> None:
        self.fired_s[step.name] = now_s
        self._next += 1
        self._last_s = now_s
        self._held_since = None
        self._tell(f"{step.name}: {step.do} {_plain(step.args)}".rstrip())
        self._do(step)

    def _fail(self, text: str) -> None:
        self.failure = text
        self._tell(f"FAILED: {text}")

    def _ending(self, now_s: float) -> None:
        over = self._next == len(self.scenario.steps) and now_s - self._last_s >= self.scenario.settle_s - _JITTER_s
        if not over and now_s > self.scenario.limit_s and not self.failure:
            self._fail(f"not over after {self.scenario.limit_s:g} s; it still waited for {self.waiting_for!r}")
        self.done = over or bool(self.failure)


class _Watch:
    # One check over its window.
    def __init__(self, check: Check, director: Director):
        self._check = check
        self._director = director
        self._known = False  # the condition had a value at least once in the window
        self._met = False
        self._broken = ""  # when and how it was first violated

    def look(self, now_s: float, facts: Mapping[str, Any]) -> None:
        if self._check.kind == "end" or self._broken or self._met or not self._open(now_s):
            return
        try:
            value = bool(self._check.condition.value(facts, self._director.questions))
        except Unknown:
            return
        self._known = True
        if self._check.kind == "eventually":
            self._met = value
            if value:
                self._broken = ""
        elif value != (self._check.kind == "always"):
            self._broken = f"at {now_s:.2f} s: {_detail(self._check, facts)}"

    def _open(self, now_s: float) -> bool:
        check, fired_s = self._check, self._director.fired_s
        if check.after and (check.after not in fired_s or now_s < fired_s[check.after] + check.after_s - _JITTER_s):
            return False
        return not (check.until and check.until in fired_s)

    def verdict(self, facts: Mapping[str, Any]) -> Verdict:
        check = self._check
        if check.after and check.after not in self._director.fired_s:
            return Verdict(check.name, False, f"step {check.after!r} never happened")
        if check.kind == "end":
            return self._at_the_end(facts)
        if check.kind == "eventually":
            text = "" if self._met else "never: "
            return Verdict(check.name, self._met, text + _detail(check, facts))
        if self._broken:
            return Verdict(check.name, False, self._broken)
        if not self._known:
            return Verdict(check.name, False, f"nothing to judge, a fact was never known: {check.condition.text}")
        return Verdict(check.name, True, _detail(check, facts))

    def _at_the_end(self, facts: Mapping[str, Any]) -> Verdict:
        try:
            value = bool(self._check.condition.value(facts, self._director.questions))
        except Unknown as error:
            return Verdict(self._check.name, False, str(error))
        return Verdict(self._check.name, value, _detail(self._check, facts))


def _detail(check: Check, facts: Mapping[str, Any]) -> str:
    if not check.detail:
        values = [f"{name} = {_short(facts.get(name))}" for name in sorted(check.condition.names)]
        return check.condition.text + (f" ({', '.join(values)})" if values else "")
    try:
        return check.detail.format_map(facts)
    except (TypeError, ValueError, KeyError):  # a fact that is not known has no format
        return f"{check.detail} (a fact is not known)"


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else repr(value)


def _plain(args: Mapping[str, Any]) -> str:
    return " ".join(f"{key}={_short(value)}" for key, value in args.items() if value not in (None, "", {}, 0, False))
