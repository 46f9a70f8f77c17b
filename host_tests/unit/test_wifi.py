# Wi-Fi as a service, against a radio that behaves as the ESP32's port says it does. No board has seen this.
import _thread
import json
import sys

import firmware.net.wifi
from firmware.clock import Clock
from firmware.config import parse
from firmware.faults import F_BROKER, F_WIFI
from firmware.journal import Journal
from firmware.net import Backoff, seed_of
from firmware.net.wifi import Wifi, power_up
from firmware.services import View
from firmware.station import K_QUIET, Station
from firmware.units import TICKS_MASK
from host_tests.unit import fake_network
from host_tests.unit.fake_network import GOOD, NO_ADDRESS, NO_NETWORK, REFUSED, WLAN

SECRET = "correct horse"
STACK_B = 8 * 1024


class _Threads:
    # CPython's, which take no less than 32 KB: its own size.
    start_new_thread = _thread.start_new_thread

    @staticmethod
    def stack_size(size):
        pass


if sys.implementation.name == "cpython":
    firmware.net.wifi._thread = _Threads


class _Rtc:
    def __init__(self):
        self.image = bytearray(256)

    def save(self):
        pass


class _Rig:
    def __init__(self, air=GOOD, password=SECRET, station="garage"):
        config = parse(json.dumps({"wifi_ssid": "attic", "wifi_password": password, "station": station}))
        station = Station()
        self.lines = []
        self.view = View(station)
        self.journal = Journal(self.view, station.events, config, Clock(lambda: 0, 2000))
        self.wlan = WLAN()
        self.wlan.active(True)
        self.wlan.air = air
        self.wifi = Wifi(self.wlan, config, self.journal, self.view.control, self.lines.append)
        self.wifi.start_thread = self._start
        self.threads = []  # what each was given, if it does not end
        self.hang = False
        self.now = TICKS_MASK - 20000  # across the wrap
        self.began = []  # ms from the start at which a try began
        self.ms = 0

    def _start(self, function, arguments):
        # A thread that is through before anybody looks, or one that hangs.
        assert self.view.control.values[K_QUIET] == 1
        if self.hang:
            self.threads.append((function, arguments))
        else:
            function(*arguments)

    def quiet(self, so):
        self.view.control.values[K_QUIET] = so

    def restarts(self):
        return [int(line.split(" min")[0].split()[-1]) for line in self.lines if "restarted" in line]

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


def test_a_radio_that_hangs_in_a_try_is_restarted_once_all_is_quiet():
    rig = _Rig()
    rig.wlan.hangs = True
    rig.run(3 * 3600)
    assert rig.wlan.starts == 1 and rig.restarts() == [] and not rig.wifi.up
    rig.quiet(1)
    rig.run(5)
    assert rig.wlan.starts == 2 and len(rig.restarts()) == 1 and rig.wlan.options["reconnects"] == 0
    assert rig.wifi.up and not rig.journal.active[F_WIFI]
    assert SECRET not in "".join(rig.lines)


def test_a_radio_that_keeps_a_dead_address_is_restarted():
    # isconnected() says yes, disconnect() does nothing, nothing passes: the broker is out of reach.
    rig = _Rig()
    rig.quiet(1)
    rig.run(60)
    rig.wlan.hangs = True
    rig.journal.note(F_BROKER, 1, 1)
    rig.run(11 * 60)
    assert rig.wlan.starts == 1 and rig.wifi.up
    rig.run(9 * 60)
    assert rig.wlan.starts == 2 and len(rig.wlan.tries) == 2
    rig.run(5)
    assert rig.wifi.up


def test_a_radio_whose_connect_fails_again_and_again_is_restarted():
    rig = _Rig()
    rig.quiet(1)
    rig.wlan.hangs = True
    rig.wlan.connect("attic", SECRET)  # under way for ever: each further one raises
    rig.run(11 * 60)
    assert rig.wlan.starts == 1 and "the radio does not obey" in rig.lines[0]
    rig.run(9 * 60)
    assert rig.wlan.starts == 2 and rig.wifi.up


def test_for_a_router_that_is_off_the_radio_is_restarted_ever_more_seldom():
    rig = _Rig(NO_NETWORK)
    rig.quiet(1)
    rig.run(12 * 3600)
    waited = rig.restarts()
    assert 11 <= waited[0] <= 18 and waited[1] >= 22 and set(waited[3:]) == {60} and 11 <= len(waited) <= 14
    rig.wlan.air = GOOD
    rig.run(120)
    assert rig.wifi.up
    rig.wlan.air = NO_NETWORK
    rig.wlan.lose()
    rig.run(19 * 60)
    assert rig.restarts()[-1] == waited[0], "who was well is soon helped again"


def test_a_healthy_radio_is_left_alone():
    rig = _Rig()
    rig.quiet(1)
    rig.run(4 * 3600)
    for _ in range(20):
        rig.wlan.lose()
        rig.run(600)
    assert rig.wlan.starts == 1 and rig.wifi.up


def test_a_restart_that_fails_is_told_and_done_again_later():
    rig = _Rig()
    rig.quiet(1)
    rig.wlan.broken = True
    rig.run(19 * 60)
    assert len(rig.restarts()) == 1 and not rig.wifi.up and rig.journal.active[F_WIFI]
    rig.run(40 * 60)
    assert len(rig.restarts()) == 2
    rig.wlan.broken = False
    rig.run(120)
    assert rig.wifi.up


def test_a_restart_that_hangs_holds_its_own_thread_only_and_is_not_begun_twice():
    rig = _Rig()
    rig.quiet(1)
    rig.wlan.hangs = rig.hang = True
    rig.run(12 * 3600)
    assert len(rig.threads) == 1 and not rig.wifi.up and rig.journal.active[F_WIFI]
    assert len([line for line in rig.lines if "the radio hangs" in line]) == 1
    function, arguments = rig.threads.pop()
    function(*arguments)  # it was only slow
    rig.run(10)
    assert rig.wifi.up


def test_without_memory_for_a_thread_it_is_told_and_tried_later():
    rig = _Rig()
    rig.quiet(1)
    rig.wlan.hangs = True

    def none(_function, _arguments):
        raise OSError("can't create thread")

    rig.wifi.start_thread = none
    rig.run(19 * 60)
    assert len(rig.restarts()) == 1 and rig.wlan.starts == 1 and rig.journal.active[F_WIFI]
    rig.wifi.start_thread = rig._start
    rig.run(40 * 60)
    assert rig.wifi.up


def test_a_restart_that_lacks_memory_in_its_thread_is_done_again_later():
    rig = _Rig()
    rig.quiet(1)
    rig.wlan.hangs = rig.hang = True
    rig.run(19 * 60)
    active = rig.wlan.active

    def none(_on):
        raise MemoryError

    rig.wlan.active, rig.hang = none, False
    function, arguments = rig.threads.pop()
    function(*arguments)  # what it raised would end the thread, and nobody would know
    rig.wlan.active = active
    rig.run(40 * 60)
    assert len(rig.restarts()) == 2 and rig.wifi.up


def test_the_restart_has_stack_for_the_interrupts_that_it_may_serve():
    class Threads:
        sizes = []
        stack_size = sizes.append

    rig = _Rig()
    rig.quiet(1)
    rig.wlan.hangs = True
    kept, firmware.net.wifi._thread = firmware.net.wifi._thread, Threads
    try:
        rig.run(19 * 60)
    finally:
        firmware.net.wifi._thread = kept
    assert Threads.sizes == [STACK_B]


def test_the_restart_runs_on_a_real_thread():
    import time

    rig = _Rig()
    rig.quiet(1)
    rig.wifi.start_thread = Wifi(rig.wlan, parse("{}"), rig.journal, rig.view.control, print).start_thread
    rig.wlan.hangs = True
    rig.run(18 * 60 + 46)
    for _ in range(1000):
        if rig.wlan.starts == 2:
            break
        time.sleep(0.01)
    rig.run(10)
    assert rig.wlan.starts == 2 and rig.wifi.up


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
    wlan = power_up(fake_network, print, _Rtc())
    assert wlan.radio and wlan.options == {"reconnects": 0, "pm": WLAN.PM_NONE} and wlan.tries == []


def test_a_radio_that_does_not_start_is_one_sentence_and_helped_later():
    made = []

    class Broken:
        class WLAN(WLAN):
            def __init__(self, interface):
                WLAN.__init__(self, interface)
                self.broken = True
                made.append(self)

    lines = []
    assert power_up(Broken, lines.append, _Rtc()) is made[0]
    assert len(lines) == 1 and "Out of Memory" in lines[0]
    rig = _Rig()
    rig.quiet(1)
    rig.wlan.active(False)
    rig.run(19 * 60)
    assert rig.wifi.up


def test_without_memory_for_the_driver_there_is_no_radio():
    class Full:
        class WLAN(WLAN):
            def __init__(self, interface):
                raise OSError("WiFi Out of Memory")

    lines = []
    assert power_up(Full, lines.append, _Rtc()) is None
    assert len(lines) == 1 and "Out of Memory" in lines[0]
