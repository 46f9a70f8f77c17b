# Safe is a sequence, not a level (house rule 2): converter off and module-enable off, contactors open at 5 A or when
# time is up, bleed, auxiliary supply off, unlock at a safe voltage. Every output mask passes here on its way to the
# pins; an early contactor-off becomes the sequence, and what is out of order keeps its old state and is counted.
from micropython import const

from firmware.signals import (
    OUT_AUX,
    OUT_BLEED,
    OUT_CONTACTOR,
    OUT_D1,
    OUT_D2,
    OUT_ENABLE,
    OUT_HEARTBEAT,
    OUT_LOCK,
)
from firmware.units import TICKS_MASK

OPEN_dA = const(50)  # contacts may part (GB/T 18487.1-2015 B.3.7)
_OPEN_WITHIN_ms = const(90)  # docs/safety.md: whatever flows, open 90 ms after the event ...
_SEEN_ms = const(20)  # ... of which two ticks pass before we know of it
SAFE_dV = const(600)  # 60 V
_MATCH_dV = const(100)  # house rule 13: link and inlet differ by at most 10 V
_ROSE_dV = const(500)  # the link must be seen to rise by that much: a stuck sensor does not
_AGREE_dV = const(200)  # the converter's own reading, some hundred ms old
_BLEED_ms = const(5000)  # our own bleeding ends: a car that keeps its contactors closed would burn the resistor


class Sequence:
    def __init__(self, sensed, car, converter, board):
        self._sensed = sensed
        self._car = car
        self._converter = converter
        self._pins = car.PINS | OUT_CONTACTOR | OUT_BLEED | OUT_ENABLE | OUT_HEARTBEAT
        self.open_after_ms = _OPEN_WITHIN_ms - _SEEN_ms - board.RELAY_ms
        self.held = 0  # what is energised now
        self.shut = 0  # 1: no way but to safe (the gate's monitors)
        self.opening = 0  # 1: contactors shall open, and wait for the current to fall
        self.dead = 0  # 1: closed onto a dead cable, for the insulation test only
        self.openings = 0
        self.opened_under_load = 0
        self.refused_bits = 0  # of the last mask
        self._since = 0  # of the opening
        self._forced = 0  # 1: opened by time and not by current, and counted
        self._opened_at = 0
        self._bled_at = 0  # OUT_BLEED changed last
        self.bleeding = 0  # 1: after an opening by shut
        self.closed = 0  # feedback when it was looked at last
        self._link_low_dV = TICKS_MASK  # lowest link voltage since ON left

    def moved(self):
        # The feedback contact changed.
        sensed = self._sensed
        if self.closed and not self._forced and not -OPEN_dA <= sensed.before_dA <= OPEN_dA:
            self.opened_under_load += 1
        self._forced = 0
        self.closed = sensed.contactor

    def watch(self):
        # While the contactors are open: how low the link was since ON left.
        link_dV = self._sensed.link_dV
        if not self._converter.on_left:
            self._link_low_dV = TICKS_MASK
        elif link_dV < self._link_low_dV:
            self._link_low_dV = link_dV

    def burns(self, now):
        # Bled with the contactors closed, for longer than link and cable take: it is a battery that is bled.
        return self.held & OUT_BLEED and (now - self._bled_at) & TICKS_MASK > _BLEED_ms

    def vet(self, mask, now):
        held = self.held
        refused = 0
        mask &= self._pins
        if self.shut:
            mask &= ~(OUT_CONTACTOR | OUT_ENABLE)
        if held & OUT_CONTACTOR:
            if self.opening or not mask & OUT_CONTACTOR:
                mask = self._open(mask, now)
        elif mask & OUT_CONTACTOR:
            if self._may_close():
                self.dead = self._car.insulating
            else:
                mask &= ~OUT_CONTACTOR
                refused = OUT_CONTACTOR
        if mask & OUT_ENABLE and (self._sensed.stale or not self._converter.off_left):
            mask &= ~OUT_ENABLE
            refused |= OUT_ENABLE
        if self.bleeding:
            mask = self._bleed(mask, now)
        changed = (mask ^ held) & (OUT_BLEED | OUT_LOCK | OUT_AUX | OUT_D1 | OUT_D2)
        if changed:
            if changed & OUT_BLEED:
                self._bled_at = now
            wrong = self._out_of_order(mask, changed)
            if changed & (OUT_D1 | OUT_D2):
                wrong = self._car.pins(mask, now) | wrong  # wires of one protocol: its rules know their order
            mask ^= wrong
            refused |= wrong
        self.refused_bits = refused
        self.held = mask
        return mask

    def _open(self, mask, now):
        # Step 1 is module-enable here and the OFF frame in the converter's driver (the gate asks for it by off_needed).
        sensed = self._sensed
        if not self.opening:
            self.opening = 1
            self._since = now
        mask &= ~OUT_ENABLE
        current_ok = sensed.fresh and -OPEN_dA <= sensed.current_dA <= OPEN_dA
        if not current_ok and (now - self._since) & TICKS_MASK < self.open_after_ms:
            return mask | OUT_CONTACTOR
        if not current_ok:  # counted now: when the feedback follows, the current was gone for a sample already
            self.opened_under_load += 1
            self._forced = 1
        self.opening = self.dead = 0
        self.openings += 1
        self._opened_at = now
        self.bleeding = self.shut
        return mask & ~OUT_CONTACTOR

    def _bleed(self, mask, now):
        sensed = self._sensed
        if (now - self._opened_at) & TICKS_MASK > _BLEED_ms or (sensed.link_dV < SAFE_dV and sensed.inlet_dV < SAFE_dV):
            self.bleeding = 0
            return mask
        return mask if sensed.contactor else mask | OUT_BLEED

    def _may_close(self):
        # Rule 13: never on the command's own word.
        sensed, car, converter = self._sensed, self._car, self._converter
        link_dV, inlet_dV = sensed.link_dV, sensed.inlet_dV
        if self.held & OUT_BLEED or not (sensed.fresh and sensed.plugged and sensed.locked() and converter.off_left):
            return False
        if not -_MATCH_dV <= link_dV - inlet_dV <= _MATCH_dV:
            return False
        if car.insulating:  # nothing behind the cable yet: closed without voltage, and nobody is about to make any
            return link_dV < SAFE_dV and inlet_dV < SAFE_dV and not converter.on_left
        return (
            car.may_close
            and link_dV - self._link_low_dV >= _ROSE_dV
            and converter.live
            and -_AGREE_dV <= converter.voltage_dV - link_dV <= _AGREE_dV
        )

    def _out_of_order(self, mask, changed):
        # The bits that would change too early.
        sensed = self._sensed
        wrong = 0
        closed = mask & OUT_CONTACTOR or sensed.contactor
        if changed & OUT_BLEED and mask & OUT_BLEED and closed:
            if not (self.dead if mask & OUT_CONTACTOR else self._car.insulating):
                wrong = OUT_BLEED
        if changed & OUT_AUX:
            if mask & OUT_AUX:
                if not sensed.plugged:
                    wrong |= OUT_AUX
            elif closed or not sensed.fresh:
                wrong |= OUT_AUX
        if changed & OUT_LOCK and not mask & OUT_LOCK:
            safe_dV = self._car.UNLOCK_dV
            if closed or not sensed.fresh or sensed.link_dV >= safe_dV or sensed.inlet_dV >= safe_dV:
                wrong |= OUT_LOCK
        return wrong
