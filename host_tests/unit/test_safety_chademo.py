# The gate's own reading of CHAdeMO (facts 2.2 to 2.6), by itself: what may leave, what counts, the pins. Runs on
# CPython and on MicroPython.
from firmware.safety.kinds import FREE, NEVER, OFFER, PERMIT, READY
from firmware.signals import OUT_CONTACTOR, OUT_D1, OUT_D2, OUT_LOCK
from firmware.units import TICKS_MASK, UNKNOWN
from host_tests.unit.safety_chademo_car import C108, C208, C209, V100, Car, c109, c208, v102


# --- what may leave ---
def test_exactly_the_listed_frames_of_8_bytes():
    for number, ids in ((1, 4), (2, 4), (3, 5)):
        car = Car(number)
        allowed = 0
        for can_id in range(0x800):
            for length in (7, 8):
                kind = car.judge(can_id, bytes(length))
                assert kind == NEVER or length == 8
                allowed += kind != NEVER
            assert car.judge(can_id, bytes(8), 1) == NEVER
        assert allowed == ids
    assert Car(3).judge(0x118, bytes(8)) == FREE and Car().judge(0x209, C209) == FREE


def test_118_changes_nothing():
    car = Car(3).running()
    before = car.rules.limit_dA(1), car.rules.limit_dA(-1), car.rules.ready
    car.tell(0x118, b"\xff" * 8)
    assert (car.rules.limit_dA(1), car.rules.limit_dA(-1), car.rules.ready) == before


def test_108_and_208_are_offers():
    car = Car()
    assert car.judge(0x108, C108) == OFFER
    assert car.rules.value == 5000 and car.rules.value_dA == 600
    assert car.judge(0x208, C208) == OFFER
    assert car.rules.value == 5000 and car.rules.value_dA == 600


def test_109_is_free_until_it_says_charging():
    car = Car().closed()
    for status in (0x20, 0x24, 0x25, 0x21, 0x04, 0x34):
        assert car.judge(0x109, c109(status)) == FREE
    assert car.judge(0x109, c109(0x05)) == READY
    car.tell(0x109, c109(0x05))
    assert car.judge(0x109, c109(0x05, 20)) == PERMIT and car.rules.value == 1


def test_charging_is_never_said_without_permission():
    for change in (v102(0x80), v102(0x83), v102(0x85), v102(0x89), v102(errors=1)):
        car = Car().closed()
        car.hear(0x102, change)
        assert car.judge(0x109, c109(0x05)) == NEVER, change
    car = Car()
    car.wires.k = 0
    car.turn()
    assert car.judge(0x109, c109(0x05)) == NEVER


def test_charging_and_discharging_are_never_said_at_once():
    car = Car().running()
    assert car.judge(0x208, c208(1)) == PERMIT and car.rules.value == -1
    car.tell(0x208, c208(20))
    assert car.judge(0x109, c109(0x05, 1)) == NEVER
    assert car.judge(0x109, c109(0x05, 0)) == PERMIT
    car.tell(0x208, C208)
    car.tell(0x109, c109(0x05, 1))
    assert car.judge(0x208, c208(1)) == NEVER
    car.tell(0x109, c109(0x05, 0))
    assert car.judge(0x208, c208(1)) == PERMIT


def test_a_falling_discharge_may_be_told_whatever_else():
    car = Car().running()
    car.tell(0x208, c208(20))
    for out_A in (20, 19, 1, 0):
        assert car.judge(0x208, c208(out_A)) == OFFER
    assert car.judge(0x208, c208(21)) == PERMIT
    car.tell(0x109, c109(0x25))
    assert car.judge(0x208, c208(21)) == OFFER
    assert car.judge(0x208, b"\xc8\xf4\x01\x00\x00\x00\xaa\x00") == OFFER and car.rules.value_dA == 2550


def test_a_discharge_beyond_what_was_offered_is_not_told():
    car = Car().running()
    assert car.judge(0x208, b"\xfe\xf4\x01\x00\x00\x00\xaa\x00") == NEVER


# --- provisional ---
def test_nothing_counts_before_k():
    car = Car()
    car.wires.k = 0
    car.turn(5)
    rules = car.rules
    assert rules.soc_permille == UNKNOWN and rules.capacity_Wh == 0 and rules.floor_permille == UNKNOWN
    assert not rules.offered() and rules.pins(OUT_D1, car.now) == 0 and rules.pins(OUT_D1 | OUT_D2, car.now) == OUT_D2
    car.wires.k = 1
    car.turn()
    assert rules.soc_permille == 600 and rules.capacity_Wh == 22200 and rules.floor_permille == 302
    assert rules.soc_step_permille == 10


def test_garbage_before_k_is_forgotten_by_it():
    car = Car()
    car.wires.k = 0
    car.says[0x200] = b"\xff\x00\x00\x00\xfa\x00\xff\xff"
    car.turn()
    del car.says[0x200]
    car.wires.k = 1
    car.turn()
    assert car.rules.floor_permille == UNKNOWN


def test_foreign_frames_are_not_heard():
    car = Car()
    car.turn(1)
    for can_id in (0x100, 0x101, 0x102, 0x110, 0x200, 0x201):
        car.rules.observe(can_id, 1, b"\xff" * 8, car.now)
        car.rules.observe(can_id, 0, b"\xff" * 7, car.now)
    car.rules.observe(0x103, 0, b"\xff" * 8, car.now)
    car.rules.observe(0x202, 0, b"\xff" * 8, car.now)
    car.turn(2)
    assert car.rules.soc_permille == 600 and car.rules.floor_permille == 302


def test_a_blink_of_k_is_no_stop_and_its_loss_is_one_within_half_a_second():
    car = Car().running()
    car.wires.k = 0
    car.turn(3)
    assert car.rules.ready and car.rules.limit_dA(1) > 0
    car.wires.k = 1
    car.turn(1)
    car.wires.k = 0
    car.turn(6)
    assert not car.rules.ready and car.rules.limit_dA(1) == 0 and car.judge(0x109, c109(0x05)) == NEVER


def test_soc_counts_against_its_constant_or_not_at_all():
    for constant, raw, expected in ((100, 60, 600), (255, 0x8F, 560), (240, 120, 500), (100, 101, 600), (0, 10, 600)):
        car = Car().turn()
        reports = car.rules.soc_reports
        car.hear(0x100, V100[:6] + bytes((constant, 0)))
        car.hear(0x102, v102(soc=raw))
        assert car.rules.soc_permille == expected
        assert car.rules.soc_reports - reports == (1 if constant >= raw and constant else 0)


def test_of_two_capacities_the_smaller_counts():
    car = Car().turn()
    for energy, expected in ((240, 22200), (0, 22200), (200, 20000)):
        car.hear(0x101, bytes((0, 0, 0, 0, 0, energy, 0, 0)))
        assert car.rules.capacity_Wh == expected


# --- contactors and pins ---
def test_closing_by_the_flag_or_in_0_9_by_the_voltage():
    car = Car().closed()
    assert car.rules.may_close
    car.hear(0x102, v102(0x89))
    assert not car.rules.may_close
    for ours, theirs in ((2, 1), (1, 2)):
        car = Car(ours)
        car.says[0x102] = v102(0x09, number=theirs)
        car.closed()
        assert car.rules.may_close and car.judge(0x109, c109(0x05)) == READY
        car.wires.inlet_dV = 499
        assert not car.turn().rules.may_close


def test_insulation_between_lock_and_d2():
    car = Car()
    car.tells = {0x109: c109(0x20)}
    assert not car.turn().rules.insulating
    car.tells = {0x109: c109(0x24)}
    assert car.turn().rules.insulating
    car.hear(0x102, v102(0x80))
    assert not car.rules.insulating
    assert not Car().closed().rules.insulating


def test_d1_needs_a_plug():
    car = Car().turn()
    car.wires.plugged = 0
    assert car.rules.pins(OUT_D1, car.now) == OUT_D1
    car.wires.plugged = 1
    assert car.rules.pins(OUT_D1, car.now) == 0


def test_d2_needs_all_of_it():
    def fresh():
        car = Car()
        car.tells = {0x109: c109(0x24)}
        car.turn().rules.pins(OUT_D1, car.now)
        return car

    car = fresh()
    assert car.rules.pins(OUT_D1 | OUT_D2, car.now) == 0
    for name, value in (("plugged", 0), ("fresh", 0), ("lock", 0), ("contactor", 1), ("inlet_dV", 200)):
        car = fresh()
        setattr(car.wires, name, value)
        assert car.rules.pins(OUT_D1 | OUT_D2, car.now) == OUT_D2, name
    car = fresh()
    assert car.rules.pins(OUT_D1 | OUT_D2 | OUT_CONTACTOR, car.now) == OUT_D2
    assert car.rules.pins(OUT_D2, car.now) == OUT_D2  # with d1 going
    car = fresh()
    car.hear(0x102, v102(0x80))
    assert car.rules.pins(OUT_D1 | OUT_D2, car.now) == OUT_D2
    car = Car().turn()
    assert car.rules.pins(OUT_D1 | OUT_D2, car.now) == OUT_D2  # d1 first
    assert car.rules.pins(OUT_D1 | OUT_D2, car.now) == 0


def test_d2_never_opens_under_load():
    car = Car().running()
    both = OUT_D1 | OUT_D2
    assert car.rules.pins(OUT_D1 | OUT_CONTACTOR, car.now) == OUT_D2
    for current_dA, stays in ((51, OUT_D2), (-51, OUT_D2)):
        car.wires.current_dA = current_dA
        assert car.rules.pins(OUT_D1, car.now) == stays
    car.wires.current_dA = 50
    car.wires.fresh = 0
    assert car.rules.pins(OUT_D1, car.now) == OUT_D2
    car.wires.fresh = 1
    assert car.rules.pins(OUT_D1, car.now) == OUT_D2  # ours may be on its way
    car.turn(24)
    assert car.rules.pins(OUT_D1, car.now) == OUT_D2
    car.turn(1)
    assert car.rules.pins(OUT_D1, car.now) == 0  # ours sticks: the car's are the only ones that can
    car = Car().running()
    car.wires.contactor = 0
    car.wires.current_dA = 100  # a sensor's offset; nothing can flow
    assert car.rules.pins(both & ~OUT_D2, car.now) == 0


def test_d1_stays_half_a_second_longer_than_d2():
    for begin in (1000, TICKS_MASK - 700):
        car = Car(now=begin).running()
        car.wires.contactor = 0
        assert car.rules.pins(0, car.now) == OUT_D1
        car.turn(12)
        assert car.rules.pins(0, car.now) == OUT_D1
        car.turn(1)
        assert car.rules.pins(0, car.now) == 0
        car.turn(3)
        assert car.rules.pins(OUT_D1, car.now) == 0


def test_a_new_plug_has_said_nothing():
    car = Car().running()
    car.rules.replugged()
    rules = car.rules
    assert rules.soc_permille == UNKNOWN and rules.floor_permille == UNKNOWN and rules.capacity_Wh == 0
    assert not rules.ready and not rules.offered() and rules.limit_dA(1) == rules.limit_dA(-1) == 0
    assert rules.PINS == OUT_LOCK | OUT_D1 | OUT_D2 and rules.UNLOCK_dV == 100
