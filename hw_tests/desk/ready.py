"""Waits until the station says that it runs."""

from hw_tests.desk.board import Board
from hw_tests.desk.desk import Desk
from hw_tests.desk.listen import READY, Listener
from hw_tests.desk.trouble import Trouble


def wait(board: Board, wanted: str, desk: Desk) -> list[str]:
    """Listen until the station says that it runs this image.

    Args:
        board: just restarted.
        wanted: the image's hash; "" for any.

    Returns:
        The lines that it said meanwhile.

    Raises:
        Trouble: it does not say so, or runs another.
    """
    sentence = f"ready {wanted}".strip()
    desk.teller.say(f"restarted; waiting for: {sentence}")
    listener = Listener(board.transport)
    said: list[str] = []
    found = listener.until(READY, desk.ready_s, said.append)
    if found is None:
        raise Trouble(
            f"the board did not say `{sentence}` within {desk.ready_s:.0f} s; its last lines:\n"
            f"{listener.text() or '    (nothing)'}"
        )
    if wanted and found.group(1) != wanted:
        raise Trouble(f"the board runs image {found.group(1)} and not {wanted}: repeat this.")
    desk.teller.say(f"ready {found.group(1)}")
    return said
