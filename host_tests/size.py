"""`make size`: bytes of each room as flashed, what importing it costs of the heap, and what is left in session.

The heap is that of the 32-bit MicroPython the tests run on, started with 160 KB as on the board; the rooms are imported
from the compiled image in the order in which `main` does it, so a room's share is what it adds. The session's figure is
the least free heap of the last lockstep run of `evening`.
"""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BOARD = ROOT / "build" / "board"
SUMMARY = ROOT / "build" / "run" / "evening" / "summary.json"
AIM_FREE_B = 64 * 1024

# Imports one module after the other and prints what each left on the heap after a collection.
PROBE = """
import gc, sys
sys.path.insert(0, %r)
gc.collect()
print('start', gc.mem_alloc(), gc.mem_free())
for name in %r:
    before = gc.mem_alloc()
    __import__(name)
    gc.collect()
    print(name, gc.mem_alloc() - before, gc.mem_free())
"""


def image():
    """Build the image as `make image` does and return its folder."""
    spec = importlib.util.spec_from_file_location("image", ROOT / ".ci" / "image.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.build_image()


def room(path):
    """The room of a file of the image: `firmware/safety`, `lib`, `main.py`."""
    parts = path.relative_to(BOARD).parts
    return parts[0] if len(parts) == 1 or parts[0] == "lib" else "/".join(parts[:2]).removesuffix(".mpy")


def files_by_room():
    """Bytes of the compiled files, by room."""
    sizes = {}
    for path in sorted(BOARD.rglob("*")):
        if path.is_file():
            sizes[room(path)] = sizes.get(room(path), 0) + path.stat().st_size
    return sizes


def modules():
    """What `main` imports with the default configuration, in its order: the probe imports the same."""
    lines = (ROOT / "main.py").read_text(encoding="utf-8").splitlines()
    names = [line.split()[1] for line in lines if line.strip().startswith(("from firmware", "import firmware"))]
    names = [name for name in names if "chademo" not in name]  # one vehicle room is loaded: the default's
    return ["firmware." + "services" if name == "firmware" else name for name in names]


def heap_by_room():
    """Heap bytes that importing each room adds, and the free heap after all of them; shape {room: bytes}, int."""
    code = PROBE % (str(BOARD), modules())
    done = subprocess.run(
        [ROOT / "build/bin/micropython", "-c", code], capture_output=True, text=True, cwd=BOARD, timeout=60
    )
    if done.returncode:
        sys.exit(f"size: the image does not import: {done.stderr.strip() or done.stdout.strip()}")
    rows = [line.split() for line in done.stdout.splitlines()]
    return {name: int(cost) for name, cost, _ in rows[1:]}, int(rows[-1][2])


def main():
    """Print the two tables and the session's figure."""
    image()
    sizes = files_by_room()
    print("bytes as flashed")
    for name, size in sorted(sizes.items(), key=lambda row: -row[1]):
        print(f"  {size:7,d}  {name}")
    print(f"  {sum(sizes.values()):7,d}  all")
    costs, free_B = heap_by_room()
    print("heap after importing, 160 KB (bytes each room adds, in main's order)")
    for name, cost in costs.items():
        print(f"  {cost:7,d}  {name}")
    print(f"  {free_B:7,d}  free before the station is assembled")
    if SUMMARY.exists():
        free_min = json.loads(SUMMARY.read_text(encoding="utf-8"))["heap"]["free_min_bytes"]
        verdict = "meets" if free_min >= AIM_FREE_B else "misses"
        print(f"  {free_min:7,d}  least free in session (lockstep `evening`); {verdict} the aim of {AIM_FREE_B:,d}")
    else:
        print("  no session yet: `make run` measures the heap in session")


if __name__ == "__main__":
    main()
