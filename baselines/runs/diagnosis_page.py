"""A diagnosis as one HTML page: what each change of the team costs, and who took which part in training.

No script, no network; every text is escaped. Bars are drawn as SVG, light and dark after the reader's setting.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _ROW = 420, 24
_STYLE = """
:root { color-scheme: light dark; --ink: #1f2328; --soft: #59636e; --line: #d1d9e0; --bar: #0072b2; --own: #009e73;
  --paper: #fff }
@media (prefers-color-scheme: dark) { :root { --ink: #f0f6fc; --soft: #9198a1; --line: #3d444d; --bar: #56b4e9;
  --own: #3fb68b; --paper: #0d1117 } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 46rem;
  margin: 0 auto; padding: 1rem }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin-top: 2rem } p, td, th { overflow-wrap: anywhere }
.soft { color: var(--soft) } .scroll { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-size: .9rem }
td, th { border-bottom: 1px solid var(--line); padding: .3rem .5rem; text-align: left; vertical-align: top }
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
svg { display: block; width: 100%; max-width: 34rem; height: auto }
td:first-child, th:first-child { min-width: 9rem } .bar { fill: var(--bar) } .own { fill: var(--own) }
.rule { stroke: var(--line) } .whisker { stroke: var(--ink); stroke-width: 1.5 }
"""


@dataclass(frozen=True, slots=True)
class Bar:
    """A value with its interval."""

    name: str
    value: float
    low: float
    high: float
    is_own: bool = False
    """What the others are compared with."""
    note: tuple[str, str] = ("", "")
    """By how much it is less than one's own, and between what."""


@dataclass(frozen=True, slots=True)
class Table:
    """Columns and rows; of all but the first column numbers are expected."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def diagnosis_page(title: str, told: Sequence[str], measure: str, bars: Sequence[Bar], parts: Table) -> str:
    """The page. `told`: what was played, a line each; `measure`: what bars show; `parts`: who did what in training."""
    lines = "<br>".join(escape(line) for line in told)
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
            f"<h1>{escape(title)}</h1>",
            f'<p class="soft">{lines}</p>',
            f"<h2>{escape(measure)}</h2>",
            _bars(bars),
            '<h2>What each change costs</h2><div class="scroll">',
            _table(Table(("who plays", measure, "95 %", "drop", "of the drop, 95 %"), [_row(bar) for bar in bars])),
            "</div>",
            '<h2>While it was trained</h2><div class="scroll">' if parts.rows else "",
            _table(parts) + "</div>" if parts.rows else "",
            "</body></html>",
            "",
        ]
    )


def _row(bar: Bar) -> tuple[str, ...]:
    return bar.name, f"{bar.value:.3f}", f"{bar.low:.3f}–{bar.high:.3f}", *bar.note


def _bars(bars: Sequence[Bar]) -> str:
    """A bar for each value, from 0 or the least of all; its interval as a whisker. Names stand above, for phones."""
    least, most = min(0.0, *(bar.low for bar in bars)), max(*(bar.high for bar in bars), 0.0)
    span = (most - least) or 1.0

    def x(value: float) -> float:
        return 4 + (value - least) / span * (_WIDTH - 60)

    height = len(bars) * 2 * _ROW
    parts = [f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="means and intervals, as in the table">']
    for number, bar in enumerate(bars):
        top = number * 2 * _ROW
        kind = "own" if bar.is_own else "bar"
        left, right = sorted((x(0.0), x(bar.value)))
        size = f'width="{max(right - left, 1):.1f}" height="15" rx="2"'
        end = x(max(bar.high, bar.value)) + 6
        parts += [
            f'<text x="4" y="{top + 17}" font-size="14" fill="currentColor">{escape(bar.name)}</text>',
            f'<rect class="{kind}" x="{left:.1f}" y="{top + 23}" {size}/>',
            f'<path class="whisker" fill="none" d="M {x(bar.low):.1f} {top + 30.5} H {x(bar.high):.1f}"/>',
            f'<text x="{end:.1f}" y="{top + 36}" font-size="14" fill="currentColor">{bar.value:.2f}</text>',
        ]
    parts.append(f'<path class="rule" d="M {x(0.0):.1f} 0 V {height}"/></svg>')
    return "".join(parts)


def _table(table: Table) -> str:
    head = "".join(f"<th{_numeric(place)}>{escape(name)}</th>" for place, name in enumerate(table.columns))
    rows = (
        "<tr>" + "".join(f"<td{_numeric(place)}>{escape(cell)}</td>" for place, cell in enumerate(row)) + "</tr>"
        for row in table.rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _numeric(place: int) -> str:
    return ' class="n"' if place else ""
