"""The same of the default model: 30 layers, its own tokenizer, chats of several turns and agents, two chat templates.

1. Scores and gradients of packed turns are those of each turn on its own.
2. What a critic reads of states that grow is the same on either path.
3. Replies are those of `generate`; sampler and trainer agree; turns that go on from a history are as without.

Everything is in float32. Measured on an AMD EPYC, against float64: log-probabilities of packed turns were off by 3e-5,
of turns on their own by 2e-5; gradients by 1e-5 to 6e-5 of their length either way, depending on the kernel alone. In
float64 packed gradients were off by 3e-7, and log-probabilities by 3e-14.
"""

import copy
from dataclasses import replace

import pytest
import torch

from baselines.policies.adapted import AdaptedModel, Compute
from baselines.policies.engines.hf import Request
from baselines.policies.models import DEFAULT_MODEL
from baselines.policies.team import Team
from marft_envs import Message
from tests.baselines.conftest import perturb
from tests.baselines.test_chat import LLAMA_LIKE
from tests.baselines.test_rollouts_exact import naive_reply, said
from tests.baselines.trees import (
    TEMPERATURE,
    Said,
    as_scores,
    gradient,
    largest_difference,
    naive_scores,
    ppo_loss,
    relative_error,
)

pytestmark = pytest.mark.slow  # about 40 seconds of CPU in all
AGENTS = ("reasoner_0", "actor_0")
PATHS = ("packed", "plain")


@pytest.fixture(scope="module")
def loaded() -> Team:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return perturb(Team.load(AGENTS, model=DEFAULT_MODEL), 0.02)


def with_template(team: Team, template: str | None) -> Team:
    """The same team, with another chat template."""
    tokenizer = copy.deepcopy(team.base.tokenizer)
    tokenizer.chat_template = template or tokenizer.chat_template
    return Team([AdaptedModel(team.base.model, tokenizer)], team.adapter_of)


def told(agent: str, problem: str) -> list[Message]:
    """What an agent is told at first."""
    return [
        {"role": "system", "content": f"You are {agent}. Work with your team."},
        {"role": "user", "content": f"What is {problem}?"},
    ]


def turns(team: Team, agent: str) -> list[Said]:
    """Three replies to a problem, two of them alike; the turn after one of them; another problem, cut short."""
    tokenizer = team.base.tokenizer
    right, wrong = ([*tokenizer(text)["input_ids"], tokenizer.eos_token_id] for text in ("7", "7, I think."))
    conversation = team.conversation(agent)
    messages = told(agent, "3 + 4")
    first = conversation.prompt(messages)
    conversation.record(wrong)
    again: list[Message] = [{"role": "assistant", "content": "7, I think."}, {"role": "user", "content": "Be sure."}]
    second = conversation.prompt([*messages, *again])
    other = team.conversation(agent).prompt(told(agent, "12 + 9"))
    return [Said(first, right), Said(first, right), Said(first, wrong), Said(second, right), Said(other, right[:-1])]


# Scores and gradients.


@pytest.mark.parametrize(
    ("agent", "template"), [("reasoner_0", None), ("actor_0", LLAMA_LIKE)], ids=["chatml", "llama-like"]
)
def test_turns_are_scored_and_trained_on_as_each_on_its_own(loaded: Team, agent: str, template: str | None) -> None:
    team = with_template(loaded, template)
    sequences = turns(team, agent)
    assert sequences[3].prompt_ids[: len(sequences[2].prompt_ids)] == sequences[2].prompt_ids
    expected = as_scores(naive_scores(team, agent, sequences))
    expected_gradient = gradient(team, agent, ppo_loss(expected))
    for path in PATHS:
        team.base.compute = Compute(path)
        found = team.score(agent, sequences, TEMPERATURE)
        assert largest_difference(found, expected) <= 1e-4
        assert relative_error(gradient(team, agent, ppo_loss(found)), expected_gradient) <= 1e-4


def test_adapters_matter_far_more_than_that(loaded: Team) -> None:
    sequences = turns(loaded, "actor_0")[:1]
    with torch.no_grad():
        mine, other = (as_scores(naive_scores(loaded, agent, sequences)) for agent in AGENTS)
        with loaded.base.model.disable_adapter():
            base = as_scores(naive_scores(loaded, "actor_0", sequences))
    assert min(largest_difference(mine, another) for another in (other, base)) > 0.1


# States.


def test_growing_states_are_read_alike_on_either_path(loaded: Team) -> None:
    state = "problem: 3 + 4 = 7\n\nround 1\nreasoner_0: add them\nactor_0: 8\nround 2\nreasoner_0: again\n"
    texts = [state[:end] for end in (19, 50, 64, len(state))] + ["problem: 12 + 9 = 21\n", ""]
    found = []
    for path in ("packed", "plain"):
        loaded.base.compute = Compute(path)
        found.append(loaded.base.features(texts))
    # Values are of the order of 10: the final norm is a part of what is read.
    torch.testing.assert_close(found[0], found[1], atol=1e-4, rtol=1e-5)


# Rollouts.


def requests(team: Team, max_new_tokens: int) -> list[Request]:
    """Adapters mixed, a prompt that comes twice, two of them alike up to the last words."""
    problems = ["3 + 4", "12 + 9", "3 + 4"]
    return [
        Request(
            agent,
            team.conversation(agent).prompt(told(agent, problem)),
            max_new_tokens - place,
            10_000,
            2 * number + place,
        )
        for number, problem in enumerate(problems)
        for place, agent in enumerate(AGENTS)
    ]


def test_greedy_replies_are_those_of_generate(loaded: Team) -> None:
    asked = requests(loaded, 6)
    expected = [naive_reply(loaded, one) for one in asked[:4]]
    for path in PATHS:
        loaded.base.compute = Compute(path)
        replies = loaded.act(asked, temperature=0.0, batch_size=6)
        assert [reply.action_ids for reply in replies[:4]] == expected
        assert replies[4:] == replies[:2]


@pytest.mark.parametrize("path", PATHS)
def test_a_turn_that_goes_on_from_a_history_is_as_without(loaded: Team, path: str) -> None:
    loaded.base.compute = Compute(path)
    asked = [replace(one, keeps_history=number % 3 > 0) for number, one in enumerate(requests(loaded, 8))]
    replies = loaded.act(asked, temperature=TEMPERATURE, batch_size=6)
    later = []
    for one, reply in zip(asked, replies, strict=True):
        told_next = loaded.base.tokenizer(f"\nuser: Be sure of {one.seed}.")["input_ids"]
        later.append(replace(one, prompt_ids=one.prompt_ids + reply.action_ids + told_next, history=reply.history))
    found = loaded.act(later, temperature=TEMPERATURE, batch_size=6)
    expected = loaded.act([replace(one, history=None) for one in later], temperature=TEMPERATURE, batch_size=6)
    for reply, alone in zip(found, expected, strict=True):
        assert reply.action_ids == alone.action_ids
        assert reply.logprobs == pytest.approx(alone.logprobs, abs=1e-4)
        torch.testing.assert_close(reply.features, alone.features, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("path", PATHS)
def test_sampler_and_trainer_agree(loaded: Team, path: str) -> None:
    loaded.base.compute = Compute(path)
    asked = requests(loaded, 8)
    replies = loaded.act(asked, temperature=TEMPERATURE, batch_size=6)
    for agent in AGENTS:
        sequences, sampled = said(asked, replies, agent)
        for found, expected in zip(loaded.score_all(agent, sequences, TEMPERATURE), sampled, strict=True):
            assert found.tolist() == pytest.approx(expected, abs=1e-4)
