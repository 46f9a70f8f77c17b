"""The image in the board's ROM partition, from which its code runs without being copied to the heap.

The partition has two slots of the same size behind a first block that stays erased: MicroPython mounts by itself what
begins at the partition's start, and a boot.py that knows nothing of slots would leave that mounted beside its files. A
flash writes the slot that is not in use and hashes it on the board. Which slot counts stands in rom.txt, one file of
the root among the others that the switch puts in place (hw_tests/desk/plan.py): so the same single rename decides, and
a cut anywhere leaves the old image, or the new.
"""

import ast
import base64
from dataclasses import dataclass

from hw_tests.desk import on_board
from hw_tests.desk.board import PIECE_B, Board, Failed
from hw_tests.desk.image import ROM_FILE, Image, digest
from hw_tests.desk.plan import SWITCH
from hw_tests.desk.progress import Teller
from hw_tests.desk.target import BOOT, MAIN, Files
from hw_tests.desk.trouble import Trouble

# main.py in the root of such a board. Without /rom boot.py has said what is wrong.
STUB = b"""# The station is in ROM, its main, too; boot.py mounts it, or says why not.
import sys

if "/rom" in sys.path:
    import main

    main.run()
"""


@dataclass(frozen=True)
class Slot:
    """A part of the partition, and what rom.txt says of it."""

    start_B: int
    length_B: int
    hash: str

    @property
    def line(self) -> bytes:
        """rom.txt."""
        return f"{self.start_B} {self.length_B} {self.hash}\n".encode()

    def meets(self, other: "Slot") -> bool:
        """Whether the two have a byte in common."""
        first, last = sorted((self, other), key=lambda slot: slot.start_B)
        return last.start_B < first.start_B + first.length_B


@dataclass(frozen=True)
class Partition:
    """What can be written: 0 bytes where there is none."""

    size_B: int
    block_B: int

    @property
    def slot_B(self) -> int:
        """What one slot holds."""
        return (self.size_B // self.block_B - 1) // 2 * self.block_B if self.block_B else 0

    @property
    def starts_B(self) -> tuple[int, int]:
        """Where the slots A and B begin."""
        return self.block_B, self.block_B + self.slot_B

    @property
    def first(self) -> Slot:
        """The first block, as it should be."""
        return Slot(0, self.block_B, digest(b"\xff" * self.block_B))

    def takes(self, data: bytes) -> bool:
        """Whether two such images go in."""
        return 0 < len(data) <= self.slot_B

    def needed_B(self, data: bytes) -> int:
        """The least size of a partition that takes two."""
        return self.block_B + 2 * (-(-len(data) // self.block_B) * self.block_B)


def partition(board: Board) -> Partition:
    """The board's, or one of 0 bytes: no ROM file system in its MicroPython, no partition, or not as on the ESP32."""
    return Partition(*ast.literal_eval(board.run(on_board.PARTITION).strip()))


def slot_in(text: bytes | None) -> Slot | None:
    """What a rom.txt says, or None if it says nothing."""
    words = (text or b"").decode(errors="replace").split()
    if len(words) != 3 or not (words[0].isdecimal() and words[1].isdecimal()):
        return None
    return Slot(int(words[0]), int(words[1]), words[2])


class Rom(Files):
    """The image in a slot of the ROM partition, and in the root what starts it.

    Args:
        where: the partition, which takes the image.
    """

    KNOWS = (SWITCH, ROM_FILE)  # a boot.py without the latter would import from a slot half written

    def __init__(self, board: Board, teller: Teller, where: Partition) -> None:
        super().__init__(board, teller)
        self._where = where
        self._missing: tuple[Slot, bytes] | None = None
        self._used: Slot | None = None

    def put(self, image: Image, others: dict[str, bytes]) -> None:
        slot = self._choose(image.rom)
        self._missing = None if self._holds(slot) else (slot, image.rom)
        root = {BOOT: image.files[BOOT], MAIN: STUB, ROM_FILE: slot.line}
        super().put(Image(root, named=image.hash), others)

    def _choose(self, data: bytes) -> Slot:
        """The slot in use if it has the image already; else the other, and with none in use one that has it."""
        slots = [Slot(start_B, len(data), digest(data)) for start_B in self._where.starts_B]
        used = self._used = slot_in(self.board.read(ROM_FILE))
        if used in slots and self._holds(used):
            return used
        free = [slot for slot in slots if used is None or not used.meets(slot)]
        if not free:
            raise Trouble("the image in use lies across both slots of the ROM partition, which was of another size: "
                          "flash files first (ARGS=--files), then repeat this.")  # fmt: skip
        return next((slot for slot in free[1:] if self._holds(slot)), free[0])

    def _holds(self, slot: Slot) -> bool:
        """Whether the board reads there what should be there, by the way that it will run it."""
        return base64.b64decode(self.board.ask(f"_sum({slot.start_B},{slot.length_B})")).hex() == slot.hash

    def _before_files(self) -> None:
        if not self._missing:
            return
        slot, data = self._missing
        try:
            self._clear_first()
            self._write(slot, data)
        except Failed as error:
            raise Trouble(f"the ROM partition cannot be written ({error.said}): repeat this, or take ARGS=--files; "
                          "the board still has its old image.") from None  # fmt: skip
        if not self._holds(slot):
            raise Trouble("the ROM partition does not hold what was sent: check the cable and repeat this; the board "
                          "still has its old image.")  # fmt: skip

    def _clear_first(self) -> None:
        """Only if something is there, and not while the image in use, flashed by an earlier checkout, begins there."""
        first = self._where.first
        if not (self._used and self._used.meets(first)) and not self._holds(first):
            self.board.run("_burn(0,b'\\xff')")

    def _write(self, slot: Slot, data: bytes) -> None:
        """Block by block, each erased before its first piece."""
        block_B, name = self._where.block_B, "AB"[self._where.starts_B.index(slot.start_B)]
        with self.teller.amount(f"writing slot {name} of the ROM partition", len(data)) as bar:
            for block in range(0, len(data), block_B):
                for at in range(block, min(block + block_B, len(data)), PIECE_B):
                    piece = data[at : min(at + PIECE_B, block + block_B)]
                    self.board.run(f"_burn({slot.start_B + at},_a({base64.b64encode(piece)!r}))")
                    bar.more(len(piece))
