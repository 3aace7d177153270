"""Rows of several policies in one call: each is what its own policy makes of it, and afterwards all is as before."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from peft import LoraConfig
from peft.tuners.lora import LoraLayer
from torch import Tensor

from baselines.policies.engines.mixing import _Beside, _Named, rows_of
from baselines.policies.loading import Lora
from baselines.policies.team import Team
from tests.baselines.conftest import perturb
from tests.baselines.trees import words

AGENTS = ("reasoner_0", "actor_0", "judge_0")
MIXTURE = ("actor_0", "reasoner_0", "judge_0", "reasoner_0", "actor_0")


@pytest.fixture
def team(tiny_model: Path) -> Team:
    torch.manual_seed(0)  # adapters begin with random numbers
    return perturb(Team.load(AGENTS, model=str(tiny_model)))


def adapters(team: Team, agents: Sequence[str]) -> list[str]:
    return [team.adapter_of[agent] for agent in agents]


def read() -> Tensor:
    return torch.tensor([words(number, 6) for number in range(len(MIXTURE))])


@torch.no_grad()
def alone(team: Team, agent: str, ids: Tensor) -> Tensor:
    team.base.model.set_adapter(team.adapter_of[agent])
    return team.base.model(input_ids=ids[None]).logits[0]  # type: ignore[no-any-return]


def num_changed(team: Team) -> int:
    return sum("forward" in module.__dict__ for module in team.base.model.modules())


def trained(team: Team) -> dict[str, bool]:
    return {name: parameter.requires_grad for name, parameter in team.base.model.named_parameters()}


@torch.no_grad()
def test_a_row_is_what_its_policy_makes_of_it(team: Team) -> None:
    ids = read()
    expected = [alone(team, agent, own) for agent, own in zip(MIXTURE, ids, strict=True)]
    with rows_of(team.base.model, adapters(team, MIXTURE)) as rows:
        assert isinstance(rows, _Beside)
        for places in ([0, 1, 2, 3, 4], [0, 1, 3, 4], [1, 2], [0]):  # three policies, two, one, and one row of it
            ids, expected = ids[places], [expected[place] for place in places]
            rows.keep(places)
            logits = team.base.model(input_ids=ids, **rows.arguments()).logits
            for row, own in zip(logits, expected, strict=True):
                torch.testing.assert_close(row, own, atol=1e-5, rtol=0)
    assert not torch.allclose(alone(team, "actor_0", read()[0]), alone(team, "judge_0", read()[0]), atol=1e-2)


@torch.no_grad()
def test_layers_may_have_other_ranks_scales_and_precisions_and_lack_adapters(tiny_model: Path) -> None:
    team = perturb(Team.load(AGENTS, model=str(tiny_model), lora=Lora(target_modules=("q_proj",))))
    model, ids = team.base.model, read()
    more = LoraConfig(r=3, lora_alpha=7, target_modules=["q_proj", "down_proj"], rank_pattern={"0.*q_proj": 5})
    model.add_adapter("more", more)
    for name, parameter in model.named_parameters():
        if ".more." in name:
            parameter.normal_(0, 0.1)
    names = ["more", *adapters(team, AGENTS), "more"]
    for dtype in (torch.float32, torch.bfloat16):  # adapters stay in float32
        for name, parameter in model.named_parameters():
            if "lora_" not in name:
                parameter.data = parameter.data.to(dtype)
        expected = []
        for name, own in zip(names, ids, strict=True):
            model.set_adapter(name)
            expected.append(model(input_ids=own[None]).logits[0])
        with rows_of(model, names) as rows:
            assert isinstance(rows, _Beside)
            logits = model(input_ids=ids, **rows.arguments()).logits
        assert logits.dtype == dtype
        torch.testing.assert_close(logits, torch.stack(expected), atol=1e-5 if dtype == torch.float32 else 0.05, rtol=0)
        assert (logits[0] - logits[1]).abs().max() > 0.1


@torch.no_grad()
def test_adapters_that_are_switched_off_stay_off(team: Team) -> None:
    with team.base.model.disable_adapter():
        expected = team.base.model(input_ids=read()).logits
        with rows_of(team.base.model, adapters(team, ("judge_0",) * len(MIXTURE))) as rows:
            logits = team.base.model(input_ids=read(), **rows.arguments()).logits
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=0)


def test_afterwards_the_model_acts_and_trains_as_before(team: Team) -> None:
    team.base.model.set_adapter(team.adapter_of["actor_0"])
    before, logits = trained(team), alone(team, "actor_0", read()[0])
    assert any(before.values()) and num_changed(team) == 0
    rows = rows_of(team.base.model, adapters(team, MIXTURE))
    rows.__enter__()
    assert trained(team) == before and num_changed(team) > 0
    assert rows.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None) is False
    assert trained(team) == before and num_changed(team) == 0
    assert torch.equal(alone(team, "actor_0", read()[0]), logits)


@torch.no_grad()
def test_one_policy_has_its_own_matrices_alone(team: Team) -> None:
    ids = read()
    expected = [alone(team, "judge_0", own) for own in ids]
    with rows_of(team.base.model, adapters(team, ("judge_0",) * len(ids))) as rows:
        assert isinstance(rows, _Beside) and rows.arguments() == {} and rows.names == adapters(team, ["judge_0"])
        logits = team.base.model(input_ids=ids).logits
    torch.testing.assert_close(logits, torch.stack(expected), atol=1e-5, rtol=0)


@pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings=True`")
@torch.no_grad()
def test_layers_of_other_kinds_are_mixed_as_peft_does_it(tiny_model: Path) -> None:
    team = perturb(Team.load(AGENTS, model=str(tiny_model), lora=Lora(target_modules=("embed_tokens", "q_proj"))))
    kinds = {type(layer).__name__ for layer in team.base.model.modules() if isinstance(layer, LoraLayer)}
    assert kinds == {"Embedding", "Linear"}
    expected = [alone(team, agent, ids) for agent, ids in zip(MIXTURE, read(), strict=True)]
    with rows_of(team.base.model, adapters(team, MIXTURE)) as rows:
        assert isinstance(rows, _Named) and rows.arguments() == {"adapter_names": adapters(team, MIXTURE)}
        logits = team.base.model(input_ids=read(), **rows.arguments()).logits
    for row, own in zip(logits, expected, strict=True):
        torch.testing.assert_close(row, own, atol=1e-5, rtol=0)


@torch.no_grad()
def test_a_policy_that_has_diverged_harms_nobody_else(team: Team) -> None:
    expected = alone(team, "reasoner_0", read()[1])
    for name, parameter in team.base.model.named_parameters():
        if f"lora_A.{team.adapter_of['judge_0']}." in name:
            parameter.fill_(torch.inf)
    with rows_of(team.base.model, adapters(team, MIXTURE)) as rows:
        logits = team.base.model(input_ids=read(), **rows.arguments()).logits
    assert logits[2].isnan().any()
    torch.testing.assert_close(logits[1], expected, atol=1e-5, rtol=0)
