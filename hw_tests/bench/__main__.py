"""The bench's command line: `python -m hw_tests.bench run evening`, `scenarios`, `soak`."""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from hw_tests.bench import scenario, several, summary
from hw_tests.bench.scenario import Scenario, ScenarioError
from hw_tests.bench.stepped import run_lockstep
from hw_tests.bench.view import View

ROOT = Path(__file__).resolve().parent.parent.parent
RUNS = ROOT / "build" / "run"


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m hw_tests.bench", description="Plays sessions of a station.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (("run", "play one scenario"), ("scenarios", "play all of them, live runs beside each other")):
        command = commands.add_parser(name, help=text)
        if name == "run":
            command.add_argument("scenario", help="its name: " + ", ".join(scenario.known()))
            command.add_argument("--variant", default="", help="one of its variants; all of them if not given")
        else:
            command.add_argument("only", nargs="*", help="names to which to keep (all)")
            command.add_argument("--jobs", type=int, default=0, help="live runs beside each other (one a processor)")
        command.add_argument("--vehicle", default="", help="what the car speaks: " + ", ".join(scenario.VEHICLES))
        command.add_argument("--stepped", action="store_true", help="in virtual time, the firmware in this process")
    soak = commands.add_parser("soak", help="hours of a station's life in virtual time")
    soak.add_argument("--hours", type=float, default=24.0, help="of virtual time (24)")
    soak.add_argument("--vehicle", default="", help="what the cars speak: " + ", ".join(scenario.VEHICLES))
    soak.add_argument("--seed", type=int, default=1, help="of what happens (1)")
    return parser.parse_args(words)


def play(each: Scenario, stepped: bool) -> dict[str, Any]:
    """One run with its view; the files go to build/run/<scenario>/."""
    folder = RUNS / each.run_name
    with View(f"{each.run_name}: {each.title}", each.limit_s) as view:
        if stepped:
            from hw_tests.bench import stepped as world

            made = world.run(each, folder, view)
        else:
            from hw_tests.bench import live

            made = live.run(each, folder, view)
            if made["result"] == "pass" and all(step.do != "exception" for step in each.steps):
                summary.add_lockstep(made, run_lockstep(each, folder / "lockstep"))
                summary.write(made, folder)
    print(summary.text(made))
    print(f"files: {folder.relative_to(ROOT)}/ (summary.json, session.png, events.jsonl, mqtt.jsonl, *.log)")
    return made


def play_all(runs: list[Scenario], stepped: bool) -> int:
    """Several, one after the other; 0 if every check of each held."""
    for each in runs:
        if "can" in each.plant and not stepped:
            raise ScenarioError(f"{each.name} has a model of the CAN chip, which lives in virtual time: add --stepped "
                                "(make run: ARGS=--stepped)")  # fmt: skip
    return _told([(each.run_name, play(each, stepped)["result"] == "pass") for each in runs])


def play_beside(names: list[str], vehicle: str, jobs: int) -> int:
    """All variants live, with every vehicle that they are for (or the one named), `jobs` at a time."""
    rounds = [[vehicle] if vehicle else scenario.vehicles(name) for name in names]
    turns = [[each for name, vehicles in zip(names, rounds, strict=True) if turn < len(vehicles)
              for each in _variants(name, "", vehicles[turn])] for turn in range(max(map(len, rounds)))]  # fmt: skip
    results, left = [], sum(map(len, turns))
    for runs in turns:  # two runs of one scenario share a folder: not at the same time
        left -= len(runs)
        results += several.play(runs, jobs, left)
    return _told(results)


def _told(results: list[tuple[str, bool]]) -> int:
    failed = [name for name, passed in results if not passed]
    if len(results) > 1:
        names_of_failed = f"; failed: {', '.join(failed)}" if failed else ""
        print(f"{len(results) - len(failed)} of {len(results)} passed{names_of_failed}")
    return 1 if failed else 0


def _variants(name: str, variant: str, vehicle: str) -> list[Scenario]:
    return [scenario.load(name, each, vehicle) for each in ([variant] if variant else scenario.variants(name))]


def _playable(vehicle: str, stepped: bool) -> list[str]:
    """All scenarios, or those for one vehicle; with modelled chips in virtual time only."""
    names = [name for name in scenario.known() if not vehicle or vehicle in scenario.vehicles(name)]
    return [name for name in names if stepped or "can" not in scenario.load(name).plant]


def main(words: list[str] | None = None) -> int:
    """Exit status: 0 only if every check held."""
    options = arguments(words)
    try:
        scenario.check_vehicle(options.vehicle)
        if options.command == "soak":
            from hw_tests.bench import soak

            return soak.main(options.hours, options.seed, options.vehicle)
        if options.command == "run":
            return play_all(_variants(options.scenario, options.variant, options.vehicle), options.stepped)
        names = options.only or _playable(options.vehicle, options.stepped)
        jobs = options.jobs or len(os.sched_getaffinity(0))
        if jobs > 1 and not options.stepped:
            return play_beside(names, options.vehicle, jobs)
        return play_all([each for name in names for each in _variants(name, "", options.vehicle)], options.stepped)
    except ScenarioError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("bench: stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
