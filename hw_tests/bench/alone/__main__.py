"""The command line: `python -m hw_tests.bench.alone car --can slcan:/dev/ttyACM0`, `... converter --can virtual:x`.

An emulator alone on a CAN adapter: no plant process, no runner, no firmware on this machine.
"""

import argparse
import contextlib
import json
import signal
import sys
from collections.abc import Callable
from typing import Any

import can

from hw_tests.bench import car_process, converter_process
from hw_tests.bench.adapter import SYNTAX, AdapterError, open_adapter
from hw_tests.bench.alone.car_plant import TYPED, CarPlant
from hw_tests.bench.alone.converter_board import SWITCHES, DeskBoard, DeskVehicle
from hw_tests.bench.alone.desk import ConverterDesk, Desk
from hw_tests.bench.alone.keys import Keys
from hw_tests.bench.alone.menu import faults_of_car, faults_of_converter
from hw_tests.bench.alone.tap import Tap
from hw_tests.bench.alone.view import DeskView, Row
from hw_tests.bench.rig import Rig, parameters
from hw_tests.bench.vehicles import VEHICLES, vehicle

CONVERTER_bit_s = 125_000
_CAR_ROWS: list[Row] = [
    ("phase", "phase", ""), ("charge", "soc_permille", "permille"), ("current", "current_A", "A"),
    ("asks for", "demand_A", "A"), ("inlet", "inlet_V", "V"), ("pack", "pack_V", "V"),
    ("plugged", "plugged", ""), ("K5/K6 closed", "contactors_closed", ""), ("A+ / d1", "fed", ""), ("d2", "d2", ""),
    ("frames in", "bus_received", ""), ("frames out", "bus_sent", ""), ("station says", "says", ""),
    ("not taken", "send_errors", ""), ("deviations", "deviations", ""),
]  # fmt: skip
_CONVERTER_ROWS: list[Row] = [
    ("on", "on", ""), ("mode", "mode", ""), ("set to", "converter_set_V", "V"), ("at most", "converter_set_A", "A"),
    ("link", "link_V", "V"), ("current", "current_A", "A"), ("pack", "pack_V", "V"),
    ("charge", "soc_permille", "permille"),
    ("AC power", "power_W", "W"), ("K1/K2 closed", "closed", ""), ("module-enable", "enabled", ""),
    ("refused", "converter_errors", ""), ("frames in", "bus_received", ""), ("frames out", "bus_sent", ""),
]  # fmt: skip


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m hw_tests.bench.alone", description="One emulator on an adapter.")
    kinds = parser.add_subparsers(dest="what", required=True)
    car = kinds.add_parser("car", help="a car")
    car.add_argument("--vehicle", default="", help="what it speaks: " + ", ".join(VEHICLES))
    car.add_argument("--profile", default="", help="which car")
    car.add_argument("--set", default="{}", help="changes to the profile, a JSON object")
    car.add_argument("--soc", default="50", help="state of charge at the beginning, per cent (50)")
    converter = kinds.add_parser("converter", help="an Infypower BEG")
    converter.add_argument("--set", default="{}", help="parameters (rig.parameters), a JSON object")
    for each in (car, converter):
        each.add_argument("--can", default="", help=f"the adapter: {SYNTAX}")
    return parser.parse_args(words)


def _table(text: str) -> dict[str, Any]:
    """What --set says. ValueError with a sentence; argparse's usage would name no variable of the Makefile."""
    try:
        table = json.loads(text)
        if not isinstance(table, dict):
            raise ValueError("it must be {\"name\": value}")
    except ValueError as error:
        raise ValueError(f"--set {text} is no JSON object: {error}") from None
    return table


def _soc_permille(text: str) -> int:
    """What --soc says, in permille; ValueError."""
    with contextlib.suppress(ValueError):
        if 0 <= float(text) <= 100:
            return round(float(text) * 10)
    raise ValueError(f"--soc {text} is no state of charge: it takes 0 to 100 per cent")


def _car_table(options: argparse.Namespace, usual: str) -> dict[str, Any]:
    """The car as a scenario's [car] has it; ValueError."""
    table = {"kind": options.profile or usual, "soc_permille": _soc_permille(options.soc), **_table(options.set)}
    soc = table["soc_permille"]
    if isinstance(soc, bool) or not isinstance(soc, (int, float)) or not 0 <= soc <= 1000:
        raise ValueError(f"soc_permille {soc!r} is no state of charge: it takes 0 to 1000")
    return table


def run_car(
    options: argparse.Namespace, keys: Keys, bus: can.BusABC | None = None, view: DeskView | None = None
) -> None:
    """Until Ctrl-C; the adapter is closed then. `bus`: an open one, for tests."""
    kind = vehicle(options.vehicle)
    table = _car_table(options, kind.usual)
    plant, linked = CarPlant(kind, table), car_process.LinkedVehicle()
    car = kind.car(table, linked, 0)
    bus = bus or open_adapter(options.can, kind.bit_s)
    own = _car_keys(plant)
    title = f"{kind.name} car {table['kind']} on {options.can}"
    with view or DeskView(title, _CAR_ROWS, {key: text for key, (text, _) in own.items()}) as shown:
        desk, tap = Desk(shown, keys, faults_of_car(kind.name), own), Tap(bus, plant.hear)
        desk.typed = lambda name, given: _type_into(plant, name, given)
        desk.more = lambda: {
            **plant.sensed(), "fed": plant.fed, "soc_permille": plant.pack.soc * 1000, "says": plant.told.names,
            **tap.facts(),
        }  # fmt: skip
        _until_stopped(desk, tap, car_process.Process(tap, plant, desk, car, linked).run)


def _car_keys(plant: CarPlant) -> dict[str, tuple[str, Callable[[], str]]]:
    def flip(name: str, on: str, off: str) -> Callable[[], str]:
        def do() -> str:
            setattr(plant, name, not getattr(plant, name))
            return on if getattr(plant, name) else off

        return do

    def d2() -> str:
        plant.d2 = {None: True, True: False, False: None}[plant.d2]
        return {None: "d2 follows the station's lock", True: "d2 closed", False: "d2 open"}[plant.d2]

    return {
        "1": ("plug", flip("plugged", "plugged in", "unplugged")),
        "2": ("A+ / d1", flip("supply", "A+ and d1 on", "A+ and d1 off")),
        "3": ("d2", d2),
    }


def _type_into(plant: CarPlant, name: str, given: dict[str, Any]) -> str | None:
    """`sense current_A=12.5 inlet_V=auto`: values that the car senses from now on."""
    if name != "sense":
        return None
    for key, value in given.items():
        if value != "auto" and (isinstance(value, bool) or not isinstance(value, (int, float))):
            raise ValueError(f"{key} is {value!r}: a number, or auto")
        plant.type_in(key, None if value == "auto" else float(value))
    return "sensed: " + (", ".join(f"{key} {value}" for key, value in given.items()) or f"one of {', '.join(TYPED)}")


def run_converter(options: argparse.Namespace, keys: Keys, bus: can.BusABC | None = None,
                  view: DeskView | None = None) -> None:  # fmt: skip
    """Until Ctrl-C; the adapter is closed then. `bus`: an open one, for tests."""
    rig, board, car = Rig(parameters(_table(options.set))), DeskBoard(), DeskVehicle()
    rig.plant.plug()
    tap = Tap(bus or open_adapter(options.can, CONVERTER_bit_s), lambda _frame: None)
    own = _converter_keys(board, car)
    title = f"Infypower converter on {options.can}"
    with view or DeskView(title, _CONVERTER_ROWS, {key: text for key, (text, _) in own.items()}) as shown:
        desk = ConverterDesk(shown, keys, [*faults_of_converter(), "heal"], own)
        desk.more = lambda: {
            "on": bool(desk.facts.get("converter_on")), "closed": bool(desk.facts.get("contactor")), **tap.facts(),
            "enabled": bool(desk.facts.get("enable")),
            "mode": "discharge" if desk.facts.get("converter_mode") == -1 else "charge",
        }  # fmt: skip
        process = converter_process.Process(rig, converter_process.Bus(tap), board, car, desk)
        try:
            _until_stopped(desk, None, process.run)
        finally:
            process.bus.close()
    if process.bus.failed is not None:
        raise AdapterError(f"{options.can}: the adapter is gone: {process.bus.failed}")


def _converter_keys(board: DeskBoard, car: DeskVehicle) -> dict[str, tuple[str, Callable[[], str]]]:
    def switch(name: str, bit: int) -> Callable[[], str]:
        return lambda: f"{name} {'on' if board.toggle(bit) else 'off'}"

    def contactors() -> str:
        car.closed = not car.closed
        return f"the car's contactors are told to {'close' if car.closed else 'open'}"

    return {key: (name, switch(name, bit)) for key, (name, bit) in SWITCHES.items()} | {"4": ("K5/K6", contactors)}


def _until_stopped(desk: Desk, tap: Tap | None, run: Callable[[], None]) -> None:
    try:
        run()
    except KeyboardInterrupt:
        desk.tell("end", "stopped")
    except (can.CanError, OSError) as error:
        raise AdapterError(f"the adapter is gone: {error}") from error
    finally:
        if tap is not None:
            tap.shutdown()


def main(words: list[str] | None = None) -> int:
    """Exit status: 0 after Ctrl-C, 2 for a word that means nothing, 1 when the adapter fails."""
    options = arguments(words)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with Keys() as keys:
            (run_car if options.what == "car" else run_converter)(options, keys)
    except AdapterError as error:
        print(f"{options.what}: {error}", file=sys.stderr)
        return 1
    except (ValueError, TypeError) as error:  # a profile or a parameter that is not there
        print(f"{options.what}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
