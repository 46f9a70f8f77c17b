# The closed list of faults: code, severity, latch. The words for people (name, MREC id, what to do) are in
# fault_text.py, which only services load. A code never changes its meaning.
from micropython import const

# Severity: what happens when it is raised.
INFO = const(0)  # told, nothing else
WARN = const(1)  # told; a limit may follow
STOP = const(2)  # the session ends in the normal order
EMERGENCY = const(3)  # current off and contactors open at once

# Latch: when it goes away.
SELF = const(0)  # when its cause does
REPLUG = const(1)  # when the plug is pulled
OWNER = const(2)  # when a person resets the station

NO_FAULT = const(0)
# 1..15 the car and its connector
F_CC1_LOST = const(1)  # plug pulled or latch opened in a session
F_CAR_FAULT = const(2)  # the car reports a fault
F_CAR_SILENT = const(3)  # the car's cyclic message is missing
F_CAR_TIMEOUT = const(4)  # a step of the handshake timed out
F_CAR_RETRIES = const(5)  # the handshake failed three times
F_CAR_INCOMPATIBLE = const(6)  # voltages do not fit
F_CAR_CONTACTOR_WELDED = const(7)
F_CAR_VOLTAGE_ABSENT = const(8)  # no battery voltage at the inlet where it must be
F_CAR_STOPPED = const(9)  # the car ended the session normally (information)
F_CAR_PAUSE_LONG = const(10)
F_LOCK = const(11)  # the lock does not report locked
F_PERMISSION_LOST = const(12)  # CHAdeMO line k
F_CAR_INCONSISTENT = const(13)
F_CAR_ERROR_FRAME = const(14)  # BEM received
F_CAR_IDLE = const(15)  # the car ended an idle session, and charging was forbidden (information; data: R_... why)
# 16..31 the station's own power path
F_ESTOP = const(16)
F_INSULATION = const(17)
F_PRECHARGE = const(18)
F_CONTACTOR_WELDED = const(19)
F_CONTACTOR_FEEDBACK = const(20)  # feedback does not follow the command
F_OPENED_UNDER_LOAD = const(21)
F_OVER_VOLTAGE = const(22)
F_OVER_CURRENT = const(23)
F_UNDER_VOLTAGE = const(24)
F_VOLTAGE_DISAGREES = const(25)  # own sensor, converter and car do not fit
F_CURRENT_DISAGREES = const(26)
F_BLEED = const(27)  # does not fall below 60 V in time
F_TEMPERATURE = const(28)
F_TEMPERATURE_HIGH = const(29)  # warning, derating
F_SENSOR = const(30)  # a sensor out of range
F_SENSOR_STALE = const(31)
# 32..39 the converter
F_CONVERTER_FAULT = const(32)
F_CONVERTER_SILENT = const(33)
F_CONVERTER_MODE = const(34)  # does not confirm the commanded mode
F_CONVERTER_OFF = const(35)  # does not confirm OFF
F_CONVERTER_MISSING = const(36)  # no module answers, or fewer than counted
F_DIRECTION = const(37)  # current flows the wrong way
# 40..47 safety and floor
F_GATE_REFUSED = const(40)  # the gate refused what control wanted to send
F_SOC_DOUBT = const(41)  # the car's SOC is not plausible: no discharge in this session
F_FLOOR_UNREADABLE = const(42)  # the owner's floor could not be read: 100 %
F_CURRENT_AT_FLOOR = const(43)  # still discharging below the floor
# 48..63 the controller
F_CAN_CAR = const(48)  # bus-off or dead controller
F_CAN_CONVERTER = const(49)
F_TICK = const(50)  # an exception in the tick (after the restart, data: how many such ends in a row)
F_WATCHDOG = const(51)  # the watchdog bit, or the program crashed (data: how often in a row)
F_SERVICE = const(52)  # a service died and was restarted
F_BROKER = const(53)  # the broker is out of reach
F_EVENTS_LOST = const(54)
F_CONFIG = const(55)
F_TICK_LATE = const(56)
F_METER = const(57)  # a register of energy that stepped back or jumped
F_METER_SILENT = const(58)
F_MONITOR = const(59)  # the insulation monitor is silent, or failed its self-test
F_WIFI = const(60)  # the network is not joined
F_RESETS = const(61)  # that happened too often in a row (data): nothing is energised until somebody has looked
FAULTS = const(64)

_WARN = (F_TEMPERATURE_HIGH, F_SOC_DOUBT, F_GATE_REFUSED, F_SERVICE, F_BROKER, F_EVENTS_LOST, F_TICK_LATE,
         F_OPENED_UNDER_LOAD, F_CAR_ERROR_FRAME, F_CURRENT_AT_FLOOR, F_CONFIG, F_FLOOR_UNREADABLE,
         F_METER, F_METER_SILENT, F_WIFI)  # fmt: skip
_INFO = (F_CAR_STOPPED, F_CAR_IDLE, F_WATCHDOG)
_EMERGENCY = (F_CC1_LOST, F_CAR_FAULT, F_CAR_SILENT, F_ESTOP, F_OVER_VOLTAGE, F_OVER_CURRENT, F_CONTACTOR_FEEDBACK,
              F_CURRENT_DISAGREES, F_SENSOR, F_SENSOR_STALE, F_CONVERTER_FAULT, F_CONVERTER_SILENT, F_DIRECTION,
              F_CAN_CAR, F_CAN_CONVERTER, F_TICK, F_PERMISSION_LOST, F_TEMPERATURE, F_CONVERTER_OFF)  # fmt: skip
_OWNER = (F_CONTACTOR_WELDED, F_RESETS)
_SELF = (F_TEMPERATURE_HIGH, F_SERVICE, F_BROKER, F_EVENTS_LOST, F_TICK_LATE, F_WATCHDOG, F_CONFIG,
         F_FLOOR_UNREADABLE, F_CAR_STOPPED, F_CAR_IDLE, F_GATE_REFUSED, F_CAR_ERROR_FRAME,
         F_METER, F_METER_SILENT, F_MONITOR, F_WIFI)  # fmt: skip


def _table(default, *rows):
    table = bytearray(bytes([default]) * FAULTS)
    for value, codes in rows:
        for code in codes:
            table[code] = value
    return table


severity = _table(STOP, (INFO, _INFO), (WARN, _WARN), (EMERGENCY, _EMERGENCY))
latch = _table(REPLUG, (SELF, _SELF), (OWNER, _OWNER))


class Active:
    # The faults that are raised now. Every raise and clear goes to the event ring once. Allocates nothing.
    def __init__(self, events):
        self._events = events
        self._raised = bytearray(FAULTS)
        self.worst = NO_FAULT  # the first raised of the highest severity
        self.severity = INFO

    def set(self, code, data, now):
        if self._raised[code]:
            return
        self._raised[code] = 1
        self._events.put(code, 1, data, now)
        if self.worst == NO_FAULT or severity[code] > self.severity:
            self.worst = code
            self.severity = severity[code]

    def has(self, code):
        return self._raised[code]

    def clear(self, code, now):
        if self._raised[code]:
            self._raised[code] = 0
            self._events.put(code, 0, 0, now)
            self._judge()

    def replugged(self, now):
        for code in range(1, FAULTS):
            if self._raised[code] and latch[code] == REPLUG:
                self.clear(code, now)

    def _judge(self):
        self.worst = NO_FAULT
        self.severity = INFO
        for code in range(1, FAULTS):
            if self._raised[code] and (self.worst == NO_FAULT or severity[code] > self.severity):
                self.worst = code
                self.severity = severity[code]
