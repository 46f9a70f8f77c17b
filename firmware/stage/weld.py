# WELD: with all contactors told to open, whose voltage stays? GB/T 27930-2015 has no contactor bits: a welded contactor
# of the car shows only as an inlet that keeps the battery's voltage (facts 1.5).
from micropython import const

from firmware.faults import F_BLEED, F_CAR_CONTACTOR_WELDED, F_CONTACTOR_WELDED
from firmware.signals import OUT_BLEED
from firmware.stage.off import SAFE_dV
from firmware.station import S_INLET_dV, S_LINK_dV

_WELD_ms = const(10000)


class Weld:
    def __init__(self, stage):
        self._stage = stage

    def begin(self, now):
        stage = self._stage
        stage.release()
        stage.contactor(0)
        stage.relays |= OUT_BLEED

    def step(self, now, want):
        stage = self._stage
        reached = stage.reached
        if reached.done:
            return
        link_dV, inlet_dV = stage.sense[S_LINK_dV], stage.sense[S_INLET_dV]
        if reached.open and -SAFE_dV < link_dV < SAFE_dV and -SAFE_dV < inlet_dV < SAFE_dV:
            stage.relays &= ~OUT_BLEED
            reached.done = 1
        elif stage.late(want, now, _WELD_ms):
            self._blame(now, link_dV, inlet_dV)

    def _blame(self, now, link_dV, inlet_dV):
        code = F_BLEED
        if not self._stage.reached.open or link_dV >= SAFE_dV and -100 <= link_dV - max(0, inlet_dV) <= 100:
            code = F_CONTACTOR_WELDED
        elif inlet_dV >= SAFE_dV:
            code = F_CAR_CONTACTOR_WELDED
        self._stage.fail(code, max(0, inlet_dV), now)
