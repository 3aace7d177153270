"""How a batch is cut into minibatches: what shares its beginning stays together.

Samples of one instance, and the turns of one episode, share most of their tokens; in one minibatch each of these is
computed once. Instances are drawn at random, so a minibatch is as fair a sample of instances as any.
"""

from collections.abc import Hashable, Sequence

import numpy as np


def minibatches(groups: Sequence[Hashable], num_minibatches: int, rng: np.random.Generator) -> list[list[int]]:
    """Positions of all entries, in `num_minibatches` parts that hold whole groups.

    With fewer groups than parts single entries are dealt out instead; with fewer entries there are fewer parts.

    Shapes: groups (N,): which group each entry belongs to.
    """
    members: dict[Hashable, list[int]] = {}
    for position, group in enumerate(groups):
        members.setdefault(group, []).append(position)
    dealt = list(members.values()) if len(members) >= num_minibatches else [[place] for place in range(len(groups))]
    shuffled = rng.permutation(len(dealt))
    parts = np.array_split(shuffled, min(num_minibatches, len(dealt)))
    return [[position for number in part for position in dealt[number]] for part in parts]
