# The gate with CHAdeMO in front: what leaves, how much flows, in which order the wires move. Every check that GB/T has
# is here too (facts 2.4 to 2.6). Runs on CPython and on MicroPython.
from firmware.faults import F_CC1_LOST, F_CURRENT_AT_FLOOR, F_OVER_CURRENT, F_OVER_VOLTAGE
from firmware.safety.safe_stop import safe_stop
from firmware.safety.soc import R_CAR_NO_DISCHARGE, R_FLOOR, R_SOC_DOUBT
from firmware.signals import OUT_AUX, OUT_BLEED, OUT_CONTACTOR, OUT_D1, OUT_D2, OUT_ENABLE, OUT_LOCK
from firmware.units import TICKS_MASK
from host_tests.unit.safety_chademo_rig import C208, V200, WIRES, Rig, c109, c208, v102
from host_tests.unit.safety_rig import INVERTER, OFF, ON, amps, volts

RUN = WIRES | OUT_CONTACTOR | OUT_ENABLE


# --- a session ---
def test_charging_and_discharging_flow_and_nothing_is_refused():
    for begin in (1000, TICKS_MASK - 3000):
        rig = Rig(now=begin).charging(30)
        assert rig.current_A == 30 and not rig.gate.trip and not rig.gate.refused
        rig.tick(700)
        assert rig.current_A == 30 and not rig.gate.trip
        rig = Rig(now=begin).discharging(30)
        assert rig.current_A == -30 and not rig.gate.trip and not rig.gate.refused
        rig.tick(200)
        assert rig.current_A == -30 and not rig.gate.trip


def test_the_sign_turns_within_a_session():
    rig = Rig().charging(20)
    assert rig.send(amps(0)) and rig.send(OFF)
    rig.tells[0x109] = c109(0x05)
    rig.tick(12)
    rig.start(INVERTER)
    rig._flow(8, c109(0x05), c208(8))
    rig._flow(20, c109(0x05), c208(20))
    assert rig.current_A == -20 and not rig.gate.refused
    assert rig.send(amps(0)) and rig.send(OFF)
    rig.tells[0x208] = C208
    rig.tick(12)
    rig.start()
    rig._flow(8, c109(0x05, 8), C208)
    assert rig.current_A == 8 and not rig.gate.refused


# --- what is told and what flows ---
def test_the_car_s_direction_and_the_converter_s_agree_or_nothing_flows():
    rig = Rig().discharging(0)
    rig.tells[0x208] = C208
    rig.tick(22)
    rig.tells[0x109] = c109(0x05, 5)
    rig.tick(11)
    assert not rig.send(amps(1))
    rig = Rig().ready()
    rig.tells[0x208] = c208(5)
    rig.tick(11)
    assert not rig.send(amps(1))


def test_only_a_little_before_the_car_was_told():
    rig = Rig().ready()
    assert rig.send(amps(10)) and not rig.send(amps(10.1))
    rig.tells[0x109] = c109(0x05, 10)
    rig.tick(11)
    assert rig.send(amps(50)) and not rig.send(amps(51))


def test_no_current_before_109_5_is_05_or_after_it():
    rig = Rig().ready()
    rig.tells[0x109] = c109(0x25)
    rig.tick(11)
    assert not rig.send(amps(5))
    rig = Rig().closed()
    rig.asked = WIRES | OUT_ENABLE
    rig.start()
    rig.tick(1)
    assert rig.send(amps(5)) and not rig.send(amps(6))  # precharge: nothing else is behind it
    rig.tick(25)
    rig.asked = RUN
    rig.tick(5)
    assert rig.contactor and rig.send(amps(0))
    rig.tick(2)
    assert not rig.send(amps(1))


def test_05_needs_closed_contactors_at_one_voltage():
    rig = Rig().closed()
    assert not rig.to_car(0x109, c109(0x05))
    rig = Rig().ready()
    rig.tells[0x109] = c109(0x24)
    rig.tick(11)
    rig.stray_A = 0
    assert rig.to_car(0x109, c109(0x05))


def test_an_offer_above_the_board_s_rating_does_not_leave():
    rig = Rig().permitted()
    assert rig.to_car(0x108, b"\x01\xee\x02\x3c\xb3\x01\x00\x00")  # 750 V, 60 A
    assert not rig.to_car(0x108, b"\x01\xef\x02\x3c\xb3\x01\x00\x00")
    assert not rig.to_car(0x108, b"\x01\xee\x02\x3d\xb3\x01\x00\x00")
    assert not rig.to_car(0x208, b"\xff\xf4\x01\xc2\x00\x00\xaa\x00")
    assert not rig.gate.vet_car(0x108, 1, b"\x01\xf4\x01\x3c\xb3\x01\x00\x00", rig.now)


def test_a_discharge_is_not_told_to_a_car_that_offered_none():
    rig = Rig().ready(0x01)
    assert not rig.to_car(0x208, c208(1))
    assert rig.gate.why == R_CAR_NO_DISCHARGE and not rig.gate.discharge_ok


def test_no_inverter_for_a_car_that_offered_no_discharge():
    rig = Rig().ready(0x01)
    rig.stop_flow()
    rig.tick(11)
    assert not rig.send(INVERTER)
    rig = Rig().ready()
    rig.stop_flow()
    rig.tick(11)
    assert rig.send(INVERTER)


def test_the_voltage_is_the_car_s_from_d2_on():
    rig = Rig().permitted()
    assert rig.send(volts(500))
    rig = Rig().closed()
    assert rig.send(volts(435)) and not rig.send(volts(436))


def test_on_as_inverter_needs_a_cut_off_at_the_higher_least_voltage():
    rig = Rig().discharging(0)
    assert rig.send(ON)
    rig.says[0x200] = b"\xcd\x00\x00\x00\x2c\x01\x43\xb2"  # 300 V
    rig.tick(11)
    assert not rig.send(ON)


# --- what ends it ---
def test_a_car_that_stops_takes_the_current_with_it():
    for change in (None, v102(0x80), v102(0x85), v102(errors=1), v102(0x89), v102(target_V=0)):
        rig = Rig().charging(30)
        if change is None:
            rig.k = 0
        else:
            rig.says[0x102] = change
        rig.tick(40)
        assert not rig.send(amps(30.1)), change
        rig.tick(120)
        assert rig.gate.trip == F_OVER_CURRENT and rig.gate.off_needed, change
        assert not rig.outputs & OUT_CONTACTOR


def test_a_following_station_is_not_tripped():
    rig = Rig().charging(30)
    rig.says[0x102] = v102(request_A=10)
    amperes = 30
    for _ in range(20):
        rig.tick(10)
        amperes = max(10, amperes - 2)
        assert rig.send(amps(amperes))
        rig.tells[0x109] = c109(0x05, amperes)
    assert rig.current_A == 10 and not rig.gate.trip


def test_a_withdrawn_discharge_ramps_down_and_may_be_told():
    rig = Rig().discharging(30)
    rig.says[0x102] = v102(0x01)
    amperes = 30
    for _ in range(18):
        rig.tick(5)
        amperes = max(0, amperes - 2)
        assert rig.send(amps(amperes))
        rig.tells[0x208] = c208(amperes)
    assert rig.current_A == 0 and not rig.gate.trip and not rig.gate.refused


def test_over_voltage_trips():
    rig = Rig().charging(10)
    rig.battery_V = 455
    rig.tick(10)
    assert rig.gate.trip == F_OVER_VOLTAGE


def test_the_plug_is_watched_from_d1_on():
    rig = Rig().permitted()
    rig.asked = OUT_D1
    rig.tick(5)
    rig.cc1_mV = 12000
    rig.tick(2)
    assert rig.gate.trip == F_CC1_LOST


# --- the floor ---
def test_the_car_s_floor_joins_the_floor_after_k_only():
    rig = Rig(floor_permille=100)
    rig.permitted()
    assert rig.gate.floor_permille == 302
    rig = Rig(floor_permille=400).permitted()
    assert rig.gate.floor_permille == 400
    rig = Rig(floor_permille=100)
    rig.cc1_mV = 4000
    rig.says = {0x102: v102(), 0x200: V200}
    rig.tick(60)
    assert rig.gate.floor_permille == 100


def test_no_discharge_at_the_floor_and_a_trip_if_it_goes_on():
    rig = Rig().discharging(20)
    rig.says[0x102] = v102(soc=30)
    rig.tick(40)
    assert not rig.gate.discharge_ok and rig.gate.why == R_FLOOR
    rig.tick(600)
    assert rig.gate.trip in (F_CURRENT_AT_FLOOR, F_OVER_CURRENT)


def test_a_soc_that_jumps_up_is_not_believed():
    rig = Rig().discharging(20)
    rig.says[0x102] = v102(soc=66)
    rig.tick(40)
    assert rig.gate.why == R_SOC_DOUBT


# --- wires ---
def test_unlock_below_10_v_only():
    rig = Rig().permitted()
    rig.asked = OUT_LOCK
    rig.tick(60)
    rig.link_V = rig.inlet_V = 10
    rig.asked = 0
    rig.tick(5)
    assert rig.outputs == OUT_LOCK and rig.gate.refused_id == OUT_LOCK
    rig.link_V = rig.inlet_V = 9
    rig.tick(5)
    assert rig.outputs == 0


def test_contactors_d2_d1_in_this_order():
    rig = Rig().charging(30)
    rig.asked = 0
    rig.send(amps(0))
    rig.send(OFF)
    seen = []  # type: list
    for _ in range(120):
        rig.tick()
        wires = rig.outputs & (OUT_CONTACTOR | OUT_D1 | OUT_D2)
        if not seen or seen[-1][1] != wires:
            seen.append((rig.now, wires))
        if not wires & OUT_D2:
            rig.battery_V = 0
    assert [wires for _, wires in seen] == [OUT_D1 | OUT_D2, OUT_D1, 0]
    assert seen[1][0] - seen[0][0] >= 30 and seen[2][0] - seen[1][0] >= 500


def test_pins_of_another_protocol_stay_off():
    rig = Rig().permitted()
    rig.asked |= OUT_AUX | OUT_BLEED
    rig.tick(3)
    assert rig.outputs == OUT_D1 | OUT_LOCK | OUT_BLEED


def test_a_new_gate_opens_what_a_reset_left_and_drops_no_d2_under_load():
    rig = Rig()
    rig.asked = WIRES
    rig.tick(20)
    assert rig.outputs == OUT_LOCK  # no plug, no permission


class Io:
    # The rig's world for safe_stop: time passes in sleep_ms only.
    def __init__(self, rig):
        self.rig = rig
        self.inputs = rig.inputs
        self.log = []

    def sample(self):
        self.rig._sample()
        return True

    def write(self, mask):
        self.rig.outputs = mask
        self.log.append((self.rig.now, mask))

    def sleep_ms(self, ms):
        rig = self.rig
        rig.now = (rig.now + ms) & TICKS_MASK
        if rig.now % 10 == 0:
            rig._world()
            if not rig.outputs & OUT_D2:
                rig.battery_V = 0

    def send(self, can_id, data, flags):
        self.rig.gate.left_converter(can_id, data)
        self.rig._obey(data)


def stopped(rig):
    io = Io(rig)
    safe_stop(io, io, rig.gate, lambda: rig.now, io.sleep_ms)
    return io.log


def test_safe_stop_keeps_the_order_of_the_wires():
    rig = Rig().charging(30)
    log = stopped(rig)
    assert [mask for _, mask in log] == [
        WIRES | OUT_CONTACTOR, WIRES, WIRES | OUT_BLEED, OUT_LOCK | OUT_D1, OUT_LOCK,
    ]  # fmt: skip
    assert log[4][0] - log[3][0] >= 500  # d1 so long after d2; the inlet is not bled any more: it stays locked


def test_safe_stop_unlocks_a_dead_connector():
    rig = Rig().permitted()
    log = stopped(rig)
    assert log[-1][1] == 0
    rig = Rig().permitted()
    rig.link_V = rig.inlet_V = 30
    rig.gate.observe_inputs(rig._sample(), True, rig.now)
    rig._world = lambda: None
    assert stopped(rig)[-1][1] == OUT_LOCK
