"""`make bench` from its command line to summary.json, without a board: its place is taken by MicroPython with the real
image, the real board's data and the real wires on a pseudo-terminal; only chips are stood in for (board/bench_repl.py).
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from firmware.boards import bench_2x_mcp2518fd, esp32_2x_mcp2518fd
from host_tests.bench_desk_board import BenchDeskBoard, Buses, FieldWire, wait_for_port
from hw_tests.bench import against_board, interpreter, vehicles
from hw_tests.desk import image as images
from hw_tests.desk.board import at_prompt

pytestmark = pytest.mark.skipif(not interpreter.MICROPYTHON.exists(), reason="no MicroPython: run make bootstrap")

ROOT = Path(__file__).resolve().parent.parent
NAME = "bench_2x_mcp2518fd"
# The command with a desk that does not listen for 3 s to a board that says nothing.
QUICK = """
import functools, sys
from hw_tests.bench import against_board
against_board.Desk = functools.partial(against_board.Desk, listen_s=0.3)
sys.exit(against_board.main(sys.argv[1:]))
"""
MINE = b'{"site": "home", "station": "garage", "wifi_ssid": "desk", "wifi_password": "by the desk"}'


@pytest.fixture(scope="module")
def flashed(tmp_path_factory):
    """The flash of a board with this checkout's image and a user's own files."""
    folder = tmp_path_factory.mktemp("flash")
    with BenchDeskBoard(folder / "flash", folder / "notes", {"car": 1, "converter": 1}) as board:
        board.give(images.build(), {"board.txt": f"{NAME}\n".encode(), "config.json": MINE})
    return folder / "flash"


@pytest.fixture
def there(flashed, tmp_path):
    """A copy of it: (path of the flash, path of the notes)."""
    shutil.copy(flashed, tmp_path / "flash")
    return tmp_path / "flash", tmp_path / "notes"


def files(board):
    """What of the user's is on the board now."""
    with at_prompt(board.device, 0.2) as prompt:
        return {name: prompt.read(name) for name in ("config.json", "config.user.json")}


def command(port, cans=("socket://127.0.0.1:1", "socket://127.0.0.1:2"), words=("evening",), broker="127.0.0.1",
            rs485=""):  # fmt: skip
    """The words of `make bench`."""
    can, converter = cans
    words = [*words, "--port", port, "--can", can, "--can-converter", converter, "--broker", broker]
    return [*words, "--rs485", rs485] if rs485 else words


def played(there, vehicle, words, run_name):
    """Play it as `make bench` does: exit status, its words, the summary, the board's notes, the user's files."""
    with Buses(vehicles.vehicle(vehicle).bit_s) as buses, FieldWire() as field:
        for port in buses.board.values():
            wait_for_port(port)
        with BenchDeskBoard(*there, {**buses.board, "field": field.port}) as board:
            cans = buses.adapter["car"], buses.adapter["converter"]
            words = command(board.device, cans, words, rs485=field.device)
            done = subprocess.run([sys.executable, "-c", QUICK, *words], cwd=ROOT, capture_output=True, text=True,
                                  timeout=300)  # fmt: skip
            kept, noted = files(board), [*board.noted(), ["adapter", field.speed]]
    made = json.loads((against_board.RUNS / run_name / "summary.json").read_text())
    return done.returncode, done.stdout + done.stderr, made, noted, kept


def outputs_stay_off(noted):
    """A real relay has not moved: every pad of an output was driven, and to its safe level alone."""
    safe = {str(pin): str(1 - on) for _, pin, on in bench_2x_mcp2518fd.OUTPUTS}
    driven = [each[1:] for each in noted if each[0] == "pin" and each[1] in safe]
    assert {pin for pin, _ in driven} == set(safe) and all(level == safe[pin] for pin, level in driven)


def field_bus_was_real(noted, vehicle):
    """The GB/T scenario has a meter and a monitor: the board's own UART, and the adapter at the station's speed."""
    id, tx, rx, _ = esp32_2x_mcp2518fd.FIELD
    made = [each[1:] for each in noted if each[0] == "uart"]
    assert made == ([[str(id), "19200", "8", "0", "1", str(tx), str(rx), "0"]] if vehicle == "gbt27930" else [])
    assert not made or ["adapter", termios.B19200] in noted


def starved(made):
    """The computer did not let the board or the plant run: late ticks, or physics far behind. That says nothing."""
    tick = made["tick"]
    return (tick["late"] or 0) > 0 or (made["physics_behind_max_ms"] or 0) > 60


RUNS = {
    "gbt27930": ((str(ROOT / "host_tests/scenarios/short_gbt27930.toml"),), "short_gbt27930"),
    "chademo": (("chademo_bad_start", "--variant", "target_raised"), "chademo_bad_start-target_raised"),
}


@pytest.mark.parametrize("vehicle", RUNS)
def test_a_scenario_from_the_command_line_to_its_summary(there, vehicle):
    status, text, made, noted, kept = played(there, vehicle, *RUNS[vehicle])
    assert kept == {"config.json": MINE, "config.user.json": None}, text
    assert ["wifi", "desk"] in noted
    run = against_board.RUNS / RUNS[vehicle][1]
    assert not [file for file in run.rglob("*") if file.is_file() and b"by the desk" in file.read_bytes()]
    assert [each[0] for each in noted].index("rtc") < [each[0] for each in noted].index("wifi")  # it knows the time
    outputs_stay_off(noted)
    field_bus_was_real(noted, vehicle)
    assert made["micropython"] == {"version": "1.25.0", "word_bits": 32, "image": "rom"}
    assert status == (made["result"] != "pass"), text
    if made["result"] != "pass" and starved(made):
        pytest.skip(f"the computer was too busy for a live run: {made['tick']}")
    assert made["result"] == "pass", text


@pytest.mark.skipif("SLUICE_IDLE" not in os.environ, reason="real time, and long: SLUICE_IDLE=1 if idle")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_bench_that_ends_under_power_leaves_a_safe_board_and_the_users_configuration(there, how):
    with Buses(vehicles.vehicle("gbt27930").bit_s) as buses, FieldWire() as field, \
            BenchDeskBoard(*there, {**buses.board, "field": field.port}) as board:  # fmt: skip
        cans = buses.adapter["car"], buses.adapter["converter"]
        words = command(board.device, cans, RUNS["gbt27930"][0], rs485=field.device)
        bench = subprocess.Popen([sys.executable, "-um", "hw_tests.bench.against_board", *words], cwd=ROOT,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)  # fmt: skip
        seen = next(line for line in bench.stdout if "phase" in line and "precharge" in line)
        bench.send_signal(how)
        text, _ = bench.communicate(timeout=120)
        assert bench.returncode == (130 if how == signal.SIGINT else -how), seen + text
        if how == signal.SIGKILL:
            given = against_board.arguments(["evening", "--port", board.device, "--restore"])
            assert against_board.run(given) == 0
        assert files(board) == {"config.json": MINE, "config.user.json": None}
        outputs_stay_off(board.noted())
