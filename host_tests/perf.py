"""`make perf`: the control tick's time per state, as an ESP32 would take it, without the CAN driver.

`evening` is played in virtual time and its trace replayed on the flashed image in 32-bit MicroPython
(host_tests/trace.py) under callgrind, which counts the instructions of every single tick. The same code gives the same
numbers on any machine, whatever else it does: also the worst tick is a fact, not noise. What the replay's stand-in for
the CAN drivers costs is taken off, call by call.

ESP32-equivalent time = instructions x 11 ns (8 to 14 over MicroPython's own benchmark suite against its published ESP32
figures).
"""

import statistics
import sys
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path
from types import FrameType
from typing import Any

from host_tests import perf_can, perf_field
from host_tests.size import image
from host_tests.trace import ROOT, TracedWorld, record, replay
from hw_tests.bench import scenario

TRACE = ROOT / "build" / "perf" / "evening.trace"
COUNTS = TRACE.with_suffix(".callgrind")
CALLGRIND = ROOT / "build" / "bin" / "callgrind"
# The marks around a tick, by the C functions that they end in (host_tests/board/replay.py), and how many of each kind
# come first: with nothing between them, then with one call of what stands for the CAN driver: no frame, a frame, send.
MARKS = ("--zero-before=getenv", "--dump-after=unsetenv", "--combine-dumps=yes")
SAMPLES, CALLS = 8, 3
NS_AN_INSTRUCTION = 11
AIM_MEDIAN_ms, AIM_WORST_ms = 2.0, 5.0
FULL_LOAD = range(1200, 3600)  # ticks of the charge and the discharge at full load
WORST = 20  # ticks whose rooms are listed


def milliseconds(instructions: float) -> float:
    """The time of so many instructions on an ESP32."""
    return instructions * NS_AN_INSTRUCTION / 1e6


def counts() -> tuple[list[int], list[int]]:
    """Phase and instructions of each tick."""
    COUNTS.unlink(missing_ok=True)
    run = replay(TRACE, "count", interpreter=(str(CALLGRIND), f"--out={COUNTS}", *MARKS, "--"))
    with COUNTS.open() as file:
        parts = [int(line.split()[1]) for line in file if line.startswith("totals:")]
    COUNTS.unlink()
    first = SAMPLES * (1 + CALLS)
    marks, *calls = (statistics.median_low(parts[k : k + SAMPLES]) for k in range(0, first, SAMPLES))
    ticks = [
        part - marks - sum(number * (call - marks) for number, call in zip(made, calls, strict=True))
        for part, made in zip(parts[first:], run.calls, strict=False)
    ]
    if len(ticks) != len(run.phases) or min(ticks) <= 0:
        sys.exit(f"perf: callgrind counted {len(parts) - first} ticks of {len(run.phases)}: see MARKS in {__file__}")
    return run.phases, ticks


def quantile(values: list[float], share: float) -> float:
    """The value that `share` of them do not exceed."""
    return values[min(len(values) - 1, int(share * len(values)))]


def table(phases: list[int], times_ms: list[float]) -> None:
    """Print a row a state."""
    from firmware.station import PHASE_NAMES, name_of  # on the path since the world was loaded

    print(f"{'state':<14}{'ticks':>7}{'median':>9}{'99.9 %':>9}{'worst':>9}   ms, ESP32-equivalent")
    rows: dict[str, list[float]] = {}
    for phase, time_ms in zip(phases, times_ms, strict=True):
        rows.setdefault(name_of(PHASE_NAMES, phase), []).append(time_ms)
    for name, values in [*rows.items(), ("all", list(times_ms))]:
        values.sort()
        print(f"{name:<14}{len(values):>7}" + "".join(f"{quantile(values, q):>9.2f}" for q in (0.5, 0.999, 1)))


class Opcodes:
    """Counts the opcodes that CPython executes in the firmware's files: which room the ticks go to."""

    def __init__(self) -> None:
        self.rooms: Counter[str] = Counter()

    def trace(self, frame: FrameType, event: str, _argument: Any) -> Any:
        """For sys.settrace."""
        parts = frame.f_code.co_filename.rsplit("/firmware/", 1)
        if len(parts) == 1:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "opcode":
            self.rooms[f"{parts[1].removesuffix('.py')} {frame.f_code.co_name}"] += 1
        return self.trace


def opcodes(wanted: Collection[int]) -> dict[int, Counter[str]]:
    """Opcodes by "file function" in each of the wanted ticks."""
    found: dict[int, Counter[str]] = {}

    class World(TracedWorld):
        def boot(self, cause: int = 0) -> None:
            super().boot(cause)
            tick = self.fw.control.tick

            def counted(now: int) -> None:
                if self.ticks_traced not in wanted:
                    tick(now)
                    return
                counting = Opcodes()
                sys.settrace(counting.trace)
                tick(now)
                sys.settrace(None)
                found[self.ticks_traced] = counting.rooms

            self.fw.control.tick = counted

    record(scenario.load("evening"), TRACE.with_name("opcodes.trace"), world=World)
    return found


def by_file(functions: Iterable[Counter[str]]) -> Counter[str]:
    """Sums over the functions of each file and over ticks."""
    files: Counter[str] = Counter()
    for one in functions:
        for name, number in one.items():
            files[name.split()[0]] += number
    return files


def rooms(phases: list[int], ticks: list[int]) -> None:
    """Print whose the ticks are: of all at full load, and of each of the worst."""
    from firmware.station import PHASE_NAMES, name_of

    worst = sorted(range(len(ticks)), key=lambda tick: -ticks[tick])[:WORST]
    loaded = range(3000, 3200)
    found = opcodes({*worst, *loaded})
    files = by_file(found[tick] for tick in loaded)
    print("share of the tick by file (opcodes on CPython, discharge at full load)")
    for name, count in files.most_common(16):
        print(f"  {100 * count / files.total():5.1f} %  {name}")
    print(f"the {WORST} worst ticks, and where most of their opcodes are")
    for tick in worst:
        most = ", ".join(f"{name} {number}" for name, number in found[tick].most_common(6))
        print(f"{tick:>6} {milliseconds(ticks[tick]):5.2f} ms {name_of(PHASE_NAMES, phases[tick]):<11}{most}")


def main() -> None:
    """Print all of it."""
    print("perf: playing `evening` and counting its ticks on MicroPython; about two minutes", file=sys.stderr)
    image()
    record(scenario.load("evening"), TRACE)
    differing = replay(TRACE).differing
    if differing:
        sys.exit(f"perf: on MicroPython ticks {differing} sent other frames than on CPython")
    phases, ticks = counts()
    table(phases, [milliseconds(tick) for tick in ticks])
    loaded = sorted(ticks[tick] for tick in FULL_LOAD)
    median, worst = milliseconds(statistics.median(loaded)), milliseconds(max(ticks))
    print(
        f"ticks {FULL_LOAD.start} to {FULL_LOAD.stop}, full load: mean {statistics.mean(loaded):,.0f} instructions = "
        f"{milliseconds(statistics.mean(loaded)):.2f} ms, median {median:.2f} ms, "
        f"worst {milliseconds(loaded[-1]):.2f} ms"
    )
    print(f"aim: median at full load at most {AIM_MEDIAN_ms} ms: {'met' if median <= AIM_MEDIAN_ms else 'missed'};"
          f" worst of all at most {AIM_WORST_ms} ms: {'met' if worst <= AIM_WORST_ms else 'missed'}")  # fmt: skip
    rooms(phases, ticks)
    perf_can.main()
    perf_field.main()


if __name__ == "__main__":
    if not CALLGRIND.exists():
        sys.exit(f"perf: {Path(CALLGRIND).name} is missing; `make perf` fetches it")
    main()
