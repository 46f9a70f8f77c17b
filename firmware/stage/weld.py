# WELD: with all contactors told to open, whose voltage stays? GB/T 27930-2015 has no contactor bits: a welded contactor
# of the car shows only as an inlet that keeps the battery's voltage (facts 1.5).
from micropython import const

from firmware.faults import F_BLEED, F_CAR_CONTACTOR_WELDED, F_CONTACTOR_WELDED
from firmware.signals import OUT_BLEED, OUT_CONTACTOR
from firmware.stage.off import SAFE_dV
from firmware.station import S_INLET_dV, S_LINK_dV

_OWN_ms = const(10000)


class Weld:
    def __init__(self, stage):
        self._stage = stage

    def begin(self, now):
        stage = self._stage
        stage.release()
        stage.relays = stage.relays & ~OUT_CONTACTOR | OUT_BLEED

    def step(self, now, want):
        stage = self._stage
        if stage.reached.done:
            return
        if stage.overdue(now, want, _OWN_ms):
            inlet_dV = stage.sense[S_INLET_dV]
            stage.fail(self._welded(stage.sense[S_LINK_dV], inlet_dV), max(0, inlet_dV), now)
        elif stage.reached.open and stage.below(SAFE_dV):
            stage.relays &= ~OUT_BLEED
            stage.reached.done = 1

    def _welded(self, link_dV, inlet_dV):
        if not self._stage.reached.open or link_dV >= SAFE_dV and -100 <= link_dV - max(0, inlet_dV) <= 100:
            return F_CONTACTOR_WELDED
        return F_CAR_CONTACTOR_WELDED if inlet_dV >= SAFE_dV else F_BLEED
