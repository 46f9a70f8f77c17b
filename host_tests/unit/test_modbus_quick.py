"""The Modbus master's short ways: a reply that comes at once and whole. Runs on CPython and on MicroPython."""

from host_tests.unit.test_modbus import FIRST, Rig, answer
from lib.modbus import BUSY, DONE, FAILED, SPOILED, Slave, frame


def test_a_write_s_answer_that_has_come_in_part_is_none_yet():
    rig = Rig()
    request = frame(1, 6, 8005, 0x5445)
    assert rig.ask(request) == DONE
    rig.line.slaves[1] = lambda request: answer(request)[:6]  # the last time's bytes lie behind it
    assert rig.ask(request) == FAILED and rig.master.error == SPOILED
    for cut in range(1, 8):
        rig = Rig()
        assert rig.ask(request) == DONE
        rig.line.slaves[1] = lambda request: None
        rig.master.ask(rig.slave, request, rig.line.now)
        while len(rig.line.written) < 2:
            assert rig.step() == BUSY
        rig.line.say(request[:cut])
        rig.line.say(request[cut:], 20)
        assert rig.finish() == DONE, cut


def test_the_head_of_a_reply_is_looked_at_whatever_was_asked_before():
    rig = Rig()
    for count in (2, 4, 2, 1):
        for function in (3, 4):
            assert rig.ask(frame(1, function, FIRST, count)) == DONE
            assert rig.master.word(count - 1) == FIRST + count - 1
    other = Slave(2, 100)
    rig.line.slaves[2] = answer
    for slave, number in ((other, 2), (rig.slave, 1), (other, 2)):
        assert rig.ask(frame(number, 4, FIRST, 2), slave) == DONE
    rig.line.slaves[1] = lambda request: bytes((1, 4, 4)) + answer(frame(1, 3, FIRST, 2))[3:]  # sealed for another head
    assert rig.ask() == FAILED and rig.master.error == SPOILED
