"""`make perf`, the field bus: what its steps take of a tick, with a meter and a monitor of each kind on the line.

`insulation` is played in virtual time, and its trace replayed on the flashed image in 32-bit MicroPython under
callgrind, which counts the instructions of each `fieldbus.step` (every fourth tick) and, apart from it, of each step of
the meter's own record (in the same tick). Reading and writing the UART are C functions there, as on a board.
"""

import statistics
import sys
from pathlib import Path

from host_tests.size import image
from host_tests.trace import ROOT, record, replay
from hw_tests.bench import scenario

CALLGRIND = ROOT / "build" / "bin" / "callgrind"
MARKS = ("--zero-before=getenv", "--dump-after=unsetenv", "--combine-dumps=yes")  # host_tests/board/replay.py
HEAP = ("-X", "heapsize=200k")  # with the replay beside it, the code from files does not fit into 160 KB any more
SAMPLES = 8  # pairs of marks with nothing between them
NS_AN_INSTRUCTION = 11
VARIANTS = {"isocha425": "good", "rn5893": "rn5893", "noise": "noise"}  # of `insulation`; noise: 0.5 % of bytes
ROOMS = ("fieldbus", "energy")
TICKS = 2400  # of each session: to the full discharge
AIM_MEDIAN_ms, AIM_WORST_ms = 0.6, 1.4  # of fieldbus.step (docs/fieldbus.md)


def trace(monitor: str) -> Path:
    """Play the session: its trace."""
    path = ROOT / "build" / "perf" / f"field_{monitor}.trace"
    record(scenario.load("insulation", VARIANTS[monitor]), path)
    return path


def counted(path: Path, room: str) -> list[int]:
    """Instructions of each step of a room, in order."""
    out = path.with_suffix(f".{room}.callgrind")
    out.unlink(missing_ok=True)
    replay(path, room, TICKS, interpreter=(str(CALLGRIND), f"--out={out}", *MARKS, "--", *HEAP))
    parts = [int(line.split()[1]) for line in out.read_text().splitlines() if line.startswith("totals:")]
    out.unlink()
    nothing = statistics.median_low(parts[:SAMPLES])
    return [part - nothing for part in parts[SAMPLES:]]


def row(monitor: str, room: str, steps: list[float]) -> str:
    """One line of the table; `steps` in ms, in order of size."""
    picked = [steps[len(steps) * percent // 100] for percent in (10, 50, 90, 99)] + [steps[-1], statistics.mean(steps)]
    return f"  sdm630 and {monitor:10} {room:9}{len(steps):7}" + "".join(f"{time_ms:9.3f}" for time_ms in picked)


def main() -> None:
    """Print the table."""
    image()
    print(f"the field bus{'':28}steps     10 %   median     90 %     99 %    worst     mean   "
          "ms a step, ESP32-equivalent")  # fmt: skip
    steps: dict[str, list[float]] = {}
    for monitor in VARIANTS:
        path = trace(monitor)
        for room in ROOMS:
            steps[room] = sorted(count * NS_AN_INSTRUCTION / 1e6 for count in counted(path, room))
            print(row(monitor, room, steps[room]), flush=True)
        median_ms, worst_ms = steps["fieldbus"][len(steps["fieldbus"]) // 2], steps["fieldbus"][-1]
        print(f"  aim: median at most {AIM_MEDIAN_ms} ms: {'met' if median_ms <= AIM_MEDIAN_ms else 'missed'};"
              f" worst at most {AIM_WORST_ms} ms: {'met' if worst_ms <= AIM_WORST_ms else 'missed'}")  # fmt: skip


if __name__ == "__main__":
    if not CALLGRIND.exists():
        sys.exit("perf: callgrind is missing; `make perf` fetches it")
    main()
