"""Who may import whom: the table of docs/architecture.md as a test. The safety rows are the ones that matter most."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

BASE = {"units", "faults", "signals"}
SEAM = {"station", "wishes", "contract"}
CONTROL_ROOMS = {"vehicle", "converter", "stage", "arbiter", "limits", "fieldbus", "sense", "energy", "starts"}
SERVICES = {"planner", "journal", "uplink", "net", "web", "config", "clock", "fault_text", "console"}

ALLOWED = {
    "units": set(),
    "signals": set(),
    "faults": set(),
    "contract": set(),
    "station": {"units", "faults"},
    "wishes": {"units", "faults"},
    "safety": BASE,
    "vehicle": BASE | SEAM,
    "converter": BASE | SEAM,
    "stage": BASE | SEAM | {"converter"},
    "arbiter": BASE | SEAM,
    "limits": BASE | SEAM,
    "fieldbus": BASE | SEAM,
    "sense": BASE | SEAM,
    "energy": BASE | SEAM,
    "starts": {"faults"},
    "control": BASE | SEAM | CONTROL_ROOMS | {"safety"},
    "fault_text": {"faults"},
    **{room: {"units", "faults", "station", "wishes"} | SERVICES for room in SERVICES - {"fault_text"}},
    "services": {"units", "faults", "station", "wishes"} | SERVICES,
    "boards": set(),
}
# No clock, no pins and no network on the control side: time and hardware come in as arguments.
OUTSIDE_ALLOWED = {
    "control side": {"micropython", "array", "struct", "ustruct"},
    "fieldbus": {"micropython", "array", "modbus", "registers"},  # its drivers, of lib/
    "net": {"micropython", "_thread"},  # the radio's restart waits for its event without a deadline
    "services": {
        "micropython", "array", "struct", "json", "hashlib", "binascii", "sys", "gc", "time", "umqtt", "errno",
        "random", "os", "socket",
    },
}  # fmt: skip
CONTROL_SIDE = BASE | SEAM | CONTROL_ROOMS | {"safety", "control", "boards"}


def imports_of(path):
    """Every module name that `path` imports, wherever in the file it does so."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                continue  # of its own package
            yield node.module
            if node.module == "firmware":
                yield from (f"firmware.{alias.name}" for alias in node.names)


def room_of(path):
    """The room of a file below firmware/: its package, or its own name."""
    parts = path.relative_to(ROOT / "firmware").with_suffix("").parts
    return parts[0]


# What the bench may see beside `main`: data, the seam and the way to start services; no codec, rule or scale.
OPEN_TO_THE_BENCH = {"config", "boards", "services", "station", "wishes", "faults", "units"}

FIRMWARE = sorted(p for p in (ROOT / "firmware").rglob("*.py") if p != ROOT / "firmware" / "__init__.py")


@pytest.mark.parametrize("path", FIRMWARE, ids=lambda p: str(p.relative_to(ROOT)))
def test_firmware_imports_only_what_its_room_may(path):
    """A firmware file imports itself, what the table allows, and nothing of the outside its side may not have."""
    room = room_of(path)
    assert room in ALLOWED, f"{path.name}: the room {room!r} is not in the table"
    side = "control side" if room in CONTROL_SIDE else "services"
    for name in imports_of(path):
        if name == "firmware":
            continue
        if name.startswith("firmware."):
            target = name.split(".")[1]
            assert target == room or target in ALLOWED[room], f"{path.name}: {room} may not import {target}"
        else:
            top = name.split(".")[0]
            allowed = OUTSIDE_ALLOWED.get(room, OUTSIDE_ALLOWED[side])
            assert top in allowed, f"{path.name}: {room} ({side}) may not import {top}"


@pytest.mark.parametrize("path", sorted((ROOT / "lib").glob("*.py")), ids=lambda p: p.name)
def test_lib_knows_nothing_of_the_firmware(path):
    """A driver is useful to others: it imports nothing of firmware/ and nothing of main."""
    for name in imports_of(path):
        assert name.split(".")[0] not in {"firmware", "main", "hw_tests"}, f"{path.name} imports {name}"


@pytest.mark.parametrize("path", sorted((ROOT / "hw_tests").rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_the_bench_reads_the_wire_for_itself(path):
    """The bench may step `main`, never use a codec, a rule or a scale of the firmware."""
    for name in imports_of(path):
        if name.startswith("firmware."):
            target = name.split(".")[1]
            assert target in OPEN_TO_THE_BENCH, f"{path.name} imports {name}"


def test_nobody_imports_main():
    """`main` assembles; what it assembles does not know it."""
    for path in FIRMWARE:
        assert "main" not in set(imports_of(path)), path
