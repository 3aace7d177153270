"""What a run shows while it works: a plain line per iteration here, a live display in `live`.

Plain lines are ASCII, so that they survive any log file, pipe or CI page.
"""

import os
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from baselines.errors import extra_required
from baselines.runs.records import agents_in, number_of

Metrics: TypeAlias = Mapping[str, float | int | str | bool | None]

_TYPICAL_OF = 5
"""Iterations whose median duration is the typical one: enough to outvote a slow one, few enough to follow."""
_HEARTBEAT_S = 60.0
"""Plain lines: after so long a silence the status is written, so that a long evaluation looks alive."""
_POWERS_BELOW, _SMALL_BELOW, _WHOLE_FROM = 0.0005, 0.1, 100.0
"""Figures below the first are powers of ten; then come four decimals, then two, from the third on none."""
_AGENT_COLUMNS = {
    "kl": "KL",
    "clip_fraction": "clip",
    "entropy": "entropy",
    "explained_variance": "expl. var.",
}
"""The metrics of an agent that are shown while it runs, and their headings. The rest is in the records."""


@dataclass(slots=True)
class Pace:
    """How far the iterations are, and how long the rest will take."""

    num_iterations: int
    first: int
    time_limit_s: float | None
    durations_s: list[float] = field(default_factory=list)
    _started: float = field(init=False)

    def __post_init__(self) -> None:
        self._started = time.monotonic()

    @property
    def num_done(self) -> int:
        """Iterations finished, those before `first` included."""
        return self.first + len(self.durations_s)

    @property
    def elapsed_s(self) -> float:
        """Wall time since these iterations began."""
        return time.monotonic() - self._started

    @property
    def typical_s(self) -> float:
        """Median duration of the latest iterations; 0 before the first has ended."""
        return statistics.median(self.durations_s[-_TYPICAL_OF:]) if self.durations_s else 0.0

    @property
    def remaining_s(self) -> float | None:
        """Wall time until the last iteration or the time limit, whichever comes first; None while unknown."""
        candidates = []
        if self.durations_s:
            current_s = self.elapsed_s - sum(self.durations_s)
            candidates.append(max(0.0, (self.num_iterations - self.num_done) * self.typical_s - current_s))
        if self.time_limit_s is not None:
            candidates.append(max(0.0, self.time_limit_s - self.elapsed_s))
        return min(candidates, default=None)

    @property
    def is_out_of_time(self) -> bool:
        """Whether one more iteration of typical length would overrun the limit; never before the first."""
        if self.time_limit_s is None or not self.durations_s:
            return False
        return self.elapsed_s + self.typical_s > self.time_limit_s


class Progress:
    """Where a run shows itself. This one shows nothing; the others override what they show.

    Calls come in any order, and `stop` may come twice.
    """

    def begin(self, pace: Pace) -> None:
        """Iterations start."""

    def status(self, text: str) -> None:
        """What is being done right now."""

    def metrics(self, iteration: int, metrics: Metrics) -> None:
        """What an iteration gave."""

    def line(self, text: str) -> None:
        """Something that stays: an evaluation, the closing message."""

    def stopping(self) -> None:
        """A signal asked to stop. Called from a signal handler: must not touch a buffered stream."""

    def stop(self) -> None:
        """No more iterations for now."""


class PlainProgress(Progress):
    """One line per iteration, for log files, pipes and CI."""

    def __init__(self) -> None:
        self._pace: Pace | None = None
        self._last_line = time.monotonic()

    def begin(self, pace: Pace) -> None:
        """Remember how many there will be."""
        self._pace = pace

    def status(self, text: str) -> None:
        """Write it if the log has been silent for a while."""
        if time.monotonic() - self._last_line >= _HEARTBEAT_S:
            self.line(f"... {text}")

    def metrics(self, iteration: int, metrics: Metrics) -> None:
        """Write the iteration's line."""
        position = f"iteration {iteration + 1}"
        clock = ""
        if self._pace is not None:
            position += f"/{self._pace.num_iterations}"
            remaining_s = self._pace.remaining_s
            clock = f" | {duration(self._pace.elapsed_s)} elapsed"
            clock += "" if remaining_s is None else f", {duration(remaining_s)} left"
        agents = "".join(f" | {row[0]} {' '.join(row[1:])}" for row in agent_rows(metrics))
        self.line(f"{position} | {team_text(metrics)}{agents}{clock}")

    def line(self, text: str) -> None:
        """Write and flush."""
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
        self._last_line = time.monotonic()

    def stopping(self) -> None:
        """Say so on standard error, past the buffers."""
        os.write(2, b"stopping after this iteration; once more to stop at once\n")


def open_progress(title: str, *, quiet: bool) -> Progress:
    """The display that fits: none, a live one on a terminal, lines elsewhere.

    Raises:
        MissingExtraError: a terminal, and rich is not installed.
    """
    if quiet:
        return Progress()
    if sys.stdout is not None and sys.stdout.isatty():
        with extra_required("train", "the progress display"):
            from rich.console import Console

            from baselines.runs.live import LiveProgress
        console = Console()
        if console.is_terminal and not console.is_dumb_terminal and not console.options.ascii_only:
            return LiveProgress(title, console)
    progress = PlainProgress()
    progress.line(title)
    return progress


# --- Wording ---


def team_text(metrics: Metrics) -> str:
    """What concerns the whole team: the level and the return."""
    parts = [] if metrics.get("train/level") is None else [str(metrics["train/level"])]
    if "train/return" in metrics:
        parts.append(f"return {short(metrics['train/return'])}")
    if "critic/explained_variance" in metrics:
        parts.append(f"critic expl. var. {short(metrics['critic/explained_variance'])}")
    return "  ".join(parts) or "done"


def agent_rows(metrics: Metrics) -> Sequence[Sequence[str]]:
    """Per agent its name, its latest figures with their headings, and what it skipped and why."""
    rows = []
    for agent in agents_in([metrics]):
        row = [agent]
        for metric, heading in _AGENT_COLUMNS.items():
            if f"{agent}/{metric}" in metrics:
                row.append(f"{heading} {short(metrics[f'{agent}/{metric}'])}")
        if number_of(metrics.get(f"{agent}/skipped_updates")):
            reason = metrics.get(f"{agent}/stop_reason")
            row.append(f"skipped {metrics[f'{agent}/skipped_updates']}" + (f" ({reason})" if reason else ""))
        rows.append(row)
    return rows


def short(value: object) -> str:
    """A figure in about six characters."""
    number = number_of(value)
    if number is None:
        return "-" if value is None else str(value)
    size = abs(number)
    if 0.0 < size < _POWERS_BELOW:
        return f"{number:.1e}"
    decimals = 4 if 0.0 < size < _SMALL_BELOW else 2 if size < _WHOLE_FROM else 0
    return f"{number:.{decimals}f}"


def duration(seconds: float) -> str:
    """Hours, minutes and seconds: 0:05:31."""
    minutes, whole = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{whole:02d}"
