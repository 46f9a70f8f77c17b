"""VIEW=messages: a line for everything, none dropped, none a crash; CHECK=1 finds a reading that differs; fast."""

import io
import random
import time

import pytest

from host_tests.replay_check import check_of
from host_tests.replay_rig import bench_session, candump_log, lines, long_message, read, small_session
from hw_tests.bench.chademo.codec import BY_ID as CHADEMO_IDS
from hw_tests.bench.frame import Frame
from hw_tests.bench.gbt27930 import codec
from hw_tests.bench.gbt27930.messages import BY_ID as GBT_IDS
from hw_tests.bench.replay import messages
from hw_tests.bench.replay.__main__ import arguments, run
from hw_tests.bench.replay.protocol import Counts
from hw_tests.bench.replay.show import Show


def test_every_frame_and_every_long_message_has_its_line(tmp_path):
    session = small_session()
    strangers = [(0.01 * k, Frame(0x18FF50E5, True, bytes(8))) for k in range(7)]
    status, rows = lines(candump_log(sorted(session + strangers, key=lambda each: each[0]), tmp_path / "log"))
    *told, last = rows
    assert status == 0 and not [row for row in told if "error" in row]
    assert len([row for row in told if "packets" not in row]) == len(session) == last["frames"]
    assert last["skipped"] == {"other ids": 7} and last["skipped_ids"] == {"18FF50E5": 7}
    assert sum(last["names"].values()) == len(told)
    bcp = next(row for row in told if row["name"] == "BCP")
    assert bcp["dir"] == "vehicle" and bcp["packets"] == 2
    assert bcp["raw"] == "9e 01 b8 0b 4e 00 8e 17 6e ca 03 24 13"
    assert bcp["signals"]["voltage_dV"] == 4900 and bcp["signals"]["current_max_dA"] == 1000
    chm = told[0]
    assert chm["t_s"] == 0.0 and chm["dir"] == "charger" and chm["name"] == "CHM" and chm["raw"] == "01 01 00"


def test_signals_are_in_the_houses_sign():
    frames = [(0.1 * k, codec.encode("BCL", voltage_dV=4000, current_dA=200, mode=2)) for k in range(3)]
    assert frames[0][1].data[2:4] == b"\xd8\x0e"  # 3800: the standard counts discharging positive
    reader = __import__("hw_tests.bench.replay.gbt27930", fromlist=["x"]).GbtReader()
    assert reader.feed(0.0, frames[0][1], 1)[0].signals["current_dA"] == 200


def test_what_does_not_decode_is_a_line_with_an_error(tmp_path):
    bcp = codec.payload("BCP", voltage_dV=4900)
    frames = [
        *[(0.01 * k, codec.encode("CHM", version_minor=1, version_major=1)) for k in range(5)],
        (1.0, Frame(0x181056F4, True, b"\x01\x02")),  # BCL of two bytes
        (1.1, Frame(0x18AA56F4, True, b"\x01")),  # nobody's PGN
        (1.2, Frame(0x1CEC56F4, True, b"\x77" * 8)),  # no control byte
        *long_message("BCP", bcp, 2.0)[:3],  # one packet of two
        *long_message("BCP", bcp, 3.0),
        *long_message("BCP", bcp, 4.0, answered=False),
    ]
    tolds, _, _ = read(candump_log(frames, tmp_path / "log"))
    errors = [(told.name, told.error) for told in tolds if told.error]
    assert [name for name, _ in errors] == ["BCL", "unknown", "TP", "BCP", "BCP"]
    assert "2 bytes, not 5" in errors[0][1] and "18AA56F4" in errors[1][1] and "control byte 77" in errors[2][1]
    assert "1 of 2 packets" in errors[3][1]
    assert "the request had no answer" in errors[4][1]
    assert [told.error for told in tolds if told.name == "BCP"].count("") == 1


@pytest.mark.parametrize(
    "ids", [sorted(GBT_IDS) + [0x1CEC56F4, 0x1CEB56F4, 0x1CECF456], sorted(CHADEMO_IDS)], ids=["gbt", "chademo"]
)
def test_garbage_on_the_protocols_own_ids_is_always_told(ids, tmp_path):
    chance = random.Random(7)
    frames = [
        (0.001 * k, Frame(chance.choice(ids), ids[0] > 0x7FF, chance.randbytes(chance.randrange(9))))
        for k in range(3000)
    ]
    path = candump_log(frames, tmp_path / "log")
    status, rows = lines(path, "--check")
    *told, last = rows
    assert last["frames"] == 3000
    assert (
        len([row for row in told if "packets" not in row and not row.get("error", "").startswith("incomplete")]) == 3000
    )
    for view in ("session",):
        assert lines(path, "--view", view)[0] == 0


def test_chademo_lines_carry_the_charge_once_it_can_be_known(tmp_path):
    tolds, _, _ = read(candump_log(bench_session("chademo", (4000,), 1000), tmp_path / "log"))
    assert not [told for told in tolds if told.error]
    soc = [told.signals["soc_permille"] for told in tolds if told.name == "102" and "soc_permille" in told.signals]
    assert abs(soc[-1] - 550) <= 20
    floor = [
        told.signals["energy_min_permille"]
        for told in tolds
        if told.name == "200" and "energy_min_permille" in told.signals
    ]
    assert abs(floor[-1] - 300) <= 20


@pytest.mark.parametrize("vehicle", ["gbt27930", "chademo"])
def test_firmware_gate_and_bench_read_a_whole_session_alike(vehicle, tmp_path):
    status, rows = lines(candump_log(bench_session(vehicle), tmp_path / "log"), "--check")
    assert status == 0 and rows[-1]["differing"] == 0 and rows[-1]["errors"] == 0
    assert len([row for row in rows if "firmware" in row]) > 200 and len([row for row in rows if "gate" in row]) > 200


MISREAD = [
    ("gbt27930", "BCL", "current_dA"), ("gbt27930", "BCS", "soc_permille"), ("gbt27930", "CML", "voltage_max_dV"),
    ("chademo", "102", "request_dA"), ("chademo", "108", "voltage_available_dV"),
]  # fmt: skip


@pytest.mark.parametrize("vehicle,name,signal", MISREAD)
def test_a_reading_that_differs_is_found(vehicle, name, signal, tmp_path):
    """The bench is made to misread one signal: then the two others stand against it."""
    tolds, _, _ = read(candump_log(bench_session(vehicle, (4000,), 1000), tmp_path / "log"))
    check = check_of(vehicle)
    found = []
    for told in tolds:
        if told.name == name and signal in told.signals:
            told = told._replace(signals={**told.signals, signal: told.signals[signal] + 10})
        if check(told)[1]:
            found.append(told.name)
    assert found and set(found) == {name}


def test_100_000_frames_take_less_than_20_s(tmp_path):
    session = bench_session("gbt27930", (8000,), 3000)
    length_s = session[-1][0] + 1
    many = [(t_s + turn * length_s, frame) for turn in range(100_000 // len(session) + 1) for t_s, frame in session]
    path = candump_log(many[:100_000], tmp_path / "log")
    began = time.process_time()
    stream = io.StringIO()
    run(arguments([str(path)]), Show(stream, False))
    assert time.process_time() - began < 20
    assert stream.getvalue().count("\n") > 100_000


def test_a_terminal_gets_rows_colours_and_a_bar(tmp_path):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    path = candump_log(small_session() * 150, tmp_path / "log")
    screen, bar = Terminal(), Terminal()
    out = Show(screen, None, bar)
    assert run(arguments([str(path)]), out) == 0
    rows = screen.getvalue().splitlines()
    assert "candump -L" in rows[0] and "gbt27930" in rows[0]
    assert "CHM" in rows[1] and "version_major=1" in rows[1] and "\x1b[" in rows[1] and "{" not in rows[1]
    assert "█" in bar.getvalue() or "░" in bar.getvalue()
    assert bar.getvalue().endswith("\r\x1b[K")


def test_colours_can_be_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    screen = io.StringIO()
    run(arguments([str(candump_log(small_session(), tmp_path / "log"))]), Show(screen, True))
    assert "\x1b[" not in screen.getvalue() and "CHM" in screen.getvalue()


def test_counts_of_nothing():
    stream = io.StringIO()
    assert messages.show(iter(()), Counts(), Show(stream, False)) == 0
    assert '"frames": 0' in stream.getvalue()
