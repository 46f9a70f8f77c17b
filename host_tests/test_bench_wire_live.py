"""The wire between processes, with the real python-can and the board's own driver on it."""

import re
import socket
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import can
import pytest

from hw_tests.bench.bits import bit_length
from hw_tests.bench.frame import Frame
from hw_tests.bench.lines import Lines
from hw_tests.bench.slcan_text import Remote, candump, frame_of, line_of
from hw_tests.bench.wire import Wire

ROOT = Path(__file__).resolve().parent.parent
MICROPYTHON = ROOT / "build" / "bin" / "micropython"


@pytest.fixture
def make_wire():
    """A wire that runs in a thread of this test."""
    running = []

    def make(bitrate=250_000, **how):
        wire = Wire(bitrate, **how)
        thread = threading.Thread(target=wire.run, daemon=True)
        thread.start()
        running.append((wire, thread))
        return wire

    yield make
    for wire, thread in running:
        wire.running = False
        thread.join(2)
        wire.close()


def open_bus(port, bitrate=250_000):
    return can.Bus(interface="slcan", channel=f"socket://127.0.0.1:{port}", bitrate=bitrate, sleep_after_open=0)


def join(wire, bitrate=250_000):
    return open_bus(wire.port, bitrate)


def until(condition, patience_s=5.0):
    deadline_s = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline_s, "it did not happen"
        time.sleep(0.005)


def all_there(wire, count):
    until(lambda: len(wire.facts()["nodes"]) == count)


def receive(bus, count, timeout_s=3.0):
    """The next `count` messages; fewer if they do not come."""
    messages: list[can.Message] = []
    deadline_s = time.monotonic() + timeout_s
    while len(messages) < count and time.monotonic() < deadline_s:
        message = bus.recv(0.2)
        if message is not None:
            messages.append(message)
    return messages


def test_text_of_frames_both_ways():
    for frame, text in (
        (Frame(0x181056F4, True, b"\xa0\x0f\x8c\x14\x01"), b"T181056F45A00F8C1401\r"),
        (Frame(0x7FF, False, b""), b"t7FF0\r"),
        (Remote(0x123, False, bytes(4)), b"r1234\r"),
        (Remote(0x1812F456, True, bytes(8)), b"R1812F4568\r"),
    ):
        assert line_of(frame) == text
        back = frame_of(text[:-1])
        assert back == frame and type(back) is type(frame)
    for wrong in (b"t8000", b"t1239", b"T3FFFFFFF0", b"t12", b"tXYZ0", b"t123200"):
        with pytest.raises(ValueError):
            frame_of(wrong)


def test_python_can_sends_and_receives_every_kind(make_wire):
    wire = make_wire()
    with join(wire) as a, join(wire) as b:
        all_there(wire, 2)
        sent = [
            can.Message(arbitration_id=0x181056F4, is_extended_id=True, data=[0xA0, 0x0F, 0x8C, 0x14, 0x01]),
            can.Message(arbitration_id=0x123, is_extended_id=False, data=range(8)),
            can.Message(arbitration_id=0x7FF, is_extended_id=False, data=b""),
            can.Message(arbitration_id=0x1812F456, is_extended_id=True, is_remote_frame=True, dlc=8),
        ]
        for message in sent:
            a.send(message)
            (got,) = receive(b, 1)
            assert got.equals(message, timestamp_delta=None, check_channel=False, check_direction=False)
        b.send(sent[0])
        assert receive(a, 1)[0].arbitration_id == 0x181056F4
        assert a.recv(0.05) is None  # nobody hears itself


def test_frames_take_their_time_and_the_lowest_id_wins(make_wire):
    wire = make_wire(125_000)
    with join(wire, 125_000) as a, join(wire, 125_000) as b:
        all_there(wire, 2)
        count = 60
        message = can.Message(arbitration_id=0x02E300F0, is_extended_id=True, data=bytes(8))
        begin_s = time.monotonic()
        for n in range(count):
            a.send(can.Message(arbitration_id=0x1FFFFFFF - n, is_extended_id=True, data=bytes(8)))
        a.send(message)
        got = receive(b, count + 1)
        took_s = time.monotonic() - begin_s
    assert len(got) == count + 1
    line_s = (count + 1) * bit_length(Frame(0x1FFFFFFF, True, bytes(8))) / 125_000
    assert line_s * 0.95 <= took_s <= line_s * 3
    ids = [each.arbitration_id for each in got]
    assert ids.index(0x02E300F0) < count  # it overtook those that were queued before it
    assert sorted(ids[ids.index(0x02E300F0) + 1 :]) == ids[ids.index(0x02E300F0) + 1 :]


def test_a_node_with_another_bit_rate_is_deaf_and_dumb(make_wire):
    wire = make_wire(250_000)
    with join(wire) as a, join(wire, 500_000) as wrong, join(wire) as c:
        until(lambda: len(wire.facts()["wrong_bitrate"]) == 1)
        all_there(wire, 2)
        wrong.send(can.Message(arbitration_id=1, is_extended_id=False))
        a.send(can.Message(arbitration_id=2, is_extended_id=False))
        assert [message.arbitration_id for message in receive(c, 2, 0.6)] == [2]
        assert receive(wrong, 1, 0.4) == []


def test_a_node_that_leaves_hinders_nobody(make_wire):
    wire = make_wire()
    with join(wire) as a, join(wire) as b:
        gone = join(wire)
        all_there(wire, 3)
        gone.shutdown()
        all_there(wire, 2)
        a.send(can.Message(arbitration_id=5, is_extended_id=False))
        assert receive(b, 1)[0].arbitration_id == 5


def station(wire, *lines):
    """A raw connection at the station's door."""
    board = socket.create_connection(("127.0.0.1", wire.station_port))
    board.sendall(b"".join(line + b"\r" for line in (b"S5", b"O", *lines)))
    return board


def test_two_buffers_lose_what_the_board_does_not_read(make_wire):
    if not Path("/proc/net/tcp").exists():
        pytest.skip("only Linux tells what is unread")
    wire = make_wire(station_port=0, station_buffers=2)
    with join(wire) as a:
        board = station(wire)
        all_there(wire, 2)
        for n in range(6):
            a.send(can.Message(arbitration_id=n, is_extended_id=False, data=bytes(8)))
        until(lambda: wire.bus.frames == 6)
        until(lambda: wire.facts()["overruns"] == 4)
        assert re.findall(rb"t(...)8", board.recv(1000)) == [b"000", b"001"]
        a.send(can.Message(arbitration_id=7, is_extended_id=False))
        assert board.recv(100) == b"t0070\r"
        board.close()


def test_bus_off_is_told_and_left_by_opening_again(make_wire):
    wire = make_wire(station_port=0)
    with join(wire) as a:
        board = station(wire)
        all_there(wire, 2)
        wire.stations()[0].bus_off()
        assert board.recv(100) == b"F80\r"
        board.sendall(b"t1230\r")
        assert receive(a, 1, 0.3) == []
        board.sendall(b"C\rS5\rO\rt1240\r")
        assert [message.arbitration_id for message in receive(a, 1)] == [0x124]
        board.close()


def test_the_process_logs_like_candump_and_obeys_the_runner(tmp_path):
    door = socket.create_server(("127.0.0.1", 0))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = tmp_path / "car.log"
    command = [sys.executable, "-m", "hw_tests.bench.wire", "--port", str(port), "--bitrate", "250000",
               "--log", str(log), "--name", "car", "--control", f"127.0.0.1:{door.getsockname()[1]}"]  # fmt: skip
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        control = Lines(door.accept()[0])
        heard: list[dict[str, Any]] = []

        def hears(wanted):
            heard.extend(control.receive())
            return any(wanted(line) for line in heard)

        until(lambda: hears(bool))
        assert heard[0] == {"hello": "wire", "name": "car"}
        with open_bus(port) as a, open_bus(port) as b:
            until(lambda: hears(lambda line: len(line.get("fact", {}).get("nodes", ())) == 2))
            control.send({"do": "lose_frame", "id": 0x181056F4, "data": "a0", "count": 1})
            control.send({"do": "sing"})
            until(lambda: hears(lambda line: line.get("event") == "refused"))
            for byte in (0xB0, 0xA0, 0xA1, 0xA0):
                a.send(can.Message(arbitration_id=0x181056F4, is_extended_id=True, data=[byte, 1]))
            assert [message.data[0] for message in receive(b, 3)] == [0xB0, 0xA1, 0xA0]
            control.send({"do": "quit"})
            assert process.wait(5) == 0
    finally:
        process.kill()
        process.wait()
        door.close()
    lines = log.read_text().splitlines()
    assert len(lines) == 4  # the lost one was on the wire
    assert all(re.fullmatch(r"\(\d{10}\.\d{6}\) car 181056F4#[AB][01]01", line) for line in lines)
    read = list(can.LogReader(log))
    assert [message.arbitration_id for message in read] == [0x181056F4] * 4
    assert candump(1.5, "can0", Frame(0x12, False, b"")) == "(1.500000) can0 012#"


BOARD = """
    import sys
    sys.path[:0] = [".", "lib"]
    import socket, time
    from slcan import CAN
    s = socket.socket()
    s.connect(socket.getaddrinfo("127.0.0.1", int(sys.argv[1]))[0][-1])
    s.setblocking(False)
    can = CAN(s, 250000)
    can.set_filters(None)
    held = [0, memoryview(bytearray(8)), 0, 0]
    data = bytearray(8)
    count = 0
    end = time.ticks_add(time.ticks_ms(), 8000)
    while count < 50 and time.ticks_diff(end, time.ticks_ms()) > 0:
        if can.recv(held) is None:
            time.sleep_ms(1)
            continue
        count += 1
        for i in range(len(held[1])):
            data[i] = held[1][i] ^ 0xFF
        while can.send(held[0] + 1, data, held[2]) is None:
            time.sleep_ms(1)
    time.sleep_ms(100)  # who leaves takes along what it has not sent yet
"""


@pytest.mark.skipif(not MICROPYTHON.exists(), reason="no MicroPython here: make bootstrap")
def test_the_boards_driver_on_the_wire(make_wire, tmp_path):
    wire = make_wire(station_port=0)
    script = tmp_path / "board.py"
    script.write_text(textwrap.dedent(BOARD))
    with join(wire) as a:
        board = subprocess.Popen([MICROPYTHON, script, str(wire.station_port)], cwd=ROOT)
        try:
            all_there(wire, 2)
            for n in range(50):
                a.send(can.Message(arbitration_id=0x18100000 + 2 * n, is_extended_id=True, data=[n] * 8))
            echoes = receive(a, 50, 8)
            assert sorted(message.arbitration_id for message in echoes) == [0x18100001 + 2 * n for n in range(50)]
            assert all(set(message.data) == {(message.arbitration_id - 0x18100001) // 2 ^ 0xFF} for message in echoes)
            assert board.wait(5) == 0
        finally:
            board.kill()
            board.wait()
