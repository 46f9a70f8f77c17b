# What the station says over MQTT, one function a text. The keys are documented in docs/mqtt.md; their names carry the
# unit; powers are AC at the meter, + charges the car; what is not known is left out.
import gc

from micropython import const

from firmware import fault_text
from firmware.clock import unix_s
from firmware.faults import severity
from firmware.journal import (
    EVENT,
    J_CODE,
    J_DATA,
    J_KIND,
    J_SEQ,
    J_SESSION,
    J_STATE,
    J_AT_s,
    J_EXPORT_TOTAL_Wh,
    J_EXPORT_Wh,
    J_IMPORT_TOTAL_Wh,
    J_IMPORT_Wh,
    J_LENGTH_s,
    J_SOC_END_permille,
    J_SOC_START_permille,
    J_UP_s,
)
from firmware.station import (
    C_CAN_DISCHARGE,
    C_GATE_REFUSED,
    C_PHASE,
    C_SESSION,
    EV_PHASE,
    G_POWER_W,
    K_LATE,
    K_OPENED_UNDER_LOAD,
    K_OPENINGS,
    K_TICKS,
    P_APPLIED_W,
    P_CHARGE_MAX_W,
    P_CHARGE_WHY,
    P_DISCHARGE_MAX_W,
    P_DISCHARGE_WHY,
    P_REASON,
    P_SOURCE,
    P_WANTED_W,
    PHASE_NAMES,
    REASON_NAMES,
    S_CONTACTOR,
    C_GATE_FLOOR_permille,
    C_GATE_SOC_LOW_permille,
    C_SOC_permille,
    G_EXPORT_Wh,
    G_IMPORT_Wh,
    K_GAP_MAX_ms,
    Reader,
    S_CURRENT_dA,
    S_INLET_dV,
    S_TEMP1_dC,
    S_TEMP2_dC,
)
from firmware.units import UNKNOWN
from firmware.uplink.orders import A_APPLIED_W, A_ID, A_REASON, A_RESULT, A_WHAT, A_UNTIL_s
from firmware.uplink.text import Text
from firmware.uplink.topics import API, FW, ORDERS

_SOURCES = ("owner", "aggregator", "plan")
_SEVERITIES = ("info", "warn", "stop", "emergency")
_FAULTS_TOLD = const(6)
_WHAT_MAX = const(80)


def name_of(names, index):
    return names[index] if 0 <= index < len(names) else "unknown"


class Statement:
    def __init__(self, station, config, clock, journal, boot):
        self.sense = Reader(station.sense)
        self.car = Reader(station.car)
        self.power = Reader(station.power)
        self.grid = Reader(station.grid)
        self.control = Reader(station.control)
        self._config = config
        self._clock = clock
        self._journal = journal
        self._boot = boot
        self._text = Text()

    def refresh(self):
        for reader in (self.sense, self.car, self.power, self.grid, self.control):
            reader.refresh()

    def birth(self):
        text = self._begin()
        config = self._config
        text.word("boot_id", self._boot)
        text.word("fw", FW)
        text.number("api", API)
        text.words("caps", ORDERS)
        for key in ("charge_max_W", "discharge_max_W", "modules", "lease_max_s", "meter_interval_s"):
            text.number(key, config[key])
        text.word("protocol", config["protocol"])
        text.number("floor_permille", config["floor_permille"])
        text.word("config", config.hash)
        return text.end()

    def state(self, order_id, counters):
        text = self._begin()
        car, control = self.car.values, self.control.values
        text.word("phase", name_of(PHASE_NAMES, car[C_PHASE]))
        text.number("session", car[C_SESSION])
        self._power(text, order_id)
        text.number("soc_permille", car[C_SOC_permille])
        text.number("soc_low_permille", car[C_GATE_SOC_LOW_permille])
        text.number("floor_permille", car[C_GATE_FLOOR_permille])
        text.number("can_discharge", car[C_CAN_DISCHARGE])
        self._measured(text)
        text.words("faults", self._faults())
        text.open("tick")
        text.number("count", control[K_TICKS])
        text.number("late", control[K_LATE])
        text.number("gap_max_ms", control[K_GAP_MAX_ms])
        text.shut()
        if hasattr(gc, "mem_free"):  # not on a PC
            text.number("heap_free_B", gc.mem_free())
        text.number("gate_refused", car[C_GATE_REFUSED])
        text.word("config", self._config.hash)
        self._counters(text, counters)
        return text.end()

    def _power(self, text, order_id):
        power = self.power.values
        source = power[P_SOURCE]
        text.word("source", _SOURCES[source] if 0 <= source < len(_SOURCES) else "none")
        if source == 1:
            text.word("order", order_id)
        text.number("wanted_W", power[P_WANTED_W])
        text.number("applied_W", power[P_APPLIED_W])
        text.word("limiting_factor", name_of(REASON_NAMES, power[P_REASON]))
        text.number("charge_max_W", power[P_CHARGE_MAX_W])
        text.word("charge_why", name_of(REASON_NAMES, power[P_CHARGE_WHY]))
        text.number("discharge_max_W", power[P_DISCHARGE_MAX_W])
        text.word("discharge_why", name_of(REASON_NAMES, power[P_DISCHARGE_WHY]))

    def _measured(self, text):
        sense, grid, control = self.sense.values, self.grid.values, self.control.values
        text.number("power_W", grid[G_POWER_W])
        text.number("import_Wh", grid[G_IMPORT_Wh])
        text.number("export_Wh", grid[G_EXPORT_Wh])
        text.number("inlet_dV", sense[S_INLET_dV])
        text.number("current_dA", sense[S_CURRENT_dA])
        text.number("temperature_dC", max(sense[S_TEMP1_dC], sense[S_TEMP2_dC]))
        text.number("contactor", sense[S_CONTACTOR])
        text.number("openings", control[K_OPENINGS])
        text.number("opened_under_load", control[K_OPENED_UNDER_LOAD])

    def _faults(self):
        active = self._journal.active
        codes = [code for code in range(len(active)) if active[code]]
        codes.sort(key=lambda code: -severity[code])
        return [fault_text.text_of(code)[0] for code in codes[:_FAULTS_TOLD]]

    def _counters(self, text, counters):
        text.open("mqtt")
        text.number("published", counters.published)
        text.number("acknowledged", counters.acknowledged)
        text.number("waiting", self._journal.waiting())
        text.number("lost", self._journal.lost())
        text.number("reconnects", counters.reconnects)
        text.shut()

    def ack(self, answer):
        text = self._begin()
        if answer[A_ID]:
            text.word("id", answer[A_ID])
        text.word("result", answer[A_RESULT])
        text.word("reason", answer[A_REASON])
        text.number("applied_W", answer[A_APPLIED_W])
        text.number("until_s", answer[A_UNTIL_s])
        if answer[A_WHAT]:
            text.word("what", answer[A_WHAT][:_WHAT_MAX])
        return text.end()

    # --- records of the journal ---
    def record(self, record, online_s):
        # `online_s`: uptime when this connection began: what is older waited for it.
        text = self._text.begin()
        text.word("boot_id", self._boot)
        text.number("seq", record[J_SEQ])
        if record[J_KIND] == EVENT:
            self._event(text, record)
        else:
            self._interval(text, record)
        text.number("session", record[J_SESSION])
        text.yes("hist", record[J_UP_s] < online_s)
        return text.end()

    def _at_s(self, record):
        # Unix time of a record. One made before the clock was set gets its time from its age.
        at_s = record[J_AT_s]
        if at_s == UNKNOWN:
            now_s = self._clock.now_s()
            return None if now_s is None else unix_s(now_s - (self._clock.up_s - record[J_UP_s]))
        return unix_s(at_s)

    def _event(self, text, record):
        text.number("t", self._at_s(record))
        code = record[J_CODE]
        if code == EV_PHASE:
            text.word("code", "phase")
            text.word("phase", name_of(PHASE_NAMES, record[J_STATE]))
            return
        name, mrec, action = fault_text.text_of(code)
        text.word("code", name)
        text.word("state", "raised" if record[J_STATE] else "cleared")
        text.word("sev", _SEVERITIES[severity[code]])
        if mrec:
            text.number("mrec", mrec)
        text.number("data", record[J_DATA])
        if record[J_STATE]:
            text.word("action", action)

    def _interval(self, text, record):
        # The seam for signed records: `mac` over the text so far, in their own issue.
        end_s = self._at_s(record)
        if end_s is not None:
            text.number("start_s", end_s - record[J_LENGTH_s])
            text.number("end_s", end_s)
        text.number("length_s", record[J_LENGTH_s])
        text.number("import_Wh", record[J_IMPORT_Wh])
        text.number("export_Wh", record[J_EXPORT_Wh])
        text.number("import_total_Wh", record[J_IMPORT_TOTAL_Wh])
        text.number("export_total_Wh", record[J_EXPORT_TOTAL_Wh])
        text.number("soc_start_permille", record[J_SOC_START_permille])
        text.number("soc_end_permille", record[J_SOC_END_permille])

    def _begin(self):
        text = self._text.begin()
        now_s = self._clock.now_s()
        text.number("t", None if now_s is None else unix_s(now_s))
        return text
