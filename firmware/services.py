# The second thread: what may be slow, block within a deadline, fail and restart. Each service has a name and step(now),
# which ends within 5 s, and where there is something to undo, restart() and close(). One boundary catches what a step
# raises; no service takes another with it.
import gc
import os

from micropython import const

from firmware import clock as clocks
from firmware.console import Console
from firmware.faults import F_SERVICE, F_WIFI
from firmware.journal import Journal
from firmware.planner import Planner
from firmware.station import Reader
from firmware.units import age_ms

_PAUSE_ms = const(20)  # over 10: a shorter sleep spins and holds the interpreter (docs/stalls.md)
_WAIT_FIRST_ms = const(1000)
_WAIT_MAX_ms = const(60000)
_GOOD_ms = const(60000)  # after so long without failing it counts as well again


class View:
    # What the services know of the station: one whole copy of each record, at most one step old.
    name = "view"

    def __init__(self, station):
        self.sense = Reader(station.sense)
        self.car = Reader(station.car)
        self.power = Reader(station.power)
        self.grid = Reader(station.grid)
        self.control = Reader(station.control)

    def step(self, now):
        for reader in (self.sense, self.car, self.power, self.grid, self.control):
            reader.refresh()


class Services:
    def __init__(self, services, journal, ticks_ms, log):
        self.services = services
        self.failures = [0] * len(services)
        self._since = [0] * len(services)  # ticks of the newest failure
        self._wait_ms = [0] * len(services)  # not 0: down until then
        self._journal = journal
        self._ticks_ms = ticks_ms
        self._log = log
        self._stop = bytearray(1)
        self.longest_ms = 0  # the longest round so far

    def step(self, now):
        # Every service once, each behind the boundary. In lockstep the bench calls this between two ticks.
        for index in range(len(self.services)):
            service = self.services[index]
            age = age_ms(now, self._since[index])
            if self._wait_ms[index] and age < self._wait_ms[index]:
                continue
            try:
                if self._wait_ms[index]:
                    self._wait_ms[index] = 0
                    if hasattr(service, "restart"):
                        service.restart()
                elif self.failures[index] and age >= _GOOD_ms:
                    self.failures[index] = 0
                    self._journal.note(F_SERVICE, 0, index)
                service.step(now)
            except (OSError, ValueError, MemoryError) as error:
                self._failed(index, error, now, _WAIT_FIRST_ms)
            except Exception as error:  # a mistake of ours: told, tried again late, and the other services go on
                self._failed(index, error, now, _WAIT_MAX_ms)

    def _failed(self, index, error, now, least_ms):
        failures = self.failures[index]
        wait_ms = max(least_ms, min(_WAIT_FIRST_ms << min(failures, 6), _WAIT_MAX_ms))
        self.failures[index] = failures + 1
        self._since[index], self._wait_ms[index] = now, wait_ms
        gc.collect()  # it may have been for want of memory
        self._log("%s: %r; again in %d ms" % (self.services[index].name, error, wait_ms))
        self._journal.note(F_SERVICE, 1, index)

    def run(self, sleep_ms):
        # The thread itself.
        while not self._stop[0]:
            begun = self._ticks_ms()
            self.step(begun)
            self.longest_ms = max(self.longest_ms, age_ms(self._ticks_ms(), begun))
            sleep_ms(_PAUSE_ms)
        for service in self.services:
            if hasattr(service, "close"):
                service.close()

    def stop(self):
        # From any thread; run() ends within a step.
        self._stop[0] = 1


def build(fw, config, read_s, ticks_ms, module, log, wlan=None, year=None, boot_id=None):
    # The services of one station. read_s: the board's clock in s, counted from `year`; module: its `socket`;
    # wlan: its radio.
    gc.collect()  # or the journal finds no whole piece for its records
    view = View(fw.station)
    clock = clocks.Clock(read_s, year or clocks.epoch_year())
    journal = Journal(view, fw.station.events, config, clock)
    if config.message:
        log(config.message)
    for code in config.faults:
        journal.note(code, 1, 0)
    services = [view, clock, journal, Planner(view, fw.wishes, config), Console(view, log)]
    wifi = network(services, view, wlan, config, clock, journal, module, log) if config["wifi_ssid"] else None
    if config["mqtt_host"]:
        # Loaded here and not in the thread: an import adds to what both threads see.
        gc.collect()  # or what it loads lies between garbage, and its buffer finds no whole piece
        from firmware.uplink.uplink import Uplink

        boot_id = boot_id or "%08x" % int.from_bytes(os.urandom(4), "big")
        uplink = Uplink(view, fw.wishes, config, clock, journal, module, ticks_ms, log, boot_id)
        uplink.wifi = wifi
        services.append(uplink)
    return Services(services, journal, ticks_ms, log)


def network(services, view, wlan, config, clock, journal, module, log):
    # The services of a board's own network; None: its radio is missing, which was told on the console.
    if wlan is None:
        journal.note(F_WIFI, 1, 0)
        return None
    gc.collect()
    from firmware.net.wifi import Wifi

    wifi = Wifi(wlan, config, journal, view.control, log)
    services.append(wifi)
    if config["ntp_host"]:
        from firmware.net.sntp import Sntp

        services.append(Sntp(wifi, config, clock, module, log, os.urandom))
    return wifi
