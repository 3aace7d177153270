"""Several runs in one picture, a colour for each: what differs between seeds, or between settings.

Above: the return, smoothed, and the evaluations before and after. Below, a panel per agent: how much its policy still
explores (entropy), which shows who of a team settled too early; of the first four, where there are more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from baselines.runs.curve import title_of
from baselines.runs.panels import INK, figure_of, line_style, save, say, set_ranges
from baselines.runs.records import Record, agents_in, read_records
from baselines.runs.series import EvaluationPoint, Series, bands, evaluation_points, pieces, series, smooth
from baselines.runs.summary import EVALUATIONS, METRICS, names_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_AGENTS = 4
"""Whose entropy is shown, each in a panel: the first of the team. More would be too narrow to read."""
_LEGEND_COLUMNS = 6


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A run, and what is drawn of it."""

    metrics: Sequence[Record]
    curve: Series
    evaluations: Sequence[EvaluationPoint]


def draw_curves(folders: Sequence[Path], target: Path) -> Path:
    """Draw the runs in `folders` over each other into `target`, a PNG file, whose name it gives.

    Raises:
        MissingExtraError: matplotlib is not installed.
        CheckpointError: a record is damaged, or two of the folders are the same.
    """
    runs = {name: _drawn(folder) for name, folder in names_of(folders).items()}
    shown = _agents(runs)[:_MOST_AGENTS]
    lower = shown or [""]
    with figure_of([["return"] * len(lower), lower], height_ratios=[2.2, 1]) as (figure, axes):
        _draw_returns(axes["return"], runs)
        for agent in shown:
            _draw_entropies(axes[agent], runs, agent)
        if not shown:
            say(axes[""], "nothing recorded of any agent")
        handles, labels = axes["return"].get_legend_handles_labels()
        lines = dict(zip(labels, handles, strict=True))
        if lines:
            columns = min(_LEGEND_COLUMNS, len(lines))
            figure.legend(lines.values(), list(lines), loc="outside lower center", ncols=columns, frameon=False)
        titles = dict.fromkeys(title_of(folder) for folder in folders)
        title = "; ".join(titles)
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold", color=INK, wrap=True)
        return save(figure, target)


def _drawn(folder: Path) -> _Drawn:
    metrics = read_records(folder / METRICS)
    points = evaluation_points(read_records(folder / EVALUATIONS))
    return _Drawn(metrics, series(metrics, "train/return"), [point for point in points if not point.is_reference])


def _agents(runs: Mapping[str, _Drawn]) -> list[str]:
    """Everybody who learned in any of the runs."""
    return list(dict.fromkeys(agent for run in runs.values() for agent in agents_in(run.metrics)))


def _draw_returns(axes: "Axes", runs: Mapping[str, _Drawn]) -> None:
    points = [point for run in runs.values() for point in run.evaluations]
    set_ranges(axes, [run.curve for run in runs.values()], points)
    for rank, (name, run) in enumerate(runs.items()):
        style = line_style(rank)
        for number, piece in enumerate(pieces(run.curve, bands(run.metrics))):
            label = name if number == 0 else None
            axes.plot(piece.x, smooth(piece.y), **style, linewidth=1.8, label=label, zorder=2)
        if run.evaluations:
            x, y = [point.num_done for point in run.evaluations], [point.mean for point in run.evaluations]
            below = [point.mean - point.low for point in run.evaluations]
            above = [point.high - point.mean for point in run.evaluations]
            label = None if len(run.curve.x) else name
            axes.errorbar(
                x, y, [below, above], fmt="s", color=style["color"], elinewidth=1.2, capsize=3, zorder=4, label=label
            )
    if not points and not any(len(run.curve.x) for run in runs.values()):
        say(axes, "nothing recorded yet")
    what = "lines: return while training, smoothed; squares: greedy evaluations, 95 % intervals"
    axes.set_title(what, loc="left", fontsize=9, color=INK)
    axes.set_ylabel("mean return of the team")
    axes.set_xlabel("iterations done")


def _draw_entropies(axes: "Axes", runs: Mapping[str, _Drawn], agent: str) -> None:
    from matplotlib.ticker import MaxNLocator

    for rank, run in enumerate(runs.values()):
        own = series(run.metrics, f"{agent}/entropy")
        axes.plot(own.x, own.y, **line_style(rank), linewidth=1.3)
    axes.set_title(f"entropy of {agent}", loc="left", fontsize=9, color=INK)
    axes.set_xlabel("iterations done")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
