"""A flash that is cut at any point leaves a board that starts.

All that changes a board's memory goes through its flash chip, page by page. The whole of a flash, the switch that
boot.py makes included, is recorded at that level; then the memory is put back to what it was after each single change,
and once more with that change half done, and started without any tool. So every cut of the wire, of the tool and of the
supply is among them.
"""

import shutil

import pytest

from host_tests.desk_board import DeskBoard, changes
from host_tests.desk_rig import boot, desk, image
from hw_tests.desk import flash as flashing
from hw_tests.desk.board import at_prompt

BLOCKS = 40
OLD, NEW = image(1, stays=0), image(2, stays=0, more={"lib/added.py": b"W = 2\n"})
READY_OLD, READY_NEW = f"ready {OLD.hash}", f"ready {NEW.hash}"


def put(path, what, log=None):
    with DeskBoard(path, blocks=BLOCKS, log=log) as board:
        flashing.flash(desk(board, listen_s=0.1), image=what)


def cuts(path, log):
    """Bring the flash at path forward change by change; yields (number, half done) after each."""
    with open(path, "r+b") as memory:
        for number, (address, data) in enumerate(changes(log)):
            for part in (data[: len(data) // 2], data):
                memory.seek(address)
                memory.write(part)
                memory.flush()
                yield number, part is not data


def starts(path, log, tmp_path):
    """What the board says after each cut. It is started on a copy: a start may itself write."""
    copy = tmp_path / "copy"
    for cut in cuts(path, log):
        shutil.copyfile(path, copy)
        said = boot(copy, BLOCKS)
        assert "Traceback" not in said and "MIXED" not in said, (cut, said)
        yield said


def test_cut_anywhere_the_old_or_the_new_image_starts_and_never_a_mixture(tmp_path):
    now, log = tmp_path / "flash", tmp_path / "log"
    put(now, OLD)
    was = tmp_path / "was"
    shutil.copyfile(now, was)
    put(now, NEW, log)
    heard = ["new" if READY_NEW in said else "old" if READY_OLD in said else said
             for said in starts(was, log, tmp_path)]  # fmt: skip
    assert set(heard) == {"old", "new"}
    assert heard == sorted(heard, key=["old", "new"].index), "once it was new it stays new"
    assert was.read_bytes() == now.read_bytes()
    assert heard.count("new") > len(NEW.files), "the switch itself was cut many times, too"


def test_cut_anywhere_the_first_flash_leaves_a_prompt_or_the_image(tmp_path):
    was, now, log = tmp_path / "was", tmp_path / "flash", tmp_path / "log"
    DeskBoard(was, blocks=BLOCKS).close()
    boot(was, BLOCKS)  # makes the file system, as a board does at its first start
    shutil.copyfile(was, now)
    put(now, NEW, log)
    heard = ["new" if READY_NEW in said else "prompt" if said.rstrip().endswith(">>>") else said
             for said in starts(was, log, tmp_path)]  # fmt: skip
    assert set(heard) == {"prompt", "new"}
    assert heard == sorted(heard, key=["prompt", "new"].index)


def test_a_board_whose_boot_knows_no_switch_is_safe_as_well(tmp_path):
    was, now, log = tmp_path / "was", tmp_path / "flash", tmp_path / "log"
    by_hand = image(1, stays=0, boot=b"# pins\n")
    with DeskBoard(was, blocks=BLOCKS) as board, at_prompt(board.device, 0.1) as prompt:
        for name, data in {**by_hand.files, "image.txt": by_hand.hash.encode()}.items():
            prompt.write(name, data)
    shutil.copyfile(was, now)
    put(now, NEW, log)
    heard = ["new" if READY_NEW in said else "old" if f"ready {by_hand.hash}" in said else said
             for said in starts(was, log, tmp_path)]  # fmt: skip
    assert set(heard) == {"old", "new"}
    assert heard == sorted(heard, key=["old", "new"].index)


@pytest.mark.parametrize("share", (0.2, 0.5, 0.8, 0.95))
def test_after_a_cut_the_next_flash_completes(tmp_path, share):
    was, now, log = tmp_path / "was", tmp_path / "flash", tmp_path / "log"
    put(now, OLD)
    shutil.copyfile(now, was)
    put(now, NEW, log)
    stop = int(len(changes(log)) * share)
    for number, half in cuts(was, log):
        if (number, half) == (stop, True):
            break
    put(was, NEW)
    assert READY_NEW in boot(was, BLOCKS)
    with DeskBoard(was, blocks=BLOCKS) as board, at_prompt(board.device, 0.1) as prompt:
        there = prompt.listing()
        assert {name for name, size in there.items() if size >= 0} == {*NEW.files, "manifest.txt", "image.txt"}
        assert all(prompt.read(name) == data for name, data in NEW.files.items())
