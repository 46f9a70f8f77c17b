# A CHAdeMO car in front of the gate's rules alone: bytes written from the facts (2.2, 2.3), a car that repeats what it
# says, and the wires. Runs on CPython and on MicroPython.
from firmware.safety.chademo_rules import Rules
from firmware.signals import OUT_D1, OUT_D2, OUT_LOCK
from firmware.units import TICKS_MASK

C108 = b"\x01\xf4\x01\x3c\xb3\x01\x00\x00"  # 500 V, 60 A
C208 = b"\xff\xf4\x01\xc3\x00\x00\xaa\x00"  # none, 60 A, 170 V
C209 = b"\x02\x05\x00\x00\x00\x00\x00\x00"
V100 = b"\x00\x00\x00\x00\xb3\x01\x64\x00"
V101 = b"\x00\xff\x3c\x00\x00\xde\x00\x00"
V200 = b"\xcd\x00\x00\x00\xfa\x00\x43\xb2"  # 50 A out, 250 V, 30 % and 80 % of 22.2 kWh


def c109(status, charge_A=0, compatible=1):
    return bytes((2, 0x76, 1, charge_A, compatible, status, 0xFF, 60))


def c208(out_A):
    return bytes((255 - out_A,)) + C208[1:]


def v102(status=0x81, request_A=50, number=2, target_V=410, errors=0, soc=60):
    return bytes((number, target_V & 0xFF, target_V >> 8, request_A, errors, status, soc, 0))


class Wires:
    def __init__(self):
        self.plugged = self.fresh = self.lock = self.k = 1
        self.contactor = self.inlet_dV = self.current_dA = 0

    def locked(self):
        return self.lock

    def permission(self):
        return self.k


class Car:
    # Rules with a car that repeats what it says. 40 ms a turn, as the gate calls step().
    def __init__(self, number=2, now=1000):
        self.rules = Rules(number)
        self.wires = self.rules.wires = Wires()
        self.now = now
        self.says = {0x100: V100, 0x101: V101, 0x102: v102(), 0x200: V200}
        self.tells = {}

    def turn(self, count=3):
        for _ in range(count):
            self.now = (self.now + 40) & TICKS_MASK
            for can_id in self.says:
                self.rules.observe(can_id, 0, self.says[can_id], self.now)
            for can_id in self.tells:
                self.rules.left(can_id, self.tells[can_id], self.now)
            self.rules.step(self.now)
        return self

    def hear(self, can_id, data):
        self.rules.observe(can_id, 0, data, self.now)

    def tell(self, can_id, data):
        self.rules.left(can_id, data, self.now)

    def judge(self, can_id, data, ext=0):
        return self.rules.judge(can_id, ext, data)

    def closed(self):
        # k on, locked, d1 and d2 on, the car's contactors closed.
        self.tells = {0x108: C108, 0x109: c109(0x24), 0x208: C208, 0x209: C209}
        self.turn()
        assert self.rules.pins(OUT_LOCK | OUT_D1, self.now) == 0
        assert self.rules.pins(OUT_LOCK | OUT_D1 | OUT_D2, self.now) == 0
        self.wires.inlet_dV = 3750
        return self.turn()

    def running(self):
        self.closed()
        self.wires.contactor = 1
        self.tells[0x109] = c109(0x05)
        return self.turn()
