# The insulation monitor answers, passes its self-test and shows a value above its own alarm.
# Needs: a Bender isoCHA425HV on the field bus (19200 8E1, address 3: facts 4.2), coupled to the dead DC link.
# WIRED=insulation makes a silent one a failure. GIVEN="insulation_id=3 insulation_baud=19200".
import time

import onboard

_VALUE, _TEST = 1000, 8005  # registers: R_F as float, alarm and test, unit; where the self-test is started
_START = 0x5445
_LIMIT_ohm = 500000  # 500 ohm/V at 1000 V (IEC 61851-23)
_TEST_s = 35  # the maker says 30
_EVEN = 0  # UART parity


def first():
    from modbus import Slave, frame

    board = onboard.the_board()
    line = onboard.Line(board, onboard.given("insulation_baud", 19200), _EVEN)
    number = onboard.given("insulation_id", 3)
    slave, ask = Slave(number, 200), frame(number, 3, _VALUE, 4)
    if line.ask(slave, ask) is None:
        if "insulation" in onboard.WIRED:
            onboard.result("the monitor answers", False, note="wires, address, 8E1")
            return
        raise onboard.Skip("no monitor answers at address %d: GIVEN=insulation_id=, A and B, 8E1" % number)
    onboard.result("the monitor answers", True)
    _self_test(line, slave, ask, frame(number, 6, _TEST, _START))
    _judge(line, slave, ask)


def _self_test(line, slave, ask, start):
    if line.ask(slave, start) is None:
        onboard.result("the self-test starts", False, line.master.error, 0, "", "register 8005")
        return
    begun = time.ticks_ms()
    testing = True
    while testing and time.ticks_diff(time.ticks_ms(), begun) < _TEST_s * 1000:
        time.sleep_ms(500)
        testing = line.ask(slave, ask) is None or line.master.word(2) >> 14 != 0
    took_s = time.ticks_diff(time.ticks_ms(), begun) // 1000
    onboard.result("the self-test ends", not testing, took_s, _TEST_s, "s")


def _judge(line, slave, ask):
    from registers import float32

    if line.ask(slave, ask) is None:
        onboard.result("a value after the self-test", False)
        return
    ohm = float32(line.master.word(0), line.master.word(1), 1)
    state, valid = line.master.word(2) >> 8 & 7, line.master.word(2) >> 6 & 3
    onboard.result("no alarm and no device error", state == 0, state, 0, "", "2: device error, 4, 5: warning, alarm")
    onboard.result("the value is valid", valid != 3, valid, "0 to 2")
    # None: more than 31 bits hold, infinite for all that we care.
    good = ohm is None or ohm >= _LIMIT_ohm
    onboard.result("insulation", good, "very high" if ohm is None else ohm, _LIMIT_ohm, "ohm")


onboard.run(first=first)
