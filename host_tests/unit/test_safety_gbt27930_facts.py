# What the gate knows of the car, and for how long. Runs on CPython and on MicroPython.
from firmware.safety.gbt27930_rules import Rules
from firmware.units import TICKS_MASK, UNKNOWN
from host_tests.unit.safety_rig import VIN, ccs, u16
from host_tests.unit.safety_wire import (
    BCL,
    BCPP,
    BHM,
    BRO,
    BSM,
    BST,
    CCS,
    CHM,
    CRM,
    bcp,
    bcs,
    bdc,
    bsm,
    demand,
    long,
    ready,
    tell,
    turned,
)


def test_words_expire():
    for at, wait, gone in ((0, 1000, 1001), (TICKS_MASK - 99, 1000, 1001)):
        for renew in ("demand", "told"):
            rules = ready(1, at)
            now = (at + wait) & TICKS_MASK
            rules.step(now)
            assert rules.limit_dA(1) == 400
            if renew == "demand":
                demand(rules, 40, 2, now)
            else:
                tell(rules, CCS, ccs(1), now)
            now = (at + gone) & TICKS_MASK
            rules.step(now)
            assert rules.limit_dA(1) == 0
    rules = turned(TICKS_MASK - 99)
    for wait, limit in ((5000, 350), (5001, 0)):
        now = (TICKS_MASK - 99 + wait) & TICKS_MASK
        demand(rules, 35, 3, now)
        tell(rules, CCS, ccs(2), now)
        rules.step(now)
        assert rules.limit_dA(-1) == limit


def test_a_forgotten_word_is_not_found_again_after_the_wrap():
    rules = turned(0)
    rules.step(6000)
    rules.step(5)
    assert rules.limit_dA(-1) == 0
    assert rules._demand == 0 and rules._told == 0 and rules._turned == 0


def test_the_report_of_the_car():
    rules = Rules()
    long(rules, 0x11, bcs(), 100)
    assert (rules.voltage_dV, rules.current_dA, rules.highest_cV) == (3801, -120, 351)
    assert (rules.soc_permille, rules.soc_step_permille, rules.soc_reports) == (600, 10, 1)
    rules.step(5100)
    assert rules.voltage_dV == 3801
    rules.step(5101)
    assert rules.voltage_dV == UNKNOWN
    long(rules, 0x11, bcs(soc=100, more=b"\xff"), 100)
    assert (rules.soc_permille, rules.soc_reports) == (1000, 2)
    long(rules, 0x11, bcs(soc=101, voltage_dV=3802), 100)
    assert (rules.soc_permille, rules.soc_reports, rules.voltage_dV) == (1000, 2, 3802)
    long(rules, 0x11, bcs()[:8] + b"", 100)
    assert rules.soc_reports == 2


def test_the_number_of_reports_wraps():
    rules = Rules()
    rules.soc_reports = TICKS_MASK
    long(rules, 0x11, bcs())
    assert rules.soc_reports == 0


def test_the_parameters_of_the_car():
    rules = Rules()
    rules.observe(BHM, 1, u16(4300), 0)
    assert rules.voltage_max_dV == 4300
    rules.observe(BHM, 1, u16(0), 0)
    assert rules.voltage_max_dV == 4300
    long(rules, 6, bcp(more=b"\xff"))
    assert (rules.voltage_max_dV, rules.capacity_Wh) == (4200, 1000)
    assert (rules.soc_permille, rules.soc_step_permille, rules.soc_reports) == (605, 1, 0)
    rules.observe(BHM, 1, u16(4300), 0)  # too late
    assert rules.voltage_max_dV == 4200
    long(rules, 6, bcp(soc_permille=1001, max_dV=0x1111))
    assert (rules.soc_permille, rules.voltage_max_dV) == (605, 0x1111)
    long(rules, 6, bcp(soc_permille=1000))
    assert rules.soc_permille == 1000
    long(rules, 0x11, bcs(soc=60))
    long(rules, 6, bcp(soc_permille=605))
    assert (rules.soc_permille, rules.soc_step_permille) == (600, 10)
    rules = Rules()
    long(rules, 6, bcp()[:12])
    assert rules.capacity_Wh == 0


def test_of_two_capacities_the_smaller_counts():
    rules = Rules()
    for energy, capacity_Wh in ((0, 0), (0xFFFF, 0), (554, 55400), (553, 55300), (600, 55300), (0x234, 55300)):
        long(rules, 6, bcp(energy=energy))
        assert rules.capacity_Wh == capacity_Wh
    long(rules, 0x29, bdc(energy=0x222))
    assert rules.capacity_Wh == 54600
    rules.replugged()
    long(rules, 0x29, bdc(energy=1))
    assert rules.capacity_Wh == 100


def test_least_values_of_the_trial():
    rules = Rules()
    rules.observe(BCPP, 1, u16(4500, 0x0C85, 0x0119) + b"\x15", 0)
    assert (rules.voltage_min_dV, rules.cell_min_cV, rules.floor_permille) == (0x0C85, 0x0119, 210)
    rules.observe(BCPP, 1, b"\xff" * 7, 0)
    assert (rules.voltage_min_dV, rules.cell_min_cV, rules.floor_permille) == (UNKNOWN, UNKNOWN, UNKNOWN)
    rules.observe(BCPP, 1, u16(4500, 0xFFFE, 0xFFFE) + b"\xfe", 0)
    assert (rules.voltage_min_dV, rules.cell_min_cV, rules.floor_permille) == (0xFFFE, 0xFFFE, 2540)


def test_cells():
    rules = Rules()
    long(rules, 0x15, u16(351, 349, 352, 353, 354, 355))
    assert rules.lowest_cV == 349


def test_the_car_says_that_its_contactors_are_closed():
    rules = Rules()
    for first, closed in ((0, 0), (0xAA, 1), (0xFF, 0), (0xAA, 1)):
        rules.observe(BRO, 1, bytes((first,)), 0)
        assert rules.may_close == closed
    tell(rules, CRM, b"\xaa" + bytes(7))
    assert rules.may_close == 1
    tell(rules, CRM, bytes(8))
    assert rules.may_close == 0


def test_the_insulation_test_is_between_chm_and_crm():
    for first in (0, 0xAA):
        rules = Rules()
        tell(rules, CHM, bytes(3))
        assert rules.insulating == 1
        tell(rules, CRM, bytes((first,)) + bytes(7))
        assert rules.insulating == 0
    tell(rules, CHM, bytes(3))
    rules.replugged()
    assert rules.insulating == 0


def test_short_frames_and_standard_ids_are_not_heard():
    def state(r):
        return (r._demand, r._allows, r.ready, r.may_close, r._discharge_max_dA, r.transport.pf)

    def heard(can_id, data, ext=1):
        rules = ready()
        rules.observe(BSM, 1, bsm(0), 0)
        before = state(rules)
        rules.observe(can_id, ext, data, 0)
        return before != state(rules)

    for can_id, data, least in (
        (BCL, bytes(5), 5),
        (BSM, bsm(1), 7),
        (BST, bytes(4), 4),
        (BRO, b"\xaa", 1),
        (BCPP, bytes(7), 7),
        (0x1CEC56F4, bytes((0x10, 9, 0, 2, 0xFF, 0, 6, 0)), 8),
    ):
        assert heard(can_id, data)
        assert not heard(can_id, data, 0)
        assert not heard(can_id, data[: least - 1])
        if least < 8:
            assert heard(can_id, data + b"\xff")
    rules = Rules()
    rules.observe(BHM, 1, b"\x10", 0)
    assert rules.voltage_max_dV == TICKS_MASK
    rules.observe(0x1CEC56F4, 1, bytes((0x10, 9, 0, 2, 0xFF, 0, 6, 0)), 0)
    rules.observe(0x1CEB56F4, 1, bytes(7), 0)
    assert rules.transport.pf == 6


def test_the_identity_of_the_car():
    def vin_of(pf, data):
        rules = Rules()
        long(rules, pf, data)
        return rules.vin

    brm = bytes(24) + VIN
    one = vin_of(2, brm)
    assert one != 0 and one == vin_of(0x29, bdc())
    assert one == vin_of(2, brm + b"\xff" * 8)
    assert vin_of(2, brm[:40]) == 0
    for k in range(24, 41):
        other = bytearray(brm)
        other[k] ^= 1
        assert vin_of(2, other) != one
    other = bytearray(brm)
    other[23] ^= 1
    assert vin_of(2, other) == one
    assert 0 <= one <= 0x7FFF


def test_a_new_plug_forgets_all():
    rules = turned()
    rules.may_close = 1
    long(rules, 0x11, bcs())
    long(rules, 2, bytes(24) + VIN)
    rules.replugged()
    fresh = Rules(1)
    for name in ("vin", "capacity_Wh", "soc_permille", "soc_step_permille", "soc_reports", "voltage_max_dV",
                 "voltage_min_dV", "cell_min_cV", "highest_cV", "lowest_cV", "floor_permille", "voltage_dV",
                 "current_dA",
                 "may_close", "insulating", "ready", "_charge_max_dA", "_discharge_max_dA", "_charge_told_dA",
                 "_discharge_told_dA", "_dialled", "_answered", "_parameters", "_configured", "_demand", "_demand_dA",
                 "_told", "_turned", "_allows"):  # fmt: skip
        assert getattr(rules, name) == getattr(fresh, name), name
    assert fresh._allows == 1 and fresh.soc_step_permille == 10 and fresh.soc_reports == 0
    assert fresh._charge_max_dA == fresh._discharge_max_dA == fresh._charge_told_dA == fresh._discharge_told_dA == 0
