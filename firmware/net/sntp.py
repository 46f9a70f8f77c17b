# The time from the network: SNTP (RFC 4330), one question of 48 bytes, one answer, never waited for: a step sends,
# later ones look. The `ntptime` of MicroPython's builds waits within its call, takes any datagram for an answer and
# knows no "go away". A question carries 8 random bytes in place of its own time, which the answer must bring back: what
# comes late, twice or from a stranger is not taken.
#
# The first good answer counts. A later one that is over 5 s off the station's own count (whose crystal loses 1 s in 6
# hours) needs a second opinion: one false answer changes nothing. Setting the clock, forward or back, moves no order in
# force and no energy that was counted: both run by ticks. It cuts the open meter record, as a session's end does.
from micropython import const

from firmware.clock import SET_s
from firmware.net import Backoff, seed_of
from firmware.units import age_ms

_PORT = const(123)
_LENGTH = const(48)
_MOST = const(128)  # with extensions; what is longer is cut off
_DATAGRAMS = const(8)  # a step: a flood shall not hold it
_ANSWER_ms = const(2000)
_AGAIN_ms = const(6 * 3600 * 1000)
_FIRST_ms = const(8000)
_MOST_ms = const(1024000)  # 17 min; a pool's server wants no more than one question a minute
_RESOLVE_EVERY = const(4)  # failures until the address is asked for again: the resolver has no deadline of ours
_SAME_s = const(2)  # both sides count whole seconds, and an answer takes its time
_NEAR_s = const(5)
_FROM_1900_s = const(3155673600)  # 1900-01-01 to 2000-01-01: 36,524 days
_LATEST_s = const(1893456000)  # 2060-01-01 in seconds since 2000: absurd
_NOTHING = (11, 35, 10035)  # EAGAIN of ESP32 and Linux, macOS, Windows


class Unfit(ValueError):
    pass


def question(nonce):
    packet = bytearray(_LENGTH)
    packet[0] = 0x23  # no leap warning, version 4, client
    packet[40:] = nonce
    return packet


def seconds_of(answer):
    # Seconds since 2000 in an answer that is ours; Unfit says why it gives no time.
    stratum = answer[1]
    if answer[0] & 7 != 4:
        raise Unfit("not the answer of a server")
    if stratum == 0:  # the kiss of death: a word of four letters says why
        raise Unfit("sent away: %s" % "".join([chr(c) for c in answer[12:16] if 32 < c < 127]))
    if answer[0] >> 6 == 3 or stratum > 15:
        raise Unfit("the server does not know the time itself")
    seconds = int.from_bytes(answer[40:44], "big")
    if 0 < seconds < 1 << 31:
        seconds += 1 << 32  # the next era, from 2036 on
    seconds -= _FROM_1900_s
    if not SET_s <= seconds < _LATEST_s:
        raise Unfit("an absurd time")
    return seconds


class Sntp:
    name = "time"

    def __init__(self, wifi, config, clock, module, log, random, port=_PORT):
        self._wifi = wifi
        self._host = config["ntp_host"]
        self._clock = clock
        self._module = module
        self._log = log
        self._random = random
        self._port = port
        self._waits = Backoff(_FIRST_ms, _MOST_ms, seed_of(config))
        self._wait_ms = 0
        self._since = 0  # when the question was sent or the last one ended; None: in the step before
        self._socket = None
        self._address = None
        self._stale = True  # ask the resolver again; its last answer serves as long as it has no better one
        self._nonce = b""
        self._why = ""
        self._told = ""
        self._failures = 0
        self._doubt_s = None  # how far off the answer was that waits for a second opinion

    def step(self, now):
        if self._since is None:
            self._since = now
        if self._socket is not None:
            self._hear(now)
        elif self._wifi.up and age_ms(now, self._since) >= self._wait_ms:
            try:
                if self._stale:
                    self._resolve()  # which may have taken long: the question goes in the next step
                else:
                    self._since = now
                    self._ask()
            except OSError as error:
                self._failed(repr(error), None)  # the wait counts from when the resolver gave up

    def restart(self):
        self.close()

    def close(self):
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _resolve(self):
        module = self._module
        try:
            found = module.getaddrinfo(self._host, self._port, module.AF_INET, module.SOCK_DGRAM)
            self._address = found[0][-1]
        except OSError:
            if self._address is None:
                raise
        self._stale = False

    def _ask(self):
        module = self._module
        self._nonce = self._random(8)
        self._why = "no answer"
        self._socket = module.socket(module.AF_INET, module.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.sendto(question(self._nonce), self._address)

    def _hear(self, now):
        if age_ms(now, self._since) >= _ANSWER_ms:  # also one that lies here: nobody knows for how long
            self._failed(self._why, now)
            return
        try:
            for _ in range(_DATAGRAMS):
                answer = self._socket.recv(_MOST)
                if len(answer) < _LENGTH or answer[24:32] != self._nonce:
                    self._why = "what came was no answer to the question"
                    continue
                self._take(seconds_of(answer), now)
                return
        except OSError as error:
            if error.errno not in _NOTHING:
                self._failed(repr(error), now)
        except Unfit as error:
            self._stale = True  # another server of the pool may do better
            if not answer[1]:
                self._waits.longest()  # sent away: whoever asks soon again is blocked
            self._failed(str(error), now)

    def _take(self, seconds, now):
        clock = self._clock
        if not clock.told:
            self._agreed(seconds, now)
            return
        off_s = seconds - clock.now_s()
        if abs(off_s) <= _SAME_s:
            self._agreed(None, now)
        elif abs(off_s) <= _NEAR_s:
            self._agreed(seconds, now)
        elif self._doubt_s is None or abs(off_s - self._doubt_s) > _NEAR_s:
            self._doubt_s = off_s
            self._stale = True
            self._failed("%d s off: asking once more" % off_s, now)
        else:
            self._agreed(seconds, now)

    def _agreed(self, seconds, now):
        if seconds is not None:
            self._clock.set(seconds)
        if self._told or seconds is not None:
            self._log("time: from %s" % self._host)
        self.close()
        self._told, self._failures, self._doubt_s = "", 0, None
        self._waits.reset()
        self._since, self._wait_ms = now, _AGAIN_ms

    def _failed(self, why, now):
        # Told when it is another reason than before, and not at every try.
        self.close()
        self._failures += 1
        if self._failures % _RESOLVE_EVERY == 0:
            self._stale = True
        self._since, self._wait_ms = now, self._waits.next_ms()
        if why != self._told:
            self._told = why
            self._log("time: %s: %s; asked again" % (self._host, why))
