"""`--token-limit`: what algorithms are compared at is counted in tokens that were written, whatever for.

1. A run stops before the iteration that would begin with the limit reached, and says why.
2. It counts the same after a stop.
3. All that was drawn counts, also what nothing is learnt from.
"""

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from baselines.algorithms import marft_action
from baselines.commands.train import parse
from baselines.errors import ConfigError
from baselines.policies.team import Team
from baselines.rollouts.batch import Batch
from baselines.rollouts.collect import Collector, Sampling, Task
from baselines.rollouts.tree import TreeCollector
from baselines.runs.experiment import TOKENS
from baselines.runs.records import read_records
from baselines.runs.resume_point import find_resume_point
from tests.baselines.outcomes import outcome
from tests.baselines.test_algorithms import LEARNERS
from tests.baselines.toy_envs import PAIR, Letters


def config(tiny_model: Path, folder: Path, algorithm: str = "marft_action", **settings: object) -> Any:
    chosen: dict[str, object] = {
        "env_id": "tests.baselines.toy_envs:ToldLetters",
        "model": str(tiny_model),
        "run_dir": folder,
        "num_iterations": 9,
        "episodes_per_iteration": 4,
        "samples_per_instance": 2,
        "eval_instances": 2,
        "few_shot": 0,
        "max_new_tokens": 3,
        **settings,
    }
    return importlib.import_module(f"baselines.algorithms.{algorithm}").Config(**chosen)


def tokens(folder: Path) -> list[int]:
    return [int(str(record[TOKENS])) for record in read_records(folder / "metrics.jsonl")]


@pytest.mark.parametrize("algorithm", sorted(LEARNERS))  # others write no tokens
def test_every_algorithm_stops_before_it_would_begin_beyond_the_limit(
    algorithm: str, tiny_model: Path, tmp_path: Path
) -> None:
    module = importlib.import_module(f"baselines.algorithms.{algorithm}")
    module.train(config(tiny_model, tmp_path / "one", algorithm, num_iterations=1), quiet=True)
    (first,) = tokens(tmp_path / "one")
    summary = module.train(config(tiny_model, tmp_path / "run", algorithm, token_limit=first + 1), quiet=True)
    written = tokens(tmp_path / "run")
    assert written[0] == first
    assert sum(written[:-1]) < first + 1 <= sum(written)
    assert summary.stop_reason == "token_limit"
    assert summary.evaluations[-1]["name"] == "trained"
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["stop_reason"] == "token_limit"


def test_a_run_that_goes_on_counts_what_it_had_written(tiny_model: Path, tmp_path: Path) -> None:
    marft_action.train(config(tiny_model, tmp_path / "whole", num_iterations=3), quiet=True)
    limit = sum(tokens(tmp_path / "whole"))
    marft_action.train(config(tiny_model, tmp_path / "run", num_iterations=2, token_limit=limit), quiet=True)
    again = parse(["--resume", str(tmp_path / "run"), "--num-iterations", "9"])
    assert again.config is not None and again.config.token_limit == limit
    again.run()
    assert outcome(tmp_path / "run").metrics == outcome(tmp_path / "whole").metrics


def test_the_limit_may_be_raised_later(tiny_model: Path, tmp_path: Path) -> None:
    marft_action.train(config(tiny_model, tmp_path / "run", token_limit=1), quiet=True)
    (first,) = tokens(tmp_path / "run")
    parse(["--resume", str(tmp_path / "run"), "--token-limit", str(first + 1)]).run()
    assert len(tokens(tmp_path / "run")) == 2
    marft_action.train(config(tiny_model, tmp_path / "run"), resume_from=find_resume_point(tmp_path / "run"))


def test_a_batch_has_the_tokens_of_all_replies(load_team: Callable[..., Team]) -> None:
    team = load_team("writer_0", "editor_0")
    collector = Collector(lambda: Letters(team=PAIR), team, num_envs=4)
    batch = collector.collect([Task(seed) for seed in range(4)], Sampling(0.9, 5))
    expected = sum(len(turn.action_ids) for rollout in batch.rollouts for turn in rollout.turns)
    assert batch.num_tokens == expected == collector.num_drawn > 0
    assert Batch(batch.rollouts[:1]).num_tokens < expected


def test_a_tree_has_those_with_which_branches_were_played_on_too(load_team: Callable[..., Team]) -> None:
    team = load_team("writer_0", "editor_0")
    collector = Collector(lambda: Letters(team=PAIR, horizon=1), team, num_envs=8)
    tree = TreeCollector(collector, 3, agents=team.adapter_of).collect([Task(0)], Sampling(0.9, 5))
    # Three branches at the writer's turn, each played on by an editor; then three at the editor's, which end there.
    whole = sum(len(turn.action_ids) for rollout in tree.rollouts for turn in rollout.turns)
    tried = sum(len(turn.action_ids) for turn in tree.branches[1].turns)
    assert tree.num_tokens == whole + tried


def test_a_limit_below_one_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="token_limit is 0; it must be at least 1, or be left out"):
        config(tiny_model, tmp_path / "run", token_limit=0).check()
