"""A station's services against the mini broker in virtual time, with a control side of a few lines."""

import json
from typing import Any

from firmware import services
from firmware.config import parse
from firmware.station import (
    C_PHASE,
    C_SESSION,
    P_AGGREGATOR_SERIAL,
    P_APPLIED_W,
    P_CHARGE_MAX_W,
    P_CHARGE_WHY,
    P_DISCHARGE_MAX_W,
    P_DISCHARGE_WHY,
    P_REASON,
    P_SERIAL,
    P_SOURCE,
    P_WANTED_W,
    PH_CHARGE,
    R_CAR_CURRENT,
    R_NO_WISH,
    R_NONE,
    C_GATE_FLOOR_permille,
    C_GATE_SOC_LOW_permille,
    C_SOC_permille,
    K_NOW_ms,
    Station,
)
from firmware.units import TICKS_MASK, UNKNOWN
from firmware.wishes import SOURCES, SRC_AGGREGATOR, W_POWER_W, W_SERIAL, Wishes
from hw_tests.bench.minibroker import Broker
from hw_tests.bench.minisocket import Sockets

ROOT = "v2g/1/s1/st1/"
UNIX_s = 1_795_000_000  # 2026-11-18
GAP_s = 946_684_800


class Judge:
    """Does to wishes what control does: takes them, cuts them to the limits, tells."""

    def __init__(self, station: Station, wishes: Wishes) -> None:
        self.station = station
        self.wishes = wishes
        self.charge_max_W, self.charge_why = 20000, R_CAR_CURRENT
        self.discharge_max_W, self.discharge_why = 15000, R_CAR_CURRENT
        car = station.car.now
        car[C_PHASE], car[C_SESSION] = PH_CHARGE, 1
        car[C_SOC_permille], car[C_GATE_SOC_LOW_permille], car[C_GATE_FLOOR_permille] = 600, 590, 500

    def tick(self, now: int) -> None:
        self.wishes.take(now)
        taken, power = self.wishes.taken, self.station.power.now
        power[P_AGGREGATOR_SERIAL] = taken[SRC_AGGREGATOR][W_SERIAL]
        alive = [s for s in range(SOURCES) if taken[s][W_POWER_W] != UNKNOWN]
        source = alive[0] if alive else UNKNOWN
        wanted = taken[source][W_POWER_W] if alive else 0
        power[P_SOURCE], power[P_WANTED_W] = source, wanted
        power[P_SERIAL] = taken[source][W_SERIAL] if alive else 0
        power[P_CHARGE_MAX_W], power[P_CHARGE_WHY] = self.charge_max_W, self.charge_why
        power[P_DISCHARGE_MAX_W], power[P_DISCHARGE_WHY] = self.discharge_max_W, self.discharge_why
        power[P_APPLIED_W] = max(-self.discharge_max_W, min(self.charge_max_W, wanted))
        cut = self.charge_why if wanted > 0 else self.discharge_why
        power[P_REASON] = R_NO_WISH if not alive else R_NONE if power[P_APPLIED_W] == wanted else cut
        self.station.control.now[K_NOW_ms] = now
        self.station.publish_all()


class Rig:
    """One station. `run(ms)` lets time pass in steps of 20 ms; everything is deterministic."""

    def __init__(
        self, epoch: int = 1970, clock_set: bool = True, begin_ms: int = 0, wlan: Any = None, **config: Any
    ) -> None:
        values = {"site": "s1", "station": "st1", "mqtt_host": "broker", "floor_permille": 500, **config}
        self.config = parse(json.dumps(values))
        self.ms = begin_ms
        self.begin_ms = begin_ms
        self.clock_set = clock_set
        self.epoch = epoch
        self.broker = Broker()
        self.sockets = Sockets(self.broker, self.pass_ms)
        self.lines: list[str] = []
        self.station, self.wishes = Station(), Wishes()
        self.judge = Judge(self.station, self.wishes)
        self.services = services.build(
            self, self.config, self.read_s, self.ticks_ms, self.sockets, self.lines.append, wlan, epoch, "b001"
        )
        self.uplink = self.services.services[-1]
        self.journal = self.services.services[2]

    def ticks_ms(self) -> int:
        return self.ms & TICKS_MASK

    def read_s(self) -> int:
        passed_s = (self.ms - self.begin_ms) // 1000
        if not self.clock_set:
            return passed_s
        return UNIX_s + passed_s - (GAP_s if self.epoch == 2000 else 0)

    @property
    def unix_s(self) -> int:
        return UNIX_s + (self.ms - self.begin_ms) // 1000

    def pass_ms(self, ms: int) -> None:
        self.ms += ms

    def run(self, ms: int) -> None:
        until = self.ms + ms
        while self.ms < until:
            self.ms += 20
            self.broker.tick(self.ms)
            self.judge.tick(self.ticks_ms())
            self.services.step(self.ticks_ms())

    def order(
        self, power_W: float, lease_s: int = 60, order_id: str = "o1", verb: str = "setpoint", **more: Any
    ) -> None:
        body = {"id": order_id, "t": self.unix_s, "exp": self.unix_s + lease_s}
        body.update({"power_W": power_W} if verb == "setpoint" else {}, **more)
        self.broker.publish(ROOT + "cmd/" + verb, json.dumps(body).encode())

    def said(self, what: str) -> list[dict[str, Any]]:
        return [json.loads(payload) for payload in self.broker.messages(ROOT + what, "sluice-s1-st1")]

    def applied_W(self) -> int:
        return self.station.power.now[P_APPLIED_W]
