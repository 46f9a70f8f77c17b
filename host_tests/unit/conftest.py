"""Each test of this folder runs in a folder of its own process: some write what a board has in its root (board.txt),
and the station of a test beside them would be taken for that board."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def board_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty root with a folder build/."""
    folder = tmp_path_factory.mktemp("root")
    (folder / "build").mkdir()
    return folder


@pytest.fixture(autouse=True)
def in_it(board_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working directory, as for MicroPython (test_units_on_micropython.py)."""
    monkeypatch.chdir(board_root)
