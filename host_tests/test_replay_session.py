"""VIEW=session: phases, who ended it and why, and every deviation with its clause, each provoked once."""

import pytest

from host_tests.replay_rig import bench_session, candump_log, lines, long_message, read
from hw_tests.bench.frame import Frame
from hw_tests.bench.gbt27930 import codec
from hw_tests.bench.replay import session
from hw_tests.bench.replay.chademo_story import CLAUSES as CHADEMO_CLAUSES
from hw_tests.bench.replay.gbt27930_places import CLAUSES as GBT_CLAUSES
from hw_tests.bench.replay.logs import open_log
from hw_tests.bench.replay.protocol import recognise

PACK = {"cell_voltage_max_mV": 4140, "current_max_dA": 1000, "energy_Wh": 7800, "voltage_max_dV": 6030,
        "temperature_max_dC": 600, "soc_permille": 970, "voltage_dV": 4900}  # fmt: skip


def story_of(frames, tmp_path):
    path = candump_log(sorted(frames, key=lambda each: each[0]), tmp_path / "log")
    dialect, _ = recognise(open_log(path).entries)
    return session.tell(read(path)[0], dialect)


def every(name, period_s, from_s, to_s, **signals):
    return [(from_s + k * period_s, codec.encode(name, **signals)) for k in range(round((to_s - from_s) / period_s))]


def sequence():
    """A session of 2015 by the book, in pieces that a test may leave out or change."""
    brm = codec.payload("BRM", version_minor=1, version_major=1, voltage_dV=4921, vin="LSLUICE0000000001")
    bcs = codec.payload("BCS", voltage_dV=4900, current_dA=100, cell_voltage_max_mV=3700, cell_group=1,
                        soc_permille=500, remaining_min=60)  # fmt: skip
    pieces = {
        "CHM": every("CHM", 0.25, 0.0, 1.0, version_minor=1, version_major=1),
        "BHM": every("BHM", 0.25, 0.1, 1.0, voltage_max_dV=6030),
        "CRM=00": every("CRM", 0.25, 1.0, 1.5, result=0, charger_number=1, area_code=""),
        "BRM": long_message("BRM", brm, 1.1),
        "CRM=AA": every("CRM", 0.25, 1.5, 2.0, result=0xAA, charger_number=1, area_code=""),
        "BCP": long_message("BCP", codec.payload("BCP", **PACK), 1.6),
        "CTS": every("CTS", 0.5, 2.0, 3.0, second=1, minute=2, hour=3, day=4, month=5, year=2026),
        "CML": every("CML", 0.25, 2.02, 3.0, voltage_max_dV=7500, voltage_min_dV=1500, current_max_dA=600,
                     current_min_dA=0),
        "BRO=00": every("BRO", 0.25, 2.1, 2.6, ready=0),
        "BRO=AA": every("BRO", 0.25, 2.6, 3.1, ready=0xAA),
        "CRO": every("CRO", 0.25, 2.7, 3.0, ready=0) + every("CRO", 0.05, 3.0, 3.05, ready=0xAA),
        "BCL": every("BCL", 0.05, 3.1, 9.0, voltage_dV=5000, current_dA=100, mode=2),
        "BCS": [each for k in range(23) for each in long_message("BCS", bcs, 3.12 + 0.25 * k)],
        "CCS": every("CCS", 0.05, 3.2, 9.0, voltage_dV=4900, current_dA=100, elapsed_min=0, permission=1),
        "BSM": every("BSM", 0.25, 3.3, 9.0, cell_voltage_max_number=1, temperature_max_dC=250, temperature_max_number=1,
                     temperature_min_dC=240, temperature_min_number=2, cell_voltage=0, soc=0, over_current=0,
                     over_temperature=0, insulation=0, connector=0, permission=1),
        "CST": [(9.0 + 0.01 * k, codec.cleared("CST", {"manual_stop": 1})) for k in range(30)],
        "BST": [(9.05 + 0.01 * k, codec.cleared("BST", {"charger_stopped": 1})) for k in range(25)],
        "BSD": every("BSD", 0.25, 9.4, 10.2, soc_permille=500, cell_voltage_min_mV=3690, cell_voltage_max_mV=3700,
                     temperature_min_dC=240, temperature_max_dC=250),
        "CSD": every("CSD", 0.25, 9.45, 10.4, total_min=0, energy_Wh=0, charger_number=1),
    }  # fmt: skip
    return pieces


def flat(pieces):
    return [each for piece in pieces.values() for each in piece]


def test_a_session_by_the_book_has_no_deviation(tmp_path):
    story = story_of(flat(sequence()), tmp_path)
    assert story.deviations == []
    assert [phase.name for phase in story.phases] == [
        "handshake", "identify", "configure", "precharge", "charge", "stopping", "statistics",
    ]  # fmt: skip
    assert [(end.side, end.how, end.reason) for end in story.endings] == [("charger", "stop", "CST: manual_stop")]
    assert [round(phase.t_s, 1) for phase in story.phases] == [0.0, 1.0, 2.0, 2.7, 3.1, 9.0, 9.4]
    assert story.facts["vin"] == "LSLUICE0000000001" and story.facts["soc_last_permille"] == 500


def _shift(pieces, name, by_s):
    pieces[name] = [(t_s + by_s, frame) for t_s, frame in pieces[name]]


def _without(*names):
    return lambda pieces: [pieces.pop(name) for name in names]


def _only(name, frames):
    return lambda pieces: pieces.update({name: frames})


def _gap(name, from_s, to_s):
    return lambda pieces: pieces.update({name: [each for each in pieces[name] if not from_s < each[0] < to_s]})


def _add(*frames):
    return lambda pieces: pieces.update(more=list(frames))


CASES = {
    "unknown_frame": ("vehicle", _add((5.0, Frame(0x18AA56F4, True, b"\1")))),
    "wrong_length": ("vehicle", _add((5.0, Frame(0x181056F4, True, b"\1\2")))),
    "wrong_phase": ("charger", _add((5.0, codec.encode("CML", voltage_max_dV=7500, voltage_min_dV=1500,
                                                       current_max_dA=600, current_min_dA=0)))),
    "out_of_order": ("charger", _without("BRO=AA", "BRO=00")),
    "period": ("charger", _only("CCS", every("CCS", 0.07, 3.2, 9.0, voltage_dV=4900, current_dA=100, elapsed_min=0,
                                             permission=1))),
    "late": ("vehicle", _gap("BCL", 5.0, 6.2)),
    "missing": ("vehicle", _without("BSM")),
    "no_precharge": ("charger", _add((3.15, codec.encode("CCS", voltage_dV=40, current_dA=0, elapsed_min=0,
                                                         permission=1)))),
    "padding": ("charger", _add((5.0, Frame(0x1812F456, True, bytes.fromhex("2413 3c0f 0000 0100"))))),
    "wrong_value": ("charger", _add((3.05, codec.encode("CRO", ready=0x55)))),
    "range": ("charger", _only("CML", every("CML", 0.25, 2.02, 3.0, voltage_max_dV=4500, voltage_min_dV=1500,
                                            current_max_dA=600, current_min_dA=0))),
    "demand_above_max": ("vehicle", _add((5.0, codec.encode("BCL", voltage_dV=6100, current_dA=100, mode=2)))),
    "current_above_demand": ("charger", _only("CCS", every("CCS", 0.05, 3.2, 9.0, voltage_dV=4900, current_dA=125,
                                                           elapsed_min=0, permission=1))),
    "ccs_measurement": ("charger", _only("CCS", every("CCS", 0.05, 3.2, 9.0, voltage_dV=5300, current_dA=100,
                                                      elapsed_min=0, permission=1))),
    "ccs_current": ("charger", _only("CCS", every("CCS", 0.05, 3.2, 9.0, voltage_dV=4900, current_dA=20, elapsed_min=0,
                                                  permission=1))),
    "tp_silent": ("charger", _add(*long_message("BCS", bytes(9), 8.99, answered=False))),
    "tp_late": ("charger", _add((8.0, Frame(0x1CEC56F4, True, bytes.fromhex("10 09 00 02 ff 00 11 00"))),
                                (8.6, Frame(0x1CECF456, True, bytes.fromhex("11 02 01 ff ff 00 11 00"))))),
    "tp_aborted": ("charger", _add((5.0, Frame(0x1CECF456, True, bytes.fromhex("ff 01 ff ff ff 00 11 00"))))),
    "tp_wrong": ("vehicle", _add((5.0, Frame(0x1CEC56F4, True, bytes.fromhex("77 01 ff ff ff 00 11 00"))))),
    "tp_incomplete": ("vehicle", _add(*long_message("BCS", bytes(9), 8.985)[:3])),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_each_deviation_is_found_with_its_clause_and_its_side(name, tmp_path):
    side, spoil = CASES[name]
    pieces = sequence()
    if name in ("tp_late", "tp_silent", "tp_incomplete"):
        pieces["BCS"] = [each for each in pieces["BCS"] if each[0] < 7.9]
    spoil(pieces)
    story = story_of(flat(pieces), tmp_path)
    found = [each for each in story.deviations if each.name == name]
    assert found, [(each.name, each.detail) for each in story.deviations]
    assert found[0].side == side and found[0].clause == GBT_CLAUSES[name] and "facts 1." in found[0].clause


def test_every_deviation_of_gbt_is_provoked_somewhere():
    assert set(GBT_CLAUSES) - set(CASES) == {"no_retry"}  # the recording has it


def _until(frames, charger_s, car_s):
    return [(t_s, frame) for t_s, frame in frames if t_s < (car_s if frame.id & 0xFFFF == 0x56F4 else charger_s)]


def test_a_time_out_names_who_gave_up_and_who_was_silent(tmp_path):
    pieces = {"both": _until(flat(sequence()), 6.0, 7.05)}
    pieces["BEM"] = [(7.05 + 0.25 * k, codec.cleared("BEM", {"ccs_timeout": 1})) for k in range(30)]
    story = story_of(flat(pieces), tmp_path)
    (end,) = story.endings
    assert (end.side, end.how) == ("vehicle", "error")
    assert (
        "ccs_timeout" in end.reason and "the last CCS was 1." in end.reason and "charger had been silent" in end.reason
    )
    assert story.phases[-1].name == "error"
    assert "no_retry" in story.counts


def test_who_falls_silent_is_named(tmp_path):
    for letter, side in (("C", "charger"), ("B", "vehicle")):
        until_s = (6.0, 8.9) if letter == "C" else (8.9, 6.0)
        (end,) = story_of(_until(flat(sequence()), *until_s), tmp_path).endings
        assert (end.side, end.how) == (side, "silence")


def test_a_log_that_just_stops_says_so(tmp_path):
    (end,) = story_of([each for each in flat(sequence()) if each[0] < 6], tmp_path).endings
    assert (end.side, end.how) == ("", "log ends") and "charge" in end.reason


def test_the_car_stops_first(tmp_path):
    pieces = sequence()
    pieces["BST"] = [(8.9 + 0.01 * k, codec.cleared("BST", {"soc_reached": 1})) for k in range(40)]
    (end,) = story_of(flat(pieces), tmp_path).endings
    assert (end.side, end.reason) == ("vehicle", "BST: soc_reached")


def test_two_sessions_in_one_log(tmp_path):
    first = flat(sequence())
    story = story_of(first + [(t_s + 20, frame) for t_s, frame in first], tmp_path)
    assert [phase.name for phase in story.phases].count("charge") == 2 and len(story.endings) == 2


def test_the_lines_come_in_the_order_of_time(tmp_path):
    status, rows = lines(candump_log(bench_session("gbt27930"), tmp_path / "log"), "--view", "session")
    assert status == 0
    times = [row["t_s"] for row in rows[:-1]]
    assert times == sorted(times)
    assert rows[-1]["phases"] == ["handshake", "identify", "configure", "precharge", "charge", "pause", "discharge",
                                  "stopping", "statistics"]  # fmt: skip
    assert rows[-1]["deviations"] == {}


def test_chademo_of_the_bench_charges_discharges_and_ends(tmp_path):
    status, rows = lines(candump_log(bench_session("chademo"), tmp_path / "log"), "--view", "session")
    phases = [phase for phase in rows[-1]["phases"] if phase != "insulation"]
    assert phases == ["handshake", "configure", "precharge", "charge", "discharge", "stopping", "weld_check", "ended"]
    (end,) = [row for row in rows if row["kind"] == "end"]
    assert end["dir"] == "charger" and "109.5.5" in end["reason"]


def _drop(*ids, from_s=0.0, to_s=1e9):
    return lambda frames: [(t_s, frame) for t_s, frame in frames if frame.id not in ids or not from_s < t_s < to_s]


def _patch(can_id, at, data, status=None, from_s=0.0):
    """Other bytes from `at` on in every frame of this id (with this byte 5)."""

    def patched(t_s, frame):
        if frame.id != can_id or status is not None and frame.data[5] != status or t_s < from_s:
            return frame
        return frame._replace(data=frame.data[:at] + data + frame.data[at + len(data) :])

    return lambda frames: [(t_s, patched(t_s, frame)) for t_s, frame in frames]


def _short(can_id):
    return lambda frames: [
        (t_s, frame._replace(data=frame.data[:7]) if frame.id == can_id else frame) for t_s, frame in frames
    ]


def _half(can_id):
    return lambda frames: [(t_s, frame) for t_s, frame in frames if frame.id != can_id or int(t_s * 10) % 2]


CHADEMO_CASES = {
    "missing": _drop(0x208, 0x209),
    "late": _drop(0x102, from_s=8, to_s=9.5),
    "out_of_order": _drop(0x108),
    "early": _drop(0x100, 0x101),
    "wrong_length": _short(0x108),
    "stray_bits": _patch(0x209, 5, b"\7"),
    "period": _half(0x109),
    "threshold": _patch(0x108, 4, b"\x90\1"),
    "current_above_request": _patch(0x109, 3, b"\x7d", status=5),
    "both_directions": _patch(0x208, 0, b"\xf0"),
    "discharge_above_limit": _patch(0x208, 0, b"\x80"),
    "discharge_undeclared": _patch(0x109, 4, b"\0"),
    "time_over": _patch(0x109, 6, b"\0\0", status=5),
    "target_moved": _patch(0x102, 1, b"\xa0\1", status=0xC1, from_s=15),
    "incompatible": _patch(0x108, 1, b"\x90\1"),
    "current_early": _patch(0x109, 3, b"\5", status=0x24),
    "unlocked_live": _patch(0x109, 1, b"\x70\1", status=0x20),
}


@pytest.fixture(scope="module")
def leaf():
    return bench_session("chademo", (4000, -4000))


def test_a_leaf_of_the_bench_has_no_deviation(leaf, tmp_path):
    assert story_of(leaf, tmp_path).deviations == []


def test_what_is_not_provoked_here_is_only_what_is_late():
    left = {"permission_late", "close_late", "request_late", "start_late", "stop_late", "weld_late", "not_fallen",
            "current_after_stop"}  # fmt: skip
    assert set(CHADEMO_CLAUSES) - set(CHADEMO_CASES) == left


@pytest.mark.parametrize("name", CHADEMO_CASES)
def test_chademo_deviations(name, leaf, tmp_path):
    found = [each for each in story_of(CHADEMO_CASES[name](leaf), tmp_path).deviations if each.name == name]
    assert found and found[0].clause == CHADEMO_CLAUSES[name] and "facts 2." in found[0].clause
