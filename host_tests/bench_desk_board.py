"""A board on the bench for tests: host_tests/board/bench_repl.py on a pseudo-terminal, its CAN buses as wires, its
field bus as another pseudo-terminal."""

import os
import select
import socket
import subprocess
import sys
import termios
import time
from pathlib import Path

from host_tests.desk_board import BLOCK_B, DeskBoard, Wire, command
from hw_tests.bench.processes import free_port
from hw_tests.desk import image as images
from hw_tests.desk import rom
from hw_tests.desk.board import at_prompt

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "host_tests/board/bench_repl.py"
ESP32 = "{'platform': 'esp32'}"
BUSES = {"car": "CAN_CAR", "converter": "CAN_CONVERTER", "field": "FIELD"}


class BenchDeskBoard(DeskBoard):
    """An ESP32 with two MCP2518FD on the buses `ports` (bus, or "field" -> TCP port of a wire's door for the board)."""

    def __init__(self, flash, notes, ports, blocks=64, rom_blocks=128):
        self.notes = Path(notes)
        self._env = {**os.environ, "PINS": str(notes), **{BUSES[bus]: str(port) for bus, port in ports.items()}}
        super().__init__(flash, blocks, fake=ESP32, rom_blocks=rom_blocks)

    def _spawn(self, mode):
        mode = mode if self.starts else "raw"  # it was left at its prompt: main.py does not start by itself
        self.starts += 1
        keys = f"/proc/self/fd/{self._keys_out}"
        words = command(keys, self.flash, self.blocks, mode, "", self.fake, self.rom_blocks)
        words[words.index("heapsize=160k") + 1] = str(PROGRAM)
        return subprocess.Popen(words, stdin=self._in_read, stdout=self._out_write, pass_fds=[self._keys_out], cwd="/",
                                env=self._env)  # fmt: skip

    def _from_tool(self):
        # In pieces, where no byte of it may be an interrupt: the bench speaks all the time.
        while data := self._read(self.master):
            self.received += data
            if b"\x03" in data:
                for number in range(len(data)):
                    self._one(data[number : number + 1])
            else:
                os.write(self._in_write, data)

    def give(self, image, others):
        """An image in its ROM partition and other files, as a flash leaves them. Before it is started."""
        slot = rom.Slot(0, len(image.rom), images.digest(image.rom))
        with open(self.flash, "r+b") as flash:
            flash.seek(self.blocks * BLOCK_B)
            flash.write(image.rom)
        root = {"boot.py": image.files["boot.py"], "main.py": rom.STUB, "rom.txt": slot.line}
        own = {"image.txt": f"{image.hash}\n".encode()}
        with at_prompt(self.device, 0.1) as prompt:
            for name, data in {**root, **own, **others}.items():
                prompt.replace(name, data)

    def noted(self):
        """What its chip has noted, line by line as words."""
        return [line.split() for line in self.notes.read_text().splitlines()]


class FieldWire(Wire):
    """An RS-485 line between an adapter at `device` and the board's UART, which connects to `port`."""

    def __init__(self):
        super().__init__()
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = self._door.getsockname()[1]
        self._start(self._carry)

    def _carry(self):
        """Both ways, for the newest board that has come."""
        board = None
        while True:
            heard = [self._stop_read, self._door, self.master] + ([board] if board else [])
            ready = select.select(heard, [], [])[0]
            if self._stop_read in ready:
                return
            if self._door in ready:
                board = self._door.accept()[0]
            elif board in ready:
                data = board.recv(4096)
                self.say(data)
                board = board if data else None
            elif board:
                board.sendall(os.read(self.master, 4096))

    @property
    def speed(self):
        """What the adapter was last set to, as termios has it."""
        return termios.tcgetattr(self._slave)[4]

    def _end(self):
        self._door.close()


class Buses:
    """Two CAN buses, each with a door for the board and one for an adapter."""

    def __init__(self, car_bit_s):
        self.board, self.adapter, self._processes = {}, {}, []
        for bus, bit_s in (("car", car_bit_s), ("converter", 125_000)):
            near, far = free_port(), free_port()
            self.adapter[bus], self.board[bus] = f"socket://127.0.0.1:{near}", far
            words = [sys.executable, "-m", "hw_tests.bench.wire", "--port", str(near), "--station-port", str(far),
                     "--bitrate", str(bit_s)]  # fmt: skip
            env = {**os.environ, "PYTHONPATH": str(ROOT)}
            self._processes.append(subprocess.Popen(words, cwd=ROOT, env=env))

    def __enter__(self):
        return self

    def __exit__(self, *what):
        for process in self._processes:
            process.terminate()
            process.wait()


def wait_for_port(port, for_s=30.0):
    """Until somebody listens there; a hang fails."""
    end = time.monotonic() + for_s
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert time.monotonic() < end, f"nobody listens on {port}"
            time.sleep(0.02)
