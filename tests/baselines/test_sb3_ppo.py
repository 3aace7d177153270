"""SB3 PPO, the one algorithm without a team of language models: what `test_algorithms` asks of the others, and its own.

1. It learns an easy task in seconds, goes on bit for bit after it was stopped, and explains every number that it logs.
2. What it makes of streams, by hand.
3. What it cannot do is told.
"""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from baselines.algorithms.sb3_ppo import Config, Sb3Ppo, train
from baselines.choosing import drawing
from baselines.commands.train import parse
from baselines.errors import CheckpointError, ConfigError, EnvironmentKindError
from baselines.rollouts.choosing import Step
from baselines.runs.checkpoint_loading import load_checkpoint
from baselines.runs.curve import draw_curve
from baselines.runs.experiment import Plan
from baselines.runs.records import read_records
from baselines.runs.resume_point import find_resume_point
from baselines.runs.trained_settings import trained_settings
from tests.baselines.outcomes import outcome
from tests.docs_scripts import script

ROOT = Path(__file__).parents[2]
SIGNALS = "tests.baselines.toy_envs:Signals"


def config(folder: Path, **settings: object) -> Config:
    chosen = {
        "env_id": SIGNALS,
        "run_dir": folder,
        "num_iterations": 3,
        "episodes_per_iteration": 8,
        "eval_instances": 4,
        "num_features": 128,
        **settings,
    }
    return Config(**chosen)


# --- 1. What every algorithm does ---


def test_it_learns_an_easy_task_without_a_language_model(tmp_path: Path) -> None:
    settings = config(
        tmp_path / "run", env_id="collab/dispatch-v0", num_iterations=12, episodes_per_iteration=512, eval_instances=100
    )
    train(replace(settings, num_features=1024), quiet=True)
    untrained, trained = read_records(tmp_path / "run" / "evaluations.jsonl")
    # One of four experts knows, and has one of three things to say: 1/12. Whoever hears nothing earns 0.5 at most.
    assert untrained["mean"] < 0.25
    assert trained["mean"] > 0.85
    assert trained["tokens_out"] == 0 and trained["num_instances"] == 100


class PulledPlugError(Exception):
    """Stops a run."""


def test_it_goes_on_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train(config(tmp_path / "undisturbed"), quiet=True)
    tasks = Plan.tasks

    def tasks_or_stop(self: Plan[Config], iteration: int) -> object:
        if iteration == 2:
            raise PulledPlugError
        return tasks(self, iteration)

    with monkeypatch.context() as patch:
        patch.setattr(Plan, "tasks", tasks_or_stop)
        with pytest.raises(PulledPlugError):
            train(config(tmp_path / "stopped"), quiet=True)
    torch.manual_seed(77)  # whatever another process would have drawn
    np.random.seed(77)  # noqa: NPY002  # likewise
    command = parse(["--resume", str(tmp_path / "stopped")])
    assert command.algorithm == "sb3_ppo"
    assert command.run() == 0
    assert outcome(tmp_path / "stopped") == outcome(tmp_path / "undisturbed")


def test_every_number_that_is_logged_is_explained(tmp_path: Path) -> None:
    train(config(tmp_path / "run", env_id="collab/meeting-v0", num_iterations=1), quiet=True)
    (record,) = read_records(tmp_path / "run" / "metrics.jsonl")
    make_algorithms = script("make_algorithms")
    explained = make_algorithms.metrics_of(make_algorithms.module_of("sb3_ppo"))
    patterns = {name: re.compile(re.sub(r"{\w+}", "[^/]+", name)) for name in explained}
    logged = record.keys() - {"iteration", "wall_s", "cpu_s"}
    assert {name for name in logged if not any(pattern.fullmatch(name) for pattern in patterns.values())} == set()
    assert {name for name, pattern in patterns.items() if not any(map(pattern.fullmatch, logged))} == set()


def test_it_trains_on_the_clock_climbs_levels_and_is_drawn(tmp_path: Path) -> None:
    clock = config(tmp_path / "clock", env_id="collab/search_party-v0", num_iterations=1, episodes_per_iteration=2)
    train(clock, quiet=True)
    levels = ("easy", "standard")
    settings = config(tmp_path / "run", env_id="collab/meeting-v0", curriculum_levels=levels, curriculum_threshold=0.0)
    summary = train(settings, quiet=True)
    records = read_records(tmp_path / "run" / "metrics.jsonl")
    assert [record["train/level"] for record in records] == ["easy", "standard", "standard"]
    assert [record["level"] for record in summary.evaluations] == ["standard"] * 2
    draw_curve(tmp_path / "run")
    assert (tmp_path / "run" / "curve.png").stat().st_size > 10_000


def test_it_evaluates_on_the_way_and_once(tmp_path: Path) -> None:
    train(config(tmp_path / "run", eval_every=2), quiet=True)
    records = read_records(tmp_path / "run" / "evaluations.jsonl")
    assert [(record["name"], record["iteration"]) for record in records] == [
        ("untrained", 0),
        ("trained", 2),
        ("trained", 3),
    ]


def test_one_seed_gives_one_run_and_another_seed_another(tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        train(config(tmp_path / name, seed=seed), quiet=True)
    one, again, other = (outcome(tmp_path / name) for name in ("one", "again", "other"))
    assert one == again
    assert one.metrics != other.metrics


def test_global_generators_stay_as_they_were() -> None:
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002  # it is what is tested
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002  # likewise
    drawn = []
    for purpose in ((0,), (0,), (1,)):
        with drawing(5, *purpose):
            drawn.append((torch.rand(1).item(), np.random.random()))  # noqa: NPY002  # likewise
    assert drawn[0] == drawn[1] != drawn[2]
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]  # noqa: NPY002  # likewise


# --- 2. Streams, by hand ---


def step(value: float, reward: float, number: int = 0) -> Step:
    return Step(np.zeros(5, np.float32), number, value, -1.0, reward)


def test_every_stream_is_an_episode_of_its_own() -> None:
    learner = Sb3Ppo(Config(gamma=0.5, gae_lambda=0.5), num_features=5, num_numbers=3)
    buffer = learner._filled([[step(1.0, 2.0), step(4.0, 8.0)], [step(3.0, 1.0)]])
    # Second step of the first stream: 8 - 4 = 4. First: 2 + 0.5 * 4 - 1 = 3, and 0.25 of the 4 after it: 4.
    # Nothing comes after a stream, whatever the next one is worth: 1 - 3 = -2.
    assert buffer.advantages.flatten().tolist() == [4.0, 4.0, -2.0]
    assert buffer.returns.flatten().tolist() == [5.0, 8.0, 1.0]
    assert buffer.episode_starts.flatten().tolist() == [1.0, 0.0, 1.0]


def test_what_earns_more_becomes_more_probable() -> None:
    learner = Sb3Ppo(Config(num_minibatches=1, ent_coef=0.0), num_features=5, num_numbers=2)
    observations = np.zeros((1, 5), np.float32)
    for _ in range(20):
        decisions = learner.decide(np.zeros((64, 5), np.float32))
        drawn = zip(decisions.numbers.tolist(), decisions.values.tolist(), decisions.logprobs.tolist(), strict=True)
        metrics = learner.learn(
            [[Step(observations[0], k, value, logprob, float(k == 1))] for k, value, logprob in drawn]
        )
    assert learner.decide(observations, greedy=True).numbers.tolist() == [1]
    assert metrics["team/entropy"] < 0.3


# --- 3. What it cannot do ---


def test_what_it_cannot_train_on_is_told_before_anything_is_written(tmp_path: Path) -> None:
    settings = config(tmp_path / "run", eval_instances=0)
    for env_id, level, why in (
        ("coding/write_repair-v0", None, "WriteRepair has no choices for 'coder_0'"),
        ("collab/jigsaw-v0", "hard", "40,320 rows to choose from"),
        ("tests.foreign_env:Echo", None, "is no FlexMG environment"),
    ):
        with pytest.raises(EnvironmentKindError, match=why):
            train(replace(settings, env_id=env_id, level=level), quiet=True)
    with pytest.raises(ConfigError, match="--eval-instances 0"):
        train(replace(settings, env_id="math/reason_act-v0", level="one_digit", eval_instances=4), quiet=True)
    for name, value, why in (
        ("lr", 0.0, "lr is 0.0; it must be above 0"),
        ("gamma", 1.5, r"gamma is 1.5; it must lie in \[0, 1\]"),
        ("num_features", 0, "num_features is 0; it must be at least 1"),
        ("episodes_per_iteration", 0, "episodes_per_iteration is 0; it must be at least 1"),
    ):
        with pytest.raises(ConfigError, match=why):
            train(replace(settings, **{name: value}), quiet=True)
    assert not (tmp_path / "run").exists()


def test_a_setting_that_would_change_the_result_cannot_change_on_the_way(tmp_path: Path) -> None:
    train(config(tmp_path / "run", eval_instances=0), quiet=True)
    with pytest.raises(ConfigError, match="--lr cannot change when a run goes on"):
        parse(["--resume", str(tmp_path / "run"), "--lr", "0.1"])
    longer = parse(["sb3_ppo", "--resume", str(tmp_path / "run"), "--num-iterations", "4"])
    assert longer.config is not None and longer.config.num_iterations == 4
    assert longer.run() == 0
    assert len(read_records(tmp_path / "run" / "metrics.jsonl")) == 4


def test_a_network_that_does_not_fit_is_told(tmp_path: Path) -> None:
    settings = config(tmp_path / "run", eval_instances=0, num_iterations=1)
    train(settings, quiet=True)
    point = find_resume_point(tmp_path / "run")
    with pytest.raises(
        CheckpointError, match=r"cannot take .*policy\.safetensors for this network.*go on from another one"
    ):
        train(replace(settings, hidden_sizes=(3,), num_iterations=2), resume_from=point, quiet=True)


def test_its_checkpoints_are_no_team_and_say_so(tmp_path: Path) -> None:
    train(config(tmp_path / "run", eval_instances=0, num_iterations=1), quiet=True)
    with pytest.raises(CheckpointError, match="trained by sb3_ppo, without a language model"):
        trained_settings(load_checkpoint(tmp_path / "run"))


def test_without_stable_baselines3_the_way_out_is_told_and_the_help_works() -> None:
    program = (
        "import sys; sys.modules['stable_baselines3'] = None\n"
        "from baselines.commands.train import algorithms, parse\n"
        "from baselines.errors import MissingExtraError\n"
        "assert 'sb3_ppo' in algorithms()\n"
        "try:\n    parse(['--help'])\nexcept SystemExit as done:\n    assert done.code == 0, done\n"
        "try:\n    parse(['sb3_ppo'])\nexcept MissingExtraError as error:\n    print(error, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "sb3_ppo   SB3 PPO" in done.stdout
    assert "needs the package 'stable_baselines3'" in done.stderr
    assert "pip install 'marft-envs[sb3]'" in done.stderr
