"""How the firmware is started in MicroPython on this PC: from a ROM file system, or from files.

A board whose MicroPython has ROMFS maps the image into its address space and runs the code where it lies; here mmap
does the same, so the heap holds what it holds on such a board. From files, as on a board with a stock build, the code
of each module is copied to the heap.
"""

import functools
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
MICROPYTHON = ROOT / "build" / "bin" / "micropython"
BOARD = ROOT / "build" / "board"
ROM = ROOT / "build" / "board.romfs"
HEAP = "160k"
HEAP_B = 160 * 1024
FILES, FROM_ROM = "files", "rom"

_START = "import boot, main; main.run()"
_FIND = "import ffi, vfs; vfs.VfsRom; ffi.open(None).func('P', 'mmap', 'PIiiii')"
# What a port with a ROM partition does before it looks for boot.py. PROT_READ is 1, MAP_PRIVATE 2.
_MOUNT = """
import ffi, os, sys, uctypes, vfs
size = os.stat({path!r})[6]
libc = ffi.open(None)
fd = libc.func("i", "open", "si")({path!r}, 0)
at = libc.func("P", "mmap", "PIiiii")(None, size, 1, 2, fd, 0)
vfs.mount(vfs.VfsRom(uctypes.bytearray_at(at, size)), "/rom")
sys.path[:] = ["/rom", "/rom/lib", ".frozen"]
del size, libc, fd, at, ffi, os, sys, uctypes, vfs
"""
# The names of modules lie on the heap with their path, so this one is as short as a board's, wherever the checkout is.
_MOUNT_FILES = """
import sys, vfs
vfs.mount(vfs.VfsPosix({path!r}), "/board")
sys.path[:] = ["/board", "/board/lib", ".frozen"]
del sys, vfs
"""


@functools.cache
def kind() -> str:
    """FROM_ROM where this MicroPython can (1.25 or newer with ffi), else FILES."""
    done = subprocess.run([str(MICROPYTHON), "-c", _FIND], capture_output=True)
    return FILES if done.returncode else FROM_ROM


def mounted(image: str) -> str:
    """What MicroPython has to run before it can import the firmware."""
    return _MOUNT.format(path=str(ROM)) if image == FROM_ROM else _MOUNT_FILES.format(path=str(BOARD))


def command(image: str, heap: str = HEAP) -> list[str]:
    """The command line that starts a station in the current directory."""
    return [str(MICROPYTHON), "-X", f"heapsize={heap}", "-c", mounted(image) + _START]


def about() -> dict[str, Any]:
    """What runs the firmware here: `version`, `word_bits`, `image`, `heap_size_bytes`."""
    code = "import sys; print(*sys.implementation.version[:3], 64 if sys.maxsize > 1 << 31 else 32)"
    done = subprocess.run([str(MICROPYTHON), "-c", code], capture_output=True, text=True, check=True)
    *version, bits = done.stdout.split()
    return {"version": ".".join(version), "word_bits": int(bits), "image": kind(), "heap_size_bytes": HEAP_B}
