# The tick: every 10 ms, one synchronous pass from sensors to relays. It waits for nothing, allocates nothing, and it
# alone talks to both buses and the pins. The three places where something leaves are here, each behind the gate.
from micropython import const

from firmware.contract import OFF
from firmware.faults import (
    EMERGENCY,
    F_CAN_CAR,
    F_CAN_CONVERTER,
    F_GATE_REFUSED,
    F_OPENED_UNDER_LOAD,
    F_SOC_DOUBT,
    F_TICK_LATE,
    STOP,
)
from firmware.signals import OUT_AUX, OUT_D1, OUT_D2, OUT_HEARTBEAT, OUT_LOCK
from firmware.station import (
    C_GATE_DISCHARGE_OK,
    C_GATE_REFUSED,
    C_GATE_WHY,
    C_PHASE,
    EV_PHASE,
    K_CAR_STATE,
    K_CONVERTER_STATE,
    K_FAULT,
    K_LATE,
    K_OPENED_UNDER_LOAD,
    K_OPENINGS,
    K_OUTPUTS,
    K_QUIET,
    K_SEVERITY,
    K_STAGE,
    K_TICKS,
    P_DIRECTION,
    PH_ENDED,
    PH_PLUGGED,
    R_SOC_DOUBT,
    S_BUTTON,
    S_PLUGGED,
    C_GATE_FLOOR_permille,
    C_GATE_SOC_LOW_permille,
    K_GAP_MAX_ms,
    K_NOW_ms,
)
from firmware.units import TICKS_MASK, UNKNOWN, AGE_MAX_ms, age_ms
from firmware.wishes import SOURCES, W_STOP, W_FLOOR_permille

TICK_ms = const(10)
_HELD_ms = const(30)  # and a tick: from here on the heartbeat's 50 ms from one rising edge to the next may be over
_FRAMES_A_TICK = const(8)  # bounds the tick: a flooded bus is read over several ticks, and its controller drops
_RTR = const(1)  # machine.CAN FLAG_RTR
_BUS_OFF = const(4)


class Control:
    def __init__(self, fw):
        # fw: the assembled rooms (main.assemble), one attribute each.
        self.io = fw.io
        self.car_can = fw.car_can
        self.converter_can = fw.converter_can
        self.gate = fw.gate
        self.sense = fw.sense
        self.session = fw.session
        self.arbiter = fw.arbiter
        self.limits = fw.limits
        self.stage = fw.stage
        self.driver = fw.driver
        self.energy = fw.energy
        self.fieldbus = fw.fieldbus
        self.station = fw.station
        self._sense = fw.station.sense.now
        self._car = fw.station.car.now
        self._power = fw.station.power.now
        self._control = fw.station.control.now
        self.wishes = fw.wishes
        self.faults = fw.faults
        self.rtc = fw.rtc
        self.starts = fw.starts
        self._received = [0, memoryview(bytearray(8)), 0, 0]  # type: list
        self._due = UNKNOWN
        self._turn = 0
        self._fresh = False  # the sample before this one was whole
        self._news = True  # among the wishes
        self._lost = self._bus_error = 0  # bits of lost controllers: each refusal is an exception, and costs heap
        self._young = [0, 0]  # of each bus: where a frame was put since the last look, a bit for each index
        self._old = [0, 0]  # and before that
        self._looked = 0
        self._phase = UNKNOWN
        self._button = 0
        self._stop_asked = 0
        self._stops = [0] * SOURCES
        self._plugged = 0
        self._beat = 0
        self._refused = 0
        self._keep = 0

    # Few locals, here and in everything that a tick calls: with more than 11 words of locals and stack MicroPython puts
    # a call's state on the heap, which costs more than the call (host_tests/state_words.py lists who does).
    def tick(self, now):
        # What can wait goes in turns of four ticks; what protects does not. The field bus has its step in 1, one of
        # the two cheapest; in 3 most of the converter's frames leave, in 0 their answers come and the wishes are taken.
        turn = self._turn = (self._turn + 1) & 3
        gate = self.gate
        # The gate judges every sample; what the rest decides by is renewed before each step of the power path.
        fresh = self.io.sample()
        gate.observe_inputs(self.io.inputs, fresh, now)
        if turn & 1:
            self.sense.step(self.io.inputs, fresh or self._fresh, now)
        else:
            self._fresh = fresh
        if self.car_can.recv(self._received) is not None:
            self._receive_car(now)
        if self.converter_can.recv(self._received) is not None:
            self._receive_converter(now)
        gate.step(now)
        if turn & 1:
            if turn == 1:
                self.energy.step(now)
                if self.fieldbus is not None:
                    self.fieldbus.step(now)
            sense = self._sense
            if sense[S_PLUGGED] != self._plugged or sense[S_BUTTON] != self._button:
                self._plug_and_button(sense, now)
        elif turn:
            self._facts(now)
        else:
            self._wish(now)
            self._recall()
        if gate.trip:
            self.faults.set(gate.trip, 0, now)
        if gate.off_needed or self.faults.severity >= EMERGENCY:
            self._at_once(now)
        elif turn & 1:
            self._power_path(now)
        else:
            self._talk(now)
        self._energise(now, self.session.want)
        self._tell(turn, now)

    # What follows from it is decided in halves of 20 ms: the car's protocol and the limits, then the power path.
    # The car hears what it may first, then the converter makes it so, and so the gate sees it.
    def _talk(self, now):
        session = self.session
        reached = self.stage.reached
        stop = 1 if self.faults.severity >= STOP else self._stop_asked
        self._car[C_GATE_DISCHARGE_OK] = self.gate.discharge_ok
        self.limits.step(now, session.want, reached, self.faults.severity)
        session.step(now, reached, self._power[P_DIRECTION], stop)
        if session.want.emergency:
            self._power_path(now)
        self._send_car(now)

    def _power_path(self, now):
        stage = self.stage
        stage.step(now, self.session.want)
        self.driver.step(now, stage.order)
        self._send_converter(now)

    def _at_once(self, now):
        # An emergency: all of it in this tick, and the converter's zero waits for nobody.
        session = self.session
        reached = self.stage.reached
        self._car[C_GATE_DISCHARGE_OK] = self.gate.discharge_ok
        self.limits.step(now, session.want, reached, self.faults.severity)
        session.step(now, reached, self._power[P_DIRECTION], 2)
        self._power_path(now)
        self._send_car(now)

    # --- in ---
    def _receive_car(self, now):
        # One frame is there already.
        received = self._received
        left = _FRAMES_A_TICK
        while True:
            if not received[2] & _RTR:
                received[2] = received[2] >> 1 & 1  # FLAG_EXT_ID
                self.gate.observe_car(received[0], received[2], received[1], now)
                self.session.receive(received[0], received[2], received[1], now)
            left -= 1
            if not left or self.car_can.recv(received) is None:
                return

    def _receive_converter(self, now):
        received = self._received
        left = _FRAMES_A_TICK
        while True:
            if not received[2] & _RTR:
                received[2] = received[2] >> 1 & 1
                self.gate.observe_converter(received[0], received[2], received[1], now)
                self.driver.receive(received[0], received[2], received[1], now)
            left -= 1
            if not left or self.converter_can.recv(received) is None:
                return

    # --- what follows from it ---
    def _wish(self, now):
        if not self.wishes.take(now):
            return  # as nearly always
        taken = self.wishes.taken
        for source in range(SOURCES):
            wish = taken[source]
            self.gate.raise_floor(source, wish[W_FLOOR_permille])
            if wish[W_STOP] != self._stops[source]:
                self._stops[source] = wish[W_STOP]
                self._stop_asked = 1
        self._news = True

    def _plug_and_button(self, sense, now):
        plugged = sense[S_PLUGGED]
        if self._plugged and not plugged:
            self._stop_asked = 0
            self.faults.replugged(now)
            self.gate.replugged(now)
        self._plugged = plugged
        if sense[S_BUTTON] == 1 and self._button == 0:
            self._pressed(now)
        self._button = sense[S_BUTTON]

    def _pressed(self, now):
        # The button stops a session that runs; when none does, it begins one that waits or ended.
        phase = self._car[C_PHASE]
        if PH_PLUGGED < phase < PH_ENDED:
            self._stop_asked = 1
        else:
            self._stop_asked = 0
            self.starts.forget(now)
            self.session.restart()

    def _facts(self, now):
        if self._news:
            self._news = False
            self.arbiter.step(now)
        car = self._car
        gate = self.gate
        car[C_GATE_SOC_LOW_permille] = gate.soc_low_permille
        car[C_GATE_FLOOR_permille] = gate.floor_permille
        car[C_GATE_WHY] = gate.why
        car[C_GATE_REFUSED] = gate.refused
        if gate.refused != self._refused:
            self._refused = gate.refused
            self.faults.set(F_GATE_REFUSED, gate.refused_id, now)

    # --- out: the only call sites of send and write ---
    def _send_converter(self, now):
        frame = self.driver.poll(now)
        while frame is not None:
            if self.gate.vet_converter(frame.id, frame.ext, frame.data, now):
                if not self._lost & 2 and self._leaves(self.converter_can, 1, frame):
                    self.driver.sent(frame, now)
                    self.gate.left_converter(frame.id, frame.data)
                elif self._lost & 2 or self._bus_error:
                    self._broken(F_CAN_CONVERTER, 2, now)
            frame = self.driver.poll(now)

    def _send_car(self, now):
        frame = self.session.poll(now)
        while frame is not None:
            if self.gate.vet_car(frame.id, frame.ext, frame.data, now):
                if not self._lost & 1 and self._leaves(self.car_can, 0, frame):
                    self.session.sent(frame, now)
                    self.gate.left_car(frame.id, frame.data, now)
                elif self._lost & 1 or self._bus_error:
                    self._broken(F_CAN_CAR, 1, now)
            frame = self.session.poll(now)

    def _leaves(self, can, bus, frame):
        try:
            index = can.send(frame.id, frame.data, frame.ext << 1)  # FLAG_EXT_ID is 2
        except OSError:
            self._bus_error = 1
            return False
        if index is None:
            return False
        self._young[bus] |= 1 << index
        return True

    def _recall(self):
        # A frame that nobody acknowledges stays in its controller and would leave when a cut cable is whole again. One
        # that has not left after 80 ms, each bus's own round, is taken back within 160; one that was followed by
        # another in its place has left.
        bus = self._looked = 1 - self._looked
        can = self.converter_can if bus else self.car_can
        late = self._old[bus] & ~self._young[bus]
        self._old[bus] = self._young[bus]
        self._young[bus] = index = 0
        while late:
            if late & 1:
                can.cancel_send(index)
            late >>= 1
            index += 1

    def _broken(self, fault, bit, now):
        self._bus_error = 0
        self._lost |= bit
        if not self.faults.has(fault):
            self.faults.set(fault, self._cause(self.car_can if bit == 1 else self.converter_can), now)

    def _cause(self, can):
        # For the event, where the driver knows one (lib/mcp2515.py); a native controller knows bus-off alone.
        state = can.state()  # looks at the chip: a driver may not know yet what the SPI's own refusal meant
        if hasattr(can, "cause"):
            return can.cause()
        return 1 if state == _BUS_OFF else 0

    def _energise(self, now, want):
        mask = self.stage.relays
        if want.lock:
            mask |= OUT_LOCK
        if want.aux:
            mask |= OUT_AUX
        if want.d1:
            mask |= OUT_D1
        if want.d2:
            mask |= OUT_D2
        self._beat ^= OUT_HEARTBEAT
        mask = self.gate.vet_outputs(mask, now) & ~OUT_HEARTBEAT | self._beat
        self.io.write(mask)
        self._control[K_OUTPUTS] = mask

    # --- what services may know ---
    def _tell(self, turn, now):
        control = self._control
        control[K_TICKS] = (control[K_TICKS] + 1) & TICKS_MASK
        if now != self._due:
            self._off_time(control, now)
        self._due = (now + TICK_ms) & TICKS_MASK
        if self._car[C_PHASE] != self._phase:
            self._phase = self._car[C_PHASE]
            self.station.events.put(EV_PHASE, self._phase, 0, now)
        if turn & 1:
            self.station.publish()
        elif turn:
            self._state(control, now)

    def _off_time(self, control, now):
        if self._due == UNKNOWN:
            return  # the first tick
        late = age_ms(now, self._due)
        if late == AGE_MAX_ms:
            return  # an early one
        if late + TICK_ms > control[K_GAP_MAX_ms]:
            control[K_GAP_MAX_ms] = late + TICK_ms
        if late >= TICK_ms:
            control[K_LATE] += 1
            if late >= _HELD_ms and not control[K_QUIET]:
                self.faults.set(F_TICK_LATE, late + TICK_ms, now)

    def _state(self, control, now):
        faults = self.faults
        reached = self.stage.reached
        control[K_FAULT] = faults.worst
        control[K_SEVERITY] = faults.severity
        control[K_STAGE] = reached.mode
        control[K_NOW_ms] = now
        # A flash page holds the chip for longer than the heartbeat's hardware waits (docs/stalls.md): never under way.
        control[K_QUIET] = 1 if reached.mode == OFF and reached.done and not PH_PLUGGED < self._phase < PH_ENDED else 0
        self._keep += 1
        if self._keep == 25:
            self._keep = 0
            self._slowly(now)

    def _slowly(self, now):
        # Once a second: what may cost more.
        control = self._control
        if control[K_QUIET]:
            self.faults.clear(F_TICK_LATE, now)
        control[K_CAR_STATE] = self._revive(self.car_can, 0)
        control[K_CONVERTER_STATE] = self._revive(self.converter_can, 1)
        self._gate_record(control, now)
        self.starts.rests(control[K_QUIET])
        self.starts.second(now)
        if self.gate.save(self.rtc.image):
            self.rtc.save()

    def _revive(self, can, bus):
        # Bus-off or stopped (a chip that does not answer): it may be back. As it was found.
        state = found = can.state()
        if found == _BUS_OFF or not found:
            can.restart()
            state = can.state()
        if state and state != _BUS_OFF:
            self._lost &= ~(1 << bus)
        return found

    def _gate_record(self, control, now):
        # What the gate counts and judges by itself, for the record.
        gate = self.gate
        control[K_OPENINGS] = gate.openings
        if gate.opened_under_load != control[K_OPENED_UNDER_LOAD]:
            control[K_OPENED_UNDER_LOAD] = gate.opened_under_load
            self.faults.set(F_OPENED_UNDER_LOAD, gate.opened_under_load, now)
        if gate.why == R_SOC_DOUBT:
            self.faults.set(F_SOC_DOUBT, gate.soc_low_permille, now)
