"""The linters: style of everything, types of the firmware and of the host side, and that mpy-cross takes the firmware.

The firmware is checked against MicroPython's library and in its older grammar, the bench and the tests as CPython.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import image

ROOT = Path(__file__).resolve().parent.parent
FIRMWARE = ("boot.py", "main.py", "firmware", "lib")
HOST = (".ci", "hw_tests/bench", "hw_tests/desk", "hw_tests/board_tests")  # not the tests: running them is their check


def there(names: tuple[str, ...]) -> list[str]:
    """The ones that hold any Python of ours: mypy takes an empty folder for a mistake."""
    return [name for name in names if (ROOT / name).is_file() or any(map(_ours, (ROOT / name).rglob("*.py")))]


def _ours(path: Path) -> bool:
    return not str(path.relative_to(ROOT)).startswith(image.FOREIGN)


def tool(*command: str) -> bool:
    return subprocess.run([sys.executable, "-m", *command], cwd=ROOT, stdin=subprocess.DEVNULL).returncode == 0


def compiles() -> bool:
    try:
        image.build_image()
    except image.DoesNotCompile as error:
        print(f"mpy-cross: {error}")
        return False
    return True


def main() -> int:
    checks: dict[str, Callable[[], bool]] = {
        "ruff": lambda: tool("ruff", "check", "."),
        "types of the firmware": lambda: tool("mypy", "--config-file", ".ci/mypy-firmware.ini", *there(FIRMWARE)),
        "types of the host side": lambda: tool("mypy", *there(HOST)),
        "mpy-cross": compiles,
    }
    failed = [name for name, check in checks.items() if not check()]
    print("lint: " + (f"failed: {', '.join(failed)}" if failed else f"{', '.join(checks)}: all well"), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
