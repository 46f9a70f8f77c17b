# The floor and the least state of charge (house rule 3). Runs on CPython and on MicroPython.
from firmware import station
from firmware.safety import soc as rules
from firmware.safety.soc import Soc
from firmware.units import UNKNOWN
from host_tests.unit.safety_account import Car, flow, made


def test_the_reasons_are_those_of_the_station():
    for name in ("R_NONE", "R_NO_SESSION", "R_FLOOR", "R_SOC_DOUBT", "R_CAR_NO_DISCHARGE", "R_CAR_VOLTAGE"):
        assert getattr(rules, name) == getattr(station, name)


def test_nothing_is_known_before_the_car_reports():
    for car in (Car(UNKNOWN), Car(capacity_Wh=0)):
        soc = Soc(car, 200)
        assert (soc.ok, soc.why, soc.low_permille, soc.floor_permille) == (0, station.R_NO_SESSION, 0, 1000)
        soc.judge(3800, 0)
        assert (soc.ok, soc.why, soc.low_permille, soc.floor_permille) == (0, station.R_NO_SESSION, 0, 200)
    car, soc = made()
    assert soc.ok == 1
    car.soc_permille = UNKNOWN
    soc.judge(3800, 0)
    assert (soc.ok, soc.why, soc.low_permille) == (0, station.R_NO_SESSION, 0)


def test_a_step_is_taken_off_the_report():
    car, soc = made(step=1, soc_permille=605)
    assert (soc.low_permille, soc.ok, soc.why) == (604, 1, station.R_NONE)
    car, soc = made(soc_permille=600)
    assert soc.low_permille == 590
    car, soc = made(soc_permille=0)
    assert soc.low_permille == 0


# --- the floor ---
def test_an_unreadable_floor_is_full():
    for floor_permille, expected in (
        (UNKNOWN, 1000),
        (-1, 1000),
        (1001, 1000),
        (0, 100),
        (99, 100),
        (101, 101),
        (1000, 1000),
    ):
        car, soc = made(floor_permille)
        assert soc.floor_permille == expected


def test_the_highest_floor_counts():
    car, soc = made(300)
    assert soc.floor_permille == 300
    car.floor_permille = 310
    soc.judge(3800, 0)
    assert soc.floor_permille == 310
    soc.ratchet(320)
    soc.judge(3800, 0)
    assert soc.floor_permille == 320
    for source in range(3):
        soc.raise_floor(source, 330 + source)
        soc.judge(3800, 0)
        assert soc.floor_permille == 330 + source
    for source in (2, 1, 0):
        soc.raise_floor(source, UNKNOWN)
        soc.judge(3800, 0)
        assert soc.floor_permille == (320 if source == 0 else 329 + source)


def test_nobody_raises_the_floor_above_full_and_nobody_lowers_it():
    car, soc = made(300)
    soc.raise_floor(1, 5000)
    soc.judge(3800, 0)
    assert soc.floor_permille == 1000
    soc.raise_floor(1, 0)
    soc.ratchet(0)
    car.floor_permille = 0
    soc.judge(3800, 0)
    assert soc.floor_permille == 300
    car.floor_permille = 2540
    soc.judge(3800, 0)
    assert soc.floor_permille == 1000


def test_a_reserve_ratchets_until_the_plug_is_pulled():
    car, soc = made(200)
    for permille, expected in ((400, 400), (350, 400), (UNKNOWN, 400), (401, 401), (5000, 1000)):
        soc.ratchet(permille)
        assert soc.ratchet_permille == expected
    soc.replugged()
    assert soc.ratchet_permille == 0


def test_discharge_stops_at_the_floor_and_comes_back_2_percent_above():
    car, soc = made(500, soc_permille=529)  # 519 at least
    assert (soc.ok, soc.why) == (0, station.R_FLOOR)
    car, soc = made(500, soc_permille=530)
    assert (soc.ok, soc.why) == (1, station.R_NONE)
    car.report(520)
    soc.judge(3800, 0)
    assert (soc.low_permille, soc.ok) == (510, 1)
    car.report(511)
    soc.judge(3800, 0)
    assert (soc.low_permille, soc.ok) == (501, 1)
    car.report(510)
    soc.judge(3800, 0)
    assert (soc.low_permille, soc.ok, soc.why) == (500, 0, station.R_FLOOR)
    for soc_permille, ok in ((511, 0), (520, 0), (529, 0), (530, 1)):
        soc._energy = 0
        flow(soc, (soc_permille - soc.low_permille) * 2)
        car.report(soc_permille)
        soc.judge(3800, 0)
        assert soc.ok == ok, (soc_permille, soc.low_permille)


def test_the_energy_of_the_ramp_down_counts_as_gone():
    # 50 A at 380 V: 19 kW for 0.6 s, then a ramp of 2.5 s: 19000 * (600 + 1250) / 3600 = 9763 mWh of 1 kWh.
    for soc_permille, ok in ((520, 0), (521, 1)):
        car, soc = made(500, soc_permille=560)
        car.report(soc_permille)
        soc.judge(3800, -500)
        assert soc.ok == ok
    car, soc = made(500, soc_permille=560)
    car.report(511)
    soc.judge(3800, 500)
    assert soc.ok == 1
    # 55 kWh: a hundredth of a per mille, and one for good measure
    for soc_permille, ok in ((511, 0), (512, 1)):
        car, soc = made(500, soc_permille=560, capacity_Wh=55000)
        car.report(soc_permille)
        soc.judge(3800, -500)
        assert soc.ok == ok
    car, soc = made(500, soc_permille=560, capacity_Wh=500)
    car.report(530)
    soc.judge(3800, -500)
    assert soc.ok == 0
    car.report(531)
    soc.judge(3800, -500)
    assert soc._hungry == 1


# --- the account ---
def test_energy_is_counted_exactly():
    car, soc = made()
    for _ in range(900):
        soc.add(4000, 100, 100)  # 4 kW for 90 s
        soc.judge(4000, 0)
    assert soc.low_mWh == 590000 + 100000 - 900 * 3
    assert soc.out_W == 0
    car, soc = made()
    soc.add(4000, -100, 100)
    soc.judge(4000, 0)
    assert soc.low_mWh == 590000 - 112 - 4
    assert soc.out_W == 112 * 36
    soc.add(4000, 100, 100)
    soc.judge(4000, 0)
    assert soc.out_W == 0


def test_out_counts_more_and_in_counts_less():
    car, soc = made()
    flow(soc, -10)
    assert soc.low_mWh == 590000 - 10000 - 313
    assert soc.low_permille == 579
    car, soc = made()
    flow(soc, 10)
    assert soc.low_mWh == 590000 + 10000 - 312
    assert soc.low_permille == 590  # the report has not followed


def test_the_account_does_not_fall_below_empty():
    car, soc = made(soc_permille=20)
    flow(soc, -15)
    assert soc.low_mWh == 0


def test_the_lower_reading_counts():
    car, soc = made()
    flow(soc, -15)
    assert soc.low_permille == 574  # by the account
    car.report(560)
    soc.judge(3800, 0)
    assert soc.low_permille == 550  # by the report
    assert soc.low_mWh == 560000  # a report bounds the account


def test_capacity_changes_keep_the_share():
    car, soc = made()
    flow(soc, -10)
    car.capacity_Wh = 2000
    soc.judge(3800, 0)
    assert (soc.low_mWh, soc.capacity_Wh, soc.doubt_mWh) == (579 * 2000, 2000, 10 * 2000)
    car.capacity_Wh = 0
    soc.judge(3800, 0)
    assert soc.capacity_Wh == 2000
    car.capacity_Wh = 900000
    soc.judge(3800, 0)
    assert soc.capacity_Wh == 500000
    assert soc.low_mWh == 579 * 500000


# --- offer and voltage ---
def test_a_car_that_did_not_offer_is_not_discharged():
    car, soc = made()
    car.offer = 0
    soc.judge(3800, 0)
    assert (soc.ok, soc.why) == (0, station.R_CAR_NO_DISCHARGE)


def test_least_voltages_end_the_discharge_after_a_second():
    def pack(car, low):
        return 3200 if low else 3201

    def high(car, low):
        car.highest_cV = 280 if low else 281
        return 3800

    def lowest(car, low):
        car.lowest_cV = 280 if low else 281
        return 3800

    for how in (pack, high, lowest):
        car, soc = made()
        for low in [1] * 9 + [0] + [1] * 9:
            soc.judge(how(car, low), 0)
            assert soc.ok == 1
        soc.judge(how(car, 1), 0)
        assert (soc.ok, soc.why) == (0, station.R_CAR_VOLTAGE)
        for _ in range(20):
            soc.judge(how(car, 0), 0)
        assert (soc.ok, soc.why) == (0, station.R_CAR_VOLTAGE)
        soc.replugged()
        soc.judge(how(car, 0), 0)
        assert soc.ok == 1


def test_voltages_that_were_not_told_end_nothing():
    car, soc = made()
    car.voltage_min_dV = car.cell_min_cV = UNKNOWN
    car.highest_cV = car.lowest_cV = 0
    for _ in range(20):
        soc.judge(0, 0)
    assert soc.ok == 1


# --- another car ---
def test_an_account_is_for_one_car():
    for vin, kept in ((0, 1), (7, 1), (8, 0)):
        car, soc = made()
        soc.vin = 7
        soc.doubted = 1
        car.vin = vin
        soc.judge(3800, 0)
        assert soc.doubted == kept
        assert soc.vin == (7 if vin == 0 else 0)
    car, soc = made()
    soc.doubted = 1
    car.vin = 5
    soc.judge(3800, 0)
    car.vin = 6  # in one stay nobody talks himself out of it
    soc.judge(3800, 0)
    assert soc.doubted == 1


def test_a_new_plug_begins_anew():
    car, soc = made()
    car.report(600)
    flow(soc, -15)
    soc.replugged()
    assert (soc.low_mWh, soc.capacity_Wh, soc.soc_permille, soc.doubt_mWh) == (UNKNOWN, 0, UNKNOWN, 0)
    assert (soc._energy, soc._reports, soc._thin, soc._hungry, soc.out_W, soc.vin) == (0, 0, 0, 1, 0, 0)


def test_the_margin_to_the_last_mWh():
    # 19 kW for 600 ms and half of 2500 ms: 9763 mWh; with a capacity of 1 Wh each is a per mille.
    for low_permille, ok in ((9864, 0), (9865, 1)):
        car, soc = made()
        soc.floor_permille = 100
        soc.low_permille = low_permille
        soc._compare(3800, -500, 1)
        assert soc.ok == ok


def test_energy_before_the_first_report_is_not_of_this_account():
    car = Car(UNKNOWN)
    soc = Soc(car, 200)
    soc.judge(3800, 0)
    soc._energy = -450000000
    car.soc_permille = 600
    soc.judge(3800, 0)
    assert soc.low_mWh == 590000
