"""A recording cut into what the car said and the words of its charger that it waited for; what `station` plays.

A word is what a charger's frame says by name and by the one value that the car goes by: `CHM`, `CRM=AA`, `CCS`. The
car waits for a word only if it did so in the recording too.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from hw_tests.bench.frame import Frame
from hw_tests.bench.replay.protocol import Told


class Step(NamedTuple):
    """One frame of the car."""

    order: int  # place in the recording, both sides counted
    t_s: float
    frame: Frame
    name: str


class Word(NamedTuple):
    """The first time that the charger said this, or said it again after something else."""

    order: int
    t_s: float
    text: str
    raw: bytes
    waited: bool  # the car goes no further without it
    signals: dict[str, Any] = {}


class Flow(Protocol):
    """What the car does beside sending: it waits within a message, and moves its own switches."""

    def heard(self, told: Told, now_ms: int) -> None:
        """A frame of the firmware."""

    def may(self, step: Step, now_ms: int) -> str:
        """What this frame waits for, "" if for nothing."""

    def sent(self, step: Step, now_ms: int) -> bool:
        """It was sent. True: wait a tick, its answer comes first."""

    def repeat(self, now_ms: int) -> list[Frame]:
        """While the car waits for a word: what it goes on sending beside its short cyclic frames."""

    def cycle(self, now_ms: int) -> None:
        """Once a tick."""

    def act(self, what: str) -> None:
        """One of the script's actions is due."""


@dataclass
class Script:
    """Everything that the player must know of a recording."""

    steps: list[Step]
    words: list[Word]
    word_of: Callable[[Told], tuple[str, bool] | None]  # of a charger's frame: text, waited for
    flow: Callable[[Any], Flow]  # made for the world's vehicle side and pins
    timeouts_s: dict[str, tuple[float, str]]  # word: how long the car waits, and the clause
    periods_ms: dict[int, int]  # ids of the car's short cyclic frames
    endings: tuple[str, ...]  # words by which a charger ends a session
    own: tuple[str, ...] = ()  # words whose place in the order is the charger's own affair
    car: dict[str, Any] = field(default_factory=dict)  # for the world
    plant: dict[str, Any] = field(default_factory=dict)
    station: dict[str, Any] = field(default_factory=dict)
    inferred: dict[str, str] = field(default_factory=dict)  # what no bus shows: what was taken for it
    wishes: list[tuple[float, int]] = field(default_factory=list)  # recorded s, W at the meter
    actions: list[tuple[float, str]] = field(default_factory=list)  # recorded s, what the car does by itself
    awake: Callable[[Any], bool] = lambda vehicle: vehicle.aux_V > 8.0
    stop_s: float | None = None  # the recorded charger stopped first: recorded s
    stop_grace_ms: int = 0  # so long may the firmware find the reason itself, before the stop button is pressed


def words_of(tolds: list[Told], word_of: Callable[[Told], tuple[str, bool] | None]) -> list[Word]:
    """The changes in what the charger says, in order."""
    words: list[Word] = []
    newest: dict[str, str] = {}
    for order, told in enumerate(tolds):
        said = word_of(told)
        if said is None:
            continue
        text, waited = said
        name = text.split("=")[0]
        if newest.get(name) != text:
            newest[name] = text
            words.append(Word(order, told.t_s, text, told.raw, waited, told.signals))
    return words
