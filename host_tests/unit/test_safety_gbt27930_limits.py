# What the car permits and was told, as the gate counts it. Runs on CPython and on MicroPython.
from firmware.safety.gbt27930_rules import Rules
from firmware.units import TICKS_MASK, UNKNOWN
from host_tests.unit.safety_rig import ccs, raw_A, u16
from host_tests.unit.safety_wire import (
    BCL,
    BCPP,
    BSM,
    BST,
    CCD,
    CCS,
    CDC,
    CEM,
    CHM,
    CML,
    CMLP,
    CRM,
    CRO,
    CST,
    CTS,
    bcp,
    bcpp,
    bdc,
    bsm,
    demand,
    long,
    offering,
    ready,
    tell,
    turned,
)


def test_before_anything_is_said_nothing_may_flow():
    rules = Rules(1)
    assert rules.limit_dA(1) == 0 and rules.limit_dA(-1) == 0
    assert (rules.capacity_Wh, rules.soc_permille, rules.may_close, rules.insulating) == (0, UNKNOWN, 0, 0)
    assert rules.voltage_max_dV == TICKS_MASK and rules.voltage_dV == UNKNOWN
    assert rules.voltage_min_dV == rules.cell_min_cV == rules.floor_permille == UNKNOWN
    assert rules.highest_cV == rules.lowest_cV == UNKNOWN
    assert rules.offered() == 0 and rules.ready == 0


def test_charging_has_a_limit():
    rules = ready()
    assert rules.limit_dA(1) == 400
    assert rules.limit_dA(-1) == 0


def test_every_word_counts_for_charging():
    for spoil in (
        lambda rules: tell(rules, CRO, b"\x00"),
        lambda rules: tell(rules, CST, bytes(4)),
        lambda rules: tell(rules, CEM, bytes(4)),
        lambda rules: tell(rules, CHM, bytes(3)),
        lambda rules: tell(rules, CRM, bytes(8)),
        lambda rules: tell(rules, CCS, ccs(0)),
        lambda rules: tell(rules, CCS, ccs(2)),
        lambda rules: tell(rules, CCD, b"\x01"),
        lambda rules: rules.observe(BST, 1, bytes(4), 0),
        lambda rules: rules.observe(BSM, 1, bsm(0), 0),
        lambda rules: demand(rules, 0),
        lambda rules: demand(rules, 40, 0),
        lambda rules: demand(rules, 40, 3),
        lambda rules: demand(rules, 40, 4),
        lambda rules: demand(rules, -40),
        lambda rules: long(rules, 6, bcp(charge_A=0)),
        lambda rules: tell(rules, CML, u16(7500, 1500, 4000, 4000)),
        lambda rules: rules.replugged(),
    ):
        rules = ready()
        spoil(rules)
        assert rules.limit_dA(1) <= 0
    for harmless in (
        lambda rules: tell(rules, CCD, b"\x00"),
        lambda rules: tell(rules, CRM, b"\xaa" + bytes(7)),
        lambda rules: rules.observe(BSM, 1, bsm(2), 0),  # not told to discharge: untrusted
        lambda rules: rules.observe(BSM, 1, bsm(3), 0),
        lambda rules: demand(rules, 40, 1),
        lambda rules: tell(rules, CTS, bytes(7)),
    ):
        rules = ready()
        harmless(rules)
        assert rules.limit_dA(1) == 400


def test_the_least_of_three_currents_counts():
    rules = ready()
    demand(rules, 58.5)
    assert rules.limit_dA(1) == 550
    long(rules, 6, bcp(charge_A=59))
    assert rules.limit_dA(1) == 585
    tell(rules, CML, u16(7500, 1500, raw_A(58.4), 4000))
    assert rules.limit_dA(1) == 584
    rules = turned()
    demand(rules, 58.5, 3)
    assert rules.limit_dA(-1) == 500
    rules.observe(BCPP, 1, bcpp(59), 0)
    assert rules.limit_dA(-1) == 585
    tell(rules, CMLP, u16(7500, 1500, raw_A(-58.4), 4000))
    assert rules.limit_dA(-1) == 584


def test_discharging_has_a_limit():
    rules = turned()
    assert rules.limit_dA(-1) == 350
    assert rules.limit_dA(1) == 0


def test_every_word_counts_for_discharging():
    for spoil in (
        lambda rules: tell(rules, CST, bytes(4)),
        lambda rules: tell(rules, CCS, ccs(0)),
        lambda rules: tell(rules, CCS, ccs(1)),
        lambda rules: tell(rules, CCD, b"\x00"),
        lambda rules: rules.observe(BST, 1, bytes(4), 0),
        lambda rules: rules.observe(BSM, 1, bsm(0), 0),
        lambda rules: rules.observe(BSM, 1, bsm(1), 0),
        lambda rules: demand(rules, 0, 3),
        lambda rules: demand(rules, -35, 3),
        lambda rules: demand(rules, -35, 2),
        lambda rules: demand(rules, 35, 2),
        lambda rules: long(rules, 0x29, bdc(cycles_left=0)),
        lambda rules: long(rules, 0x29, bdc(cycles_left=0xFFFF)),
        lambda rules: rules.observe(BCPP, 1, bcpp(0), 0),
        lambda rules: tell(rules, CMLP, u16(7500, 1500, 4000, 4000)),
        lambda rules: rules.replugged(),
    ):
        rules = turned()
        spoil(rules)
        assert rules.limit_dA(-1) <= 0
    rules = turned()
    rules.observe(BSM, 1, bsm(3), 0)
    assert rules.limit_dA(-1) == 350


def test_no_direction_without_ccd_of_now():
    rules = turned()
    rules._turned = 0
    assert rules.limit_dA(-1) == 0


def test_the_old_ccs_permits_charging():
    rules = ready()
    rules.table[CCS] = 1 << 6
    tell(rules, CCS, ccs(0))
    assert rules.limit_dA(1) == 0
    tell(rules, CCS, ccs(0, 6))
    assert rules.limit_dA(1) == 400


def test_discharge_is_offered_only_in_whole():
    assert offering().offered() == 1
    rules = Rules(1)
    long(rules, 0x29, bdc())  # nobody asked
    rules.observe(BCPP, 1, bcpp(), 0)
    assert rules.offered() == 0
    rules = Rules(1)
    tell(rules, CDC, bytes(3))
    rules.observe(BCPP, 1, bcpp(), 0)
    assert rules.offered() == 0  # no answer
    long(rules, 0x29, bdc()[:27])
    assert rules.offered() == 0  # a short one
    long(rules, 0x29, bdc(more=b"\xff"))
    assert rules.offered() == 1
    rules = Rules(1)
    tell(rules, CDC, bytes(3))
    long(rules, 0x29, bdc())
    assert rules.offered() == 0  # no BCPP
    for cycles_left, offered in ((0, 0), (1, 1), (255, 1), (256, 1), (0xFFFE, 1), (0xFFFF, 0)):
        rules = Rules(1)
        tell(rules, CDC, bytes(3))
        rules.observe(BCPP, 1, bcpp(), 0)
        long(rules, 0x29, bdc(cycles_left=cycles_left))
        assert rules.offered() == offered


def test_a_lost_packet_is_no_offer():
    rules = Rules(1)
    tell(rules, CDC, bytes(3))
    rules.observe(BCPP, 1, bcpp(), 0)
    rules.observe(0x1CEC56F4, 1, bytes((0x10, 28, 0, 4, 0xFF, 0, 0x29, 0)), 0)
    for number in (1, 2, 4):
        rules.observe(0x1CEB56F4, 1, bytes((number,)) + bytes(7), 0)
    assert rules.offered() == 0


def test_a_plain_car_that_says_untrusted_is_not_understood_as_discharge():
    rules = Rules(1)
    rules.observe(BSM, 1, bsm(2), 0)
    rules.ready = 1
    tell(rules, CCS, ccs(1))
    tell(rules, CML, u16(7500, 1500, raw_A(60), 4000))
    long(rules, 6, bcp())
    demand(rules, 40)
    assert rules.limit_dA(1) == 400  # the last word holds
    demand(rules, 40, 3)
    assert rules.limit_dA(1) == 0
    tell(rules, CCS, ccs(2))
    tell(rules, CCD, b"\x01")
    assert rules.limit_dA(-1) == 0


def test_a_demand_for_discharge_without_an_offer_is_none():
    rules = ready()
    rules._parameters = 0
    demand(rules, 40, 3)
    rules._parameters = 1
    tell(rules, CCS, ccs(2))
    tell(rules, CCD, b"\x01")
    rules.observe(BSM, 1, bsm(2), 0)
    assert rules.limit_dA(-1) == 0


def test_alarms_of_bsm_take_every_permission_away():
    for six, seven in ((1, 0), (4, 0), (0x10, 0), (0x40, 0), (0, 1), (0, 4)):
        rules = ready()
        rules.observe(BSM, 1, bsm(1, six, seven), 0)
        assert rules.limit_dA(1) == 0, (six, seven)
    for six, seven in (
        (2, 0),
        (3, 0),
        (8, 0),
        (0xC, 0),
        (0x20, 0),
        (0x30, 0),
        (0x80, 0),
        (0xC0, 0),
        (0, 2),
        (0, 3),
        (0, 8),
        (0, 12),
    ):
        rules = ready()
        rules.observe(BSM, 1, bsm(1, six, seven), 0)
        assert rules.limit_dA(1) == 400, (six, seven)


def test_a_retry_begins_without_any_permission():
    def again(*words):
        rules = turned() if "turned" in words else ready()
        tell(rules, CRM, bytes(8))
        tell(rules, CRO, b"\xaa")
        if "demand" in words:
            demand(rules, 40)
        if "ccs" in words:
            tell(rules, CCS, ccs(1))
        return rules.limit_dA(1)

    assert again() == again("demand") == again("ccs") == again("turned", "ccs") == 0
    assert again("demand", "ccs") == again("turned", "demand", "ccs") == 400


def test_a_retry_forgets_the_turn():
    rules = turned()
    tell(rules, CRM, bytes(8))
    tell(rules, CRO, b"\xaa")
    demand(rules, 35, 3)
    rules.observe(BSM, 1, bsm(2), 0)
    tell(rules, CCS, ccs(2))
    assert rules.limit_dA(-1) == 0
    tell(rules, CCD, b"\x01")
    assert rules.limit_dA(-1) == 0  # what it said before was no answer to this
    rules.observe(BSM, 1, bsm(2), 0)
    assert rules.limit_dA(-1) == 350


def test_the_ccs_of_7_bytes_is_read():
    rules = ready()
    tell(rules, CCS, ccs(0, 7))
    assert rules.limit_dA(1) == 0
    tell(rules, CCS, ccs(1, 7))
    assert rules.limit_dA(1) == 400


def test_the_smallest_demand_counts():
    rules = ready()
    demand(rules, 0.1)
    assert rules.limit_dA(1) == 1


def test_an_unknown_mode_is_no_demand_whatever_its_sign():
    for mode in (0, 4, 255):
        rules = ready()
        rules.observe(BCL, 1, bytes((4, 16, 48, 17, mode)), 0)  # raw 4400
        assert rules.limit_dA(1) == 0
