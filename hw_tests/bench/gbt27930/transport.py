"""SAE J1939-21 transport as GB/T 27930 uses it (facts 1.3): connection mode, one session at a time, times in ms.

`Sender` is the car's end (BRM, BCP, BCS, BDC, BMV, BMT, BSP), `Receiver` the charger's, for peers in tests, and
`Listener` puts the messages of a wire log together without taking part.
"""

from collections.abc import Callable

from ..frame import Frame
from .messages import CAR_CM_ID, CAR_DT_ID, CHARGER_CM_ID

RESPONSE_ms = 200  # Tr: an answer is due
BETWEEN_DATA_ms = 750  # T1
FIRST_DATA_ms = 1250  # T2: CTS -> first data packet
ANSWER_ms = 1250  # T3: the sender awaits CTS or EoMA
HOLD_ms = 1050  # T4: after a CTS of 0 packets
BUSY, RESOURCES, TIMEOUT = 1, 2, 3  # reasons of an abort

RTS, CTS, EOMA, ABORT = 0x10, 0x11, 0x13, 0xFF


def _control(can_id: int, pgn: int, *head: int) -> Frame:
    return Frame(can_id, True, bytes((*head, pgn & 0xFF, pgn >> 8 & 0xFF, pgn >> 16)))


class Sender:
    """Sends one long message at a time: `start`, then `step` until `busy` is False; `ended` says how it went."""

    def __init__(
        self, spacing_ms: int = 10, count_in_rts: bool = False, complain: Callable[[str, str], None] | None = None
    ):
        self.busy = False
        self.whole = False  # every packet of this session has left: the peer may know it before we see its EoMA
        self.ended = ""  # of the last session: "done", "aborted" (by the peer), "timeout"
        self.pgn = 0
        self._dropped_pgn = -1  # of a session that we ended before its time
        self.faults: set[str] = set()  # of mischief.TRANSPORT
        self.spacing_ms = spacing_ms
        self._count_in_rts = count_in_rts  # some cars put the packet count in byte 5 (log 2)
        self._tell = complain
        self._packets: list[Frame] = []
        self._size = 0
        self._next = 0  # index of the next packet
        self._allowed = 0  # packets still allowed by the last CTS
        self._data_at = 0
        self._lost = -1  # index of a packet that never leaves
        self._swap = False  # the first two packets
        self._since = 0  # of waiting for the peer
        self._limit_ms = ANSWER_ms
        self._out: list[Frame] = []

    def start(self, pgn: int, data: bytes, now_ms: int) -> None:
        """Ask to send `data` (9 to 1785 bytes; shorter ones are taken too)."""
        chunks = [data[i : i + 7] for i in range(0, len(data), 7)]
        self._packets = [
            Frame(CAR_DT_ID, True, bytes((i,)) + chunk.ljust(7, b"\xff")) for i, chunk in enumerate(chunks, start=1)
        ]
        self.pgn, self._size, self._dropped_pgn = pgn, len(data), -1
        self.busy, self.whole, self.ended = True, False, ""
        self._next = self._allowed = 0
        self._wait(now_ms, ANSWER_ms)
        self._swap = "disorder" in self.faults and len(chunks) > 1
        self._lost = (len(chunks) - 1) // 2 if self.faults & {"lose", "lose_once"} else -1
        per_cts = len(chunks) if self._count_in_rts else 0xFF
        rts = _control(CAR_CM_ID, pgn, RTS, self._size & 0xFF, self._size >> 8, len(chunks), per_cts)
        self._out.append(rts)
        if "repeat_rts" in self.faults:
            self._out.append(rts)

    def drop(self) -> None:
        """Forget the session without a word."""
        if self.busy:
            self._dropped_pgn = self.pgn
        self.busy = False
        self._out.clear()

    def abort(self, reason: int) -> None:
        """Tell the peer that the session is over."""
        self._dropped_pgn = self.pgn
        self._out.append(_control(CAR_CM_ID, self.pgn, ABORT, reason, 0xFF, 0xFF, 0xFF))
        self.busy = False
        self.ended = "timeout" if reason == TIMEOUT else "aborted"

    def _complain(self, name: str, detail: str) -> None:
        if self._tell is not None and not self.faults:  # what we provoke ourselves is not the peer's doing
            self._tell(name, detail)

    def _wait(self, now_ms: int, limit_ms: int) -> None:
        self._since, self._limit_ms = now_ms, limit_ms

    def receive(self, data: bytes, now_ms: int) -> None:
        """A TP.CM of the charger (8 bytes)."""
        pgn = data[5] | data[6] << 8 | data[7] << 16
        if not self.busy and pgn == self._dropped_pgn:
            return  # the peer cannot know yet
        if not self.busy or pgn != self.pgn:
            self._complain("tp_unexpected", f"control {data[0]:02X} for {pgn:04X}, which is not being sent")
        elif data[0] == CTS:
            self._clear_to_send(data, now_ms)
        elif data[0] == EOMA:
            self._acknowledged(data)
        elif data[0] == ABORT:
            self._complain("tp_aborted", f"{pgn:04X}: the charger aborted, reason {data[1]}")
            self.busy, self.ended = False, "aborted"
        else:
            self._complain("tp_unexpected", f"control {data[0]:02X}")

    def _clear_to_send(self, data: bytes, now_ms: int) -> None:
        count, first = data[1], data[2]
        if now_ms - self._since > RESPONSE_ms:
            self._complain("tp_late", f"{self.pgn:04X}: CTS after {now_ms - self._since} ms")
        if count == 0:
            self._wait(now_ms, HOLD_ms)
            return
        if not 1 <= first <= len(self._packets) or first + count - 1 > len(self._packets):
            self._complain("tp_wrong", f"{self.pgn:04X}: CTS for {count} from {first} of {len(self._packets)}")
            self.abort(RESOURCES)
            return
        self._swap = self._swap and self._next == 0
        self._next, self._allowed = first - 1, count
        self._data_at = now_ms
        self._wait(now_ms, ANSWER_ms)
        if "abort" in self.faults:
            self.abort(RESOURCES)

    def _acknowledged(self, data: bytes) -> None:
        size = data[1] | data[2] << 8
        if size != self._size or data[3] != len(self._packets):
            self._complain("tp_wrong", f"{self.pgn:04X}: EoMA of {size} bytes in {data[3]}, sent {self._size}")
        if self._next < len(self._packets) and not self.faults:
            self._complain("tp_wrong", f"{self.pgn:04X}: EoMA before the last packet")
        self.busy, self.ended = False, "done"

    def step(self, now_ms: int) -> list[Frame]:
        """What is to be sent now."""
        if self.busy:
            if self._allowed and now_ms >= self._data_at and "stall" not in self.faults:
                self._data(now_ms)
            elif now_ms - self._since > self._limit_ms:
                if "stall" not in self.faults:
                    self._complain("tp_silent", f"{self.pgn:04X}: no answer in {self._limit_ms} ms")
                self.abort(TIMEOUT)
        if not self._out:
            return []
        out, self._out = self._out, []
        return out

    def _data(self, now_ms: int) -> None:
        index = self._next
        packet = self._packets[index]
        if self._swap and index < 2:
            packet = self._packets[1 - index]
        if index != self._lost:
            self._out.append(packet)
            if "repeat" in self.faults:
                self._out.append(packet)
        elif "lose" not in self.faults:
            self._lost = -1  # the second time it comes through
        self._next += 1
        self._allowed -= 1
        self.whole = self._next == len(self._packets) and self._lost < 0
        self._data_at = now_ms + self.spacing_ms
        self._wait(now_ms, ANSWER_ms)


class Receiver:
    """The charger's end: answers RTS with CTS, asks again for what is missing, acknowledges, gives (pgn, data)."""

    def __init__(self, packets_per_cts: int = 255):
        self._per_cts = packets_per_cts
        self._pgn = 0
        self._size = self._count = self._first = self._asked = 0
        self._got: dict[int, bytes] = {}
        self._patience = 0  # how often it still asks again
        self._last = 0
        self._limit_ms = 0
        self._out: list[Frame] = []

    def control(self, data: bytes, now_ms: int) -> None:
        """A TP.CM of the car."""
        if len(data) != 8:
            return
        if data[0] == RTS:
            self._pgn = data[5] | data[6] << 8 | data[7] << 16
            self._size, self._count = data[1] | data[2] << 8, data[3]
            self._got = {}
            self._patience = 2
            self._ask(1, now_ms)
        elif data[0] == ABORT:
            self._count = 0

    def _abort(self, reason: int) -> None:
        self._out.append(_control(CHARGER_CM_ID, self._pgn, ABORT, reason, 0xFF, 0xFF, 0xFF))
        self._count = 0

    def _ask(self, first: int, now_ms: int) -> None:
        self._first = first
        self._asked = min(self._per_cts, self._count - first + 1)
        self._last, self._limit_ms = now_ms, FIRST_DATA_ms
        self._out.append(_control(CHARGER_CM_ID, self._pgn, CTS, self._asked, first, 0xFF, 0xFF))

    def data(self, data: bytes, now_ms: int) -> tuple[int, bytes] | None:
        """A TP.DT of the car; the message if that was its last packet."""
        if not self._count or len(data) != 8:
            return None
        self._got[data[0]] = bytes(data[1:])
        self._last, self._limit_ms = now_ms, BETWEEN_DATA_ms
        last_asked = self._first + self._asked - 1
        missing = next((i for i in range(1, self._count + 1) if i not in self._got), 0)
        if missing:
            if data[0] >= last_asked:
                self._patience -= missing < last_asked
                self._ask(missing, now_ms) if self._patience >= 0 else self._abort(RESOURCES)
            return None
        message = b"".join(self._got[i] for i in range(1, self._count + 1))[: self._size]
        size = (self._size & 0xFF, self._size >> 8)
        self._out.append(_control(CHARGER_CM_ID, self._pgn, EOMA, *size, self._count, 0xFF))
        self._count = 0
        return self._pgn, message

    def step(self, now_ms: int) -> list[Frame]:
        """Answers to send, and the abort when the car falls silent."""
        if self._count and now_ms - self._last > self._limit_ms:
            self._abort(TIMEOUT)
        out, self._out = self._out, []
        return out


class Listener:
    """Puts the car's long messages together from a log: feed every frame, get (pgn, data) when one is complete."""

    def __init__(self) -> None:
        self._pgn = self._size = self._count = 0
        self._got: dict[int, bytes] = {}

    def feed(self, frame: Frame) -> tuple[int, bytes] | None:
        """A message that this frame completes. Complete means that every announced packet was seen."""
        data = frame.data
        if not frame.ext or len(data) != 8:
            return None
        if frame.id == CAR_CM_ID:
            if data[0] == RTS:
                self._pgn = data[5] | data[6] << 8 | data[7] << 16
                self._size, self._count = data[1] | data[2] << 8, data[3]
                self._got = {}
            elif data[0] == ABORT:
                self._count = 0
        elif frame.id == CAR_DT_ID and self._count:
            self._got[data[0]] = data[1:]
            if all(i in self._got for i in range(1, self._count + 1)):
                message = b"".join(self._got[i] for i in range(1, self._count + 1))[: self._size]
                self._count = 0
                return self._pgn, message
        return None
