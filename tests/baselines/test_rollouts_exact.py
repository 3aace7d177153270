"""Reading prompts once, mixing adapters and dropping rows that ended: replies are those of `generate`, one at a time.

1. Greedy replies are, token by token, what Transformers' own `generate` writes for each request alone.
2. Sampled replies carry the log-probabilities that a forward pass over each alone gives, and those of the trainer.
3. What is drawn from is the whole vocabulary.
4. Reading prompts fills the cache with what reading each alone fills it with, and leaves nothing behind.

Requests are of every kind that can disturb each other: adapters mixed, prompts of different lengths, equal, each
other's beginning, made of padding and end tokens; rows that end at different times, by an end token or by their limit.
"""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import DynamicCache, GenerationConfig

from baselines.errors import ConfigError
from baselines.policies.adapted import Compute
from baselines.policies.engines.hf import Reply, Request, _drawn, end_ids
from baselines.policies.engines.prefill import Prompt, cache_argument, prefill
from baselines.policies.team import Team
from tests.baselines.conftest import perturb
from tests.baselines.trees import TEMPERATURE, Said, naive_scores, words

AGENTS = ("reasoner_0", "actor_0", "judge_0")
PATHS = pytest.mark.parametrize("path", ["packed", "plain"])
ENDS = [257, *range(0, 256, 16)]
"""Many tokens end a reply, so that random replies do end."""


@pytest.fixture(scope="module")
def team(tiny_model: Path) -> Team:
    torch.manual_seed(0)  # adapters begin with random numbers
    team = perturb(Team.load(AGENTS, model=str(tiny_model)))
    team.base.model.get_base_model().generation_config = GenerationConfig(eos_token_id=ENDS)
    return team


def request(adapter: str, prompt_ids: list[int], max_new_tokens: int = 12, seed: int = 0) -> Request:
    return Request(adapter, prompt_ids, max_new_tokens, 10_000, seed)


def asked(seed: int = 0) -> list[Request]:
    """All kinds at once, in no order: 18 requests."""
    prompts = [words(0, 5), words(0, 5), words(0, 9), words(0, 70), words(1, 1), [257, 0, 0, 257]]
    limits = [1, 12, 4, 30, 7]
    return [
        request(adapter, prompt, limits[(3 * number + place) % 5], seed + 10 * number + place)
        for number, prompt in enumerate(prompts)
        for place, adapter in enumerate(AGENTS)
    ]


def naive_reply(team: Team, one: Request) -> list[int]:
    """By `generate`, greedily, without any of our code."""
    team.base.model.set_adapter(one.adapter)
    prompt = torch.tensor([one.prompt_ids])
    written = team.base.model.generate(
        input_ids=prompt,
        attention_mask=torch.ones_like(prompt),  # else padding is guessed from the tokens
        generation_config=GenerationConfig(
            do_sample=False,
            max_new_tokens=one.max_new_tokens,
            eos_token_id=end_ids(team.base.model, team.base.tokenizer),
            pad_token_id=0,
        ),
    )
    return list(written[0, len(one.prompt_ids) :].tolist())


def said(requests: Sequence[Request], replies: Sequence[Reply], adapter: str) -> tuple[list[Said], list[list[float]]]:
    """What an adapter said, and the log-probabilities that it was drawn with."""
    own = [(r, reply) for r, reply in zip(requests, replies, strict=True) if r.adapter == adapter]
    return [Said(r.prompt_ids, reply.action_ids) for r, reply in own], [reply.logprobs for _, reply in own]


# Greedy.


@PATHS
@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_greedy_replies_are_those_of_generate(team: Team, path: str, batch_size: int) -> None:
    team.base.compute = Compute(path)
    requests = asked()
    replies = team.act(requests, temperature=0.0, batch_size=batch_size)
    expected = [naive_reply(team, one) for one in requests]
    assert [reply.action_ids for reply in replies] == expected
    ended = [ids[-1] in ENDS for ids in expected]
    assert any(ended) and not all(ended)
    assert len({len(ids) for ids in expected}) > 5  # rows end at different times
    assert len({tuple(ids) for ids in expected}) > 10  # and what was read matters


@PATHS
def test_the_same_requests_are_answered_alike_again_and_again(team: Team, path: str) -> None:
    # Nothing of the first call is left in a cache, or grows in it.
    team.base.compute = Compute(path)
    first = team.act(asked(), temperature=TEMPERATURE, batch_size=7)
    assert team.act(asked(), temperature=TEMPERATURE, batch_size=7) == first
    assert team.act(asked(seed=1), temperature=TEMPERATURE, batch_size=7) != first


# Sampled.


@PATHS
@pytest.mark.parametrize("batch_size", [5, 100])
def test_a_sampled_reply_has_the_log_probabilities_of_a_pass_over_it_alone(
    team: Team, path: str, batch_size: int
) -> None:
    team.base.compute = Compute(path)
    requests = asked()
    replies = team.act(requests, temperature=TEMPERATURE, batch_size=batch_size)
    for adapter in AGENTS:
        sequences, drawn = said(requests, replies, adapter)
        with torch.no_grad():
            expected = naive_scores(team, adapter, sequences).logprobs
        for found, alone in zip(drawn, expected, strict=True):
            assert found == pytest.approx(alone.tolist(), abs=3e-4)


@given(
    drawn=st.lists(st.tuples(st.sampled_from(AGENTS), st.integers(0, 2), st.integers(1, 80)), min_size=1, max_size=8),
    sampler=st.sampled_from(["packed", "plain"]),
    trainer=st.sampled_from(["packed", "plain"]),
    batch_size=st.integers(1, 8),
)
@settings(max_examples=25)
def test_the_trainer_finds_the_log_probabilities_that_the_sampler_drew_with(
    team: Team, drawn: list[tuple[str, int, int]], sampler: str, trainer: str, batch_size: int
) -> None:
    requests = [request(adapter, words(*prompt), 6, number) for number, (adapter, *prompt) in enumerate(drawn)]
    team.base.compute = Compute(sampler)
    replies = team.act(requests, temperature=TEMPERATURE, batch_size=batch_size)
    team.base.compute = Compute(trainer, max_packed_tokens=100, batch_size=3)
    for adapter in AGENTS:
        sequences, sampled = said(requests, replies, adapter)
        for found, expected in zip(team.score_all(adapter, sequences, TEMPERATURE), sampled, strict=True):
            assert found.tolist() == pytest.approx(expected, abs=5e-4)  # what float32 loses under such adapters


def test_the_two_ways_to_read_prompts_draw_the_same(team: Team) -> None:
    replies = []
    for path in ("packed", "plain"):
        team.base.compute = Compute(path)
        replies.append(team.act(asked(), temperature=TEMPERATURE, batch_size=6))
    assert [reply.action_ids for reply in replies[0]] == [reply.action_ids for reply in replies[1]]


@PATHS
def test_what_was_sampled_can_be_trained_on(team: Team, path: str) -> None:
    # Ids made under `inference_mode` could not.
    team.base.compute = Compute(path)
    requests = [request("actor_0", words(0, 5)), request("actor_0", words(0, 9))]
    sequences, _ = said(requests, team.act(requests, temperature=TEMPERATURE, batch_size=2), "actor_0")
    scores = team.score("actor_0", sequences, TEMPERATURE)
    gradients = torch.autograd.grad(scores.logprobs[scores.mask].sum(), team.parameters("actor_0"))
    assert all(bool(gradient.any()) for gradient in gradients)


# The whole vocabulary.


def test_every_token_can_be_drawn_and_as_often_as_it_is_likely() -> None:
    # Five tokens of 0.4, 0.3, 0.2, 0.09 and 0.01; noise 0.005, 0.015, … stands for all there is.
    probabilities = torch.tensor([0.2, 0.01, 0.4, 0.09, 0.3])
    noise = [(number + 0.5) / 100 for number in range(100)]
    tokens, logprobs = _drawn(probabilities.log().expand(100, -1), noise, [1.0] * 100)
    assert [tokens.count(token) for token in range(5)] == [20, 1, 40, 9, 30]
    assert logprobs == pytest.approx([float(probabilities.log()[token]) for token in tokens], abs=1e-6)
    # At temperature 2 the square roots count: 0.447 / 2.027 = 0.221 and 0.1 / 2.027 = 0.049; log 0.221 = -1.511.
    tokens, logprobs = _drawn(probabilities.log().expand(100, -1), noise, [2.0] * 100)
    assert tokens.count(0) == 22 and tokens.count(1) == 5
    assert logprobs[0] == pytest.approx(-1.511, abs=1e-3)


# What a critic of observations reads.


def last_hidden_state(team: Team, one: Request) -> torch.Tensor:
    """Of the prompt alone, under the adapter that replies to it."""
    team.base.model.set_adapter(one.adapter)
    trunk = team.base.model.get_base_model().base_model
    with torch.no_grad():
        return trunk(input_ids=torch.tensor([one.prompt_ids]), use_cache=False).last_hidden_state[0, -1]


@PATHS
@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_a_reply_brings_what_its_own_policy_made_of_its_prompt(team: Team, path: str, batch_size: int) -> None:
    team.base.compute = Compute(path)
    requests = asked()
    replies = team.act(requests, temperature=TEMPERATURE, batch_size=batch_size)
    expected = [last_hidden_state(team, one) for one in requests]
    again = team.prompt_features([r.adapter for r in requests], [r.prompt_ids for r in requests], batch_size)
    for reply, row, alone in zip(replies, again, expected, strict=True):
        torch.testing.assert_close(reply.features, alone, atol=1e-4, rtol=0)
        torch.testing.assert_close(row, alone, atol=1e-4, rtol=0)
    assert (expected[0] - expected[1]).norm() > 0.1 * expected[0].norm()  # adapters and prompts matter


def test_a_model_that_does_not_show_what_its_head_is_given_is_named(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(team.base.model.get_base_model(), "get_output_embeddings", lambda: None)
    (reply,) = team.act([request("actor_0", words(0, 5))], temperature=TEMPERATURE, batch_size=1)
    assert reply.features is None
    with pytest.raises(ConfigError, match="use --critic-input state"):
        team.prompt_features(["actor_0"], [words(0, 5)], 1)


# The cache.


@pytest.mark.parametrize("is_packed", [True, False])
@torch.no_grad()
def test_reading_prompts_together_fills_the_cache_as_reading_each_alone_does(team: Team, is_packed: bool) -> None:
    found = prefill(team.base.model, [Prompt(one.adapter, one.prompt_ids) for one in asked()], is_packed=is_packed)
    assert found.mask.sum(-1).tolist() == [len(one.prompt_ids) for one in asked()]
    for row, one in enumerate(asked()):
        ids = one.prompt_ids
        team.base.model.set_adapter(one.adapter)
        alone = DynamicCache()
        logits = team.base.model(input_ids=torch.tensor([ids]), **cache_argument(team.base.model, alone)).logits[0, -1]
        torch.testing.assert_close(found.logits[row], logits, atol=1e-4, rtol=0)
        for together, own in zip(found.cache.layers, alone.layers, strict=True):
            torch.testing.assert_close(together.keys[row, :, -len(ids) :], own.keys[0], atol=1e-3, rtol=0)
            torch.testing.assert_close(together.values[row, :, -len(ids) :], own.values[0], atol=1e-3, rtol=0)
