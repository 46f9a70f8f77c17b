"""Outages in virtual time: the record, reconnecting, keep-alive, the last will."""

from firmware.station import C_PHASE, EV_PHASE, PH_DISCHARGE, PH_IDLE, G_EXPORT_Wh, G_IMPORT_Wh
from host_tests.uplink_rig import ROOT, Rig


def test_nothing_of_the_record_is_missing_after_an_outage():
    rig = Rig(meter_interval_s=10)
    grid = rig.station.grid.now
    rig.run(35000)
    rig.broker.kill()
    for _ in range(30):
        grid[G_IMPORT_Wh] += 7
        grid[G_EXPORT_Wh] += 2
        rig.station.events.put(EV_PHASE, PH_IDLE, 0, rig.ticks_ms())
        rig.run(2000)
    rig.broker.start()
    rig.run(40000)
    records = sorted(rig.said("event") + rig.said("meter"), key=lambda record: record["seq"])
    assert [record["seq"] for record in records] == list(range(1, len(records) + 1))
    meters = rig.said("meter")
    assert sum(meter["import_Wh"] for meter in meters) == 210 and sum(meter["export_Wh"] for meter in meters) == 60
    for before, after in zip(meters, meters[1:]):
        assert after["start_s"] == before["end_s"]
    assert sum(record["hist"] for record in records) >= 30
    assert [e["state"] for e in rig.said("event") if e["code"] == "broker"] == ["raised", "cleared"]
    state = rig.said("state")[-1]["mqtt"]
    assert state["lost"] == 0 and state["waiting"] == 0 and state["reconnects"] == 1


def test_a_record_that_was_not_acknowledged_is_told_again():
    rig = Rig()
    rig.run(1000)
    rig.broker.hold_pubacks = True
    rig.station.events.put(EV_PHASE, PH_DISCHARGE, 0, rig.ticks_ms())
    rig.run(10000)
    rig.broker.hold_pubacks = False
    rig.run(20000)
    seqs = [event["seq"] for event in rig.said("event")]
    assert seqs.count(1) >= 2 and set(seqs) == set(range(1, max(seqs) + 1))


def test_a_journal_that_overflows_says_how_much_it_lost():
    rig = Rig(meter_interval_s=5)
    rig.run(1000)
    rig.broker.kill()
    rig.run(600000)
    rig.broker.start()
    rig.run(60000)
    meters = rig.said("meter")
    lost = rig.said("state")[-1]["mqtt"]["lost"]
    assert lost > 0
    seqs = [record["seq"] for record in meters + rig.said("event")]
    assert max(seqs) - len(set(seqs)) == lost


def test_reconnecting_waits_longer_each_time_and_not_longer_than_half_a_minute():
    rig = Rig()
    rig.broker.kill()
    rig.run(300000)
    waits = [int(line.split("next try in ")[1].split()[0]) for line in rig.lines if "next try" in line]
    assert 750 <= waits[0] <= 1250 and max(waits) <= 37500 and len(waits) < 25
    assert waits[0] < waits[3] < waits[6]


def test_stations_do_not_come_back_in_step():
    def waits(name):
        rig = Rig(station=name)
        rig.broker.kill()
        rig.run(60000)
        return [line for line in rig.lines if "next try" in line]

    assert waits("a1") != waits("a2")


def test_a_dead_peer_is_noticed_within_the_keep_alive():
    rig = Rig(mqtt_keepalive_s=10)
    rig.run(1000)
    rig.broker.mute = True
    rig.run(16000)
    assert any("next try" in line for line in rig.lines)


def test_a_silent_connection_is_kept_alive_by_pings():
    rig = Rig()
    rig.station.car.now[C_PHASE] = PH_IDLE
    rig.run(10 * 60000)
    assert rig.said("state")[-1]["mqtt"]["reconnects"] == 0 and rig.broker.violations == []


def test_the_last_will_is_told_when_the_station_dies():
    rig = Rig()
    rig.run(1000)
    rig.broker.tick(rig.ms + 46000)
    assert rig.broker.retained[ROOT + "status"][0] == b"offline"


def test_an_orderly_end_says_goodbye():
    rig = Rig()
    rig.run(1000)
    rig.uplink.close()
    assert rig.broker.messages(ROOT + "status", "sluice-s1-st1")[-1] == b"offline"
