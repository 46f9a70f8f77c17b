"""The scenario files: all of ours can be read, and a wrong one is told what, where and what to do."""

from pathlib import Path

import pytest

from hw_tests.bench import facts, scenario
from hw_tests.bench.expression import Expression, ExpressionError, Unknown
from hw_tests.bench.scenario import ScenarioError

EVERY = [(name, variant) for name in scenario.known() for variant in scenario.variants(name)]

GOOD = """
limit_s = 10
[station]
floor_permille = 500
[[step]]
name = "arrive"
at_s = 1
do = "plug"
[[step]]
name = "sell"
when = "phase == 'charge'"
deadline_s = 5
do = "order"
power_W = -1000
[[check]]
name = "floor"
always = "soc_permille >= 500"
after = "sell"
detail = "{soc_permille:.1f}"
[variants.low.station]
floor_permille = 300
[[variants.low.step]]
name = "sell"
power_W = -2000
[[variants.low.check]]
name = "more"
end = "openings == 1"
[[variants.other.step]]
name = "sell"
do = "unplug"
"""


def written(folder: Path, text: str, name: str = "mine") -> Path:
    (folder / f"{name}.toml").write_text(text)
    return folder


@pytest.mark.parametrize(("name", "variant"), EVERY)
def test_our_own_files_are_right(name: str, variant: str) -> None:
    read = scenario.load(name, variant)
    assert read.steps and read.checks
    assert read.limit_s <= 120
    assert {"floor_kept", "record_complete"} <= {check.name for check in read.checks}


def test_the_families_are_there() -> None:
    assert {"evening", "charge_only_2015", "emergency", "soc_liar", "hostile_aggregator"} <= set(scenario.known())
    assert len(scenario.variants("emergency")) == 11
    assert set(scenario.variants("soc_liar")) == {"up", "down", "nearest", "frozen", "jumping"}


def test_defaults_and_types(tmp_path: Path) -> None:
    read = scenario.load("mine", folder=written(tmp_path, GOOD))
    assert read.run_name == "mine" and read.vehicle == "gbt27930" and read.limit_s == 10
    assert read.steps[0].at_s == 1 and read.steps[0].args == {}
    assert read.steps[1].args["lease_s"] == 60 and read.steps[1].when is not None
    assert read.checks[0].kind == "always" and read.checks[0].after == "sell"


def test_a_variant_overrides_by_name(tmp_path: Path) -> None:
    read = scenario.load("mine", "low", folder=written(tmp_path, GOOD))
    assert read.run_name == "mine-low" and read.station["floor_permille"] == 300
    assert read.steps[1].args["power_W"] == -2000 and read.steps[1].deadline_s == 5
    assert [check.name for check in read.checks] == ["floor", "more"]


def test_a_new_verb_keeps_the_trigger_and_drops_the_arguments(tmp_path: Path) -> None:
    read = scenario.load("mine", "other", folder=written(tmp_path, GOOD))
    assert read.steps[1].do == "unplug" and read.steps[1].args == {} and read.steps[1].deadline_s == 5


def test_common_is_merged_and_can_be_dropped(tmp_path: Path) -> None:
    written(
        tmp_path, '[[check]]\nname = "a"\nend = "openings == 0"\n[[check]]\nname = "b"\nend = "late == 0"\n', "_common"
    )
    read = scenario.load("mine", folder=written(tmp_path, 'drop = ["a"]\n' + GOOD))
    assert [check.name for check in read.checks] == ["b", "floor"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("limit_s = ", "is not TOML"),
        ("limit_s = 10", "nothing would happen"),
        (GOOD.replace("limit_s", "limits_s"), "unknown key 'limits_s'"),
        (GOOD.replace("limit_s = 10", "limit_s = -1"), "limit_s is -1"),
        (GOOD.replace('do = "plug"', 'do = "plugin"'), "step 'arrive': there is no verb 'plugin'"),
        (GOOD.replace('do = "plug"', ""), "step 'arrive': it has no `do`"),
        (GOOD.replace("power_W = -1000", ""), "step 'sell': 'order' needs 'power_W'"),
        (GOOD.replace("power_W = -1000", "power_kW = -1"), "'order' has no argument 'power_kW'"),
        (GOOD.replace("power_W = -1000", 'power_W = "much"'), "power_W is 'much', but must be int or float"),
        (GOOD.replace("deadline_s = 5", ""), "`when` needs a deadline_s"),
        (GOOD.replace("deadline_s = 5", "deadline_s = true"), "deadline_s is True"),
        (GOOD.replace("phase ==", "phaze =="), "there is no fact 'phaze'; did you mean 'phase'?"),
        (GOOD.replace("phase ==", "phase = "), "is no expression"),
        (GOOD.replace('name = "floor"', ""), "an entry has no name"),
        (GOOD.replace('after = "sell"', 'after = "sel"'), "`after` names 'sel', but the steps are: arrive, sell"),
        (GOOD.replace("always = ", "sometimes = "), "unknown key 'sometimes'"),
        (GOOD.replace("{soc_permille:.1f}", "{socc}"), "there is no fact 'socc'"),
        (GOOD.replace("{soc_permille:.1f}", "{soc_permille.__class__}"), "there is no fact 'soc_permille.__class__'"),
        (GOOD.replace("{soc_permille:.1f}", "{"), "detail '{'"),
        ('vehicle = "tram"\n' + GOOD, "there is no vehicle 'tram'; there are: gbt27930"),
        (GOOD.replace("at_s = 1", 'at_s = 1\nmark = "soon"'), "mark is 'soon'"),
        (GOOD.replace("at_s = 1", 'at_s = 1\nmark = "frame 0x102"'), "a frame marks only what the car does"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        scenario.load("mine", folder=written(tmp_path, text))
    assert told in str(caught.value)
    assert "mine" in str(caught.value)


def test_an_unknown_scenario_lists_the_known(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="there is no scenario 'evning'; there are: .*evening"):
        scenario.load("evning")
    with pytest.raises(ScenarioError, match="^evening has no variants: leave out --variant nope$"):
        scenario.load("evening", "nope")
    with pytest.raises(ScenarioError, match="no variant 'high'; there are: low, other"):
        scenario.load("mine", "high", folder=written(tmp_path, GOOD))


def test_expressions_reach_nothing_but_facts() -> None:
    for text in ("().__class__", "phase.upper()", "[1][0]", "open('x')", "lambda: 1", "f'{phase}'", "__import__('os')",
                 "{1: 2}", "phase[0]", "(yield)", "1 if phase else 2", "[x for x in phase]", "b'x'", "min(*phase)",
                 "max(phase, key=abs)"):  # fmt: skip
        with pytest.raises(ExpressionError):
            Expression(text, facts.FACTS, facts.QUESTIONS)


def test_expressions_know_what_is_not_known() -> None:
    ask = Expression("soc_permille >= 500 and phase == 'charge'", facts.FACTS)
    assert ask.names == {"soc_permille", "phase"}
    assert ask.value({"soc_permille": 510, "phase": "charge"})
    assert not ask.holds({"soc_permille": None, "phase": "charge"})
    with pytest.raises(Unknown, match="soc_permille"):
        ask.value({"soc_permille": None, "phase": "charge"})
    with pytest.raises(Unknown, match="zero"):
        Expression("1 / openings > 2", facts.FACTS).value({"openings": 0})
    assert Expression("abs(min(power_W, -2)) == 3", facts.FACTS).value({"power_W": -3})
