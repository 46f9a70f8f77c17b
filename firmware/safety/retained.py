# What the gate remembers of a session across a reset: its account of energy, its doubt and the departure reserve, as
# nine words at the begin of the board's retained memory. A wrong check sum means there is nothing (after a cold start
# that memory holds noise), and the next report of the car begins a new account.
from array import array
from struct import pack_into

from micropython import const

from firmware.units import UNKNOWN, WHOLE

_MAGIC = const(0x2AC51A01)
_WORDS = const(8)  # and a check sum
_UNSEEN_ms = const(3000)  # from the last image to the reset, and the reset: the converter went on as it was
_CAPACITY_MAX_Wh = const(500000)


def _word(image, word):
    # 30 bits, little-endian.
    at = word * 4
    return image[at] | image[at + 1] << 8 | image[at + 2] << 16 | (image[at + 3] & 0x3F) << 24


def _sum(words):
    # Half a word at a time: no product grows beyond 31 bits.
    total = 0x5A5A
    for word in words:
        total = (total * 31 + (word & 0x7FFF)) & 0xFFFFFF
        total = (total * 31 + (word >> 15)) & 0xFFFFFF
    return total


def _write(image, words):
    pack_into("<3i", image, 0, words[0], words[1], words[2])
    pack_into("<3i", image, 12, words[3], words[4], words[5])
    pack_into("<3i", image, 24, words[6], words[7], _sum(words))


class Retained:
    def __init__(self):
        self._words = array("i", [0] * _WORDS)
        self._kept = array("i", self._words)  # what the image holds

    def save(self, image, soc, car):
        # True if the image changed and should be written.
        words = self._words
        if soc.low_mWh == UNKNOWN:
            words[0] = 0
        else:
            words[0] = _MAGIC
            words[1] = soc.low_mWh
            words[2] = soc.capacity_Wh
            words[3] = soc.doubt_mWh
            words[4] = 1001 if soc.soc_permille == UNKNOWN else soc.soc_permille
            words[5] = soc.ratchet_permille
            words[6] = car.vin << 1 | soc.doubted
            words[7] = soc.out_W
        if words == self._kept:
            return False
        self._kept[WHOLE] = words
        _write(image, words)
        return True

    def load(self, image, soc):
        # True if there was a session. What flowed unseen since the image counts as gone.
        words = self._kept
        for word in range(_WORDS):
            words[word] = _word(image, word)
        if words[0] != _MAGIC or _word(image, _WORDS) != _sum(words):
            return False
        if not 0 < words[2] <= _CAPACITY_MAX_Wh:
            return False
        unseen_mWh = words[7] * _UNSEEN_ms // 3600
        soc.capacity_Wh = words[2]
        soc.low_mWh = max(0, words[1] - unseen_mWh)
        soc.doubt_mWh = words[3] + unseen_mWh
        soc.soc_permille = UNKNOWN if words[4] > 1000 else words[4]
        soc.ratchet_permille = words[5]
        soc.doubted = words[6] & 1
        soc.vin = words[6] >> 1
        return True
