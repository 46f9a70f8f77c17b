# What is wired to the board in the on-board tests: CAN controllers on a bus, slaves on the field bus, a TLS server.
# Each as small as its test needs; the register models of the CAN chips have tests of their own.
import struct


class Cable:
    # Between controllers.
    def __init__(self):
        self.ends = []
        self.cut = False
        self.loses = 0  # every so manieth frame
        self.count = 0


class Can:
    # The surface of machine.CAN, as far as the tests use it.
    MODE_NORMAL, MODE_SILENT_LOOPBACK = 0, 4
    cable = None
    absent = False
    spoils = False

    def __init__(self, id, bitrate, sample_point=75, port=None):
        if Can.absent:
            raise OSError("no MCP2515 answers: MISO reads FF")
        self._frames, self._errors = [], 0
        self.init(bitrate)
        if Can.cable is not None:
            Can.cable.ends.append(self)

    def init(self, bitrate, mode=0):
        self._mode, self.bitrate, self._hears = mode, bitrate, False

    def deinit(self):
        self._frames.clear()

    def set_filters(self, filters):
        self._hears = True

    def send(self, id, data, flags=0):
        frame = [id, bytes(data), flags, 0]
        cable = Can.cable
        cable.count += 1
        if cable.loses and cable.count % cable.loses == 0:
            self._errors += 8
            return 0
        if Can.spoils:
            frame[1] = bytes(8)[: len(frame[1])]
        ends = [self] if self._mode == self.MODE_SILENT_LOOPBACK else [e for e in cable.ends if e is not self]
        for each in ends:
            if not cable.cut or each is self:
                each.hear(frame)
        return 0

    def hear(self, frame):
        if self._hears:
            self._frames.append(frame)

    def recv(self, into=None):
        return self._frames.pop(0) if self._frames else None

    def cancel_send(self, index):
        return True

    def get_counters(self, into=None):
        return [self._errors, 0, 0, 0, 0, 0, 0, 0]


class Driver:
    CAN = Can


def crc(data):
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0xA001 if value & 1 else value >> 1
    return bytes((value & 255, value >> 8))


class Slave:
    # A machine.UART with one Modbus slave behind it. `registers`: address -> bytes; `written`: what was written.
    registers = {}
    silent = False
    number = 1
    asked = 0

    def __init__(self, id, **given):
        self._out = b""

    def write(self, data):
        Slave.asked += 1
        if Slave.silent or data[0] != Slave.number:
            return len(data)
        function, address = data[1], data[2] << 8 | data[3]
        if function == 6:
            reply = bytes(data[:-2])
            Slave.written = address
        else:
            value = Slave.registers[address]
            words = value() if callable(value) else value
            reply = bytes((data[0], function, len(words))) + words
        self._out += reply + crc(reply)
        return len(data)

    def readinto(self, into):
        if not self._out:
            return None
        count = min(len(into), len(self._out))
        for at in range(count):
            into[at] = self._out[at]
        self._out = self._out[count:]
        return count

    def txdone(self):
        return True


def number(value):
    return struct.pack(">f", value)


class Tls:
    # The modules `socket` and `ssl`: a handshake takes its time with the interpreter held.
    def __init__(self, clock, ms):
        self._clock, self._ms = clock, ms

    def getaddrinfo(self, host, port):
        return [(0, 0, 0, "", (host, port))]

    def socket(self):
        return self

    def settimeout(self, s):
        pass

    def connect(self, address):
        pass

    def wrap_socket(self, plain):
        self._clock._pass(self._ms * 1000)
        return self

    def close(self):
        pass
