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
        owner, aggregator, plan = self._wishes.taken
        power = self._power
        power[P_AGGREGATOR_SERIAL] = aggregator[W_SERIAL]
        wish, source = owner, SRC_OWNER
        wanted_W = wish[W_POWER_W]
        least_W = -_MOST_W
        if wanted_W == UNKNOWN:
            wish, source = aggregator, SRC_AGGREGATOR
            wanted_W = wish[W_POWER_W]
            if wanted_W == UNKNOWN:
                wish, source = plan, SRC_PLAN
                wanted_W = wish[W_POWER_W]
                least_W = 0  # export needs an order: the station's own plan may only charge (DESIGN rule 4)
                if wanted_W == UNKNOWN:
                    power[P_SOURCE] = UNKNOWN
                    power[P_SERIAL] = power[P_WANTED_W] = 0
                    return
        if wanted_W > _MOST_W:
            wanted_W = _MOST_W
        elif wanted_W < least_W:
            wanted_W = least_W
        power[P_SOURCE] = source
        power[P_SERIAL] = wish[W_SERIAL]
        power[P_WANTED_W] = wanted_W
