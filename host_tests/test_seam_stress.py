"""The seam under two real threads without an interpreter lock: nothing torn, nothing out of order, nothing hidden."""

import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MICROPYTHON = ROOT / "build" / "bin" / "micropython"


@pytest.fixture(scope="module")
def seen():
    """What the stress saw, 2 s each part."""
    if not MICROPYTHON.exists():
        pytest.skip("no micropython: `make` fetches it")
    done = subprocess.run(
        [MICROPYTHON, "host_tests/seam_stress.py", str(ROOT), "2"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_stress_tears_what_is_not_guarded(seen):
    """Else the other tests would prove nothing."""
    assert seen["naive"]["torn"] > 0.001 * seen["naive"]["looks"]


def test_no_record_is_torn(seen):
    """And the reader does see new ones."""
    records = seen["records"]
    assert records["torn"] == 0 and records["looks"] > 5000
    assert records["values"] > 200


def test_no_wish_is_torn(seen):
    """Serial, power and limits of one post stay together."""
    wishes = seen["wishes"]
    assert wishes["torn"] == 0 and wishes["looks"] > 5000
    assert wishes["values"] > 200


def test_no_event_is_torn_lost_unseen_or_out_of_order(seen):
    """What the ring could not take is counted."""
    events = seen["events"]
    assert events["torn"] == 0 and events["disorder"] == 0 and events["got"] > 1000
    assert events["got"] + events["lost"] == events["put"]
