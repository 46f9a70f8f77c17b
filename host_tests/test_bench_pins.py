"""Pins of the bench: relay drivers, heartbeat chain, raw inputs and their faults."""

import pytest

from hw_tests.bench.pins import (
    CC1,
    CONTACTOR,
    CURRENT,
    ESTOP,
    INLET,
    LINK,
    LOCKED,
    OUT_AUX,
    OUT_BLEED,
    OUT_CONTACTOR,
    OUT_ENABLE,
    OUT_HEARTBEAT,
    OUT_LOCK,
    TEMP1,
    Pins,
    PinsParams,
)
from hw_tests.bench.plant import Plant


class Board:
    """A board that toggles its heartbeat every 10 ms and holds a mask."""

    def __init__(self, **params):
        self.plant = Plant()
        self.pins = Pins(self.plant, PinsParams(noise=False, **params))
        self.mask = 0
        self.beat = 0
        self.alive = True

    def run(self, ms):
        for _ in range(ms):
            now = self.plant.now_ms
            if self.alive and now % 10 == 0:
                self.beat ^= OUT_HEARTBEAT
                self.pins.write(self.mask | self.beat, now)
            self.pins.step(now)
            self.plant.step(1)
        return self


def test_a_relay_follows_its_output_after_its_time():
    board = Board().run(20)
    board.mask = OUT_CONTACTOR | OUT_BLEED
    board.run(25)
    assert not board.plant.contactor.closed and board.plant.bleed.closed
    board.run(20)
    assert board.plant.contactor.closed
    board.run(10)
    assert board.pins.sample()[CONTACTOR] == 1
    board.mask = 0
    board.run(80)
    assert board.pins.sample()[CONTACTOR] == 0 and not board.plant.bleed.closed


def test_without_a_heartbeat_nothing_moves():
    board = Board()
    board.alive = False
    board.pins.write(OUT_CONTACTOR | OUT_ENABLE | OUT_HEARTBEAT)
    board.plant.now_ms = 500
    board.run(500)
    assert not board.plant.contactor.closed and not board.plant.stage.enabled


def test_a_lost_heartbeat_drops_enable_after_50_ms_and_the_coils_100_ms_later():
    board = Board().run(20)
    board.mask = OUT_CONTACTOR | OUT_ENABLE
    board.run(101)
    last_edge = board.plant.now_ms - 1
    assert board.pins.enable and board.plant.contactor.closed
    board.alive = False
    board.run(50)
    assert board.pins.enable
    board.run(1)
    assert not board.pins.enable and board.pins.coils
    board.run(100)
    assert not board.pins.coils
    assert board.plant.now_ms - last_edge == 152
    assert board.plant.contactor.closed
    board.run(31)
    assert not board.plant.contactor.closed
    assert board.pins.heartbeat_losses == 1
    board.alive = True
    board.run(100)
    assert board.plant.contactor.closed and board.pins.enable


def test_a_level_is_no_heartbeat():
    board = Board().run(100)
    board.mask = OUT_ENABLE
    board.run(20)
    assert board.pins.enable
    board.alive = False
    for _ in range(10):
        board.pins.write(OUT_ENABLE | OUT_HEARTBEAT)
        board.run(10)
    assert not board.pins.enable


def test_a_hard_reset_drops_everything_at_once():
    board = Board().run(20)
    board.mask = OUT_CONTACTOR | OUT_ENABLE
    board.run(100)
    board.alive = False
    board.pins.reset_outputs()
    board.run(3)
    assert not board.pins.enable and not board.plant.stage.enabled
    board.run(40)
    assert not board.plant.contactor.closed


@pytest.mark.parametrize(
    "wired, act",
    [("hardwired_estop", lambda pins: pins.press_estop()), ("hardwired_cc1", lambda pins: pins.set_cc1(6000))],
)
def test_the_hard_wires_cut_enable_only_where_fitted(wired, act):
    for fitted in (True, False):
        board = Board(**{wired: fitted})
        board.pins.plug()
        board.mask = OUT_ENABLE
        board.run(700)
        assert board.pins.enable
        act(board.pins)
        board.run(2)
        assert board.pins.enable is not fitted


def test_raw_counts_are_those_of_the_boards_scale():
    board = Board()
    plant, pins = board.plant, board.pins
    plant.link_V, plant.inlet_V, plant.current_A = 380.0, 12.5, -50.0
    pins.set_temperature(90.5)
    raw = pins.sample()
    assert (raw[LINK] - 1000) // 2 == 3800
    assert (raw[INLET] - 1000) // 2 == 125
    assert (raw[CURRENT] - 32768) // 10 == -500
    assert raw[TEMP1] - 500 == 905
    assert raw[CC1] == 6000
    assert len(raw) == 11


def test_cc1_while_plugging_in_and_out():
    board = Board()
    levels = []
    board.pins.plug()
    for _ in range(60):
        board.run(10)
        levels.append((board.pins.sample()[CC1], board.plant.plugged))
    assert levels[5] == (12000, False) and levels[35] == (6000, True) and levels[-1] == (4000, True)
    board.pins.unplug()
    levels = []
    for _ in range(70):
        board.run(10)
        levels.append((board.pins.sample()[CC1], board.plant.plugged))
    assert levels[0] == (6000, True) and levels[40] == (12000, False) and levels[-1] == (6000, False)


def test_a_locked_connector_is_not_pulled_until_it_is_unlocked():
    board = Board()
    board.pins.plug()
    board.mask = OUT_LOCK
    board.run(700)
    assert board.pins.sample()[LOCKED] == 1
    board.pins.unplug()
    board.run(2000)
    assert board.plant.plugged and board.pins.sample()[CC1] == 4000
    board.mask = 0
    board.run(1000)
    assert not board.plant.plugged and board.pins.sample()[LOCKED] == 0


def test_the_auxiliary_supply_reaches_a_plugged_car_only():
    board = Board()
    board.mask = OUT_AUX
    board.run(100)
    assert board.plant.vehicle.aux_V == 0.0
    board.pins.plug()
    board.run(600)
    assert board.plant.vehicle.aux_V == 12.0
    board.mask = 0
    board.run(50)
    assert board.plant.vehicle.aux_V == 0.0


def test_sensor_faults():
    board = Board()
    plant, pins = board.plant, board.pins
    plant.link_V = 100.0
    pins.sample()
    pins.sensor_fault("link", "stuck")
    plant.link_V = 300.0
    assert pins.sample()[LINK] == 3000
    pins.sensor_fault("link", "open")
    assert pins.sample()[LINK] == 65535
    pins.sensor_fault("link", "short")
    assert pins.sample()[LINK] == 0
    pins.sensor_fault("link", "offset", 40)
    assert pins.sample()[LINK] == 7040
    pins.sensor_fault("link", "gain", 1.1)
    assert pins.sample()[LINK] == 7600
    pins.sensor_fault("link", "noise", 100)
    seen = {pins.sample()[LINK] for _ in range(50)}
    assert len(seen) > 10 and all(abs(value - 7000) <= 100 for value in seen)
    pins.sensor_fault("link", None)
    assert pins.sample()[LINK] == 7000
    with pytest.raises(ValueError, match="none of stuck"):
        pins.sensor_fault("link", "bent")


def test_a_frozen_link_repeats_its_last_sample():
    board = Board()
    board.plant.link_V = 50.0
    before = list(board.pins.sample())
    board.pins.frozen = True
    board.plant.link_V = 300.0
    assert board.pins.sample() == before


def test_feedback_faults_and_estop():
    board = Board()
    board.pins.contactor_fault("feedback_closed")
    board.pins.estop = True
    raw = board.pins.sample()
    assert (raw[CONTACTOR], raw[ESTOP]) == (1, 1)
    board.pins.contactor_fault(None)
    assert board.pins.sample()[CONTACTOR] == 0


def test_noise_stays_small_and_is_the_same_in_every_run():
    def samples():
        plant = Plant()
        plant.link_V = 380.0
        pins = Pins(plant)
        return [list(pins.sample()) for _ in range(200)]

    first = samples()
    assert first == samples()
    links = [raw[LINK] for raw in first]
    assert max(links) != min(links) and all(abs(value - 8600) <= 5 for value in links)
    assert all(abs(raw[CURRENT] - 32768) <= 8 for raw in first)
