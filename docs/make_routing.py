"""Draws whom an orchestrator calls for what, before training and after: docs/routing.svg and its dark form.

python docs/make_routing.py                                    # draws docs/routing.json
python docs/make_routing.py untrained=LOG 'seed 1=LOG' ...     # counts the logs into docs/routing.json first
python docs/make_routing.py --check                            # says, by exit status 1, whether a picture is stale

Logs are those of `marft evaluate --log` on `collab/dispatch-v0`, level easy. What is drawn is D as it was realised: who
acted in the round behind the orchestrator's first words.
"""

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import checkout  # noqa: F401  # first: it says which marft_envs is meant
from make_flex_mg import THEMES, Theme, text
from pictures import WIDTH, box, drawing

import marft_envs
from marft_envs import Episode
from marft_envs.collab.dispatch import Dispatch

HERE = Path(__file__).parent
COUNTS = HERE / "routing.json"
TITLE = "Whom the orchestrator calls for which question, untrained and trained"
PANEL_WIDTH, PANEL, GAP = WIDTH / 2 - 6, 196, 12
TOP, ROW = 66, 34
FAINTEST = 0.02
"""Of a question's episodes: what is rarer is not drawn, and stands in docs/routing.json."""
WIDEST = 9.0

Calls = Mapping[str, Mapping[str, int]]
"""Question -> who acted next -> episodes. Several agents are named together, and nobody is ""."""


def calls_in(episodes: Sequence[Episode]) -> Calls:
    """What was asked in each episode, and who acted next."""
    counts: dict[str, Counter[str]] = {}
    for episode in episodes:
        assert episode.env_id is not None
        env = marft_envs.make(episode.env_id, **dict(episode.options))
        assert isinstance(env, Dispatch)
        env.reset(seed=episode.seed, options=dict(episode.reset_options))
        acted = [turn.agent for turn in episode.turns if turn.round == 1]
        counts.setdefault(env.question.kind, Counter())[" ".join(acted)] += 1
    return counts


def experts_of(episode: Episode) -> dict[str, str]:
    """What is asked for -> who knows it, at a level where that is always the same."""
    assert episode.env_id is not None
    env = marft_envs.make(episode.env_id, **dict(episode.options))
    assert isinstance(env, Dispatch)
    env.reset(seed=episode.seed, options=dict(episode.reset_options))
    return {kind: expert for expert in env.experts for kind in env.world.books[expert]}


def counted(logs: Mapping[str, Path]) -> dict[str, object]:
    """What docs/routing.json holds."""
    episodes = {name: list(marft_envs.read_log(log)) for name, log in logs.items()}
    knows = experts_of(next(iter(episodes.values()))[0])
    return {"knows": knows, "calls": {name: calls_in(played) for name, played in episodes.items()}}


def share_right(knows: Mapping[str, str], calls: Calls) -> float:
    """Of all episodes: the one who knows was called, and nobody else."""
    return sum(calls[kind].get(knows[kind], 0) for kind in calls) / sum(sum(of.values()) for of in calls.values())


def picture(theme: Theme, knows: Mapping[str, str], runs: Mapping[str, Calls]) -> str:
    """A panel for each run."""
    parts: list[str] = []
    for number, (name, calls) in enumerate(runs.items()):
        left, top = (number % 2) * (PANEL_WIDTH + GAP), (number // 2) * (PANEL + GAP)
        parts += _panel(theme, left, top, name, knows, calls)
    height = -(-len(runs) // 2) * (PANEL + GAP) - GAP
    return drawing(theme, height, TITLE, parts)


def _panel(theme: Theme, left: float, top: float, name: str, knows: Mapping[str, str], calls: Calls) -> list[str]:
    share = f"{share_right(knows, calls):.3f} right"
    right = left + PANEL_WIDTH
    parts = [
        box(left + 1, top + 1, PANEL_WIDTH - 2, PANEL - 2, f'fill="{theme.panel}" stroke="{theme.line}"'),
        text(left + 14, top + 26, name, theme.ink, 15, 'font-weight="600"'),
        text(right - 14, top + 26, share, theme.soft, 14, 'text-anchor="end"'),
    ]
    experts = list(dict.fromkeys(knows.values()))
    ends = {expert: top + TOP + row * ROW for row, expert in enumerate(experts)}
    for row, kind in enumerate(knows):
        asked = calls.get(kind, {})
        total = sum(asked.values())
        y = top + TOP + row * ROW
        parts.append(text(left + 14, y + 5, kind, theme.ink))
        for called, number in asked.items():
            for expert in called.split():
                if number / total >= FAINTEST:
                    colour = theme.reward if called == knows[kind] else theme.soft
                    parts.append(_edge((left + 76, y), (right - 84, ends[expert]), number / total, colour))
    parts += [text(right - 70, y + 5, expert.rpartition("_")[0], theme.ink) for expert, y in ends.items()]
    return parts


def _edge(start: tuple[float, float], end: tuple[float, float], share: float, colour: str) -> str:
    (x, y), (to_x, to_y) = start, end
    middle = (x + to_x) / 2
    curve = f"M {x:g} {y:g} C {middle:g} {y:g} {middle:g} {to_y:g} {to_x:g} {to_y:g}"
    return (
        f'<path d="{curve}" fill="none" stroke="{colour}" stroke-width="{max(share * WIDEST, 0.75):.2f}" '
        'stroke-linecap="round" opacity="0.85"/>'
    )


def pictures() -> dict[Path, str]:
    """What each file should hold."""
    data = json.loads(COUNTS.read_text(encoding="utf-8"))
    files = zip(("routing.svg", "routing_dark.svg"), THEMES.values(), strict=True)
    return {HERE / name: picture(theme, data["knows"], data["calls"]) for name, theme in files}


def main(words: Sequence[str]) -> int:
    """Counts, draws or checks."""
    if words and words[0] != "--check":
        logs = {name: Path(log) for name, _, log in (word.partition("=") for word in words)}
        COUNTS.write_text(json.dumps(counted(logs), indent=1) + "\n", encoding="utf-8")
    stale = [path for path, drawn in pictures().items() if not path.is_file() or path.read_text("utf-8") != drawn]
    if words and words[0] == "--check":
        for path in stale:
            sys.stderr.write(f"{path.name} is not what docs/routing.json says; run python docs/make_routing.py\n")
        return 1 if stale else 0
    for path, drawn in pictures().items():
        path.write_text(drawn, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
