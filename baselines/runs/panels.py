"""What the pictures of runs have in common: the figure and its file, colours, ranges.

Colours: Okabe and Ito's palette, which the common kinds of colour blindness tell apart; lines differ in dashes too.
"""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baselines.errors import extra_required
from baselines.runs.disk import write_atomically
from baselines.runs.series import EvaluationPoint, Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

VERMILLION, GREY, INK = "#D55E00", "#6B6B6B", "#222222"
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000", "#999999")
_DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)))
_WIDTH_INCHES, _HEIGHT_INCHES, _DPI = 9.6, 6.8, 150


def line_style(rank: int) -> dict[str, Any]:
    """Colour and dashes of line number `rank`; 32 of them differ."""
    again, colour = divmod(rank, len(_COLOURS))
    return {"color": _COLOURS[colour], "linestyle": _DASHES[(rank + again) % len(_DASHES)]}


@contextmanager
def figure_of(
    mosaic: Sequence[Sequence[str]], *, height_ratios: Sequence[float]
) -> Iterator[tuple["Figure", dict[str, "Axes"]]]:
    """A figure and its panels by name, laid out as `matplotlib.figure.Figure.subplot_mosaic` takes it.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    with extra_required("train", "the learning curve"):
        from matplotlib import rc_context
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

    with rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(_WIDTH_INCHES, _HEIGHT_INCHES), dpi=_DPI, layout="constrained")
        FigureCanvasAgg(figure)  # no window system, no global state: safe on servers and in threads
        yield figure, figure.subplot_mosaic([list(row) for row in mosaic], height_ratios=height_ratios)


def save(figure: "Figure", path: Path) -> Path:
    """Write `figure` as a PNG file; whoever reads the file sees the old picture or the new one."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    write_atomically(path, picture.getvalue())
    return path


def set_ranges(axes: "Axes", curves: Sequence[Series], points: Sequence[EvaluationPoint]) -> None:
    """Whole iterations below; scores between 0 and 1 on the whole of that range, so that runs compare."""
    from matplotlib.ticker import MaxNLocator

    xs = [*(x for curve in curves for x in curve.x), *(point.num_done for point in points)]
    left, right = min(xs, default=0.0), max(xs, default=1.0)
    margin = max(0.5, 0.02 * (right - left))
    axes.set_xlim(left - margin, right + margin)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    ys = [*(y for curve in curves for y in curve.y)]
    ys += [y for point in points for y in (point.low, point.high, point.right_value or point.low)]
    bottom, top = min(ys, default=0.0), max(ys, default=1.0)
    if bottom >= 0.0 and top <= 1.0:
        bottom, top = 0.0, 1.0
    margin = 0.05 * (top - bottom or 1.0)
    axes.set_ylim(bottom - margin, top + margin)


def say(axes: "Axes", text: str) -> None:
    """A note in an empty panel."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=GREY)
