"""Puts the repository root and the MicroPython shims on the path, so that tests import `firmware` as the board does."""

import gc
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
for path in (ROOT / "host_tests" / "shims", ROOT / "lib", ROOT):
    if str(path) not in sys.path:
        sys.path.insert(0, str(path))


def pytest_collection_finish() -> None:
    """All that was imported stays: the collections that the firmware asks for at each start need not walk it, which
    takes 0.1 s and more with the whole of the tests loaded, twice a start."""
    gc.collect()
    gc.freeze()
