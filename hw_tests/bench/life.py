"""A station's life with whatever may happen in it, and what must never happen.

`Life` drives a StepWorld through a plan (a list of `Event`) and looks after every tick at what must hold. A broken
invariant is a `Violation` with the time and the plan, from which the same run can be had again. What a trouble excuses
is said in one place, `_EXCUSES`; without trouble nothing is excused.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from hw_tests.bench.world import (
    SOURCES,
    SRC_AGGREGATOR,
    SRC_OWNER,
    UNKNOWN,
    W_POWER_W,
    StepWorld,
    TICK_ms,
)

SAFE_V = 60.0
_CLOSING_V = 15.0  # 10 V allowed, sensors of 0.2 V, and what the link moves within the relay's 30 ms
_FLOW_A = 1.5
_FLOW_ms = 60  # shorter ones are capacitors
_BLED_ms = 5300  # with K1/K2 closed: the gate's 5 s, the relays of bleeder and contactors
_AFTERGLOW_ms = 4000  # from the last order to discharge until nothing flows back any more: 50 A at 20 A/s, and a stop
_TAKEN = 0.0003  # share of the battery: what the switch-off itself may take
_TAKEN_BY_A_LIE = 0.025  # house rule 3: no step after energy worth 2 %

# What a trouble excuses, by its first words. "load": one opening under load for each closing; "floor": what a lie may
# take; "lock": the lock opened with voltage; "closing": a voltage difference; "end": not open and bled at the end;
# "flow": current against the orders; "sober": refusals by the gate and deviations from the protocol.
_EXCUSES: dict[str, tuple[str, ...]] = {
    "car": ("sober",),
    "car soc_offset": ("sober", "floor"),
    "car soc_frozen": ("sober", "floor"),
    "car soc_jump": ("sober", "floor"),
    "car contactor_welded": ("sober", "end", "lock"),
    "car ccd_ignored": ("sober",),
    "converter": ("sober",),
    "converter reaction": ("sober", "load"),
    "converter hold": ("sober", "load", "flow"),
    "converter ignore_off": ("sober", "load", "flow"),
    "converter runaway": ("sober", "load", "flow"),
    "converter silent": ("sober", "load"),
    "converter reads_wrong": ("sober", "floor"),
    "pins": ("sober",),
    "pins sensor link": ("sober", "lock", "closing", "end", "load"),
    "pins sensor inlet": ("sober", "lock", "closing", "end", "floor"),
    "pins sensor current": ("sober", "load", "floor", "flow"),
    "pins freeze": ("sober", "load", "lock", "closing", "end"),
    "pins car_contactor closes": ("sober", "end", "lock", "closing"),  # it may, while the relay of K1/K2 moves
    "pins contactor": ("sober", "load", "end", "lock"),
    "pins lock": ("sober", "lock"),
    "reset": ("sober", "lock"),
    "exception": ("sober",),
    "lose_frame": ("sober",),
    "field": ("sober",),
    "unplug force": ("lock",),
}


class Violation(AssertionError):
    """Something happened that never may. `plan`: the events up to then."""

    def __init__(self, text: str, plan: "list[Event]"):
        super().__init__(text)
        self.plan = plan


class Event(NamedTuple):
    """One thing that happens, and how long the world goes on afterwards, in ms."""

    what: str
    args: dict[str, Any]
    then_ms: int


@dataclass
class Setting:
    """Who meets whom."""

    car: dict[str, Any] = field(default_factory=dict)
    plant: dict[str, Any] = field(default_factory=dict)
    station: dict[str, Any] = field(default_factory=dict)
    how: dict[str, Any] = field(default_factory=dict)  # of StepWorld


class Life:
    """`play(plan)` once, or `happen` event by event."""

    def __init__(self, setting: Setting):
        self.setting = setting
        self.world = world = StepWorld(setting.car, setting.plant, setting.station, **setting.how)
        self.plan: list[Event] = []
        self.ticks = 0
        self.excused: set[str] = set()
        self._plant = world.around.rig.plant
        self._pins = world.around.rig.pins
        self._floor = world.config["floor_permille"] / 1000
        self._plant.watch_soc = self._floor
        self._discharge_ms = -_AFTERGLOW_ms  # when an order to discharge was last alive
        self._against_ms = 0
        self._bled_ms = 0
        self._locked = False
        self._inrushes = 0
        self._openings = self._loaded = 0
        self._refused_before = 0  # by earlier firmware
        self._serial = 0
        world.on_boot = self._booted
        self.each_second: Callable[[], None] = lambda: None  # for who waits

    @property
    def taken_As(self) -> float:
        """Out of the battery through K1/K2."""
        return self._plant.soc_taken * self._plant.pack.capacity_As

    @property
    def given_As(self) -> float:
        """Into it."""
        return self._plant.charged_As

    def forget(self) -> None:
        """What was played so far, and the contacts that have closed: for a life that is too long to keep."""
        self.plan.clear()
        self._inrushes = len(self._plant.inrush)

    # --- what happens ---
    def play(self, plan: list[Event]) -> None:
        """The whole plan, then an orderly end."""
        for event in plan:
            self.happen(event)
        self.end()

    def happen(self, event: Event) -> None:
        """One event, and the time after it."""
        self.plan.append(event)
        self._excuse(event)
        getattr(self, "_do_" + event.what)(**event.args)
        self.run(event.then_ms)

    def run(self, ms: int) -> None:
        """Only time."""
        world = self.world
        end_ms = world.now_ms + ms
        while world.now_ms < end_ms:
            world.tick()
            self.ticks += 1
            self.look()
            if self.ticks % 100 == 0:
                self.each_second()

    def end(self) -> None:
        """The owner ends the session: after a while everything is open, and bled."""
        world = self.world
        world.fw.wishes.post_stop(SRC_OWNER, world.ticks_ms())
        self.run(8000)
        if "end" in self.excused:
            return
        plant = self._plant
        if plant.contactor.closed or plant.link_V > SAFE_V:
            self.run(20_000)  # a car may wait for its time-outs before it opens K5/K6
        self._must(not plant.contactor.closed and plant.link_V < SAFE_V,
                   f"long after a stop: contactor {plant.contactor.closed}, link {plant.link_V:.1f} V")  # fmt: skip

    def _excuse(self, event: Event) -> None:
        args = event.args
        inner = args.get("args") or {}
        words = f"{event.what} {args.get('what', '')} {inner.get('name', inner.get('kind', ''))}"
        if args.get("force"):
            words = f"{event.what} force"
        for trouble, excuses in _EXCUSES.items():
            if words.startswith(trouble):
                self.excused.update(excuses)

    def _do_wait(self) -> None:
        pass

    def _do_order(self, power_W: int, ttl_ms: int = 20_000, source: int = SRC_AGGREGATOR) -> None:
        self._serial += 1
        self.world.fw.wishes.post_power(source, self._serial, power_W, self.world.ticks_ms(), ttl_ms)

    def _do_limit(self, charge_max_W: int | None, discharge_max_W: int | None, ttl_ms: int = 20_000) -> None:
        self._serial += 1
        values = [UNKNOWN if value is None else value for value in (charge_max_W, discharge_max_W)]
        self.world.fw.wishes.post_limit(SRC_AGGREGATOR, self._serial, *values, self.world.ticks_ms(), ttl_ms)

    def _do_floor(self, permille: int, ttl_ms: int = 20_000) -> None:
        self.world.fw.wishes.post_floor(SRC_AGGREGATOR, permille, self.world.ticks_ms(), ttl_ms)

    def _do_press(self, what: str) -> None:
        self.world.around.rig.do("press", what)

    def _do_plug(self) -> None:
        if not self._plant.plugged:
            self.world.around.rig.do("plug")

    def _do_unplug(self, force: bool = False) -> None:
        self.world.around.rig.do("unplug", force=force)

    def _do_broker(self, state: str) -> None:
        self.world.around.do("broker", {"state": state})

    def _do_car(self, what: str, args: dict[str, Any] | None = None) -> None:
        self.world.around.car.misbehave(what, **(args or {}))

    def _do_converter(self, what: str, args: dict[str, Any] | None = None) -> None:
        self.world.around.rig.do("converter", what, args)

    def _do_pins(self, what: str, args: dict[str, Any] | None = None) -> None:
        self.world.around.rig.do("pins", what, args)

    def _do_field(self, what: str, args: dict[str, Any] | None = None) -> None:
        self.world.around.rig.do("field", what, args)

    def _do_lose_frame(self, bus: str, can_id: int, count: int) -> None:
        self.world.around.do("lose_frame", {"bus": bus, "id": can_id, "data": "", "count": count})

    def _do_reset(self, cause: str) -> None:
        self._refused_before += self.world.fw.gate.refused
        self.world.reset(cause)

    def _do_exception(self) -> None:
        self.world.inject()

    def _booted(self) -> None:
        self._locked = False

    # --- what must hold after every tick ---
    def look(self) -> None:
        """Violation if something is so that never may be."""
        plant, excused, now_ms = self._plant, self.excused, self.world.now_ms
        self._flow(now_ms)
        if plant.openings != self._openings:
            self._opened()
        if plant.taken_below_watch > (_TAKEN_BY_A_LIE if "floor" in excused else _TAKEN):
            taken = plant.taken_below_watch * 1000
            self._must(False, f"{taken:.2f} permille taken below the floor of {self._floor:.3f}")
        if plant.unplugged_under_load and "load" not in excused:
            self._must(False, "pulled under load")
        if len(plant.inrush) != self._inrushes:
            self._closed()
        locked = self._pins.lock.closed
        if locked != self._locked:
            self._locked = locked
            if not locked and "lock" not in excused:
                self._must(plant.inlet_V < SAFE_V + 5 and not plant.contactor.closed,
                           f"unlocked at {plant.inlet_V:.1f} V")  # fmt: skip
        if plant.bleed.closed and plant.contactor.closed:
            self._bled_ms += TICK_ms
            self._must(self._bled_ms <= _BLED_ms, f"bled for {self._bled_ms} ms with contactors closed")
        else:
            self._bled_ms = 0
        if not plant.plugged and plant.inlet_V > SAFE_V + 5 and "lock" not in excused:
            self._must(False, f"a loose plug with {plant.inlet_V:.1f} V")
        if "sober" not in excused:
            self._sober()

    def _flow(self, now_ms: int) -> None:
        """A charge limit, an order to charge or none at all: nothing flows out."""
        for source in range(SOURCES):
            wanted_W = self.world.fw.wishes.taken[source][W_POWER_W]
            if wanted_W < 0 and wanted_W != UNKNOWN:
                self._discharge_ms = now_ms
        if self._plant.current_A > -_FLOW_A or "flow" in self.excused:
            self._against_ms = 0
            return
        self._against_ms += TICK_ms
        if self._against_ms >= _FLOW_ms and now_ms - self._discharge_ms > _AFTERGLOW_ms:
            self._must(False, f"{self._plant.current_A:.1f} A without an order to discharge")

    def _opened(self) -> None:
        plant = self._plant
        once = plant.openings - self._openings
        loaded = plant.opened_under_load - self._loaded
        self._openings, self._loaded = plant.openings, plant.opened_under_load
        self._must(loaded <= (once if "load" in self.excused else 0),
                   f"opened under load at {plant.open_current_A:.1f} A")  # fmt: skip

    def _closed(self) -> None:
        for rush in self._plant.inrush[self._inrushes :]:
            if rush.contact == "station" and "closing" not in self.excused:
                self._must(abs(rush.difference_V) <= _CLOSING_V, f"closed onto {rush.difference_V:.1f} V")
        self._inrushes = len(self._plant.inrush)

    def _sober(self) -> None:
        """Without trouble: the gate refuses nothing, the car has nothing to complain of, every service lives."""
        world = self.world
        gate = world.fw.gate
        self._must(gate.refused == 0, f"the gate refused {gate.refused_id:#x}")
        if world.around.car.log:
            self._must(False, f"the car complains: {world.around.car.log[0]}")

    def _must(self, so: bool, text: str) -> None:
        if not so:
            plan = "\n".join(f"    {event}" for event in self.plan)
            raise Violation(f"at {self.world.now_ms} ms: {text}\n  {self.setting}\n{plan}", list(self.plan))
