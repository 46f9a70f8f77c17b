"""The CHAdeMO car as a process: 500 kbit/s over slcan, and d1, d2 and line k over the link to the plant."""

import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from host_tests.bench_chademo_charger import Charger
from hw_tests.bench.chademo.vehicle import FakeVehicle
from hw_tests.bench.frame import Frame
from hw_tests.bench.lines import Lines

ROOT = Path(__file__).resolve().parents[1]
QUICK = {"permit_ms": 800, "settle_ms": 300, "close_ms": 200, "request_ms": 300, "open_ms": 300, "weld_ms": 200}
SENSED = ("plugged", "d1", "d2", "inlet_V", "pack_V", "pack_ocv_V", "current_A", "soc", "temperature_C")


def listen() -> tuple[socket.socket, str]:
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(10)
    return server, f"127.0.0.1:{server.getsockname()[1]}"


class Bench:
    """The three servers that the process connects to, and the scripted charger behind them."""

    def __init__(self) -> None:
        servers = [listen() for _ in range(3)]
        bus, plant, control = (where for _, where in servers)
        command = [sys.executable, "-m", "hw_tests.bench.car_process", "--vehicle", "chademo", "--bus",
                   f"socket://{bus}", "--plant", plant, "--control", control, "--set", json.dumps(QUICK)]  # fmt: skip
        self.process = subprocess.Popen(command, cwd=ROOT)
        self.plant = Lines(servers[1][0].accept()[0])
        self.control = Lines(servers[2][0].accept()[0])
        self._bus = servers[0][0].accept()[0]
        self._bus.setblocking(False)
        for server, _ in servers:
            server.close()
        self.opening: list[bytes] = []
        self._text = b""
        self._zero_s = time.monotonic()
        self.vehicle = FakeVehicle(plugged=True)
        self.charger = Charger(self.vehicle)
        self.facts: dict = {}
        self.phases: list[str] = []

    def frames(self) -> list[Frame]:
        try:
            self._text += self._bus.recv(65536)
        except BlockingIOError:
            return []
        *lines, self._text = self._text.split(b"\r")
        self.opening += [line for line in lines if line[:1] in b"SO"]
        return [
            Frame(int(line[1:4], 16), False, bytes.fromhex(line[5:].decode())) for line in lines if line[:1] == b"t"
        ]

    def play(self, limit_s: float, phase: str) -> bool:
        """Ten ms a turn, by the clock on the wall, until the car is in this phase."""
        until_s = time.monotonic() + limit_s
        while time.monotonic() < until_s:
            for frame in self.frames():
                self.charger.hear(frame)
            for frame in self.charger.step(int((time.monotonic() - self._zero_s) * 1000) // 10 * 10):
                self._bus.sendall(f"t{frame.id:03X}8{frame.data.hex()}\r".encode())
            for message in self.plant.receive():
                for name, value in message.items():
                    setattr(self.vehicle, name, value)
            self.plant.send({name: getattr(self.vehicle, name) for name in SENSED}
                            | {"contactors_closed": self.vehicle.contactors_closed, "aux_V": 0.0})  # fmt: skip
            for message in self.control.receive():
                self.facts.update(message.get("fact", {}))
                if message.get("event") == "phase":
                    self.phases.append(message["phase"])
            if phase in self.phases:
                return True
            time.sleep(0.01)
        return False

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(10)
        for each in (self.plant, self.control, self._bus):
            each.close()


@pytest.fixture
def bench():
    made = Bench()
    yield made
    made.close()


def test_a_session_through_sockets(bench):
    bench.charger.wanted_A = 20.0
    assert bench.play(15, "charge"), bench.phases
    assert b"S6" in bench.opening and b"O" in bench.opening  # 500 kbit/s
    assert bench.vehicle.coil_by_station and bench.vehicle.permission and bench.vehicle.contactors_closed
    bench.control.send({"do": "misbehave", "name": "fault", "bit": "over_temperature"})
    bench.charger.stop_wanted = True
    assert bench.play(15, "ended"), bench.phases
    assert not bench.vehicle.permission and not bench.vehicle.contactors_closed
    assert bench.phases == ["awake", "permitted", "closed", "ready", "charge", "stopping", "weld", "ended"]
    bench.play(0.3, "")
    assert bench.facts["misbehaves"] == ["fault"] and bench.facts["phase"] in ("ended", "asleep")
