# The gate's surroundings (safety_rig.py) with a CHAdeMO car in front: its frames, its wires, and what it is told.
# Runs on CPython and on MicroPython.
from firmware.boards import bench
from firmware.safety import chademo_rules, infypower_rules
from firmware.safety.gate import Gate
from firmware.signals import IN_PERMISSION, OUT_CONTACTOR, OUT_D1, OUT_D2, OUT_ENABLE, OUT_LOCK
from host_tests.unit import safety_rig
from host_tests.unit.safety_chademo_car import C108, C208, C209, V100, V101, V200, c109, c208, v102
from host_tests.unit.safety_rig import INVERTER, OFF, ON, RECTIFIER, amps, cutoff, volts

WIRES = OUT_LOCK | OUT_D1 | OUT_D2


class Rig(safety_rig.Rig):
    def __init__(self, number=2, floor_permille=200, image=None, now=1000):
        super().__init__(floor_permille=floor_permille, image=image, now=now)
        self.car_rules = chademo_rules.Rules(number)
        self.gate = Gate(self.car_rules, infypower_rules.Rules(), bench.SCALE, bench, floor_permille, image)
        self.k = 0

    def _sample(self):
        inputs = super()._sample()
        inputs[IN_PERMISSION] = self.k
        return inputs

    def _car(self):
        if self.now // 10 % 10 == 0:
            for can_id in self.says:
                self.hear(can_id, self.says[can_id])

    def _tell(self):
        # 109 and 208 tell what flows, as a station does; a test may put other bytes there.
        if self.now // 10 % 10 == 5:
            for can_id in (0x108, 0x109, 0x208, 0x209):
                if can_id in self.tells:
                    self.to_car(can_id, self.tells[can_id])

    def hear(self, can_id, data):
        self.gate.observe_car(can_id, 0, data, self.now)

    def to_car(self, can_id, data):
        if not self.gate.vet_car(can_id, 0, data, self.now):
            return False
        self.gate.left_car(can_id, data, self.now)
        return True

    # --- the way of a session ---
    def permitted(self, status=0x81):
        # Plugged, d1 on, k and 102.5.0, locked.
        self.cc1_mV = 4000
        self.send(OFF)
        self.tick(15)
        self.asked = OUT_D1
        self.says = {0x100: V100, 0x101: V101, 0x102: v102(status | 8), 0x200: V200}
        self.tells = {0x108: C108, 0x109: c109(0x20), 0x208: C208, 0x209: C209}
        self.tick(20)
        self.k = self.locked = 1
        self.asked = OUT_D1 | OUT_LOCK
        self.tells[0x109] = c109(0x24)
        return self.tick(30)

    def closed(self, status=0x81):
        # d2 on, and the car's contactors closed.
        self.permitted(status)
        self.asked = WIRES
        self.tick(20)
        self.says[0x102] = v102(status)
        self.battery_V = 375
        return self.tick(20)

    def start(self, mode=RECTIFIER):
        self.tick(11)
        assert self.send(mode)
        self.tick(11)
        assert self.send(volts(370)) and self.send(amps(0)) and self.send(cutoff(250))
        assert self.send(ON)

    def ready(self, status=0x81):
        # Our contactors closed, 109.5 = 05.
        self.closed(status)
        self.asked = WIRES | OUT_ENABLE
        self.start()
        self.tick(1)
        assert self.send(amps(2))
        self.tick(25)
        self.asked = WIRES | OUT_ENABLE | OUT_CONTACTOR
        self.tick(5)
        assert self.contactor
        assert self.send(amps(0))
        self.tells[0x109] = c109(0x05)
        return self.tick(11)

    def charging(self, current_A=30, status=0x81):  # type: ignore[override]
        self.ready(status)
        self._flow(8, c109(0x05, 8), C208)
        return self._flow(current_A, c109(0x05, current_A), C208)

    def discharging(self, current_A=30, status=0x81):  # type: ignore[override]
        self.ready(status)
        self.stop_flow()
        self.start(INVERTER)
        self.tick(2)
        self._flow(8, c109(0x05), c208(8))
        return self._flow(current_A, c109(0x05), c208(current_A))

    def _flow(self, current_A, one, two):
        assert self.send(amps(current_A))
        self.tells[0x109] = one
        self.tells[0x208] = two
        return self.tick(11)
