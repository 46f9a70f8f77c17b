"""Plant, pins and converter as a live process, with stand-ins for the board, the car and the runner."""

import json
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import can
import pytest

from hw_tests.bench import infypower as infy
from hw_tests.bench.converter import INVERTER, OFF, ON
from hw_tests.bench.infypower import READ, WRITE, request
from hw_tests.bench.lines import Lines
from hw_tests.bench.pins import OUT_AUX, OUT_CONTACTOR, OUT_ENABLE, OUT_HEARTBEAT, OUT_LOCK
from hw_tests.bench.pins_link import Answer, PinsLink, sample
from hw_tests.bench.wire import Wire

ROOT = Path(__file__).resolve().parent.parent
CONNECTED = OUT_LOCK | OUT_AUX | OUT_ENABLE


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class Board(threading.Thread):
    """Toggles the heartbeat every 10 ms, writes `mask`, keeps the newest sample."""

    def __init__(self, port: int):
        super().__init__(daemon=True)
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.mask = 0
        self.raw: list[int] = []
        self.running = True
        self.start()

    def run(self) -> None:
        beat, seq, buffer = 0, 0, b""
        self.socket.settimeout(0.01)
        due_s = time.monotonic()
        while self.running:
            try:
                buffer += self.socket.recv(4096)
            except TimeoutError:
                pass
            while len(buffer) >= 32:
                seq = int.from_bytes(buffer[2:4], "little")
                self.raw = [int.from_bytes(buffer[at : at + 2], "little") for at in range(10, 32, 2)]
                buffer = buffer[32:]
            if time.monotonic() >= due_s:
                due_s += 0.01
                beat ^= OUT_HEARTBEAT
                words = (0xA515, seq, self.mask | beat, 0, 0, 0, 60000, 0)
                self.socket.send(b"".join(word.to_bytes(2, "little") for word in words))
        self.socket.close()


class Bench:
    """The process, and everybody it speaks with."""

    def __init__(self, **params: Any):
        self.wire = Wire(125_000)
        threading.Thread(target=self.wire.run, daemon=True).start()
        door = socket.create_server(("127.0.0.1", 0))
        self.pins_port, plant_port = free_port(), free_port()
        words = ["--bus", f"socket://127.0.0.1:{self.wire.port}", "--pins-port", str(self.pins_port),
                 "--plant-port", str(plant_port), "--control", f"127.0.0.1:{door.getsockname()[1]}",
                 "--params", json.dumps(params)]  # fmt: skip
        command = [sys.executable, "-m", "hw_tests.bench.converter_process", *words]
        self.process = subprocess.Popen(command, cwd=ROOT)
        self.control = Lines(door.accept()[0])
        door.close()
        self.facts: dict[str, Any] = {}
        self.events: list[dict[str, Any]] = []
        self.car = Lines.connect(str(plant_port))
        self.board = Board(self.pins_port)
        self.until(lambda facts: facts.get("board"))
        channel = f"socket://127.0.0.1:{self.wire.port}"
        self.bus = can.Bus(interface="slcan", channel=channel, bitrate=125_000, sleep_after_open=0)
        self.sensed: dict[str, Any] = {}

    def close(self) -> int:
        self.board.running = False
        self.control.send({"do": "quit"})
        try:
            return self.process.wait(5)
        finally:
            self.process.kill()
            self.process.wait()
            self.bus.shutdown()
            self.wire.running = False

    def hear(self) -> None:
        for message in self.control.receive():
            if "fact" in message:
                self.facts = message["fact"]
            elif "event" in message:
                self.events.append(message)
        for message in self.car.receive() if hasattr(self, "car") else []:
            self.sensed = message

    def until(self, condition, patience_s=8.0):
        deadline_s = time.monotonic() + patience_s
        while not condition(self.facts):
            assert time.monotonic() < deadline_s, f"it did not happen: {self.facts}"
            self.hear()
            time.sleep(0.005)

    def do(self, verb: str, **how: Any) -> None:
        self.control.send({"do": verb, **how})

    def ask(self, command: int, item: int, value: int = 0) -> int:
        frame = request(command, item, value)
        self.bus.send(can.Message(arbitration_id=frame.id, is_extended_id=True, data=frame.data))
        deadline_s = time.monotonic() + 3
        while time.monotonic() < deadline_s:
            message = self.bus.recv(0.2)
            if message is not None and message.arbitration_id == 0x02C0F000 | command << 16:
                return int.from_bytes(message.data[4:8], "big", signed=True)
        raise AssertionError("no reply")

    def write(self, item: int, value: int) -> None:
        assert self.ask(WRITE, item, value) == value

    def discharge(self) -> None:
        """Plugged in, precharged, closed, and full power out of the car."""
        self.do("plug")
        self.board.mask = CONNECTED
        self.until(lambda facts: facts["plugged"] and facts["locked"] and facts["enable"])
        self.car.send({"close_contactors": True})
        self.write(infy.VOLTAGE, 378_000)
        self.write(infy.CURRENT, 2_000)
        self.write(infy.ON_OFF, ON)
        self.until(lambda facts: facts["link_V"] > 370)
        self.board.mask |= OUT_CONTACTOR
        self.until(lambda facts: facts["contactor"])
        self.write(infy.ON_OFF, OFF)
        self.until(lambda facts: not facts["converter_on"])
        self.write(infy.MODE, INVERTER)
        self.write(infy.CUT_OFF, 340_000)
        self.write(infy.CURRENT, 45_000)
        self.write(infy.ON_OFF, ON)
        self.until(lambda facts: facts["current_A"] < -44)


@pytest.fixture
def make_bench():
    benches = []

    def make(**params):
        benches.append(Bench(**params))
        return benches[-1]

    yield make
    for bench in benches:
        assert bench.close() == 0


def test_a_session_and_a_board_that_resets_at_full_power(make_bench):
    bench = make_bench(soc_permille=800, reaction_ms=40, heartbeat_lost_ms=500)
    bench.discharge()
    raw = bench.board.raw
    assert (raw[2] - 32768) / 100 == pytest.approx(-45, abs=0.5) and raw[6] == 1 and raw[9] == 1
    assert raw[3] == pytest.approx(4000, abs=40)
    bench.until(lambda _: bench.sensed.get("current_A", 0) < -44)
    assert bench.sensed["contactors_closed"] and bench.sensed["aux_V"] == 12.0
    assert bench.ask(READ, infy.CURRENT) == pytest.approx(-45_000, abs=500)
    assert bench.facts["heap_free_B"] == 60000
    assert bench.facts["heartbeat_losses"] == 0
    bench.do("mark")
    bench.board.running = False  # the process ends: a hard reset, outputs low
    bench.until(lambda facts: facts["to_open_ms"] is not None)
    assert bench.facts["opened_under_load"] == 0 and bench.facts["to_5A_ms"] < bench.facts["to_open_ms"]
    bench.board.join()
    bench.board = Board(bench.pins_port)
    bench.until(lambda facts: facts["board"] and facts["boards"] == 2)
    assert {"changed", "did", "board"} <= {event["event"] for event in bench.events}


def test_a_hung_board_loses_its_heartbeat_and_the_car_that_goes_opens(make_bench):
    bench = make_bench(soc_permille=800, heartbeat_lost_ms=200)
    bench.discharge()
    bench.do("hold_outputs")
    bench.do("mark")
    bench.board.running = False
    bench.until(lambda facts: facts["to_open_ms"] is not None)
    facts = bench.facts
    assert facts["heartbeat_losses"] == 1 and facts["opened_under_load"] == 0
    assert 120 <= facts["to_open_ms"] - facts["to_enable_off_ms"] <= 140
    bench.car.close()
    bench.until(lambda facts: not facts["car_contactor"])


def test_verbs_reach_the_rig_and_wrong_ones_are_refused(make_bench):
    bench = make_bench()
    bench.do("pins", what="temperature", args={"celsius": 95})
    bench.do("press", what="estop")
    bench.until(lambda _: bench.board.raw and bench.board.raw[4] == 1450 and bench.board.raw[7] == 1)
    bench.do("converter", what="silent")
    bench.do("converter", what="sing")
    bench.do("sing")
    bench.until(lambda _: sum(event["event"] == "refused" for event in bench.events) == 2)
    with pytest.raises(AssertionError, match="no reply"):
        bench.ask(READ, infy.STATUS)


def test_the_records_of_the_pins_link():
    assert sample(7, 2**30 + 5, 1, range(11)).hex() == (
        "515a" "0700" "05000000" "0100" + "".join(f"{n:02x}00" for n in range(11))
    )  # fmt: skip
    link = PinsLink()
    board = socket.create_connection(("127.0.0.1", link.port))
    board.sendall(bytes.fromhex("15a50700350001004000000060ea0000" * 2)[:24])
    answers: list[Answer] = []
    deadline_s = time.monotonic() + 2
    while not answers and time.monotonic() < deadline_s:
        answers = link.receive()
    assert answers == [Answer(7, 0x35, 1, 64, 60000)]
    board.sendall(bytes(8))  # not what the other half should be
    time.sleep(0.05)
    assert link.receive() == [Answer(7, 0x35, 1, 0, 0)]
    board.sendall(bytes(16))
    time.sleep(0.05)
    with pytest.raises(ValueError, match="begins with 0x0000"):
        link.receive()
    board.close()
    link.close()
