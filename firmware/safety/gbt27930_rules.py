# GB/T 27930-2015 with the V1.12 trial messages, read by the gate for itself. Decides what a frame to the car means and
# keeps what the car allowed and what it was told, each only as long as it is fresh. Little-endian; 0.1 V, 0.1 A with
# 4000 for no current, larger discharges (facts 1.1). Byte numbers here count from 0.
from micropython import const

from firmware.safety.kinds import FREE, NEVER, OFFER, PERMIT, READY, TURN
from firmware.safety.transport import Transport
from firmware.units import TICKS_MASK, UNKNOWN

_CHM = const(0x1826F456)
_CRM = const(0x1801F456)
_CTS = const(0x1807F456)
_CML = const(0x1808F456)
_CRO = const(0x100AF456)
_CCS = const(0x1812F456)
_CST = const(0x101AF456)
_CSD = const(0x181DF456)
_CEM = const(0x081FF456)
_TPCM = const(0x1CECF456)
_CDC = const(0x1828F456)
_CMLP = const(0x1831F456)
_CCD = const(0x1832F456)
_CSDP = const(0x1833F456)
_BHM = const(0x182756F4)
_BRO = const(0x100956F4)
_BCL = const(0x181056F4)
_BSM = const(0x181356F4)
_BST = const(0x101956F4)
_BCPP = const(0x183056F4)
_RTS = const(0x1CEC56F4)
_DT = const(0x1CEB56F4)
_BCP_PGN = const(6)  # PF of the messages that come in packets
_BCS_PGN = const(0x11)
_BMV_PGN = const(0x15)
_BRM_PGN = const(2)
_BDC_PGN = const(0x29)
_BCL_ms = const(1000)  # the charger's own time-out (facts 1.6)
_CCS_ms = const(1000)  # after which the car would stop
_CCD_ms = const(5000)
_BCS_ms = const(5000)
_NONE = const(0xFFFF)


class Rules:
    # What it reads, as machine.CAN.set_filters() has it: all that the BMS (F4) tells the charger (56).
    LISTENS = ((0x000056F4, 0x0000FFFF, 2),)
    PINS = const(12)  # OUT_LOCK | OUT_AUX: the protocol pins that it knows
    UNLOCK_dV = const(600)  # GB/T 18487.1-2015: 60 V

    def __init__(self, v112=0, ccs_length=8):
        # id: lengths that may leave, a bit each. Exactly as the standard lists them (facts 1.2).
        self.table = {_CHM: 8, _CRM: 256, _CTS: 128, _CML: 256, _CRO: 2, _CCS: 1 << ccs_length, _CST: 16, _CSD: 256,
                      _CEM: 16, _TPCM: 256}  # fmt: skip
        if v112:
            # Known only as "at least 3", "at least 1" and "?" (facts 1.8a): the least, or a whole frame.
            self.table.update({_CDC: 8 | 256, _CMLP: 256, _CCD: 2 | 256, _CSDP: 256})
        self.v112 = v112
        self.value = 0  # go with the kind that judge() returned
        self.value_dA = 0
        self.transport = Transport()
        self.replugged()

    def replugged(self):
        # Nothing that a car said outlives its plug.
        self.vin = 0  # 15 bits of the car's identity, 0 unknown
        self.capacity_Wh = 0  # 0 unknown
        self.soc_permille = UNKNOWN
        self.soc_step_permille = 10
        self.soc_reports = 0  # counts BCS
        self.voltage_max_dV = TICKS_MASK  # no link voltage above
        self.voltage_min_dV = UNKNOWN  # BCPP: no discharge below
        self.cell_min_cV = UNKNOWN
        self.highest_cV = UNKNOWN  # cells: BCS tells the highest, BMV all
        self.lowest_cV = UNKNOWN
        self.floor_permille = UNKNOWN
        self.voltage_dV = UNKNOWN  # as the car measures, fresh or UNKNOWN
        self.current_dA = 0
        self._charge_max_dA = 0
        self._discharge_max_dA = 0
        self._discharge_told_dA = 0
        self._charge_told_dA = 0
        self._dialled = 0  # 1: CDC left
        self._answered = 0  # 1: a whole BDC with cycles left
        self._parameters = 0  # 1: BCPP
        self._configured = 0  # 1: BCP: its voltage replaces BHM's
        self.may_close = 0  # 1: the car reported its own contactors closed (BRO AA)
        self._again()
        self.insulating = 0  # 1: CHM left, identification not begun: the cable carries no battery

    def _again(self):
        # A new handshake: what permits current must be said again.
        self.ready = 0  # CRO AA left and nobody has stopped since
        self._demand_dA = 0
        self._demand = 0  # mode of the fresh BCL: 1 CV, 2 CC, 3 discharge; 0 none
        self._told = 0  # fresh CCS: +1, -1, 0 pause
        self._turned = 0  # fresh CCD: +1, -1, 0 none
        self._allows = 1  # BSM: 1 charge, 2 discharge, 0 pause; charge until it says otherwise
        self._bcl_at = self._ccs_at = self._ccd_at = self._bcs_at = 0

    # --- what is about to leave ---
    def judge(self, can_id, ext, data):
        lengths = self.table.get(can_id)
        if lengths is None or not ext or not lengths >> len(data) & 1:
            return NEVER
        first = data[0]
        if can_id == _CCS:
            return self._judge_ccs(data)
        if can_id == _CRO:
            return FREE if first == 0 else READY if first == 0xAA else NEVER
        if can_id == _TPCM:
            return FREE if first == 0x11 or first == 0x13 or first == 0xFF else NEVER
        if can_id == _CML or can_id == _CMLP:
            self.value = first | data[1] << 8
            current_dA = (data[4] | data[5] << 8) - 4000
            self.value_dA = current_dA if can_id == _CMLP else -current_dA
            return OFFER
        if can_id == _CCD:
            return FREE if first == 0 else TURN if first == 1 else NEVER
        return FREE

    def _judge_ccs(self, data):
        # SPN 3929: 00 pause, 01 allowed, 10 discharge (V1.12). The old frame of 6 bytes cannot say pause.
        permission = data[6] & 3 if len(data) > 6 else 1
        self.value = 1 if permission == 1 else -1
        if permission == 0:
            return FREE
        return PERMIT if permission == 1 or (permission == 2 and self.v112) else NEVER

    def left(self, can_id, data, now):
        if can_id == _CCS:
            permission = data[6] & 3 if len(data) > 6 else 1
            self._told = -1 if permission == 2 else permission
            self._ccs_at = now
        elif can_id == _CCD:
            self._turned = -1 if data[0] else 1
            self._ccd_at = now
        elif can_id == _CRO:
            self.ready = 1 if data[0] else 0
        elif can_id == _CST or can_id == _CEM:
            self.ready = 0
        elif can_id == _CHM:
            self._again()
            self.insulating = 1
        elif can_id == _CRM:
            self.insulating = 0
            if data[0] == 0:
                self._again()
                self.may_close = 0
        elif can_id == _CML:
            self._charge_told_dA = 4000 - (data[4] | data[5] << 8)
        elif can_id == _CMLP:
            self._discharge_told_dA = (data[4] | data[5] << 8) - 4000
        elif can_id == _CDC:
            self._dialled = 1

    # --- what the car says ---
    def observe(self, can_id, ext, data, now):
        if not ext:
            return
        if can_id == _BCL and len(data) >= 5:
            self._bcl(data, now)
        elif can_id == _DT and len(data) == 8:
            self._packet(data, now)
        elif can_id == _RTS and len(data) == 8:
            self.transport.request(data, now)
        elif can_id == _BSM and len(data) >= 7:
            self._bsm(data)
        elif can_id == _BST and len(data) >= 4:
            self.ready = 0
        elif can_id == _BRO and len(data):
            self.may_close = 1 if data[0] == 0xAA else 0
        elif can_id == _BCPP and len(data) >= 7:
            self._bcpp(data)
        elif can_id == _BHM and len(data) >= 2 and not self._configured:
            voltage_dV = data[0] | data[1] << 8
            if voltage_dV:
                self.voltage_max_dV = voltage_dV

    def _bcl(self, data, now):
        current_dA = (data[2] | data[3] << 8) - 4000
        mode = data[4]
        if mode == 3:  # BCLP, the trial's demand for discharge: positive only
            if not self.offered():
                mode = 0
        elif mode == 1 or mode == 2:
            current_dA = -current_dA
        else:
            mode = 0
        self._demand = mode
        self._demand_dA = current_dA if current_dA > 0 else 0
        self._bcl_at = now

    def _bsm(self, data):
        permission = data[6] >> 4 & 3
        alarms = data[5] & 0x55 & ~(data[5] >> 1) | data[6] & 5 & ~(data[6] >> 1)  # pairs of 01: too much, or faulty
        if alarms or permission == 0:
            self._allows = 0
        elif permission == 1:
            self._allows = 1
        elif permission == 2 and self._turned < 0 and self.offered():
            self._allows = 2  # who was not told to discharge says "untrusted" by this: keep what was

    def _bcpp(self, data):
        self._parameters = 1
        self._discharge_max_dA = (data[0] | data[1] << 8) - 4000
        voltage_dV = data[2] | data[3] << 8
        self.voltage_min_dV = voltage_dV if voltage_dV != _NONE else UNKNOWN
        cell_cV = data[4] | data[5] << 8
        self.cell_min_cV = cell_cV if cell_cV != _NONE else UNKNOWN
        self.floor_permille = data[6] * 10 if data[6] != 0xFF else UNKNOWN

    def _packet(self, data, now):
        pf = self.transport.packet(data, now)
        if pf < 0:
            return
        size = self.transport.size
        data = self.transport.data
        if pf == _BCS_PGN and size >= 9:
            self._bcs(data, now)
        elif pf == _BCP_PGN and size >= 13:
            self._bcp(data)
        elif pf == _BDC_PGN and size >= 28:
            self._bdc(data)
        elif pf == _BMV_PGN:
            self.lowest_cV = self.transport.lowest_cV
        elif pf == _BRM_PGN and size >= 41:
            self._identity(data, 24)

    def _bdc(self, data):
        cycles_left = data[24] | data[25] << 8  # FFFF: not told, which is no offer
        self._answered = 1 if self._dialled and 0 < cycles_left < _NONE else 0
        self._identity(data, 0)
        self._energy(data[20] | data[21] << 8)

    def _bcs(self, data, now):
        self.voltage_dV = data[0] | data[1] << 8
        self.current_dA = 4000 - (data[2] | data[3] << 8)
        self.highest_cV = data[4] | (data[5] & 15) << 8
        self._bcs_at = now
        if data[6] <= 100:
            self.soc_permille = data[6] * 10
            self.soc_step_permille = 10
            self.soc_reports = self.soc_reports + 1 & TICKS_MASK

    def _bcp(self, data):
        self._configured = 1
        self._charge_max_dA = 4000 - (data[2] | data[3] << 8)
        self.voltage_max_dV = data[6] | data[7] << 8
        soc_permille = data[9] | data[10] << 8
        if soc_permille <= 1000 and not self.soc_reports:
            self.soc_permille = soc_permille
            self.soc_step_permille = 1
        self._energy(data[4] | data[5] << 8)

    def _energy(self, energy):
        # 0.1 kWh a step. Of two accounts the smaller counts.
        if 0 < energy < _NONE and (self.capacity_Wh == 0 or energy * 100 < self.capacity_Wh):
            self.capacity_Wh = energy * 100

    def _identity(self, data, at):
        vin = 0
        for k in range(at, at + 17):
            vin = vin * 31 + data[k] & 0x7FFF
        self.vin = vin

    # --- what follows ---
    def offered(self):
        # Discharge was offered completely, in this session: CDC left, BDC whole with cycles left, BCPP (facts 1.8a).
        return 1 if self._answered and self._parameters else 0

    def limit_dA(self, direction):
        # The largest current of this direction that the car permits and was told; 0 none.
        if not self.ready or self._told != direction:
            return 0
        demand_dA = self._demand_dA
        if direction > 0:
            if self._turned < 0 or self._allows != 1 or not 1 <= self._demand <= 2:
                return 0
            return min(demand_dA, self._charge_max_dA, self._charge_told_dA)
        if self._turned >= 0 or self._allows != 2 or self._demand != 3 or not self.offered():
            return 0
        return min(demand_dA, self._discharge_max_dA, self._discharge_told_dA)

    def step(self, now):
        # What is not said again in time is unsaid. Looked at each tick, so no age comes near the wrap.
        if self._demand and (now - self._bcl_at) & TICKS_MASK > _BCL_ms:
            self._demand = 0
        if self._told and (now - self._ccs_at) & TICKS_MASK > _CCS_ms:
            self._told = 0
        if self._turned and (now - self._ccd_at) & TICKS_MASK > _CCD_ms:
            self._turned = 0
        if self.voltage_dV != UNKNOWN and (now - self._bcs_at) & TICKS_MASK > _BCS_ms:
            self.voltage_dV = UNKNOWN
