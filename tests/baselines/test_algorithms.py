"""All algorithms beside each other.

1. Every one learns, goes on bit for bit after it was stopped, and says what it cannot do.
2. What each makes of returns, by hand.
3. Where two of them are the same thing, they give the same thing.
"""

import importlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from baselines.algorithms import (
    at_grpo,
    dr_mas,
    imitation,
    ippo,
    magrpo,
    mappo,
    marft_action,
    marft_token,
    reinforce_rae,
)
from baselines.commands.train import algorithms
from baselines.errors import CheckpointError, ConfigError, EnvironmentKindError
from baselines.policies.team import Team
from baselines.rollouts.batch import Batch
from baselines.rollouts.collect import Collector, Sampling, Task
from baselines.rollouts.demonstrate import demonstrate
from baselines.runs.experiment import Experiment, Metrics
from baselines.runs.records import read_records
from baselines.runs.resume_point import find_resume_point
from tests.baselines.outcomes import outcome
from tests.baselines.toy_envs import PAIR, Letters, ToldLetters
from tests.docs_scripts import script

LoadTeam = Callable[..., Team]
LEARNERS: dict[str, type] = {
    "at_grpo": at_grpo.AtGrpo,
    "dr_mas": dr_mas.DrMas,
    "imitation": imitation.Imitation,
    "ippo": ippo.Ippo,
    "magrpo": magrpo.Magrpo,
    "mappo": mappo.Mappo,
    "marft_action": marft_action.MarftAction,
    "marft_token": marft_token.MarftToken,
    "reinforce_rae": reinforce_rae.ReinforceRae,
}
TEMPERATURE = 0.8


def module_of(algorithm: str) -> Any:
    return importlib.import_module(f"baselines.algorithms.{algorithm}")


def config(algorithm: str, tiny_model: Path, folder: Path, **settings: object) -> Any:
    chosen = {
        "env_id": "tests.baselines.toy_envs:ToldLetters",
        "model": str(tiny_model),
        "run_dir": folder,
        "num_iterations": 3,
        "episodes_per_iteration": 4,
        "samples_per_instance": 2,
        "eval_instances": 2,
        "few_shot": 0,
        "max_new_tokens": 3,
        "lr": 0.02,
        **settings,
    }
    return module_of(algorithm).Config(**chosen)


def collected(
    team: Team,
    make: Callable[[], Any] = Letters,
    *,
    instances: int = 3,
    samples: int = 2,
    max_new_tokens: int = 4,
    by_role: dict[str, int] | None = None,
) -> Batch:
    tasks = [Task(seed, sample=sample) for seed in range(instances) for sample in range(samples)]
    collector = Collector(make, team, num_envs=len(tasks))
    return collector.collect(tasks, Sampling(TEMPERATURE, max_new_tokens, by_role or {}))


def learnt(
    algorithm: str, team: Team, batch: Batch, *, by_sgd: bool = False, **settings: object
) -> tuple[Metrics, list[Tensor]]:
    """The metrics of one iteration, and the adapters after it; the team is left as it was.

    `by_sgd`: steps along the gradient itself. Adam makes as long a step of any gradient, also of what rounding leaves.
    """
    before = {adapter: [p.detach().clone() for p in team.parameters(adapter)] for adapter in team.blocks}
    bound = {} if algorithm == "imitation" else {"target_kl": None}
    chosen = {"temperature": TEMPERATURE, "num_minibatches": 1, "lr": 0.01, **bound, **settings}
    learner = LEARNERS[algorithm](module_of(algorithm).Config(**chosen), team)
    if by_sgd:
        learner.optimizers.by_adapter = {name: torch.optim.SGD(team.parameters(name)) for name in team.blocks}
    metrics = learner.learn(batch, iteration=0, status=lambda _: None)
    after = [p.detach().clone() for adapter in team.blocks for p in team.parameters(adapter)]
    with torch.no_grad():
        for adapter, parameters in before.items():
            for parameter, value in zip(team.parameters(adapter), parameters, strict=True):
                parameter.copy_(value)
    return metrics, after


def same(one: Sequence[Tensor], other: Sequence[Tensor]) -> bool:
    return all(torch.equal(first, second) for first, second in zip(one, other, strict=True))


# --- 1. Every one of them ---


def test_every_algorithm_that_trains_a_team_is_tested_here() -> None:
    others = {"sb3_ppo"}  # it has no team, no model and no tokens; `test_sb3_ppo` asks the same of it
    assert set(LEARNERS) | others == set(algorithms())


@pytest.mark.parametrize("algorithm", sorted({*LEARNERS} - {"imitation"}))
def test_every_algorithm_teaches_a_team(algorithm: str, tiny_model: Path, tmp_path: Path) -> None:
    settings = config(
        algorithm,
        tiny_model,
        tmp_path / "run",
        env_id="tests.baselines.toy_envs:ToldUppercase",
        env_options={"mean": True},
        num_iterations=20,
        episodes_per_iteration=8 if algorithm == "at_grpo" else 32,
        samples_per_instance=4,
        num_envs=32,
        temperature=1.0,
        lora_targets=("q_proj", "v_proj", "o_proj", "down_proj"),
        eval_instances=0,
    )
    module_of(algorithm).train(settings, quiet=True)
    returns = [record["train/return"] for record in read_records(tmp_path / "run" / "metrics.jsonl")]
    # Capitals are a tenth of all tokens. Over two seeds, the slowest came to 0.34, and the fastest to 0.79.
    assert np.mean(returns[:3]) < 0.15
    assert np.mean(returns[-3:]) > 0.25


def test_imitation_teaches_what_the_reference_writes(tiny_model: Path, tmp_path: Path) -> None:
    env_id = "tests.baselines.toy_envs:ToldUppercase"
    settings = config("imitation", tiny_model, tmp_path / "run", env_id=env_id, num_iterations=10, update_epochs=4)
    imitation.train(settings, quiet=True)
    untrained, trained = read_records(tmp_path / "run" / "evaluations.jsonl")
    losses = [record["writer_0/loss"] for record in read_records(tmp_path / "run" / "metrics.jsonl")]
    # This model says a token again rather than another one, whatever the rate; so it writes AB, and does not end there.
    assert losses[0] > 3 and losses[-1] < 2.3
    assert untrained["mean"] == 0.0 and trained["mean"] == pytest.approx((2 / 3) ** 2)


def test_imitation_makes_the_reference_more_probable_token_by_token(load_team: LoadTeam) -> None:
    team = load_team("writer_0", "editor_0")
    make = lambda: ToldLetters(team=PAIR, horizon=2)  # noqa: E731
    batch = demonstrate(make, team, [Task(0), Task(1)], Sampling(TEMPERATURE, 8))
    (told,) = {(turn.text, tuple(turn.action_ids)) for turn in batch.turns()}
    assert told == ("AB", (*team.base.tokenizer("AB")["input_ids"], team.base.tokenizer.eos_token_id))
    played = collected(team, make, instances=2, samples=1)
    for demonstrated, own in zip(batch.turns(), played.turns(), strict=True):
        if demonstrated.round == 0 and demonstrated.agent == "writer_0":  # nothing has been said before
            assert demonstrated.prompt_ids == own.prompt_ids
    metrics, _ = learnt("imitation", team, batch, temperature=0.3)
    turns = [turn for turn in batch.turns() if turn.agent == "writer_0"]
    logprobs = torch.cat(team.score_all("writer_0", turns, 1.0))
    assert metrics["writer_0/loss"] == pytest.approx(-float(logprobs.mean()), rel=1e-4)


def test_what_cannot_be_imitated_is_told(tiny_model: Path, tmp_path: Path) -> None:
    settings = config("imitation", tiny_model, tmp_path / "run", eval_instances=0)
    missing = tmp_path / "run"
    with pytest.raises(ConfigError, match=r"writes 3 tokens \('AB'\), but its replies end after 2; give --max-new-tok"):
        imitation.train(replace(settings, max_new_tokens=2), quiet=True)
    without = replace(settings, env_id="tests.baselines.toy_envs:Letters", run_dir=tmp_path / "other")
    with pytest.raises(ConfigError, match="there is nothing to imitate"):
        imitation.train(without, quiet=True)
    foreign = replace(without, env_id="tests.foreign_env:Echo")
    with pytest.raises(EnvironmentKindError, match="no reference that could be imitated"):
        imitation.train(foreign, quiet=True)
    assert not missing.exists() and not (tmp_path / "other").exists()


class PulledPlugError(Exception):
    """Stops a run."""


@pytest.mark.parametrize("algorithm", LEARNERS)
def test_every_algorithm_goes_on_bit_for_bit(
    algorithm: str, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = module_of(algorithm)
    module.train(config(algorithm, tiny_model, tmp_path / "undisturbed"), quiet=True)
    stopped = config(algorithm, tiny_model, tmp_path / "stopped")
    tasks = Experiment.tasks

    def tasks_or_stop(self: Experiment, iteration: int) -> list[Task]:
        if iteration == 2:
            raise PulledPlugError
        return tasks(self, iteration)

    with monkeypatch.context() as patch:
        patch.setattr(Experiment, "tasks", tasks_or_stop)
        with pytest.raises(PulledPlugError):
            module.train(stopped, quiet=True)
    torch.manual_seed(77)  # whatever another process would have drawn
    module.train(stopped, resume_from=find_resume_point(tmp_path / "stopped"), quiet=True)
    assert outcome(tmp_path / "stopped") == outcome(tmp_path / "undisturbed")


@pytest.mark.parametrize("algorithm", LEARNERS)
def test_every_number_that_is_logged_is_explained(algorithm: str, tiny_model: Path, tmp_path: Path) -> None:
    module_of(algorithm).train(config(algorithm, tiny_model, tmp_path / "run", num_iterations=1), quiet=True)
    (record,) = read_records(tmp_path / "run" / "metrics.jsonl")
    explained = script("make_algorithms").metrics_of(module_of(algorithm))
    patterns = {name: re.compile(re.sub(r"{\w+}", "[^/]+", name)) for name in explained}
    logged = record.keys() - {"iteration", "wall_s", "cpu_s"}
    assert {name for name in logged if not any(pattern.fullmatch(name) for pattern in patterns.values())} == set()
    unseen = {name for name, pattern in patterns.items() if not any(pattern.fullmatch(seen) for seen in logged)}
    by_workers = {"train/lost_workers", "train/replayed_episodes"}
    asked_for = {"policy/skipped", "{adapter}/sampler_weight", "{adapter}/reference_kl", *by_workers}
    assert unseen <= asked_for


@pytest.mark.parametrize("algorithm", LEARNERS)
def test_every_algorithm_trains_on_the_clock_and_beside_agents_that_others_play(
    algorithm: str, tiny_model: Path, tmp_path: Path
) -> None:
    clock = config(
        algorithm, tiny_model, tmp_path / "clock", env_id="tests.baselines.toy_envs:ToldPaced", num_iterations=1
    )
    module_of(algorithm).train(clock, quiet=True)
    company = {"editor": "echo", "critic_0": "untrained"}
    beside = config(algorithm, tiny_model, tmp_path / "beside", replace=company, num_iterations=1)
    module_of(algorithm).train(beside, quiet=True)
    (record,) = read_records(tmp_path / "beside" / "metrics.jsonl")
    assert {name.partition("/")[0] for name in record if name.endswith("/updates")} == {"writer_0"}
    assert record["writer_0/grad_norm"] > 0


@pytest.mark.parametrize("algorithm", ["dr_mas", "ippo", "mappo", "reinforce_rae"])
def test_agents_that_are_each_on_their_own_may_be_paid_differently(load_team: LoadTeam, algorithm: str) -> None:
    team = load_team("writer_0", "editor_0", "critic_0")
    metrics, _ = learnt(algorithm, team, collected(team, lambda: Letters(selfish=True)))
    assert metrics["writer_0/updates"] == 1


@pytest.mark.parametrize("algorithm", ["magrpo", "marft_action", "marft_token"])
def test_agents_that_share_a_return_may_not(load_team: LoadTeam, algorithm: str) -> None:
    team = load_team("writer_0", "editor_0", "critic_0")
    with pytest.raises(ConfigError, match="paid differently"):
        learnt(algorithm, team, collected(team, lambda: Letters(selfish=True)))


@pytest.mark.parametrize("algorithm", ["magrpo", "dr_mas"])
def test_groups_of_one_are_refused_before_anything_is_loaded(algorithm: str, tmp_path: Path) -> None:
    settings = config(algorithm, tmp_path / "no model", tmp_path / "run", samples_per_instance=1)
    with pytest.raises(ConfigError, match=r"samples_per_instance is 1; .* there must be at least 2"):
        module_of(algorithm).train(settings, quiet=True)
    uneven = replace(settings, samples_per_instance=4, episodes_per_iteration=6)
    with pytest.raises(
        ConfigError, match="episodes_per_iteration is 6, which is no multiple of samples_per_instance, 4"
    ):
        module_of(algorithm).train(uneven, quiet=True)


@pytest.mark.parametrize("algorithm", LEARNERS)
def test_every_algorithm_may_begin_where_another_run_ended(algorithm: str, tiny_model: Path, tmp_path: Path) -> None:
    before = config("marft_action", tiny_model, tmp_path / "before", num_iterations=1)
    marft_action.train(before, quiet=True)
    after = config(algorithm, tiny_model, tmp_path / "after", init_from=tmp_path / "before", num_iterations=1)
    module_of(algorithm).train(after, quiet=True)
    *_, trained = read_records(tmp_path / "before" / "evaluations.jsonl")
    initial, *_ = read_records(tmp_path / "after" / "evaluations.jsonl")
    assert (trained["name"], initial["name"]) == ("trained", "initial")
    assert trained["mean"] == initial["mean"]


def test_what_no_run_can_begin_with_is_told_before_anything_is_written(tiny_model: Path, tmp_path: Path) -> None:
    marft_action.train(config("marft_action", tiny_model, tmp_path / "before", num_iterations=1), quiet=True)
    after = config("mappo", tiny_model, tmp_path / "after", init_from=tmp_path / "before")
    for name, value in (("lora_rank", 4), ("lora_alpha", 32), ("lora_targets", ("q_proj",)), ("adapters", "shared")):
        with pytest.raises(CheckpointError, match=f"was trained with {name} .*; begin with the same"):
            mappo.train(replace(after, **{name: value}), quiet=True)
    with pytest.raises(
        CheckpointError, match=r"whose weights are not those of .* in bfloat16; begin with the same base"
    ):
        mappo.train(replace(after, dtype="bfloat16"), quiet=True)
    with pytest.raises(CheckpointError, match="nowhere"):
        mappo.train(replace(after, init_from=tmp_path / "nowhere"), quiet=True)
    assert not (tmp_path / "after").exists()


# --- 2. What each makes of returns, by hand ---


def pay(batch: Batch, *returns: float) -> None:
    """Ends each episode with one team reward, at the last turn."""
    for rollout, amount in zip(batch.rollouts, returns, strict=True):
        rollout.terminated = True
        for turn in rollout.turns:
            turn.rewards = {}
        rollout.turns[-1].rewards = dict.fromkeys(rollout.agents, amount)


def handed_over(
    algorithm: str, team: Team, batch: Batch, monkeypatch: pytest.MonkeyPatch, **settings: object
) -> list[float]:
    """The advantages that an algorithm hands to the updates, turn by turn."""
    learner = LEARNERS[algorithm](module_of(algorithm).Config(**settings), team)
    seen: list[Tensor] = []
    monkeypatch.setattr(learner.policies, "update", lambda _, advantages, *args, **given: seen.append(advantages) or {})
    learner.learn(batch, iteration=0, status=lambda _: None)
    return [round(value, 4) for value in seen[0].flatten().tolist()]


def test_magrpo_compares_joint_returns_round_by_round(load_team: LoadTeam, monkeypatch: pytest.MonkeyPatch) -> None:
    team = load_team("writer_0", "editor_0")
    batch = collected(team, lambda: Letters(team=PAIR, horizon=2), instances=2)
    pay(batch, 1.0, 0.0, 3.0, 3.0)
    # Two rounds of two turns. First instance: 1 and 0 in the second round, half of it in the first; its means are 0.5
    # and 0.25. The plays of the second instance are alike, so nothing is learnt from them.
    found = handed_over("magrpo", team, batch, monkeypatch, gamma=0.5)
    assert found == [0.25, 0.25, 0.5, 0.5] + [-0.25, -0.25, -0.5, -0.5] + [0.0] * 8


def test_magrpo_compares_a_round_only_with_plays_that_came_to_it(
    load_team: LoadTeam, monkeypatch: pytest.MonkeyPatch
) -> None:
    team = load_team("writer_0", "editor_0")
    batch = collected(team, lambda: Letters(team=PAIR, horizon=2), instances=1, samples=3)
    batch.rollouts[2].turns = batch.rollouts[2].turns[:2]
    pay(batch, 4.0, 2.0, 0.0)
    # First round: 4, 2, 0, mean 2. Second round: 4 and 2 alone, mean 3.
    found = handed_over("magrpo", team, batch, monkeypatch, gamma=1.0)
    assert found == [2.0, 2.0, 1.0, 1.0, 0.0, 0.0, -1.0, -1.0, -2.0, -2.0]


def test_dr_mas_measures_every_agent_by_the_turns_that_it_had(
    load_team: LoadTeam, monkeypatch: pytest.MonkeyPatch
) -> None:
    team = load_team("writer_0", "editor_0")
    batch = collected(team, lambda: Letters(team=PAIR, horizon=2), instances=1)
    _, second = batch.rollouts
    second.turns = second.turns[:3]  # the editor acts once there
    pay(batch, 3.0, 0.0)
    # Writer: 3 3 0 0, mean 1.5, deviation 1.5. Editor: 3 3 0, mean 2, deviation √2: 1/√2 = 0.7071 and -2/√2 = -1.4142.
    assert [turn.agent[:6] for turn in second.turns] == ["writer", "editor", "writer"]
    found = handed_over("dr_mas", team, batch, monkeypatch)
    assert found == pytest.approx([1.0, 0.7071, 1.0, 0.7071, -1.0, -1.4142, -1.0], abs=2e-4)


def test_groups_that_teach_nothing_are_counted(load_team: LoadTeam) -> None:
    team = load_team("writer_0", "editor_0")
    batch = collected(team, lambda: Letters(team=PAIR, horizon=1), instances=3)
    pay(batch, 1.0, 0.0, 0.3, 0.3, 0.1 + 0.2, 0.3)
    for algorithm, groups in (("magrpo", 3), ("dr_mas", 6)):
        metrics, _ = learnt(algorithm, team, batch)
        assert metrics["groups"] == groups
        assert metrics["groups_flat"] == 2 * groups / 3


def test_a_roles_baseline_follows_its_own_returns(load_team: LoadTeam, monkeypatch: pytest.MonkeyPatch) -> None:
    team = load_team("writer_0", "editor_0")
    batch = collected(team, lambda: Letters(team=PAIR, horizon=1), instances=2, samples=1)
    pay(batch, 0.0, 0.0)
    for rollout, amount in zip(batch.rollouts, (1.0, 3.0), strict=True):  # what one earns, the other loses
        rollout.turns[-1].rewards = {"writer_0": amount, "editor_0": -amount}
    # Decay 1/2. Writer: baseline 0.5, then 0.25 + 1.5 = 1.75: 0.5 and 1.25 beyond it. Editor: the opposite.
    found = handed_over("reinforce_rae", team, batch, monkeypatch, baseline_decay=0.5)
    assert found == [0.5, -0.5, 1.25, -1.25]


def test_baselines_are_saved_and_damage_is_told(load_team: LoadTeam, tmp_path: Path) -> None:
    team = load_team("writer_0", "editor_0")
    learner = reinforce_rae.ReinforceRae(reinforce_rae.Config(), team)
    learner.learn(collected(team, lambda: Letters(team=PAIR)), iteration=0, status=lambda _: None)
    assert set(learner.baselines) == {"plain/writer", "plain/editor"}
    learner.save(tmp_path)
    again = reinforce_rae.ReinforceRae(reinforce_rae.Config(), team)
    again.load(tmp_path)
    assert again.baselines == learner.baselines
    (tmp_path / "baselines.json").write_text(json.dumps({"plain/writer": "much"}))
    with pytest.raises(CheckpointError, match=r"cannot read the baselines .*go on from another checkpoint"):
        again.load(tmp_path)


def test_every_agent_of_mappo_and_ippo_is_paid_for_its_own_time(
    load_team: LoadTeam, monkeypatch: pytest.MonkeyPatch
) -> None:
    team = load_team("writer_0", "editor_0")
    batch = collected(team, lambda: Letters(team=PAIR, horizon=2), instances=1, samples=1)
    pay(batch, 0.0)
    paid = ({"writer_0": 1.0}, {"editor_0": 10.0}, {"writer_0": 4.0}, {"editor_0": 40.0})
    for turn, rewards in zip(batch.rollouts[0].turns, paid, strict=True):
        turn.rewards = rewards
    # Values are 0 before any training. Writer: 1 + 4/2 and 4; editor: 10 + 40/2 and 40; λ is 1.
    for algorithm in ("mappo", "ippo"):
        found = handed_over(algorithm, team, batch, monkeypatch, gamma=0.5, gae_lambda=1.0)
        assert found == [3.0, 30.0, 4.0, 40.0]


def test_mappo_reads_states_and_ippo_what_agents_see(load_team: LoadTeam, monkeypatch: pytest.MonkeyPatch) -> None:
    team = load_team("writer_0", "editor_0", "critic_0")
    batch = collected(team)
    read: list[str] = []
    features = team.base.features
    monkeypatch.setattr(team.base, "features", lambda texts, **given: read.extend(texts) or features(texts, **given))
    learnt("ippo", team, batch)
    assert not read
    learnt("mappo", team, batch)
    assert read == [f"{turn.state}\n\n{turn.agent} is about to act." for turn in batch.turns()]


# --- 3. Where two are the same ---


def test_one_token_replies_make_marft_t_and_marft_a_the_same(load_team: LoadTeam) -> None:
    team = load_team("writer_0", "editor_0", "critic_0")
    batch = collected(team, max_new_tokens=1)
    for settings in ({}, {"update_order": "reverse"}, {"bootstrap_truncated": True, "update_epochs": 2}):
        by_token, tokens = learnt("marft_token", team, batch, **settings)
        by_reply, replies = learnt("marft_action", team, batch, **settings)
        for one, other in zip(tokens, replies, strict=True):
            torch.testing.assert_close(one, other, atol=2e-6, rtol=1e-4)
        for name, value in by_reply.items():
            expected = pytest.approx(value, rel=1e-3, abs=1e-5) if isinstance(value, float) else value
            assert by_token[name] == expected, name
    longer = collected(team)
    assert not same(learnt("marft_token", team, longer)[1], learnt("marft_action", team, longer)[1])


@pytest.mark.parametrize("algorithm", ["marft_action", "marft_token"])
@pytest.mark.parametrize("adapters", ["per_agent", "shared"])
def test_with_one_adapter_sequential_and_simultaneous_are_the_same(
    load_team: LoadTeam, algorithm: str, adapters: str
) -> None:
    agents = ("writer_0",) if adapters == "per_agent" else ("writer_0", "editor_0")
    team = load_team(*agents, adapters=adapters)
    batch = collected(team, lambda: Letters(team=PAIR[: len(agents)]))
    settings = {"update_epochs": 2, "num_minibatches": 2}
    one, other = (
        learnt(algorithm, team, batch, update=update, **settings)[1] for update in ("sequential", "simultaneous")
    )
    assert same(one, other)


@pytest.mark.parametrize("algorithm", ["marft_action", "marft_token"])
def test_with_two_they_are_not(load_team: LoadTeam, algorithm: str) -> None:
    team = load_team("writer_0", "editor_0")
    batch = collected(team, lambda: Letters(team=PAIR))
    one, other = (learnt(algorithm, team, batch, update=update, lr=0.1)[1] for update in ("sequential", "simultaneous"))
    assert not same(one, other)


def test_a_single_agent_makes_marft_a_and_mappo_ppo_on_replies(load_team: LoadTeam) -> None:
    team = load_team("writer_0")
    batch = collected(team, lambda: Letters(team=PAIR[:1], horizon=1))
    pay(batch, 0.1, 0.7, 0.3, 0.0, 0.9, 0.4)
    settings = {"update_epochs": 3, "clip_coef": 0.05, "ent_coef": 0.0, "lr": 0.1, "by_sgd": True}
    _, by_marft = learnt("marft_action", team, batch, **settings)
    _, by_mappo = learnt("mappo", team, batch, **settings)
    assert same(by_marft, by_mappo)  # values are 0 yet, whatever they are read from
    # Written out: values are 0 before any training, so advantages are returns, shifted and scaled.
    returns = torch.tensor([0.1, 0.7, 0.3, 0.0, 0.9, 0.4])
    advantages = (returns - returns.mean()) / (returns.std(correction=0) + 1e-5)
    turns = list(batch.turns())
    old = torch.tensor([sum(turn.logprobs) for turn in turns])
    parameters = team.parameters("writer_0")
    optimizer = torch.optim.SGD(parameters, lr=0.1)
    for _ in range(3):
        scores = team.score("writer_0", turns, TEMPERATURE)
        ratios = (torch.where(scores.mask, scores.logprobs, 0.0).sum(-1) - old).exp()
        gains = torch.minimum(ratios * advantages, ratios.clamp(0.95, 1.05) * advantages)
        optimizer.zero_grad()
        (-gains.mean()).backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
    for one, other in zip(by_marft, parameters, strict=True):
        torch.testing.assert_close(one, other.detach(), atol=1e-6, rtol=1e-5)


def test_a_single_agent_makes_magrpo_grpo_without_division_and_clipping(load_team: LoadTeam) -> None:
    team = load_team("writer_0")
    batch = collected(team, lambda: Letters(team=PAIR[:1], horizon=1))
    pay(batch, 0.1, 0.7, 0.3, 0.0, 0.9, 0.4)
    _, found = learnt("magrpo", team, batch, ent_coef=0.0, lr=0.1, by_sgd=True)
    # Means of the groups: 0.4, 0.15, 0.65. The gradient is that of log-probabilities, weighted once.
    advantages = torch.tensor([-0.3, 0.3, 0.15, -0.15, 0.25, -0.25])
    turns = list(batch.turns())
    parameters = team.parameters("writer_0")
    optimizer = torch.optim.SGD(parameters, lr=0.1)
    scores = team.score("writer_0", turns, TEMPERATURE)
    (-(torch.where(scores.mask, scores.logprobs, 0.0).sum(-1) * advantages).mean()).backward()
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    for one, other in zip(found, parameters, strict=True):
        torch.testing.assert_close(one, other.detach(), atol=1e-6, rtol=1e-5)


def test_a_reply_weighs_by_its_tokens_in_dr_mas_and_as_one_in_magrpo(load_team: LoadTeam) -> None:
    team = load_team("writer_0")
    batch = collected(team, lambda: Letters(team=PAIR[:1], horizon=1), instances=1)
    one, other = (rollout.turns[0] for rollout in batch.rollouts)
    one.action_ids, one.logprobs = one.action_ids[:1], one.logprobs[:1]
    assert len(other.action_ids) > 1
    pay(batch, 1.0, -1.0)
    losses = {name: learnt(name, team, batch, ent_coef=0.0)[0]["writer_0/loss"] for name in ("dr_mas", "magrpo")}
    # At ratios of 1 a loss is minus the mean advantage: of 1 and -1, or of one 1 and as many -1 as there are tokens.
    tokens = len(other.action_ids)
    assert losses["magrpo"] == pytest.approx(0.0, abs=1e-4)
    assert losses["dr_mas"] == pytest.approx(-(1 - tokens) / (1 + tokens), abs=1e-4)
