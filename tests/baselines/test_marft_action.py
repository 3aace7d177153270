"""MARFT-A on a model of two layers: its gradient, its order of updates, what it logs and saves, and that a team learns.

1. One update's gradient is that of the surrogate objective, by finite differences.
2. Agents are updated one after another, with the ratios of those before; old log-probabilities are frozen first.
3. What is skipped is said and counted.
4. The critic: warm-up, what it reads, what a cut is worth.
5. Whole runs: every figure is there, a seed decides everything, a checkpoint is the team, others are not trained, and a
   team learns.
"""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from baselines.algorithms.marft_action import Config, MarftAction, train
from baselines.errors import ConfigError
from baselines.evaluate import play_held_out
from baselines.policies.adapted import Compute
from baselines.policies.team import Team
from baselines.rollouts.batch import Batch, Turn
from baselines.rollouts.collect import Collector, Sampling, Task
from baselines.runs.experiment import Experiment, Metrics, load_team
from baselines.runs.records import read_records
from baselines.runs.run import load_checkpoint
from baselines.runs.trained_settings import trained_settings
from baselines.updates import optimizers, policies
from baselines.updates.policies import Experience
from baselines.updates.values import Reading
from tests.baselines.toy_envs import Letters

LoadTeam = Callable[..., Team]
AGENTS = ("writer_0", "editor_0", "critic_0")
TEMPERATURE = 0.8


def collected(team: Team, *, episodes: int = 4, reads_final_prompts: bool = False, **options: object) -> Batch:
    torch.manual_seed(11)
    collector = Collector(lambda: Letters(**options), team, num_envs=episodes, reads_final_prompts=reads_final_prompts)
    by_role = {"editor": 3, "critic": 1}  # replies of different lengths
    return collector.collect([Task(seed) for seed in range(episodes)], Sampling(TEMPERATURE, 6, by_role))


def learner(team: Team, **settings: object) -> MarftAction:
    torch.manual_seed(12)
    return MarftAction(Config(temperature=TEMPERATURE, **settings), team)


def learn(team: Team, batch: Batch, **settings: object) -> Metrics:
    return learner(team, **settings).learn(batch, iteration=0, status=print)


def fit_critic(ppo: MarftAction, batch: Batch) -> Metrics:
    """Learns as in a warm-up, which leaves the team alone."""
    ppo.config = replace(ppo.config, critic_warmup=1)
    return ppo.learn(batch, iteration=0, status=print)


def copies(tensors: Sequence[Tensor]) -> list[Tensor]:
    return [tensor.detach().clone() for tensor in tensors]


def same(tensors: Sequence[Tensor], others: Sequence[Tensor]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(tensors, others, strict=True))


@pytest.fixture
def team(load_team: LoadTeam) -> Team:
    return load_team(*AGENTS)


# The gradient.


def replies(team: Team) -> tuple[list[Turn], list[Tensor], Tensor]:
    """Six replies of unequal lengths; old log-probabilities so that some ratios are clipped."""
    team.base.model.double()
    rng = np.random.default_rng(3)
    eos = team.base.tokenizer.eos_token_id
    turns = []
    for number, length in enumerate((1, 4, 2, 6, 3, 1)):
        ids = [*rng.integers(256, size=length - 1).tolist(), eos]
        turns.append(Turn("writer_0", 0, rng.integers(256, size=3 + number).tolist(), ids, [], "", "", ""))
    now = team.score_all("writer_0", turns, TEMPERATURE)
    turns = [replace(turn, logprobs=logprobs.tolist()) for turn, logprobs in zip(turns, now, strict=True)]
    shifts = (0.05, -0.5, 0.1, 0.6, -0.1, 0.3)
    old = [logprobs + shift / len(logprobs) for logprobs, shift in zip(now, shifts, strict=True)]
    return turns, old, torch.tensor([1.0, 2.0, -1.0, -0.5, 0.7, 1.5], dtype=torch.float64)


def objective(team: Team, turns: list[Turn], old: list[Tensor], advantages: Tensor, ent_coef: float) -> float:
    """The negative surrogate, written out reply by reply."""
    total, entropies = 0.0, []
    for turn, before, advantage in zip(turns, old, advantages.tolist(), strict=True):
        with torch.no_grad():
            scores = team.score("writer_0", [turn], TEMPERATURE)
        ratio = math.exp(float(scores.logprobs.sum() - before.sum()))
        total += min(ratio * advantage, min(max(ratio, 0.8), 1.3) * advantage) / len(turns)
        entropies += scores.entropy[0].tolist()
    return -total - ent_coef * sum(entropies) / len(entropies)


@pytest.mark.parametrize("ent_coef", [0.0, 0.3])
def test_the_gradient_is_that_of_the_surrogate_by_finite_differences(load_team: LoadTeam, ent_coef: float) -> None:
    team = load_team(*AGENTS, scale=0.1)  # larger adapters bend the objective too much for a difference to be a slope
    turns, old, advantages = replies(team)
    ppo = learner(team, clip_coef=0.2, clip_coef_high=0.3, ent_coef=ent_coef)
    step = ppo.policies._accumulate("writer_0", Experience(turns, [], old), advantages[:, None], [4, 1, 0, 3, 2, 5])
    found = step.averages
    assert step.drift.maximum < 1e-6
    assert found["loss"] == pytest.approx(objective(team, turns, old, advantages, ent_coef), abs=1e-9)
    # Ratios e^-0.05 e^0.5 e^-0.1 e^-0.6 e^0.1 e^-0.3 = 0.95 1.65 0.90 0.55 1.11 0.74: three of six leave [0.8, 1.3]
    assert found["clip_fraction"] == pytest.approx(3 / 6)
    length = (
        1e-3  # the model's norms are float32 whatever the rest is, so a far smaller one would measure their rounding
    )
    torch.manual_seed(4)
    for parameter in team.parameters("writer_0"):
        assert parameter.grad is not None
        along = parameter.grad / parameter.grad.norm() + torch.nn.functional.normalize(
            torch.randn_like(parameter).flatten(), dim=0
        ).view_as(parameter)
        here = parameter.data.clone()
        parameter.data.copy_(here + length * along)
        above = objective(team, turns, old, advantages, ent_coef)
        parameter.data.copy_(here - length * along)
        below = objective(team, turns, old, advantages, ent_coef)
        parameter.data.copy_(here)
        slope = float((parameter.grad * along).sum())
        assert (above - below) / (2 * length) == pytest.approx(slope, rel=2e-3)


def test_a_minibatch_has_the_same_gradient_however_it_is_cut_up(team: Team) -> None:
    turns, old, advantages = replies(team)
    found = []
    plain = [Compute("plain", batch_size=size) for size in (1, 4, 6)]
    packed = [Compute("packed", max_packed_tokens=size) for size in (1, 12, 100)]
    for compute in (*plain, *packed):
        team.base.compute = compute
        team.base.model.zero_grad()
        ppo = learner(team, ent_coef=0.3)
        totals = ppo.policies._accumulate(
            "writer_0", Experience(turns, [], old), advantages[:, None], list(range(6))
        ).averages
        found.append((totals, [parameter.grad for parameter in team.parameters("writer_0")]))
    for totals, gradients in found[1:]:
        assert totals == pytest.approx(found[0][0], abs=1e-9)
        for one, other in zip(gradients, found[0][1], strict=True):
            torch.testing.assert_close(one, other, atol=1e-10, rtol=1e-7)


def test_without_anything_to_learn_the_team_stays_as_it_is(team: Team) -> None:
    batch = collected(team)
    for turn in batch.turns():
        turn.rewards = {}
    before = {adapter: copies(team.parameters(adapter)) for adapter in AGENTS}
    metrics = learn(team, batch, ent_coef=0.0)
    for adapter in AGENTS:
        assert same(team.parameters(adapter), before[adapter])
        assert (
            metrics[f"{adapter}/grad_norm"] == metrics[f"{adapter}/loss"] == metrics[f"{adapter}/advantage_std"] == 0.0
        )
        assert metrics[f"{adapter}/updates"] == 2  # done, and without effect: that is what advantage_std tells
        assert metrics[f"{adapter}/grad_share"] == 0.0


def test_gradients_are_clipped_agent_by_agent_and_their_shares_add_up(team: Team) -> None:
    ppo = learner(team, num_minibatches=1, max_grad_norm=1e-3)
    stepped: dict[str, float] = {}

    def note(adapter: str) -> None:
        left = torch.cat([parameter.grad.flatten() for parameter in team.parameters(adapter)])
        stepped[adapter] = float(left.norm())

    for adapter, optimizer in ppo.optimizers.by_adapter.items():
        optimizer.register_step_pre_hook(lambda *_, adapter=adapter: note(adapter))
    metrics = ppo.learn(collected(team), iteration=0, status=print)
    norms = [metrics[f"{adapter}/grad_norm"] for adapter in AGENTS]
    assert all(norm > 1e-3 for norm in norms)  # as they were before clipping
    shares = [metrics[f"{adapter}/grad_share"] for adapter in AGENTS]
    assert shares == pytest.approx([norm / sum(norms) for norm in norms])
    assert stepped == pytest.approx(dict.fromkeys(AGENTS, 1e-3), rel=1e-3)
    # An agent's gradients are gone once it is updated: they would take memory for every agent of the team.
    assert all(parameter.grad is None for adapter in AGENTS for parameter in team.parameters(adapter))


# One after another.


class Recorded:
    """What each call of `predecessor_weights` was given and gave."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[dict[str, object]] = []
        weigh = policies.predecessor_weights

        def recorded(order: object, log_ratios: Tensor, *args: object, **settings: object) -> object:
            weighted = weigh(order, log_ratios, *args, **settings)
            self.calls.append(
                {
                    "log_ratios": log_ratios.clone(),
                    "current": settings["current"],
                    "updated": list(settings["updated"]),
                    "weights": weighted.weights,
                }
            )
            return weighted

        monkeypatch.setattr(policies, "predecessor_weights", recorded)

    def each(self, name: str) -> list[object]:
        return [call[name] for call in self.calls]


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Recorded:
    return Recorded(monkeypatch)


def summed_log_ratios(team: Team, batch: Batch, agent: str) -> list[float]:
    turns = [turn for turn in batch.turns() if turn.agent == agent]
    new = team.score_all(agent, turns, TEMPERATURE)
    return [float(after.sum()) - sum(turn.logprobs) for after, turn in zip(new, turns, strict=True)]


def test_each_agents_update_reads_the_summed_log_ratios_of_those_updated_before(team: Team, recorded: Recorded) -> None:
    batch = collected(team)
    learn(team, batch, lr=0.02, target_kl=None)
    assert recorded.each("current") == [0, 1, 2]
    assert recorded.each("updated") == [[], [0], [0, 1]]
    agents = [turn.agent for turn in batch.turns()]
    for call, known in zip(recorded.calls, ([], AGENTS[:1], AGENTS[:2]), strict=True):
        expected = torch.zeros(len(agents))
        for agent in known:
            mine = [position for position, name in enumerate(agents) if name == agent]
            expected[mine] = torch.tensor(summed_log_ratios(team, batch, agent))
        torch.testing.assert_close(call["log_ratios"], expected, atol=1e-3, rtol=0)
    # The editor's weight in a round is the writer's ratio there: the whole reply's, not a mean over its tokens.
    writers = [position for position, name in enumerate(agents) if name == "writer_0"]
    editors = [position for position, name in enumerate(agents) if name == "editor_0"]
    ratios = recorded.calls[1]["log_ratios"][writers].clamp(-2, 2).exp()
    assert (ratios - 1).abs().max() > 0.05  # the update did move it
    torch.testing.assert_close(recorded.calls[1]["weights"][editors], ratios)


def test_simultaneous_updates_all_start_from_the_same_snapshot(team: Team, recorded: Recorded) -> None:
    batch = collected(team)
    learn(team, batch, lr=0.02, update="simultaneous", target_kl=None)
    assert recorded.each("updated") == [[], [], []]
    for call in recorded.calls:
        assert set(call["weights"].tolist()) == {0.0, 1.0}


@pytest.mark.parametrize(("order", "expected"), [("acting", [0, 1, 2]), ("reverse", [2, 1, 0])])
def test_the_order_of_updates_is_the_one_asked_for(
    team: Team, recorded: Recorded, order: str, expected: list[int]
) -> None:
    learn(team, collected(team), update_order=order)
    assert recorded.each("current") == expected


def test_a_random_order_changes_from_iteration_to_iteration_and_follows_from_the_seed(
    team: Team, recorded: Recorded
) -> None:
    batch = collected(team, episodes=1, horizon=1)
    for _ in range(2):
        ppo = learner(team, update_order="random", seed=5)
        for _ in range(4):
            ppo.learn(batch, iteration=0, status=print)
    orders = [tuple(recorded.each("current")[start : start + 3]) for start in range(0, 24, 3)]
    assert all(sorted(order) == [0, 1, 2] for order in orders)
    assert len(set(orders[:4])) > 1
    assert orders[:4] == orders[4:]


@pytest.mark.parametrize("source", ["sampler", "trainer"])
def test_old_log_probabilities_of_all_agents_are_frozen_before_the_first_update(
    team: Team, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    batch = collected(team)
    agents = [turn.agent for turn in batch.turns()]
    before = {
        agent: team.score_all(agent, [turn for turn in batch.turns() if turn.agent == agent], TEMPERATURE)
        for agent in AGENTS
    }
    events: list[str] = []
    olds: dict[str, list[Tensor]] = {}
    ppo = learner(team, old_logprobs=source, lr=0.05)
    freeze, update = ppo.policies._old_logprobs, ppo.policies._update_block

    def frozen(adapter: str, *args: object) -> list[Tensor]:
        events.append(f"freeze {adapter}")
        return freeze(adapter, *args)

    def updated(adapter: str, experience: Experience, *args: object, **settings: object) -> object:
        events.append(f"update {adapter}")
        olds[adapter] = experience.old
        return update(adapter, experience, *args, **settings)

    monkeypatch.setattr(ppo.policies, "_old_logprobs", frozen)
    monkeypatch.setattr(ppo.policies, "_update_block", updated)
    ppo.learn(batch, iteration=0, status=print)
    assert events == [f"freeze {agent}" for agent in AGENTS] + [f"update {agent}" for agent in AGENTS]
    for agent in AGENTS:
        assert agents.count(agent) == len(olds[agent])
        for old, expected in zip(olds[agent], before[agent], strict=True):
            torch.testing.assert_close(old, expected, atol=1e-4, rtol=0)


def test_what_is_computed_again_shares_the_rounding_of_the_update(load_team: LoadTeam) -> None:
    team = load_team(*AGENTS, dtype="bfloat16", compute=Compute(max_packed_tokens=40))
    batch = collected(team, episodes=6)
    for turn in batch.turns():
        turn.logprobs[:] = [logprob - 0.1 for logprob in turn.logprobs]  # as a sampler might that computes otherwise
    again = learn(team, batch, num_minibatches=1, target_kl=None)
    for agent in AGENTS:  # ratios of exactly 1 before the first step: no KL, nothing clipped
        assert again[f"{agent}/kl"] == 0.0
        assert again[f"{agent}/drift_mean"] == pytest.approx(0.1, abs=0.02)
        assert again[f"{agent}/drift_share"] == pytest.approx(1, abs=0.1)
    sampled = learn(team, batch, num_minibatches=1, target_kl=None, old_logprobs="sampler")
    assert all(sampled[f"{agent}/kl"] > 0.0 for agent in AGENTS)


def test_in_float32_nothing_has_to_be_computed_again(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = collected(team)
    monkeypatch.setattr(team, "score_all", None)
    learn(team, batch, update="simultaneous")


def test_agents_that_share_an_adapter_are_one_block_with_no_ratio_inside(
    load_team: LoadTeam, recorded: Recorded
) -> None:
    team = load_team(*AGENTS, adapters="shared")
    metrics = learn(team, collected(team), lr=0.02)
    (call,) = recorded.calls
    assert call["weights"].tolist() == [1.0] * len(call["weights"])
    assert metrics["team/tokens_out"] > 0
    assert metrics["team/predecessor_ess"] == 1.0
    assert metrics["team/grad_share"] == 1.0


def test_agents_paid_differently_are_refused_unless_each_is_on_its_own(team: Team) -> None:
    batch = collected(team, selfish=True, reads_final_prompts=True)
    for settings in ({}, {"critic_input": "observation"}, {"update": "simultaneous"}):
        with pytest.raises(ConfigError, match="paid differently"):
            learn(team, batch, **settings)
    metrics = learn(team, batch, critic_input="observation", update="simultaneous")
    assert metrics["writer_0/updates"] == 2


# What is skipped.


def test_an_agent_that_has_moved_too_far_stops_says_why_and_counts_what_it_skipped(team: Team) -> None:
    metrics = learn(team, collected(team), update_epochs=4, num_minibatches=2, lr=0.1, target_kl=1e-3)
    for adapter in AGENTS:
        updates, skipped = metrics[f"{adapter}/updates"], metrics[f"{adapter}/skipped_updates"]
        assert updates >= 1  # nothing had moved before the first one
        assert skipped >= 1
        assert updates + skipped == 8
        reason = str(metrics[f"{adapter}/stop_reason"])
        assert reason.startswith("kl ")
        assert f"> 0.001 at epoch {updates // 2 + 1}, minibatch {updates % 2 + 1}" in reason


def test_an_agent_without_a_bound_does_all_its_updates(team: Team) -> None:
    metrics = learn(team, collected(team), update_epochs=2, num_minibatches=2, lr=0.1, target_kl=None)
    for adapter in AGENTS:
        assert metrics[f"{adapter}/updates"] == 4
        assert metrics[f"{adapter}/skipped_updates"] == 0
        assert metrics[f"{adapter}/stop_reason"] is None
        assert metrics[f"{adapter}/kl"] > 1e-3


def test_the_learning_rate_rises_with_the_steps_of_each_adapter_and_goes_on_from_a_checkpoint(
    team: Team, tmp_path: Path
) -> None:
    batch = collected(team)
    settings = {"lr": 0.01, "lr_warmup": 5, "num_minibatches": 2, "target_kl": None}
    ppo = learner(team, **settings)
    rates: list[float] = []
    for optimizer in ppo.optimizers.by_adapter.values():
        optimizer.register_step_pre_hook(lambda optimizer, *_: rates.append(optimizer.param_groups[0]["lr"]))
    ppo.learn(batch, iteration=0, status=print)
    assert rates == pytest.approx([0.002, 0.004] * len(AGENTS))
    ppo.save(tmp_path)
    again = learner(team, **settings)
    again.load(tmp_path)
    for optimizer in again.optimizers.by_adapter.values():
        optimizer.register_step_pre_hook(lambda optimizer, *_: rates.append(optimizer.param_groups[0]["lr"]))
    for _ in range(2):
        again.learn(batch, iteration=0, status=print)
    assert rates[2 * len(AGENTS) :: 2] == pytest.approx([0.006] * len(AGENTS) + [0.01] * len(AGENTS))
    assert rates[2 * len(AGENTS) + 1 :: 2] == pytest.approx([0.008] * len(AGENTS) + [0.01] * len(AGENTS))


def test_an_annealed_learning_rate_falls_to_nothing_over_the_iterations(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates: list[float] = []
    monkeypatch.setattr(optimizers, "set_lr", lambda _, lr: rates.append(lr))
    settings = {"lr": 0.1, "num_minibatches": 1, "num_iterations": 4, "eval_instances": 0}
    train(config(tiny_model, tmp_path / "run", anneal_lr=True, **settings), quiet=True)
    assert rates[:: len(AGENTS)] == pytest.approx([0.1, 0.075, 0.05, 0.025])
    rates.clear()
    train(config(tiny_model, tmp_path / "steady", **settings), quiet=True)
    assert rates == pytest.approx([0.1] * 4 * len(AGENTS))


def test_more_minibatches_than_replies_are_one_reply_each(team: Team) -> None:
    metrics = learn(team, collected(team, episodes=1), num_minibatches=50)
    assert metrics["writer_0/updates"] == 2  # one episode of two rounds
    assert metrics["writer_0/skipped_updates"] == 0


# The critic.


def test_a_warm_up_fits_the_critic_and_leaves_the_team_alone(team: Team) -> None:
    batch = collected(team)
    before = {adapter: copies(team.parameters(adapter)) for adapter in AGENTS}
    ppo = learner(team)
    head = copies(list(ppo.values.critic.parameters()))
    metrics = fit_critic(ppo, batch)
    assert metrics["policy/skipped"] == "critic warm-up"
    assert "writer_0/updates" not in metrics
    assert all(same(team.parameters(adapter), before[adapter]) for adapter in AGENTS)
    assert not same(list(ppo.values.critic.parameters()), head)


def test_the_critic_comes_to_explain_what_it_has_seen(team: Team) -> None:
    batch = collected(team, horizon=1)
    for rollout, amount in zip(batch.rollouts, (0.0, 1.0, 2.0, 5.0), strict=True):
        rollout.terminated = True
        for turn in rollout.turns:
            turn.rewards = {}
        rollout.turns[-1].rewards = dict.fromkeys(AGENTS, amount)
    ppo = learner(team, gamma=1.0, gae_lambda=1.0)
    explained = [fit_critic(ppo, batch)["critic/explained_variance"] for _ in range(6)]
    assert explained[0] == pytest.approx(0.0, abs=1e-6)  # every value was 0 before
    assert explained[-1] > 0.9


def test_the_critic_reads_the_states_before_every_turn_and_after_a_cut(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = collected(team)
    read: list[list[str]] = []
    features = team.base.features

    def noted(texts: Sequence[str], **settings: object) -> Tensor:
        read.append(list(texts))
        return features(texts, **settings)

    monkeypatch.setattr(team.base, "features", noted)
    fit_critic(learner(team, bootstrap_truncated=True), batch)
    finals = [rollout.final_states[agent] for rollout in batch.rollouts for agent in AGENTS]
    assert read == [[turn.state for turn in batch.turns()] + finals]


def test_a_critic_of_observations_reads_nothing_but_what_was_read_while_collecting(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = collected(team, reads_final_prompts=True)
    monkeypatch.setattr(team.base, "features", None)
    monkeypatch.setattr(team, "prompt_features", None)
    ppo = learner(team, critic_input="observation", critic_steps=400, bootstrap_truncated=True)
    read: list[Tensor] = []
    ppo.values.critic.register_forward_pre_hook(lambda _critic, args: read.append(args[0]))
    losses = [fit_critic(ppo, batch)["critic/loss"] for _ in range(3)]
    after = [rollout.final_features[agent] for rollout in batch.rollouts for agent in AGENTS]
    assert torch.equal(read[0], torch.stack([turn.features for turn in batch.turns()] + after))
    assert losses[0] > 2 * losses[-1]  # what was read tells turns apart
    assert not any("the number is" in turn.observation for turn in batch.turns())


def test_what_comes_after_a_cut_counts_for_a_critic_of_observations(team: Team) -> None:
    batch = collected(team, reads_final_prompts=True)
    ppo = learner(team, critic_input="observation", critic_steps=400, bootstrap_truncated=True)
    fit_critic(ppo, batch)
    as_it_was = fit_critic(copy.deepcopy(ppo), batch)["critic/loss"]
    for rollout in batch.rollouts:
        rollout.final_features = {agent: 2 * features for agent, features in rollout.final_features.items()}
    assert fit_critic(ppo, batch)["critic/loss"] != as_it_was


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({}, False),
        ({"bootstrap_truncated": True}, False),
        ({"critic_input": "observation"}, False),
        ({"critic_input": "observation", "bootstrap_truncated": True}, True),
        ({"critic_input": "observation", "bootstrap_truncated": True, "gamma": 0.0}, False),
    ],
)
def test_next_prompts_are_read_only_for_a_critic_that_they_count_for(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, object], wanted: bool
) -> None:
    num_read: list[int] = []
    features = Team.prompt_features

    def noted(self: Team, agents: list[str], *others: object) -> Tensor:
        num_read.append(len(agents))
        return features(self, agents, *others)

    monkeypatch.setattr(Team, "prompt_features", noted)
    # Evaluations, three instances before and after, are cut as well, and read nothing.
    train(config(tiny_model, tmp_path / "run", **settings), quiet=True)
    assert num_read == ([4 * 3] * 2 if wanted else [])


@pytest.mark.parametrize("path", ["packed", "plain"])
def test_what_is_kept_while_collecting_does_not_change_a_run(tiny_model: Path, tmp_path: Path, path: str) -> None:
    shared = {"critic_input": "observation", "update_path": path, "env_options": {"horizon": 3}, "lr": 0.01}
    shared["bootstrap_truncated"] = True
    for most in (0, 500, 8192):
        settings = config(tiny_model, tmp_path / str(most), **shared, max_history_tokens=most)
        train(settings, quiet=True)
    without, *kept = (without_times(tmp_path / str(most) / "metrics.jsonl") for most in (0, 500, 8192))
    for run in kept:
        for one, other in zip(run, without, strict=True):
            assert one.keys() == other.keys()
            for name, value in other.items():
                assert one[name] == (pytest.approx(value, rel=1e-3, abs=1e-4) if isinstance(value, float) else value)


@pytest.mark.parametrize("settings", [{}, {"bootstrap_truncated": True, "gamma": 0.0}])
def test_where_nothing_counts_after_a_cut_it_is_an_end_and_is_not_read(
    team: Team, monkeypatch: pytest.MonkeyPatch, settings: dict[str, object]
) -> None:
    batch = collected(team)
    assert not any(rollout.terminated for rollout in batch.rollouts)
    read: list[list[str]] = []
    features = team.base.features
    monkeypatch.setattr(
        team.base, "features", lambda texts, **given: read.append(list(texts)) or features(texts, **given)
    )
    cut = fit_critic(learner(team, **settings), batch)
    assert read == [[turn.state for turn in batch.turns()]]
    for rollout in batch.rollouts:
        rollout.terminated = True
    assert fit_critic(learner(team, **settings), batch) == cut


@pytest.mark.parametrize("critic_input", ["state", "observation"])
def test_what_a_critic_thinks_of_what_follows_a_cut_is_paid_only_if_that_is_asked_for(
    team: Team, monkeypatch: pytest.MonkeyPatch, critic_input: str
) -> None:
    batch = collected(team, reads_final_prompts=True)
    paid = [sum(amount for turn in rollout.turns for amount in turn.rewards.values()) for rollout in batch.rollouts]
    returns: dict[bool, Tensor] = {}

    def kept(bootstraps: bool) -> Callable[[Reading, Tensor], Metrics]:
        return lambda _reading, found: returns.update({bootstraps: found}) or {}

    for bootstraps in (True, False):
        ppo = learner(team, critic_input=critic_input, bootstrap_truncated=bootstraps, gae_lambda=1.0, gamma=1.0)
        torch.nn.init.constant_(ppo.values.critic.out.bias, 100.0)
        monkeypatch.setattr(ppo.values, "fit", kept(bootstraps))
        fit_critic(ppo, batch)
    assert returns[False].max() <= max(paid)
    assert (returns[True] - returns[False]).tolist() == pytest.approx([100.0] * len(returns[True]))


# Whole runs.


def config(tiny_model: Path, folder: Path, **settings: object) -> Config:
    chosen = {
        "env_id": "tests.baselines.toy_envs:Letters",
        "model": str(tiny_model),
        "run_dir": folder,
        "num_iterations": 2,
        "episodes_per_iteration": 4,
        "eval_instances": 3,
        "few_shot": 0,
        "max_new_tokens": 4,
        **settings,
    }
    return Config(**chosen)


def test_every_iteration_logs_what_each_agent_did(tiny_model: Path, tmp_path: Path) -> None:
    train(config(tiny_model, tmp_path / "run", num_iterations=1), quiet=True)
    (record,) = read_records(tmp_path / "run" / "metrics.jsonl")
    for agent in AGENTS:
        for name in ("return", "kl", "clip_fraction", "entropy", "grad_norm", "grad_share", "drift_max"):
            assert math.isfinite(record[f"{agent}/{name}"]), name
        assert record[f"{agent}/drift_max"] < 1e-4  # sampler and trainer agree
        assert record[f"{agent}/tokens_in"] > record[f"{agent}/tokens_out"] > 0
        assert record[f"{agent}/skipped_updates"] == 0
        assert record[f"{agent}/stop_reason"] is None
    assert "critic/explained_variance" in record
    assert record["train/episodes"] == 4
    assert record["train/turns"] == 4 * 2 * 3


def without_times(path: Path) -> list[dict[str, object]]:
    return [
        {
            name: value
            for name, value in record.items()
            if name not in {"wall_s", "cpu_s"} and not name.startswith("time/")
        }
        for record in read_records(path)
    ]


def test_the_same_seed_gives_the_same_run_and_another_seed_another(tiny_model: Path, tmp_path: Path) -> None:
    for name, seed in (("one", 3), ("two", 3), ("three", 4)):
        train(config(tiny_model, tmp_path / name, seed=seed, lr=0.02), quiet=True)
        torch.manual_seed(seed + len(name))  # whatever happens between two runs
    for file in ("metrics.jsonl", "evaluations.jsonl"):
        one, two, three = (without_times(tmp_path / name / file) for name in ("one", "two", "three"))
        assert one == two
        assert one != three or file == "evaluations.jsonl"


def test_the_final_checkpoint_is_the_team_that_was_trained(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared: list[Experiment] = []
    prepare = Experiment.prepare

    def kept(settings: Config) -> Experiment:
        prepared.append(prepare(settings))
        return prepared[-1]

    monkeypatch.setattr(Experiment, "prepare", kept)
    train(config(tiny_model, tmp_path / "run", lr=0.05, target_kl=None), quiet=True)
    checkpoint = load_checkpoint(tmp_path / "run")
    assert checkpoint.name == "final"
    settings = trained_settings(checkpoint)
    loaded = load_team(settings, AGENTS, checkpoint.path)
    tasks = [Task(seed) for seed in range(3)]
    played = [
        [turn.text for rollout in play_held_out(settings, team, tasks).rollouts for turn in rollout.turns]
        for team in (prepared[0].team, loaded, load_team(settings, AGENTS))
    ]
    assert played[0] == played[1]
    assert played[0] != played[2]  # the untrained team says something else, so the comparison can fail


def test_a_decentralised_critic_and_a_warm_up_make_a_whole_run(tiny_model: Path, tmp_path: Path) -> None:
    settings = config(tiny_model, tmp_path / "run", critic_input="observation", critic_warmup=1, eval_instances=0)
    train(settings, quiet=True)
    first, second = read_records(tmp_path / "run" / "metrics.jsonl")
    assert first["policy/skipped"] == "critic warm-up"
    assert "writer_0/updates" not in first
    assert second["writer_0/updates"] == 2


@pytest.mark.parametrize("critic_input", ["state", "observation"])
def test_who_is_played_by_others_is_heard_and_not_trained(tiny_model: Path, tmp_path: Path, critic_input: str) -> None:
    company = {"editor": "echo", "critic_0": "untrained"}
    settings = config(
        tiny_model, tmp_path / "run", critic_input=critic_input, replace=company, bootstrap_truncated=True, lr=0.05
    )
    train(settings, quiet=True)
    first, _ = read_records(tmp_path / "run" / "metrics.jsonl")
    assert first["train/turns"] == 4 * 2 * 3
    assert {name.partition("/")[0] for name in first if name.endswith("/updates")} == {"writer_0"}
    assert all(math.isfinite(first[name]) for name in ("critic/loss", "writer_0/grad_norm", "writer_0/kl"))
    checkpoint = load_checkpoint(tmp_path / "run")
    assert [folder.parent.name for folder in checkpoint.path.glob("*/adapter_model.safetensors")] == ["writer_0"]
    settings = trained_settings(checkpoint)
    team = load_team(settings, AGENTS, checkpoint.path)
    assert team.blocks == {"writer_0": ("writer_0",)}
    (rollout,) = play_held_out(settings, team, [Task(1)]).rollouts
    writer, editor, critic, *_ = rollout.turns
    assert editor.text == writer.text  # the last that it was told
    assert editor.action_ids == [] != critic.action_ids


def test_an_untrained_agent_is_the_same_by_name_and_from_a_checkpoint(tiny_model: Path, tmp_path: Path) -> None:
    base = {"lr": 0.05, "eval_instances": 0}
    nothing_moves = base | {"lr": 1e-30, "num_iterations": 1}
    train(config(tiny_model, tmp_path / "before", **nothing_moves), quiet=True)
    companies = {"named": "untrained", "loaded": str(tmp_path / "before")}
    for name, who in companies.items():
        train(config(tiny_model, tmp_path / name, replace={"editor_0": who}, **base), quiet=True)
    named, loaded = (without_times(tmp_path / name / "metrics.jsonl") for name in companies)
    assert named == loaded
    assert named[1]["writer_0/kl"] > 0


def test_a_play_that_the_environment_does_not_have_is_said_with_the_way_out(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"editor_0 is to be played by 'silent', but .*; let untrained, random or"):
        train(config(tiny_model, tmp_path / "run", replace={"editor": "silent"}, eval_instances=0), quiet=True)


@pytest.mark.parametrize(
    ("company", "message"),
    [
        ({"writer": "untrained", "editor": "echo", "critic": "untrained"}, "leaves nobody to train"),
        ({"writer": "echo", "editor": "echo", "critic": "echo"}, "scripts play every agent"),
        ({"author": "echo"}, "replace names 'author'; the agents are writer_0, editor_0, critic_0"),
    ],
)
def test_company_that_cannot_be_is_refused(
    tiny_model: Path, tmp_path: Path, company: dict[str, str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        train(config(tiny_model, tmp_path / "run", replace=company), quiet=True)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("update_epochs", 0),
        ("num_minibatches", 0),
        ("lr_warmup", -1),
        ("gamma", 1.5),
        ("lr", 0.0),
        ("clip_coef", -0.1),
        ("gae_lambda", -1),
    ],
)
def test_a_setting_out_of_range_is_refused_before_anything_is_loaded(tmp_path: Path, name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"{name} is {value}; it must"):
        train(Config(model=str(tmp_path / "no model"), run_dir=tmp_path / "run", **{name: value}), quiet=True)
    assert not (tmp_path / "run").exists()


def test_a_team_learns_what_only_both_of_its_agents_can_earn(tiny_model: Path, tmp_path: Path) -> None:
    settings = config(
        tiny_model,
        tmp_path / "run",
        env_id="tests.baselines.toy_envs:Uppercase",
        num_iterations=30,
        episodes_per_iteration=48,
        num_envs=48,
        temperature=1.0,
        max_new_tokens=3,
        lr=0.02,
        lora_targets=("q_proj", "v_proj", "o_proj", "down_proj"),
        eval_instances=2,
    )
    train(settings, quiet=True)
    returns = [record["train/return"] for record in read_records(tmp_path / "run" / "metrics.jsonl")]
    # Capitals are a tenth of all tokens, so both agents earn a hundredth by chance; 0.3 needs more than half from each.
    assert np.mean(returns[:3]) < 0.03
    assert np.mean(returns[-5:]) > 0.3
