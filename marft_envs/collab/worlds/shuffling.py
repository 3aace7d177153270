"""Things in a random order."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")


def shuffled(items: Sequence[Item], rng: np.random.Generator) -> list[Item]:
    """All of them. To shuffle a list is several times as fast as `rng.permutation`, and draws the same."""
    in_order = list(items)
    rng.shuffle(in_order)
    return in_order
