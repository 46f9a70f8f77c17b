"""`make plot`: volts, amperes, state of charge and the phases of a recorded session over time, on one page."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from hw_tests.bench.picture import GRID, INK, PHASES, QUIET
from hw_tests.bench.replay.entry import ReplayError
from hw_tests.bench.replay.protocol import Dialect, Told
from hw_tests.bench.replay.story import Story

_COLOURS = ("#2a9d8f", "#e9793c", "#4c3a8f", "#1d5c8f", "#c1121f")
_PANELS = (("voltage", "V"), ("current", "A, charging +"), ("soc", "state of charge, %"))
_OTHER = {"error": "#e58f8f"}


class Curve(NamedTuple):
    """One line: a signal of a message, in `panel` (voltage, current, soc)."""

    panel: str
    label: str
    message: str
    signal: str
    scale: float = 0.1
    most: float = float("inf")  # above it is no value


CURVES = {
    "gbt27930": (
        Curve("voltage", "charger (CCS)", "CCS", "voltage_dV"), Curve("voltage", "car (BCS)", "BCS", "voltage_dV"),
        Curve("voltage", "demand (BCL)", "BCL", "voltage_dV"),
        Curve("current", "charger (CCS)", "CCS", "current_dA"), Curve("current", "car (BCS)", "BCS", "current_dA"),
        Curve("current", "demand (BCL)", "BCL", "current_dA"), Curve("current", "demand (BCLP)", "BCLP", "current_dA"),
        Curve("soc", "car (BCS)", "BCS", "soc_permille", 0.1, 1000),
    ),
    "chademo": (
        Curve("voltage", "charger (109)", "109", "voltage_dV"), Curve("voltage", "target (102)", "102", "target_dV"),
        Curve("current", "charging (109)", "109", "current_dA"), Curve("current", "request (102)", "102", "request_dA"),
        Curve("current", "discharging (208)", "208", "current_dA"),
        Curve("current", "may discharge (200)", "200", "discharge_max_dA"),
        Curve("current", "available (108)", "108", "current_available_dA"),
        Curve("soc", "car (102)", "102", "soc_permille", 0.1, 1000),
    ),
}  # fmt: skip

Points = dict[Curve, tuple[list[float], list[float]]]


def _gather(stream: Iterable[Told], curves: tuple[Curve, ...], story: Story) -> Points:
    wanted: dict[str, list[Curve]] = {}
    for curve in curves:
        wanted.setdefault(curve.message, []).append(curve)
    points: Points = {curve: ([], []) for curve in curves}
    for told in stream:
        story.hear(told)
        for curve in wanted.get(told.name, ()):
            value = told.signals.get(curve.signal)
            if value is not None and value <= curve.most:
                points[curve][0].append(told.t_s)
                points[curve][1].append(value * curve.scale)
    story.finish()
    return points


def draw(stream: Iterable[Told], dialect: Dialect, title: str, path: Path) -> Path:
    """Draw the log into `path`."""
    story = dialect.story()
    points = _gather(stream, CURVES[dialect.name], story)
    if not any(times for times, _ in points.values()):
        raise ReplayError("nothing in this log can be drawn: no message of it carries volts, amperes or charge.")
    path.parent.mkdir(parents=True, exist_ok=True)
    style = {"font.size": 9, "font.family": "DejaVu Sans", "axes.edgecolor": QUIET, "axes.labelcolor": INK,
             "text.color": INK, "xtick.color": INK, "ytick.color": INK}  # fmt: skip
    with plt.rc_context(style):
        figure, axes = plt.subplots(
            4, 1, figsize=(13, 8.4), sharex=True, gridspec_kw={"height_ratios": [2.4, 2.4, 1.5, 0.4], "hspace": 0.1}
        )
        for axis, (panel, label) in zip(axes, _PANELS):
            _panel(axis, label, {curve: xy for curve, xy in points.items() if curve.panel == panel})
        _phases(axes, story)
        axes[-1].set_xlabel("seconds since the first frame")
        figure.suptitle(f"{title}: {dialect.title}", x=0.062, y=0.975, ha="left", fontsize=13, fontweight="bold")
        ends = "; ".join(f"{end.t_s:.1f} s: {end.side} {end.how}, {end.reason}" for end in story.endings)
        figure.text(0.062, 0.925, ends[:160], fontsize=9, color=QUIET)
        figure.subplots_adjust(left=0.066, right=0.97, top=0.91, bottom=0.06)
        try:
            figure.savefig(path, dpi=110, facecolor="white")
        except (OSError, ValueError) as error:
            raise ReplayError(f"{path} cannot be written: {error}.") from error
        finally:
            plt.close(figure)
    return path


def _panel(axis: Axes, label: str, points: Points) -> None:
    axis.set_ylabel(label)
    axis.grid(axis="y", color=GRID, lw=0.8)
    axis.set_axisbelow(True)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    for number, (curve, (times, values)) in enumerate(points.items()):
        if times:
            axis.step(times, values, where="post", lw=1.3, color=_COLOURS[number], label=curve.label, alpha=0.9)
    if label.startswith("state"):
        axis.set_ylim(0, 118)
    else:  # room for the legend
        low, high = axis.get_ylim()
        axis.set_ylim(low, high + 0.18 * (high - low))
    if axis.get_legend_handles_labels()[0]:
        axis.legend(loc="upper right", ncols=5, fontsize=8, framealpha=0.85, edgecolor="none")


def _phases(axes: Iterable[Axes], story: Story) -> None:
    *panels, ribbon = axes
    ribbon.set_ylim(0, 1)
    ribbon.set_yticks([])
    ends_s = [phase.t_s for phase in story.phases[1:]] + [story.now_s]
    span_s = max(story.now_s, 0.1)
    for phase, end_s in zip(story.phases, ends_s):
        colour = PHASES.get(phase.name) or _OTHER.get(phase.name, "#eeeeee")
        ribbon.axvspan(phase.t_s, end_s, color=colour, lw=0)
        if end_s - phase.t_s > 0.008 * len(phase.name) * span_s:
            ribbon.text((phase.t_s + end_s) / 2, 0.5, phase.name, ha="center", va="center", fontsize=8)
        for panel in panels:
            panel.axvline(phase.t_s, color=QUIET, lw=0.5, ls=":")
    for panel in (*panels, ribbon):
        panel.set_xlim(0, span_s)
