"""Every log in host_tests/recordings/ (or RECORDINGS=folder) is a test by being there, and so are those of the project.

What must hold for a log, and how an exception is written down: host_tests/recordings/README.md.
"""

import os
import tomllib
from itertools import chain
from pathlib import Path

import pytest

from host_tests.replay_check import check_of
from hw_tests.bench.replay import session, station
from hw_tests.bench.replay.entry import ReplayError
from hw_tests.bench.replay.logs import open_log
from hw_tests.bench.replay.protocol import Counts, recognise, told

HERE = Path(__file__).resolve().parent
FOLDER = Path(os.environ.get("RECORDINGS") or HERE / "recordings")
SHARED = Path(os.environ.get("SLUICE_DATA", HERE.parent.parent / "shared" / "data"))
NO_LOGS = {".md", ".toml", ".png", ".json", ".jsonl"}
# Of the two recordings with the project's references: what their lines with an error are.
KNOWN = {
    "gbt27930_session_zlg.csv": {
        "explained": [
            {"name": "BCS", "error": "the request had no answer", "why": "the charger falls silent at 18.6 s"}
        ]
    },
    "chademo_v2h_leaf_session_savvycan.csv": {},
}


def logs():
    found = sorted(path for path in FOLDER.iterdir() if path.is_file() and path.suffix not in NO_LOGS
                   and not path.name.startswith(".")) if FOLDER.is_dir() else []  # fmt: skip
    cases = [pytest.param(path, id=path.name) for path in found]
    for name in KNOWN:
        path = SHARED / name
        reason = f"the recording is not here: {path}"
        cases.append(pytest.param(path, id=name, marks=pytest.mark.skipif(not path.exists(), reason=reason)))
    return cases


def about(path):
    """What stands beside the log."""
    beside = path.with_name(path.name + ".toml")
    return tomllib.loads(beside.read_text(encoding="utf-8")) if beside.exists() else KNOWN.get(path.name, {})


@pytest.fixture(scope="module", params=logs())
def recording(request):
    """(what stands beside it, protocol, everything told, counts, how many entries)"""
    path = request.param
    note = about(path)
    dialect, taken = recognise((log := open_log(path)).entries, note.get("protocol", ""))
    counts = Counts()
    rest = list(log.entries)
    return note, dialect, list(told(chain(taken, rest), dialect, counts)), counts, len(taken) + len(rest)


def test_the_folder_for_recordings_is_there():
    assert FOLDER.is_dir(), f"there is no folder {FOLDER}"


def test_every_line_is_read_and_every_error_explained(recording):
    note, _, tolds, counts, entries = recording
    assert counts.frames + sum(counts.skipped.values()) + counts.unreadable == entries
    explained = note.get("explained", [])
    open_ = [(each.line, each.name, each.error) for each in tolds if each.error
             and not any(each.name == row["name"] and row["error"] in each.error for row in explained)]  # fmt: skip
    assert open_ == []


def test_bench_firmware_and_gate_read_it_alike(recording):
    _, dialect, tolds, _, _ = recording
    check = check_of(dialect.name)
    differing = [(each.line, each.name, found) for each in tolds if (found := check(each)[1])]
    assert differing == []


def test_it_has_a_story(recording):
    _, dialect, tolds, _, _ = recording
    story = session.tell(tolds, dialect)
    assert story.phases and story.endings
    assert all(each.clause for each in story.deviations)


def test_the_firmware_follows_the_car_to_its_last_frame(recording):
    note, dialect, tolds, _, _ = recording
    if "station" in note:
        pytest.skip(note["station"])
    for part in station.sessions(tolds, dialect):
        try:
            result = station.play(part, dialect)
        except ReplayError as error:
            pytest.skip(str(error))
        assert result.followed, result.parts
        recorded, replayed = result.phases
        assert recorded == replayed


# The two that issue by issue everybody looks at: what they tell is known.
@pytest.mark.skipif(not (SHARED / "gbt27930_session_zlg.csv").exists(), reason=f"the recordings are not in {SHARED}")
def test_the_2015_car_ends_by_a_silence_of_its_charger():
    dialect, taken = recognise((log := open_log(SHARED / "gbt27930_session_zlg.csv")).entries)
    tolds = list(told(chain(taken, log.entries), dialect, Counts()))
    story = session.tell(tolds, dialect)
    assert [phase.name for phase in story.phases] == [
        "handshake",
        "identify",
        "configure",
        "precharge",
        "charge",
        "error",
    ]
    (end,) = story.endings
    assert (end.side, end.how, round(end.t_s, 1)) == ("vehicle", "error", 19.5) and "ccs_timeout" in end.reason
    assert story.counts == {"no_precharge": 1, "ccs_measurement": 2, "tp_silent": 1, "no_retry": 1}
    result = station.play(tolds, dialect)
    assert [word.text for word in result.player.said][:7] == [
        "CHM",
        "CRM=00",
        "CRM=AA",
        "CTS",
        "CML",
        "CRO=00",
        "CRO=AA",
    ]
    assert [told.name for told in result.player.tolds if told.side == "vehicle"].count("BEM") >= 45
    assert result.parts is not None and result.parts["recorded_s"] == 18.6 and "silent" in result.parts["reason"]


@pytest.mark.skipif(
    not (SHARED / "chademo_v2h_leaf_session_savvycan.csv").exists(), reason=f"the recordings are not in {SHARED}"
)
def test_the_leaf_goes_from_its_first_100_to_the_welding_check():
    dialect, taken = recognise((log := open_log(SHARED / "chademo_v2h_leaf_session_savvycan.csv")).entries)
    tolds = list(told(chain(taken, log.entries), dialect, Counts()))
    story = session.tell(tolds, dialect)
    assert [phase.name for phase in story.phases] == [
        "handshake", "configure", "insulation", "precharge", "charge", "stopping", "weld_check", "ended",
    ]  # fmt: skip
    (end,) = story.endings
    assert (end.side, round(end.t_s, 1)) == ("charger", 46.8) and story.deviations == []
    assert story.facts["voltage_most_dV"] == 5050 and story.facts["discharge_most_dA"] == 0
    assert story.facts["energy_min_permille"] == 301 and story.facts["energy_max_permille"] == 801
    result = station.play(tolds, dialect)
    assert [word.text for word in result.player.said] == [
        "108", "109.5=20", "109.5=24", "109.5=05", "109.5=25", "109.5=24", "109.5=20",
    ]  # fmt: skip
    assert result.followed and result.faults == []
