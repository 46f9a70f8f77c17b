"""`make soak`: a day and more of a station's life in virtual time, healthy, with everything that a day brings.

Cars come, are charged and discharged, and leave; orders, limits, raised floors, a broker that is gone for minutes,
ticks that come late, and the wrap of the firmware's clock in the middle. After every tick the invariants of life.py
hold; at the end nothing of the record is missing. VEHICLE names what the cars speak.
"""

import sys
import time
from random import Random
from typing import Any, TextIO

from hw_tests.bench import chance, vehicles
from hw_tests.bench.aggregator import Aggregator
from hw_tests.bench.life import Event, Life, Setting, Violation
from hw_tests.bench.play import SITE, STATION
from hw_tests.bench.vehicles import Kind

CLEAR = "\r\x1b[K"

_HOUR_ms = 3_600_000
_OUTAGE_MAX_ms = 120_000
_FLUSH_ms = 60_000  # after an outage: so long until all of the record has arrived
_CAPACITY_Wh = 10_000.0
_TOLD_EVERY_s = 0.5  # on a terminal, of the clock on the wall


def setting(vehicle: Kind, hours: float, seed: int) -> Setting:
    """That vehicle's usual car with a pack that lasts for a while, and the wrap in the middle of `hours`."""
    begin_ms = chance.WRAP_ms - int(hours * _HOUR_ms) // 2
    car: dict[str, Any] = {"vehicle": vehicle.name, "kind": vehicle.usual}
    station: dict[str, Any] = {"floor_permille": 400, "meter_interval_s": 60, **vehicle.station}
    if vehicle.name == "gbt27930":
        station["discharge_v112"] = 1
    else:
        car["capacity_Wh"] = _CAPACITY_Wh  # here the car tells it
    return Setting(
        car, {**vehicle.pack(car), "soc_permille": 600, "capacity_Wh": _CAPACITY_Wh}, station,
        {"seed": seed, "start_ms": begin_ms % chance.WRAP_ms, "jitter_ms": 4},
    )  # fmt: skip


class Progress:
    """Where a long run stands: on a terminal one line that is written anew, otherwise nothing but what is told."""

    def __init__(self, out: TextIO, hours: float):
        self._out, self._hours = out, hours
        self._begun_s = self._told_s = time.monotonic()
        self._live = out.isatty()

    def left(self, hour: float) -> str:
        """How far it is, and how long it may still take."""
        done = min(1.0, hour / self._hours)  # the last car may stay beyond the end
        left_s = (time.monotonic() - self._begun_s) * (1 / done - 1) if done > 0 else 0.0
        return f"{100 * done:.0f} %, about {left_s / 60:.0f} min left"

    def step(self, hour: float) -> None:
        """As often as you like."""
        if self._live and time.monotonic() - self._told_s >= _TOLD_EVERY_s:
            self._told_s = time.monotonic()
            self._out.write(f"\r{hour:5.2f} of {self._hours:g} h, {self.left(hour)}  ")
            self._out.flush()

    def line(self, text: str) -> None:
        """One that stays."""
        self._out.write(f"{CLEAR if self._live else ''}{text}\n")
        self._out.flush()


class Soak:
    """One station for `hours`."""

    def __init__(self, hours: float, seed: int, vehicle: str = "", out: TextIO = sys.stdout):
        self._luck = Random(f"soak/{seed}")
        self._end_ms = int(hours * _HOUR_ms)
        self.progress = Progress(out, hours)
        self.life = Life(setting(vehicles.vehicle(vehicle), hours, seed))
        self.life.each_second = lambda: self.progress.step(self.life.world.now_ms / _HOUR_ms)
        world = self.life.world
        self.aggregator = Aggregator(SITE, STATION, lambda *_: None, world.wall_s)
        world.around.broker.subscribe("v2g/#", self._arrived)
        self.sessions = 0

    def _arrived(self, topic: str, payload: bytes, retain: bool) -> None:
        self.aggregator.arrived(topic, payload, retain, self.life.world.now_ms / 1000)

    def run(self) -> None:
        """Until the end; Violation if something happened that never may."""
        life, told_h = self.life, 0
        while life.world.now_ms < self._end_ms:
            self._visit()
            self._forget()
            hour = life.world.now_ms // _HOUR_ms
            if hour > told_h:
                told_h = hour
                self.progress.line(f"{self.line()}; {self.progress.left(life.world.now_ms / _HOUR_ms)}")
        life.run(_FLUSH_ms)

    def _visit(self) -> None:
        """A car comes, is used for a while, and leaves."""
        life, luck = self.life, self._luck
        self.sessions += 1
        life.happen(chance.arrival(luck))
        for _ in range(luck.randint(3, 15)):
            life.happen(luck.choice((self._order, self._order, self._limit, self._outage))())
        life.happen(Event("press", {"what": "button"}, 15_000))
        life.happen(Event("unplug", {}, 5_000 + luck.randrange(600) * 1000))

    def _order(self) -> Event:
        power_W = self._luck.choice((-1, 1)) * self._luck.randint(0, 23_000)
        ms = self._luck.randint(10, 600) * 1000
        return Event("order", {"power_W": power_W, "ttl_ms": ms}, self._luck.randint(5, ms // 1000) * 1000)

    def _limit(self) -> Event:
        event = chance.order(self._luck)
        return event if event.what in ("limit", "floor") else Event("wait", {}, self._luck.randint(1, 300) * 1000)

    def _outage(self) -> Event:
        life = self.life
        life.happen(Event("broker", {"state": "kill"}, self._luck.randrange(1000, _OUTAGE_MAX_ms, 1000)))
        return Event("broker", {"state": "start"}, _FLUSH_ms)

    def _forget(self) -> None:
        """What this process need not remember for a day."""
        around = self.life.world.around
        around.broker.log.clear()
        around.observer.history.clear()
        around.rig.plant.inrush.clear()
        self.life.forget()
        self.life.world.log.clear()

    def line(self) -> str:
        """Where it stands."""
        life, aggregator = self.life, self.aggregator
        plant = life.world.around.rig.plant
        parts = (
            f"{life.world.now_ms / _HOUR_ms:5.1f} h: {self.sessions} sessions",
            f"{plant.openings} openings, {plant.opened_under_load} under load",
            f"{plant.import_Wh / 1000:.1f} kWh in, {plant.export_Wh / 1000:.1f} kWh out",
            f"least charge while discharging {plant.soc_min_discharging * 100:.1f} %",
            f"{life.world.fw.gate.refused} refused",
            f"{aggregator.acknowledged} records, {aggregator.lost} missing, {aggregator.reconnects} reconnects",
        )
        return ", ".join(parts)


def main(hours: float, seed: int, vehicle: str = "") -> int:
    """Exit status: 0 only if everything held."""
    begun_s = time.monotonic()
    soak = Soak(hours, seed, vehicle)
    try:
        soak.run()
    except Violation as violation:
        print(f"soak: {violation}", file=sys.stderr)
        return 1
    soak.progress.line(soak.line())
    took_s, name = time.monotonic() - begun_s, soak.life.world.around.kind.name
    print(f"soak: {hours:g} h of {name} in {took_s:.0f} s, {soak.life.ticks} ticks")
    if soak.aggregator.lost:
        print(f"soak: {soak.aggregator.lost} records are missing", file=sys.stderr)
        return 1
    return 0
