# The station's own plan: charge up to the floor, else rest; never discharge.
from firmware.config import parse
from firmware.planner import Planner
from firmware.station import C_GATE_FLOOR_permille, C_GATE_SOC_LOW_permille, Station
from firmware.units import TICKS_MASK, UNKNOWN
from firmware.wishes import SRC_PLAN, W_POWER_W, W_POWER_TTL_ms, Wishes


class _View:
    def __init__(self):
        self.car = self
        self.values = [UNKNOWN] * len(Station().car.now)


class _Rig:
    def __init__(self, **config):
        self.view = _View()
        self.wishes = Wishes()
        self.planner = Planner(self.view, self.wishes, parse("{}"))
        self.now = 0

    def plan(self, soc_low_permille, floor_permille, ms=20):
        self.view.values[C_GATE_SOC_LOW_permille] = soc_low_permille
        self.view.values[C_GATE_FLOOR_permille] = floor_permille
        self.now = (self.now + ms) & TICKS_MASK
        self.planner.step(self.now)
        self.wishes.take(self.now)
        return self.wishes.taken[SRC_PLAN][W_POWER_W]


def test_below_the_floor_it_charges_up_to_it_and_then_rests():
    rig = _Rig()
    powers = [rig.plan(soc, 500) for soc in (400, 496, 500, 504, 505, 506)]
    assert powers == [22000, 22000, 22000, 22000, 0, 0]


def test_it_does_not_hunt_around_the_floor():
    rig = _Rig()
    assert [rig.plan(soc, 500) for soc in (505, 500, 498, 497, 496, 497, 504, 505)] == [
        0, 0, 0, 0, 22000, 22000, 22000, 0,
    ]  # fmt: skip


def test_it_never_discharges():
    rig = _Rig()
    for soc in range(0, 1001, 7):
        for floor in (0, 300, 1000):
            assert rig.plan(soc, floor) >= 0


def test_a_floor_of_everything_charges_on_until_the_car_ends_it():
    rig = _Rig()
    assert rig.plan(990, 1000) == 22000
    assert rig.plan(998, 1000) == 22000


def test_what_is_not_known_is_no_reason_to_charge():
    rig = _Rig()
    assert rig.plan(400, 500) == 22000
    assert rig.plan(UNKNOWN, 500) == 0
    assert rig.plan(400, UNKNOWN) == 0


def test_a_raised_floor_is_followed_and_the_plan_starts_anew_after_a_replug():
    rig = _Rig()
    assert rig.plan(600, 500) == 0
    assert rig.plan(600, 700) == 22000
    assert rig.plan(UNKNOWN, UNKNOWN) == 0
    assert rig.plan(600, 700) == 22000


def test_the_lease_is_renewed_in_time_and_not_with_every_step():
    rig = _Rig()
    rig.plan(600, 500)
    seqs = set()
    for _ in range(100 * 50):  # 100 s
        assert rig.plan(600, 500) == 0
        seqs.add(rig.wishes.taken[SRC_PLAN][0])
    assert 5 <= len(seqs) <= 12
    assert rig.wishes.taken[SRC_PLAN][W_POWER_TTL_ms] == 60000


def test_a_dead_planner_leaves_no_wish():
    rig = _Rig()
    assert rig.plan(400, 500) == 22000
    rig.now += 60001
    rig.wishes.take(rig.now)
    assert rig.wishes.taken[SRC_PLAN][W_POWER_W] == UNKNOWN


def test_after_a_restart_it_posts_at_once():
    rig = _Rig()
    rig.plan(600, 500)
    before = rig.wishes.taken[SRC_PLAN][0]
    rig.planner.restart()
    rig.plan(600, 500)
    assert rig.wishes.taken[SRC_PLAN][0] != before
