"""Learning rates that change as training goes on, as functions of what has been done.

An optimiser itself knows how many steps it has made, so a run that goes on from a checkpoint needs nothing else.
"""

import torch


def warmup(num_steps_done: int, num_steps: int) -> float:
    """Share of the full rate for the next step: rises linearly, and is 1 from step number `num_steps` (at least 1) on.

    Source: Goyal et al., arXiv 1706.02677, section 2.2; for Adam, Ma and Yarats, arXiv 1910.04209.
    """
    return min(1.0, (num_steps_done + 1) / num_steps)


def annealed(num_done: int, num_planned: int) -> float:
    """Share of the full rate after so many of the planned iterations: falls linearly, and would be 0 after the last.

    Source: PPO, arXiv 1707.06347, table 5 (α), as implementations carry it over to other tasks.
    """
    return 1.0 - num_done / num_planned


def num_steps(optimizer: torch.optim.Optimizer) -> int:
    """Steps that an Adam has made; the most of all its parameters."""
    return max((int(state["step"]) for state in optimizer.state.values() if "step" in state), default=0)


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Lets its next steps be of this rate."""
    for group in optimizer.param_groups:
        group["lr"] = lr
