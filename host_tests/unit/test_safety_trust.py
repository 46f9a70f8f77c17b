# Whether the car is believed (house rule 3). Runs on CPython and on MicroPython.
from firmware import station
from host_tests.unit.safety_account import flow, made


# --- trust ---
def test_no_step_after_energy_worth_2_percent():
    car, soc = made()
    car.report(600)
    soc.judge(3800, 0)
    flow(soc, -20)
    assert (soc.doubted, soc.ok) == (0, 1)
    soc._energy -= 45000
    soc.judge(3800, 0)
    assert (soc.doubted, soc.ok, soc.why) == (1, 0, station.R_SOC_DOUBT)
    flow(soc, 100)
    assert soc.doubted == 1  # for this session
    soc.replugged()
    assert soc.doubted == 0


def test_an_honest_car_is_believed_all_the_way_down_and_up():
    for lost in (0, 4, 9):  # it stands anywhere within its step
        car, soc = made(soc_permille=900)
        true = 9000 + lost * 10
        low = 0
        for turn in (-1, 1, -1, 1):
            for _ in range(600):
                true += turn * 10
                flow(soc, turn)
                car.report(true // 100 * 10)
                soc.judge(3800, 0)
                assert not soc.doubted
                low = min(low, 10 * soc.low_permille - true)
                assert 10 * soc.low_permille <= true
        assert low > -600  # and the caution does not add up


def test_old_packs_that_hold_two_thirds_are_believed():
    car, soc = made(soc_permille=200)
    for percent in range(21, 99):
        flow(soc, 7)
        car.report(percent * 10)
        soc.judge(3800, 0)
    assert not soc.doubted
    for percent in range(97, 30, -1):
        flow(soc, -7)
        car.report(percent * 10)
        soc.judge(3800, 0)
    assert not soc.doubted


def test_a_rise_that_no_charge_paid_for():
    for rise, doubted in ((10, 0), (20, 0), (21, 1), (100, 1)):
        car, soc = made()
        car.report(600)
        soc.judge(3800, 0)
        car.report(600 + rise)
        soc.judge(3800, 0)
        assert soc.doubted == doubted
    car, soc = made()
    car.report(600)
    soc.judge(3800, 0)
    flow(soc, 34)
    for rise in (10, 20):
        car.report(600 + rise)
        soc.judge(3800, 0)
    assert not soc.doubted


def test_a_jump_down_and_up_is_not_believed():
    car, soc = made()
    for soc_permille in (600, 500, 600):
        car.report(soc_permille)
        soc.judge(3800, 0)
    assert soc.doubted
    assert soc.low_permille == 500


def test_a_car_that_admits_half_of_it_is_found_out():
    car, soc = made(soc_permille=900)
    car.report(900)
    soc.judge(3800, 0)
    out = 0
    while not soc.doubted and out < 200:
        out += 1
        flow(soc, -1)
        car.report(900 - out // 20 * 10)
        soc.judge(3800, 0)
    assert 20 < out <= 40
    assert soc.low_permille <= 890 - out


def test_a_paid_rise_lifts_the_account_by_no_more_than_itself():
    car, soc = made()
    car.report(600)
    soc.judge(3800, 0)
    soc.low_mWh = 500000
    flow(soc, 10)
    car.report(610)
    soc.judge(3800, 0)
    assert soc.low_mWh == 500000 + 10000 - 312 + 10000
    soc.low_mWh = 605000
    flow(soc, 20)
    car.report(620)
    soc.judge(3800, 0)
    assert soc.low_mWh == 620000  # the report bounds it
    soc.low_mWh = 605000
    car.report(630)
    soc.judge(3800, 0)
    assert soc.low_mWh == 615000
    soc.low_mWh = 500000
    car.report(660)
    soc.judge(3800, 0)
    assert soc.low_mWh == 500000  # unpaid


def test_the_first_report_only_sets_the_mark():
    car, soc = made(step=1, soc_permille=605)
    car.report(640)  # BCP and BCS may differ
    soc.judge(3800, 0)
    assert soc.doubt_mWh == 0
    car, soc = made(step=1, soc_permille=605)
    car.report(580)
    soc.judge(3800, 0)
    assert soc.low_mWh == 580000


def test_debts_are_paid_half_as_much_again():
    car, soc = made()
    car.report(600)
    soc.judge(3800, 0)
    flow(soc, -18)
    assert soc.doubt_mWh == 18000
    flow(soc, 4)
    assert soc.doubt_mWh == 18000 - 6000
    flow(soc, -6)
    car.report(590)
    soc.judge(3800, 0)
    assert soc.doubt_mWh == 18000 - 15000


def test_a_paid_rise_closes_the_gap_and_no_more():
    car, soc = made()
    car.report(600)
    soc.judge(3800, 0)
    flow(soc, 10)
    for low_mWh, lifted_mWh in ((597000, 600000), (605000, 605000), (591000, 600000), (589000, 599000)):
        soc.low_mWh = low_mWh
        soc.soc_permille = 600
        soc.doubt_mWh = 0
        car.report(610)
        soc.judge(3800, 0)
        assert soc.low_mWh == lifted_mWh
