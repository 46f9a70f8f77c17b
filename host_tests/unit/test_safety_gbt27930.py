# The gate's own reading of GB/T 27930 (facts 1.2 to 1.8). Runs on CPython and on MicroPython.
from firmware.safety.gbt27930_rules import Rules
from firmware.safety.kinds import FREE, NEVER, OFFER, PERMIT, READY, TURN
from firmware.signals import OUT_AUX, OUT_LOCK
from host_tests.unit.safety_rig import ccs, raw_A, u16
from host_tests.unit.safety_wire import CCD, CCS, CDC, CEM, CHM, CML, CMLP, CRM, CRO, CSD, CSDP, CST, CTS, TPCM


def judged(can_id, data, rules=None, ext=1):
    return (rules or Rules(1)).judge(can_id, ext, data)


def test_exactly_the_listed_lengths():
    lists = {CHM: [3], CRM: [8], CTS: [7], CML: [8], CRO: [1], CCS: [8], CST: [4], CSD: [8], CEM: [4], TPCM: [8]}
    trial = {CDC: [3, 8], CMLP: [8], CCD: [1, 8], CSDP: [8]}
    first = {TPCM: 0x11}
    for v112 in (0, 1):
        for ccs_length in (6, 7, 8):
            rules = Rules(v112, ccs_length)
            lists[CCS] = [ccs_length]
            for can_id in list(lists) + list(trial):
                lengths = lists.get(can_id) or (trial[can_id] if v112 else [])
                for length in range(9):
                    data = bytearray(length)
                    if length:
                        data[0] = first.get(can_id, 0)
                    kind = judged(can_id, data, rules)
                    assert (kind != NEVER) == (length in lengths), (hex(can_id), length, v112)
                    assert judged(can_id, data, rules, 0) == NEVER


def test_the_trial_is_off_and_ccs_is_8_by_default():
    rules = Rules()
    assert judged(CDC, bytes(3), rules) == NEVER
    assert judged(CCS, bytes(8), rules) == FREE
    assert judged(CCS, bytes(7), rules) == NEVER


def test_harmless_frames_are_free():
    for can_id, length in ((CHM, 3), (CRM, 8), (CTS, 7), (CST, 4), (CSD, 8), (CEM, 4), (CDC, 3), (CSDP, 8)):
        assert judged(can_id, b"\xff" * length) == FREE


def test_the_transport_answers_and_nothing_else():
    for first in range(256):
        assert judged(TPCM, bytes((first,)) + bytes(7)) == (FREE if first in (0x11, 0x13, 0xFF) else NEVER)


def test_cro_says_ready_or_not():
    for first in range(256):
        expected = {0: FREE, 0xAA: READY}.get(first, NEVER)
        assert judged(CRO, bytes((first,))) == expected


def test_ccd_turns():
    for first in range(256):
        expected = {0: FREE, 1: TURN}.get(first, NEVER)
        assert judged(CCD, bytes((first,))) == expected
        assert judged(CCD, bytes((first,)) + bytes(7)) == expected


def test_ccs_permits():
    for length in (7, 8):
        rules = Rules(1, length)
        for permission, kind, value in ((0, FREE, -1), (1, PERMIT, 1), (2, PERMIT, -1), (3, NEVER, -1)):
            assert judged(CCS, ccs(permission, length), rules) == kind
            assert rules.value == value or kind != PERMIT
    assert judged(CCS, ccs(2), Rules(0)) == NEVER
    rules = Rules(1, 6)
    assert judged(CCS, ccs(0, 6), rules) == PERMIT and rules.value == 1


def test_what_we_promise_is_read():
    rules = Rules(1)
    assert judged(CML, u16(0x1234, 1500, raw_A(25), 4000), rules) == OFFER
    assert (rules.value, rules.value_dA) == (0x1234, 250)
    assert judged(CMLP, u16(0x1234, 1500, raw_A(-25), 4000), rules) == OFFER
    assert (rules.value, rules.value_dA) == (0x1234, 250)
    assert judged(CML, u16(0, 0, raw_A(-0.1), 0), rules) == OFFER
    assert rules.value_dA == -1


def test_the_pins_of_this_protocol():
    assert Rules().PINS == OUT_LOCK | OUT_AUX
    assert Rules().UNLOCK_dV == 600
