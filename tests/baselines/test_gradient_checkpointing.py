"""Gradient checkpointing: the same numbers from less memory, on both paths.

1. Log-probabilities and gradients are those without it.
2. Layers are computed twice, and far less is kept between forward and backward; also after sampling.
3. What runs without gradients is computed once.
4. A model that cannot is refused.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor
from transformers import LlamaForCausalLM

from baselines.errors import ConfigError
from baselines.policies.adapted import Compute
from baselines.policies.engines.hf import Request
from baselines.policies.team import Team
from tests.baselines.trees import Said

LoadTeam = Callable[..., Team]


SEQUENCES = [Said([1, 2, 3, 4, 5], [6, 7, 8]), Said([1, 2, 3, 4, 5], [6, 9]), Said([1, 2, 10], [11])]


@pytest.fixture(params=["packed", "plain"])
def teams(load_team: LoadTeam, request: pytest.FixtureRequest) -> tuple[Team, Team]:
    """The same team without and with it."""
    without, with_it = (load_team(compute=Compute(request.param, gradient_checkpointing=on)) for on in (False, True))
    return without, with_it


def gradients(team: Team) -> list[Tensor]:
    team.base.model.zero_grad()
    scores = team.score("actor_0", SEQUENCES, temperature=0.7)
    (scores.logprobs.sum() + 0.1 * scores.entropy.sum()).backward()
    return [parameter.grad for parameter in team.parameters("actor_0")]


@contextmanager
def counted_calls(team: Team) -> Iterator[list[str]]:
    """How often the first layer's attention runs."""
    calls: list[str] = []
    layer = team.base.model.get_base_model().model.layers[0]
    handle = layer.self_attn.register_forward_hook(lambda *_: calls.append("call"))
    yield calls
    handle.remove()


def kept_bytes(team: Team) -> int:
    """Bytes of distinct tensors, the model's own apart, that the forward pass keeps for the backward."""
    own = {parameter.data_ptr() for parameter in team.base.model.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        if tensor.data_ptr() not in own:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        scores = team.score("actor_0", SEQUENCES, temperature=0.7)
    del scores
    return sum(kept.values())


def sample(team: Team) -> list[list[int]]:
    asked = [Request(agent, [1, 2, 3], 4, 100, seed=3) for agent in ("reasoner_0", "actor_0")]
    return [reply.action_ids for reply in team.act(asked, temperature=0.7, batch_size=2)]


def test_numbers_are_those_without_it(teams: tuple[Team, Team]) -> None:
    without, with_it = teams
    before, after = (team.score("actor_0", SEQUENCES, temperature=0.7) for team in teams)
    torch.testing.assert_close(before.logprobs, after.logprobs, atol=0, rtol=0)
    for one, other in zip(gradients(without), gradients(with_it), strict=True):
        torch.testing.assert_close(one, other, atol=1e-7, rtol=1e-5)
        assert one.abs().max() > 0
    assert sample(without) == sample(with_it)


def test_layers_are_computed_twice_also_after_sampling(teams: tuple[Team, Team]) -> None:
    for team, times in zip(teams, (1, 2), strict=True):
        for _ in range(2):
            with counted_calls(team) as calls:
                gradients(team)
            assert len(calls) == times
            sample(team)


def test_far_less_is_kept_for_the_backward(teams: tuple[Team, Team]) -> None:
    without, with_it = teams
    assert kept_bytes(with_it) < 0.5 * kept_bytes(without)


def test_without_gradients_layers_are_computed_once(teams: tuple[Team, Team]) -> None:
    _, team = teams
    gradients(team)
    with counted_calls(team) as calls:
        team.score_all("actor_0", SEQUENCES, temperature=0.7)
    assert len(calls) == 1


def test_no_dropout_comes_with_it(teams: tuple[Team, Team]) -> None:
    _, team = teams
    gradients(team)
    training = [name for name, module in team.base.model.named_modules() if module.training]
    assert training and all(name.endswith(("layers.0", "layers.1")) for name in training)


def test_a_model_that_cannot_is_refused(load_team: LoadTeam, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LlamaForCausalLM, "supports_gradient_checkpointing", False)
    with pytest.raises(ConfigError, match="leave it out"):
        load_team(compute=Compute(gradient_checkpointing=True))
