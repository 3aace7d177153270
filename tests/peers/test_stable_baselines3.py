"""Beside Stable-Baselines3.

1. Its rollout buffer credits steps as `gae` does.
2. Its PPO, trained on replies, moves an adapter to where our algorithms move it; and logs what ours log.
3. Its explained variance is ours.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import Env, spaces
from torch import Tensor, nn

from baselines.learning.advantages import axis_factors, gae
from baselines.learning.losses import explained_variance
from baselines.policies.team import Team
from baselines.rollouts.batch import Batch, Turn
from tests.baselines.test_algorithms import TEMPERATURE, learnt
from tests.peers.conftest import AGENT, RETURNS, old_logprobs, replies, reply_logprobs

pytest.importorskip("stable_baselines3", reason="Stable-Baselines3 is not installed; `make peers` installs it")

from stable_baselines3 import PPO
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.logger import configure
from stable_baselines3.common.utils import explained_variance as their_explained_variance


class Places(Env[Any, Any]):
    """Nothing happens in it: PPO wants to know the spaces. An observation is the place of a reply in a batch."""

    observation_space = spaces.Box(0.0, 1e6, (1,))
    action_space = spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        return np.zeros(1, dtype=np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return np.zeros(1, dtype=np.float32), 0.0, True, False, {}


# --- 1. Credit ---


@pytest.mark.parametrize(("gamma", "gae_lambda"), [(0.9, 0.7), (1.0, 1.0), (0.8, 0.0)])
def test_a_rollout_buffer_credits_steps_as_gae_does(gamma: float, gae_lambda: float) -> None:
    num_steps, num_envs = 12, 3
    rng = np.random.default_rng(0)
    buffer = RolloutBuffer(num_steps, Places.observation_space, Places.action_space, "cpu", gae_lambda, gamma, num_envs)
    buffer.rewards[:] = rng.normal(size=(num_steps, num_envs))
    buffer.values[:] = rng.normal(size=(num_steps, num_envs))
    buffer.episode_starts[:] = rng.random((num_steps, num_envs)) < 0.3
    last_values, dones = rng.normal(size=num_envs).astype(np.float32), np.array([True, False, False])
    buffer.compute_returns_and_advantage(torch.from_numpy(last_values), dones)
    for env in range(num_envs):
        # An episode ends where the next begins, and is worth nothing then; the last of them may go on.
        starts = [0, *(k for k in range(1, num_steps) if buffer.episode_starts[k, env]), num_steps]
        for begin, end in pairwise(starts):
            goes_on = end == num_steps and not dones[env]
            bootstrap = last_values[env] if goes_on else 0.0
            values = torch.tensor([*buffer.values[begin:end, env], bootstrap], dtype=torch.float32)
            factors = axis_factors(torch.arange(end - begin), gamma, gae_lambda)
            rewards = torch.from_numpy(buffer.rewards[begin:end, env].copy())
            credit = gae(rewards, values, factors.discounts, factors.lams)
            np.testing.assert_allclose(credit.advantages, buffer.advantages[begin:end, env], atol=1e-5)
            np.testing.assert_allclose(credit.returns, buffer.returns[begin:end, env], atol=1e-5)


# --- 2. PPO ---


class Replies(nn.Module):
    """What PPO asks of a policy: here, of replies that a team gave, whose adapter is what is trained."""

    def __init__(self, team: Team, turns: list[Turn], lr: float) -> None:
        super().__init__()
        self.adapter = nn.ParameterList(team.parameters(AGENT))
        self.optimizer = torch.optim.SGD(self.adapter, lr=lr)
        self.say: Callable[[Tensor], tuple[Tensor, Tensor]] = lambda places: self._say(team, turns, places)

    def _say(self, team: Team, turns: list[Turn], places: Tensor) -> tuple[Tensor, Tensor]:
        asked = [turns[place] for place in places.flatten().long().tolist()]
        scores = team.score(AGENT, asked, TEMPERATURE)
        return reply_logprobs(team, asked), scores.entropy[:, 0]

    def set_training_mode(self, mode: bool) -> None:
        """Nothing here is different in training."""

    def evaluate_actions(self, observations: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logprobs, entropy = self.say(observations)
        return torch.zeros_like(logprobs), logprobs, entropy


def trained_by_ppo(team: Team, batch: Batch, *, lr: float, **settings: Any) -> tuple[dict[str, float], list[Tensor]]:
    """What PPO logs, and where it moves the adapter. Every reply is an episode of its own, and is credited by it."""
    turns = list(batch.turns())
    num = len(turns)
    chosen = {"n_steps": num, "batch_size": num, "n_epochs": 2, "vf_coef": 0.0, "max_grad_norm": 1.0, **settings}
    ppo = PPO("MlpPolicy", Places(), learning_rate=lr, device="cpu", **chosen)
    ppo.set_logger(configure(None, []))
    ppo.policy = Replies(team, turns, lr)
    buffer = ppo.rollout_buffer
    buffer.reset()
    buffer.observations[:, 0, 0] = range(num)
    buffer.rewards[:, 0] = RETURNS
    buffer.episode_starts[:] = 1.0
    buffer.log_probs[:, 0] = old_logprobs(turns)
    buffer.full = True
    buffer.compute_returns_and_advantage(torch.zeros(1), np.array([True]))
    ppo.train()
    return ppo.logger.name_to_value, [parameter.detach().clone() for parameter in team.parameters(AGENT)]


@pytest.mark.parametrize("algorithm", ["marft_action", "mappo", "ippo"])
def test_a_single_agent_makes_them_ppo_on_replies(algorithm: str, solo: Team) -> None:
    batch = replies(solo)
    metrics, ours = learnt(
        algorithm,
        solo,
        batch,
        by_sgd=True,
        lr=0.05,
        update_epochs=2,
        clip_coef=0.1,
        ent_coef=0.0,
        normalise_advantages=False,
    )
    logged, theirs = trained_by_ppo(solo, batch, lr=0.05, clip_range=0.1, normalize_advantage=False)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)
    assert 0 < logged["train/clip_fraction"] < 1
    assert metrics[f"{AGENT}/clip_fraction"] == pytest.approx(logged["train/clip_fraction"])
    assert metrics[f"{AGENT}/loss"] == pytest.approx(logged["train/policy_gradient_loss"], abs=1e-5)
    # Theirs is of the last epoch; in the first there was no divergence, and ours is the mean of the two.
    assert 2 * float(str(metrics[f"{AGENT}/kl"])) == pytest.approx(logged["train/approx_kl"], rel=1e-3)


def test_normalised_advantages_differ_from_theirs_by_the_deviation_s_denominator(solo: Team) -> None:
    batch = replies(solo)
    settings = {"by_sgd": True, "update_epochs": 2, "clip_coef": 0.1, "ent_coef": 0.0, "max_grad_norm": 1e9}
    _, ours = learnt("marft_action", solo, batch, lr=0.05, **settings)
    # They divide by one less than there are: by √(6/5) more, which steps as much longer make up for.
    lr = 0.05 * (6 / 5) ** 0.5
    _, theirs = trained_by_ppo(solo, batch, lr=lr, clip_range=0.1, normalize_advantage=True, max_grad_norm=1e9)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, atol=2e-5, rtol=1e-4)  # beside 1e-5 that we add to the deviation


def test_one_token_replies_make_marft_t_ppo_with_an_entropy_bonus(solo: Team) -> None:
    batch = replies(solo, max_new_tokens=1)
    settings = {"lr": 0.05, "ent_coef": 0.1}
    _, ours = learnt(
        "marft_token", solo, batch, by_sgd=True, update_epochs=2, clip_coef=0.1, normalise_advantages=False, **settings
    )
    _, theirs = trained_by_ppo(solo, batch, clip_range=0.1, normalize_advantage=False, **settings)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)


# --- 3. What is logged of critics ---


def test_the_explained_variance_is_theirs() -> None:
    rng = np.random.default_rng(1)
    returns = rng.normal(size=50)
    values = returns + 0.5 * rng.normal(size=50) + 3.0
    mask = torch.ones(1, 50, dtype=torch.bool)
    ours = explained_variance(torch.from_numpy(values)[None], torch.from_numpy(returns)[None], mask)
    assert float(ours) == pytest.approx(their_explained_variance(values, returns), rel=1e-9)
