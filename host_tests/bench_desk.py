"""A station's side for tests of one emulator alone: the scripted chargers on a python-can bus, in real time."""

import threading
import time
from collections.abc import Callable
from typing import Any

import can

from host_tests import bench_chademo_charger, bench_gbt27930_charger
from hw_tests.bench.chademo import codec as chademo
from hw_tests.bench.chademo import vehicle as chademo_vehicle
from hw_tests.bench.frame import Frame
from hw_tests.bench.gbt27930 import vehicle as gbt27930_vehicle


class Gbt27930Peer:
    """The charger sees of the car what the bus tells: BRO=AA are closed contactors."""

    def __init__(self) -> None:
        self.vehicle = gbt27930_vehicle.FakeVehicle(plugged=True)
        self.charger = bench_gbt27930_charger.Charger(self.vehicle)

    def step(self, now_ms: int, frames: list[Frame]) -> list[Frame]:
        for frame in frames:
            self.charger.receive(frame, now_ms)
        ready = self.charger.heard.get("BRO", (0, {}))[1].get("ready") == 0xAA
        self.vehicle.close_contactors = ready and self.charger.phase in ("configure", "ready", "charge")
        return self.charger.step(now_ms)


class ChademoPeer:
    """102 tells the car's contactors and its permission."""

    def __init__(self) -> None:
        self.vehicle = chademo_vehicle.FakeVehicle(plugged=True)
        self.charger = bench_chademo_charger.Charger(self.vehicle)

    def step(self, now_ms: int, frames: list[Frame]) -> list[Frame]:
        for frame in frames:
            if not frame.ext and frame.id in chademo.BY_ID and len(frame.data) == 8:
                self.charger.hear(frame)
        status = self.charger.heard.get("102", {})
        self.vehicle.permission = bool(status.get("charge_enabled"))
        self.vehicle.close_contactors = status.get("contactors_open") == 0
        return self.charger.step(now_ms)


PEERS = {"gbt27930": Gbt27930Peer, "chademo": ChademoPeer}


def play(bus: can.BusABC, peer: Any, until: Callable[[], bool], patience_s: float = 40.0) -> None:
    """Ten ms a turn, by the clock on the wall."""
    begin_s = time.monotonic()
    while not until():
        now_s = time.monotonic() - begin_s
        assert now_s < patience_s, f"it did not happen; the charger is in {vars(peer.charger)}"
        frames = []
        while (message := bus.recv(0.0)) is not None:
            frames.append(Frame(message.arbitration_id, message.is_extended_id, bytes(message.data)))
        for frame in peer.step(int(time.monotonic() * 1000), frames):
            bus.send(can.Message(arbitration_id=frame.id, is_extended_id=frame.ext, data=frame.data))
        time.sleep(0.01)


class Typist:
    """Keys without a terminal: what a test types."""

    there = False

    def __init__(self) -> None:
        self._waiting = ""

    def type(self, text: str) -> None:
        self._waiting += text

    def read(self) -> str:
        text, self._waiting = self._waiting, ""
        if "\x03" in text:
            raise KeyboardInterrupt
        return text


class Alone:
    """One emulator in a thread of this test, with its keys and everything that it told."""

    def __init__(self, run: Callable[..., None], options: Any, bus: can.BusABC, view: Any):
        self.keys, self.view = Typist(), view
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(run, options, bus), daemon=True)
        self._thread.start()

    def _run(self, run: Callable[..., None], options: Any, bus: can.BusABC) -> None:
        try:
            run(options, self.keys, bus, self.view)
        except BaseException as error:
            self.error = error

    def end(self) -> None:
        self.keys.type("\x03")
        self._thread.join(10)
        assert not self._thread.is_alive()
        if self.error is not None:
            raise self.error
