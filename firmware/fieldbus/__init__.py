# What hangs on the station's RS-485 line: a meter, an insulation monitor, or both. One step a call, at most one value
# decoded in it. What the parts are is data (one file each); what follows from their values is in meter.py, monitor.py.
from modbus import BUSY, DONE, FAILED, Master, Nowhere


class Fieldbus:
    # A member has a `slave`; request() is what it wants to know next, took(line, now) brings it, missed(now) does not.
    def __init__(self, line, members, monitor=None):
        self._line = line
        self._monitor = monitor  # who looks at the clock in every step
        self._members = members
        self._at = 0  # whose turn it is

    def step(self, now):
        if self._monitor is not None:
            self._monitor.step(now)
        state = self._line.step(now)
        if state == BUSY:
            return
        member = self._members[self._at]
        if state == DONE:
            member.took(self._line, now)
        elif state == FAILED:
            member.missed(now)
        for _ in range(len(self._members)):
            self._at = self._at + 1 if self._at + 1 < len(self._members) else 0
            member = self._members[self._at]
            if self._line.ready(member.slave, now):
                self._line.ask(member.slave, member.request(now), now)
                return


def build(config, station, faults, rated_W, field):
    # (meter or None, the line with all that hangs on it). A part's name is that of its file.
    bit_s, parity = config["fieldbus_bit_s"], config["fieldbus_parity"]
    uart, direction = (Nowhere(), None) if field is None else field(bit_s, parity)
    members = []  # type: list
    meter = monitor = None
    if config["meter"] != "none":
        from firmware.fieldbus.meter import Meter

        meter = Meter(station, faults, _part(config["meter"]), config["meter_address"], rated_W)
        members.append(meter)
    name = config["insulation_monitor"]
    if name != "none":
        from firmware.fieldbus.monitor import Monitor

        number = config["insulation_address"]
        monitor = Monitor(station, faults, _part(name), number, config["insulation_min_kohm"])
        members.append(monitor)
    return meter, Fieldbus(Master(uart, bit_s, 10 if parity == "none" else 11, direction), members, monitor)


def _part(name):
    return __import__("firmware.fieldbus." + name, None, None, ("x",))
