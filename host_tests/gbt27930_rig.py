"""A GB/T 27930 session in virtual time: the real Session, a stage that does as it is told, and a small scripted car.

The car speaks raw bytes written here from the facts (1.2 to 1.4, 1.8a), not by any codec of the firmware. It runs on
CPython and on MicroPython. `Car.mute` names messages that the car leaves out; its values are attributes to be changed.
"""

from firmware import faults as f
from firmware import station as st
from firmware.contract import INSULATE, MATCH, OFF, RUN, WELD, Reached
from firmware.vehicle.gbt27930 import states as s
from firmware.vehicle.gbt27930.session import Session
from firmware.vehicle.gbt27930.settings import Settings
from host_tests.vectors_gbt27930 import octets

MASK = 0x3FFFFFFF
TICK_ms = 10
BRM = bytes([1, 1, 0, 6, 0xD0, 7, 0x10, 0x0E]) + b"\xff" * 16 + b"LSLUICE0000000001" + b"\xff" * 8


def u16(value):
    return bytes([value & 0xFF, value >> 8])


class Stage:
    """Reaches what is wanted after `lag_ms` a step, with a ramp of 20 A a tick; `fail` maps a mode to a fault."""

    def __init__(self, station):
        self.sense = station.sense.now
        self.reached = Reached()
        self.reached.done = 1
        self.lag_ms = {OFF: 50, INSULATE: 100, MATCH: 100, RUN: 0, WELD: 50}
        self.fail = {}
        self.battery_dV = 0  # what the car puts on the inlet
        self._at = 0
        self.history = []
        self.hold_dA = None  # a converter that does not let go
        self.slow = 0  # 1: 2 A a tick

    def step(self, now, want, wanted_dA):
        """One tick: `wanted_dA` flows if the session's want allows it."""
        reached = self.reached
        if want.mode != reached.mode:
            reached.mode = want.mode
            reached.done = 0
            self._at = now
            self.history.append(want.mode)
        self._flow(want, wanted_dA)
        late = (now - self._at) & MASK >= self.lag_ms[want.mode]
        if want.mode in self.fail and late:
            reached.fault = self.fail[want.mode]
        elif late and (want.mode != OFF or self.sense[st.S_CURRENT_dA] == 0):
            reached.done = 1
            if want.mode == MATCH:
                reached.open = 0
            elif want.mode == OFF:
                reached.open = 1
                reached.fault = 0
        self.sense[st.S_INLET_dV] = self.battery_dV
        self.sense[st.S_CONTACTOR] = 1 - reached.open
        reached.idle = 1 if -10 < self.sense[st.S_CURRENT_dA] < 10 else 0

    def _flow(self, want, wanted_dA):
        now_dA = self.sense[st.S_CURRENT_dA]
        target_dA = 0
        if want.mode == RUN and want.direction > 0 < wanted_dA:
            target_dA = min(wanted_dA, want.charge_dA)
        elif want.mode == RUN and want.direction < 0 > wanted_dA:
            target_dA = -min(-wanted_dA, want.discharge_dA)
        if want.mode == OFF and want.emergency:
            self.sense[st.S_CURRENT_dA] = 0
            return
        if self.hold_dA is not None:
            self.sense[st.S_CURRENT_dA] = self.hold_dA
            return
        step_dA = 20 if self.slow else 200
        if now_dA < target_dA:
            now_dA = min(now_dA + step_dA, target_dA)
        else:
            now_dA = max(now_dA - step_dA, target_dA)
        self.sense[st.S_CURRENT_dA] = now_dA


class Car:
    """A BMS of few words. Every answer has its flag in `mute`."""

    def __init__(self, v112=0):
        self.v112 = v112
        self.mute = set()
        self.out = []  # (id, bytes) for the next tick
        self.long = []  # transfers waiting: (pf, bytes)
        self.transfer = None  # (pf, bytes, next, end)
        self.spoken = {}  # name: when last
        self.heard = {}  # name of the charger's message: its newest bytes
        self.state = "off"
        self.demand_dA = 200
        self.discharge_dA = 150
        self.bsm = (0x00, 0xD0)
        self.bst = None  # bytes once the car stops by itself
        self.bem = None
        self.pack_dV = 3800
        self.pack_max_dV = 4200
        self.soc = 60
        self.cycles_left = 500
        self.mode = None  # overrides the mode in BCL
        self.ready_after_ms = 300
        self.obeys_ccd = 1
        self._ready_at = None

    # --- charger to car ---
    def receive(self, can_id, data, now):
        name = {
            0x1826F456: "CHM", 0x1801F456: "CRM", 0x1807F456: "CTS", 0x1808F456: "CML", 0x100AF456: "CRO",
            0x1812F456: "CCS", 0x101AF456: "CST", 0x181DF456: "CSD", 0x081FF456: "CEM", 0x1CECF456: "TP",
            0x1828F456: "CDC", 0x1831F456: "CMLP", 0x1832F456: "CCD",
        }[can_id]  # fmt: skip
        self.heard[name] = data
        if name == "TP":
            self._answered(data)
        elif name == "CDC" and self.state == "off" and self.v112:
            self.state = "proposed"
        elif name == "CHM" and self.state in ("off", "proposed"):
            self.state = "hello"
        elif name == "CSD":
            self.state = "done"
        elif name == "CEM":
            self.state = "lost"
        else:
            self._asked(name, data, now)

    def _asked(self, name, data, now):
        if name == "CRM" and data[0] == 0 and self.state != "identify":
            self.state = "identify"
            self.bem = self.transfer = None
        elif name == "CRM" and data[0] == 0xAA and self.state == "identify":
            self.state = "parameters"
        elif name == "CML" and self.state == "parameters":
            self.state = "configure"
            self._ready_at = now
        elif name == "CRO" and data[0] == 0xAA and self.state == "configure":
            self.state = "energy"
        elif name == "CST" and self.state not in ("off", "stopping"):
            self.state = "stopping"
            self.bst = self.bst or b"\x40\x00\x00\x00"
            self._stop_at = now

    def _answered(self, data):
        if self.transfer is None:
            return
        pf, message, _, _ = self.transfer
        if data[0] == 0x11 and data[6] == pf:
            self.transfer = (pf, message, data[2], data[2] + data[1] - 1)
        elif data[0] in (0x13, 0xFF):
            self.transfer = None

    # --- car to charger ---
    def step(self, now):
        """What the car sends in this tick."""
        self.out = []
        self._transfer()
        if self.bem is not None:
            self._cyclic("BEM", 250, now, 0x081E56F4, self.bem)
            return self.out
        getattr(self, "_" + self.state)(now)
        return self.out

    def _off(self, now):
        pass

    _done = _lost = _off

    def _proposed(self, now):
        vin = b"LSLUICE0000000001"
        self._long("BDC", 250, now, 0x29, vin + bytes([self.soc]) + u16(600) + u16(10) + u16(3) + u16(self.cycles_left)
                   + u16(1000))  # fmt: skip

    def _hello(self, now):
        self._cyclic("BHM", 250, now, 0x182756F4, u16(self.pack_max_dV))

    def _identify(self, now):
        self._long("BRM", 250, now, 0x02, BRM)

    def _parameters(self, now):
        self._long("BCP", 500, now, 0x06, u16(365) + u16(4000 - 550) + u16(10) + u16(self.pack_max_dV) + bytes([115])
                   + u16(self.soc * 10) + u16(self.pack_dV))  # fmt: skip
        if self.v112:
            self._cyclic("BCPP", 500, now, 0x183056F4, u16(4000 + 500) + u16(3200) + u16(280) + bytes([20]))

    def _configure(self, now):
        ready = (now - self._ready_at) & MASK >= self.ready_after_ms and "BRO=AA" not in self.mute
        self._cyclic("BRO", 250, now, 0x100956F4, b"\xaa" if ready else b"\x00")

    def _energy(self, now):
        discharge = self.discharging()
        mode = self.mode or (3 if discharge else 2)
        raw = 4000 + self.discharge_dA if discharge else 4000 - self.demand_dA
        self._cyclic("BCL", 50, now, 0x181056F4, u16(self.pack_max_dV) + u16(raw) + bytes([mode]))
        self._long("BCS", 250, now, 0x11, u16(self.pack_dV) + u16(4000) + u16(0x1000 | 380) + bytes([self.soc])
                   + u16(90))  # fmt: skip
        if "CCS" in self.heard:
            alarms, last = self.bsm
            if discharge and last == 0xD0:
                last = 0xE0
            self._cyclic("BSM", 250, now, 0x181356F4, bytes([0, 75, 1, 74, 2, alarms, last]))
        if self.bst:
            self._cyclic("BST", 10, now, 0x101956F4, self.bst)

    def discharging(self):
        return bool(self.obeys_ccd and self.heard.get("CCD", b"\x00")[0])

    def _stopping(self, now):
        if (now - self._stop_at) & MASK < 200:
            self._cyclic("BST", 10, now, 0x101956F4, self.bst)
        else:
            self._cyclic("BSD", 250, now, 0x181C56F4, bytes([self.soc]) + u16(370) + u16(380) + bytes([74, 75]))

    def closed(self):
        """The car's own contactors."""
        if self.state == "configure":
            return "CML" in self.heard
        return self.state == "energy" or (self.state == "stopping" and "BSD" not in self.spoken)

    # --- how ---
    def _due(self, name, period_ms, now):
        if name in self.mute:
            return False
        at = self.spoken.get(name)
        if at is not None and (now - at) & MASK < period_ms:
            return False
        self.spoken[name] = now
        return True

    def _cyclic(self, name, period_ms, now, can_id, data):
        if self._due(name, period_ms, now):
            self.out.append((can_id, data))

    def _long(self, name, period_ms, now, pf, data):
        if self.transfer is None and self._due(name, period_ms, now):
            self.transfer = (pf, data, 0, 0)
            packets = (len(data) + 6) // 7
            self.out.append((0x1CEC56F4, bytes([0x10]) + u16(len(data)) + bytes([packets, 0xFF, 0, pf, 0])))

    def _transfer(self):
        if self.transfer is None:
            return
        pf, message, at, end = self.transfer
        if at and at <= end:
            part = message[at * 7 - 7 : at * 7]
            self.out.append((0x1CEB56F4, bytes([at]) + part + b"\xff" * (7 - len(part))))
            self.transfer = (pf, message, at + 1, end)


class Rig:
    """All of it, tick by tick. `sent` holds (ms since the start, id, bytes) of what the charger sent."""

    def __init__(self, v112=0, config=None, start=0, car=None, settings=None):
        self.station = st.Station()
        self.faults = f.Active(self.station.events)
        self.settings = settings or Settings(dict(config or {}, discharge_v112=v112))
        self.session = Session(self.station, self.faults, self.settings)
        self.stage = Stage(self.station)
        self.car = car or Car(v112)
        self.start = start
        self.now = start
        self.sense = self.station.sense.now
        self.facts = self.station.car.now
        self.facts[st.C_GATE_DISCHARGE_OK] = 1
        for slot in range(len(self.sense)):
            self.sense[slot] = 0
        self.wanted_dA = 100
        self.stop = 0  # asked by hand; faults ask too, as in control
        self.sent = []
        self.phases = []
        self.can_dead = False
        self.plug = 0
        self.drop = lambda can_id, data: False  # a frame of the car that is lost
        self.tamper = None

    def ms(self):
        return (self.now - self.start) & MASK

    def plug_in(self):
        self.sense[st.S_PLUGGED] = 1

    def unplug(self):
        self.sense[st.S_PLUGGED] = 0
        self.faults.replugged(self.now)  # as control does it on the edge

    def tick(self):
        now = self.now
        session, stage = self.session, self.stage
        if self.sense[st.S_PLUGGED]:
            for can_id, data in self.car.step(now):
                if not self.drop(can_id, data):
                    session.receive(can_id, 1, memoryview(bytearray(data)), now)
        stop = 2 if self.faults.severity >= f.EMERGENCY else 1 if self.faults.severity >= f.STOP else 0
        asked = 1 if self.wanted_dA > 0 else -1 if self.wanted_dA < 0 else 0
        session.step(now, stage.reached, asked, max(stop, self.stop))
        stage.battery_dV = self.car.pack_dV if self.car.closed() and self.sense[st.S_PLUGGED] else 0
        stage.step(now, session.want, self.wanted_dA)
        self.sense[st.S_LOCKED] = session.want.lock
        self._send(now)
        phase = self.facts[st.C_PHASE]
        if not self.phases or self.phases[-1] != phase:
            self.phases.append(phase)
        self.now = (now + TICK_ms) & MASK

    def _send(self, now):
        frame = self.session.poll(now)
        while frame is not None:
            if not self.can_dead:
                data = bytes(frame.data)
                self.sent.append((self.ms(), frame.id, data))
                if len(self.sent) > 240:
                    del self.sent[100:160]  # the first and the last are what tests look at
                self.session.sent(frame, now)
                if self.sense[st.S_PLUGGED]:
                    self.car.receive(frame.id, data, now)
            frame = self.session.poll(now)

    def run(self, ms):
        for _ in range(ms // TICK_ms):
            self.tick()

    def until(self, done, limit_ms=60000):
        """Ticks until `done()`; the ms it took, or an error that says where it stands."""
        began = self.ms()
        while not done():
            if self.ms() - began > limit_ms:
                phase = st.name_of(st.PHASE_NAMES, self.facts[st.C_PHASE])
                raise AssertionError(f"after {limit_ms} ms still in phase {phase}")
            self.tick()
        return self.ms() - began

    def until_phase(self, phase, limit_ms=120000):
        return self.until(lambda: self.facts[st.C_PHASE] == phase, limit_ms)

    def of(self, can_id):
        return [data for _, an_id, data in self.sent if an_id == can_id]

    def charging(self):
        """Plugged in and on to current."""
        self.plug_in()
        self.until(lambda: self.sense[st.S_CURRENT_dA] != 0)
        return self


def ended_well(rig):
    """Nothing is on, and it waits for the plug to be pulled."""
    want = rig.session.want
    assert want.mode == OFF and not want.lock and not want.aux and not want.emergency
    assert rig.sense[st.S_CURRENT_dA] == 0
    sent = len(rig.sent)
    rig.run(2000)
    assert len(rig.sent) == sent


def in_state(state, **more):
    """A rig that has just come into this state."""
    rig = Rig(**more)
    if state >= s.PLUGGED:
        rig.plug_in()
    if state == s.RETRY:
        rig.charging()
        rig.car.bem = octets("F0 F0 F1 FC")
    elif state > s.RETRY:
        rig.charging()
        rig.stop = 1
    rig.until(lambda: rig.session.state >= state)
    assert rig.session.state == state, (state, rig.session.state)
    return rig
