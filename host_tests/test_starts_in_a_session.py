"""A station that is reset at power again and again, in virtual time: it stops trying, unlocks the car, says so, and a
person at its button or a loss of power ends that."""

import pytest

from firmware.faults import F_RESETS, F_TICK, F_WATCHDOG
from firmware.signals import OUT_AUX, OUT_CONTACTOR, OUT_LOCK
from firmware.station import C_PHASE, PH_CHARGE, PH_PLUGGED
from hw_tests.bench.vehicles import vehicle
from hw_tests.bench.world import StepWorld

FAR_ms = 40000
CARS = {
    "gbt27930": ({}, {}, {}),
    "chademo": ({"kind": "leaf_ze0", "vehicle": "chademo"}, vehicle("chademo").pack({}), vehicle("chademo").station),
}


class Night:
    """A car that is plugged in."""

    def __init__(self, name):
        car, pack, station = CARS[name]
        plant = {"soc_permille": 300, **pack}
        self.world = StepWorld(car, plant, {"floor_permille": 500, **station}, services=False)
        self.pins = self.world.around.rig.pins
        self.world.act("plug", {})

    def phase(self):
        return self.world.fw.station.car.now[C_PHASE]

    def charges(self):
        """It comes to full operation within the time that a session takes."""
        until_ms = self.world.now_ms + FAR_ms
        while self.world.now_ms < until_ms and self.phase() != PH_CHARGE:
            self.world.tick()
        return self.phase() == PH_CHARGE

    def faults(self):
        return {code for code in (F_RESETS, F_TICK, F_WATCHDOG) if self.world.fw.faults.has(code)}

    def bad(self, how):
        """One end that nobody asked for, under way."""
        self.world.run(1000)
        if how == "raises":
            self.world.inject()
            self.world.tick()
        else:
            self.world.reset("watchdog")

    def rests(self):
        """For longer than a session takes to begin nothing is closed, and the car is not locked in."""
        self.world.run(1000)  # until the plug is believed
        for _ in range(FAR_ms // 100):
            self.world.run(100)
            if self.phase() != PH_PLUGGED or self.pins.mask & (OUT_CONTACTOR | OUT_LOCK | OUT_AUX):
                return False
        return True


@pytest.mark.parametrize("name", CARS)
@pytest.mark.parametrize("how", ["hangs", "raises"])
def test_after_three_in_a_row_it_waits_for_a_person(name, how):
    night = Night(name)
    for number in (1, 2, 3):
        assert night.charges(), number
        night.bad(how)
    assert F_RESETS in night.faults() and night.rests()
    night.world.act("press", {"what": "button"})
    assert night.charges() and F_RESETS not in night.faults()


def test_a_new_plug_in_does_not_end_it_and_a_loss_of_power_does():
    night = Night("gbt27930")
    for _ in range(3):
        assert night.charges()
        night.bad("hangs")
    night.world.run(2000)
    night.world.act("unplug", {})
    night.world.run(5000)
    night.world.act("plug", {})
    assert night.rests() and F_RESETS in night.faults()
    night.world.reset("power")
    assert night.charges() and night.faults() == set()
