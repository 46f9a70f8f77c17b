"""`make scenarios`: several runs beside each other, each told when it ends."""

import sys
from typing import Any

import pytest

from hw_tests.bench import __main__ as command_line
from hw_tests.bench import scenario, several
from hw_tests.bench.scenario import Scenario


def pretend(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """A process in place of each run; `name` is the run's."""
    monkeypatch.setattr(several, "_command", lambda each: [sys.executable, "-c", f"name = {each.run_name!r}\n{code}"])


def runs() -> list[Scenario]:
    return [scenario.load("charge_only_2015", variant) for variant in scenario.variants("charge_only_2015")]


def test_each_is_told_with_its_result(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pretend(monkeypatch, "print('  ok    held: yes\\n' + name + ': pass after 3 s\\nfiles: somewhere')")
    results = several.play(runs(), 2)
    assert sorted(results) == [("charge_only_2015-from_the_start", True), ("charge_only_2015-later", True)]
    text = capsys.readouterr().out
    assert "charge_only_2015-later: pass after 3 s" in text and "1 to play" in text and "0 to play, about 0 min" in text
    assert "held" not in text and "files:" not in text


def test_one_that_fails_tells_its_checks(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    told = "print(f'  FAIL  held: no\\n{name}: fail' if bad else f'{name}: pass')"
    pretend(monkeypatch, f"bad = name.endswith('later'); {told}; exit(bad)")
    assert ("charge_only_2015-later", False) in several.play(runs(), 1)
    assert "  FAIL  held: no" in capsys.readouterr().out


def test_one_that_crashes_tells_why(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pretend(monkeypatch, "raise SystemError('no such luck')")
    assert [passed for _, passed in several.play(runs()[:1], 1)] == [False]
    assert "no such luck" in capsys.readouterr().out


@pytest.mark.parametrize("words", [
    ["scenarios", "--vehicle", "tesla"], ["scenarios", "--stepped", "--vehicle", "tesla"],
    ["scenarios", "evening", "--vehicle", "tesla"], ["run", "evening", "--vehicle", "tesla"],
    ["soak", "--vehicle", "tesla"],
])  # fmt: skip
def test_a_vehicle_that_nobody_knows_is_one_sentence(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(words) == 2
    assert capsys.readouterr().err == "bench: there is no vehicle 'tesla'; there are: gbt27930, chademo\n"


def test_every_scenario_is_played_with_every_vehicle(monkeypatch: pytest.MonkeyPatch) -> None:
    played: list[list[tuple[str, str]]] = []

    later: list[int] = []

    def play(runs: list[Scenario], jobs: int, left: int) -> list[tuple[str, bool]]:
        later.append(left)
        played.append([(each.run_name, each.vehicle) for each in runs])
        return [(each.run_name, True) for each in runs]

    monkeypatch.setattr(several, "play", play)
    assert command_line.main(["scenarios", "--jobs", "2"]) == 0
    for round_ in played:
        assert len({name for name, _ in round_}) == len(round_)  # two of one name would share a folder
    assert later == [sum(map(len, played[turn:])) for turn in range(1, len(played) + 1)]  # what is still to come
    everything: set[Any] = {run for round_ in played for run in round_}
    assert {("evening", "gbt27930"), ("evening", "chademo"), ("emergency-cc1_lost_40", "chademo")} <= everything
    modelled = [name for name in scenario.known() if "can" in scenario.load(name).plant]  # a chip: in virtual time only
    assert modelled == ["bad_can"]
    live = set(scenario.known()) - set(modelled)
    assert len(everything) == sum(len(scenario.variants(name)) * len(scenario.vehicles(name)) for name in live)


def test_a_modelled_chip_is_not_played_live(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["run", "bad_can", "--variant", "miso_low"]) == 2
    assert "bad_can" in (told := capsys.readouterr().err) and "--stepped" in told
