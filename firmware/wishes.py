# The seam's other half: what someone wants of the station, each wish with its source and its lease. Services post,
# control takes. One record of fixed slots a source under a sequence number (even: whole, odd: being written).
from array import array

from micropython import const

from firmware.units import TICKS_MASK, UNKNOWN, WHOLE

# Sources, in order of rank: of two power orders that are alive the lower number counts.
SRC_OWNER = const(0)  # the owner at the station (page, button)
SRC_AGGREGATOR = const(1)  # MQTT cmd/setpoint, cmd/limit
SRC_PLAN = const(2)  # the station's own plan
SOURCES = const(3)

# Slots of a wish. Powers are AC at the meter, + charges the car. UNKNOWN = no such wish.
W_SEQ = const(0)
W_SERIAL = const(1)  # number of the order, echoed in station's power record when control acts on it
W_POWER_W = const(2)  # wanted power
W_POWER_AT = const(3)  # ticks when it was posted
W_POWER_TTL_ms = const(4)  # its lease
W_CHARGE_MAX_W = const(5)  # limit on charging, a magnitude
W_DISCHARGE_MAX_W = const(6)  # limit on discharging, a magnitude
W_LIMIT_AT = const(7)
W_LIMIT_TTL_ms = const(8)
W_FLOOR_permille = const(9)  # a raise of the floor (never lowers it)
W_FLOOR_AT = const(10)
W_FLOOR_TTL_ms = const(11)
W_STOP = const(12)  # counts up: end the session normally. The owner's; no MQTT order posts it (docs/mqtt.md)
W_STOP_AT = const(13)
WISH_SLOTS = const(15)

TTL_MAX_ms = const(86400000)  # a lease is at most a day: far from the wrap of the ticks


_SKEW_ms = const(1000)  # a post may carry a time a little after the tick that takes it


def _wish():
    wish = array("i", [0] * WISH_SLOTS)
    for slot in (W_POWER_W, W_CHARGE_MAX_W, W_DISCHARGE_MAX_W, W_FLOOR_permille):
        wish[slot] = UNKNOWN
    return wish


class Wishes:
    def __init__(self):
        self.posted = [_wish() for _ in range(SOURCES)]
        self.taken = [_wish() for _ in range(SOURCES)]  # control's copies; fetch taken[source] anew every tick
        self._spare = _wish()

    # --- services' side (one posting thread) ---
    def post_power(self, source, serial, power_W, now, ttl_ms):
        wish = self._begin(source)
        wish[W_SERIAL] = serial
        wish[W_POWER_W] = power_W
        self._end(wish, W_POWER_AT, now, ttl_ms)

    def post_limit(self, source, serial, charge_max_W, discharge_max_W, now, ttl_ms):
        wish = self._begin(source)
        wish[W_SERIAL] = serial
        wish[W_CHARGE_MAX_W] = charge_max_W
        wish[W_DISCHARGE_MAX_W] = discharge_max_W
        self._end(wish, W_LIMIT_AT, now, ttl_ms)

    def post_floor(self, source, floor_permille, now, ttl_ms):
        wish = self._begin(source)
        wish[W_FLOOR_permille] = floor_permille
        self._end(wish, W_FLOOR_AT, now, ttl_ms)

    def post_stop(self, source, now):
        wish = self._begin(source)
        wish[W_STOP] = (wish[W_STOP] + 1) & TICKS_MASK
        self._end(wish, W_STOP_AT, now, 0)

    def _begin(self, source):
        wish = self.posted[source]
        wish[W_SEQ] = (wish[W_SEQ] + 1) & TICKS_MASK
        return wish

    def _end(self, wish, at_slot, now, ttl_ms):
        wish[at_slot] = now
        wish[at_slot + 1] = min(ttl_ms, TTL_MAX_ms)
        wish[W_SEQ] = (wish[W_SEQ] + 1) & TICKS_MASK

    # --- control's side; allocates nothing ---
    def take(self, now):
        # True if a wish came or went.
        news = False
        for source in range(SOURCES):
            if self.taken[source][W_SEQ] != self.posted[source][W_SEQ] and self._copy(source):
                news = True
            wish = self.taken[source]
            if wish[W_POWER_W] != UNKNOWN and _lapsed(wish, W_POWER_AT, now):
                wish[W_POWER_W] = UNKNOWN
                news = True
            if (wish[W_CHARGE_MAX_W] != UNKNOWN or wish[W_DISCHARGE_MAX_W] != UNKNOWN) and _lapsed(
                wish, W_LIMIT_AT, now
            ):
                wish[W_CHARGE_MAX_W] = wish[W_DISCHARGE_MAX_W] = UNKNOWN
                news = True
            if wish[W_FLOOR_permille] != UNKNOWN and _lapsed(wish, W_FLOOR_AT, now):
                wish[W_FLOOR_permille] = UNKNOWN
                news = True
        return news

    def _copy(self, source):
        posted = self.posted[source]
        spare = self._spare
        seq = posted[W_SEQ]
        if seq & 1:
            return False  # being written: the old copy stays for this tick
        spare[WHOLE] = posted
        if posted[W_SEQ] != seq or spare[W_SEQ] != seq:
            return False
        _stay_lapsed(self.taken[source], spare)
        self._spare = self.taken[source]
        self.taken[source] = spare
        return True


def _stay_lapsed(before, wish):
    # A record that is posted again still holds what lapsed here, be it 12 days ago: then its stamp would be young anew.
    _stays(before, wish, W_POWER_W, W_POWER_AT)
    _stays(before, wish, W_CHARGE_MAX_W, W_LIMIT_AT)
    _stays(before, wish, W_DISCHARGE_MAX_W, W_LIMIT_AT)
    _stays(before, wish, W_FLOOR_permille, W_FLOOR_AT)


def _stays(before, wish, slot, at):
    if before[slot] == UNKNOWN and before[at] == wish[at] and before[at + 1] == wish[at + 1]:
        wish[slot] = UNKNOWN


def _lapsed(wish, at_slot, now):
    lived_ms = (now - wish[at_slot]) & TICKS_MASK
    if lived_ms > TICKS_MASK - _SKEW_ms:
        return False
    return lived_ms >= wish[at_slot + 1]
