"""What agents said, as trees of tokens, and what a model says of it without any of our code."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

import torch
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from baselines.learning.losses import ppo_policy_loss
from baselines.policies.scoring import Scores
from baselines.policies.team import Team

IDS = (0, 1, 70, 71, 72, 255, 256, 257)
"""Of the byte tokenizer: some bytes, the padding of prompts (0), and control tokens, the end of a reply among them."""
TEMPERATURE = 0.8


@dataclass(frozen=True)
class Said:
    """A prompt and what followed it."""

    prompt_ids: list[int]
    action_ids: list[int]


def words(seed: int, length: int, ids: Sequence[int] = IDS) -> list[int]:
    """So many tokens. Those of one seed begin each other, so trees get every kind of relation between sequences."""
    noise = Random(seed)
    return [noise.choice(ids) for _ in range(length)]


@st.composite
def conversations(draw: st.DrawFn) -> list[Said]:
    """Turns that go on from a prompt, from a prompt and its reply, or start afresh; several replies to a prompt."""
    pieces = st.builds(words, st.integers(0, 2), st.integers(1, 40))
    replies = st.builds(words, st.integers(3, 4), st.integers(1, 6))
    said: list[Said] = []
    for _ in range(draw(st.integers(1, 7))):
        before = draw(
            st.sampled_from([[], *(s.prompt_ids for s in said), *(s.prompt_ids + s.action_ids for s in said)])
        )
        is_same_prompt = bool(before) and draw(st.booleans())
        prompt = before if is_same_prompt else before + draw(pieces)
        said.append(Said(prompt, draw(replies)))
    return said


RELATED = (
    Said([70, 71], [72]),  # a reply of one token
    Said([70, 71], [72]),  # the same again
    Said([70, 71], [72, 0, 257]),  # goes on from that reply
    Said([70], [71, 72, 0]),  # a prompt that begins the other, and a reply that spells its end
    Said([70, 71, 72, 0, 257, 1, 70], [71]),  # the next turn
    Said([255] * 80, [255] * 3),  # longer than a tile, and nothing shared
)
"""All relations that two sequences can have."""


class Naive(NamedTuple):
    """What a model says of each sequence on its own: (A,) tensors."""

    logprobs: list[Tensor]
    entropy: list[Tensor]


def naive_scores(team: Team, adapter: str, said: Sequence[Said]) -> Naive:
    """One sequence at a time, through the model's plainest arguments and torch's own distribution."""
    team.base.model.set_adapter(adapter)
    logprobs, entropy = [], []
    for one in said:
        logits = team.base.model(input_ids=torch.tensor([one.prompt_ids + one.action_ids]), use_cache=False).logits[0]
        predicting = logits[len(one.prompt_ids) - 1 : -1] / TEMPERATURE
        policy = torch.distributions.Categorical(logits=predicting)
        logprobs.append(policy.log_prob(torch.tensor(one.action_ids)))
        entropy.append(policy.entropy())
    return Naive(logprobs, entropy)


def as_scores(naive: Naive) -> Scores:
    logprobs, entropy = (pad_sequence(list(parts), batch_first=True) for parts in naive)
    lengths = torch.tensor([len(row) for row in naive.logprobs])
    return Scores(logprobs, entropy, torch.arange(logprobs.shape[1]) < lengths[:, None])


def ppo_loss(scores: Scores, rows: Sequence[int] | None = None) -> Tensor:
    """Clipped surrogate and entropy, as a trainer has them, summed over tokens.

    Advantages follow from a row's number; some old log-probabilities lie beyond the clip. `rows`: their numbers, where
    the scores are a part.
    """
    chosen = range(len(scores.logprobs)) if rows is None else rows
    old, advantages = torch.zeros_like(scores.logprobs), torch.zeros_like(scores.logprobs)
    for row, number in enumerate(chosen):
        drawn = torch.randn((2, 64), generator=torch.Generator().manual_seed(number))[:, : old.shape[1]]
        old[row] = scores.logprobs[row].detach() + 0.3 * drawn[0]
        advantages[row] = drawn[1]
    policy = ppo_policy_loss(scores.logprobs, old, advantages, scores.mask, 0.2) * scores.mask.sum()
    return policy - 0.1 * torch.where(scores.mask, scores.entropy, 0.0).sum()


def gradient(team: Team, adapter: str, loss: Tensor) -> Tensor:
    """Of a loss to all that is trained of an adapter, as one vector."""
    grads = torch.autograd.grad(loss, team.parameters(adapter))
    return torch.cat([grad.flatten() for grad in grads])


def relative_error(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


def largest_difference(found: Scores, expected: Scores) -> float:
    """Of log-probabilities and entropies at real tokens."""
    assert torch.equal(found.mask, expected.mask)
    pairs = ((found.logprobs, expected.logprobs), (found.entropy, expected.entropy))
    return max(float((one - other)[found.mask].abs().max().detach()) for one, other in pairs)
