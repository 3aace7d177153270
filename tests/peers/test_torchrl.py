"""Beside TorchRL.

1. Its estimators credit steps as `gae` does, with a discount and a λ of their own for every step too.
2. Its clipped PPO loss and its critic's are ours, in value and gradient.
3. On replies, its PPO leaves the gradient that MARFT-A leaves; on their tokens, its GRPO that of Dr. MAS.
4. Its advantages of groups are ours, up to the denominator of a deviation.
"""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from baselines.learning.advantages import axis_factors, gae
from baselines.learning.groups import group_advantages
from baselines.learning.losses import clip_fraction, entropy_from_logits, ppo_policy_loss, token_logprobs, value_loss
from baselines.policies.team import Team
from tests.baselines.gradients import caught, flat_gradient
from tests.baselines.test_algorithms import TEMPERATURE
from tests.peers.conftest import AGENT, moved, old_logprobs, replies, reply_logprobs

pytest.importorskip("torchrl", reason="TorchRL is not installed; `make peers` installs it")

from tensordict import TensorDict
from tensordict.nn import TensorDictModule, TensorDictModuleBase
from torch.distributions import Categorical
from torchrl.objectives import ClipPPOLoss
from torchrl.objectives.llm import GRPOLoss, MCAdvantage
from torchrl.objectives.value import functional

FLOAT = torch.float64

# --- 1. Credit ---


def drawn(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=FLOAT)


@pytest.mark.parametrize("estimate", ["generalized_advantage_estimate", "vec_generalized_advantage_estimate"])
@pytest.mark.parametrize(("gamma", "gae_lambda"), [(0.9, 0.7), (1.0, 1.0), (0.8, 0.1)])
def test_their_estimators_credit_steps_as_gae_does(estimate: str, gamma: float, gae_lambda: float) -> None:
    rewards, values, after = drawn(10, seed=0), drawn(10, seed=1), drawn(10, seed=2)
    done = torch.zeros(10, dtype=torch.bool)
    done[[3, 6, 9]] = True  # three episodes: the first terminates, the second is cut, the last goes on beyond the data
    terminated = torch.zeros_like(done)
    terminated[3] = True
    following = torch.where(done, after, values.roll(-1))
    columns = [tensor[:, None] for tensor in (values, following, rewards, done, terminated)]
    advantages, returns = getattr(functional, estimate)(gamma, gae_lambda, *columns)
    lengths = torch.tensor([4, 3, 3])
    padded = nn.utils.rnn.pad_sequence
    ours = gae(
        padded(torch.split(rewards, lengths.tolist()), batch_first=True),
        padded(
            [
                torch.cat([one, end[None]])
                for one, end in zip(
                    torch.split(values, lengths.tolist()), (after * ~terminated)[[3, 6, 9]], strict=True
                )
            ],
            batch_first=True,
        ),
        *_factors(lengths, gamma, gae_lambda),
        lengths,
    )
    real = torch.arange(4) < lengths[:, None]
    torch.testing.assert_close(ours.advantages[real], advantages[:, 0])
    torch.testing.assert_close(ours.returns[real], returns[:, 0])
    by_td = functional.vec_td_lambda_return_estimate(gamma, gae_lambda, *columns[1:3], *columns[3:])
    torch.testing.assert_close(ours.returns[real], by_td[:, 0])


def _factors(lengths: Tensor, gamma: float, gae_lambda: float) -> tuple[Tensor, Tensor]:
    rounds = torch.arange(4).expand(3, 4)
    factors = axis_factors(rounds, gamma, gae_lambda, lengths, dtype=FLOAT)
    return factors.discounts, factors.lams


def test_a_team_s_axis_is_theirs_with_a_discount_and_a_lambda_for_every_step() -> None:
    rounds = torch.tensor([0, 0, 0, 1, 2, 2])  # three agents, then one, then two
    rewards, values = drawn(6, seed=3), drawn(7, seed=4)
    factors = axis_factors(rounds, gamma=0.9, gae_lambda=0.6, dtype=FLOAT)
    ours = gae(rewards, values, factors.discounts, factors.lams)
    done = torch.zeros(6, 1, dtype=torch.bool)
    advantages, returns = functional.generalized_advantage_estimate(
        factors.discounts[:, None], factors.lams[:, None], values[:-1, None], values[1:, None], rewards[:, None], done
    )
    torch.testing.assert_close(ours.advantages, advantages[:, 0])
    torch.testing.assert_close(ours.returns, returns[:, 0])


# --- 2. Losses ---


class Actor(TensorDictModuleBase):
    """What their losses ask of a policy: a distribution, of which they ask log-probabilities and entropies."""

    in_keys = ("place",)
    out_keys = ("action",)

    def __init__(self, distribution: Callable[[Any], Any]) -> None:
        super().__init__()
        self.distribution = distribution

    def get_dist(self, tensordict: Any, **_: Any) -> Any:
        return self.distribution(tensordict)


def their_ppo(actor: Actor, critic: Any = None, **settings: Any) -> ClipPPOLoss:
    return ClipPPOLoss(actor, critic, functional=False, **settings)


@pytest.mark.parametrize("clip", [(0.2, 0.2), (0.1, 0.3)])
def test_the_clipped_loss_the_entropy_and_the_share_clipped_are_theirs(clip: tuple[float, float]) -> None:
    logits = drawn(40, 5, seed=5).requires_grad_()
    actions = torch.arange(40) % 5
    old = (logits.detach() + 0.3 * drawn(40, 5, seed=6)).log_softmax(-1).gather(-1, actions[:, None])[:, 0]
    advantages = drawn(40, seed=7)
    loss = their_ppo(Actor(lambda _: Categorical(logits=logits)), clip_epsilon=clip, entropy_coeff=0.05)
    told = loss(
        TensorDict(
            {"action": actions, "action_log_prob": old, "sample_log_prob": old, "advantage": advantages[:, None]}, [40]
        )
    )
    (told["loss_objective"] + told["loss_entropy"]).backward()
    theirs = logits.grad.clone()
    logits.grad = None
    mask = torch.ones(40, 1, dtype=torch.bool)
    new = token_logprobs(logits[:, None], actions[:, None], 1.0)
    policy = ppo_policy_loss(new, old[:, None], advantages[:, None], mask, *clip)
    entropy = entropy_from_logits(logits[:, None], 1.0).mean()
    (policy - 0.05 * entropy).backward()
    torch.testing.assert_close(policy, told["loss_objective"])
    torch.testing.assert_close(entropy, told["entropy"])
    torch.testing.assert_close(logits.grad, theirs)
    share = clip_fraction(new.detach(), old[:, None], mask, *clip)
    assert 0.1 < float(share) < 0.9
    torch.testing.assert_close(share, told["clip_fraction"].to(FLOAT))


@pytest.mark.parametrize("value_clip", [None, 0.3])
@pytest.mark.parametrize(("kind", "delta", "factor"), [("smooth_l1", 1.0, 1.0), ("l2", 1e9, 2.0)])
def test_the_critic_s_loss_is_theirs(kind: str, delta: float, factor: float, value_clip: float | None) -> None:
    values, returns, old = drawn(30, seed=8).requires_grad_(), 2 * drawn(30, seed=9), drawn(30, seed=10)
    critic = TensorDictModule(lambda _: values[:, None], in_keys=["place"], out_keys=["state_value"])
    loss = their_ppo(
        Actor(lambda _: None), critic, critic_coeff=1.0, loss_critic_type=kind, clip_value=value_clip, reduction="mean"
    )
    tensors = {"place": torch.arange(30), "value_target": returns[:, None], "state_value": old[:, None]}
    theirs = loss.loss_critic(TensorDict(tensors, [30]))[0].mean()
    (gradient,) = torch.autograd.grad(theirs, values)
    mask = torch.ones(1, 30, dtype=torch.bool)
    clipping = () if value_clip is None else (old[None], value_clip)
    ours = factor * value_loss(values[None], returns[None], mask, delta, *clipping)  # theirs is not halved
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(torch.autograd.grad(ours, values)[0], gradient)


# --- 3. Composed ---


def test_a_single_agent_makes_marft_a_their_ppo_on_replies(solo: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = replies(solo)
    moved(solo)
    settings = {"clip_coef": 0.1, "clip_coef_high": 0.2, "ent_coef": 0.0, "old_logprobs": "sampler"}
    found = caught("marft_action", solo, batch, monkeypatch, normalise_advantages=False, **settings)
    turns = list(batch.turns())
    actor = Actor(lambda _: SimpleNamespace(log_prob=lambda places: reply_logprobs(solo, turns)))
    loss = their_ppo(actor, clip_epsilon=(0.1, 0.2), entropy_bonus=False)
    old = old_logprobs(turns)
    told = loss(
        TensorDict(
            {
                "action": torch.arange(len(turns)),
                "action_log_prob": old,
                "sample_log_prob": old,
                "advantage": found.advantages,
            },
            [len(turns)],
        )
    )
    for parameter in solo.parameters(AGENT):
        parameter.grad = None
    told["loss_objective"].backward()
    assert 0 < float(told["clip_fraction"]) < 1
    assert found.metrics[f"{AGENT}/loss"] == pytest.approx(float(told["loss_objective"].detach()), abs=1e-5)
    assert_alike(found.gradients[AGENT], flat_gradient(solo, AGENT))


def test_a_single_agent_makes_dr_mas_their_grpo_on_tokens(solo: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = replies(solo)
    moved(solo)
    settings = {"clip_coef": 0.05, "clip_coef_high": 0.1, "old_logprobs": "sampler"}
    found = caught("dr_mas", solo, batch, monkeypatch, **settings)
    turns = list(batch.turns())
    longest = max(len(turn.action_ids) for turn in turns)
    scores = solo.score(AGENT, turns, TEMPERATURE)
    old = torch.zeros(len(turns), longest)
    for row, turn in zip(old, turns, strict=True):
        row[: len(turn.logprobs)] = torch.tensor(turn.logprobs)
    actor = Actor(lambda _: SimpleNamespace(mask=scores.mask, log_prob=lambda tokens: scores.logprobs))
    loss = GRPOLoss(actor, clip_epsilon=(0.05, 0.1), entropy_bonus=False, masking_strategy="generic")
    told = loss(
        TensorDict(
            {
                ("tokens", "full"): torch.zeros(len(turns), longest, dtype=torch.long),
                ("log_probs", "full"): old,
                "advantage": found.advantages[:, :1, None].expand(-1, longest, 1),
            },
            [len(turns)],
        )
    )
    for parameter in solo.parameters(AGENT):
        parameter.grad = None
    told.loss_objective.backward()
    assert not bool(scores.mask.all())
    assert found.metrics[f"{AGENT}/loss"] == pytest.approx(float(told.loss_objective.detach()), abs=1e-5)
    assert_alike(found.gradients[AGENT], flat_gradient(solo, AGENT))


def assert_alike(one: Tensor, other: Tensor) -> None:
    """Up to rounding in float32."""
    assert float(other.norm()) > 1e-3
    assert float((one - other).norm()) < 1e-5 * float(other.norm())


# --- 4. Groups ---


def test_advantages_of_groups_are_theirs_up_to_the_denominator_of_a_deviation() -> None:
    returns = torch.tensor([0.1, 0.7, 0.4, 0.0, 0.9, 0.2])
    groups = torch.tensor([0, 0, 0, 1, 1, 1])
    transform = MCAdvantage(grpo_size=3, prompt_key="group", trajectory_return="sum")
    theirs: list[float] = []
    for group, amount in zip(groups, returns, strict=True):
        # Two steps, and what is paid is paid at the second.
        steps = {
            "group": group.expand(2),
            "next": TensorDict(
                {"reward": torch.tensor([[0.0], [float(amount)]]), "done": torch.tensor([[False], [True]])}, [2]
            ),
        }
        complete = transform.inv(TensorDict(steps, [2]))
        if complete is not None:
            theirs += complete["advantage"][::2, 0].tolist()
    ours = group_advantages(returns, groups, divides=True).advantages
    # They divide by one less than there are, so that a deviation is √(3/2) larger; we add 1e-5 to it.
    torch.testing.assert_close(ours, torch.tensor(theirs) * (3 / 2) ** 0.5, atol=1e-4, rtol=0)
