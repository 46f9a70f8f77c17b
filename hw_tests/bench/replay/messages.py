"""The view `messages`: a line for every frame and every message put together, and at the end the counts."""

from collections.abc import Callable, Iterable

from hw_tests.bench.replay.protocol import Counts, Told
from hw_tests.bench.replay.show import Line, Show

# Other readings of the same: {reader's name: its signals}, and which of them differ from the bench's.
Check = Callable[[Told], tuple[Line, list[str]]]


def line_of(told: Told) -> Line:
    """The line of one frame or message."""
    line: Line = {"t_s": told.t_s, "dir": told.side, "name": told.name, "raw": told.raw.hex(" ")}
    line["signals"] = told.signals
    if told.packets:
        line["packets"] = told.packets
    if told.error:
        line["error"] = told.error
    return line


def show(stream: Iterable[Told], counts: Counts, out: Show, check: Check | None = None) -> int:
    """Write them all. Returns how many lines have a reading that differs."""
    names: dict[str, int] = {}
    errors = differing = 0
    for told in stream:
        names[told.name] = names.get(told.name, 0) + 1
        errors += bool(told.error)
        line = line_of(told)
        if check is not None:
            readings, differs = check(told)
            line |= readings
            if differs:
                line["differs"] = differs
                differing += 1
        out.line(line)
    last: Line = {"kind": "counts", "frames": counts.frames, "names": dict(sorted(names.items())), "errors": errors}
    if check is not None:
        last["differing"] = differing
    out.line(last | skipped(counts))
    return differing


def skipped(counts: Counts) -> Line:
    """What was not of the protocol."""
    ids = dict(sorted(counts.skipped_ids.items(), key=lambda each: -each[1])[:20])
    return {"skipped": counts.skipped, "skipped_ids": ids, "unreadable_lines": counts.unreadable}
