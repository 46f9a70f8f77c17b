"""docs/first-start.md: its examples are taken, its levels make a desk safe, its words are those of the tools."""

import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / ".ci"))
import boards  # noqa: E402

import main  # noqa: E402
from firmware import services, signals  # noqa: E402
from firmware.config import parse  # noqa: E402
from firmware.console import Console  # noqa: E402
from firmware.faults import Active  # noqa: E402
from firmware.sense import Sense  # noqa: E402
from firmware.station import S_ESTOP, S_PERMISSION, S_PLUGGED, Station, energised  # noqa: E402
from firmware.units import UNKNOWN  # noqa: E402
from hw_tests.board_tests import runner  # noqa: E402
from hw_tests.desk import configure  # noqa: E402

PAGE = (ROOT / "docs" / "first-start.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```json\n(.*?)^```", PAGE, re.M | re.S)
COLUMNS = {"esp32": 1, "esp32s3": 2}  # of the table of levels


def rows():
    """Input -> the cells of its row in the table of levels."""
    table = PAGE.split("| input | ESP32 boards | T-2CAN | says |")[1].split("\n\n")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    return {name: row for row in cells for name in row[0].split(", ")}


def cell(name, chip):
    """What the page says of one input on boards with that chip."""
    row = rows()[name]
    said = row[1] if row[COLUMNS[chip]] == "the same" else row[COLUMNS[chip]]
    return said, row[0].split(", ").index(name)


def place(text):
    """Where an input is, as a board's data have it: the kind and the number; of several, all of them."""
    kinds = {"IN": "adc", "GPA": "expander", "GPIO": "pin"}
    return [(kinds[kind], int(number)) for kind, number in re.findall(r"\b(IN|GPA|GPIO)(\d+)", text)]


def level(text):
    """mV, or 1 for high and 0 for low, as it follows the last colon."""
    word = text.rpartition(":")[2].split(",")[0].strip()
    return {"high": 1, "low": 0}.get(word) if " " not in word else int(word.removesuffix(" mV"))


def samples(board):
    """What Sense gets of such a desk, in the order of the board's inputs."""
    made = []
    for name, kind, at, *more in board.INPUTS:
        text, number = cell(name, board.CHIP)
        assert place(text)[min(number, len(place(text)) - 1)] == (kind, at), f"{board.NAME}: {name}"
        raw = level(text)
        if kind == "adc":
            made.append(int((raw >= more[0]) == more[1]) if more else raw)
        else:
            made.append(int(raw == more[0]))
    return made


def seen(board, inputs):
    """The record of the sensors after a second of it."""
    station = Station()
    sense = Sense(station, Active(station.events), board.SCALE)
    for now in range(0, 1000, 10):
        sense.step(inputs, True, now)
    return station.sense.now


def board_of(name):
    """The data of a board."""
    return boards.load(ROOT / "firmware" / "boards" / f"{name}.py")


@pytest.mark.parametrize("name", boards.names())
def test_the_levels_are_those_of_a_safe_desk(name):
    """Inputs where the board has them; no number is missing, nothing is live, nothing is plugged or pressed."""
    board = board_of(name)
    now = seen(board, samples(board))
    assert not energised(now) and UNKNOWN not in list(now)
    assert not (now[S_PLUGGED] or now[S_ESTOP] or now[S_PERMISSION])


class Pins:
    """A desk whose levels never change."""

    closed = flags = outputs = 0

    def __init__(self, inputs):
        self.inputs = inputs

    def sample(self):
        return True

    def write(self, mask):
        self.outputs = mask


class Silence:
    """A controller on whose bus nobody speaks; it takes every frame."""

    overruns = bad_lines = FILTERS_MAX = 0

    def send(self, can_id, data, flags=0):
        return 0

    def recv(self, into=None):
        return None

    def state(self):
        return 1

    def poll(self):
        pass

    def set_filters(self, filters):
        pass

    def restart(self):
        pass


class Retained:
    """Memory that was empty at the start."""

    def __init__(self):
        self.image = bytearray(256)

    def save(self):
        pass


@pytest.mark.parametrize("name", boards.names())
def test_such_a_desk_says_what_step_5_shows(name):
    """The whole control side with the first example, nobody on either bus, for 5 s; and no output but the heartbeat."""
    board = board_of(name)
    pins = Pins(samples(board))
    station = main.assemble(board, parse(EXAMPLES[0]), pins, Silence(), Silence(), Retained())
    view, lines, driven = services.View(station.station), [], 0
    console = Console(view, lines.append)
    for now in range(0, 5000, 10):
        station.control.tick(now)
        view.step(now)
        console.step(now)
        driven |= pins.outputs
    assert lines[-1] == "state idle safe" and "\nstate idle safe\n" in PAGE
    assert driven == signals.OUT_HEARTBEAT


@pytest.mark.parametrize("name", boards.names())
def test_the_current_may_be_off_by_what_the_page_says_and_not_by_more(name):
    """16 mV either way."""
    board = board_of(name)
    play = int(re.search(r"(\d+) mV either way", rows()["current"][1])[1])
    for off, live in ((play, 0), (-play, 0), (play + 3, 1), (-play - 3, 1)):
        inputs = samples(board)
        inputs[2] += off
        assert energised(seen(board, inputs)) == live, off


@pytest.mark.parametrize("name", boards.names())
def test_a_plug_is_what_the_page_says(name):
    """1000 mV at the input of CC1."""
    board = board_of(name)
    inputs = samples(board)
    inputs[3] = int(re.search(r"(\d+) mV would be one", rows()["cc1"][3])[1])
    assert seen(board, inputs)[S_PLUGGED]


def test_the_expander_is_tied_as_the_page_says():
    """Bit for bit what lib/localio.py looks for."""
    source = (ROOT / "lib" / "localio.py").read_text(encoding="utf-8")
    consts = dict(re.findall(r"^(_TIED\w*) = const\((\w+)\)", source, re.M))
    mask, right = int(consts["_TIED"], 0), int(consts["_TIED_RIGHT"], 0)
    tied = re.findall(r"GPA(\d) (high|low)", rows()["the expander itself"][1])
    assert mask == sum(1 << int(bit) for bit, _ in tied)
    assert right == sum(1 << int(bit) for bit, how in tied if how == "high")


@pytest.mark.parametrize("text", EXAMPLES)
def test_the_firmware_takes_each_example_and_the_page_explains_its_points(text):
    """By its own reader; of the first one every point stands in the table below it."""
    assert len(EXAMPLES) == 2
    parse(text)
    if text == EXAMPLES[0]:
        told = " ".join(re.findall(r"^\| (`\w+`[^|]*) \|", PAGE, re.M))
        assert set(json.loads(text)) <= set(re.findall(r"`(\w+)`", told))


def test_what_make_config_says_of_the_example_is_what_the_page_shows():
    """Changes point by point, and the hash."""
    new = parse(EXAMPLES[0])
    lines = [*configure.changes(parse("{}"), new), f"config.json written and verified, configuration {new.hash}"]
    assert "\n".join(lines) in PAGE


def test_every_numbered_test_stands_in_the_order_once():
    """None is forgotten."""
    table = PAGE.split("## 6. ")[1].split("## 7. ")[0]
    numbers = " ".join(quoted or plain for quoted, plain in re.findall(r'ONLY=(?:"([^"]*)"|(\d\d))', table)).split()
    assert sorted(numbers) == [path.stem[:2] for path in runner.tests()]


@pytest.mark.parametrize("source, sentence", [
    ("hw_tests/desk/board.py", "gives no MicroPython prompt"),
    ("hw_tests/desk/board.py", "put 1.25 or newer on it"),
    ("hw_tests/desk/board.py", "reads .mpy files of version"),
    ("hw_tests/desk/ready.py", "restarted; waiting for: "),
    ("hw_tests/desk/ready.py", "did not say "),
    ("hw_tests/desk/listen.py", "energised: stop the session first"),
    ("hw_tests/desk/target.py", "no space"),
    ("hw_tests/desk/configure.py", "no configuration on the board yet; against the defaults:"),
    ("hw_tests/desk/configure.py", "no station was running: it counts from the next start"),
    ("hw_tests/desk/console.py", "; nothing is sent; Ctrl-C ends this"),
    ("lib/mcp2518fd_chip.py", "no MCP2518FD answers: MISO is "),
    ("hw_tests/bench/alone/__main__.py", "frames in"),
])  # fmt: skip
def test_what_the_page_shows_is_what_the_program_says(source, sentence):
    """Word for word."""
    assert sentence in PAGE and sentence in (ROOT / source).read_text(encoding="utf-8")
