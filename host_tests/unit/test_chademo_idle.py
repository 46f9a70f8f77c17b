"""A car that ends a session without charge (facts 2.6), and the charge that keeps it. Runs on CPython and MicroPython.

The rig's stage follows `wanted_dA`, so a test plays what limits and stage make of the wish.
"""

from firmware import faults as f
from firmware import station as st
from firmware.units import UNKNOWN
from host_tests.chademo_rig import MASK, Rig

LEAF = 0xC0  # 102.5.6 and 7
WISH_W = 750  # 2 A at 375 V


def idle(**changes):
    """A session of that car that charges, and then rests."""
    car = {"bits": LEAF, "minutes": 255}
    car.update(changes)
    return rest(Rig({"car_awake_s": 20}, **car).running())


def wish(rig):
    return rig.facts[st.C_AWAKE_W]


def until_wished(rig):
    return rig.until(lambda: wish(rig))


def rest(rig):
    rig.wanted_dA = 0
    rig.until(lambda: rig.sense[st.S_CURRENT_dA] == 0)
    return rig


def charge_until_told(rig):
    rig.wanted_dA = 20
    rig.until(lambda: rig.newest(0x109)[3] > 0)
    return rig.until(lambda: wish(rig) == 0)


def test_it_is_wished_for_after_so_long_without_charge_and_ends_when_it_was_told():
    for start in (0, MASK - 30000):
        rig = idle(start=start)
        for _ in range(3):
            assert wish(rig) == 0
            assert 19500 <= until_wished(rig) <= 20500
            assert wish(rig) == WISH_W
            rig.run(30000)
            assert wish(rig) == WISH_W  # until it is granted
            assert 4500 <= charge_until_told(rig) <= 5500
            rest(rig)


def test_what_charges_anyway_needs_no_wish():
    rig = idle()
    rig.wanted_dA = 10
    for _ in range(60):
        rig.run(1000)
        assert wish(rig) == 0


def test_less_than_one_ampere_is_no_charge_to_the_car():
    # 109.3 counts whole amperes.
    rig = idle()
    rig.wanted_dA = 4
    rig.run(21000)
    assert rig.newest(0x109)[3] == 0 and wish(rig) == WISH_W


def test_a_discharge_is_no_charge():
    rig = idle()
    rig.wanted_dA = -100
    rig.run(21000)
    assert rig.sense[st.S_CURRENT_dA] == -100 and wish(rig) == WISH_W


def test_a_charge_that_breaks_off_counts_anew():
    rig = idle()
    until_wished(rig)
    for _ in range(3):
        rig.wanted_dA = 20
        rig.run(3000)
        rig.wanted_dA = 0
        rig.run(1000)
        assert wish(rig) == WISH_W


def test_other_cars_and_other_stations_wish_for_nothing():
    for config, bits in (({"car_awake_s": 20}, 0x80), ({"car_awake_s": 20}, 0x40), ({"car_awake_s": 0}, LEAF)):
        rig = Rig(config, bits=bits, minutes=255).running()
        rig.wanted_dA = 0
        rig.run(25000)
        assert wish(rig) == UNKNOWN


def test_it_ends_with_the_session_and_the_cause_is_told():
    # Only if it was due and charging was forbidden; the data say by what.
    for due, most_W, code in ((1, 0, f.F_CAR_IDLE), (1, 5000, f.F_CAR_STOPPED), (0, 0, f.F_CAR_STOPPED)):
        rig = idle()
        if due:
            until_wished(rig)
        rig.power[st.P_CHARGE_MAX_W] = most_W
        rig.power[st.P_CHARGE_WHY] = st.R_AGGREGATOR
        rig.car.stopped = True
        rig.run(500)
        assert rig.facts[st.C_STOP_REASON] == code and wish(rig) == UNKNOWN
        assert not rig.faults.has(f.F_CAR_STOPPED if code == f.F_CAR_IDLE else f.F_CAR_IDLE)
