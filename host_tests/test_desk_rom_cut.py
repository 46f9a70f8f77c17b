"""A flash to or from a ROM partition that is cut at any point leaves a board that starts; as test_desk_cut.py, with the
erases and programs of the partition among the changes.

The image says its version from its code, and image.txt the hash: both must be of the same image.
"""

import shutil

import pytest

from host_tests.desk_board import BLOCK_B, DeskBoard, changes
from host_tests.desk_rig import EARLIER_BOOT, boot, desk, image, with_rom
from host_tests.test_desk_cut import cuts
from hw_tests.bench import interpreter
from hw_tests.desk import flash as flashing
from hw_tests.desk.board import at_prompt

pytestmark = pytest.mark.skipif(interpreter.kind() != interpreter.FROM_ROM, reason="this MicroPython has no ROMFS")

BLOCKS, ROM_BLOCKS = 40, 8
OLD, NEW = with_rom(image(1, stays=0)), with_rom(image(2, stays=0, more={"lib/added.py": b"W = 2\n"}))
EARLIER = image(1, stays=0, boot=EARLIER_BOOT)


def test_the_earlier_boot_is_one():
    assert b"switch.txt" in EARLIER_BOOT and b"rom.txt" not in EARLIER_BOOT
    assert [EARLIER_BOOT.count(call) for call in (b"\nplaces()", b"\n    unmount(vfs)\n    try")] == [0, 0]


def put(path, what, files=False, log=None):
    with DeskBoard(path, blocks=BLOCKS, log=log, rom_blocks=ROM_BLOCKS) as board:
        flashing.flash(desk(board, listen_s=0.1), image=what, files=files)


def heard(was, log, tmp_path):
    """What runs after each cut: old, new or prompt; what is neither is given as it was said."""
    copy = tmp_path / "copy"
    for _ in cuts(was, log):
        shutil.copyfile(was, copy)
        yield verdict(boot(copy, BLOCKS, ROM_BLOCKS))


def verdict(said):
    if "Traceback" in said or "MIXED" in said or "boot: " in said:
        return said
    for name, what, version in (("old", OLD, 1), ("old", EARLIER, 1), ("new", NEW, 2)):
        if f"ready {what.hash}" in said and f"/a.py {version} [" in said:
            return name
    return "prompt" if said.rstrip().endswith(">>>") and "ready" not in said else said


def cut(tmp_path, prepare, files=False):
    """Flash NEW over what prepare leaves, cut everywhere; the verdicts in their order, and the number of changes."""
    was, now, log = tmp_path / "was", tmp_path / "flash", tmp_path / "log"
    prepare(now)
    shutil.copyfile(now, was)
    put(now, NEW, files, log)
    found = list(heard(was, log, tmp_path))
    assert was.read_bytes() == now.read_bytes()
    return found, changes(log)


def from_earlier_files(path):
    with DeskBoard(path, blocks=BLOCKS, rom_blocks=ROM_BLOCKS) as board, at_prompt(board.device, 0.1) as prompt:
        own = {"manifest.txt": EARLIER.manifest, "image.txt": EARLIER.hash.encode()}
        for name, data in {**EARLIER.files, **own}.items():
            prompt.write(name, data)


def from_rom(path):
    put(path, OLD)


def from_slot_b(path):
    put(path, NEW)
    put(path, OLD)
    with open(path, "r+b") as memory:  # NEW has to be written again, below the image in use
        memory.seek(BLOCKS * BLOCK_B)
        memory.write(bytes(ROM_BLOCKS // 2 * BLOCK_B))


@pytest.mark.parametrize(
    "prepare, files", [(from_rom, False), (from_slot_b, False), (from_earlier_files, False), (from_rom, True)]
)
def test_cut_anywhere_the_old_or_the_new_image_starts_and_never_a_mixture(tmp_path, prepare, files):
    found, changed = cut(tmp_path, prepare, files)
    assert set(found) == {"old", "new"}
    assert found == sorted(found, key=["old", "new"].index), "once it was new it stays new"
    assert any(at >= BLOCKS * BLOCK_B for at, _ in changed) != files, "the partition was written, too"


def test_cut_anywhere_the_first_flash_leaves_a_prompt_or_the_image(tmp_path):
    def fresh(path):
        DeskBoard(path, blocks=BLOCKS, rom_blocks=ROM_BLOCKS).close()
        boot(path, BLOCKS, ROM_BLOCKS)  # makes the file system, as a board does at its first start

    found, _ = cut(tmp_path, fresh)
    assert set(found) == {"prompt", "new"}
    assert found == sorted(found, key=["prompt", "new"].index)


@pytest.mark.parametrize("share", (0.3, 0.9))
def test_after_a_cut_the_next_flash_completes(tmp_path, share):
    was, now, log = tmp_path / "was", tmp_path / "flash", tmp_path / "log"
    from_rom(now)
    shutil.copyfile(now, was)
    put(now, NEW, log=log)
    stop = int(len(changes(log)) * share)
    for number, half in cuts(was, log):
        if (number, half) == (stop, True):
            break
    put(was, NEW)
    assert verdict(boot(was, BLOCKS, ROM_BLOCKS)) == "new"
