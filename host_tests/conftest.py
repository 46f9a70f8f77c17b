"""Puts the repository root and the MicroPython shims on the path, so that tests import `firmware` as the board does."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
for path in (ROOT / "host_tests" / "shims", ROOT / "lib", ROOT):
    if str(path) not in sys.path:
        sys.path.insert(0, str(path))
