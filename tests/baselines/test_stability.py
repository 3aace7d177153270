"""What keeps updates in bounds, by hand: divergence from the base, sampler weights, values, a stop at no number."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from baselines.algorithms import dr_mas, marft_action
from baselines.errors import ConfigError, DivergedError
from baselines.learning.losses import reference_kl
from baselines.policies.critic import Critic
from baselines.policies.team import Team
from baselines.rollouts.batch import Batch
from baselines.runs.checkpoint_loading import load_checkpoint
from baselines.updates.policies import Experience
from tests.baselines.test_algorithms import TEMPERATURE, collected, config, learnt, pay
from tests.baselines.toy_envs import PAIR, Letters

LoadTeam = Callable[..., Team]


@pytest.fixture
def team(load_team: LoadTeam) -> Team:
    return load_team("writer_0", "editor_0")


@pytest.fixture
def batch(team: Team) -> Batch:
    return collected(team, lambda: Letters(team=PAIR))


# --- Divergence from the base ---


def test_the_divergence_is_ratio_minus_one_minus_log_ratio_of_the_reference() -> None:
    logprobs = torch.tensor([[0.2, 0.5], [0.5, 0.9]]).log()
    reference = torch.tensor([[0.4, 0.5], [0.1, 0.1]]).log()
    mask = torch.tensor([[True, True], [True, False]])
    # Ratios 2, 1, 1/5: 1 - ln 2, 0, -4/5 + ln 5.
    expected = ((1 - math.log(2)) + 0 + (-0.8 + math.log(5))) / 3
    assert float(reference_kl(logprobs, reference, mask)) == pytest.approx(expected)


def test_a_charge_for_divergence_draws_a_team_back_to_the_base(team: Team, batch: Batch) -> None:
    for turn in batch.turns():
        turn.rewards = {}  # nothing else to learn
    settings = {"ent_coef": 0.0, "reference_kl_coef": 0.1, "update_epochs": 8}
    metrics, _ = learnt("marft_action", team, batch, **settings)
    turns = [turn for turn in batch.turns() if turn.agent == "writer_0"]
    own, base = (torch.cat(found) for found in _logprobs(team, turns))
    assert float((own - base).abs().max()) > 0.1  # a perturbed adapter is away from it
    once, _ = learnt("marft_action", team, batch, **settings | {"update_epochs": 1})
    k3 = float(((base - own).expm1() - (base - own)).mean())
    assert once["writer_0/reference_kl"] == pytest.approx(k3, rel=1e-3)
    assert once["writer_0/loss"] == pytest.approx(0.1 * k3, rel=1e-3)
    assert metrics["writer_0/reference_kl"] < once["writer_0/reference_kl"]


def _logprobs(team: Team, turns: list) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    own = team.score_all("writer_0", turns, TEMPERATURE)
    return own, team.score_untrained("writer_0", turns, TEMPERATURE)


def test_without_a_charge_nothing_is_read_for_it(team: Team, batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(team, "score_untrained", None)
    metrics, _ = learnt("marft_action", team, batch)
    assert "writer_0/reference_kl" not in metrics


# --- Sampler and trainer ---


@pytest.mark.parametrize(("module", "learner"), [(marft_action, marft_action.MarftAction), (dr_mas, dr_mas.DrMas)])
def test_actions_weigh_by_trainers_over_samplers_probability_up_to_a_bound(
    team: Team, batch: Batch, module: object, learner: type
) -> None:
    settings = {"temperature": TEMPERATURE, "max_sampler_ratio": 1.3, "old_logprobs": "trainer"}
    ppo = learner(module.Config(**settings), team)  # type: ignore[attr-defined]
    turns = [turn for turn in batch.turns() if turn.agent == "writer_0"]
    old = [torch.tensor(turn.logprobs) + 0.1 for turn in turns]
    weights = ppo.policies._sampler_weights(Experience(turns, [], old))
    for row, turn in zip(weights.tolist(), turns, strict=True):
        tokens = len(turn.action_ids)
        by_reply, by_token = [min(math.exp(0.1 * tokens), 1.3)], [math.exp(0.1)] * tokens
        expected = by_reply if module is marft_action else by_token
        assert row == pytest.approx([*expected, *[0.0] * (len(row) - len(expected))], rel=1e-5)


def test_where_both_agree_weights_change_nothing(team: Team, batch: Batch) -> None:
    for algorithm in ("marft_action", "dr_mas"):
        weighed, after = learnt(algorithm, team, batch, by_sgd=True, max_sampler_ratio=2.0, old_logprobs="trainer")
        _, without = learnt(algorithm, team, batch, by_sgd=True, old_logprobs="trainer")
        assert weighed["writer_0/sampler_weight"] == pytest.approx(1.0, abs=1e-4)
        for one, other in zip(after, without, strict=True):
            torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-4)


# --- Values ---


def test_a_value_gains_nothing_beyond_its_clip_range(team: Team, batch: Batch) -> None:
    pay(batch, 1.0, 5.0, 2.0, 4.0, 3.0, 0.5)
    moved = {}
    for clip in (None, 0.05):
        settings = marft_action.Config(temperature=TEMPERATURE, value_clip_coef=clip, critic_steps=200)
        ppo = marft_action.MarftAction(settings, team)
        before = ppo.values.read(batch)
        ppo.values.fit(before, torch.full_like(before.values, 3.0))
        moved[clip] = float((ppo.values.read(batch).values - before.values).abs().max())
    assert moved[0.05] < moved[None] / 3  # Adam goes on for a while after the last gradient


def test_normalised_values_stay_as_they_are_when_their_scale_changes() -> None:
    critic = Critic.drawn(8, seed=1, normalises=True)
    torch.nn.init.normal_(critic.out.weight)
    features = torch.randn(5, 8)
    critic.follow(torch.tensor([10.0, 30.0]))
    assert (critic.scale.mean, critic.scale.std) == (pytest.approx(20.0), pytest.approx(10.0))
    before = critic(features).detach()
    critic.follow(torch.tensor([100.0, 500.0, 300.0]))
    # Weights 0.09 and 0.1 of 0.19: mean (0.09 · 20 + 0.1 · 300) / 0.19; squares 500 and 350000 / 3.
    mean = (0.09 * 20 + 0.1 * 300) / 0.19
    variance = (0.09 * 500 + 0.1 * 350_000 / 3) / 0.19 - mean**2
    assert critic.scale.mean == pytest.approx(mean, rel=1e-4)
    assert critic.scale.std == pytest.approx(math.sqrt(variance), rel=1e-4)
    torch.testing.assert_close(critic(features).detach(), before, rtol=1e-3, atol=1e-2)


def test_normalised_values_reach_returns_that_are_far_from_zero(team: Team, batch: Batch, tmp_path: Path) -> None:
    pay(batch, 1010.0, 990.0, 1000.0, 1020.0, 980.0, 1000.0)
    errors = {}
    for normalises in (True, False):
        settings = marft_action.Config(temperature=TEMPERATURE, normalise_values=normalises, gae_lambda=1.0, gamma=1.0)
        ppo = marft_action.MarftAction(settings, team)
        returns = torch.tensor([rollout.team_return for rollout in batch.rollouts for _ in rollout.turns])
        for _ in range(3):
            ppo.values.fit(ppo.values.read(batch), returns)
        errors[normalises] = float((ppo.values.read(batch).values - returns).abs().mean())
    assert errors[True] < 20
    assert errors[False] > 100
    ppo = marft_action.MarftAction(marft_action.Config(normalise_values=True), team)
    ppo.values.critic.follow(torch.tensor([3.0, 5.0]))
    ppo.save(tmp_path)
    again = marft_action.MarftAction(marft_action.Config(normalise_values=True), team)
    again.load(tmp_path)
    assert again.values.critic.scale == ppo.values.critic.scale


# --- No number ---


def test_a_gradient_that_is_no_number_stops_the_run_and_keeps_the_batch(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learn_as_ever = marft_action.MarftAction.learn

    def learn(self: marft_action.MarftAction, batch: Batch, *, iteration: int, status: object) -> object:
        if iteration == 1:
            batch.rollouts[0].turns[0].rewards = dict.fromkeys(batch.rollouts[0].agents, math.inf)
        return learn_as_ever(self, batch, iteration=iteration, status=status)  # type: ignore[arg-type]

    monkeypatch.setattr(marft_action.MarftAction, "learn", learn)
    settings = config("marft_action", tiny_model, tmp_path / "run")
    with pytest.raises(
        DivergedError, match=r"critic's loss became (nan|inf).*The batch of iteration 1 is in .*diverged\.jsonl"
    ):
        marft_action.train(settings, quiet=True)
    lines = [json.loads(line) for line in (tmp_path / "run" / "diverged.jsonl").read_text().splitlines()]
    assert len(lines) == 4
    assert all(line["iteration"] == 1 and line["turns"][0]["action_ids"] for line in lines)
    assert load_checkpoint(tmp_path / "run").name == "iteration-1"


def test_a_policys_loss_or_gradient_that_is_no_number_makes_no_step(
    team: Team, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    ppo = marft_action.MarftAction(marft_action.Config(temperature=TEMPERATURE), team)
    before = [parameter.detach().clone() for parameter in team.parameters("writer_0")]
    advantages = torch.full((len(list(batch.turns())),), math.nan)
    with pytest.raises(DivergedError, match="the loss of writer_0 became nan"):
        ppo.policies.update(batch, advantages, iteration=0, status=lambda _: None)
    for parameter in team.parameters("writer_0"):
        parameter.grad = torch.full_like(parameter, math.inf)
    with pytest.raises(DivergedError, match="the gradient of writer_0 became inf"):
        ppo.optimizers.step("writer_0", 0.1)
    assert all(torch.equal(one, other) for one, other in zip(before, team.parameters("writer_0"), strict=True))


def test_returns_far_from_zero_keep_their_spread() -> None:
    critic = Critic.drawn(8, seed=1, normalises=True)
    for _ in range(5):
        critic.follow(100_000.0 + torch.tensor([-1.0, 1.0, -1.0, 1.0]))
    assert critic.scale.std == pytest.approx(1.0, rel=1e-2)


@pytest.mark.parametrize(
    ("name", "value"), [("reference_kl_coef", -0.1), ("max_sampler_ratio", 0.0), ("value_clip_coef", 0.0)]
)
def test_bounds_out_of_their_range_are_refused(tiny_model: Path, tmp_path: Path, name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"{name} is {value}; it must"):
        marft_action.train(config("marft_action", tiny_model, tmp_path / "run", **{name: value}), quiet=True)
