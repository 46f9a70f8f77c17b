"""A log becomes a test by lying in the folder, and the picture of a log is a picture."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from host_tests.replay_rig import bench_session, blf, candump_log, small_session
from hw_tests.bench.frame import Frame
from hw_tests.bench.replay.__main__ import main

ROOT = Path(__file__).resolve().parent.parent


def recordings(folder):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "host_tests/test_recordings.py", "-rsf"],
        cwd=ROOT, env={**os.environ, "RECORDINGS": str(folder), "SLUICE_DATA": str(folder / "no")}, capture_output=True,
        text=True, timeout=300,
    )  # fmt: skip
    return done.returncode, done.stdout


def test_a_log_in_the_folder_is_a_test_and_may_explain_itself(tmp_path):
    session = bench_session("gbt27930", (4000,), 1000)
    candump_log(session, tmp_path / "whole.log")
    bad = sorted([*session, (9.0, Frame(0x181056F4, True, b"\1"))], key=lambda each: each[0])
    blf(bad, tmp_path / "bad.blf")
    (tmp_path / "notes.md").write_text("not a log")
    status, text = recordings(tmp_path)
    assert status == 1
    assert "test_every_line_is_read_and_every_error_explained[bad.blf]" in text
    assert text.count("\nFAILED") == 1 and "1 failed" in text and "[whole.log]" not in text
    assert "the recording is not here" in text
    (tmp_path / "bad.blf.toml").write_text('[[explained]]\nname = "BCL"\nerror = "1 bytes"\nwhy = "made so"\n')
    status, text = recordings(tmp_path)
    assert status == 0, text


@pytest.mark.parametrize("vehicle", ["gbt27930", "chademo"])
def test_the_picture_of_a_session(vehicle, tmp_path, capsys):
    target = tmp_path / "new folder" / "session.png"
    log = candump_log(bench_session(vehicle, (4000,), 1000), tmp_path / "log")
    assert main([str(log), "--plot", str(target)]) == 0
    assert capsys.readouterr().out.strip() == str(target)
    raw = target.read_bytes()
    assert raw[:8] == b"\x89PNG\r\n\x1a\n" and len(raw) > 20_000


def test_what_cannot_be_drawn_is_said_in_a_sentence(tmp_path, capsys):
    log = candump_log(small_session(), tmp_path / "log")
    assert main([str(log), "--plot", str(tmp_path / "x.png")]) == 2
    assert "nothing in this log can be drawn" in capsys.readouterr().err
    log = candump_log(bench_session("gbt27930", (4000,), 500), tmp_path / "log")
    assert main([str(log), "--plot", str(tmp_path / "picture.nonsense")]) == 2
    assert "cannot be written" in capsys.readouterr().err
