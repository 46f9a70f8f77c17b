"""session.png: the whole session on one page.

From top to bottom: what was ordered and what flowed at the meter; the state of charge against the floor; volts and
amperes of the power path; and a ribbon with the phases, under the steps of the scenario.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from hw_tests.bench.record import SAMPLED

INK, GRID, QUIET = "#22303c", "#e3e8ec", "#7b8a97"
CHARGE, DISCHARGE, ORDER, FLOOR, SOC = "#2a9d8f", "#e9793c", "#4c3a8f", "#c1121f", "#1d5c8f"
_LABEL_ROWS = 5
_FLOOR_NEAR = 25.0  # %: a floor farther away would flatten the curve of the charge
PHASES = {
    "idle": "#eef1f4", "plugged": "#d9e2ec", "handshake": "#c6d8ea", "insulation": "#a9c7e3", "identify": "#c9cfe8",
    "configure": "#b3b9de", "precharge": "#f3dc9c", "charge": "#a8dcd1", "discharge": "#f7c9a8", "pause": "#e8e3c5",
    "stopping": "#e6c3c3", "statistics": "#dccbe0", "weld_check": "#d3bfd8", "bleed": "#f1b8b8", "ended": "#dde3e8",
    "fault": "#e58f8f", "retry": "#edb3a0",
}  # fmt: skip


def draw(samples: Sequence[Sequence[Any]], phases: Sequence[tuple[float, str]], steps: Mapping[str, float],
         title: str, outcome: str, path: Path) -> Path:  # fmt: skip
    """Draw the samples of a Record into `path`; `phases`: (s, name) in order; `steps`: name -> s."""
    columns = {name: [row[place] for row in samples] for place, name in enumerate(SAMPLED)}
    t = columns["t_s"]
    end_s = t[-1] if t else 1.0
    style = {"font.size": 9, "font.family": "DejaVu Sans", "axes.edgecolor": QUIET, "axes.labelcolor": INK,
             "text.color": INK, "xtick.color": INK, "ytick.color": INK, "axes.titleweight": "bold"}  # fmt: skip
    with plt.rc_context(style):
        figure, axes = plt.subplots(
            5,
            1,
            figsize=(13, 9.2),
            sharex=True,
            gridspec_kw={"height_ratios": [0.95, 3.2, 2.4, 2.0, 0.36], "hspace": 0.1},
        )
        _steps(axes[0], steps, end_s)
        _power(axes[1], t, columns)
        _charge(axes[2], t, columns)
        _path(axes[3], t, columns)
        _ribbon(axes[4], phases, end_s)
        for axis in axes[1:4]:
            _shade(axis, phases, end_s)
            for at_s in steps.values():
                axis.axvline(at_s, color=QUIET, lw=0.5, ls=":", zorder=1)
        axes[4].set_xlabel("seconds since the scenario began")
        axes[0].set_xlim(0, max(end_s, 0.1))
        figure.suptitle(title, x=0.062, y=0.985, ha="left", fontsize=13, fontweight="bold")
        colour = CHARGE if outcome == "pass" else FLOOR
        figure.text(0.95, 0.972, outcome.upper(), ha="right", fontsize=13, fontweight="bold", color=colour)
        figure.subplots_adjust(left=0.066, right=0.95, top=0.955, bottom=0.055)
        figure.savefig(path, dpi=110, facecolor="white")
        plt.close(figure)
    return path


def _numbers(values: Sequence[Any], scale: float = 1.0) -> list[float]:
    return [float("nan") if value is None else value * scale for value in values]


def _plain(axis: Axes) -> None:
    axis.grid(axis="y", color=GRID, lw=0.8)
    axis.set_axisbelow(True)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)


def _steps(axis: Axes, steps: Mapping[str, float], end_s: float) -> None:
    axis.set_ylim(0, 1)
    axis.axis("off")
    taken: list[list[tuple[float, float]]] = [[] for _ in range(_LABEL_ROWS)]
    for name, at_s in steps.items():
        label = name.replace("_", " ")
        wide_s = end_s * (0.0062 * len(label) + 0.012)
        left = at_s + wide_s > end_s
        span = (at_s - wide_s, at_s) if left else (at_s, at_s + wide_s)
        row = next((r for r in range(_LABEL_ROWS) if all(span[1] < low or span[0] > high for low, high in taken[r])), 0)
        taken[row].append(span)
        height = 0.1 + row * 0.9 / _LABEL_ROWS
        axis.plot([at_s, at_s], [0, height], color=QUIET, lw=0.6)
        axis.text(at_s, height, f"{label} " if left else f" {label}", ha="right" if left else "left", va="center",
                  fontsize=7.5, color=INK)  # fmt: skip


def _told(columns: Mapping[str, Sequence[Any]], name: str, scale: float) -> list[float]:
    """What the station tells; nothing while nobody can hear it."""
    return [value if broker else float("nan")
            for value, broker in zip(_numbers(columns[name], scale), columns["broker"])]  # fmt: skip


def _power(axis: Axes, t: Sequence[float], columns: Mapping[str, Sequence[Any]]) -> None:
    power = _numbers(columns["power_W"], 1e-3)
    axis.fill_between(t, 0, power, where=[p > 0 for p in power], color=CHARGE, alpha=0.35, lw=0, step="mid")
    axis.fill_between(t, 0, power, where=[p < 0 for p in power], color=DISCHARGE, alpha=0.35, lw=0, step="mid")
    axis.plot(t, power, color=INK, lw=1.3, label="at the meter")
    axis.step(t, _numbers(columns["ordered_W"], 1e-3), where="post", color=ORDER, lw=1.4, ls="--", label="ordered")
    axis.step(
        t, _told(columns, "told_applied_W", 1e-3), where="post", color=DISCHARGE, lw=1.1, label="applied, as told"
    )
    axis.axhline(0, color=INK, lw=0.7)
    low, high = axis.get_ylim()
    gone = [broker == 0 for broker in columns["broker"]]
    axis.fill_between(t, low, high, where=gone, facecolor="none", edgecolor=QUIET, hatch="////", alpha=0.45, lw=0,
                      label="broker gone" if any(gone) else None)  # fmt: skip
    axis.set_ylim(low, high)
    axis.set_ylabel("power, kW\ncharging +, discharging −")
    axis.legend(loc="best", ncols=4, fontsize=8, frameon=True, framealpha=0.85, edgecolor="none")
    _plain(axis)


def _charge(axis: Axes, t: Sequence[float], columns: Mapping[str, Sequence[Any]]) -> None:
    soc, floor = _numbers(columns["soc_permille"], 0.1), _numbers(columns["told_floor_permille"], 0.1)
    shown = [value for value in soc if value == value] or [0.0, 100.0]
    near = [value for value in floor if min(shown) - _FLOOR_NEAR < value < max(shown) + _FLOOR_NEAR]
    axis.step(
        t, _told(columns, "told_soc_permille", 0.1), where="post", color=QUIET, lw=1.0, label="as the station tells"
    )
    axis.plot(t, soc, color=SOC, lw=2.0, label="in the battery")
    low, high = min(shown + near) - 1, max(shown + near) + 1
    axis.step(t, floor, where="post", color=FLOOR, lw=1.6, label="floor")
    axis.fill_between(t, low, floor, step="post", color=FLOOR, alpha=0.07, lw=0)
    axis.set_ylim(low, high)
    axis.set_ylabel("state of charge, %")
    axis.legend(loc="best", ncols=3, fontsize=8, frameon=True, framealpha=0.85, edgecolor="none")
    _plain(axis)


def _path(axis: Axes, t: Sequence[float], columns: Mapping[str, Sequence[Any]]) -> None:
    axis.plot(t, _numbers(columns["link_V"]), color="#b8860b", lw=1.2, label="link")
    axis.plot(t, _numbers(columns["inlet_V"]), color=SOC, lw=1.2, ls="--", label="inlet")
    axis.set_ylabel("V")
    axis.set_ylim(bottom=0)
    _plain(axis)
    amperes = axis.twinx()
    amperes.plot(t, _numbers(columns["current_A"]), color=INK, lw=0.9, alpha=0.8, label="current (right)")
    amperes.set_ylabel("A")
    amperes.spines["top"].set_visible(False)
    lines = [*axis.get_lines(), *amperes.get_lines()]
    amperes.legend(handles=lines, loc="center left", ncols=3, fontsize=8, frameon=True, framealpha=0.85,
                   edgecolor="none")  # fmt: skip


def _shade(axis: Axes, phases: Sequence[tuple[float, str]], end_s: float) -> None:
    for begin_s, until_s, name in _spans(phases, end_s):
        axis.axvspan(begin_s, until_s, color=PHASES.get(name, "#ffffff"), alpha=0.28, lw=0, zorder=0)


def _ribbon(axis: Axes, phases: Sequence[tuple[float, str]], end_s: float) -> None:
    axis.set_yticks([])
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)
    for begin_s, until_s, name in _spans(phases, end_s):
        axis.axvspan(begin_s, until_s, color=PHASES.get(name, "#ffffff"), lw=0)
        if (until_s - begin_s) / end_s > 0.0085 * len(name):
            axis.text((begin_s + until_s) / 2, 0.5, name, ha="center", va="center", fontsize=7.5,
                      transform=axis.get_xaxis_transform())  # fmt: skip


def _spans(phases: Sequence[tuple[float, str]], end_s: float) -> list[tuple[float, float, str]]:
    ends = [begin_s for begin_s, _ in phases[1:]] + [end_s]
    return [(begin_s, until_s, name) for (begin_s, name), until_s in zip(phases, ends) if until_s > begin_s]
