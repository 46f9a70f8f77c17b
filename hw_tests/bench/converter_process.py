"""Plant, pins and converter as one process in real time, on any CAN adapter that python-can knows.

    python -m hw_tests.bench.converter_process --bus socket://127.0.0.1:5002 --pins-port 5011 --plant-port 5003 \\
        --control 127.0.0.1:5004 --params '{"soc_permille": 520, "reaction_ms": 40}'

* --bus: python-can, `slcan` unless told (--interface socketcan --channel can1 drives a real board's converter bus);
* --pins-port: where the firmware's pins connect (pins_link.py): a sample every few ms, outputs come back. When the
  firmware goes, its outputs fall as at a hard reset (unless "hold_outputs": they stay, as a hung board leaves them);
* --plant-port: where the car connects; a JSON line each way every 10 ms, see car_process.py;
* --control: the runner is the server. It gets {"hello": "plant"}, a {"fact": {...}} every 50 ms with all of rig.facts()
  and {"event": ...}; it says {"do": verb, ...} with the verbs of rig.py and quit, hold_outputs {"on"}, exception,
  stall {"ms"}.

Times in facts are ms since this process began ("now_ms"); "unix_s" tells when that was.
"""

import argparse
import contextlib
import json
import queue
import signal
import socket
import sys
import threading
import time
from typing import Any, Protocol

import can

from hw_tests.bench import car_process
from hw_tests.bench.field_link import FieldLink
from hw_tests.bench.frame import Frame
from hw_tests.bench.lines import Lines, Link
from hw_tests.bench.pins_link import FAIL, Answer, PinsLink
from hw_tests.bench.rig import Rig, parameters

LOOP_s = 0.001
SAMPLE_ms = 3
LINK_ms = 10
FACT_ms = 50
_WATCHED = ("contactor", "car_contactor", "plugged", "locked", "aux", "d1", "d2", "permission", "enable",
            "bleed", "converter_on",
            "openings", "opened_under_load", "heartbeat_losses")  # fmt: skip


class Bus:
    """The converter bus: a thread reads it, so that no adapter can hold up the physics."""

    def __init__(self, bus: car_process.Bus):
        self._bus = bus
        self._frames: queue.SimpleQueue[Frame] = queue.SimpleQueue()
        self._running = True
        self.send_errors = 0
        self.failed: str | None = None
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def receive(self) -> list[Frame]:
        """All frames since the last call."""
        frames = []
        while not self._frames.empty():
            frames.append(self._frames.get_nowait())
        return frames

    def send(self, frame: Frame) -> None:
        """One frame; what the adapter refuses is counted."""
        try:
            self._bus.send(can.Message(arbitration_id=frame.id, is_extended_id=frame.ext, data=frame.data))
        except can.CanError:
            self.send_errors += 1

    def close(self) -> None:
        """The end."""
        self._running = False
        self._thread.join(1)
        with contextlib.suppress(can.CanError, OSError):  # an adapter that is gone cannot be told
            self._bus.shutdown()

    def _read(self) -> None:
        while self._running:
            try:
                message = self._bus.recv(0.1)
            except (can.CanError, OSError) as error:
                self.failed = str(error)
                return
            if message is not None and not message.is_remote_frame and not message.is_error_frame:
                self._frames.put(Frame(message.arbitration_id, message.is_extended_id, bytes(message.data)))


class VehicleLink:
    """The door for the car process."""

    def __init__(self, port: int = 0):
        self._door = socket.create_server(("127.0.0.1", port))
        self._door.setblocking(False)
        self.port = self._door.getsockname()[1]
        self._peer: Lines | None = None

    def exchange(self, rig: Rig) -> None:
        """Tell the car what it senses, and take its command. A car that goes opens its contactors."""
        try:
            self._peer = Lines(self._door.accept()[0])
        except (BlockingIOError, InterruptedError):
            pass
        if self._peer is None:
            return
        vehicle = rig.vehicle
        for message in self._peer.receive():
            for name in ("coil_by_station", "permission", "close_contactors"):  # what a car of its kind commands
                if name in message:
                    setattr(vehicle, name, bool(message[name]))
        self._peer.send({
            "plugged": vehicle.plugged, "aux_V": vehicle.aux_V, "inlet_V": round(vehicle.inlet_V, 3),
            "pack_V": round(vehicle.pack_V, 3), "pack_ocv_V": round(vehicle.pack_ocv_V, 3),
            "current_A": round(vehicle.current_A, 4), "soc": round(vehicle.soc, 7),
            "capacity_Wh": vehicle.capacity_Wh, "temperature_C": vehicle.temperature_C,
            "contactors_closed": vehicle.contactors_closed, "d1": vehicle.d1, "d2": vehicle.d2,
        })  # fmt: skip
        if not self._peer.alive:
            self._peer = None
            vehicle.close_contactors = vehicle.permission = False

    def close(self) -> None:
        """The end."""
        if self._peer is not None:
            self._peer.close()
        self._door.close()


class Board(Protocol):
    """Whoever drives the pins: PinsLink, or a person's keys."""

    @property
    def connected(self) -> bool: ...

    connections: int
    unsent: int

    def send(self, now_ms: int, raw: list[int], flags: int = 0) -> None: ...

    def receive(self) -> list[Answer]: ...


class Vehicle(Protocol):
    """Whoever commands the car's contactors: VehicleLink, or a person's keys."""

    def exchange(self, rig: Rig) -> None: ...


class Process:
    """One loop of 1 ms: bus, pins, physics, car, runner."""

    def __init__(self, rig: Rig, bus: Bus, pins: Board, vehicle: Vehicle, control: Link | None):
        self.rig, self.bus, self.pins, self.vehicle, self.control = rig, bus, pins, vehicle, control
        self.field: FieldLink | None = None  # the board's RS-485 line
        self.running = True
        self.hold_outputs = False
        self.lag_max_ms = 0  # the physics were behind real time by so much
        self.free_B = 0  # of the firmware's heap, as it tells
        self._zero_s = time.monotonic()
        self._unix_s = time.time()
        self._sample_ms = self._link_ms = self._fact_ms = 0
        self._flags = 0  # of the next sample
        self._was_connected = False
        self._seen: dict[str, Any] = {}

    def run(self) -> None:
        """Until told to stop."""
        self._tell({"hello": "plant"})
        while self.running:
            begin_s = time.monotonic()
            self.step(int((begin_s - self._zero_s) * 1000))
            time.sleep(max(0.0, LOOP_s - (time.monotonic() - begin_s)))

    def step(self, now_ms: int) -> None:
        """Everything that is due by now."""
        rig = self.rig
        self._command()
        for frame in self.bus.receive():
            rig.receive(frame)
        self.lag_max_ms = max(self.lag_max_ms, now_ms - rig.now_ms)
        for frame in [*self._outputs(now_ms), *rig.advance(now_ms)]:
            self.bus.send(frame)
        if self.field is not None:
            self.field.exchange(rig.field, rig.now_ms)
        if now_ms >= self._sample_ms:
            self._sample_ms = now_ms + SAMPLE_ms
            if not rig.pins.frozen:
                self.pins.send(now_ms, rig.pins.sample(), self._flags)
                self._flags = 0
        if now_ms >= self._link_ms:
            self._link_ms = now_ms + LINK_ms
            self.vehicle.exchange(rig)
            self._watch()
        if now_ms >= self._fact_ms:
            self._fact_ms = now_ms + FACT_ms
            self._tell({"fact": self.facts()})

    def _outputs(self, now_ms: int) -> list[Frame]:
        """What the firmware wrote. Were we late, its writes are spread over the time that we missed: their edges are
        the heartbeat, and it must not look lost because of us."""
        sent: list[Frame] = []
        answers = self.pins.receive()
        begin_ms = self.rig.now_ms
        for index, answer in enumerate(answers):
            sent += self.rig.advance(begin_ms + (now_ms - begin_ms) * index // len(answers))
            self.rig.pins.write(answer.outputs)
            self.free_B = answer.free_B
        if self._was_connected != self.pins.connected:
            self._was_connected = self.pins.connected
            self._event("board", connected=self._was_connected)
            if not self._was_connected and not self.hold_outputs:
                self.rig.pins.reset_outputs()
        return sent

    # --- the runner ---
    def facts(self) -> dict[str, Any]:
        """rig.facts() and how this process fares."""
        return {
            **self.rig.facts(), "unix_s": self._unix_s, "board": int(self.pins.connected),
            "boards": self.pins.connections, "heap_free_B": self.free_B, "lag_max_ms": self.lag_max_ms,
            "samples_unsent": self.pins.unsent, "send_errors": self.bus.send_errors,
        }  # fmt: skip

    def _command(self) -> None:
        if self.control is None:
            return
        for message in self.control.receive():
            self._do(message)
        self.running = self.running and self.control.alive
        if self.bus.failed is not None:
            self._event("bus_lost", detail=self.bus.failed)
            self.running = False

    def _do(self, message: dict[str, Any]) -> None:
        verb = message.pop("do", "")
        if verb == "quit":
            self.running = False
        elif verb == "hold_outputs":
            self.hold_outputs = bool(message.get("on", True))
        elif verb == "mark" and "unix_s" in message:  # what marks it heard of it later
            self._rig_do(verb, {"at_ms": round((message["unix_s"] - self._unix_s) * 1000)})
        elif verb == "exception":  # in the firmware's tick
            self._flags = FAIL
        elif verb == "stall":  # for a test of the others: physics stand still, then catch up
            time.sleep(min(5.0, message.get("ms", 0) / 1000))
        else:
            self._rig_do(verb, message)

    def _rig_do(self, verb: str, message: dict[str, Any]) -> None:
        try:
            self.rig.do(verb, **message)
            self._event("did", verb=verb, **message)
        except (ValueError, TypeError, KeyError, IndexError) as error:
            self._event("refused", detail=str(error))

    def _watch(self) -> None:
        """Contacts and counters that changed, as events of their own."""
        facts = self.rig.facts()
        for name in _WATCHED:
            if self._seen.get(name, facts[name]) != facts[name]:
                self._event("changed", name=name, value=facts[name])
            self._seen[name] = facts[name]

    def _event(self, event: str, **more: Any) -> None:
        self._tell({"event": event, "t_ms": self.rig.now_ms, **more})

    def _tell(self, message: dict[str, Any]) -> None:
        if self.control is not None:
            self.control.send(message)
        elif "event" in message:
            print(json.dumps(message), flush=True)


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Plant, pins and Infypower converter in real time.")
    parser.add_argument("--bus", "--channel", dest="channel", required=True, help="python-can channel")
    parser.add_argument("--interface", default="slcan", help="python-can interface (slcan)")
    parser.add_argument("--bitrate", type=int, default=125_000, help="bit/s (125000)")
    parser.add_argument("--pins-port", type=int, required=True, help="TCP port for the firmware's pins")
    parser.add_argument("--plant-port", type=int, required=True, help="TCP port for the car")
    parser.add_argument("--field-port", type=int, default=0, help="TCP port for the firmware's RS-485 line (none)")
    parser.add_argument("--control", help="host:port of the runner; without it events go to the standard output")
    parser.add_argument("--params", default={}, type=json.loads, help="a JSON object, see rig.parameters")
    return parser.parse_args(words)


def open_bus(interface: str, channel: str, bitrate: int) -> Bus:
    """The adapter; slcan over a socket needs no time to boot."""
    more: dict[str, Any] = {"sleep_after_open": 0, "timeout": 0.02} if interface == "slcan" else {}
    return Bus(can.Bus(interface=interface, channel=channel, bitrate=bitrate, **more))


def main() -> int:
    options = arguments()
    rig = Rig(parameters(options.params))
    pins, vehicle = PinsLink(options.pins_port), VehicleLink(options.plant_port)
    control = Lines.connect(options.control) if options.control else None
    bus = open_bus(options.interface, options.channel, options.bitrate)
    process = Process(rig, bus, pins, vehicle, control)
    if options.field_port:
        process.field = FieldLink(options.field_port)
    signal.signal(signal.SIGTERM, lambda *_: setattr(process, "running", False))
    try:
        process.run()
    except KeyboardInterrupt:
        pass
    finally:
        bus.close()
        pins.close()
        vehicle.close()
        if process.field is not None:
            process.field.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
