"""What a critic's reading costs, beside all else that MARFT-A does to learn from a batch.

    python benchmarks/critic.py
    python benchmarks/critic.py --path plain

Batches of `math/reason_act-v0` with its three rounds, collected by an untrained team, for 1 and 4 samples of each
instance. `MarftAction.learn` then learns from the same batch again and again, with a learning rate that moves nothing
and no stop for KL, so that every repeat does the whole of its work:

- *reading*: CPU-seconds in `Team.features` and `Team.prompt_features`, which is all that a critic asks of the model. A
  critic reads the *state* at each turn (all that was said or is hidden), which begins with what was read a turn before,
  so that packing reads it once; or the acting agent's *observation*, which sampling has read already, so that there is
  something to read only where an episode was cut. That is read while collecting, going on from the keys and values of
  each agent's last turn as far as `max_history_tokens` kept them; every repeat reads it again, from the very same;
- *the rest*: everything in `learn` but reading: the agents' updates, the scores for predecessor ratios, and 40 steps on
  the value head;
- *share*: of reading in both together.

Not counted is that keys and values of last turns are kept for a critic of observations alone. It is a copy for each
reply: 4 CPU-ms for 200 tokens of the default model, beside some 400 in which the reply was drawn.

*Cut* is the share of episodes that the horizon ended. An untrained team hardly ever ends one by a right answer, so here
it is nearly all of them: the dearest case.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from time import process_time
from typing import Any, Literal

from torch import Tensor

from baselines.algorithms.marft_action import Config, MarftAction
from baselines.policies.team import Team
from baselines.rollouts.batch import Batch
from baselines.runs.experiment import Experiment
from benchmarks.measuring import Contestant, alternate, number, parser, progress, set_up, show, spread, write_json

INPUTS: tuple[Literal["state", "observation"], ...] = ("state", "observation")
SAMPLES = (1, 4)
NOTHING_MOVES = 1e-12
"""Learning rate."""


@dataclass
class Reading:
    """Counts the CPU-seconds that a team spends on features, and remembers what it read where episodes were cut."""

    team: Team
    cpu_s: float = 0.0
    asked: list[Callable[[], Tensor]] = field(default_factory=list)
    """Calls of `Team.prompt_features`, with the histories that were at hand."""

    def __post_init__(self) -> None:
        self._features, self._prompt_features = self.team.base.features, self.team.prompt_features
        self.team.base.features = self.features  # type: ignore[method-assign]  # seen from outside nothing is different
        self.team.prompt_features = self.prompt_features  # type: ignore[method-assign]

    def features(self, *asked: Any, **settings: Any) -> Tensor:
        """As `Team.features`."""
        return self._timed(partial(self._features, *asked, **settings))

    def prompt_features(self, *asked: Any, **settings: Any) -> Tensor:
        """As `Team.prompt_features`."""
        self.asked.append(partial(self._prompt_features, *asked, **settings))
        return self._timed(self.asked[-1])

    def read_final_prompts(self) -> None:
        """What was read while collecting, once more."""
        for read in self.asked:
            self._timed(read)

    def _timed(self, read: Callable[[], Tensor]) -> Tensor:
        began = process_time()
        found = read()
        self.cpu_s += process_time() - began
        return found


def _config(options: argparse.Namespace, samples: int, critic_input: Literal["state", "observation"]) -> Config:
    return Config(
        model=options.model,
        dtype=options.dtype,
        matmul_precision=options.matmul_precision,
        attn_implementation=options.attn_implementation,
        lora_targets=tuple(options.lora_targets),
        update_path=options.path,
        threads=options.threads,
        episodes_per_iteration=options.episodes,
        samples_per_instance=samples,
        critic_input=critic_input,
        bootstrap_truncated=True,
        lr=NOTHING_MOVES,
        critic_lr=NOTHING_MOVES,
        target_kl=None,
    )


def _nothing(_: str) -> None:
    """Nobody is told what is being done."""


def compare(options: argparse.Namespace, samples: int) -> list[dict[str, Any]]:
    """Both critics, by turns, on one batch."""
    progress(f"critic, {samples} samples an instance")
    experiment = Experiment.prepare(_config(options, samples, "observation"))
    reading = Reading(experiment.team)
    batch: Batch = experiment.collect(0, _nothing)
    learners: dict[str, MarftAction] = {
        kind: MarftAction(_config(options, samples, kind), experiment.team) for kind in INPUTS
    }
    read: dict[str, list[float]] = {kind: [] for kind in INPUTS}

    def run(kind: str) -> None:
        before = reading.cpu_s
        if kind == "observation":
            reading.read_final_prompts()
        learners[kind].learn(batch, iteration=0, status=_nothing)
        read[kind].append(reading.cpu_s - before)

    contestants = [Contestant(kind, partial(run, kind)) for kind in INPUTS]
    times = alternate(contestants, options.repeats, options.warmup)
    return [
        {
            "samples": samples,
            "turns": sum(len(rollout.turns) for rollout in batch.rollouts),
            "cut": sum(not rollout.terminated for rollout in batch.rollouts) / len(batch.rollouts),
            "critic_input": own.name,
            "cpu_s": own.cpu_s,
            "reading_cpu_s": read[own.name][options.warmup :],
        }
        for own in times
    ]


def row(result: dict[str, Any]) -> list[object]:
    """Of the table."""
    pairs = list(zip(result["reading_cpu_s"], result["cpu_s"], strict=True))
    shares = [read / both for read, both in pairs]
    rest = median(both - read for read, both in pairs)
    return [
        result["critic_input"],
        result["samples"],
        result["turns"],
        f"{result['cut']:.0%}",
        *spread(result["reading_cpu_s"]),
        number(rest),
        f"{median(shares):.0%}",
        f"{min(shares):.0%}–{max(shares):.0%}",
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table, keep the numbers."""
    made = parser("The critic's share in learning.", "critic", repeats=3)
    made.add_argument("--warmup", type=int, default=1, help="repeats that do not count (default: 1)")
    made.add_argument("--episodes", type=int, default=16, help="in a batch (default: 16)")
    made.add_argument("--path", default="packed", help="packed or plain (default: packed)")
    options = made.parse_args(arguments)
    set_up(options)
    if options.quick:
        options.episodes = 2
    results = [
        result for samples in (SAMPLES[:1] if options.quick else SAMPLES) for result in compare(options, samples)
    ]
    headers = (
        "critic reads",
        "samples",
        "turns",
        "cut",
        "reading",
        "lowest",
        "highest",
        "the rest",
        "share",
        "of a repeat",
    )
    show("Critic, CPU-seconds", headers, [row(result) for result in results], markdown=options.markdown)
    write_json(options, results)


if __name__ == "__main__":
    main()
