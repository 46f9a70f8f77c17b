# Wi-Fi as a service, against a radio that behaves as the ESP32's port says it does. No board has seen this.
import json

from firmware.clock import Clock
from firmware.config import parse
from firmware.faults import F_BROKER, F_WIFI
from firmware.journal import Journal
from firmware.net import Backoff, seed_of
from firmware.net.wifi import Wifi, power_up
from firmware.services import View
from firmware.station import Station
from firmware.units import TICKS_MASK
from host_tests.unit import fake_network
from host_tests.unit.fake_network import GOOD, NO_ADDRESS, NO_NETWORK, REFUSED, WLAN

SECRET = "correct horse"


class _Rig:
    def __init__(self, air=GOOD, password=SECRET, station="garage"):
        config = parse(json.dumps({"wifi_ssid": "attic", "wifi_password": password, "station": station}))
        station = Station()
        self.lines = []
        self.journal = Journal(View(station), station.events, config, Clock(lambda: 0, 2000))
        self.wlan = WLAN()
        self.wlan.air = air
        self.wifi = Wifi(self.wlan, config, self.journal, self.lines.append)
        self.now = TICKS_MASK - 20000  # across the wrap
        self.began = []  # ms from the start at which a try began
        self.ms = 0

    def run(self, seconds):
        for _ in range(seconds * 50):
            before = len(self.wlan.tries)
            self.wifi.step(self.now)
            if len(self.wlan.tries) > before:
                self.began.append(self.ms)
            self.now = (self.now + 20) & TICKS_MASK
            self.ms += 20
            if self.ms % 3000 == 0:
                self.wlan.pass_time()


def test_it_joins_and_says_so_once():
    rig = _Rig()
    rig.run(60)
    assert rig.wlan.tries == [("attic", SECRET)]
    assert rig.wifi.up and rig.lines == ["wifi: joined attic, address 192.0.2.5"]
    assert not rig.journal.active[F_WIFI] and rig.journal.events.held == 0


def test_an_open_network_has_no_key():
    rig = _Rig(password="")
    rig.run(5)
    assert rig.wlan.tries == [("attic", None)]


def test_what_is_wrong_is_told_once_and_tried_again_ever_more_seldom():
    for air, word in ((NO_NETWORK, "no network of this name"), (REFUSED, "check wifi_password"), (NO_ADDRESS, "DHCP"),
                      (15, "check wifi_password"), (203, "not joined")):  # fmt: skip
        rig = _Rig(air)
        rig.run(900)
        assert len(rig.lines) == 1 and word in rig.lines[0], rig.lines
        assert rig.journal.active[F_WIFI] == 1 and rig.journal.events.held == 1
        gaps = [late - early for early, late in zip(rig.began, rig.began[1:])]
        assert min(gaps) >= 15750 and 60000 <= max(gaps) <= 91000 and 11 <= len(gaps) <= 30
        assert not rig.wifi.up


def test_nothing_told_has_the_password():
    for air in (NO_NETWORK, REFUSED, NO_ADDRESS, GOOD):
        rig = _Rig(air)
        rig.run(60)
        assert rig.lines and SECRET not in "".join(rig.lines)


def test_another_reason_is_told_too_and_success_ends_it():
    rig = _Rig(NO_NETWORK)
    rig.run(40)
    rig.wlan.air = REFUSED
    rig.run(100)
    rig.wlan.air = GOOD
    rig.run(100)
    assert [line.split(":")[2][1:8] for line in rig.lines[:2]] == ["no netw", "refused"]
    assert rig.lines[2:] == ["wifi: joined attic, address 192.0.2.5"]
    assert rig.wifi.up and rig.journal.active[F_WIFI] == 0


def test_a_loss_is_told_and_mended_soon():
    rig = _Rig()
    rig.run(60)
    rig.wlan.lose()
    rig.run(1)
    assert not rig.wifi.up and rig.journal.active[F_WIFI] == 1 and "lost (200)" in rig.lines[-1]
    rig.run(6)
    assert rig.wifi.up and rig.journal.active[F_WIFI] == 0 and len(rig.wlan.tries) == 2


def test_a_network_that_flaps_is_not_hammered():
    rig = _Rig()
    for _ in range(60):
        rig.run(10)
        if rig.wifi.up:
            rig.wlan.lose()
    assert len(rig.wlan.tries) < 20


def test_a_stale_reason_does_not_end_a_try():
    # The port keeps 201 while the next try runs (micropython issue 14382).
    rig = _Rig(NO_NETWORK)
    rig.run(17)
    rig.wlan.air = GOOD
    rig.run(10)
    assert rig.wifi.up and len(rig.wlan.tries) == 2


def test_joined_and_deaf_for_ten_minutes_it_joins_anew():
    rig = _Rig()
    rig.run(10)
    rig.journal.note(F_BROKER, 1, 1)
    rig.run(590)
    assert len(rig.wlan.tries) == 1
    rig.run(30)
    assert len(rig.wlan.tries) == 2 and rig.wifi.up
    rig.journal.note(F_BROKER, 0, 0)
    rig.run(2000)
    assert len(rig.wlan.tries) == 2


def test_a_radio_that_does_not_obey_is_told_and_asked_again():
    rig = _Rig()
    rig.wlan.broken = True
    rig.run(200)
    assert len(rig.lines) == 1 and "radio" in rig.lines[0] and rig.journal.active[F_WIFI]
    rig.wlan.broken = False
    rig.run(100)
    assert rig.wifi.up


def test_after_a_restart_of_the_service_it_goes_on():
    rig = _Rig()
    rig.run(10)
    rig.wifi.restart()
    rig.run(10)
    assert rig.wifi.up and len(rig.wlan.tries) == 1
    rig.wlan.lose()
    rig.wifi.restart()
    rig.run(30)
    assert rig.wifi.up


def test_two_stations_do_not_come_back_in_step():
    def waits(station):
        backoff = Backoff(1000, 60000, seed_of(parse(json.dumps({"station": station}))))
        return [backoff.next_ms() for _ in range(9)]

    one, other = waits("garage"), waits("yard")
    assert sum([a != b for a, b in zip(one, other)]) >= 8
    for made in (one, other):
        for step, wait in enumerate(made):
            whole = min(1000 << step, 60000)
            assert whole * 75 // 100 <= wait <= whole * 125 // 100


def test_the_radio_starts_without_power_saving_and_without_joining_by_itself():
    wlan = power_up(fake_network, print)
    assert wlan.radio and wlan.options == {"reconnects": 0, "pm": WLAN.PM_NONE} and wlan.tries == []


def test_a_radio_that_does_not_start_is_one_sentence():
    class Broken:
        class WLAN(WLAN):
            def active(self, on):
                raise OSError("WiFi Out of Memory")

    lines = []
    assert power_up(Broken, lines.append) is None
    assert len(lines) == 1 and "Out of Memory" in lines[0]
