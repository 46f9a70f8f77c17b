"""Pins at start: safe whatever was before and whatever the board's files say. CPython and MicroPython."""

import os
import sys

import boot
from host_tests.unit.fake_machine import Chip, install, uninstall

BOARD_TXT = "board.txt"
MODULE = "firmware.boards.fancy"


class _Board:
    OUTPUTS = (("contactor", 25, 1), ("lock", None, 1), ("enable", 26, 0))


def _started(chip, text=None, board=None, loose=boot._LOOSE):
    # One start of the board with this board.txt.
    install(chip)
    sys.modules[MODULE] = board
    said = []
    boot.print = lambda *words: said.append(" ".join([str(word) for word in words]))
    boot._LOOSE, kept = loose, boot._LOOSE
    try:
        if text is not None:
            with open(BOARD_TXT, "w") as file:
                file.write(text)
        boot.safe()
    finally:
        boot._LOOSE = kept
        del boot.print, sys.modules[MODULE]
        uninstall()
        if text is not None:
            os.remove(BOARD_TXT)
    return said


def _energised():
    chip = install(Chip())
    from machine import Pin

    for pin, level in ((25, 1), (26, 0), (4, 1)):
        Pin(pin, Pin.OUT, value=level)
    uninstall()
    chip.soft_reset()
    chip.driven.clear()
    return chip


def test_outputs_go_to_their_safe_level_without_a_glitch():
    chip = _energised()
    assert _started(chip, "fancy\n", _Board) == []
    assert chip.driven == [(25, 0), (26, 1)]
    assert chip.level(4) == 1  # another's pin is left alone


def test_after_power_on_no_pad_is_driven_to_its_live_level():
    chip = Chip()
    assert _started(chip, "fancy", _Board) == []
    assert chip.driven == [(25, 0), (26, 1)]


def test_without_a_readable_board_every_pin_lets_go():
    class Broken:
        OUTPUTS = (("contactor", 25, 1), ("bleed", "x", 1))

    texts = ((None, None), ("", None), ("no_such", None), ("../fancy", None), ("fancy", Broken), ("fancy", 3))
    for text, board in texts:
        chip = _energised()
        said = _started(chip, text, board)
        assert len(said) == 1 and "all pins are inputs" in said[0]
        assert not any(chip.outputs), (text, chip.outputs)


def test_a_board_without_pins_of_its_own_lets_go_too():
    chip = _energised()
    assert len(_started(chip, "bench")) == 1
    assert not any(chip.outputs)


def test_no_pin_of_flash_is_touched_and_pins_that_do_not_exist_do_no_harm():
    for pins in (boot._LOOSE, tuple(range(20, 34))):
        chip = _energised()
        _started(chip, "no_such", None, pins)  # fake_machine.Died if it took a pin from the flash
    assert not set(boot._LOOSE) & {0, 1, 3, 6, 7, 8, 9, 10, 11, 16, 17}
    assert not set(boot._LOOSE_S3) & (set(range(19, 21)) | set(range(26, 38)) | {0, 43, 44})
