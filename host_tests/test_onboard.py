"""The numbered on-board tests without a board: each is seen to pass, to fail when the thing is broken, and to skip.

They run in 32-bit MicroPython on an ESP32 in virtual time (host_tests/onboard/), phase after phase as the runner plays
them. What no model knows (real stalls, real shares of the processor) a board must show.
"""

import ast
import importlib
import json
import re
import subprocess
from pathlib import Path

import pytest

from firmware.config.points import POINTS
from firmware.station import G_EXPORT_Wh, G_FREQUENCY_mHz, G_IMPORT_Wh, G_VOLTAGE_dV

ROOT = Path(__file__).resolve().parent.parent
MICROPYTHON = ROOT / "build" / "bin" / "micropython"
TESTS = sorted(path.stem for path in (ROOT / "hw_tests").glob("[0-9][0-9]_*.py"))

pytestmark = pytest.mark.skipif(not MICROPYTHON.exists(), reason="no MicroPython in build/bin: run make bootstrap")

# test, what is broken, the results that this breaks; "skip": all of it is skipped, with a reason that says this.
BROKEN = [
    ("01_pins_safe", "no_boot_file", ["outputs off after a soft reset"]),
    ("01_pins_safe", "way_out_broken", ["outputs off after an exception"]),
    ("02_relays", "stuck_relay", ["contactor closes"]),
    ("02_relays", "slow_relay", ["contactor closes", "contactor opens"]),
    ("02_relays", "no_chain", ["coils drop without a heartbeat"]),
    ("03_can_loopback", "no_chip", ["car answers", "converter answers"]),
    ("03_can_loopback", "lossy", ["car frames lost", "converter frames lost"]),
    ("03_can_loopback", "spoilt", ["car frames spoilt", "converter frames spoilt"]),
    ("04_can_bus", "lossy", ["125 kbit/s, car to converter: lost", "500 kbit/s, error counters"]),
    ("04_can_bus", "cut_declared", ["the buses are wired together"]),
    ("04_can_bus", "no_chip", ["runs"]),
    ("05_meter", "silent_declared", ["the meter answers"]),
    ("05_meter", "export_falls", ["export only grows"]),
    ("05_meter", "mains_gone", ["phase voltage"]),
    ("06_insulation", "silent_declared", ["the monitor answers"]),
    ("06_insulation", "alarm", ["no alarm and no device error"]),
    ("06_insulation", "leaky", ["insulation"]),
    ("06_insulation", "test_for_ever", ["the self-test ends"]),
    ("07_flash", "slow_flash", ["a write of 4 KB, worst", "the longest hold of the interpreter"]),
    ("08_tick", "holding", ["worst gap with the services"]),
    ("08_tick", "slow_tls", ["worst gap with TLS busy"]),
    ("09_share", "spinning", ["share of the services"]),
    ("10_heap", "leaking", ["shrinks by"]),
    ("11_watchdog", "deaf", ["reset"]),
    ("11_watchdog", "other_reset", ["it was the watchdog"]),
    ("12_heartbeat", "toggled", ["edges while the tick hangs"]),
]
SKIPPED = [
    ("01_pins_safe", "live", "400 V on the inlet"),
    ("01_pins_safe", "sensor_gone", "gives no number"),
    ("01_pins_safe", "no_board_file", "board.txt names no board"),
    ("02_relays", "not_wired", "say WIRED=relays"),
    ("02_relays", "live", "400 V on the inlet"),
    ("03_can_loopback", "native", "no machine.CAN"),
    ("04_can_bus", "cut", "wire CANH to CANH"),
    ("05_meter", "silent", "no meter answers at address 1"),
    ("05_meter", "no_field_bus", "no field bus"),
    ("06_insulation", "silent", "no monitor answers at address 3"),
    ("07_flash", "full_flash", "12288 bytes are free"),
    ("08_tick", "live", "400 V on the inlet"),
    ("09_share", "sensor_gone", "gives no number"),
    ("10_heap", "live", "400 V on the inlet"),
    ("11_watchdog", "no_board_file", "board.txt names no board"),
    ("12_heartbeat", "live", "400 V on the inlet"),
]


def _id(value):
    return value if isinstance(value, str) else ""


def play(test: str, variant: str, folder: Path) -> list[dict]:
    """All results of one play."""
    script = ROOT / "host_tests" / "onboard" / "play.py"
    command = [str(MICROPYTHON), "-X", "heapsize=8M", str(script), str(ROOT), test, variant]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert done.returncode == 0 and lines and lines[-1] == {"done": 1}, done.stdout + done.stderr
    return [line for line in lines if "result" in line]


@pytest.mark.parametrize("test", TESTS)
def test_it_passes_on_a_good_board(test, tmp_path):
    results = play(test, "with_tls" if test == "08_tick" else "good", tmp_path)
    assert len(results) >= 2
    assert [each for each in results if each["result"] != "pass"] == []
    judged = [each for each in results if each["limit"] is not None]
    assert judged, "a test that only prints judges nothing"


@pytest.mark.parametrize(("test", "variant", "names"), BROKEN, ids=_id)
def test_it_fails_when_the_thing_is_broken(test, variant, names, tmp_path):
    failed = [each["name"] for each in play(test, variant, tmp_path) if each["result"] == "fail"]
    assert set(names) <= set(failed)


@pytest.mark.parametrize(("test", "variant", "reason"), SKIPPED, ids=_id)
def test_it_skips_with_a_reason_when_a_thing_is_missing(test, variant, reason, tmp_path):
    results = play(test, variant, tmp_path)
    assert any(each["result"] == "skip" and reason in each["note"] for each in results), results
    assert not any(each["result"] == "fail" for each in results), results


def test_each_has_a_broken_variant_and_one_in_which_it_skips():
    assert TESTS and {test for test, *_ in BROKEN} == set(TESTS) == {test for test, *_ in SKIPPED}


@pytest.mark.parametrize("test", TESTS)
def test_each_says_what_it_needs(test):
    head = [line for line in (ROOT / "hw_tests" / f"{test}.py").read_text().splitlines()[:5] if line.startswith("# ")]
    assert any(line.startswith("# Needs: ") for line in head)


@pytest.mark.parametrize("test", TESTS)
def test_its_words_are_those_of_make(test):
    """Every word that it reads is named in its header, as GIVEN's; every variable that it names is the Makefile's."""
    source = (ROOT / "hw_tests" / f"{test}.py").read_text(encoding="utf-8")
    head = " ".join(line for line in source.splitlines()[:5] if line.startswith("# "))
    told = " ".join(quoted or plain for quoted, plain in re.findall(r'GIVEN=(?:"([^"]*)"|(\S+))', head))
    assert set(re.findall(r'(?:given\(|GIVEN\.get\()"(\w+)"', source)) == set(re.findall(r"(\w+)=", told))
    assert set(re.findall(r"\b([A-Z][A-Z_]+)=", source)) <= {"ONLY", "WIRED", "GIVEN", "PORT"}


def test_the_meters_of_05_are_those_of_the_configuration():
    """By the same names, at the registers that the firmware reads, in its units; a DC meter has none of them."""
    source = (ROOT / "hw_tests" / "05_meter.py").read_text(encoding="utf-8")
    models = ast.literal_eval(re.search(r"^_MODELS = (\{.*?^\})", source, re.M | re.S)[1])
    configured = next(low for key, _, low, *_ in POINTS if key == "meter")
    assert set(models) == set(configured) - {"none", "djsf1352"}
    for name, (function, volts, frequency, bought, sold, tenth) in models.items():
        part = importlib.import_module(f"firmware.fieldbus.{name}")
        rows = {slot: (at, num, den) for slot, at, _, num, den in part.ROWS}
        assert function == part.FUNCTION
        assert rows[G_VOLTAGE_dV] == (volts, 10 // tenth, 1)
        assert rows[G_FREQUENCY_mHz] == (frequency, 1000 if tenth == 1 else 10, 1)
        assert (rows[G_IMPORT_Wh], rows[G_EXPORT_Wh]) == ((bought, 1000, 1), (sold, 1000, 1))
