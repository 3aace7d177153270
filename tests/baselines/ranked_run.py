"""What each of several processes does in the tests of `test_ranks`.

    python -m torch.distributed.run --standalone --nproc-per-node 2 -m tests.baselines.ranked_run JOBS.json

Jobs are done one after the other. Each is a kind and what it needs; the others' mistakes are told in
`<run_dir>.rank<N>.txt`, a file for each process.
"""

import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch.nn import Parameter

from baselines.errors import BaselinesError, ConfigError
from baselines.policies.team import Team
from baselines.ranks import Ranks, joined
from baselines.rollouts import collect
from baselines.runs.experiment import Experiment
from baselines.runs.resume_point import find_resume_point
from baselines.updates.optimizers import AdapterOptimizers

Told = Callable[[str], None]


def train(algorithm: str, settings: Mapping[str, Any]) -> None:
    """From the beginning, or on from where the run in the folder stands."""
    module = import_module(f"baselines.algorithms.{algorithm}")
    folder = Path(settings["run_dir"])
    known = {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
    point = find_resume_point(folder) if (folder / "config.json").is_file() else None
    module.train(module.Config(**known | {"run_dir": folder}), resume_from=point)


def replaced(owner: object, name: str, make: Callable[[Any], Any], work: Callable[[], None]) -> None:
    """Does some work while something is another."""
    real = getattr(owner, name)
    setattr(owner, name, make(real))
    try:
        work()
    finally:
        setattr(owner, name, real)


def without_numbers(real: Any) -> Any:
    """Log-probabilities that are none."""

    def score(*args: object, **options: object) -> Any:
        scores = real(*args, **options)
        scores.logprobs.data.fill_(torch.nan)
        return scores

    return score


def refusing(real: Any) -> Any:
    def collected(*args: object, **options: object) -> None:
        raise ConfigError("this process cannot play")

    return collected


def moved(real: Any) -> Any:
    """Adapters that are pushed a little where an iteration begins."""

    def tasks(self: Experiment, iteration: int) -> Any:
        with torch.no_grad():
            self.team.parameters("writer_0")[0].add_(1e-6)
        return real(self, iteration)

    return tasks


def asking(real: Any) -> Any:
    """A signal in the first iteration."""

    def tasks(self: Experiment, iteration: int) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        return real(self, iteration)

    return tasks


def dying(real: Any) -> Any:
    """Of an adapter's steps the ninth is not made: three agents make two each in an iteration."""
    left = [9]

    def step(*args: object, **options: object) -> Any:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **options)

    return step


SPOILT: dict[str, tuple[object, str, Callable[[Any], Any]]] = {
    "nan": (Team, "score", without_numbers),
    "refuse": (collect.Collector, "collect", refusing),
    "move": (Experiment, "tasks", moved),
    "ask": (Experiment, "tasks", asking),
    "die": (AdapterOptimizers, "step", dying),
}
"""Mishaps of the second process alone."""


def exchange(ranks: Ranks, told: Told) -> None:
    """What travels between processes, as each of them has it in the end."""
    parameters = [Parameter(torch.zeros(2)), Parameter(torch.zeros(1)), Parameter(torch.zeros(1))]
    parameters[0].grad = torch.tensor([1.0, 10.0]) * (ranks.rank + 1)
    if ranks.is_first:
        parameters[1].grad = torch.tensor([5.0])
    ranks.sum_gradients(parameters)
    rows = {0: torch.tensor([[1.0, 2.0]]), 3: torch.zeros(0, 2)} if ranks.is_first else {7: torch.ones(2, 2)}
    nothing = {} if ranks.is_first else {1: torch.tensor([4])}
    found = {
        "gather": ranks.gather(ranks.rank * 10),
        "together": ranks.together(lambda: ranks.rank + 1),
        "first": ranks.first(lambda: f"said by {ranks.rank}"),
        "sum": [parameter.grad.tolist() for parameter in parameters if parameter.grad is not None],
        "merge": {number: row.tolist() for number, row in ranks.merge(rows).items()},
        "merge_empty": {number: row.tolist() for number, row in ranks.merge(nothing).items()},
    }
    told(json.dumps(found))


def main() -> None:
    torch.set_num_threads(1)
    ranks = joined("cpu")
    for kind, folder, algorithm, settings in json.loads(Path(sys.argv[1]).read_text()):
        told = Path(f"{folder}.rank{ranks.rank}.txt").write_text
        work = partial(train, algorithm, settings | {"run_dir": folder})
        try:
            if kind == "exchange":
                exchange(ranks, told)
            elif kind == "train" or ranks.is_first:
                work()
            else:
                replaced(*SPOILT[kind], work)
        except BaselinesError as error:
            told(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
