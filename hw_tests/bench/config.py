"""The firmware's configuration for a run, as the text of its config file."""

import json
from typing import Any

DEFAULTS: dict[str, Any] = {
    "site": "bench",
    "station": "1",
    "floor_permille": 500,
    "discharge_v112": 1,
    "mqtt_host": "127.0.0.1",
    "mqtt_keepalive_s": 10,
    "state_active_s": 1,
    "state_idle_s": 5,
    "meter_interval_s": 10,
}


def text_of(station: dict[str, Any]) -> str:
    """JSON of the bench's defaults with what the scenario says."""
    return json.dumps({**DEFAULTS, **station}, indent=1)
