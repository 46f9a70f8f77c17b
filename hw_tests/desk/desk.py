"""What every tool works with: the port, whom to tell, and how long to wait."""

from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from hw_tests.desk.board import Board, at_prompt
from hw_tests.desk.listen import LISTEN_s
from hw_tests.desk.progress import Teller

READY_s = 120.0  # a start from files takes seconds; a switch before it one rename a file


@dataclass(frozen=True)
class Desk:
    """One board on one port.

    Attributes:
        listen_s: how long to listen for a state before the first byte goes out.
        ready_s: how long a start may take.
        patience_s: how long a station that says that it is energised is waited for; 0: it is left alone at once.
    """

    device: str
    teller: Teller = field(default_factory=Teller)
    listen_s: float = LISTEN_s
    ready_s: float = READY_s
    patience_s: float = 0.0

    def prompt(self) -> AbstractContextManager[Board]:
        """The board in the raw REPL; see at_prompt."""
        return at_prompt(self.device, self.listen_s, self.patience_s)
