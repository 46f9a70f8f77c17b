"""make flash on a board with a ROM partition that behaves as the ESP32's port has it (host_tests/board/desk_rom.py)."""

import pytest

from firmware.boards import lilygo_t2can
from host_tests.desk_board import BLOCK_B, DeskBoard
from host_tests.desk_rig import EARLIER_BOOT, boot, desk, image, with_rom
from hw_tests.bench import interpreter
from hw_tests.desk import flash as flashing
from hw_tests.desk import image as images
from hw_tests.desk import plan as plans
from hw_tests.desk import rom
from hw_tests.desk.board import Board, at_prompt
from hw_tests.desk.image import digest
from hw_tests.desk.trouble import Trouble

pytestmark = pytest.mark.skipif(interpreter.kind() != interpreter.FROM_ROM, reason="this MicroPython has no ROMFS")

BLOCKS, ROM_BLOCKS = 40, 9  # the first stays erased, then two slots of 4
HALF_B = 4 * BLOCK_B
ONE, TWO = with_rom(image(1, stays=0)), with_rom(image(2, stays=0))
OURS = {"boot.py", "main.py", "rom.txt", "manifest.txt", "image.txt"}


@pytest.fixture
def board(tmp_path):
    with DeskBoard(tmp_path / "flash", blocks=BLOCKS, rom_blocks=ROM_BLOCKS) as there:
        yield there


def flash(board, what, **more):
    made = desk(board, listen_s=0.1)
    flashing.flash(made, image=what, **more)
    return made.teller.text


def files_on(board):
    with at_prompt(board.device, 0.1) as prompt:
        return {name: prompt.read(name) for name, size in prompt.listing().items() if size >= 0}


def slot(board, number):
    """The bytes of a slot, as the chip has them."""
    at = (board.blocks + 1) * BLOCK_B + number * HALF_B
    return board.flash.read_bytes()[at : at + HALF_B]


def spoil(board):
    """One bit of slot A's last module falls over."""
    data = bytearray(board.flash.read_bytes())
    at = data.index(b"V = 1", board.blocks * BLOCK_B)
    data[at] ^= 1
    board.flash.write_bytes(data)


def test_a_fresh_board_runs_from_rom_and_the_next_image_goes_to_the_other_slot(board):
    said = flash(board, ONE)
    assert f"writing slot A of the ROM partition: {len(ONE.rom)} bytes" in said
    assert said.endswith(f"ready {ONE.hash}\n")
    assert slot(board, 0).startswith(ONE.rom)
    files = files_on(board)
    assert set(files) == OURS
    assert files["rom.txt"] == f"4096 {len(ONE.rom)} {digest(ONE.rom)}\n".encode()
    assert files["main.py"] == rom.STUB and files["image.txt"] == f"{ONE.hash}\n".encode()
    said = boot(board.flash, BLOCKS, ROM_BLOCKS)
    assert "from /rom/firmware/a.py 1 ['/rom', '/rom/lib', '', '/lib', '.frozen']" in said
    assert "writing slot B" in flash(board, TWO)
    assert slot(board, 0).startswith(ONE.rom) and slot(board, 1).startswith(TWO.rom)
    assert files_on(board)["rom.txt"].startswith(b"%d " % (BLOCK_B + HALF_B))
    said = flash(board, ONE)
    assert "writing" not in said, "slot A still has it: only rom.txt changes"
    assert said.endswith(f"ready {ONE.hash}\n")
    assert "nothing to copy" in flash(board, ONE)


def test_from_files_to_rom_and_back(board):
    kept = {"config.json": b"{}", "board.txt": b"bench\n", "lib/mine.py": b"m"}
    with at_prompt(board.device, 0.1) as prompt:
        for name, data in kept.items():
            prompt.write(name, data)
    flash(board, ONE, files=True)
    assert {*ONE.files, *kept} <= set(files_on(board)) and set(slot(board, 0)) == {0xFF}
    flash(board, TWO)
    files = files_on(board)
    assert set(files) == {*OURS, *kept} and {name: files[name] for name in kept} == kept
    flash(board, ONE, files=True)
    assert set(files_on(board)) == {*ONE.files, *kept, "manifest.txt", "image.txt"}
    assert slot(board, 0).startswith(TWO.rom), "whole, and mounted by MicroPython; yet nothing of it is imported"
    said = boot(board.flash, BLOCKS, ROM_BLOCKS)
    assert f"ready {ONE.hash}" in said and "from firmware/a.py 1 ['', '/lib', '.frozen']" in said


def test_a_partition_too_small_is_files(tmp_path):
    with DeskBoard(tmp_path / "flash", blocks=BLOCKS, rom_blocks=5) as board:
        assert "the ROM partition has 20 KB, and two images need 28 KB: flashing files" in flash(board, ONE)
        assert set(ONE.files) <= set(files_on(board))


def test_a_build_that_lost_rom_says_what_to_do(board):
    flash(board, ONE)
    said = boot(board.flash, BLOCKS)
    assert "boot: no image in ROM (" in said and "repeat make flash" in said and "ready" not in said
    assert said.rstrip().endswith(">>>")
    board.rom_blocks = 0
    assert flash(board, ONE).endswith(f"ready {ONE.hash}\n"), "as files"


def test_a_rom_txt_that_does_not_hold_is_one_line_and_the_prompt(board):
    flash(board, ONE)
    for text in (b"", b"x y z", b"0 8 00", b"4096 8 00", b"40960 8192 00", b"\xff\xfe 1 2", b"-4 4 00"):
        with at_prompt(board.device, 0.01) as prompt:
            prompt.write("rom.txt", text)
        said = boot(board.flash, BLOCKS, ROM_BLOCKS)
        assert said.count("boot: ") == 1 and "repeat make flash" in said, (text, said)
        assert "Traceback" not in said and "ready" not in said and said.rstrip().endswith(">>>")
    assert flash(board, TWO).endswith(f"ready {TWO.hash}\n")


def test_a_rom_that_something_else_wrote_does_not_run(board):
    flash(board, ONE)
    spoil(board)
    said = boot(board.flash, BLOCKS, ROM_BLOCKS)
    assert said.startswith("boot: the image in ROM is not what was flashed") and "ready" not in said
    said = flash(board, ONE)
    assert "writing slot B" in said and said.endswith(f"ready {ONE.hash}\n")


def elsewhere(where, right=Board.run):
    """A Board.run whose pieces go to another place of the partition."""
    return lambda prompt, code: right(prompt, "_burn(" + where + code[6:] if code.startswith("_burn(") else code)


def test_what_the_slot_did_not_take_is_told_and_the_old_image_runs(board, monkeypatch):
    flash(board, ONE)
    for where, sentence in (("1024+", "does not hold what was sent: "), ("99999999+", "cannot be written ")):
        monkeypatch.setattr(Board, "run", elsewhere(where))
        with pytest.raises(Trouble, match=f"the ROM partition {sentence}.* still has its old image"):
            flash(board, TWO)
        monkeypatch.undo()
    assert f"ready {ONE.hash}" in boot(board.flash, BLOCKS, ROM_BLOCKS)


def test_files_never_leave_a_rom_txt_behind_whoever_wrote_it():
    plan = plans.make(image(1), {"rom.txt": 8, "mine.txt": 8}, {}, set())
    assert plan.gone == ["rom.txt"]


def first_block(board):
    """The partition's, as the chip has it."""
    return board.flash.read_bytes()[board.blocks * BLOCK_B : (board.blocks + 1) * BLOCK_B]


def test_an_older_checkout_that_knows_nothing_of_rom_is_never_mixed_with_what_is_there(board):
    """Its boot.py leaves mounted what MicroPython mounts, and /rom/lib comes before /lib."""
    older = image(3, stays=0, boot=EARLIER_BOOT)
    for what in (ONE, TWO):  # either slot in use
        assert flash(board, what).endswith(f"ready {what.hash}\n")
        assert first_block(board) == b"\xff" * BLOCK_B
        assert flash(board, older, files=True).endswith(f"ready {older.hash}\n")
        assert "from firmware/a.py 3 ['', '.frozen', '/lib']" in boot(board.flash, BLOCKS, ROM_BLOCKS)


def test_an_image_from_the_partitions_start_is_left_in_use_and_makes_room(board):
    """As an earlier checkout put it there."""
    flash(board, ONE)
    with at_prompt(board.device, 0.1) as prompt:
        rom.partition(prompt)
        for at in range(0, len(ONE.rom), 1024):
            prompt.run(f"_burn({at},{ONE.rom[at : at + 1024]!r})")
        prompt.write("rom.txt", rom.Slot(0, len(ONE.rom), digest(ONE.rom)).line)
    assert f"ready {ONE.hash}" in boot(board.flash, BLOCKS, ROM_BLOCKS)
    assert "writing slot B" in flash(board, TWO) and first_block(board).startswith(ONE.rom[:9])
    assert "writing slot A" in flash(board, ONE) and first_block(board) == b"\xff" * BLOCK_B


class Pretended:
    """A Board with this rom.txt, whose slots hold nothing."""

    def __init__(self, text):
        self._text = text

    def read(self, name):
        return self._text

    def ask(self, code):
        return ""


@pytest.mark.parametrize("used, start", [(b"4096 8192 0", 12288), (b"12288 8192 0", 4096),
                                         (b"0 8192 0", 12288), (b"4096 9 0", 12288), (b"no", 4096)])  # fmt: skip
def test_a_slot_in_use_is_never_chosen(used, start):
    target = rom.Rom(Pretended(used), None, rom.Partition(5 * BLOCK_B, BLOCK_B))
    assert target._choose(bytes(8000)) == rom.Slot(start, 8000, digest(bytes(8000)))


@pytest.mark.parametrize("used", [b"8192 8192 0", b"0 16384 0"])
def test_an_image_across_both_slots_is_told(used):
    target = rom.Rom(Pretended(used), None, rom.Partition(5 * BLOCK_B, BLOCK_B))
    with pytest.raises(Trouble, match="lies across both slots"):
        target._choose(bytes(8000))


# An ESP32 as far as boot.py asks: pins that say what is done to them.
ESP32 = """{'platform': 'esp32', 'm': sys.modules.__setitem__('machine', type('machine', (), {'Pin': type('Pin', (), {
'OUT': 'out', 'IN': 'in', '__init__': lambda self, pin, mode, value='': print('pin', pin, mode, value)})}))}"""


def test_the_real_image_starts_from_rom(tmp_path):
    """Pins safe by the board's data in ROM, everything imported, up to the wires of a board that is not here."""
    real = images.build()
    slot = rom.Slot(BLOCK_B, len(real.rom), digest(real.rom))
    root = {"boot.py": real.files["boot.py"], "main.py": rom.STUB, "rom.txt": slot.line, "board.txt": b"lilygo_t2can"}
    with DeskBoard(tmp_path / "flash", blocks=BLOCKS, rom_blocks=96) as board, at_prompt(board.device, 0.1) as prompt:
        assert rom.partition(prompt).takes(real.rom)
        for name, data in root.items():
            prompt.write(name, data)
    with open(tmp_path / "flash", "r+b") as memory:
        memory.seek((BLOCKS + 1) * BLOCK_B)
        memory.write(real.rom)
    said = boot(tmp_path / "flash", BLOCKS, 96, ESP32)
    pins = [f"pin {pin} out {1 - on}" for _, pin, on in lilygo_t2can.OUTPUTS if pin is not None]
    assert said.split("\r\n")[0].splitlines()[: len(pins)] == pins
    assert "boot: " not in said
    assert "ValueError: the car bus has no controller: this MicroPython has no machine.CAN" in said
