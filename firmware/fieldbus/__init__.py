# What hangs on the station's RS-485 line: a meter, an insulation monitor, or both. One step a call, at most one value
# decoded in it. What the parts are is data (one file each); what follows from their values is in meter.py, monitor.py.
from modbus import DONE, Master, Nowhere


class Fieldbus:
    # A member has a `slave`; request() is what it wants to know next, took(line, now) brings it. What is not brought is
    # told by its age.
    def __init__(self, line, members, monitor=None):
        self._line = line
        self._monitor = monitor  # who looks at the clock
        self._members = members
        self._at = 0  # whose turn it is
        self._looked = 0  # it did, in the last step that had nothing to take

    def step(self, now):
        # Whoever has a value to take does nothing else in that step: the longest is what a tick has to bear.
        line = self._line
        if not line.busy:
            self._ask(now)
        if line.step(now) == DONE:
            self._members[self._at].took(line, now)
        elif self._looked:
            self._looked = 0
        elif self._monitor is not None:
            self._looked = 1
            self._monitor.step(now)

    def _ask(self, now):
        line = self._line
        left = len(self._members)
        while left:
            left -= 1
            self._at = self._at + 1 if self._at + 1 < len(self._members) else 0
            member = self._members[self._at]
            if line.ready(member.slave, now):
                line.ask(member.slave, member.request(), now)
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
