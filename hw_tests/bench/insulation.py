"""Insulation monitors on the RS-485 line, as their makers document them; what they measure is the truth of the bench.

The truth is a resistance to earth of each part: station, cable with inlet, car. A monitor of the station measures what
its contactors connect it to.
"""

from collections.abc import Callable, Mapping

from hw_tests.bench.rtu import RtuSlave, float_words


class Monitor(RtuSlave):
    """What both have: a measured value that follows the truth, a self-test, an alarm of its own."""

    def __init__(self, address: int, truth_kohm: Callable[[], float], response_s: float, test_s: float):
        super().__init__(address)
        self.alarm_kohm = 50.0  # set on the device: below it is its own alarm
        self.test_fails = False
        self.error = False
        self.tests = 0  # self-tests that were begun
        self.kohm = truth_kohm()
        self._truth_kohm = truth_kohm
        self._response_s = response_s
        self._test_s = test_s
        self._test_until_ms = -1
        self._now_ms = 0

    def step(self, now_ms: int) -> None:
        """Time passes."""
        passed_s, self._now_ms = (now_ms - self._now_ms) / 1000, now_ms
        share = min(1.0, passed_s / self._response_s)
        self.kohm += (self._truth_kohm() - self.kohm) * share
        if 0 <= self._test_until_ms <= now_ms:
            self._test_until_ms = -1
            self.error = self.test_fails

    @property
    def testing(self) -> bool:
        """The self-test runs: nothing is measured."""
        return self._test_until_ms >= 0

    def begin_test(self) -> None:
        """The self-test begins."""
        self.tests += 1
        self.error = False
        self._test_until_ms = self._now_ms + int(self._test_s * 1000)

    @property
    def alarm(self) -> bool:
        """Its own alarm relay has dropped."""
        return self.kohm < self.alarm_kohm


class IsoCha425(Monitor):
    """Bender isoCHA425HV: a measurement in four holding registers."""

    def holding(self) -> Mapping[int, int]:
        high, low = float_words(self.kohm * 1000)
        alarm = 2 if self.error else 5 if self.alarm else 0
        valid = 3 if self.testing or self.error else 0
        status = int(self.testing) << 14 | alarm << 8 | valid << 6 | 3
        registers = {1000: high, 1001: low, 1002: status, 1003: 1}
        for base in (1004, 1008):
            registers |= {base: 0, base + 1: 0, base + 2: 0xC0, base + 3: base}
        return registers

    def write(self, address: int, value: int) -> bool:
        if address == 8005 and value == 0x5445:
            self.begin_test()
        return address in (8005, 3026)


class Rn5893(Monitor):
    """Dold RN5893: fault, state, resistance in 100 ohm."""

    def inputs(self) -> Mapping[int, int]:
        state = 3 if self.testing else 6 if self.alarm else 1
        ohms = self.kohm * 10
        return {0: int(self.error), 1: state, 2: 0, 3: 0, 2000: 0xFFFF if ohms > 20000 else int(ohms)}

    def write(self, address: int, value: int) -> bool:
        if address == 0 and value & 0x10:
            self.begin_test()
        return address in (0, 1, 2)


MONITORS: dict[str, type[Monitor]] = {"isocha425": IsoCha425, "rn5893": Rn5893}
