"""The files of host_tests/unit, which pytest runs on CPython, once more on MicroPython: the same functions, 32 bits."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MICROPYTHON = ROOT / "build" / "bin" / "micropython"
HEAP = "512k"  # sources are compiled in it; small, as the time of gc.collect() and gc.mem_alloc() grows with it
LARGE = {"test_board_life": "1M", "test_can_listens": "1M", "test_infypower_wrong": "1M"}  # that many modules
FILES = sorted(path.stem for path in (ROOT / "host_tests" / "unit").glob("test_*.py"))


@pytest.mark.parametrize("name", FILES)
def test_unit_file(name: str, tmp_path: Path) -> None:
    (tmp_path / "build").mkdir()  # a root of its own, see unit/conftest.py
    heap = f"heapsize={LARGE.get(name, HEAP)}"
    command = [str(MICROPYTHON), "-X", heap, str(ROOT / "host_tests" / "run_units.py"), name]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)
    text = done.stdout + done.stderr
    assert done.returncode == 0, text[-4000:]
    assert sum(line.startswith("ok ") for line in done.stdout.splitlines()) >= 1, "the file has no test"
