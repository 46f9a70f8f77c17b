"""The car's side of GB/T 27930-2015 with the V1.12 trial discharge: a state machine in virtual time.

    car = Car("v2g", vehicle, seed=1)
    car.receive(frame, now_ms)             # a frame of the charger
    frames = car.step(now_ms)              # what the car sends now; call it every 1 to 10 ms
    car.misbehave("bsm_fault", bit="insulation", for_ms=2000)
    car.phase, car.facts(), car.log        # log: what the charger did against the standard

`now_ms` never goes back and does not wrap. The BMS works in cycles of 10 ms while the auxiliary supply is on.

Phases: asleep, awake, offer (V1.12: CDC/BDC), handshake (CHM/BHM), identify (CRM=00/BRM), parameters (CRM=AA/BCP),
ready (CML/BRO/CRO), charge (both directions, also while paused), stopping (BST/CST), statistics (BSD/CSD), ended,
error (BEM sent or CEM heard; CRM=00 begins again).
"""

from typing import Any

from ..frame import Frame
from . import codec
from .bms import CHARGE, DISCHARGE, FORBIDDEN, STATES
from .checker import Checker, Deviation
from .messages import BY_ID, CHARGER_CM_ID
from .node import LOW_A, Node
from .profiles import Profile, profile
from .vehicle import Vehicle

# Facts 1.6, time-outs of the BMS in ms.
CRM_AFTER_CHM_ms, CRM_AFTER_START_ms = 30_000, 60_000
DEFAULT_ms = 5_000
CRO_AA_ms = 60_000
CCS_ms = 1_000
CSD_ms = 10_000
LOW_CURRENT_ms, LOW_CURRENT_FAULT_ms = 10_000, 300  # after BST: then K5/K6 open anyway
BST_LEAST_ms = 100  # BST is repeated at least so long, that the charger surely hears it
OTHER = 0b111101  # BEM 4.3-8: only the first of the three pairs is said
NORMAL_STOPS = {"soc_reached", "voltage_reached", "cell_voltage_reached", "charger_stopped"}


PHASES = ("awake", "offer", "handshake", "identify", "parameters", "ready", "charge", "stopping", "statistics", "ended",
          "error")  # fmt: skip


class Car(Node):
    """One emulated car at the plant's `vehicle`."""

    def __init__(self, which: Profile | str, vehicle: Vehicle, seed: int = 0):
        super().__init__(profile(which) if isinstance(which, str) else which, vehicle, seed)
        self.checker = Checker(self)
        self._phase_step = {name: getattr(self, "_step_" + name) for name in PHASES}
        self._forget()

    def _forget(self) -> None:
        """A new session: nothing was heard, said or agreed yet."""
        super()._forget()
        self.v2g = False  # BDC was acknowledged in answer to CDC
        self.cmlp = False
        self.ccd: int | None = None
        self.ccd_ms = 0
        self.may_discharge = False  # the charger was told so in this session
        self.permitted = self.was_permitted = False  # by CCS, in the present direction
        self.ready_sent_ms: int | None = None  # BRO=AA
        self.cro_ms: int | None = None
        self.charge_ms: int | None = None  # CRO=AA
        self.bcl_sent_ms: int | None = None
        self.ccs_ms: int | None = None
        self.cst_ms: int | None = None
        self.forbidden_ms: int | None = None  # BSM forbids since
        self.fault_told_ms: int | None = None  # BSM tells a fault since
        self.stop_ms = 0
        self.stop_limit_ms = LOW_CURRENT_ms
        self.bst_reason = self.bem_reason = ""
        self.restarts = 0
        self.energy_in_Wh = self.energy_out_Wh = 0.0
        self._bst = Frame(0, True, b"")
        self._bem: Frame | None = None

    # The outside.

    @property
    def log(self) -> list[Deviation]:
        """What the charger did against the standard."""
        return self.checker.log

    @property
    def direction(self) -> int:
        """+1 charging, -1 discharging, as the charger last told by CCD."""
        if self.v2g and self.ccd == 1 and "ccd_ignored" not in self.mischief.active:
            return DISCHARGE
        return CHARGE

    @property
    def asked_A(self) -> float:
        """The demand as last sent, + charging."""
        return self.bms.demand_A if self.bcl_sent_ms is not None else 0.0

    def misbehave(self, name: str, for_ms: int | None = None, **arguments: Any) -> None:
        """Begin a misbehaviour (`mischief.KNOWN`), for ever or for a time; "recover" (what=...) ends one or all."""
        if name in ("recover", "resume"):
            self.mischief.end("pause" if name == "resume" else arguments.get("what"))
            return
        bit = arguments.get("bit", STATES[0])
        if bit not in STATES:
            raise ValueError(f"BSM has no {bit!r}; known: {', '.join(STATES)}")
        complete = self.mischief.begin(name, self.now_ms, for_ms, arguments)
        if name == "bst":
            self.mischief.end(name)
            if self.phase in ("parameters", "ready", "charge"):
                self._stop(complete["reason"], self.now_ms)
        elif name == "bem":
            self.mischief.end(name)
            self._fail(complete["reason"], self.now_ms, timeout=False)
        elif name == "open_under_load":
            self._open(self.now_ms)

    def facts(self) -> dict[str, Any]:
        """The car as it sees itself."""
        vehicle = self.vehicle
        return {
            "phase": self.phase, "direction": self.direction if self.phase == "charge" else 0,
            "demand_A": round(self.asked_A, 1) if self.phase == "charge" else 0.0,
            "soc_told_permille": self.bms.gauge.permille(self.now_ms), "v2g": self.v2g,
            "may_discharge": self.may_discharge, "permitted": self.permitted, "paused": self.forbidden_ms is not None,
            "contactors_closed": bool(vehicle.contactors_closed), "openings": self.openings,
            "opened_under_load": self.opened_under_load, "bst": self.bst_reason, "bem": self.bem_reason,
            "restarts": self.restarts, "sessions": self.sessions, "frames_sent": self.frames_sent,
            "frames_heard": self.frames_heard, "energy_in_Wh": round(self.energy_in_Wh, 2),
            "energy_out_Wh": round(self.energy_out_Wh, 2),
            "current_after_unplug_ms": self.checker.current_after_unplug_ms,
            "misbehaves": sorted(self.mischief.active), "deviations": dict(self.checker.counts),
        }  # fmt: skip

    def receive(self, frame: Frame, now_ms: int) -> None:
        """A frame of the charger."""
        self.now_ms = now_ms
        if self.phase == "asleep" or "deaf" in self.mischief.active:
            return
        self.frames_heard += 1
        if frame.ext and frame.id == CHARGER_CM_ID and len(frame.data) == 8:
            self._sender.receive(frame.data, now_ms)
            if self._sender.ended == "done":
                self._sender.ended = ""
                self._acknowledged(codec.long_message(self._sender.pgn).name)
            return
        message = BY_ID.get(frame.id) if frame.ext else None
        try:
            name, signals = codec.decode(frame)
        except codec.CodecError as error:
            self.checker.undecoded(error, message is not None)
            return
        if message is None or message.from_car:
            self.checker.complain("unknown_frame", f"{name} from the charger")
            return
        self.checker.message(name, signals, now_ms, len(frame.data), frame.data)
        hear = getattr(self, "_hear_" + name.lower(), None)
        if hear is not None:
            hear(signals, now_ms)

    # Exits: a stop by either side, a time-out.

    def _stop(self, reason: str, now_ms: int) -> None:
        """BST, with its reason (facts 1.4); the answer to CST is "charger_stopped"."""
        self._bst = codec.cleared("BST", {reason: 1})
        self.bst_reason = reason
        self.stop_ms = now_ms
        self.stop_limit_ms = LOW_CURRENT_ms if reason in NORMAL_STOPS else LOW_CURRENT_FAULT_ms
        self.permitted = False
        self._enter("stopping", now_ms)

    def _fail(self, reason: str, now_ms: int, timeout: bool = True) -> None:
        """BEM with what was missing (facts 1.4, 1.6)."""
        if timeout:
            self.checker.complain("timeout", reason)
        self._bem = codec.cleared("BEM", {reason: OTHER if reason == "other" else 1})
        self.bem_reason = reason
        self._give_up(now_ms)

    def _give_up(self, now_ms: int) -> None:
        self.stop_ms, self.stop_limit_ms = now_ms, LOW_CURRENT_FAULT_ms
        self.permitted = False
        self._sender.drop()
        self._enter("error", now_ms)

    def _expired(self, since_ms: int | None, limit_ms: int, reason: str, now_ms: int) -> bool:
        if since_ms is None or now_ms - since_ms <= limit_ms:
            return False
        self._fail(reason, now_ms)
        return True

    # What it hears.

    def _hear_cdc(self, signals: codec.Signals, now_ms: int) -> None:
        if self.profile.v112 and self.phase in ("awake", "ended"):
            if self.phase == "ended":
                self._forget()
            self._enter("offer", now_ms)

    def _hear_chm(self, signals: codec.Signals, now_ms: int) -> None:
        if self.phase == "handshake" or not self.profile.answers_chm:
            return
        if self.phase not in ("awake", "offer"):  # the charger began again
            self._open(now_ms)
            self._sender.drop()
            self._forget()
        self._enter("handshake", now_ms)

    def _hear_crm(self, signals: codec.Signals, now_ms: int) -> None:
        if signals["result"] == 0:
            if self.phase in ("awake", "handshake"):
                self._enter("identify", now_ms)
            elif self.phase in ("error", "parameters", "ready", "charge", "stopping"):
                self._begin_again(now_ms)
        elif signals["result"] == 0xAA and self.phase == "identify" and "BRM" in self.delivered:
            self._enter("parameters", now_ms)

    def _begin_again(self, now_ms: int) -> None:
        """CRM=00 after an error: the charger tries again, at most 3 times (facts 1.6)."""
        if self.phase != "error":
            self._open(now_ms)
        kept = (self.v2g, self.restarts + 1, self.bem_reason, self.energy_in_Wh, self.energy_out_Wh)
        self._forget()
        self.v2g, self.restarts, self.bem_reason, self.energy_in_Wh, self.energy_out_Wh = kept
        if self.restarts > 3:
            self.checker.complain("restarts", f"CRM=00 for the {self.restarts + 1}. time")
        self._sender.drop()
        self._enter("identify", now_ms)

    def _hear_cml(self, signals: codec.Signals, now_ms: int) -> None:
        if self.phase == "parameters" and "BCP" in self.delivered:
            self._enter("ready", now_ms)

    def _hear_cmlp(self, signals: codec.Signals, now_ms: int) -> None:
        self.cmlp = True

    def _hear_cro(self, signals: codec.Signals, now_ms: int) -> None:
        if self.phase != "ready" or self.ready_sent_ms is None:
            return
        self.cro_ms = now_ms
        if signals["ready"] == 0xAA:
            self.charge_ms = self.ccd_ms = now_ms
            self.bms.reset(now_ms)
            self._enter("charge", now_ms)

    def _hear_ccd(self, signals: codec.Signals, now_ms: int) -> None:
        self.ccd_ms = now_ms
        if self.v2g and signals["direction"] in (0, 1) and self.ccd != signals["direction"]:
            self.ccd = signals["direction"]
            self.permitted = False

    def _hear_ccs(self, signals: codec.Signals, now_ms: int) -> None:
        self.ccs_ms = now_ms
        permission = signals.get("permission", 1)
        self.permitted = self.phase == "charge" and permission == (2 if self.direction == DISCHARGE else 1)
        self.was_permitted |= self.permitted

    def _hear_cst(self, signals: codec.Signals, now_ms: int) -> None:
        if self.cst_ms is None:
            self.cst_ms = now_ms
        if self.phase in ("parameters", "ready", "charge"):
            self._stop("charger_stopped", now_ms)
            if signals["fault_stop"] == 1 or signals["emergency_stop"] == 1:
                self.stop_limit_ms = LOW_CURRENT_FAULT_ms

    def _acknowledged(self, name: str) -> None:
        """EoMA. It has the lowest priority on the bus: what the charger says next may overtake it."""
        self.delivered.add(name)
        self.v2g |= name == "BDC"

    def _hear_csd(self, signals: codec.Signals, now_ms: int) -> None:
        if self.phase == "statistics":
            self._enter("ended", now_ms)

    def _hear_cem(self, signals: codec.Signals, now_ms: int) -> None:
        if self.phase not in ("error", "ended"):
            self._bem = None
            self._give_up(now_ms)

    # One step a phase, in the order of a session.

    def _step_awake(self, now_ms: int) -> None:
        self._expired(self.since_ms, CRM_AFTER_START_ms, "crm_00_timeout", now_ms)

    def _step_offer(self, now_ms: int) -> None:
        self._say_long("BDC", 250, now_ms)
        self._expired(self.since_ms, CRM_AFTER_START_ms, "crm_00_timeout", now_ms)

    def _step_handshake(self, now_ms: int) -> None:
        if self._turn("BHM", 250, now_ms):
            self._say(self.bms.bhm())
        self._expired(self.since_ms, CRM_AFTER_CHM_ms, "crm_00_timeout", now_ms)

    def _step_identify(self, now_ms: int) -> None:
        self._say_long("BRM", 250, now_ms)
        self._expired(self.first_ms.get("BRM"), DEFAULT_ms, "crm_aa_timeout", now_ms)

    def _step_parameters(self, now_ms: int) -> None:
        self._say_long("BCP", 500, now_ms)
        if self.v2g and self._turn("BCPP", 500, now_ms):
            self._say(self.bms.bcpp())
            self.may_discharge = self.profile.cycles_left > 0
        self._expired(self.first_ms.get("BCP"), DEFAULT_ms, "cts_cml_timeout", now_ms)

    def _step_ready(self, now_ms: int) -> None:
        active = self.mischief.active
        wait_ms = self.profile.ready_after_ms + (active["late_bro"]["ms"] if "late_bro" in active else 0)
        ready = False
        if "refuse" not in active and now_ms - self.since_ms >= wait_ms:
            self._close()
            ready = self.vehicle.contactors_closed or "contactor_stuck_open" in active
        if ready and "bro_falls" in active and self.ready_sent_ms is not None:
            ready = now_ms - self.ready_sent_ms < active["bro_falls"]["after_ms"]
        if ready and self.ready_sent_ms is None:
            self._due.pop("BRO", None)
        if self._turn("BRO", 250, now_ms):
            self._say(codec.encode("BRO", ready=0xAA if ready else active.get("refuse", {}).get("value", 0)))
            if ready and self.ready_sent_ms is None:
                self.ready_sent_ms = now_ms
        limit_ms = DEFAULT_ms if self.cro_ms is None else CRO_AA_ms
        self._expired(self.ready_sent_ms, limit_ms, "cro_timeout", now_ms)

    def _step_charge(self, now_ms: int) -> None:
        self._count_energy()
        direction = self.direction
        waiting = self.v2g and self.ccd is None and self.profile.waits_for_ccd
        if not waiting and now_ms - self.since_ms >= 20:  # 26 ms in log 1
            self._demand(direction, now_ms)
        if self.v2g and self._expired(self.ccd_ms, DEFAULT_ms, "other", now_ms):
            return
        heard_ms = self.first_ms.get("BCL") if self.ccs_ms is None else self.ccs_ms
        if self._expired(heard_ms, CCS_ms, "ccs_timeout", now_ms):
            return
        if self.profile.stops_when_full and direction == CHARGE and self.bms.full(now_ms):
            self._stop("soc_reached", now_ms)

    def _demand(self, direction: int, now_ms: int) -> None:
        bms = self.bms
        if self._turn("BCL", 50, now_ms):
            bms.step_demand(direction, now_ms)
            self._say(bms.bcl(direction))
            self.bcl_sent_ms = now_ms
        self._say_long("BCS", 250, now_ms)
        if self.v2g and self._turn("BCSP", 250, now_ms):
            self._say(bms.bcsp(now_ms))
        if self.ccs_ms is not None:
            self._state(direction, now_ms)
            if self.profile.optional_messages:
                for name in ("BMV", "BMT", "BSP"):
                    self._say_long(name, 10_000, now_ms)

    def _state(self, direction: int, now_ms: int) -> None:
        if not self._turn("BSM", 250, now_ms):
            return
        permission = self.bms.permission(direction, self.v2g, now_ms)
        self._say(self.bms.bsm(permission))
        faulty = self.mischief.active.get("bsm_fault", {}).get("value") == 1
        self.fault_told_ms = (now_ms if self.fault_told_ms is None else self.fault_told_ms) if faulty else None
        forbidden = permission == FORBIDDEN
        self.forbidden_ms = (now_ms if self.forbidden_ms is None else self.forbidden_ms) if forbidden else None

    def _count_energy(self) -> None:
        energy_Wh = self.vehicle.pack_V * self.vehicle.current_A * self._elapsed_ms / 3_600_000
        if energy_Wh > 0:
            self.energy_in_Wh += energy_Wh
        else:
            self.energy_out_Wh -= energy_Wh

    def _step_stopping(self, now_ms: int) -> None:
        self._count_energy()
        if self._turn("BST", 10, now_ms):
            self._say(self._bst)
        waited_ms = now_ms - self.stop_ms
        low = abs(self.vehicle.current_A) <= LOW_A and (self.cst_ms is not None or waited_ms > 1000)
        if (low and waited_ms >= BST_LEAST_ms) or waited_ms > self.stop_limit_ms:
            self._open(now_ms)
            if self.cst_ms is not None and self._at_rest():
                self._enter("statistics", now_ms)
                return
        if self.cst_ms is None:
            self._expired(self.stop_ms, DEFAULT_ms, "cst_timeout", now_ms)
        elif waited_ms > LOW_CURRENT_ms + 100:
            self._enter("statistics", now_ms)

    def _at_rest(self) -> bool:
        return not self.vehicle.contactors_closed or "contactor_welded" in self.mischief.active

    def _step_statistics(self, now_ms: int) -> None:
        if self._turn("BSD", 250, now_ms):
            self._say(self.bms.bsd(now_ms))
            self.delivered.add("BSD")
        self._expired(self.stop_ms, CSD_ms, "csd_timeout", now_ms)

    def _step_ended(self, now_ms: int) -> None:
        """Nothing more to say: the charger switches the auxiliary supply off, or begins again with CHM."""

    def _step_error(self, now_ms: int) -> None:
        if self._bem is not None and self._turn("BEM", 250, now_ms):
            self._say(self._bem)
        if abs(self.vehicle.current_A) <= LOW_A or now_ms - self.stop_ms > LOW_CURRENT_FAULT_ms:
            self._open(now_ms)
