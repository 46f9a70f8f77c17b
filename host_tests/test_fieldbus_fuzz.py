"""Whatever comes in over RS-485: the tick neither raises nor hangs, and no record holds more than 31 bits."""

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from firmware import fieldbus
from firmware.config import parse
from firmware.faults import Active
from firmware.station import I_TEST, S_CONTACTOR, TEST_PASSED, Station
from firmware.units import TICKS_MASK
from hw_tests.bench.config import text_of
from hw_tests.bench.rtu import sealed
from lib.modbus import OK

METERS = ("sdm630", "sdm120", "sdm230", "dtsu666", "dtsu666_tenths", "djsf1352")
STEP_ms = 40  # control's
WORDS = (0, 1, 2, 3, 6, 7, 0x40, 0xFF, 0x3FFF, 0x4000, 0x4996, 0x7F80, 0x7FC0, 0x8000, 0xFF80, 0xFFFF)
EVENTS = st.one_of(
    st.tuples(st.just("bytes"), st.binary(max_size=80)),
    st.tuples(st.just("registers"), st.lists(st.sampled_from(WORDS), min_size=24, max_size=24)),
    st.tuples(st.just("registers"), st.lists(st.integers(0, 0xFFFF), min_size=24, max_size=24)),
    st.tuples(st.just("echo"), st.none()),
    st.tuples(st.just("exception"), st.integers(0, 255)),
    st.tuples(st.just("wait"), st.integers(1, 9000)),
    st.tuples(st.just("contactor"), st.integers(0, 1)),
)
SESSIONS = st.lists(EVENTS, min_size=25, max_size=50)


class Line:
    """A UART with a hostile other end. `now`: ms, wraps at 2^30."""

    def __init__(self, meter: str, monitor: str, now: int, direction: bool):
        self.now = now
        self.waiting = bytearray()
        self.asked = b""
        self.questions = 0
        self.station = Station()
        config = parse(text_of({"meter": meter, "insulation_monitor": monitor}))
        pin = (lambda level: None) if direction else None
        self.meter, self.line = fieldbus.build(
            config, self.station, Active(self.station.events), 22000, lambda bit_s, parity: (self, pin)
        )

    def readinto(self, into: bytearray) -> int | None:
        count = min(len(into), len(self.waiting))
        into[:count] = self.waiting[:count]
        del self.waiting[:count]
        return count or None

    def write(self, data: bytes) -> int:
        self.asked = bytes(data)
        self.questions += 1
        return len(data)

    def txdone(self) -> bool:
        return True

    def step(self, count: int) -> None:
        for _ in range(count):
            self.now = (self.now + STEP_ms) & TICKS_MASK
            self.line.step(self.now)
            self.meter.step(self.now)

    def await_question(self) -> None:
        """Until it asks: a slave that failed is left alone for up to 3.2 s."""
        before = self.questions
        for _ in range(100):
            self.step(1)
            if self.questions != before:
                return

    def understood(self) -> int:
        """Replies that were taken for what they are."""
        return sum(member.slave.counts[OK] for member in self.line._members)

    def happen(self, what: str, value: Any) -> None:
        asked = self.asked
        if what == "bytes":
            self.waiting += value
        elif what == "wait":
            self.step(value // STEP_ms)
        elif what == "contactor":
            self.station.sense.now[S_CONTACTOR] = value
        elif what == "echo":
            self.waiting += asked
        elif what == "exception" and asked:
            self.waiting += sealed(bytes((asked[0], asked[1] | 0x80, value)))
        elif asked and asked[1] <= 4:
            words = b"".join(word.to_bytes(2, "big") for word in value[: asked[5]])
            self.waiting += sealed(bytes((asked[0], asked[1], len(words))) + words)


@pytest.mark.parametrize("monitor", ("isocha425", "rn5893"))
def test_nothing_on_the_line_breaks_the_tick(monitor: str) -> None:
    replies = 0

    @seed(1)
    @settings(max_examples=150, deadline=None, database=None, phases=(Phase.generate,),
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(st.sampled_from(METERS), SESSIONS, st.integers(0, TICKS_MASK), st.booleans())
    def play(meter: str, events: list[tuple[str, Any]], now: int, direction: bool) -> None:
        nonlocal replies
        line = Line(meter, monitor, now, direction)
        for what, value in events:
            line.await_question()
            line.happen(what, value)
            line.step(2)
            for record in (line.station.grid, line.station.insulation):
                assert all(-(1 << 30) <= value < 1 << 30 for value in record.now), list(record.now)
        replies += line.understood()
        line.waiting.clear()
        line.step(250)  # 10 s of silence
        assert line.station.insulation.now[I_TEST] != TEST_PASSED, "silent, and believed"

    play()
    assert replies > 300, "hardly anything was understood"
