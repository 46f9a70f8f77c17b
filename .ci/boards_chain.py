"""The two diagrams that all boards share: the hardware chain, and how the station measures for itself. Sizes in px."""

from boards_svg import Svg


def chain() -> str:
    """From the heartbeat, the E-stop and CC1 to module-enable and the coils, without the program."""
    svg = Svg(1180, 560, "The hardware chain")
    svg.text(
        24,
        24,
        "The hardware chain: what drops module-enable at once and the coil supply 100 ms later",
        bold=True,
        size=15,
    )
    _sources(svg)
    _gates(svg)
    _coils(svg)
    svg.text(
        24,
        540,
        "None of this needs the program: any of the three opens the chain. Dashed: what the board reads back.",
        size=12,
    )
    return str(svg)


def _sources(svg: Svg) -> None:
    svg.block(24, 60, 180, 64, ["pin heartbeat", "toggled by each good tick", "a rising edge every 20 ms"], "drive")
    svg.block(264, 60, 200, 64, ["monoflop, 50 ms", "retriggerable (74HC123)", "hang, crash, reset: low"], "safe")
    svg.block(24, 156, 180, 64, ["E-stop", "two NC contacts,", "mushroom button"], "safe")
    svg.block(264, 156, 200, 64, ["first contact", "24 V loop, closed = well", "a broken wire opens it"], "safe")
    svg.block(24, 252, 180, 64, ["CC1 at the connector", "12, 6 or 4 V", "(CHAdeMO: PD, pin 7)"], "sense")
    svg.block(264, 252, 200, 64, ["window comparator", "3.2 to 4.8 V = plugged", "LM393, 2 ms filter"], "safe")
    svg.block(24, 348, 180, 52, ["pin enable", "from the gate"], "drive")
    for y in (92, 188, 284):
        svg.wire(204, y, 264, y)


def _gates(svg: Svg) -> None:
    svg.block(530, 148, 110, 80, ["AND", "74HC11", "the chain"], "safe")
    svg.wire(464, 92, 497, 92, 497, 166, 530, 166)
    svg.wire(464, 188, 530, 188)
    svg.wire(464, 284, 497, 284, 497, 210, 530, 210)
    svg.wire(640, 188, 690, 188, arrow=False)
    svg.dot(690, 188)
    svg.block(730, 60, 110, 64, ["AND", "74HC08", "at once"], "safe")
    svg.wire(690, 188, 690, 78, 730, 78)
    svg.wire(204, 374, 670, 374, 670, 106, 730, 106)
    svg.block(
        910,
        56,
        246,
        72,
        ["module-enable", "optocoupler into the modules'", "hardware enable or their AC supply"],
        "drive",
    )
    svg.wire(840, 92, 910, 92)
    svg.block(730, 156, 110, 64, ["off-delay", "100 ms", "on: at once"], "safe")
    svg.wire(690, 188, 730, 188)
    svg.block(
        910,
        152,
        246,
        72,
        ["coil supply switch", "high-side, 24 V for K1, K2, K3, K4", "opens whatever the pins say"],
        "drive",
    )
    svg.wire(840, 188, 910, 188)


def _coils(svg: Svg) -> None:
    svg.block(24, 430, 180, 52, ["pin contactor", "from the gate"], "drive")
    svg.block(264, 430, 200, 52, ["low-side driver", "10 k to ground at its gate"], "drive")
    svg.wire(204, 456, 264, 456)
    svg.block(
        910,
        300,
        246,
        84,
        [
            "K1, K2",
            "coils between the supply switch",
            "and the driver; no economiser that",
            "drops out slower than 30 ms",
        ],
        "drive",
    )
    svg.wire(1033, 224, 1033, 300)
    svg.wire(464, 456, 860, 456, 860, 342, 910, 342)
    svg.block(910, 412, 246, 46, ["mirror contacts", "IEC 60947-4-1 annex F"], "sense")
    svg.wire(1033, 384, 1033, 412)
    svg.block(530, 472, 246, 46, ["inputs of the board", "contactor, estop (second contact), cc1"], "plain")
    svg.wire(1033, 458, 1033, 495, 776, 495, dashed=True)


def sensing() -> str:
    """The DC path with what is measured where, and each signal's way into the converter."""
    svg = Svg(1180, 520, "How the station measures for itself")
    svg.text(24, 24, "How the station measures for itself, isolated from the DC side", bold=True, size=15)
    _path(svg)
    _amplifiers(svg)
    svg.text(
        24,
        500,
        "Counts of 1 mV: ADC128S102, reference of 4.096 V (REF5040) at VA, 3.3 V at VD. RC of 1 ms at every input.",
        size=12,
    )
    return str(svg)


def _path(svg: Svg) -> None:
    svg.block(24, 70, 170, 110, ["converter", "Infypower BEG", "DC side"], "drive")
    svg.wire(194, 90, 330, 90, arrow=False)
    svg.wire(194, 160, 330, 160, arrow=False)
    svg.text(262, 66, "link", "middle", True)
    svg.block(330, 74, 80, 32, ["K1"], "drive")
    svg.block(330, 144, 80, 32, ["K2"], "drive")
    svg.wire(410, 90, 500, 90, arrow=False)
    svg.block(500, 74, 110, 32, ["shunt / Hall"], "sense")
    svg.wire(610, 90, 900, 90, arrow=False)
    svg.wire(410, 160, 900, 160, arrow=False)
    svg.text(760, 66, "inlet", "middle", True)
    svg.block(
        900, 70, 256, 110, ["connector, car", "DC+, DC-, CC1, two Pt1000", "insulation monitor on the link"], "plain"
    )
    for x in (262, 760):
        svg.dot(x, 90)
        svg.dot(x, 160)


def _amplifiers(svg: Svg) -> None:
    for x, name, volts in ((150, "link", "IN0"), (660, "inlet", "IN1")):
        svg.block(x, 230, 220, 66, ["divider 500:1", "5 x 1 Mohm, 10.02 kohm, 0.1 %", "1000 V becomes 2 V"], "sense")
        svg.wire(x + 112 if x < 300 else x + 100, 160, x + 112 if x < 300 else x + 100, 230)
        svg.block(
            x, 320, 220, 66, ["AMC1311B", "reinforced isolation, gain 1", "isolated 5 V at its high side"], "safe"
        )
        svg.wire(x + 110, 296, x + 110, 320)
        svg.block(x, 410, 220, 60, [f"500 mV + 3 mV/V: {volts}", f"difference amplifier, {name}"], "sense")
        svg.wire(x + 110, 386, x + 110, 410)
    svg.block(
        405, 230, 220, 66, ["shunt 0.4 mohm", "60 A: 24 mV; or a Hall sensor,", "which isolates by itself"], "sense"
    )
    svg.wire(555, 106, 555, 230)
    svg.block(
        405, 320, 220, 66, ["AMC1302 (shunt)", "reinforced isolation, gain 41", "16.4 mV/A at its output"], "safe"
    )
    svg.wire(515, 296, 515, 320)
    svg.block(405, 410, 220, 60, ["2048 mV + 16 mV/A: IN2", "difference amplifier"], "sense")
    svg.wire(515, 386, 515, 410)
    svg.block(905, 230, 190, 66, ["CC1: 300 k / 100 k", "a quarter of 0 to 15 V", "buffer: IN3"], "sense")
    svg.wire(1000, 180, 1000, 230)
    svg.block(966, 320, 190, 66, ["Pt1000: 1 mA each", "1 V at 0 degC, 3.85 mV/K", "IN4, IN5"], "sense")
    svg.wire(1126, 180, 1126, 320)
