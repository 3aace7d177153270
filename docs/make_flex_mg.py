"""Draws docs/flex_mg.svg and its dark twin: two rounds of a team as a Markov game, D_t changing between them.

python docs/make_flex_mg.py
"""

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
WIDTH, HEIGHT = 1000, 380
PANEL, GUTTER = 478, 44
CARD, GAP, CARD_TOP, CARD_HEIGHT = 138, 16, 128, 84
AGENTS = ("planner_0", "solver_0", "solver_1")


@dataclass(frozen=True)
class Theme:
    """The colours of one file; backgrounds are left to the page."""

    ink: str
    soft: str
    line: str
    card: str
    panel: str
    edge: str
    commit: str
    reward: str


THEMES = {
    "flex_mg.svg": Theme("#1f2328", "#59636e", "#d1d9e0", "#ffffff", "#f6f8fa", "#0969da", "#8250df", "#1a7f37"),
    "flex_mg_dark.svg": Theme("#f0f6fc", "#9198a1", "#3d444d", "#0d1117", "#151b23", "#4493f8", "#ab7df8", "#3fb950"),
}


@dataclass(frozen=True)
class Round:
    """What one panel shows."""

    title: str
    edges: tuple[tuple[int, int], ...]
    sees: tuple[str, str, str]
    writes: tuple[str, str, str]
    order: str
    verdict: str
    reward: str
    next: str


ROUNDS = (
    Round(
        title="round t",
        edges=((0, 1), (0, 2)),
        sees=("the task", "table A", "table B"),
        writes=("Both, try.", "41", "38"),
        order="planner_0, then both solvers at once",
        verdict="judge: incorrect",
        reward="reward 0 to the team",
        next="next: solver_1 reads solver_0, too",
    ),
    Round(
        title="round t + 1",
        edges=((0, 1), (0, 2), (1, 2)),
        sees=("the verdict", "the verdict", "the verdict"),
        writes=("Compare.", "38", "I agree: 38"),
        order="one after another",
        verdict="judge: correct",
        reward="reward 1 to the team",
        next="terminated",
    ),
)


def text(x: float, y: float, words: str, fill: str, size: int = 14, extra: str = "") -> str:
    """One line of text; `extra` are further attributes."""
    return f'<text x="{x:g}" y="{y:g}" fill="{fill}" font-size="{size}" {extra}>{words}</text>'


def card_x(left: float, agent: int) -> float:
    """The left side of an agent's card."""
    return left + agent * (CARD + GAP)


def arc(theme: Theme, left: float, edge: tuple[int, int]) -> str:
    """An edge of D_t: an arc from the top of one card to the top of another."""
    start = card_x(left, edge[0]) + CARD / 2 + 14
    end = card_x(left, edge[1]) + CARD / 2 - (14 if edge[1] - edge[0] == 1 else 0)
    top = CARD_TOP - (34 if edge[1] - edge[0] == 1 else 72)
    path = f"M {start:g} {CARD_TOP - 3} C {start + 14:g} {top}, {end - 14:g} {top}, {end:g} {CARD_TOP - 9}"
    return f'<path d="{path}" fill="none" stroke="{theme.edge}" stroke-width="2.2" marker-end="url(#edge)"/>'


def card(theme: Theme, x: float, name: str, sees: str, writes: str) -> str:
    """An agent: its name, its private view, its action, and the way of the action to the commit."""
    middle, bottom = x + CARD / 2, CARD_TOP + CARD_HEIGHT
    return "\n".join(
        [
            (
                f'<rect x="{x:g}" y="{CARD_TOP}" width="{CARD}" height="{CARD_HEIGHT}" rx="8" fill="{theme.card}" '
                f'stroke="{theme.line}" stroke-width="1.5"/>'
            ),
            text(x + 12, CARD_TOP + 24, name, theme.ink, 15, 'font-weight="600" class="mono"'),
            text(x + 12, CARD_TOP + 48, f'sees <tspan fill="{theme.ink}">{sees}</tspan>', theme.soft, 12),
            text(
                x + 12,
                CARD_TOP + 69,
                f'writes <tspan fill="{theme.edge}" font-weight="600">{writes}</tspan>',
                theme.soft,
                12,
            ),
            (
                f'<path d="M {middle:g} {bottom + 2} V {bottom + 19}" stroke="{theme.soft}" stroke-width="1.6" '
                'marker-end="url(#down)"/>'
            ),
        ]
    )


def matrix(theme: Theme, x: float, y: float, title: str, edges: tuple[tuple[int, int], ...]) -> str:
    """D_t as a grid: row i, column j."""
    cell = 21
    parts = [text(x - 74, y + 38, title, theme.ink, 15, 'font-style="italic"')]
    for i in range(len(AGENTS)):
        for j in range(len(AGENTS)):
            linked = (i, j) in edges
            left, top = x + j * cell, y + i * cell
            parts.append(
                f'<rect x="{left}" y="{top}" width="{cell}" height="{cell}" '
                f'fill="{theme.edge if linked else theme.card}" stroke="{theme.line}"/>'
            )
            colour = theme.card if linked else theme.soft
            parts.append(
                text(left + cell / 2, top + 15, str(int(linked)), colour, 12, 'text-anchor="middle" class="mono"')
            )
    return "\n".join(parts)


def panel(theme: Theme, left: float, number: int, shown: Round) -> str:
    """One round, from the views at the top to the reward at the bottom."""
    inner = left + (PANEL - 3 * CARD - 2 * GAP) / 2
    commit_top = CARD_TOP + CARD_HEIGHT + 26
    index = "t" if number == 0 else "t + 1"
    title = f'D<tspan dy="5" font-size="11">{index}</tspan><tspan dy="-5"> =</tspan>'
    return "\n".join(
        [
            (
                f'<rect x="{left:g}" y="8" width="{PANEL}" height="{HEIGHT - 16}" rx="12" fill="{theme.panel}" '
                f'stroke="{theme.line}"/>'
            ),
            text(left + 18, 36, shown.title, theme.ink, 16, 'font-weight="600"'),
            text(left + PANEL - 18, 36, f"acting: {shown.order}", theme.soft, 12, 'text-anchor="end"'),
            *[arc(theme, inner, edge) for edge in shown.edges],
            text(left + PANEL / 2, 66, "reads", theme.edge, 12, 'text-anchor="middle"'),
            *[
                card(theme, card_x(inner, agent), name, shown.sees[agent], shown.writes[agent])
                for agent, name in enumerate(AGENTS)
            ],
            (
                f'<rect x="{inner:g}" y="{commit_top}" width="{3 * CARD + 2 * GAP}" height="32" rx="8" '
                f'fill="none" stroke="{theme.commit}" stroke-width="1.8"/>'
            ),
            text(
                left + PANEL / 2,
                commit_top + 21,
                "commit: everybody's action takes effect",
                theme.commit,
                13,
                'text-anchor="middle" font-weight="600"',
            ),
            matrix(theme, inner + 84, commit_top + 54, title, shown.edges),
            text(inner + 186, commit_top + 69, shown.verdict, theme.ink, 14, 'font-weight="600"'),
            text(inner + 186, commit_top + 92, shown.reward, theme.reward, 14, 'font-weight="600"'),
            text(inner + 186, commit_top + 115, shown.next, theme.soft, 13),
        ]
    )


def drawing(theme: Theme) -> str:
    """The whole file."""
    second = PANEL + GUTTER
    middle = CARD_TOP + CARD_HEIGHT / 2
    return "\n".join(
        [
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
                'font-family="-apple-system, Segoe UI, Helvetica, Arial, sans-serif">'
            ),
            "<title>Two rounds of a team of three agents as a Markov game; the dependencies change in between</title>",
            "<style>.mono { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace }</style>",
            "<defs>",
            *[
                f'<marker id="{name}" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="{size}" markerHeight="{size}" '
                f'markerUnits="userSpaceOnUse" orient="auto"><path d="M 0 0 L 8 4 L 0 8 z" fill="{colour}"/></marker>'
                for name, size, colour in (("edge", 11, theme.edge), ("down", 9, theme.soft), ("next", 11, theme.ink))
            ],
            "</defs>",
            panel(theme, 0, 0, ROUNDS[0]),
            (
                f'<path d="M {PANEL + 8} {middle:g} H {second - 8}" stroke="{theme.ink}" stroke-width="2" '
                'marker-end="url(#next)"/>'
            ),
            panel(theme, second, 1, ROUNDS[1]),
            "</svg>",
            "",
        ]
    )


def drawings() -> dict[str, str]:
    """Every file's text, by its name."""
    return {name: drawing(theme) for name, theme in THEMES.items()}


if __name__ == "__main__":
    for name, svg in drawings().items():
        (FOLDER / name).write_text(svg, encoding="utf-8")
