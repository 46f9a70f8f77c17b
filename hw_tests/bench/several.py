"""Live runs beside each other, each in a process of its own: all scenarios in a fraction of the time.

Two on two processors leave each run the time it needs; with more of them the computer's own delays begin to show as
late ticks and late frames.
"""

import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from hw_tests.bench.scenario import Scenario

ROOT = Path(__file__).resolve().parent.parent.parent


def _command(each: Scenario) -> list[str]:
    words = [sys.executable, "-m", "hw_tests.bench", "run", each.name, "--vehicle", each.vehicle]
    return [*words, "--variant", each.variant] if each.variant else words


def play(runs: Sequence[Scenario], jobs: int, later: int = 0) -> list[tuple[str, bool]]:
    """Name and whether it passed, of each in the order in which they ended; tells each when it has, and how many are
    left, with the `later` ones of other calls."""
    begun_s, results = time.monotonic(), []
    with ThreadPoolExecutor(jobs) as pool:
        waiting = {pool.submit(_played, each): each for each in runs}
        try:
            for done in as_completed(waiting):
                passed, text = done.result()
                results.append((waiting[done].run_name, passed))
                print(text if not passed else text.splitlines()[-1])
                left = len(runs) - len(results) + later
                left_s = (time.monotonic() - begun_s) / len(results) * left
                print(f"  {left} to play, about {left_s / 60:.0f} min left", flush=True)
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            raise
    return results


def _played(each: Scenario) -> tuple[bool, str]:
    done = subprocess.run(_command(each), cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    lines = [line for line in done.stdout.splitlines() if not line.startswith("files: ")]
    verdict = [line for line in lines if line.startswith(("  ok ", "  FAIL", each.run_name))]
    return done.returncode == 0, "\n".join(verdict or [*lines[-20:], done.stderr.strip(), f"{each.run_name}: fail"])
