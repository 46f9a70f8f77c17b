# The gate allocates nothing in a tick, in any state, for any frame (house rule 9). Only MicroPython can tell.
import gc

from firmware.signals import OUT_AUX, OUT_LOCK
from host_tests.unit.safety_rig import OFF, ON, READ, RECTIFIER, WRITE, Rig, amps, ccs, command, volts

REPLIES = (command(0x1110, 0), command(0x1111, 0), command(0x1001, 380000), command(0x1002, 30000))
FRAMES = (OFF, ON, RECTIFIER, amps(0), amps(5), volts(380), command(0x2105, 5))
CAR = (0x181056F4, 0x181356F4)
RTS = bytes((0x10, 9, 0, 2, 0xFF, 0, 0x11, 0))
DT1, DT2 = bytes((1, 218, 14, 160, 15, 95, 17, 60)), bytes((2, 30, 0, 255, 255, 255, 255, 255))
BMV = bytes((0x10, 13, 0, 2, 0xFF, 0, 0x15, 0))
CCS = ccs(1)
NOTHING = bytes(8)


def tick(rig, gate, inputs, fresh, asked, image):
    now = rig.now = (rig.now + 10) & 0x3FFFFFFF
    gate.observe_inputs(inputs, fresh, now)
    for can_id in CAR:
        gate.observe_car(can_id, 1, NOTHING, now)
    for data in (RTS, BMV):
        gate.observe_car(0x1CEC56F4, 1, data, now)
        gate.observe_car(0x1CEB56F4, 1, DT1, now)
        gate.observe_car(0x1CEB56F4, 1, DT2, now)
    for data in REPLIES:
        gate.observe_converter(0x02A3F000, 1, data, now)
    gate.step(now)
    gate.raise_floor(1, 300)
    gate.ratchet(250)
    for data in FRAMES:
        if gate.vet_converter(WRITE, 1, data, now):
            gate.left_converter(WRITE, data)
        gate.vet_converter(READ, 1, data, now)
    if gate.vet_car(0x1812F456, 1, CCS, now):
        gate.left_car(0x1812F456, CCS, now)
    gate.vet_car(0x123, 0, CCS, now)
    gate.vet_outputs(asked, now)
    gate.save(image)


class Idle:
    def observe_inputs(self, inputs, fresh, now):
        pass

    def observe_car(self, can_id, ext, data, now):
        return True

    observe_converter = vet_car = vet_converter = observe_car

    def left_car(self, can_id, data, now):
        pass

    def left_converter(self, can_id, data):
        pass

    def step(self, now):
        pass

    ratchet = save = step

    def raise_floor(self, source, permille):
        pass

    vet_outputs = raise_floor


def allocated_by(rig, gate, fresh=True):
    image = bytearray(64)
    inputs, asked = rig._sample(), rig.asked
    total = 0
    for count in range(30):
        gc.collect()
        before = gc.mem_alloc()
        tick(rig, gate, inputs, fresh, asked if count % 5 else OUT_LOCK | OUT_AUX, image)
        after = gc.mem_alloc()
        if count > 3:
            total += after - before
    return total


def test_no_state_allocates():
    if not hasattr(gc, "mem_alloc"):
        return
    rigs = [Rig(), Rig().plug(), Rig().charging(), Rig().discharging()]
    pressed = Rig().charging()
    pressed.estop = 1
    rigs.append(pressed.tick(3))
    for rig in rigs:
        idle = allocated_by(rig, Idle())  # what measuring itself costs
        assert allocated_by(rig, rig.gate) == idle
        assert allocated_by(rig, rig.gate, False) == idle
