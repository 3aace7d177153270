# ruff: noqa: ARG001 - what is registered with Gymnasium keeps the signature that Gymnasium calls it with.
"""The space of what a language model may write or read: all text.

`gymnasium.spaces.Text` is a set of strings over a small alphabet. Its default rejects spaces and the empty
string, an alphabet of all Unicode weighs 46 MB when pickled, and flattening fails on every character
outside the alphabet. `LLMText` is a `Text` to everybody who asks, and contains every `str`.
"""

import string
from collections.abc import Sequence
from copy import deepcopy
from types import ModuleType
from typing import Any, NoReturn

import numpy as np
from gymnasium.spaces import Text, Tuple
from gymnasium.spaces.utils import flatdim, flatten, flatten_space, is_space_dtype_shape_equiv, unflatten
from gymnasium.vector.utils import batch_differing_spaces, create_empty_array, create_shared_memory
from numpy.typing import NDArray

DEFAULT_MAX_LENGTH = 1_048_576
"""Characters: room for the context of today's longest models. Only a hint."""

_SAMPLE_MAX_CHARS = 24
"""Longest sample: long enough for a few words, short enough for a million of them."""
_SAMPLE_CHARS = string.ascii_letters + string.digits + string.punctuation + " \n" + "éßñ—−×½“”ЖяΩא中文🙂"  # meant
"""What samples are made of: ASCII, and the kinds of character that break code which expects only ASCII."""

Mask = tuple[int | None, NDArray[np.int8] | None]
Probability = tuple[int | None, NDArray[np.float64] | None]


class LLMText(Text):
    """All text: every `str` of any length, the empty one included.

    `max_length` is a hint for those who reserve room; `contains` does not look at it, so any two LLMText
    are the same set, and equal. `character_set` is what `sample` draws from, and no bound either.

    *Deviates* from `Text`: text has no fixed size, so it is not flattened to an array. As with `Sequence`
    and `Graph`, `flatten` gives back something of any size, here the text itself, and `flatdim` raises
    ValueError.
    """

    def __init__(self, max_length: int = DEFAULT_MAX_LENGTH, *, seed: int | np.random.Generator | None = None) -> None:
        super().__init__(max_length, min_length=0, charset=_SAMPLE_CHARS, seed=seed)

    def contains(self, x: object) -> bool:
        """True for every `str`."""
        return isinstance(x, str)

    def sample(self, mask: Mask | None = None, probability: Probability | None = None) -> str:
        """A short text, now and then empty, now and then outside ASCII; reproducible after `seed`."""
        if mask is None and probability is None:
            places = self.np_random.integers(len(_SAMPLE_CHARS), size=self._sample_length())
            return "".join([_SAMPLE_CHARS[place] for place in places])
        return super().sample(
            mask and (self._sample_length() if mask[0] is None else mask[0], mask[1]),
            probability and (self._sample_length() if probability[0] is None else probability[0], probability[1]),
        )

    def _sample_length(self) -> int:
        return int(self.np_random.integers(min(self.max_length, _SAMPLE_MAX_CHARS) + 1))

    @property
    def is_np_flattenable(self) -> bool:
        """False: text of any length is no array of one size."""
        return False

    def __eq__(self, other: object, /) -> bool:
        """True for every LLMText, since all of them contain the same elements."""
        return isinstance(other, LLMText)

    def __hash__(self) -> int:
        return hash(LLMText)

    def __repr__(self) -> str:
        return f"LLMText(max_length={self.max_length})"

    def __reduce__(self) -> tuple[type["LLMText"], tuple[int], dict[str, object]]:
        # All but the generator follows from max_length: the pickle has a few bytes, not the alphabet's tables.
        return type(self), (self.max_length,), {"_np_random": self._np_random}


# Gymnasium's functions look a space up by its class. Those that are not here already do the right thing
# with a subclass of Text: `batch_space`, `concatenate`, and `iterate`, which walks through a batch (a tuple
# of texts) only as long as the class of its members is not registered with it.


@flatdim.register(LLMText)
def _flatdim(space: LLMText) -> NoReturn:
    raise ValueError(f"{space} has no flat size, because text has any length; tokenise it instead of flattening it")


@flatten.register(LLMText)
def _flatten(space: LLMText, x: str) -> str:  # type: ignore[misc]  # mypy takes the T of Space[T] literally
    return x


@unflatten.register(LLMText)
def _unflatten(space: LLMText, x: str) -> str:  # type: ignore[misc]  # as above
    return x


@flatten_space.register(LLMText)
def _flatten_space(space: LLMText) -> LLMText:
    return space


@is_space_dtype_shape_equiv.register(LLMText)
def _is_equivalent(space_1: LLMText, space_2: object) -> bool:
    return isinstance(space_2, LLMText)


@batch_differing_spaces.register(LLMText)
def _batch_differing(spaces: Sequence[LLMText]) -> "Tuple[Any]":  # type: ignore[misc]  # it looks up the first
    return Tuple([deepcopy(space) for space in spaces], seed=deepcopy(spaces[0].np_random))


@create_empty_array.register(LLMText)
def _create_empty_array(space: LLMText, n: int = 1, fn: object = None) -> tuple[str, ...]:
    return ("",) * n


@create_shared_memory.register(LLMText)
def _create_shared_memory(space: LLMText, n: int = 1, ctx: ModuleType | None = None) -> NoReturn:
    raise TypeError(f"{space} fits no shared memory, because text has any length; pass shared_memory=False")
