# The record: in order, bounded, nothing lost unseen.
import json

from firmware.clock import Clock
from firmware.config import parse
from firmware.faults import F_BROKER, F_CC1_LOST, F_SERVICE, FAULTS
from firmware.journal import EVENT, METER, Journal, Ring
from firmware.services import View
from firmware.station import (
    C_PHASE,
    C_SESSION,
    EV_INSULATION,
    EV_PHASE,
    EV_SELF_TEST,
    PH_CHARGE,
    PH_IDLE,
    RESULT_ALARM,
    RESULT_PASSED,
    C_SOC_permille,
    G_EXPORT_Wh,
    G_IMPORT_Wh,
    Station,
)
from firmware.units import UNKNOWN
from firmware.uplink.statement import Text

SINCE_2000_s = 848314800  # a multiple of 900


class _Rig:
    def __init__(self, is_set=True, interval_s=900):
        self.station = Station()
        self.station.car.now[C_PHASE] = PH_IDLE
        self.is_set = is_set
        self.ms = 0
        self.view = View(self.station)
        self.clock = Clock(lambda: SINCE_2000_s * self.is_set + self.ms // 1000, 2000)
        config = parse(f'{{"meter_interval_s": {interval_s}}}')
        self.journal = Journal(self.view, self.station.events, config, self.clock)
        self.text = Text(memoryview(bytearray(1024)))

    def step(self, ms=1000):
        self.ms += ms
        self.station.publish_all()
        for service in (self.view, self.clock, self.journal):
            service.step(self.ms)

    def all(self, online_s=0):
        # Everything that waits, told and acknowledged.
        records = []
        while True:
            self.text.begin()
            kind = self.journal.write(self.text, online_s)
            if not kind:
                return records
            record = json.loads(bytes(self.text.end()))
            record["kind"] = kind
            records.append(record)
            self.journal.done(kind)


def test_a_ring_keeps_order_and_counts_what_gives_way():
    ring = Ring(3, 2)
    into = [0, 0]
    assert not ring.oldest(into)
    for value in range(5):
        ring.put([value, -value])
    assert ring.held == 3 and ring.lost == 2
    seen = []
    while ring.oldest(into):
        seen.append(tuple(into))
        ring.done()
    assert seen == [(2, -2), (3, -3), (4, -4)]


def test_events_come_in_order_with_their_words():
    rig = _Rig()
    rig.step()
    rig.station.events.put(EV_PHASE, PH_CHARGE, 0, rig.ms)
    rig.station.events.put(F_CC1_LOST, 1, -7, rig.ms)
    rig.station.events.put(F_CC1_LOST, 0, 0, rig.ms)
    rig.step()
    phase, raised, cleared = rig.all()
    assert (phase["code"], phase["phase"], phase["seq"]) == ("phase", "charge", 1)
    assert (raised["code"], raised["state"], raised["sev"]) == ("cc1_lost", "raised", "emergency")
    assert raised["mrec"] == 20 and raised["data"] == -7 and "plug" in raised["action"]
    assert (cleared["state"], cleared["seq"]) == ("cleared", 3) and "action" not in cleared
    assert raised["t"] == SINCE_2000_s + 946684800 + 1  # when it happened, not when it was fetched


def test_the_results_of_insulation_tests_are_no_faults():
    assert FAULTS <= EV_INSULATION < EV_SELF_TEST
    rig = _Rig()
    for code, result, kohm in ((EV_SELF_TEST, RESULT_PASSED, UNKNOWN), (EV_INSULATION, RESULT_PASSED, 2666),
                               (EV_INSULATION, RESULT_ALARM, 41), (EV_INSULATION, 0, UNKNOWN)):  # fmt: skip
        rig.station.events.put(code, result, kohm, rig.ms)
    rig.step()
    told = [{key: record[key] for key in record if key not in ("seq", "t", "session", "hist", "kind")}
            for record in rig.all()]  # fmt: skip
    assert told == [
        {"code": "self_test", "result": "passed"},
        {"code": "insulation_test", "result": "passed", "insulation_kohm": 2666},
        {"code": "insulation_test", "result": "failed", "insulation_kohm": 41, "alarm": 1},
        {"code": "insulation_test", "result": "failed"},
    ]
    assert not any(rig.journal.active)


def test_the_active_faults_follow_the_events():
    rig = _Rig()
    rig.station.events.put(F_CC1_LOST, 1, 0, 0)
    rig.step()
    assert rig.journal.active[F_CC1_LOST] == 1
    rig.station.events.put(F_CC1_LOST, 0, 0, 0)
    rig.step()
    assert rig.journal.active[F_CC1_LOST] == 0


def test_a_note_is_told_once_until_it_changes():
    rig = _Rig()
    for _ in range(3):
        rig.journal.note(F_BROKER, 1, 5)
    rig.journal.note(F_BROKER, 0, 0)
    rig.journal.note(F_BROKER, 0, 0)
    assert [record["state"] for record in rig.all()] == ["raised", "cleared"]


def test_quarters_of_the_wall_clock_without_gaps_in_time_or_energy():
    rig = _Rig()
    rig.ms = 100000  # begins somewhere in a quarter
    grid = rig.station.grid.now
    for _ in range(2000):
        grid[G_IMPORT_Wh] += 3
        grid[G_EXPORT_Wh] += 1
        rig.step()
    records = rig.all()
    assert [record["kind"] for record in records] == [METER, METER]
    first, second = records
    assert first["end_s"] % 900 == 0 and second["end_s"] - first["end_s"] == 900
    assert second["start_s"] == first["end_s"] and second["length_s"] == 900
    assert first["start_s"] == first["end_s"] - first["length_s"]
    assert second["import_Wh"] == 2700 and second["export_Wh"] == 900


def test_a_session_has_intervals_of_its_own():
    rig = _Rig()
    car, grid = rig.station.car.now, rig.station.grid.now
    rig.step()
    car[C_PHASE], car[C_SESSION], car[C_SOC_permille] = PH_CHARGE, 7, 400
    rig.step()
    grid[G_IMPORT_Wh] = 55
    car[C_SOC_permille] = 460
    rig.step()
    car[C_PHASE] = PH_IDLE
    rig.step()
    before, session = rig.all()
    assert before["session"] == 0 and before["import_Wh"] == 0
    assert session["session"] == 7 and session["import_Wh"] == 55
    assert (session["soc_start_permille"], session["soc_end_permille"]) == (400, 460)


def test_events_and_meter_records_share_one_order():
    rig = _Rig(interval_s=5)
    for _ in range(12):
        rig.station.events.put(EV_PHASE, PH_IDLE, 0, rig.ms)
        rig.step()
    records = rig.all()
    assert [record["seq"] for record in records] == list(range(1, len(records) + 1))
    assert {record["kind"] for record in records} == {EVENT, METER}


def test_without_a_clock_it_counts_and_the_time_is_told_later():
    rig = _Rig(is_set=False, interval_s=60)
    for _ in range(70):
        rig.step()
    rig.text.begin()
    assert rig.journal.write(rig.text, 0) == METER
    assert "end_s" not in json.loads(bytes(rig.text.end()))
    rig.is_set = True
    rig.step()
    told = rig.all()[0]
    assert told["length_s"] == 60
    assert told["end_s"] == SINCE_2000_s + 946684800 + 61  # uptime begins with the first step


def test_what_waited_for_the_connection_is_historical():
    rig = _Rig()
    rig.journal.note(F_BROKER, 1, 0)
    for _ in range(10):
        rig.step()
    rig.journal.note(F_BROKER, 0, 0)
    old, new = rig.all(online_s=rig.clock.up_s)
    assert old["hist"] is True and new["hist"] is False


def test_a_full_journal_loses_the_oldest_counts_it_and_leaves_a_gap():
    rig = _Rig()
    for turn in range(100):
        rig.journal.note(F_SERVICE, (turn + 1) % 2, turn)
    assert rig.journal.events.lost == 100 - rig.journal.events.held
    records = rig.all()
    assert records[-1]["seq"] == 100 and records[0]["seq"] == rig.journal.events.lost + 1


def test_meter_records_are_not_pushed_out_by_events():
    rig = _Rig(interval_s=60)
    for _ in range(130):
        rig.step()
    meters = rig.journal.meters.held
    for turn in range(500):
        rig.journal.note(F_SERVICE, (turn + 1) % 2, turn)
    assert meters == 2 and rig.journal.meters.held == 2 and rig.journal.meters.lost == 0


def test_done_takes_only_what_was_told():
    # The record that was told gave way to newer ones while it was being published.
    rig = _Rig()
    rig.journal.note(F_SERVICE, 1, 0)
    rig.text.begin()
    kind = rig.journal.write(rig.text, 0)
    for turn in range(rig.journal.events._count):
        rig.journal.note(F_SERVICE, turn % 2, 0)
    held = rig.journal.events.held
    rig.journal.done(kind)
    assert rig.journal.events.held == held


def test_what_control_could_not_tell_is_told_as_lost():
    rig = _Rig()
    for _ in range(40):
        rig.station.events.put(EV_PHASE, PH_IDLE, 0, 0)
    rig.step()
    records = rig.all()
    assert records[-2]["code"] == "events_lost" and records[-2]["data"] == 8
    assert records[-1]["state"] == "cleared"
    rig.step()
    assert rig.all() == []
