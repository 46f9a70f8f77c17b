# The tick of the whole station: how evenly it comes, alone, with the services, and with Wi-Fi and TLS busy.
# Needs: the board's sensors, link and inlet dead: checked. For the last part a network in the configuration, which
# the services join meanwhile, and a TLS server: GIVEN="tls=address:port seconds=20" (any that speaks TLS 1.2; `openssl
# s_server` will do).
import socket
import time

import onboard

_TICK_us = 10000
_GAP_ms = 25  # half the 50 ms after which the heartbeat counts as lost
_JITTER_us = 2000  # of 95 ticks in 100
_STEPS = 40  # of the histogram, 500 us each


def first():
    board = onboard.the_board()
    io = onboard.pins(board)
    onboard.dead(board, io)
    seconds = onboard.given("seconds", 20)
    _part("alone", io, onboard.NoServices(), seconds, _GAP_ms)
    _part("with the services", io, None, seconds, _GAP_ms)
    where = onboard.GIVEN.get("tls", "")
    if not where:
        onboard.skip("with TLS busy", "say GIVEN=tls=address:port of a TLS server that this board can reach")
        return
    # A handshake holds the interpreter: it happens in quiet only (house rule 11), and the watchdog must outlast it.
    busy = Handshakes(where)
    _part("with TLS busy", io, busy, seconds, board.WATCHDOG_ms // 2, False)
    onboard.at_least("TLS handshakes meanwhile", busy.done, 1, "", busy.error)


class Stamps:
    # Called once a tick: the distance to the one before.
    def __init__(self, seconds):
        self.counts = [0] * _STEPS
        self.ticks = self.worst_us = 0
        self._last = None
        self._ends = time.ticks_add(time.ticks_ms(), seconds * 1000)

    def __call__(self, proxy):
        now = time.ticks_us()
        if self._last is not None:
            gap_us = time.ticks_diff(now, self._last)
            off_us = abs(gap_us - _TICK_us)
            self.counts[min(off_us // 500, _STEPS - 1)] += 1
            self.worst_us = max(self.worst_us, gap_us)
            self.ticks += 1
        self._last = now
        if time.ticks_diff(self._ends, time.ticks_ms()) <= 0:
            proxy.closed = 1

    def within_us(self, percent):
        # So far off were at most that many of them.
        left = self.ticks * percent // 100
        for step in range(_STEPS):
            left -= self.counts[step]
            if left <= 0:
                return (step + 1) * 500
        return _STEPS * 500


def _part(name, io, serving, seconds, gap_ms, even=True):
    stamps = Stamps(seconds)
    onboard.station(onboard.Proxy(io, stamps), serving)
    onboard.at_most("worst gap " + name, stamps.worst_us // 1000, gap_ms, "ms")
    if not even:
        return
    wanted = seconds * 100
    onboard.at_least("ticks " + name, stamps.ticks, wanted * 95 // 100, "of %d" % wanted)
    onboard.at_most("jitter of 95 % " + name, stamps.within_us(95), _JITTER_us, "us")


class Handshakes:
    # In place of the services: one TLS connection after the other.
    def __init__(self, where):
        host, _, port = where.rpartition(":")
        self._address = socket.getaddrinfo(host, int(port))[0][-1]
        self.done = 0
        self.error = ""
        self._stop = False

    def run(self, sleep_ms):
        while not self._stop:
            self.step(0)

    def step(self, _now):
        try:
            self._shake()
        except (OSError, ValueError) as error:
            self.error = repr(error)
            time.sleep_ms(100)

    def _shake(self):
        import ssl

        plain = socket.socket()
        plain.settimeout(5)
        try:
            plain.connect(self._address)
            secure = ssl.wrap_socket(plain)
            self.done += 1
            secure.close()
        finally:
            plain.close()

    def stop(self):
        self._stop = True


onboard.run(first=first)
