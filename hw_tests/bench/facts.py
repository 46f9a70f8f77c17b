"""What a scenario may look at: the name of every fact, with its unit, and where it comes from.

Facts are what the bench sees from outside: the plant's physics, the car, the buses, what arrives at the aggregator.
A world (stepped, lockstep or live) fills a dict with them; a fact that is not known yet is None.
"""

from collections.abc import Callable, Mapping
from typing import Any

FACTS: dict[str, str] = {
    "t_s": "seconds since the scenario began",
    "station_floor_permille": "the owner's floor as the scenario configured it",
    # The plant: what is physically so.
    "soc_permille": "true state of charge of the car's battery",
    "soc_start_permille": "the same when the scenario began",
    "soc_min_permille": "the lowest true state of charge so far",
    "soc_discharged_min_permille": "the lowest true state of charge while the station was taking energy out",
    "link_V": "DC link, converter side of K1/K2",
    "inlet_V": "inlet, car side of K1/K2",
    "current_A": "direct current, + charges the car",
    "power_dc_W": "at the inlet, + charges the car",
    "power_W": "at the meter (AC), + is import",
    "energy_import_Wh": "at the meter since the beginning",
    "energy_export_Wh": "at the meter since the beginning",
    "meter_import_Wh": "the meter's register, if one hangs on the RS-485 line",
    "meter_export_Wh": "the same for export",
    "insulation_kohm": "resistance to earth of all that the station is connected to",
    "self_tests": "self-tests of the insulation monitor, if there is one, so far",
    "contactor": "1: the contacts of K1/K2 are closed",
    "openings": "times K1/K2 have opened",
    "opened_under_load": "of these with more than 5 A flowing",
    "open_current_A": "magnitude of the current at the last opening",
    "charged_Ah": "charge into the car so far",
    "discharged_Ah": "charge out of the car so far",
    # Pins.
    "outputs": "what the board energises, the mask as written (signals.OUT_...)",
    "bleed": "1: the bleed resistor is switched in",
    "locked": "1: the plug is locked",
    "aux": "1: the car's auxiliary supply is on",
    "d1": "1: CHAdeMO d1 gives the car 12 V",
    "d2": "1: CHAdeMO d2 closes the circuit of the car's contactor coils",
    "permission": "1: CHAdeMO line k, the car permits",
    "enable": "1: module-enable reaches the converter",
    # The car and its bus, decoded by the bench.
    "plugged": "1: the plug is in",
    "phase": "phase of the session as the car's bus and the contactors show it",
    "phase_s": "seconds in this phase",
    "sessions": "sessions that have begun (first CHM after plugging in)",
    "car_stopped": "1: the car has sent BST",
    "station_stopped": "1: the station has sent CST",
    "direction": "+1: the car was told to charge, -1: to discharge, 0: neither (the station's CCD and CCS)",
    "car_frames": "frames that the station has sent on the car's bus",
    "car_phase": "phase of the session as the emulated car itself sees it",
    "deviations": "what the car has seen the station do against its protocol, so far; late frames apart",
    # The converter.
    "converter_mode": "+1 rectifier, -1 inverter",
    "converter_on": "1: switched on",
    "converter_frames": "frames that the station has sent on the converter's bus",
    # What arrives at the aggregator.
    "ordered_W": "power of the newest order of a step while it has not expired",
    "broker": "1: the broker runs",
    "status": "'online' or 'offline'",
    "told_phase": "phase in the newest state",
    "told_reason": "the binding limit in the newest state",
    "told_power_W": "power at the meter in the newest state",
    "told_applied_W": "applied power in the newest state",
    "told_soc_permille": "state of charge in the newest state",
    "told_floor_permille": "the floor in the newest state",
    "told_import_Wh": "import at the meter in the newest state",
    "told_export_Wh": "export at the meter in the newest state",
    "told_insulation": "'passed' or 'failed', the newest insulation test that was told",
    "told_insulation_kohm": "resistance told with it",
    "told_self_test": "'passed' or 'failed', the monitor's newest self-test that was told",
    "recorded_import_Wh": "import in all meter records that have arrived",
    "recorded_export_Wh": "the same for export",
    "told_age_s": "seconds since the newest state arrived",
    "orders": "orders sent so far",
    "acks": "acknowledgements received",
    "acks_accepted": "of these accepted",
    "acks_limited": "of these limited",
    "acks_rejected": "of these rejected",
    "published": "records (event and meter) that the station has numbered",
    "acknowledged": "records that arrived",
    "lost": "records missing between the first and the last that arrived",
    "reconnects": "times the station came back to the broker",
    "births": "birth messages that arrived",
    # The firmware, as it tells.
    "ticks": "ticks since the firmware started",
    "late": "ticks that began late",
    "gap_max_ms": "the longest gap between two ticks",
    "gate_refused": "frames and relay combinations that the gate refused",
    "fault": "name of the worst active fault, '' if none",
    "boots": "times the firmware was started",
    # Since the moment a scenario marked (an emergency).
    "marked": "1: the moment was marked",
    "to_command_ms": "from the mark to the relay command that opens K1/K2",
    "to_enable_off_ms": "from the mark to module-enable off",
    "to_open_ms": "from the mark to the contacts' opening",
    "to_5A_ms": "from the mark to at most 5 A",
    "marked_current_A": "current at the mark",
}

QUESTIONS: dict[str, str] = {
    "result": "result('step'): 'accepted', 'limited' or 'rejected', the answer to the order sent in that step",
    "reason": "reason('step'): the reason in that answer",
    "applied_W": "applied_W('step'): the applied power in that answer",
    "raised": "raised('fault'): how often an event raised this fault",
    "seen": "seen('phase'): 1 if the session was in this phase",
    "since": "since('step'): seconds since that step fired; unknown before",
}


def questions(acks: Mapping[str, Mapping[str, Any]], raised: Mapping[str, int], seen: Mapping[str, Any],
              fired_s: Mapping[str, float], now_s: Callable[[], float]) -> dict[str, Callable[..., Any]]:  # fmt: skip
    """The callables behind QUESTIONS, over records that the world keeps up to date."""

    def since(step: str) -> float | None:
        return now_s() - fired_s[step] if step in fired_s else None

    return {
        "result": lambda step: acks.get(step, {}).get("result"),
        "reason": lambda step: acks.get(step, {}).get("reason"),
        "applied_W": lambda step: acks.get(step, {}).get("applied_W"),
        "raised": lambda fault: raised.get(fault, 0),
        "seen": lambda phase: 1 if phase in seen else 0,
        "since": since,
    }
