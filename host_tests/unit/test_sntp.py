# The time from the network, against a real UDP server on this machine; the ticks are played.
import json
import os
import socket

from firmware.clock import Clock
from firmware.config import parse
from firmware.net.sntp import Sntp, question, seconds_of

UNIX_s = 1795000000  # 2026-11-18
SINCE_2000_s = 848315200
NTP_s = UNIX_s + 2208988800  # RFC 868: from 1900 to 1970
AGAIN_s = 6 * 3600


class _Up:
    up = True


class _Server:
    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        while True:
            self.port = 20000 + int.from_bytes(os.urandom(2), "big") % 20000
            try:
                self.socket.bind(socket.getaddrinfo("127.0.0.1", self.port, socket.AF_INET)[0][-1])
                return
            except OSError:
                pass  # taken

    def asked(self):
        # (question, from where), or None.
        try:
            return self.socket.recvfrom(100)
        except OSError:
            return None


def answer_to(asked, seconds=NTP_s, stratum=2, head=0x24, nonce=None, word=b"GPS\x00"):
    packet = bytearray(48)
    packet[0], packet[1] = head, stratum
    packet[12:16] = word
    packet[24:32] = asked[40:48] if nonce is None else nonce
    packet[40:44] = (seconds & 0xFFFFFFFF).to_bytes(4, "big")
    return packet


class _Rig:
    def __init__(self, wall_s=0, year=2000, host="127.0.0.1"):
        self.server = _Server()
        self.now = 1000
        self.clock = Clock(lambda: wall_s, year)
        self.lines = []
        self.wifi = _Up()
        config = parse(json.dumps({"ntp_host": host}))
        self.sntp = Sntp(self.wifi, config, self.clock, socket, self.lines.append, os.urandom, self.server.port)
        self.asked = []  # uptimes
        self.answers = lambda asked: [answer_to(asked, NTP_s + self.clock.up_s)]

    def run(self, seconds, step_ms=500):
        for _ in range(seconds * 1000 // step_ms):
            self.step()
            self.now = (self.now + step_ms) & 0x3FFFFFFF

    def step(self):
        self.clock.step(self.now)
        self.sntp.step(self.now)
        got = self.server.asked()
        if got:
            self.asked.append(self.clock.up_s)
            for packet in self.answers(got[0]):
                self.server.socket.sendto(packet, got[1])

    def end(self):
        self.sntp.close()
        self.server.socket.close()


def _refused(asked, **how):
    try:
        seconds_of(answer_to(asked, **how))
    except ValueError as error:
        return str(error)
    raise AssertionError(f"taken: {how}")


def test_the_question_is_48_bytes_of_version_4():
    packet = question(b"12345678")
    assert len(packet) == 48 and packet[0] == 0x23 and packet[40:] == b"12345678" and not any(packet[1:40])


def test_an_answer_gives_seconds_since_2000_also_beyond_the_era_of_2036():
    asked = question(b"12345678")
    assert seconds_of(answer_to(asked)) == SINCE_2000_s
    assert seconds_of(answer_to(asked, seconds=(1 << 32) + 1000)) == (1 << 32) + 1000 - 3155673600


def test_what_gives_no_time_says_why():
    asked = question(b"12345678")
    assert _refused(asked, stratum=0, word=b"RATE") == "sent away: RATE"
    assert _refused(asked, stratum=0, word=b"\x00\x01\xff\n") == "sent away: "
    assert "itself" in _refused(asked, stratum=16) and "itself" in _refused(asked, head=0xE4)
    assert "server" in _refused(asked, head=0x23)
    for seconds in (0, NTP_s - 5 * 365 * 86400, NTP_s + 60 * 365 * 86400):
        assert "absurd" in _refused(asked, seconds=seconds), seconds


def test_the_clock_is_set_and_asked_about_again_after_hours():
    for year in (1970, 2000):
        rig = _Rig(12, year)
        assert rig.clock.now_s() is None
        rig.run(10)
        assert abs(rig.clock.now_s() - SINCE_2000_s - rig.clock.up_s) <= 1
        assert abs(rig.clock.unix_s(rig.clock.up_s) - UNIX_s - rig.clock.up_s) <= 1
        rig.run(AGAIN_s + 60)
        assert len(rig.asked) == 2 and rig.asked[1] >= AGAIN_s
        assert rig.lines == ["time: from 127.0.0.1"]
        rig.end()


def test_the_networks_word_comes_before_the_boards_clock():
    rig = _Rig(UNIX_s - 400 * 86400 + 40000000, 1970)  # set wrongly by hand
    rig.run(10)
    assert abs(rig.clock.now_s() - SINCE_2000_s - rig.clock.up_s) <= 1
    rig.end()


def test_without_a_network_nothing_is_asked():
    rig = _Rig()
    rig.wifi.up = False
    rig.run(100)
    assert rig.asked == [] and rig.lines == []
    rig.end()


def test_silence_is_told_once_and_asked_about_ever_more_seldom():
    rig = _Rig()
    rig.answers = lambda asked: []
    rig.run(4 * 3600)
    assert rig.lines == ["time: 127.0.0.1: no answer; asked again"] and rig.clock.now_s() is None
    gaps = [late - early for early, late in zip(rig.asked, rig.asked[1:])]
    assert 7 <= gaps[0] <= 13 and 760 <= max(gaps) <= 1290 and len(rig.asked) < 30
    rig.answers = lambda asked: [answer_to(asked, NTP_s + rig.clock.up_s)]
    rig.run(1300)
    assert rig.clock.told and rig.lines[1:] == ["time: from 127.0.0.1"]
    rig.end()


def test_what_is_no_answer_to_this_question_is_not_taken():
    strange = (
        lambda asked: [b""],
        lambda asked: [bytes(answer_to(asked))[:47]],
        lambda asked: [answer_to(asked, nonce=b"\x00" * 8)],
        lambda asked: [os.urandom(300)],
        lambda asked: [answer_to(asked, nonce=os.urandom(8)) for _ in range(200)],
    )
    for answers in strange:
        rig = _Rig()
        rig.answers = answers
        rig.run(5)
        assert not rig.clock.told and "no answer" in rig.lines[0], rig.lines
        rig.end()


def test_a_stranger_before_the_server_costs_nothing():
    rig = _Rig()
    rig.answers = lambda asked: [b"x" * 48, answer_to(asked, nonce=b"\xff" * 8), bytes(answer_to(asked)) + b"mac" * 8]
    rig.run(3)
    assert rig.clock.told
    rig.end()


def test_what_comes_too_late_or_answers_an_earlier_question_is_not_taken():
    rig = _Rig()
    kept = []

    def late(asked):
        kept.append(asked)
        return [answer_to(kept[-2])] if len(kept) > 1 else []

    rig.answers = late
    rig.run(100)
    assert len(kept) > 2 and not rig.clock.told
    rig.end()


def test_an_answer_that_lay_there_while_the_services_were_held_is_not_taken():
    rig = _Rig()
    rig.run(1)
    rig.now += 2500
    rig.step()
    assert not rig.clock.told and "no answer" in rig.lines[0]
    rig.run(20)
    assert rig.clock.told
    rig.end()


def test_who_is_sent_away_waits_long():
    rig = _Rig()
    rig.answers = lambda asked: [answer_to(asked, stratum=0, word=b"RATE")]
    rig.run(700)
    assert len(rig.asked) == 1 and "RATE" in rig.lines[0] and not rig.clock.told
    rig.end()


def test_one_false_answer_moves_nothing_and_two_alike_do():
    for off_s in (-86400, 3600):
        rig = _Rig()
        rig.run(10)
        true_s = rig.clock.now_s()
        _tell(rig, [off_s, 0])
        assert abs(rig.clock.now_s() - true_s - 20) <= 1
        _tell(rig, [off_s, off_s])
        assert abs(rig.clock.now_s() - true_s - 40 - off_s) <= 2
        rig.end()


def _tell(rig, offs_s):
    # 20 s in which the server answers at once and so far off.
    rig.answers = lambda asked: [answer_to(asked, NTP_s + rig.clock.up_s + offs_s.pop(0))]
    rig.sntp._wait_ms = 0
    rig.run(20)
    assert offs_s == []


def test_a_host_without_an_address_is_told_and_tried_again():
    class Nameless:
        AF_INET = SOCK_DGRAM = 2
        calls = 0

        def getaddrinfo(self, *_arguments):
            Nameless.calls += 1
            raise OSError(-2)

    rig = _Rig(host="nobody.invalid")
    rig.sntp._module = Nameless()
    rig.run(100)
    assert len(rig.lines) == 1 and "nobody.invalid" in rig.lines[0] and 3 <= Nameless.calls <= 5
    rig.end()


class _Resolver:
    # The module `socket` with a resolver that takes its time and may fail.
    AF_INET, SOCK_DGRAM = socket.AF_INET, socket.SOCK_DGRAM

    def __init__(self, rig, ms=0):
        self.rig, self.ms, self.fails, self.calls = rig, ms, False, 0
        rig.sntp._module = self

    def socket(self, *kind):
        return socket.socket(*kind)

    def getaddrinfo(self, *what):
        self.calls += 1
        self.rig.now += self.ms
        if self.fails:
            raise OSError(-2)
        return socket.getaddrinfo(*what)


def test_a_resolver_that_took_half_a_minute_does_not_make_the_answer_late():
    rig = _Rig()
    resolver = _Resolver(rig, 30000)
    rig.run(10)
    assert rig.clock.told and resolver.calls == 1 and rig.lines == ["time: from 127.0.0.1"]
    rig.end()


def test_the_last_address_serves_while_the_resolver_fails():
    rig = _Rig()
    resolver = _Resolver(rig)
    rig.run(10)
    resolver.fails = True
    rig.answers = lambda asked: []
    rig.run(AGAIN_s + 3600)  # over 4 failures: it was asked again, in vain
    assert resolver.calls >= 2 and len(rig.asked) >= 6
    rig.answers = lambda asked: [answer_to(asked, NTP_s + rig.clock.up_s)]
    asked = len(rig.asked)
    rig.run(1300)
    assert len(rig.asked) > asked and rig.lines[-1] == "time: from 127.0.0.1"
    rig.end()


def test_a_resolver_that_fails_slowly_is_left_alone_for_longer_than_it_took():
    rig = _Rig(host="nobody.invalid")
    resolver = _Resolver(rig, 30000)
    resolver.fails = True
    for _ in range(2 * 3600):
        before, calls = rig.now, resolver.calls
        rig.step()
        if resolver.calls == calls:
            rig.now += 500
        else:
            assert rig.now == before + 30000
    held_s, all_s = 30 * resolver.calls, (rig.now - 1000) // 1000
    assert resolver.calls >= 4 and held_s * 5 < all_s, (held_s, all_s)
    rig.end()


def test_setting_the_clock_moves_no_uptime():
    clock = Clock(lambda: 0, 2000)
    for now in range(0, 10000, 500):
        clock.step(now)
    clock.set(SINCE_2000_s)
    assert clock.up_s == 9 and clock.now_s() == SINCE_2000_s and clock.unix_s(9) == UNIX_s
    clock.set(SINCE_2000_s - 3600)
    for now in range(10000, 20000, 500):
        clock.step(now)
    assert clock.up_s == 19 and clock.now_s() == SINCE_2000_s - 3600 + 10
