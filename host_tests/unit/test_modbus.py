"""The Modbus master against a line that misbehaves. Runs on CPython and on MicroPython."""

import gc

from lib.modbus import (
    BUSY,
    DONE,
    EXCEPTION,
    FAILED,
    IDLE,
    NOISY,
    OK,
    SILENT,
    SPOILED,
    Master,
    Nowhere,
    Slave,
    crc,
    frame,
)

STEP_ms = 10
FIRST = 40  # registers of the slaves here: 40, 41, ... at 40
READ = frame(1, 4, FIRST, 2)


def sealed(*body):
    check = crc(body, len(body))
    return bytes(body) + bytes((check & 255, check >> 8))


def answer(request):
    """What a good slave says: its registers hold their own address."""
    number, function = request[0], request[1]
    if function > 4:
        return bytes(request) if function == 6 else sealed(*request[:6])
    first, count = request[2] << 8 | request[3], request[4] << 8 | request[5]
    body = [number, function, 2 * count]
    for register in range(first, first + count):
        body += [register >> 8, register & 255]
    return sealed(*body)


class Line:
    """A UART and what hangs on it. Bytes arrive at their time; a slave is a function of the request."""

    def __init__(self, now=0):
        self.now = now
        self.slaves = {1: answer}
        self.delay_ms = 30
        self.echo = False
        self.coming = []  # (time, byte)
        self.written = []
        self.done = True

    def readinto(self, into):
        count = 0
        while self.coming and count < len(into) and self.coming[0][0] <= self.now:
            into[count] = self.coming.pop(0)[1]
            count += 1
        return count or None

    def write(self, data):
        request = bytes(data)
        self.written.append(request)
        if self.echo:
            self.say(request, 9)
        if request[0] in self.slaves:
            reply = self.slaves[request[0]](request)
            if reply:
                self.say(reply, 9 + self.delay_ms)

    def txdone(self):
        return self.done

    def say(self, data, in_ms=0):
        at = self.now + in_ms
        for index, byte in enumerate(data):
            self.coming.append((at + index, byte))
        self.coming.sort(key=lambda entry: entry[0])


class Rig:
    def __init__(self, now=0):
        self.line = Line(now)
        self.master = Master(self.line, 9600, 10)
        self.slave = Slave(1, 100)

    def step(self):
        self.line.now += STEP_ms
        return self.master.step(self.line.now & 0x3FFFFFFF)

    def finish(self, most=200):
        for _ in range(most):
            state = self.step()
            if state != BUSY:
                return state
        raise AssertionError("it never ended")

    def ask(self, request=READ, slave=None):
        """The whole exchange, after any wait that the slave's failures ask for."""
        slave = slave or self.slave
        for _ in range(1000):
            if self.master.ready(slave, self.line.now & 0x3FFFFFFF):
                self.master.ask(slave, request, self.line.now & 0x3FFFFFFF)
                state = self.finish()
                if state != IDLE:  # a probe was answered
                    return state
            self.step()
        raise AssertionError("it was never ready")

    def good(self):
        assert self.ask() == DONE and self.master.error == OK
        assert (self.master.word(0), self.master.word(1)) == (FIRST, FIRST + 1)


def test_the_check_sum_of_the_standard():
    assert frame(2, 7, 0)[:2] == b"\x02\x07"
    assert sealed(2, 7) == b"\x02\x07\x41\x12"  # Modbus over serial line V1.02, appendix B
    assert bytes(frame(1, 4, 0x34, 2)) == b"\x01\x04\x00\x34\x00\x02\x30\x05"
    assert bytes(frame(1, 16, 0x10, 1, 0xABCD)) == sealed(1, 16, 0, 16, 0, 2, 4, 0, 1, 0xAB, 0xCD)


def test_a_reading():
    for now in (0, 0x3FFFFFFF - 25):  # the wrap of the ticks
        rig = Rig(now)
        assert rig.master.step(rig.line.now) == IDLE
        rig.good()
        assert rig.line.written == [bytes(READ)]
        assert rig.master.step(rig.line.now) == IDLE


def test_nothing_is_sent_into_a_line_that_speaks():
    rig = Rig()
    rig.line.say(bytes(range(60)))
    rig.master.ask(rig.slave, READ, 0)
    for _ in range(6):
        assert rig.step() == BUSY
        assert not rig.line.written
    assert rig.finish() == DONE


def test_a_line_that_is_never_silent_is_an_error():
    rig = Rig()
    rig.line.say(bytes([0x55] * 700))
    assert rig.ask() == FAILED and rig.master.error == NOISY
    assert not rig.line.written and not rig.slave.late
    rig.good()


def test_noise_round_a_reply_does_no_harm():
    whole = answer(READ)
    for noise in (b"\x00", b"\xff\xff\x01", b"\x01\x04", b"\x01\x04\x05", b"\x01\x84\x07", bytes(range(40))):
        rig = Rig()
        rig.line.slaves[1] = lambda request, noise=noise: noise + whole + noise
        state = rig.ask()
        if noise != b"\x01\x84\x07":  # which looks like the head of a refusal and takes two bytes with it
            assert state == DONE and rig.master.word(1) == FIRST + 1, noise
        rig.line.slaves[1] = answer
        rig.good()


def test_a_spoiled_reply_is_none():
    whole = answer(READ)
    for at in range(len(whole)):
        for change in range(8):
            rig = Rig()
            spoiled = whole[:at] + bytes([whole[at] ^ 1 << change]) + whole[at + 1 :]
            rig.line.slaves[1] = lambda request, spoiled=spoiled: spoiled
            assert rig.ask() == FAILED and rig.master.error == SPOILED
        for spoiled in (whole[:at] + whole[at + 1 :], whole[:at] + b"\x5a" + whole[at:], whole[:at]):
            rig = Rig()
            rig.line.slaves[1] = lambda request, spoiled=spoiled: spoiled
            state = rig.ask()
            if state == DONE:
                assert at == 0 and (rig.master.word(0), rig.master.word(1)) == (FIRST, FIRST + 1)
            else:
                assert rig.master.error == (SPOILED if spoiled else SILENT)
        rig.line.slaves[1] = answer
        rig.good()


def test_replies_of_another_length():
    for count in (1, 3, 20, 125):
        rig = Rig()
        rig.line.slaves[1] = lambda request, count=count: answer(frame(1, 4, FIRST, count))
        assert rig.ask() == FAILED and rig.master.error == SPOILED
        rig.line.slaves[1] = answer
        rig.good()


def test_what_others_say_is_passed_over():
    other = answer(frame(2, 4, 100, 2)) + bytes(frame(7, 3, 0, 10)) + answer(frame(7, 3, 0, 10))
    rig = Rig()
    rig.line.slaves[1] = lambda request: other + answer(frame(1, 3, 100, 2)) + answer(request)
    rig.good()
    rig.line.slaves[1] = lambda request: other
    assert rig.ask() == FAILED and rig.master.error == SPOILED


def test_a_silent_slave_fails_in_time_and_is_left_alone_longer_and_longer():
    rig = Rig()
    rig.line.slaves.clear()
    waits = []
    for _ in range(8):
        begun = rig.line.now
        assert rig.ask() == FAILED and rig.master.error == SILENT
        waits.append(rig.line.now - begun)
    # 27 characters of a ms, 100 ms of the slave, the silence before, a step.
    assert waits[0] <= 150
    assert [wait // 100 for wait in waits[1:]] == [2, 3, 5, 9, 17, 33, 33]
    assert rig.slave.failures == 8 and rig.slave.counts[SILENT] == 8
    rig.line.slaves[1] = answer
    rig.good()
    assert rig.slave.failures == 0


def test_a_dead_slave_does_not_starve_the_others():
    rig = Rig()
    other, request = Slave(2, 100), frame(2, 4, FIRST, 2)
    rig.line.slaves[2] = answer
    del rig.line.slaves[1]
    answers = asked = 0
    while rig.line.now < 20000:
        if rig.master.ready(rig.slave, rig.line.now):
            asked += 1
            assert rig.ask() == FAILED
        elif rig.master.ready(other, rig.line.now):
            assert rig.ask(request, other) == DONE
            answers += 1
        else:
            rig.step()
    assert 8 <= asked <= 14 and answers > 150


def test_a_refusal_is_an_answer():
    rig = Rig()
    rig.line.slaves[1] = lambda request: sealed(1, request[1] | 0x80, 2)
    assert rig.ask() == FAILED and rig.master.error == EXCEPTION and rig.slave.exception == 2
    assert rig.slave.failures == 0 and rig.master.ready(rig.slave, rig.line.now)


def test_a_late_reply_is_never_the_answer_to_another_question():
    # The slave is always late by the same, whatever that is; every register has its own value, so a wrong one shows.
    for late_ms in range(100, 4000, 70):
        rig = Rig()
        rig.line.delay_ms = late_ms
        for count in range(12):
            first = FIRST + 10 * (count % 3)
            if rig.ask(frame(1, 4, first, 2)) == DONE:
                assert rig.master.word(0) == first, (late_ms, count)
        rig.line.delay_ms = 30
        for count in range(12):
            first = FIRST + 10 * (count % 3)
            if rig.ask(frame(1, 4, first, 2)) == DONE:
                assert rig.master.word(0) == first, (late_ms, count)
        assert rig.slave.failures == 0


def test_a_slow_slave_is_waited_for_as_long_as_was_said():
    rig = Rig()
    rig.line.delay_ms = 95
    rig.good()
    rig.slave.turnaround_ms = 1000
    rig.line.delay_ms = 990
    rig.good()


def test_a_slow_line():
    rig = Rig()
    rig.master = Master(rig.line, 1200)  # 9 ms a character
    rig.line.delay_ms = 300
    rig.good()


def test_a_long_reply_comes_in_pieces():
    rig = Rig()
    assert rig.ask(frame(1, 3, FIRST, 24)) == DONE
    assert [rig.master.word(index) for index in range(24)] == list(range(FIRST, FIRST + 24))


def test_writing():
    rig = Rig()
    assert rig.ask(frame(1, 6, 8005, 0x5445)) == DONE
    assert rig.ask(frame(1, 16, 3000, 1, 2)) == DONE
    rig.line.slaves[1] = lambda request: sealed(*request[:4], 0, 1)
    assert rig.ask(frame(1, 6, 8005, 0x5445)) == FAILED
    assert rig.ask(frame(1, 16, 3000, 1, 2)) == FAILED


def test_a_line_that_echoes():
    for request in (READ, frame(1, 3, 0x0400, 2), frame(1, 4, 0x0401, 2)):
        rig = Rig()
        rig.line.echo = True
        assert rig.ask(request) == DONE and rig.master.echoes
        assert rig.master.word(0) == request[2] << 8 | request[3]
        # What was written is believed when the slave said it, too.
        assert rig.ask(frame(1, 6, 1, 2)) == DONE
        assert rig.ask(frame(1, 16, 1, 2, 3)) == DONE
        rig.line.slaves.clear()
        assert rig.ask(frame(1, 6, 1, 2)) == FAILED
        assert rig.ask(frame(1, 16, 1, 2, 3)) == FAILED
        assert rig.ask(request) == FAILED
        rig.line.slaves[1] = answer
        rig.line.echo = False
        assert rig.ask(request) == DONE and not rig.master.echoes


def test_an_echo_is_remembered_when_the_reply_after_it_comes_at_once_and_whole():
    rig = Rig()
    rig.line.echo, rig.line.delay_ms = True, 60
    rig.master.ask(rig.slave, READ, rig.line.now)
    state = BUSY
    while state == BUSY:
        rig.line.now += 40  # control's step
        state = rig.master.step(rig.line.now)
    assert state == DONE and rig.master.word(1) == FIRST + 1 and rig.master.echoes


def test_the_direction_of_a_simple_transceiver():
    rig = Rig()
    levels = []
    rig.master = Master(rig.line, 9600, 10, levels.append)
    rig.line.done = False
    rig.line.delay_ms = 60
    rig.master.ask(rig.slave, READ, 0)
    for _ in range(4):
        assert rig.step() == BUSY
    assert levels == [1]
    rig.line.done = True
    assert rig.finish() == DONE and levels == [1, 0]


def test_a_line_that_is_not_there():
    rig = Rig()
    rig.master = Master(Nowhere(), 9600)
    assert rig.ask() == FAILED and rig.master.error == SILENT


class Quiet:
    # Allocates nothing of its own: one of the replies that lie ready to each request.
    def __init__(self, replies):
        self.replies = replies
        self.at = self.left = 0

    def readinto(self, into):
        if not self.left:
            return None
        self.left = 0
        reply = self.replies[self.at]
        for index in range(len(reply)):
            into[index] = reply[index]
        return len(reply)

    def write(self, data):
        self.at = (self.at + 1) % len(self.replies)
        self.left = 1

    def txdone(self):
        return True


def test_nothing_is_allocated():
    if not hasattr(gc, "mem_alloc"):
        return

    whole = answer(READ)
    quiet = Quiet([whole, whole, sealed(1, 0x84, 2), whole[:5], b"\x55" * 12, answer(frame(1, 3, 0, 3))])
    master, slave = Master(quiet, 9600), Slave(1, 20)
    ends = [0] * 4
    now = 0
    for _ in range(2):  # the first pass makes what is made once
        gc.collect()
        most = 0
        for _ in range(2000):
            now = (now + 10) & 0x3FFFFFFF
            before = gc.mem_alloc()
            if master.ready(slave, now):
                master.ask(slave, READ, now)
            state = master.step(now)
            most = max(most, gc.mem_alloc() - before)
            ends[state] += 1
    assert most == 0, most
    assert ends[DONE] and ends[FAILED] and ends[IDLE]
