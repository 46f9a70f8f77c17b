"""The configuration against anything: never an exception out of load(), never a value outside its range."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firmware.config import load, parse
from firmware.config.points import POINTS

KEYS = [row[0] for row in POINTS]
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
files = st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=20), anything, max_size=12)


def within(config) -> None:
    """Every point is there and within its range."""
    assert sorted(config.keys()) == sorted(KEYS)
    for key, unit, low, high, _default, _role, _sentence in POINTS:
        value = config[key]
        if unit == "word":
            assert value in low
        elif unit in ("name", "text"):
            assert isinstance(value, str) and low <= len(value) <= high and value.isascii() and value.isprintable()
        else:
            assert type(value) is int and low <= value <= high


def load_bytes(folder: Path, raw: bytes):
    path = folder / "config.json"
    path.write_bytes(raw)
    return load(str(path))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(given=files)
def test_any_json_object(tmp_path, given):
    """Taken whole or not at all."""
    text = json.dumps(given)
    config = load_bytes(tmp_path, text.encode())
    within(config)
    try:
        parsed = parse(text)
    except ValueError as error:
        assert config.faults and len(str(error)) > 10
        kept, way = {"site", "station", "ntp_host"}, ("mqtt_", "wifi_")
        defaults = {row[0]: row[4] for row in POINTS}
        assert all(config[key] == defaults[key] for key in KEYS if key not in kept and not key.startswith(way))
        assert config["floor_permille"] == 1000
    else:
        assert not config.faults and dict(parsed) == dict(config) and parsed.hash == config.hash
        assert all(config[key] == value for key, value in given.items())


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.binary(max_size=300))
def test_any_bytes(tmp_path, raw):
    """A file that was never text, or is no longer."""
    within(load_bytes(tmp_path, raw))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 200), byte=st.integers(0, 255), cut=st.booleans())
def test_a_file_with_one_wrong_byte_or_its_end_missing(tmp_path, at, byte, cut):
    """What flash and a power cut do: void, or still in range. (A digit that became another digit cannot be seen.)"""
    text = json.dumps({"floor_permille": 600, "charge_max_W": 7000, "site": "home", "mqtt_host": "broker"}, indent=1)
    raw = bytearray(text.encode())
    at %= len(raw)
    raw = raw[:at] if cut else raw[:at] + bytes([byte]) + raw[at + 1 :]
    config = load_bytes(tmp_path, bytes(raw))
    within(config)
    if cut:
        assert config.faults
    if config.faults:
        assert config["floor_permille"] == 1000


@pytest.mark.parametrize("name", [".", "nowhere/config.json"])
def test_what_is_no_file(tmp_path, name):
    """A folder, a missing folder."""
    config = load(str(tmp_path / name))
    within(config)
    assert config.faults and config["floor_permille"] == 1000


def test_the_page_lists_every_point():
    """docs/config.md is written from the declarations."""
    page = (Path(__file__).parent.parent / "docs" / "config.md").read_text(encoding="utf-8")
    for key, unit, low, high, default, role, sentence in POINTS:
        kind = unit or "-"
        wide = ", ".join(low) if unit == "word" else f"{low} to {high}"
        shown = default if default != "" else '""'
        assert f"| `{key}` | {kind} | {wide} | {shown} | {role} | {sentence} |" in page
