"""Write the locks again: requirements*.in -> requirements*.txt, every wheel with its hash.

    python3 .ci/lock.py            keep what is pinned, add what is new
    python3 .ci/lock.py --upgrade  take the newest of everything

One lock serves CPython 3.11 and newer on any Linux. Only this script needs uv; it comes into a temporary
folder and is gone afterwards.
"""

import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

UV = "uv==0.13.9"
HERE = Path(__file__).resolve().parent
# uv reads the platforms to lock for from a project, never from its command line.
PROJECT = """[project]
name = "lock"
version = "0"
requires-python = ">=3.11"
[tool.uv]
environments = ["sys_platform == 'linux'"]
"""
OPTIONS = ["--universal", "--python-version", "3.11", "--fork-strategy", "fewest", "--generate-hashes"]
QUIET = ["--no-emit-index-url", "--no-annotate", "--no-header", "--quiet"]


def lock(uv: Path, room: Path, source: Path, more: list[str]) -> None:
    target = source.with_suffix(".txt")
    copy = room / target.name
    if target.exists():
        shutil.copy(target, copy)
    subprocess.run([uv, "pip", "compile", source, "-o", copy, *OPTIONS, *QUIET, *more], cwd=room, check=True)
    # A line that names an index would tie every newcomer to the index of whoever wrote the lock.
    lines = [line for line in copy.read_text().splitlines() if "://" not in line]
    target.write_text("\n".join(lines) + "\n")


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        room = Path(name)
        (room / "pyproject.toml").write_text(PROJECT)
        venv.create(room / "venv", with_pip=True)
        subprocess.run([room / "venv/bin/python", "-m", "pip", "install", "--quiet", UV], check=True)
        for source in sorted(HERE.glob("requirements*.in")):
            lock(room / "venv/bin/uv", room, source, sys.argv[1:])


if __name__ == "__main__":
    main()
