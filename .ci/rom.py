"""The image as a ROM file system: one file that a board maps into its address space.

Code that is imported from there stays where it is; imported from files it is copied to the heap first, some 65 KB of
the 160 KB that a board has. MicroPython mounts such a partition at /rom by itself, where its build has ROMFS.

The files are those of build/board/, with boot.py and main.py compiled as well: nothing is compiled on the board.
"""

from collections.abc import Callable
from pathlib import Path

from mpremote.romfs import VfsRomWriter


def image_of(board: Path, compiled: Callable[[Path], bytes]) -> bytes:
    """The file system that holds all of `board`; `compiled` turns a source into the bytes of its .mpy."""
    writer = VfsRomWriter()
    _put(writer, board, compiled)
    return bytes(writer.finalise())


def _put(writer: VfsRomWriter, folder: Path, compiled: Callable[[Path], bytes]) -> None:
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            writer.opendir(path.name)
            _put(writer, path, compiled)
            writer.closedir()
        elif path.suffix == ".py":
            writer.mkfile(path.with_suffix(".mpy").name, compiled(path))
        else:
            writer.mkfile(path.name, path.read_bytes())
