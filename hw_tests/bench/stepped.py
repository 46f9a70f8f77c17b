"""Plays a scenario in the stepped world: as fast as this computer can, and the same every time."""

from pathlib import Path
from typing import Any, Protocol

from hw_tests.bench.frame import Frame
from hw_tests.bench.play import Outside, Play
from hw_tests.bench.scenario import Scenario
from hw_tests.bench.vehicles import vehicle
from hw_tests.bench.view import View
from hw_tests.bench.virtual import Surroundings


class MqttTap:
    """Carries messages between the broker of virtual time and a run's aggregator and record."""

    def __init__(self, around: Surroundings):
        self._broker = around.broker
        self._told = 0
        self.play: Play | None = None
        self._broker.subscribe("v2g/#", self._arrived)

    def send(self, topic: str, payload: bytes, retain: bool) -> None:
        """As the aggregator; lost while the broker is gone."""
        if self._broker.running:
            self._broker.publish(topic, payload, retain)

    def _arrived(self, topic: str, payload: bytes, retain: bool) -> None:
        if self.play is not None:
            self.play.arrived(topic, payload, retain)

    def log(self) -> None:
        """What the broker saw since the last call, into the record."""
        log = self._broker.log
        if log and self.play is not None:
            for message in log:
                if message.arrow == ">":
                    self.play.record.mqtt(message.at_ms / 1000, "up" if message.client else "down", message.topic,
                                          message.payload, message.retain, message.qos)  # fmt: skip
        log.clear()


class World(Protocol):
    """What a scenario is played in: StepWorld or LockstepWorld."""

    around: Surroundings
    log: list[str]

    @property
    def now_ms(self) -> int: ...

    def wall_s(self) -> float: ...

    def tick(self) -> None: ...

    def act(self, verb: str, args: dict[str, Any]) -> None: ...

    def facts(self) -> dict[str, Any]: ...

    def about(self) -> dict[str, Any]: ...


def parameters(scenario: Scenario) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Of the car, of what is around the board, of the firmware."""
    kind = vehicle(scenario.vehicle)
    plant = {"soc_permille": scenario.car.get("soc_permille", 500), **kind.pack(scenario.car), **scenario.converter,
             **scenario.plant}  # fmt: skip
    car = {name: value for name, value in scenario.car.items() if name != "soc_permille"}
    return {**car, "vehicle": scenario.vehicle}, plant, {**scenario.station, **kind.station}


def run(scenario: Scenario, folder: Path | None = None, view: View | None = None, **how: Any) -> dict[str, Any]:
    """The summary of one run; files into `folder` if given. `how`: see StepWorld."""
    from hw_tests.bench.world import StepWorld  # only this one needs the firmware in this process

    world = StepWorld(*parameters(scenario), **how)
    return play(scenario, world, folder, view)


def play(scenario: Scenario, world: World, folder: Path | None = None, view: View | None = None) -> dict[str, Any]:
    """The same in a world that is already there."""
    around = world.around
    tap = MqttTap(around)
    tap.play = run = Play(scenario, Outside(world.act, around.mark, tap.send, world.wall_s), folder, view)
    if folder is not None:
        around.on_frame = lambda bus, end_us, frame: _keep(run, bus, end_us, frame)
    while not run.done:
        world.tick()
        for line in world.log:
            run.tell("firmware", line)
        world.log.clear()
        run.step(world.now_ms / 1000, world.facts())
        tap.log()
    phases = around.observer.history
    made = run.finish([name for _, name in phases], world.about())
    run.draw(phases, made["result"])
    return made


def _keep(run: Play, bus: str, end_us: int, frame: Frame) -> None:
    run.record.frame(end_us / 1e6, bus, frame)


def run_lockstep(scenario: Scenario, folder: Path, **how: Any) -> dict[str, Any]:
    """The summary of one run with the firmware in MicroPython; its own files go to `folder`. `how`: see
    LockstepWorld."""
    from hw_tests.bench.lockstep import LockstepWorld

    world = LockstepWorld(*parameters(scenario), folder, **how)
    try:
        return play(scenario, world)
    finally:
        world.close()
