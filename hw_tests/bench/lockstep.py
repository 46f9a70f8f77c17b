"""The lockstep world: the compiled firmware in MicroPython, everything around it in virtual time.

The firmware is a process that ticks exactly once for each record of its pins; car, plant, wires and broker live here.
So a run is quick and the same every time, on the interpreter and with the heap of the board: it tells what each tick
allocated and how much of the heap is left. A tick that raises ends the process: that is for the other worlds.
"""

import contextlib
import json
import select
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hw_tests.bench import interpreter, slcan_text
from hw_tests.bench.config import text_of
from hw_tests.bench.minibroker import Broker, Connection
from hw_tests.bench.pins_link import LOCKSTEP, sample
from hw_tests.bench.processes import ProcessDied, Processes
from hw_tests.bench.virtual import Surroundings
from hw_tests.bench.virtual_wire import Node

ROOT = Path(__file__).resolve().parent.parent.parent
TICK_ms = 10
HANG_ms, BOOT_ms = 1000, 300
EVENING_s = 1_795_000_000  # Unix time at which runs begin
PATIENCE_s = 20.0  # for one answer: a service may wait 5 s for a broker that is gone
FIRST_PASS = 2  # ticks that may allocate: what is made once
_ANSWER = struct.Struct("<HHHHII")
_CAUSES = {"watchdog": 51, "soft": 0, "power": 0}


class BrokerDoor:
    """TCP connections to the broker of virtual time, moved on by whoever waits."""

    def __init__(self, broker: Broker):
        self._broker = broker
        self._door = _listen()
        self.port = self._door.getsockname()[1]
        self._peers: dict[socket.socket, Connection] = {}

    @property
    def sockets(self) -> list[socket.socket]:
        """To be watched for reading."""
        return [self._door, *self._peers]

    def pump(self) -> None:
        """All that can move now."""
        with contextlib.suppress(BlockingIOError):
            while True:
                peer = _accept(self._door)
                try:
                    self._peers[peer] = self._broker.connect()
                except ConnectionRefusedError:
                    peer.close()
        for peer, connection in list(self._peers.items()):
            if not self._moved(peer, connection):
                self._broker.drop(connection)
                del self._peers[peer]
                peer.close()

    def _moved(self, peer: socket.socket, connection: Connection) -> bool:
        try:
            with contextlib.suppress(BlockingIOError):
                while connection.open:
                    data = peer.recv(65536)
                    if not data:
                        return False
                    connection.feed(data)
            with contextlib.suppress(BlockingIOError):
                while connection.outgoing:
                    del connection.outgoing[: peer.send(connection.outgoing)]
        except (OSError, ValueError):
            return False
        return connection.open

    def close(self) -> None:
        """The end."""
        for peer in self._peers:
            peer.close()
        self._door.close()


class CanDoor:
    """One bus of the board as an slcan stream, and its node on the virtual wire."""

    def __init__(self, node: Node):
        self._node = node
        self._door = _listen()
        self.port = self._door.getsockname()[1]
        self._peer: socket.socket | None = None
        self._in = b""

    def accept(self) -> bool:
        """The firmware is here."""
        if self._peer is None:
            with contextlib.suppress(BlockingIOError):
                self._peer = _accept(self._door)
        return self._peer is not None

    def deliver(self) -> None:
        """All frames that have arrived, to the firmware."""
        received = self._node.received
        if received and self._peer is not None:
            self._peer.sendall(b"".join(slcan_text.line_of(frame) for frame in received))
            received.clear()

    def collect(self, now_ms: int) -> None:
        """All that the firmware has sent, onto the wire."""
        if self._peer is None:
            return
        with contextlib.suppress(BlockingIOError):
            self._in += self._peer.recv(65536)
        *lines, self._in = self._in.split(b"\r")
        for line in lines:
            if line[:1] in slcan_text.FRAMES:
                self._node.send(slcan_text.frame_of(line), now_ms)

    def leave(self) -> None:
        """The firmware is gone."""
        if self._peer is not None:
            self._peer.close()
        self._peer, self._in = None, b""
        self._node.received.clear()
        self._node.drop_pending()

    def close(self) -> None:
        """The end."""
        self.leave()
        self._door.close()


class FieldDoor:
    """The RS-485 line as a stream of bytes."""

    def __init__(self, around: Surroundings):
        self._around = around
        self._door = _listen()
        self.port = self._door.getsockname()[1]
        self._peer: socket.socket | None = None

    def deliver(self) -> None:
        """What has arrived at the board."""
        if self._peer is None:
            with contextlib.suppress(BlockingIOError):
                self._peer = _accept(self._door)
        data = self._around.rig.field.speak(self._around.now_ms)
        if data and self._peer is not None:
            self._peer.sendall(data)

    def collect(self) -> None:
        """What the board has said."""
        if self._peer is not None:
            with contextlib.suppress(BlockingIOError):
                data = self._peer.recv(4096)
                if data:
                    self._around.rig.field.heard(data, self._around.now_ms)

    def leave(self) -> None:
        """The firmware is gone."""
        if self._peer is not None:
            self._peer.close()
        self._peer = None

    def close(self) -> None:
        """The end."""
        self.leave()
        self._door.close()


class LockstepWorld:
    """The same surface as StepWorld; `folder` takes the firmware's files and its output. Close it."""

    def __init__(self, car: dict[str, Any], plant: dict[str, Any], station: dict[str, Any], folder: Path, *,
                 seed: int = 1, image: str = "", heap: str = interpreter.HEAP, wall_s: int = EVENING_s):  # fmt: skip
        self.around = Surroundings(car, plant, seed)
        self.boots = 0
        self.log: list[str] = []
        self.allocated_B = 0  # by all ticks but the first few of each boot
        self.allocating_ticks = 0
        self.free_min_B: int | None = None
        self._station = station
        self._folder = folder
        self._image, self._heap = image or interpreter.kind(), heap
        self._wall_s = wall_s
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "retained.bin").unlink(missing_ok=True)
        (folder / "firmware.out").unlink(missing_ok=True)
        self._processes = Processes(folder, ROOT)
        self._io_door = _listen()
        self._io: socket.socket | None = None
        self._buses = [CanDoor(self.around.station_car), CanDoor(self.around.station_converter)]
        self._field = FieldDoor(self.around)
        self._broker = BrokerDoor(self.around.broker)
        self._seq = 0
        self._ticks = 0
        self._due_ms = 0
        self._told_log = 0
        self._cause = 0
        self._boot()

    # --- time ---
    @property
    def now_ms(self) -> int:
        """Virtual time since the beginning."""
        return self.around.now_ms

    def wall_s(self) -> float:
        """Unix time."""
        return self._wall_s + self.around.now_ms / 1000

    def tick(self) -> None:
        """Time passes until the next tick, and it happens."""
        around = self.around
        self._due_ms += TICK_ms
        around.advance(self._due_ms)
        for bus in self._buses:
            bus.deliver()
        self._field.deliver()
        self._broker.pump()
        self._seq = self._seq + 1 & 0xFFFF
        assert self._io is not None
        self._io.sendall(sample(self._seq, around.now_ms, LOCKSTEP, around.rig.pins.sample()))
        _, _, outputs, _, allocated_B, free_B = self._answer()
        for bus in self._buses:
            bus.collect(around.now_ms)
        self._field.collect()
        around.rig.pins.write(outputs)
        self._ticks += 1
        self._account(allocated_B, free_B)
        if self._ticks % 100 == 0:
            self._read_log()

    def _account(self, allocated_B: int, free_B: int) -> None:
        if self._ticks > FIRST_PASS and allocated_B:
            self.allocated_B += allocated_B
            self.allocating_ticks += 1
        if free_B and (self.free_min_B is None or free_B < self.free_min_B):
            self.free_min_B = free_B

    def _answer(self) -> tuple[int, ...]:
        data, until_s = b"", time.monotonic() + PATIENCE_s
        assert self._io is not None
        while len(data) < _ANSWER.size:
            ready, _, _ = select.select([self._io, *self._broker.sockets], [], [], 0.5)
            if self._io in ready:
                some = self._io.recv(_ANSWER.size - len(data))
                data += some
                if not some:
                    self._gone()
            self._broker.pump()
            if time.monotonic() > until_s:
                raise ProcessDied(f"no answer of the firmware for {PATIENCE_s:.0f} s; see {self._folder}/firmware.out")
        return _ANSWER.unpack(data)

    def _gone(self) -> None:
        time.sleep(0.1)
        self._read_log()
        self._processes.check()
        raise ProcessDied("the firmware closed its pins")

    # --- the firmware's life ---
    def _boot(self) -> None:
        self.boots += 1
        where = {"io": self._io_door.getsockname()[1], "car": self._buses[0].port, "converter": self._buses[1].port,
                 "field": self._field.port, "lockstep": 1, "retained": "retained.bin", "reset_cause": self._cause,
                 "wall_s": self._wall_s}  # fmt: skip
        (self._folder / "bench.json").write_text(json.dumps(where))
        (self._folder / "config.json").write_text(text_of({**self._station, "mqtt_port": self._broker.port}))
        self._processes.start("firmware", interpreter.command(self._image, self._heap))
        self._until("the firmware to connect", self._connected)
        self._due_ms = self.around.now_ms
        self._ticks = 0

    def _connected(self) -> bool:
        if self._io is None:
            with contextlib.suppress(BlockingIOError):
                self._io = _accept(self._io_door)
                self._io.setblocking(True)
        return all([bus.accept() for bus in self._buses]) and self._io is not None

    def _until(self, what: str, done: Callable[[], bool]) -> None:
        until_s = time.monotonic() + PATIENCE_s
        while not done():
            self._processes.check()
            if time.monotonic() > until_s:
                raise ProcessDied(f"waited in vain for {what}")
            time.sleep(0.005)

    def reset(self, cause: str) -> None:
        """"watchdog": it hangs with its outputs as they are until the watchdog bites; "power": outputs fall at once;
        "soft": they keep their level."""
        around = self.around
        if cause == "watchdog":
            around.advance(around.now_ms + HANG_ms)
        self._processes["firmware"].kill()
        self._read_log()
        assert self._io is not None
        self._io.close()
        self._io = None
        for bus in self._buses:
            bus.leave()
        self._field.leave()
        if cause != "soft":
            around.rig.pins.reset_outputs()
        self._broker.pump()
        around.advance(around.now_ms + BOOT_ms)
        self._cause = _CAUSES[cause]
        around.observer.restarted(around.now_ms)
        self._boot()

    def _read_log(self) -> None:
        with contextlib.suppress(OSError):
            text = (self._folder / "firmware.out").read_text(errors="replace")
            lines = text[self._told_log :].split("\n")
            self._told_log = len(text) - len(lines[-1])
            self.log += lines[:-1]

    def close(self) -> None:
        """Everything ends."""
        self._processes.end()
        if self._io is not None:
            self._io.close()
        self._io_door.close()
        for bus in self._buses:
            bus.close()
        self._field.close()
        self._broker.close()

    # --- scenarios ---
    def act(self, verb: str, args: dict[str, Any]) -> None:
        """A verb of a scenario."""
        if verb == "reset":
            self.reset(args["cause"])
        elif verb == "exception":
            raise ValueError("an exception in the tick ends the firmware: not for lockstep")
        elif verb == "hold":
            self._due_ms += int(args["ms"])
        else:
            self.around.do(verb, args)

    def facts(self) -> dict[str, Any]:
        """What is so."""
        return {**self.around.facts(), "boots": self.boots}

    def about(self) -> dict[str, Any]:
        """What only this world can know of the firmware."""
        from hw_tests.bench import live

        return {**live.about(), "image": self._image, "allocated_bytes": self.allocated_B,
                "heap_free_min_bytes": self.free_min_B}  # fmt: skip


def _listen() -> socket.socket:
    door = socket.create_server(("127.0.0.1", 0))
    door.setblocking(False)
    return door


def _accept(door: socket.socket) -> socket.socket:
    peer, _ = door.accept()
    peer.setblocking(False)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return peer
