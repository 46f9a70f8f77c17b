# The gate's own reading of CHAdeMO (facts 2.2 to 2.6), by itself. Runs on CPython and on MicroPython.
from firmware.safety.chademo_rules import Rules
from firmware.safety.kinds import FREE, NEVER, OFFER, PERMIT, READY
from firmware.signals import OUT_CONTACTOR, OUT_D1, OUT_D2, OUT_LOCK
from firmware.units import TICKS_MASK, UNKNOWN

C108 = b"\x01\xf4\x01\x3c\xb3\x01\x00\x00"  # 500 V, 60 A
C208 = b"\xff\xf4\x01\xc3\x00\x00\xaa\x00"  # none, 60 A, 170 V
C209 = b"\x02\x05\x00\x00\x00\x00\x00\x00"
V100 = b"\x00\x00\x00\x00\xb3\x01\x64\x00"
V101 = b"\x00\xff\x3c\x00\x00\xde\x00\x00"
V200 = b"\xcd\x00\x00\x00\xfa\x00\x43\xb2"  # 50 A out, 250 V, 30 % and 80 % of 22.2 kWh


def c109(status, charge_A=0, compatible=1):
    return bytes((2, 0x76, 1, charge_A, compatible, status, 0xFF, 60))


def c208(out_A):
    return bytes((255 - out_A,)) + C208[1:]


def v102(status=0x81, request_A=50, number=2, target_V=410, errors=0, soc=60):
    return bytes((number, target_V & 0xFF, target_V >> 8, request_A, errors, status, soc, 0))


class Wires:
    def __init__(self):
        self.plugged = self.fresh = self.lock = self.k = 1
        self.contactor = self.inlet_dV = self.current_dA = 0

    def locked(self):
        return self.lock

    def permission(self):
        return self.k


class Car:
    # Rules with a car that repeats what it says. 40 ms a turn, as the gate calls step().
    def __init__(self, number=2, now=1000):
        self.rules = Rules(number)
        self.wires = self.rules.wires = Wires()
        self.now = now
        self.says = {0x100: V100, 0x101: V101, 0x102: v102(), 0x200: V200}
        self.tells = {}

    def turn(self, count=3):
        for _ in range(count):
            self.now = (self.now + 40) & TICKS_MASK
            for can_id in self.says:
                self.rules.observe(can_id, 0, self.says[can_id], self.now)
            for can_id in self.tells:
                self.rules.left(can_id, self.tells[can_id], self.now)
            self.rules.step(self.now)
        return self

    def hear(self, can_id, data):
        self.rules.observe(can_id, 0, data, self.now)

    def tell(self, can_id, data):
        self.rules.left(can_id, data, self.now)

    def judge(self, can_id, data, ext=0):
        return self.rules.judge(can_id, ext, data)

    def closed(self):
        # k on, locked, d1 and d2 on, the car's contactors closed.
        self.tells = {0x108: C108, 0x109: c109(0x24), 0x208: C208, 0x209: C209}
        self.turn()
        assert self.rules.pins(OUT_LOCK | OUT_D1, self.now) == 0
        assert self.rules.pins(OUT_LOCK | OUT_D1 | OUT_D2, self.now) == 0
        self.wires.inlet_dV = 3750
        return self.turn()

    def running(self):
        self.closed()
        self.wires.contactor = 1
        self.tells[0x109] = c109(0x05)
        return self.turn()


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


# --- floor and ceiling ---
def test_the_floor_s_unit_is_201_s():
    for raw, sequence, capacity, floor in (
        (67, None, 222, 302), (67, 0, 222, 302), (67, 1, 222, 670), (67, 2, 222, 670), (10, 2, 354, 100),
        (101, 2, 222, 1000), (255, None, 222, 1000), (67, None, 0, 1000), (67, 3, 222, 670), (67, 3, 70, 958),
        (0, None, 222, UNKNOWN), (0, 2, 222, UNKNOWN),
    ):  # fmt: skip
        car = Car()
        car.says[0x101] = bytes((0, 0, 0, 0, 0, capacity & 0xFF, capacity >> 8, 0))
        car.says[0x200] = bytes((0xFF, 0, 0, 0, 0xFA, 0, raw, 0))
        if sequence is not None:
            car.says[0x201] = bytes((sequence,)) + bytes(7)
        car.turn()
        assert car.rules.floor_permille == floor, (raw, sequence, capacity, car.rules.floor_permille)


def test_charging_ends_at_the_car_s_ceiling():
    for raw, sequence, full in ((133, None, True), (134, None, False), (60, 2, True), (61, 2, False), (60, 3, True),
                                (0, None, False), (133, 3, True)):  # fmt: skip
        car = Car().running()
        car.says[0x200] = bytes((0xFF, 0, 0, 0, 0xFA, 0, 0, raw))
        if sequence is not None:
            car.says[0x201] = bytes((sequence,)) + bytes(7)
        car.turn()
        assert (car.rules.limit_dA(1) == 0) == full, (raw, sequence)


# --- how much ---
def test_charging_by_the_least_of_request_and_offer():
    car = Car().running()
    car.tells[0x109] = c109(0x05, 10)
    for request_A, offer_A, limit_dA in ((50, 60, 500), (50, 20, 200), (0, 60, 0), (254, 60, 600)):
        car.says[0x102] = v102(request_A=request_A)
        car.tells[0x108] = C108[:3] + bytes((offer_A,)) + C108[4:]
        assert car.turn().rules.limit_dA(1) == limit_dA
        assert car.rules.limit_dA(-1) == 0


def test_a_request_of_ff_is_110_s_or_none():
    car = Car().running()
    car.tells[0x109] = c109(0x05, 10)
    car.says[0x102] = v102(request_A=255)
    assert car.turn().rules.limit_dA(1) == 0
    car.says[0x110] = b"\x02\x28\x00\x00\x00\x00\x00\x00"
    assert car.turn().rules.limit_dA(1) == 400


def test_a_target_of_0_v_is_a_stop():
    car = Car().running()
    car.says[0x102] = v102(target_V=0)
    assert car.turn().rules.limit_dA(1) == 0
    car.says[0x102] = v102(target_V=256)
    assert car.turn().rules.limit_dA(1) == 100


def test_before_the_car_is_told_a_direction_only_10_a():
    car = Car().running()
    assert car.rules.limit_dA(1) == 100 and car.rules.limit_dA(-1) == 100
    car.tells[0x109] = c109(0x05, 1)
    assert car.turn().rules.limit_dA(1) == 500 and car.rules.limit_dA(-1) == 0
    car.tells[0x109] = c109(0x05)
    assert car.turn().rules.limit_dA(1) == 100 and car.rules.limit_dA(-1) == 100
    car.tells[0x208] = c208(1)
    assert car.turn().rules.limit_dA(-1) == 500 and car.rules.limit_dA(1) == 0
    car.says[0x102] = v102(request_A=5)
    car.tells[0x208] = C208
    assert car.turn().rules.limit_dA(1) == 50


def test_discharging_needs_every_part_of_the_offer():
    for missing in (0x200, 0x208, 0x209):
        car = Car().running()
        assert car.rules.offered() and car.rules.limit_dA(-1) == 100
        car.says.pop(missing, None)
        car.tells.pop(missing, None)
        assert car.turn(24).rules.limit_dA(-1) == 100
        assert car.turn(3).rules.limit_dA(-1) == 0, hex(missing)
        assert car.rules.offered()  # a ramp may still be under way
        assert not car.turn(27).rules.offered()
        assert car.rules.limit_dA(1) == 100
    for status, compatible in ((0x01, 1), (0x81, 0)):
        car = Car().running()
        car.says[0x102] = v102(status)
        car.tells[0x109] = c109(0x05, 0, compatible)
        assert car.turn(1).rules.limit_dA(-1) == 0
        assert not car.turn(27).rules.offered()


def test_a_stale_208_is_no_direction():
    car = Car().running()
    car.tells[0x208] = c208(20)
    assert car.turn().rules.limit_dA(1) == 0
    del car.tells[0x208]
    assert car.turn(27).rules.limit_dA(1) == 100


def test_discharging_by_the_least_of_both_limits():
    car = Car().running()
    car.tells[0x208] = c208(1)
    assert car.turn().rules.limit_dA(-1) == 500
    car.tells[0x208] = b"\xfe\xf4\x01\xf0\x00\x00\xaa\x00"
    assert car.turn().rules.limit_dA(-1) == 150
    car.says[0x200] = b"\xf5" + V200[1:]
    assert car.turn().rules.limit_dA(-1) == 100
    car.says[0x200] = b"\xff" + V200[1:]
    assert car.turn().rules.limit_dA(-1) == 0


def test_a_silent_car_permits_nothing():
    for begin in (1000, TICKS_MASK - 2000):
        car = Car(now=begin).running()
        del car.says[0x102]
        assert car.turn(24).rules.limit_dA(1) == 100
        assert car.turn(3).rules.limit_dA(1) == 0 and not car.rules.ready


def test_a_silent_charger_has_told_nothing():
    car = Car().running()
    del car.tells[0x109]
    assert car.turn(24).rules.ready
    assert not car.turn(3).rules.ready and car.judge(0x109, c109(0x05)) == READY


def test_a_stop_of_either_side_ends_ready():
    car = Car().running()
    car.tell(0x109, c109(0x25))
    assert not car.rules.ready and car.rules.voltage_min_dV == UNKNOWN
    for change in (v102(0x80), v102(0x83), v102(0x85), v102(0x89), v102(errors=16)):
        car = Car().running()
        car.hear(0x102, change)
        assert not car.rules.ready


# --- voltages ---
def test_the_car_s_highest_voltage_counts_from_d2_on():
    car = Car()
    car.tells = {0x108: C108, 0x109: c109(0x24), 0x208: C208, 0x209: C209}
    car.turn()
    rules = car.rules
    assert rules.voltage_max_dV == TICKS_MASK
    car.closed()
    assert rules.voltage_max_dV == 4350
    for volts, expected in ((440, 4350), (400, 4000), (435, 4000)):
        car.hear(0x100, bytes((0, 0, 0, 0, volts & 0xFF, volts >> 8, 100, 0)))
        assert rules.voltage_max_dV == expected


def test_the_higher_of_both_least_voltages_counts_while_ready():
    car = Car().closed()
    assert car.rules.voltage_min_dV == UNKNOWN
    car = Car().running()
    assert car.rules.voltage_min_dV == 2500
    car.says[0x200] = b"\xcd\x00\x00\x00\x64\x00\x43\xb2"
    assert car.turn().rules.voltage_min_dV == 1700


def test_what_the_protocol_does_not_tell_is_unknown():
    rules = Car().running().rules
    assert rules.vin == 0 and rules.voltage_dV == UNKNOWN
    assert rules.cell_min_cV == rules.highest_cV == rules.lowest_cV == UNKNOWN


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
