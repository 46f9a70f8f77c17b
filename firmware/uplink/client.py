# umqtt.simple 1.3.4 behind its fence: every call under one deadline, and nothing but LinkError comes out. After an
# error the connection is closed; the same client connects again. The fence stands where umqtt expects `socket`, and all
# that it reads and writes goes through here. umqtt itself is unmodified; its faults are listed in docs/mqtt.md. Here
#   - one absolute deadline covers a whole client call, whatever umqtt does to time-outs and however slowly bytes drip;
#   - packets are framed: umqtt cannot read past one, and one that it would stumble over is taken out of its way;
#   - a long payload is read away without ever being held;
#   - the fixed header is remembered: umqtt's callback cannot see RETAIN and DUP;
#   - a packet is collected and written at once: umqtt's small writes meet Nagle and the delayed acknowledgement.
# The seam for TLS: wrap `self._socket` in connect(); it needs a non-blocking handshake and control's grant of quiet.
# mypy: disable-error-code="union-attr"
import umqtt.simple as simple
from micropython import const

from firmware.units import age_ms

_CONNECT_ms = const(4000)
_CALL_ms = const(1500)
_STEP_ms = const(4500)  # all calls of one step together: a service's step ends within 5 s
_PID_LAST = const(65000)  # umqtt's numbers never wrap by themselves, and 65536 would hang it
_PAYLOAD_MAX = const(512)  # an order is some 150 bytes
_CHUNK = const(256)
_HEAD_MAX = const(128)  # fixed header, topic, packet number: under 100 bytes
_OUT = const(1152)  # and 1 KB of text: one packet
_AGAIN = (11, 35, 10035)  # EAGAIN of ESP32 and Linux, macOS, Windows

_NOBODY = const(1)  # no kind of packet
_PUBLISH = const(0x30)
_PINGRESP = const(0xD0)
_PUBACK = const(0x40)
_SUBACK = const(0x90)
_STRAY = (0x20, _PUBACK, 0x50, 0x60, 0x70, _SUBACK, 0xB0)  # a broker may send these, but nobody waits for them now

# Where in a packet the next byte is.
_BETWEEN = const(0)
_HEAD = const(1)  # the first byte is read
_LENGTH = const(2)
_BODY = const(3)


class LinkError(OSError):
    pass


class Client:
    def __init__(self, module, ticks_ms, config, client_id):
        self._module = module
        self.ticks_ms = ticks_ms
        self._socket = None
        self._address = None
        self.stale = True  # ask the resolver again: it has no deadline, so its answer is kept
        self._out = memoryview(bytearray(_OUT))
        self._out_length = 0
        self._begun = 0
        self._allowed_ms = 0
        self._expect = _NOBODY  # the kind of answer that umqtt waits for now
        self.heard = 0  # ticks when the broker last said anything
        self.packets = 0
        self.step_begun = 0
        self._reset()
        user = config["mqtt_user"].encode() or None
        self.mqtt = simple.MQTTClient(
            client_id,
            config["mqtt_host"],
            config["mqtt_port"],
            user,
            config["mqtt_password"].encode() if user else None,
            config["mqtt_keepalive_s"],
        )

    def _reset(self):
        self._in = b""
        self._in_at = 0
        self._out_length = 0
        self._where = _BETWEEN
        self._left = 0
        self._shift = 0
        self._polling = False
        self._connecting = True
        self.head = 0
        self.oversize = 0  # length of a payload that was read away

    # --- for uplink.py ---
    def room(self):
        # Where a text of up to 1 KB may be written between two calls: when it is sent it moves down to its header.
        return self._out[_HEAD_MAX:]

    def open(self):
        simple.socket = self
        self._call(_CONNECT_ms, _NOBODY, self.mqtt.connect)

    def subscribe(self, topic):
        self._call(_CALL_ms, _SUBACK, self.mqtt.subscribe, topic, 1)

    def publish(self, topic, text, retain, qos):
        self._call(_CALL_ms, _PUBACK if qos else _NOBODY, self.mqtt.publish, topic, text, retain, qos)

    def check(self):
        # Handle one packet if one is there; True: there was.
        before = self.packets
        self._call(_CALL_ms, _NOBODY, self.mqtt.check_msg)
        return self.packets != before

    def ping(self):
        self._call(_CALL_ms, _NOBODY, self.mqtt.ping)

    def _call(self, allowed_ms, expect, call, *arguments):
        if self.mqtt.pid >= _PID_LAST:
            self.mqtt.pid = 0
        self._expect = expect
        self._begun = now = self.ticks_ms()
        self._allowed_ms = max(min(allowed_ms, _STEP_ms - age_ms(now, self.step_begun)), 1)
        try:
            call(*arguments)
            self._flush()
        except (OSError, MemoryError, simple.MQTTException, AssertionError) as error:
            # AssertionError: umqtt's checks of the protocol. MQTTException: the broker refuses, with its code.
            self.close()
            raise error if isinstance(error, LinkError) else LinkError(repr(error))

    def _flush(self):
        at, length = 0, self._out_length
        while at < length:
            self._socket.settimeout(self._left_ms() / 1000)
            at += self._socket.send(self._out[at:length])
        self._out_length = 0

    def close(self):
        self._reset()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    # --- as the module `socket` ---
    def socket(self):
        self.close()
        return self

    def getaddrinfo(self, host, port):
        if self.stale:
            module = self._module
            try:
                self._address = module.getaddrinfo(host, port, module.AF_INET, module.SOCK_STREAM)
            except OSError:
                if self._address is None:
                    raise
            self.stale = False  # also if the old answer has to do: a slow "no" at every try would hold all services
            self._begun = self.ticks_ms()
        return self._address

    # --- as a socket ---
    def connect(self, address):
        self._socket = self._module.socket()
        self._socket.settimeout(self._left_ms() / 1000)
        self._socket.connect(address)
        self.heard = self.ticks_ms()

    def setblocking(self, blocking):
        # umqtt does so before a poll (False) and after the first byte of a packet (True). No time-out is touched.
        self._polling = not blocking
        if blocking and self._where == _HEAD:
            self._where, self._left, self._shift = _LENGTH, 0, 0

    def write(self, data, length=None):
        length = len(data) if length is None else length
        if self._out_length + length > _OUT:
            self._flush()
        if length > _OUT:
            raise LinkError("too long")
        self._out[self._out_length : self._out_length + length] = data[:length]
        self._out_length += length

    def read(self, length):
        if length == 0:
            return b""
        if self._where == _BETWEEN:
            if self._connecting and length == 4:
                self._connecting = False
                return self._take(4)  # CONNACK, judged by umqtt
            return self._head_byte(length)
        if self._where == _LENGTH:
            return self._length_bytes(length)
        return self._body(length)

    # --- framing ---
    def _head_byte(self, length):
        if length != 1:
            raise LinkError("out of step")
        while True:
            if self._polling and not self._ready():
                return None
            byte = self._take(1)
            self.head = byte[0]
            kind = self.head & 0xF0
            self.packets += 1
            if kind in (_PUBLISH, _PINGRESP, self._expect):
                self._where = _HEAD
                return byte
            if kind not in _STRAY:
                raise LinkError("packet %02x" % self.head)
            # A late PUBACK or the like: umqtt would leave its rest in the stream.
            self._where, self._left, self._shift = _LENGTH, 0, 0
            while self._where == _LENGTH:
                self._length_bytes(1)
            self._read_away(self._left)

    def _length_bytes(self, length):
        byte = self._take(1)
        value = byte[0]
        self._left |= (value & 0x7F) << self._shift
        self._shift += 7
        if value & 0x80:
            if self._shift > 21 or length != 1:
                raise LinkError("endless length")
            return byte
        self._where = _BODY if self._left else _BETWEEN
        if length == 1:
            return byte
        return byte + self._body(length - 1)  # SUBACK: umqtt reads its length with the rest

    def _body(self, length):
        if length < 0 or length > self._left:
            raise LinkError("short packet")
        if length > _PAYLOAD_MAX:
            self.oversize = length
            self._read_away(length)
            return b""
        data = self._take(length)
        if self.head & 0xF0 == _PUBLISH and self._shift:
            # The first thing read from a PUBLISH is the length of its topic. umqtt believes it and works out the rest.
            self._shift = self.oversize = 0
            rest = self._left - 2 - (data[0] << 8 | data[1]) if length == 2 else -1
            if rest < (2 if self.head & 6 else 0) or self.head & 6 not in (0, 2):
                raise LinkError("malformed PUBLISH")
        self._left -= length
        if not self._left:
            self._where = _BETWEEN
        return data

    def _read_away(self, length):
        while length:
            some = len(self._take_some(length))
            length -= some
            self._left -= some
        if not self._left:
            self._where = _BETWEEN

    # --- bytes ---
    def _take(self, length):
        data = self._take_some(length)
        while len(data) < length:
            data += self._take_some(length - len(data))
        return data

    def _take_some(self, most):
        if self._in_at == len(self._in):
            self._flush()
            self._socket.settimeout(self._left_ms() / 1000)
            self._receive()
        begin = self._in_at
        self._in_at = min(begin + most, len(self._in))
        return self._in[begin : self._in_at]

    def _ready(self):
        # Is there a first byte? Never waits.
        if self._in_at < len(self._in):
            return True
        self._socket.setblocking(False)
        try:
            self._receive()
        except OSError as error:
            if error.errno not in _AGAIN or isinstance(error, LinkError):
                raise
            self._flush()  # PUBACKs collected while messages kept coming
            return False
        return True

    def _receive(self):
        self._in, self._in_at = self._socket.recv(_CHUNK), 0
        if not self._in:
            raise LinkError("closed by the broker")
        self.heard = self.ticks_ms()

    def _left_ms(self):
        left_ms = self._allowed_ms - age_ms(self.ticks_ms(), self._begun)
        if left_ms <= 0:
            raise LinkError("no answer in %d ms" % self._allowed_ms)
        return left_ms
