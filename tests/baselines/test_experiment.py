"""What trainers set up alike: settings that are checked, environments by any id, and settings read back.

1. A setting that cannot work is refused before anything is written.
2. An environment may be one of ours, one of PettingZoo's registry, or `module:factory`.
3. Levels and seeds follow from the settings.
4. What a checkpoint holds gives the settings back.
5. Held-out instances are distinct and the same for everybody.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pettingzoo
import pytest
import torch

import marft_envs
from baselines.errors import CheckpointError, ConfigError, EnvironmentKindError
from baselines.evaluate import evaluate_team, held_out_tasks
from baselines.policies.team import Team
from baselines.rollouts.collect import Collector, Sampling, Task
from baselines.rollouts.few_shot import few_shot_examples
from baselines.runs.checkpoint_loading import Checkpoint
from baselines.runs.experiment import Experiment, ExperimentConfig, make_env
from baselines.runs.trained_settings import trained_settings
from marft_envs import FlexMG, MarftError, UnknownEnvironmentError
from tests.baselines.toy_envs import Letters, Uppercase
from tests.foreign_env import Echo

LoadTeam = Callable[..., Team]
SUMS = "math/reason_act-v0"


def config(tiny_model: Path, **settings: object) -> ExperimentConfig:
    chosen = {"env_id": "tests.baselines.toy_envs:Letters", "model": str(tiny_model), "max_new_tokens": 3, **settings}
    return ExperimentConfig(**chosen)


# Settings that cannot work.


@pytest.mark.parametrize(
    "name",
    [
        "num_iterations",
        "episodes_per_iteration",
        "num_envs",
        "max_new_tokens",
        "rollout_batch_size",
        "lora_rank",
        "checkpoint_every",
    ],
)
def test_a_count_below_one_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} is 0; it must be at least 1"):
        ExperimentConfig(**{name: 0}).check()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": 0.0}, r"temperature is 0.0; training samples.*above 0"),
        ({"threads": -1}, r"threads is -1; give a number"),
        ({"max_history_tokens": -1}, r"max_history_tokens is -1; give how many.*or 0 to keep nothing"),
    ],
)
def test_a_number_out_of_its_range_is_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ExperimentConfig(**settings).check()


def test_the_defaults_are_in_range() -> None:
    ExperimentConfig().check()
    ExperimentConfig(max_history_tokens=0).check()


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"env_id": "math/reson_act-v0"}, UnknownEnvironmentError, r"did you mean 'math/reason_act-v0'"),
        ({"env_id": "no.such.package:make"}, ConfigError, r"cannot import .*'no.such.package:make'.*module:factory"),
        ({"env_id": "tests.foreign_env:Eko"}, ConfigError, r"no attribute 'Eko'"),
        ({"env_id": ":Echo"}, ConfigError, r"cannot import the environment ':Echo'"),
        ({"env_id": "tests.foreign_env:Echo", "env_options": {"cals": 1}}, ConfigError, r"'cals': 1.*unexpected"),
        ({"env_id": SUMS, "env_options": {"horizn": 1}}, MarftError, r"horizn.*did you mean 'horizon'"),
        (
            {"env_id": "collections:OrderedDict"},
            EnvironmentKindError,
            r"OrderedDict is not a PettingZoo AEC environment",
        ),
        ({"env_id": SUMS, "level": "four_digit"}, ConfigError, r"unknown level 'four_digit'; this environment has"),
        ({"env_id": "tests.foreign_env:Echo", "level": "hard"}, ConfigError, r"has no levels"),
        ({"curriculum_review": 1.0}, ConfigError, r"curriculum_review is 1.0"),
    ],
)
def test_a_run_that_cannot_work_is_refused_with_the_way_out_and_leaves_nothing_behind(
    tiny_model: Path, tmp_path: Path, settings: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Experiment.prepare(config(tiny_model, run_dir=tmp_path / "run", **settings))
    assert not (tmp_path / "run").exists()


# Environments.


def test_an_id_of_ours_is_made_with_its_split_level_and_options() -> None:
    env = make_env(SUMS, "test", {"horizon": 2}, level="two_digit")
    assert isinstance(env, FlexMG)
    assert (env.split, env.level, env.horizon) == ("test", "two_digit", 2)
    assert make_env("math/reason_act", "train", {}).split == "train"


def test_an_id_of_pettingzoos_registry_is_made_with_its_options() -> None:
    pettingzoo.register("aec", "strangers/echo-v0", entry_point="tests.foreign_env:Echo")
    try:
        env = make_env("strangers/echo-v0", "train", {"calls": 5})
        assert isinstance(env, Echo)
        assert env.calls == 5
    finally:
        del pettingzoo.aec_registry["strangers/echo-v0"]


def test_a_factory_of_somebodys_module_is_called_with_the_options() -> None:
    env = make_env("tests.foreign_env:Echo", "test", {"calls": 5})
    assert isinstance(env, Echo)
    assert env.calls == 5


def test_a_flex_mg_class_of_somebodys_module_keeps_its_split_and_level() -> None:
    env = make_env("tests.baselines.toy_envs:Letters", "test", {"horizon": 1}, level="fancy")
    assert isinstance(env, Letters)
    assert (env.split, env.level, env.horizon) == ("test", "fancy", 1)


# Levels and seeds.


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, ("one_digit", "add_digit", "add_digit_long")),  # up to the easiest level with instances held out
        ({"level": "add_digit"}, ("one_digit", "add_digit")),
        ({"level": "two_digit", "curriculum": False}, ("two_digit",)),
        ({"curriculum_levels": ("one_digit", "two_digit")}, ("one_digit", "two_digit")),
        ({"level": "signed", "curriculum_levels": ("one_digit",)}, ("one_digit", "signed")),
    ],
)
def test_the_levels_climbed_follow_from_the_settings(
    tiny_model: Path, settings: dict[str, object], expected: tuple[str, ...]
) -> None:
    experiment = Experiment.prepare(config(tiny_model, env_id=SUMS, **settings))
    assert experiment.curriculum.levels == expected
    assert experiment.level == expected[-1]


def test_an_iterations_episodes_follow_from_the_seed_alone(tiny_model: Path) -> None:
    def seeds(run_seed: int, iteration: int) -> list[int]:
        settings = config(tiny_model, seed=run_seed, episodes_per_iteration=3, samples_per_instance=1)
        experiment = Experiment.prepare(settings)
        torch.rand(5)
        return [rollout.seed for rollout in experiment.collect(iteration, print).rollouts]

    assert seeds(1, 0) == seeds(1, 0)
    assert len({*seeds(1, 0), *seeds(1, 1), *seeds(2, 0)}) == 9


def test_adapters_start_alike_whatever_was_drawn_before(tiny_model: Path) -> None:
    def weights(seed: int) -> torch.Tensor:
        torch.rand(seed + 3)
        team = Experiment.prepare(config(tiny_model, seed=seed)).team
        return torch.cat([parameter.flatten() for parameter in team.parameters("writer_0")])

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


def test_products_are_as_precise_as_the_settings_say(tiny_model: Path) -> None:
    before = torch.get_float32_matmul_precision()
    try:
        for precision in ("medium", "highest"):
            Experiment.prepare(config(tiny_model, matmul_precision=precision))
            assert torch.get_float32_matmul_precision() == precision
    finally:
        torch.set_float32_matmul_precision(before)


def test_a_batch_tells_its_returns_by_agent_and_by_level(tiny_model: Path) -> None:
    experiment = Experiment.prepare(config(tiny_model, env_id=SUMS, episodes_per_iteration=4, num_envs=2))
    batch = experiment.collect(0, print)
    for number, rollout in enumerate(batch.rollouts):
        rollout.level = ("one_digit", "add_digit")[number % 2]
        for turn in rollout.turns:
            turn.rewards = {}
        rollout.turns[-1].rewards = {"reasoner_0": float(number), "actor_0": float(number)}
    metrics = experiment.batch_metrics(batch)
    assert metrics["train/return"] == metrics["reasoner_0/return"] == metrics["actor_0/return"] == 1.5  # (0+1+2+3)/4
    assert metrics["train/return/one_digit"] == 1.0  # (0+2)/2
    assert metrics["train/return/add_digit"] == 2.0  # (1+3)/2
    assert metrics["train/level"] == "one_digit"
    experiment.climb(batch)
    assert experiment.curriculum.level == "add_digit"


# Settings read back.


def checkpoint(state: dict[str, object]) -> Checkpoint:
    return Checkpoint(path=Path("somewhere"), name="final", state=json.loads(json.dumps(state)))


def test_settings_come_back_from_a_checkpoint_as_they_were(tiny_model: Path, tmp_path: Path) -> None:
    settings = config(
        tiny_model,
        env_options={"horizon": 1, "shape": "together", "selfish": False},
        lora_targets=("q_proj", "o_proj"),
        max_new_tokens_by_role={"editor": 2},
        run_dir=tmp_path / "run",
        time_limit_s=90,
        level="fancy",
    )
    experiment = Experiment.prepare(settings)
    assert trained_settings(checkpoint(experiment.state())) == settings


def test_the_level_that_was_climbed_to_comes_back_where_none_was_set(tiny_model: Path) -> None:
    experiment = Experiment.prepare(config(tiny_model, env_id=SUMS))
    assert trained_settings(checkpoint(experiment.state())).level == "add_digit_long"


def test_settings_of_another_version_are_left_out_or_take_their_defaults() -> None:
    state = {"config": {"env_id": SUMS, "model": "m", "warp_drive": 9, "gamma": 0.5}}
    assert trained_settings(checkpoint(state)) == ExperimentConfig(env_id=SUMS, model="m")


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({}, r"no settings under 'config'.*marft train"),
        ({"config": []}, r"no settings under 'config'"),
        ({"config": {"model": "m"}}, r"config has no env_id"),
        ({"config": {"env_id": SUMS, "model": "m", "seed": "one"}}, r"config.seed is 'one'"),
        ({"config": {"env_id": SUMS, "model": "m", "lora_targets": "q_proj"}}, r"config.lora_targets is 'q_proj'"),
        ({"config": {"env_id": SUMS, "model": "m", "adapters": "some"}}, r"config.adapters is 'some'"),
        ({"config": {"env_id": SUMS, "model": "m", "curriculum": 1}}, r"config.curriculum is 1"),
    ],
)
def test_settings_that_are_missing_or_of_a_wrong_type_are_named(state: dict[str, object], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        trained_settings(checkpoint(state))


# Held-out instances.


def test_held_out_instances_are_distinct_and_always_the_same() -> None:
    env = make_env(SUMS, "test", {}, level="add_digit_long")
    tasks = held_out_tasks(env, "add_digit_long", 40)
    assert held_out_tasks(make_env(SUMS, "test", {}, level="add_digit_long"), "add_digit_long", 40) == tasks
    assert held_out_tasks(env, "add_digit_long", 10) == tasks[:10]
    keys = set()
    for task in tasks:
        env.reset(seed=task.seed, options={"level": task.level})
        keys.add(env.instance_key())
    assert len(keys) == len(tasks) == 40


def test_none_of_them_is_ever_trained_on() -> None:
    test, train = (make_env("tests.baselines.toy_envs:Uppercase", split, {}) for split in ("test", "train"))
    held_out = set()
    for task in held_out_tasks(test, None, 50):
        test.reset(seed=task.seed)
        held_out.add(test.instance_key())
    for seed in range(300):
        train.reset(seed=seed)
        assert train.instance_key() not in held_out


def test_fewer_are_held_out_where_there_are_not_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Uppercase, "instance_key", lambda self: str(self.number % 3))
    assert len(held_out_tasks(Uppercase(), None, 10)) == 3


def test_a_foreign_environment_is_evaluated_by_seed() -> None:
    tasks = held_out_tasks(Echo(), None, 5)
    assert len({task.seed for task in tasks}) == 5


def test_an_evaluation_counts_instances_and_averages_what_the_environment_reports(load_team: LoadTeam) -> None:
    collector = Collector(lambda: marft_envs.make(SUMS, horizon=1), load_team(), num_envs=3)
    tasks = [Task(seed, "one_digit") for seed in (1, 2, 3, 1)]  # one instance twice
    found = evaluate_team(collector, tasks, Sampling(0.0, 3))
    assert found.num_instances == 3
    assert len(found.rollouts) == 4
    assert found.level == "one_digit"
    assert found.tokens_out == sum(len(turn.action_ids) for one in found.rollouts for turn in one.turns)
    assert set(found.info) == {"correct", "right_value"}
    assert found.record()["mean"] == found.mean
    assert found.low <= found.mean <= found.high


def test_examples_are_what_a_perfect_team_would_have_read_and_said() -> None:
    env = marft_envs.make(SUMS)
    examples = few_shot_examples(env, "one_digit", 2)
    assert set(examples) == {"reasoner_0", "actor_0"}
    env.reset(seed=0, options={"level": "one_digit"})
    asked, solved = env.messages("reasoner_0")[-1], env.reference_action("reasoner_0")
    assert examples["reasoner_0"][:2] == [asked, {"role": "assistant", "content": solved}]
    assert [message["role"] for message in examples["reasoner_0"]] == ["user", "assistant"] * 2
    actor = examples["actor_0"]
    assert [message["role"] for message in actor] == ["user", "user", "assistant"] * 2
    assert actor[1] == {"role": "user", "content": solved, "name": "reasoner_0"}
    assert actor[2]["content"] == env.reference_action("actor_0")
