"""Episodes that several processes play.

1. How tasks are shared out.
2. A batch of workers is that of one process, whatever is collected.
3. Workers that are lost cost time and nothing else.
4. Runs and evaluations with workers.
5. What cannot work is told with the way out.
"""

import os
import shutil
import signal
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from math import isclose
from pathlib import Path
from typing import Any, Literal

import pytest
import ray

from baselines.algorithms import at_grpo, imitation, marft_action
from baselines.cli import main
from baselines.commands.train import parse
from baselines.errors import CheckpointError, ClusterError, ConfigError
from baselines.policies.team import Team
from baselines.ranks import Ranks
from baselines.rollouts import cluster
from baselines.rollouts import workers as workers_module
from baselines.rollouts.batch import Batch
from baselines.rollouts.collect import Collector, Progress, Sampling, Task
from baselines.rollouts.portions import portions
from baselines.rollouts.solo import find_solo
from baselines.rollouts.stage import Stage
from baselines.rollouts.tree import Tree, grow_trees
from baselines.rollouts.workers import RemoteCollector, Workers
from baselines.runs import experiment
from baselines.runs.experiment import ExperimentConfig, load_team, sampling_for, start_workers
from baselines.runs.records import read_records
from tests.baselines.conftest import perturb
from tests.baselines.outcomes import outcome
from tests.baselines.toy_envs import Deadly, Letters, ToldLetters

AGENTS = ("writer_0", "editor_0", "critic_0")
SAMPLED = Sampling(0.9, 4, seed=7)
TASKS = [Task(seed, sample=sample) for seed in range(3) for sample in range(2)]
NUM_CPUS = 5
"""Of the cluster: for two workers twice, and one that takes the place of another."""
TOLERANCE = 1e-4
"""Of numbers that come out of other batches: rounding of float32, which an iteration's update passes on."""


@pytest.fixture(scope="module", autouse=True)
def own_cluster() -> Iterator[None]:
    """One for all tests: starting it takes seconds."""
    assert cluster.connect(None, num_cpus=NUM_CPUS)
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def settings(tiny_model: Path) -> ExperimentConfig:
    return ExperimentConfig(model=str(tiny_model), lora_targets=("q_proj", "v_proj"), workers=2)


@pytest.fixture(scope="module")
def team(settings: ExperimentConfig) -> Team:
    return perturb(load_team(settings, AGENTS))


@pytest.fixture(scope="module")
def two(settings: ExperimentConfig) -> Iterator[Workers]:
    found = start_workers(settings, AGENTS)
    assert found is not None
    yield found
    found.close()


@pytest.fixture
def lent(two: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs and evaluations that ask for workers get those that there are already: it takes a while to start them."""
    monkeypatch.setattr(two, "close", lambda: None)
    monkeypatch.setattr(experiment, "start_workers", lambda config, *_: two if config.workers else None)


def same(one: Batch, other: Batch, tolerance: float = TOLERANCE) -> bool:
    """Whether the same was said, and with the same probabilities up to rounding."""
    turns = list(zip(one.turns(), other.turns(), strict=True))
    return (
        [rollout.returns for rollout in one.rollouts] == [rollout.returns for rollout in other.rollouts]
        and all(first.action_ids == second.action_ids and first.text == second.text for first, second in turns)
        and all(
            isclose(p, q, abs_tol=tolerance)
            for first, second in turns
            for p, q in zip(first.logprobs, second.logprobs, strict=True)
        )
    )


# --- 1. Portions ---


def test_samples_of_an_instance_stay_together_and_portions_are_about_equal() -> None:
    tasks = [Task(seed, sample=sample) for seed in range(8) for sample in range(4)]
    assert portions(tasks, 2) == [range(16), range(16, 32)]
    assert portions(tasks, 3) == [range(12), range(12, 20), range(20, 32)]  # borders at 10.7 and 21.3 are moved
    for num_portions in range(1, 12):
        found = portions(tasks, num_portions)
        assert [number for portion in found for number in portion] == list(range(32))
        assert all(portion.start % 4 == 0 for portion in found)


def test_there_are_no_more_portions_than_instances() -> None:
    assert portions([Task(1, sample=sample) for sample in range(4)], 3) == [range(4)]
    assert portions([], 3) == [range(0)]


def test_levels_of_the_same_seed_are_different_instances() -> None:
    assert portions([Task(1, "plain"), Task(1, "fancy")], 2) == [range(1), range(1, 2)]


# --- 2. The batch of one process ---


@pytest.mark.parametrize("reads_final_prompts", [False, True])
def test_a_batch_of_workers_is_that_of_one_process(two: Workers, team: Team, reads_final_prompts: bool) -> None:
    stage = Stage(Letters, num_envs=4, reads_final_prompts=reads_final_prompts)
    told: list[int] = []
    remote = RemoteCollector(stage, team, two)
    spread, alone = remote.collect(TASKS, SAMPLED, told.append), stage.collector(team).collect(TASKS, SAMPLED)
    assert same(spread, alone)
    assert told[-1] == len(TASKS)
    assert remote.agents == AGENTS
    for one, other in zip(spread.rollouts, alone.rollouts, strict=True):
        assert one.final_features.keys() == other.final_features.keys()
        assert all(one.final_features[a].allclose(other.final_features[a], atol=1e-4) for a in one.final_features)


def test_workers_act_by_the_weights_of_the_moment(two: Workers, team: Team) -> None:
    collector = RemoteCollector(Stage(Letters, num_envs=4), team, two)
    before = collector.collect(TASKS, SAMPLED)
    kept = {name: value.clone() for name, value in team.weights().items()}
    perturb(team)
    try:
        after = collector.collect(TASKS, SAMPLED)
        assert not same(before, after)
        assert same(after, Stage(Letters, num_envs=4).collector(team).collect(TASKS, SAMPLED))
    finally:
        team.take_weights(kept)
    assert same(collector.collect(TASKS, SAMPLED), before, tolerance=0.0)


def test_trees_of_workers_are_those_of_one_process(two: Workers, team: Team) -> None:
    way = partial(grow_trees, num_branches=2, agents=AGENTS)
    stage = Stage(partial(Letters, horizon=1), num_envs=6)
    spread = RemoteCollector(stage, team, two).collect_by(way, TASKS, SAMPLED)
    alone = stage.collector(team).collect_by(way, TASKS, SAMPLED)
    assert isinstance(spread, Tree)
    assert same(spread, alone)
    assert same(Batch([*spread.learnt_from()]), Batch([*alone.learnt_from()]))
    assert [branches.instance for branches in spread.branches] == [branches.instance for branches in alone.branches]


def test_scripts_and_examples_reach_the_workers(two: Workers, team: Team) -> None:
    examples = {"writer_0": [{"role": "user", "content": "Say A."}, {"role": "assistant", "content": "A"}]}
    stage = Stage(ToldLetters, num_envs=2, examples=examples, scripts={"editor_0": lambda env, agent: "from a script"})
    spread = RemoteCollector(stage, team, two).collect(TASKS, SAMPLED)
    assert same(spread, stage.collector(team).collect(TASKS, SAMPLED))
    assert {turn.text for turn in spread.turns() if turn.agent == "editor_0"} == {"from a script"}


@pytest.mark.parametrize("kind", ["blind", "informed"])
def test_one_alone_is_played_by_workers_and_tells_its_answers(
    two: Workers, team: Team, kind: Literal["blind", "informed"]
) -> None:
    stage = Stage(Letters, num_envs=4, solo=find_solo(kind, None, AGENTS), reads_answers=True)
    remote = RemoteCollector(stage, team, two)
    spread, alone = remote.collect(TASKS, SAMPLED), stage.collector(team).collect(TASKS, SAMPLED)
    assert same(spread, alone)
    assert remote.agents == AGENTS
    assert [rollout.answer for rollout in spread.rollouts] == [rollout.answer for rollout in alone.rollouts]


@pytest.mark.slow
@pytest.mark.parametrize("tuning", ["lora", "full"])
def test_a_team_of_several_bases_with_manners_is_whole_in_every_worker(
    tiny_model: Path, tmp_path: Path, tuning: Literal["lora", "full"]
) -> None:
    other = tmp_path / "other"
    shutil.copytree(tiny_model, other)
    chosen = ExperimentConfig(
        model=str(tiny_model),
        model_by_role={"critic": str(other)},
        tuning=tuning,
        must_speak=("writer",),
        temperature_by_role={"editor": 0.4},
        stop_by_role={"critic": "a"},
        workers=1,
    )
    team = perturb(load_team(chosen, AGENTS), 0.2 if tuning == "lora" else 0.002)
    assert len({name.partition(".")[0] for name in team.weights()}) == 2
    workers = start_workers(chosen, AGENTS)
    assert workers is not None
    try:
        stage, sampling = Stage(Letters, num_envs=4), replace(sampling_for(chosen, 0.9), seed=7)
        spread = RemoteCollector(stage, team, workers).collect(TASKS, sampling)
    finally:
        workers.close()
    assert same(spread, stage.collector(team).collect(TASKS, sampling))


# --- 3. Losses ---


def pids(workers: Workers, team: Team) -> list[int]:
    """Of the workers that play."""
    collector = RemoteCollector(Stage(Letters, num_envs=2), team, workers)
    return [int(rollout.info["pid"]) for rollout in collector.collect_by(_by_nobody, TASKS, SAMPLED).rollouts]


def _by_nobody(collector: Collector, tasks: Sequence[Task], sampling: Sampling, progress: Progress) -> Batch:
    (rollout,) = collector.collect(tasks[:1], sampling).rollouts
    return Batch([replace(rollout, info={"pid": os.getpid()})])


def test_a_worker_that_dies_on_its_way_is_made_up_for_and_counted(two: Workers, team: Team, tmp_path: Path) -> None:
    file = tmp_path / "deadly"
    stage = Stage(partial(Deadly, file=str(file), spared=os.getpid()), num_envs=4)
    collector = RemoteCollector(stage, team, two)
    undisturbed, before = collector.collect(TASKS, SAMPLED), two.losses
    file.touch()
    assert same(collector.collect(TASKS, SAMPLED), undisturbed, tolerance=0.0)  # shares are played again as they were
    assert not file.exists()
    assert two.losses.workers == before.workers + 1
    assert two.losses.episodes in (
        before.episodes + 2,
        before.episodes + 4,
    )  # a share of six episodes of three instances


@pytest.mark.slow
def test_a_worker_that_died_between_two_calls_is_replaced(two: Workers, team: Team) -> None:
    before = pids(two, team)
    lost = two.losses.workers
    os.kill(before[0], signal.SIGKILL)
    stage = Stage(Letters, num_envs=2)
    assert same(
        RemoteCollector(stage, team, two).collect(TASKS, SAMPLED), stage.collector(team).collect(TASKS, SAMPLED)
    )
    assert two.losses.workers == lost + 1
    two._admit(60.0)  # the new one is waited for here; a run does not wait
    after = pids(two, team)
    assert before[0] not in after
    assert len(set(after)) == 2


@pytest.mark.slow
def test_a_share_that_is_lost_again_and_again_is_given_up(
    two: Workers, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers_module, "_MOST_LOSSES", 1)
    collector = RemoteCollector(Stage(Letters, num_envs=2), team, two)
    with pytest.raises(ClusterError, match=r"played episodes 0 to 1 were lost 2 times.*--num-envs"):
        collector.collect_by(_by_dying, TASKS[:2], SAMPLED)
    two._admit(60.0)
    assert same(collector.collect(TASKS, SAMPLED), Stage(Letters, num_envs=2).collector(team).collect(TASKS, SAMPLED))


def _by_dying(collector: Collector, tasks: Sequence[Task], sampling: Sampling, progress: Progress) -> Batch:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


# --- 4. Runs and evaluations ---


def run_settings(algorithm: Any, tiny_model: Path, folder: Path, **given: object) -> Any:
    chosen = {
        "env_id": "tests.baselines.toy_envs:Deadly",
        "env_options": {"horizon": 1, "file": str(folder.parent / "deadly"), "spared": os.getpid()},
        "model": str(tiny_model),
        "run_dir": folder,
        "lora_targets": ("q_proj", "v_proj"),
        "num_iterations": 3,
        "episodes_per_iteration": 6,
        "samples_per_instance": 2,
        "max_new_tokens": 3,
        "eval_instances": 3,
        "few_shot": 1,
        "lr": 0.02,
        "target_kl": None,
        **given,
    }
    known = algorithm.Config.__dataclass_fields__
    return algorithm.Config(**{name: value for name, value in chosen.items() if name in known})


def numbers(folder: Path) -> list[dict[str, object]]:
    """Everything that was logged, but times and losses."""
    other = ("time/", "wall_s", "cpu_s", "train/lost_workers", "train/replayed_episodes")
    records = read_records(folder / "metrics.jsonl") + read_records(folder / "evaluations.jsonl")
    return [{name: value for name, value in record.items() if not name.startswith(other)} for record in records]


def assert_close(one: list[dict[str, object]], other: list[dict[str, object]]) -> None:
    assert [record.keys() for record in one] == [record.keys() for record in other]
    for first, second in zip(one, other, strict=True):
        for name, value in first.items():
            if isinstance(value, float):
                assert value == pytest.approx(second[name], rel=TOLERANCE, abs=TOLERANCE), name
            else:
                assert value == second[name], name


@pytest.fixture(scope="module")
def alone(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one process."""
    folder = tmp_path_factory.mktemp("alone") / "run"
    marft_action.train(run_settings(marft_action, tiny_model, folder), quiet=True)
    return folder


@pytest.fixture(scope="module")
def undisturbed(two: Workers, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two workers that nobody kills."""
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(two, "close", lambda: None)
        patch.setattr(experiment, "start_workers", lambda config, *_: two)
        marft_action.train(run_settings(marft_action, tiny_model, folder, workers=2), quiet=True)
    return folder


def test_a_run_with_workers_is_that_of_one_process_up_to_rounding(alone: Path, undisturbed: Path) -> None:
    assert_close(numbers(undisturbed), numbers(alone))
    assert {record["train/lost_workers"] for record in read_records(undisturbed / "metrics.jsonl")} == {0}
    assert "train/lost_workers" not in read_records(alone / "metrics.jsonl")[0]


@pytest.mark.slow
def test_a_run_that_loses_a_worker_in_an_iteration_ends_with_the_same_numbers(
    alone: Path, undisturbed: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learn = marft_action.MarftAction.learn

    def learn_and_arm(self: marft_action.MarftAction, *args: Any, **options: Any) -> Any:
        if options["iteration"] == 0:
            (tmp_path / "deadly").touch()
        return learn(self, *args, **options)

    monkeypatch.setattr(marft_action.MarftAction, "learn", learn_and_arm)
    folder = tmp_path / "run"
    marft_action.train(run_settings(marft_action, tiny_model, folder, workers=2), quiet=True)
    assert not (tmp_path / "deadly").exists()
    assert numbers(folder) == numbers(undisturbed)
    assert_close(numbers(folder), numbers(alone))
    logged = read_records(folder / "metrics.jsonl")
    assert [record["train/lost_workers"] for record in logged] == [0, 1, 0]
    assert [record["train/replayed_episodes"] for record in logged] in ([0, 2, 0], [0, 4, 0])


@pytest.mark.usefixtures("lent")
def test_a_run_with_workers_goes_on_bit_for_bit(undisturbed: Path, tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    chosen = run_settings(marft_action, tiny_model, folder, workers=2, env_options=_options_of(undisturbed))
    marft_action.train(replace(chosen, num_iterations=2), quiet=True)
    command = parse(["--resume", str(folder), "--num-iterations", "3"])
    assert command.config is not None
    marft_action.train(command.config, resume_from=command.resume_from, quiet=True)
    one, other = outcome(folder), outcome(undisturbed)
    assert one.files == other.files
    assert one.metrics == other.metrics


def _options_of(folder: Path) -> dict[str, object]:
    return {"horizon": 1, "file": str(folder.parent / "deadly"), "spared": os.getpid()}


@pytest.mark.usefixtures("lent")
def test_a_run_may_go_on_with_another_number_of_workers(
    alone: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    chosen = run_settings(marft_action, tiny_model, folder, env_options=_options_of(alone))
    marft_action.train(replace(chosen, num_iterations=2), quiet=True)
    command = parse(["--resume", str(folder), "--num-iterations", "3", "--workers", "2"])
    assert command.config is not None
    marft_action.train(command.config, resume_from=command.resume_from)
    assert "workers was 0 and is 2" in " ".join(capsys.readouterr().out.split())
    assert_close(numbers(folder)[:3], numbers(alone)[:3])


@pytest.mark.usefixtures("lent")
@pytest.mark.parametrize("algorithm", [at_grpo, imitation])
def test_other_ways_of_collecting_go_over_workers(algorithm: Any, tiny_model: Path, tmp_path: Path) -> None:
    given = {"num_iterations": 1, "few_shot": 0, "eval_instances": 0}
    for number in (0, 2):
        config = run_settings(algorithm, tiny_model, tmp_path / f"run-{number}", workers=number, **given)
        algorithm.train(config, quiet=True)
    assert_close(numbers(tmp_path / "run-2"), numbers(tmp_path / "run-0"))


@pytest.mark.usefixtures("lent")
def test_evaluate_plays_by_workers(alone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["evaluate", str(alone), "--instances", "4", "--json"]
    assert main(words) == 0
    here = capsys.readouterr().out
    assert main([*words, "--workers", "2"]) == 0
    assert capsys.readouterr().out == here


def test_a_checkpoint_of_a_run_with_workers_is_evaluated_without(
    undisturbed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(workers_module, "Workers", lambda *args, **options: pytest.fail("nobody asked for workers"))
    assert main(["evaluate", str(undisturbed), "--instances", "2"]) == 0


# --- 5. Mistakes ---


def test_a_mistake_that_workers_come_upon_is_told_as_it_is(two: Workers, team: Team) -> None:
    collector = RemoteCollector(Stage(Letters, num_envs=2), team, two)
    with pytest.raises(ConfigError) as caught:
        collector.collect_by(_by_mistake, TASKS, SAMPLED)
    assert str(caught.value) == "a mistake: and its way out"


def _by_mistake(collector: Collector, tasks: Sequence[Task], sampling: Sampling, progress: Progress) -> Batch:
    raise ConfigError("a mistake: and its way out")


@pytest.mark.slow
def test_a_team_that_cannot_be_loaded_by_workers_is_told_as_it_is(settings: ExperimentConfig) -> None:
    def load() -> Team:
        raise CheckpointError("no such folder here")

    with pytest.raises(CheckpointError, match="no such folder here"):
        Workers(load, 1)


def test_a_cluster_without_room_is_told_with_what_it_has(
    settings: ExperimentConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers_module, "_START_S", 0.1)
    with pytest.raises(ClusterError, match=r"0 of 1 workers.*Each needs 64 CPUs; the cluster has 5 CPU, 0 GPU"):
        start_workers(replace(settings, workers=1, worker_threads=64), AGENTS)


def test_processes_that_train_together_share_a_cluster_for_workers_on_gpus(
    settings: ExperimentConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(ConfigError, match=r"2 processes that train together.*--ray-address.*--worker-gpus 0"):
        start_workers(replace(settings, device="cuda"), AGENTS, Ranks(0, 2))


@pytest.mark.parametrize(
    ("given", "told"), [({"workers": -1}, "workers is -1"), ({"worker_threads": 0}, "worker_threads is 0")]
)
def test_settings_of_workers_have_their_ranges(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        ExperimentConfig(**given).check()


@pytest.mark.parametrize(
    ("address", "reason"), [("127.0.0.1:9", "Connection refused"), ("nonsense", "Invalid address format")]
)
def test_an_address_where_no_cluster_is_is_told_at_once(
    address: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(ClusterError, match=rf"no Ray cluster answers at '{address}': .*{reason}.*RAY_ADDRESS"):
        cluster.connect(None, num_cpus=1)
