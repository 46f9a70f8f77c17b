"""Everything outside the board, in virtual time: plant, pins, converter, car, both buses, broker.

`Surroundings` belongs to whoever owns time: the stepped world (firmware in this process) or the lockstep world
(firmware in MicroPython). `advance(ms)` lets time pass; the board's side is `inputs()`, `write(mask)` and two nodes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hw_tests.bench import rig
from hw_tests.bench.frame import Frame
from hw_tests.bench.minibroker import Broker
from hw_tests.bench.rig import Rig
from hw_tests.bench.vehicles import deviations, vehicle
from hw_tests.bench.virtual_wire import TX_QUEUE, VirtualWire

CONVERTER_bit_s = 125_000
RX_RING = 64  # frames that the firmware's soft interrupt can hold
_BUSY_STEP_ms = 2  # while frames are on their way
_REPLY_ms = 4  # so long after a request the modules' reply may follow
STATION = "station"


@dataclass
class _Loss:
    """Frames of the station that never arrive."""

    bus: str
    can_id: int
    begins: bytes
    count: int

    def takes(self, bus: str, frame: Frame) -> bool:
        if self.count <= 0 or bus != self.bus or frame.id != self.can_id or not frame.data.startswith(self.begins):
            return False
        self.count -= 1
        return True


class Surroundings:
    """`car`: vehicle (the protocol), kind (the profile's name) and changes to it; `plant`: parameters of the rig (see
    rig.parameters)."""

    def __init__(self, car: dict[str, Any], plant: dict[str, Any], seed: int = 1):
        self.now_ms = 0
        self.rig = Rig(rig.parameters(plant))
        self.kind = kind = vehicle(car.get("vehicle", ""))
        self.car = kind.car(car, self.rig.vehicle, seed)
        self.observer = kind.observe()
        self._supply = getattr(self.rig.pins, kind.supply)  # the relay that wakes the car
        self.broker = Broker()
        self.on_frame: Callable[[str, int, Frame], None] | None = None  # bus, end of the frame in us, frame
        self.station_frames = {"car": 0, "converter": 0}
        self._losses: list[_Loss] = []
        self._mark_id: int | None = None
        self._replies_until_ms = 0
        self.car_wire = VirtualWire(kind.bit_s, on_frame=lambda us, name, frame: self._seen("car", us, name, frame))
        self.converter_wire = VirtualWire(
            CONVERTER_bit_s, on_frame=lambda us, name, frame: self._seen("converter", us, name, frame)
        )
        self.station_car = self.car_wire.attach(STATION, RX_RING, TX_QUEUE)
        self.station_converter = self.converter_wire.attach(STATION, RX_RING, TX_QUEUE)
        self._car_node = self.car_wire.attach("car")
        self._converter_node = self.converter_wire.attach("converter")
        self._car_node.on_frame = self._to_car
        self._converter_node.on_frame = self._to_converter

    # --- time ---
    def advance(self, to_ms: int) -> None:
        """Let time pass until `to_ms` (since the beginning)."""
        car_wire, converter_wire, surroundings = self.car_wire, self.converter_wire, self.rig
        while self.now_ms < to_ms:
            busy = not (car_wire.idle and converter_wire.idle) or self.now_ms < self._replies_until_ms
            self.now_ms = now_ms = min(to_ms, self.now_ms + _BUSY_STEP_ms) if busy else to_ms
            for frame in surroundings.advance(now_ms):
                self._converter_node.send(frame, now_ms)
            if busy:
                car_wire.step(now_ms)
                converter_wire.step(now_ms)
        self.broker.tick(to_ms)
        for frame in self.car.step(to_ms):
            self._car_node.send(frame, to_ms)
        plant = surroundings.plant
        self.observer.power_path(plant.plugged, plant.contactor.closed, plant.link_V, plant.bleed.closed,
                                 self._supply.closed, to_ms)  # fmt: skip

    # --- the buses ---
    def _seen(self, bus: str, end_us: int, sender: str, frame: Frame) -> None:
        if sender == STATION:
            self.station_frames[bus] += 1
        if bus == "car":
            self.observer.frame(frame, end_us // 1000)
            if self._mark_id == frame.id and sender != STATION:
                self._mark_id = None
                self.rig.moments.mark(self.now_ms)
        if self.on_frame is not None:
            self.on_frame(bus, end_us, frame)

    def _to_car(self, frame: Frame) -> None:
        if not self._lost("car", frame):
            self.car.receive(frame, self.now_ms)

    def _to_converter(self, frame: Frame) -> None:
        if not self._lost("converter", frame):
            self._replies_until_ms = self.now_ms + _REPLY_ms
            self.rig.receive(frame)

    def _lost(self, bus: str, frame: Frame) -> bool:
        return bool(self._losses) and any(loss.takes(bus, frame) for loss in self._losses)

    # --- scenarios ---
    def mark(self, how: str) -> None:
        """ "now", or "frame 0x..": when the car's next such frame is on the bus."""
        if how.startswith("frame "):
            self._mark_id = int(how.removeprefix("frame "), 16)
        else:
            self.rig.moments.mark(self.now_ms)

    def do(self, verb: str, args: dict[str, Any]) -> None:
        """The verbs that happen outside the board."""
        if verb == "car":
            self.car.misbehave(args["what"], **(args["args"] or {}))
        elif verb == "lose_frame":
            self._losses.append(_Loss(args["bus"], int(args["id"]), bytes.fromhex(args["data"]), int(args["count"])))
        elif verb == "broker":
            (self.broker.kill if args["state"] == "kill" else self.broker.start)()
        else:
            self.rig.do(verb, **args)

    def facts(self) -> dict[str, Any]:
        """What is so, under the names of facts.py."""
        observer = self.observer
        return {
            **self.rig.facts(),
            "phase": observer.phase,
            "phase_s": (self.now_ms - observer.since_ms) / 1000,
            "sessions": observer.sessions,
            "car_stopped": observer.car_stopped,
            "station_stopped": observer.station_stopped,
            "direction": observer.direction,
            "car_phase": self.car.phase,
            "deviations": deviations(self.car.checker.counts),
            "car_frames": self.station_frames["car"],
            "converter_frames": self.station_frames["converter"],
            "broker": int(self.broker.running),
        }
