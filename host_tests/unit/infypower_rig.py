"""Infypower modules on a bus without delay and the driver before them, for unit tests on both interpreters."""

from firmware.contract import CHARGE, DISCHARGE, Order
from firmware.converter.infypower import Driver
from firmware.faults import Active
from firmware.station import V_MODE, V_ON, V_READY, S_CURRENT_dA, Station
from firmware.units import TICKS_MASK
from host_tests.unit.power_rig import config


class Modules:
    """Infypower modules on a bus without delay, for the driver: a reply to each frame of its group."""

    def __init__(self, driver, count=1):
        self.driver = driver
        self.count = count
        self.on = [0] * count
        self.mode = [0xA0] * count
        self.set = {}  # what was written last, by item
        self.actual = {0x1001: 0, 0x1002: 0, 0x2108: 0}
        self.status = [0] * count
        self.silent = set()  # modules that say nothing
        self.deaf = set()  # items whose writes are lost
        self.refuse = {}  # item: error code
        self.frames = []  # (id, bytes) in order
        self._data = bytearray(8)
        self._view = memoryview(self._data)

    def hear(self, frame, now):
        data = bytes(frame.data)
        self.frames.append((frame.id, data))
        item = data[0] << 8 | data[1]
        value = int.from_bytes(data[4:8], "big")
        write = frame.id >> 16 & 0x3F == 0x24
        if write and item in self.deaf:
            return
        for module in range(self.count):
            if module in self.silent or (module and item in (0x1001, 0x1002, 0x1010)):
                continue
            if write:
                self._write(module, item, value)
            self.say(module, item, value if write else self._read(module, item), now, write, self.refuse.get(item, 0))

    def _write(self, module, item, value):
        if item in self.refuse:
            return
        if item == 0x1110:
            self.on[module] = 1 if value == 0xA0 else 0
        elif item == 0x2110:
            self.mode[module] = value
        else:
            self.set[item] = value

    def _read(self, module, item):
        if item == 0x1110:
            return self.status[module] | (0 if self.on[module] else 0x100)
        if item == 0x1111:
            return self.mode[module] & 1
        if item in self.actual:
            return self.actual[item]
        if item == 0x1010:
            return self.count
        return {0x1130: 1000000, 0x1131: 150000, 0x1132: 73300, 0x1133: 22000000, 0x1106: 30000}[item]

    def say(self, module, item, value, now, write=False, error=0):
        can_id = error << 26 | (0x02E4F000 if write else 0x02E3F000) | module
        self._data[:] = bytes((item >> 8, item & 0xFF, 0, 0)) + (value & 0xFFFFFFFF).to_bytes(4, "big")
        self.driver.receive(can_id, 1, self._view, now)


class Wire:
    """The driver's tick without a gate: everything that it polls leaves."""

    def __init__(self, driver, modules, start_ms=0):
        self.driver, self.modules = driver, modules
        self.order = Order()
        self.now = start_ms
        self.lost = 0  # frames that do not leave
        self.blocked = lambda item: False  # writes that do not leave

    def tick(self, count=1):
        driver = self.driver
        for _ in range(count):
            self.now = (self.now + 10) & TICKS_MASK
            driver.step(self.now, self.order)
            frame = driver.poll(self.now)
            while frame is not None:
                if self.lost:
                    self.lost -= 1
                elif not self.blocked(frame.data[0] << 8 | frame.data[1]):
                    driver.sent(frame, self.now)
                    self.modules.hear(frame, self.now)
                frame = driver.poll(self.now)

    def until(self, done, ticks=500):
        for count in range(ticks):
            if done():
                return count
            self.tick()
        raise AssertionError("it never happened")


class Rig:
    def __init__(self, modules=1, configured=None, start_ms=0):
        self.station = Station()
        self.faults = Active(self.station.events)
        self.driver = Driver(self.station, self.faults, config(modules=configured or modules))
        self.modules = Modules(self.driver, modules)
        self.wire = Wire(self.driver, self.modules, start_ms)
        self.order = self.wire.order
        self.station.sense.now[S_CURRENT_dA] = 0

    def __getitem__(self, slot):
        return self.station.converter.now[slot]

    def tick(self, count=1):
        self.wire.tick(count)
        return self

    def ready(self):
        self.wire.until(lambda: self[V_READY] == 1)
        return self

    def start(self, mode=CHARGE, current_dA=0):
        order = self.order
        order.mode, order.voltage_dV, order.current_dA, order.on = mode, 4000, current_dA, 1
        order.cutoff_dV = 3200 if mode == DISCHARGE else 0
        self.wire.until(lambda: self[V_ON] == 1 and self[V_MODE] == mode)
        return self

    def writes(self, since=0):
        return [
            (data[0] << 8 | data[1], int.from_bytes(data[4:8], "big"))
            for can_id, data in self.modules.frames[since:]
            if can_id >> 16 & 0x3F == 0x24
        ]

    def mark(self):
        return len(self.modules.frames)
