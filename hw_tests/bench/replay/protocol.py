"""What a protocol is to the views: who said a frame, what it means, and which words a session is made of."""

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from hw_tests.bench.frame import Frame
from hw_tests.bench.replay.entry import DATA, LONG_FRAME, REMOTE, Entry, ReplayError

if TYPE_CHECKING:
    from hw_tests.bench.replay.script import Script
    from hw_tests.bench.replay.story import Story

VEHICLE, CHARGER = "vehicle", "charger"
Signals = dict[str, Any]


class Told(NamedTuple):
    """One frame, or one message put together from many."""

    t_s: float  # since the first entry of the log
    side: str  # VEHICLE or CHARGER
    name: str
    raw: bytes
    signals: Signals
    error: str = ""
    packets: int = 0  # of a message put together: how many frames it had; those were told before, each by itself
    frame: Frame | None = None
    line: int = 0


class Reader(Protocol):
    """Feed it the protocol's frames in order; a frame may tell several things, itself first."""

    def feed(self, t_s: float, frame: Frame, line: int) -> list[Told]:
        """What this frame says."""

    def end(self) -> list[Told]:
        """What was begun and never completed."""


class Dialect(Protocol):
    """A protocol. The views know no more of it than this."""

    name: str
    title: str

    def side(self, frame: Frame) -> str:
        """VEHICLE or CHARGER, "" for a frame that is not of this protocol."""

    def reader(self) -> Reader:
        """A new reader at the beginning of a log."""

    def story(self) -> "Story":
        """A new story of a session."""

    def script(self, tolds: list["Told"]) -> "Script":
        """The recording, to be played at the firmware."""


class Counts:
    """What went by: entries that are nobody's business, counted by why."""

    def __init__(self) -> None:
        self.frames = 0  # of the protocol
        self.skipped: dict[str, int] = {}
        self.skipped_ids: dict[str, int] = {}
        self.unreadable = 0

    def skip(self, why: str) -> None:
        """One more of these."""
        self.skipped[why] = self.skipped.get(why, 0) + 1

    def skip_id(self, frame: Frame) -> None:
        """A frame that is not of the protocol."""
        self.skip("other ids")
        digits = f"{frame.id:08X}" if frame.ext else f"{frame.id:03X}"
        self.skipped_ids[digits] = self.skipped_ids.get(digits, 0) + 1


def known() -> dict[str, Dialect]:
    """The protocols by name."""
    from hw_tests.bench.replay.chademo import Chademo
    from hw_tests.bench.replay.gbt27930 import Gbt27930

    return {each.name: each for each in (Gbt27930(), Chademo())}


_ENOUGH = 40  # frames of one protocol, and ten times those of any other


def recognise(entries: Iterator[Entry], asked: str = "") -> tuple[Dialect, list[Entry]]:
    """The protocol that a log speaks, or the one that was asked for, and the entries that were taken to find out."""
    dialects = known()
    if asked and asked not in dialects:
        raise ReplayError(f"there is no protocol {asked!r} here; known: {', '.join(dialects)}.")
    taken: list[Entry] = []
    votes = dict.fromkeys(dialects, 0)
    for entry in entries:
        taken.append(entry)
        if entry.frame is not None:
            for name, dialect in dialects.items():
                votes[name] += bool(dialect.side(entry.frame))
            best, *rest = sorted(votes.values(), reverse=True)
            if votes[asked] >= _ENOUGH if asked else best >= _ENOUGH and all(best > 10 * each for each in rest):
                break
    best_name = max(votes, key=lambda name: votes[name])
    if asked and votes[asked] == 0:
        spoken = f"it looks like {best_name}" if votes[best_name] else "nor one of any other protocol known here"
        raise ReplayError(f"there is no frame of {asked} among {len(taken)} entries; {spoken}.")
    if votes[best_name] == 0:
        frames = sum(entry.frame is not None for entry in taken)
        raise ReplayError(f"none of the {frames} frames is of a protocol known here ({', '.join(dialects)}).")
    return dialects[asked or best_name], taken


def told(entries: Iterator[Entry], dialect: Dialect, counts: Counts) -> Iterator[Told]:
    """Everything that the log says in this protocol, and a Told with an error for each line that cannot be read."""
    reader = dialect.reader()
    start_s: float | None = None
    side_of = lru_cache(4096)(lambda can_id, ext: dialect.side(Frame(can_id, ext, b"")))
    for entry in entries:
        frame = entry.frame
        if start_s is None and not entry.error:
            start_s = entry.t_s
        t_s = 0.0 if start_s is None else round(entry.t_s - start_s, 6)
        if frame is None:
            if entry.error:
                counts.unreadable += 1
                why = f"line {entry.line}: {entry.error}: {entry.text}"
                yield Told(t_s, "", "unreadable", b"", {}, why, 0, None, entry.line)
            else:
                counts.skip(entry.kind + "s")
            continue
        side = side_of(frame.id, frame.ext)
        if not side:
            counts.skip_id(frame)
        elif entry.kind in (REMOTE, LONG_FRAME):
            counts.frames += 1
            why = f"{entry.kind}: {dialect.title} has data frames of at most 8 bytes only"
            yield Told(t_s, side, entry.kind, b"", {}, why, 0, frame, entry.line)
        elif entry.kind == DATA:
            counts.frames += 1
            yield from reader.feed(t_s, frame, entry.line)
    yield from reader.end()
