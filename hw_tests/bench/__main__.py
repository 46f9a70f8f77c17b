"""The bench's command line: `python -m hw_tests.bench run evening`, `scenarios`, `soak`."""

import argparse
import sys
from pathlib import Path
from typing import Any

from hw_tests.bench import scenario, summary
from hw_tests.bench.scenario import Scenario, ScenarioError
from hw_tests.bench.stepped import run_lockstep
from hw_tests.bench.view import View

ROOT = Path(__file__).resolve().parent.parent.parent
RUNS = ROOT / "build" / "run"


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m hw_tests.bench", description="Plays sessions of a station.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (("run", "play one scenario"), ("scenarios", "play all of them, one after the other")):
        command = commands.add_parser(name, help=text)
        if name == "run":
            command.add_argument("scenario", help="its name: " + ", ".join(scenario.known()))
            command.add_argument("--variant", default="", help="one of its variants; all of them if not given")
        else:
            command.add_argument("only", nargs="*", help="names to which to keep (all)")
        command.add_argument("--vehicle", default="", help="what the car speaks: " + ", ".join(scenario.VEHICLES))
        command.add_argument("--stepped", action="store_true", help="in virtual time, the firmware in this process")
    soak = commands.add_parser("soak", help="hours of a station's life in virtual time")
    soak.add_argument("--hours", type=float, default=24.0, help="of virtual time (24)")
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


def play_all(names: list[str], variant: str, vehicle: str, stepped: bool) -> int:
    """Several, one after the other; 0 if every check of each held."""
    runs = [scenario.load(name, each, vehicle) for name in names
            for each in ([variant] if variant else scenario.variants(name))]  # fmt: skip
    results = [(each.run_name, play(each, stepped)["result"]) for each in runs]
    failed = [name for name, result in results if result != "pass"]
    if len(results) > 1:
        names_of_failed = f"; failed: {', '.join(failed)}" if failed else ""
        print(f"{len(results) - len(failed)} of {len(results)} passed{names_of_failed}")
    return 1 if failed else 0


def _playable(vehicle: str) -> list[str]:
    """All scenarios, or those for one vehicle."""
    return [name for name in scenario.known() if not vehicle or vehicle in scenario.vehicles(name)]


def main(words: list[str] | None = None) -> int:
    """Exit status: 0 only if every check held."""
    options = arguments(words)
    try:
        if options.command == "soak":
            from hw_tests.bench import soak

            return soak.main(options.hours, options.seed)
        names = [options.scenario] if options.command == "run" else options.only or _playable(options.vehicle)
        return play_all(names, getattr(options, "variant", ""), options.vehicle, options.stepped)
    except ScenarioError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("bench: stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
