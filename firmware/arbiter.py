# Which wish counts: of the power wishes that are alive, that of the lowest source number. None alive: 0 W.
from micropython import const

from firmware.station import P_AGGREGATOR_SERIAL, P_SERIAL, P_SOURCE, P_WANTED_W
from firmware.units import UNKNOWN
from firmware.wishes import SRC_AGGREGATOR, SRC_OWNER, SRC_PLAN, W_POWER_W, W_SERIAL

_MOST_W = const(1000000)  # no station of ours: keeps every product below 31 bits, whatever was posted


class Arbiter:
    def __init__(self, station, wishes):
        self._power = station.power.now
        self._wishes = wishes

    def step(self, now):
        # `taken` lists change places with a spare when a wish is taken: fetched anew every tick.
        taken = self._wishes.taken
        power = self._power
        power[P_AGGREGATOR_SERIAL] = taken[SRC_AGGREGATOR][W_SERIAL]
        source = SRC_OWNER
        wanted_W = taken[SRC_OWNER][W_POWER_W]
        if wanted_W == UNKNOWN:
            source = SRC_AGGREGATOR
            wanted_W = taken[SRC_AGGREGATOR][W_POWER_W]
            if wanted_W == UNKNOWN:
                source = SRC_PLAN
                wanted_W = taken[SRC_PLAN][W_POWER_W]
                if wanted_W == UNKNOWN:
                    power[P_SOURCE] = UNKNOWN
                    power[P_SERIAL] = power[P_WANTED_W] = 0
                    return
                if wanted_W < 0:
                    wanted_W = 0  # export needs an order: the station's own plan may only charge (house rule 4)
        power[P_SOURCE] = source
        power[P_SERIAL] = taken[source][W_SERIAL]
        power[P_WANTED_W] = max(-_MOST_W, min(wanted_W, _MOST_W))
