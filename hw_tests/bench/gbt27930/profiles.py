"""Cars: what a BMS says of itself and how it behaves when nothing is wrong.

The pack itself (voltage curve, capacity, true SOC) is the plant's; here is only what its BMS believes and asks for.
"""

from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Profile:
    """One car. Limits are magnitudes; the defaults are a plain 2015 car with the bench's small pack."""

    name: str
    # The pack as its BMS describes it.
    vin: str = "LSLUICE0000000001"
    battery_type: int = 6  # NMC (facts 1.4 BRM)
    cells: int = 100
    nominal_V: float = 380.0
    voltage_max_V: float = 410.0  # BHM, BCP: never charge above
    voltage_min_V: float = 340.0  # BCPP: never discharge below
    resistance_ohm: float = 0.1  # for the taper at constant voltage
    temperature_max_C: float = 65.0
    charge_max_A: float = 55.0
    discharge_max_A: float = 50.0
    # What it asks for.
    demand_ramp_A_s: float = 20.0  # rise of the demand; it falls at once
    soc_target_permille: int = 1000
    taper_from_permille: int = 950  # from here to the target the charge demand falls to end_A
    end_A: float = 2.0
    stops_when_full: bool = True  # BST at the target; else it goes on with a demand of 0 A
    # How it speaks.
    aux_V: float = 12.0
    boot_ms: int = 300  # auxiliary supply on -> listening
    answers_chm: bool = True  # False: a car of the 2011 edition, which begins at CRM
    brm_length: int = 49
    packet_count_in_rts: bool = False  # seen in log 2 (facts 1.3)
    packet_spacing_ms: int = 10
    ready_after_ms: int = 400  # CML -> K5/K6 close and BRO=AA
    optional_messages: bool = True  # BMV, BMT, BSP
    permission: int = 1  # BSM 7.5-6 while charging is allowed; 2 is "untrusted" in 2015
    jitter_ms: int = 20  # +- on the periods of 250 ms and more (measured +-25 in log 1)
    # How its fuel gauge rounds and lies.
    soc_rounding: str = "down"  # "down", "up", "nearest", to the 1 % or 0.1 % of the message
    soc_offset_permille: int = 0
    soc_frozen: bool = False
    soc_jump_permille: int = 0  # every soc_jump_ms up by so much, then back
    soc_jump_ms: int = 5000
    # V1.12 trial (facts 1.8a).
    v112: bool = False
    soc_min_permille: int = 200  # BCPP: its own floor
    cycles_done: int = 12
    cycles_left: int = 2000
    waits_for_ccd: bool = True  # no demand before the first CCD
    demand_voltage: str = "minimum"  # of BCLP: "minimum", "present" or "maximum"; the source does not say


V2G = Profile("v2g", v112=True, stops_when_full=False)
PLAIN = Profile("charge_2015")

PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        V2G,
        PLAIN,
        # A plain car whose "untrusted" reads like "discharge allowed" in the V1.12 text.
        replace(PLAIN, name="charge_only_2015", permission=2),
        replace(PLAIN, name="edition_2011", answers_chm=False, brm_length=41, optional_messages=False),
        replace(PLAIN, name="truck_24V", aux_V=24.0, nominal_V=600.0, cells=160, voltage_max_V=656.0,
                voltage_min_V=520.0, charge_max_A=60.0, packet_count_in_rts=True),
        replace(V2G, name="big", nominal_V=400.0, cells=108, voltage_max_V=454.0, voltage_min_V=330.0,
                resistance_ohm=0.08, charge_max_A=200.0, discharge_max_A=100.0),
        replace(V2G, name="v2g_45A", charge_max_A=45.0),
        replace(V2G, name="v2g_ends_when_full", stops_when_full=True),
        replace(V2G, name="v2g_no_cycles_left", cycles_left=0),
        replace(V2G, name="v2g_soc_up", soc_rounding="up"),
        replace(V2G, name="v2g_soc_down", soc_rounding="down"),
        replace(V2G, name="v2g_soc_nearest", soc_rounding="nearest"),
        replace(V2G, name="v2g_soc_frozen", soc_frozen=True),
        replace(V2G, name="v2g_soc_jumping", soc_jump_permille=100),
        replace(V2G, name="v2g_soc_high", soc_offset_permille=100),
        replace(V2G, name="v2g_soc_low", soc_offset_permille=-100),
    )
}  # fmt: skip


def profile(name: str, **changes: Any) -> Profile:
    """A profile by its name, with some of its values changed."""
    if name not in PROFILES:
        raise ValueError(f"there is no car {name!r}; known: {', '.join(PROFILES)}")
    return replace(PROFILES[name], **changes)
