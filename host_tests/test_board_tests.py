"""The runner of the on-board tests, against a board that follows a script."""

import json
import os
import pty
import re
import subprocess
import sys
import threading
import tty
from pathlib import Path

import pytest

from hw_tests.board_tests import __main__ as main
from hw_tests.board_tests import report, runner
from hw_tests.board_tests.board import END, SerialBoard
from hw_tests.board_tests.runner import Outcome, Runner, limit_s, words
from hw_tests.desk.trouble import Trouble

ROOT = Path(__file__).resolve().parent.parent
PASS = {"name": "a", "result": "pass", "value": 3, "limit": 5, "unit": "ms", "note": ""}
FAIL = {"name": "b", "result": "fail", "value": 9, "limit": 5, "unit": "ms", "note": "broken"}
SKIP = {"name": "all", "result": "skip", "note": "needs a meter"}
DONE = {"done": 1}


class Script:
    """A board: for each program that it gets, the lines that it says. A line None: silence."""

    def __init__(self, *programs):
        self.programs, self.sent, self.entered, self.resets = list(programs), [], 0, []
        self._lines = []
        self.closed = False

    def refuse_energised(self):
        pass

    def enter(self, patience_s=30.0, fresh=True):
        self.entered += 1

    def send(self, code):
        self.sent.append(code)
        said = self.programs.pop(0)
        self._lines = [json.dumps(each) if isinstance(each, dict) else each for each in said]

    def line(self, patience_s):
        return self._lines.pop(0) if self._lines else END

    def back(self, how, within_ms):
        self.resets.append((how, within_ms))
        return 1234

    def close(self):
        self.closed = True


@pytest.fixture
def test_file(tmp_path):
    path = tmp_path / "01_x.py"
    path.write_text("import onboard\n")
    return path


def play(path, *programs):
    board = Script(*programs)
    return Runner(board, ["relays"], {"seconds": "5"}).play(path), board


def test_results_are_collected_and_judged(test_file):
    outcome, _ = play(test_file, [PASS, "a word of the test's own", FAIL, DONE])
    assert outcome.results == [PASS, FAIL] and outcome.verdict == "fail" and outcome.log == ["a word of the test's own"]
    assert play(test_file, [PASS, SKIP, DONE])[0].verdict == "pass"
    assert play(test_file, [SKIP, DONE])[0].verdict == "skip"
    assert words(FAIL) == "fail b: 9 ms (limit 5), broken"


@pytest.mark.parametrize(("said", "note"), [
    ([DONE], "it ended without a verdict"),
    ([PASS, "MemoryError: no", END], "it broke off: MemoryError: no"),
    ([PASS, None], "it did not end within"),
    (["{broken json", '{"result": "maybe", "name": "x"}', DONE], "it ended without a verdict"),
])  # fmt: skip
def test_a_test_that_does_not_end_well_has_failed(test_file, said, note):
    outcome, _ = play(test_file, said)
    assert outcome.verdict == "fail" and note in outcome.results[-1]["note"]


def test_a_reset_and_the_phase_after_it(test_file):
    again = {"again": "bitten", "how": "hang", "within_ms": 7000, "state": {"limit_ms": 1000}}
    outcome, board = play(test_file, [PASS, again], [FAIL, DONE])
    assert outcome.results == [PASS, FAIL] and board.resets == [("hang", 7000)] and board.entered == 1
    assert "'bitten', {'limit_ms': 1000, 'away_ms': 1234}, ['relays'], {'seconds': '5'}" in board.sent[1]
    endless, _ = play(test_file, *[[again]] * 9)
    assert "more than 6 resets" in endless.results[-1]["note"]


def test_a_board_that_is_lost_is_a_failure_and_not_the_end(test_file):
    board = Script([PASS, {"again": "x", "how": "hard", "within_ms": 1, "state": {}}])

    def gone(how, within_ms):
        raise Trouble("not a word")

    board.back = gone
    outcome = Runner(board).play(test_file)
    assert outcome.verdict == "fail" and outcome.results[-1]["note"] == "not a word"


def test_the_tests_come_in_numeric_order_and_unknown_ones_are_named():
    names = [path.stem for path in runner.tests()]
    assert names == sorted(names) and names[0] == "01_pins_safe" and len(names) == 12
    assert [path.stem for path in runner.tests(["11", "03"])] == ["03_can_loopback", "11_watchdog"]
    with pytest.raises(ValueError, match="there is no test '99'; there are: 01_pins_safe"):
        runner.tests(["99"])


def test_how_long_a_test_may_take():
    heap = (ROOT / "hw_tests" / "10_heap.py").read_text()
    assert limit_s(heap, {}) == 180 + 65 * 60 and limit_s(heap, {"minutes": "2"}) == 180 + 130
    assert limit_s("", {}) == 180


def test_the_whole_with_its_report(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(main, "REPORTS", tmp_path)
    told = ["about 1.25.0 esp32_2x_mcp2515 abc"]
    for said, status in (([PASS, DONE], 0), ([FAIL, DONE], 1), ([SKIP, DONE], 1)):
        board = Script(told, said)
        assert main.play(main.arguments(["/dev/x", "--only", "03"]), lambda port, board=board: board) == status
        assert board.closed
    made = json.loads((tmp_path / "report.json").read_text())
    assert made["board"] == "esp32_2x_mcp2515" and made["micropython"] == "1.25.0" and made["skip"] == 1
    assert made["tests"][0]["results"] == [SKIP] and (tmp_path / "report.old.json").exists()
    assert "0 passed, 0 failed, 1 skipped" in capsys.readouterr().out
    with pytest.raises(Trouble, match="1.24.1 is too old"):
        main.play(main.arguments(["/dev/x"]), lambda port: Script(["about 1.24.1 bench none"]))


def test_the_table_says_everything_once(capsys):
    report.show([Outcome("01_x", [PASS, FAIL]), Outcome("02_y", [SKIP])])
    text = capsys.readouterr().out
    assert text.count("01_x") == 1 and "broken" in text and "needs a meter" in text and "9 ms" in text


def test_wrong_words_are_explained(capsys):
    for words_, says in ((["/dev/x", "--wired", "relays", "wheels"],
                          "nothing is called wheels: WIRED takes relays, can_bus, meter, insulation (more than"),
                         (["/dev/x", "--given", "fast"], "GIVEN=fast has no value: GIVEN takes name=value"),
                         (["/dev/x", "--given", "minutes=1", "minuten=5"], "no test knows minuten: GIVEN takes "
                          "insulation_baud, insulation_id, meter, meter_baud, meter_id, minutes, seconds, tls (more"),
                         (["/dev/x", "--only", "99"], "there is no test '99'; there are: 01_pins_safe"),
                         ([""], "no PORT given"),
                         (["/dev/ttyNEVER"], "there is no port /dev/ttyNEVER")):  # fmt: skip
        assert main.main(words_) == 2
        said = capsys.readouterr().err
        assert said.startswith(f"board-tests: {says}") and said.count("\n") == 1


def test_the_words_that_are_known_are_those_that_the_tests_ask_for_and_the_guide_lists():
    asked = {name for path in ROOT.glob("hw_tests/[0-9]*.py")
             for name in re.findall(r'(?:given|GIVEN\.get)\("(\w+)"', path.read_text())}  # fmt: skip
    assert asked == set(main.GIVEN)
    guide = (ROOT / "docs/bench.md").read_text()
    listed = guide[guide.index("`GIVEN` takes") :].partition("\n\n")[0]
    assert set(re.findall(r"`([a-z_]+)=", listed)) == asked


class Port:
    """The other end of a serial port: answers each piece that comes by `answers`."""

    def __init__(self, answers=None):
        self.master, slave = pty.openpty()
        tty.setraw(slave)
        self._slave, self.name = slave, os.ttyname(slave)
        self.heard = b""
        self._answers = answers or {}
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                self.heard += os.read(self.master, 4096)
            except OSError:
                return
            for asked, answer in list(self._answers.items()):
                if asked in self.heard:
                    self.heard = self.heard.partition(asked)[2]
                    os.write(self.master, answer)

    def close(self):
        os.close(self.master)
        os.close(self._slave)


def test_an_energised_station_is_left_alone():
    port = Port()
    board = SerialBoard(port.name)
    os.write(port.master, b"config 1\r\nready ab\r\nstate precharge safe\r\nstate charge energised\r\n")
    with pytest.raises(Trouble, match=r"energised: stop the session first \(the station is in charge\)"):
        board.refuse_energised()
    board._link.serial.close()
    assert port.heard == b""  # not one byte was sent to it
    port.close()


def test_a_safe_station_is_asked_for_its_prompt():
    banner = b"raw REPL; CTRL-B to exit\r\n>"
    stopped = b"\r\nTraceback: KeyboardInterrupt\r\n"
    port = Port({b"\r\x01": stopped + banner, b"\x04": b"OK\r\nMPY: soft reboot\r\n" + banner})
    board = SerialBoard(port.name)
    os.write(port.master, b"state charge energised\r\nstate idle safe\r\n")
    board.refuse_energised()
    board.enter(10.0)
    assert board._link.in_raw_repl
    board._link.serial.close()
    port.close()


def test_lines_ends_and_silence():
    port = Port()
    board = SerialBoard(port.name)
    os.write(port.master, b'{"a": 1}\r\nhalf')
    assert board.line(2.0) == '{"a": 1}' and board.line(0.1) is None
    os.write(port.master, b" a line\r\n\x04error\r\n\x04>")
    assert [board.line(2.0) for _ in range(4)] == ["half a line", END, "error", END]
    board._link.serial.close()
    port.close()


def test_no_port_is_a_sentence():
    done = subprocess.run([sys.executable, "-m", "hw_tests.board_tests", ""], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and "no PORT given" in done.stderr and "Traceback" not in done.stderr
