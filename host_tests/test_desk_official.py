"""mpremote and the desk's tools against the official MicroPython 1.27 (WebAssembly) and its own raw REPL.

Storage and cuts are proven with littlefs in the other tests; here the other end of the wire is not ours.
"""

import json
import subprocess
import sys

import pytest

from host_tests.desk_board import ROOT, Wire
from host_tests.desk_rig import DEADLINE_s, desk, image
from hw_tests.desk import configure, flash
from hw_tests.desk.board import at_prompt

sys.path.insert(0, str(ROOT / ".ci"))
import webassembly

PROGRAM = ROOT / "host_tests/board/desk_official.mjs"


class Official(Wire):
    """MicroPython in node, on a pseudo-terminal."""

    def __init__(self, folder):
        super().__init__()
        self._child = subprocess.Popen(["node", PROGRAM, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._start(self._from_tool, self._to_tool)

    def _from_tool(self):
        while data := self._read(self.master):
            self._child.stdin.write(data)
            self._child.stdin.flush()

    def _to_tool(self):
        while data := self._read(self._child.stdout.fileno()):
            self.say(data)

    def _end(self):
        self._child.kill()
        self._child.wait()


@pytest.fixture
def board():
    try:
        folder = webassembly.fetch()
    except webassembly.Missing as missing:
        pytest.skip(str(missing))
    with Official(folder) as there:
        yield there


def flashed(board, what):
    made = desk(board, listen_s=0.1)
    flash.flash(made, image=what)
    return made.teller.text


def test_flash_fresh_again_and_changed(board):
    said = flashed(board, image(1, stays=0))
    assert "MicroPython 1.27.0" in said and said.endswith(f"ready {image(1, stays=0).hash}\n")
    said = flashed(board, image(1, stays=0))
    assert "nothing to copy" in said and said.endswith(f"ready {image(1, stays=0).hash}\n")
    later = image(2, stays=0)
    assert flashed(board, later).endswith(f"ready {later.hash}\n")
    with at_prompt(board.device, 0.1) as prompt:
        there = prompt.listing()
        assert {name for name, size in there.items() if size >= 0} == {*later.files, "manifest.txt", "image.txt"}
        assert all(prompt.read(name) == data for name, data in later.files.items())


def test_a_configuration_and_back(board, tmp_path):
    file = tmp_path / "station.json"
    for floor in (300, 600):
        file.write_text(json.dumps({"floor_permille": floor}))
        configure.configure(desk(board, listen_s=0.1), file)
    with at_prompt(board.device, 0.1) as prompt:
        assert json.loads(prompt.read("config.json")) == {"floor_permille": 600}
        assert json.loads(prompt.read("config.old.json")) == {"floor_permille": 300}


def test_mpremote_itself_gets_along_with_this_board(board):
    words = [sys.executable, "-m", "mpremote", "connect", board.device, "exec", "print(6 * 7)"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=DEADLINE_s, stdin=subprocess.DEVNULL)
    assert done.stdout.strip() == "42", done
