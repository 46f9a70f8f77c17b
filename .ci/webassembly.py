"""The official MicroPython for WebAssembly, from npm: its raw REPL is that of the boards (shared/runtime/pyexec.c).

Only the tests of hw_tests/desk want it, so only they call this. It needs node and npm; without them, one sentence.
"""

import base64
import fcntl
import hashlib
import json
import shutil
import subprocess
import tarfile
from pathlib import Path

from debian import Missing

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "@micropython/micropython-webassembly-pyscript"
VERSION = "1.27.0"
SHA512 = "DnXx4EqxgkeaFESrS3uKrL7mLMk4mRTd0mMzaOd3HUSiZUOAE7t11uLnjf3ftF87N2xm4knHnWEKcVK4IYIUDA=="
PLACE = ROOT / "build" / "webassembly"
FILES = ("micropython.mjs", "micropython.wasm")
PATIENCE_s = 120


def fetch() -> Path:
    """The folder with micropython.mjs and micropython.wasm; fetched the first time.

    Raises:
        Missing: node or npm is not there, npm cannot be reached, or the package is not the one that was tried.
    """
    PLACE.mkdir(parents=True, exist_ok=True)
    with open(PLACE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two tests at once: the second finds it done
        if not all((PLACE / VERSION / name).is_file() for name in FILES):
            _make()
    return PLACE / VERSION


def _make() -> None:
    if not shutil.which("node") or not shutil.which("npm"):
        raise Missing("node and npm are not there: install them (on Debian: apt install nodejs npm) to run this test.")
    room = PLACE / "new"
    shutil.rmtree(room, ignore_errors=True)
    room.mkdir(parents=True)
    try:
        _unpack(_pack(room), room / VERSION)
        shutil.rmtree(PLACE / VERSION, ignore_errors=True)
        (room / VERSION).rename(PLACE / VERSION)
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _pack(room: Path) -> Path:
    command = ["npm", "pack", "--silent", "--ignore-scripts", "--json", f"--cache={room / 'cache'}",
               f"{PACKAGE}@{VERSION}"]  # fmt: skip
    try:
        done = subprocess.run(command, cwd=room, capture_output=True, text=True, timeout=PATIENCE_s,
                              stdin=subprocess.DEVNULL)  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Missing("npm gave no answer: check the network and run this again.") from None
    archives = list(room.glob("*.tgz"))
    if done.returncode or not archives:
        raise Missing(f"npm could not fetch {PACKAGE} {VERSION}: check the network and run this again.")
    return archives[0]


def _unpack(archive: Path, to: Path) -> None:
    if base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode() != SHA512:
        raise Missing(f"{PACKAGE} {VERSION} is not the file that was tried (its SHA-512 differs): do not use it.")
    to.mkdir()
    with tarfile.open(archive) as packed:
        for name in FILES:
            source = packed.extractfile(f"package/{name}")
            if source is None:
                raise Missing(f"{PACKAGE} {VERSION} has no {name}: look at what changed.")
            (to / name).write_bytes(source.read())
    (to / "package.json").write_text(json.dumps({"type": "module"}))
