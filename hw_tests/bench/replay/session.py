"""The view `session`: phases and deviations in the order of time, then how it ended and what it was about."""

from collections.abc import Iterable

from hw_tests.bench.replay.messages import skipped
from hw_tests.bench.replay.protocol import Counts, Dialect, Told
from hw_tests.bench.replay.show import Line, Show
from hw_tests.bench.replay.story import Story


def tell(stream: Iterable[Told], dialect: Dialect) -> Story:
    """The whole story of a log."""
    story = dialect.story()
    for told in stream:
        story.hear(told)
    story.finish()
    return story


def lines(story: Story) -> list[Line]:
    """Its lines, by time."""
    rows: list[tuple[float, int, Line]] = []
    ends_s = [phase.t_s for phase in story.phases[1:]] + [story.now_s]
    for phase, to_s in zip(story.phases, ends_s):
        rows.append((phase.t_s, 0, {"kind": "phase", "t_s": phase.t_s, "name": phase.name, "to_s": to_s}))
    for each in story.deviations:
        rows.append((each.t_s, 1, {"kind": "deviation", "t_s": each.t_s, "dir": each.side, "name": each.name,
                                   "detail": each.detail, "clause": each.clause}))  # fmt: skip
    for end in story.endings:
        line: Line = {"kind": "end", "t_s": end.t_s, "dir": end.side, "name": end.how, "reason": end.reason}
        rows.append((end.t_s, 2, line))
    return [line for _, _, line in sorted(rows, key=lambda row: row[:2])]


def show(stream: Iterable[Told], dialect: Dialect, counts: Counts, out: Show) -> Story:
    """Write them."""
    story = tell(stream, dialect)
    for line in lines(story):
        out.line(line)
    out.line({"kind": "summary", "protocol": dialect.name, "phases": [phase.name for phase in story.phases],
              "deviations": story.counts, **story.facts, "frames": counts.frames, **skipped(counts)})  # fmt: skip
    return story
