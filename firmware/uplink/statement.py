# What the station says of itself over MQTT: birth and state. The keys are documented in docs/mqtt.md; their names carry
# the unit; powers are AC at the meter, + charges the car; what is not known is left out.
#
# JSON of at most 1 KB, written into one buffer that is made once: a state every 5 s for years must not cut up the heap,
# and json.dumps of a whole record would hold the interpreter for milliseconds. Integers and plain words only, so every
# number is finite.
import gc

from micropython import const

from firmware import fault_text
from firmware.faults import severity
from firmware.station import (
    C_PHASE,
    P_CHARGE_WHY,
    P_DISCHARGE_WHY,
    P_REASON,
    P_SOURCE,
    PHASE_NAMES,
    REASON_NAMES,
    name_of,
)
from firmware.units import UNKNOWN

FW = "0.1.0"
_SOURCES = "owner aggregator plan "
_POINTS = "charge_max_W discharge_max_W floor_permille modules lease_max_s meter_interval_s"
_FAULTS_TOLD = const(6)

# What of a record is told: a key for each slot, "-" for none. A test holds them against the slots' names.
SENSE = "- - inlet_dV current_dA - temp1_dC temp2_dC contactor"
CAR = "- - - soc_permille - - - - - - - - - - - - - - - session soc_low_permille floor_permille - - gate_refused"
POWER = "- - wanted_W applied_W - - charge_max_W - discharge_max_W"
GRID = "- power_W import_Wh export_Wh"
MAINS = "- - - - frequency_mHz voltage_dV voltage2_dV voltage3_dV"  # of the same record, a text of its own
CONTROL = "- - - - - - openings opened_under_load"


class Text:
    def __init__(self, view):
        self._view = view
        self._at = 0

    def begin(self):
        self._at = 0
        self._put("{")

    def raw(self, key, value):
        # `value` is JSON already; an object stays open with value "{" and is closed by shut().
        if self._view[self._at - 1] != 123:  # "{"
            self._put(",")
        self._put('"%s":' % key)
        self._put(value)

    def number(self, key, value):
        if value is not None and value != UNKNOWN:
            self.raw(key, str(value))

    def numbers(self, keys, values):
        # One key for each slot of a record, "-" for those that are not told.
        for slot, key in enumerate(keys.split(" ")):
            if key != "-":
                self.number(key, values[slot])

    def word(self, key, value):
        # Words of ours are plain; what came from outside is made so.
        for char in value:
            if not " " <= char <= "~" or char in '"\\':
                value = value.replace(char, "?")
        self.raw(key, '"%s"' % value)

    def shut(self):
        self._put("}")

    def end(self):
        # The text; valid until the next begin().
        self._put("}")
        return self._view[: self._at]

    def _put(self, text):
        raw = text.encode()
        end = self._at + len(raw)
        if end > len(self._view):
            raise ValueError("text: over 1 KB: say less")
        self._view[self._at : end] = raw
        self._at = end


def write_birth(text, config, boot_id):
    text.word("boot_id", boot_id)
    text.word("fw", FW)
    text.raw("api", "1")
    text.raw("caps", '["setpoint","limit"]')
    for key in _POINTS.split(" "):
        text.number(key, config[key])
    for key in ("protocol", "meter", "insulation_monitor"):
        text.word(key, config[key])
    text.word("config", config.hash)


def names_of(active):
    # The names of the active faults, the gravest first, as JSON.
    codes = sorted([-severity[code] * 64 + code for code in range(len(active)) if active[code]])[:_FAULTS_TOLD]
    return "[%s]" % ",".join(['"%s"' % fault_text.words_of(code % 64)[0] for code in codes])


def write_state(text, view, config, order_id, faults):
    power, control = view.power.values, view.control.values
    text.word("phase", name_of(PHASE_NAMES, view.car.values[C_PHASE]))
    source = power[P_SOURCE]
    text.word("source", name_of(_SOURCES, source) if source >= 0 else "none")
    if source == 1:
        text.word("order", order_id)
    text.word("limiting_factor", name_of(REASON_NAMES, power[P_REASON]))
    text.word("charge_why", name_of(REASON_NAMES, power[P_CHARGE_WHY]))
    text.word("discharge_why", name_of(REASON_NAMES, power[P_DISCHARGE_WHY]))
    text.numbers(POWER, power)
    text.numbers(CAR, view.car.values)
    text.numbers(SENSE, view.sense.values)
    text.numbers(GRID, view.grid.values)
    text.numbers(CONTROL, control)
    text.raw("faults", faults)
    text.raw("tick", "{")
    text.numbers("count late gap_max_ms", control)
    text.shut()
    if hasattr(gc, "mem_free"):  # not on a PC
        text.number("heap_free_B", gc.mem_free())
    text.word("config", config.hash)
