"""What an algorithm hands to its updates, and the gradients that reach its adapters, caught on the way."""

from collections.abc import Mapping
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from baselines.policies.team import Team
from baselines.rollouts.batch import Batch
from tests.baselines.test_algorithms import LEARNERS, TEMPERATURE, module_of


@dataclass(frozen=True)
class Caught:
    """Of one `learn`."""

    advantages: Tensor
    """(N, T), as handed over: before they are normalised and weighted. Empty for imitation, which has none."""
    joint: Tensor
    """(N, T), of the round; the same where none was handed over."""
    gradients: Mapping[str, Tensor]
    """(P,) of each adapter at its first step, in the order of updates, before it is clipped."""
    before: Mapping[str, list[Tensor]]
    """The parameters that it is the gradient at."""
    metrics: Mapping[str, object]


def caught(
    algorithm: str,
    team: Team,
    batch: Batch,
    monkeypatch: pytest.MonkeyPatch,
    *,
    lr: float = 0.0,
    **settings: object,
) -> Caught:
    """Learns from a batch once, by plain steps of `lr`; 0 leaves the team where it was."""
    bound = {} if algorithm == "imitation" else {"target_kl": None}
    chosen = {"temperature": TEMPERATURE, "num_minibatches": 1, **bound, **settings}
    learner = LEARNERS[algorithm](module_of(algorithm).Config(**chosen), team)
    learner.optimizers.by_adapter = {name: torch.optim.SGD(team.parameters(name)) for name in team.blocks}
    gradients: dict[str, Tensor] = {}
    before: dict[str, list[Tensor]] = {}
    step = learner.optimizers.step

    def noted_step(adapter: str, _lr: float) -> float:
        gradients.setdefault(adapter, flat_gradient(team, adapter))
        before.setdefault(adapter, [parameter.detach().clone() for parameter in team.parameters(adapter)])
        norm: float = step(adapter, lr)
        return norm

    handed: list[Tensor] = [torch.zeros(0, 1)] * 2
    with monkeypatch.context() as patch:
        patch.setattr(learner.optimizers, "step", noted_step)
        if algorithm != "imitation":
            update = learner.policies.update

            def noted_update(
                given: Batch, advantages: Tensor, joint: Tensor | None = None, **told: object
            ) -> Mapping[str, object]:
                by_action = advantages.reshape(len(advantages), -1)
                handed[:] = by_action, by_action if joint is None else joint.reshape(len(joint), -1)
                metrics: Mapping[str, object] = update(given, advantages, joint, **told)
                return metrics

            patch.setattr(learner.policies, "update", noted_update)
        metrics = learner.learn(batch, iteration=0, status=lambda _: None)
    return Caught(*handed, gradients, before, metrics)


def flat_gradient(team: Team, adapter: str) -> Tensor:
    """All of an adapter's gradient, (P,)."""
    found = [parameter.grad for parameter in team.parameters(adapter)]
    assert all(gradient is not None for gradient in found)
    return torch.cat([gradient.detach().flatten() for gradient in found if gradient is not None])


@torch.no_grad()
def put(team: Team, adapter: str, values: list[Tensor]) -> None:
    """Set an adapter's parameters."""
    for parameter, value in zip(team.parameters(adapter), values, strict=True):
        parameter.copy_(value)
