"""`make flash`: brings a board to the image of this checkout, and waits until the board says that it runs it."""

from hw_tests.desk import image as images
from hw_tests.desk import ready, rom
from hw_tests.desk.board import Board, check_version
from hw_tests.desk.desk import Desk
from hw_tests.desk.image import BOARD_NAME, ROOT, Image
from hw_tests.desk.target import Files, Target
from hw_tests.desk.trouble import Trouble

PC = "bench"  # in firmware/boards/ it stands for MicroPython on this computer: no board has its wires


def flash(desk: Desk, board_name: str = "", image: Image | None = None, files: bool = False) -> None:
    """Flash a board and wait for it to start.

    Args:
        board_name: which board it is (firmware/boards/); "" leaves what the board has.
        image: what to flash; None builds it.
        files: as files, also where a ROM partition would hold it.

    Raises:
        Trouble: anything that went wrong, in one sentence.
    """
    others = {BOARD_NAME: f"{known(board_name)}\n".encode()} if board_name else {}
    image = image or images.build()
    with desk.prompt() as board:
        about = board.about()
        check_version(about, images.mpy_version())
        version = ".".join(map(str, about.version))
        desk.teller.say(f"{about.machine}, MicroPython {version}, {about.free_B // 1024} KB free")
        if about.platform == "esp32" and not others and board.read(BOARD_NAME) is None:
            raise Trouble(
                f"the board does not know which one it is: make flash PORT={desk.device} BOARD=... with one of "
                f"{', '.join(boards())}."
            )
        target(board, desk, image, files).put(image, others)
        board.restart()
        ready.wait(board, image.hash, desk)


def target(board: Board, desk: Desk, image: Image, files: bool) -> Target:
    """The ROM partition if the board has one that holds two such images, else files."""
    found = rom.Partition(0, 0) if files or not image.rom else rom.partition(board)
    if found.size_B and not found.takes(image.rom):
        desk.teller.say(
            f"the ROM partition has {found.size_B // 1024} KB, and two images need {found.needed_B(image.rom) // 1024} "
            "KB: flashing files, which leave little of the heap free (docs/image.md)"
        )
    return rom.Rom(board, desk.teller, found) if found.takes(image.rom) else Files(board, desk.teller)


def boards() -> list[str]:
    """The boards that the firmware knows, without this computer."""
    return sorted(path.stem for path in (ROOT / "firmware/boards").glob("[a-z]*.py") if path.stem != PC)


def known(name: str) -> str:
    """The name of a board, if there is such a one."""
    if name not in boards():
        raise Trouble(f"there is no board {name}: take one of {', '.join(boards())} (docs/boards/).")
    return name
