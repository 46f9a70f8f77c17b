"""A CAN bus between processes: each node is a TCP connection that speaks slcan.

    python -m hw_tests.bench.wire --port 5001 --bitrate 250000 --log car.log

python-can joins with interface="slcan", channel="socket://127.0.0.1:5001", sleep_after_open=0. Every frame takes its
time on the wire, the lowest identifier goes first, and nobody hears itself. A node that opens with another bit rate
hears nothing and what it says is lost (a real one would disturb the others).

--station-port: a second door for the board. With --station-buffers 2 it loses frames as a controller with two buffers
does, while the board does not read (Linux only). --control: the runner is the server; it gets {"hello": "wire"},
{"fact": ...} every 100 ms; it says {"do": "lose_frame", "id": n, "data": "hex", "count": n}, {"do": "bus_off"} (the
station's controller leaves the bus until it is opened again), {"do": "cut", "on": true} (the station's line is cut),
{"do": "quit"}.
"""

import argparse
import contextlib
import select
import signal
import socket
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any, TextIO

from hw_tests.bench import slcan_text
from hw_tests.bench.frame import Frame
from hw_tests.bench.lines import Lines
from hw_tests.bench.unread import unread
from hw_tests.bench.virtual_wire import Node, VirtualWire

FACT_s = 0.1
_MOST_UNSENT_B = 1 << 16
_MOST_WAITING = 1000  # frames of one node
_IDLE_s = 0.02
STATION = "station"


class Client:
    """One connection: the adapter and the controller of a node."""

    def __init__(self, server: "Wire", connection: socket.socket, name: str, buffers: int):
        self.name = name
        self.connection = connection
        self.open = False
        self.bitrate: int | None = None
        self.buffers = buffers  # 0: as many as it takes
        self.dropped = 0  # frames that it was too slow for
        self.refused = 0  # lines that were no command and no frame
        self._server = server
        self._in = b""
        self._out = b""
        self._sent: deque[int] = deque(maxlen=64)  # lengths of the newest lines
        self.node: Node = server.bus.attach(name, tx_queue=_MOST_WAITING)
        self.node.connected = False
        self.node.on_frame = self._deliver

    def read(self) -> bool:
        """Take what has come; False at the end of the connection."""
        try:
            data = self.connection.recv(65536)
        except (BlockingIOError, InterruptedError):
            return True
        except OSError:
            return False
        *lines, self._in = (self._in + data).split(b"\r")
        for line in lines:
            self._take(line.strip(b"\n"))
        return bool(data)

    def flush(self) -> None:
        """Hand over what the connection takes now."""
        with contextlib.suppress(BlockingIOError, InterruptedError, OSError):
            while self._out:
                self._out = self._out[self.connection.send(self._out) :]

    @property
    def wants_to_write(self) -> bool:
        """Something waits for the connection to take more."""
        return bool(self._out)

    def bus_off(self) -> None:
        """The controller leaves the bus; the adapter tells it by its status flags."""
        self.node.bus_off = True
        self.node.drop_pending()
        self._say(b"F80\r")

    def _take(self, line: bytes) -> None:
        kind = line[:1]
        if kind in slcan_text.FRAMES:
            self._send(line)
        elif kind == b"S":
            self.bitrate = slcan_text.BITRATES.get(line[1:2])
        elif kind in (b"O", b"L"):
            self.node.bus_off = False
            self._opened(True)
        elif kind == b"C":
            self.node.drop_pending()
            self._opened(False)
        elif kind == b"V":
            self._say(b"V1013\r")
        elif kind == b"N":
            self._say(b"NSLCE\r")
        elif kind == b"F":
            self._say(b"F80\r" if self.node.bus_off else b"F00\r")
        elif line:
            self.refused += 1

    def _opened(self, is_open: bool) -> None:
        self.open = is_open
        self.node.connected = is_open and self.bitrate in (None, self._server.bus.bitrate)

    def _send(self, line: bytes) -> None:
        try:
            frame = slcan_text.frame_of(line)
        except ValueError:
            self.refused += 1
            self._say(b"\a")
            return
        if self.node.connected:
            self.node.send_us(frame, self._server.now_us())

    def _deliver(self, frame: Frame) -> None:
        if self._server.lost(frame):
            return
        if self.buffers and self._waiting() >= self.buffers:
            self.node.overruns += 1
            return
        if len(self._out) > _MOST_UNSENT_B:
            self.dropped += 1
            return
        line = slcan_text.line_of(frame)
        self._sent.append(len(line))
        self._say(line)

    def _waiting(self) -> int:
        """Frames that the other end has not read."""
        left = unread(self.connection) + len(self._out)
        count = 0
        for length in reversed(self._sent):
            if left <= 0:
                break
            left -= length
            count += 1
        return count

    def _say(self, data: bytes) -> None:
        self._out += data
        self.flush()


class Wire:
    """Doors, clients and the bus between them. `poll()` once or `run()` until told to stop."""

    def __init__(self, bitrate: int, port: int = 0, log: TextIO | None = None, name: str = "can0",
                 station_port: int | None = None, station_buffers: int = 0):  # fmt: skip
        self.bus = VirtualWire(bitrate, on_frame=self._on_frame)
        self.clients: list[Client] = []
        self.running = True
        self.station_frames = 0
        self._name = name
        self._log = log
        self._zero_s = time.monotonic()
        self._zero_unix_s = time.time()
        self._doors = {_listen(port): ("node", 0)}
        self.port = next(iter(self._doors)).getsockname()[1]
        self.station_port: int | None = None
        if station_port is not None:
            door = _listen(station_port)
            self._doors[door] = (STATION, station_buffers)
            self.station_port = door.getsockname()[1]
        self._joined = 0
        self._losses: list[list[Any]] = []  # [id, first bytes, frames left, the one that is being lost]

    def now_us(self) -> int:
        """Since this wire was made."""
        return int((time.monotonic() - self._zero_s) * 1e6)

    # --- the loop ---
    def poll(self, timeout_s: float = _IDLE_s) -> None:
        """Wait for something to happen, at most `timeout_s`, and let it."""
        now_us = self.now_us()
        self.bus.step_us(now_us)
        if self.bus.next_us is not None:
            timeout_s = min(timeout_s, max(0, self.bus.next_us - now_us) / 1e6)
        sockets = {client.connection: client for client in self.clients}
        readable, writable, _ = select.select(
            [*self._doors, *sockets], [c.connection for c in self.clients if c.wants_to_write], [], timeout_s
        )
        for each in readable:
            if each in self._doors:
                self._join(each)
            elif not sockets[each].read():
                self._leave(sockets[each])
        for each in writable:
            if each.fileno() >= 0:
                sockets[each].flush()
        self.bus.step_us(self.now_us())

    def run(self, control: Lines | None = None) -> None:
        """Until stopped, or until the runner says quit or is gone."""
        told_s = 0.0
        while self.running:
            self.poll()
            if control is None:
                continue
            for message in control.receive():
                self._do(message, control)
            if time.monotonic() - told_s > FACT_s:
                told_s = time.monotonic()
                control.send({"fact": self.facts()})
            self.running = self.running and control.alive

    def close(self) -> None:
        """All connections end."""
        for client in list(self.clients):
            self._leave(client)
        for door in self._doors:
            door.close()

    # --- nodes ---
    def _join(self, door: socket.socket) -> None:
        connection, _ = door.accept()
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        name, buffers = self._doors[door]
        self._joined += 1
        self.clients.append(Client(self, connection, name if name == STATION else f"{name}{self._joined}", buffers))

    def _leave(self, client: Client) -> None:
        self.bus.detach(client.node)
        self.clients.remove(client)
        client.connection.close()

    def stations(self) -> list[Client]:
        """Those that came through the station's door: one, or none while the board starts anew."""
        return [client for client in self.clients if client.name == STATION]

    def lost(self, frame: Frame) -> bool:
        """Is this the frame that a scenario lets get lost?"""
        return any(loss[3] is frame for loss in self._losses)

    # --- what happens on it ---
    def _on_frame(self, end_us: int, sender: str, frame: Frame) -> None:
        self.station_frames += sender == STATION
        for loss in self._losses:
            loss[3] = None
            if loss[2] > 0 and loss[0] == frame.id and frame.data.startswith(loss[1]):
                loss[2] -= 1
                loss[3] = frame
        if self._log is not None:
            self._log.write(slcan_text.candump(self._zero_unix_s + end_us / 1e6, self._name, frame) + "\n")

    def _do(self, message: dict[str, Any], control: Lines) -> None:
        what = message.get("do")
        if what == "quit":
            self.running = False
        elif what == "lose_frame":
            begins = bytes.fromhex(message.get("data", ""))
            self._losses.append([int(message["id"]), begins, int(message.get("count", 1)), None])
        elif what == "bus_off":
            for client in self.stations():
                client.bus_off()
        elif what == "cut":
            for client in self.stations():
                client.node.connected = not message.get("on", True) and client.open
        else:
            control.send({"event": "refused", "detail": f"a wire cannot {what!r}"})

    def facts(self) -> dict[str, Any]:
        """Counters since the beginning."""
        return {
            "frames": self.bus.frames,
            "station_frames": self.station_frames,
            "busy_permille": round(self.bus.busy_us * 1000 / max(1, self.now_us())),
            "nodes": [client.name for client in self.clients if client.node.connected],
            "wrong_bitrate": [c.name for c in self.clients if c.open and c.bitrate not in (None, self.bus.bitrate)],
            "overruns": sum(client.node.overruns for client in self.clients),
            "dropped": sum(client.dropped for client in self.clients),
            "refused_lines": sum(client.refused for client in self.clients),
        }


def _listen(port: int) -> socket.socket:
    door = socket.create_server(("127.0.0.1", port))
    door.setblocking(False)
    return door


def main() -> int:
    parser = argparse.ArgumentParser(description="A CAN bus between processes.")
    parser.add_argument("--port", type=int, required=True, help="TCP port for slcan nodes")
    parser.add_argument("--bitrate", type=int, default=250_000, help="bit/s (250000)")
    parser.add_argument("--log", type=Path, help="candump log file")
    parser.add_argument("--name", default="can0", help="name of the bus in the log (can0)")
    parser.add_argument("--station-port", type=int, help="another port, for the board")
    parser.add_argument("--station-buffers", type=int, default=0, help="its receive buffers (0: any)")
    parser.add_argument("--control", help="host:port of the runner")
    options = parser.parse_args()
    log = options.log.open("w", encoding="ascii", buffering=1) if options.log else None
    wire = Wire(options.bitrate, options.port, log, options.name, options.station_port, options.station_buffers)
    signal.signal(signal.SIGTERM, lambda *_: setattr(wire, "running", False))
    control = Lines.connect(options.control) if options.control else None
    if control is not None:
        control.send({"hello": "wire", "name": options.name})
    try:
        wire.run(control)
    except KeyboardInterrupt:
        pass
    finally:
        wire.close()
        if log is not None:
            log.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
