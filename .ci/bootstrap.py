"""Prepare build/: everything that Sluice needs besides git, make and python3 with venv.

    python3 .ci/bootstrap.py         what every make target needs
    python3 .ci/bootstrap.py perf    also build/bin/callgrind, the instruction counter

Nothing is written outside the checkout and nothing needs root. Each step is done in build/tmp and renamed into
place, then stamped with the hash of its pins: a run that was cut short leaves nothing half made, a changed pin
redoes its own step, and a run with nothing to do takes no network. Whatever is missing is said in one sentence.
"""

import sys

if sys.version_info < (3, 11):  # before any import that an older Python might not survive
    sys.exit("bootstrap: Python %d.%d is too old: install Python 3.11 or newer, or name one by `make PYTHON=...`."
             % sys.version_info[:2])

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import debian  # noqa: E402  (its folder has just been put on the path)
from debian import Missing  # noqa: E402

ROOT = HERE.parent
BUILD = ROOT / "build"
TMP = BUILD / "tmp"
UMQTT = "micropython-umqtt.simple==1.3.4"
UMQTT_SHA256 = "b6a2520239e3992c63a7de9370ee9b3d9d27819a90359c521f1c0f7ccab8d12f"
PIP = ["--no-cache-dir", "--no-input", "--disable-pip-version-check", "--quiet", "--no-deps",
       "--require-hashes", "--only-binary", ":all:"]


def digest(*parts: str | bytes) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(part.encode() if isinstance(part, str) else part)
        whole.update(b"\0")
    return whole.hexdigest()


def step(name: str, key: str, targets: list[Path], make: Callable[[Path], None]) -> None:
    """Run make(room) unless its targets are there, made from the same pins."""
    stamp = BUILD / "stamps" / name
    if stamp.is_file() and stamp.read_text() == key and all(target.exists() for target in targets):
        return
    print(f"bootstrap: {name} ...", flush=True)
    begun = time.monotonic()
    stamp.unlink(missing_ok=True)
    room = TMP / name
    shutil.rmtree(room, ignore_errors=True)
    room.mkdir(parents=True)
    make(room)
    shutil.rmtree(room, ignore_errors=True)
    stamp.parent.mkdir(parents=True, exist_ok=True)
    debian.write(stamp, key)
    print(f"bootstrap: {name} done in {time.monotonic() - begun:.0f} s", flush=True)


def pip(python: Path, *arguments: str | Path) -> None:
    command = [python, "-m", "pip", "install", *PIP, *arguments]
    environment = dict(os.environ, TMPDIR=str(TMP))
    done = subprocess.run(command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode == 0:
        return
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()
    raise Missing(f"pip could not install the pinned Python packages ({errors[0] if errors else 'no reason given'}): "
                  "the first run needs the network; check it, or pip's own configuration, and run this again.")


def make_venv(room: Path) -> None:
    try:
        import ensurepip  # noqa: F401
        import venv
    except ImportError:
        raise Missing("this Python has no venv: install it (on Debian: apt install python3-venv) "
                      "and run this again.") from None
    fresh = room / "venv"
    venv.create(fresh, with_pip=True, symlinks=True)
    pip(fresh / "bin/python", "-r", HERE / "requirements.txt")
    _name_home(fresh, BUILD / "venv")
    debian.replace(fresh, BUILD / "venv")


def _name_home(fresh: Path, home: Path) -> None:
    """The scripts of a venv hold its path: name the place it is about to be moved to."""
    for path in [*(fresh / "bin").iterdir(), fresh / "pyvenv.cfg"]:
        if path.is_symlink() or not path.is_file():
            continue
        text = path.read_bytes()
        if str(fresh).encode() in text:
            path.write_bytes(text.replace(str(fresh).encode(), str(home).encode()))


def make_stubs(room: Path) -> None:
    fresh = room / "stubs"
    pip(BUILD / "venv/bin/python", "--target", fresh, "-r", HERE / "requirements-stubs.txt")
    debian.replace(fresh, BUILD / "stubs")


def make_umqtt(room: Path) -> None:
    """The package has no build files, so pip cannot install it: unearth downloads it, we check and unpack it."""
    python = BUILD / "venv/bin/python"
    command: list[str | Path] = [python, "-m", "unearth", UMQTT, "--no-binary", "--download", room, *_index(python)]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    archives = list(room.glob("*.tar.gz"))
    if done.returncode or not archives:
        raise Missing(f"{UMQTT} could not be downloaded: the first run needs the network; check it and run this again.")
    if digest_of(archives[0]) != UMQTT_SHA256:
        raise Missing(f"{UMQTT} is not the file that Sluice was tested with (its SHA-256 differs): do not use it; "
                      "look at what changed, then pin it anew in .ci/bootstrap.py.")
    with tarfile.open(archives[0]) as archive:
        member = next(m for m in archive.getmembers() if m.isfile() and m.name.endswith("umqtt/simple.py"))
        source = archive.extractfile(member)
        assert source is not None  # isfile() above
        (ROOT / "lib/umqtt").mkdir(parents=True, exist_ok=True)
        debian.write(ROOT / "lib/umqtt/simple.py", source.read().decode())


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _index(python: Path) -> list[str]:
    """unearth does not read pip's configuration: hand it the index that pip would use."""
    url = os.environ.get("PIP_INDEX_URL", "")
    if not url:
        command: list[str | Path] = [python, "-m", "pip", "config", "get", "global.index-url"]
        url = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    return ["--index-url", url] if url else []


def prepare(perf: bool) -> None:
    interpreter = f"{platform.python_version()} {os.path.realpath(sys.executable)} {BUILD}"
    packages = (HERE / "requirements.txt").read_bytes()
    step("python-packages", digest(packages, interpreter), [BUILD / "venv/bin/python"], make_venv)
    stubs = (HERE / "requirements-stubs.txt").read_bytes()
    step("stubs", digest(stubs), [BUILD / "stubs"], make_stubs)
    umqtt = ROOT / "lib/umqtt/simple.py"
    step("umqtt", digest(UMQTT, UMQTT_SHA256), [umqtt], make_umqtt)
    apt = debian.Debian(BUILD)
    recipe = (HERE / "debian.py").read_bytes()
    step("micropython-mosquitto", digest(recipe), apt.programs, apt.make_programs)
    if perf:
        counted = (apt.bin / "micropython").read_bytes()  # says which architecture, and whose
        step("callgrind", digest(recipe, counted), [apt.callgrind], apt.make_callgrind)


def main() -> int:
    wanted = sys.argv[1:]
    if wanted not in ([], ["perf"]):
        print("bootstrap: the only argument is `perf`, which also fetches the instruction counter.", file=sys.stderr)
        return 1
    try:
        TMP.mkdir(parents=True, exist_ok=True)
        with open(BUILD / "bootstrap.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # two `make` at once: the second waits, then finds all done
            prepare(perf=bool(wanted))
    except Missing as error:
        print(f"bootstrap: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"bootstrap: {error}: make room or rights in the checkout and run this again.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bootstrap: stopped; run this again to go on.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
