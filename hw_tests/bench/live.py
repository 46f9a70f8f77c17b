"""Plays a scenario live: the firmware in MicroPython, Mosquitto, car, plant and aggregator as processes of their own.

    run dir: config.json, bench.json, mosquitto.conf, one log a process, and the files of a Record

The runner is the server of the control lines (lines.py); every process says hello and tells its facts. Time is real,
so a run differs a little from the next; what must hold is the same as in the stepped world.
"""

import contextlib
import json
import math
import os
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import can

from hw_tests.bench.config import text_of
from hw_tests.bench.firmware import Firmware, FirmwareProcess
from hw_tests.bench.frame import Frame
from hw_tests.bench.interpreter import about as about
from hw_tests.bench.lines import Lines
from hw_tests.bench.play import Outside, Play
from hw_tests.bench.processes import ProcessDied, Processes, free_port
from hw_tests.bench.scenario import Scenario
from hw_tests.bench.vehicles import deviations, vehicle
from hw_tests.bench.view import View

ROOT = Path(__file__).resolve().parent.parent.parent
MOSQUITTO = ROOT / "build" / "bin" / "mosquitto"
READY_s = 15.0
HERE = "127.0.0.1"
_LOOP_s = 0.01
_FRAMES_KEPT = 256  # on a full bus those of 100 ms
HELLOS = ("plant", "car", "aggregator", "wire car", "wire converter")


class Live:
    """One live run. `run()` once. `make` gives another firmware than a process here, `broker` is the address of this
    machine by which it reaches the broker (on port["broker"])."""

    def __init__(self, scenario: Scenario, folder: Path, view: View | None = None,
                 make: Callable[["Live"], Firmware] | None = None, broker: str = HERE):  # fmt: skip
        self.scenario = scenario
        self.broker = broker
        self.kind = vehicle(scenario.vehicle)
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            if old.is_file():
                old.unlink()
        self.processes = Processes(folder, ROOT)
        self.play = Play(scenario, Outside(self._act, self._mark, self._send, time.time), folder, view)
        self.play.record.leave_buses_to_others()
        self.observer = self.kind.observe()
        self._observing = threading.Lock()
        self._door = socket.create_server((HERE, 0))
        self._door.setblocking(False)
        self.port = {name: free_port() for name in
                      ("broker", "car", "car_station", "converter", "converter_station", "pins", "plant",
                       "field")}  # fmt: skip
        self._unnamed: list[Lines] = []
        self._lines: dict[str, Lines] = {}
        self._facts: dict[str, Any] = {"boots": 0, "broker": 1, "car_frames": 0, "converter_frames": 0}
        self._zero_s = time.monotonic()
        self._mark_id: int | None = None  # the moment is marked by the first such frame since the car misbehaved
        self._mark_from_s = 0.0
        self._seen: deque[tuple[float, int]] = deque(maxlen=_FRAMES_KEPT)  # unix time and id of the newest frames
        self._online = False
        self._firmware = make(self) if make is not None else self._process()

    # --- the whole ---
    def run(self) -> dict[str, Any]:
        """The summary. Every process has ended when this returns or raises."""
        try:
            self._start()
            self._begin()
            while not self.play.done:
                self._turn()
        except ProcessDied as died:
            self.play.director.failure = str(died).splitlines()[0]
            self.play.director.done = True
            self.play.tell("bench", f"FAILED: {died}")
        finally:
            self._firmware.end()
            self.processes.end()
            for lines in [*self._lines.values(), *self._unnamed]:
                lines.close()
            self._door.close()
        phases = self.observer.history
        made = self.play.finish([name for _, name in phases], self._firmware.about())
        self.play.draw(phases, made["result"])
        return made

    def _process(self) -> Firmware:
        port = self.port
        where = {"io": port["pins"], "car": port["car_station"], "converter": port["converter_station"],
                 "field": port["field"]}  # fmt: skip
        return FirmwareProcess(self.processes, self.folder, where,
                               lambda: self._lines["plant"].send({"do": "hold_outputs", "on": True}))  # fmt: skip

    def now_s(self) -> float:
        """Since the scenario began."""
        return time.monotonic() - self._zero_s

    # --- start ---
    def _start(self) -> None:
        port, processes = self.port, self.processes
        control = f"127.0.0.1:{self._door.getsockname()[1]}"
        self._write_files()
        self._start_broker()
        for bus, bitrate in (("car", self.kind.bit_s), ("converter", 125_000)):
            processes.python(f"wire_{bus}", "wire", "--port", str(port[bus]), "--bitrate", str(bitrate),
                             "--station-port", str(port[f"{bus}_station"]), "--log", str(self.folder / f"{bus}.log"),
                             "--name", bus, "--control", control)  # fmt: skip
        self._listening("car", "converter")
        plant = {"soc_permille": self.scenario.car.get("soc_permille", 500), **self.kind.pack(self.scenario.car),
                 **self.scenario.converter, **self.scenario.plant}  # fmt: skip
        processes.python("plant", "converter_process", "--bus", _url(port["converter"]), "--pins-port",
                         str(port["pins"]), "--field-port", str(port["field"]), "--plant-port",
                         str(port["plant"]), "--control", control,
                         "--params", json.dumps(plant))  # fmt: skip
        car = {name: value for name, value in self.scenario.car.items() if name not in ("kind", "soc_permille")}
        processes.python("car", "car_process", "--bus", _url(port["car"]), "--plant", f"127.0.0.1:{port['plant']}",
                         "--control", control, "--vehicle", self.kind.name, "--bitrate", str(self.kind.bit_s),
                         "--profile", self.scenario.car.get("kind", self.kind.usual),
                         "--set", json.dumps(car))  # fmt: skip
        processes.python("aggregator", "aggregator_process", "--broker", f"127.0.0.1:{port['broker']}",
                         "--control", control)  # fmt: skip
        self._wait("the processes to say hello", lambda: set(HELLOS) <= set(self._lines) and self._online)
        threading.Thread(target=self._observe, daemon=True).start()

    def _write_files(self) -> None:
        port = self.port
        station = {**self.scenario.station, **self.kind.station, "mqtt_host": self.broker, "mqtt_port": port["broker"]}
        (self.folder / "config.json").write_text(text_of(station))
        doors = "".join(f"listener {port['broker']} {address}\n" for address in dict.fromkeys((HERE, self.broker)))
        (self.folder / "mosquitto.conf").write_text(
            f"{doors}allow_anonymous true\npersistence false\nlog_type all\n"
            "connection_messages true\nset_tcp_nodelay true\n"
        )

    def _start_broker(self) -> None:
        self.processes.start("mosquitto", [str(MOSQUITTO), "-c", "mosquitto.conf"])
        self._listening("broker")

    def _listening(self, *names: str) -> None:
        for name in names:
            self._wait(f"{name} to listen on port {self.port[name]}", lambda name=name: _open(self.port[name]))

    def _begin(self) -> None:
        self._firmware.start()
        self._wait("the firmware to be ready", self._is_ready, self._firmware.ready_s)
        if self._firmware.far:  # it joins its network first
            self._wait("the station at the broker", lambda: self.play.aggregator.facts(0.0)["status"] == "online",
                       self._firmware.ready_s)  # fmt: skip
        self._zero_s = time.monotonic()
        self.observer = self.kind.observe()

    def _wait(self, what: str, done: Any, wait_s: float = READY_s) -> None:
        until_s = time.monotonic() + wait_s
        while not done():
            self.processes.check()
            self._hear()
            if time.monotonic() > until_s:
                raise ProcessDied(f"waited {wait_s:.0f} s in vain for {what}; see the logs in {self.folder}")
            time.sleep(0.01)

    # --- one turn ---
    def _turn(self) -> None:
        begun_s = time.monotonic()
        self.processes.check()
        self._hear()
        self._step_firmware()
        facts = self._facts
        plugged, contactor, bleed, supply = (
            bool(facts.get(name)) for name in ("plugged", "contactor", "bleed", self.kind.supply)
        )
        with self._observing:
            now_ms = int(self.now_s() * 1000)
            self.observer.power_path(plugged, contactor, facts.get("link_V", 0.0), bleed, supply, now_ms)
            observer = self.observer
            facts.update(phase=observer.phase, phase_s=self.now_s() - observer.since_ms / 1000,
                         sessions=observer.sessions, car_stopped=observer.car_stopped,
                         station_stopped=observer.station_stopped, direction=observer.direction)  # fmt: skip
        self._mark_frame()
        self.play.step(self.now_s(), facts)
        time.sleep(max(0.0, _LOOP_s - (time.monotonic() - begun_s)))

    def _hear(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                self._unnamed.append(Lines(self._door.accept()[0]))
        for lines in list(self._unnamed):
            first, *more = lines.receive() or [{}]
            if "hello" in first:
                self._unnamed.remove(lines)
                name = "wire " + first["name"] if first["hello"] == "wire" else first["hello"]
                self._lines[name] = lines
                for message in more:
                    self._heard(name, message)
        for name, lines in self._lines.items():
            for message in lines.receive():
                self._heard(name, message)
            lines.flush()

    def _heard(self, name: str, message: dict[str, Any]) -> None:
        if "fact" in message:
            if name == "plant":
                self._facts.update(message["fact"])
            elif name == "car":
                fact = message["fact"]
                self._facts.update(car_phase=fact["phase"], deviations=deviations(fact["deviations"]))
            elif name.startswith("wire "):
                self._facts[f"{name[5:]}_frames"] = message["fact"]["station_frames"]
        elif "topic" in message:
            self._arrived(message)
        elif name == "car" and message.get("event") == "did":
            self._mark_from_s = message["unix_s"]
        elif message.get("event") == "online":
            self._online = True
        elif message.get("event") in ("refused", "bus_lost"):
            raise ProcessDied(f"{name}: {message.get('detail')}")

    def _arrived(self, message: dict[str, Any]) -> None:
        topic, payload = message["topic"], message["payload"].encode("latin-1")
        direction = "down" if "/cmd/" in topic else "up"
        self.play.record.mqtt(self.now_s(), direction, topic, payload, message["retain"], message["qos"])
        self.play.arrived(topic, payload, message["retain"])

    def _observe(self) -> None:
        with can.Bus(interface="slcan", channel=_url(self.port["car"]), bitrate=self.kind.bit_s, sleep_after_open=0,
                     timeout=0.02) as bus, contextlib.suppress(can.CanError, OSError):  # fmt: skip
            while not self.play.done:
                message = bus.recv(0.1)
                if message is None:
                    continue
                frame = Frame(message.arbitration_id, message.is_extended_id, bytes(message.data))
                with self._observing:
                    self.observer.frame(frame, int(self.now_s() * 1000))
                    self._seen.append((message.timestamp, frame.id))

    # --- the firmware's life ---
    def _step_firmware(self) -> None:
        self._is_ready()
        if self._firmware.poll():
            with self._observing:
                self.observer.restarted(int(self.now_s() * 1000))
        self._facts["boots"] = self._firmware.boots

    def _is_ready(self) -> bool:
        """Its new words; True if it said that it is ready."""
        lines = self._firmware.lines()
        for line in lines:
            if not line.startswith("state "):  # for the desk; the view knows better
                self.play.tell("firmware", line)
        return any(line.startswith("ready ") for line in lines)

    # --- what Play asks for ---
    def _act(self, verb: str, args: dict[str, Any]) -> None:
        if verb == "broker":
            self._broker(args["state"])
        elif verb == "car":
            self._lines["car"].send({"do": "misbehave", "name": args["what"], **(args["args"] or {})})
        elif verb == "lose_frame":
            self._lines[f"wire {args['bus']}"].send({"do": verb, **{k: v for k, v in args.items() if k != "bus"}})
        elif verb == "reset":
            self._firmware.reset(args["cause"])
        elif verb == "hold":
            self._firmware.hold(args["ms"])
        elif verb == "exception":
            self._firmware.expect(verb)
            self._lines["plant"].send({"do": verb})
        else:
            self._lines["plant"].send({"do": verb, **args})

    def _broker(self, state: str) -> None:
        if state == "kill":
            self.processes["mosquitto"].kill()
        else:
            self._start_broker()
        self._facts["broker"] = int(state != "kill")

    def _mark(self, how: str) -> None:
        if how.startswith("frame "):
            self._mark_id, self._mark_from_s = int(how.removeprefix("frame "), 16), math.inf
        else:
            self._lines["plant"].send({"do": "mark"})

    def _mark_frame(self) -> None:
        """Mark the moment, if the frame that marks it has been on the bus."""
        if self._mark_id is None:
            return
        with self._observing:
            found = [s for s, can_id in self._seen if can_id == self._mark_id and s >= self._mark_from_s]
        if found:
            self._mark_id = None
            self._lines["plant"].send({"do": "mark", "unix_s": found[0]})

    def _send(self, topic: str, payload: bytes, retain: bool) -> None:
        self._lines["aggregator"].send(
            {"do": "publish", "topic": topic, "payload": payload.decode("latin-1"), "retain": retain}
        )


def make_image() -> None:
    """build/board/ as the firmware stands now."""
    sys.path.insert(0, str(ROOT / ".ci"))
    import image  # type: ignore[import-not-found]

    image.build_image()


def run(scenario: Scenario, folder: Path, view: View | None = None) -> dict[str, Any]:
    """The summary of one live run, with its files in `folder`."""
    make_image()
    os.environ.setdefault("PYTHONPYCACHEPREFIX", str(ROOT / "build" / "pycache"))
    return Live(scenario, folder, view).run()


def _url(port: int) -> str:
    return f"socket://127.0.0.1:{port}"


def _open(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=0.2):
        return True
    return False
