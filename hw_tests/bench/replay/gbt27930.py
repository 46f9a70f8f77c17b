"""GB/T 27930-2015 and the V1.12 trial for the views, by the bench's own codec."""

from functools import lru_cache

from hw_tests.bench.frame import Frame
from hw_tests.bench.gbt27930 import codec
from hw_tests.bench.gbt27930.messages import BY_ID, BY_PGN, CAR_CM_ID, CAR_DT_ID, CHARGER_CM_ID, CHARGER_DT_ID
from hw_tests.bench.gbt27930.transport import ABORT, RTS
from hw_tests.bench.replay.gbt27930_script import script_of
from hw_tests.bench.replay.gbt27930_story import GbtStory
from hw_tests.bench.replay.protocol import CHARGER, VEHICLE, Signals, Told
from hw_tests.bench.replay.script import Script

_TRANSPORT = (CAR_CM_ID, CAR_DT_ID, CHARGER_CM_ID, CHARGER_DT_ID)
_FROM_CAR, _FROM_CHARGER = 0x56F4, 0xF456  # destination and source address


@lru_cache(8192)
def _decoded(frame: Frame) -> tuple[str, Signals, str]:
    """Name, signals, error. Cyclic frames repeat their bytes, so most are decoded once."""
    try:
        name, signals = codec.decode(frame)
        return name, plain(signals), ""
    except codec.CodecError as error:
        message = BY_ID.get(frame.id)
        return message.name if message else "TP" if frame.id in _TRANSPORT else "unknown", {}, str(error)


def plain(signals: Signals) -> Signals:
    """Only what JSON knows."""
    return {name: value.hex(" ") if isinstance(value, bytes) else value for name, value in signals.items()}


def name_of(pgn: int) -> str:
    """Of a long message."""
    return BY_PGN[pgn].name if pgn in BY_PGN else f"PGN {pgn:06X}"


class GbtReader:
    """Frames to messages; the car's long ones are put together (facts 1.3), those that stay incomplete are told."""

    def __init__(self) -> None:
        self._pgn = self._size = self._count = 0
        self._got: dict[int, bytes] = {}
        self._began_s = 0.0
        self._answered = False  # by a CTS

    def feed(self, t_s: float, frame: Frame, line: int) -> list[Told]:
        """The frame itself, and what it completes or breaks off."""
        side = VEHICLE if frame.id & 0xFFFF == _FROM_CAR else CHARGER
        name, signals, error = _decoded(frame)
        result = [Told(t_s, side, name, frame.data, signals, error, 0, frame, line)]
        if not error and frame.id == CAR_CM_ID:
            if frame.data[0] in (RTS, ABORT):
                result += self.end()
            if frame.data[0] == RTS:
                self._began_s = t_s
                self._pgn = signals["pgn"]
                self._size, self._count = signals["size"], signals["packets"]
                self._got = {}
                self._answered = False
        elif name == "TP.CTS":
            self._answered = True
        elif not error and frame.id == CAR_DT_ID and self._count:
            self._got[frame.data[0]] = frame.data[1:]
            if len(self._got) >= self._count and all(i in self._got for i in range(1, self._count + 1)):
                result.append(self._complete(t_s, line))
        return result

    def _complete(self, t_s: float, line: int) -> Told:
        data = b"".join(self._got[i] for i in range(1, self._count + 1))[: self._size]
        count, self._count = self._count, 0
        name = name_of(self._pgn)
        try:
            name, signals = codec.decode_payload(codec.long_message(self._pgn), data)
            return Told(t_s, VEHICLE, name, data, plain(signals), "", count, None, line)
        except codec.CodecError as error:
            return Told(t_s, VEHICLE, name, data, {}, str(error), count, None, line)

    def end(self) -> list[Told]:
        """The transfer under way, if there is one: it stays incomplete."""
        if not self._count:
            return []
        got, count, self._count = len(self._got), self._count, 0
        data = b"".join(self._got.get(i, b"") for i in range(1, count + 1))
        why = f"incomplete: {got} of {count} packets came" + ("" if self._answered else ", the request had no answer")
        return [Told(self._began_s, VEHICLE, name_of(self._pgn), data, {}, why, got)]


class Gbt27930:
    """The protocol of charger 56 and BMS F4."""

    name, title = "gbt27930", "GB/T 27930"

    def side(self, frame: Frame) -> str:
        """By the addresses; both must be there."""
        if not frame.ext:
            return ""
        pair = frame.id & 0xFFFF
        return VEHICLE if pair == _FROM_CAR else CHARGER if pair == _FROM_CHARGER else ""

    def reader(self) -> GbtReader:
        """A new reader."""
        return GbtReader()

    def story(self) -> GbtStory:
        """A new story."""
        return GbtStory()

    def script(self, tolds: list[Told]) -> Script:
        """The recording, to be played at the firmware."""
        return script_of(tolds)
