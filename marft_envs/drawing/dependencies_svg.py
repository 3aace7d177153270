"""Who reads whom, as a picture: D_t of a round, or the turns on the clock that lead to those of one instant.

Everybody has a row of its own, in canonical order, and stands in the column of its layer. What it says runs along its
row to all who read it, and turns down into them: no line ever passes behind a box, so each can be followed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from marft_envs.drawing.markup import Html, element, joined
from marft_envs.drawing.shapes import CHAR, box, brief, colour_of, dot, label, line, picture
from marft_envs.records import Turn

ROW, BOX = 38, 28
GUTTER, STEP = 26, 9
"""Before a column, for one reader; and for every further one."""
_EDGE = 3
"""Around the picture, for the strokes."""
_HEAD = 7


@dataclass(frozen=True, slots=True)
class Node:
    """An agent, or on the clock one of its turns."""

    agent: str
    place: int
    """Of the agent in the team."""
    turn: int | None = None
    """The turn's index, where that is what the node stands for."""

    def __str__(self) -> str:
        return brief(self.agent) if self.turn is None else f"{brief(self.agent)} #{self.turn}"


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes in an order in which nobody reads those behind it, and who reads whom, as places in that order."""

    nodes: tuple[Node, ...]
    parents: tuple[tuple[int, ...], ...]
    """Of every node."""

    def layers(self) -> list[int]:
        """For every node, the length of the longest chain of parents above it."""
        layers: list[int] = []
        for parents in self.parents:
            layers.append(max((layers[parent] + 1 for parent in parents), default=0))
        return layers

    def told(self) -> str:
        """In words."""
        read = [
            f"{node} reads {' and '.join(str(self.nodes[parent]) for parent in parents)}"
            for node, parents in zip(self.nodes, self.parents, strict=True)
            if parents
        ]
        return "; ".join(read) or f"{', '.join(map(str, self.nodes))}: nobody reads anybody"


def graph_of_round(turns: Sequence[Turn], team: Sequence[str]) -> Graph:
    """D_t of a round, given its turns in canonical order."""
    place = {turn.index: number for number, turn in enumerate(turns)}
    return Graph(
        nodes=tuple([Node(turn.agent, team.index(turn.agent)) for turn in turns]),
        parents=tuple([tuple(sorted(place[parent] for parent in turn.parents)) for turn in turns]),
    )


def graph_of_turns(turns: Sequence[Turn], earlier: Sequence[Turn], team: Sequence[str]) -> Graph:
    """The turns that ended at an instant of the clock, and before them those that they had been told of as they began.

    `earlier` holds these at the place of their index, as `Episode.turns` does.
    """
    parents = sorted({parent for turn in turns for parent in turn.parents})
    place = {index: number for number, index in enumerate(parents)}
    shown = [*[earlier[index] for index in parents], *turns]
    return Graph(
        nodes=tuple([Node(turn.agent, team.index(turn.agent), turn.index) for turn in shown]),
        parents=(*[()] * len(parents), *[tuple(sorted(map(place.__getitem__, turn.parents))) for turn in turns]),
    )


def graph_svg(graph: Graph) -> Html:
    """The picture."""
    width, height, drawn = _drawn(graph)
    return picture(width, height, "graph", "Who reads whom", graph.told(), drawn)


def graph_symbol(graph: Graph, name: str) -> Html:
    """The same to be shown in many places by `graph_use`; `name` is the id that it gets in the page."""
    width, height, drawn = _drawn(graph)
    return element("symbol", {"id": name, "viewBox": f"0 0 {width:g} {height:g}"}, drawn)


def graph_use(graph: Graph, name: str) -> Html:
    """Shows a `graph_symbol`."""
    width, height, _ = _drawn(graph)
    use = element("use", {"href": f"#{name}", "width": width, "height": height})
    return picture(width, height, "graph", "Who reads whom", graph.told(), use)


def size_of(graph: Graph) -> tuple[float, float]:
    """Width and height of the picture."""
    width, height, _ = _drawn(graph)
    return width, height


def _drawn(graph: Graph) -> tuple[float, float, Html]:
    """Width, height, and what is in it."""
    layers = graph.layers()
    left, width = _columns(graph, layers)
    middle = [_EDGE + BOX / 2 + row * ROW for row in range(len(graph.nodes))]
    joins = _joins(graph, layers, left)
    trunks, boxes = [], []
    for row, node in enumerate(graph.nodes):
        x, y = left[layers[row]], middle[row]
        size = _width_of(node)
        reached = [joins[reader] for reader, parents in enumerate(graph.parents) if row in parents]
        if reached:
            trunks.append(_coloured(node, line(f"M {x + size:g} {y:g} H {max(reached):g}", "said")))
        if graph.parents[row]:
            trunks.append(_coloured(node, *_reading(graph, row, joins[row], x, middle)))
        words = label(x + size / 2, y + 4.5, str(node), "name", "middle")
        boxes.append(_coloured(node, box(x, y - BOX / 2, size, BOX, "node"), words))
    return width, middle[-1] + BOX / 2 + _EDGE, joined([*trunks, *boxes])


def _width_of(node: Node) -> float:
    return round(len(str(node)) * CHAR) + 22


def _coloured(node: Node, *parts: Html) -> Html:
    return element("g", {"class": colour_of(node.place)}, *parts)


def _columns(graph: Graph, layers: Sequence[int]) -> tuple[list[float], float]:
    """The left sides of the columns, and where the last one ends."""
    left: list[float] = []
    end: float = _EDGE
    for layer in range(max(layers) + 1):
        rows = [row for row, at in enumerate(layers) if at == layer]
        if layer:
            end += GUTTER + STEP * (len(rows) - 1)
        left.append(end)
        end += max(_width_of(graph.nodes[row]) for row in rows)
    return left, end + _EDGE


def _joins(graph: Graph, layers: Sequence[int], left: Sequence[float]) -> Mapping[int, float]:
    """Where the line goes down into each reader: in the gutter before its column, so that no two cross."""
    joins = {}
    taken: dict[int, int] = {}
    for row in range(len(graph.nodes)):  # the uppermost is nearest to its box: the others pass on its left
        if graph.parents[row]:
            nth = taken.setdefault(layers[row], 0)
            joins[row] = left[layers[row]] - GUTTER / 2 - STEP * nth - 1
            taken[layers[row]] += 1
    return joins


def _reading(graph: Graph, row: int, x: float, into: float, middle: Sequence[float]) -> list[Html]:
    """The line down into a reader, with a dot where it joins what a speaker said."""
    parents = graph.parents[row]
    y = middle[row]
    path = f"M {x:g} {middle[parents[0]]:g} V {y:g} H {into - _HEAD + 1:g}"
    head = f"M {into - _HEAD:g} {y - 4:g} L {into - 0.5:g} {y:g} L {into - _HEAD:g} {y + 4:g} z"
    dots = [dot(x, middle[parent], "joins") for parent in parents]
    return [line(path, "reads"), line(head, "head"), *dots]
