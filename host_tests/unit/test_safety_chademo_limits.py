# How much the gate lets flow to a CHAdeMO car (facts 2.2, 2.5, 2.6), which floor and which voltages count. Runs on
# CPython and on MicroPython.
from firmware.safety.kinds import READY
from firmware.units import TICKS_MASK, UNKNOWN
from host_tests.unit.safety_chademo_car import C108, C208, C209, V200, Car, c109, c208, v102


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
