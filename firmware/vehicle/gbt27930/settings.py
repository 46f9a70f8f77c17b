# What the standard leaves open, what its public sources do not settle, and what belongs to this station. Each number
# with its doubt. The installer's points come from the configuration; the rest is changed here.
from micropython import const

# --- this station ---
VOLTAGE_MIN_dV = const(1500)  # CML.3-4; raised to what the converter reports
CHARGER_NUMBER = const(1)
LOCK_ms = const(3000)  # for the lock to report locked

# --- 2015: what the sources leave open ---
# A car of the 2011 edition has no BHM (facts 1.10). Doubt: how long a slow car needs after auxiliary power.
HELLO_ms = const(10000)
# ... and nobody said what its inlet stands. Doubt: plugs of that edition are rated 750 V, cars of it below 500 V.
HELLO_BLIND_dV = const(5000)
# The car gives up 30 s after CHM without CRM: what is left of that, less two seconds, is for the insulation test.
CRM_ms = const(28000)
BRM_ms = const(5000)
BCP_ms = const(5000)
BRO_ms = const(5000)
BRO_READY_ms = const(60000)
# Car contactors close before BRO=AA. Doubt: a car may say AA a little early.
INLET_ms = const(3000)
INLET_permille = const(50)  # inlet against BCP.12-13: +-5 %
CRO_ms = const(58000)  # the car waits 60 s for CRO=AA
# Doubt: the 1 s for BCL is written for the running session. Until the first one no current can flow, a recorded car
# took 0.3 s, and the default of 5 s holds.
BCL_FIRST_ms = const(5000)
BCL_ms = const(1000)
BCS_ms = const(5000)
# The charger's list of time-outs has none for BSM. Doubt: we take the default, and a silent BSM as a pause: a
# permission must not live for ever. It resumes by itself.
BSM_ms = const(5000)
PAUSE_ms = const(600000)
BST_ms = const(5000)
BSD_ms = const(10000)
# Doubt: how long CSD is sent after BSD is not said. Four times, and on until the end of the weld check.
CSD_ms = const(1000)
WELD_ms = const(5000)
AUX_OFF_ms = const(100)  # from auxiliary power off to unlocking
STOP_dA_s = const(1000)  # normal stop: at least 100 A/s
# How long CEM is sent before CRM=00. Doubt: not said; four of them.
CEM_ms = const(1000)
TRIES = const(3)
# "Within 30 s windows": we read it as 30 s a try for the car to come back with BRM.
RETRY_ms = const(30000)
# Doubt: whether the three tries are for the whole stay. A car parked for weeks would use them up one rare glitch
# at a time, so ten minutes of running give them back.
TRIES_BACK_min = const(10)

# --- V1.12 trial: one public source, a car simulator ---
# Bytes 1-3 of CDC: V1.12 by the rule of CHM (byte 1 minor, 2-3 major). Doubt: 0C or, BCD-like, 12; what follows.
CDC_VERSION = b"\x0c\x01\x00"
# Doubt: period and number of CDC are unknown. As CHM, until BDC is complete, at most so long; then plain 2015.
CDC_PERIOD_ms = const(250)
CDC_ms = const(5000)
# BCPP comes "with BCP", which takes longer. Doubt: the car may stop both at the first CML, so CML waits for it.
BCPP_ms = const(600)
# CCD: one byte is known. Doubt: its period; the car gives up after 5 s without it.
CCD_LENGTH = const(1)
CCD_PERIOD_ms = const(250)
# After CCD: time for BCL or BCLP of the new direction and for BSM to allow it. Doubt: not said; the default.
TURN_ms = const(5000)
# A car that pauses while it discharges (its own floor, a cold pack) is turned back to charging after turn_ms, so
# that it can ask for energy, and discharge rests so long. Doubt: not said.
AGAIN_ms = const(60000)
# CSDP (discharge statistics): layout unknown, so it is not sent. Demand voltage of BCLP: meaning unknown (a lowest
# voltage?); shown, not used: the least voltage is BCPP's.


class Settings:
    def __init__(self, config, rx_frames=255):
        # A CTS asks for no more packets than the controller holds while nobody reads (docs/can.md). The chargers of the
        # logs ask for everything at once; doubt: whether every car takes fewer, as SAE J1939-21 has it.
        self.tp_packets = rx_frames
        self.autostart = config.get("autostart", 1)
        self.v112 = config.get("discharge_v112", 0)  # propose the V1.12 trial; without its answer: plain 2015 charging
        # CCS is 8 bytes in 2015 Table 5, 7 in the 2023 text, 6 in older tables; cars in the logs took 7 and 8.
        self.ccs_length = config.get("ccs_length", 8)
        self.voltage_max_dV = config.get("voltage_max_dV", 7500)
        self.current_max_dA = config.get("current_max_dA", 600)

    # --- two answers each, and a test for the other one ---
    # A car whose BSM has only ever said "untrusted": there is no last state to keep. 1: its BRO=AA and BCL asked for
    # charging, so it gets it; 0: it never does. Doubt: not said.
    untrusted_first = 1
    # CCS permission while the car pauses: "may stay 01 or be set to 00". 00 says what is: no current.
    pause_permission = 0
    # Doubt: whether a lost BCL, an emergency stop at full power, may be retried by itself. 0: no, F_CAR_SILENT stays
    # until the plug is pulled; 1: like any other time-out.
    silence_retry = 0
    # CCS permission until the car has confirmed: 0 pause, 1 that of the new direction. Doubt: a car might wait for the
    # latter before it confirms; none is known to.
    turn_permission = 0
    # Cycles left FFFF: by the base rule "not told". Doubt: or "very many". We take it as not offered.
    cycles_unknown = 0
