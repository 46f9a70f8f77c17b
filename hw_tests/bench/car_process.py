"""The emulated car as a process of its own, on any CAN adapter that python-can knows.

    python -m hw_tests.bench.car_process --bus socket://127.0.0.1:5001 --plant 127.0.0.1:5003 --control 127.0.0.1:5004

* the bus: python-can, `slcan` unless told (--interface socketcan --channel can0 drives a real board);
* --plant: where the physics are; a JSON line each way every 10 ms, the plant is the server.
  plant -> car: plugged, aux_V, d1, d2, inlet_V, pack_V, pack_ocv_V, current_A, soc, capacity_Wh, temperature_C,
  contactors_closed; car -> plant: close_contactors, and of CHAdeMO permission and coil_by_station;
* --control: the runner is the server. It gets {"hello": "car"}, a {"fact": {...}} every 100 ms and an {"event": ...}
  for each phase, each deviation and each misbehaviour that began ("unix_s"); it says {"do": "misbehave", "name": ...,
  ...} or {"do": "quit"}.
"""

import argparse
import json
import sys
import time
from dataclasses import dataclass
from typing import Any, Protocol

import can

from hw_tests.bench.frame import Frame
from hw_tests.bench.lines import Lines, Link
from hw_tests.bench.vehicles import VEHICLES, Car, vehicle

LINK_ms = 10  # one line to the plant
LINK_LOST_ms = 1000  # without a line from the plant the car sees an empty inlet
FACT_ms = 100
WAIT_s = 0.002  # for a frame
COMMANDS = ("close_contactors", "permission", "coil_by_station")


class Bus(Protocol):
    """What is needed of a python-can bus."""

    def recv(self, timeout: float | None = None) -> can.Message | None: ...

    def send(self, msg: can.Message, /) -> None: ...

    def shutdown(self) -> None: ...


@dataclass
class LinkedVehicle:
    """The car's physics as the plant last told them. Before it spoke, and when it is silent: unplugged."""

    plugged: bool = False
    aux_V: float = 0.0
    d1: bool = False
    d2: bool = False
    inlet_V: float = 0.0
    pack_V: float = 0.0
    pack_ocv_V: float = 0.0
    current_A: float = 0.0
    soc: float = 0.0
    capacity_Wh: float = 1000.0
    temperature_C: float = 25.0
    contactors_closed: bool = False
    close_contactors: bool = False
    permission: bool = False
    coil_by_station: bool = False

    def update(self, message: dict[str, Any]) -> None:
        """One line of the plant; unknown keys are its own business."""
        for name, value in message.items():
            if name not in COMMANDS and name in self.__dataclass_fields__:
                setattr(self, name, value)


class Process:
    """Car, bus, plant and control line, in one loop that never waits longer than 2 ms."""

    def __init__(self, bus: Bus, plant: Link, control: Link | None, car: Car, vehicle: LinkedVehicle):
        self.bus, self.plant, self.control = bus, plant, control
        self.car, self.vehicle = car, vehicle
        self.send_errors = 0
        self._start_s = time.monotonic()
        self._link_at_ms = self._fact_at_ms = self._plant_at_ms = 0
        self._phases = self._deviations = 0
        self._running = True

    def run(self) -> None:
        """Until the runner says quit, or one of the others is gone."""
        self._tell({"hello": "car"})
        while self._running:
            self._frames()
            now_ms = self._now_ms()
            self._physics(now_ms)
            for frame in self.car.step(now_ms):
                self._send(frame)
            self._command(now_ms)
        self._report()

    def _now_ms(self) -> int:
        return int((time.monotonic() - self._start_s) * 1000)

    def _frames(self) -> None:
        until_s = time.monotonic() + 0.005
        while time.monotonic() < until_s:
            message = self.bus.recv(WAIT_s)
            if message is None:
                return
            if not message.is_remote_frame and not message.is_error_frame:
                frame = Frame(message.arbitration_id, message.is_extended_id, bytes(message.data))
                self.car.receive(frame, self._now_ms())

    def _send(self, frame: Frame) -> None:
        try:
            self.bus.send(can.Message(arbitration_id=frame.id, is_extended_id=frame.ext, data=frame.data))
        except can.CanError:  # nobody acknowledges, or the adapter is full
            self.send_errors += 1

    def _physics(self, now_ms: int) -> None:
        for message in self.plant.receive():
            self.vehicle.update(message)
            self._plant_at_ms = now_ms
        if now_ms - self._plant_at_ms > LINK_LOST_ms and self.vehicle.plugged:
            self.vehicle.plugged, self.vehicle.aux_V = False, 0.0
            self.vehicle.d1 = self.vehicle.d2 = False
            self._tell({"event": "plant_lost", "t_ms": now_ms})
        if now_ms >= self._link_at_ms:
            self._link_at_ms = now_ms + LINK_ms
            self.plant.send({name: getattr(self.vehicle, name) for name in COMMANDS})
        self._running = self.plant.alive

    def _command(self, now_ms: int) -> None:
        if self.control is None:
            return
        for message in self.control.receive():
            self._do(message)
        if now_ms >= self._fact_at_ms:
            self._fact_at_ms = now_ms + FACT_ms
            self._tell({"fact": {**self.car.facts(), "t_ms": now_ms, "send_errors": self.send_errors}})
            self._report()
        self._running = self._running and self.control.alive

    def _do(self, message: dict[str, Any]) -> None:
        what = message.pop("do", None)
        if what == "quit":
            self._running = False
        elif what == "misbehave":
            try:
                self.car.misbehave(**message)
                self._tell({"event": "did", "unix_s": time.time(), **message})
            except (ValueError, TypeError) as error:
                self._tell({"event": "refused", "detail": str(error)})
        else:
            self._tell({"event": "refused", "detail": f"a car cannot {what!r}"})

    def _report(self) -> None:
        """Phases and deviations since the last report."""
        fresh = self.car.phase_count - self._phases
        self._phases += fresh
        for at_ms, phase in list(self.car.phases)[-fresh:] if fresh else []:
            self._tell({"event": "phase", "phase": phase, "t_ms": at_ms})
        for at_ms, name, detail, clause in self.car.log[self._deviations :]:
            self._tell({"event": "deviation", "name": name, "detail": detail, "clause": clause, "t_ms": at_ms})
        self._deviations = len(self.car.log)

    def _tell(self, message: dict[str, Any]) -> None:
        if self.control is not None:
            self.control.send(message)
        elif "event" in message:
            print(json.dumps(message), flush=True)


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="An emulated car.")
    parser.add_argument("--bus", "--channel", dest="channel", required=True, help="python-can channel")
    parser.add_argument("--interface", default="slcan", help="python-can interface (slcan)")
    parser.add_argument("--vehicle", default="gbt27930", choices=VEHICLES, help="what it speaks (gbt27930)")
    parser.add_argument("--bitrate", type=int, help="bit/s (250000, chademo 500000)")
    parser.add_argument("--plant", required=True, help="host:port of the physics")
    parser.add_argument("--control", help="host:port of the runner; without it events go to the standard output")
    parser.add_argument("--profile", default="", help="which car (v2g, chademo leaf_ze0)")
    parser.add_argument("--set", default="{}", type=json.loads, help="changes to the profile, a JSON object")
    parser.add_argument("--seed", type=int, default=0, help="of its jitter (0)")
    return parser.parse_args(words)


def open_bus(interface: str, channel: str, bitrate: int) -> can.BusABC:
    """The adapter; slcan over a socket needs no time to boot."""
    more: dict[str, Any] = {"sleep_after_open": 0} if interface == "slcan" else {}
    return can.Bus(interface=interface, channel=channel, bitrate=bitrate, **more)


def main() -> int:
    options = arguments()
    linked, kind = LinkedVehicle(), vehicle(options.vehicle)
    car = kind.car({"kind": options.profile or kind.usual, **options.set}, linked, options.seed)
    plant = Lines.connect(options.plant)
    control = Lines.connect(options.control) if options.control else None
    bus = open_bus(options.interface, options.channel, options.bitrate or kind.bit_s)
    try:
        Process(bus, plant, control, car, linked).run()
    except KeyboardInterrupt:
        pass
    finally:
        bus.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
