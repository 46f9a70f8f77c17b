"""A small MQTT 3.1.1 broker for virtual time.

`Broker` is pure: bytes in, bytes out, no sockets, no clock of its own; minisocket.py carries its bytes. It speaks what
Sluice and its aggregator need: QoS 0 and 1, retained messages, last wills, clean sessions, wildcards; and it can
misbehave on purpose.
"""

import struct
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK = 0x10, 0x20, 0x30, 0x40, 0x80, 0x90
UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT = 0xA0, 0xB0, 0xC0, 0xD0, 0xE0


class Traffic(NamedTuple):
    """One message as the broker saw it."""

    at_ms: int
    client: str  # who sent or got it; "" for the bench itself
    arrow: str  # ">" to the broker, "<" to the client
    topic: str
    payload: bytes
    qos: int
    retain: bool


def packet(kind: int, body: bytes) -> bytes:
    """A control packet: fixed header, remaining length, body."""
    length, digits = len(body), bytearray()
    while True:
        length, digit = divmod(length, 128)
        digits.append(digit | (0x80 if length else 0))
        if not length:
            return bytes([kind]) + bytes(digits) + body


def text(value: bytes | str) -> bytes:
    """A string as MQTT writes it."""
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack("!H", len(raw)) + raw


def publish_packet(
    topic: str, payload: bytes, qos: int = 0, retain: bool = False, pid: int = 0, dup: bool = False
) -> bytes:
    """A PUBLISH."""
    head = PUBLISH | (8 if dup else 0) | qos << 1 | int(retain)
    return packet(head, text(topic) + (struct.pack("!H", pid) if qos else b"") + payload)


def matches(pattern: str, topic: str) -> bool:
    """Whether a subscription's pattern covers a topic."""
    wanted, given = pattern.split("/"), topic.split("/")
    for index, part in enumerate(wanted):
        if part == "#":
            return True
        if index >= len(given) or part not in ("+", given[index]):
            return False
    return len(wanted) == len(given)


class Connection:
    """One client at the broker. `outgoing` is what it has not read yet."""

    def __init__(self, broker: "Broker") -> None:
        self.outgoing = bytearray()
        self.open = True
        self.client = ""
        self.subscriptions: dict[str, int] = {}
        self.will: tuple[str, bytes, int, bool] | None = None
        self.keepalive_s = 0
        self.heard_ms = broker.now_ms
        self._broker = broker
        self._incoming = bytearray()
        self._pid = 0
        self.waiting: deque[tuple[str, bytes, bool]] = deque()  # QoS 1, not sent yet
        self.in_flight: dict[int, tuple[str, bytes, bool]] = {}

    def feed(self, data: bytes) -> None:
        """Bytes from the client."""
        self.heard_ms = self._broker.now_ms
        self._incoming += data
        while self.open:
            framed = _frame(self._incoming)
            if framed is None:
                return
            head, body = framed
            try:
                self._broker.handle(self, head, body)
            except ValueError as error:
                self._broker.violations.append(f"{self.client}: {error}: {bytes([head]) + body[:40]!r}")
                self._broker.drop(self)

    def deliver(self, topic: str, payload: bytes, qos: int, retain: bool) -> None:
        """A message for this client."""
        if qos:
            self.waiting.append((topic, payload, retain))
            self.send_waiting()
            return
        self._broker.note(self.client, "<", topic, payload, 0, retain)
        self.outgoing += publish_packet(topic, payload, 0, retain)

    def send_waiting(self) -> None:
        """QoS 1 as far as the window of unacknowledged messages allows, as Mosquitto's 20."""
        while self.waiting and len(self.in_flight) < self._broker.window:
            topic, payload, retain = self.waiting.popleft()
            self._pid = self._pid % 65535 + 1
            self.in_flight[self._pid] = (topic, payload, retain)
            self._broker.note(self.client, "<", topic, payload, 1, retain)
            self.outgoing += publish_packet(topic, payload, 1, retain, self._pid)

    def again(self) -> None:
        """Everything unacknowledged once more, with DUP set."""
        for pid, (topic, payload, retain) in self.in_flight.items():
            self.outgoing += publish_packet(topic, payload, 1, retain, pid, dup=True)


def _frame(buffer: bytearray) -> tuple[int, bytes] | None:
    """The next whole packet taken from the buffer."""
    length = shift = 0
    for at in range(1, 5):
        if at >= len(buffer):
            return None
        length |= (buffer[at] & 0x7F) << shift
        shift += 7
        if not buffer[at] & 0x80:
            end = at + 1 + length
            if len(buffer) < end:
                return None
            head, body = buffer[0], bytes(buffer[at + 1 : end])
            del buffer[:end]
            return head, body
    raise ValueError("a remaining length of more than 4 bytes")


class Broker:
    """The broker itself. Set `now_ms` (or call `tick`) so that keep-alives and the log know the time."""

    def __init__(self, keep_retained: bool = True, window: int = 20) -> None:
        self.now_ms = 0
        self.running = True
        self.window = window
        self.keep_retained = keep_retained  # over kill() and start(), as a broker with persistence
        self.retained: dict[str, tuple[bytes, int]] = {}
        self.connections: list[Connection] = []  # of clients that have said CONNECT
        self._transports: list[Connection] = []  # all
        self.violations: list[str] = []  # of the protocol, by clients
        self.log: list[Traffic] = []
        self.listeners: list[tuple[str, Callable[[str, bytes, bool], None]]] = []
        # Misbehaviour: what it does not do.
        self.refuse_code = 0  # CONNACK return code
        self.mute = False  # takes everything, answers nothing
        self.hold_pubacks = False
        self.held: list[tuple[Connection, bytes]] = []

    # --- for the bench ---
    def kill(self) -> None:
        """Die at once: connections drop, nobody's will is told, new ones are refused."""
        self.running = False
        for connection in self._transports:
            connection.open = False
        self._transports.clear()
        self.connections.clear()
        if not self.keep_retained:
            self.retained.clear()

    def start(self) -> None:
        """Be there again."""
        self.running = True

    def tick(self, now_ms: int) -> None:
        """Let time pass: clients silent for 1.5 keep-alives are dropped and their will is told."""
        self.now_ms = now_ms
        for connection in list(self.connections):
            if connection.keepalive_s and now_ms - connection.heard_ms > connection.keepalive_s * 1500:
                self.drop(connection)

    def publish(self, topic: str, payload: bytes, retain: bool = False, qos: int = 1) -> None:
        """A message of the bench's own, as from a client of its own."""
        self.note("", ">", topic, payload, qos, retain)
        self._spread(topic, payload, qos, retain)

    def subscribe(self, pattern: str, call: Callable[[str, bytes, bool], None]) -> None:
        """Call `call(topic, payload, retain)` for every message that matches; retained ones at once."""
        self.listeners.append((pattern, call))
        for topic, (payload, _qos) in list(self.retained.items()):
            if matches(pattern, topic):
                call(topic, payload, True)

    def inject(self, data: bytes, client: str = "") -> None:
        """Raw bytes, well formed or not, into every connection (or that of one client)."""
        for connection in self.connections:
            if client in ("", connection.client):
                connection.outgoing += data

    def flood(self, topic: str, payloads: list[bytes], qos: int = 1) -> None:
        """Many messages at once."""
        for payload in payloads:
            self.publish(topic, payload, False, qos)

    def release(self) -> None:
        """Send the PUBACKs that were held back."""
        self.hold_pubacks = False
        for connection, data in self.held:
            connection.outgoing += data
        self.held.clear()

    def drop(self, connection: Connection, will: bool = True) -> None:
        """End a connection; its will is told unless it said goodbye."""
        connection.open = False
        if connection in self._transports:
            self._transports.remove(connection)
        if connection in self.connections:
            self.connections.remove(connection)
            if will and connection.will is not None:
                topic, payload, qos, retain = connection.will
                self._spread(topic, payload, qos, retain)

    def messages(self, topic: str, client: str | None = None, arrow: str = ">") -> list[bytes]:
        """The payloads on a topic so far."""
        return [
            m.payload for m in self.log if m.arrow == arrow and matches(topic, m.topic) and client in (None, m.client)
        ]

    def note(self, client: str, arrow: str, topic: str, payload: bytes, qos: int, retain: bool) -> None:
        """Keep one message for the log."""
        self.log.append(Traffic(self.now_ms, client, arrow, topic, payload, qos, retain))

    # --- the protocol ---
    def connect(self) -> Connection:
        """A new transport connection."""
        if not self.running:
            raise ConnectionRefusedError(111, "no broker")
        connection = Connection(self)
        self._transports.append(connection)
        return connection

    def handle(self, connection: Connection, head: int, body: bytes) -> None:
        """One whole packet of a client."""
        if self.mute:
            return
        kind = head & 0xF0
        if kind == CONNECT:
            self._connect(connection, body)
        elif connection not in self.connections:
            raise ValueError(f"packet {head:02x} before CONNECT")
        elif kind == PUBLISH:
            self._published(connection, head, body)
        elif kind == PUBACK:
            connection.in_flight.pop(struct.unpack("!H", body)[0], None)
            connection.send_waiting()
        elif kind == SUBSCRIBE:
            self._subscribe(connection, body)
        elif kind == PINGREQ:
            connection.outgoing += packet(PINGRESP, b"")
        elif kind == DISCONNECT:
            self.drop(connection, will=False)
        else:
            raise ValueError(f"packet {head:02x} is not for a broker")

    def _connect(self, connection: Connection, body: bytes) -> None:
        fields = _Fields(body)
        if fields.text() != b"MQTT" or fields.byte() != 4:
            raise ValueError("not MQTT 3.1.1")
        flags, connection.keepalive_s = fields.byte(), fields.number()
        connection.client = fields.text().decode()
        if flags & 0x04:
            topic, payload = fields.text().decode(), fields.text()
            connection.will = (topic, payload, flags >> 3 & 3, bool(flags & 0x20))
        if self.refuse_code:
            connection.outgoing += packet(CONNACK, bytes([0, self.refuse_code]))
            return
        for other in [c for c in self.connections if c.client == connection.client]:
            self.drop(other)
        self.connections.append(connection)
        connection.outgoing += packet(CONNACK, b"\0\0")

    def _published(self, connection: Connection, head: int, body: bytes) -> None:
        fields = _Fields(body)
        topic, qos, retain = fields.text().decode(), head >> 1 & 3, bool(head & 1)
        pid = fields.number() if qos else 0
        self.note(connection.client, ">", topic, fields.rest(), qos, retain)
        if qos:
            answer = packet(PUBACK, struct.pack("!H", pid))
            if self.hold_pubacks:
                self.held.append((connection, answer))
            else:
                connection.outgoing += answer
        self._spread(topic, fields.rest(), qos, retain)

    def _subscribe(self, connection: Connection, body: bytes) -> None:
        fields = _Fields(body)
        pid, codes, patterns = fields.number(), bytearray(), []
        while fields.rest():
            pattern, qos = fields.text().decode(), min(fields.byte(), 1)
            connection.subscriptions[pattern] = qos
            patterns.append(pattern)
            codes.append(qos)
        connection.outgoing += packet(SUBACK, struct.pack("!H", pid) + bytes(codes))
        for topic, (payload, qos) in self.retained.items():
            granted = [connection.subscriptions[p] for p in patterns if matches(p, topic)]
            if granted:
                connection.deliver(topic, payload, min(qos, max(granted)), True)

    def _spread(self, topic: str, payload: bytes, qos: int, retain: bool) -> None:
        if retain and payload:
            self.retained[topic] = (payload, qos)
        elif retain:
            self.retained.pop(topic, None)
        for connection in list(self.connections):
            granted = [q for pattern, q in connection.subscriptions.items() if matches(pattern, topic)]
            if granted:
                connection.deliver(topic, payload, min(qos, max(granted)), False)
        for pattern, call in list(self.listeners):
            if matches(pattern, topic):
                call(topic, payload, False)


class _Fields:
    """Reads a packet's body from left to right."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def _take(self, length: int) -> bytes:
        taken = self._body[self._at : self._at + length]
        if len(taken) < length:
            raise ValueError("a packet is shorter than its contents")
        self._at += length
        return taken

    def byte(self) -> int:
        return self._take(1)[0]

    def number(self) -> int:
        return int(struct.unpack("!H", self._take(2))[0])

    def text(self) -> bytes:
        return self._take(self.number())

    def rest(self) -> bytes:
        return self._body[self._at :]
