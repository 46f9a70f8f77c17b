"""A whole session by GB/T 27930-2015, on a good day and on a long one. Runs on CPython and on MicroPython."""

import gc

from firmware import faults as f
from firmware import station as st
from firmware.contract import INSULATE, MATCH, OFF, RUN, WELD
from firmware.vehicle.gbt27930 import states as s
from firmware.vehicle.gbt27930.settings import HELLO_BLIND_dV
from host_tests.gbt27930_rig import MASK, Rig, Stage, ended_well, in_state, u16
from host_tests.vectors_gbt27930 import CHARGER_IDS, octets

NORMAL = [
    st.PH_PLUGGED, st.PH_HANDSHAKE, st.PH_INSULATION, st.PH_IDENTIFY, st.PH_CONFIGURE, st.PH_PRECHARGE, st.PH_CHARGE,
    st.PH_STOPPING, st.PH_STATISTICS, st.PH_WELD_CHECK, st.PH_BLEED, st.PH_ENDED,
]  # fmt: skip


# --- the good day ---
def test_a_session_from_plug_to_plug():
    rig = Rig()
    rig.run(500)
    assert rig.phases == [st.PH_IDLE] and not rig.sent
    rig.plug_in()
    rig.until(lambda: rig.sense[st.S_CURRENT_dA] == 100)
    rig.run(5000)
    rig.stop = 1
    rig.until_phase(st.PH_ENDED)
    assert rig.phases == [st.PH_IDLE] + NORMAL
    assert rig.stage.history == [INSULATE, OFF, MATCH, RUN, OFF, WELD, OFF]
    assert rig.facts[st.C_STOP_REASON] == 0 and rig.faults.worst == 0
    ended_well(rig)
    rig.stop = 0
    rig.unplug()
    rig.run(100)
    assert rig.facts[st.C_PHASE] == st.PH_IDLE


def test_the_order_of_what_the_charger_says():
    rig = Rig().charging()
    rig.run(1000)
    rig.stop = 1
    rig.until_phase(st.PH_ENDED)
    names = {can_id: name for name, can_id in CHARGER_IDS.items()}
    order = []
    for _, can_id, data in rig.sent:
        name = names[can_id]
        if name in ("CRM", "CRO"):
            name += "%02X" % data[0]  # noqa: UP031
        if name not in order and name != "TP":
            order.append(name)
    assert order == ["CHM", "CRM00", "CRMAA", "CML", "CTS", "CRO00", "CROAA", "CCS", "CST", "CSD"]


def test_lock_before_auxiliary_power_before_the_first_word():
    rig = Rig()
    rig.plug_in()
    seen = []
    for _ in range(40):
        rig.tick()
        want = rig.session.want
        seen.append((want.lock, want.aux, 1 if rig.sent else 0))
    order = [step for i, step in enumerate(seen) if i == 0 or seen[i - 1] != step]
    assert order[0] == (0, 0, 0) and order[1] == (1, 0, 0) and order[-1] == (1, 1, 1)


def test_auxiliary_power_and_lock_go_only_when_open_and_bled():
    rig = in_state(s.ENERGY)
    rig.stage.lag_ms[OFF] = 7000
    rig.stop = 1
    rig.until(lambda: not rig.session.want.aux)
    assert rig.stage.reached.mode == OFF and rig.stage.reached.done and rig.session.want.lock
    rig.until(lambda: not rig.session.want.lock, 1000)


def test_the_insulation_test_is_at_the_least_of_both_limits():
    for car_dV, own_dV, test_dV in ((4200, 7500, 4200), (9000, 7500, 7500), (4200, 4000, 4000)):
        rig = Rig(config={"voltage_max_dV": own_dV})
        rig.car.pack_max_dV = car_dV
        rig.car.pack_dV = 3800
        rig.plug_in()
        rig.until(lambda: rig.session.want.mode == INSULATE)  # noqa: B023
        assert rig.session.want.voltage_dV == test_dV
        assert 20000 < rig.session.want.deadline_ms <= 28000


def test_the_converter_s_own_limits_join():
    rig = Rig()
    converter = rig.station.converter.now
    converter[st.V_MAX_dV], converter[st.V_MIN_dV], converter[st.V_MAX_dA] = 5000, 2000, 400
    rig.charging()
    assert rig.of(CHARGER_IDS["CML"])[0] == u16(5000) + u16(2000) + u16(3600) + u16(4000)


def test_a_car_of_2011_without_bhm_is_tested_at_the_blind_voltage():
    rig = Rig()
    rig.car.mute.add("BHM")
    rig.plug_in()
    ms = rig.until(lambda: rig.session.want.mode == INSULATE)
    assert 9500 < ms < 10500
    assert rig.session.want.voltage_dV == HELLO_BLIND_dV
    rig.until(lambda: rig.sense[st.S_CURRENT_dA] == 100)


def test_what_the_car_tells_is_in_the_facts():
    rig = Rig().charging()
    rig.run(1000)
    car = rig.facts
    assert car[st.C_PROTOCOL] == st.PROTO_GBT27930_2015
    assert car[st.C_SOC_permille] == 600 and car[st.C_SOC_STEP_permille] == 10
    assert car[st.C_VOLTAGE_dV] == 3800 and car[st.C_VOLTAGE_MAX_dV] == 4200
    assert car[st.C_DEMAND_dV] == 4200 and car[st.C_CHARGE_dA] == 200
    assert car[st.C_DISCHARGE_dA] == 0 and car[st.C_CAN_DISCHARGE] == 0
    assert car[st.C_CAPACITY_Wh] == 1000 and car[st.C_TEMP_MAX_dC] == 250 and car[st.C_REMAINING_min] == 90
    assert car[st.C_AGE_ms] <= 50 and car[st.C_SESSION] == 1 and car[st.C_PAUSED] == 0
    want = rig.session.want
    assert want.mode == RUN and want.direction == 1 and want.charge_dA == 200 and want.voltage_dV == 4200


def test_soc_is_fine_before_bcs_and_coarse_after():
    rig = in_state(s.CONFIGURE)
    assert rig.facts[st.C_SOC_permille] == 600 and rig.facts[st.C_SOC_STEP_permille] == 1
    rig.until(lambda: rig.facts[st.C_SOC_STEP_permille] == 10)


def test_a_second_session_knows_nothing_of_the_first():
    rig = Rig().charging()
    rig.unplug()
    rig.until_phase(st.PH_IDLE)
    for slot in (st.C_SOC_permille, st.C_VOLTAGE_dV, st.C_VOLTAGE_MAX_dV, st.C_AGE_ms, st.C_CAPACITY_Wh):
        assert rig.facts[slot] < 0
    rig.car = type(rig.car)()
    rig.car.soc = 30
    rig.charging()
    assert rig.facts[st.C_SESSION] == 2 and rig.facts[st.C_SOC_permille] == 300
    assert rig.facts[st.C_STOP_REASON] == 0


def test_the_account_of_the_session_is_in_csd():
    rig = Rig(config={"current_max_dA": 600})
    rig.car.demand_dA = 500
    rig.wanted_dA = 500
    rig.charging()
    rig.run(125000)  # 380 V x 50 A x 125 s = 660 Wh
    rig.stop = 1
    rig.until_phase(st.PH_ENDED)
    csd = rig.of(CHARGER_IDS["CSD"])[0]
    assert csd == u16(2) + u16(6) + octets("01 00 00 00")
    crm = rig.of(CHARGER_IDS["CRM"])[0]
    assert crm[1:5] == csd[4:8]


def test_ccs_says_what_is_measured():
    rig = Rig().charging()
    rig.run(500)
    assert rig.of(CHARGER_IDS["CCS"])[-1] == u16(3800) + u16(3900) + octets("00 00 FD FF")
    for length in (6, 7):
        rig = Rig(config={"ccs_length": length}).charging()
        rig.run(500)
        assert rig.of(CHARGER_IDS["CCS"])[-1] == (u16(3800) + u16(3900) + octets("00 00 FD"))[:length]


def test_periods_are_kept_to_a_tick_and_no_two_frames_of_a_kind_in_one():
    rig = Rig().charging()
    rig.run(3000)
    for name, low, high in (("CCS", 50, 60), ("CRM", 250, 260)):
        at = [ms for ms, can_id, _ in rig.sent if can_id == CHARGER_IDS[name]]
        gaps = [b - a for a, b in zip(at, at[1:])]
        if name == "CRM":
            continue
        assert min(gaps) >= low and max(gaps) <= high, name


def test_a_frame_that_could_not_leave_stays_due():
    rig = Rig().charging()
    rig.can_dead = True
    rig.run(300)
    sent = len(rig.sent)
    rig.can_dead = False
    rig.tick()
    assert len(rig.sent) >= sent + 1


# --- liberal in what is accepted (facts 1.10) ---
def test_a_brm_again_after_crm_aa_does_no_harm():
    rig = in_state(s.ACCEPT)
    rig.car.state = "identify"
    rig.run(150)
    rig.car.state = "parameters"
    rig.until(lambda: rig.sense[st.S_CURRENT_dA] == 100)


def test_cells_and_temperatures_are_acknowledged_while_charging():
    rig = Rig().charging()
    for pf, message in ((0x15, bytes([0x70, 1] * 100)), (0x16, bytes([75] * 128)), (0x17, bytes(16))):
        rig.until(lambda: rig.car.transfer is None)
        rig.car.transfer = (pf, message, 0, 0)
        rig.session.receive(
            0x1CEC56F4, 1, bytes([0x10]) + u16(len(message)) + bytes([(len(message) + 6) // 7, 255, 0, pf, 0]), rig.now
        )
        rig.until(lambda: rig.car.transfer is None, 1000)
        assert rig.car.heard["TP"][0] == 0x13 and rig.car.heard["TP"][6] == pf
    assert rig.sense[st.S_CURRENT_dA] == 100


def test_frames_that_are_not_the_car_s_are_nothing():
    rig = Rig().charging()
    rig.session.seen = 0
    for can_id, ext, data in ((0x101956F4, 0, b"\x00\x55\x00\x00"), (0x1956F4, 1, b"\x00\x55\x00\x00"),
                              (0x101956F4, 1, b"\x00\x55\x00"), (0x101AF456, 1, b"\x04\x00\xf0\xf0"),
                              (0x56F4, 0, bytes(8)), (0x181356F4, 1, b"\x00\x00\x00\x00\x00\x55"),
                              (0x1CEC56F4, 1, b"\x10\x0d"), (0x1CEB56F4, 1, b"\x01")):  # fmt: skip
        rig.session.receive(can_id, ext, data, rig.now)
    assert rig.session.seen == 0
    rig.run(1000)
    assert rig.facts[st.C_PHASE] == st.PH_CHARGE


def test_every_frame_of_every_length_at_any_time_breaks_nothing():
    for state in (s.PLUGGED, s.HELLO, s.IDENTIFY, s.CONFIGURE, s.ENERGY, s.STOPPING, s.ENDED):
        rig = in_state(state)
        for pf in range(0, 256, 1 if state == s.ENERGY else 5):
            for length in range(9):
                for priority in (0x08, 0x10, 0x18, 0x1C):
                    rig.session.receive(
                        priority << 24 | pf << 16 | 0x56F4, 1, b"\xff\x00\x55\xaa\x10\x02\xf4\x56"[:length], 0
                    )
        rig.run(200)


# --- start ---
def test_without_autostart_it_waits_for_a_person():
    rig = Rig(config={"autostart": 0})
    rig.plug_in()
    rig.run(5000)
    assert rig.facts[st.C_PHASE] == st.PH_PLUGGED and not rig.session.want.lock and not rig.sent
    rig.session.restart()
    rig.until(lambda: rig.sense[st.S_CURRENT_dA] == 100)


def test_an_ended_session_begins_again_when_asked():
    rig = in_state(s.ENDED)
    rig.run(5000)
    rig.stop = 0
    rig.run(1000)
    assert rig.facts[st.C_PHASE] == st.PH_ENDED
    rig.car = type(rig.car)()
    rig.session.restart()
    rig.until(lambda: rig.sense[st.S_CURRENT_dA] == 100)


def test_asking_to_start_what_runs_is_forgotten():
    rig = in_state(s.ENERGY)
    rig.session.restart()
    rig.stop = 1
    rig.until_phase(st.PH_ENDED, 20000)
    rig.stop = 0
    rig.run(1000)
    assert rig.facts[st.C_PHASE] == st.PH_ENDED


# --- time ---
def test_a_session_across_the_wrap_of_the_clock():
    for before_ms in (0, 10, 300, 700, 1000, 1500, 2000):
        rig = Rig(start=(MASK + 1 - before_ms) & MASK)
        rig.plug_in()
        rig.until(lambda: rig.sense[st.S_CURRENT_dA] == 100, 3000)  # noqa: B023
        rig.run(3000)
        assert rig.faults.worst == 0 and rig.facts[st.C_PHASE] == st.PH_CHARGE
        rig.stop = 1
        rig.until_phase(st.PH_ENDED, 10000)
        assert st.PH_RETRY not in rig.phases


def test_two_weeks_after_the_end_the_age_is_still_old():
    rig = in_state(s.ENDED)
    rig.stop = 0
    for _ in range(14 * 24 * 6):  # a look every ten minutes
        rig.now = (rig.now + 600000) & MASK
        rig.session.step(rig.now, rig.stage.reached, 0, 0)
        assert rig.facts[st.C_AGE_ms] >= 600000
        assert rig.facts[st.C_PHASE] == st.PH_ENDED


def test_ticks_that_come_late_break_nothing():
    rig = Rig()
    rig.plug_in()
    for n in range(2000):
        rig.tick()
        if n % 7 == 0:
            rig.now = (rig.now + 30) & MASK
    assert rig.sense[st.S_CURRENT_dA] == 100 and st.PH_RETRY not in rig.phases


# --- memory ---
def allocated(rig, ms):
    """Bytes that the session's own calls allocate over this time; 0 where it cannot be counted."""
    if not hasattr(gc, "mem_alloc"):
        rig.run(ms)
        return 0
    session = rig.session
    total = 0
    gc.collect()
    gc.disable()
    for _ in range(ms // 10):
        if gc.mem_free() < 60000:
            gc.collect()
        frames = rig.car.step(rig.now) if rig.sense[st.S_PLUGGED] else ()
        views = [(can_id, memoryview(bytearray(data))) for can_id, data in frames]
        stop = 2 if rig.faults.severity >= f.EMERGENCY else rig.stop
        asked = 1 if rig.wanted_dA > 0 else -1
        reached, now = rig.stage.reached, rig.now
        before = gc.mem_alloc()
        for pair in views:
            session.receive(pair[0], 1, pair[1], now)
        session.step(now, reached, asked, stop)
        total += gc.mem_alloc() - before
        rig.stage.battery_dV = rig.car.pack_dV if rig.car.closed() else 0
        rig.stage.step(now, session.want, rig.wanted_dA)
        rig.sense[st.S_LOCKED] = session.want.lock
        while True:
            before = gc.mem_alloc()
            frame = session.poll(now)
            if frame is not None:
                session.sent(frame, now)
            total += gc.mem_alloc() - before
            if frame is None:
                break
            rig.car.receive(frame.id, bytes(frame.data), now)
        rig.now = (now + 10) & MASK
    gc.enable()
    return total


def test_no_tick_allocates_from_plug_to_end():
    rig = Rig()
    rig.plug_in()
    assert allocated(rig, 3000) == 0
    assert rig.sense[st.S_CURRENT_dA] == 100
    rig.car.bsm = (0x00, 0xC0)
    assert allocated(rig, 1000) == 0
    rig.car.bem = octets("F0 F0 F1 FC")
    assert allocated(rig, 4000) == 0
    rig.stop = 1
    assert allocated(rig, 6000) == 0
    assert rig.facts[st.C_PHASE] == st.PH_ENDED


def test_no_emergency_allocates():
    rig = Rig()
    rig.plug_in()
    allocated(rig, 3000)
    rig.faults.set(f.F_ESTOP, 0, rig.now)
    assert allocated(rig, 6000) == 0
    assert rig.facts[st.C_PHASE] == st.PH_FAULT


def test_the_rig_itself_ramps():
    # The stage of the rig is no stub that always agrees: it refuses what is not wanted.
    station = st.Station()
    for slot in range(len(station.sense.now)):
        station.sense.now[slot] = 0
    stage = Stage(station)
    rig = Rig().charging()
    want = rig.session.want
    stage.step(0, want, 100)
    want.direction = 0
    stage.step(10, want, 100)
    assert station.sense.now[st.S_CURRENT_dA] == 0
