# The energy meter answers, its figures are plausible, and its energy registers only grow.
# Needs: a meter on the field bus, A to A, B to B, with the mains at its inputs. WIRED=meter makes a silent one a
# failure. GIVEN="meter=sdm630 meter_id=1 meter_baud=9600": the names are those of the configuration.
import time

import onboard

# Function; registers of phase voltage, frequency, import, export; their scale to V, mHz and Wh. Makers' tables, as in
# docs and EVerest's models (facts 4.1). A DTSU666 has plain units, or 0.1 V and 0.01 Hz: docs/fieldbus.md.
_MODELS = {
    "sdm630": (4, 0x0000, 0x0046, 0x0048, 0x004A, 1),
    "sdm120": (4, 0x0000, 0x0046, 0x0048, 0x004A, 1),
    "sdm230": (4, 0x0000, 0x0046, 0x0048, 0x004A, 1),
    "dtsu666": (3, 0x2006, 0x2044, 0x101E, 0x1028, 1),
    "dtsu666_tenths": (3, 0x2006, 0x2044, 0x101E, 0x1028, 10),
}
_READINGS = 20
_TURN_ms = 200  # a meter answers within
_STEP_Wh = 100  # in the seconds of this test: 20 kW for 18 s


def first():
    from modbus import Slave, frame

    board = onboard.the_board()
    name = onboard.GIVEN.get("meter", "sdm630")
    if name not in _MODELS:
        raise onboard.Skip("GIVEN=meter=%s is none of %s" % (name, ", ".join(sorted(_MODELS))))
    line = onboard.Line(board, onboard.given("meter_baud", 9600), None)
    number = onboard.given("meter_id", 1)
    function, volts, frequency, bought, sold, tenth = _MODELS[name]
    slave = Slave(number, _TURN_ms)
    ask = [frame(number, function, at, 2) for at in (volts, frequency, bought, sold)]
    if _read(line, slave, ask[0], 10) is None:
        if "meter" in onboard.WIRED:
            onboard.result("the meter answers", False, note="wires, address, baud rate, parity")
            return
        raise onboard.Skip("no meter answers at address %d: GIVEN=meter_id=, meter_baud=, A and B" % number)
    _judge(line, slave, ask, tenth)


def _judge(line, slave, ask, tenth):
    volts_dV, frequency_mHz = (_read(line, slave, ask[0], 10), _read(line, slave, ask[1], 1000))
    volts_dV, frequency_mHz = (volts_dV or 0) // tenth, (frequency_mHz or 0) // (100 if tenth == 10 else 1)
    onboard.result("phase voltage", 1800 <= volts_dV <= 2600, volts_dV, "1800 to 2600", "dV")
    onboard.result("frequency", 47000 <= frequency_mHz <= 63000, frequency_mHz, "47000 to 63000", "mHz")
    before = [_read(line, slave, each, 1000) for each in ask[2:]]
    lost = 0
    for _ in range(_READINGS):
        lost += _read(line, slave, ask[0], 10, 1) is None
        time.sleep_ms(50)
    after = [_read(line, slave, each, 1000) for each in ask[2:]]
    for name, early, late in zip(("import", "export"), before, after):
        good = early is not None and late is not None and 0 <= late - early <= _STEP_Wh
        onboard.result(name + " only grows", good, None if not good else late - early, _STEP_Wh, "Wh")
    onboard.at_most("questions without an answer", lost, 0, "of %d" % _READINGS)
    onboard.at_most("longest answer", line.longest_ms, _TURN_ms + 50, "ms")


def _read(line, slave, request, scale, tries=3):
    from registers import float32

    if line.ask(slave, request, tries) is None:
        return None
    return float32(line.master.word(0), line.master.word(1), scale)


onboard.run(first=first)
