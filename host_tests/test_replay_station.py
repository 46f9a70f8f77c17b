"""VIEW=station: recorded cars at the firmware, causally: slower and quicker chargers, coarse stamps, partings."""

import random

import pytest

from host_tests.replay_rig import bench_session, candump_log, lines, read
from hw_tests.bench.frame import Frame
from hw_tests.bench.gbt27930 import codec
from hw_tests.bench.replay import station
from hw_tests.bench.replay.logs import open_log
from hw_tests.bench.replay.protocol import CHARGER, recognise


def play(frames, tmp_path):
    path = candump_log(frames, tmp_path / "log")
    dialect, _ = recognise(open_log(path).entries)
    return station.play(read(path)[0], dialect)


@pytest.fixture(scope="module", params=["gbt27930", "chademo"])
def session(request):
    return bench_session(request.param)


def test_the_firmware_follows_its_own_session(session, tmp_path):
    result = play(session, tmp_path)
    assert result.followed and result.parts is None, result.parts
    recorded, replayed = result.phases
    assert recorded == replayed and "discharge" in recorded
    assert result.faults == []
    assert all(line["same"] in ("bytes", "word") for line in station.answers(result))
    assert result.current_most_A > 10


def test_what_a_car_says_long_before_the_session_is_left_out(tmp_path):
    """As a recorded Leaf ZE1, whose 700 came alone for some seconds, four minutes before its session."""
    session = bench_session("chademo")
    alone = [(n / 10, Frame(0x700, False, bytes((1, 2, 0, 0, 6, 0, 0, 0)))) for n in range(100)]
    path = candump_log(alone + [(t_s + 120, frame) for t_s, frame in session], tmp_path / "log")
    status, rows = lines(path, "--view", "station")
    assert status == 0 and rows[-1]["followed"] and rows[-1]["same_phases"]
    (out,) = [row for row in rows if row["kind"] == "left_out"]
    assert out["messages"] == 100 and out["to_s"] < 10


def test_two_words_in_one_breath_may_leave_in_either_order(tmp_path):
    """On a live bus CRO=AA and CCD=00 leave 0.3 ms apart, and now and then the other way round."""
    frames = bench_session("gbt27930")
    ready = next(i for i, (_, frame) in enumerate(frames) if frame.id == 0x100AF456 and frame.data == b"\xaa")
    ccd = next(i for i, (_, frame) in enumerate(frames) if frame.id == 0x1832F456)
    assert 0 < frames[ccd][0] - frames[ready][0] < 0.02
    frames.insert(ready, (frames[ready][0] - 0.0003, frames.pop(ccd)[1]))
    result = play(frames, tmp_path)
    assert result.followed and result.parts is None, result.parts
    assert all(line["same"] in ("bytes", "word") for line in station.answers(result))


def test_coarse_time_stamps_do_not_matter(session, tmp_path):
    coarse = [(round(t_s, 1), frame) for t_s, frame in session]
    result = play(coarse, tmp_path)
    assert result.followed and result.phases[0] == result.phases[1]


def _stretched(session, at_s, by_s):
    """A charger that let the car wait at this place: the car repeats itself meanwhile."""
    cyclic = [
        (t_s, frame)
        for t_s, frame in session
        if at_s - 0.6 < t_s <= at_s and frame.id not in (0x1CEC56F4, 0x1CEB56F4, 0x1CECF456)
    ]
    more = [(t_s + 0.6 * turn, frame) for turn in range(1, round(by_s / 0.6)) for t_s, frame in cyclic]
    return sorted(
        [(t_s if t_s <= at_s else t_s + by_s, frame) for t_s, frame in session] + more, key=lambda each: each[0]
    )


def test_a_recorded_charger_that_was_slower_makes_no_difference(tmp_path):
    """Ten seconds of CRO=00: our firmware is done at once and would not wait five seconds for BCL."""
    session = bench_session("gbt27930", (4000,))
    ready_s = next(t_s for t_s, frame in session if frame.id == 0x100AF456 and frame.data == b"\xaa")
    result = play(_stretched(session, ready_s - 0.01, 10.0), tmp_path)
    assert result.followed, result.parts
    assert result.player.dropped > 20
    assert result.virtual_s < session[-1][0] + 8


def test_a_recorded_charger_that_was_quicker_is_waited_for(tmp_path):
    """Without its insulation test: CRM comes 0.3 s after CHM. The car holds until our firmware says so."""
    session = bench_session("gbt27930", (4000,))
    crm_s = next(t_s for t_s, frame in session if frame.id == 0x1801F456)
    cut_s = session[0][0] + 0.6
    quick = [each for each in session if each[0] <= cut_s] + [
        (t_s - crm_s + cut_s, f) for t_s, f in session if t_s >= crm_s
    ]
    result = play(quick, tmp_path)
    assert result.followed, result.parts
    assert any(wait["for"] == "CRM=00" and wait["s"] > 1 for wait in result.player.waits)
    assert result.player.repeated > 3


def test_a_car_that_stops_by_itself(tmp_path):
    frames = bench_session("gbt27930", (8000,), spoil=lambda world: world.around.car.misbehave("bst", reason="other"))
    result = play(frames, tmp_path)
    assert result.followed and "stop button" not in result.script.inferred
    assert [phase.name for phase in result.replayed.phases][-1] == "statistics"


def test_a_fault_in_the_cars_own_words_stops_the_firmware_without_a_button(tmp_path):
    frames = bench_session(
        "gbt27930", (8000,), spoil=lambda world: world.around.car.misbehave("bsm_fault", bit="insulation")
    )
    result = play(frames, tmp_path)
    assert result.followed and [fault["name"] for fault in result.faults] == ["car_fault"]
    cst = next(line for line in station.answers(result) if line["name"] == "CST")
    assert cst["same"] == "bytes"


def test_the_place_where_they_part_is_found_with_its_reason(tmp_path):
    """The recorded car asks for 4000 V: no firmware goes there."""
    frames = []
    for t_s, frame in bench_session("gbt27930", (4000,)):
        if frame.id == 0x182756F4:
            frame = codec.encode("BHM", voltage_max_dV=100)  # nothing can be tested at 10 V
        frames.append((t_s, frame))
    path = candump_log(frames, tmp_path / "log")
    status, rows = lines(path, "--view", "station")
    parts = next(row for row in rows if row["kind"] == "parts")
    assert status == 1 and not rows[-1]["followed"]
    assert parts["reason"] and parts["recorded_s"] < 10
    assert any(row["kind"] == "fault" for row in rows) or "waited" in parts["reason"]


def test_a_word_that_never_comes_is_waited_for_no_longer_than_the_standard_says(tmp_path, monkeypatch):
    """The recorded charger said CCD=01; here nobody wishes it, for the recorded currents are taken away."""
    session = bench_session("gbt27930")
    path = candump_log(session, tmp_path / "log")
    dialect, _ = recognise(open_log(path).entries)
    tolds = read(path)[0]
    script = dialect.script(tolds)
    script.wishes = [(0.0, 4000)]
    monkeypatch.setattr(dialect, "script", lambda _: script)
    result = station.play(tolds, dialect)
    assert not result.followed and result.parts is not None
    assert "waited 5 s for CCD=01" in result.parts["reason"] and "facts 1.6" in result.parts["reason"]


def test_a_recorded_charger_that_falls_silent(tmp_path):
    session = bench_session("gbt27930", (4000, 4000))
    silent_s = session[-1][0] - 6
    frames = [
        each for each in session if each[0] < silent_s or (each[1].id & 0xFFFF == 0x56F4 and each[0] < silent_s + 1)
    ]
    frames += [(silent_s + 1 + 0.25 * k, codec.cleared("BEM", {"ccs_timeout": 1})) for k in range(20)]
    result = play(frames, tmp_path)
    assert result.followed and "silent" in result.parts["reason"]
    assert abs(result.parts["recorded_s"] + session[0][0] - silent_s) < 0.1
    assert result.phases[0] == result.phases[1]


def test_a_tick_that_raises_is_a_place_to_part(session, tmp_path, monkeypatch):
    from firmware.energy import Energy

    count = []

    def step(self, now):
        count.append(now)
        if len(count) > 100:
            raise ValueError("made to")

    monkeypatch.setattr(Energy, "step", step)
    result = play(session, tmp_path)
    assert not result.followed and "ValueError('made to')" in result.parts["reason"]


def test_what_cannot_be_played_is_said_in_a_sentence(session, tmp_path, capsys):
    from hw_tests.bench.replay.__main__ import main

    half_s = session[-1][0] / 2
    tolds, _, _ = read(candump_log(session, tmp_path / "whole"))
    alone = [(told.t_s, told.frame) for told in tolds if told.side == CHARGER and told.frame]
    late = [(t_s, frame) for t_s, frame in session if t_s > half_s]
    for frames, text in ((late, "begins in mid-session"), (alone, "no frame of a car")):
        status = main([str(candump_log(frames, tmp_path / "log")), "--view", "station"])
        out, err = capsys.readouterr()
        assert status == 2 and text in err and out == "" and err.count("\n") == 1


def test_everything_that_no_bus_shows_is_listed_as_inferred(session, tmp_path):
    _, rows = lines(candump_log(session, tmp_path / "log"), "--view", "station")
    inferred = " ".join(row["name"] for row in rows if row["kind"] == "inferred")
    for word in ("plug", "contactors", "pack", "inlet voltage", "wish", "stop button"):
        assert word in inferred


def test_a_log_of_two_sessions_is_played_with_two_plugs(tmp_path):
    first, second = bench_session("gbt27930", (4000,), 1000), bench_session("gbt27930", (-4000,), 2000)
    frames = first + [(t_s + first[-1][0] + 30, frame) for t_s, frame in second]
    status, rows = lines(candump_log(frames, tmp_path / "log"), "--view", "station")
    assert status == 0
    assert [row["number"] for row in rows if row["kind"] == "session"] == [1, 2]
    assert [row["followed"] for row in rows if row["kind"] == "summary"] == [True, True]


@pytest.mark.parametrize("share", [0.2, 0.4, 0.6, 0.8])
def test_a_log_that_breaks_off_anywhere_is_followed_so_far(session, share, tmp_path):
    result = play(session[: int(len(session) * share)], tmp_path)
    assert result.followed, result.parts


def test_what_the_answers_say_differently_is_told_by_signal(tmp_path):
    session = [
        (t_s, codec.encode("CML", voltage_max_dV=7000, voltage_min_dV=2000, current_max_dA=200, current_min_dA=0))
        if frame.id == 0x1808F456 else (t_s, frame)
        for t_s, frame in bench_session("gbt27930", (4000,), 1000)
    ]  # fmt: skip
    answers = station.answers(play(session, tmp_path))
    cml = next(line for line in answers if line["name"] == "CML")
    assert cml["same"] == "word" and cml["differs"]["voltage_max_dV"][0] == 7000 != cml["differs"]["voltage_max_dV"][1]


@pytest.mark.parametrize("seed", range(16))
def test_a_spoilt_log_is_played_or_parts_with_a_reason(session, seed, tmp_path):
    """Frames lost, doubled, cut short and with wrong bits: no crash of the tool, and never a parting without a word."""
    chance = random.Random(seed)
    frames = list(session)
    for _ in range(chance.randrange(1, 40)):
        at = chance.randrange(len(frames))
        t_s, frame = frames[at]
        what = seed % 4
        if what == 0:
            del frames[at]
        elif what == 1:
            frames.insert(at, frames[at])
        elif what == 2:
            frames[at] = t_s, frame._replace(data=frame.data[: chance.randrange(9)])
        elif frame.data:
            data = bytearray(frame.data)
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            frames[at] = t_s, frame._replace(data=bytes(data))
    path = candump_log(frames, tmp_path / "log")
    status, rows = lines(path, "--view", "station")
    ended = [row for row in rows if row["kind"] == "summary"]
    assert ended and status in (0, 1)
    if status:
        parts = [row for row in rows if row["kind"] == "parts"]
        assert parts and parts[0]["reason"] and "raised" not in parts[0]["reason"]
