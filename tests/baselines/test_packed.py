"""Each distinct token once, and nothing changes: what is computed on a tree is what each sequence gives on its own.

1. Log-probabilities and entropies, on either path, of any turns that agents can have had.
2. Gradients of a loss like a trainer's, in one pass or in parts.
3. What a critic reads, and makes of it.
4. Beyond rounding: in float64 what remains is that of Llama's norms, which compute in float32.

The reference is `trees.naive_scores`: one sequence at a time, without any of our code.
"""

from pathlib import Path

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from baselines.policies.adapted import Compute
from baselines.policies.critic import Critic
from baselines.policies.team import Team
from tests.baselines.conftest import perturb
from tests.baselines.trees import (
    RELATED,
    TEMPERATURE,
    Said,
    as_scores,
    conversations,
    gradient,
    largest_difference,
    naive_scores,
    ppo_loss,
    relative_error,
    words,
)

AGENTS = ("reasoner_0", "actor_0")
PATHS = pytest.mark.parametrize("path", ["packed", "plain"])


def loaded(tiny_model: Path, scale: float) -> Team:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return perturb(Team.load(AGENTS, model=str(tiny_model)), scale)


@pytest.fixture(scope="module")
def team(tiny_model: Path) -> Team:
    """Its adapters matter, and not so much that float32 is too coarse for gradients: at 0.5 plain errs by 5e-3."""
    return loaded(tiny_model, 0.1)


@pytest.fixture(scope="module")
def exact_team(tiny_model: Path) -> Team:
    """One with wilder adapters, in float64."""
    team = loaded(tiny_model, 0.5)
    team.base.model.double()
    return team


# Log-probabilities and entropies.


@PATHS
@given(said=conversations(), adapter=st.sampled_from(AGENTS))
@example(said=list(RELATED), adapter="actor_0")
@settings(max_examples=40)
def test_every_turn_is_scored_as_it_is_on_its_own(team: Team, path: str, said: list[Said], adapter: str) -> None:
    team.base.compute = Compute(path)
    with torch.no_grad():
        found = team.score(adapter, said, TEMPERATURE)
        assert largest_difference(found, as_scores(naive_scores(team, adapter, said))) <= 1e-4


def test_adapters_and_temperature_matter_far_more_than_that(team: Team) -> None:
    with torch.no_grad():
        mine = as_scores(naive_scores(team, "actor_0", RELATED))
        others = as_scores(naive_scores(team, "reasoner_0", RELATED))
        with team.base.model.disable_adapter():
            base = as_scores(naive_scores(team, "actor_0", RELATED))
        assert min(largest_difference(mine, other) for other in (others, base)) > 0.1


@given(said=conversations(), max_tokens=st.integers(1, 100))
@example(said=list(RELATED), max_tokens=8)
@settings(max_examples=25)
def test_the_size_of_packs_changes_no_score(team: Team, said: list[Said], max_tokens: int) -> None:
    team.base.compute = Compute("packed", max_packed_tokens=max_tokens)
    with torch.no_grad():
        expected = naive_scores(team, "actor_0", said).logprobs
    for found, alone in zip(team.score_all("actor_0", said, TEMPERATURE), expected, strict=True):
        torch.testing.assert_close(found, alone, atol=1e-4, rtol=0)


# Gradients.


@PATHS
@given(said=conversations(), adapter=st.sampled_from(AGENTS))
@example(said=list(RELATED), adapter="reasoner_0")
@settings(max_examples=25)
def test_gradients_are_those_of_every_turn_on_its_own(team: Team, path: str, said: list[Said], adapter: str) -> None:
    team.base.compute = Compute(path)
    found = gradient(team, adapter, ppo_loss(team.score(adapter, said, TEMPERATURE)))
    expected = gradient(team, adapter, ppo_loss(as_scores(naive_scores(team, adapter, said))))
    assert relative_error(found, expected) <= 1e-5


@pytest.mark.parametrize("max_tokens", [1, 12, 100])
def test_gradients_of_parts_add_up_to_that_of_the_whole(team: Team, max_tokens: int) -> None:
    team.base.compute = Compute("packed", max_packed_tokens=max_tokens)
    parts = team.base.parts(RELATED, range(len(RELATED)))
    assert len(parts) == {1: 6, 12: 2, 100: 1}[max_tokens]
    losses = [
        ppo_loss(team.score("actor_0", [RELATED[number] for number in part], TEMPERATURE), part) for part in parts
    ]
    found = torch.stack([gradient(team, "actor_0", loss) for loss in losses]).sum(0)
    expected = gradient(team, "actor_0", ppo_loss(as_scores(naive_scores(team, "actor_0", RELATED))))
    assert relative_error(found, expected) <= 1e-5


# What a critic reads.

STATES = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 90)), min_size=1, max_size=6)


def text(seed: int, length: int) -> str:
    """So much of a state; those of one seed grow out of each other, and "é" is two tokens."""
    return "".join(("a", "b", " ", "\n", "é")[token % 5] for token in words(seed, length, range(5)))


@PATHS
@given(states=STATES)
@example(states=[(0, 0), (0, 1), (0, 30), (0, 90), (1, 90), (0, 30)])
@settings(max_examples=20)
def test_growing_states_are_worth_what_each_is_on_its_own(team: Team, path: str, states: list[tuple[int, int]]) -> None:
    team.base.compute = Compute(path)
    texts = [text(*state) for state in states]
    base = team.base.model.get_base_model()
    with torch.no_grad(), team.base.model.disable_adapter():
        ids = [team.base.tokenizer(state, add_special_tokens=False)["input_ids"] or [0] for state in texts]
        hidden = [base.model(input_ids=torch.tensor([row])).last_hidden_state[0, -1] for row in ids]
    found, expected = team.base.features(texts), torch.stack(hidden)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    critic = Critic.drawn(team.base.hidden_size, seed=0)
    torch.nn.init.normal_(critic.out.weight)  # a fresh critic finds everything worth nothing
    torch.testing.assert_close(critic(found), critic(expected), atol=1e-4, rtol=0)


@PATHS
def test_a_critic_can_be_fitted_to_what_was_read(team: Team, path: str) -> None:
    # Under `inference_mode`, which saves a little, no tensor could take part in a backward any more.
    team.base.compute = Compute(path)
    critic = Critic.drawn(team.base.hidden_size, seed=0)
    (critic(team.base.features(["a", "ab"])) - 1).square().sum().backward()
    assert bool(critic.out.weight.grad.any())


# Beyond rounding.


@given(said=conversations())
@example(said=list(RELATED))
@settings(max_examples=25)
def test_in_float64_scores_agree_to_the_last_digits(exact_team: Team, said: list[Said]) -> None:
    with torch.no_grad():
        found = exact_team.score("actor_0", said, TEMPERATURE)
        assert largest_difference(found, as_scores(naive_scores(exact_team, "actor_0", said))) <= 1e-10


@given(said=conversations())
@example(said=list(RELATED))
@settings(max_examples=20)
def test_in_float64_gradients_differ_by_the_rounding_of_float32_norms(exact_team: Team, said: list[Said]) -> None:
    # The gradients of what is shared are added before Llama's norms, which round to float32, and not behind them.
    found = gradient(exact_team, "actor_0", ppo_loss(exact_team.score("actor_0", said, TEMPERATURE)))
    expected = gradient(exact_team, "actor_0", ppo_loss(as_scores(naive_scores(exact_team, "actor_0", said))))
    assert relative_error(found, expected) <= 2e-6
