"""How a process shares its tasks out among workers that collect for it."""

from collections.abc import Sequence
from itertools import accumulate, pairwise

from baselines.rollouts.collect import Task, by_instance


def portions(tasks: Sequence[Task], num_portions: int) -> list[range]:
    """Positions of the tasks in at most so many portions of about equal size, in order; at least one.

    Samples of an instance that follow each other stay together: they share their prompts. The same tasks are always
    shared out in the same way.
    """
    ends = list(accumulate(map(len, by_instance(tasks))))
    wanted = [len(tasks) * number / num_portions for number in range(1, num_portions)]
    cuts = [min(ends, key=lambda end: abs(end - want)) for want in wanted] if ends else []
    borders = sorted({0, *cuts, len(tasks)})
    return [range(begin, end) for begin, end in pairwise(borders)] or [range(0)]
