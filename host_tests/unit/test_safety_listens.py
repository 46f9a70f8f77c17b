"""The ids that the gate's rules ask the controllers for, each list by itself: what they judge by comes in, what differs
in one bit does not. That nothing that anybody reads is missing: test_can_listens.py."""

from firmware.safety import chademo_rules, gbt27930_rules, infypower_rules

# Rules, extended, ids that they judge by, the bits of an id that may be anything.
LISTS = (
    (chademo_rules.Rules, 0, (0x100, 0x101, 0x102, 0x103, 0x110, 0x200, 0x201, 0x202, 0x203), 0),
    (gbt27930_rules.Rules, 1, (0x181056F4, 0x1CEC56F4, 0x100956F4, 0x081E56F4, 0x183056F4), 0x1FFF0000),
    # Any error code (28:26), a module or a group (22), any source (7:0).
    (infypower_rules.Rules, 1, (0x02A3F000, 0x02E3F01D, 0x02A4F001, 0x0EE4F000), 0x1C4000FF),
)


def passes(rules, can_id, ext):
    return [1 for wanted, mask, flags in rules.LISTENS if flags == ext << 1 and not (can_id ^ wanted) & mask]


def test_what_they_judge_by_comes_in_by_one_filter():
    for rules, ext, ids, _ in LISTS:
        for can_id in ids:
            assert passes(rules, can_id, ext) == [1], hex(can_id)
            assert not passes(rules, can_id, 1 - ext), hex(can_id)


def test_what_differs_in_one_bit_does_not():
    for rules, ext, ids, free in LISTS:
        for bit in range(29 if ext else 11):
            for can_id in ids:
                other = can_id ^ 1 << bit
                known = other in ids or 1 << bit & free
                assert len(passes(rules, other, ext)) == (1 if known else 0), hex(other)


def test_no_bit_stands_outside_its_mask():
    # Chips differ in what they make of one.
    for rules, _, _, _ in LISTS:
        for wanted, mask, _ in rules.LISTENS:
            assert wanted & ~mask == 0
