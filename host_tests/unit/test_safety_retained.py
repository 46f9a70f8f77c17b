# What the gate remembers across a reset. Runs on CPython and on MicroPython.
from firmware.safety.retained import Retained
from firmware.units import UNKNOWN
from host_tests.unit.safety_account import made
from host_tests.unit.safety_rig import Rig


class Soc:
    def __init__(self, low_mWh=UNKNOWN, **more):
        self.low_mWh = low_mWh
        self.capacity_Wh = 0
        self.doubt_mWh = 0
        self.soc_permille = UNKNOWN
        self.ratchet_permille = 0
        self.doubted = 0
        self.out_W = 0
        self.vin = 0
        for name in more:
            assert hasattr(self, name)
            setattr(self, name, more[name])


class Car:
    vin = 0x7ABC


def full():
    return Soc(0x1234567, capacity_Wh=0x23456, doubt_mWh=0x3456789, soc_permille=610, ratchet_permille=350, out_W=0)


def test_what_is_saved_is_loaded():
    for doubted in (0, 1):
        for soc_permille in (0, 610, 1000, UNKNOWN):
            image = bytearray(256)
            old = full()
            old.doubted = doubted
            old.soc_permille = soc_permille
            assert Retained().save(image, old, Car)
            new = Soc()
            assert Retained().load(image, new)
            for name in ("low_mWh", "capacity_Wh", "doubt_mWh", "soc_permille", "ratchet_permille", "doubted"):
                assert getattr(new, name) == getattr(old, name), name
            assert new.vin == Car.vin


def test_what_flowed_unseen_counts_as_gone():
    image = bytearray(64)
    old = full()
    old.out_W = 18000
    Retained().save(image, old, Car)
    new = Soc()
    Retained().load(image, new)
    assert old.low_mWh - new.low_mWh == 15000  # 18 kW for 3 s
    assert new.doubt_mWh - old.doubt_mWh == 15000
    old.low_mWh = 14000
    Retained().save(image, old, Car)
    Retained().load(image, new)
    assert new.low_mWh == 0


def test_saving_tells_whether_anything_changed():
    image = bytearray(256)
    soc = full()
    kept = Retained()
    assert kept.save(image, soc, Car)
    assert not kept.save(image, soc, Car)
    for name in ("low_mWh", "capacity_Wh", "doubt_mWh", "soc_permille", "ratchet_permille", "out_W"):
        setattr(soc, name, getattr(soc, name) + 1)
        assert kept.save(image, soc, Car), name
        assert not kept.save(image, soc, Car)
        assert Retained().load(image, Soc())
    soc.doubted = 1
    assert kept.save(image, soc, Car)
    soc.low_mWh = UNKNOWN
    assert kept.save(image, soc, Car)
    assert not kept.save(image, soc, Car)
    assert not Retained().load(image, Soc())


def test_without_a_session_nothing_is_kept():
    image = bytearray(256)
    assert not Retained().save(image, Soc(), Car)
    assert image == bytearray(256)
    assert not Retained().load(image, Soc())


def test_any_spoiled_byte_spoils_the_image():
    image = bytearray(36)
    soc = full()
    soc.out_W = 0x123456
    Retained().save(image, soc, Car)
    for at in range(36):
        for bit in range(8):
            broken = bytearray(image)
            broken[at] ^= 1 << bit
            new = Soc()
            loaded = Retained().load(broken, new)
            assert not loaded or (at % 4 == 3 and bit > 5), (at, bit)
            assert loaded or new.low_mWh == UNKNOWN


def test_noise_is_nothing():
    for fill in (0x00, 0xFF, 0x55, 0xA5):
        assert not Retained().load(bytearray(bytes((fill,)) * 256), Soc())


def test_an_impossible_capacity_is_nothing():
    for capacity_Wh, loaded in ((0, False), (1, True), (500000, True), (500001, False)):
        image = bytearray(64)
        soc = full()
        soc.capacity_Wh = capacity_Wh
        Retained().save(image, soc, Car)
        assert Retained().load(image, Soc()) == loaded


def test_only_its_own_words_are_written():
    image = bytearray(b"\x77" * 256)
    Retained().save(image, full(), Car)
    assert image[36:] == b"\x77" * 220
    assert image[:4] == b"\x01\x1a\xc5\x2a"


def test_the_account_survives_a_reset_in_a_session():
    image = bytearray(256)
    rig = Rig(floor_permille=500).discharging(30)
    rig.soc = 60
    rig.tick(300)
    before = rig.gate.soc.low_mWh
    rig.gate.soc.doubted = 1
    assert rig.gate.save(image)
    again = Rig(floor_permille=500, image=image)
    assert again.gate.soc.low_mWh == before - rig.gate.soc.out_W * 3000 // 3600
    again.charging(0)
    assert again.gate.why == 6  # R_SOC_DOUBT
    assert Rig(floor_permille=500, image=bytearray(256)).gate.soc.low_mWh == UNKNOWN


def test_the_doubt_of_a_car_that_began_with_nothing_survives():
    car, soc = made(soc_permille=0)  # less one step of its report: not below nothing
    assert soc.low_mWh == 0
    car.report(0)
    soc.judge(3800, 0)
    car.report(600)
    soc.judge(3800, 0)
    assert soc.doubted
    image = bytearray(64)
    assert Retained().save(image, soc, car)
    new = Soc()
    assert Retained().load(image, new) and new.doubted and new.low_mWh == 0
