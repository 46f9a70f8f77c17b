"""What the view `session` tells, protocol apart: phases, deviations with their clauses, and endings.

story = dialect.story()
for told in stream: story.hear(told)
story.finish()
story.phases, story.deviations, story.endings
"""

from typing import Any, NamedTuple

from hw_tests.bench.replay.protocol import CHARGER, VEHICLE, Told

MOST_OF_A_KIND = 5  # deviations of one name that are told; all are counted


class Phase(NamedTuple):
    """A phase from here to the next one."""

    t_s: float
    name: str


class Deviation(NamedTuple):
    """One thing against the standard."""

    t_s: float
    side: str  # who did it
    name: str
    detail: str
    clause: str


class Ending(NamedTuple):
    """How a session ended. `side` is who ended it: VEHICLE, CHARGER, or "" when the log just stops."""

    t_s: float
    side: str
    how: str  # "stop", "error", "silence", "log ends"
    reason: str


class Story:
    """The part that every protocol needs. A protocol says phases, deviations and endings while it hears."""

    clauses: dict[str, str] = {}

    def __init__(self) -> None:
        self.phases: list[Phase] = []
        self.deviations: list[Deviation] = []
        self.endings: list[Ending] = []
        self.counts: dict[str, int] = {}
        self.facts: dict[str, Any] = {}  # limits, first and last SOC, most volts and amperes
        self.now_s = 0.0
        self.last_s = {VEHICLE: 0.0, CHARGER: 0.0}  # of each side's newest frame
        self._said: set[tuple[str, str]] = set()

    @property
    def phase(self) -> str:
        """Where it is."""
        return self.phases[-1].name if self.phases else ""

    @property
    def since_s(self) -> float:
        """When this phase began."""
        return self.phases[-1].t_s if self.phases else 0.0

    def enter(self, name: str) -> bool:
        """A phase begins, unless it is this one already."""
        if self.phase == name:
            return False
        self.phases.append(Phase(self.now_s, name))
        return True

    def deviate(self, side: str, name: str, detail: str, t_s: float | None = None) -> None:
        """Somebody did something against the standard."""
        count = self.counts[name] = self.counts.get(name, 0) + 1
        if count <= MOST_OF_A_KIND:
            at_s = self.now_s if t_s is None else t_s
            self.deviations.append(Deviation(at_s, side, name, detail, self.clauses[name]))

    def once(self, side: str, name: str, key: str, detail: str) -> None:
        """The same, but only the first time for this key."""
        if (name, key) not in self._said:
            self._said.add((name, key))
            self.deviate(side, name, detail)

    def need(self, condition: bool, side: str, name: str, detail: str) -> None:
        """A deviation unless."""
        if not condition:
            self.deviate(side, name, detail)

    def ended(self, side: str, how: str, reason: str) -> None:
        """Over. The first word about it counts until a new session begins."""
        self.endings.append(Ending(self.now_s, side, how, reason))

    def most(self, name: str, value: float | None) -> None:
        """Keep the largest."""
        if value is not None and value > self.facts.get(name, float("-inf")):
            self.facts[name] = value

    def hear(self, told: Told) -> None:
        """One thing that was said."""
        if told.frame is None and not told.error and not told.packets:
            return
        self.now_s = max(self.now_s, told.t_s) if told.frame is not None else self.now_s
        if told.frame is not None and told.side:
            self.last_s[told.side] = told.t_s
        if told.side:
            self._hear(told)

    def _hear(self, told: Told) -> None:
        raise NotImplementedError

    def finish(self) -> None:
        """The log is over."""
        raise NotImplementedError
