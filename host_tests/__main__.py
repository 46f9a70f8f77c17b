"""`make test`: all that needs no board, on both interpreters, beside each other on the processors there are.

    python -m host_tests [words for pytest]

The last line is pytest's own.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MOST = 8  # workers


def workers() -> int:
    """As many as there are processors for us, and the one that mostly waits (conftest.py)."""
    return min(MOST, len(os.sched_getaffinity(0)) + 1)


def pytest(*words: str) -> int:
    """One run of pytest, its output as it comes."""
    command = [sys.executable, "-m", "pytest", "-q", *words]
    return subprocess.call(command, cwd=ROOT)


def main(words: list[str]) -> int:
    """Exit status of pytest; 0 only if every test passed."""
    if words:
        return pytest(*words)
    beside = ["-n", str(workers()), "--dist", "loadgroup", "--no-loadscope-reorder", "--durations", "8"]
    return pytest(*beside, "host_tests")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
