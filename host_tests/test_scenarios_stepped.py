"""That virtual time can be trusted, and what takes a look of its own. Every scenario: test_tick_on_micropython.py."""

from pathlib import Path
from typing import Any

import pytest

from hw_tests.bench import scenario, stepped, summary

REACTIONS = [variant for variant in scenario.variants("emergency") if variant.startswith("cc1_lost")]
WRAP_ms = 1 << 30


def played(name: str, variant: str = "", folder: Path | None = None, **how: Any) -> dict[str, Any]:
    made = stepped.run(scenario.load(name, variant), folder, **how)
    assert made["result"] == "pass", "\n" + summary.text(made)
    return made


@pytest.mark.parametrize("variant", scenario.variants("insulation"))
def test_the_insulation_test_with_the_other_vehicle(variant: str) -> None:
    made = stepped.run(scenario.load("insulation", variant, "chademo"))
    assert made["result"] == "pass", "\n" + summary.text(made)


@pytest.mark.parametrize("variant", REACTIONS)
def test_what_a_lost_plug_leads_to_is_commanded_within_20_ms(variant: str) -> None:
    """Nothing but the firmware takes time here: two ticks, seen by the plant in the millisecond after."""
    reaction = played("emergency", variant)["reaction"]
    assert reaction["to_enable_off_ms"] <= 21
    assert reaction["to_open_ms"] <= 91


def test_the_same_run_twice_is_the_same_run(tmp_path: Path) -> None:
    for name in ("one", "two"):
        played("evening", folder=tmp_path / name)
    for file in ("car.log", "converter.log", "mqtt.jsonl", "events.jsonl", "samples.csv", "summary.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), file
    assert (tmp_path / "one" / "session.png").stat().st_size > 20_000


@pytest.mark.parametrize("before_ms", [1_000, 5_000, 9_000, 15_000, 21_000, 30_000, 52_000])
def test_the_evening_over_the_wrap_of_the_ticks(before_ms: int) -> None:
    played("evening", start_ms=WRAP_ms - before_ms)


def test_the_evening_on_a_board_that_counts_from_2000() -> None:
    made = played("evening", epoch_year=2000)
    assert made["mqtt"]["acknowledged"] >= 20


def test_the_evening_with_ticks_that_come_late() -> None:
    """Up to 8 ms late, each by chance: a PC or a garbage collection does no worse."""
    played("evening", jitter_ms=8)


def test_the_phases_of_the_evening() -> None:
    phases = played("evening")["phases"]
    begin = ["idle", "plugged", "handshake", "insulation", "identify", "configure", "precharge", "charge"]
    assert phases == [*begin, "discharge", "charge", "stopping", "statistics", "weld_check", "bleed", "ended", "idle"]


def test_a_run_that_fails_says_so(tmp_path: Path) -> None:
    """The checks can fail: the same evening with a floor that it would have to break."""
    whole = scenario.load("evening")
    changed = whole.station | {"floor_permille": 560}
    wrong = scenario.Scenario(**{**vars(whole), "station": changed})
    made = stepped.run(wrong, tmp_path)
    assert made["result"] == "fail"
    failed = {check["name"] for check in made["checks"] if not check["pass"]}
    assert "at_the_floor_at_the_end" in failed or "played_to_the_end" in failed
    assert "floor_kept" not in failed


def test_quiet_is_granted_only_when_nothing_is_under_way() -> None:
    """A service that writes flash holds the chip for longer than the heartbeat's hardware waits."""
    from hw_tests.bench.world import StepWorld

    seen = set()

    class Watched(StepWorld):
        def tick(self) -> None:
            super().tick()
            quiet = self.fw.station.control.now[9]  # K_QUIET
            plant, rig = self.around.rig.plant, self.around.rig
            safe = not plant.contactor.closed and plant.link_V < 60 and not rig.facts()["converter_on"]
            seen.add((quiet, safe, self.around.observer.phase))

    evening = scenario.load("evening")
    made = stepped.play(evening, Watched(*stepped.parameters(evening)))
    assert made["result"] == "pass"
    assert {(quiet, safe) for quiet, safe, _ in seen} >= {(1, True), (0, False)}
    assert {phase for quiet, safe, phase in seen if quiet} <= {"idle", "plugged", "bleed", "ended"}
    assert [row for row in seen if row[0] and not row[1]] == []


def test_a_board_with_two_receive_buffers_asks_for_two_packets_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long messages of the car come in rounds, and the whole evening goes as ever (docs/can.md)."""
    from hw_tests.bench import world

    monkeypatch.setattr(world.board, "CAN_RX_FRAMES", 2)
    played("evening", folder=tmp_path)
    asked = [line.split("#")[1] for line in (tmp_path / "car.log").read_text().splitlines() if "1CECF456#11" in line]
    counts = {int(data[2:4], 16) for data in asked}
    assert counts <= {1, 2} and 2 in counts
    assert len(asked) > 10


def test_a_bad_cable_is_told_as_nothing_else_whenever_the_ticks_come() -> None:
    """Seed 4 had the protocol go on before the converter's OFF was reported, and the gate open K1/K2 by itself."""
    for seed in (1, 4):
        made = stepped.run(scenario.load("insulation", "bad_cable", "chademo"), jitter_ms=4, seed=seed)
        assert made["result"] == "pass" and made["gate_refused"] == 0, "\n" + summary.text(made)
