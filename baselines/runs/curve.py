"""The learning curve of a run as a picture, drawn from its records, so also while it runs or after a kill.

Above: the return of every iteration (faint) and smoothed, the levels of the curriculum as bands, evaluations
with their intervals, a reference as a dashed line. Below, per agent: how far each update moved the policy
(KL), and how much the policy still explores (entropy). Several runs beside each other: `baselines.runs.curves`.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from baselines.runs.panels import GREY, INK, VERMILLION, figure_of, line_style, save, say, set_ranges
from baselines.runs.progress import duration
from baselines.runs.records import Record, agents_in, read_records
from baselines.runs.series import (
    Band,
    EvaluationPoint,
    bands,
    evaluation_points,
    pieces,
    series,
    smooth,
)
from baselines.runs.summary import CURVE, EVALUATIONS, METRICS, RUN, time_spent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BLUE = "#0072B2"
_SHADES = ("#FFFFFF", "#EAF1F6", "#DAE6EE", "#C9DAE5")
"""Backgrounds of the levels in order of appearance, ever darker; a fifth level begins again."""
_CHAR_WIDTH = 0.0082
"""Width of a letter of a level's name, the panel being 1: decides whether the name fits over its band."""
_LABEL_HEIGHT = 0.055
"""Height of an evaluation's label, the panel being 1: closer ones are moved apart."""
_LEGEND_COLUMNS = 4
"""Agents side by side in their legend; an octet takes two rows."""


def draw_curve(folder: Path, target: Path | None = None) -> Path:
    """Draw a run from whatever it has recorded so far, into its folder's `curve.png` or `target`, whose name it gives.

    Raises:
        MissingExtraError: matplotlib is not installed.
        CheckpointError: a record is damaged.
    """
    metrics, evaluations = read_records(folder / METRICS), read_records(folder / EVALUATIONS)
    with figure_of([["return", "return"], ["kl", "entropy"]], height_ratios=[2.2, 1]) as (figure, axes):
        _draw_returns(axes["return"], metrics, evaluations)
        _draw_per_agent(axes["kl"], metrics, "kl", "KL of each update")
        _draw_per_agent(axes["entropy"], metrics, "entropy", "entropy of the policy")
        lines = {str(line.get_label()): line for panel in ("kl", "entropy") for line in axes[panel].lines}
        if lines:  # one legend for both panels
            names = list(lines)
            figure.legend(lines.values(), names, loc="outside lower center", ncols=_LEGEND_COLUMNS, frameon=False)
        figure.suptitle(title_of(folder), x=0.01, ha="left", fontsize=12, fontweight="bold", color=INK)
        return save(figure, target or folder / CURVE)


def title_of(folder: Path) -> str:
    """The run's title, or its folder's name if it has none."""
    try:
        return str(json.loads((folder / RUN).read_bytes())["title"])
    except (OSError, ValueError, KeyError, TypeError):
        return folder.resolve().name


def _draw_returns(axes: "Axes", metrics: Sequence[Record], evaluations: Sequence[Record]) -> None:
    """The upper panel: the learning curve proper."""
    curve, curriculum = series(metrics, "train/return"), bands(metrics)
    points = evaluation_points(evaluations)
    set_ranges(axes, [curve], points)
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
        say(axes, "nothing recorded yet")
    axes.set_ylabel("mean return of the team")
    axes.set_xlabel("iterations done")
    wall_s, cpu_s = time_spent([*metrics, *evaluations])
    note = f"{len(metrics)} iterations, {duration(wall_s)} by the wall clock, {duration(cpu_s)} of CPU time"
    axes.set_title(note, loc="right", fontsize=8, color=GREY, pad=18 if curriculum else 6)


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
                color=GREY,
                fontsize=8,
            )


def _draw_references(axes: "Axes", points: Sequence[EvaluationPoint]) -> None:
    """A dashed line across, with its interval as a veil."""
    for point in points:
        axes.axhspan(point.low, point.high, facecolor=GREY, alpha=0.12, edgecolor="none", zorder=1)
        label = f"{point.name.replace('_', ' ')}: {point.mean:.2f}"
        axes.axhline(point.mean, color=GREY, linestyle=(0, (5, 3)), linewidth=1.4, zorder=1.5, label=label)


def _draw_evaluations(axes: "Axes", points: Sequence[EvaluationPoint]) -> None:
    """A square with its interval per evaluation; a hollow diamond for the right value in any format."""
    if not points:
        return
    x, y = [point.num_done for point in points], [point.mean for point in points]
    below, above = [point.mean - point.low for point in points], [point.high - point.mean for point in points]
    axes.errorbar(x, y, [below, above], fmt="none", ecolor=VERMILLION, elinewidth=1.6, capsize=4, zorder=4)
    levels = {point.level for point in points}
    where = f" on {levels.pop()}" if len(levels) == 1 and None not in levels else ""
    label = f"greedy evaluation{where}, 95 % interval"
    axes.plot(x, y, "s", color=VERMILLION, markersize=6, zorder=4, label=label)
    lenient = [(point.num_done, point.right_value) for point in points if point.right_value is not None]
    if lenient:
        label = "the same, right value in any format"
        xs, ys = zip(*lenient, strict=True)
        axes.plot(xs, ys, "D", color=VERMILLION, fillstyle="none", markersize=6, zorder=4, label=label)
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
            color=VERMILLION,
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
            axes.plot(own.x, own.y, **line_style(rank), linewidth=1.5, label=agent)
    axes.set_title(title, loc="left", fontsize=9, color=INK)
    axes.set_xlabel("iterations done")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if axes.lines:
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    else:
        say(axes, "not recorded")
