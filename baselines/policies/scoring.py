"""What a model says of tokens that are known: log-probabilities and entropies, with gradients if they are enabled.

Two ways with the same numbers: each distinct token once (`score_packed`), or each sequence by itself (`score_plain`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from peft import PeftModel
from torch import Tensor

from baselines.learning.losses import chosen_tokens, entropy_from_logits, token_logprobs
from baselines.learning.masks import length_mask, padded
from baselines.learning.packing import pack
from baselines.policies.engines.hf import without
from baselines.policies.engines.prefill import left_padded
from baselines.policies.packed import run_pack


class TokenSequence(Protocol):
    """What a trainer asks log-probabilities of: a prompt and the tokens that followed it."""

    @property
    def prompt_ids(self) -> list[int]: ...
    @property
    def action_ids(self) -> list[int]: ...


@dataclass(frozen=True, slots=True)
class Scores:
    """What the current policy says of actions already taken; all (B, A), right-padded where `mask` is False."""

    logprobs: Tensor
    entropy: Tensor
    mask: Tensor


def score_packed(
    model: PeftModel, sequences: Sequence[TokenSequence], temperature: float, never_first: Sequence[int]
) -> Scores:
    """Every distinct token once; the head runs where an action token is predicted.

    `never_first`: tokens that the policy cannot begin an action with.
    """
    packed = pack([[*s.prompt_ids, *s.action_ids] for s in sequences]).to(model.device)
    lengths = [len(s.action_ids) for s in sequences]
    predicting = [path[-1 - length : -1] for path, length in zip(packed.paths, lengths, strict=True)]
    kept, rows = torch.unique(torch.cat(predicting), return_inverse=True)
    actions = torch.cat([path[len(path) - length :] for path, length in zip(packed.paths, lengths, strict=True)])
    logits = run_pack(model, packed, keep=kept)
    if never_first:
        # Where one action begins, all begin that were chosen there: prompts end as no action goes on.
        begins = torch.isin(kept, torch.stack([path[0] for path in predicting]))
        logits = without(logits, begins, never_first)
    chosen = chosen_tokens(logits, rows, packed.ids[actions], temperature)
    logprobs, entropy = (padded(torch.split(flat, lengths)) for flat in (chosen.logprobs, chosen.entropy))
    return Scores(logprobs, entropy, length_mask(torch.tensor(lengths, device=logprobs.device), logprobs.shape[1]))


def score_plain(
    model: PeftModel, sequences: Sequence[TokenSequence], temperature: float, never_first: Sequence[int]
) -> Scores:
    """Prompts padded on the left and actions on the right, so that the head runs over action positions only."""
    prompts, prompt_mask = left_padded([s.prompt_ids for s in sequences], 0, model.device)
    lengths = torch.tensor([len(s.action_ids) for s in sequences])
    longest = int(lengths.max())
    actions = torch.zeros((len(sequences), longest), dtype=torch.long)
    for row, sequence in enumerate(sequences):
        actions[row, : len(sequence.action_ids)] = torch.tensor(sequence.action_ids)
    by_length = torch.arange(longest) < lengths[:, None]  # not by token: padding may be a real one
    mask = by_length.to(model.device)
    actions = actions.to(model.device)
    attention = torch.cat([prompt_mask, mask.long()], dim=1)
    output = model(
        input_ids=torch.cat([prompts, actions], dim=1),
        attention_mask=attention,
        position_ids=(attention.cumsum(-1) - 1).clamp(min=0),
        logits_to_keep=longest + 1,
        use_cache=False,
    )
    logits = output.logits[:, :-1]  # the logits at a position predict the token after it
    if never_first:
        begins = torch.zeros_like(mask)
        begins[:, 0] = True
        logits = without(logits, begins, never_first)
    return Scores(token_logprobs(logits, actions, temperature), entropy_from_logits(logits, temperature), mask)


def chunks_by_length(sequences: Sequence[TokenSequence], positions: Sequence[int], size: int) -> list[list[int]]:
    """Positions in groups of at most `size`, similar lengths together so that little of a batch is padding."""
    by_length = sorted(
        positions,
        key=lambda position: len(sequences[position].prompt_ids) + len(sequences[position].action_ids),
    )
    return [by_length[start : start + size] for start in range(0, len(by_length), size)]
