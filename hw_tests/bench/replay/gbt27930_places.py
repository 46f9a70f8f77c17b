"""Where each message of GB/T 27930 has its place, in what order, and how long it may stay away, as tables.

The clauses are those of the house's digest of the standard (facts), as in hw_tests/bench/gbt27930/checker.py.
"""

from functools import lru_cache

from hw_tests.bench.gbt27930.messages import Message

CLAUSES = {
    "unknown_frame": "GB/T 27930-2015, facts 1.2 ids",
    "wrong_length": "GB/T 27930-2015, facts 1.2 lengths",
    "wrong_phase": "GB/T 27930-2015, facts 1.2 sent when",
    "out_of_order": "GB/T 27930-2015, facts 1.2 sent when",
    "period": "GB/T 27930-2015, facts 1.2 periods",
    "late": "GB/T 27930-2015, facts 1.6",
    "missing": "GB/T 27930-2015, facts 1.2 sent when",
    "no_precharge": "GB/T 18487.1-2015 Annex B, facts 1.5: precharge to the battery less 1 to 10 V, then CRO=AA",
    "no_retry": "GB/T 27930-2015, facts 1.6: back to identification, at most 3 times",
    "padding": "GB/T 27930-2015, facts 1.1 unused bits are ones",
    "wrong_value": "GB/T 27930-2015, facts 1.4",
    "range": "GB/T 27930-2015, facts 1.5 BCP voltage in its range, else CST",
    "demand_above_max": "GB/T 27930-2015, facts 1.4 BCL, BCP",
    "current_above_demand": "GB/T 27930-2015, facts 1.4 BCL, CCS",
    "ccs_measurement": "GB/T 27930-2015, facts 1.4 CCS, BCS",
    "ccs_current": "GB/T 27930-2015, facts 1.4 CCS, BCS",
    "tp_silent": "SAE J1939-21, facts 1.3 Tr, T3",
    "tp_late": "SAE J1939-21, facts 1.3 Tr",
    "tp_aborted": "SAE J1939-21, facts 1.3",
    "tp_wrong": "SAE J1939-21, facts 1.3",
    "tp_incomplete": "SAE J1939-21, facts 1.3: only a complete message counts",
}

_RUNNING = {"charge", "discharge", "pause"}
_END = {"stopping", "statistics"}

# Phases in which each message has a place (facts 1.2, 1.5, 1.8a). Those of both sides overlap by a moment.
PLACES = {
    "CDC": {"handshake"}, "BDC": {"handshake"}, "CHM": {"handshake"},
    "BHM": {"handshake", "identify"},  # until CRM was heard
    "CRM": {"handshake", "identify", "configure", "error"},
    "BRM": {"identify"}, "BCP": {"identify", "configure"}, "BCPP": {"identify", "configure"},
    "CTS": {"configure", "precharge"}, "CML": {"configure", "precharge"}, "CMLP": {"configure", "precharge"},
    "BRO": {"configure", "precharge", "charge"}, "CRO": {"precharge", "charge"},
    "BCL": _RUNNING, "BCLP": _RUNNING, "BCS": _RUNNING, "CCS": _RUNNING, "BSM": _RUNNING, "BCSP": _RUNNING,
    "BMV": _RUNNING, "BMT": _RUNNING, "BSP": _RUNNING, "CCD": {"precharge", *_RUNNING, *_END},
    "BST": _END, "CST": _END, "BSD": {"statistics"}, "CSD": {"statistics"}, "CSDP": {"statistics"},
}  # fmt: skip

# What must have been said in this session before (facts 1.2 sent when).
AFTER = {
    "BHM": ("CHM",), "BRM": ("CRM",), "BCP": ("BRM", "CRM"), "CML": ("BCP",), "CTS": ("BCP",), "BRO": ("CML",),
    "BCS": ("CRO",), "CCS": ("BCL", "BCS"), "BSM": ("CCS",), "CSD": ("BSD",),
}  # fmt: skip

# Silence between two of the same, within a phase, that is no mere jitter: half the time-out or four periods. What a
# real charger misses of its period (facts 1.6: CCS every 69 ms) shows in the mean.
LATE_s = {
    "CHM": 1.0, "BHM": 1.0, "CRM": 1.0, "CML": 1.0, "BRO": 1.0, "CRO": 1.0, "BCL": 0.5, "CCS": 0.5, "BCS": 2.5,
    "BSM": 1.0, "BST": 0.1, "CST": 0.1, "BSD": 1.0, "CSD": 1.0, "CCD": 2.5,
}  # fmt: skip
TIMEOUTS = {"BCL": 1.0, "CCS": 1.0, "CHM": 30.0, "BSD": 10.0, "CSD": 10.0}  # facts 1.6; of the others 5 s

# (error message, its signal): the message that was waited for.
WORDS = {
    ("BEM", "crm_00_timeout"): "CRM", ("BEM", "crm_aa_timeout"): "CRM", ("BEM", "cts_cml_timeout"): "CML",
    ("BEM", "cro_timeout"): "CRO", ("BEM", "ccs_timeout"): "CCS", ("BEM", "cst_timeout"): "CST",
    ("BEM", "csd_timeout"): "CSD", ("CEM", "brm_timeout"): "BRM", ("CEM", "bcp_timeout"): "BCP",
    ("CEM", "bro_timeout"): "BRO", ("CEM", "bcs_timeout"): "BCS", ("CEM", "bcl_timeout"): "BCL",
    ("CEM", "bst_timeout"): "BST", ("CEM", "bsd_timeout"): "BSD",
}  # fmt: skip


@lru_cache(256)
def used_bits(message: Message, length: int) -> int:
    """A one for every bit of the message that means something, or whose meaning nobody knows."""
    if not message.fields:
        return (1 << 8 * length) - 1
    bits = 0
    for field in message.fields:
        bits |= ((1 << field.bits) - 1) << ((field.byte - 1) * 8 + field.bit - 1)
    if message.name in ("CDC", "CCD"):
        bits |= ~((1 << 24) - 1 if message.name == "CDC" else 0xFF)
    return bits
