"""How a training step grows: with samples of a group, length of prompts, agents and turns; packed and plain.

    python benchmarks/scaling.py                          # draws docs/step_time.png, too
    python benchmarks/scaling.py --redraw                 # only the picture, from the JSON of an earlier run

A step is a rollout and an update. Four sweeps, each changing one thing:

- *samples*: 2 prompts of 60 tokens, 12 new tokens, 1 to 16 samples each;
- *prompt*: 2 prompts of 60 to 480 tokens, 4 samples each, 12 new tokens;
- *agents*: `math/pipeline-v0`, teams of 1 to 8, one round, 2 instances with 2 samples each, up to 12 new tokens;
- *turns*: `math/reason_act-v0`, 1 to 3 rounds, as many episodes.

In the first two, replies have equal lengths. In the last two episodes are collected, and an update goes over the turns
of every agent, so the tokens are those of real episodes. Prompts are read whole at every turn: keeping keys and values
from one turn to the next, as training does (`max_history_tokens`), is turned off here. Nothing is read for a critic
(`critic.py`).

*Predicted* is what packed steps would take if distinct tokens were all: CPU-seconds per distinct token of the update,
where attention to the tokens before it, and the head where it runs, count by their share of the multiplications; the
same for the tokens that are read before sampling, turn by turn; CPU-seconds per pass that draws a token for each row of
a batch, which reads all weights however few rows there are, and per token drawn. The first is fitted to all packed
updates, the others to all packed rollouts (least squares of relative errors, none below 0). Where measurements lie on
the line, a step grows as distinct tokens do.
"""

import argparse
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import torch

from baselines.learning.packing import pack
from baselines.policies.adapted import Compute
from baselines.policies.engines.hf import Reply, Request
from baselines.policies.team import Team
from baselines.rollouts.collect import Collector, Task
from baselines.rollouts.collect import Sampling as Drawing
from baselines.runs.disk import write_atomically
from benchmarks.measuring import load_team, number, parser, progress, set_up, show, write_json
from benchmarks.sequences import Said, chat_prompts, endless

if TYPE_CHECKING:
    from matplotlib.axes import Axes

import marft_envs

PICTURE = Path(__file__).parents[1] / "docs" / "step_time.png"
TEMPERATURE = 0.7
NEW_TOKENS = 12
PATHS: tuple[Literal["packed", "plain"], ...] = ("packed", "plain")
PLAIN_BATCH = 16
SWEEPS = {"samples": (1, 2, 4, 8, 16), "prompt": (60, 120, 240, 480), "agents": (1, 2, 3, 4, 8), "turns": (1, 2, 3)}
QUICK = {"samples": (1, 2), "prompt": (160,), "agents": (1, 2), "turns": (1,)}
QUICK_PROMPT_TOKENS = 160
TEAMS = {1: "solo", 2: "duo", 3: "trio", 4: "quartet", 8: "octet"}
NUM_PROMPTS, NUM_SAMPLES, PROMPT_TOKENS = 2, 4, 60
NUM_INSTANCES, NUM_PLAYS = 2, 2
LABELS = {
    "samples": "samples of each prompt",
    "prompt": "tokens of a prompt",
    "agents": "agents of a pipeline",
    "turns": "turns of each agent",
}


@dataclass(frozen=True)
class Work:
    """What a packed step has to do. In units of one token's way through the layers, without attention: update, read."""

    update: float
    read: float
    passes: int
    """Of the model to draw tokens, one for each place of a batch's longest reply."""
    drawn: int
    """Tokens."""
    plain: int
    """Tokens of the update without packing."""
    distinct: int
    """Of them."""


@dataclass(frozen=True)
class Step:
    """One measured point."""

    sweep: str
    at: int
    path: str
    rollout_cpu_s: tuple[float, ...]
    update_cpu_s: tuple[float, ...]
    work: Work

    @property
    def cpu_s(self) -> float:
        """Median of the whole step."""
        return float(np.median(np.add(self.rollout_cpu_s, self.update_cpu_s)))


@dataclass(frozen=True)
class Played:
    """What was said in a rollout."""

    said: dict[str, list[Said]]
    """By adapter."""
    batches: list[list[Said]]
    """What was sampled at once with one adapter."""


@dataclass(frozen=True)
class Shares:
    """Multiplications of a model, those of its layers for one token being 1."""

    attention: float
    """To one token."""
    head: float

    @classmethod
    def of(cls, team: Team) -> "Shares":
        """Read off the sizes of a model."""
        config = team.base.model.config
        named = team.base.model.named_parameters()
        matrices = {name: one for name, one in named if one.ndim == 2 and "lora" not in name}  # noqa: PLR2004
        layers = sum(one.numel() for name, one in matrices.items() if ".layers." in name)
        # Two products, for scores and for sums of values, where a layer's matrix has one.
        attention = 2 * config.num_hidden_layers * config.hidden_size / layers
        return cls(attention, config.vocab_size * config.hidden_size / layers)


def work_of(played: Played, shares: Shares) -> Work:
    """Counts."""
    update = read = 0.0
    plain = distinct = 0
    for said in played.said.values():
        tree = pack([[*one.prompt_ids, *one.action_ids] for one in said])
        predicting = [path[-1 - len(one.action_ids) : -1] for path, one in zip(tree.paths, said, strict=True)]
        update += float((1 + shares.attention * tree.positions).sum())
        update += shares.head * len(torch.cat(predicting).unique())
        plain += sum(len(one.prompt_ids) + len(one.action_ids) for one in said)
        distinct += tree.num_tokens
    for said in played.batches:
        prompts = pack([one.prompt_ids for one in said])
        last = torch.stack([path[-1] for path in prompts.paths])
        read += float((1 + shares.attention * prompts.positions).sum()) + shares.head * len(last.unique())
    passes = sum(max(len(one.action_ids) for one in said) for said in played.batches)
    drawn = sum(len(one.action_ids) for said in played.batches for one in said)
    return Work(update, read, passes, drawn, plain, distinct)


def update(team: Team, played: Played) -> None:
    """Forward and backward over what was said, agent by agent."""
    for adapter, said in played.said.items():
        for chunk in team.base.parts(said, range(len(said))):
            scores = team.score(adapter, [said[position] for position in chunk], TEMPERATURE)
            torch.where(scores.mask, scores.logprobs + 0.01 * scores.entropy, 0.0).sum().backward()
        for parameter in team.parameters(adapter):
            parameter.grad = None


def sampled(team: Team, prompts: Sequence[list[int]], samples: int) -> Played:
    """Groups of replies, none of which ends early."""
    agent = next(iter(team.adapter_of))
    asked = [
        Request(agent, prompt, NEW_TOKENS, 10**6, seed=f"{number} {sample}")
        for number, prompt in enumerate(prompts)
        for sample in range(samples)
    ]
    with endless(team):
        replies: list[Reply] = team.act(asked, temperature=TEMPERATURE, batch_size=len(asked))
    said = [Said(one.prompt_ids, reply.action_ids) for one, reply in zip(asked, replies, strict=True)]
    return Played({agent: said}, [said])


def collected(team: Team, collector: Collector) -> Played:
    """Episodes, each instance played more than once."""
    tasks = [Task(seed, None, sample) for seed in range(NUM_INSTANCES) for sample in range(NUM_PLAYS)]
    batch = collector.collect(tasks, Drawing(TEMPERATURE, NEW_TOKENS, max_history_tokens=0))
    said: dict[str, list[Said]] = {}
    batches: dict[tuple[str, int], list[Said]] = {}
    for turn in batch.turns():
        one = Said(turn.prompt_ids, turn.action_ids)
        said.setdefault(team.adapter_of[turn.agent], []).append(one)
        batches.setdefault((turn.agent, turn.round), []).append(one)
    return Played(said, list(batches.values()))


def measure(team: Team, sweep: str, at: int, play: Callable[[], Played], repeats: int) -> list[Step]:
    """Packed and plain by turns."""
    progress(f"scaling, {sweep} {at}")
    computes = {"packed": Compute("packed"), "plain": Compute("plain", batch_size=PLAIN_BATCH)}
    rollouts: dict[str, list[float]] = {path: [] for path in PATHS}
    updates: dict[str, list[float]] = {path: [] for path in PATHS}
    work = None
    for _ in range(repeats):
        for path in PATHS:
            team.base.compute = computes[path]
            began = process_time()
            played = play()
            sampled_at = process_time()
            update(team, played)
            rollouts[path].append(sampled_at - began)
            updates[path].append(process_time() - sampled_at)
            work = work or work_of(played, Shares.of(team))
    assert work is not None
    return [Step(sweep, at, path, tuple(rollouts[path]), tuple(updates[path]), work) for path in PATHS]


def run(options: argparse.Namespace) -> list[Step]:
    """All sweeps."""
    sweeps = QUICK if options.quick else SWEEPS
    short = QUICK_PROMPT_TOKENS if options.quick else PROMPT_TOKENS
    team = load_team(options, ["reasoner_0"])
    update(team, sampled(team, chat_prompts(team, 1, short), 1))  # warms up
    steps: list[Step] = []
    for samples in sweeps["samples"]:
        prompts = chat_prompts(team, NUM_PROMPTS, short)
        steps += measure(team, "samples", samples, lambda p=prompts, s=samples: sampled(team, p, s), options.repeats)  # type: ignore[misc]
    for length in sweeps["prompt"]:
        prompts = chat_prompts(team, NUM_PROMPTS, length)
        steps += measure(team, "prompt", length, lambda p=prompts: sampled(team, p, NUM_SAMPLES), options.repeats)  # type: ignore[misc]
    for agents in sweeps["agents"]:
        steps += _episodes(options, "agents", agents, "math/pipeline-v0", {"team": TEAMS[agents], "horizon": 1})
    for turns in sweeps["turns"]:
        steps += _episodes(options, "turns", turns, "math/reason_act-v0", {"horizon": turns})
    return steps


def _episodes(
    options: argparse.Namespace, sweep: str, at: int, env_id: str, settings: dict[str, int | str]
) -> list[Step]:
    env = marft_envs.make(env_id, **settings)
    team = load_team(options, env.possible_agents)
    collector = Collector(lambda: marft_envs.make(env_id, **settings), team, num_envs=NUM_INSTANCES * NUM_PLAYS)
    return measure(team, sweep, at, lambda: collected(team, collector), options.repeats)


# -- prediction, table, picture ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Prices:
    """CPU-seconds a unit of work."""

    update: float
    read: float
    passes: float
    drawn: float

    def __str__(self) -> str:
        per_token = {"of the update": self.update, "read before sampling": self.read, "drawn": self.drawn}
        told = [f"{1000 * price:.2f} per token {what}" for what, price in per_token.items()]
        return ", ".join([*told, f"{1000 * self.passes:.1f} per pass that draws tokens"])


def fit(steps: Sequence[Step]) -> Prices:
    """By least squares of relative errors over all packed steps."""
    packed = [step for step in steps if step.path == "packed"]
    (update,) = _fit([[one.work.update] for one in packed], [_median(one.update_cpu_s) for one in packed])
    rollouts = [[one.work.read, one.work.passes, one.work.drawn] for one in packed]
    return Prices(update, *_fit(rollouts, [_median(one.rollout_cpu_s) for one in packed]))


def _fit(work: Sequence[Sequence[float]], cpu_s: Sequence[float]) -> list[float]:
    """Prices, none of them below 0: what would get the lowest is left out, until none is."""
    left = np.array(work) / np.array(cpu_s)[:, None]
    used = list(range(left.shape[1]))
    while True:
        found = np.linalg.lstsq(left[:, used], np.ones(len(left)), rcond=None)[0]
        if found.min() >= 0:
            prices = dict(zip(used, found, strict=True))
            return [float(prices.get(column, 0.0)) for column in range(left.shape[1])]
        del used[int(found.argmin())]


def predicted(step: Step, prices: Prices) -> float:
    """CPU-seconds by what it has to do."""
    work = step.work
    rollout = prices.read * work.read + prices.passes * work.passes + prices.drawn * work.drawn
    return prices.update * work.update + rollout


def rows(steps: Sequence[Step], prices: Prices) -> list[list[object]]:
    """Of the table: packed beside plain."""
    made: list[list[object]] = []
    for packed, plain in zip(steps[::2], steps[1::2], strict=True):
        cells = [
            number(value)
            for one in (packed, plain)
            for value in (*map(_median, (one.rollout_cpu_s, one.update_cpu_s)),)
        ]
        made.append(
            [
                LABELS[packed.sweep],
                packed.at,
                *cells,
                number(packed.cpu_s),
                number(predicted(packed, prices)),
                f"{packed.cpu_s / plain.cpu_s:.2f}×",
                f"{packed.work.plain} / {packed.work.distinct}",
            ]
        )
    return made


def _median(values: Sequence[float]) -> float:
    return float(np.median(values))


def draw(steps: Sequence[Step], prices: Prices, note: str, path: Path) -> None:
    """A panel for each sweep, in the colours of the learning curve."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    picture = io.BytesIO()
    with rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(9.6, 6.2), dpi=150, layout="constrained")
        FigureCanvasAgg(figure)
        for axes, sweep in zip(figure.subplots(2, 2).flat, LABELS, strict=True):
            _panel(axes, [step for step in steps if step.sweep == sweep], prices, LABELS[sweep])
        handles, names = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=3, frameon=False)
        title = "CPU time of a training step: what is shared is computed once"
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold", color="#222222")
        figure.text(0.99, 0.985, note, ha="right", va="top", fontsize=8, color="#6B6B6B")
        figure.savefig(picture, format="png")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, picture.getvalue())


def _panel(axes: "Axes", steps: Sequence[Step], prices: Prices, label: str) -> None:
    for path, colour, marker in (("plain", "#D55E00", "s"), ("packed", "#0072B2", "o")):
        own = [step for step in steps if step.path == path]
        x, y = [step.at for step in own], [step.cpu_s for step in own]
        each = [np.add(step.rollout_cpu_s, step.update_cpu_s) for step in own]
        below, above = (
            [m - e.min() for m, e in zip(y, each, strict=True)],
            [e.max() - m for m, e in zip(y, each, strict=True)],
        )
        axes.errorbar(
            x, y, [below, above], color=colour, marker=marker, markersize=5, linewidth=1.8, capsize=3, label=path
        )
        if path == "packed":
            line = [predicted(step, prices) for step in own]
            axes.plot(
                x, line, color="#222222", linestyle=(0, (5, 3)), linewidth=1.3, label="predicted by distinct tokens"
            )
    axes.set_xlabel(label)
    axes.set_ylabel("CPU-seconds")
    axes.set_xticks([step.at for step in steps if step.path == "packed"])
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)


def _read(path: Path) -> tuple[list[Step], str]:
    """The steps of an earlier run, and where it ran."""
    record = json.loads(path.read_text(encoding="utf-8"))
    steps = [
        Step(
            **{
                **one,
                "work": Work(**one["work"]),
                **{name: tuple(one[name]) for name in ("rollout_cpu_s", "update_cpu_s")},
            }
        )
        for one in cast("list[dict[str, Any]]", record["results"])
    ]
    return steps, f"{record['processor']}, {record['threads']} thread(s), {record['options']['dtype']}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table, keep the numbers, draw the picture."""
    made = parser("How a training step grows.", "scaling", repeats=2)
    made.add_argument("--picture", type=Path, default=PICTURE, help="PNG file")
    made.add_argument("--redraw", action="store_true", help="draw the picture from the JSON file, and measure nothing")
    options = made.parse_args(arguments)
    set_up(options)
    if not options.redraw:
        write_json(options, [asdict(step) for step in run(options)])
    steps, note = _read(options.json)
    prices = fit(steps)
    names = ("rollout, packed", "update, packed", "rollout, plain", "update, plain")
    headers = ("sweep", "at", *names, "packed", "predicted", "ratio", "tokens / distinct")
    show("Scaling, CPU-seconds", headers, rows(steps, prices), markdown=options.markdown)
    print(f"Fitted CPU-ms: {prices}")
    draw(steps, prices, note, options.picture)
    print(f"The picture is {options.picture}")


if __name__ == "__main__":
    main()
