"""What a policy has read and said in a conversation, as its layers keep it: from one turn to the next.

A conversation only grows, so its next prompt begins with the tokens here, and only what follows them has to be read.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor
from transformers.cache_utils import Cache, DynamicLayer

from baselines.learning.packing import common_length


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """Keys and values of the first T tokens of a conversation."""

    adapter: str
    """Whose they are. They follow from its weights, so a history is of no use once these have moved."""
    ids: list[int]
    """The tokens, T."""
    layers: tuple[tuple[Tensor, Tensor], ...]
    """Keys and values of each layer, (G, T, D); copies, or a row would keep its whole batch in memory."""

    def num_known(self, prompt_ids: Sequence[int]) -> int:
        """How many tokens of a prompt need not be read. The last one always is: its logits are wanted.

        A reply that was cut to its characters leaves tokens here that the conversation does not have.
        """
        return min(common_length(self.ids, prompt_ids), len(prompt_ids) - 1)


def history_of(cache: Cache, row: int, adapter: str, ids: Sequence[int]) -> History | None:
    """The last places of a row, which hold `ids`; None for a cache with layers that do not hold every token."""
    layers: list[tuple[Tensor, Tensor]] = []
    for layer in cache.layers:
        if type(layer) is not DynamicLayer or layer.keys is None or layer.values is None:
            return None
        keys, values = (kept[row, :, -len(ids) :].clone() for kept in (layer.keys, layer.values))
        layers.append((keys, values))
    return History(adapter, list(ids), tuple(layers))
