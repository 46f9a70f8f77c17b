"""docs/boards/ says what the boards' data say: every generated file is the same when it is made again."""

import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / ".ci"))
import boards  # noqa: E402
import boards_bom  # noqa: E402

FILES = boards.files()


@pytest.mark.parametrize("name", sorted(FILES))
def test_the_page_is_the_one_that_the_data_make(name):
    """`make boards` would change nothing."""
    assert (boards.OUT / name).read_text(encoding="utf-8") == FILES[name], "run `make boards`"


def test_there_is_no_page_without_a_board():
    """Nothing but what is generated, and the page written by hand."""
    assert {path.name for path in boards.OUT.iterdir()} == {*FILES, "README.md"}


@pytest.mark.parametrize("name", boards.names())
def test_every_wire_of_a_board_stands_in_its_table_and_in_its_picture(name):
    """Each GPIO once in either."""
    board = boards.load(ROOT / "firmware" / "boards" / f"{name}.py")
    pins = sorted(pin for _, pin, _ in boards.load(ROOT / "lib" / "board_check.py").uses(board))
    wires = FILES[f"{name}.md"].split("## Wires")[1].split("## Not at")[0]
    assert sorted(int(pin) for pin in re.findall(r"^\| (\d+) \|", wires, re.M)) == pins
    assert sorted(int(pin) for pin in re.findall(r">GPIO(\d+)<", FILES[f"{name}.svg"])) == pins


@pytest.mark.parametrize("name", boards.names())
def test_every_input_and_output_is_named_in_the_picture(name):
    """None is left out."""
    board = boards.load(ROOT / "firmware" / "boards" / f"{name}.py")
    for row in (*board.OUTPUTS, *board.INPUTS):
        assert f"{row[0]}: " in FILES[f"{name}.svg"], row


@pytest.mark.parametrize("name", sorted(name for name in FILES if name.endswith(".svg")))
def test_pictures_are_whole_and_nothing_lies_outside(name):
    """Well-formed, and every box and text begins inside of the view."""
    root = ElementTree.fromstring(FILES[name])
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for node in root.iter():
        if node.tag.endswith("}rect"):
            assert float(node.attrib.get("x", 0)) + float(node.attrib["width"]) <= width
            assert float(node.attrib.get("y", 0)) + float(node.attrib["height"]) <= height
        elif node.tag.endswith("}text"):
            assert 0 < float(node.attrib["x"]) < width and 0 < float(node.attrib["y"]) < height


def test_the_sum_is_that_of_the_parts_and_every_part_has_a_board():
    """The figure of each page is the sum of its lines."""
    for name in boards.names():
        lines = re.findall(r"^\| [^|*]+ \| \d+ \| ([\d.]+) \|$", FILES[f"{name}.md"], re.M)
        told = re.search(r"\*\*the controller\*\* \| \| \*\*(\d+)\*\*", FILES[f"{name}.md"])
        assert len(lines) > 15 and round(sum(map(float, lines))) == int(told[1])
    assert all(set(where) and set(where) <= set(boards.names()) for *_, where in boards_bom.PARTS)


def test_the_scales_of_the_page_are_those_of_the_picture():
    """The picture of the measuring says in mV what the boards' scales say: 500 mV + 3 mV/V, 2048 mV + 16 mV/A."""
    for name in boards.names():
        scale = boards.load(ROOT / "firmware" / "boards" / f"{name}.py").SCALE
        for where in ("link", "inlet"):
            offset, num, den, *_ = scale[where]
            assert f"{offset} mV + {den * 10 // num} mV/V" in FILES["sensing.svg"]
        offset, num, den, *_ = scale["current"]
        assert f"{offset} mV + {den * 10 // num} mV/A" in FILES["sensing.svg"]
