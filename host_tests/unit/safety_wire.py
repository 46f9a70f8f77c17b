# What a car says over GB/T 27930 and what is told to it, for the tests of the gate's rules; written for them alone.
from firmware.safety.gbt27930_rules import Rules
from host_tests.unit.safety_rig import VIN, ccs, raw_A, u16

CHM, CRM, CTS, CML, CRO = 0x1826F456, 0x1801F456, 0x1807F456, 0x1808F456, 0x100AF456
CCS, CST, CSD, CEM, TPCM = 0x1812F456, 0x101AF456, 0x181DF456, 0x081FF456, 0x1CECF456
CDC, CMLP, CCD, CSDP = 0x1828F456, 0x1831F456, 0x1832F456, 0x1833F456
BHM, BRO, BCL, BSM, BST, BCPP = 0x182756F4, 0x100956F4, 0x181056F4, 0x181356F4, 0x101956F4, 0x183056F4


def long(rules, pf, data, now=0):
    packets = (len(data) + 6) // 7
    rules.observe(0x1CEC56F4, 1, bytes((0x10, len(data) & 0xFF, len(data) >> 8, packets, 0xFF, 0, pf, 0)), now)
    for number in range(packets):
        part = bytearray(b"\xff" * 8)
        part[0] = number + 1
        for k in range(7):
            if number * 7 + k < len(data):
                part[1 + k] = data[number * 7 + k]
        rules.observe(0x1CEB56F4, 1, part, now)


def bcp(charge_A=55, energy=10, max_dV=4200, soc_permille=605, more=b""):
    return u16(370, raw_A(charge_A), energy, max_dV) + b"\x73" + u16(soc_permille, 3801) + more


def bcs(soc=60, voltage_dV=3801, current_A=-12, cell=0x115F, more=b""):
    return u16(voltage_dV, raw_A(current_A), cell) + bytes((soc, 30, 0)) + more


def bdc(energy=10, cycles_left=500, more=b""):
    return VIN + bytes((60,)) + u16(100, energy, 3, cycles_left, 2000) + more


def bcpp(discharge_A=50, min_dV=3200, cell=280, soc=20):
    return u16(4000 + int(discharge_A * 10), min_dV, cell) + bytes((soc,))


def tell(rules, can_id, data, now=0):
    rules.left(can_id, data, now)


def offering(v112=1):
    rules = Rules(v112)
    tell(rules, CDC, b"\x0c\x01\x00")
    long(rules, 0x29, bdc())
    rules.observe(BCPP, 1, bcpp(), 0)
    return rules


def demand(rules, current_A, mode=2, now=0, voltage_dV=4100):
    raw = 4000 + int(current_A * 10) if mode == 3 else 4000 - int(current_A * 10)
    rules.observe(BCL, 1, u16(voltage_dV, raw) + bytes((mode,)), now)


def bsm(permission, six=0, seven=0):
    return bytes((0, 70, 0, 60, 0, six, permission << 4 | 0xC0 | seven))


def ready(v112=1, now=0):
    # Everything said for both directions; charging.
    rules = offering(v112)
    long(rules, 6, bcp())
    tell(rules, CML, u16(7500, 1500, raw_A(60), 4000))
    tell(rules, CMLP, u16(7500, 1500, raw_A(-60), 4000))
    tell(rules, CRO, b"\xaa")
    demand(rules, 40, 2, now)
    rules.observe(BSM, 1, bsm(1), now)
    tell(rules, CCS, ccs(1), now)
    return rules


def turned(now=0):
    rules = ready(1, now)
    tell(rules, CCD, b"\x01", now)
    demand(rules, 35, 3, now)
    rules.observe(BSM, 1, bsm(2), now)
    tell(rules, CCS, ccs(2), now)
    return rules
