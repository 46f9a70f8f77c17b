"""CHAdeMO 0.9 to 2.0 with V2X for the views, by the bench's own codec."""

from functools import lru_cache

from hw_tests.bench.chademo import codec
from hw_tests.bench.frame import Frame
from hw_tests.bench.replay.chademo_script import script_of
from hw_tests.bench.replay.chademo_story import ChademoStory
from hw_tests.bench.replay.protocol import CHARGER, VEHICLE, Signals, Told
from hw_tests.bench.replay.script import Script


@lru_cache(8192)
def _decoded(frame: Frame) -> tuple[str, Signals, str]:
    try:
        name, signals = codec.decode(frame)
        return name, signals, ""
    except codec.CodecError as error:
        message = codec.BY_ID.get(frame.id)
        return message.name if message else "unknown", {}, str(error)


class ChademoReader:
    """Frames to messages. State of charge and the car's borders need more than one frame: told once they can be."""

    def __init__(self) -> None:
        self._reference = 0
        self._capacity_Wh = 0
        self._sequence: int | None = None

    def feed(self, t_s: float, frame: Frame, line: int) -> list[Told]:
        """The frame itself."""
        name, signals, error = _decoded(frame)
        side = VEHICLE if codec.BY_ID[frame.id].from_car else CHARGER
        if not error:
            signals = self._derived(name, signals)
        return [Told(t_s, side, name, frame.data, signals, error, 0, frame, line)]

    def _derived(self, name: str, signals: Signals) -> Signals:
        if name == "100":
            self._reference = signals["soc_reference"]
        elif name == "101":
            self._capacity_Wh = signals["capacity_Wh"]
        elif name == "201":
            self._sequence = signals["sequence"]
        elif name == "102":
            soc_permille = codec.soc_permille(signals["soc_raw"], self._reference)
            return signals if soc_permille is None else {**signals, "soc_permille": soc_permille}
        elif name == "200":
            return {**signals, **self._borders(signals)}
        return signals

    def _borders(self, signals: Signals) -> Signals:
        found = {}
        for key in ("energy_min", "energy_max"):
            permille = codec.energy_permille(signals[key + "_raw"], self._capacity_Wh, self._sequence)
            if permille is not None:
                found[key + "_permille"] = permille
        return found

    def end(self) -> list[Told]:
        """Nothing is ever under way."""
        return []


class Chademo:
    """The protocol of 11-bit ids."""

    name, title = "chademo", "CHAdeMO"

    def side(self, frame: Frame) -> str:
        """By the id."""
        message = None if frame.ext else codec.BY_ID.get(frame.id)
        return "" if message is None else VEHICLE if message.from_car else CHARGER

    def reader(self) -> ChademoReader:
        """A new reader."""
        return ChademoReader()

    def story(self) -> ChademoStory:
        """A new story."""
        return ChademoStory()

    def script(self, tolds: list[Told]) -> Script:
        """The recording, to be played at the firmware."""
        return script_of(tolds)
