"""`make perf`: the control tick's time per state, as an ESP32 would take it, without the CAN driver.

`evening` is played in virtual time and its trace replayed on the flashed image in 32-bit MicroPython
(host_tests/trace.py). Two measurements:

* callgrind counts the instructions of the ticks between two lengths of the trace, less those of the same replay without
  ticking: the same count every time. ESP32-equivalent time = instructions x 11 ns (8 to 14 over MicroPython's own
  benchmark suite against its published ESP32 figures).
* The CPU time of every single tick, the minimum of five replays, gives the distribution; it is scaled so that its mean
  is callgrind's.
"""

import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

from host_tests.size import image
from host_tests.trace import BOARD, REPLAYER, ROOT, TracedWorld, record, replay
from hw_tests.bench import scenario

TRACE = ROOT / "build" / "perf" / "evening.trace"
CALLGRIND = ROOT / "build" / "bin" / "callgrind"
NS_AN_INSTRUCTION = 11
REPLAYS = 5
AIM_MEDIAN_ms, AIM_WORST_ms = 2.0, 5.0
COUNTED = (1200, 3600)  # ticks between which callgrind counts: charge and discharge at full load


def instructions(mode: str, ticks: int) -> int:
    """What MicroPython executes for a replay of so many ticks; `mode` "count" ticks, "none" only reads the trace."""
    out = TRACE.with_suffix(f".{mode}{ticks}")
    command = [str(CALLGRIND), f"--out={out}", str(REPLAYER), str(BOARD), str(TRACE), str(TRACE.with_suffix(".json"))]
    subprocess.run([*command, mode, str(ticks)], check=True, capture_output=True, timeout=900)
    totals = next(line for line in out.read_text().splitlines() if line.startswith("totals:"))
    return int(totals.split()[1])


def instructions_a_tick() -> float:
    """Mean over the counted range."""
    first, last = COUNTED
    counts = {(mode, ticks): instructions(mode, ticks) for mode in ("count", "none") for ticks in COUNTED}
    ticking = counts["count", last] - counts["count", first]
    reading = counts["none", last] - counts["none", first]
    return (ticking - reading) / (last - first)


def tick_times_us() -> tuple[list[int], list[int]]:
    """Phase and least CPU time of each tick on this computer, in us."""
    runs = []
    for number in range(REPLAYS):
        print(f"  replay {number + 1} of {REPLAYS}", file=sys.stderr, flush=True)
        runs.append(replay(TRACE))
    differing = replay(TRACE, "lock").differing
    if differing:
        sys.exit(f"perf: on MicroPython ticks {differing} sent other frames than on CPython")
    return runs[0].phases, [min(times) for times in zip(*(run.times_us for run in runs), strict=True)]


def quantile(values: list[float], share: float) -> float:
    """The value that `share` of them do not exceed."""
    return values[min(len(values) - 1, int(share * len(values)))]


def table(phases: list[int], times_ms: list[float]) -> tuple[float, float]:
    """Print a row a state; return median and worst of all."""
    from firmware.station import PHASE_NAMES, name_of  # on the path since the world was loaded

    print(f"{'state':<14}{'ticks':>7}{'median':>9}{'99.9 %':>9}{'worst':>9}   ms, ESP32-equivalent")
    rows: dict[str, list[float]] = {}
    for phase, time_ms in zip(phases, times_ms, strict=True):
        rows.setdefault(name_of(PHASE_NAMES, phase), []).append(time_ms)
    for name, values in [*rows.items(), ("all", list(times_ms))]:
        values.sort()
        print(f"{name:<14}{len(values):>7}" + "".join(f"{quantile(values, q):>9.2f}" for q in (0.5, 0.999, 1)))
    everything = sorted(times_ms)
    return quantile(everything, 0.5), everything[-1]


class _Counting:
    """Counts the opcodes that CPython executes in the firmware's files: which room the ticks go to."""

    def __init__(self) -> None:
        self.rooms: Counter[str] = Counter()

    def trace(self, frame: FrameType, event: str, _argument: Any) -> Any:
        parts = frame.f_code.co_filename.rsplit("/firmware/", 1)
        if len(parts) == 1:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "opcode":
            self.rooms[parts[1].removesuffix(".py")] += 1
        return self.trace


def shares(tick_range: tuple[int, int] = (3000, 3200)) -> Counter[str]:
    """Share of each file in the ticks of a discharge at full load."""
    counting = _Counting()

    class World(TracedWorld):
        def boot(self, cause: int = 0) -> None:
            super().boot(cause)
            tick = self.fw.control.tick

            def counted(now: int) -> None:
                if tick_range[0] <= self.ticks_traced < tick_range[1]:
                    sys.settrace(counting.trace)
                tick(now)
                sys.settrace(None)

            self.fw.control.tick = counted

    record(scenario.load("evening"), TRACE.with_name("shares.trace"), world=World)
    return counting.rooms


def main() -> None:
    """Print all of it."""
    print("perf: playing `evening` and replaying its ticks on MicroPython; about three minutes", file=sys.stderr)
    image()
    record(scenario.load("evening"), TRACE)
    phases, times_us = tick_times_us()
    mean = instructions_a_tick()
    first, last = COUNTED
    scale = mean * NS_AN_INSTRUCTION / 1e6 / (sum(times_us[first:last]) / (last - first))
    median, worst = table(phases, [us * scale for us in times_us])
    print(f"mean of ticks {first} to {last}: {mean:,.0f} instructions = {mean * NS_AN_INSTRUCTION / 1e6:.2f} ms")
    print(f"aim: median at most {AIM_MEDIAN_ms} ms: {'met' if median <= AIM_MEDIAN_ms else 'missed'};"
          f" worst at most {AIM_WORST_ms} ms: {'met' if worst <= AIM_WORST_ms else 'missed'}")  # fmt: skip
    rooms = shares()
    print("share of the tick by file (opcodes on CPython, discharge at full load)")
    for name, count in rooms.most_common(16):
        print(f"  {100 * count / rooms.total():5.1f} %  {name}")


if __name__ == "__main__":
    if not CALLGRIND.exists():
        sys.exit(f"perf: {Path(CALLGRIND).name} is missing; `make perf` fetches it")
    main()
