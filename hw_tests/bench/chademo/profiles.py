"""Cars: what a CHAdeMO car says of itself and how it behaves when nothing is wrong.

The pack itself (voltage curve, capacity, true SOC) is the plant's; `pack` says which one belongs to the car. To be
quick every car has a tenth of its real capacity, with the full voltage and resistance. Currents are the bench's, not
the makers': what a Leaf would really take or give beyond the 15 A of the log is not public.
"""

from dataclasses import dataclass, field, replace
from typing import Any

Curve = tuple[tuple[float, float], ...]


def _curve(cells: int) -> Curve:
    """Rest voltage over SOC of so many cells in series; 96 of them show the log's 375 V at 73 %."""
    points = ((0.0, 3.45), (0.1, 3.60), (0.5, 3.78), (0.9, 3.97), (1.0, 4.10))
    return tuple((soc, round(volts * cells, 1)) for soc, volts in points)


@dataclass(frozen=True)
class Profile:
    """One car. Limits are magnitudes; the defaults are a V2X car of protocol 1.0 with a pack of 96 cells."""

    name: str
    protocol: int = 2  # 102.0: 1 = 0.9, 2 = 1.0 to 1.2, 3 = 2.0
    # The pack, for the plant.
    capacity_Wh: float = 2400.0
    ocv_V: Curve = field(default_factory=lambda: _curve(96))
    resistance_ohm: float = 0.1
    # The pack as the car describes it.
    told_permille: int = 1000  # 101.5-6: so much of the plant's capacity is rated (an aged pack has less)
    target_V: float = 410.0  # 102.1-2
    voltage_max_V: float = 435.0  # 100.4-5
    voltage_min_V: float = 0.0  # 100.2-3: often 0
    temperature_max_C: float = 60.0
    tells_time: bool = True  # 101.3
    # What it asks for.
    charge_min_A: int = 0  # 100.0; 0: not told
    charge_max_A: int = 55
    charge_step_A: int = 2  # a frame: 20 A/s (log)
    soc_target_permille: int = 1000  # it asks for nothing above, and a car without V2X stops
    taper_from_permille: int = 950  # from here the request falls to end_A at the target
    end_A: float = 2.0
    dynamic: str = ""  # how it says that 108.3 may change: "ze0" (102.5.6), "110" (110.0.0); "": it does not
    high_current: bool = False  # asks by 110.1-2 with 102.3 = FF, if the charger's 118.0.1 agrees
    undersupply_A: int = 20  # without dynamic control: less than the request by so much is 102.4.2 (facts 2.7)
    # V2X.
    v2x: bool = True  # 102.5.7
    discharge_max_A: int = 50
    discharge_voltage_min_V: float = 250.0  # 200.4-5
    discharge_early: bool = False  # 200.0 is not FF from the start (facts 2.6: before 1.1)
    floor_permille: int = 300  # its own: 200.6
    ceiling_permille: int = 1000  # its own: 200.7; 1000 with energy_in "kWh" is told as it is
    sequence: int | None = None  # 201.0; None: no 201, and energies in 0.1 kWh
    idle_stop_ms: int = 0  # ends the session after so long with 109.3 at 0 (facts 2.6: some Leafs, 6 min)
    # How it speaks.
    boot_ms: int = 300  # d1 -> first 100
    first_reference: int = 100  # 100.6 of the first set
    settle_ms: int = 500  # garbage in SOC, energies and capacity until then
    extra: tuple[str, ...] = ()  # of 103, 202 and 700: what it sends beside the rest
    spacing_ms: int = 10  # between the frames of a set
    # Its times.
    permit_ms: int = 3900  # first 100 -> k and 102.5.0
    available_min_A: int = 0  # 108.3 that it wants to see before it permits
    close_ms: int = 1000  # d2 -> contactors close
    request_ms: int = 1700  # contactors closed -> 102.3 > 0
    discharge_ms: int = 400  # 102.3 > 0 -> 200.0 moves
    stop_ms: int = 200  # 109.5.5 -> 102.5.0 = 0 and k off
    open_ms: int = 1900  # 109.5.0 = 0 -> contactors open
    weld_ms: int = 900  # contactors open -> 102.5.3 = 1
    dead_V: float = 20.0  # a higher inlet voltage at d2 ends the session
    start_ms: int = 4000  # 102.3 > 0 -> 109.5.0 at the latest
    # How its fuel gauge rounds and lies.
    soc_rounding: str = "down"  # "down", "up", "nearest", to a step of 102.6
    soc_offset_permille: int = 0
    soc_frozen: bool = False
    soc_jump_permille: int = 0
    soc_jump_ms: int = 5000

    @property
    def told_Wh(self) -> int:
        """Rated capacity as 101 tells it, a multiple of 100."""
        return round(self.capacity_Wh * self.told_permille / 100_000) * 100

    @property
    def flags_1_0(self) -> bool:
        """It uses what 1.0 has brought: 102.5.3, 100.0."""
        return self.protocol >= 2

    @property
    def pack(self) -> dict[str, Any]:
        """The plant's parameters for it (rig.parameters)."""
        return {"capacity_Wh": self.capacity_Wh, "ocv_V": self.ocv_V, "resistance_ohm": self.resistance_ohm}


# 24 kWh: the car of the log. Energies in 0.1 kWh, 30 % and 80 % of 22.2 kWh.
ZE0 = Profile(
    "leaf_ze0", told_permille=925, floor_permille=300, ceiling_permille=800, dynamic="ze0", first_reference=240,
    settle_ms=2100, tells_time=False,
)  # fmt: skip
# 40 kWh: the car of facts 2.2 (35.4 kWh, 200.6 0A, 200.7 64, 201.0 02) and the second column of facts 2.5.
ZE1 = Profile(
    "leaf_ze1", capacity_Wh=4000.0, told_permille=885, floor_permille=100, ceiling_permille=1000, sequence=2,
    charge_min_A=6, dynamic="ze0", permit_ms=3400, extra=("202", "700"),
)  # fmt: skip
OUTLANDER = Profile(
    "outlander_phev", capacity_Wh=1200.0, ocv_V=_curve(80), resistance_ohm=0.12, told_permille=1000, target_V=330.0,
    voltage_max_V=340.0, charge_max_A=50, discharge_max_A=40, discharge_voltage_min_V=240.0, floor_permille=200,
    ceiling_permille=990, sequence=1,
)  # fmt: skip
IMIEV = Profile(
    "imiev", protocol=1, capacity_Wh=1600.0, ocv_V=_curve(88), resistance_ohm=0.12, target_V=360.0, voltage_max_V=370.0,
    charge_max_A=44, soc_target_permille=830, taper_from_permille=780, v2x=False, available_min_A=1,
)  # fmt: skip
CAR_2_0 = Profile(
    "chademo_2_0", protocol=3, capacity_Wh=4000.0, charge_min_A=2, floor_permille=150, ceiling_permille=950,
    voltage_min_V=300.0, sequence=2, dynamic="110", high_current=True, extra=("103",), permit_ms=2500,
)  # fmt: skip

PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        ZE0,
        ZE1,
        OUTLANDER,
        IMIEV,
        CAR_2_0,
        # Variations: what a real car may do besides.
        replace(ZE0, name="leaf_early_200", discharge_early=True),
        replace(ZE0, name="leaf_ends_when_idle", idle_stop_ms=360_000),
        replace(ZE0, name="leaf_no_v2x", v2x=False, ceiling_permille=1000),
    )
}


def profile(name: str, **changes: Any) -> Profile:
    """A profile by its name, with some of its values changed."""
    if name not in PROFILES:
        raise ValueError(f"there is no car {name!r}; known: {', '.join(PROFILES)}")
    return replace(PROFILES[name], **changes)
