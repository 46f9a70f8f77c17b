"""The image as a ROM file system: one file that a board maps into its address space.

Code that is imported from there stays where it is; imported from files it is copied to the heap first, some 65 KB of
the 160 KB that a board has. MicroPython mounts such a partition at /rom by itself, where its build has ROMFS.

"""

from pathlib import Path

from mpremote.romfs import VfsRomWriter


def image_of(folder: Path) -> bytes:
    """The file system that holds all of `folder`."""
    writer = VfsRomWriter()
    _put(writer, folder)
    return bytes(writer.finalise())


def _put(writer: VfsRomWriter, folder: Path) -> None:
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            writer.opendir(path.name)
            _put(writer, path)
            writer.closedir()
        else:
            writer.mkfile(path.name, path.read_bytes())
