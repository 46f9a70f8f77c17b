# What the gate remembers of a session across a reset: its account of energy, its doubt and the departure reserve, as
# nine words at the begin of the board's retained memory. A wrong check sum means there is nothing (after a cold start
# that memory holds noise), and the next report of the car begins a new account.
from micropython import const

from firmware.units import UNKNOWN

_MAGIC = const(0x2AC51A01)
_WORDS = const(8)  # and a check sum
_UNSEEN_ms = const(3000)  # from the last image to the reset, and the reset: the converter went on as it was
_CAPACITY_MAX_Wh = const(500000)


def _word(image, word):
    at = word * 4
    return image[at] | image[at + 1] << 8 | image[at + 2] << 16 | (image[at + 3] & 0x3F) << 24


def _put(image, word, value):
    # 30 bits, little-endian. True if it changed.
    if _word(image, word) == value:
        return False
    for at in range(word * 4, word * 4 + 4):
        image[at] = value & 0xFF
        value >>= 8
    return True


def _sum(image):
    total = 0x5A5A
    for at in range(_WORDS * 4):
        total = (total * 31 + image[at]) & 0xFFFFFF
    return total


def save(image, soc, car):
    # True if the image changed and should be written.
    known = soc.low_mWh != UNKNOWN
    changed = _put(image, 0, _MAGIC if known else 0)
    if known:
        changed |= _put(image, 1, soc.low_mWh)
        changed |= _put(image, 2, soc.capacity_Wh)
        changed |= _put(image, 3, soc.doubt_mWh)
        changed |= _put(image, 4, 1001 if soc.soc_permille == UNKNOWN else soc.soc_permille)
        changed |= _put(image, 5, soc.ratchet_permille)
        changed |= _put(image, 6, car.vin << 1 | soc.doubted)
        changed |= _put(image, 7, soc.out_W)
    if changed:
        _put(image, 8, _sum(image))
    return changed


def load(image, soc):
    # True if there was a session. What flowed unseen since the image counts as gone.
    if _word(image, 0) != _MAGIC or _word(image, 8) != _sum(image):
        return False
    capacity_Wh = _word(image, 2)
    if not 0 < capacity_Wh <= _CAPACITY_MAX_Wh:
        return False
    unseen_mWh = _word(image, 7) * _UNSEEN_ms // 3600
    soc.capacity_Wh = capacity_Wh
    soc.low_mWh = max(0, _word(image, 1) - unseen_mWh)
    soc.doubt_mWh = _word(image, 3) + unseen_mWh
    permille = _word(image, 4)
    soc.soc_permille = UNKNOWN if permille > 1000 else permille
    soc.ratchet_permille = _word(image, 5)
    soc.doubted = _word(image, 6) & 1
    soc.vin = _word(image, 6) >> 1
    return True
