# A station with a control side of a few lines and real services in a second thread, for CPython and for MicroPython:
#   uplink_station.py <root of firmware> <umqtt's folder> <config.json> <seconds>
# Prints one line of JSON at the end.
import json
import sys

sys.path[:0] = sys.argv[1:3]

import _thread  # noqa: E402
import gc  # noqa: E402
import socket  # noqa: E402
import time  # noqa: E402

from firmware import services  # noqa: E402
from firmware.config import load  # noqa: E402
from firmware.station import (  # noqa: E402
    C_PHASE,
    C_SESSION,
    EV_PHASE,
    P_AGGREGATOR_SERIAL,
    P_APPLIED_W,
    P_CHARGE_MAX_W,
    P_DISCHARGE_MAX_W,
    P_SOURCE,
    P_WANTED_W,
    PH_CHARGE,
    C_GATE_FLOOR_permille,
    C_GATE_SOC_LOW_permille,
    C_SOC_permille,
    G_IMPORT_Wh,
    Station,
)
from firmware.units import UNKNOWN  # noqa: E402
from firmware.wishes import SOURCES, SRC_AGGREGATOR, W_POWER_W, W_SERIAL, Wishes  # noqa: E402


def _pc_ticks_ms():
    return int(time.monotonic() * 1000) & 0x3FFFFFFF


ticks_ms = getattr(time, "ticks_ms", _pc_ticks_ms)
sleep_ms = getattr(time, "sleep_ms", lambda ms: time.sleep(ms / 1000))


class Firmware:
    def __init__(self):
        self.station, self.wishes = Station(), Wishes()


def tick(fw, now):
    fw.wishes.take(now)
    power, taken = fw.station.power.now, fw.wishes.taken
    power[P_AGGREGATOR_SERIAL] = taken[SRC_AGGREGATOR][W_SERIAL]
    power[P_SOURCE], power[P_WANTED_W] = UNKNOWN, 0
    for source in range(SOURCES):
        if taken[source][W_POWER_W] != UNKNOWN:
            power[P_SOURCE], power[P_WANTED_W] = source, taken[source][W_POWER_W]
            break
    power[P_CHARGE_MAX_W] = power[P_DISCHARGE_MAX_W] = 15000
    power[P_APPLIED_W] = max(-15000, min(15000, power[P_WANTED_W]))
    fw.station.grid.now[G_IMPORT_Wh] += 1
    fw.station.publish()


def main():
    fw = Firmware()
    car = fw.station.car.now
    car[C_PHASE], car[C_SESSION] = PH_CHARGE, 1
    car[C_SOC_permille], car[C_GATE_SOC_LOW_permille], car[C_GATE_FLOOR_permille] = 600, 590, 500
    lines = []
    svc = services.build(fw, load(sys.argv[3]), time.time, ticks_ms, socket, lines.append)
    if hasattr(_thread, "stack_size"):
        _thread.stack_size(256 * 1024 if sys.implementation.name == "cpython" else 16 * 1024)
    gc.collect()
    free = gc.mem_free() if hasattr(gc, "mem_free") else 0
    begun = ticks_ms()
    _thread.start_new_thread(svc.run, (sleep_ms,))
    last, gap, ticks, worst, told = begun, 0, 0, 0, 0
    while (ticks_ms() - begun) & 0x3FFFFFFF < int(sys.argv[4]) * 1000:
        sleep_ms(10)
        now = ticks_ms()
        tick(fw, now)
        if ticks % 100 == 0:
            fw.station.events.put(EV_PHASE, PH_CHARGE, 0, now)
            told += 1
        gap = (now - last) & 0x3FFFFFFF
        worst = gap if gap > worst else worst
        last = now
        ticks += 1
    svc.stop()
    sleep_ms(500)
    failures = svc.failures
    print(json.dumps({
        "ticks": ticks, "gap_max_ms": worst, "longest_ms": svc.longest_ms, "failures": failures, "free_B": free,
        "told": told, "lines": lines,
    }))  # fmt: skip


main()
