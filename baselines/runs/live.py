"""The live display of a terminal: a bar, the clock, the latest figures of team and agents. Needs rich."""

import math
from collections import deque
from itertools import zip_longest

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from baselines.runs.progress import Metrics, Pace, Progress, agent_rows, duration, team_text
from baselines.runs.records import number_of

_BLOCKS = "▁▂▃▄▅▆▇█"
_NUM_RETURNS = 40
"""Iterations in the small curve beside the return."""
_REFRESHES_PER_S = 2
"""Enough for a clock of seconds; each refresh costs the training about a millisecond."""


class LiveProgress(Progress):
    """Draws itself at the bottom of the terminal; whatever else is printed scrolls above it."""

    def __init__(self, title: str, console: Console):
        self._console = console
        console.print(title, style="bold", markup=False, highlight=False)
        self._pace: Pace | None = None
        self._metrics: Metrics = {}
        self._returns: deque[float] = deque(maxlen=_NUM_RETURNS)
        self._status = ""
        self._note = ""
        self._live: Live | None = None

    def begin(self, pace: Pace) -> None:
        """Show the bar."""
        self.stop()
        self._pace = pace
        self._show(transient=False)

    def status(self, text: str) -> None:
        """Show it in the last row; outside the iterations in a row of its own that vanishes afterwards."""
        self._status = text
        if self._live is None:
            self._show(transient=True)

    def metrics(self, iteration: int, metrics: Metrics) -> None:
        """Replace the figures."""
        del iteration  # the bar tells
        self._metrics = dict(metrics)
        value = number_of(metrics.get("train/return"))
        if value is not None:
            self._returns.append(value)

    def line(self, text: str) -> None:
        """Print above the display."""
        if self._pace is None:
            self.stop()  # only a passing status is shown
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def stopping(self) -> None:
        """Leave a note for the next refresh, which another thread draws."""
        self._note = "stopping after this iteration; once more to stop at once"

    def stop(self) -> None:
        """Leave the last picture of the iterations on the screen, and free the terminal."""
        self._status = self._note = ""
        live, self._live = self._live, None
        if live is not None:
            live.stop()
        self._pace = None

    def _show(self, *, transient: bool) -> None:
        self._live = Live(
            get_renderable=self.render,
            console=self._console,
            refresh_per_second=_REFRESHES_PER_S,
            transient=transient,
        )
        self._live.start()

    def render(self) -> RenderableType:
        """The display as it stands now."""
        if self._pace is None:
            return _row(self._status, style="dim")
        rows: list[RenderableType] = [_bar(self._pace)]
        if self._metrics:
            curve = f"  {_sparkline(list(self._returns))}" if len(self._returns) > 1 else ""
            rows += [_row(team_text(self._metrics) + curve), *_agents(self._metrics)]
        rows.append(_row(self._note, style="yellow") if self._note else _row(self._status, style="dim"))
        return Group(*rows)


def _row(text: str, style: str = "") -> Text:
    return Text(text or " ", style=style, no_wrap=True, overflow="ellipsis")


def _bar(pace: Pace) -> Table:
    """The bar, how many are done, and both directions of time."""
    remaining_s = pace.remaining_s
    row = Table.grid(padding=(0, 2), expand=True)
    row.add_column(ratio=1)
    for _ in range(3):
        row.add_column(justify="right", no_wrap=True)
    row.add_row(
        ProgressBar(total=max(1, pace.num_iterations), completed=pace.num_done),
        f"{pace.num_done}/{pace.num_iterations}",
        f"{duration(pace.elapsed_s)} elapsed",
        "" if remaining_s is None else f"{duration(remaining_s)} left",
    )
    return row


def _agents(metrics: Metrics) -> list[Text]:
    """One row per agent, in columns; what a narrow terminal cannot show is cut at the right."""
    rows = agent_rows(metrics)
    widths = [max(map(len, column)) for column in zip_longest(*rows, fillvalue="")]
    texts = []
    for row in rows:
        text = _row("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)))
        text.stylize("cyan", 0, len(row[0]) + 2)
        texts.append(text)
    return texts


def _sparkline(values: list[float]) -> str:
    """The values as blocks between their smallest and largest."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return ""
    low, span = min(finite), max(finite) - min(finite)
    if span == 0.0:
        return _BLOCKS[0] * len(finite)
    return "".join(_BLOCKS[round((value - low) / span * (len(_BLOCKS) - 1))] for value in finite)
