"""Plant, pins and converter together, as a session uses them."""

import pytest

from hw_tests.bench import facts as known
from hw_tests.bench import infypower as infy
from hw_tests.bench.converter import INVERTER, OFF, ON, RECTIFIER
from hw_tests.bench.infypower import WRITE, request
from hw_tests.bench.pins import OUT_AUX, OUT_BLEED, OUT_CONTACTOR, OUT_ENABLE, OUT_HEARTBEAT, OUT_LOCK
from hw_tests.bench.rig import Rig, parameters


class Station:
    """A controller that does by hand what a session does."""

    def __init__(self, now_ms=0, **table):
        self.rig = Rig(parameters(table), now_ms)
        self.mask = self.beat = 0

    def run(self, ms):
        for _ in range(0, ms, 10):
            self.beat ^= OUT_HEARTBEAT
            self.rig.pins.write(self.mask | self.beat, self.rig.now_ms)
            self.rig.advance(self.rig.now_ms + 10)
        return self

    def write(self, item, value):
        self.rig.receive(request(WRITE, item, value))
        return self.run(20)

    def power(self, mode, amps):
        self.write(infy.ON_OFF, OFF).run(self.rig.params.plant.stage.reaction_ms + 50)
        self.write(infy.MODE, mode).write(infy.CUT_OFF, 300000)
        self.write(infy.VOLTAGE, 410000).write(infy.CURRENT, amps * 1000).write(infy.ON_OFF, ON)
        return self.run(1500 + self.rig.params.plant.stage.reaction_ms)

    def connect(self):
        self.rig.do("plug")
        self.mask = OUT_LOCK | OUT_AUX | OUT_ENABLE
        self.run(800)
        self.rig.vehicle.close_contactors = True
        self.write(infy.MODE, RECTIFIER).write(infy.VOLTAGE, 378000).write(infy.CURRENT, 2000).write(infy.ON_OFF, ON)
        self.run(1000 + self.rig.params.plant.stage.reaction_ms)
        self.mask |= OUT_CONTACTOR
        return self.run(100)


def test_a_session_by_hand():
    station = Station(soc_permille=600).connect()
    assert station.rig.facts()["inrush_max_A"] < 60
    station.power(RECTIFIER, 50)
    facts = station.rig.facts()
    assert facts["current_A"] == pytest.approx(50, abs=0.2) and facts["power_W"] > 19000
    station.power(INVERTER, 50)
    facts = station.rig.facts()
    assert facts["current_A"] == pytest.approx(-50, abs=0.2) and facts["power_W"] < -17000
    assert facts["soc_min_permille"] <= facts["soc_discharged_min_permille"] <= facts["soc_permille"]
    station.write(infy.ON_OFF, OFF).run(100)
    station.rig.vehicle.close_contactors = False
    station.run(50)
    station.mask = OUT_LOCK | OUT_AUX | OUT_BLEED
    station.run(3000)
    facts = station.rig.facts()
    assert facts["link_V"] < 60 and facts["inlet_V"] < 60
    assert (facts["openings"], facts["opened_under_load"]) == (1, 0)
    station.mask = 0
    station.run(300)
    station.rig.do("unplug")
    station.run(1000)
    assert not station.rig.facts()["plugged"]


def test_facts_have_the_names_that_scenarios_use():
    rig_facts = Rig().facts()
    physical = set(known.FACTS) & set(rig_facts)
    assert {"soc_permille", "power_W", "contactor", "opened_under_load", "to_open_ms", "converter_mode"} <= physical
    assert len(physical) >= 30


@pytest.mark.parametrize("reaction_ms", [10, 200])
def test_reactions_are_measured_from_the_mark(reaction_ms):
    station = Station(reaction_ms=reaction_ms, soc_permille=800).connect().power(INVERTER, 45)
    station.rig.do("mark")
    station.run(20)
    station.rig.receive(request(WRITE, infy.ON_OFF, OFF))
    station.run(30)
    station.mask &= ~OUT_CONTACTOR
    station.run(500)
    facts = station.rig.facts()
    assert facts["marked_current_A"] < -44
    assert facts["to_command_ms"] == pytest.approx(50, abs=2)
    assert facts["to_open_ms"] == pytest.approx(80, abs=2)
    assert facts["to_enable_off_ms"] is None
    assert facts["to_5A_ms"] == pytest.approx(20 + reaction_ms if reaction_ms == 10 else 80, abs=4)
    assert facts["opened_under_load"] == (reaction_ms == 200)


def test_a_watchdog_reset_at_full_power_is_caught_by_the_wires():
    station = Station(reaction_ms=1000, soc_permille=800).connect().power(INVERTER, 45)
    assert station.rig.plant.current_A < -44
    station.rig.pins.reset_outputs()
    station.rig.advance(station.rig.now_ms + 200)
    facts = station.rig.facts()
    assert facts["contactor"] == 0 and facts["opened_under_load"] == 0


def test_a_hang_at_full_power_is_caught_by_the_heartbeat():
    station = Station(reaction_ms=1000, soc_permille=800).connect().power(INVERTER, 45)
    station.rig.do("mark")
    station.rig.advance(station.rig.now_ms + 400)
    facts = station.rig.facts()
    assert 40 <= facts["to_enable_off_ms"] <= 51
    assert facts["to_5A_ms"] <= 55
    assert facts["to_open_ms"] == pytest.approx(facts["to_enable_off_ms"] + 130, abs=3)
    assert facts["opened_under_load"] == 0


def test_time_may_start_anywhere():
    late = Station(now_ms=2**30 - 2000).connect().power(RECTIFIER, 20).rig.facts()
    early = Station().connect().power(RECTIFIER, 20).rig.facts()
    late.pop("now_ms"), early.pop("now_ms")
    assert late == early


def test_unknown_names_are_errors_that_say_so():
    with pytest.raises(ValueError, match="no parameter 'colour'"):
        parameters({"colour": 1})
    with pytest.raises(ValueError, match="no verb 'sing'"):
        Rig().do("sing")
    with pytest.raises(ValueError, match="know no misbehaviour 'sing'"):
        Rig().do("pins", "sing")


def test_misbehaviours_by_name():
    rig = Rig()
    rig.do("pins", "cc1_lost")
    rig.do("pins", "sensor", {"name": "link", "kind": "open"})
    rig.do("pins", "temperature", {"celsius": 95.0})
    rig.do("pins", "estop")
    raw = rig.pins.sample()
    assert raw[0] == 65535 and abs(raw[3] - 6000) < 40 and raw[4] == 1450 and raw[7] == 1
    rig.do("pins", "heal")
    assert rig.pins.sample()[0] < 1010
    rig.do("press", "button", hold_ms=100)
    assert rig.pins.sample()[8] == 1
    rig.advance(200)
    assert rig.pins.sample()[8] == 0
    rig.do("converter", "reaction", {"ms": 200})
    assert rig.facts()["reaction_ms"] == 200


def test_a_quiet_hour_is_quick_and_exact():
    station = Station(soc_permille=500)
    station.run(100)
    station.rig.advance(station.rig.now_ms + 600_000)
    assert station.rig.facts()["energy_import_Wh"] == pytest.approx(15 * 600.1 / 3600, rel=1e-3)
