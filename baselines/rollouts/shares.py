"""Episodes of several processes: each plays a share of the tasks, and all get the episodes of all.

A reply follows from its own seed, so the batch is the one that a single process would have played, up to rounding.
"""

from collections.abc import Callable, Sequence

from baselines.ranks import Ranks
from baselines.rollouts.batch import BatchKind
from baselines.rollouts.collect import Task, by_instance


def played_together(ranks: Ranks, tasks: Sequence[Task], play: Callable[[Sequence[Task]], BatchKind]) -> BatchKind:
    """The batch of all tasks, in their order, of which `play` is given this process's own.

    Plays of one instance that stand beside each other stay together: they share their prompts.

    Raises: whatever typed error one of the processes met; `RankLostError`.
    """
    instances = by_instance(tasks)
    own = [task for place in ranks.share(list(map(len, instances))) for task in instances[place]]
    parts = ranks.together(lambda: play(own))
    return type(parts[0]).joined(parts)
