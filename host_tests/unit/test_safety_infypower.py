# The gate's own reading of Infypower frames (facts, hardware 3.1). Runs on CPython and on MicroPython.
from firmware.safety.infypower_rules import OFF, OFF_ID, ZERO, Rules
from firmware.safety.kinds import ALWAYS, CURRENT, FREE, MODE, NEVER, ON, SETUP, VOLTAGE
from firmware.units import UNKNOWN

WRITES = (0x02A43FF0, 0x02E400F0, 0x02A400F0)
READS = (0x02A33FF0, 0x02E300F0, 0x02A300F0)
FROM_0 = 0x02A3F000
ECHO_0 = 0x02A4F000


def payload(register, value):
    return bytes(
        (register >> 8, register & 0xFF, 0, 0, value >> 24 & 0xFF, value >> 16 & 0xFF, value >> 8 & 0xFF, value & 0xFF)
    )


def judged(register, value, can_id=0x02E400F0, ext=1):
    rules = Rules()
    kind = rules.judge(can_id, ext, payload(register, value))
    return kind, rules.value


def test_the_switch():
    for can_id in WRITES:
        assert judged(0x1110, 0xA0, can_id)[0] == ON
        assert judged(0x1110, 0xA1, can_id)[0] == ALWAYS
    for value in (0, 1, 0x9F, 0xA2, 0x1A0, 0x1A1, 0x10000A1, 0xFFFFFFA1):
        assert judged(0x1110, value)[0] == NEVER


def test_the_mode_has_a_direction():
    assert judged(0x2110, 0xA0) == (MODE, 1)
    assert judged(0x2110, 0xA1) == (MODE, -1)
    for value in (0, 0x9F, 0xA2, 0x1A0):
        assert judged(0x2110, value)[0] == NEVER


def test_currents_are_rounded_up_and_zero_always_leaves():
    assert judged(0x1002, 0)[0] == ALWAYS
    for mA, dA in ((1, 1), (100, 1), (101, 2), (55000, 550), (55001, 551), (0xFFFFFF, 167773)):
        assert judged(0x1002, mA) == (CURRENT, dA)
    for mA in (0x1000000, 0x80000000, 0xFFFFFFFF):
        assert judged(0x1002, mA)[0] == NEVER


def test_voltages_are_rounded_up():
    for register in (0x1001, 0x1132):
        for mV, dV in ((0, 0), (1, 1), (100, 1), (101, 2), (750000, 7500)):
            assert judged(register, mV) == (VOLTAGE, dV)


def test_settings():
    for value in (0xA0, 0xA1):
        assert judged(0x1122, value)[0] == FREE
    for value in (0xA0, 0xA1, 0xA2):
        assert judged(0x1126, value)[0] == SETUP
    for register, value in ((0x1122, 0xA2), (0x1126, 0xA3), (0x1126, 0x9F), (0x1122, 0)):
        assert judged(register, value)[0] == NEVER


def test_unlisted_registers_do_not_leave():
    for register in (0x2105, 0x2120, 0x212F, 0x1003, 0x1000, 0x1111, 0x0000, 0xFFFF, 0x1130):
        for value in (0, 1, 0xA0, 0xA1, 0xA2, 440000):
            assert judged(register, value)[0] == NEVER


LISTED_READS = [0x1001, 0x1002, 0x1010, 0x1110, 0x1111, 0x1130, 0x1131, 0x1132, 0x1133, 0x1103, 0x1104, 0x1105, 0x1106]
LISTED_READS += list(range(0x2101, 0x2114)) + [0x4101, 0x4102]


def test_reads_of_the_list_leave_and_no_others():
    for register in range(0x10000):
        if register & 0xFF < 0x40:
            expected = FREE if register in LISTED_READS else NEVER
            assert judged(register, 0, 0x02A300F0)[0] == expected, register
    for can_id in READS:
        assert judged(0x1001, 0, can_id)[0] == FREE
        assert judged(0x1001, 1, can_id)[0] == NEVER


def test_the_id_is_checked_whole():
    off = payload(0x1110, 0xA1)
    rules = Rules()
    for can_id in WRITES:
        assert rules.judge(can_id, 1, off) == ALWAYS
        assert rules.judge(can_id, 0, off) == NEVER
        for bit in range(16, 29):
            wrong = can_id ^ 1 << bit
            if wrong >> 16 not in (0x2A3, 0x2E3, 0x2A4, 0x2E4):
                assert rules.judge(wrong, 1, off) == NEVER
        for bit in range(8):
            assert rules.judge(can_id ^ 1 << bit, 1, off) == NEVER
    for destination in range(256):
        expected = ALWAYS if destination <= 0x3F else NEVER
        assert rules.judge(0x02A400F0 | destination << 8, 1, off) == expected


def test_the_length_and_the_empty_bytes_are_checked():
    rules = Rules()
    for length in range(8):
        assert rules.judge(0x02A400F0, 1, payload(0x1110, 0xA1)[:length]) == NEVER
    for k in (2, 3, 4):
        data = bytearray(payload(0x1110, 0xA1))
        data[k] = 1
        assert rules.judge(0x02A400F0, 1, data) == NEVER


def test_the_frames_of_safe_stop_always_leave():
    rules = Rules()
    assert rules.judge(OFF_ID, 1, OFF) == ALWAYS
    assert rules.judge(OFF_ID, 1, ZERO) == ALWAYS
    assert OFF == payload(0x1110, 0xA1) and ZERO == payload(0x1002, 0) and OFF_ID == WRITES[0]


# --- what left ---
def leave(rules, register, value, can_id=0x02E400F0):
    rules.left(can_id, payload(register, value))


def started():
    rules = Rules()
    leave(rules, 0x1110, 0xA1)
    return rules


def test_set_points_that_left_are_remembered():
    rules = Rules()
    assert (rules.current_left_dA, rules.voltage_left_dV, rules.cutoff_left_dV) == (UNKNOWN, UNKNOWN, 0)
    leave(rules, 0x1002, 30001)
    leave(rules, 0x1001, 375001)
    leave(rules, 0x1132, 320099)
    assert (rules.current_left_dA, rules.voltage_left_dV, rules.cutoff_left_dV) == (301, 3751, 3200)
    leave(rules, 0x1001, 0x030201)
    assert rules.voltage_left_dV == (0x030201 + 99) // 100


def test_a_read_leaves_no_trace():
    rules = Rules()
    for register in (0x1110, 0x1002, 0x1001):
        leave(rules, register, 0, 0x02A300F0)
    assert (rules.off_left, rules.on_left, rules.current_left_dA, rules.voltage_left_dV) == (0, 0, UNKNOWN, UNKNOWN)


def test_on_and_off():
    rules = Rules()
    assert (rules.off_left, rules.on_left) == (0, 0)
    leave(rules, 0x1110, 0xA1)
    assert (rules.off_left, rules.on_left) == (1, 0)
    leave(rules, 0x1110, 0xA0)
    assert (rules.off_left, rules.on_left) == (1, 1)
    leave(rules, 0x1110, 0xA1)
    assert (rules.off_left, rules.on_left) == (1, 0)


# --- what came back ---
def hear(rules, register, value, now=0, can_id=FROM_0, ext=1):
    rules.observe(can_id, ext, payload(register, value), now)


def in_mode(mode=0, now=0):
    rules = started()
    leave(rules, 0x2110, 0xA0 + mode)
    hear(rules, 0x2110, 0xA0 + mode, now, ECHO_0)
    hear(rules, 0x1111, mode, now)
    return rules


def test_a_direction_needs_an_echo_and_a_report():
    assert in_mode(0).direction == 1
    assert in_mode(1).direction == -1
    for mode, direction in ((0, 1), (1, -1)):
        rules = started()
        hear(rules, 0x2110, 0xA0 + mode, 0, ECHO_0)
        assert rules.direction == 0
        hear(rules, 0x1111, 1 - mode)
        assert rules.direction == 0  # it says one thing and does another
        hear(rules, 0x1111, mode)
        assert rules.direction == direction
        rules = started()
        hear(rules, 0x1111, mode)
        assert rules.direction == 0
        hear(rules, 0x2110, 0xA0 + mode, 0, 0x02E4F000)
        assert rules.direction == direction


def test_only_the_lowest_bit_of_the_inverter_status_counts():
    rules = in_mode(0)
    hear(rules, 0x1111, 0xFE)
    assert rules.direction == 1
    hear(rules, 0x1111, 0xFF)
    assert rules.direction == 0


def test_an_echo_of_anything_else_is_no_echo():
    for value in (0x9F, 0xA2):
        rules = started()
        hear(rules, 0x2110, value, 0, ECHO_0)
        hear(rules, 0x1111, 0)
        assert rules.direction == 0
    rules = started()
    hear(rules, 0x2110, 0xA0, 0, FROM_0)  # a report of that register is no echo
    hear(rules, 0x1111, 0)
    assert rules.direction == 0
    hear(rules, 0x1110, 0xA0, 0, ECHO_0)
    assert rules.direction == 0


def test_modules_must_agree():
    for mode in (0, 1):
        rules = in_mode(mode)
        direction = rules.direction
        hear(rules, 0x1111, 1 - mode, 0, FROM_0 | 3)
        assert rules.direction == 0
        hear(rules, 0x1111, mode, 0)
        assert rules.direction == 0
        hear(rules, 0x1111, mode, 0, FROM_0 | 3)
        assert rules.direction == direction


def test_off_makes_the_mode_unknown():
    rules = in_mode(1)
    leave(rules, 0x1110, 0xA1)  # OFF again changes nothing
    assert rules.direction == -1
    leave(rules, 0x1110, 0xA0)
    assert (rules.direction, rules.on_direction) == (-1, -1)
    leave(rules, 0x1110, 0xA1)
    assert (rules.direction, rules.on_direction) == (0, 0)
    hear(rules, 0x1111, 1)
    assert rules.direction == 0  # the echo is missing
    hear(rules, 0x2110, 0xA1, 0, ECHO_0)
    assert rules.direction == -1


def test_another_mode_that_left_makes_the_mode_unknown():
    for mode in (0, 1):
        rules = in_mode(mode)
        direction = rules.direction
        leave(rules, 0x2110, 0xA0 + mode)
        assert rules.direction == direction
        leave(rules, 0x2110, 0xA1 - mode)
        assert rules.direction == 0
        hear(rules, 0x1111, mode)
        assert rules.direction == 0


def test_off_is_reported_by_the_status_after_off_left():
    rules = Rules()
    hear(rules, 0x1110, 0x100)
    assert rules.off == 0  # before OFF left
    rules = started()
    hear(rules, 0x1110, 0x200)
    assert rules.off == 0
    hear(rules, 0x1110, 0x100)
    assert rules.off == 1
    hear(rules, 0x1110, 0, 0, FROM_0 | 1)
    assert rules.off == 0
    hear(rules, 0x1110, 0x100, 0, FROM_0)
    assert rules.off == 0
    hear(rules, 0x1110, 0x1FF, 0, FROM_0 | 1)
    assert rules.off == 1
    leave(rules, 0x1110, 0xA0)
    hear(rules, 0x1110, 0x100)
    assert rules.off == 0
    leave(rules, 0x1110, 0xA1)
    assert rules.off == 0
    hear(rules, 0x1110, 0x100)
    assert rules.off == 1


def test_an_old_off_does_not_outlive_the_next():
    rules = started()
    hear(rules, 0x1110, 0x100)
    leave(rules, 0x1110, 0xA0)
    leave(rules, 0x1110, 0xA1)
    assert rules.off == 0


def test_measurements():
    rules = started()
    assert (rules.live, rules.voltage_dV, rules.current_dA) == (0, 0, 0)
    hear(rules, 0x1001, 375099)
    hear(rules, 0x1002, 30099)
    assert (rules.live, rules.voltage_dV, rules.current_dA) == (1, 3750, 300)
    hear(rules, 0x1002, -30099 & 0xFFFFFFFF)  # int32, only the magnitude counts
    hear(rules, 0x1001, -375099 & 0xFFFFFFFF)
    assert (rules.voltage_dV, rules.current_dA) == (3750, 300)
    for nonsense in (0x01000000, 0x80000000, 0xFE000000):
        hear(rules, 0x1001, nonsense)
        hear(rules, 0x1002, nonsense)
        assert (rules.voltage_dV, rules.current_dA) == (3750, 300)


def test_what_is_no_reply_to_us_is_not_heard():
    for can_id, ext, length in (
        (FROM_0, 0, 8),
        (FROM_0, 1, 7),
        (0x02A3F100, 1, 8),
        (0x02A30000, 1, 8),
        (0x06A3F000, 1, 8),  # an error: command not valid
        (0x02A4F000, 1, 8),
        (0x02B3F000, 1, 8),
        (0x02A3F01E, 1, 8),  # the 31st module
        (0x02A3F0F0, 1, 8),
    ):
        rules = started()
        rules.observe(can_id, ext, payload(0x1001, 375000)[:length], 0)
        assert rules.live == 0, hex(can_id)
    for can_id in (FROM_0, 0x02E3F000, 0x02A3F01D):
        rules = started()
        hear(rules, 0x1001, 375000, 0, can_id)
        assert rules.live == 1
    rules = started()
    hear(rules, 0x1111, 0)
    for can_id in (0x06A4F000, 0x02A5F000, 0x02A4F100, 0x02A4F01E):
        hear(rules, 0x2110, 0xA0, 0, can_id)
        assert rules.direction == 0


def test_a_silent_module_is_no_witness():
    for wrap in (0, 0x3FFFFF00):
        rules = in_mode(0, wrap)
        hear(rules, 0x1110, 0x100, wrap)
        hear(rules, 0x1001, 375000, wrap)
        rules.step((wrap + 600) & 0x3FFFFFFF)
        assert (rules.direction, rules.off, rules.live) == (1, 1, 1)
        rules.step((wrap + 601) & 0x3FFFFFFF)
        assert (rules.direction, rules.off, rules.live) == (0, 0, 0)
        hear(rules, 0x1111, 0, 5000)
        assert rules.direction == 1


def test_a_talking_module_is_remembered_longer():
    rules = in_mode(0)
    hear(rules, 0x1110, 0x100)
    hear(rules, 0x1001, 375000)
    for now, expected in ((600, (1, 1, 1)), (601, (1, 0, 1)), (2000, (1, 0, 1)), (2001, (0, 0, 0))):
        hear(rules, 0x1002, 0, now)
        rules.step(now)
        assert (rules.direction, rules.off, rules.live) == expected, now


def test_a_forgotten_mode_is_forgotten_for_every_module():
    rules = in_mode(0)
    hear(rules, 0x1111, 0, 0, FROM_0 | 1)
    rules.step(700)
    hear(rules, 0x1111, 1, 700, FROM_0 | 1)
    assert rules.direction == 0
    rules = in_mode(1)
    hear(rules, 0x1111, 1, 0, FROM_0 | 1)
    rules.step(700)
    hear(rules, 0x1111, 0, 700, FROM_0 | 1)
    assert rules.direction == 0
    hear(rules, 0x1111, 0, 700)
    assert rules.direction == 0


def test_set_points_that_left_are_exact():
    rules = Rules()
    leave(rules, 0x1001, 375000)
    leave(rules, 0x1002, 30000)
    assert (rules.voltage_left_dV, rules.current_left_dA) == (3750, 300)


def test_a_negative_reading_is_its_magnitude():
    rules = started()
    hear(rules, 0x1001, -375099 & 0xFFFFFFFF)
    hear(rules, 0x1002, -20000 & 0xFFFFFFFF)
    assert (rules.voltage_dV, rules.current_dA) == (3750, 200)
    hear(rules, 0x1001, 0xFF0000)  # 16711 V: nonsense, but positive
    assert rules.voltage_dV == 0xFF0000 // 100


def test_an_echo_beyond_the_inverter_is_none():
    rules = started()
    hear(rules, 0x2110, 0xA2, 0, ECHO_0)
    hear(rules, 0x1111, 1)
    assert rules.direction == 0


def test_new_rules_know_nothing():
    rules = Rules()
    assert rules.value == rules.off_left == rules.on_left == rules.on_direction == rules.direction == rules.off == 0
    assert rules.live == rules._rectifiers == rules._inverters == rules._on == rules._echo == 0
