# A Modbus RTU master that never waits: ask() takes one request, step() is called every few ms until it says DONE or
# FAILED. Whole numbers only; after construction nothing here allocates. Modbus over serial line V1.02 (2006).
#
#     line = Master(uart, 9600)
#     meter = Slave(1)
#     power = frame(1, 4, 0x34, 2)  # made once: slave, function, address, count or value(s)
#     if line.ready(meter, now): line.ask(meter, power, now)
#     if line.step(now) == DONE: line.word(0), line.word(1)
#
# The stream is a machine.UART with timeout=0, or whatever has its readinto(buffer), write(buffer) and txdone(). A
# transceiver that finds its direction by itself is best. With `de` (a function of 1 or 0, as a Pin is) the direction
# falls in the first step after the last bit: a slave that answers before that step is not heard.
#
# A reply is known by what it is and not by the pauses round it, which a step every 10 ms or more cannot see: slave,
# function and length that were asked for, and the CRC over all of it. What comes before or after is passed over; so are
# the echo of our own request and what other slaves and masters say.
#
# No reply tells its address, so the late answer to one question could pass for the answer to the next. After a silence
# a slave is therefore asked something of a length that nothing else has, its probe; slaves answer in turn, so once the
# probe is answered nothing old is on its way. The next silence has a probe of yet another length: the answer that comes
# may be that to an earlier probe.
from array import array

from micropython import const

# What step() returns.
IDLE = const(0)
BUSY = const(1)
DONE = const(2)
FAILED = const(3)  # Master.error says why
# How a request ended: Master.error, and slots of Slave.counts.
OK = const(0)
EXCEPTION = const(1)  # the slave refused; its code is in Slave.exception
SILENT = const(2)  # not a byte
SPOILED = const(3)  # bytes came, but no whole reply among them
NOISY = const(4)  # the line was never silent: nothing was sent
KINDS = const(5)

MOST_WORDS = const(24)  # of one reply
_TAKE = const(13)  # bytes a step: a reply of four registers at once, and a bound on the time that a step takes
_WAIT_FIRST_ms = const(100)  # after a failure, doubled by each in a row ...
_DOUBLED = const(5)  # ... so a dead slave costs the others one time-out in 3.2 s
_NOISE_ms = const(500)
_MASK = const(0x3FFFFFFF)  # ticks wrap at 2^30


def _table():
    # CRC-16 of Modbus by halves of a byte, the lower at 0, the upper at 16: 64 bytes in place of 512.
    table = array("H", [0] * 32)
    for index in range(32):
        value = index if index < 16 else (index & 15) << 4
        for _ in range(8):
            value = value >> 1 ^ 0xA001 if value & 1 else value >> 1
        table[index] = value
    return table


_crc = _table()


def crc(data, end, at=0, value=0xFFFF):
    # Up to `end`; from `at` on, if it is `value` up to there.
    table = _crc
    while at < end:
        value ^= data[at]
        value = value >> 8 ^ table[value & 15] ^ table[value >> 4 & 15 | 16]
        at += 1
    return value


def frame(slave, function, address, *values):
    # A request, made once and kept. Functions 3 and 4: a count of registers; 6: a value; 16: values.
    body = [slave, function, address >> 8, address & 255]
    if function == 16:
        body += [0, len(values), 2 * len(values)]
    for value in values:
        body += [value >> 8 & 255, value & 255]
    check = crc(body, len(body))
    return bytearray(body + [check & 255, check >> 8])


class Nowhere:
    # A line that is not there: whoever is asked is silent.
    def readinto(self, into):
        return None

    def write(self, data):
        return None

    def txdone(self):
        return True


class Slave:
    def __init__(self, number, turnaround_ms=200, probe=(3, 0, 1, 3)):
        # probe: function, address and two counts of registers that are never asked otherwise.
        self.turnaround_ms = turnaround_ms  # from the last bit of a request to the first of the reply, at most
        self.counts = array("i", [0] * KINDS)
        self.exception = 0
        self.failures = 0  # in a row
        self.late = 0  # 1: a reply may still be on its way
        self.head = self.seed = 0  # of the replies to the newest kind of question: what it is, and the CRC over it
        self.probe = frame(number, probe[0], probe[1], probe[2])
        self._other = frame(number, probe[0], probe[1], probe[3])
        self._wait_ms = 0
        self._since = 0

    def waits(self, now):
        # Left alone for a while after failures.
        if self._wait_ms and (now - self._since) & _MASK >= self._wait_ms:
            self._wait_ms = 0
        return self._wait_ms

    def ended(self, how, now):
        self.counts[how] = (self.counts[how] + 1) & _MASK
        if how <= EXCEPTION:
            self.failures = self._wait_ms = self.late = 0
            return
        if how != NOISY and not self.late:
            self.late = 1
            self.probe, self._other = self._other, self.probe
        self._wait_ms = _WAIT_FIRST_ms << (self.failures if self.failures < _DOUBLED else _DOUBLED)
        self._since = now
        self.failures = (self.failures + 1) & _MASK


class Master:
    def __init__(self, uart, bit_s, bits=11, de=None):
        # bits: of a character; start, 8, parity, stop are 11, without parity 10.
        self._uart = uart
        self._de = de
        self._char_us = bits * 1000000 // bit_s
        # 3.5 characters, 1.75 ms from 19,200 bit/s on (2.5.1.1 there), and a ms of play.
        self._gap_ms = max(self._char_us * 7 // 2, 1750) // 1000 + 1
        self._in = bytearray(5 + 2 * MOST_WORDS)  # the reply as far as it came
        self._some = bytearray(_TAKE)
        self._reply = self._in  # where the last one lies, if not there
        self._slave = None
        self._request = None
        self.busy = 0  # with a question: ask no other
        self._sent = self._up = self._probing = 0
        self._since = self._heard = 0
        self._n = 0  # bytes of _in
        self._want = 0  # and how many it will have
        self._head = 0  # the first of them, which are known before
        self._plain = 0  # the number of bytes of its registers, as its head tells; 0: it has none
        self._crc = 0  # over what stands, from the end of the head on
        self._bytes = 0  # came at all since the request
        self._same = 0  # of them, those that were the request's own; -1: it is no echo
        self.echoes = 0  # 1: the line brings our own words back
        self.error = OK

    def ready(self, slave, now):
        return not self.busy and not slave.waits(now)

    def ask(self, slave, request, now):
        # Call it only when ready().
        self._slave = slave
        self._probing = slave.late
        self._request = slave.probe if slave.late else request
        self._since = now
        self.busy = 1
        self._sent = 0

    def word(self, index):
        # Of the reply, until the next ask().
        index = 3 + 2 * index
        return self._reply[index] << 8 | self._reply[index + 1]

    def step(self, now):
        if not self.busy:
            return IDLE
        if not self._sent:
            return self._quiet(now)
        if self._up and self._uart.txdone():
            self._up = 0
            self._de(0)
        count = self._uart.readinto(self._some) or 0
        if count:
            self._heard = now
            if self._whole(count) or self._hear(count):
                return self._end(EXCEPTION if self._reply[1] & 0x80 else OK, now)
        return self._late((now - self._since) & _MASK, count, now)

    def _late(self, age_ms, count, now):
        chars = 2 * len(self._request) + (5 if self._head < 6 else 8) + self._plain  # the request, its echo, the reply
        wait_ms = chars * self._char_us // 1000 + self._slave.turnaround_ms + 1
        # What waits to be looked at came in time.
        if age_ms >= wait_ms and (count < _TAKE or age_ms >= 2 * wait_ms):
            return self._end(SPOILED if self._bytes else SILENT, now)
        return BUSY

    def _end(self, how, now):
        self.busy = 0
        self.error = how
        self._slave.ended(how, now)
        if how == EXCEPTION:
            self._slave.exception = self._reply[2]
        if how > EXCEPTION:
            return FAILED
        if self._probing:
            return IDLE  # it is back: ask again
        return DONE if how == OK else FAILED

    # --- out ---
    def _quiet(self, now):
        # What is still heard before the request belongs to others. What came since the last look is kept by the UART:
        # if that is nothing, the line was silent so long.
        if self._uart.readinto(self._in):
            self._heard = now
            if (now - self._since) & _MASK >= _NOISE_ms:
                return self._end(NOISY, now)
        elif (now - self._heard) & _MASK >= self._gap_ms:
            self._send(now)
        return BUSY

    def _send(self, now):
        request = self._request
        self._n = self._bytes = self._same = 0
        self._reply = self._in
        self._plain = 2 * request[5] if request[1] <= 4 else 0
        self._head = 3 if self._plain else 6
        self._want = 5 + self._plain if self._plain else 8
        if self._plain and self._slave.head != request[1] << 8 | self._plain:
            self._seed(self._slave)
        self._sent = 1
        self._since = now
        if self._de is not None:
            self._up = 1
            self._de(1)
        self._uart.write(request)

    def _seed(self, slave):
        # The head of a reply is known before, and the CRC over it: most slaves are always asked for as much.
        head = self._in
        head[0] = self._request[0]
        head[1] = self._request[1]
        head[2] = self._plain
        slave.head = head[1] << 8 | head[2]
        slave.seed = crc(head, 3)

    # --- in ---
    def _whole(self, count):
        # The usual, and quick: a reply that has come at once and whole, and whose head cannot be that of an echo. It
        # stays where it is.
        some = self._some
        request = self._request
        end = self._plain + 3
        if self._n or count < end + 2 or some[1] != request[1] or some[0] != request[0]:
            return False
        if end == 3:
            return count >= 8 and self._written(some, request)
        if some[2] != end - 3 or some[2] == request[2]:
            return False
        check = crc(some, end, 3, self._slave.seed)
        if some[end] != check & 255 or some[end + 1] != check >> 8:
            return False
        if self._same >= 0:  # no echo came before
            self.echoes = 0
        self._reply = some
        return True

    def _written(self, some, request):
        # A 6's answer is the request once more; to a line that echoes see _echo().
        if self.echoes or self._same or len(request) > 8:
            return False
        for at in range(8):
            if some[at] != request[at]:
                return False
        self._reply = some
        return True

    def _hear(self, count):
        # True with the last byte of a whole reply. Few locals: with more than 11 words of locals and stack a call takes
        # its place from the heap, which costs more than ten bytes do.
        self._bytes = 1
        at = 0
        while at < count:
            if self._n >= self._head and self._same < 0:
                at = self._rest(at, count)
            else:
                self._either(self._some[at])
                at += 1
            if self._n == self._want:
                self._n = 0
                if self._crc == 0:  # over a frame with its own CRC
                    return True
        return False

    def _rest(self, at, count):
        # What follows the head: the place of the first byte that is not of it.
        some = self._some
        into = self._in
        n = self._n
        check = self._crc
        if count - at > self._want - n:
            count = at + self._want - n
        while at < count:
            into[n] = some[at]
            check ^= some[at]
            check = check >> 8 ^ _crc[check & 15] ^ _crc[check >> 4 & 15 | 16]
            n += 1
            at += 1
        self._n = n
        self._crc = check
        return at

    def _either(self, byte):
        # A byte of a head, or of what may still be an echo.
        if self._same >= 0 and self._echo(byte):
            self._n = 0
            return
        n = self._n
        if n < self._head:
            n = self._begins(n, byte)
            if n == self._head or n == self._want:
                self._crc = crc(self._in, n)
        else:
            self._in[n] = byte
            n += 1
            self._crc = crc(self._in, n, n - 1, self._crc)
        self._n = n

    def _begins(self, n, byte):
        # Bytes of the head that stand after this one. One that does not fit may be the first of another.
        request = self._request
        if n == 0:
            fits = byte == request[0]
        elif n == 1:
            fits = byte & 0x7F == request[1]
            self._want = 5 if byte & 0x80 else 8 if self._head == 6 else 5 + 2 * request[5]
        elif self._in[1] & 0x80:
            fits = True
        else:
            fits = byte == (2 * request[5] if self._head == 3 else request[n])
        if not fits:
            n = 0
            if byte != request[0]:
                return 0
        self._in[n] = byte
        return n + 1

    def _echo(self, byte):
        # True with the last byte of an echo. A 6's answer is the same as its echo: on a line that is known to echo,
        # the first of the two is not the answer; on one that is not known yet, read what was written.
        request = self._request
        if byte != request[self._same]:
            self._same = -1
            if self._head == 3:
                self.echoes = 0
            return False
        self._same += 1
        if self._same < len(request):
            return False
        self._same = -1
        if self._head == 3:
            self.echoes = 1
        return self._head == 3 or len(request) > 8 or self.echoes
