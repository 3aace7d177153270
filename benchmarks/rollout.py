"""What shared prompts make of sampling: P prompts with S samples each, by `generate` of Transformers and by our engine.

    python benchmarks/rollout.py
    python benchmarks/rollout.py --dtype bfloat16

All draw at temperature 0.7 from the whole vocabulary (top_k 0, top_p 1), 12 tokens a reply, in one batch:

- *generate*: Transformers' own, a row for each sample, each with its own prompt;
- *plain*: our engine, equal prompts read once;
- *packed*: our engine, every distinct beginning read once, so the system text that all prompts share as well.

Twice: *equal tokens*, where no token ends a reply, so that all draw the same number of them; and *until the end*, where
replies end as they do in training. There the numbers of tokens drawn differ by chance (*tokens* is their median), and
`generate` keeps a row that ended until the last one has, while our engine drops it.

Then *two adapters*: half of the requests for each, in one batch with mixed adapters, against one batch after the other.

And *turns*: episodes of `math/reason_act-v0` with its three rounds, in which an agent's prompt is read whole at every
turn (*read again*), or goes on from the keys and values of its last one (*kept*). Both play the same episodes, of an
untrained team, which lets most of them last for all three rounds.
"""

import argparse
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from itertools import count
from statistics import median
from typing import Any, cast

import torch
from transformers import GenerationConfig

import marft_envs
from baselines.policies.adapted import Compute
from baselines.policies.engines.hf import Request
from baselines.policies.engines.prefill import left_padded
from baselines.policies.team import Team
from baselines.rollouts.collect import Collector, Task
from baselines.rollouts.collect import Sampling as Drawing
from benchmarks.measuring import (
    TIME_HEADERS,
    Contestant,
    alternate,
    load_team,
    parser,
    progress,
    ratio,
    set_up,
    show,
    write_json,
)
from benchmarks.sequences import Case, chat_prompts, endless

AGENTS = ("reasoner_0", "actor_0")
TEMPERATURE = 0.7
MAX_CHARS = 10**6
MULTI_TURN = "math/reason_act-v0"
HISTORY_TOKENS = {"read again": 0, "kept": 10**6}


CASES = (Case(8, 8), Case(8, 1))
QUICK = (Case(2, 2, 160, 2),)


class Sampling:
    """Ways to draw the replies of a case, each counting the tokens it drew."""

    def __init__(self, team: Team, case: Case) -> None:
        self.team = team
        self.case = case
        self.prompts = chat_prompts(team, case.prompts, case.prompt_tokens)
        self.drawn: dict[str, list[int]] = {}
        self._seeds = count()

    def generate(self) -> None:
        """Transformers' own sampling."""
        self.team.base.model.set_adapter(AGENTS[0])
        ids, mask = left_padded([ids for ids in self.prompts for _ in range(self.case.samples)], 0, torch.device("cpu"))
        ends = sorted(self.team.base.encoder.end_ids) if self.team.base.tokenizer.eos_token is not None else []
        config = GenerationConfig(
            do_sample=True,
            temperature=TEMPERATURE,
            top_k=0,
            top_p=1.0,
            max_new_tokens=self.case.new_tokens,
            eos_token_id=ends or None,
            pad_token_id=0,
        )
        with torch.no_grad():
            output = self.team.base.model.generate(input_ids=ids, attention_mask=mask, generation_config=config)
        replies = cast("list[list[int]]", output[:, ids.shape[1] :].tolist())
        lengths = [next((at + 1 for at, one in enumerate(reply) if one in ends), len(reply)) for reply in replies]
        self.drawn.setdefault("generate", []).append(sum(lengths))

    def ours(self, name: str, compute: Compute) -> None:
        """Our engine."""
        self.team.base.compute = compute
        seed = next(self._seeds)
        requests = [
            self._request(AGENTS[0], ids, f"{seed} {n}") for ids in self.prompts for n in range(self.case.samples)
        ]
        replies = self.team.act(requests, temperature=TEMPERATURE, batch_size=len(requests))
        self.drawn.setdefault(name, []).append(sum(len(reply.action_ids) for reply in replies))

    def two_adapters(self, *, at_once: bool) -> None:
        """Half of the requests for each of two adapters."""
        self.team.base.compute = Compute("packed")
        seed = next(self._seeds)
        requests = [
            self._request(AGENTS[number % 2], ids, f"{seed} {number}")
            for ids in self.prompts
            for number in range(max(self.case.samples, 2))
        ]
        parts = [requests] if at_once else [requests[half::2] for half in range(2)]
        for part in parts:
            self.team.act(part, temperature=TEMPERATURE, batch_size=len(part))

    def _request(self, agent: str, ids: list[int], seed: str) -> Request:
        return Request(agent, ids, self.case.new_tokens, MAX_CHARS, seed=seed)


def compare(team: Team, case: Case, options: argparse.Namespace) -> list[dict[str, Any]]:
    """All ways, with equal tokens and until the end; and two adapters."""
    results: list[dict[str, Any]] = []
    progress(f"rollout, {case}")
    for kind in ("equal tokens", "until the end"):
        sampling = Sampling(team, case)
        contestants = [
            Contestant("generate", sampling.generate),
            Contestant("plain", lambda s=sampling: s.ours("plain", Compute("plain"))),  # type: ignore[misc]
            Contestant("packed", lambda s=sampling: s.ours("packed", Compute("packed"))),  # type: ignore[misc]
        ]
        with endless(team) if kind == "equal tokens" else nullcontext():
            times = alternate(contestants, options.repeats, options.warmup)
        tokens = {name: median(drawn[options.warmup :]) for name, drawn in sampling.drawn.items()}
        results.append({"case": str(case), "kind": kind, "times": times, "tokens": tokens})
    sampling = Sampling(team, case)
    mixed: list[tuple[str, Callable[[], None]]] = [
        ("one after the other", lambda: sampling.two_adapters(at_once=False)),
        ("one batch", lambda: sampling.two_adapters(at_once=True)),
    ]
    with endless(team):
        times = alternate([Contestant(*pair) for pair in mixed], options.repeats, options.warmup)
    num_tokens = case.prompts * max(case.samples, 2) * case.new_tokens
    tokens = {name: num_tokens for name, _ in mixed}
    return [*results, {"case": str(case), "kind": "two adapters", "times": times, "tokens": tokens}]


def compare_turns(team: Team, case: Case, options: argparse.Namespace) -> dict[str, Any]:
    """Episodes of several rounds, as many as the case has prompts, with and without what was read a turn before."""
    num_episodes = case.prompts
    progress(f"rollout, {num_episodes} episodes")
    team.base.compute = Compute("packed")
    collector = Collector(lambda: marft_envs.make(MULTI_TURN), team, num_envs=num_episodes)
    drawn: dict[str, int] = {}

    def play(name: str) -> None:
        drawing = Drawing(TEMPERATURE, case.new_tokens, max_history_tokens=HISTORY_TOKENS[name])
        batch = collector.collect([Task(seed) for seed in range(num_episodes)], drawing)
        drawn[name] = sum(len(turn.action_ids) for turn in batch.turns())

    contestants = [Contestant(name, partial(play, name)) for name in HISTORY_TOKENS]
    times = alternate(contestants, options.repeats, options.warmup)
    return {"case": f"{num_episodes} episodes", "kind": "turns", "times": times, "tokens": drawn}


def rows(result: dict[str, Any]) -> list[list[object]]:
    """Of the table; ratios to the first."""
    return [
        [result["case"], result["kind"], own.name, *own.cells, *ratio(own, result["times"][0]), tokens]
        for own in result["times"]
        for tokens in [f"{result['tokens'][own.name]:.0f}"]
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table, keep the numbers."""
    made = parser("Sampling replies to shared prompts.", "rollout", repeats=5)
    made.add_argument("--warmup", type=int, default=1, help="repeats that do not count (default: 1)")
    options = made.parse_args(arguments)
    set_up(options)
    team = load_team(options, AGENTS)
    cases = QUICK if options.quick else CASES
    results = [result for case in cases for result in compare(team, case, options)]
    results.append(compare_turns(team, cases[0], options))
    headers = ("prompts × samples", "what", "how", *TIME_HEADERS, "ratio", "of a repeat", "tokens")
    show("Rollout", headers, [row for result in results for row in rows(result)], markdown=options.markdown)
    write_json(options, [result | {"times": [own.record() for own in result["times"]]} for result in results])


if __name__ == "__main__":
    main()
