"""What must never reach an energised station, and the sentences for everything that can be wrong with a port."""

import io
import json
import os
import signal
import subprocess
import sys
import threading

import pytest
import serial

from host_tests.desk_board import ROOT, DeskBoard, Stranger
from host_tests.desk_rig import DEADLINE_s, desk, image, wait_for
from hw_tests.desk import __main__ as cli
from hw_tests.desk import board as board_module
from hw_tests.desk import configure, console, flash, logs, port
from hw_tests.desk.board import at_prompt
from hw_tests.desk.listen import refuse_if_energised
from hw_tests.desk.trouble import Trouble

GOOD = {"floor_permille": 400, "mqtt_password": "geheim", "wifi_password": "geheim12"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "flash"


def with_image(path, what):
    """A board on which an image runs."""
    board = DeskBoard(path)
    flash.flash(desk(board), image=what)
    return board


def write(tmp_path, points, name="station.json"):
    file = tmp_path / name
    file.write_text(points if isinstance(points, str) else json.dumps(points))
    return file


def tools(tmp_path, made):
    """Every tool that sends anything."""
    return (
        lambda: flash.flash(made, image=image(7)),
        lambda: configure.configure(made, write(tmp_path, GOOD)),
        lambda: logs.logs(made, stop=True, to=tmp_path / "logs"),
    )


def test_every_tool_refuses_an_energised_station_and_sends_nothing(path, tmp_path):
    with with_image(path, image(1, interrupt=-1, state="energised")) as board:
        board.received.clear()
        starts = board.starts
        for tool in tools(tmp_path, desk(board)):
            with pytest.raises(Trouble, match="^energised: stop the session first .*in idle; .*docs/first-start.md"):
                tool()
        assert bytes(board.received) == b"" and board.starts == starts


@pytest.fixture
def impatient(monkeypatch):
    """A tool that gives up soon where the prompt must not come."""
    monkeypatch.setattr(board_module, "ENTER_s", 0.5)


def test_a_ctrl_c_does_not_interrupt_while_the_station_has_it_off(path, impatient):
    """The line said safe, and the station became energised a moment later: kbd_intr(-1) holds."""
    with with_image(path, image(1, interrupt=-1)) as board:
        starts = board.starts
        with pytest.raises(Trouble, match="gives no MicroPython prompt.*may just have become energised"):
            flash.flash(desk(board), image=image(2))
        assert b"\x03" in board.received and board.starts == starts
        with port.opened(board.device) as transport:
            assert refuse_if_energised(transport, DEADLINE_s) == "idle", "it runs on"


def test_a_ctrl_c_interrupts_a_safe_station_and_it_is_started_again(path, tmp_path):
    with with_image(path, image(1)) as board:
        logs.logs(desk(board), stop=True, to=tmp_path)
        with port.opened(board.device) as transport:
            assert refuse_if_energised(transport, DEADLINE_s) == "idle"


def test_a_station_is_started_again_after_an_error(path):
    with with_image(path, image(1)) as board:
        with pytest.raises(Trouble, match="no space"):
            flash.flash(desk(board), image=image(2, more={"lib/big": bytes(300 * 1024)}))
        with port.opened(board.device) as transport:
            assert refuse_if_energised(transport, DEADLINE_s) == "idle"


def test_the_console_shows_lines_and_sends_no_byte(path):
    with with_image(path, image(1, interrupt=-1, state="energised")) as board:
        board.received.clear()
        heard = io.StringIO()
        showing = threading.Thread(target=console.show, args=(board.device, heard, 1.0))
        showing.start()
        showing.join(DEADLINE_s)
        assert "state idle energised\n" in heard.getvalue()
        assert bytes(board.received) == b""


def test_ctrl_c_at_the_console_ends_the_tool_and_sends_no_byte(path):
    with with_image(path, image(1)) as board:
        board.received.clear()
        words = [sys.executable, "-m", "hw_tests.desk", "console", "--port", board.device]
        with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as tool:
            assert tool.stdout.readline().startswith("listening on")
            assert tool.stdout.readline()
            tool.send_signal(signal.SIGINT)
            tool.stdout.read()
            assert tool.wait(DEADLINE_s) == 0
        assert bytes(board.received) == b""


def test_a_configuration_goes_there_and_the_old_one_stays_beside(path, tmp_path):
    with DeskBoard(path) as board:
        made = desk(board)
        configure.configure(made, write(tmp_path, GOOD))
        text = made.teller.text
        assert "floor_permille: 1000 -> 400" in text and "mqtt_password: changed" in text
        assert "wifi_password: changed" in text
        assert "geheim" not in text and "counts from the next start" in text
        made = desk(board)
        configure.configure(made, write(tmp_path, {**GOOD, "floor_permille": 500, "mqtt_password": "neu"}))
        assert "floor_permille: 400 -> 500" in made.teller.text
        assert "geheim" not in made.teller.text and "neu" not in made.teller.text
        with at_prompt(board.device, 0.1) as prompt:
            assert json.loads(prompt.read("config.json"))["floor_permille"] == 500
            assert json.loads(prompt.read("config.old.json")) == GOOD


def test_the_same_configuration_again_writes_nothing(path, tmp_path):
    with DeskBoard(path) as board:
        configure.configure(desk(board), write(tmp_path, GOOD))
        made = desk(board)
        configure.configure(made, write(tmp_path, GOOD))
        assert "no point changes" in made.teller.text and "nothing to write" in made.teller.text
        with at_prompt(board.device, 0.1) as prompt:
            assert "config.old.json" not in prompt.listing()


def test_a_running_station_is_restarted_and_must_say_the_new_hash(path, tmp_path):
    says = b"print('config 00000000')\nprint('ready x')\nimport time\nwhile True:\n print('state idle safe')\n" \
           b" time.sleep(0.02)\n"  # fmt: skip
    with DeskBoard(path) as board:
        with at_prompt(board.device, 0.1) as prompt:
            prompt.write("main.py", says)
            prompt.restart()
        with pytest.raises(Trouble, match="says `config 00000000` and not `config [0-9a-f]{8}`"):
            configure.configure(desk(board), write(tmp_path, GOOD))


@pytest.mark.parametrize(
    "points, sentence",
    [
        ("{", "must be one object|is not JSON"),
        ({"floor_permille": 1001}, 'line 1: "floor_permille" must be from 0 to 1000 permille'),
        ({"flor_permille": 1}, '"flor_permille" is no point of the configuration'),
    ],
)
def test_a_bad_configuration_is_refused_before_the_port_is_opened(path, tmp_path, points, sentence):
    with DeskBoard(path) as board:
        with pytest.raises(Trouble, match=sentence):
            configure.configure(desk(board), write(tmp_path, points))
        assert bytes(board.received) == b""


@pytest.mark.parametrize(
    "text, where",
    [
        ("{", "line 1, column 2"),
        ("", "line 1, column 1"),
        ('{\n  "site": "home"\n  "station": "garage"\n}\n', "line 3, column 3"),
        ('{\n  "site": "home",\n}\n', "line (2, column 17|3, column 1)"),  # 3.13: the comma
        ("{\n  'site': 'home'\n}\n", "line 2, column 3"),
        ("[" * 3000, "(line 1, column 3001: )?is not JSON"),
    ],
)
def test_what_is_no_json_is_told_with_its_place(tmp_path, text, where):
    """In an editor one looks for a line."""
    with pytest.raises(Trouble, match=f"station.json: {where}.*: check commas, quotes and braces"):
        configure.judged(write(tmp_path, text))


def test_a_mark_of_byte_order_is_left_out_of_what_is_sent(tmp_path):
    """Some editors write one; MicroPython on the board would refuse it."""
    file = write(tmp_path, GOOD)
    plain = file.read_bytes()
    file.write_bytes(b"\xef\xbb\xbf" + plain)
    data, values = configure.judged(file)
    assert data == plain and values["floor_permille"] == 400


def test_a_configuration_file_that_is_not_there(tmp_path):
    with pytest.raises(Trouble, match="nix.json cannot be read"):
        configure.judged(tmp_path / "nix.json")


def test_a_void_configuration_on_the_board_is_said_and_replaced(path, tmp_path):
    with DeskBoard(path) as board:
        with at_prompt(board.device, 0.1) as prompt:
            prompt.write("config.json", b"\xff{")
        made = desk(board)
        configure.configure(made, write(tmp_path, GOOD))
        assert "what is on the board is void" in made.teller.text


def test_logs_are_fetched_as_files(path, tmp_path):
    with DeskBoard(path) as board:
        with at_prompt(board.device, 0.1) as prompt:
            prompt.write("journal/1.bin", b"\x00\x01" * 2000)
            prompt.write("log.txt", b"")
            prompt.write("other.txt", b"o")
        got = logs.logs(desk(board), to=tmp_path / "to")
        assert [file.relative_to(tmp_path / "to").as_posix() for file in got] == ["journal/1.bin", "log.txt"]
        assert got[0].read_bytes() == b"\x00\x01" * 2000


def test_logs_only_listens_to_a_station_that_runs(path, tmp_path):
    with with_image(path, image(1)) as board:
        board.received.clear()
        made = desk(board)
        assert logs.logs(made, to=tmp_path, heard_s=0.3) == []
        assert "a station is running" in made.teller.text and "    state idle safe" in made.teller.text
        assert bytes(board.received) == b""


def test_a_busy_port_is_one_sentence(path):
    with DeskBoard(path) as board, serial.Serial(board.device, exclusive=True):
        with pytest.raises(Trouble, match=f"^{board.device} is busy: close the program"):
            flash.flash(desk(board), image=image(1))


def test_a_port_that_is_let_go_at_once_is_not_busy(path):
    with DeskBoard(path) as board, serial.Serial(board.device, exclusive=True) as held:
        letting_go = threading.Timer(0.3, held.close)
        letting_go.start()
        with port.opened(board.device) as transport:
            letting_go.join()
            assert not held.is_open and transport.serial.is_open


def test_a_port_without_rights_is_one_sentence(path, monkeypatch):
    def refused(*words, **more):
        raise serial.SerialException(13, "Permission denied")

    with DeskBoard(path) as board:
        monkeypatch.setattr(serial, "serial_for_url", refused)
        monkeypatch.setattr(os, "access", lambda device, mode: False)
        with pytest.raises(Trouble, match=f"^no rights on {board.device}: .*dialout"):
            flash.flash(desk(board), image=image(1))


@pytest.mark.parametrize("answer", [lambda data: b"", lambda data: data, lambda data: b"\xff\x00garbage" * 9])
def test_what_is_no_micropython_is_one_sentence(answer, impatient):
    with Stranger(answer) as there:
        with pytest.raises(Trouble, match="gives no MicroPython prompt: is MicroPython"):
            flash.flash(desk(there, listen_s=0.2), image=image(1))


def test_a_port_that_goes_away_is_one_sentence(path):
    board = with_image(path, image(1))
    showing, heard = [], io.StringIO()

    def show():
        try:
            console.show(board.device, heard, DEADLINE_s)
        except Trouble as error:
            showing.append(str(error))

    thread = threading.Thread(target=show)
    thread.start()
    wait_for(lambda: "state idle" in heard.getvalue())
    board.close()
    thread.join(DEADLINE_s)
    assert len(showing) == 1 and "went away" in showing[0]


@pytest.mark.parametrize(
    "words, sentence",
    [
        (["flash"], "flash: no PORT given"),
        (["console", "--port", "/dev/nix"], "console: there is no port /dev/nix"),
        (["config", "--port", "/dev/nix"], "config: no FILE given"),
        (["config"], "config: no FILE given"),
        (["config", "--file", "nix.json"], "config: nix.json cannot be read"),
        (["logs", "--port", "/dev/null"], "logs: /dev/null cannot be opened"),
    ],
)
def test_on_the_command_line_it_is_a_sentence_and_a_status(words, sentence):
    done = subprocess.run([sys.executable, "-m", "hw_tests.desk", *words], cwd=ROOT, capture_output=True, text=True,
                          timeout=DEADLINE_s, stdin=subprocess.DEVNULL)  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith(sentence) and done.stderr.count("\n") == 1 and "Traceback" not in done.stderr


def test_without_a_port_a_configuration_is_only_judged(tmp_path, capsys):
    """Status 0 for a good one, and that it was not sent; a bad one is told as with a port."""
    good, bad = write(tmp_path, GOOD), write(tmp_path, {"floor_permille": 1001}, "typo.json")
    assert cli.main(["config", "--file", str(good)]) == 0
    said = capsys.readouterr().out
    assert f"{good} is good (configuration {configure.judged(good)[1].hash}), not sent: no PORT given" in said
    assert cli.main(["config", "--file", str(bad)]) == 1
    assert f'config: {bad}: line 1: "floor_permille" must be' in capsys.readouterr().err


def test_without_a_port_the_ports_that_are_there_are_named(monkeypatch):
    class There:
        device, vid, product, description = "/dev/ttyUSB7", 0x10C4, "CP2102N", ""

    monkeypatch.setattr(port.list_ports, "comports", lambda: [There()])
    assert "there is /dev/ttyUSB7 (CP2102N)" in str(port.no_port_given("flash"))
