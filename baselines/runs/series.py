"""What a learning curve shows, as numbers: taken out of a run's records, not yet drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from baselines.runs.records import Record, iteration_of, number_of

_MAX_WINDOW = 9
"""Iterations averaged at most; of fewer than 36, a quarter."""


@dataclass(frozen=True, slots=True)
class Series:
    """A metric at the iterations where it is a finite number."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Band:
    """Iterations in a row that trained on the same level."""

    level: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class EvaluationPoint:
    """One evaluation, ready to draw."""

    name: str
    num_done: int
    """Iterations done before it."""
    mean: float
    low: float
    high: float
    level: str | None
    right_value: float | None
    """The mean score had every right value counted, whatever its format; None where it says nothing more."""
    is_reference: bool
    """The untrained team with examples in its prompt: to compare with, no step of the training."""


def series(records: Sequence[Record], name: str) -> Series:
    """The metric `name` over the iterations."""
    pairs = [(iteration_of(record), number_of(record.get(name))) for record in records]
    finite = [(x, y) for x, y in pairs if y is not None and np.isfinite(y)]
    columns = np.array(finite, dtype=np.float64).reshape(-1, 2)
    return Series(columns[:, 0], columns[:, 1])


def bands(metrics: Sequence[Record]) -> list[Band]:
    """The curriculum; empty if no level was recorded."""
    levels = [(iteration_of(record), record.get("train/level")) for record in metrics]
    found = []
    for level, group in groupby(levels, key=lambda pair: pair[1]):
        iterations = [iteration for iteration, _ in group]
        if level is not None:
            found.append(Band(str(level), iterations[0], iterations[-1]))
    return found


def pieces(curve: Series, curriculum: Sequence[Band]) -> list[Series]:
    """The curve cut where the level changes: returns on different levels are not averaged."""
    cuts = np.searchsorted(curve.x, [band.first for band in curriculum[1:]])
    cut = zip(np.split(curve.x, cuts), np.split(curve.y, cuts), strict=True)
    return [Series(x, y) for x, y in cut if len(x)]


def smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Centred moving average; near the ends over fewer values, equally many on both sides."""
    half = min(_MAX_WINDOW, max(1, len(values) // 4)) // 2
    smoothed = np.empty_like(values)
    for position in range(len(values)):
        reach = min(half, position, len(values) - 1 - position)
        smoothed[position] = values[position - reach : position + reach + 1].mean()
    return smoothed


def evaluation_points(records: Sequence[Record]) -> list[EvaluationPoint]:
    """The evaluations that have a finite mean."""
    points = (_evaluation_point(record) for record in records)
    return [point for point in points if point is not None]


def _evaluation_point(record: Mapping[str, object]) -> EvaluationPoint | None:
    """One evaluation; bounds that are missing fall on the mean."""
    mean = number_of(record.get("mean"))
    if mean is None or not np.isfinite(mean):
        return None
    low, high = number_of(record.get("low")), number_of(record.get("high"))
    name = str(record.get("name", "evaluation"))
    right_value = number_of(record.get("right_value"))
    return EvaluationPoint(
        name=name,
        num_done=iteration_of(record),
        mean=mean,
        low=mean if low is None else min(low, mean),
        high=mean if high is None else max(high, mean),
        level=None if record.get("level") is None else str(record["level"]),
        right_value=None if right_value == mean else right_value,
        is_reference="few_shot" in name,
    )
