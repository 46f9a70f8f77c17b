# The gate: the only way out. It hears everything that comes in, with its own ears (sensed, *_rules), decodes the very
# bytes that are about to leave and judges the combination (house rule 1). It knows no protocol: the rules say what a
# frame means, the gate says whether it may leave now. Zero and OFF to the converter always may.
#
# Order of a tick: observe_*, step, vet_* and left_* for each frame, vet_outputs once.
from micropython import const

from firmware.faults import NO_FAULT, STOP, severity
from firmware.safety.kinds import ALWAYS, CURRENT, FREE, MODE, NEVER, OFFER, ON, PERMIT, READY, SETUP, TURN, VOLTAGE
from firmware.safety.monitors import Monitors
from firmware.safety.retained import Retained
from firmware.safety.sensed import Sensed
from firmware.safety.sequence import Sequence
from firmware.safety.soc import Soc
from firmware.signals import OUT_CONTACTOR
from firmware.units import TICKS_MASK, UNKNOWN

_SMALL_dA = const(50)  # with no car in the circuit: charges cables, nothing else (insulation test, precharge)
_IDLE_dA = const(10)  # the mode changes under 1 A only
_MATCH_dV = const(100)
# A limit that falls is followed, not jumped to: what may leave falls after it as slowly as the slowest healthy ramp,
# 20 A/s (100 A/s once somebody stops), which begins after everybody concerned had time to hear of it.
_GRACE_ms = const(300)
_FOLLOW_dA_s = const(200)
_STOP_dA_s = const(900)
_OVERDUE_ms = const(500)  # a set-point above what may flow, for so long: nobody ramps
_JUDGE_ms = const(100)
_STEP_MAX_ms = const(100)  # of one tick, in the account of energy
_ORDERLY_ms = const(15000)  # a fault that is no emergency leaves so long for a normal stop


class Gate:
    def __init__(self, car_rules, converter_rules, scale, board, floor_permille, image=None):
        self.car = car_rules
        self.converter = converter_rules
        self.sensed = car_rules.wires = Sensed(scale)  # a car also speaks by wires (CHAdeMO's line k)
        self.soc = Soc(car_rules, floor_permille)
        self.sequence = Sequence(self.sensed, car_rules, converter_rules, board)
        self.monitors = Monitors(self.sensed, car_rules, converter_rules, self.sequence, board)
        self._board_dA = board.RATED_dA
        self._board_dV = board.RATED_dV
        self.limit_dA = 0  # magnitude that may flow now, in the direction that the converter reported
        self.allowed_dA = 0  # the same, falling no faster than a healthy ramp
        self.trip = NO_FAULT  # what a monitor found; control raises it
        self.off_needed = 0  # 1: only zero and OFF, now
        self.refused = 0  # frames and relay combinations, since boot
        self.refused_id = 0  # the last: a CAN id, or OUT_ bits
        self.soc_low_permille = 0
        self.floor_permille = self.soc.floor_permille
        self.discharge_ok = 0
        self.why = self.soc.why
        self._fell_dA = 0  # what was allowed before limit_dA fell in this tick; 0: it did not
        self._falling = 0  # 1: allowed_dA is above the limit and on its way down
        self._fell_at = 0
        self._excess = 0
        self._excess_at = 0
        self._trip_at = 0
        self._bits = 0  # outputs refused in the last tick: counted once
        # What only hands on is no call of its own: the tick pays for each.
        self.observe_inputs = self.sensed.observe  # (inputs, fresh, now)
        self.observe_car = car_rules.observe  # (can_id, ext, data, now)
        self.observe_converter = converter_rules.observe
        self.left_car = car_rules.left  # (can_id, data, now)
        self.left_converter = converter_rules.left  # (can_id, data)
        self.raise_floor = self.soc.raise_floor  # (source, permille): a live wish; UNKNOWN: none. It only ever raises
        self.ratchet = self.soc.ratchet  # (permille)
        self._turn = 0
        self._last = UNKNOWN
        self._judged_ms = 0
        self._retained = Retained()
        if image is not None:
            self._retained.load(image, self.soc)

    # --- in ---
    def step(self, now):
        # Alarms at once, the rest in turns of 20 ms.
        sensed, sequence = self.sensed, self.sequence
        monitors = self.monitors
        if sensed.contactor != sequence.closed:
            sequence.moved()
        turn = self._turn = (self._turn + 1) & 3
        if turn & 1:
            if turn == 1:
                self.car.step(now)
            else:
                self.converter.step(now)
            self._flow(now)
        else:
            if not sensed.contactor:
                sequence.watch()
            elif sequence.dead and (not self.car.insulating or sequence.burns(now)):
                self._overstayed(sequence)
            monitors.step(now, self.allowed_dA, self.discharge_ok)
        if sensed.alarm:
            monitors.alarm(sensed.alarm)
            sensed.alarm = 0
        if monitors.fault or sequence.shut:
            self._shut(now)
        self.off_needed = sequence.shut | sequence.opening

    def _overstayed(self, sequence):
        # Closed for the insulation test, and the session went on: a battery must not find closed contactors. Or one is
        # there already: it is bled, and not the cable.
        sequence.dead = 0
        sequence.shut = 1
        self._refuse(OUT_CONTACTOR)

    def _flow(self, now):
        dt_ms = (now - self._last) & TICKS_MASK if self._last != UNKNOWN else 0
        self._last = now
        if dt_ms > _STEP_MAX_ms:
            dt_ms = _STEP_MAX_ms
        sensed, converter = self.sensed, self.converter
        current_dA = sensed.current_dA
        # With no set-point a small reading is the sensor's own offset: over weeks it would look like energy.
        if current_dA >= _IDLE_dA or current_dA <= -_IDLE_dA or (converter.on_left and converter.current_left_dA > 0):
            self.soc.add(sensed.inlet_dV, current_dA, dt_ms)
        self._allow(dt_ms, now)
        self._judged_ms += dt_ms
        if self._judged_ms >= _JUDGE_ms:
            self._judged_ms = 0
            self._judge(sensed.inlet_dV, current_dA)

    def _judge(self, inlet_dV, current_dA):
        soc = self.soc
        soc.judge(inlet_dV, current_dA)
        self.soc_low_permille = soc.low_permille
        self.floor_permille = soc.floor_permille
        self.discharge_ok = soc.ok
        self.why = soc.why

    # --- how much may flow ---
    def _may_flow_dA(self):
        sensed = self.sensed
        direction = self.converter.direction
        if not direction or self.trip or self.sequence.shut or not sensed.fresh or not sensed.plugged:
            return 0
        if not sensed.contactor or self.car.insulating:
            return _SMALL_dA if direction > 0 else 0
        if direction < 0 and not self.discharge_ok:
            return 0
        limit_dA = self.car.limit_dA(direction)
        return limit_dA if limit_dA < self._board_dA else self._board_dA

    def _allow(self, dt_ms, now):
        limit_dA = self._may_flow_dA()
        converter = self.converter
        self._fell_dA = self.allowed_dA if limit_dA < self.limit_dA and converter.on_left else 0
        self.limit_dA = limit_dA
        if limit_dA >= self.allowed_dA or self.sequence.shut or not converter.on_left:
            self.allowed_dA = limit_dA
            self._falling = 0
        elif not self._falling:
            self._falling = 1
            self._fell_at = now
        elif (now - self._fell_at) & TICKS_MASK >= _GRACE_ms:
            slope_dA_s = _FOLLOW_dA_s if self.car.ready else _STOP_dA_s
            self.allowed_dA = max(limit_dA, self.allowed_dA - slope_dA_s * dt_ms // 1000)
        if converter.on_left and converter.current_left_dA > self.allowed_dA:
            self._overdue(now)
        else:
            self._excess = 0

    def _overdue(self, now):
        # Nothing lowers the set-point that the modules hold: a refused frame does not, so this ends in OFF.
        if not self._excess:
            self._excess = 1
            self._excess_at = now
        elif (now - self._excess_at) & TICKS_MASK >= _OVERDUE_ms:
            self.monitors.overdue()

    # --- faults ---
    def _shut(self, now):
        sequence, monitors = self.sequence, self.monitors
        fault = monitors.fault
        if not fault:
            if self._safe():
                sequence.shut = 0
            return
        if not self.trip:
            self.trip = fault
            self._trip_at = now
            self.limit_dA = 0
        if severity[fault] != STOP or (now - self._trip_at) & TICKS_MASK > _ORDERLY_ms:
            sequence.shut = 1
            self.limit_dA = self.allowed_dA = self._fell_dA = 0
        if not self.sensed.plugged and monitors.calm and self._safe():
            monitors.fault = self.trip = NO_FAULT

    def _safe(self):
        return not (self.sequence.held & OUT_CONTACTOR or self.sensed.contactor or self.converter.on_left)

    def replugged(self, now):
        # Control saw the plug go. What it was told of that car ends; what is not safe yet goes on being made safe.
        if self.sensed.plugged:
            return
        self.monitors.fault = self.trip = NO_FAULT
        self.car.replugged()
        self.soc.replugged()

    # --- out ---
    def vet_converter(self, can_id, ext, data, now):
        kind = self.converter.judge(can_id, ext, data)
        if kind == ALWAYS:
            return True
        if kind != NEVER and self.converter.off_left and self._converter_may(kind, self.converter):
            return True
        return self._refuse(can_id)

    def _converter_may(self, kind, converter):
        value = converter.value
        if kind == CURRENT:
            return self._fits(value, converter)
        if kind == VOLTAGE:
            return value <= self._voltage_dV()
        if kind == ON:
            return self._on_may(converter)
        if kind == MODE and value == converter.direction:
            return True
        if kind == MODE or kind == SETUP:
            current_dA = self.sensed.current_dA
            if converter.on_left or not converter.off or not self.sensed.fresh:
                return False
            if not -_IDLE_dA < current_dA < _IDLE_dA:
                return False
            return kind == SETUP or value > 0 or self.car.offered()
        return kind == FREE

    def _fits(self, current_dA, converter):
        # Under the limit; or above it, on its way down with it. That it fell in this very tick is not known yet to who
        # was just ramping a flowing current up, or repeats one: what was allowed a tick ago is no reason to refuse.
        left_dA = converter.current_left_dA
        if current_dA <= self.limit_dA or (current_dA <= self._fell_dA and left_dA > 0):
            return True
        if current_dA <= self.allowed_dA and current_dA <= left_dA:
            return True
        limit_dA = self.limit_dA = self._may_flow_dA()  # the old one was of the last tick
        if limit_dA > self.allowed_dA:
            self.allowed_dA = limit_dA
        return current_dA <= limit_dA

    def _voltage_dV(self):
        return min(self.car.voltage_max_dV, self._board_dV)

    def _on_may(self, converter):
        # Together with the set-points that it would bring to life.
        sensed = self.sensed
        if self.sequence.shut or sensed.stale or not sensed.plugged or (self.trip and not converter.on_left):
            return False
        if converter.current_left_dA == UNKNOWN or converter.voltage_left_dV == UNKNOWN:
            return False
        if converter.voltage_left_dV > self._voltage_dV() or not self._fits(converter.current_left_dA, converter):
            return False
        if converter.direction < 0:
            car = self.car
            return sensed.contactor and car.offered() and converter.cutoff_left_dV >= car.voltage_min_dV
        return converter.direction > 0

    def vet_car(self, can_id, ext, data, now):
        kind = self.car.judge(can_id, ext, data)
        if kind == FREE or (kind != NEVER and self._car_may(kind)):
            return True
        return self._refuse(can_id)

    def _car_may(self, kind):
        car, sensed = self.car, self.sensed
        if kind == OFFER:
            return 0 <= car.value <= self._board_dV and 0 <= car.value_dA <= self._board_dA
        if kind == TURN:
            return car.offered()
        if self.sequence.shut or not sensed.contactor or not sensed.plugged:
            return False
        if kind == PERMIT:
            return car.ready and (car.value > 0 or car.offered())
        apart_dV = sensed.link_dV - sensed.inlet_dV
        return kind == READY and sensed.fresh and not self.trip and -_MATCH_dV <= apart_dV <= _MATCH_dV

    def vet_outputs(self, mask, now):
        sequence = self.sequence
        if mask == sequence.held and not (
            sequence.shut or sequence.opening or sequence.bleeding or self.sensed.stale
        ):
            self._bits = 0
            return mask  # as nearly always
        mask = sequence.vet(mask, now)
        bits = sequence.refused_bits
        if bits != self._bits:
            if bits & ~self._bits:
                self._refuse(bits)
            self._bits = bits
        return mask

    @property
    def openings(self):
        return self.sequence.openings

    @property
    def opened_under_load(self):
        return self.sequence.opened_under_load

    def _refuse(self, what):
        self.refused = (self.refused + 1) & TICKS_MASK
        self.refused_id = what
        return False

    def save(self, image):
        return self._retained.save(image, self.soc, self.car)
