"""100 % of the lines and branches of firmware/safety are reached by its unit tests alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_every_line_and_branch_is_reached(tmp_path):
    """A line that no test reaches is a line that nobody ever saw work."""
    report = tmp_path / "coverage.json"
    environment = {**os.environ, "COVERAGE_FILE": str(tmp_path / "data")}
    tests = sorted(str(p) for p in (ROOT / "host_tests" / "unit").glob("test_safety_*.py"))
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--cov=firmware.safety", "--cov-branch"]
    command = [sys.executable, "-m", "pytest", *options, *tests, f"--cov-report=json:{report}", "--cov-report="]
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert run.returncode == 0, run.stdout[-2000:]
    files = json.loads(report.read_text())["files"]
    assert {Path(name).name for name in files} == {p.name for p in (ROOT / "firmware" / "safety").glob("*.py")}
    for name, facts in files.items():
        assert not facts["missing_lines"] and not facts["missing_branches"], (name, facts["missing_lines"])
