"""Draws an episode: who read whom in each round, and who acted when.

Everything is read off the episode's turns and rewards; nothing is placed by hand.
"""

from collections.abc import Mapping, Sequence
from html import escape

import checkout  # noqa: F401  # first: it says which marft_envs is meant
from make_flex_mg import Theme, text

from marft_envs import Episode, Turn

WIDTH = 560
"""Of both pictures. A phone shows them at about two thirds of their size; text of 14 is still read there."""
MONO = 'class="mono"'
PLANNER = "planner_0"
"""Whose words decide D of the next round."""


def drawing(theme: Theme, height: float, title: str, parts: Sequence[str]) -> str:
    """A whole file."""
    markers = (("edge", theme.edge), ("next", theme.commit), ("read", theme.ink))
    return "\n".join(
        [
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" role="img" '
                'font-family="-apple-system, Segoe UI, Helvetica, Arial, sans-serif">'
            ),
            f"<title>{escape(title)}</title>",
            "<style>.mono { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace }</style>",
            "<defs>",
            *[
                f'<marker id="{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="10" markerHeight="10" '
                f'markerUnits="userSpaceOnUse" orient="auto"><path d="M 0 0 L 8 4 L 0 8 z" fill="{colour}"/></marker>'
                for name, colour in markers
            ],
            "</defs>",
            *parts,
            "</svg>",
            "",
        ]
    )


def box(left: float, top: float, width: float, height: float, style: str) -> str:
    """A rectangle with round corners; `style` are its further attributes."""
    return f'<rect x="{left:g}" y="{top:g}" width="{width:g}" height="{height:g}" rx="6" {style}/>'


def arrow(path: str, colour: str, marker: str) -> str:
    """A line that ends in a head."""
    return f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2" marker-end="url(#{marker})"/>'


def rounds_of(episode: Episode) -> list[list[Turn]]:
    """The turns of each round, in canonical order."""
    number = 1 + max(turn.round for turn in episode.turns)
    return [[turn for turn in episode.turns if turn.round == played] for played in range(number)]


def team_of(episode: Episode) -> list[str]:
    """Everybody's name, in the order of the team."""
    return list(episode.returns)


def layers_of(turns: Sequence[Turn]) -> list[list[Turn]]:
    """A round's turns by the longest chain of parents above them."""
    depth: dict[int, int] = {}
    for turn in turns:
        depth[turn.index] = max((depth[parent] + 1 for parent in turn.parents), default=0)
    return [[turn for turn in turns if depth[turn.index] == layer] for layer in range(max(depth.values()) + 1)]


# ---- D_t of each round -----------------------------------------------------------------------------------------------

PANEL, GAP = 150, 42
NODE, NODE_HEIGHT = 98, 32
CELL = 26


def rounds_picture(theme: Theme, episode: Episode) -> str:
    """Each round's D_t as a graph and as a matrix, and between rounds the words that decided the next one."""
    parts = []
    played = rounds_of(episode)
    for number, turns in enumerate(played):
        top = number * (PANEL + GAP)
        parts += _panel(theme, top, turns, team_of(episode))
        parts += _call(theme, top + PANEL, turns) if number + 1 < len(played) else []
    height = len(played) * (PANEL + GAP)
    parts.append(text(16, height - GAP + 26, _ending(episode), theme.reward, 14, 'font-weight="600"'))
    return drawing(theme, height, "Who reads whom in each round of the example, as a graph and as a matrix", parts)


def _panel(theme: Theme, top: float, turns: Sequence[Turn], team: Sequence[str]) -> list[str]:
    number = turns[0].round + 1
    layers = layers_of(turns)
    order = ", then ".join(" and ".join(turn.agent for turn in layer) for layer in layers)
    return [
        box(1, top + 1, WIDTH - 2, PANEL - 2, f'fill="{theme.panel}" stroke="{theme.line}"'),
        text(16, top + 26, f"round {number}", theme.ink, 16, 'font-weight="600"'),
        text(92, top + 26, f"acting: {order}", theme.soft, 14),
        *_graph(theme, 16, top + 90, layers),
        *_matrix(theme, WIDTH - 16 - len(team) * CELL, top + 58, turns, team),
    ]


def _graph(theme: Theme, left: float, middle: float, layers: Sequence[Sequence[Turn]]) -> list[str]:
    """The agents that act, a column for each layer, and an arrow from everybody to all who read it."""
    place = {
        turn.index: (left + column * (NODE + 44), middle + (row - (len(layer) - 1) / 2) * (NODE_HEIGHT + 14))
        for column, layer in enumerate(layers)
        for row, turn in enumerate(layer)
    }
    parts = []
    for turn in (turn for layer in layers for turn in layer):
        x, y = place[turn.index]
        style = f'fill="{theme.card}" stroke="{theme.edge}" stroke-width="1.5"'
        parts.append(box(x, y - NODE_HEIGHT / 2, NODE, NODE_HEIGHT, style))
        parts.append(text(x + NODE / 2, y + 5, turn.agent, theme.ink, 14, f'text-anchor="middle" {MONO}'))
        for number, parent in enumerate(turn.parents):
            begin, height = place[parent]
            end = y + (number - (len(turn.parents) - 1) / 2) * 12
            parts.append(arrow(f"M {begin + NODE + 2:g} {height:g} L {x - 3:g} {end:g}", theme.edge, "edge"))
    return parts


def _matrix(theme: Theme, left: float, top: float, turns: Sequence[Turn], team: Sequence[str]) -> list[str]:
    """D_t over the whole team: row i, column j; rows and columns of those who do not act are empty."""
    acting = {turn.agent for turn in turns}
    agent_of = {turn.index: turn.agent for turn in turns}
    edges = {(agent_of[parent], turn.agent) for turn in turns for parent in turn.parents}
    index = f'D<tspan dy="4" font-size="11">{turns[0].round + 1}</tspan>'
    parts = [text(left - 66, top + 44, index, theme.ink, 16, 'font-style="italic"')]
    for i, one in enumerate(team):
        y = top + i * CELL
        parts.append(
            text(left + (i + 0.5) * CELL, top - 6, _short(one), theme.soft, 13, f'text-anchor="middle" {MONO}')
        )
        parts.append(text(left - 7, y + 18, _short(one), theme.soft, 13, f'text-anchor="end" {MONO}'))
        for j, other in enumerate(team):
            x = left + j * CELL
            linked, absent = (one, other) in edges, not {one, other} <= acting
            fill = theme.edge if linked else theme.panel if absent else theme.card
            parts.append(
                f'<rect x="{x:g}" y="{y:g}" width="{CELL}" height="{CELL}" fill="{fill}" stroke="{theme.line}"/>'
            )
            if not absent:
                ink = theme.card if linked else theme.ink
                extra = f'text-anchor="middle" {MONO}'
                parts.append(text(x + CELL / 2, y + 18, str(int(linked)), ink, 14, extra))
    return parts


def _short(agent: str) -> str:
    """`solver_1` as s1."""
    role, _, number = agent.rpartition("_")
    return role[0] + number


def _call(theme: Theme, top: float, turns: Sequence[Turn]) -> list[str]:
    """The words that decide the next round, on their way to it."""
    words = next(turn.action for turn in turns if turn.agent == PLANNER)
    return [
        arrow(f"M 30 {top + 4:g} V {top + GAP - 3:g}", theme.commit, "next"),
        text(44, top + 26, f"{PLANNER} wrote <tspan {MONO}>{escape(words)}</tspan>", theme.commit, 14),
    ]


def _ending(episode: Episode) -> str:
    """What was paid in the end."""
    amounts = {agent: f"{amount:g}" for agent, amount in episode.returns.items()}
    paid = ", ".join(f"{amount} to {agent}" for agent, amount in amounts.items())
    return f"{'terminated' if episode.terminated else 'truncated'}; returns: {paid}"


# ---- The clock -------------------------------------------------------------------------------------------------------

LANES, LANE, BAR = 36, 52, 28
LEFT, RIGHT = 92, 14


def timeline_picture(theme: Theme, episode: Episode) -> str:
    """Who acted when, who waited for whom, and when rounds were committed."""
    team = team_of(episode)
    bottom = LANES + LANE * len(team)
    total_us = max(turn.finish_us for turn in episode.turns)
    at = {us: LEFT + us * (WIDTH - LEFT - RIGHT) / total_us for turn in episode.turns for us in _ends(turn)}
    lane_of = {agent: LANES + LANE * number + LANE / 2 for number, agent in enumerate(team)}
    parts = [text(LEFT - 12, y + 5, name, theme.ink, 14, f'text-anchor="end" {MONO}') for name, y in lane_of.items()]
    opened_us = 0
    for turns in rounds_of(episode):
        closed_us = max(turn.finish_us for turn in turns)
        parts += _span(theme, at[opened_us], at[closed_us], bottom, turns[0].round + 1)
        for turn in turns:
            parts += _bars(theme, at[opened_us], at[turn.start_us], at[turn.finish_us], lane_of[turn.agent], turn)
        opened_us = closed_us
    parts += _readings(theme, episode, at, lane_of)
    parts += _seconds(theme, bottom, total_us)
    parts += _legend(theme, bottom + 34)
    return drawing(theme, bottom + 52, "When each agent of the example acted, and for whom it waited", parts)


def _ends(turn: Turn) -> tuple[int, int]:
    return turn.start_us, turn.finish_us


def _span(theme: Theme, opened: float, closed: float, bottom: float, number: int) -> list[str]:
    """A round's name over its time, and the line of its commit."""
    return [
        text((opened + closed) / 2, 22, f"round {number}", theme.ink, 14, 'text-anchor="middle" font-weight="600"'),
        commit_line(theme, closed, 32, bottom),
    ]


def commit_line(theme: Theme, x: float, top: float, bottom: float) -> str:
    """Where a round takes effect."""
    return f'<path d="M {x:g} {top:g} V {bottom:g}" stroke="{theme.commit}" stroke-width="2" stroke-dasharray="5 4"/>'


def waiting_box(theme: Theme, left: float, middle: float, width: float, height: float) -> str:
    """A time in which an agent waits for those whom it reads."""
    style = f'fill="none" stroke="{theme.soft}" stroke-width="1.5" stroke-dasharray="3 3"'
    return box(left, middle - height / 2, width, height, style)


def _bars(theme: Theme, opened: float, start: float, finish: float, middle: float, turn: Turn) -> list[str]:
    """A turn, and before it the time in which the agent waited for those whom it reads."""
    parts = []
    if start > opened:
        parts.append(waiting_box(theme, opened + 3, middle, start - opened - 6, BAR - 8))
    parts.append(box(start + 1, middle - BAR / 2, finish - start - 2, BAR, f'fill="{theme.edge}"'))
    extra = f'text-anchor="middle" font-weight="600" {MONO}'
    return [*parts, text((start + finish) / 2, middle + 5, str(turn.index), theme.card, 14, extra)]


def _readings(theme: Theme, episode: Episode, at: Mapping[int, float], lane_of: Mapping[str, float]) -> list[str]:
    """From the end of each turn to the beginning of those that read it in the same round."""
    parts = []
    for turn in episode.turns:
        for parent in (episode.turns[index] for index in turn.parents):
            begin, end = lane_of[parent.agent], lane_of[turn.agent]
            edge = end - BAR / 2 - 1 if end > begin else end + BAR / 2 + 1
            path = f"M {at[parent.finish_us]:g} {begin:g} H {at[turn.start_us] + 12:g} V {edge:g}"
            parts.append(arrow(path, theme.ink, "read"))
    return parts


def _seconds(theme: Theme, bottom: float, total_us: int) -> list[str]:
    """The axis: simulated seconds."""
    parts = [f'<path d="M {LEFT} {bottom:g} H {WIDTH - RIGHT}" stroke="{theme.line}" stroke-width="1.5"/>']
    for second in range(0, total_us // 1_000_000 + 1, 2):
        x = LEFT + second * 1_000_000 * (WIDTH - LEFT - RIGHT) / total_us
        parts.append(text(x, bottom + 17, f"{second} s", theme.soft, 13, 'text-anchor="middle"'))
    return parts


def _legend(theme: Theme, middle: float) -> list[str]:
    return [
        box(LEFT, middle - 7, 26, 14, f'fill="{theme.edge}"'),
        text(LEFT + 33, middle + 5, "turn", theme.soft, 13),
        waiting_box(theme, LEFT + 92, middle, 26, 14),
        text(LEFT + 125, middle + 5, "waits", theme.soft, 13),
        commit_line(theme, LEFT + 190, middle - 9, middle + 9),
        text(LEFT + 200, middle + 5, "commit", theme.soft, 13),
        arrow(f"M {LEFT + 276} {middle:g} h 26", theme.ink, "read"),
        text(LEFT + 309, middle + 5, "is read by", theme.soft, 13),
    ]
