# Infypower BEG/BEC "V1.04" on the wire, read by the gate for itself (facts, hardware 3.1). Decides what a frame means,
# not whether it may leave. Also keeps what the modules reported since OFF left last.
#
# id: error 28:26, device 25:22 (A single or broadcast, B group), command 21:16 (23 read, 24 write), destination 15:8,
# source 7:0. Payload: register (2 bytes), 0, 0, value (4 bytes, big-endian).
from micropython import const

from firmware.safety.kinds import ALWAYS, CURRENT, FREE, MODE, NEVER, ON, SETUP, VOLTAGE
from firmware.units import TICKS_MASK, UNKNOWN

_CONTROLLER = const(0xF0)  # our address
# A module that says nothing for 600 ms is no witness. Its mode cannot change while it is on (rule 1), so its last word
# about that counts longer; so does its voltage, which must agree with our own sensor anyhow.
_FRESH_ms = const(600)
_REMEMBERED_ms = const(2000)
_WRITE = const(0x24)
_VOLTAGE = const(0x1001)
_CURRENT = const(0x1002)
_SWITCH = const(0x1110)  # read: status
_INVERTER = const(0x1111)
_WALK_IN = const(0x1122)
_STAGES = const(0x1126)
_CUTOFF = const(0x1132)
_MODE = const(0x2110)
_MODULES = const(30)  # of a station at most; one bit each
# fmt: off
_READS = (0x1001, 0x1002, 0x1010, 0x1110, 0x1111, 0x1130, 0x1131, 0x1132, 0x1133, 0x1103, 0x1104, 0x1105, 0x1106,
          0x2101, 0x2102, 0x2103, 0x2104, 0x2105, 0x2106, 0x2107, 0x2108, 0x2109, 0x210A, 0x210B, 0x210C, 0x210D,
          0x210E, 0x210F, 0x2110, 0x2111, 0x2112, 0x2113, 0x4101, 0x4102)
# fmt: on

# For safe_stop: broadcast OFF, and no current.
OFF_ID = const(0x02A43FF0)
OFF = b"\x11\x10\x00\x00\x00\x00\x00\xa1"
ZERO = b"\x10\x02\x00\x00\x00\x00\x00\x00"


class Rules:
    # What it reads, as machine.CAN.set_filters() has it: replies to us, of a module or a group, with any error code.
    LISTENS = ((0x02A3F000, 0x03BFFF00, 2), (0x02A4F000, 0x03BFFF00, 2))

    def __init__(self):
        self.value = 0  # goes with the kind that judge() returned
        self.off_left = 0  # 1: OFF has left since this gate was made
        self.on_left = 0  # 1: ON was the last switch that left
        self.on_direction = 0  # the direction in which ON left; 0 OFF
        self.current_left_dA = UNKNOWN  # the set-points that left last
        self.voltage_left_dV = UNKNOWN
        self.cutoff_left_dV = 0
        self.direction = 0  # mode reported and echoed since OFF left last, fresh: +1, -1, else 0
        self.off = 0  # 1: every module that spoke reports OFF, fresh
        self.live = 0  # 1: voltage_dV is fresh
        self.voltage_dV = 0
        self.current_dA = 0  # magnitude
        self._rectifiers = 0  # a bit for each module that reported so
        self._inverters = 0
        self._on = 0
        self._heard_at = 0
        self._mode_at = 0
        self._off_at = 0
        self._voltage_at = 0
        self._echo = 0  # the mode that the modules echoed last

    # --- what is about to leave ---
    def judge(self, can_id, ext, data):
        # The kind of this frame, from its bytes.
        if not ext or len(data) != 8 or data[2] or data[3] or data[4]:
            return NEVER
        head = can_id >> 16 & ~0x40  # single module, group or broadcast alike
        if can_id & 0xFF != _CONTROLLER or can_id >> 8 & 0xFF > 0x3F:
            return NEVER
        value = data[5] << 16 | data[6] << 8 | data[7]
        if head == 0x2A4:
            return self._judge_write(data[0] << 8 | data[1], value)
        if head == 0x2A3 and value == 0 and data[0] << 8 | data[1] in _READS:
            return FREE
        return NEVER

    def _judge_write(self, register, value):
        if register == _CURRENT:
            self.value = (value + 99) // 100
            return CURRENT if value else ALWAYS
        if register == _VOLTAGE or register == _CUTOFF:
            self.value = (value + 99) // 100
            return VOLTAGE
        if value == 0xA0:
            self.value = 1
            if register == _SWITCH:
                return ON
        elif value == 0xA1:
            self.value = -1
            if register == _SWITCH:
                return ALWAYS
        elif value != 0xA2 or register != _STAGES:
            return NEVER
        if register == _MODE:
            return MODE
        if register == _WALK_IN:
            return FREE
        return SETUP if register == _STAGES else NEVER

    def left(self, can_id, data):
        # A frame that judge() knew has left. Reads leave no trace.
        if can_id >> 16 & 0x3F != _WRITE:
            return
        register = data[0] << 8 | data[1]
        value = data[5] << 16 | data[6] << 8 | data[7]
        if register == _CURRENT:
            self.current_left_dA = (value + 99) // 100
        elif register == _VOLTAGE:
            self.voltage_left_dV = (value + 99) // 100
        elif register == _CUTOFF:
            self.cutoff_left_dV = value // 100
        elif register == _SWITCH:
            self._switched(value == 0xA0)
        elif register == _MODE and self._echo != (1 if value == 0xA0 else -1):
            self._forget()

    def _switched(self, on):
        if on:
            self.on_left = 1
            self.on_direction = self.direction
        elif self.on_left or not self.off_left:
            self.off_left = 1
            self.on_left = self.on_direction = self.off = 0
            self._forget()

    def _forget(self):
        # Whatever they reported before does not count any more.
        self.direction = self._echo = self._rectifiers = self._inverters = 0

    # --- what comes back ---
    def observe(self, can_id, ext, data, now):
        if not ext or len(data) != 8 or can_id >> 8 & 0xFF != _CONTROLLER:
            return
        if can_id & 0xFF < _MODULES:
            self._reply(can_id, data, now)

    def _reply(self, can_id, data, now):
        register = data[0] << 8 | data[1]
        if can_id >> 16 & ~0x40 == 0x2A3:
            self._report(1 << (can_id & 0xFF), register, data, now)
        elif can_id >> 16 & ~0x40 == 0x2A4 and register == _MODE and 0xA0 <= data[7] <= 0xA1:
            self._echo = 1 if data[7] == 0xA0 else -1
            self._agree()

    def _report(self, bit, register, data, now):
        self._heard_at = now
        if register == _VOLTAGE:
            self.voltage_dV = _magnitude(data, self.voltage_dV)
            self._voltage_at = now
            self.live = 1
        elif register == _CURRENT:
            self.current_dA = _magnitude(data, self.current_dA)
        elif register == _SWITCH:
            self._on = self._on & ~bit if data[6] & 1 else self._on | bit
            self.off = 0 if self._on or self.on_left or not self.off_left else 1
            self._off_at = now
        elif register == _INVERTER:
            if data[7] & 1:
                self._inverters |= bit
                self._rectifiers &= ~bit
            else:
                self._rectifiers |= bit
                self._inverters &= ~bit
            self._mode_at = now
            self._agree()

    def _agree(self):
        # All that spoke say the same, and it is what was echoed.
        if self._rectifiers and not self._inverters and self._echo > 0:
            self.direction = 1
        elif self._inverters and not self._rectifiers and self._echo < 0:
            self.direction = -1
        else:
            self.direction = 0

    def step(self, now):
        # Every report expires. Looked at each tick, so no age comes near the wrap.
        if self.direction or self.live or self.off:
            silent = (now - self._heard_at) & TICKS_MASK > _FRESH_ms
            if silent or (now - self._mode_at) & TICKS_MASK > _REMEMBERED_ms:
                self.direction = self._rectifiers = self._inverters = 0
            if silent or (now - self._off_at) & TICKS_MASK > _FRESH_ms:
                self.off = 0
            if silent or (now - self._voltage_at) & TICKS_MASK > _REMEMBERED_ms:
                self.live = 0


def _magnitude(data, old):
    # int32 in thousandths, only its magnitude counts (facts 3.1); a value that cannot be changes nothing. In tenths.
    value = data[5] << 16 | data[6] << 8 | data[7]
    if data[4] == 0xFF:
        value = 0x1000000 - value
    elif data[4]:
        return old
    return value // 100
