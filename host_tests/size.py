"""`make size`: bytes of each room as flashed, what importing it costs of the heap, and what is left in a session.

The heap is that of the 32-bit MicroPython the tests run on, started with 160 KB as on the board. Each figure stands
twice: for a board that runs the image from a ROM file system, and for one with a stock build, where the code of each
module is copied to the heap. The rooms are imported in the order in which `main` does it, so a room's share is what it
adds. In session: the least free heap of `evening` in lockstep, everything loaded.
"""

import ast
import functools
import importlib.util
import subprocess
import sys

from hw_tests.bench import interpreter, scenario
from hw_tests.bench.interpreter import BOARD, FILES, FROM_ROM, MICROPYTHON, ROM, ROOT
from hw_tests.bench.stepped import run_lockstep

AIM_FREE_B = 64 * 1024
# What `main` imports only where it is configured.
NOT_BY_DEFAULT = ("chademo_rules", "chademo.session", "chademo.settings", "fieldbus", "net.wifi")

# Imports one module after the other and prints what each left on the heap after a collection.
PROBE = """
import gc, sys
gc.collect()
print('start', gc.mem_alloc(), gc.mem_free())
for name in %r:
    before = gc.mem_alloc()
    __import__(name)
    gc.collect()
    print(name, gc.mem_alloc() - before, gc.mem_free())
"""
# What a board's network adds to a station that is assembled and has its uplink: the rooms, then their objects.
ROOMY = "256k"  # differences are asked for, and what the question itself takes must go in as well
NETWORK = """
import gc, sys, socket
for name in %r + ['firmware.uplink.uplink']:
    __import__(name)
from firmware.config import parse
from firmware import services
class Plain: pass
class Rtc(Plain):
    image = bytearray(256)
    def save(self): pass
class Network(Plain):
    class WLAN(Plain):
        IF_STA = PM_NONE = 0
        def __init__(self, interface): pass
        def active(self, on): pass
        def config(self, reconnects, pm): pass
from firmware.station import Station
from firmware.wishes import Wishes
fw = Plain()
fw.station, fw.wishes = Station(), Wishes()
config = parse('{"mqtt_host": "192.0.2.7"}')
view, wlan = services.View(fw.station), Network.WLAN(0)
clock = services.clocks.Clock(lambda: 0, 2000)
journal = services.Journal(view, fw.station.events, config, clock)
config['wifi_ssid'] = 'attic'
made, rtc = [], Rtc()
gc.collect()
before = gc.mem_alloc()
services.network(made, view, wlan, config, clock, journal, socket, print)
from firmware.net.wifi import power_up
power_up(Network, print, rtc)
gc.collect()
print(gc.mem_alloc() - before, len(made))
"""
LOADED = """
import sys
for name in %r:
    __import__(name)
print(' '.join(sys.modules))
"""


@functools.cache
def image():
    """Build the image as `make image` does, once in this process, and return its folder."""
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
    names = []
    for node in ast.walk(ast.parse((ROOT / "main.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            names += [(node.lineno, name) for name in inner if _is_module(name)] or [(node.lineno, node.module)]
    # One board is loaded: the bench.
    names = [(line, "firmware.boards.bench" if name == "firmware.boards" else name) for line, name in names]
    return [name for _, name in sorted(names) if name.startswith("firmware") and not name.endswith(NOT_BY_DEFAULT)]


def _is_module(name):
    path = ROOT / name.replace(".", "/")
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def told(kind, code, heap=interpreter.HEAP):
    """The lines that `code` prints on MicroPython beside the image."""
    done = subprocess.run(
        [MICROPYTHON, "-X", f"heapsize={heap}", "-c", interpreter.mounted(kind) + code],
        capture_output=True, text=True, cwd=BOARD, timeout=60, env={},
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"size: the image does not import: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.splitlines()


def heap_by_room(kind):
    """Heap bytes that importing each room adds, and the free heap after all of them; shape {room: bytes}, int."""
    rows = [line.split() for line in told(kind, PROBE % modules())]
    return {name: int(cost) for name, cost, _ in rows[1:]}, int(rows[-1][2])


def network_share(kind):
    """Heap bytes that Wi-Fi and the time add where they are configured, rooms and objects; not what the IDF takes."""
    share, services = told(kind, NETWORK % modules(), ROOMY)[-1].split()
    if services != "2":
        sys.exit(f"size: {services} services of the network instead of 2")
    return int(share)


def loaded(kind):
    """Names of all modules after importing what `main` imports with the default configuration."""
    return told(kind, LOADED % modules())[-1].split()


def free_in_session(kind, folder=ROOT / "build" / "size", name="evening", variant="", vehicle=""):
    """Least free bytes of the heap after a collection in a scenario that is played to its end."""
    made = run_lockstep(scenario.load(name, variant, vehicle), folder, image=kind)
    failed = [check["name"] for check in made["checks"] if not check["pass"]]
    if failed:
        sys.exit(f"size: {made['scenario']} fails from {kind}: {', '.join(failed)}")
    return made["heap"]["free_min_bytes"]


def main():
    """Print the tables and the session's figures."""
    image()
    sizes = files_by_room()
    print("bytes as flashed")
    for name, size in sorted(sizes.items(), key=lambda row: -row[1]):
        print(f"  {size:7,d}  {name}")
    print(f"  {sum(sizes.values()):7,d}  all; {ROM.stat().st_size:,d} as a ROM file system")
    kinds = [kind for kind in (FROM_ROM, FILES) if kind == FILES or interpreter.kind() == FROM_ROM]
    costs = {kind: heap_by_room(kind) for kind in kinds}
    print("heap after importing, 160 KB (bytes each room adds, in main's order)")
    print("  " + "".join(f"{kind:>9}" for kind in kinds))
    for name in costs[FILES][0]:
        print("  " + "".join(f"{costs[kind][0][name]:9,d}" for kind in kinds) + f"  {name}")
    print("  " + "".join(f"{costs[kind][1]:9,d}" for kind in kinds) + "  free before the station is assembled")
    shares = {kind: network_share(kind) for kind in kinds}
    print("  " + "".join(f"{shares[kind]:9,d}" for kind in kinds) + "  firmware.net, where a Wi-Fi is configured")
    free = {kind: free_in_session(kind) for kind in kinds}
    print("  " + "".join(f"{free[kind]:9,d}" for kind in kinds) + "  least free in session (`evening` in lockstep)")
    for kind in kinds:
        print(f"  {kind}: {'meets' if free[kind] >= AIM_FREE_B else 'misses'} the aim of {AIM_FREE_B:,d}")


if __name__ == "__main__":
    main()
