# CHAdeMO with V2X, read by the gate for itself: 11-bit ids, 8 bytes, little-endian; volts, amperes (discharge counted
# down from 255), tenths of kWh. Decides what a frame to the car means, keeps what the car allowed and what it was told,
# each only as long as it is fresh, and nothing that was said before line k was on (facts 2.2, 2.5).
#
# CHAdeMO has no message that names a direction. The car hears it from the present currents: 109.3 charging, 208.0
# discharging. So the other direction than the one last told may not flow at all, and while neither is told only little.
from micropython import const

from firmware.safety.kinds import FREE, NEVER, OFFER, PERMIT, READY
from firmware.signals import OUT_CONTACTOR, OUT_D1, OUT_D2
from firmware.units import TICKS_MASK, UNKNOWN

_CHARGER_1 = const(0x108)
_CHARGER_2 = const(0x109)
_CHARGER_3 = const(0x118)
_DISCHARGER_1 = const(0x208)
_DISCHARGER_2 = const(0x209)
_CAR_0 = const(0x100)
_CAR_1 = const(0x101)
_CAR_2 = const(0x102)
_CAR_3 = const(0x110)
_CAR_V2X = const(0x200)
_CAR_SEQUENCE = const(0x201)
_ENABLED = const(1)  # 102.5
_STOPS = const(6)  # not in Park, system fault
_OPEN = const(8)
_DISCHARGES_BIT = const(7)
_ERRORS = const(0x1F)  # 102.4
_CHARGING = const(1)  # 109.5
_LOCKED = const(4)
_STOPPED = const(0x20)
_SILENT_ms = const(1000)  # facts 2.5: no 102 for 1 s; we hold 200 and what we told to the same
_WIRE_ms = const(200)  # k off for so long is off; facts 2.5: 5 A within 0.5 s
_BEFORE_TOLD_dA = const(100)  # facts 2.5: a V2H car lets present values differ by 10 A
_EMPTY_dV = const(200)  # inlet when d2 closes: below 20 V
_OPEN_dA = const(50)
_CLOSED_dV = const(500)  # 0.9 has no flag for its contactors
_STUCK_ms = const(1000)
_D1_ms = const(500)  # d1 stays so long after d2
_FULL_permille = const(1000)


class Rules:
    # What it reads, as machine.CAN.set_filters() has it: 100 to 103, 110, 200 to 203.
    LISTENS = ((0x100, 0x7FC, 0), (0x110, 0x7FF, 0), (0x200, 0x7FC, 0))
    PINS = const(196)  # OUT_LOCK | OUT_D1 | OUT_D2: the protocol pins that it knows
    UNLOCK_dV = const(100)  # facts 2.4: locked while the connector carries more than 10 V

    def __init__(self, number):
        # Exactly what may leave, all of 8 bytes. 118 belongs to 2.0.
        self.ids = (_CHARGER_1, _CHARGER_2, _DISCHARGER_1, _DISCHARGER_2)  # type: tuple
        if number > 2:
            self.ids += (_CHARGER_3,)
        self.number = number  # ours
        self.wires = None  # the gate's own sensors: line k is one of them
        self.value = 0  # go with the kind that judge() returned
        self.value_dA = 0
        self.vin = 0  # the protocol tells none,
        self.cell_min_cV = self.highest_cV = self.lowest_cV = UNKNOWN  # nor cells
        self.voltage_dV = UNKNOWN  # 103 is known from one source only: no witness
        self.current_dA = 0
        self.soc_step_permille = 10
        self._d1 = self._d2 = 0
        self._d2_at = self._waits = self._waits_at = 0
        self.replugged()

    def replugged(self):
        # Nothing that a car said outlives its plug.
        self.capacity_Wh = 0  # 0 unknown
        self.soc_permille = UNKNOWN
        self.soc_reports = 0  # counts 102
        self.voltage_max_dV = TICKS_MASK  # no link voltage above; the car's counts from d2 on
        self.voltage_min_dV = UNKNOWN  # counts while it is ready
        self.floor_permille = UNKNOWN
        self.may_close = 0  # 1: the car reported its own contactors closed
        self.ready = 0  # 109.5 = 05 left and nobody has stopped since
        self.insulating = 0  # 1: locked, d2 off: the cable carries no battery
        self._k = 0  # line k, off only when it stays off
        self._permits = 0  # k and a fresh 102 that says so
        self._status = 0
        self._battery_dV = self._constant = self._their_number = 0
        self._request_dA = self._extended_dA = self._gives_dA = 0
        self._least_raw = self._most_raw = self._car_least_dV = 0
        self._sequence = UNKNOWN
        self._full_permille = UNKNOWN
        self._discharges = 0  # 1: a fresh 200
        self._told = 0  # present current as told last: +1, -1, 0 none
        self._stop_told = 1
        self._compatible = 0  # 109.4 as told
        self._charge_told_dA = self._discharge_told_dA = self._least_told_dV = 0
        self._c208 = self._c209 = 0  # 1: left, fresh
        self._c208_raw = 0xFF
        self._offered = 0
        self._k_at = self._offered_at = 0
        self._v102_at = self._v200_at = self._c109_at = self._c208_at = self._c209_at = 0

    # --- what is about to leave ---
    def judge(self, can_id, ext, data):
        if ext or can_id not in self.ids or len(data) != 8:
            return NEVER
        if can_id == _CHARGER_2:
            return self._judge_109(data)
        if can_id == _DISCHARGER_1:
            return self._judge_208(data)
        if can_id == _CHARGER_1:
            self.value = (data[1] | data[2] << 8) * 10
            self.value_dA = data[3] * 10
            return OFFER
        return FREE

    def _judge_109(self, data):
        status = data[5]
        if not status & _CHARGING or status & _STOPPED:
            return FREE
        if not self._permits or (data[3] and self._told < 0) or (self._status & _OPEN and self._by_flag()):
            return NEVER  # not allowed, or charging and discharging at once
        self.value = 1
        return PERMIT if self.ready else READY

    def _judge_208(self, data):
        self.value = (data[1] | data[2] << 8) * 10
        self.value_dA = (255 - data[3]) * 10
        if data[0] >= self._c208_raw or self._stop_told:
            return OFFER  # none, or no more than was told before: the truth while it ramps down
        self.value = -1
        return NEVER if self._told > 0 or not data[3] else PERMIT  # 255 A: nobody offers that

    def left(self, can_id, data, now):
        if can_id == _CHARGER_2:
            self._left_109(data, now)
        elif can_id == _DISCHARGER_1:
            self._left_208(data, now)
        elif can_id == _DISCHARGER_2:
            self._c209 = 1
            self._c209_at = now
        elif can_id == _CHARGER_1:
            self._charge_told_dA = data[3] * 10

    def _left_109(self, data, now):
        status = data[5]
        self._stop_told = status & _STOPPED
        self._compatible = data[4] & 1
        self._c109_at = now
        self.insulating = 1 if status & _LOCKED and self._permits and not self._d2 else 0
        if data[3]:
            self._told = 1
        elif self._told > 0:
            self._told = 0
        self._readied(1 if status & _CHARGING and not self._stop_told and self._permits else 0)

    def _left_208(self, data, now):
        self._c208 = 1
        self._c208_at = now
        self._discharge_told_dA = (255 - data[3]) * 10
        self._least_told_dV = (data[6] | data[7] << 8) * 10
        self._c208_raw = data[0]
        if data[0] != 0xFF:
            self._told = -1
        elif self._told < 0:
            self._told = 0

    def _readied(self, ready):
        # 200.4-5 or our own 208.6-7, the higher one; while the inlet carries no battery there is nothing to compare.
        self.ready = ready
        self.voltage_min_dV = max(self._car_least_dV, self._least_told_dV) if ready else UNKNOWN

    # --- pins ---
    def pins(self, mask, now):
        # Which of d1 and d2 would change too early in this mask (facts 2.5, steps 1, 4, 10). Called at every change.
        wrong = 0
        if mask >> 7 & 1 != self._d2:
            if self._d2_stays(mask, now) if self._d2 else not self._d2_may(mask):
                wrong = OUT_D2
            else:
                self._d2_moves(now)
        if mask >> 6 & 1 != self._d1:
            if self._d1_stays(now) if self._d1 else not self.wires.plugged:
                wrong |= OUT_D1
            else:
                self._d1 = 1 - self._d1
        return wrong

    def _d1_stays(self, now):
        # At least half a second longer than d2.
        return self._d2 or (now - self._d2_at) & TICKS_MASK < _D1_ms

    def _d2_may(self, mask):
        wires = self.wires
        if not (self._d1 and mask & OUT_D1 and self._permits and wires.fresh and wires.plugged and wires.locked()):
            return False
        return not (wires.contactor or mask & OUT_CONTACTOR) and wires.inlet_dV < _EMPTY_dV

    def _d2_stays(self, mask, now):
        # It opens the car's contactors: after ours, never under load. One of ours that sticks does not keep them.
        wires = self.wires
        if mask & OUT_CONTACTOR or not wires.fresh:
            self._waits = 0
            return True
        if not wires.contactor:
            return False
        if not self._waits:
            self._waits = 1
            self._waits_at = now
        return (now - self._waits_at) & TICKS_MASK < _STUCK_ms or not -_OPEN_dA <= wires.current_dA <= _OPEN_dA

    def _d2_moves(self, now):
        self._d2 = 1 - self._d2
        self._d2_at = now
        self._waits = 0
        self.insulating = self.may_close = 0
        self.voltage_max_dV = self._battery_dV if self._d2 else TICKS_MASK

    # --- what the car says ---
    def observe(self, can_id, ext, data, now):
        if ext or len(data) < 8:
            return
        if can_id == _CAR_2:
            self._car_2(data, now)
        elif not self._k:
            return  # provisional
        elif can_id == _CAR_V2X:
            self._car_v2x(data, now)
        elif can_id == _CAR_0:
            self._battery(data)
        elif can_id == _CAR_1:
            self._energy(data[5] | data[6] << 8)
        elif can_id == _CAR_3:
            self._extended_dA = (data[1] | data[2] << 8) * 10
        elif can_id == _CAR_SEQUENCE and self._sequence != data[0]:
            self._sequence = data[0]
            self._borders()

    def _car_2(self, data, now):
        status = self._status = data[5]
        # 102.4, the bits of 102.5, a target voltage of 0: each is a stop.
        if data[4] & _ERRORS or status & (_ENABLED | _STOPS) != _ENABLED or not (data[1] | data[2]) or not self._k:
            self._unpermitted()
            return
        self._permits = 1
        self._v102_at = now
        self._their_number = data[0]
        self._request_dA = data[3] * 10 if data[3] != 0xFF else self._extended_dA
        if self._d2:
            self.may_close = 1 if self._closed(status) else 0
            if self.ready and not self.may_close:
                self._readied(0)
        raw = data[6]
        if 0 < self._constant >= raw:
            self.soc_permille = raw * _FULL_permille // self._constant
            self.soc_reports = self.soc_reports + 1 & TICKS_MASK

    def _unpermitted(self):
        self._permits = self.insulating = 0
        self._readied(0)

    def _by_flag(self):
        # 0.9 does not use 102.5.3.
        return self._their_number >= 2 and self.number >= 2

    def _closed(self, status):
        return not status & _OPEN if self._by_flag() else self.wires.inlet_dV >= _CLOSED_dV

    def _battery(self, data):
        self._battery_dV = (data[4] | data[5] << 8) * 10
        self._constant = data[6]
        if self._d2 and self._battery_dV < self.voltage_max_dV:
            self.voltage_max_dV = self._battery_dV

    def _energy(self, energy):
        # Of two accounts the smaller counts.
        if energy and (self.capacity_Wh == 0 or energy * 100 < self.capacity_Wh):
            self.capacity_Wh = energy * 100
            self._borders()

    def _car_v2x(self, data, now):
        self._discharges = 1
        self._v200_at = now
        self._gives_dA = (255 - data[0]) * 10
        voltage_dV = (data[4] | data[5] << 8) * 10
        if voltage_dV != self._car_least_dV:
            self._car_least_dV = voltage_dV
            self._readied(self.ready)
        if data[6] != self._least_raw or data[7] != self._most_raw:
            self._least_raw = data[6]
            self._most_raw = data[7]
            self._borders()

    def _borders(self):
        # 200.6 and 7 in permille; 0: not used. The unit is 201.0's: absent or 0 energy, 1 or 2 percent. Any other: the
        # reading that gives the higher floor and the lower ceiling (facts 2.2).
        unit = self._sequence
        self.floor_permille = self._full_permille = UNKNOWN
        raw = self._least_raw
        if raw:
            percent, energy = _percent(raw), self._energy_permille(raw)
            if unit == 1 or unit == 2 or (unit > 2 and percent > energy):
                energy = percent
            self.floor_permille = energy
        raw = self._most_raw
        if raw:
            percent, energy = _percent(raw), self._energy_permille(raw)
            if unit == 1 or unit == 2 or (unit > 2 and percent < energy):
                energy = percent
            self._full_permille = energy

    def _energy_permille(self, raw):
        # 0.1 kWh of the car's capacity, rounded up; of an unknown one, all of it.
        capacity_Wh = self.capacity_Wh
        if not capacity_Wh:
            return _FULL_permille
        return min((raw * 100000 + capacity_Wh - 1) // capacity_Wh, _FULL_permille)

    # --- what follows ---
    def offered(self):
        # Discharge was offered completely, in this session, and not taken back before the ramp down had its time.
        return self._offered

    def _offer(self):
        # 102.5.7, 109.4, 208, 209 and 200 (facts 2.6).
        if not (self._permits and self._discharges and self._compatible and self._c208 and self._c209):
            return 0
        return self._status >> _DISCHARGES_BIT

    def limit_dA(self, direction):
        # The largest current of this direction that the car permits and was told; 0 none.
        if not self.ready or self._told == -direction:
            return 0
        if direction > 0:
            if UNKNOWN < self._full_permille <= self.soc_permille:
                return 0
            limit_dA = min(self._request_dA, self._charge_told_dA)
        elif self._offer():
            limit_dA = min(self._gives_dA, self._discharge_told_dA)
        else:
            return 0
        return limit_dA if self._told or limit_dA < _BEFORE_TOLD_dA else _BEFORE_TOLD_dA

    def step(self, now):
        # What is not said again in time is unsaid. Looked at in every step, so no age comes near the wrap.
        if self.wires.permission():
            self._k = 1
            self._k_at = now
        elif self._k and (now - self._k_at) & TICKS_MASK > _WIRE_ms:
            self._k = 0
        if self._permits and (not self._k or (now - self._v102_at) & TICKS_MASK > _SILENT_ms):
            self._unpermitted()
        self._fade(now)
        if self._offer():
            self._offered = 1
            self._offered_at = now
        elif self._offered and (now - self._offered_at) & TICKS_MASK > _SILENT_ms:
            self._offered = 0
        if not self._d2 and (now - self._d2_at) & TICKS_MASK > _D1_ms:
            self._d2_at = (now - _D1_ms) & TICKS_MASK

    def _fade(self, now):
        if self.ready and (now - self._c109_at) & TICKS_MASK > _SILENT_ms:
            self._readied(0)
        if self._discharges and (now - self._v200_at) & TICKS_MASK > _SILENT_ms:
            self._discharges = 0
        if self._c208 and (now - self._c208_at) & TICKS_MASK > _SILENT_ms:
            self._c208 = 0
            self._c208_raw = 0xFF
            if self._told < 0:
                self._told = 0
        if self._c209 and (now - self._c209_at) & TICKS_MASK > _SILENT_ms:
            self._c209 = 0


def _percent(raw):
    return raw * 10 if raw <= 100 else _FULL_permille
