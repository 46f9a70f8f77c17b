"""A CHAdeMO recording as a script for `station`: its words are the states of 109.5; d1, d2 and k are inferred."""

from typing import Any

from hw_tests.bench.frame import Frame
from hw_tests.bench.replay.entry import ReplayError
from hw_tests.bench.replay.protocol import CHARGER, VEHICLE, Told
from hw_tests.bench.replay.script import Script, Step, words_of

_F = "CHAdeMO, facts 2.5 "
TIMEOUTS_s = {
    "": (10.0, _F), "108": (8.0, _F + "step 2"), "109.5=20": (8.0, _F + "step 2"), "109.5=24": (20.0, _F + "step 3"),
    "109.5=05": (0.5, _F + "step 6"), "d2": (20.0, _F + "step 4"), "the car's contactors": (4.0, _F + "step 4"),
}  # fmt: skip
_WELD_s = 0.9  # from the car's open contactors to its word that they are (bench's Leaf; the step has 4 s)
_CLOSE_ms = 1000  # 0.9: from d2 to closed contactors
_FLOW_W = 50.0
_SOME_W = 1000.0
EFFICIENCY = 0.95


def word_of(told: Told) -> tuple[str, bool] | None:
    """What the car goes by: the states of the charger, and that it is there at all."""
    if told.side != CHARGER or told.error:
        return None
    if told.name == "108":
        return "108", True
    return (f"109.5={told.raw[5]:02X}", True) if told.name == "109" else None


class ChademoFlow:
    """k goes with 102.5.0; the contactors close once d2 feeds their coil and the recorded car says so."""

    def __init__(self, world: Any):
        self._vehicle = world.around.rig.vehicle
        self._vehicle.coil_by_station = True
        self._open = True
        self._blind = False  # 0.9: no flag
        self._d2_ms: int | None = None

    def heard(self, told: Told, now_ms: int) -> None:
        """The charger's words are enough."""

    def cycle(self, now_ms: int) -> None:
        """A car of 0.9 closes its contactors without a word."""
        if not self._vehicle.d2:
            self._d2_ms = None
        elif self._d2_ms is None:
            self._d2_ms = now_ms
        elif self._blind and self._open and now_ms - self._d2_ms > _CLOSE_ms:
            self._open = False
            self._vehicle.close_contactors = True

    def may(self, step: Step, now_ms: int) -> str:
        """102.5.3 = 0 needs closed contactors."""
        data = step.frame.data
        if step.name != "102" or len(data) != 8 or not self._open:
            return ""
        self._blind = data[0] < 2
        if self._blind or not data[5] & 1 or data[5] & 8:
            return ""
        if not self._vehicle.d2:
            return "d2"
        self._vehicle.close_contactors = True
        if not self._vehicle.contactors_closed:
            return "the car's contactors"
        self._open = False
        return ""

    def sent(self, step: Step, now_ms: int) -> bool:
        """Line k."""
        if step.name == "102" and len(step.frame.data) == 8:
            self._vehicle.permission = bool(step.frame.data[5] & 1)
        return False

    def repeat(self, now_ms: int) -> list[Frame]:
        """All of its frames are short."""
        return []

    def act(self, what: str) -> None:
        """ "open": the car's contactors."""
        self._vehicle.close_contactors = False


def script_of(tolds: list[Told]) -> Script:
    """The script of a whole log. Raises ReplayError where there is nothing to play."""
    steps = [Step(order, told.t_s, told.frame, told.name) for order, told in enumerate(tolds)
             if told.side == VEHICLE and told.frame is not None and (told.raw or not told.error)]  # fmt: skip
    words = words_of(tolds, word_of)
    if not steps:
        raise ReplayError("the log has no frame of a car: there is nothing to play at the station.")
    if not words:
        raise ReplayError("the log has no frame of a charger: nothing tells what the car waited for.")
    first = next(told for told in tolds if told.name == "109" and not told.error) if _has(tolds, "109") else None
    if first is None or first.signals["charging"]:
        raise ReplayError("the log begins in mid-session, without a start: the station cannot be brought there.")
    # A car speaks as d1 comes on: what its charger said before that was no answer.
    begun = next((step.order for step in steps if step.name == "102"), steps[0].order)
    words = [word._replace(waited=word.waited and word.order > begun) for word in words]
    periods = {step.frame.id: 100 for step in steps if step.name not in ("202", "700")}
    script = Script(steps, words, word_of, ChademoFlow, TIMEOUTS_s, periods, ("109.5=25", "109.5=21"))
    script.awake = lambda vehicle: vehicle.d1
    _infer(script, tolds)
    return script


def _has(tolds: list[Told], name: str) -> bool:
    return any(told.name == name and not told.error for told in tolds)


def _values(tolds: list[Told], name: str, key: str) -> list[tuple[float, int]]:
    return [(told.t_s, told.signals[key]) for told in tolds if told.name == name and key in told.signals]


def _infer(script: Script, tolds: list[Told]) -> None:
    """Pack, pins and wishes."""
    running = [told for told in tolds if told.name == "109" and not told.error and told.signals["charging"]]
    rest = [told.signals["voltage_dV"] / 10 for told in running if not told.signals["current_dA"]]
    pack_V = (rest or [told.signals["voltage_dV"] / 10 for told in running] or [370.0])[-1]
    soc = [value for _, value in _values(tolds, "102", "soc_permille")]
    soc_permille = min(max(soc[len(soc) // 2] if soc else 500, 10), 990)
    capacity_Wh = max([value for _, value in _values(tolds, "101", "capacity_Wh")][-1:] or [0]) or 24_000
    share = soc_permille / 1000
    script.car = {"vehicle": "chademo"}
    curve = [(0.0, pack_V - 20 * share), (share, pack_V), (1.0, pack_V + 20 * (1 - share))]
    script.plant = {"soc_permille": soc_permille, "capacity_Wh": float(capacity_Wh), "ocv_V": curve}
    script.station = {"protocol": "chademo", "floor_permille": 50, "mqtt_host": ""}
    script.wishes = _wishes(tolds)
    script.inferred = {
        "plug": "in before the first frame",
        "d1": "the car is awake while the firmware gives it",
        "k": "with 102.5.0",
        "d2": "waited for, before the recorded 102.5.3 = 0",
        "car's contactors": f"closed at d2 and 102.5.3 = 0, open {_WELD_s} s before 102.5.3 = 1",
        "pack": f"{pack_V:.0f} V at {soc_permille / 10:.1f} % (109, 102), {capacity_Wh} Wh (101)",
        "inlet voltage": "the pack's behind its contactors, from the bench's plant",
        "wish": f"the power that 109 and 208 tell, {len(script.wishes)} values from {script.wishes[0][1]} W",
    }
    _stop(script, tolds, running)


def _stop(script: Script, tolds: list[Told], running: list[Told]) -> None:
    """The recorded charger stopped first: by hand as far as our firmware can know. And the car opens."""
    stop = next((told for told in running if told.signals["stop_control"]), None)
    ran_s = running[0].t_s if running else 0.0
    off = next((told for told in tolds if told.name == "102" and not told.error and told.t_s > ran_s
                and not told.signals["charge_enabled"]), None)  # fmt: skip
    if stop is not None and (off is None or stop.t_s < off.t_s):
        script.stop_s = stop.t_s
        script.inferred["stop button"] = f"pressed at {stop.t_s:.1f} s, since the recorded charger sets 109.5.5"
    if off is not None:
        opened = next((told.t_s for told in tolds if told.name == "102" and not told.error and told.t_s >= off.t_s
                       and told.signals["contactors_open"]), None)  # fmt: skip
        if opened is not None:
            script.actions.append((max(off.t_s, opened - _WELD_s), "open"))


def _wishes(tolds: list[Told]) -> list[tuple[float, int]]:
    """What flowed, at the meter; where nothing flows yet, what flowed next."""
    flows: list[tuple[float, float]] = []
    out_dA = 0
    for told in tolds:
        if told.name == "208" and not told.error:
            out_dA = told.signals["current_dA"]
        elif told.name == "109" and not told.error and told.signals["charging"]:
            flows.append((told.t_s, told.signals["voltage_dV"] * (told.signals["current_dA"] + out_dA) / 100))
    first = next((watt for _, watt in flows if abs(watt) > _FLOW_W), _SOME_W)
    kept: list[tuple[float, int]] = [(0.0, _at_meter(first))]
    for t_s, watt in flows:
        value = _at_meter(watt)
        if abs(value - kept[-1][1]) > _FLOW_W + abs(kept[-1][1]) * 0.02:
            kept.append((t_s, value))
    return kept


def _at_meter(watt: float) -> int:
    return round(max(-22_000, min(22_000, watt / EFFICIENCY if watt > 0 else watt * EFFICIENCY)))
