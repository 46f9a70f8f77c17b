"""The heap table of the house: what is free in a session, and each room's share."""

import re

import pytest

from host_tests import size
from hw_tests.bench import interpreter, scenario
from hw_tests.desk import rom

pytestmark = pytest.mark.skipif(not interpreter.MICROPYTHON.exists(), reason="no MicroPython: `make bootstrap`")

# From a ROM file system the aim is 64 KB of the 160 KB; the house's bar is 40 KB. From files the code itself lies on
# the heap: it runs, with little to spare, and this keeps it running.
FREE_AT_LEAST_B = {interpreter.FROM_ROM: 64 * 1024, interpreter.FILES: 12 * 1024}

# Most heap that importing a room may add, run from ROM: what it was, and some 15 %. The table of names grows in pieces
# of some KB, which fall on whoever comes first: a room's figure jumps when one before it learns a new name.
SHARES_B = {
    "firmware.boards.bench": 1500,
    "firmware.services": 9000,
    "firmware.arbiter": 600,
    "firmware.config": 600,
    "firmware.control": 4000,
    "firmware.converter.infypower": 3500,
    "firmware.energy": 600,
    "firmware.limits": 1000,
    "firmware.safety.infypower_rules": 1300,
    "firmware.safety.gate": 5000,
    "firmware.safety.safe_stop": 700,
    "firmware.sense": 900,
    "firmware.stage": 4000,
    "firmware.starts": 700,
    "firmware.safety.gbt27930_rules": 1700,
    "firmware.vehicle.gbt27930.session": 13000,
    "firmware.wishes": 900,
}
A_ROOM_THAT_HAS_NONE_B = 100


@pytest.mark.parametrize("kind", [interpreter.FROM_ROM, interpreter.FILES])
def test_the_heap_in_session(kind, tmp_path):
    """`evening` in lockstep, everything of the default configuration loaded."""
    if kind == interpreter.FROM_ROM and interpreter.kind() != kind:
        pytest.skip("this MicroPython has no ROM file system")
    size.image()
    assert size.free_in_session(kind, tmp_path) >= FREE_AT_LEAST_B[kind]


@pytest.mark.parametrize(("name", "vehicle"), [("evening", "chademo"), ("meter", "gbt27930")])
def test_the_heap_with_other_rooms(name, vehicle, tmp_path):
    """The other vehicle; and what hangs on the field bus."""
    if interpreter.kind() != interpreter.FROM_ROM:
        pytest.skip("this MicroPython has no ROM file system")
    size.image()
    variant = scenario.variants(name)[0]
    free_B = size.free_in_session(interpreter.FROM_ROM, tmp_path, name, variant, vehicle)
    assert free_B >= FREE_AT_LEAST_B[interpreter.FROM_ROM]


def test_each_rooms_share():
    """No room grows unseen; a new one gets its line here."""
    if interpreter.kind() != interpreter.FROM_ROM:
        pytest.skip("this MicroPython has no ROM file system")
    size.image()
    costs, _ = size.heap_by_room(interpreter.FROM_ROM)
    over = {name: cost for name, cost in costs.items() if cost > SHARES_B.get(name, A_ROOM_THAT_HAS_NONE_B)}
    assert over == {}


@pytest.mark.parametrize(("kind", "most_B"), [(interpreter.FROM_ROM, 3950), (interpreter.FILES, 8100)])
def test_the_network_s_share(kind, most_B):
    """Wi-Fi and the time, rooms and objects: what it was, and some 15 %. What the IDF takes is not in this heap."""
    if kind == interpreter.FROM_ROM and interpreter.kind() != kind:
        pytest.skip("this MicroPython has no ROM file system")
    size.image()
    assert size.network_share(kind) <= most_B


def test_the_network_is_not_loaded_where_none_is_configured():
    """Nor is its module asked for."""
    size.image()
    assert [name for name in size.loaded(interpreter.FILES) if name.startswith("firmware.net")] == []


def test_only_the_configured_protocol_is_loaded():
    """Importing what `main` imports brings no file of the other vehicle."""
    size.image()
    done = size.loaded(interpreter.FILES)
    assert "firmware.vehicle.gbt27930.session" in done
    assert [name for name in done if "chademo" in name] == []


def test_the_partition_that_is_recommended_leaves_room_to_grow():
    size.image()
    advised = int(re.search(r"\((0x\w+)\) leave room", (interpreter.ROOT / "docs" / "image.md").read_text())[1], 16)
    assert rom.Partition(advised, 4096).slot_B >= interpreter.ROM.stat().st_size * 5 // 4
