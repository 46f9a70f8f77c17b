# Wi-Fi in station mode: joins the configured network, notices its loss, joins again. No call of a step waits for the
# air: connect() only begins (it releases the interpreter for it), the rest is looked at. What the port does was read in
# ports/esp32/network_wlan.c of MicroPython 1.25 to 1.28; nothing here was tried on a board.
#   - Neither connect() nor config() writes flash: the port sets esp_wifi_set_storage(WIFI_STORAGE_RAM). The IDF does,
#     when the radio starts for the first time after an erase: its calibration (components/esp_phy/src/phy_init.c, NVS).
#     So the radio is started once, by power_up(), while the station is assembled, and stays on.
#   - By itself the port joins again at once and for ever; reconnects=0 leaves that to the waits here.
#   - Power saving is off: with it the access point keeps what comes in for the next beacon or the third, 100 to 300 ms,
#     and an order waits. The station hangs on the mains.
#   - A radio that hangs says nothing: isconnected() is what its last event was, perhaps an address of yesterday. What
#     helps is active(False) and active(True). Both hold the interpreter while the IDF stops and starts the radio, so
#     they wait for control's grant of quiet; and both wait for its event without a deadline, so they have a thread of
#     their own: at worst that one hangs, and the other services go on.
import _thread

from micropython import const

from firmware.faults import F_BROKER, F_WIFI
from firmware.net import Backoff, seed_of
from firmware.station import K_QUIET
from firmware.units import age_ms

_LOOK_ms = const(250)
_TRY_ms = const(15000)  # guessed: a scan of 3 s, a handshake of up to 4, an address by DHCP
_WAIT_FIRST_ms = const(1000)
_WAIT_MAX_ms = const(60000)
_GOOD_ms = const(30000)  # who was joined so long waits short again
_DEAF_ms = const(600000)  # joined, but no broker for so long: the port does not notice an address that was taken away
_DEAD_ms = const(900000)  # no network or no broker for so long: the radio is restarted, and after it ever more seldom
_DEAD_MAX_ms = const(3600000)  # for mostly it is the router or the broker
_RESTART_ms = const(10000)  # guessed: it takes under a second; after this its thread hangs
# Its thread's stack: while it waits it also serves the CAN drivers' soft interrupts, as any thread does, and one that
# finds no stack between taking their lock and its `finally` would hold it for good. Calls as deep as those take 2.3 KB
# on 32 bits, and what the SPI needs; the port's own 4 KB are too few, and the IDF may not spare 16.
_STACK_B = const(8 * 1024)
_AT = const(44)  # in the retained memory, behind starts.py's: the radio is being started, and the complement
_STARTS = const(0x5A)

# Of the radio's restart, in a bytearray that its thread writes.
_NONE = const(0)
_RUNS = const(1)
_DONE = const(2)
_BROKEN = const(3)

# What is wrong: `data` of the fault and the words on the console.
RADIO = const(0)
NO_NETWORK = const(1)
REFUSED = const(2)
NO_ADDRESS = const(3)
LOST = const(4)
OTHER = const(5)
HANGS = const(6)
_WORDS = (
    "the radio does not obey",
    "no network of this name in reach: check wifi_ssid (2.4 GHz only)",
    "refused: check wifi_password",
    "joined, but no address: is there a DHCP server?",
    "lost",
    "not joined",
    "the radio hangs, which only a restart of the station ends",
)
# status() when a try has ended: reasons of the IDF (esp_wifi_types_generic.h, wifi_err_reason_t).
_STATUS_NO_NETWORK = (201, 212)  # not found; too weak
_STATUS_REFUSED = (15, 202, 204, 210, 211)  # handshake unanswered, authentication, handshake, another security


def power_up(network, log, rtc):
    # The interface, its radio on if it starts: what does not start now may later. None: there is none, for want of
    # memory. Takes tens of KB of the IDF and some time. It waits without a deadline, and only the watchdog ends that: a
    # radio that never comes up would reset the station for ever. So the start after such a one goes without.
    wlan = None
    if _hung(rtc.image):
        _mark(rtc, 0)
        log("wifi: the radio did not come up at the start before; the station runs without a network until the next")
        return wlan
    _mark(rtc, _STARTS)
    try:
        wlan = network.WLAN(network.WLAN.IF_STA)
        _on(wlan)
    except (OSError, RuntimeError) as error:
        log("wifi: the radio does not start: %r; the station runs without a network" % error)
    finally:  # a Ctrl-C is no hang
        _mark(rtc, 0)
    return wlan


def _hung(image):
    return image[_AT] == _STARTS and image[_AT + 1] == _STARTS ^ 0xFF


def _mark(rtc, how):
    rtc.image[_AT] = how
    rtc.image[_AT + 1] = how ^ 0xFF
    rtc.save()


def _on(wlan):
    wlan.active(True)
    wlan.config(reconnects=0, pm=wlan.PM_NONE)


def _off_and_on(wlan, state):
    # The thread. Nobody else touches the radio until it has said how it ended.
    try:
        wlan.active(False)
        _on(wlan)
        state[0] = _DONE
    except (OSError, RuntimeError, MemoryError):
        state[0] = _BROKEN


class Wifi:
    name = "wifi"

    def __init__(self, wlan, config, journal, control, log):
        # control: a Reader of station.control, which the services' first one refreshes.
        self._wlan = wlan
        self._ssid = config["wifi_ssid"]
        self._password = config["wifi_password"] or None  # None: an open network
        self._journal = journal
        self._control = control
        self._log = log
        self._waits = Backoff(_WAIT_FIRST_ms, _WAIT_MAX_ms, seed_of(config))
        self._wait_ms = 0
        self._trying = False
        self._since = None  # when it was joined, or a try or a wait began
        self._looked = 0
        self._heard = 0  # when the broker was last within reach
        self._good = None  # until when all was well, or when the radio was restarted for want of it
        self._dead_ms = self._patience_ms = Backoff(_DEAD_ms, _DEAD_ms, seed_of(config)).next_ms()
        self._radio = bytearray(1)  # how its restart stands
        self.start_thread = _thread.start_new_thread
        self._told = None
        self.up = False

    def step(self, now):
        if self._since is None:
            self._since = now
        elif age_ms(now, self._looked) < _LOOK_ms:
            return
        self._looked = now
        if self._radio[0]:
            self._wait_for_radio(now)
        elif self._dead(now):
            self._restart_radio(now)
        else:
            self._look(now)

    def _look(self, now):
        joined = self._wlan.isconnected()
        if joined and not self.up:
            self._joined(now)
        elif self.up:
            if not joined:
                self._lost(now)
            elif not self._journal.active[F_BROKER]:
                self._good = self._heard = now
                self._patience_ms = self._dead_ms
            elif age_ms(now, self._heard) >= _DEAF_ms:
                self._heard = now
                self._leave()
        elif not self._trying and age_ms(now, self._since) >= self._wait_ms:
            self._begin(now)
        elif self._trying and age_ms(now, self._since) >= _TRY_ms:
            self._failed(self._why(), now)

    # --- a radio that hangs ---
    def _dead(self, now):
        if self._good is None:
            self._good = now
        return age_ms(now, self._good) >= self._patience_ms and self._control.values[K_QUIET] == 1

    def _restart_radio(self, now):
        self._log("wifi: nothing for %d min: the radio is restarted" % (age_ms(now, self._good) // 60000))
        self.up = self._trying = False
        self._good, self._patience_ms = now, min(self._patience_ms * 2, _DEAD_MAX_ms)
        self._radio[0] = _RUNS
        try:
            _thread.stack_size(_STACK_B)
            self.start_thread(_off_and_on, (self._wlan, self._radio))
        except (OSError, RuntimeError, MemoryError):
            self._radio[0] = _BROKEN

    def _wait_for_radio(self, now):
        state = self._radio[0]
        if state == _RUNS:
            if age_ms(now, self._good) >= _RESTART_ms:
                self._tell(HANGS, 0)
            return
        self._radio[0] = _NONE
        self._good, self._since = now, now
        if state == _BROKEN:
            self._failed(RADIO, now)
        else:
            self._begin(now)  # at once: isconnected() may still speak of the address that it had

    def restart(self):
        # The waits start over; what the radio is doing is seen at the next look.
        self._trying = False
        self._since = None

    def _begin(self, now):
        self._since = now
        self._trying = True
        try:
            self._wlan.connect(self._ssid, self._password)
        except (OSError, RuntimeError):
            self._failed(RADIO, now)

    def _joined(self, now):
        self.up = True
        self._trying = False
        self._since = self._heard = now
        self._told = None
        self._journal.note(F_WIFI, 0, 0)
        self._log("wifi: joined %s, address %s" % (self._ssid, self._wlan.ipconfig("addr4")[0]))

    def _lost(self, now):
        if age_ms(now, self._since) >= _GOOD_ms:
            self._waits.reset()
        self.up = False
        self._failed(LOST, now)

    def _failed(self, what, now):
        # Told when it is another than before, and not at every try.
        status = 0
        try:
            status = self._wlan.status()
        except (OSError, RuntimeError):
            what = RADIO
        if not self._leave():  # the next connect() fails while the port still tries
            what = RADIO
        self._trying = False
        self._since = now
        self._wait_ms = self._waits.next_ms()
        self._tell(what, status)

    def _leave(self):
        try:
            self._wlan.disconnect()
            return True
        except (OSError, RuntimeError):
            return False

    def _tell(self, what, status):
        self._journal.note(F_WIFI, 1, what)
        if what != self._told:
            self._told = what
            self._log("wifi: %s: %s (%d); tried again until it is" % (self._ssid, _WORDS[what], status))

    def _why(self):
        # After a try that led to nothing. The port keeps its last reason: it may be that of an earlier try.
        try:
            self._wlan.status("rssi")
            return NO_ADDRESS  # only who is associated has one
        except (OSError, RuntimeError):
            status = self._wlan.status()
        if status in _STATUS_NO_NETWORK:
            return NO_NETWORK
        return REFUSED if status in _STATUS_REFUSED else OTHER
