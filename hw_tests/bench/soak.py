"""`make soak`: a day and more of a station's life in virtual time, healthy, with everything that a day brings.

Cars come, are charged and discharged, and leave; orders, limits, raised floors, a broker that is gone for minutes,
ticks that come late, and the wrap of the firmware's clock in the middle. After every tick the invariants of life.py
hold; at the end nothing of the record is missing.
"""

import sys
import time
from random import Random

from hw_tests.bench import chance
from hw_tests.bench.aggregator import Aggregator
from hw_tests.bench.life import Event, Life, Setting, Violation
from hw_tests.bench.play import SITE, STATION

_HOUR_ms = 3_600_000
_OUTAGE_MAX_ms = 120_000
_FLUSH_ms = 60_000  # after an outage: so long until all of the record has arrived


class Soak:
    """One station for `hours`."""

    def __init__(self, hours: float, seed: int):
        self._luck = Random(f"soak/{seed}")
        self._end_ms = int(hours * _HOUR_ms)
        begin_ms = chance.WRAP_ms - self._end_ms // 2
        self.life = Life(Setting(
            {"kind": "v2g"}, {"soc_permille": 600, "capacity_Wh": 10_000.0},
            {"floor_permille": 400, "discharge_v112": 1, "meter_interval_s": 60},
            {"seed": seed, "start_ms": begin_ms % chance.WRAP_ms, "jitter_ms": 4},
        ))  # fmt: skip
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
                print(self.line(), flush=True)
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


def main(hours: float, seed: int) -> int:
    """Exit status: 0 only if everything held."""
    begun_s = time.monotonic()
    soak = Soak(hours, seed)
    try:
        soak.run()
    except Violation as violation:
        print(f"soak: {violation}", file=sys.stderr)
        return 1
    print(soak.line())
    print(f"soak: {hours:g} h in {time.monotonic() - begun_s:.0f} s, {soak.life.ticks} ticks")
    if soak.aggregator.lost:
        print(f"soak: {soak.aggregator.lost} records are missing", file=sys.stderr)
        return 1
    return 0
