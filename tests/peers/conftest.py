"""Our arithmetic beside that of libraries which have the same function: theirs is called as it is installed.

Each module is skipped where its library is absent; `make peers` installs them all. A team is one agent with one reply
per episode wherever a library knows no team: there our algorithms say that they are what it has.
"""

import os

os.environ.setdefault("WANDB_MODE", "disabled")  # CoMLRL imports it

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from baselines.policies.team import Team
from baselines.rollouts.batch import Batch, Turn
from tests.baselines.conftest import load_team, perturb, tiny_model  # noqa: F401  # fixtures are found by their names
from tests.baselines.test_algorithms import TEMPERATURE, collected, pay
from tests.baselines.toy_envs import PAIR, Letters

AGENT = "writer_0"
RETURNS = (0.1, 0.7, 0.3, 0.0, 0.9, 0.4)


@pytest.fixture
def solo(load_team: Callable[..., Team]) -> Team:  # noqa: F811
    """A team of one."""
    return load_team(AGENT, scale=0.05)


def replies(team: Team, *, max_new_tokens: int = 4) -> Batch:
    """Two replies to each of three prompts, paid as `RETURNS` says; they are of different lengths if there is room."""
    batch = collected(team, lambda: Letters(team=PAIR[:1], horizon=1), max_new_tokens=max_new_tokens)
    if max_new_tokens > 1:
        for number, turn in enumerate(batch.turns()):
            kept = max_new_tokens - number % 3
            turn.action_ids, turn.logprobs = turn.action_ids[:kept], turn.logprobs[:kept]
    pay(batch, *RETURNS)
    return batch


def moved(team: Team) -> Team:
    """The same team a little later, so that ratios of what it said before are not 1."""
    return perturb(team, 0.01)


def reply_logprobs(team: Team, turns: Sequence[Turn]) -> Tensor:
    """(N,): of whole replies, with gradients."""
    scores = team.score(AGENT, turns, TEMPERATURE)
    return torch.where(scores.mask, scores.logprobs, 0.0).sum(-1)


def old_logprobs(turns: Sequence[Turn]) -> Tensor:
    """(N,): of whole replies, as they were drawn."""
    return torch.tensor([sum(turn.logprobs) for turn in turns])
