# The fence round umqtt.simple: each of its known faults is provoked here, against a scripted socket that waits as an
# ESP32 does: setblocking(True) erases the time-out, and a wait without one never ends (here: Blocked).
from firmware.config import parse
from firmware.uplink.client import Client, LinkError

TOPIC = b"v2g/1/s/t/cmd/setpoint"
CONNACK = b"\x20\x02\x00\x00"


class Blocked(BaseException):
    # The board would hang here for good. Nothing catches it.
    pass


class _Board:
    # The module `socket`, the one socket it makes, and the time.
    AF_INET = 2
    SOCK_STREAM = 1

    def __init__(self):
        self.ms = 1000
        self.incoming = b""
        self.sent = []  # one entry each call of send()
        self.timeout_ms = None
        self.dribble_ms = 0  # time that each byte takes
        self.endless = None  # comes again and again
        self.resolved = 0
        self.resolver_fails = False
        self.closed = 0
        self.room = 1 << 20
        self.answer = None  # called with every packet sent; returns what comes back

    def ticks_ms(self):
        return self.ms

    def getaddrinfo(self, host, port, family, kind):
        self.resolved += 1
        self.ms += 7000  # slow, and nothing can be done about it
        if self.resolver_fails:
            raise OSError(-2)
        return [(family, kind, 0, "", (host, port))]

    def socket(self):
        return self

    def connect(self, address):
        if not self.timeout_ms:
            raise Blocked()

    def settimeout(self, seconds):
        self.timeout_ms = int(seconds * 1000)

    def setblocking(self, blocking):
        self.timeout_ms = None if blocking else 0

    def send(self, data):
        data = bytes(data[: self.room])
        self.sent.append(data)
        if self.answer is not None:
            self.incoming += self.answer(data)
        return len(data)

    def recv(self, most):
        if self.endless and not self.incoming:
            self.incoming = self.endless
        if self.incoming:
            self.ms += self.dribble_ms
            most = 1 if self.dribble_ms else most
            data, self.incoming = self.incoming[:most], self.incoming[most:]
            return data
        if self.timeout_ms == 0:
            raise OSError(11, "nothing there")
        if self.timeout_ms is None:
            raise Blocked()
        self.ms += self.timeout_ms
        raise OSError(110, "timed out")

    def close(self):
        self.closed += 1


def _publish(topic, payload, qos=1, pid=7, retain=0, dup=0):
    body = bytes([len(topic) >> 8, len(topic) & 255]) + topic
    if qos:
        body += bytes([pid >> 8, pid & 255])
    return bytes([0x30 | dup << 3 | qos << 1 | retain]) + _length(len(body) + len(payload)) + body + payload


def _length(value):
    digits = b""
    while True:
        digits += bytes([value & 127 | (128 if value > 127 else 0)])
        value >>= 7
        if not value:
            return digits


class _Rig:
    def __init__(self):
        self.board = _Board()
        self.client = Client(self.board, self.board.ticks_ms, parse('{"mqtt_host": "h"}'), b"me")
        self.got = []
        self.client.mqtt.set_callback(self._called)
        self.board.incoming = CONNACK
        self.board.answer = self._puback
        self.client.open()
        self.board.incoming = b""
        self.board.sent.clear()
        self.client.step_begun = self.board.ms

    def _called(self, topic, payload):
        client = self.client
        self.got.append((topic, payload, client.head & 1, client.head & 8, client.oversize))

    def _puback(self, packet):
        if packet[0] & 0xF6 == 0x32:
            at = 2 if packet[1] < 128 else 3
            at += 2 + packet[at + 1]
            return b"\x40\x02" + packet[at : at + 2]
        return b""

    def fails(self, call, *arguments):
        begun = self.board.ms
        try:
            call(*arguments)
        except LinkError:
            assert self.board.ms - begun <= 5000, f"it took {self.board.ms - begun} ms"
            assert self.board.closed, "the socket was left open"
            return
        raise AssertionError("it did not fail")


def test_one_packet_is_one_write():
    rig = _Rig()
    rig.client.publish(b"a/topic", b"x" * 1000, False, 1)
    assert len(rig.board.sent) == 1 and len(rig.board.sent[0]) == 3 + 2 + 7 + 2 + 1000


def test_a_socket_that_takes_a_little_at_a_time_gets_it_all():
    rig = _Rig()
    rig.board.room = 100
    rig.board.answer = None
    rig.client.publish(b"a/topic", b"x" * 1000, False, 0)
    assert len(b"".join(rig.board.sent)) == 3 + 2 + 7 + 1000


def test_half_a_message_then_silence_ends_at_the_deadline():
    rig = _Rig()
    rig.board.incoming = _publish(TOPIC, b"payload")[:12]
    rig.fails(rig.client.check)


def test_no_answer_to_a_publish_ends_at_the_deadline():
    rig = _Rig()
    rig.board.answer = None
    rig.fails(rig.client.publish, b"t", b"x", False, 1)


def test_bytes_that_drip_cannot_stretch_the_deadline():
    rig = _Rig()
    rig.board.incoming = _publish(TOPIC, b"p" * 400)
    rig.board.dribble_ms = 50
    rig.fails(rig.client.check)


def test_a_flood_cannot_hold_a_publish_for_ever():
    rig = _Rig()
    rig.board.answer = None
    rig.board.endless = _publish(TOPIC, b"p")
    rig.board.dribble_ms = 1
    rig.fails(rig.client.publish, b"t", b"x", False, 1)
    assert len(rig.got) > 10


def test_a_publish_within_a_flood_finds_its_answer():
    rig = _Rig()
    rig.board.incoming = _publish(TOPIC, b"p") * 30
    rig.client.publish(b"t", b"x", False, 1)
    assert len(rig.got) == 30


def test_nothing_to_read_is_no_wait():
    rig = _Rig()
    before = rig.board.ms
    assert rig.client.check() is False
    assert rig.board.ms == before


def test_messages_are_handled_one_a_call_and_acknowledged():
    rig = _Rig()
    rig.board.incoming = _publish(TOPIC, b"one", pid=300) + _publish(TOPIC, b"two", qos=0)
    assert rig.client.check() and rig.client.check() and not rig.client.check()
    assert [payload for _, payload, _, _, _ in rig.got] == [b"one", b"two"]
    assert b"".join(rig.board.sent) == b"\x40\x02\x01\x2c"


def test_retain_and_dup_are_known_to_the_callback():
    rig = _Rig()
    rig.board.incoming = _publish(TOPIC, b"r", retain=1) + _publish(TOPIC, b"d", dup=1) + _publish(TOPIC, b"n")
    while rig.client.check():
        pass
    assert [(retain, dup) for _, _, retain, dup, _ in rig.got] == [(1, 0), (0, 8), (0, 0)]


def test_a_late_puback_does_not_break_the_stream():
    rig = _Rig()
    rig.board.incoming = b"\x40\x02\x00\x09" + _publish(TOPIC, b"after")
    while rig.client.check():
        pass
    assert rig.got[0][1] == b"after"


def test_other_late_answers_do_not_break_the_stream():
    rig = _Rig()
    rig.board.incoming = b"\x90\x03\x00\x09\x01" + b"\xb0\x02\x00\x09" + b"\xd0\x00" + _publish(TOPIC, b"after")
    while rig.client.check():
        pass
    assert rig.got[0][1] == b"after"


def test_an_old_puback_before_the_right_one():
    rig = _Rig()
    rig.board.incoming = b"\x40\x02\x7f\xff"
    rig.client.publish(b"t", b"x", False, 1)
    rig.client.publish(b"t", b"y", False, 1)
    assert len(rig.board.sent) == 2


def test_a_long_payload_is_read_away_and_told():
    rig = _Rig()
    rig.board.incoming = _publish(TOPIC, b"x" * 20000) + _publish(TOPIC, b"after")
    while rig.client.check():
        pass
    assert [(payload, oversize) for _, payload, _, _, oversize in rig.got] == [(b"", 20000), (b"after", 0)]


def test_the_longest_payload_that_is_taken():
    rig = _Rig()
    rig.board.incoming = _publish(TOPIC, b"x" * 512) + _publish(TOPIC, b"x" * 513)
    while rig.client.check():
        pass
    assert [(len(payload), oversize) for _, payload, _, _, oversize in rig.got] == [(512, 0), (0, 513)]


def test_an_empty_payload():
    rig = _Rig()
    rig.board.incoming = _publish(TOPIC, b"") + _publish(TOPIC, b"", qos=0) + _publish(TOPIC, b"after")
    while rig.client.check():
        pass
    assert [payload for _, payload, _, _, _ in rig.got] == [b"", b"", b"after"]


def test_packets_that_lie_about_their_length_end_the_connection():
    for raw in (
        b"\x32\x02\x00\x05abcde",  # topic longer than the packet
        b"\x32\x04\x00\x02ab",  # no room for the packet id
        b"\x30\x01\x00",
        b"\x30\x02\x00\x01a",  # the topic would be read out of the next packet
        b"\x30\xff\xff\xff\xff\x01",  # a length of five bytes
        b"\x34\x06\x00\x01a\x00\x01x",  # QoS 2
        b"\x36\x06\x00\x01a\x00\x01x",  # QoS 3
        b"\x00\x00",
        b"\x10\x00",  # a CONNECT from a broker
        b"\xf0\x00",
        b"\xd0\x01x",  # PINGRESP has no body
        b"\x30\x00",
    ):
        rig = _Rig()
        rig.board.incoming = raw + b"\x00" * 50
        try:
            for _ in range(60):
                rig.client.check()
        except LinkError:
            continue
        raise AssertionError(f"{raw} was taken")


def test_any_two_bytes_of_rubbish_never_hang_and_never_escape():
    for first in range(0, 256, 5):
        for second in range(0, 256, 17):
            rig = _Rig()
            rig.board.incoming = bytes([first, second]) + b"\x00\x03abc\x00\x01rubbish"
            try:
                while rig.client.check():
                    pass
            except LinkError:
                pass


def test_packet_numbers_wrap_before_umqtt_would_hang():
    rig = _Rig()
    rig.client.mqtt.pid = 64990
    for _ in range(30):
        rig.client.publish(b"t", b"x", False, 1)
    assert rig.client.mqtt.pid < 100


def test_the_resolver_is_asked_once_and_its_answer_outlives_its_failure():
    rig = _Rig()
    assert rig.board.resolved == 1
    rig.board.answer, rig.board.incoming = None, CONNACK
    rig.client.open()
    assert rig.board.resolved == 1
    rig.client.stale, rig.board.resolver_fails, rig.board.incoming = True, True, CONNACK
    rig.client.open()
    assert rig.board.resolved == 2


def test_a_slow_resolver_leaves_the_connection_its_own_time():
    # 7 s for the name, then the broker answers at once: connected (in _Rig); nothing waits without a time-out.
    assert _Rig().client.mqtt.sock is not None


def test_the_broker_refuses_or_says_nothing():
    for raw in (b"\x20\x02\x00\x05", b"", b"\x20\x02", b"HTTP", b"\x20\x03\x00\x00"):
        rig = _Rig()
        rig.board.incoming, rig.board.answer = raw, None
        rig.client.step_begun = rig.board.ms
        rig.fails(rig.client.open)


def test_a_closed_connection_is_noticed():
    rig = _Rig()
    rig.board.recv = lambda most: b""
    rig.fails(rig.client.check)


def test_a_text_that_fits_no_packet_is_refused():
    rig = _Rig()
    rig.fails(rig.client.publish, b"t", b"x" * 3000, False, 0)


def test_all_calls_of_a_step_share_one_time():
    rig = _Rig()
    rig.board.answer = None
    rig.client.step_begun = rig.board.ms
    begun = rig.board.ms
    rig.board.ms += 4400  # the step has used nearly all of it
    rig.fails(rig.client.publish, b"t", b"x", False, 1)
    assert rig.board.ms - begun <= 4600
