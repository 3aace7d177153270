"""The learning curve of a run as a picture, drawn from its records, so also while it runs or after a kill.

Above: the return of every iteration (faint) and smoothed, the levels of the curriculum as bands, evaluations
with their intervals, a reference as a dashed line. Below, per agent: how far each update moved the policy
(KL), and how much the policy still explores (entropy).

Colours: Okabe and Ito's palette, which the common kinds of colour blindness tell apart; agents differ in
dashes too.
"""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from baselines.errors import extra_required
from baselines.runs.disk import write_atomically
from baselines.runs.progress import duration
from baselines.runs.records import Record, agents_in, read_records
from baselines.runs.series import (
    Band,
    EvaluationPoint,
    Series,
    bands,
    evaluation_points,
    pieces,
    series,
    smooth,
)
from baselines.runs.summary import CURVE, EVALUATIONS, METRICS, RUN, time_spent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BLUE, _VERMILLION, _GREY, _INK = "#0072B2", "#D55E00", "#6B6B6B", "#222222"
_AGENT_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000", "#999999")
_AGENT_DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)))
_SHADES = ("#FFFFFF", "#EAF1F6", "#DAE6EE", "#C9DAE5")
"""Backgrounds of the levels in order of appearance, ever darker; a fifth level begins again."""
_WIDTH_INCHES, _HEIGHT_INCHES, _DPI = 9.6, 6.8, 150
_CHAR_WIDTH = 0.0082
"""Width of a letter of a level's name, the panel being 1: decides whether the name fits over its band."""
_LABEL_HEIGHT = 0.055
"""Height of an evaluation's label, the panel being 1: closer ones are moved apart."""
_LEGEND_COLUMNS = 4
"""Agents side by side in their legend; an octet takes two rows."""


def draw_curve(folder: Path) -> Path:
    """Draw `curve.png` into a run's folder from whatever it has recorded so far.

    Raises:
        MissingExtraError: matplotlib is not installed.
        CheckpointError: a record is damaged.
    """
    with extra_required("train", "the learning curve"):
        from matplotlib import rc_context
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

    metrics, evaluations = read_records(folder / METRICS), read_records(folder / EVALUATIONS)
    picture = io.BytesIO()
    with rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(_WIDTH_INCHES, _HEIGHT_INCHES), dpi=_DPI, layout="constrained")
        FigureCanvasAgg(figure)  # no window system, no global state: safe on servers and in threads
        axes = figure.subplot_mosaic([["return", "return"], ["kl", "entropy"]], height_ratios=[2.2, 1])
        _draw_returns(axes["return"], metrics, evaluations)
        _draw_per_agent(axes["kl"], metrics, "kl", "KL of each update")
        _draw_per_agent(axes["entropy"], metrics, "entropy", "entropy of the policy")
        lines = {str(line.get_label()): line for panel in ("kl", "entropy") for line in axes[panel].lines}
        if lines:  # one legend for both panels
            names = list(lines)
            figure.legend(lines.values(), names, loc="outside lower center", ncols=_LEGEND_COLUMNS, frameon=False)
        figure.suptitle(_title(folder), x=0.01, ha="left", fontsize=12, fontweight="bold", color=_INK)
        figure.savefig(picture, format="png")
    write_atomically(folder / CURVE, picture.getvalue())
    return folder / CURVE


def _title(folder: Path) -> str:
    """The run's title, or its folder's name if it has none."""
    try:
        return str(json.loads((folder / RUN).read_bytes())["title"])
    except (OSError, ValueError, KeyError, TypeError):
        return folder.resolve().name


def _draw_returns(axes: "Axes", metrics: Sequence[Record], evaluations: Sequence[Record]) -> None:
    """The upper panel: the learning curve proper."""
    curve, curriculum = series(metrics, "train/return"), bands(metrics)
    points = evaluation_points(evaluations)
    _set_ranges(axes, curve, points)
    _draw_bands(axes, curriculum)
    for number, piece in enumerate(pieces(curve, curriculum)):
        label = "return while training (faint), smoothed" if number == 0 else None
        axes.plot(piece.x, piece.y, ".-", color=_BLUE, alpha=0.3, linewidth=1, markersize=3)
        axes.plot(piece.x, smooth(piece.y), color=_BLUE, linewidth=2.2, label=label, solid_capstyle="round")
    _draw_evaluations(axes, [point for point in points if not point.is_reference])
    _draw_references(axes, [point for point in points if point.is_reference])
    if len(curve.x) or points:
        axes.legend(loc="best", framealpha=0.85, edgecolor="none", fontsize=8)
    else:
        _say(axes, "nothing recorded yet")
    axes.set_ylabel("mean return of the team")
    axes.set_xlabel("iterations done")
    wall_s, cpu_s = time_spent([*metrics, *evaluations])
    note = f"{len(metrics)} iterations, {duration(wall_s)} by the wall clock, {duration(cpu_s)} of CPU time"
    axes.set_title(note, loc="right", fontsize=8, color=_GREY, pad=18 if curriculum else 6)


def _set_ranges(axes: "Axes", curve: Series, points: Sequence[EvaluationPoint]) -> None:
    """Whole iterations below; scores between 0 and 1 on the whole of that range, so that runs compare."""
    from matplotlib.ticker import MaxNLocator

    xs = [*curve.x, *(point.num_done for point in points)]
    left, right = min(xs, default=0.0), max(xs, default=1.0)
    margin = max(0.5, 0.02 * (right - left))
    axes.set_xlim(left - margin, right + margin)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    ys = [*curve.y, *(y for point in points for y in (point.low, point.high, point.right_value or point.low))]
    bottom, top = min(ys, default=0.0), max(ys, default=1.0)
    if bottom >= 0.0 and top <= 1.0:
        bottom, top = 0.0, 1.0
    margin = 0.05 * (top - bottom or 1.0)
    axes.set_ylim(bottom - margin, top + margin)


def _draw_bands(axes: "Axes", curriculum: Sequence[Band]) -> None:
    """A band per level, named above it, or upright inside where the name is wider than the band."""
    order = list(dict.fromkeys(band.level for band in curriculum))
    left, right = axes.get_xlim()
    for number, band in enumerate(curriculum):
        start = left if number == 0 else band.first - 0.5
        end = right if number == len(curriculum) - 1 else band.last + 0.5
        shade = _SHADES[order.index(band.level) % len(_SHADES)]
        axes.axvspan(start, end, facecolor=shade, edgecolor="none", zorder=0)
        if number > 0:
            axes.axvline(start, color="#9DB2C0", linewidth=0.8, zorder=0.5)
        share = (end - start) / (right - left)
        fits = share >= _CHAR_WIDTH * len(band.level)
        if fits or share >= 3 * _CHAR_WIDTH:  # narrower ones keep their shade only
            axes.text(
                (start + end) / 2,
                1.015 if fits else 0.98,
                band.level,
                transform=axes.get_xaxis_transform(),
                ha="center",
                va="bottom" if fits else "top",
                rotation=0 if fits else 90,
                color=_GREY,
                fontsize=8,
            )


def _draw_references(axes: "Axes", points: Sequence[EvaluationPoint]) -> None:
    """A dashed line across, with its interval as a veil."""
    for point in points:
        axes.axhspan(point.low, point.high, facecolor=_GREY, alpha=0.12, edgecolor="none", zorder=1)
        label = f"{point.name.replace('_', ' ')}: {point.mean:.2f}"
        axes.axhline(point.mean, color=_GREY, linestyle=(0, (5, 3)), linewidth=1.4, zorder=1.5, label=label)


def _draw_evaluations(axes: "Axes", points: Sequence[EvaluationPoint]) -> None:
    """A square with its interval per evaluation; a hollow diamond for the right value in any format."""
    if not points:
        return
    x, y = [point.num_done for point in points], [point.mean for point in points]
    below, above = [point.mean - point.low for point in points], [point.high - point.mean for point in points]
    axes.errorbar(x, y, [below, above], fmt="none", ecolor=_VERMILLION, elinewidth=1.6, capsize=4, zorder=4)
    levels = {point.level for point in points}
    where = f" on {levels.pop()}" if len(levels) == 1 and None not in levels else ""
    label = f"greedy evaluation{where}, 95 % interval"
    axes.plot(x, y, "s", color=_VERMILLION, markersize=6, zorder=4, label=label)
    lenient = [(point.num_done, point.right_value) for point in points if point.right_value is not None]
    if lenient:
        label = "the same, right value in any format"
        xs, ys = zip(*lenient, strict=True)
        axes.plot(xs, ys, "D", color=_VERMILLION, fillstyle="none", markersize=6, zorder=4, label=label)
    _label_evaluations(axes, points)


def _label_evaluations(axes: "Axes", points: Sequence[EvaluationPoint]) -> None:
    """Name and mean beside the last evaluation of each name, moved apart where two are close."""
    from matplotlib.patheffects import withStroke

    left, right = axes.get_xlim()
    bottom, top = axes.get_ylim()
    highest: dict[int, float] = {}
    last = {point.name: point for point in points}
    for point in sorted(last.values(), key=lambda point: point.mean):
        y = max(point.mean, highest.get(point.num_done, -np.inf) + _LABEL_HEIGHT * (top - bottom))
        highest[point.num_done] = y
        in_left_half = point.num_done < (left + right) / 2
        axes.annotate(
            f"{point.name.replace('_', ' ')} {point.mean:.2f}",
            (point.num_done, y),
            xytext=(9 if in_left_half else -9, 0),
            textcoords="offset points",
            ha="left" if in_left_half else "right",
            va="center",
            color=_VERMILLION,
            fontweight="bold",
            zorder=5,
            path_effects=[withStroke(linewidth=3, foreground="white")],
        )


def _draw_per_agent(axes: "Axes", metrics: Sequence[Record], metric: str, title: str) -> None:
    """A lower panel: a metric of every agent over the iterations."""
    from matplotlib.ticker import MaxNLocator

    for rank, agent in enumerate(agents_in(metrics)):
        own = series(metrics, f"{agent}/{metric}")
        if len(own.x):
            colour = _AGENT_COLOURS[rank % len(_AGENT_COLOURS)]
            dashes = _AGENT_DASHES[rank % len(_AGENT_DASHES)]
            axes.plot(own.x, own.y, color=colour, linestyle=dashes, linewidth=1.5, label=agent)
    axes.set_title(title, loc="left", fontsize=9, color=_INK)
    axes.set_xlabel("iterations done")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if axes.lines:
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    else:
        _say(axes, "not recorded")


def _say(axes: "Axes", text: str) -> None:
    """A note in an empty panel."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=_GREY)
