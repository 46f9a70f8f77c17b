"""A session as the firmware lives it, tick by tick: recorded in the stepped world, replayed on MicroPython.

    record(scenario, path)            play a scenario on CPython and keep what went into each tick and what came out
    replay(path, ...) -> Replay       feed it to the compiled image in MicroPython; outputs must be the same

The replay has no emulators and measures what needs the real interpreter: instructions and allocation of every tick.
`host_tests/board/replay.py` is its MicroPython side and describes the file. It has no CAN drivers either, unless the
session was played on modelled chips: then the real ones run in it, too, on what their chips said (trace_chips.py).
"""

import json
import struct
import subprocess
import zlib
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host_tests.trace_chips import Tape
from hw_tests.bench.chip_can import ChipCan
from hw_tests.bench.config import text_of
from hw_tests.bench.scenario import Scenario
from hw_tests.bench.stepped import parameters, play
from hw_tests.bench.world import StepWorld

ROOT = Path(__file__).resolve().parent.parent
MICROPYTHON = ROOT / "build" / "bin" / "micropython"
REPLAYER = ROOT / "host_tests" / "board" / "replay.py"
BOARD = ROOT / "build" / "board"
PLAIN = (str(MICROPYTHON), "-X", "heapsize=160k")
# On chips, or with a monitor: the image's files, the drivers and the replay's own sources are more than a board has to
# hold. What a tick allocates is the same; the heap is measured without the replay (test_heap.py).
ROOMY = (str(MICROPYTHON), "-X", "heapsize=256k")


class _Ear:
    """Stands between control and one object of the board and keeps what passes."""

    def __init__(self, inner: Any):
        self._inner = inner
        self.heard: list[bytes] = []
        self.sent = 0  # check sum of what left in this tick
        self.taken = 0  # how many frames the controller took; it had no buffer for more

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def recv(self, into: Any = None) -> Any:
        got = self._inner.recv(into)
        if got is not None:
            data = bytes(got[1])
            self.heard.append(struct.pack("<IBB8s", got[0], got[2], len(data), data))
        return got

    def send(self, can_id: int, data: Any, flags: int = 0) -> Any:
        index = self._inner.send(can_id, data, flags)
        if index is not None:
            self.taken += 1
            self.sent = zlib.crc32(struct.pack("<IB", can_id, flags) + bytes(data), self.sent)
        return index


class _FieldEar:
    """The same for the RS-485 line: what each readinto() gave."""

    def __init__(self, inner: Any):
        self.inner = inner
        self.heard: list[bytes] = []

    def readinto(self, into: bytearray) -> int | None:
        count: int | None = self.inner.readinto(into)
        self.heard.append(bytes(into[: count or 0]))
        return count

    def write(self, data: bytes) -> int:
        written: int = self.inner.write(data)
        return written

    def txdone(self) -> bool:
        return True


class TracedWorld(StepWorld):
    """A StepWorld that writes a trace until the firmware is reset (a trace is one life of the firmware)."""

    def __init__(self, path: Path, *args: Any, **how: Any):
        self._path = path
        self._file: Any = None
        self._tape: Tape | None = None
        self.ticks_traced = 0
        super().__init__(*args, **how)

    def _with_chips(self, chip: str) -> list[ChipCan]:
        chips = super()._with_chips(chip)
        if chips:
            self._tape = Tape(chips, chips_of(self._path))
        return chips

    def boot(self, cause: int = 0) -> None:
        """The first boot is traced, a second ends the trace."""
        super().boot(cause)
        if self.boots > 1:
            self.close()
            return
        self._field = _FieldEar(getattr(self, "serial", None))
        if self._field.inner is not None:
            self.fw.fieldbus._line._uart = self._field
        self._file = self._path.open("wb")
        control = self.fw.control
        self._ears = _Ear(control.car_can), _Ear(control.converter_can)
        if self._tape is not None:
            self._tape.booted()
        else:
            control.car_can, control.converter_can = self._ears
        self._wishes = [array("i", wish) for wish in self.fw.wishes.posted]
        self._fresh = False
        sample = self.io.sample

        def heard_sample() -> bool:
            self._fresh = sample()
            return self._fresh

        self.io.sample = heard_sample  # type: ignore[method-assign]

    def tick(self) -> None:
        """One tick, and its record."""
        if self._file is None:
            super().tick()
            return
        wishes = self._changed_wishes()
        for ear in self._ears:
            ear.heard.clear()
            self._field.heard.clear()
            ear.sent = ear.taken = 0
        boots = self.boots
        super().tick()
        if self._file is not None and self.boots == boots:
            self._write(wishes)

    def _changed_wishes(self) -> list[bytes]:
        rows = []
        for source, (old, new) in enumerate(zip(self._wishes, self.fw.wishes.posted, strict=True)):
            for slot, value in enumerate(new):
                if old[slot] != value:
                    old[slot] = value
                    rows.append(struct.pack("<BBi", source, slot, value))
        return rows

    def _write(self, wishes: list[bytes]) -> None:
        from firmware.station import C_PHASE, K_OUTPUTS  # importable since the world was loaded

        outputs = self.fw.station.control.now[K_OUTPUTS]
        phase = self.fw.station.car.now[C_PHASE]
        car, converter = self._ears
        head = struct.pack(
            "<IBBBBBBBHII11H", self.ticks_ms(), self._fresh, len(wishes), len(car.heard), len(converter.heard),
            car.taken, converter.taken, max(phase, 0), outputs, car.sent, converter.sent, *self.io.inputs,
        )  # fmt: skip
        field = b"".join(self._field.heard)  # a tick has one readinto() at most
        self._file.write(head + b"".join(wishes + car.heard + converter.heard) + bytes((len(field),)) + field)
        if self._tape is not None:
            self._tape.ticked()
        self.ticks_traced += 1

    def close(self) -> None:
        """The trace ends here."""
        if self._file is not None:
            self._file.close()
            self._file = None
            if self._tape is not None:
                self._tape.close()


def chips_of(path: Path) -> Path:
    """Where the chips' part of a trace lies."""
    return path.with_suffix(".chips")


def record(scenario: Scenario, path: Path, world: type["TracedWorld"] | None = None, **how: Any) -> dict[str, Any]:
    """Play `scenario` in virtual time: trace into `path`, its configuration beside it (.json). Returns the summary."""
    car, plant, station = parameters(scenario)
    path.parent.mkdir(parents=True, exist_ok=True)
    chips_of(path).unlink(missing_ok=True)
    path.with_suffix(".json").write_text(text_of(station), encoding="utf-8")
    lived = (world or TracedWorld)(path, car, plant, station, **how)
    summary = play(scenario, lived)
    lived.close()
    return summary


@dataclass
class Replay:
    """Per tick its phase and the bytes it allocated; the least free heap between ticks.

    `calls`: of recv without a frame, recv with one, and send, on both buses together; counted in mode "count" only.
    """

    phases: list[int]
    allocated_B: list[int]
    calls: list[tuple[int, ...]]
    free_min_B: int
    differing: list[int]  # ticks whose outputs were not those of the recording
    costly: list[int]  # ticks in which a controller was lost or tried again


class ReplayFailed(Exception):
    """The image did not run the trace to its end: what MicroPython said."""


def replay(path: Path, mode: str = "lock", ticks: int = 0, interpreter: tuple[str, ...] = ()) -> Replay:
    """Replay a trace on the image of build/board; `ticks` 0: all of it.

    `mode`: "lock": the heap is locked in every other tick that is not costly, gc.mem_alloc() taken round the others;
    "count": each tick stands between the marks that host_tests/perf.py counts by, and its outputs are not compared.
    """
    config = path.with_suffix(".json")
    roomy = chips_of(path).exists() or '"insulation_monitor"' in config.read_text(encoding="utf-8")
    interpreter = interpreter or (ROOMY if roomy else PLAIN)
    done = subprocess.run(
        [*interpreter, str(REPLAYER), str(BOARD), str(path), str(config), mode, str(ticks)],
        capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    if done.returncode or not done.stdout.strip():
        raise ReplayFailed(done.stderr.strip() or done.stdout.strip() or f"exit status {done.returncode}")
    rows = done.stdout.split("\n")
    told = json.loads(next(row for row in reversed(rows) if row.startswith("{")))
    ticks_ = [tuple(map(int, row.split())) for row in rows if row and row[0].isdigit()]
    calls = [tuple(map(sum, zip(row[2:5], row[5:8], strict=True))) for row in ticks_]
    return Replay(
        [row[0] for row in ticks_], [row[1] for row in ticks_], calls, told["free_min_B"], told["differing"],
        told["costly"],
    )  # fmt: skip
