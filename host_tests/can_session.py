"""SPI transactions of the MCP2515 driver over a whole session: `python -m host_tests.can_session`.

The evening is played in virtual time with the station on the real drivers and modelled chips, once with each vehicle.
What the driver does within send() counts for the frames sent, within the emptying of the chip for those received; what
is left is its look at a silent chip, the state once a second, and taking frames back.
"""

from collections.abc import Callable
from typing import Any

from hw_tests.bench import chip_can, scenario, stepped, summary, world

KIND = "mcp2515"


class Counted(chip_can.ChipCan):
    """A controller whose transactions are told apart by who made them."""

    def boot(self) -> Any:
        """Counts from here on: what the firmware's start takes stands apart."""
        can = super().boot()
        self.spent = {"send": 0, "receive": 0}
        self.sent = self.received = self._inner = 0
        can._drain = self._watched("receive", can._drain)
        can.send = self._watched("send", can.send)
        self._recv, can.recv = can.recv, self._recv_one
        self.begun = self.spi.transactions
        return can

    def _recv_one(self, into: Any = None) -> Any:
        got = self._recv(into)
        self.received += got is not None
        return got

    def _watched(self, who: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """An interrupt is made up for at the end of send(): each counts what is its own."""

        def watched(*args: Any) -> Any:
            before, inner = self.spi.transactions, self._inner
            self._inner = 0
            try:
                got = call(*args)
            finally:
                took = self.spi.transactions - before
                self.spent[who] += took - self._inner
                self._inner = inner + took
            self.sent += who == "send" and got is not None
            return got

        return watched


def played(vehicle: str, name: str = "evening") -> list[Counted]:
    """The controllers of car and converter after the session; it must have been a good one."""
    made: list[Counted] = []

    def counted(*words: Any) -> Counted:
        made.append(Counted(*words))
        return made[-1]

    plan = scenario.load(name, vehicle=vehicle)
    real, world.ChipCan = world.ChipCan, counted  # type: ignore[misc,assignment]
    try:
        told = stepped.run(scenario.Scenario(**{**vars(plan), "plant": plan.plant | {"can": KIND}}))
    finally:
        world.ChipCan = real  # type: ignore[misc]
    if told["result"] != "pass":
        raise SystemExit(summary.text(told))
    return made


def main() -> None:
    """A line for each bus."""
    for vehicle in ("gbt27930", "chademo"):
        for bus, can in zip(("car", "converter"), played(vehicle), strict=True):
            send, receive = can.spent["send"], can.spent["receive"]
            rest = can.spi.transactions - can.begun - send - receive
            print(
                f"{vehicle:9} {bus:10} {can.received:6} received, {receive / can.received:.2f} each"
                f" {can.sent:6} sent, {send / can.sent:.2f} each, {rest} others, overruns {can.chip.overflows}"
            )


if __name__ == "__main__":
    main()
