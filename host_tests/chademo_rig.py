"""A CHAdeMO session in virtual time: the real Session, a stage that does as it is told, and a small scripted car.

The car speaks raw bytes written here from the facts (2.2 to 2.6), not by any codec of the firmware. It runs on CPython
and on MicroPython. Everything that the car does or says is an attribute to be changed.
"""

from firmware import faults as f
from firmware import station as st
from firmware.contract import MATCH, RUN
from firmware.vehicle.chademo.session import Session
from firmware.vehicle.chademo.settings import Settings
from host_tests.gbt27930_rig import MASK, Stage, TICK_ms


class Car:
    """Asleep without d1. Says the same every 100 ms; its contactors follow d2, its permission the charger's 109.5."""

    def __init__(self, **changes):
        self.mute = set()  # ids that it leaves out
        self.number = 2
        self.constant = 100
        self.max_V = 435
        self.least_A = 0
        self.minutes = 60
        self.capacity = 222  # 0.1 kWh
        self.target_V = 410
        self.request_A = 50
        self.errors = 0
        self.bits = 0x80  # of 102.5, beside enabled and open
        self.soc = 60
        self.gives_A = 50
        self.min_V = 250
        self.borders = (67, 178)  # 200.6 and 7
        self.sequence = None
        self.abilities = None
        self.pack_dV = 3750
        self.provisional = {}  # id: bytes that it says until it permits
        self.permit_ms = 1000
        self.k_works = self.can_works = True
        self.close_ms = 500
        self.request_ms = 500
        self.open_ms = 500
        self.welded = self.flag_stuck = False
        self.stops_ms = None  # after so long it ends the session by itself
        self.heard = {}  # type: dict
        self.ran = False
        for name, value in changes.items():
            if not hasattr(self, name):
                raise ValueError(name)
            setattr(self, name, value)
        self.sleep()

    def sleep(self):
        """Without d1: nothing is remembered."""
        self.since = self.d2_at = self.closed_at = self.off_at = None
        self.stopped = False
        self.contactor = False

    def receive(self, can_id, data, now):
        """A frame of the charger."""
        self.heard[can_id] = data
        if can_id == 0x109 and self.closed_at is not None:
            if data[5] & 0x20 and 0x109 in self.heard and self.ran:
                self.stopped = True
            if data[5] & 1 and not data[5] & 0x20:
                self.ran = True
            elif self.ran and not data[5] & 1 and self.off_at is None:
                self.off_at = now

    def enabled(self, now):
        """What it wants to say by k and 102.5.0."""
        return self.since is not None and (now - self.since) & MASK >= self.permit_ms and not self.stopped

    def k(self, now):
        """The wire."""
        return self.k_works and self.enabled(now)

    def closed(self):
        """The contacts themselves."""
        return self.contactor or self.welded

    def step(self, now, d1, d2):
        """What it sends in this tick."""
        if not d1:
            self.sleep()
            return []
        if self.since is None:
            self.since = now
            self.ran = False
        self._contactors(now, d2)
        ms = (now - self.since) & MASK
        if self.stops_ms is not None and ms >= self.stops_ms:
            self.stopped = True
        return self._set(now) if ms % 100 == 0 else []

    def _contactors(self, now, d2):
        if not d2:
            self.d2_at = None
            self.contactor = False
            return
        if self.d2_at is None:
            self.d2_at = now
        if self.closed_at is None and (now - self.d2_at) & MASK >= self.close_ms:
            self.contactor = True
            self.closed_at = now
        if self.off_at is not None and (now - self.off_at) & MASK >= self.open_ms:
            self.contactor = False

    def _set(self, now):
        frames = [(0x100, self._100()), (0x101, self._101()), (0x102, self._102(now)), (0x200, self._200())]
        if self.sequence is not None:
            frames.append((0x201, bytes([self.sequence]) + bytes(7)))
        if self.abilities is not None:
            frames.append((0x110, bytes([self.abilities]) + bytes(7)))
        said = []
        for can_id, data in frames:
            if can_id not in self.mute:
                said.append((can_id, data if self.enabled(now) else self.provisional.get(can_id, data)))
        return said

    def _100(self):
        return bytes([self.least_A, 0, 0, 0, self.max_V & 0xFF, self.max_V >> 8, self.constant, 0])

    def _101(self):
        return bytes([0, 0xFF, self.minutes, 0, 0, self.capacity & 0xFF, self.capacity >> 8, 0])

    def _102(self, now):
        status = self.bits
        if self.can_works and self.enabled(now):
            status |= 1
        if not self.contactor and not self.flag_stuck:
            status |= 8
        asks = self.closed_at is not None and (now - self.closed_at) & MASK >= self.request_ms and not self.stopped
        request_A = self.request_A if asks else 0
        return bytes(
            [self.number, self.target_V & 0xFF, self.target_V >> 8, request_A, self.errors, status, self.soc, 0]
        )

    def _200(self):
        gives_A = self.gives_A if self.ran else 0
        return bytes([255 - gives_A, 0, 0, 0, self.min_V & 0xFF, self.min_V >> 8]) + bytes(self.borders)


class Rig:
    """All of it, tick by tick. `sent` holds (ms since the start, id, bytes) of what the charger sent."""

    def __init__(self, config=None, start=0, settings=None, **car):
        self.station = st.Station()
        self.faults = f.Active(self.station.events)
        self.settings = settings or Settings(dict(config or {}))
        self.session = Session(self.station, self.faults, self.settings)
        self.stage = Stage(self.station)
        self.car = Car(**car)
        self.start = self.now = start
        self.sense = self.station.sense.now
        self.facts = self.station.car.now
        self.power = self.station.power.now
        self.facts[st.C_GATE_DISCHARGE_OK] = 1
        for slot in range(len(self.sense)):
            self.sense[slot] = 0
        self.station.converter.now[st.V_READY] = 1
        self.wanted_dA = 100
        self.stop = 0  # asked by hand; faults ask too, as in control
        self.sent = []
        self.phases = []
        self.wires = []  # (ms, lock, d1, d2) at each change
        self.k_broken = None  # what line k says instead
        self.lock_works = True

    def ms(self):
        return (self.now - self.start) & MASK

    def plug_in(self):
        self.sense[st.S_PLUGGED] = 1
        return self

    def unplug(self):
        self.sense[st.S_PLUGGED] = 0
        self.faults.replugged(self.now)  # as control does it on the edge

    def tick(self):
        now, session, stage, sense = self.now, self.session, self.stage, self.sense
        want = session.want
        plugged = sense[st.S_PLUGGED]
        for can_id, data in self.car.step(now, want.d1 and plugged, want.d2):
            session.receive(can_id, 0, memoryview(bytearray(data)), now)
        sense[st.S_PERMISSION] = self.k_broken if self.k_broken is not None else int(self.car.k(now))
        stop = 2 if self.faults.severity >= f.EMERGENCY else 1 if self.faults.severity >= f.STOP else 0
        asked = 1 if self.wanted_dA > 0 else -1 if self.wanted_dA < 0 else 0
        session.step(now, stage.reached, asked, max(stop, self.stop))
        stage.battery_dV = self.car.pack_dV if self.car.closed() and plugged else 0
        stage.step(now, want, self.wanted_dA)
        sense[st.S_LINK_dV] = stage.battery_dV if want.mode in (MATCH, RUN) else 0
        sense[st.S_LOCKED] = want.lock if self.lock_works else 0
        self.power[st.P_TARGET_dA] = sense[st.S_CURRENT_dA]
        self._send(now)
        self._note(want)
        self.now = (now + TICK_ms) & MASK

    def _send(self, now):
        frame = self.session.poll(now)
        while frame is not None:
            data = bytes(frame.data)
            self.sent.append((self.ms(), frame.id, data))
            if len(self.sent) > 400:
                del self.sent[150:250]  # the first and the last are what tests look at
            self.session.sent(frame, now)
            self.car.receive(frame.id, data, now)
            frame = self.session.poll(now)

    def _note(self, want):
        wires = (want.lock, want.d1, want.d2)
        if not self.wires or self.wires[-1][1:] != wires:
            self.wires.append((self.ms(),) + wires)
        phase = self.facts[st.C_PHASE]
        if not self.phases or self.phases[-1] != phase:
            self.phases.append(phase)

    def run(self, ms):
        for _ in range(ms // TICK_ms):
            self.tick()
        return self

    def until(self, done, limit_ms=60000):
        """Ticks until `done()`; the ms it took, or an error that says where it stands."""
        began = self.ms()
        while not done():
            if self.ms() - began > limit_ms:
                raise AssertionError(f"after {limit_ms} ms still in state {self.session.state}")
            self.tick()
        return self.ms() - began

    def until_fault(self):
        return self.until(lambda: self.faults.worst != 0)

    def until_state(self, state, limit_ms=60000):
        return self.until(lambda: self.session.state == state, limit_ms)

    def running(self, wanted_dA=100):
        """Plugged in, and the wanted current flows."""
        self.wanted_dA = wanted_dA
        self.plug_in()
        self.until(lambda: self.sense[st.S_CURRENT_dA] == wanted_dA)
        return self

    def newest(self, can_id):
        """Bytes of the newest such frame."""
        return self.car.heard[can_id]

    def named(self):
        """The names of the faults that are raised."""
        return sorted([name for name in dir(f) if name.startswith("F_") and self.faults.has(getattr(f, name))])
