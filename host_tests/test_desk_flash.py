"""make flash against MicroPython on a pseudo-terminal, with littlefs on what stands for its flash."""

import pytest

from host_tests.desk_board import DeskBoard
from host_tests.desk_rig import desk, image
from hw_tests.desk import flash as flashing
from hw_tests.desk import image as images
from hw_tests.desk.board import Board, at_prompt
from hw_tests.desk.listen import refuse_if_energised
from hw_tests.desk.plan import Plan
from hw_tests.desk.port import opened
from hw_tests.desk.trouble import Trouble


@pytest.fixture
def board(tmp_path):
    with DeskBoard(tmp_path / "flash") as there:
        yield there


def files_on(board):
    """Name -> bytes of all files, and the folders."""
    with at_prompt(board.device, 1.0) as prompt:
        there = prompt.listing()
        files = {name: prompt.read(name) for name, size in there.items() if size >= 0}
        return files, {name for name, size in there.items() if size < 0}


def flash(board, what, **more):
    made = desk(board, **more)
    flashing.flash(made, image=what)
    return made.teller.text


def test_a_fresh_board_has_the_whole_image_and_says_ready(board):
    said = flash(board, image(1))
    assert f"copying {len(image(1).files) + 2} files" in said
    assert said.endswith(f"ready {image(1).hash}\n")
    files, folders = files_on(board)
    assert files.pop("image.txt") == image(1).hash.encode() + b"\n"
    assert files.pop("manifest.txt") == image(1).manifest
    assert files == image(1).files
    assert folders == {"firmware", "firmware/deep", "lib"}


def test_the_second_time_nothing_is_copied_but_it_is_started(board):
    flash(board, image(1))
    said = flash(board, image(1))
    assert "nothing to copy" in said and "copying" not in said
    assert said.endswith(f"ready {image(1).hash}\n")


def test_one_changed_file_is_one_copied_file(board):
    flash(board, image(1))
    other = image(1, more={"lib/more.py": b"W = 1\n"})
    flash(board, other)
    changed = image(1, more={"lib/more.py": b"W = 2\n"})
    said = flash(board, changed)
    assert "copying 3 files" in said  # and the manifest and the hash
    assert files_on(board)[0]["lib/more.py"] == b"W = 2\n"


def test_what_is_no_more_goes_and_what_is_not_ours_stays(board):
    flash(board, image(1, more={"lib/old/x.py": b"", "lib/y.py": b""}))
    kept = {"config.json": b"{}", "journal.1": b"j", "lib/mine.py": b"m", "notes/n.txt": b"n", "board.txt": b"bench\n"}
    with at_prompt(board.device, 1.0) as prompt:
        for name, data in kept.items():
            prompt.write(name, data)
    said = flash(board, image(2))
    assert "2 removed" in said
    files, folders = files_on(board)
    assert set(files) == {*image(2).files, *kept, "manifest.txt", "image.txt"}
    assert folders == {"firmware", "firmware/deep", "lib", "notes"}
    assert {name: files[name] for name in kept} == kept


def test_a_source_beside_a_compiled_file_is_removed(board):
    with at_prompt(board.device, 1.0) as prompt:
        prompt.write("lib/z.py", b"raise ValueError\n")
    flash(board, image(1, more={"lib/z.mpy": b"M\x06\x00\x1f"}))
    assert "lib/z.py" not in files_on(board)[0]


def test_a_foreign_folder_that_would_hide_a_module_is_refused(board):
    with at_prompt(board.device, 1.0) as prompt:
        prompt.write("lib/z/mine.txt", b"m")
    with pytest.raises(Trouble, match="the folder lib/z on the board would hide lib/z.mpy"):
        flash(board, image(1, more={"lib/z.mpy": b"M\x06\x00\x1f"}))


def test_no_space_is_said_before_anything_is_touched(tmp_path):
    with DeskBoard(tmp_path / "flash", blocks=64) as board:
        flash(board, image(1))
        before = files_on(board)
        with pytest.raises(Trouble, match=r"no space: the flash needs \d+ KB and the board has \d+ KB free"):
            flash(board, image(2, more={"lib/big.bin": bytes(200 * 1024)}))
        assert files_on(board) == before


def test_a_board_that_runs_full_on_the_way_keeps_its_image(tmp_path, monkeypatch):
    with DeskBoard(tmp_path / "flash", blocks=64) as board:
        flash(board, image(1))
        monkeypatch.setattr(Plan, "blocks", lambda plan, block_B, there: 0)
        with pytest.raises(Trouble, match="the board has no space left: .* it still has its old image"):
            flash(board, image(2, more={"lib/big.bin": bytes(300 * 1024)}))
        with opened(board.device) as transport:
            assert refuse_if_energised(transport) == "idle", "the old image runs again"
        assert flash(board, image(3)).endswith(f"ready {image(3).hash}\n"), "what was half there made room"


@pytest.mark.parametrize(
    "fake, sentence",
    [
        ("(1,24,1,''), _mpy=1798", "the board has MicroPython 1.24.1: put 1.25 or newer on it"),
        ("(1,25,0,''), _mpy=1797", r"reads .mpy files of version 5\.3, and here they are 6\.3"),
        ("(1,99,0,''), _mpy=6", r"reads .mpy files of version 6\.0, and here they are 6\.3"),
    ],
)
def test_a_micropython_that_does_not_fit_is_refused(tmp_path, fake, sentence):
    version, mpy = fake.split(", _mpy=")
    claims = f"{{'implementation': __import__('collections').namedtuple('I', 'name version _machine _mpy')" \
             f"('micropython', {version}, 'a board', {mpy})}}"  # fmt: skip
    with DeskBoard(tmp_path / "flash", fake=claims) as board:
        with pytest.raises(Trouble, match=sentence):
            flash(board, image(1))
    with DeskBoard(tmp_path / "flash") as board:
        assert files_on(board) == ({}, set())


def test_a_board_that_does_not_say_ready_is_told_with_its_last_lines(board):
    broken = image(1, more={"main.py": b"print('one moment')\nraise ValueError('no such pin')\n"})
    with pytest.raises(Trouble, match=r"did not say `ready \w+` within 1 s(.|\n)*no such pin"):
        flash(board, broken, ready_s=1.0)


def test_another_image_that_says_ready_is_not_taken_for_this_one(board):
    other = image(1, more={"main.py": b"print('ready 0123')\n"})
    with pytest.raises(Trouble, match="runs image 0123 and not"):
        flash(board, other)


def test_the_board_name_is_written_with_the_image(board):
    flashing.flash(desk(board), "lilygo_t2can", image(1))
    assert files_on(board)[0]["board.txt"] == b"lilygo_t2can\n"


@pytest.mark.parametrize("name", ["nix", "bench"])
def test_what_is_no_board_is_refused_before_the_port_is_opened(name):
    wanted = rf"^there is no board {name}: take one of bench_2x_mcp2515, .*esp32_2x_mcp2515, .*\(docs"
    with pytest.raises(Trouble, match=wanted) as said:
        flashing.flash(flashing.Desk("/dev/nix"), name, image(1))
    offered = str(said.value).partition("take one of ")[2].partition(" (docs")[0].split(", ")
    assert "lilygo_t2can" in offered and "bench" not in offered


def test_a_plug_pulled_between_two_calls_is_one_sentence_and_the_next_flash_completes(tmp_path):
    with DeskBoard(tmp_path / "flash") as board:
        flash(board, image(1))
    for after in range(1, 60, 6):
        board = DeskBoard(tmp_path / "flash")
        with pytest.raises((Trouble, Finished), match="went away|finished"):
            flash_and_pull(board, image(2 + after), after)
    with DeskBoard(tmp_path / "flash") as board:
        flash(board, image(99))
        assert files_on(board)[0].keys() == {*image(99).files, "manifest.txt", "image.txt"}


class Finished(Exception):
    """The flash was through before the plug was pulled."""


def flash_and_pull(board, what, after):
    """Pull the plug before the call of that number; opened() says what came of it."""
    calls = []

    def count(code):
        calls.append(code)
        if len(calls) == after:
            board.close()

    with opened(board.device) as transport:
        prompt = Board(transport, running=refuse_if_energised(transport) is not None, before=count)
        prompt.enter()
        flashing.Files(prompt, desk(board).teller).put(what, {})
        board.close()
        raise Finished("finished")


def test_the_real_image_fits_and_arrives(tmp_path):
    with DeskBoard(tmp_path / "flash", blocks=512) as board:
        real = images.build()
        stand_in = images.Image({**real.files, "main.py": image(1).files["main.py"].split(b"VERSION")[0] + b"""
print('ready', open('image.txt').read().strip())
"""})  # fmt: skip
        assert flash(board, stand_in).endswith(f"ready {stand_in.hash}\n")
        files = files_on(board)[0]
        assert {name: files[name] for name in stand_in.files} == stand_in.files
