# safe_stop: the way out of everything. Runs on CPython and on MicroPython.
from firmware.safety import safe_stop as module
from firmware.safety.safe_stop import safe_stop
from firmware.signals import (
    IN_CONTACTOR,
    IN_CURRENT,
    IN_INLET,
    IN_LINK,
    OUT_AUX,
    OUT_BLEED,
    OUT_CONTACTOR,
    OUT_ENABLE,
    OUT_LOCK,
)
from host_tests.unit.safety_rig import OFF, RUN_OUTPUTS, Rig, amps


class Io:
    # A board that does what is written: 30 ms relay, current gone after `reaction_ms`, bled within 200 ms.
    def __init__(self, rig, reaction_ms=10):
        self.rig = rig
        self.inputs = rig._sample()
        self.now = rig.now
        self.current_A, self.link_V, self.inlet_V = 50, 380, 380
        self.contactor = 1
        self.reaction_ms = reaction_ms
        self.written = []
        self.sent = []
        self.sampled = True
        self.broken = ""
        self.frozen = False
        self.slept = 0
        self._coil_off = None
        self._begin = self.now
        self.battery = False

    # io
    def sample(self):
        if "sample" in self.broken:
            raise OSError("sample")
        self.inputs[IN_LINK] = 1000 + int(self.link_V * 20)
        self.inputs[IN_INLET] = 1000 + int(self.inlet_V * 20)
        self.inputs[IN_CURRENT] = 32768 + int(self.current_A * 100)
        self.inputs[IN_CONTACTOR] = self.contactor
        return self.sampled

    def write(self, mask):
        if "write" in self.broken:
            raise OSError("write")
        self.written.append((self.now - self._begin, mask))

    # CAN
    def send(self, can_id, data, flags):
        if "send" in self.broken:
            raise OSError("send")
        self.sent.append((self.now - self._begin, can_id, bytes(data), flags))

    # time
    def ticks(self):
        return self.rig.now if self.frozen else self.now & 0x3FFFFFFF

    def sleep(self, ms):
        self.slept += ms
        self.now += ms
        mask = self.written[-1][1] if self.written else 0
        if self.now - self._begin >= self.reaction_ms:
            self.current_A = 0
        if not mask & OUT_CONTACTOR and self._coil_off is None:
            self._coil_off = self.now
        if self._coil_off is not None and self.now - self._coil_off >= 30:
            self.contactor = 0
            self.current_A = 0
        if mask & OUT_BLEED:
            self.link_V = max(0, self.link_V - 2)
            if not self.battery:
                self.inlet_V = max(0, self.inlet_V - 2)


def stopped(reaction_ms=10, now=1000, **spoil):
    rig = Rig(now=now).charging(50)
    io = Io(rig, reaction_ms)
    for name in spoil:
        assert hasattr(io, name)
        setattr(io, name, spoil[name])
    module._said = 0
    safe_stop(io, io, rig.gate, io.ticks, io.sleep)
    return io


def masks(io):
    return [mask for at, mask in io.written]


HELD = OUT_LOCK | OUT_AUX


def test_the_order_of_a_safe_stop():
    io = stopped()
    assert masks(io) == [OUT_CONTACTOR | HELD, HELD, HELD | OUT_BLEED, OUT_LOCK, 0]
    times = [at for at, mask in io.written]
    assert times[0] == 0
    assert times[1] == 10  # the current was gone
    assert times[2] == 41  # fed back open
    assert times[3] == times[4] == 41 + 161  # below 60 V
    frames = [(at, can_id, data, flags) for at, can_id, data, flags in io.sent]
    off, zero = bytes(OFF), bytes(amps(0))
    assert frames == [
        (0, 0x02A43FF0, off, 2), (0, 0x02A43FF0, zero, 2), (41, 0x02A43FF0, off, 2), (41, 0x02A43FF0, zero, 2),
    ]  # fmt: skip


def test_the_contactors_open_in_time_whatever_flows():
    for now in (1000, 0x3FFFFF00):
        io = stopped(reaction_ms=5000, now=now)
        assert masks(io)[:2] == [OUT_CONTACTOR | HELD, HELD]
        assert io.written[1][0] == 60


def test_without_sensors_it_ends_in_time_and_keeps_the_lock():
    for spoil in ({"sampled": False}, {"broken": "sample"}):
        io = stopped(**spoil)
        assert masks(io) == [OUT_CONTACTOR | HELD, HELD, HELD | OUT_BLEED, OUT_LOCK]
        assert [at for at, mask in io.written] == [0, 60, 110, 5110]


def test_a_battery_at_the_inlet_keeps_the_lock():
    io = stopped(battery=True)
    assert masks(io)[-2:] == [HELD | OUT_BLEED, OUT_LOCK]
    assert io.written[-1][0] == 41 + 5000


def test_a_dead_bus_keeps_nothing_closed():
    io = stopped(broken="send")
    assert masks(io) == [OUT_CONTACTOR | HELD, HELD, HELD | OUT_BLEED, OUT_LOCK, 0]


def test_dead_outputs_do_not_keep_off_from_leaving():
    io = stopped(broken="write")
    assert len(io.sent) == 4


def test_a_clock_that_stands_still_does_not_hold_it():
    io = stopped(frozen=True, reaction_ms=5000, sampled=False)
    assert io.slept == 60 + 50 + 5000
    assert masks(io)[-1] == OUT_LOCK


def test_without_a_session_nothing_is_energised():
    rig = Rig()
    io = Io(rig)
    io.contactor = io.current_A = io.link_V = io.inlet_V = 0
    safe_stop(io, io, rig.gate, io.ticks, io.sleep)
    assert masks(io) == [0, 0, OUT_BLEED, 0, 0]
    assert len(io.sent) == 4


def test_it_does_not_vet_what_may_not_leave():
    class Deaf:
        def __init__(self, gate):
            self.sequence, self.sensed, self.car = gate.sequence, gate.sensed, gate.car
            self.observe_inputs = gate.observe_inputs

        def vet_converter(self, can_id, ext, data, now):
            return False

    rig = Rig().charging(50)
    io = Io(rig)
    safe_stop(io, io, Deaf(rig.gate), io.ticks, io.sleep)
    assert io.sent == []
    assert masks(io)[-1] == 0


def test_module_enable_is_never_held():
    for mask in masks(stopped()):
        assert not mask & OUT_ENABLE
    assert RUN_OUTPUTS & OUT_ENABLE


def test_5_A_may_be_opened():
    for current_A, at in ((5, 0), (-5, 0), (5.15, 60), (-5.15, 60)):
        io = stopped(reaction_ms=5000, current_A=current_A)
        assert io.written[1] == (at, HELD)


def test_60_V_is_not_low():
    for link_V, inlet_V, at in ((59.95, 0, 41), (0, 59.95, 41), (60, 0, 42), (0, 60, 42)):
        io = stopped(link_V=link_V, inlet_V=inlet_V)
        assert io.written[3][0] == at


def test_at_60_V_it_stays_locked():
    for inlet_V, last in ((59.95, 0), (60, OUT_LOCK)):
        assert masks(stopped(battery=True, inlet_V=inlet_V))[-1] == last


def test_old_values_of_dead_sensors_are_not_believed():
    rig = Rig().charging(0)
    io = Io(rig)
    io.broken = "sample"
    safe_stop(io, io, rig.gate, io.ticks, io.sleep)
    assert io.written[1][0] == 60
