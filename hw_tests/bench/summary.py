"""summary.json: what a run came to, in figures. Physical ones are the plant's."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hw_tests.bench.director import Verdict
from hw_tests.bench.scenario import Scenario

BUSY_ms = 20  # two ticks: from here on the bench itself may be why a reaction came late


def build(scenario: Scenario, verdicts: Sequence[Verdict], facts: Mapping[str, Any], phases: Sequence[str],
          firmware: Mapping[str, Any]) -> dict[str, Any]:  # fmt: skip
    """`firmware`: `heap_size_bytes`, `heap_free_min_bytes`, `allocated_bytes`, `version`, `word_bits`, `image` ("rom"
    or "files"), each as far as this kind of run can know it (None otherwise)."""
    passed = all(verdict.passed for verdict in verdicts)
    return {
        "scenario": scenario.run_name,
        "vehicle": scenario.vehicle,
        "result": "pass" if passed else "fail",
        "checks": [{"name": v.name, "pass": v.passed, "detail": v.detail} for v in verdicts],
        "phases": list(phases),
        "soc_start_permille": _round(facts.get("soc_start_permille")),
        "soc_end_permille": _round(facts.get("soc_permille")),
        "soc_min_permille": _round(facts.get("soc_min_permille")),
        "floor_permille": scenario.station.get("floor_permille", 1000),
        "energy_import_Wh": _round(facts.get("energy_import_Wh")),
        "energy_export_Wh": _round(facts.get("energy_export_Wh")),
        "gate_refused": facts.get("gate_refused"),
        "contactor": {name: facts.get(name) for name in ("openings", "opened_under_load")},
        "reaction": {name: _round(facts.get(name)) for name in
                     ("marked_current_A", "to_command_ms", "to_enable_off_ms", "to_5A_ms", "to_open_ms",
                      "open_current_A")},
        "tick": {
            "count": facts.get("ticks"),
            "late": facts.get("late"),
            "gap_max_ms": facts.get("gap_max_ms"),
            "allocated_bytes": firmware.get("allocated_bytes"),
        },
        "physics_behind_max_ms": facts.get("lag_max_ms"),
        "heap": {
            "size_bytes": firmware.get("heap_size_bytes"),
            "free_min_bytes": firmware.get("heap_free_min_bytes"),
        },
        "mqtt": {name: facts.get(name) for name in ("published", "acknowledged", "lost", "reconnects")},
        "micropython": {name: firmware.get(name) for name in ("version", "word_bits", "image")},
        "duration_s": _round(facts.get("t_s")),
    }  # fmt: skip


def add_lockstep(summary: dict[str, Any], lockstep: Mapping[str, Any]) -> None:
    """What only the lockstep run of the same scenario can know: allocation, and the heap after a collection. Both
    become checks: the tick allocates nothing, and that run passes too."""
    allocated, free = lockstep["tick"]["allocated_bytes"], lockstep["heap"]["free_min_bytes"]
    summary["tick"]["allocated_bytes"] = allocated
    summary["heap"]["free_min_bytes"] = free
    failed = [check["name"] for check in lockstep["checks"] if not check["pass"]]
    summary["checks"] += [
        {"name": "the_tick_allocates_nothing", "pass": allocated == 0,
         "detail": f"{allocated} bytes in {lockstep['tick']['count']} ticks; at least {free} bytes of heap free"},
        {"name": "the_same_in_lockstep", "pass": not failed,
         "detail": f"failed: {', '.join(failed)}" if failed else "the same session in virtual time passes"},
    ]  # fmt: skip
    if not all(check["pass"] for check in summary["checks"]):
        summary["result"] = "fail"


def write(summary: Mapping[str, Any], folder: Path) -> Path:
    """Into `folder`/summary.json."""
    path = folder / "summary.json"
    path.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    return path


def text(summary: Mapping[str, Any]) -> str:
    """The few lines that a person reads after a run."""
    lines = []
    for check in summary["checks"]:
        lines.append(f"  {'ok  ' if check['pass'] else 'FAIL'}  {check['name']}: {check['detail']}")
    late = "" if summary["result"] == "pass" else _lateness(summary)
    lines.append(f"{summary['scenario']}: {summary['result']} after {summary['duration_s']} s{late}")
    return "\n".join(lines)


def _lateness(summary: Mapping[str, Any]) -> str:
    """Could the computer have been the reason? A live run needs two processors to itself."""
    tick, behind_ms = summary["tick"], summary["physics_behind_max_ms"]
    if behind_ms is None:  # virtual time
        return ""
    told = f"; {tick['late']} of {tick['count']} ticks late, the physics at most {behind_ms} ms behind"
    return told + (": the machine was busy, try again" if (tick["late"] or 0) > 0 or behind_ms > BUSY_ms else "")


def _round(value: Any) -> Any:
    return round(value, 2) if isinstance(value, float) else value
