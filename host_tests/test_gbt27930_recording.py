"""A real car of 2015 played at our session: what it said in the recording, when our charger gives it cause to.

The recording (../shared/data) is of another charger; its car side is cut into what answers what, each part played
only after our side has said what it answers. The end is the car's BEM F0 F0 F1 FC: no CCS for a second.
"""

import csv
import os
from pathlib import Path

import pytest

from firmware import faults as f
from firmware import station as st
from firmware.contract import CHARGE
from host_tests.gbt27930_rig import Rig

_DATA = Path(os.environ.get("SLUICE_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
RECORDING = _DATA / "gbt27930_session_zlg.csv"
pytestmark = pytest.mark.skipif(not RECORDING.exists(), reason=f"the recording is not here: {RECORDING}")

BHM, BRO, BCL, BSM, BEM, CM, DT = (
    0x182756F4, 0x100956F4, 0x181056F4, 0x181356F4, 0x081E56F4, 0x1CEC56F4, 0x1CEB56F4,
)  # fmt: skip


def frames():
    """(seconds of the coarse time column, id, bytes) of every frame."""
    with RECORDING.open(encoding="gbk", newline="") as file:
        for row in list(csv.reader(file))[1:]:
            minute, second = row[2].split(":")
            yield int(minute) * 60 + float(second), int(row[1], 16), bytes(int(part, 16) for part in row[7].split())


class Player:
    """The recording's car. It waits where the car waited: for CTS, EoMA, CHM, CRM, CML, CRO, CCS."""

    pack_dV = 4900

    def __init__(self):
        rows = [row for row in frames() if row[1] & 0xFFFF == 0x56F4]
        self.start = rows[0][0]
        self.rows = rows
        self.at = 0
        self.clock_ms = 0
        self.heard = {}
        self.answers = {}
        self.last_bem = None
        self.refused = []

    # --- the rig's car ---
    def receive(self, can_id, data, _now):
        self.heard[can_id] = data
        if can_id == 0x1CECF456:
            self.answers[data[6]] = data[0]
            if data[0] == 0xFF:
                self.refused.append(data)

    def may(self, can_id, data):
        """Has our charger said what this frame answers?"""
        crm = self.heard.get(0x1801F456)
        if can_id == BHM:
            return 0x1826F456 in self.heard
        if can_id == CM and data[0] == 0x10:
            self.answers.pop(data[6], None)
            self.pf = data[6]
            return {0x02: crm is not None, 0x06: crm is not None and crm[0] == 0xAA, 0x11: self.ready()}[data[6]]
        if can_id == DT:
            return self.answers.get(self.pf) == 0x11
        if can_id == BRO:
            return 0x1808F456 in self.heard
        if can_id in (BCL, BSM):
            return self.ready()
        return True

    def step(self, _now):
        """At most two frames a tick, in the recorded order and no sooner than recorded."""
        self.clock_ms += 10
        out = []
        while self.at < len(self.rows) and len(out) < 2:
            second, can_id, data = self.rows[self.at]
            if (second - self.start) * 1000 > self.clock_ms:
                break
            if not self.may(can_id, data):
                self.clock_ms -= 10  # the car waits: its clock too
                break
            out.append((can_id, data))
            self.at += 1
            if can_id == CM:
                break  # our CTS first
        return out

    def closed(self):
        """The car's contactors: closed before it says BRO=AA, open when it gives up."""
        said = [(can_id, data) for _, can_id, data in self.rows[: self.at]]
        return (BRO, b"\xaa") in said and said[-1][0] != BEM

    def ready(self):
        return self.heard.get(0x100AF456, b"\0")[0] == 0xAA

    def over(self):
        return self.at >= len(self.rows)


@pytest.fixture
def rig():
    player = Player()
    rig = Rig(car=player)
    rig.plug_in()
    return rig


def test_the_recording_has_all_of_its_frames():
    rows = list(frames())
    assert len(rows) == 1149
    assert sum(1 for _, can_id, data in rows if can_id == BEM and data == b"\xf0\xf0\xf1\xfc") == 45


def test_the_car_is_understood_from_its_first_word_to_its_last(rig):
    told, facts = rig.session.told, rig.facts
    parameters, reports, demands = set(), set(), set()

    def over():
        if facts[st.C_PHASE] == st.PH_CHARGE:
            parameters.add((told.hello_dV, told.pack_max_dV, told.charge_max_dA, told.rated_dV, told.energy_Wh))
            reports.add((facts[st.C_SOC_permille], facts[st.C_VOLTAGE_dV], facts[st.C_TEMP_MAX_dC]))
            demands.add((facts[st.C_DEMAND_dV], facts[st.C_CHARGE_dA], rig.session.want.voltage_dV))
        return rig.car.over()

    rig.until(over, 60000)
    assert parameters == {(6030, 6030, 1000, 4921, 7800)}
    assert demands == {(5970, 30, 5970)}
    assert {soc for soc, _, _ in reports} == {970}
    assert {(970, 4901, 250), (970, 4971, 250)} <= reports
    assert not rig.car.refused  # no Abort of ours: every transfer was whole, but for the last
    # The end: the car gave up for want of CCS, and said so.
    event = [0] * st.EVENT_SLOTS
    raised = []
    while rig.station.events.get(event):
        raised.append((event[st.E_CODE], event[st.E_STATE], event[st.E_DATA]))
    assert raised == [(f.F_CAR_ERROR_FRAME, 1, 0x000001)]
    assert rig.sense[st.S_CURRENT_dA] == 0 and rig.stage.reached.open
    assert rig.facts[st.C_STOP_REASON] == f.F_CAR_TIMEOUT


def test_the_phases_come_in_order(rig):
    rig.until(rig.car.over, 60000)
    assert rig.phases == [
        st.PH_PLUGGED, st.PH_HANDSHAKE, st.PH_INSULATION, st.PH_IDENTIFY, st.PH_CONFIGURE, st.PH_PRECHARGE,
        st.PH_CHARGE, st.PH_RETRY, st.PH_IDENTIFY,
    ]  # fmt: skip


def test_a_real_2015_car_is_charged_and_never_discharged(rig):
    directions = set()

    def over():
        directions.add(rig.session.want.direction)
        assert rig.sense[st.S_CURRENT_dA] >= 0
        return rig.car.over()

    rig.wanted_dA = -200
    rig.until(over, 60000)
    assert directions == {0, CHARGE}
    assert rig.facts[st.C_CAN_DISCHARGE] == 0


def test_after_the_end_it_is_tried_three_times_and_then_given_up(rig):
    rig.until(rig.car.over, 60000)
    assert not rig.faults.has(f.F_CAR_RETRIES)
    rig.until_phase(st.PH_FAULT, 120000)
    assert rig.faults.has(f.F_CAR_RETRIES) and rig.facts[st.C_STOP_REASON] == f.F_CAR_RETRIES
    assert not rig.session.want.lock and not rig.session.want.aux
    asked = [ms for ms, can_id, data in rig.sent if can_id == 0x1801F456 and data[0] == 0]
    assert 85000 < asked[-1] - asked[0] - 20000 < 130000
