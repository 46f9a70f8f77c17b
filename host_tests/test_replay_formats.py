"""Every format of a log reads to the same frames; a broken line stops nothing; bad input is one sentence."""

import random

import pytest

from host_tests.replay_rig import FORMATS, asc, blf, candump_log, candump_text, read, savvycan, small_session, zlg
from hw_tests.bench.frame import Frame
from hw_tests.bench.replay.__main__ import main
from hw_tests.bench.replay.entry import ReplayError
from hw_tests.bench.replay.logs import open_log

SESSION = small_session()
TEXTS = [name for name in FORMATS if name != "Vector BLF"]


@pytest.mark.parametrize("name", FORMATS)
def test_a_session_reads_the_same_in_every_format(name, tmp_path):
    writer, coarse_s = FORMATS[name]
    log = open_log(writer(SESSION, tmp_path / "any.name"))
    entries = list(log.entries)
    assert [entry.error for entry in entries if entry.error] == []
    assert [entry.frame for entry in entries] == [frame for _, frame in SESSION]
    start_s = entries[0].t_s
    assert max(abs(entry.t_s - start_s - t_s) for entry, (t_s, _) in zip(entries, SESSION)) <= coarse_s
    assert log.format.split()[0] in name or {"ZLG/CANalyst"} == {log.format.split()[0]}


@pytest.mark.parametrize("name", FORMATS)
def test_both_kinds_of_id_and_every_length(name, tmp_path):
    frames = [(0.1 * k, Frame(0x102 if k % 2 else 0x181056F4, k % 2 == 0, bytes(range(k)))) for k in range(9)]
    assert [entry.frame for entry in open_log(FORMATS[name][0](frames, tmp_path / "log")).entries] == [
        f for _, f in frames
    ]


@pytest.mark.parametrize("name", TEXTS)
def test_broken_lines_are_told_and_the_others_are_read(name, tmp_path):
    path = FORMATS[name][0](SESSION, tmp_path / "log")
    raw = path.read_bytes().split(b"\n")
    raw[20] = raw[20][: len(raw[20]) // 2]  # cut in the middle: no frame, or one with too few bytes
    raw[25] = b"1.5 1 zzz Rx d 8 nonsense ((( ,,,"
    path.write_bytes(b"\n".join(raw))
    entries = list(open_log(path).entries)
    frames = [entry.frame for entry in entries if entry.frame is not None]
    assert len(frames) >= len(SESSION) - 2
    assert all(frame in {f for _, f in SESSION} for frame in frames[:10])
    assert [entry for entry in entries if entry.error], "nothing was told"
    assert frames[-1] == SESSION[-1][1]


@pytest.mark.parametrize("name", FORMATS)
def test_noise_in_a_log_never_stops_it(name, tmp_path):
    path = FORMATS[name][0](SESSION, tmp_path / "log")
    whole = path.read_bytes()
    for seed in range(40):
        chance = random.Random(seed)
        raw = bytearray(whole)
        for _ in range(chance.randrange(1, 30)):
            raw[chance.randrange(200, len(raw))] = chance.randrange(256)
        del raw[chance.randrange(len(raw) // 2, len(raw)) :]
        path.write_bytes(bytes(raw))
        try:
            entries = list(open_log(path).entries)
        except ReplayError:  # a header that was hit
            continue
        assert entries
        assert all(entry.frame is None or len(entry.frame.data) <= 8 for entry in entries)


def test_a_blf_that_breaks_off_tells_so(tmp_path):
    path = blf(SESSION * 200, tmp_path / "log.blf")
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) * 2 // 3])
    entries = list(open_log(path).entries)
    assert entries[-1].error and "breaks off" in entries[-1].error or len(entries) < 200 * len(SESSION)


def test_remote_error_and_long_frames_are_no_data(tmp_path):
    path = tmp_path / "log"
    path.write_text(
        "(1.0) can0 1826F456#010100\n(1.1) can0 1826F456#R\n(1.2) can0 20000080#0000000000000000\n"
        "(1.3) can0 1826F456##0010100\n(1.4) can0 123#01\n"
    )
    tolds, counts, _ = read(path, "gbt27930")
    assert [(told.name, bool(told.error)) for told in tolds] == [
        ("CHM", False),
        ("remote", True),
        ("CAN FD frame", True),
    ]
    assert counts.skipped == {"error frames": 1, "other ids": 1} and counts.skipped_ids == {"123": 1}


def test_vector_time_stamps_may_count_from_the_line_before(tmp_path):
    rows = ["date Mon Nov 16 10:00:00 2026", "base hex  timestamps relative", "no internal events logged"]
    rows += [f"   {0.25:.6f} 1  1826F456x       Rx   d 3 01 01 00" for _ in range(4)]
    path = tmp_path / "log.asc"
    path.write_text("\n".join(rows) + "\n")
    assert [round(entry.t_s, 2) for entry in open_log(path).entries] == [0.25, 0.5, 0.75, 1.0]


def test_candump_knows_dates_and_no_time_at_all(tmp_path):
    path = tmp_path / "log"
    path.write_text(" (2026-05-06 07:08:09.500000)  can0  1826F456   [3]  01 01 00   '...'\n" * 2)
    assert all(entry.frame is not None and not entry.error for entry in open_log(path).entries)
    path.write_text("  can0  1826F456   [3]  01 01 00\n" * 2)
    assert [entry.t_s for entry in open_log(path).entries] == [0.0, 0.0]


def _said(capsys, *words):
    status = main([str(word) for word in words])
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1 and err.startswith("replay: ") and "Traceback" not in err
    return status, err


def test_bad_input_is_one_sentence(tmp_path, capsys):
    status, text = _said(capsys, tmp_path / "nowhere.log")
    assert status == 2 and "there is no file" in text
    assert "is a folder" in _said(capsys, tmp_path)[1]
    empty = tmp_path / "empty"
    empty.write_text("\n")
    assert "is empty" in _said(capsys, empty)[1]
    novel = tmp_path / "novel.txt"
    novel.write_text("It was a dark and stormy night.\n")
    status, text = _said(capsys, novel)
    for name in ("candump -L", "candump text", "Vector ASC", "Vector BLF", "SavvyCAN CSV", "ZLG/CANalyst"):
        assert name in text, name
    log = candump_log(SESSION, tmp_path / "log")
    assert "no frame of chademo" in _said(capsys, log, "--protocol", "chademo")[1]
    assert "looks like gbt27930" in _said(capsys, log, "--protocol", "chademo")[1]
    assert "no protocol 'ccs'" in _said(capsys, log, "--protocol", "ccs")[1]
    assert "no view 'film'" in _said(capsys, log, "--view", "film")[1]
    assert "VIEW=messages only" in _said(capsys, log, "--view", "session", "--check")[1]
    assert "which log" in _said(capsys, "")[1]
    foreign = candump_text([(0.1 * k, Frame(0x700 + k, True, b"")) for k in range(5)], tmp_path / "foreign")
    assert "none of the 5 frames" in _said(capsys, foreign)[1]
    broken = tmp_path / "broken.blf"
    broken.write_bytes(b"LOGG" + b"\0" * 20)
    assert "header is broken" in _said(capsys, broken)[1]


def test_the_writers_of_these_tests_are_not_read_as_each_other(tmp_path):
    found = {
        open_log(write(SESSION, tmp_path / "log")).format
        for write in (candump_log, candump_text, asc, savvycan, zlg, blf)
    }
    assert len(found) == 6


@pytest.mark.parametrize(("words", "target"), [([], "replay"), (["--plot"], "plot")])
def test_without_a_log_it_names_the_target_that_was_called(words, target, capsys):
    assert main(["", *words]) == 2
    assert capsys.readouterr().err == f"{target}: which log? Name it: make {target} LOG=file.\n"
