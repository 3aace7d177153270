"""Predecessor weights: what agents that were already updated mean for the next one's update.

All samples come from the old team. Once the blocks U are updated, block B should climb the return of (new U,
old rest), so its samples need importance weights. A *block* is what is updated at once: one adapter, with all
the agents that share it.

For a turn t of B, write ∇ for the gradient of its log-probability, A_joint for the advantage of its round's
joint action, A_t for its own advantage (its action's, given all actions before it, the old team playing on),
and w for the product of the ratios new/old of *all* turns of U in the round. The wanted gradient is
E_old[A_joint · w · ∇] in any update order (HAPPO, arXiv 2109.11251). A_joint is the sum of the round's A_k.
If every turn of U acted before t, then w is fixed when t acts: the terms k < t vanish because ∇ has mean 0
given what came before, the terms k > t because A_k has, and A_t · w is left, with less variance. If a turn of
U acts after t, it answers t's action in a new way: the terms up to it no longer vanish, and A_t · w is wrong,
even in sign.

So, turn by turn (not agent by agent): the own advantage if no turn of U in this round comes after this one,
else the joint advantage. The weight is w in both cases: in the first, "all of U" and "all of U before t" are
the same turns. As the rule is per turn, a block that acts several times around another needs no other:

    acting order B U B, U updated    B's first turn: joint · w     its second: own · w
    acting order U B U, U updated    B's turn: joint · w, with both ratios of U in w

and each sum is the exact gradient. Turns of B carry no ratio of B: inside a block PPO's own ratio does that
work turn by turn, as it does over the steps of a single agent.

Whether D links two turns does not matter: the order in which the turns acted is a valid factorisation of the
joint policy, and the values behind A_t read everything that was decided by then. All this needs one team
reward; trainers refuse rewards per agent, for which A_joint is not defined.

What `gae` returns is a sample of A_t, a return minus a value that precedes t's action, and λ is 1 inside a
round: it still contains what the followers did, and times w its mean is right in any order, since it differs
from the joint one by a baseline only. We do not rely on that: the joint advantage is right for every
estimator, also for one that averages over the followers, and on random games neither had less variance.

Left out: ratios of earlier rounds. As in HAPPO, the states are those that the old team visited.

On a clock there are no rounds: an agent decides when its turn opens, and answers what it has heard since its turn
before. What U said in this window came before t, so the weight is the product over it, and the advantage is t's own.
"""

from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor

from baselines.learning.shapes import assert_alike


@dataclass(frozen=True, slots=True)
class ActingOrder:
    """Who acted when: integer ids, all (N,), one entry per turn of the batch, turns in any order."""

    episodes: Tensor
    rounds: Tensor
    positions: Tensor
    """Place in the acting order, ≥ 0, distinct within a round (a turn's index in its episode will do)."""
    blocks: Tensor
    """The adapter that acted."""
    predecessors: Tensor | None = None
    """On a clock, (M, 2): pairs of a turn and one in its window, both as places in the batch. There `rounds` say
    nothing."""


@dataclass(frozen=True, slots=True)
class PredecessorWeights:
    """Weighted advantages for one block's update, and how far they can be trusted."""

    advantages: Tensor
    """Like the advantages given: own or joint one times weight at the current block's turns, 0 elsewhere."""
    weights: Tensor
    """(N,): the weight alone at the current block's turns, 0 elsewhere."""
    uses_joint: Tensor
    """(N,) bool: the current block's turns that got the joint advantage."""
    num_turns: int
    """Turns of the current block."""
    effective_sample_size: float
    """(Σw)² / Σw² over those turns: at most num_turns; far below it, the update rests on few samples."""
    clamped_share: float
    """Share of those turns whose round's log-ratio was clamped."""


@torch.no_grad()
def predecessor_weights(
    order: ActingOrder,
    log_ratios: Tensor,
    advantages: Tensor,
    joint_advantages: Tensor,
    *,
    updated: Collection[int],
    current: int,
    max_log_ratio: float,
) -> PredecessorWeights:
    """Weight the current block's advantages by the ratios of the blocks updated before it in this pass.

    `log_ratios` are new minus old log-probabilities *summed* over an action's tokens (the mean over tokens is
    no importance weight), read only at turns of `updated` blocks. Normalise advantages before, not after.

    Shapes: all tensors (N,), in the order of `order`; advantages and joint_advantages (N, T) where every turn takes
    several actions, such as tokens: a turn's weight is that of each.
    Source: HAPPO, arXiv 2109.11251 (its factor M); A2PO, arXiv 2302.06205, likewise corrects own advantages.
    Deviates: a round's summed log-ratio is clamped to ±max_log_ratio (> 0), since one long reply could
    outweigh the batch. That biases the weight, so the share clamped is returned for the log.
    """
    assert_alike((1,), order.episodes, order.rounds, order.positions, order.blocks, log_ratios)
    assert_alike((1, 2), advantages, joint_advantages)
    assert len(advantages) == len(order.blocks), (advantages.shape, order.blocks.shape)
    assert current not in updated, (current, updated)
    is_current = order.blocks == current
    is_updated = torch.isin(order.blocks, order.blocks.new_tensor(sorted(updated)))

    counted = torch.where(is_updated, log_ratios, 0.0)
    if order.predecessors is None:
        sums, uses_joint = _by_rounds(order, counted, is_updated)
    else:
        turns, before = order.predecessors.unbind(-1)
        sums = log_ratios.new_zeros(len(log_ratios)).index_add(0, turns, counted[before])
        uses_joint = torch.zeros_like(is_current)

    weights = torch.where(is_current, sums.clamp(-max_log_ratio, max_log_ratio).exp(), 0.0)
    uses_joint = is_current & uses_joint
    by_turn = (slice(None), *[None] * (advantages.ndim - 1))
    chosen = torch.where(uses_joint[by_turn], joint_advantages, advantages)
    was_clamped = is_current & (sums.abs() > max_log_ratio)

    num_turns = int(is_current.sum())
    squares = float(weights.square().sum())
    return PredecessorWeights(
        advantages=torch.where(is_current[by_turn], chosen * weights[by_turn], 0.0),
        weights=weights,
        uses_joint=uses_joint,
        num_turns=num_turns,
        effective_sample_size=float(weights.sum()) ** 2 / squares if num_turns else 0.0,
        clamped_share=int(was_clamped.sum()) / num_turns if num_turns else 0.0,
    )


def _by_rounds(order: ActingOrder, counted: Tensor, is_updated: Tensor) -> tuple[Tensor, Tensor]:
    """For every turn, its round's sum of what is counted, and whether an updated turn of the round comes after it."""
    keys = torch.stack([order.episodes, order.rounds], dim=-1)
    unique_keys, round_ids = torch.unique(keys, dim=0, return_inverse=True)
    num_rounds = len(unique_keys)
    sums = counted.new_zeros(num_rounds).index_add(0, round_ids, counted)
    none_yet = order.positions.new_full((num_rounds,), -1)
    last_updated = none_yet.scatter_reduce(0, round_ids[is_updated], order.positions[is_updated], reduce="amax")
    return sums[round_ids], order.positions < last_updated[round_ids]
