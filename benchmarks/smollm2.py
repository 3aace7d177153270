"""Four algorithms on a real model: MARFT-A, MARFT-T, MAPPO and Dr. MAS train SmolLM2-135M, at equal sampled tokens.

    python benchmarks/smollm2.py                                # two seeds of each; the same again goes on
    python benchmarks/smollm2.py --seeds 5 --algorithms mappo

The task is that of `make train`, two agents that have one try at a sum, with a budget that ends before what is learnt
there is learnt: where everybody arrives, nothing is told apart. One thread for each run, `--workers` runs at once.

All begin with the same model, see the same instances in the same order as long as they are at the same level, and stop
before the iteration that would begin with the budget written. `SETTINGS` are the same for all; all others are each
algorithm's defaults. They are those of `make train`, which were chosen with MARFT-A: that is an advantage for it, and
was not paid back by tuning the others.

**Beside them**, on the same 200 held-out sums, greedily: the untrained team, and the same with four examples in its
prompts; the reference's imitation at the same number of tokens; one agent alone that MARFT-A trains by the same budget;
and a majority vote over as many plays of the untrained team as the budget pays for.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path

from baselines.runs.experiment import ExperimentConfig
from benchmarks.matrix import (
    FEW_SHOT,
    REFERENCE,
    SOLO_ALGORITHM,
    config_class,
    parser,
    play_reference,
    require_same,
    seeds_of,
    vote,
)
from benchmarks.matrix_jobs import Evaluation, Job, Runner, Training

FOLDER = "smollm2"
ALGORITHMS = ("marft_action", "marft_token", "mappo", "dr_mas")
BESIDE = ("imitation",)
SOLO = "solo_blind"
MODEL = "smollm2-135m"
ENV_ID, LEVEL, HORIZON = "math/reason_act-v0", "add_digit_long", 1
TOKEN_LIMIT = 24_000
NUM_SEEDS = 2
SETTINGS: dict[str, object] = {
    "env_id": ENV_ID,
    "level": LEVEL,
    "env_options": {"horizon": HORIZON},
    "model": MODEL,
    "token_limit": TOKEN_LIMIT,
    "num_iterations": 1_000,
    "gamma": 0.0,
    "matmul_precision": "medium",
    "attn_implementation": "eager",
    "eval_instances": 200,
    "few_shot": 0,  # examples in the prompt are a row
    "checkpoint_every": 2,
    "num_checkpoints": 1,
    "threads": 1,
}
"""Of every run that has such a setting. Iterations are a bound that no run reaches before its budget."""


def run_config(algorithm: str, seed: int, folder: Path, **more: object) -> ExperimentConfig:
    """The settings of one run."""
    kind = config_class(algorithm)
    known = {setting.name for setting in fields(kind)}
    given = {name: value for name, value in SETTINGS.items() if name in known}
    return kind(**given, seed=seed, run_dir=folder, **more)  # type: ignore[arg-type]


def runs(chosen: Sequence[str], seeds: Sequence[int], out: Path) -> list[Training]:
    """All come to their first seed before any to its second; what stands beside them is run for every seed, too."""
    found = []
    for seed in seeds:
        for algorithm in (*chosen, *BESIDE):
            folder = out / FOLDER / algorithm / f"seed-{seed}"
            found.append(Training(f"{algorithm}/{seed}", run_config(algorithm, seed, folder)))
        folder = out / FOLDER / SOLO / f"seed-{seed}"
        found.append(Training(f"{SOLO}/{seed}", run_config(SOLO_ALGORITHM, seed, folder, solo="blind")))
    return found


def untrained(out: Path) -> list[Evaluation]:
    """The untrained team, greedily, without and with examples in its prompts."""
    return [
        Evaluation("untrained", out / FOLDER / "untrained.json", _evaluated()),
        Evaluation("few shot", out / FOLDER / "few_shot.json", [*_evaluated(), "--few-shot", str(FEW_SHOT)]),
    ]


def _vote(out: Path) -> list[Evaluation]:
    temperature = config_class(SOLO_ALGORITHM)().temperature
    return vote("majority_vote", out / FOLDER, [*_evaluated(), "--temperature", str(temperature)], TOKEN_LIMIT)


def _evaluated() -> list[str]:
    options = ("--env-options", "horizon", str(HORIZON))
    return ["--model", MODEL, "--env-id", ENV_ID, "--level", LEVEL, *options, "--threads", "1"]


def main(words: Sequence[str] | None = None) -> int:
    """Does what is missing; the exit status."""
    made = parser(__doc__.partition("\n")[0], "algorithms", list(ALGORITHMS))
    made.set_defaults(seeds=NUM_SEEDS)
    given = made.parse_args(words)
    settings = {"settings": SETTINGS, "algorithms": [*ALGORITHMS, *BESIDE, SOLO]}
    require_same(given.out / FOLDER, json.loads(json.dumps(settings)))
    runner = Runner(given.workers)
    for jobs, title in _stages(given):
        if not runner.was_stopped:
            runner.run(jobs, title)
    if not runner.was_stopped:
        play_reference(given.out / FOLDER / REFERENCE, ENV_ID, LEVEL, {"horizon": HORIZON})
    return runner.tell()


def _stages(given: argparse.Namespace) -> Iterator[tuple[Sequence[Job], str]]:
    """What can be done at once, one stage after another."""
    yield untrained(given.out), "untrained"
    yield [*runs(given.algorithms, seeds_of(given), given.out), *_vote(given.out)], "SmolLM2"


if __name__ == "__main__":
    sys.exit(main())
