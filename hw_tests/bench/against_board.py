"""`make bench`: the scenarios of `make run` against a real board, the emulators on real CAN adapters.

    python -m hw_tests.bench.against_board evening --port /dev/ttyUSB0 --can slcan:/dev/ttyACM0 \\
        --can-converter slcan:/dev/ttyACM1 [--rs485 /dev/ttyUSB2]

Everything that can be wrong is looked at before anything of the board is touched; docs/bench.md, "Scenarios against a
board".
"""

import argparse
import contextlib
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hw_tests.bench import for_boards, scenario, summary
from hw_tests.bench.adapter import AdapterError, open_adapter, parse
from hw_tests.bench.bench_board import BenchBoard
from hw_tests.bench.field_bridge import open_line
from hw_tests.bench.live import Live
from hw_tests.bench.scenario import Scenario, ScenarioError
from hw_tests.bench.vehicles import vehicle
from hw_tests.bench.view import View
from hw_tests.desk import image as images
from hw_tests.desk.desk import Desk
from hw_tests.desk.port import no_port_given, why_not
from hw_tests.desk.trouble import Trouble

ROOT = Path(__file__).resolve().parent.parent.parent
RUNS = ROOT / "build" / "bench"
ALL = "all"
PATIENCE_s = 20.0  # a board that has just lost its bench says `energised` for 10 s: 5 s, and its way out
CONVERTER_bit_s = 125_000
_ANY_LINE = (9600, "none")  # to see whether there is an adapter; a run has its own
_SOMEWHERE = ("192.0.2.1", 9)  # RFC 5737; nothing is sent there, the system only says by which address it would


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m hw_tests.bench.against_board",
                                     description="Plays scenarios against a board.")  # fmt: skip
    parser.add_argument("scenario", help=f"{ALL}, a file of your own (.toml), or one of " + ", ".join(scenario.known()))
    parser.add_argument("--variant", default="", help="one of its variants; all of them if not given")
    parser.add_argument("--vehicle", default="", help="what the car speaks: " + ", ".join(scenario.VEHICLES))
    parser.add_argument("--port", default="", help="the board's serial port")
    parser.add_argument("--can", default="", help="the adapter on the car's bus")
    parser.add_argument("--can-converter", default="", help="the adapter on the converter's bus")
    parser.add_argument("--rs485", default="", help="the adapter on the board's field bus: a port, or a pyserial URL")
    parser.add_argument("--broker", default="", help="host[:port] of this computer, as the board reaches it")
    parser.add_argument("--restore", action="store_true", help="only put the user's configuration back")
    return parser.parse_args(words)


# --- what can be wrong ---
def adapters(given: argparse.Namespace) -> dict[str, str]:
    """The adapter of each bus, and of the field bus ("field") if one was given; AdapterError if one is missing, no
    adapter, or cannot serve here."""
    found = {"car": given.can, "converter": given.can_converter}
    for bus, text in found.items():
        with _named("CAN" if bus == "car" else "CAN_CONVERTER", bus):
            if parse(text).interface == "virtual":
                raise AdapterError(f"{text}: python-can's virtual buses end at their process: no board is on one")
    if given.can == given.can_converter:
        raise AdapterError(f"CAN and CAN_CONVERTER are both {given.can}: each bus needs an adapter of its own")
    return {**found, **_field(given)}


def _field(given: argparse.Namespace) -> dict[str, str]:
    """The adapter on the field bus, if any; no other wire's port."""
    others = {"PORT": given.port, "CAN": parse(given.can).channel, "CAN_CONVERTER": parse(given.can_converter).channel}
    for variable, name in others.items():
        if given.rs485 and os.path.realpath(name) == os.path.realpath(given.rs485):
            raise AdapterError(f"RS485 and {variable} are both {given.rs485}: the field bus needs its own adapter")
    return {"field": given.rs485} if given.rs485 else {}


@contextlib.contextmanager
def _named(variable: str, bus: str) -> Any:
    """Which of the two it is about."""
    try:
        yield
    except AdapterError as error:
        text = str(error).replace("CAN=", variable + "=")
        raise AdapterError(f"the {bus}'s bus: {text}") from None


def playable(given: argparse.Namespace) -> tuple[list[Scenario], list[str]]:
    """What to play, and a line for each that is left out; ScenarioError if nothing is left."""
    scenario.check_vehicle(given.vehicle)
    runs: list[Scenario] = []
    skipped: dict[str, list[str]] = {}  # names by reason
    for name, folder in _named_by(given):
        for variant in [given.variant] if given.variant else scenario.variants(name, folder):
            each = scenario.load(name, variant, given.vehicle, folder)
            if reason := for_boards.why_not(each, bool(given.rs485)):
                skipped.setdefault(reason, []).append(each.run_name)
            else:
                runs.append(for_boards.on_a_line(each))
    if not runs:
        raise ScenarioError("; ".join(_left_out(", ".join(names), reason) for reason, names in skipped.items()))
    return runs, [_left_out(name, reason) for reason, names in skipped.items() for name in names]


def _left_out(names: str, reason: str) -> str:
    return f"{names} cannot be played on a board: {reason}"


def _named_by(given: argparse.Namespace) -> list[tuple[str, Path]]:
    """Each scenario and the folder that it lies in."""
    if given.scenario == ALL:
        known = scenario.known()
        return [(name, scenario.FOLDER) for name in known if given.vehicle in ("", *scenario.vehicles(name))]
    path = Path(given.scenario)
    if path.suffix != ".toml":
        return [(given.scenario, scenario.FOLDER)]
    if not path.is_file():
        raise ScenarioError(f"there is no file {given.scenario}")
    return [(path.stem, path.parent)]


def broker_of(text: str) -> tuple[str, int]:
    """Address of this computer for the board, and the port (0: any free one); Trouble if it is none."""
    host, _, port = text.partition(":")
    if port and not (port.isdigit() and 0 < int(port) < 65536):
        raise Trouble(f"BROKER={text}: after the colon comes a TCP port, 1 to 65535.")
    if not host:
        host = own_address()
    try:
        with socket.create_server((host, int(port or 0))):
            return host, int(port or 0)
    except OSError as error:
        raise Trouble(f"BROKER={text or host}: no broker can listen there ({error.strerror or error}): give an "
                      "address of this computer that the board can reach.") from None  # fmt: skip


def own_address() -> str:
    """Of this computer, towards anywhere."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(_SOMEWHERE)
        address = str(probe.getsockname()[0])
        if not address.startswith("127."):
            return address
    raise Trouble("this computer has no address in a network that the board could reach: join one, or say "
                  "BROKER=address.")  # fmt: skip


def can_be_opened(found: dict[str, str], runs: Sequence[Scenario]) -> None:
    """Each adapter once, and let go again; AdapterError with a sentence."""
    for bus, bit_s in (("car", vehicle(runs[0].vehicle).bit_s), ("converter", CONVERTER_bit_s)):
        with _named("CAN" if bus == "car" else "CAN_CONVERTER", bus):
            open_adapter(found[bus], bit_s).shutdown()
    if "field" in found:
        open_line(found["field"], *_ANY_LINE).close()


# --- play ---
def run(given: argparse.Namespace, desk: Desk | None = None) -> int:
    """Exit status 0 only if every check of every scenario held."""
    if not given.port:
        raise no_port_given("bench")
    desk = desk or Desk(given.port, patience_s=PATIENCE_s)
    if given.restore:
        with desk.prompt() as board:
            BenchBoard(board, desk, {}).restore()
        return 0
    found = adapters(given)
    runs, skipped = playable(given)
    broker = broker_of(given.broker)
    if not Path(given.port).exists() and "://" not in given.port:
        raise Trouble(why_not(given.port))
    can_be_opened(found, runs)
    image = images.build().hash
    for line in skipped:
        desk.teller.say(line)
    with desk.prompt() as board:
        bench = BenchBoard(board, desk, found)
        bench.check(image)
        try:
            bench.keep()
            results = [_play(each, bench, broker) for each in runs]
        finally:
            bench.restore()
    return _told(results)


def _play(each: Scenario, bench: BenchBoard, broker: tuple[str, int]) -> dict[str, Any]:
    folder = RUNS / each.run_name
    with View(f"{each.run_name}: {each.title}", each.limit_s) as view:
        made = _live(each, bench, broker, folder, view)
    print(summary.text(made))
    print(f"files: {folder.relative_to(ROOT)}/ (summary.json, session.png, events.jsonl, mqtt.jsonl, *.log)")
    return made


def _live(each: Scenario, bench: BenchBoard, broker: tuple[str, int], folder: Path, view: View) -> dict[str, Any]:
    host, port = broker

    def make(live: Live) -> Any:
        live.port["broker"] = port or live.port["broker"]
        return bench.firmware(live)

    try:
        return Live(each, folder, view, make, host).run()
    except OSError as error:
        raise Trouble(f"{each.run_name} was not played: {error}") from None


def _told(results: Sequence[dict[str, Any]]) -> int:
    failed = [made["scenario"] for made in results if made["result"] != "pass"]
    if len(results) > 1:
        names = f"; failed: {', '.join(failed)}" if failed else ""
        print(f"{len(results) - len(failed)} of {len(results)} passed{names}")
    return 1 if failed else 0


def main(words: list[str] | None = None) -> int:
    """Exit status: 0 all held, 1 something did not, or a sentence says why nothing was played."""
    try:
        return run(arguments(words))
    except (Trouble, AdapterError, ScenarioError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
