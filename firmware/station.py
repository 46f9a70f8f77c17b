# The seam: what is true now. Control writes, services read. Each record is an array of fixed slots; control works on
# `record.now` freely during its tick and publishes one record a tick under a sequence number; services read a whole
# copy with `record.read(into)`. Slots never change after start.
from array import array

from micropython import const

from firmware.units import TICKS_MASK, UNKNOWN, WHOLE

# Record `sense`: the board's own sensors (writer: sense). Voltages of the board itself, sign + charges the car.
S_AGE_ms = const(0)  # age of the newest whole sample
S_LINK_dV = const(1)
S_INLET_dV = const(2)
S_CURRENT_dA = const(3)
S_CC1_mV = const(4)
S_TEMP1_dC = const(5)
S_TEMP2_dC = const(6)
S_CONTACTOR = const(7)  # feedback: 1 closed
S_ESTOP = const(8)
S_BUTTON = const(9)
S_LOCKED = const(10)
S_PERMISSION = const(11)
S_PLUGGED = const(12)  # CC1 in its window, debounced: 1
SENSE_SLOTS = const(13)

# Record `car` (writer: the vehicle session; the C_GATE_ slots are copied from the gate by control).
C_AGE_ms = const(0)  # age of the newest valid message of this session
C_PHASE = const(1)  # PH_...
C_PROTOCOL = const(2)  # PROTO_...
C_SOC_permille = const(3)  # as the car reports it
C_SOC_STEP_permille = const(4)  # resolution of that report
C_VOLTAGE_dV = const(5)  # as the car measures it
C_CURRENT_dA = const(6)  # as the car measures it, house sign
C_VOLTAGE_MAX_dV = const(7)  # never exceed
C_VOLTAGE_MIN_dV = const(8)  # discharge no lower than this; UNKNOWN: not told
C_DEMAND_dV = const(9)  # what it asks for now
C_CHARGE_dA = const(10)  # magnitude that the car accepts now, charging
C_DISCHARGE_dA = const(11)  # magnitude that the car accepts now, discharging; 0: none
C_CAN_DISCHARGE = const(12)  # 1: discharge was offered completely in this session
C_FLOOR_permille = const(13)  # the car's own floor; UNKNOWN: not told
C_CAPACITY_Wh = const(14)
C_TEMP_MAX_dC = const(15)
C_PAUSED = const(16)  # 1: the car pauses
C_REMAINING_min = const(17)
C_STOP_REASON = const(18)  # fault code (firmware.faults) or 0 why this session stops or stopped
C_SESSION = const(19)  # number of this plug-in since boot
C_GATE_SOC_LOW_permille = const(20)
C_GATE_FLOOR_permille = const(21)  # effective floor
C_GATE_DISCHARGE_OK = const(22)  # 1: the gate allows discharge by floor and trust in the SOC
C_GATE_WHY = const(23)  # R_... why not
C_GATE_REFUSED = const(24)  # frames and relay combinations refused since boot
C_PROFILE = const(25)  # how this car is treated: a number of its protocol's own profiles; 0 none yet
C_AWAKE_W = const(26)  # charging without which this car ends the session; 0: not now; UNKNOWN: it is not known to do so
CAR_SLOTS = const(27)

# Record `converter` (writer: the converter driver). As reported by the modules.
V_AGE_ms = const(0)  # age of the newest reply
V_MODULES = const(1)
V_ON = const(2)  # 1 on, 0 off, UNKNOWN
V_MODE = const(3)  # +1 rectifier (charges), -1 inverter (discharges), UNKNOWN: reported and echoed
V_VOLTAGE_dV = const(4)
V_CURRENT_dA = const(5)  # house sign
V_POWER_AC_W = const(6)  # house sign, at the AC side
V_MAX_dV = const(7)
V_MIN_dV = const(8)
V_MAX_dA = const(9)
V_RATED_W = const(10)
V_STATUS = const(11)  # status bits as the maker gives them, 24 bits
V_FAULT = const(12)  # fault code or 0
V_READY = const(13)  # 1: counted, capabilities known, no fault
V_TEMP_dC = const(14)
V_MODE_SET = const(15)  # the mode last commanded and echoed
CONVERTER_SLOTS = const(16)

# Record `power`: what flows and why (writers: arbiter, limits, stage.run). AC powers at the meter, DC toward the car.
P_SOURCE = const(0)  # the wish that counts: SRC_... or UNKNOWN
P_SERIAL = const(1)  # its serial
P_WANTED_W = const(2)  # what it asks, AC
P_APPLIED_W = const(3)  # what is allowed of it, AC (the target of the ramp)
P_REASON = const(4)  # R_...: the limit that binds the wish, R_NONE if none
P_TARGET_dA = const(5)  # DC current commanded now, house sign
P_CHARGE_MAX_W = const(6)  # limit now, AC, magnitude
P_CHARGE_WHY = const(7)
P_DISCHARGE_MAX_W = const(8)
P_DISCHARGE_WHY = const(9)
P_DIRECTION = const(10)  # +1 charge, -1 discharge, 0: what is asked of the car
P_CHARGE_MAX_dA = const(11)  # the same limits, DC
P_DISCHARGE_MAX_dA = const(12)
P_AGGREGATOR_SERIAL = const(13)  # the newest aggregator serial that control has judged
P_CHARGE_RATIO_permille = const(14)  # DC power at the link per AC power at the meter, charging, as measured
P_DISCHARGE_RATIO_permille = const(15)  # the same, discharging (over 1000)
POWER_SLOTS = const(16)

# Record `grid`: at the meter (writer: fieldbus.meter; without one energy, from the converter's AC readings).
G_AGE_ms = const(0)
G_POWER_W = const(1)  # house sign
G_IMPORT_Wh = const(2)  # monotonic; of a meter, its register of a lifetime, else since boot
G_EXPORT_Wh = const(3)
G_FREQUENCY_mHz = const(4)
G_VOLTAGE_dV = const(5)  # phase 1
G_VOLTAGE2_dV = const(6)
G_VOLTAGE3_dV = const(7)
G_METER = const(8)  # METER_...
GRID_SLOTS = const(9)
METER_NONE = const(0)  # none is fitted
METER_GOOD = const(1)
METER_SILENT = const(2)
METER_DOUBTED = const(3)  # it answers, but a register of energy is not believed
METER_NAMES = "none good silent doubted "

# Record `insulation` (writer: fieldbus.monitor; without one all is UNKNOWN).
I_AGE_ms = const(0)  # since the monitor answered
I_R_kohm = const(1)  # to earth; UNKNOWN: not measured now
I_ALARM = const(2)  # 1: the device's own
I_TEST = const(3)  # its self-test before the next session: TEST_...
I_COUNT = const(4)  # of answers
INSULATION_SLOTS = const(5)
TEST_NONE = const(0)
TEST_RUNS = const(1)
TEST_PASSED = const(2)
TEST_FAILED = const(3)

# Record `control` (writer: control).
K_TICKS = const(0)  # wraps at 2^30
K_LATE = const(1)  # ticks that began more than 10 ms late
K_GAP_MAX_ms = const(2)
K_FAULT = const(3)  # the worst active fault, 0 none
K_SEVERITY = const(4)
K_STAGE = const(5)  # stage mode, firmware.stage
K_OPENINGS = const(6)
K_OPENED_UNDER_LOAD = const(7)
K_OUTPUTS = const(8)  # OUT_... as last written
K_QUIET = const(9)  # 1: services may write flash or do TLS now: nothing is under way, open and bled
K_RESET_CAUSE = const(10)
K_CAR_STATE = const(11)  # CAN controller states
K_CONVERTER_STATE = const(12)
K_NOW_ms = const(13)
CONTROL_SLOTS = const(14)

# Phases of a session, the same words for every protocol.
PH_IDLE = const(0)  # nothing plugged in
PH_PLUGGED = const(1)  # plugged in, locking, auxiliary supply on
PH_HANDSHAKE = const(2)
PH_INSULATION = const(3)
PH_IDENTIFY = const(4)
PH_CONFIGURE = const(5)
PH_PRECHARGE = const(6)
PH_CHARGE = const(7)  # running, direction charge or none
PH_DISCHARGE = const(8)  # running, direction discharge
PH_PAUSE = const(9)
PH_STOPPING = const(10)
PH_STATISTICS = const(11)
PH_WELD_CHECK = const(12)
PH_BLEED = const(13)
PH_ENDED = const(14)  # safe, waiting for unplug
PH_FAULT = const(15)  # ended by a fault, waiting for unplug
PH_RETRY = const(16)
PHASE_NAMES = (
    "idle plugged handshake insulation identify configure precharge charge discharge pause stopping statistics "
    "weld_check bleed ended fault retry "
)

PROTO_NONE = const(0)
PROTO_GBT27930_2015 = const(1)
PROTO_GBT27930_V112 = const(2)  # 2015 with the V1.12 trial discharge messages, offered and answered
PROTO_CHADEMO = const(3)

# Why a power is not what was wished: the limit that binds.
R_NONE = const(0)
R_NO_WISH = const(1)  # no live wish: the station holds 0 W
R_NO_SESSION = const(2)  # no car, or not ready for power
R_STOPPING = const(3)
R_FAULT = const(4)
R_FLOOR = const(5)  # the state of charge is at the floor
R_SOC_DOUBT = const(6)  # the car's state of charge is not believed
R_CAR_NO_DISCHARGE = const(7)  # the car did not offer discharge in this session
R_CAR_CURRENT = const(8)  # what the car accepts
R_CAR_VOLTAGE = const(9)
R_CAR_PAUSE = const(10)
R_CONVERTER = const(11)  # rating or derating of the converter
R_BOARD = const(12)  # rating of the station's own parts
R_SITE = const(13)  # the installer's limit
R_AGGREGATOR = const(14)  # the aggregator's limit
R_OWNER = const(15)
R_TEMPERATURE = const(16)
R_FULL = const(17)  # the car takes no more
R_TURNING = const(18)  # changing direction
R_GRID = const(19)
R_CAR_AWAKE = const(20)  # a little charge, or the car ends the session
REASON_NAMES = (
    "none no_wish no_session stopping fault floor soc_doubt car_no_discharge car_current car_voltage car_pause "
    "converter board site aggregator owner temperature full turning grid "
    "car_awake "
)


def name_of(names, index):
    # One word of such a text: a tuple of words would hold three times the heap.
    begin = 0
    for _ in range(index):
        begin = names.find(" ", begin) + 1 or len(names)
    end = names.find(" ", begin)
    return names[begin:end] if index >= 0 and end > 0 else "unknown"


# Ring of events, control -> services.
E_CODE = const(0)  # fault code (firmware.faults), or EV_...
E_STATE = const(1)  # 1 raised, 0 cleared; for EV_PHASE the new phase; for the others a sum of RESULT_...
E_DATA = const(2)  # of EV_INSULATION kohm
E_AT = const(3)  # ticks
EVENT_SLOTS = const(4)
EV_PHASE = const(0)  # code 0 is no fault: a change of phase
EV_INSULATION = const(64)  # nor are those from 64 on: an insulation test with a monitor has ended
EV_SELF_TEST = const(65)  # the monitor's own
RESULT_PASSED = const(1)
RESULT_ALARM = const(2)  # the device's own
_EVENTS = const(32)
_DEAD_dV = const(600)  # 60 V: may be touched (docs/safety.md)
_DEAD_dA = const(10)
_TRIES = const(4)


class Record:
    def __init__(self, slots):
        self.now = array("i", [UNKNOWN] * slots)  # control's own; nobody else touches it
        self._published = array("i", self.now)
        self._seq = array("i", [0])  # odd while it is written

    def publish(self):
        seq = self._seq
        seq[0] = (seq[0] + 1) & TICKS_MASK
        self._published[WHOLE] = self.now
        seq[0] = (seq[0] + 1) & TICKS_MASK

    def read(self, into):
        # A whole copy into the reader's own array. False: the writer was faster each time; `into` may be torn then: see
        # Reader.
        published, seq = self._published, self._seq
        for _ in range(_TRIES):
            before = seq[0]
            if before & 1:
                continue
            for slot in range(len(published)):
                into[slot] = published[slot]
            if seq[0] == before:
                return True
        return False


_spare = array("i", [0] * CAR_SLOTS)  # the longest record; one thread reads


class Reader:
    # A service's view of one record: `values` is always whole, at worst one poll old.
    def __init__(self, record):
        self._record = record
        self.values = array("i", record.now)

    def refresh(self):
        if not self._record.read(_spare):
            return False
        for slot in range(len(self.values)):
            self.values[slot] = _spare[slot]
        return True


def energised(sense):
    # 1 unless the board itself sees that all is safe: contactors fed back open, link and inlet under 60 V, under 1 A.
    # What it does not see counts as live. `sense`: the record's values.
    if sense[S_CONTACTOR] or not -_DEAD_dA <= sense[S_CURRENT_dA] <= _DEAD_dA:
        return 1
    return 0 if UNKNOWN < sense[S_LINK_dV] <= _DEAD_dV and UNKNOWN < sense[S_INLET_dV] <= _DEAD_dV else 1


class Events:
    # A ring with one writer and one reader. What the reader did not fetch in time is counted, not hidden.
    def __init__(self):
        self._slots = array("i", [0] * (_EVENTS * EVENT_SLOTS))
        self._written = array("i", [0])  # by control
        self._read = array("i", [0])  # by services
        self.lost = array("i", [0])

    def put(self, code, state, data, now):
        written = self._written[0]
        if ((written - self._read[0]) & TICKS_MASK) >= _EVENTS:
            self.lost[0] = self.lost[0] + 1
            return
        at = (written % _EVENTS) * EVENT_SLOTS
        slots = self._slots
        slots[at] = code  # in the order of E_
        at += 1
        slots[at] = state
        at += 1
        slots[at] = data
        at += 1
        slots[at] = now
        self._written[0] = (written + 1) & TICKS_MASK

    def get(self, into):
        # The oldest event into a list or array of EVENT_SLOTS; False if there is none.
        read = self._read[0]
        if read == self._written[0]:
            return False
        at = (read % _EVENTS) * EVENT_SLOTS
        for slot in range(EVENT_SLOTS):
            into[slot] = self._slots[at + slot]
        self._read[0] = (read + 1) & TICKS_MASK
        return True


class Station:
    def __init__(self):
        self.sense = Record(SENSE_SLOTS)
        self.car = Record(CAR_SLOTS)
        self.converter = Record(CONVERTER_SLOTS)
        self.power = Record(POWER_SLOTS)
        self.grid = Record(GRID_SLOTS)
        self.control = Record(CONTROL_SLOTS)
        self.insulation = Record(INSULATION_SLOTS)  # nobody among the services reads it yet: not published
        self.events = Events()
        self._records = (self.sense, self.car, self.converter, self.power, self.grid, self.control)
        self._turn = 0
        for record in (self.power, self.grid, self.control):
            for slot in range(len(record.now)):
                record.now[slot] = 0
        self.publish_all()

    def publish(self):
        # One record a call, every other tick: the tick stays short and a record is at most 120 ms old.
        turn = self._turn
        record = self._records[turn]
        seq = record._seq
        seq[0] = (seq[0] + 1) & TICKS_MASK  # as Record.publish(), and a call less
        record._published[WHOLE] = record.now
        seq[0] = (seq[0] + 1) & TICKS_MASK
        self._turn = turn + 1 if turn + 1 < len(self._records) else 0

    def publish_all(self):
        for record in self._records:
            record.publish()
