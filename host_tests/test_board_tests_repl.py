"""The runner of the on-board tests through mpremote, against MicroPython with a raw REPL on a pseudo-terminal."""

import pytest

from host_tests.desk_board import MICROPYTHON, DeskBoard
from hw_tests.board_tests.__main__ import about
from hw_tests.board_tests.board import SerialBoard
from hw_tests.board_tests.runner import Runner

pytestmark = pytest.mark.skipif(not MICROPYTHON.exists(), reason="no MicroPython in build/bin: run make bootstrap")

# The module `machine` of that board: no pins, a watchdog that is patient, and a soft reset.
MACHINE = """
import sys
SOFT_RESET = 5
class WDT:
    def __init__(self, id=0, timeout=5000):
        pass
    def feed(self):
        pass
def soft_reset():
    sys.exit()
"""
TEST = """
# Needs: nothing wired.
import onboard

def first():
    onboard.result("the words of the command line", onboard.given("seconds", 9) == 5 and "relays" in onboard.WIRED)
    onboard.at_most("too long", 7, 5, "ms")
    onboard.again("after", onboard.SOFT, 10000, kept=42)

def after():
    onboard.at_least("remembered", onboard.STATE["kept"], 42)
    onboard.result("time passed", onboard.STATE["away_ms"] >= 0)
    raise onboard.Skip("no more")

onboard.run(first=first, after=after)
"""
BROKEN = "import onboard\nprint('before')\nraise MemoryError('too much')\n"


@pytest.fixture
def board(tmp_path):
    with DeskBoard(tmp_path / "flash") as wire:
        made = SerialBoard(wire.device)
        made.enter()
        for name, text in (("machine.py", MACHINE), ("board.txt", "bench")):
            made.send(f"with open({name!r}, 'w') as file: file.write({text!r})\n")
            while made.line(10.0) not in ("\x04", None):
                pass
        yield made
        made._link.serial.close()


def test_a_test_with_a_soft_reset_in_between(board, tmp_path):
    path = tmp_path / "01_x.py"
    path.write_text(TEST)
    outcome = Runner(board, ["relays"], {"seconds": "5"}).play(path)
    found = [(each["name"], each["result"]) for each in outcome.results]
    before = [("the words of the command line", "pass"), ("too long", "fail")]
    assert found == [*before, ("remembered", "pass"), ("time passed", "pass"), ("all", "skip")], outcome


def test_a_test_that_breaks_off_and_the_next_one_that_does_not(board, tmp_path):
    path = tmp_path / "01_x.py"
    path.write_text(BROKEN)
    runner = Runner(board)
    outcome = runner.play(path)
    assert outcome.verdict == "fail" and "MemoryError: too much" in outcome.results[-1]["note"], outcome
    path.write_text("import onboard\nonboard.run(first=lambda: onboard.at_most('a', 1, 2))\n")
    assert runner.play(path).verdict == "pass"


def test_what_the_board_says_of_itself(board):
    told = about(board)
    assert told["board"] == "bench" and told["image"] == "none" and told["micropython"].startswith("1.")
