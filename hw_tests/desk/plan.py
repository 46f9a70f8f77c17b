"""Decides what a flash does, from what is there and what should be. Pure: no board, no port.

The files keep their names in the root of the board. What changes is written beside (`name.new`) while the old image
stays whole; then one small list, switch.txt, is put in place by one rename. From that moment the new image counts:
boot.py carries the list out at every start before anything else is imported, each line of it may be done twice, and
the list is removed last. docs/desk.md says why this and not two folders.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from hw_tests.desk.image import IMAGE, KEPT, MANIFEST, ROM_FILE, Image, digest

SWITCH = "switch.txt"
NEW = ".new"
FOLDER_BLOCKS = 2  # littlefs keeps each folder in a pair of blocks
SPARE_BLOCKS = 8  # for its own book-keeping and the copies it makes on writing


@dataclass(frozen=True)
class Plan:
    """What to do, in order.

    Attributes:
        stale: left-overs of a flash that was cut short, to be removed first.
        fresh: name -> bytes to write beside, verified. The last is image.txt.
        staged: of those, the ones that already lie beside with the right hash.
        gone: files to remove in the switch.
        empty: folders that may be empty afterwards, the deepest first.
    """

    stale: list[str]
    fresh: dict[str, bytes]
    staged: list[str]
    gone: list[str]
    empty: list[str]

    @property
    def nothing(self) -> bool:
        """The board has the image already."""
        return not self.fresh and not self.gone

    @property
    def sent_B(self) -> int:
        """Bytes that have to go over the wire."""
        return sum(len(data) for name, data in self.fresh.items() if name not in self.staged)

    def switch(self) -> bytes:
        """switch.txt: `+name` puts name.new in place, `-name` removes a file, `/name` a folder if it is empty."""
        fresh = [name for name in self.fresh if name not in (MANIFEST, IMAGE)]
        own = [name for name in (MANIFEST, IMAGE) if name in self.fresh]
        lines = [*(f"+{n}" for n in fresh), *(f"-{n}" for n in self.gone), *(f"/{n}" for n in self.empty)]
        return "".join(f"{line}\n" for line in [*lines, *(f"+{n}" for n in own)]).encode()

    def blocks(self, block_B: int, there: Iterable[str]) -> int:
        """Flash blocks that must be free before anything is written."""
        missing = [(name, data) for name, data in self.fresh.items() if name not in self.staged]
        files = sum(-(-max(len(data), 1) // block_B) for _, data in missing)
        folders = _folders(name for name, _ in missing) - set(there)
        return files + FOLDER_BLOCKS * len(folders) + SPARE_BLOCKS


def worth_hashing(image: Image, there: dict[str, int]) -> list[str]:
    """The names on the board that may already be what they should be: right name, right size."""
    wanted = wanted_files(image)
    beside = {name + NEW: data for name, data in wanted.items()}
    return [name for name, data in {**wanted, **beside}.items() if there.get(name) == len(data)]


def wanted_files(image: Image, others: dict[str, bytes] | None = None) -> dict[str, bytes]:
    """All that a flash writes: the image, other files (board.txt), the manifest, and the image's hash last."""
    return {**image.files, **(others or {}), MANIFEST: image.manifest, IMAGE: f"{image.hash}\n".encode()}


def make(image: Image, there: dict[str, int], hashes: dict[str, str], ours: set[str],
         others: dict[str, bytes] | None = None) -> Plan:  # fmt: skip
    """Compare.

    Args:
        image: what should be.
        there: files (size) and folders (-1) on the board.
        hashes: of those that worth_hashing named, in hex.
        ours: what an earlier flash put there, from the board's manifest.
        others: files beside the image that are to be as given.
    """
    wanted = wanted_files(image, others)
    fresh = {name: data for name, data in wanted.items() if hashes.get(name) != digest(data)}
    staged = [name for name, data in fresh.items() if hashes.get(name + NEW) == digest(data)]
    beside = {name + NEW for name in wanted} | {name + NEW for name in ours} | {SWITCH, SWITCH + NEW}
    stale = [name for name in there if name in beside and name.removesuffix(NEW) not in staged]
    gone = sorted(_gone(image, there, ours))
    left = _folders(n for n, size in there.items() if size >= 0 and n not in gone and n not in stale)
    empty = _folders(gone) - left - _folders(wanted)
    return Plan(stale, fresh, staged, gone, sorted(empty, key=lambda name: (-name.count("/"), name)))


def _gone(image: Image, there: dict[str, int], ours: set[str]) -> set[str]:
    """What was ours and is no more; a source beside a compiled file, as MicroPython would take the source; and what
    would start another image from ROM."""
    had = {name for name in {*ours, ROM_FILE} if name in there and name not in image.files}
    hiding = {name[:-4] + ".py" for name in image.files if name.endswith(".mpy")} & set(there)
    return {name for name in had | hiding if name not in KEPT and there[name] >= 0}


def hidden(image: Image, there: dict[str, int], gone: Iterable[str]) -> list[str]:
    """Folders that would hide a file of the image (MicroPython takes the folder) and are not ours to remove."""
    going = set(gone)
    left = _folders(name for name, size in there.items() if size >= 0 and name not in going)
    return sorted(name for name in left if name + ".mpy" in image.files and name not in _folders(image.files))


def _folders(names: Iterable[str]) -> set[str]:
    """All folders above the names."""
    return {"/".join(name.split("/")[:n]) for name in names for n in range(1, name.count("/") + 1)}
