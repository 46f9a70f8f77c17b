"""The car as a process: a bus over slcan, physics and control over JSON lines, all on sockets of this machine."""

import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from host_tests.bench_gbt27930_charger import Charger
from hw_tests.bench.frame import Frame
from hw_tests.bench.gbt27930.vehicle import FakeVehicle
from hw_tests.bench.lines import Lines, address

ROOT = Path(__file__).resolve().parents[1]
SENSED = ("plugged", "aux_V", "inlet_V", "pack_V", "pack_ocv_V", "current_A", "soc", "capacity_Wh", "temperature_C")


def listen() -> tuple[socket.socket, str]:
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(10)
    return server, f"127.0.0.1:{server.getsockname()[1]}"


class Bench:
    """The three servers that the process connects to, and the scripted charger behind them."""

    def __init__(self, *more: str):
        servers = [listen() for _ in range(3)]
        bus, plant, control = (where for _, where in servers)
        links = ["--bus", f"socket://{bus}", "--plant", plant, "--control", control]
        self.process = subprocess.Popen([sys.executable, "-m", "hw_tests.bench.car_process", *links, *more], cwd=ROOT)
        self.plant = Lines(servers[1][0].accept()[0])
        self.control = Lines(servers[2][0].accept()[0])
        self._bus = servers[0][0].accept()[0]
        self._bus.setblocking(False)
        for server, _ in servers:
            server.close()
        self._text = b""
        self.vehicle = FakeVehicle(plugged=True)
        self.charger = Charger(self.vehicle)
        self.facts: dict = {}
        self.events: list[dict] = []
        self.hello: list[dict] = []

    def frames(self) -> list[Frame]:
        try:
            self._text += self._bus.recv(65536)
        except BlockingIOError:
            return []
        *lines, self._text = self._text.split(b"\r")
        frames = [line.decode() for line in lines if line[:1] == b"T"]
        return [Frame(int(line[1:9], 16), True, bytes.fromhex(line[10:])) for line in frames]

    def play(self, limit_s: float, until) -> bool:
        """Ten ms a turn, by the clock on the wall."""
        start_s = time.monotonic()
        turn = 0
        while time.monotonic() - start_s < limit_s:
            turn += 1
            now_ms = int((time.monotonic() - start_s) * 1000)
            for frame in self.frames():
                self.charger.receive(frame, now_ms)
            for frame in self.charger.step(now_ms):
                self._bus.sendall(f"T{frame.id:08X}{len(frame.data)}{frame.data.hex()}\r".encode())
            for message in self.plant.receive():
                self.vehicle.close_contactors = message["close_contactors"]
            state = {name: getattr(self.vehicle, name) for name in (*SENSED, "contactors_closed")}
            self.plant.send(state)
            for message in self.control.receive():
                self.facts = message.get("fact", self.facts)
                self.events += [message] if "event" in message else []
                self.hello += [message] if "hello" in message else []
            if until():
                return True
            time.sleep(max(0.0, start_s + turn * 0.01 - time.monotonic()))
        return False

    def close(self) -> None:
        self.control.close()
        self.plant.close()
        self._bus.close()
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(10)


@pytest.fixture
def bench():
    made = Bench("--profile", "charge_2015", "--set", '{"ready_after_ms": 100}', "--seed", "3")
    yield made
    made.close()


def test_a_live_car_charges_misbehaves_and_quits(bench):
    assert bench.play(20, lambda: bench.facts.get("phase") == "charge" and bench.vehicle.current_A > 5), bench.facts
    assert bench.hello == [{"hello": "car"}] and bench.facts["contactors_closed"]
    assert [event["phase"] for event in bench.events][:3] == ["awake", "handshake", "identify"]
    bench.control.send({"do": "misbehave", "name": "refuse_current"})
    bench.control.send({"do": "misbehave", "name": "sings"})
    bench.control.send({"do": "dance"})
    assert bench.play(5, lambda: bench.charger.heard["BCL"][1]["current_dA"] == 0)
    assert bench.play(5, lambda: sum(event["event"] == "refused" for event in bench.events) == 2)
    assert [event for event in bench.events if event["event"] == "deviation"] == []
    bench.control.send({"do": "quit"})
    assert bench.process.wait(5) == 0


def test_a_silent_plant_is_an_empty_inlet(bench):
    assert bench.play(20, lambda: bench.facts.get("phase") == "handshake")
    bench.plant.send = lambda message: None
    assert bench.play(5, lambda: bench.facts.get("phase") == "asleep")
    assert {"plant_lost"} <= {event["event"] for event in bench.events}


def test_addresses():
    assert address("5001") == ("127.0.0.1", 5001) and address("there:7") == ("there", 7)
