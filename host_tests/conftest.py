"""Puts the repository root and the MicroPython shims on the path, so that tests import `firmware` as the board does."""

import gc
import os
import signal
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
for path in (ROOT / "host_tests" / "shims", ROOT / "lib", ROOT):
    if str(path) not in sys.path:
        sys.path.insert(0, str(path))

# A shell's background job ignores Ctrl-C, and so would every tool that a test starts and ends by it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Live processes that keep real time: one after the other on one of `make test`'s workers, to which the others leave the
# processor whenever it wants it.
REAL_TIME = {
    "test_alone", "test_bench_chademo_process", "test_bench_command", "test_bench_converter_process",
    "test_bench_gbt27930_process", "test_bench_wire_live", "test_live", "test_modbus_pymodbus", "test_uplink_mosquitto",
}  # fmt: skip
# What their tests share is made once for all of them.
TOGETHER = {"test_heap", "test_recordings", "test_replay_session", "test_replay_station", "test_seam_stress"}

_begun: list[str] = []


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Real time comes first: it is the longest of all that one worker has to do."""
    for item in items:
        name = item.path.stem
        if name in REAL_TIME or name in TOGETHER:
            item.add_marker(pytest.mark.xdist_group("real_time" if name in REAL_TIME else name))
    items.sort(key=lambda item: item.path.stem not in REAL_TIME)


def pytest_collection_finish() -> None:
    """All that was imported stays: the collections that the firmware asks for at each start need not walk it, which
    takes 0.1 s and more with the whole of the tests loaded, twice a start."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """The niceness of a worker goes by the first test that it gets."""
    if "PYTEST_XDIST_WORKER" in os.environ and not _begun:
        _begun.append(item.path.stem)
        if item.path.stem not in REAL_TIME:
            os.nice(10)
