# The gate's reading of CHAdeMO, word against word (facts 2.2 to 2.6): what one word may not do in place of another,
# what a car before this one may not leave behind, and that a word counts from the moment in which it is said. Runs on
# CPython and on MicroPython.
from firmware.safety.kinds import NEVER, OFFER, PERMIT
from firmware.signals import OUT_CONTACTOR, OUT_D1, OUT_D2
from firmware.units import TICKS_MASK, UNKNOWN
from host_tests.unit.safety_chademo_car import C208, C209, V100, V101, V200, Car, c109, c208, v102

_BOTH = OUT_D1 | OUT_D2


# --- a car after another ---
def test_the_ceiling_of_the_last_car_is_not_this_one_s():
    # 200.7 of 60 %, then a car without 200, 201 and a capacity: facts 2.6 inhibits by this car's own.
    car = Car()
    car.says[0x201] = b"\x02" + bytes(7)
    car.says[0x200] = V200[:6] + b"\x00\x3c"
    assert car.running().rules.limit_dA(1) == 0
    car.rules.replugged()
    del car.says[0x200], car.says[0x201], car.says[0x101]
    assert car.turn().rules.limit_dA(1) == 100


def test_a_soc_without_this_car_s_constant_is_none():
    # Facts 2.2: SOC is a share of 100.6. Before the first 100 there is none, however small the raw value is.
    for raw in (0, 1):
        car = Car().turn()
        car.rules.replugged()
        car.rules.step(car.now)
        car.hear(0x102, v102(soc=raw))
        assert car.rules.soc_permille == UNKNOWN


def test_discharge_needs_each_word_of_this_plug_also_just_after_the_clock_wrapped():
    # Facts 2.6: 102.5.7, 109.4, 208, 209 and 200. A stamp of 0 is young here.
    words = {0x200: V200, 0x208: C208, 0x209: C209, 0x109: c109(0x05)}
    for missing in words:
        car = Car(now=TICKS_MASK - 300).running()
        car.rules.replugged()
        assert car.now < 200
        car.rules.step(car.now)
        car.hear(0x102, v102())
        for can_id in words:
            if can_id != missing:
                (car.hear if can_id == 0x200 else car.tell)(can_id, words[can_id])
        car.rules.step(car.now)
        assert not car.rules.offered() and car.rules.limit_dA(-1) == 0, hex(missing)


def test_the_first_208_of_a_running_session_is_the_truth_of_no_current():
    # 208.0 = FF is no discharge (facts 2.3): it may be said, whatever was said before it.
    car = Car().running()
    car.rules.replugged()
    del car.tells[0x208]
    car.turn()
    assert car.rules.ready and car.judge(0x208, C208) == OFFER


# --- what is about to leave ---
def test_an_offer_of_254_a_is_one_and_of_255_a_is_none():
    car = Car().running()
    assert car.judge(0x208, b"\xfe\xf4\x01\x01\x00\x00\xaa\x00") == PERMIT and car.rules.value_dA == 2540
    assert car.judge(0x208, b"\xfe\xf4\x01\x00\x00\x00\xaa\x00") == NEVER


def test_the_end_of_a_discharge_is_no_charge():
    # Facts 2.6: zero may be crossed at any time; 208.0 = FF says none, 109.3 says charging.
    car = Car().running()
    car.tell(0x208, c208(20))
    assert car.rules.limit_dA(-1) == 500
    car.tell(0x208, C208)
    assert car.rules.limit_dA(-1) == 100 and car.rules.limit_dA(1) == 100


def test_a_208_that_went_stale_is_no_charge():
    car = Car().running()
    car.tells[0x208] = c208(20)
    car.turn()
    del car.tells[0x208]
    turns = 0
    while car.rules.limit_dA(1) == 0 and turns < 40:
        car.turn(1)
        turns += 1
    assert car.rules.limit_dA(1) == 100


def test_a_109_that_went_stale_does_not_unsay_a_208():
    # 208 still tells a discharge: charging is not said beside it (facts 2.6: 109.3 = 0 while discharging).
    car = Car().running()
    car.tells[0x208] = c208(20)
    del car.tells[0x109]
    car.turn(27)
    assert not car.rules.ready and car.judge(0x109, c109(0x05, 10)) == NEVER


def test_locked_is_not_running():
    # 109.5.0 runs, 109.5.2 is locked or energising (facts 2.3).
    car = Car().closed()
    car.tell(0x109, c109(0x04))
    assert not car.rules.ready and car.rules.limit_dA(1) == 0


# --- what the car says ---
def test_a_102_before_k_is_no_permission_for_not_even_a_tick():
    car = Car()
    car.wires.k = 0
    car.turn()
    car.hear(0x102, v102())
    assert car.judge(0x109, c109(0x05)) == NEVER


def test_a_target_below_256_v_is_a_target():
    car = Car().running()
    car.says[0x102] = v102(target_V=255)
    assert car.turn().rules.ready


def test_a_capacity_that_is_a_little_smaller_counts():
    # Of two accounts the smaller one: 22.2 kWh, then 22.1 kWh.
    car = Car().turn()
    car.hear(0x101, V101[:5] + b"\xdd\x00\x00")
    assert car.rules.capacity_Wh == 22100


def test_a_higher_least_voltage_counts_at_once():
    # 200.4-5, facts 2.6: stop at the higher one of both; not only after our next 109.
    car = Car().running()
    assert car.rules.voltage_min_dV == 2500
    car.hear(0x200, V200[:4] + b"\x2c\x01" + V200[6:])
    assert car.rules.voltage_min_dV == 3000


def test_a_ceiling_that_changes_alone_counts():
    # 200.7 from 80 % to 60 % of 22.2 kWh, 200.6 as it was; SOC is 60 %.
    car = Car().running()
    assert car.rules.limit_dA(1) == 100
    car.hear(0x200, V200[:7] + b"\x85")
    assert car.rules.limit_dA(1) == 0
    car.hear(0x200, V200)
    assert car.rules.limit_dA(1) == 100


def test_an_unsettled_ceiling_is_the_lower_reading_whichever_it_is():
    # 201.0 = 3. 60 of 5 kWh would be 6 kWh: all of it; as per cent it is the 60 % that the car has.
    car = Car()
    car.says[0x101] = V101[:5] + b"\x32\x00\x00"
    car.says[0x201] = b"\x03" + bytes(7)
    car.says[0x200] = V200[:6] + b"\x00\x3c"
    assert car.running().rules.limit_dA(1) == 0
    car.says[0x102] = v102(soc=59)
    assert car.turn().rules.limit_dA(1) == 100


def test_a_constant_of_one_is_one():
    # 100.6 = 1: 0 of 1 is empty.
    car = Car().turn()
    car.hear(0x100, V100[:6] + b"\x01\x00")
    car.hear(0x102, v102(soc=0))
    assert car.rules.soc_permille == 0


# --- d1 and d2 ---
def test_what_is_on_stays_on_through_every_other_change():
    # d1 and d2 are held from step 1 and 4 to step 10 (facts 2.5), whatever other pin changes meanwhile.
    car = Car().closed()
    for mask in (_BOTH, _BOTH | OUT_CONTACTOR, _BOTH | OUT_CONTACTOR, _BOTH):
        assert car.rules.pins(mask, car.now) == 0
        car.wires.contactor = 1 if mask & OUT_CONTACTOR else 0
    assert car.rules.pins(OUT_D1, car.now) == 0
    assert car.rules.pins(_BOTH, car.now) == OUT_D2  # there is a battery at the inlet


def test_d1_after_d1_needs_a_plug_again():
    car = Car().turn()
    assert car.rules.pins(OUT_D1, car.now) == 0
    assert car.rules.pins(0, car.now) == 0
    car.wires.plugged = 0
    assert car.rules.pins(OUT_D1, car.now) == OUT_D1


def test_d1_may_go_from_half_a_second_after_d2_on():
    # Facts 2.5 step 10. Not in every tick does somebody ask.
    for late in (501, 600, 1001, 5000):
        car = Car().running()
        car.wires.contactor = 0
        car.rules.pins(OUT_D1, car.now)
        car.rules.step(car.now + 501 & TICKS_MASK)
        assert car.rules.pins(0, car.now + late & TICKS_MASK) == 0


def test_each_wait_for_our_contactor_is_its_own():
    # One that stuck in the session before has no part in this one's second (facts 2.5: the car's open after ours).
    car = Car().running()
    rules, now = car.rules, car.now
    rules.pins(OUT_D1, now)
    assert rules.pins(OUT_D1, now + 1000) == 0
    car.wires.contactor = car.wires.inlet_dV = 0
    assert rules.pins(_BOTH, now + 1000) == 0
    car.wires.contactor = 1
    assert rules.pins(OUT_D1, now + 5000) == OUT_D2
    assert rules.pins(OUT_D1, now + 5999) == OUT_D2
    assert rules.pins(OUT_D1, now + 6000) == 0
