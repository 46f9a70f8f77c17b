# GB/T 27930-2015 codec, and the V1.12 trial messages: bytes to the house's integers and back. No state, no time.
#
# Source of every layout: facts 1.2 to 1.4, and 1.8a for the trial. The standard counts discharging current positive;
# the house counts charging positive. The sign is turned round here and nowhere else: house_dA = 4000 - raw.
# FFFF means "not told" and becomes UNKNOWN. Padding and reserved bits are 1 when sent and ignored when read.
from micropython import const

from firmware.units import UNKNOWN

_ZERO = const(4000)  # raw of 0 A: 0.1 A a bit, offset -400 A
_RAW_MAX = const(8000)

# What the car sends, by number: bit 1 << number in Session.seen.
BCL = const(0)  # also BCLP of the trial: the same id
BCS = const(1)
BSM = const(2)
BHM = const(3)
BRM = const(4)
BCP = const(5)
BRO = const(6)
BST = const(7)
BSD = const(8)
BEM = const(9)
BCPP = const(10)
BCSP = const(11)
BDC = const(12)
BMV = const(13)
BMT = const(14)
BSP = const(15)
TP_CM = const(16)
TP_DT = const(17)
MESSAGES = const(16)

IDS = {
    0x181056F4: BCL,
    0x1CEB56F4: TP_DT,
    0x1CEC56F4: TP_CM,
    0x181356F4: BSM,
    0x182756F4: BHM,
    0x100956F4: BRO,
    0x101956F4: BST,
    0x181C56F4: BSD,
    0x081E56F4: BEM,
    0x183056F4: BCPP,
    0x1C3456F4: BCSP,
}
# Least length of each, by number; longer ones are read as far as known (facts 1.10).
LENGTHS = bytes((5, 9, 7, 2, 41, 13, 1, 4, 7, 4, 7, 8, 28, 1, 1, 1, 8, 8))
# Messages that come by the transport protocol: PDU format (middle byte of the PGN) to number.
LONG = {0x02: BRM, 0x06: BCP, 0x11: BCS, 0x15: BMV, 0x16: BMT, 0x17: BSP, 0x29: BDC}

MODE_DISCHARGE = const(3)  # BCL.5: 1 CV, 2 CC; 3 in the trial
READY = const(0xAA)


class Told:
    # What the car has told in this session, in house units. The two of the handshake outlive a new identification.
    def __init__(self):
        self.forget(UNKNOWN, UNKNOWN)

    def forget(self, hello_dV, cycles_left):
        self.hello_dV = hello_dV  # BHM: most that may ever be put on its inlet
        self.cycles_left = cycles_left  # BDC
        self.capacity_dAh = self.rated_dV = UNKNOWN
        self.pack_max_dV = self.pack_dV = self.charge_max_dA = self.energy_Wh = self.soc_permille = UNKNOWN
        self.pack_min_dV = self.cell_min_cV = self.floor_permille = UNKNOWN  # BCPP
        self.demand_dV = self.voltage_dV = self.current_dA = self.remaining_min = UNKNOWN
        self.temp_dC = self.permission = UNKNOWN  # BSM: the raw two bits
        self.discharge_max_dA = self.ready = self.demand_dA = self.mode = 0
        self.cell_high_cV = 0xFFF
        self.fault = 0  # BSM: fields that say 01
        self.low = 0  # BSM: cell voltage or SOC too low (10)
        self.stop = self.stop_fault = 0  # BST: reasons; faults and errors that say 01
        self.error = 0  # BEM


def _u16(d, i):
    raw = d[i] | d[i + 1] << 8
    return UNKNOWN if raw == 0xFFFF else raw


def _dA(d, i):
    raw = d[i] | d[i + 1] << 8
    return _ZERO - raw if raw <= _RAW_MAX else UNKNOWN


def _yes(byte, mask):
    # The two-bit fields that say 01; 10 is "untrusted" and 11 "not used". Each is left as its lower bit.
    return byte & ~(byte >> 1) & mask


def decode(message, t, d):
    # The three of the running session here; BCL, the hottest frame, without a call.
    if message == BCL:
        raw = d[2] | d[3] << 8
        t.demand_dV = d[0] | d[1] << 8
        t.demand_dA = _ZERO - raw if raw <= _RAW_MAX else 0
        t.mode = d[4]
    elif message == BCS:
        t.voltage_dV = _u16(d, 0)
        t.current_dA = _dA(d, 2)
        t.cell_high_cV = (d[4] | d[5] << 8) & 0xFFF
        t.soc_permille = d[6] * 10 if d[6] <= 100 else UNKNOWN
        t.remaining_min = _u16(d, 7)
    elif message == BSM:
        cells = d[5]
        rest = d[6]
        t.temp_dC = (d[1] - 50) * 10
        t.fault = _yes(cells, 0x55) | _yes(rest, 0x05) << 8
        t.low = cells >> 1 & ~cells & 0x05  # cell voltage and SOC: 10 means too low, not untrusted
        t.permission = rest >> 4 & 3
    elif message <= BCP or message >= BCPP:
        _parameters(message, t, d)
    elif message == BRO:
        t.ready = d[0]
    elif message == BST:
        t.stop = _yes(d[0], 0x55)
        t.stop_fault = _yes(d[1], 0x55) << 16 | _yes(d[2], 0x55) << 8 | _yes(d[3], 0x05)
    elif message == BSD:
        if d[0] <= 100:
            t.soc_permille = d[0] * 10
    else:  # BEM
        t.error = _yes(d[0], 0x05) << 16 | _yes(d[1], 0x05) << 8 | _yes(d[2], 0x05) | _yes(d[3], 0x01) << 4


def _parameters(message, t, d):
    # BMT and BSP are acknowledged and not used (BSM has the temperatures); BMV is read packet by packet: see wire.py.
    if message == BHM:
        t.hello_dV = _u16(d, 0)
    elif message == BDC:
        t.cycles_left = _u16(d, 24)
    elif message == BRM:
        t.capacity_dAh = _u16(d, 4)
        t.rated_dV = _u16(d, 6)
    elif message == BCP:
        t.charge_max_dA = _dA(d, 2)
        energy = _u16(d, 4)
        t.energy_Wh = energy * 100 if energy != UNKNOWN else UNKNOWN
        t.pack_max_dV = _u16(d, 6)
        soc = d[9] | d[10] << 8
        t.soc_permille = soc if soc <= 1000 else UNKNOWN
        t.pack_dV = _u16(d, 11)
    elif message == BCPP:
        current = _dA(d, 0)  # 20 A of discharge is raw 4200: house -200
        t.discharge_max_dA = -current if current != UNKNOWN and current < 0 else 0
        t.pack_min_dV = _u16(d, 2)
        t.cell_min_cV = _u16(d, 4)
        # FF: not told. 101 to 254 is nonsense: nothing may be taken then.
        t.floor_permille = UNKNOWN if d[6] == 0xFF else min(d[6] * 10, 1000)
    elif message == BCSP:
        t.remaining_min = _u16(d, 0)


# --- what the charger sends: into the bytes of a frame that exists ---
def _put(d, i, value):
    value = 0 if value < 0 else 0xFFFF if value > 0xFFFF else value
    d[i] = value & 0xFF
    d[i + 1] = value >> 8


def _put_dA(d, i, house_dA):
    raw = _ZERO - house_dA
    _put(d, i, _RAW_MAX if raw > _RAW_MAX else raw)


def crm(d, result, number):
    d[0] = result
    _put(d, 1, number & 0xFFFF)
    _put(d, 3, number >> 16)
    # 6-8 area code: optional, FF


def cml(d, max_dV, min_dV, max_dA, min_dA):
    # Currents in house sign: CML gives positive ones (charging), CMLP negative ones.
    _put(d, 0, max_dV)
    _put(d, 2, min_dV)
    _put_dA(d, 4, max_dA)
    _put_dA(d, 6, min_dA)


def ccs(d, voltage_dV, current_dA, elapsed_min, permission):
    # Every 50 ms: no calls.
    raw = _ZERO - current_dA
    raw = 0 if raw < 0 else _RAW_MAX if raw > _RAW_MAX else raw
    voltage_dV = voltage_dV if voltage_dV > 0 else 0
    d[0] = voltage_dV & 0xFF
    d[1] = voltage_dV >> 8
    d[2] = raw & 0xFF
    d[3] = raw >> 8
    d[4] = elapsed_min & 0xFF
    d[5] = elapsed_min >> 8 & 0xFF
    if len(d) > 6:  # the old frame of 6 bytes cannot say it
        d[6] = 0xFC | permission


def csd(d, elapsed_min, energy_hWh, number):
    # 3-4 energy in 0.1 kWh; 5-8 the charger's number as CRM told it (logs; the standard says offset 1).
    _put(d, 0, elapsed_min)
    _put(d, 2, energy_hWh)
    _put(d, 4, number & 0xFFFF)
    _put(d, 6, number >> 16)


# CST byte 1
CST_MANUAL = const(0x04)
CST_FAULT = const(0x10)
CST_CAR = const(0x40)


def cst(d, why, fault2, fault3, error4):
    d[0] = why
    d[1] = fault2
    d[2] = 0xF0 | fault3
    d[3] = 0xF0 | error4


# CEM: which message did not come: byte << 4 | first bit.
CEM_BRM = const(0x00)
CEM_BCP = const(0x10)
CEM_BRO = const(0x12)
CEM_BCS = const(0x20)
CEM_BCL = const(0x22)
CEM_BST = const(0x24)
CEM_BSD = const(0x30)


def cem(d, which):
    # Idle pattern F0 F0 F0 FC: real nodes send it (logs).
    d[0] = d[1] = d[2] = 0xF0
    d[3] = 0xFC
    bit = which & 15
    d[which >> 4] = d[which >> 4] & ~(3 << bit) | 1 << bit
