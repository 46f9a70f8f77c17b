# What the rooms hand each other on the control side. Plain objects made once; nobody keeps more than a reference.
from micropython import const

# What a session can want of the stage, in the order of a session.
OFF = const(0)  # ramp to zero, converter OFF, contactors open, bled to a safe voltage
INSULATE = const(1)  # test the insulation with voltage_dV, then bleed
MATCH = const(2)  # bring the link to the battery (voltage_dV) and close the contactors
RUN = const(3)  # power may flow, within the limits
WELD = const(4)  # contactors open: is the car's or our own contactor welded?

CHARGE = const(1)
DISCHARGE = const(-1)
NEITHER = const(0)


class Want:
    # From the vehicle session to the stage: what the car's protocol asks for now.
    def __init__(self):
        self.mode = OFF
        self.direction = NEITHER  # RUN: the direction that the car has confirmed
        self.voltage_dV = 0  # INSULATE: test voltage; MATCH: the battery's; RUN: never charge above
        self.voltage_min_dV = 0  # RUN: stop discharging here
        self.charge_dA = 0  # RUN: magnitude that the car accepts, charging
        self.discharge_dA = 0  # RUN: magnitude that the car accepts, discharging
        self.deadline_ms = 0  # for INSULATE, MATCH, WELD: how long the protocol leaves the stage; 0: the stage's own
        self.stop_dA_s = 1000  # OFF: least slope of the ramp (GB/T: 100 A/s); 0: at once
        self.emergency = 0  # OFF at once: no ramp, do not wait for the converter
        self.lock = 0  # proposed pins of the protocol; the gate vets them
        self.aux = 0
        self.d1 = 0
        self.d2 = 0


class Reached:
    # From the stage to the session: how far it is with what is wanted.
    def __init__(self):
        self.mode = OFF  # the mode it works on (it may lag behind want.mode)
        self.done = 0  # OFF: open and bled; INSULATE: passed; MATCH: closed; RUN: following; WELD: judged, not welded
        self.fault = 0  # fault code when the step failed; stays until want.mode is OFF and done
        self.open = 1  # contactors fed back open
        self.idle = 1  # sensed current under 1 A


class Order:
    # From the stage to the converter driver.
    def __init__(self):
        self.on = 0
        self.mode = CHARGE  # CHARGE: AC to DC; DISCHARGE: DC to AC
        self.voltage_dV = 0
        self.current_dA = 0  # magnitude
        self.cutoff_dV = 0  # DISCHARGE: the converter itself stops below this
        self.now = 0  # 1: emergency: zero and OFF leave in this very tick, before anything else


class Frame:
    # One outgoing message: its bytes are rewritten in place, its length never changes.
    def __init__(self, can_id, length, ext=1):
        self.id = can_id
        self.ext = ext
        self.data = bytearray(b"\xff" * length)
