# What the charger sends: 108, 109, and where agreed 118, 208, 209, every 100 ms. One frame a tick: a controller with
# several mailboxes would put 109 before 108, and some cars stumble over it (facts 2.1, 2.7). What did not leave stays
# due, and what follows waits for it, but not for long: one refused frame must not silence the others.
from micropython import const

from firmware.contract import Frame
from firmware.units import TICKS_MASK

O_108 = const(0)
O_109 = const(1)
O_118 = const(2)
O_208 = const(3)
O_209 = const(4)
_SLOTS = const(5)
BASIC = const(0x03)  # 108, 109
HIGH = const(0x04)  # 118
V2X = const(0x18)  # 208, 209
_PERIOD_ms = const(100)
_TRIES = const(4)
_HALF = const(0x20000000)


class Outbox:
    def __init__(self):
        self.frames = tuple([Frame(can_id, 8, 0) for can_id in (0x108, 0x109, 0x118, 0x208, 0x209)])
        for frame in self.frames:
            for i in range(8):
                frame.data[i] = 0
        self.mask = 0
        self._slot = 0  # the next to leave
        self._at = 0  # when its round begins or began
        self._due = 0
        self._tries = 0

    def only(self, mask, now):
        # From now on exactly these. A round under way goes on.
        if not self.mask:
            self._slot = 0
            self._at = now
        self.mask = mask

    def begins(self, now):
        # Does a round begin in this tick?
        return self._slot == 0 and (now - self._at) & TICKS_MASK < _HALF

    def step(self, now):
        # The slot that is due in this tick, or -1.
        self._due = 0
        if self._tries >= _TRIES:
            self._next()
        if not self.mask or (now - self._at) & TICKS_MASK >= _HALF:
            return -1
        self._due = 1
        return self._slot

    def poll(self, now):
        if not self._due:
            return None
        self._due = 0
        self._tries += 1
        return self.frames[self._slot]

    def sent(self, frame, now):
        if self._slot == 0:
            self._at = now
        self._next()

    def _next(self):
        slot, mask = self._slot, self.mask
        self._tries = 0
        slot += 1
        while slot < _SLOTS and not mask >> slot & 1:
            slot += 1
        if slot >= _SLOTS:
            slot = 0
            self._at = (self._at + _PERIOD_ms) & TICKS_MASK
        self._slot = slot
