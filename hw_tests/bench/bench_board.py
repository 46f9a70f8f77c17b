"""A board on the bench, from the side of the desk: whether it is one, its configuration put away and put back, its
start, its reset and its end.

The user's configuration is renamed on the board itself (`config.user.json`), before the first scenario's is written,
and renamed back at the end. Where that does not come about (the cable, a computer that died), it lies there: the next
run takes it for the user's and does not touch what it finds as config.json, and `ARGS=--restore` only puts it back.
"""

import contextlib
import json
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import serial

from hw_tests.bench import for_boards
from hw_tests.bench.firmware import FirmwareBoard
from hw_tests.bench.live import Live
from hw_tests.bench.processes import ProcessDied
from hw_tests.desk.board import Board, Failed
from hw_tests.desk.configure import judged
from hw_tests.desk.desk import Desk
from hw_tests.desk.image import BOARD_NAME, IMAGE, ROM_FILE
from hw_tests.desk.trouble import Trouble

CONFIG, USER = "config.json", "config.user.json"
KIND = "bench_"  # how the names of such boards begin (firmware/boards/)
BRIDGE_s = 15.0  # for a bridge to have its adapter
PROMPT_s = 45.0  # for the prompt: a station that sees nothing any more has it after 10 s (lib/console_wires.py)
_INTERRUPTED_s = 3.0
_RESET_s = 0.1
_ENDED_s = 3.0  # at the prompt for so long: it does not start any more
# What the last run left for after a reset is of another car; and the time, without which a station refuses every order.
# A bench run asks no time server. It outlives a soft reset and the watchdog's, not EN.
_AFRESH = "import machine\nr = machine.RTC()\nr.memory(b'')\nr.datetime({now})\ndel r, machine"


class SerialPort:
    """pyserial's port for ConsoleLink: reads only what is there, whatever its time-out."""

    def __init__(self, port: serial.Serial):
        self._port = port

    def fileno(self) -> int:
        """For select."""
        return int(self._port.fileno())

    def read(self, size: int = 1, /) -> bytes:
        """What is there, at most `size` bytes; OSError if the port is gone."""
        return bytes(self._port.read(min(size, max(1, self._port.in_waiting))))

    def write(self, data: bytes, /) -> int | None:
        """All of it."""
        return self._port.write(data)


class OnBench(FirmwareBoard):
    """The firmware of one run. At its end the station is interrupted while the pins are still played, if it is safe:
    one that sees nothing does not let itself be interrupted."""

    _prompt_s: float | None = None  # since then the board has been at its prompt

    def lines(self) -> list[str]:
        link, now_s = self._linked(), time.monotonic()
        if link.starts or not link.text.endswith(b">>> "):
            self._prompt_s = None
        elif self._prompt_s is None:
            self._prompt_s = now_s
        elif now_s - self._prompt_s > _ENDED_s:
            said = link.text.decode(errors="replace").splitlines()
            why = next((line for line in reversed(said) if re.match(r"\w+(Error|Exception|Lost)\b", line)), "no reason")
            raise ProcessDied(f"the station ended before it was ready: {why}")
        return super().lines()

    def end(self) -> None:
        if self._link is not None and not self._link.failed:
            until_s = time.monotonic() + _INTERRUPTED_s
            with contextlib.suppress(OSError):
                self._port.write(b"\x03")
                while b"KeyboardInterrupt" not in self._link.text[-400:] and time.monotonic() < until_s:
                    time.sleep(0.02)
        super().end()


class BenchBoard:
    """One board at its prompt.

    Args:
        board: in the raw REPL.
        desk: whom to tell.
        adapters: by bus (car, converter, field), the word that names its adapter.
    """

    def __init__(self, board: Board, desk: Desk, adapters: Mapping[str, str]):
        self.board, self.desk, self.adapters = board, desk, adapters
        self.about = board.about()
        self._away = False  # from the prompt

    # --- before anything is touched ---
    def check(self, image: str) -> None:
        """Trouble unless it is a bench board with this image that can reach a broker."""
        device = self.desk.device
        name = (self.board.read(BOARD_NAME) or b"").decode(errors="replace").strip() or "unknown"
        if not name.startswith(KIND):
            raise Trouble(f"the board is {name!r} and no bench board: its pins are a station's. Only with nothing "
                          f"connected to them: make flash PORT={device} BOARD={KIND}... (docs/bench.md)")  # fmt: skip
        there = (self.board.read(IMAGE) or b"").decode(errors="replace").strip() or "none"
        if there != image:
            raise Trouble(f"the board has image {there} and this checkout is {image}: make flash PORT={device} first.")
        if self.about.platform == "esp32" and "wifi_ssid" not in self._network():
            raise Trouble("the board's configuration names no wifi_ssid, so it cannot reach this computer's broker: "
                          f"make config PORT={device} FILE=station.json (docs/first-start.md)")  # fmt: skip
        self.desk.teller.say(f"{name}, {self.about.machine}, image {there}")
        if self._image_kind() == "files":
            self.desk.teller.say("it runs from files: a plain ESP32 has not the heap for that and a session with a "
                                 "network (docs/image.md: a ROM partition)")  # fmt: skip

    def _image_kind(self) -> str:
        return "rom" if self.board.ask(f"_there({'/' + ROM_FILE!r})") else "files"

    # --- the user's own configuration ---
    def _network(self) -> dict[str, str]:
        """What it says of the Wi-Fi, which a run uses, too. Nothing, if it cannot be read."""
        try:
            own = json.loads(self.board.read(USER) or self.board.read(CONFIG) or b"")
            return {name: own[name] for name in ("wifi_ssid", "wifi_password") if own.get(name)}
        except (ValueError, AttributeError):
            return {}

    def keep(self) -> None:
        """Put it away; nothing is lost at any moment. Without one, an empty file stands for it."""
        if self.board.ask(f"_there({'/' + USER!r})"):
            self.desk.teller.say(f"an earlier run was cut short: {USER} on the board is taken for your configuration")
        else:
            self.board.replace(USER, self.board.read(CONFIG) or b"")
            self.desk.teller.say(f"your configuration is kept on the board as {USER} and put back at the end")

    def restore(self) -> None:
        """Put it back, whatever the board is doing.

        Raises:
            Trouble: it could not be; says where it is.
        """
        try:
            self._away = True
            self.prompt()
            if not self.board.ask(f"_there({'/' + USER!r})"):
                self.desk.teller.say(f"there is no {USER} on the board: nothing to put back")
                return
            if self.board.read(USER):
                self.board.rename(USER, CONFIG)
            else:
                for name in (CONFIG, USER):
                    self.board.run(f"if _there({'/' + name!r}):\n    os.remove({'/' + name!r})")
        except (Trouble, Failed, serial.SerialException, OSError) as error:
            raise Trouble(f"your configuration was not put back ({error}): it is on the board as {USER}; "
                          f"make bench PORT={self.desk.device} ARGS=--restore does it.") from None  # fmt: skip
        self.desk.teller.say("your configuration is back on the board")

    def prompt(self) -> None:
        """Into the raw REPL, from wherever it is; Trouble if it does not give it."""
        until_s = time.monotonic() + PROMPT_s
        while self._away:
            try:
                self.board.enter()
                self._away = False
            except Trouble:
                if time.monotonic() > until_s:
                    raise

    # --- a run ---
    def firmware(self, run: Live) -> OnBench:
        """The board as the firmware of a live run."""
        port = self.board.transport.serial
        version = ".".join(map(str, self.about.version))
        about = {"version": version, "word_bits": 32, "image": self._image_kind()}
        return OnBench(SerialPort(port), run.port["pins"], lambda: reset(port), begin=lambda: self._begin(run),
                       about=about)  # fmt: skip

    def _begin(self, run: Live) -> None:
        """The scenario's configuration, a bridge a bus, and a start."""
        try:
            self.prompt()
            self._away = True  # also if one of these fails in the middle
            config = json.loads((run.folder / "config.json").read_text())
            config.update(self._network(), ntp_host="")  # the password reaches no file of this computer
            self.board.replace(CONFIG, json.dumps(config).encode())
            self.board.run(_AFRESH.format(now=_now()))
            self._bridge(run)
            self.board.restart()
        except (Trouble, Failed) as error:
            raise ProcessDied(f"the board does not start: {error}") from None

    def _bridge(self, run: Live) -> None:
        """One for each bus, and until all have their adapters."""
        until_s, logs = time.monotonic() + BRIDGE_s, {}
        for bus, bit_s in (("car", run.kind.bit_s), ("converter", 125_000)):
            logs[bus] = run.processes.python(
                f"bridge_{bus}", "bridge", "--can", self.adapters[bus], "--bitrate", str(bit_s),
                "--wire", f"socket://127.0.0.1:{run.port[f'{bus}_station']}").log  # fmt: skip
        if for_boards.needs_line(run.scenario):
            logs["field"] = self._field_bridge(run)
        for bus, log in logs.items():
            while "joined" not in log.read_text(errors="replace"):
                run.processes.check()
                if time.monotonic() > until_s:
                    raise Trouble(f"the bridge to {self.adapters[bus]} was not there within {BRIDGE_s:.0f} s")
                time.sleep(0.02)

    def _field_bridge(self, run: Live) -> Path:
        """The log of the bridge on the field bus, at the speed and parity that the station is told."""
        _, config = judged(run.folder / "config.json")
        return run.processes.python(
            "bridge_field", "field_bridge", "--rs485", self.adapters["field"], "--bit-s", str(config["fieldbus_bit_s"]),
            "--parity", config["fieldbus_parity"], "--line", f"127.0.0.1:{run.port['field']}").log  # fmt: skip


def _now() -> tuple[int, ...]:
    """UTC as machine.RTC.datetime takes it."""
    now = time.gmtime()
    return now.tm_year, now.tm_mon, now.tm_mday, now.tm_wday, now.tm_hour, now.tm_min, now.tm_sec, 0


def reset(port: Any) -> None:
    """By its EN line. mpremote leaves DTR and RTS on; DTR off with RTS on pulls EN (hw_tests/desk/port.py)."""
    try:
        port.dtr = False
        time.sleep(_RESET_s)
        port.dtr = True
    except OSError as error:
        raise ProcessDied(f"this port cannot reset the board ({error}): it has no DTR and RTS") from None
