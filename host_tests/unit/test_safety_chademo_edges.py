# Where the gate's reading of CHAdeMO turns: the last millisecond, the first volt, the second byte; and what a new plug
# must not know. Runs on CPython and on MicroPython.
from firmware.safety.kinds import NEVER, OFFER, PERMIT
from firmware.signals import OUT_CONTACTOR, OUT_D1, OUT_D2
from firmware.units import TICKS_MASK, UNKNOWN
from host_tests.unit.safety_chademo_car import C108, C208, C209, V100, V101, V200, Car, c109, c208, v102


def knows_nothing(rules):
    assert rules.may_close == rules.insulating == rules.ready == rules.soc_reports == rules.capacity_Wh == 0
    assert rules.soc_permille == rules.floor_permille == rules.voltage_min_dV == UNKNOWN
    assert rules.voltage_max_dV == TICKS_MASK and not rules.offered()
    assert rules.limit_dA(1) == rules.limit_dA(-1) == 0


def test_before_the_first_frame_nothing_is_known_or_allowed():
    car = Car()
    car.rules.step(car.now)
    knows_nothing(car.rules)
    assert car.rules.pins(OUT_D1, car.now) == 0
    assert car.rules.pins(OUT_D1 | OUT_D2, car.now) == OUT_D2
    assert car.judge(0x109, c109(0x05)) == NEVER
    assert car.judge(0x118, bytes(8)) == NEVER  # ours is 1.0 unless told
    assert car.judge(0x208, c208(1)) == OFFER  # nothing runs yet


def test_a_new_plug_forgets_all_of_it():
    car = Car().running()
    car.rules.insulating = 1
    car.rules.replugged()
    knows_nothing(car.rules)
    car.rules.step(car.now)
    car.hear(0x102, v102())
    assert car.rules.soc_permille == UNKNOWN  # 100.6 was another car's
    car.says = {0x100: V100, 0x102: v102()}
    car.tells = {0x109: c109(0x05)}
    car.turn()
    assert car.rules.limit_dA(1) == 0  # no 108 yet
    car.tells[0x108] = C108
    assert car.turn().rules.limit_dA(1) == 100


def test_each_part_of_the_offer_is_needed_from_the_begin():
    parts = {0x200: V200, 0x208: C208, 0x209: C209}
    for missing in parts:
        car = Car().running()
        car.rules.replugged()
        car.rules.step(car.now)
        car.hear(0x102, v102())
        for can_id in parts:
            if can_id != missing:
                (car.hear if can_id == 0x200 else car.tell)(can_id, parts[can_id])
        car.tell(0x109, c109(0x05))
        assert car.rules.limit_dA(-1) == 0, hex(missing)
        (car.hear if missing == 0x200 else car.tell)(missing, parts[missing])
        assert car.rules.limit_dA(-1) == 100, hex(missing)


def test_the_last_millisecond_of_each_word():
    def at(ms, name):
        # All is said at once, all but one again 600 ms later; then `ms` after the begin.
        car = Car().running()
        rules, begin = car.rules, car.now
        heard = {0x102: v102(), 0x200: V200}
        told = {0x109: c109(0x05), 0x208: C208, 0x209: C209}
        for late in (0, 600):
            for can_id in heard:
                if not (late and can_id == name):
                    rules.observe(can_id, 0, heard[can_id], begin + late)
            for can_id in told:
                if not (late and can_id == name):
                    rules.left(can_id, told[can_id], begin + late)
        rules.step(begin + ms)
        return rules.limit_dA(-1)

    for name in (0x102, 0x200, 0x109, 0x208, 0x209):
        assert at(1000, name) == 100 and at(1001, name) == 0, hex(name)


def test_the_last_millisecond_of_k_and_of_the_offer():
    car = Car().running()
    rules, now = car.rules, car.now
    car.wires.k = 0
    rules.step(now + 200)
    assert rules.ready
    rules.step(now + 201)
    assert not rules.ready
    car = Car().running()
    rules, now = car.rules, car.now
    car.hear(0x102, v102(0x01))
    rules.step(now + 1000)
    assert rules.offered()
    rules.step(now + 1001)
    assert not rules.offered()


def test_the_last_millisecond_of_d1():
    car = Car().running()
    car.wires.contactor = 0
    assert car.rules.pins(OUT_D1, car.now) == 0
    assert car.rules.pins(0, car.now + 499) == OUT_D1
    assert car.rules.pins(0, car.now + 500) == 0
    car = Car().running()
    car.wires.contactor = 0
    car.rules.pins(OUT_D1, car.now)
    for at in range(1000, TICKS_MASK, TICKS_MASK // 5):  # days later
        car.rules.step(car.now + at & TICKS_MASK)
    assert car.rules.pins(0, car.now + 100 & TICKS_MASK) == 0


def test_d2_comes_back_after_it_went():
    car = Car().running()
    rules = car.rules
    car.wires.contactor = car.wires.inlet_dV = 0
    assert rules.pins(OUT_D1, car.now) == 0
    assert rules.voltage_max_dV == TICKS_MASK and not rules.may_close and not rules.insulating
    car.tells[0x109] = c109(0x24)
    assert car.turn().rules.insulating
    assert rules.pins(OUT_D1 | OUT_D2, car.now) == 0 and rules.voltage_max_dV == 4350
    assert not rules.may_close and not rules.insulating
    car.wires.contactor = 0
    assert rules.pins(OUT_D1 | OUT_CONTACTOR, car.now) == OUT_D2  # it is about to close
    assert rules.pins(OUT_D1, car.now) == 0


def test_waiting_for_our_contactor_begins_anew():
    car = Car().running()
    rules, now = car.rules, car.now
    assert rules.pins(OUT_D1, now) == OUT_D2
    car.wires.fresh = 0
    assert rules.pins(OUT_D1, now + 900) == OUT_D2
    car.wires.fresh = 1
    assert rules.pins(OUT_D1, now + 950) == OUT_D2
    assert rules.pins(OUT_D1, now + 1949) == OUT_D2
    for current_dA in (-51, 51):
        car.wires.current_dA = current_dA
        assert rules.pins(OUT_D1, now + 1950) == OUT_D2
    car.wires.current_dA = -50
    assert rules.pins(OUT_D1, now + 1950) == 0


def test_words_of_two_bytes():
    car = Car().running()
    car.tells[0x108] = C108[:3] + b"\xfe" + C108[4:]
    car.tells[0x109] = c109(0x05, 10)
    car.says[0x102] = v102(request_A=255)
    car.says[0x110] = b"\x02\xfa\x00\x01\x00\x00\x00\x00"
    assert car.turn().rules.limit_dA(1) == 2500
    car.says[0x110] = b"\x02\x2c\x01\x00\x00\x00\x00\x00"
    assert car.turn().rules.limit_dA(1) == 2540
    car = Car()
    car.says[0x101] = b"\x00\x00\x00\x00\x00\x62\x01\xff"
    assert car.turn().rules.capacity_Wh == 35400
    car = Car().running()
    car.tells[0x208] = C208[:6] + b"\x2c\x01"
    car.says[0x200] = V200[:4] + b"\x2d\x01" + V200[6:]
    assert car.turn().rules.voltage_min_dV == 3010
    car.says[0x200] = V200
    assert car.turn().rules.voltage_min_dV == 3000


def test_201_is_read_in_its_first_byte():
    car = Car()
    car.says[0x201] = b"\x02\x00\x00\x00\x00\x00\x00\x00"
    car.turn()
    car.says[0x201] = b"\x00\x02\x00\x00\x00\x00\x00\x00"
    assert car.turn().rules.floor_permille == 302


def test_a_smaller_capacity_moves_the_floor():
    car = Car().turn()
    assert car.rules.floor_permille == 302
    car.says[0x101] = V101[:5] + b"\xc8\x00\x00"
    assert car.turn().rules.floor_permille == 335
    car.says[0x200] = V200[:6] + b"\x00\xb2"  # not used any more
    assert car.turn().rules.floor_permille == UNKNOWN


def test_the_borders_of_soc_and_percent():
    car = Car().turn()
    for constant, raw, expected in ((100, 100, 1000), (1, 1, 1000), (0, 0, 1000)):
        car.hear(0x100, V100[:6] + bytes((constant, 0)))
        car.hear(0x102, v102(soc=raw))
        assert car.rules.soc_permille == expected
    for unit, raw, soc, full in ((1, 60, 60, True), (1, 61, 60, False), (2, 100, 99, False), (3, 134, 60, False)):
        car = Car().running()
        car.says[0x201] = bytes((unit,)) + bytes(7)
        car.says[0x200] = V200[:6] + bytes((0, raw))
        car.says[0x102] = v102(soc=soc)
        assert (car.turn().rules.limit_dA(1) == 0) == full, (unit, raw)


def test_a_voltage_of_exactly_50_v_is_closed_in_0_9():
    car = Car()
    car.says[0x102] = v102(0x09, number=1)
    car.closed()
    car.wires.inlet_dV = 500
    assert car.turn().rules.may_close


def test_insulation_is_the_lock_s_bit():
    car = Car()
    car.tells = {0x109: c109(0x21)}
    assert not car.turn().rules.insulating
    assert not car.rules.ready


def test_what_went_stale_is_no_direction_and_no_ramp():
    car = Car().running()
    car.tells[0x109] = c109(0x05, 10)
    car.turn()
    del car.tells[0x109]
    car.turn(27)
    car.tells[0x109] = c109(0x05)
    car.turn(1)
    assert car.judge(0x208, c208(1)) == PERMIT and car.rules.value == -1
    car = Car().running()
    car.tells[0x208] = c208(20)
    car.turn()
    del car.tells[0x208]
    car.turn(27)
    assert car.judge(0x208, c208(10)) == PERMIT  # it was 20 A a long time ago
    assert car.judge(0x208, C208) == OFFER and car.rules.value == 5000
