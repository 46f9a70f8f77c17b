# Ages, clamps and the house's integers. Knows no protocol.
#
# Time is `now`: milliseconds that wrap at 2^30 (the small-int range of time.ticks_ms), always handed in.
# Unknown values are UNKNOWN, never 0. Everything here stays within 31 bits and allocates nothing.
from array import array

from micropython import const

TICKS_MASK = const(0x3FFFFFFF)
AGE_MAX_ms = const(0x1FFFFFFF)  # 6.2 days: the largest age; an age never wraps back to fresh
_OLD_ms = const(0x0FFFFFFF)  # 3.1 days: Ages.keep() forgets stamps older than this
UNKNOWN = const(-0x40000000)  # the smallest small int: no physical value comes near it


class _Key:
    def __getitem__(self, key):
        return key


# `to[WHOLE] = of`, of two arrays alike, copies in C and allocates nothing, for the slice is made once and here.
WHOLE = _Key()[:]


def age_ms(now, then):
    # Milliseconds from `then` to `now`. A stamp from the future (up to half the range) counts as AGE_MAX_ms:
    # who mixes up the order must look old, not fresh.
    age = (now - then) & TICKS_MASK
    return age if age <= AGE_MAX_ms else AGE_MAX_ms


def after(now, ms):
    return (now + ms) & TICKS_MASK


def clamp(value, low, high):
    if value < low:
        return low
    return high if value > high else value


class Ages:
    # Stamps that saturate: one slot per thing that happens. A slot never marked, or not for 3 days, is old for ever
    # until it is marked again, so that a stay of weeks cannot make it look fresh. Call keep() once a tick.
    def __init__(self, count):
        self._at = array("i", [-1] * count)
        self._next = 0

    def mark(self, slot, now):
        self._at[slot] = now

    def forget(self, slot):
        self._at[slot] = -1

    def ms(self, slot, now):
        at = self._at[slot]
        return AGE_MAX_ms if at < 0 else age_ms(now, at)

    def keep(self, now):
        slot = self._next
        at = self._at[slot]
        if at >= 0 and ((now - at) & TICKS_MASK) > _OLD_ms:
            self._at[slot] = -1
        slot += 1
        self._next = 0 if slot == len(self._at) else slot
