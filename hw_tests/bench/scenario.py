"""Scenario files: read, merged with a variant, checked to the last key, and handed on as plain data.

    title = "..."            what it shows, one line
    limit_s = 120            it must have ended by then
    settle_s = 2             time after the last step
    [car] [converter] [plant] [station]   parameters; `station` holds config keys of the firmware
    [[step]]                 name, a trigger (at_s, after_s, when, for_s, deadline_s), `do` and its arguments, mark
    [[check]]                name, one of end / always / never / eventually, a window (after, after_s, until), detail
    [variants.NAME]          the same tables again: they override; steps and checks are found by their name
    [vehicles.NAME]          the same for another vehicle than the scenario's own, with its variants: they come last

Steps happen in the order of the file; a step that a variant adds comes last unless it says `before = "step"`.
Every scenario also has the steps and checks of `_common.toml`. `drop = ["name"]` leaves one of them out.
"""

import copy
import string
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hw_tests.bench import facts
from hw_tests.bench.expression import Expression, ExpressionError
from hw_tests.bench.verbs import arguments

FOLDER = Path(__file__).resolve().parent / "scenarios"
COMMON = "_common.toml"
VEHICLES = ("gbt27930", "chademo")
TABLES = ("car", "converter", "plant", "station")
KINDS = ("end", "always", "never", "eventually")
_TOP = {"title", "vehicle", "limit_s", "settle_s", "drop", "step", "check", "variants", "vehicles", *TABLES}
_TRIGGER = {"at_s", "after_s", "when", "for_s", "deadline_s"}
_CHECK = {"name", "after", "after_s", "until", "detail", *KINDS}


class ScenarioError(ValueError):
    """A scenario file that cannot be played: says what, where and what to do."""


@dataclass(frozen=True)
class Step:
    """One step. It fires when its trigger holds and all before it have fired. Times in s."""

    name: str
    do: str
    args: dict[str, Any]
    at_s: float | None = None  # not before, since the scenario began
    after_s: float = 0.0  # not before, since the step before it fired
    when: Expression | None = None
    for_s: float = 0.0  # `when` must have held for so long
    deadline_s: float | None = None  # since the step before it fired; then the run has failed
    mark: str = (
        ""  # "now": this is the moment that reactions are measured from; "frame 0x..": the car's next such frame
    )


@dataclass(frozen=True)
class Check:
    """What must be true: at the `end`, `always`, `never` or `eventually` within its window."""

    name: str
    kind: str
    condition: Expression
    after: str = ""  # the window begins when this step fires ...
    after_s: float = 0.0  # ... and so much later
    until: str = ""  # and ends when this step fires
    detail: str = ""  # text with {fact} or {fact:.1f}


@dataclass(frozen=True)
class Scenario:
    """A whole run, ready to be played. Times in s."""

    name: str
    variant: str
    title: str
    vehicle: str
    limit_s: float
    settle_s: float
    steps: tuple[Step, ...]
    checks: tuple[Check, ...]
    car: dict[str, Any] = field(default_factory=dict)
    converter: dict[str, Any] = field(default_factory=dict)
    plant: dict[str, Any] = field(default_factory=dict)
    station: dict[str, Any] = field(default_factory=dict)

    @property
    def run_name(self) -> str:
        """Name of the run: the scenario's, with the variant's."""
        return f"{self.name}-{self.variant}" if self.variant else self.name


def known(folder: Path = FOLDER) -> list[str]:
    """Names of the scenarios in the folder."""
    return sorted(path.stem for path in folder.glob("*.toml") if not path.name.startswith("_"))


def variants(name: str, folder: Path = FOLDER) -> list[str]:
    """Names of a scenario's variants, in the order of the file; one empty name if it has none."""
    return list(_read(_path(name, folder)).get("variants", {})) or [""]


def vehicles(name: str, folder: Path = FOLDER) -> list[str]:
    """What a scenario can be played with: its own vehicle first."""
    table = _read(_path(name, folder))
    return [table.get("vehicle", VEHICLES[0]), *table.get("vehicles", {})]


def load(name: str, variant: str = "", vehicle: str = "", folder: Path = FOLDER) -> Scenario:
    """The scenario of that name, with one of its variants; ScenarioError if anything about it is wrong."""
    path = _path(name, folder)
    table = _read(path)
    of_variants = table.pop("variants", {})
    of_vehicle = _layer_of(table, vehicle, path.name)
    if variant and not of_variants:
        raise ScenarioError(f"{name} has no variants: leave out --variant {variant}")
    if variant and variant not in of_variants:
        raise ScenarioError(f"{path.name}: there is no variant {variant!r}; there are: {', '.join(of_variants)}")
    common = folder / COMMON
    layers = [_read(common)] if common.is_file() else []
    of_both = of_vehicle.pop("variants", {}).get(variant, {})
    layers += [table, of_vehicle, of_variants[variant] if variant else {}, of_both]
    merged: dict[str, Any] = {}
    for layer in layers:
        merged = _merge(merged, layer, path.name)
    return _Builder(path.name).scenario(name, variant, vehicle, merged)


def check_vehicle(vehicle: str) -> None:
    """ScenarioError if nobody knows what the command line named; "" is each scenario's own."""
    if vehicle and vehicle not in VEHICLES:
        raise ScenarioError(f"there is no vehicle {vehicle!r}; there are: {', '.join(VEHICLES)}")


def _layer_of(table: dict[str, Any], vehicle: str, where: str) -> dict[str, Any]:
    """What the file says for this vehicle; nothing for its own."""
    layers = table.pop("vehicles", {})
    own = table.get("vehicle", VEHICLES[0])
    if not vehicle or vehicle == own:
        return {}
    if vehicle in VEHICLES and vehicle not in layers:
        raise ScenarioError(f"{where}: it is not for {vehicle!r}, only for {', '.join([own, *layers])}")
    return dict(layers.get(vehicle, {}))


def _path(name: str, folder: Path) -> Path:
    if name not in known(folder):
        raise ScenarioError(f"there is no scenario {name!r}; there are: {', '.join(known(folder))}")
    return folder / f"{name}.toml"


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{path.name} is not TOML: {error}") from None


def _merge(base: dict[str, Any], layer: dict[str, Any], where: str) -> dict[str, Any]:
    merged = copy.deepcopy(base)
    for key, value in layer.items():
        if key in ("step", "check"):
            merged[key] = _merge_list(merged.get(key, []), value, f"{where}: [[{key}]]")
        elif key == "drop":
            continue
        elif isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _merge(merged[key], value, where)
        else:
            merged[key] = copy.deepcopy(value)
    for name in layer.get("drop", []):
        for key in ("step", "check"):
            merged[key] = [item for item in merged.get(key, []) if item.get("name") != name]
    return merged


def _merge_list(base: list[dict[str, Any]], layer: list[dict[str, Any]], where: str) -> list[dict[str, Any]]:
    merged = copy.deepcopy(base)
    places = {item.get("name"): place for place, item in enumerate(merged)}
    for item in layer:
        name = item.get("name")
        if not isinstance(name, str) or not name:
            raise ScenarioError(f"{where}: an entry has no name ({item}); give each one a name of its own")
        if name in places:
            merged[places[name]] = _override(merged[places[name]], item)
            continue
        merged.insert(_place(item, places, len(merged), where), {k: v for k, v in item.items() if k != "before"})
        places = {entry["name"]: place for place, entry in enumerate(merged)}
    return merged


def _place(item: dict[str, Any], places: dict[Any, int], last: int, where: str) -> int:
    before = item.get("before")
    if before is not None and before not in places:
        raise ScenarioError(f"{where}: {item['name']!r} is to stand before {before!r}, which is not there")
    return places.get(before, last)


def _override(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    # A new verb brings its own arguments, a new kind of check its own condition; the trigger and the window stay.
    kept = dict(old)
    if "do" in new:
        kept = {key: value for key, value in old.items() if key in _TRIGGER or key == "name"}
    if any(kind in new for kind in KINDS):
        kept = {key: value for key, value in kept.items() if key not in KINDS}
    return {**kept, **copy.deepcopy(new)}


class _Builder:
    """Turns the merged tables of one file into a Scenario; every complaint names the file and the entry."""

    def __init__(self, where: str):
        self._where = where

    def fail(self, entry: str, text: str) -> ScenarioError:
        return ScenarioError(f"{self._where}: {entry + ': ' if entry else ''}{text}")

    def scenario(self, name: str, variant: str, vehicle: str, table: dict[str, Any]) -> Scenario:
        strange = sorted(set(table) - _TOP)
        if strange:
            raise self.fail("", f"unknown key {strange[0]!r}; known are {', '.join(sorted(_TOP))}")
        vehicle = vehicle or table.get("vehicle", VEHICLES[0])
        if vehicle not in VEHICLES:
            raise self.fail("", f"there is no vehicle {vehicle!r}; there are: {', '.join(VEHICLES)}")
        steps = tuple(self._step(item) for item in table.get("step", []))
        if not steps:
            raise self.fail("", "there is no [[step]]: nothing would happen")
        names = [step.name for step in steps]
        checks = tuple(self._check(item, names) for item in table.get("check", []))
        for step in steps:
            if step.do == "replay" and step.args["step"] not in names[: names.index(step.name)]:
                raise self.fail(f"step {step.name!r}", f"no step {step.args['step']!r} comes before it")
        parts = {part: table.get(part, {}) for part in TABLES}
        limit_s, settle_s = self._number("", table, "limit_s", 120.0), self._number("", table, "settle_s", 1.0)
        title = str(table.get("title", name))
        return Scenario(name, variant, title, vehicle, limit_s, settle_s, steps, checks, **parts)

    def _number(self, entry: str, table: dict[str, Any], key: str, default: Any) -> Any:
        value = table.get(key, default)
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0):
            raise self.fail(entry, f"{key} is {value!r}, but must be a number of seconds, 0 or more")
        return value

    def _expression(self, entry: str, text: Any) -> Expression:
        if not isinstance(text, str):
            raise self.fail(entry, f"the condition {text!r} must be a text, as in \"phase == 'charge'\"")
        try:
            return Expression(text, facts.FACTS, facts.QUESTIONS)
        except ExpressionError as error:
            raise self.fail(entry, str(error)) from None

    def _step(self, item: dict[str, Any]) -> Step:
        name = item["name"]
        entry = f"step {name!r}"
        if "do" not in item:
            raise self.fail(entry, "it has no `do`: say what it does")
        mark = item.get("mark", "")
        given = {key: value for key, value in item.items() if key not in {"name", "do", "mark", *_TRIGGER}}
        try:
            args = arguments(item["do"], given)
        except ValueError as error:
            raise self.fail(entry, str(error)) from None
        if mark not in ("", "now") and not str(mark).startswith("frame 0x"):
            raise self.fail(entry, f"mark is {mark!r}, but must be 'now' or 'frame 0x<id>'")
        if mark not in ("", "now") and item["do"] != "car":
            raise self.fail(entry, f"mark is {mark!r}, but a frame marks only what the car does: do = 'car'")
        if "when" in item and "deadline_s" not in item:
            raise self.fail(entry, "`when` needs a deadline_s: how long it may take at most")
        when = self._expression(entry, item["when"]) if "when" in item else None
        defaults = (("at_s", None), ("after_s", 0.0), ("for_s", 0.0), ("deadline_s", None))
        times = {key: self._number(entry, item, key, default) for key, default in defaults}
        return Step(name, item["do"], args, when=when, mark=mark, **times)

    def _check(self, item: dict[str, Any], steps: list[str]) -> Check:
        name = item["name"]
        entry = f"check {name!r}"
        strange = sorted(set(item) - _CHECK)
        if strange:
            raise self.fail(entry, f"unknown key {strange[0]!r}; known are {', '.join(sorted(_CHECK))}")
        kinds = [kind for kind in KINDS if kind in item]
        if len(kinds) != 1:
            raise self.fail(entry, f"it needs exactly one of {', '.join(KINDS)}")
        for key in ("after", "until"):
            if item.get(key) and item[key] not in steps:
                raise self.fail(entry, f"`{key}` names {item[key]!r}, but the steps are: {', '.join(steps)}")
        self._detail(entry, item.get("detail", ""))
        condition = self._expression(entry, item[kinds[0]])
        after, after_s, until = item.get("after", ""), self._number(entry, item, "after_s", 0.0), item.get("until", "")
        return Check(name, kinds[0], condition, after, after_s, until, item.get("detail", ""))

    def _detail(self, entry: str, text: str) -> None:
        try:
            names = [name for _, name, _, _ in string.Formatter().parse(text) if name is not None]
        except ValueError as error:
            raise self.fail(entry, f"detail {text!r}: {error}") from None
        for name in names:
            if name not in facts.FACTS:
                raise self.fail(entry, f"detail: there is no fact {name!r}")
