"""What the uplink says: its length, its keys, the words for the faults."""

import json
import tomllib
from pathlib import Path

import pytest

from firmware import fault_text, faults, station
from firmware.station import C_GATE_FLOOR_permille
from firmware.uplink import statement
from host_tests.uplink_rig import Rig


def test_the_longest_state_fits_into_1_KB():
    rig = Rig(site="s" * 32, station="t" * 32)
    rig.run(500)
    for record in (rig.station.sense, rig.station.car, rig.station.power, rig.station.grid, rig.station.control):
        for slot in range(len(record.now)):
            record.now[slot] = -1000000000
    rig.station.publish_all()
    names = station.REASON_NAMES.split()
    longest = max(range(len(names)), key=lambda index: len(names[index]))
    power = rig.station.power.now
    power[station.P_REASON] = power[station.P_CHARGE_WHY] = power[station.P_DISCHARGE_WHY] = longest
    power[station.P_SOURCE] = 1
    rig.station.publish_all()
    for reader in (rig.uplink._view.power, rig.uplink._view.car, rig.uplink._view.sense, rig.uplink._view.grid):
        reader.refresh()
    rig.uplink._view.control.refresh()
    for code in range(faults.FAULTS):
        rig.journal.active[code] = 1
    rig.uplink.published = rig.uplink.acknowledged = 10**9
    text = rig.uplink._begin()
    statement.write_state(text, rig.uplink._view, rig.config, "x" * 40, statement.names_of(rig.journal.active))
    text.number("heap_free_B", 160000)
    rig.uplink._write_counters(text)
    said = bytes(text.end())
    assert len(said) <= 1024
    json.loads(said)


def test_what_is_told_of_a_record_carries_the_slot_s_name():
    """The keys of statement.py stand in the order of the slots; each is the slot's name in small letters."""
    for prefix, keys in (
        ("S_", statement.SENSE),
        ("C_", statement.CAR),
        ("P_", statement.POWER),
        ("G_", statement.GRID),
        ("G_", statement.MAINS),
        ("K_", statement.CONTROL),
    ):
        slots = {}
        for name in dir(station):
            if name.startswith(prefix) and isinstance(getattr(station, name), int):
                slots[getattr(station, name)] = name[2:].lower().replace("gate_", "", 1)
        for slot, key in enumerate(keys.split(" ")):
            if key not in ("-", "gate_refused"):
                assert slots[slot] == key.lower()
    assert statement.CAR.split(" ")[station.C_GATE_REFUSED] == "gate_refused"


def test_every_fault_has_words():
    for name in dir(faults):
        code = getattr(faults, name)
        if name.startswith("F_") and isinstance(code, int):
            told, mrec, action = fault_text.words_of(code)
            assert told == name[2:].lower() and mrec.isdigit()
            assert 20 < len(action) < 100, name
    assert fault_text.words_of(62) == ["fault_62", "0", ""]


@pytest.mark.parametrize(("code", "whose"), [(faults.F_CAN_CAR, "car's"), (faults.F_CAN_CONVERTER, "converter's")])
def test_the_cause_of_a_lost_bus_changes_what_the_user_should_do(code: int, whose: str):
    plain = fault_text.words_of(code)
    told = [fault_text.words_of(code, cause) for cause in range(1, 5)]
    for words in told:
        assert words[:2] == plain[:2] and whose in words[2] and 20 < len(words[2]) < 100
    assert len({words[2] for words in (*told, plain)}) == 5
    for word, words in zip(("cable", "SPI", "power", "speed"), told, strict=True):
        assert word in words[2]
    assert fault_text.words_of(code, 5) == fault_text.words_of(code, 1 << 29) == plain


def test_the_version_is_that_of_the_project():
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())
    assert project["project"]["version"] == statement.FW


def test_the_floor_that_is_told_is_the_gate_s():
    rig = Rig()
    rig.station.car.now[C_GATE_FLOOR_permille] = 777
    rig.run(6000)
    assert rig.said("state")[-1]["floor_permille"] == 777
