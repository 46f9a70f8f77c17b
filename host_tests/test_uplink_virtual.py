"""The uplink in virtual time against the mini broker: what is said, outages, hostile brokers, long stays."""

import json

import pytest

from firmware import faults
from firmware.faults import F_CC1_LOST
from firmware.station import (
    C_PHASE,
    EV_PHASE,
    PH_DISCHARGE,
    PH_IDLE,
    R_FLOOR,
    G_FREQUENCY_mHz,
    G_VOLTAGE2_dV,
    G_VOLTAGE3_dV,
    G_VOLTAGE_dV,
)
from firmware.units import UNKNOWN
from host_tests.unit.fake_network import GOOD, NO_NETWORK, WLAN
from host_tests.uplink_rig import ROOT, GAP_s, Rig, UNIX_s
from hw_tests.bench.minibroker import packet, publish_packet


@pytest.fixture(params=[1970, 2000])
def rig(request):
    """A station that is connected, with either epoch."""
    rig = Rig(epoch=request.param)
    rig.run(1000)
    yield rig
    assert rig.broker.violations == []


def test_it_says_hello(rig):
    status, birth = rig.broker.retained[ROOT + "status"], rig.broker.retained[ROOT + "birth"]
    assert status == (b"online", 1) and birth[1] == 1
    said = json.loads(birth[0])
    assert said["boot_id"] == "b001" and said["config"] == rig.config.hash and said["t"] == UNIX_s
    connection = rig.broker.connections[0]
    assert connection.will == (ROOT + "status", b"offline", 1, True) and connection.keepalive_s == 30
    assert connection.subscriptions == {ROOT + "cmd/setpoint": 1, ROOT + "cmd/limit": 1}


def test_the_state_is_told_in_time_and_retained(rig):
    rig.run(60000)
    states = rig.said("state")
    assert 12 <= len(states) <= 14  # every 5 s in a session
    assert all(state["limiting_factor"] == "none" and state["soc_permille"] == 600 for state in states)
    assert json.loads(rig.broker.retained[ROOT + "state"][0]) == states[-1]
    rig.station.car.now[C_PHASE] = PH_IDLE
    rig.run(1000)
    before = len(rig.said("state"))
    rig.run(180000)
    assert len(rig.said("state")) - before in (3, 4)  # every 60 s without a car


def test_a_change_is_told_at_once_but_not_too_often(rig):
    rig.run(2000)
    before = len(rig.said("state"))
    rig.station.car.now[C_PHASE] = PH_DISCHARGE
    rig.run(600)
    assert rig.said("state")[-1]["phase"] == "discharge"
    for turn in range(200):  # a limit that flutters
        rig.judge.discharge_max_W = 15000 - turn % 2 * 5000
        rig.run(20)
    assert len(rig.said("state")) - before <= 12


def test_volts_and_frequency_are_told_every_10_s_while_a_meter_tells_them(rig):
    grid = rig.station.grid.now
    grid[G_FREQUENCY_mHz] = grid[G_VOLTAGE_dV] = grid[G_VOLTAGE2_dV] = grid[G_VOLTAGE3_dV] = UNKNOWN
    rig.run(30000)
    assert rig.said("grid") == []  # no meter
    grid[G_FREQUENCY_mHz], grid[G_VOLTAGE_dV] = 49987, 2305  # one of a single phase
    rig.run(60000)
    told = rig.said("grid")
    assert len(told) in (6, 7) and ROOT + "grid" not in rig.broker.retained
    assert {key: told[-1][key] for key in told[-1] if key != "t"} == {"frequency_mHz": 49987, "voltage_dV": 2305}
    assert told[-1]["t"] - told[0]["t"] == 10 * (len(told) - 1)
    grid[G_FREQUENCY_mHz] = grid[G_VOLTAGE_dV] = UNKNOWN  # it has fallen silent
    rig.run(1000)
    before = len(rig.said("grid"))
    rig.run(30000)
    assert len(rig.said("grid")) == before


def test_an_order_is_answered_within_a_quarter_of_a_second(rig):
    begun = rig.ms
    rig.order(-5000)
    while not rig.said("ack/setpoint"):
        rig.run(20)
    assert rig.ms - begun <= 250 and rig.applied_W() == -5000
    rig.run(1000)
    assert rig.said("state")[-1]["order"] == "o1"


def test_the_lease_of_an_order_runs_out(rig):
    rig.order(-5000, lease_s=10)
    rig.run(9500)
    assert rig.applied_W() == -5000
    rig.run(1500)
    assert rig.applied_W() == 0
    assert rig.said("state")[-1]["source"] == "plan"


def test_the_floor_is_a_reason(rig):
    rig.judge.discharge_max_W, rig.judge.discharge_why = 0, R_FLOOR
    rig.run(500)
    rig.order(-5000)
    rig.run(500)
    ack = rig.said("ack/setpoint")[-1]
    assert (ack["result"], ack["reason"], ack["applied_W"]) == ("rejected", "floor", 0)
    assert rig.said("state")[-1]["discharge_why"] == "floor"


def test_retained_orders_are_refused_and_never_applied(rig):
    rig.broker.publish(ROOT + "cmd/setpoint", b'{"id":"r","t":1,"exp":4102444800,"power_W":-9000}', retain=True)
    rig.run(500)
    first = len(rig.said("ack/setpoint"))  # to a subscriber that is there it comes as a live one: stale
    rig.broker.kill()
    rig.broker.start()
    rig.run(5000)
    acks = rig.said("ack/setpoint")
    assert len(acks) == first + 1 and acks[-1]["reason"] == "retained" and rig.applied_W() == 0


def test_a_redelivery_is_answered_again_and_not_applied_again(rig):
    rig.order(-5000)
    connection = rig.broker.connections[0]
    rig.run(500)
    raw = rig.broker.messages(ROOT + "cmd/setpoint", arrow="<")[-1]
    rig.broker.inject(publish_packet(ROOT + "cmd/setpoint", raw, 1, False, 99, dup=True))
    rig.run(500)
    acks = rig.said("ack/setpoint")
    assert len(acks) == 2 and acks[0]["result"] == acks[1]["result"] == "accepted"
    rig.broker.inject(publish_packet(ROOT + "cmd/setpoint", raw, 1, False, 100))
    rig.run(500)
    assert rig.said("ack/setpoint")[-1]["reason"] == "repeated"
    assert connection.in_flight == {}


def test_ids_are_remembered_over_a_reconnection(rig):
    rig.order(-5000, order_id="once")
    rig.run(500)
    raw = rig.broker.messages(ROOT + "cmd/setpoint", arrow="<")[-1]
    rig.broker.kill()
    rig.run(500)
    rig.broker.start()
    rig.run(5000)
    rig.broker.publish(ROOT + "cmd/setpoint", raw)
    rig.run(500)
    assert rig.said("ack/setpoint")[-1]["reason"] == "repeated"


def test_events_are_told_with_what_to_do(rig):
    rig.station.events.put(F_CC1_LOST, 1, 3, rig.ticks_ms())
    rig.run(500)
    event = rig.said("event")[-1]
    assert event["code"] == "cc1_lost" and event["state"] == "raised" and event["hist"] is False
    assert event["boot_id"] == "b001" and event["action"]
    rig.run(6000)
    assert rig.said("state")[-1]["faults"] == ["cc1_lost"]


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5])
def test_a_broker_that_refuses_is_tried_again(code):
    rig = Rig()
    rig.broker.refuse_code = code
    rig.run(3000)
    told = [line for line in rig.lines if not line.startswith("state ")]
    assert f"MQTTException({code}" in told[0]
    rig.broker.refuse_code = 0
    rig.run(10000)
    assert rig.said("birth")


def test_rubbish_from_the_broker_costs_a_reconnection_and_nothing_else():
    rig = Rig()
    rig.run(1000)
    for rubbish in (b"\x32\x02\x00\x05", b"\x00" * 9, b"\xff" * 9, packet(0x34, b"\0\1a\0\1"), b"\x30\xff\xff\xff\xff"):
        rig.broker.inject(rubbish)
        rig.run(40000)
    rig.order(-4000, order_id="after")
    rig.run(1000)
    assert rig.said("ack/setpoint")[-1]["result"] == "accepted"
    assert rig.journal.active[faults.F_SERVICE] == 0


@pytest.mark.parametrize("chunk", [1, 2, 7])
def test_any_cutting_of_the_stream_is_the_same_to_it(chunk):
    rig = Rig()
    rig.sockets.chunk, rig.sockets.room = chunk, chunk
    rig.run(1000)
    for number in range(20):
        rig.order(-1000 - number, order_id=f"n{number}")
        rig.run(300)
    assert len(rig.said("ack/setpoint")) == 20
    assert rig.broker.violations == []


def test_a_flood_neither_hides_the_newest_valid_order_nor_stops_the_rest(rig):
    for _second in range(4):
        for _tenth in range(100):  # 1,000 a second
            rig.broker.flood(ROOT + "cmd/setpoint", [b"rubbish", b"{}", b'{"id":"x"}', b"[" * 400, b"\xff"] * 2)
            rig.run(10)
    rig.order(-7000, order_id="newest")
    rig.broker.flood(ROOT + "cmd/setpoint", [b"rubbish"] * 200)
    states = len(rig.said("state"))
    rig.run(6000)
    assert rig.applied_W() == -7000
    assert [ack for ack in rig.said("ack/setpoint") if ack.get("id") == "newest"][0]["result"] == "accepted"
    assert len(rig.said("state")) > states
    assert rig.said("state")[-1]["mqtt"]["unanswered"] > 0
    assert rig.journal.active[faults.F_SERVICE] == 0


def test_a_board_waits_for_its_network_and_tells_what_happened_meanwhile():
    wlan = WLAN()
    wlan.active(True)
    wlan.air = NO_NETWORK
    rig = Rig(clock_set=False, wlan=wlan, wifi_ssid="attic", ntp_host="")
    for _ in range(60):
        rig.run(1000)
        wlan.pass_time()
    assert rig.said("birth") == [] and rig.uplink.reconnects == -1
    told = [line for line in rig.lines if not line.startswith("state ")]
    assert len(told) == 1 and "no network of this name" in told[0], "nothing else fails for want of it"
    wlan.air = GOOD
    for _ in range(60):
        rig.run(2000)
        wlan.pass_time()
    assert len(rig.said("birth")) == 1
    told = [event for event in rig.said("event") if event["code"] == "wifi"]
    assert [event["state"] for event in told] == ["raised", "cleared"] and told[0]["hist"]


def test_the_time_from_the_network_opens_the_way_for_orders():
    rig = Rig(clock_set=False)
    rig.run(1000)
    rig.order(-5000, order_id="early")
    rig.run(1000)
    assert rig.said("ack/setpoint")[-1]["reason"] == "no_clock"
    clock = rig.services.services[1]
    clock.set(rig.unix_s - GAP_s)
    rig.order(-5000, order_id="known")
    rig.run(1000)
    assert rig.said("ack/setpoint")[-1]["result"] == "accepted" and rig.applied_W() == -5000
    clock.set(rig.unix_s - GAP_s - 86400)  # set back or forward under way, the order lasts as long as it was given
    rig.run(30000)
    assert rig.applied_W() == -5000
    clock.set(rig.unix_s - GAP_s + 86400)
    rig.run(20000)
    assert rig.applied_W() == -5000
    rig.run(15000)
    assert rig.applied_W() == 0


def test_without_a_clock_everything_is_told_but_orders_are_refused():
    rig = Rig(clock_set=False)
    rig.run(1000)
    rig.order(-5000)
    rig.run(1000)
    assert rig.said("ack/setpoint")[-1]["reason"] == "no_clock"
    assert "t" not in rig.said("state")[-1] and rig.applied_W() == 0
    rig.clock_set = True
    rig.run(1000)
    rig.order(-5000, order_id="o2")
    rig.run(1000)
    assert rig.said("ack/setpoint")[-1]["result"] == "accepted"


def test_across_the_wrap_of_the_ticks():
    rig = Rig(begin_ms=(1 << 30) - 20000)
    rig.run(10000)
    rig.order(-5000, lease_s=30)
    rig.run(29500)
    assert rig.applied_W() == -5000
    rig.run(2000)
    assert rig.applied_W() == 0
    assert rig.said("state")[-1]["mqtt"]["reconnects"] == 0


def test_a_stay_of_14_days():
    rig = Rig(state_active_s=60, mqtt_keepalive_s=300)
    rig.run(2000)
    for _ in range(14 * 24 * 12):  # every 5 minutes
        rig.ms += 298000
        rig.broker.now_ms = rig.ms  # nobody checks the keep-alive in between
        for connection in rig.broker.connections:
            connection.heard_ms = rig.ms
        rig.run(2000)
    assert rig.services.services[1].up_s // 86400 in (13, 14)
    rig.order(-5000)
    rig.run(20000)
    assert rig.applied_W() == -5000
    meters = rig.said("meter")
    assert len(meters) >= 14 * 24 * 4 - 5
    assert all(later["start_s"] == earlier["end_s"] for earlier, later in zip(meters, meters[1:]))


def test_more_than_65536_publishes_of_qos_1():
    rig = Rig()
    rig.run(1000)
    rig.uplink._client.mqtt.pid = 64900
    for _ in range(300):
        rig.station.events.put(EV_PHASE, PH_IDLE, 0, rig.ticks_ms())
        rig.run(40)
    rig.run(1000)
    assert len({event["seq"] for event in rig.said("event")}) == 300
