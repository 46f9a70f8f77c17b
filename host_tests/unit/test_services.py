# The boundary of the services: one may fail, the others go on, and it comes back.
from firmware.clock import Clock
from firmware.config import parse
from firmware.faults import F_CONFIG, F_SERVICE, F_WIFI
from firmware.journal import Journal
from firmware.services import Services, View, build
from firmware.station import Station
from firmware.wishes import Wishes
from host_tests.unit.fake_network import WLAN


class _Service:
    def __init__(self, name, error=None):
        self.name = name
        self.error = error
        self.steps = 0
        self.restarts = 0
        self.closed = 0

    def step(self, now):
        self.steps += 1
        if self.error:
            raise self.error

    def restart(self):
        self.restarts += 1

    def close(self):
        self.closed += 1


class _Rig:
    def __init__(self, *services):
        self.station = Station()
        view = View(self.station)
        self.journal = Journal(view, self.station.events, parse("{}"), Clock(lambda: 0, 2000))
        self.lines = []
        self.now = 0
        self.services = Services(services, self.journal, lambda: self.now, self.lines.append)

    def run(self, ms):
        for _ in range(ms // 100):
            self.now += 100
            self.services.step(self.now)


def test_a_failing_service_takes_no_other_with_it():
    for error in (OSError(5), ValueError("x"), MemoryError(), TypeError("a mistake"), KeyError("k"), IndexError()):
        good, bad, also = _Service("good"), _Service("bad", error), _Service("also")
        rig = _Rig(good, bad, also)
        rig.run(1000)
        assert good.steps == also.steps == 10 and bad.steps == 1
        assert rig.journal.active[F_SERVICE] == 1
        assert rig.lines[0].startswith("bad: ")


def test_it_is_restarted_with_growing_waits_up_to_a_minute():
    bad = _Service("bad", OSError(5))
    rig = _Rig(bad)
    steps = []
    for second in range(300):
        before = bad.steps
        rig.run(1000)
        if bad.steps != before:
            steps.append(second)
    waits = [late - early for early, late in zip(steps, steps[1:])]
    assert waits[0] <= 2 and max(waits) <= 61 and waits[-1] >= 60
    assert bad.restarts == bad.steps - 1


def test_a_mistake_of_ours_waits_a_minute():
    bad = _Service("bad", TypeError("x"))
    rig = _Rig(bad)
    rig.run(59000)
    assert bad.steps == 1
    rig.run(2000)
    assert bad.steps == 2


def test_a_service_that_works_again_is_told_well():
    bad = _Service("bad", OSError(5))
    rig = _Rig(bad)
    rig.run(100)
    bad.error = None
    rig.run(30000)
    assert bad.restarts == 1 and bad.steps > 200
    assert rig.journal.active[F_SERVICE] == 1  # not yet sure
    rig.run(40000)
    assert rig.journal.active[F_SERVICE] == 0


def test_a_restart_that_fails_is_a_failure_too():
    bad = _Service("bad", OSError(5))
    bad.restart = lambda: bad.step(0)
    rig = _Rig(bad)
    rig.run(10000)
    assert 2 <= bad.steps <= 5


def test_run_ends_when_asked_and_says_goodbye():
    one = _Service("one")
    rig = _Rig(one)

    def sleep_ms(ms):
        assert ms > 10  # a shorter sleep spins and starves the control thread
        rig.now += ms
        if rig.now > 1000:
            rig.services.stop()

    rig.services.run(sleep_ms)
    assert one.closed == 1 and 40 < one.steps < 60


def test_the_longest_step_is_known():
    one = _Service("one")
    rig = _Rig(one)

    def step(now):
        rig.now += 70 if one.steps == 3 else 1
        one.steps += 1

    one.step = step
    rig.services.run(lambda ms: rig.services.stop() if one.steps > 5 else None)
    assert rig.services.longest_ms == 70


class _Firmware:
    pass


def _build(text, **more):
    fw = _Firmware()
    fw.station, fw.wishes = Station(), Wishes()
    lines = []
    config = more.get("config") or parse(text)
    built = build(fw, config, lambda: 0, lambda: 0, None, lines.append, more.get("wlan"), 2000, "b1")
    return built, lines


def _names(text, wlan=None):
    return [service.name for service in _build(text, wlan=wlan)[0].services]


def test_without_a_broker_there_is_no_uplink():
    built, _lines = _build("{}")
    assert [service.name for service in built.services] == ["view", "clock", "journal", "planner", "console"]
    built, _lines = _build('{"mqtt_host": "broker"}')
    assert built.services[-1].name == "uplink"


def test_the_network_comes_before_the_uplink_and_only_where_it_is_configured():
    # Before: what joins is stepped before what needs it.
    wifi = '"wifi_ssid": "attic", "mqtt_host": "broker"'
    assert _names("{" + wifi + "}", WLAN())[5:] == ["wifi", "time", "uplink"]
    assert _names("{" + wifi + ', "ntp_host": ""}', WLAN())[5:] == ["wifi", "uplink"]
    assert _names('{"mqtt_host": "broker"}', WLAN())[5:] == ["uplink"]
    assert _names('{"wifi_ssid": "attic"}', WLAN())[5:] == ["wifi", "time"]


def test_a_station_whose_radio_is_missing_says_so_and_goes_on():
    built, _lines = _build('{"wifi_ssid": "attic", "mqtt_host": "broker"}')
    assert [service.name for service in built.services][5:] == ["uplink"]
    assert built.services[2].active[F_WIFI] == 1


def test_a_bad_config_is_told():
    from firmware.config import load

    built, lines = _build("", config=load("no/such/file"))
    assert "no/such/file" in lines[0]
    assert built.services[2].active[F_CONFIG] == 1
