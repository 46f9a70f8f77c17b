"""A GB/T 27930 recording as a script for `station`: its words, what the car waits for, what the bus does not show."""

from typing import Any

from hw_tests.bench.frame import Frame
from hw_tests.bench.gbt27930.messages import BY_ID, BY_NAME, CAR_CM_ID, CAR_DT_ID
from hw_tests.bench.gbt27930.transport import ABORT, CTS, EOMA, RTS
from hw_tests.bench.replay.entry import ReplayError
from hw_tests.bench.replay.protocol import CHARGER, VEHICLE, Told
from hw_tests.bench.replay.script import Script, Step, words_of

_PLAIN = ("CHM", "CML", "CMLP", "CST", "CSD", "CEM", "CDC", "CCS")
_FACTS = "GB/T 27930-2015, facts 1.6"
TIMEOUTS_s = {
    "": (5.0, _FACTS), "CHM": (60.0, _FACTS), "CRM=00": (30.0, _FACTS), "CRO=AA": (60.0, _FACTS), "CSD": (10.0, _FACTS),
    "CTS of the transport": (1.25, "facts 1.3 T3"), "EoMA of the transport": (2.0, "facts 1.3 T3"),
}  # fmt: skip
_OPENS = ("BST", "BSD", "BEM")
_BCS = BY_NAME["BCS"].pgn
_T3_ms = 1250  # facts 1.3
_LEAST_V = 50.0  # a pack below this is none
_GRACE_ms = 1000  # for a fault that the car's own words explain
_FLOW_W = 50.0  # less is nothing, or no change
_SOME_W = 1000.0  # wanted where the recording shows a direction and no current
EFFICIENCY = 0.95  # of the bench's plant


def word_of(told: Told) -> tuple[str, bool] | None:
    """What a charger's frame says. CRO=00, CTS and a permission are no steps that the car waits for."""
    if told.side != CHARGER or told.error:
        return None
    name, signals = told.name, told.signals
    if name in _PLAIN:
        return name, True
    if name == "CRM":
        return (f"CRM={signals['result']:02X}", True)
    if name == "CRO":
        return f"CRO={signals['ready']:02X}", signals["ready"] == 0xAA
    if name == "CCD":
        return f"CCD={signals['direction']:02X}", True
    return (name, False) if name in ("CTS", "CSDP") else None


class GbtFlow:
    """The transport protocol, and K5/K6: closed before BRO=AA, opened when the car stops or gives up (facts 1.5)."""

    def __init__(self, world: Any):
        self._vehicle = world.around.rig.vehicle
        self._answers: dict[int, tuple[int, int]] = {}  # PGN: control byte, last packet allowed
        self._pgn = -1
        self._acknowledged = True
        self._newest: list[Frame] = []  # the transfer that was sent last
        self._report: list[Frame] = []  # the newest BCS
        self._begun_ms = 0
        self._again = 0  # packets of it that were sent once more, from 1; 0: none under way

    def heard(self, told: Told, now_ms: int) -> None:
        """CTS, EoMA or abort."""
        if not told.name.startswith("TP."):
            return
        pgn = told.signals["pgn"]
        if told.raw[0] == CTS:
            self._answers[pgn] = CTS, told.signals["next"] + told.signals["packets"] - 1
        elif told.raw[0] in (EOMA, ABORT):
            self._answers[pgn] = told.raw[0], 255
            self._acknowledged = True
            if pgn == _BCS and self._pgn == _BCS and not self._again:
                self._report = list(self._newest)

    def cycle(self, now_ms: int) -> None:
        """Nothing of its own."""

    def act(self, what: str) -> None:
        """Nothing of its own."""

    def may(self, step: Step, now_ms: int) -> str:
        """A packet waits for its CTS, the next transfer for the acknowledgement of the one before."""
        frame = step.frame
        if len(frame.data) != 8 or self._acknowledged:
            return ""  # nothing is under way: what comes now answers nothing
        if frame.id == CAR_DT_ID:
            _, last = self._answers.get(self._pgn, (0, 0))
            return "" if frame.data[0] <= last else "CTS of the transport"
        if frame.id == CAR_CM_ID and frame.data[0] == RTS:
            if now_ms - self._begun_ms > _T3_ms:
                return ""  # a packet is missing in the log: the car tries again, with the next one
            return "EoMA of the transport" if self._pgn in self._answers else ""
        return ""

    def sent(self, step: Step, now_ms: int) -> bool:
        """Switches, and after a request a moment for its answer."""
        frame = step.frame
        self._again = 0
        if frame.id == CAR_DT_ID:
            self._newest.append(frame)
        if step.name in _OPENS:
            self._vehicle.close_contactors = False
        elif step.name == "BRO" and frame.data[:1] == b"\xaa":
            self._vehicle.close_contactors = True
        if frame.id != CAR_CM_ID or len(frame.data) != 8:
            return False
        if frame.data[0] == RTS:
            self._pgn = frame.data[5] | frame.data[6] << 8 | frame.data[7] << 16
            self._request(now_ms)
            self._newest = [frame]
        return True

    def _request(self, now_ms: int) -> None:
        self._answers.pop(self._pgn, None)
        self._acknowledged = False
        self._begun_ms = now_ms

    def repeat(self, now_ms: int) -> list[Frame]:
        """While the car waits: BCS goes on every 250 ms."""
        report = self._report
        if self._again:
            if self._again < len(report) and report[self._again].data[0] <= self._answers.get(_BCS, (0, 0))[1]:
                self._again += 1
                return [report[self._again - 1]]
            self._again = 0 if self._acknowledged else self._again
        elif (
            report and now_ms - self._begun_ms >= BY_NAME["BCS"].period_ms
        ):  # also instead of one that the wait cut off
            self._pgn = _BCS
            self._request(now_ms)
            self._again = 1
            return [report[0]]
        return []


def _first(tolds: list[Told], name: str) -> dict[str, Any]:
    return next((told.signals for told in tolds if told.name == name and not told.error), {})


def script_of(tolds: list[Told]) -> Script:
    """The script of a whole log. Raises ReplayError where there is nothing to play."""
    steps = [Step(order, told.t_s, told.frame, told.name) for order, told in enumerate(tolds)
             if told.side == VEHICLE and told.frame is not None and (told.raw or not told.error)]  # fmt: skip
    words = words_of(tolds, word_of)
    if not steps:
        raise ReplayError("the log has no frame of a car: there is nothing to play at the station.")
    if not any(word.text in ("CHM", "CRM=00") for word in words):
        raise ReplayError("the log begins in mid-session, without CHM or CRM: the station cannot be brought there.")
    own: tuple[str, ...] = ("CTS", "CRO=00", "CSDP")
    if not any(word.text == "CHM" for word in words):  # a car of the 2011 edition, or a log that began late
        own += ("CHM",)
    script = Script(steps, words, word_of, GbtFlow, TIMEOUTS_s, _periods(steps), ("CST", "CEM"), own)
    _infer(script, tolds)
    _stop(script, tolds)
    return script


def _periods(steps: list[Step]) -> dict[int, int]:
    """Of the short messages; the long ones are not repeated while the car waits."""
    found = {}
    for can_id in {step.frame.id for step in steps}:
        message = BY_ID.get(can_id)
        if message is not None and message.period_ms and not message.long:
            found[can_id] = message.period_ms
    return found


def _infer(script: Script, tolds: list[Told]) -> None:
    """Pack, pins and wishes."""
    pack, report, ccs = _first(tolds, "BCP"), _first(tolds, "BCS"), _first(tolds, "CCS")
    volts = [told.signals["voltage_dV"] / 10 for told in tolds if told.name == "BCS" and not told.error]
    pack_V = pack.get("voltage_dV", report.get("voltage_dV", 4000)) / 10
    if pack_V < _LEAST_V:
        pack_V = 400.0
    high_V = max([pack_V + 1, *[volt for volt in volts if volt < 2 * pack_V]])
    soc = pack.get("soc_permille", report.get("soc_permille", 500))
    soc = min(max(soc, 10), 990)
    capacity_Wh = pack.get("energy_Wh", 0) or 20_000
    share = soc / 1000
    top_V = pack_V + (high_V - pack_V) * 1.5
    script.plant = {"soc_permille": soc, "capacity_Wh": float(capacity_Wh),
                    "ocv_V": [(0.0, pack_V - 2), (share, pack_V), (1.0, max(top_V, pack_V + 0.5))]}  # fmt: skip
    v112 = int(any(told.name in ("CDC", "BDC") for told in tolds))
    length = next((len(told.raw) for told in tolds if told.name == "CCS"), 8)
    script.station = {"discharge_v112": v112, "ccs_length": length if length in (7, 8) else 8, "floor_permille": 50,
                      "mqtt_host": ""}  # fmt: skip
    script.wishes = _wishes(tolds)
    script.inferred = {
        "plug (CC1)": "in and latched before the first frame",
        "auxiliary supply": "the car is awake while the firmware gives it",
        "car's contactors K5/K6": "closed as BRO=AA leaves, open at the first of BST, BSD, BEM",
        "pack": f"{pack_V:.1f} V at {soc / 10:.1f} % (BCP), up to {high_V:.1f} V (BCS), {capacity_Wh} Wh",
        "inlet voltage": "the pack's behind K5/K6, from the bench's plant",
        "wish": f"the power that BCS tells: {_some(script.wishes)}",
        "CCS length": f"{script.station['ccs_length']} bytes, as recorded" if ccs else "8 bytes",
    }


def _some(wishes: list[tuple[float, int]]) -> str:
    shown = ", ".join(f"{watt} W from {t_s:.1f} s" for t_s, watt in wishes[:5])
    return shown + (f" and {len(wishes) - 5} more" if len(wishes) > 5 else "")


def _wishes(tolds: list[Told]) -> list[tuple[float, int]]:
    """Somebody wants what flowed: the firmware checks the car's account against its own, so the amperes must be right.

    Where nothing flows yet, what flowed next; a direction begins with the charger's CCD.
    """
    flows = [(told.t_s, told.signals["voltage_dV"] * told.signals["current_dA"] / 100) for told in tolds
             if told.name == "BCS" and not told.error]  # fmt: skip
    turns = [(told.t_s, -1 if told.signals["direction"] == 1 else 1) for told in tolds
             if told.name == "CCD" and not told.error]  # fmt: skip
    wishes: list[tuple[float, int]] = []
    for t_s, direction in _changes([(0.0, turns[0][1] if turns else 1), *turns]):
        ahead = [watt for at_s, watt in flows if at_s >= t_s and watt * direction > _FLOW_W]
        wishes.append((t_s, _at_meter(ahead[0] if ahead else direction * _SOME_W)))
    for t_s, watt in flows:
        told = [direction for at_s, direction in turns if at_s <= t_s][-1:] or [0]
        if abs(watt) > _FLOW_W and watt * told[0] >= 0:  # what still flows the old way is no wish
            wishes.append((t_s, _at_meter(watt)))
    wishes.sort()
    kept: list[tuple[float, int]] = []
    for t_s, at_meter in wishes:
        if not kept or abs(at_meter - kept[-1][1]) > _FLOW_W + abs(kept[-1][1]) * 0.02:
            kept.append((t_s, at_meter))
    return kept


def _changes(values: list[tuple[float, int]]) -> list[tuple[float, int]]:
    return [each for number, each in enumerate(values) if not number or each[1] != values[number - 1][1]]


def _at_meter(watt: float) -> int:
    return round(max(-22_000, min(22_000, watt / EFFICIENCY if watt > 0 else watt * EFFICIENCY)))


def _stop(script: Script, tolds: list[Told]) -> None:
    """The recorded charger stopped first: by hand as far as our firmware can know."""
    stop = next((told for told in tolds if told.name in ("CST", "BST") and not told.error), None)
    if stop is not None and stop.name == "CST":
        reasons = [name for name, value in stop.signals.items() if value == 1]
        script.stop_s = stop.t_s
        why = f"since the recorded CST says {', '.join(reasons)}"
        script.stop_grace_ms = 0 if "manual_stop" in reasons else _GRACE_ms
        grace = f", if the firmware does not stop by itself in {_GRACE_ms} ms" if script.stop_grace_ms else ""
        script.inferred["stop button"] = f"pressed at {stop.t_s:.1f} s, {why}{grace}"
