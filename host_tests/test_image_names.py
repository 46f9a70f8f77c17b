"""The short names of the image: what is given by name in a call is still called so on the board."""

import ast
import importlib.util
import subprocess

import pytest

from host_tests.size import image
from host_tests.trace import MICROPYTHON, ROOT

spec = importlib.util.spec_from_file_location("shorten", ROOT / ".ci" / "shorten.py")
shorten = importlib.util.module_from_spec(spec)
spec.loader.exec_module(shorten)

CALLEE = "def made(size, *, port=None):\n    return size, port\ndef other(length):\n    return length\n"


def short(**files):
    """Every file of a small image with its names shortened."""
    texts = {f"{name}.py": text for name, text in files.items()}
    names = shorten.Shortener(texts)
    return {name: names.shorten(f"{name}.py") for name in files}


def parameters(text):
    """Of each function."""
    return {
        node.name: [each.arg for each in node.args.args + node.args.kwonlyargs]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef)
    }


def test_a_parameter_that_another_file_names_stays():
    """And one that nobody names does not."""
    found = parameters(short(callee=CALLEE, caller="import callee\ncallee.other(length=1)\n")["callee"])
    assert found["other"] == ["length"] and len(found["made"][0]) == 1


def test_a_parameter_behind_a_star_stays_whoever_calls():
    """It may be called from outside of the image."""
    assert parameters(short(callee=CALLEE)["callee"])["made"][1] == "port"


@pytest.mark.parametrize("driver", ["mcp2515", "mcp2518fd"])
def test_the_image_s_drivers_are_made_as_the_board_makes_them(driver):
    """lib/board_wires.py: port and sample point by name. Behind this port is no chip."""
    text = f"""
import sys
sys.path[:] = ["{image()}/lib"]
import {driver}
class Port:
    def write(self, out): pass
    def write_readinto(self, out, into): pass
    def __call__(self, level=0): return 1
port = Port(), Port(), Port(), 40000000
try:
    {driver}.CAN(0, 250000, sample_point=80, port=port)
except OSError as error:
    print(error)
"""
    done = subprocess.run([MICROPYTHON, "-c", text], capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert "MISO is low" in done.stdout, done.stderr
