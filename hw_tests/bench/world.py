"""The stepped world: the firmware in this process, everything around it in virtual time.

    world = StepWorld(car={"kind": "v2g"}, plant={"soc_permille": 550}, station={"floor_permille": 500})
    for _ in range(100): world.tick()

Nothing waits and nothing is random but by seed: the same run twice is the same run. A firmware reset makes a new
assembly that keeps only the retained memory; outputs keep their level as a real board's would.
"""

import random
import sys
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hw_tests.bench.chip_can import KINDS, ChipCan, reset_drivers
from hw_tests.bench.config import text_of
from hw_tests.bench.minisocket import Sockets
from hw_tests.bench.virtual import CONVERTER_bit_s, Surroundings
from hw_tests.bench.virtual_can import VirtualCan

ROOT = Path(__file__).resolve().parent.parent.parent
for _path in (ROOT / "host_tests" / "shims", ROOT / "lib", ROOT):
    if str(_path) not in sys.path:
        sys.path.insert(0, str(_path))

import firmware.boards.bench as board  # noqa: E402  (the shims must be on the path)
import firmware.config  # noqa: E402
import firmware.services  # noqa: E402
import main  # noqa: E402
from firmware.faults import F_TICK, F_WATCHDOG  # noqa: E402
from firmware.units import UNKNOWN as UNKNOWN  # noqa: E402
from firmware.wishes import SOURCES as SOURCES  # noqa: E402
from firmware.wishes import SRC_AGGREGATOR as SRC_AGGREGATOR  # noqa: E402
from firmware.wishes import SRC_OWNER as SRC_OWNER  # noqa: E402
from firmware.wishes import W_POWER_W as W_POWER_W  # noqa: E402

TICK_ms = 10
SERVICES_EVERY = 6  # ticks: services may look 16 times a second
TICKS_MASK = 0x3FFFFFFF
EVENING_s = 1_795_000_000  # Unix time at which virtual runs begin
BOOT_ms = 300
_RETAINED_B = 256


class VirtualIo:
    """The board's pins and sensors as the firmware sees them (contract of `io`)."""

    def __init__(self, surroundings: Surroundings):
        self.inputs = array("i", [0] * 11)
        self.now_ms = 0
        self.fresh = False
        self._pins = surroundings.rig.pins

    def refresh(self) -> None:
        """A new whole sample lies ready."""
        inputs = self.inputs
        for slot, value in enumerate(self._pins.sample()):
            inputs[slot] = value
        self.fresh = not self._pins.frozen

    def sample(self) -> bool:
        """True once for each new sample."""
        fresh, self.fresh = self.fresh, False
        return fresh

    def write(self, mask: int) -> None:
        """What is energised."""
        self._pins.write(mask)


class VirtualSerial:
    """The board's UART on the RS-485 line: what the firmware needs of machine.UART."""

    def __init__(self, surroundings: Surroundings):
        self._around = surroundings
        self._waiting = b""

    def readinto(self, into: bytearray) -> int | None:
        """As many bytes as are there and fit."""
        self._waiting += self._around.rig.field.speak(self._around.now_ms)
        count = min(len(into), len(self._waiting))
        into[:count] = self._waiting[:count]
        self._waiting = self._waiting[count:]
        return count or None

    def write(self, data: bytes) -> int:
        """Onto the line."""
        self._around.rig.field.heard(bytes(data), self._around.now_ms)
        return len(data)

    def txdone(self) -> bool:
        """The line has its own time."""
        return True


class VirtualRtc:
    """Retained memory: survives a reset of the firmware."""

    def __init__(self, kept: bytearray):
        self._kept = kept
        self.image = bytearray(kept)

    def save(self) -> None:
        """The image is kept from now on."""
        self._kept[:] = self.image


class _Injected(Exception):
    """An exception that a scenario raises in the tick."""


class StepWorld:
    """One station and all around it. Times in ms of virtual time; the firmware's ticks begin at `start_ms`.

    `epoch_year`: what the board's clock counts from, 1970 or 2000. `jitter_ms`: ticks come up to so much late.
    """

    def __init__(self, car: dict[str, Any] | None = None, plant: dict[str, Any] | None = None,
                 station: dict[str, Any] | None = None, *, seed: int = 1, start_ms: int = 0, epoch_year: int = 1970,
                 wall_s: float = EVENING_s, jitter_ms: int = 0, services: bool = True):  # fmt: skip
        given = dict(plant or {})
        chip = given.pop("can", "")
        self.around = Surroundings(car or {}, given, seed)
        self._chips = self._with_chips(chip)
        self.config = firmware.config.parse(text_of(station or {}))
        self.boots = 0
        self.fw: Any = None
        self.on_boot: Callable[[], None] | None = None
        self.log: list[str] = []
        self._random = random.Random(seed)
        self._start_ms = start_ms
        self._epoch_s = wall_s - (946684800 if epoch_year == 2000 else 0)
        self._wall_s = wall_s
        self._epoch_year = epoch_year
        self._jitter_ms = jitter_ms
        self._with_services = services
        self._retained = bytearray(_RETAINED_B)
        self._net = Sockets(self.around.broker)
        self._due_ms = 0
        self._ticks = 0
        self._inject = False
        self.boot()

    def _with_chips(self, chip: str) -> list[ChipCan]:
        """The controllers of the car's and the converter's bus, if the station is to have modelled ones."""
        if chip and chip not in KINDS:
            raise ValueError(f"plant: can is {chip!r}; there is {', '.join(KINDS)}, or none for one without faults")
        around = self.around
        buses = ((around.station_car, around.car_wire.bitrate), (around.station_converter, CONVERTER_bit_s))
        return [ChipCan(node, bitrate, chip) for node, bitrate in buses] if chip else []

    # --- time ---
    @property
    def now_ms(self) -> int:
        """Virtual time since the beginning."""
        return self.around.now_ms

    def wall_s(self) -> float:
        """Unix time."""
        return self._wall_s + self.around.now_ms / 1000

    def ticks_ms(self) -> int:
        """The firmware's clock; it wraps at 2^30."""
        return (self._start_ms + self.around.now_ms) & TICKS_MASK

    def tick(self) -> None:
        """Time passes until the next tick, and it happens."""
        self._due_ms += TICK_ms
        late_ms = self._random.randrange(self._jitter_ms + 1) if self._jitter_ms else 0
        self._until(self._due_ms + late_ms)
        self.io.refresh()
        now = self.ticks_ms()
        self._car_can.now_ms = self._converter_can.now_ms = self.around.now_ms
        try:
            if self._inject:
                self._inject = False
                raise _Injected("injected by the scenario")
            self.fw.control.tick(now)
        except Exception as error:  # as main does: whatever it is, the way out is the same
            self._out_of_the_tick(error)
            return
        for chip in self._chips:
            chip.ticked()
        self._ticks += 1
        if self._services is not None and self._ticks % SERVICES_EVERY == 0:
            self._services.step(now)

    def run(self, ms: int) -> None:
        """Many ticks."""
        end_ms = self.around.now_ms + ms
        while self.around.now_ms < end_ms:
            self.tick()

    def _until(self, to_ms: int) -> None:
        if to_ms > self.around.now_ms:
            self.around.advance(to_ms)

    def _sleep_ms(self, ms: int) -> None:
        self._until(self.around.now_ms + max(ms, 1))
        self.io.refresh()
        self._car_can.now_ms = self._converter_can.now_ms = self.around.now_ms

    # --- the firmware's life ---
    def boot(self, cause: int = 0) -> None:
        """Start the firmware; only the retained memory knows what was before."""
        self.boots += 1
        around = self.around
        self.io = VirtualIo(around)
        self._car_can: Any = VirtualCan(around.station_car, around.now_ms)
        self._converter_can: Any = VirtualCan(around.station_converter, around.now_ms)
        cans = [self._car_can, self._converter_can]
        if self._chips:
            reset_drivers()
            self._car_can, self._converter_can = self._chips
            cans = [chip.boot() for chip in self._chips]
        for node in (around.station_car, around.station_converter):
            node.received.clear()
            node.drop_pending()
        self.fw = fw = main.assemble(board, self.config, self.io, cans[0], cans[1], VirtualRtc(self._retained),
                                     self._field)  # fmt: skip
        fw.starts.begin(cause, self.ticks_ms())
        self._services = self._make_services(fw) if self._with_services else None
        self._due_ms = around.now_ms
        self._ticks = 0
        if self.boots > 1:
            around.observer.restarted(around.now_ms)
        if self.on_boot is not None:
            self.on_boot()

    def _field(self, bit_s: int, parity: str) -> tuple[Any, None]:
        self.serial = VirtualSerial(self.around)
        return self.serial, None

    def _make_services(self, fw: Any) -> Any:
        return firmware.services.build(fw, self.config, lambda: self._epoch_s + self.around.now_ms / 1000,
                                       self.ticks_ms, self._net, self.log.append, year=self._epoch_year,
                                       boot_id=f"boot{self.boots}")  # fmt: skip

    def _out_of_the_tick(self, error: Exception) -> None:
        if not isinstance(error, _Injected):
            raise error
        self.log.append(f"tick: {error!r}")
        main.safe_stop(self.io, self.fw.converter_can, self.fw.gate, self.ticks_ms, self._sleep_ms)
        self.fw.starts.end(1)
        self.restart(F_TICK)

    def restart(self, cause: int, after_ms: int = BOOT_ms) -> None:
        """The board starts anew, `after_ms` from now."""
        for connection in list(self.around.broker.connections):
            self.around.broker.drop(connection)
        self._until(self.around.now_ms + after_ms)
        self.boot(cause)

    def reset(self, cause: str) -> None:
        """ "watchdog": the board hangs with its outputs as they are until the watchdog bites; "power": at once;
        "soft": outputs keep their level."""
        if cause == "watchdog":
            self._until(self.around.now_ms + board.WATCHDOG_ms)
        if cause != "soft":
            self.around.rig.pins.reset_outputs()
        self.restart(F_WATCHDOG if cause == "watchdog" else 0)

    def inject(self) -> None:
        """The next tick raises."""
        self._inject = True

    # --- scenarios ---
    def act(self, verb: str, args: dict[str, Any]) -> None:
        """A verb of a scenario."""
        if verb == "can":
            self._chips[("car", "converter").index(args["bus"])].do(args["what"])
        elif verb == "reset":
            self.reset(args["cause"])
        elif verb == "exception":
            self.inject()
        elif verb == "hold":
            self._due_ms += int(args["ms"])
        else:
            self.around.do(verb, args)

    def facts(self) -> dict[str, Any]:
        """What is so; ticks and refusals as the firmware counts them, since in this process they are at hand."""
        return {**self.around.facts(), "boots": self.boots}

    def about(self) -> dict[str, Any]:
        """What runs the firmware here: CPython, whose heap says nothing of the board's."""
        return {"version": f"CPython {sys.version.split()[0]}", "word_bits": 64}
