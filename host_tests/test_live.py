"""Live runs: MicroPython, Mosquitto, car, plant and aggregator as processes with real interfaces between them."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from hw_tests.bench import interpreter, live, scenario, summary

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.skipif(not interpreter.MICROPYTHON.exists(), reason="no MicroPython: run make bootstrap")


def children(of: Path) -> list[str]:
    """Processes that run in that folder."""
    found = []
    for each in Path("/proc").iterdir():
        try:
            if each.name.isdigit() and Path(os.readlink(each / "cwd")) == of:
                found.append((each / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


def played(name: str, variant: str, folder: Path) -> dict[str, Any]:
    made = live.run(scenario.load(name, variant), folder)
    assert made["result"] == "pass", "\n" + summary.text(made)
    assert made == json.loads((folder / "summary.json").read_text())
    assert made["micropython"]["word_bits"] == 32 or os.uname().machine != "x86_64"
    assert made["heap"]["size_bytes"] == 160 * 1024
    assert children(folder) == []
    return made


def test_evening(tmp_path: Path) -> None:
    made = played("evening", "", tmp_path)
    assert made["duration_s"] <= 120
    assert made["mqtt"]["lost"] == 0 and made["mqtt"]["reconnects"] == 1
    for name in ("events.jsonl", "mqtt.jsonl", "car.log", "converter.log", "session.png"):
        assert (tmp_path / name).stat().st_size > 1000, name
    told = [json.loads(line) for line in (tmp_path / "mqtt.jsonl").read_text().splitlines()]
    assert {"up", "down"} == {line["direction"] for line in told}


def test_emergency(tmp_path: Path) -> None:
    """One of the family; `make scenarios` plays them all live."""
    reaction = played("emergency", "cc1_lost_40", tmp_path)["reaction"]
    assert reaction["marked_current_A"] < -45 and reaction["open_current_A"] <= 5


def test_a_firmware_that_dies_is_told_with_its_log(tmp_path: Path) -> None:
    live.make_image()
    run = live.Live(scenario.load("evening"), tmp_path)

    def kill() -> None:
        while run.now_s() < 3 or "firmware" not in run.processes.names:
            time.sleep(0.1)
        run.processes["firmware"].signal(signal.SIGKILL)

    threading.Thread(target=kill, daemon=True).start()
    made = run.run()
    assert made["result"] == "fail"
    first = made["checks"][0]
    assert first["name"] == "played_to_the_end" and "firmware ended with status -9" in first["detail"]
    assert children(tmp_path) == []


def test_ctrl_c_leaves_nothing_behind() -> None:
    folder = ROOT / "build" / "run" / "charge_only_2015-later"
    command = [sys.executable, "-m", "hw_tests.bench", "run", "charge_only_2015", "--variant", "later"]
    run = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert run.stdout is not None
    for line in run.stdout:
        if "arrive" in line:
            break
    assert len(children(folder)) >= 6
    run.send_signal(signal.SIGINT)
    text, _ = run.communicate(timeout=20)
    assert run.returncode == 130 and "stopped" in text
    assert children(folder) == []


def test_a_wrong_name_lists_the_right_ones() -> None:
    command = [sys.executable, "-m", "hw_tests.bench", "run", "evning"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "there is no scenario 'evning'; there are: " in done.stderr
    assert "Traceback" not in done.stderr
