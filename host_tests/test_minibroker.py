"""The mini broker against a client that others wrote, and its sockets against the semantics of an ESP32."""

import time

import paho.mqtt.client as paho
import pytest

from hw_tests.bench.minibroker import Broker, matches
from hw_tests.bench.minisocket import BlockedForever, Sockets, TcpServer


def wait(look):
    """Poll for up to 5 s."""
    until = time.monotonic() + 5
    while time.monotonic() < until:
        found = look()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("it did not come")


class Client:
    def __init__(self, port: int, name: str, will: bool = False) -> None:
        self.heard: list[tuple[str, bytes, int, bool]] = []
        self.paho = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=name)
        self.paho.on_message = lambda _c, _u, m: self.heard.append((m.topic, bytes(m.payload), m.qos, m.retain))
        if will:
            self.paho.will_set("a/status", b"gone", 1, True)
        self.paho.connect("127.0.0.1", port, keepalive=5)
        self.paho.loop_start()
        wait(self.paho.is_connected)

    def subscribe(self, pattern: str, qos: int) -> None:
        done: list[int] = []
        self.paho.on_subscribe = lambda *_: done.append(1)
        self.paho.subscribe(pattern, qos)
        wait(lambda: done)

    def close(self) -> None:
        self.paho.disconnect()
        self.paho.loop_stop()


@pytest.fixture
def server():
    with TcpServer(Broker()) as server:
        yield server
        assert server.broker.violations == []


def test_messages_of_both_qualities(server):
    one, two = Client(server.port, "one"), Client(server.port, "two")
    two.subscribe("a/+/c", 1)
    two.subscribe("b/#", 0)
    one.paho.publish("a/x/c", b"1", 1).wait_for_publish(5)
    one.paho.publish("a/x/d", b"no", 1).wait_for_publish(5)
    one.paho.publish("b/y/z", b"2", 1).wait_for_publish(5)
    wait(lambda: len(two.heard) == 2)
    assert two.heard == [("a/x/c", b"1", 1, False), ("b/y/z", b"2", 0, False)]
    one.close()
    two.close()


def test_many_messages_keep_their_order(server):
    one, two = Client(server.port, "one"), Client(server.port, "two")
    two.subscribe("n", 1)
    for number in range(500):
        one.paho.publish("n", str(number).encode(), 1)
    wait(lambda: len(two.heard) == 500)
    assert [int(payload) for _, payload, _, _ in two.heard] == list(range(500))
    one.close()
    two.close()


def test_retained_messages_and_their_removal(server):
    one = Client(server.port, "one")
    one.paho.publish("a/r", b"kept", 1, True).wait_for_publish(5)
    two = Client(server.port, "two")
    two.subscribe("a/#", 1)
    wait(lambda: two.heard == [("a/r", b"kept", 1, True)])
    one.paho.publish("a/r", b"", 1, True).wait_for_publish(5)
    assert server.call(lambda broker: dict(broker.retained)) == {}
    one.close()
    two.close()


def test_a_will_is_told_when_the_client_dies_and_not_when_it_leaves(server):
    one, two = Client(server.port, "one", will=True), Client(server.port, "two")
    two.subscribe("a/status", 1)
    one.close()
    three = Client(server.port, "three", will=True)
    assert two.heard == []
    three.paho.loop_stop()
    transport = three.paho.socket()
    assert transport is not None
    transport.close()
    wait(lambda: [payload for _, payload, _, _ in two.heard] == [b"gone"])
    two.close()


def test_kill_and_start(server):
    one = Client(server.port, "one")
    one.paho.publish("a/r", b"kept", 1, True).wait_for_publish(5)
    server.call(lambda broker: broker.kill())
    wait(lambda: not one.paho.is_connected())
    server.call(lambda broker: broker.start())
    wait(one.paho.is_connected)
    assert "a/r" in server.broker.retained
    one.close()


def test_the_bench_hears_and_speaks(server):
    heard: list[tuple[str, bytes]] = []
    server.call(lambda broker: broker.subscribe("to/#", lambda topic, payload, _retain: heard.append((topic, payload))))
    one = Client(server.port, "one")
    one.subscribe("from/x", 1)
    one.paho.publish("to/x", b"up", 1).wait_for_publish(5)
    server.call(lambda broker: broker.publish("from/x", b"down"))
    wait(lambda: one.heard)
    assert heard == [("to/x", b"up")] and one.heard[0][:2] == ("from/x", b"down")
    one.close()


@pytest.mark.parametrize(
    ("pattern", "topic", "fits"),
    [
        ("a/b", "a/b", True), ("a/b", "a/c", False), ("a/+", "a/b", True), ("a/+", "a/b/c", False),
        ("a/#", "a/b/c", True), ("#", "a", True), ("a/#", "a", True), ("+/b", "a/b", True), ("a/b/c", "a/b", False),
        ("a", "a/b", False),
    ],
)  # fmt: skip
def test_patterns(pattern, topic, fits):
    assert matches(pattern, topic) is fits


def test_a_socket_waits_as_on_an_esp32():
    """A time-out counts until setblocking(True) erases it; then nothing ends the wait."""
    waited: list[int] = []
    sockets = Sockets(Broker(), waited.append)
    sock = sockets.socket()
    sock.settimeout(1.5)
    sock.connect(("broker", 1883))
    with pytest.raises(OSError):
        sock.recv(1)
    assert waited == [1500]
    sock.setblocking(False)
    with pytest.raises(OSError):
        sock.recv(1)
    assert waited == [1500]
    sock.setblocking(True)
    with pytest.raises(BlockedForever):
        sock.recv(1)


def test_a_dead_broker_refuses_and_closes():
    sockets = Sockets(Broker())
    sock = sockets.socket()
    sock.settimeout(1)
    sock.connect(("broker", 1883))
    sockets.broker.kill()
    assert sock.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        sockets.socket().connect(("broker", 1883))


def test_rubbish_is_a_violation_and_ends_the_connection():
    broker = Broker()
    sockets = Sockets(broker)
    sock = sockets.socket()
    sock.connect(("broker", 1883))
    sock.send(b"\x30\x03abc")
    assert broker.violations and sock.recv(1) == b""
