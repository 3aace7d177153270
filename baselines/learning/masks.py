"""Which entries of a padded tensor are real.

Lengths and the first end-of-sequence token decide, never a comparison with the pad id: where pad == eos (as
in the default model) such a comparison drops the EOS that the agent chose, and it never learns to stop.

Axes: B sequences, T steps (tokens or turns).
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from baselines.learning.shapes import assert_alike


def length_mask(lengths: Tensor, num_steps: int) -> Tensor:
    """True for the first `lengths[b]` steps of row b.

    Shapes: lengths (B,) -> bool (B, num_steps).
    """
    assert_alike((1,), lengths)
    return torch.arange(num_steps, device=lengths.device) < lengths[:, None]


def action_mask(action_ids: Tensor, eos_ids: Sequence[int]) -> Tensor:
    """True up to and including each row's first end-of-sequence token; a row without one is real to its end.

    Shapes: action_ids (B, T) -> bool (B, T).
    """
    assert_alike((2,), action_ids)
    is_eos = torch.isin(action_ids, action_ids.new_tensor(list(eos_ids)))
    num_eos_before = is_eos.long().cumsum(-1) - is_eos.long()
    return num_eos_before == 0


def padded(rows: Sequence[Tensor], device: torch.device | None = None) -> Tensor:
    """Rows of different lengths as one tensor, 0 behind their ends. Shapes: each (T,) of its own -> (B, longest)."""
    return pad_sequence(list(rows), batch_first=True).to(device)
