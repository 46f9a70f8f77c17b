"""The director against a world that is a list of numbers: when steps fire, how checks end, when it is over."""

from pathlib import Path
from typing import Any

from hw_tests.bench import scenario, summary
from hw_tests.bench.director import Director
from hw_tests.bench.facts import FACTS

HEAD = "limit_s = 10\nsettle_s = 1\n"
STEP = '[[step]]\nname = "{}"\ndo = "note"\ntext = "x"\n'


class Play:
    """A run over made-up facts: `facts(t_s)` says what is so at each tenth of a second."""

    def __init__(self, folder: Path, text: str, facts: Any = lambda t_s: {}, until_s: float = 20.0):
        (folder / "fake.toml").write_text(HEAD + text)
        self.scenario = scenario.load("fake", folder=folder)
        self.done: list[tuple[float, str]] = []
        self.lines: list[str] = []
        self.now_s = 0.0
        self.director = Director(
            self.scenario, lambda step: self.done.append((self.now_s, step.name)), self.lines.append
        )
        self.facts: dict[str, Any] = {}
        for tenth in range(int(until_s * 10)):
            self.now_s = tenth / 10
            self.facts = {**dict.fromkeys(FACTS), "t_s": self.now_s, **facts(self.now_s)}
            self.director.step(self.now_s, self.facts)
            if self.director.done:
                break
        self.verdicts = {verdict.name: verdict for verdict in self.director.verdicts(self.facts)}


def test_steps_fire_in_order_each_by_its_trigger(tmp_path: Path) -> None:
    text = (STEP.format("a") + "at_s = 1\n" + STEP.format("b") + "after_s = 0.5\n"
            + STEP.format("c") + "when = \"openings == 1\"\nfor_s = 0.4\ndeadline_s = 5\n")  # fmt: skip
    play = Play(tmp_path, text, lambda t_s: {"openings": 1 if t_s >= 3 else 0})
    assert play.done == [(1.0, "a"), (1.5, "b"), (3.4, "c")]
    assert play.director.done and not play.director.failure
    assert abs(play.now_s - 4.4) < 1e-9  # settled for one second


def test_a_condition_must_hold_without_a_break(tmp_path: Path) -> None:
    text = STEP.format("a") + 'when = "openings == 1"\nfor_s = 0.5\ndeadline_s = 5\n'
    play = Play(tmp_path, text, lambda t_s: {"openings": 0 if 1.3 <= t_s < 1.6 else 1 if t_s >= 1 else 0})
    assert play.done == [(2.1, "a")]


def test_a_deadline_ends_the_run_and_says_what_was_waited_for(tmp_path: Path) -> None:
    play = Play(tmp_path, STEP.format("a") + 'when = "openings == 1"\ndeadline_s = 2\n')
    assert play.director.done and not play.done
    assert not play.verdicts["played_to_the_end"].passed
    assert "step 'a' waited 2.1 s in vain for: openings == 1" in play.verdicts["played_to_the_end"].detail
    assert any("FAILED" in line for line in play.lines)


def test_the_limit_ends_the_run(tmp_path: Path) -> None:
    play = Play(tmp_path, STEP.format("a") + "at_s = 60\n")
    assert "not over after 10 s; it still waited for 'a'" in play.verdicts["played_to_the_end"].detail


def checked(tmp_path: Path, check: str, facts: Any) -> Any:
    steps = STEP.format("a") + "at_s = 1\n" + STEP.format("b") + "at_s = 2\n"
    return Play(tmp_path, steps + '[[check]]\nname = "c"\n' + check, facts).verdicts["c"]


def test_always_is_broken_by_one_moment(tmp_path: Path) -> None:
    dip = checked(tmp_path, 'always = "soc_permille > 500"', lambda t_s: {"soc_permille": 499 if t_s == 1.5 else 600})
    assert not dip.passed and dip.detail == "at 1.50 s: soc_permille > 500 (soc_permille = 499)"
    assert checked(tmp_path, 'always = "soc_permille > 500"', lambda t_s: {"soc_permille": 501}).passed


def test_always_looks_only_into_its_window(tmp_path: Path) -> None:
    window = 'always = "openings == 1"\nafter = "a"\nafter_s = 0.5\nuntil = "b"\n'
    assert checked(tmp_path, window, lambda t_s: {"openings": 1 if 1.5 <= t_s < 2.0 else 0}).passed
    assert not checked(tmp_path, window, lambda t_s: {"openings": 1 if 1.6 <= t_s < 2.0 else 0}).passed


def test_never_and_eventually(tmp_path: Path) -> None:
    assert not checked(tmp_path, 'never = "late > 0"', lambda t_s: {"late": 1 if t_s == 2.5 else 0}).passed
    assert checked(tmp_path, 'never = "late > 0"', lambda t_s: {"late": 0}).passed
    once = 'eventually = "late > 0"'
    assert checked(tmp_path, once, lambda t_s: {"late": 1 if t_s == 2.5 else 0}).passed
    assert not checked(tmp_path, once, lambda t_s: {"late": 0}).passed
    assert not checked(tmp_path, once + '\nuntil = "b"\n', lambda t_s: {"late": 1 if t_s == 2.5 else 0}).passed


def test_what_was_never_known_is_not_passed(tmp_path: Path) -> None:
    for kind in ("always", "never", "eventually", "end"):
        assert not checked(tmp_path, f'{kind} = "soc_permille > 1"', lambda t_s: {}).passed


def test_the_end_and_its_detail(tmp_path: Path) -> None:
    verdict = checked(tmp_path, 'end = "openings == 2"\ndetail = "{openings} openings"', lambda t_s: {"openings": 2})
    assert verdict.passed and verdict.detail == "2 openings"
    assert "not known" in checked(tmp_path, 'end = "1 == 1"\ndetail = "{soc_permille:.1f}"', lambda t_s: {}).detail


def test_a_window_that_never_opened_is_a_failure(tmp_path: Path) -> None:
    text = (STEP.format("a") + "when = \"openings == 1\"\ndeadline_s = 2\n"
            + '[[check]]\nname = "c"\nnever = "late == 1"\nafter = "a"\n')  # fmt: skip
    assert Play(tmp_path, text, lambda t_s: {"late": 0}).verdicts["c"].detail == "step 'a' never happened"


def test_questions(tmp_path: Path) -> None:
    text = STEP.format("a") + "at_s = 1\n" + STEP.format("b") + "when = \"since('a') >= 2\"\ndeadline_s = 5\n"
    play = Play(tmp_path, text)
    assert play.done == [(1.0, "a"), (3.0, "b")]
    play.director.acks["a"] = {"result": "limited", "reason": "car_current", "applied_W": 5}
    play.director.raised["tick"] = 2
    ask = play.director.questions
    assert (ask["result"]("a"), ask["reason"]("a"), ask["applied_W"]("a")) == ("limited", "car_current", 5)
    assert ask["result"]("b") is None and ask["raised"]("tick") == 2 and ask["raised"]("estop") == 0


def test_the_summary_has_the_promised_keys(tmp_path: Path) -> None:
    play = Play(tmp_path, STEP.format("a") + "at_s = 1\n", lambda t_s: {"openings": 1, "soc_permille": 512.345})
    made = summary.build(play.scenario, play.director.verdicts(play.facts), play.facts, ["idle"], {"word_bits": 32})
    assert made["result"] == "pass" and made["soc_end_permille"] == 512.35 and made["contactor"]["openings"] == 1
    assert set(made) >= {
        "scenario", "vehicle", "result", "checks", "phases", "soc_start_permille", "soc_end_permille",
        "soc_min_permille", "floor_permille", "energy_import_Wh", "energy_export_Wh", "gate_refused", "contactor",
        "tick", "heap", "mqtt", "micropython", "duration_s",
    }  # fmt: skip
    assert set(made["tick"]) == {"count", "late", "gap_max_ms", "allocated_bytes"}
    assert set(made["heap"]) == {"size_bytes", "free_min_bytes"}
    assert set(made["mqtt"]) == {"published", "acknowledged", "lost", "reconnects"}
    assert set(made["micropython"]) == {"version", "word_bits", "image"}
    assert "a: pass" not in summary.text(made) and "played_to_the_end" in summary.text(made)
