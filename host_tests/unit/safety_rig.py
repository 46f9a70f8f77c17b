# A gate with everything around it that it hears: sensors, a converter and a car, as simple as can be and written for
# these tests alone. Runs on CPython and on MicroPython. Times in ms, voltages in V, currents in A, house sign.
from array import array

from firmware.boards import bench
from firmware.safety import gbt27930_rules, infypower_rules
from firmware.safety.gate import Gate
from firmware.signals import (
    IN_CC1,
    IN_CONTACTOR,
    IN_CURRENT,
    IN_ESTOP,
    IN_INLET,
    IN_LINK,
    IN_LOCKED,
    IN_TEMP1,
    IN_TEMP2,
    INPUTS,
    OUT_AUX,
    OUT_BLEED,
    OUT_CONTACTOR,
    OUT_ENABLE,
    OUT_LOCK,
)
from firmware.units import TICKS_MASK, UNKNOWN

WRITE, READ = 0x02A43FF0, 0x02A33FF0
RUN_OUTPUTS = OUT_CONTACTOR | OUT_ENABLE | OUT_LOCK | OUT_AUX
IDLE_OUTPUTS = OUT_LOCK | OUT_AUX | OUT_ENABLE
VIN = b"LSLUICE0123456789"


def command(register, value):
    data = bytearray(8)
    data[0], data[1] = register >> 8, register & 0xFF
    for k in range(4):
        data[7 - k] = value >> 8 * k & 0xFF
    return data


ON, OFF = command(0x1110, 0xA0), command(0x1110, 0xA1)
RECTIFIER, INVERTER = command(0x2110, 0xA0), command(0x2110, 0xA1)


def volts(value):
    return command(0x1001, int(value * 1000))


def amps(value):
    return command(0x1002, int(value * 1000))


def cutoff(value):
    return command(0x1132, int(value * 1000))


def u16(*values):
    data = bytearray()
    for value in values:
        data.append(value & 0xFF)
        data.append(value >> 8)
    return data


def raw_A(current_A):
    # House sign to the wire's: there, charging is below 4000.
    return 4000 - int(current_A * 10)


def ccs(permission, length=8):
    data = bytearray(b"\xff" * 8)
    data[6] = 0xFC | permission
    return data[:length]


class Rig:
    def __init__(self, v112=1, floor_permille=200, image=None, now=1000, ccs_length=8):
        self.now = now
        self.car_rules = gbt27930_rules.Rules(v112, ccs_length)
        self.gate = Gate(self.car_rules, infypower_rules.Rules(), bench.SCALE, bench, floor_permille, image)
        self.inputs = array("i", [0] * INPUTS)
        self.link_V = self.inlet_V = self.current_A = 0
        self.cc1_mV = 12000
        self.temp_C = 25
        self.contactor = self.estop = self.locked = 0
        self.sampling = True
        self.outputs = 0
        self.asked = 0
        # The converter, which does at once what left, if it listens.
        self.listens = self.reports = True
        self.on = self.inverter = 0
        self.set_V = self.set_A = 0
        self.stray_A = None  # a current that nobody ordered
        self.battery_V = 0  # behind the car's contactors, closed if not 0
        self.relay_works = True
        self._coil_ms = 0
        # The car, which repeats what it said last.
        self.says = {}
        self.soc = None
        self.bcs_V = None
        self.tells = {}

    # --- the world ---
    def tick(self, count=1):
        for _ in range(count):
            self.now = (self.now + 10) & TICKS_MASK
            self._world()
            self.gate.observe_inputs(self._sample(), self.sampling, self.now)
            self._reports()
            self._car()
            self.gate.step(self.now)
            self._tell()
            self.outputs = self.gate.vet_outputs(self.asked, self.now)
        return self

    def _world(self):
        self._coil_ms = self._coil_ms + 10 if bool(self.outputs & OUT_CONTACTOR) != bool(self.contactor) else 0
        if self._coil_ms >= 30 and self.relay_works:
            self.contactor = 1 if self.outputs & OUT_CONTACTOR else 0
        running = self.on and self.outputs & OUT_ENABLE
        if self.contactor:
            self.current_A = (-self.set_A if self.inverter else self.set_A) if running else 0
            if self.battery_V:
                self.link_V = self.inlet_V = self.battery_V
            else:
                self.inlet_V = self.link_V
        else:
            self.current_A = 0
            if running and not self.inverter and self.set_A:
                self.link_V = min(self.set_V, self.link_V + 100)
            if self.battery_V:
                self.inlet_V = self.battery_V
        if self.outputs & OUT_BLEED:
            self.link_V = max(0, self.link_V - 20)
            if not self.battery_V:
                self.inlet_V = max(0, self.inlet_V - 20)
        if self.stray_A is not None:
            self.current_A = self.stray_A

    def _sample(self):
        inputs = self.inputs
        inputs[IN_LINK] = 1000 + int(self.link_V * 20)
        inputs[IN_INLET] = 1000 + int(self.inlet_V * 20)
        inputs[IN_CURRENT] = 32768 + int(self.current_A * 100)
        inputs[IN_CC1] = self.cc1_mV
        inputs[IN_TEMP1] = inputs[IN_TEMP2] = 500 + int(self.temp_C * 10)
        inputs[IN_CONTACTOR] = self.contactor
        inputs[IN_ESTOP] = self.estop
        inputs[IN_LOCKED] = self.locked
        return inputs

    def reply(self, register, value, module=0, head=0x2A3):
        data = command(register, value)
        self.gate.observe_converter(head << 16 | 0xF000 | module, 1, data, self.now)

    def _reports(self):
        if not self.reports or self.now // 10 % 10:
            return
        self.reply(0x1110, 0 if self.on else 0x100)
        self.reply(0x1111, self.inverter)
        self.reply(0x1001, int(self.link_V * 1000))
        self.reply(0x1002, int(abs(self.current_A) * 1000))

    def _car(self):
        for can_id in self.says:
            self.gate.observe_car(can_id, 1, self.says[can_id], self.now)
        if self.soc is not None and self.now // 10 % 25 == 0:
            self.bcs(self.soc)

    def _tell(self):
        for can_id in self.tells:
            self.to_car(can_id, self.tells[can_id])

    # --- what the station sends ---
    def send(self, data, can_id=WRITE):
        if not self.gate.vet_converter(can_id, 1, data, self.now):
            return False
        self.gate.left_converter(can_id, data)
        if self.listens:
            self._obey(data)
        return True

    def _obey(self, data):
        register = data[0] << 8 | data[1]
        value = data[5] << 16 | data[6] << 8 | data[7]
        if register == 0x1110:
            self.on = 1 if value == 0xA0 else 0
        elif register == 0x2110:
            self.inverter = value - 0xA0
            self.reply(0x2110, value, head=0x2A4)
        elif register == 0x1001:
            self.set_V = value / 1000
        elif register == 0x1002:
            self.set_A = value / 1000

    def to_car(self, can_id, data):
        if not self.gate.vet_car(can_id, 1, data, self.now):
            return False
        self.gate.left_car(can_id, data, self.now)
        return True

    # --- what the car says ---
    def hear(self, can_id, data):
        self.gate.observe_car(can_id, 1, data, self.now)

    def long(self, pf, data):
        packets = (len(data) + 6) // 7
        self.hear(0x1CEC56F4, bytes((0x10, len(data) & 0xFF, len(data) >> 8, packets, 0xFF, 0, pf, 0)))
        for number in range(packets):
            part = bytearray(b"\xff" * 8)
            part[0] = number + 1
            for k in range(7):
                if number * 7 + k < len(data):
                    part[1 + k] = data[number * 7 + k]
            self.hear(0x1CEB56F4, part)

    def bcp(self, charge_A=55, energy_kWh=1, max_V=420, soc=60, pack_V=380):
        self.long(
            6,
            u16(370, raw_A(charge_A), int(energy_kWh * 10), int(max_V * 10))
            + b"\x73"
            + u16(int(soc * 10), int(pack_V * 10)),
        )

    def bcs(self, soc, cell_V=3.5):
        voltage_V = self.inlet_V if self.bcs_V is None else self.bcs_V
        data = u16(int(voltage_V * 10), raw_A(self.current_A), int(cell_V * 100) | 0x1000)
        self.long(0x11, data + bytes((soc, 30, 0)))

    def bdc(self, cycles_left=500, energy_kWh=1):
        self.long(0x29, VIN + bytes((60,)) + u16(100, int(energy_kWh * 10), 3, cycles_left, 2000))

    def bcpp(self, discharge_A=50, min_V=320, min_cell_V=2.8, min_soc=20):
        self.hear(
            0x183056F4,
            u16(4000 + int(discharge_A * 10), int(min_V * 10), int(min_cell_V * 100)) + bytes((min_soc,)),
        )

    def demand(self, current_A, voltage_V=410, mode=2):
        # BCL charging, BCLP (mode 3) discharging: the magnitude.
        raw = 4000 + int(current_A * 10) if mode == 3 else 4000 - int(current_A * 10)
        self.says[0x181056F4] = u16(int(voltage_V * 10), raw) + bytes((mode,))

    def permit(self, bits):
        self.says[0x181356F4] = bytes((0, 70, 0, 60, 0, 0, bits << 4 | 0xC0))

    # --- the way of a session ---
    def plug(self):
        self.cc1_mV = 4000
        self.locked = 1
        self.send(OFF)
        self.tick(15)
        self.asked = OUT_LOCK | OUT_AUX
        return self.tick()

    def handshake(self, discharge=True, **bcp):
        if discharge:
            assert self.to_car(0x1828F456, b"\x0c\x01\x00")
            self.bdc(energy_kWh=bcp.get("energy_kWh", 1))
        assert self.to_car(0x1826F456, b"\x01\x01\x00")
        self.hear(0x182756F4, u16(4300))
        assert self.to_car(0x1801F456, bytes(8))
        self.bcp(**bcp)
        if discharge:
            self.bcpp()
        assert self.to_car(0x1808F456, u16(7500, 1500, raw_A(60), 4000))
        if discharge:
            assert self.to_car(0x1831F456, u16(7500, 1500, raw_A(-60), 4000))
        self.battery_V = 380
        self.hear(0x100956F4, b"\xaa")
        return self.tick()

    def start(self, mode=RECTIFIER):
        # Mode, then the set-points without current, then ON.
        self.tick(11)
        assert self.send(mode)
        self.tick(11)
        assert self.send(volts(375)) and self.send(amps(0)) and self.send(cutoff(320))
        assert self.send(ON)

    def precharge(self):
        self.asked = IDLE_OUTPUTS
        self.start()
        self.tick(1)
        assert self.send(amps(2))
        self.tick(25)
        self.asked = RUN_OUTPUTS
        self.tick(5)
        assert self.contactor
        assert self.send(amps(0))
        assert self.to_car(0x100AF456, b"\xaa")
        return self

    def charging(self, current_A=30, discharge=True, **bcp):
        # A session that charges.
        self.plug().handshake(discharge, **bcp).precharge()
        self.demand(55)
        self.permit(1)
        self.soc = bcp.get("soc", 60)
        self.tells[0x1812F456] = ccs(1)
        self.tick(20)
        if current_A:
            assert self.send(amps(current_A))
            self.tick(2)
        return self

    def stop_flow(self):
        assert self.send(amps(0))
        assert self.send(OFF)
        self.tick(2)

    def discharging(self, current_A=30, **bcp):
        self.charging(0, **bcp)
        self.stop_flow()
        self.tells[0x1812F456] = ccs(0)
        self.tells[0x1832F456] = b"\x01"
        self.demand(50, 330, 3)
        self.permit(2)
        self.tick(2)
        self.tells[0x1812F456] = ccs(2)
        self.start(INVERTER)
        self.tick(2)
        if current_A:
            assert self.send(amps(current_A))
            self.tick(2)
        return self


def unknown(value):
    return value == UNKNOWN
