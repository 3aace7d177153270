"""What is kept of a conversation: keys and values from which its next prompt is read on.

1. Replies, their log-probabilities and features are those of requests without a history, over several turns.
2. New tokens alone are read, unless a tree of whole prompts is less.
3. A history holds what a pass over its tokens alone makes of them, and only of caches that hold every token.
4. What counts of it is what the prompt begins with, and never the whole of a prompt; and it is its adapter's.

Rows are of every kind that can disturb each other, as in `test_rollouts_exact.py`: adapters mixed, prompts of different
lengths and equal, made of padding and end tokens, replies that end, run to their limit or are cut to their characters.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import DynamicCache, GenerationConfig, MistralConfig, MistralForCausalLM
from transformers.cache_utils import DynamicSlidingWindowLayer

from baselines.policies.adapted import Compute
from baselines.policies.engines.hf import Reply, Request
from baselines.policies.engines.history import History, history_of
from baselines.policies.engines.prefill import Prompt, cache_argument, prefill
from baselines.policies.team import Team
from tests.baselines.conftest import byte_tokenizer, perturb
from tests.baselines.trees import TEMPERATURE, words

AGENTS = ("reasoner_0", "actor_0", "judge_0")
PATHS = pytest.mark.parametrize("path", ["packed", "plain"])
ENDS = [257, *range(0, 256, 16)]
"""Many tokens end a reply, so that random replies do end."""


@pytest.fixture(scope="module")
def team(tiny_model: Path) -> Team:
    return loaded(tiny_model)


def loaded(model: Path, compute: Compute | None = None) -> Team:
    """In float64, where rounding is that of float32 norms: what is wrong shows even if it is small."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        team = perturb(Team.load(AGENTS, model=str(model), compute=compute))
    team.base.model.double()
    team.base.model.get_base_model().generation_config = GenerationConfig(eos_token_id=ENDS)
    return team


def opening() -> list[Request]:
    """A first turn of 18 conversations."""
    prompts = [words(0, 5), words(0, 5), words(0, 9), words(0, 70), words(1, 40), [257, 0, 0, 257]]
    return [
        Request(adapter, prompt, [1, 12, 4, 30, 7][(number + place) % 5], [10_000, 3][place % 2], 10 * number + place)
        for number, prompt in enumerate(prompts)
        for place, adapter in enumerate(AGENTS)
    ]


Chosen = Callable[[int, int], bool]
"""Whether a conversation, by its number, is kept after a turn, by its number."""


def played(
    team: Team, chosen: Chosen, *, num_turns: int = 3, temperature: float = TEMPERATURE, batch_size: int = 8
) -> list[list[Reply]]:
    """So many turns of all conversations, each of which goes on with the words of others."""
    requests = [replace(one, keeps_history=chosen(number, 0)) for number, one in enumerate(opening())]
    found: list[list[Reply]] = []
    for turn in range(1, num_turns + 1):
        found.append(team.act(requests, temperature=temperature, batch_size=batch_size))
        requests = [
            replace(
                one,
                prompt_ids=[*one.prompt_ids, *reply.action_ids, *words(number, 1 + (5 * number + turn) % 8)],
                seed=f"{one.seed} {turn}",
                history=reply.history,
                keeps_history=chosen(number, turn),
            )
            for number, (one, reply) in enumerate(zip(requests, found[-1], strict=True))
        ]
    return found


KEPT: dict[str, Chosen] = {
    "all": lambda number, turn: True,
    "some": lambda number, turn: number % 3 > 0,
    "now and then": lambda number, turn: (number + turn) % 3 > 0,
}


@contextmanager
def tokens_read(team: Team) -> Iterator[list[int]]:
    """Of each call of the model, how many tokens it was given."""
    found: list[int] = []
    embeddings = team.base.model.get_base_model().get_input_embeddings()
    handle = embeddings.register_forward_pre_hook(lambda _module, args: found.append(args[0].numel()))
    try:
        yield found
    finally:
        handle.remove()


# Replies with and without.


@PATHS
@pytest.mark.parametrize(("kept", "batch_size"), [("all", 1), ("all", 8), ("some", 8), ("now and then", 8)])
def test_replies_are_the_same_with_histories_and_without(team: Team, path: str, kept: str, batch_size: int) -> None:
    team.base.compute = Compute(path)
    with tokens_read(team) as without:
        expected = played(team, lambda number, turn: False, batch_size=batch_size)
    with tokens_read(team) as read:
        found = played(team, KEPT[kept], batch_size=batch_size)
    for turn, (one, other) in enumerate(zip(found, expected, strict=True)):
        assert [reply.action_ids for reply in one] == [reply.action_ids for reply in other]
        for number, (reply, alone) in enumerate(zip(one, other, strict=True)):
            assert reply.logprobs == pytest.approx(alone.logprobs, abs=1e-5)
            torch.testing.assert_close(reply.features, alone.features, atol=1e-5, rtol=0)
            assert (reply.history is not None) == KEPT[kept](number, turn) and alone.history is None
    assert sum(read) < 0.8 * sum(without)
    replies = [reply for turn in expected for reply in turn]
    assert any(reply.action_ids[-1] in ENDS for reply in replies)
    assert any(len(reply.action_ids) == 7 and reply.action_ids[-1] not in ENDS for reply in replies)  # its limit
    cut = [len(reply.text) == 3 and reply.action_ids[-1] not in ENDS for reply in replies]
    assert 5 < sum(cut) < len(cut) / 2


@PATHS
def test_greedy_replies_are_the_same_with_histories_and_without(team: Team, path: str) -> None:
    team.base.compute = Compute(path)
    found, expected = (played(team, chosen, temperature=0.0) for chosen in (KEPT["all"], lambda number, turn: False))
    assert found == expected


@PATHS
def test_features_of_prompts_are_the_same_with_histories_and_without(team: Team, path: str) -> None:
    team.base.compute = Compute(path)
    requests = [replace(one, keeps_history=number % 4 > 0) for number, one in enumerate(opening())]
    replies = team.act(requests, temperature=TEMPERATURE, batch_size=18)
    agents = [one.adapter for one in requests]
    prompts = [
        [*one.prompt_ids, *reply.action_ids, *words(number, number % 7)]
        for number, (one, reply) in enumerate(zip(requests, replies, strict=True))
    ]
    expected = team.prompt_features(agents, prompts, 5)
    with tokens_read(team) as read:
        found = team.prompt_features(agents, prompts, 5, [reply.history for reply in replies])
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    assert sum(read) < 0.8 * sum(map(len, prompts))


# What is read.


def on_a_long_prompt(team: Team, num_samples: int, num_new: int) -> list[Request]:
    """The next turn of conversations that share a prompt of 100 tokens and one reply."""
    asked = Request("actor_0", words(0, 100), 1, 10_000, keeps_history=True)
    replies = team.act([asked] * num_samples, temperature=0.0, batch_size=num_samples)
    return [
        Request("actor_0", [*asked.prompt_ids, *reply.action_ids, *words(number, num_new)], 1, 10_000, 0, reply.history)
        for number, reply in enumerate(replies)
    ]


@PATHS
def test_new_tokens_alone_are_read(team: Team, path: str) -> None:
    team.base.compute = Compute(path)
    requests = on_a_long_prompt(team, num_samples=3, num_new=9)
    with tokens_read(team) as read:
        team.act(requests, temperature=0.0, batch_size=3)
    assert read == [3 * (1 + 9)]  # the last token that was drawn, and those after it


def test_a_tree_of_whole_prompts_is_read_where_it_is_less(team: Team) -> None:
    # Five rows of 61 tokens behind their histories would be 305; the tree has at most 101 + 2 * 60 + 3 * 3 = 230.
    team.base.compute = Compute("packed")
    long = on_a_long_prompt(team, num_samples=2, num_new=60)
    short = [replace(one, prompt_ids=one.prompt_ids[:104]) for one in on_a_long_prompt(team, 3, 60)]
    with tokens_read(team) as read:
        replies = team.act([*long, *short], temperature=0.0, batch_size=5)
    assert len(read) == 1 and read[0] <= 230
    expected = team.act([replace(one, history=None) for one in [*long, *short]], temperature=0.0, batch_size=5)
    assert replies == expected


def test_equal_prompts_are_read_once(team: Team) -> None:
    team.base.compute = Compute("packed")
    (one, *_) = on_a_long_prompt(team, 2, 9)
    with tokens_read(team) as read:
        replies = team.act([one] * 4, temperature=0.0, batch_size=4)
    assert read == [10] and replies == [replies[0]] * 4


# What is held.


@PATHS
@torch.no_grad()
def test_a_history_holds_what_a_pass_over_its_tokens_alone_makes_of_them(team: Team, path: str) -> None:
    team.base.compute = Compute(path)
    for one, reply in zip(opening(), played(team, KEPT["all"], num_turns=1)[0], strict=True):
        history = reply.history
        assert history is not None
        drawn = history.ids[len(one.prompt_ids) :]
        assert history.ids[: len(one.prompt_ids)] == one.prompt_ids
        # The last token that was drawn is not in it; a reply that was cut has fewer tokens than were drawn.
        is_cut = one.max_chars == 3 and len(reply.text) == 3 and reply.action_ids[-1] not in ENDS
        assert drawn[: len(reply.action_ids) - 1] == reply.action_ids[:-1]
        assert is_cut or len(drawn) == len(reply.action_ids) - 1
        team.base.model.set_adapter(one.adapter)
        alone = DynamicCache()
        team.base.model(input_ids=torch.tensor([history.ids]), **cache_argument(team.base.model, alone))
        for (keys, values), layer in zip(history.layers, alone.layers, strict=True):
            torch.testing.assert_close(keys, layer.keys[0], atol=1e-3, rtol=0)
            torch.testing.assert_close(values, layer.values[0], atol=1e-3, rtol=0)
            assert keys.untyped_storage().nbytes() == keys.nbytes  # a copy of its own, and no view


@torch.no_grad()
@pytest.mark.parametrize("is_packed", [True, False])
def test_a_batch_is_filled_alike_with_histories_and_without(team: Team, is_packed: bool) -> None:
    team.base.compute = Compute("packed" if is_packed else "plain")
    prompts = [
        Prompt(one.adapter, [*one.prompt_ids, *reply.action_ids, *words(2, number)], reply.history)
        for number, (one, reply) in enumerate(zip(opening(), played(team, KEPT["some"], num_turns=1)[0], strict=True))
    ]
    found = prefill(team.base.model, prompts, is_packed=is_packed)
    expected = prefill(team.base.model, [replace(one, history=None) for one in prompts], is_packed=is_packed)
    assert torch.equal(found.mask, expected.mask)
    torch.testing.assert_close(found.logits, expected.logits, atol=1e-4, rtol=0)
    real = found.mask[:, None, :, None]
    for one, other in zip(found.cache.layers, expected.cache.layers, strict=True):
        torch.testing.assert_close(one.keys * real, other.keys * real, atol=1e-3, rtol=0)
        torch.testing.assert_close(one.values * real, other.values * real, atol=1e-3, rtol=0)


def test_a_cache_that_forgets_makes_no_history() -> None:
    cache = DynamicCache()
    cache.layers.append(DynamicSlidingWindowLayer(sliding_window=4))
    states = torch.zeros(1, 2, 3, 8)
    cache.update(states, states, 0)
    assert history_of(cache, 0, "actor_0", [1, 2, 3]) is None


def test_windows_reach_as_far_behind_a_history(tmp_path: Path) -> None:
    """Padding between what was kept and what is new would make tokens stand farther from each other than they do."""
    tokenizer = byte_tokenizer()
    tokenizer.save_pretrained(tmp_path)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
        heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "sliding_window": 6, "initializer_range": 0.1}
        MistralForCausalLM(MistralConfig(vocab_size=len(tokenizer), **sizes, **heads)).save_pretrained(tmp_path)
    team = loaded(tmp_path, Compute("plain"))
    found, expected = (played(team, chosen) for chosen in (KEPT["some"], lambda number, turn: False))
    for one, other in zip(found, expected, strict=True):
        for reply, alone in zip(one, other, strict=True):
            assert reply.action_ids == alone.action_ids
            assert reply.logprobs == pytest.approx(alone.logprobs, abs=1e-5)


# What counts.


def history_with(ids: Sequence[int]) -> History:
    return History("actor_0", list(ids), ())


@pytest.mark.parametrize(
    ("ids", "prompt", "known"),
    [
        ([1, 2, 3], [1, 2, 3, 4, 5], 3),
        ([1, 2, 3, 9, 9], [1, 2, 3, 4, 5], 3),  # a reply that was cut
        ([1, 2, 3], [1, 2, 3], 2),  # there must be something to ask
        ([1, 2, 3, 4], [1, 2, 3], 2),
        ([7, 2, 3], [1, 2, 3], 0),
        ([1], [1], 0),
    ],
)
def test_a_history_counts_as_far_as_the_prompt_begins_with_it(ids: list[int], prompt: list[int], known: int) -> None:
    assert history_with(ids).num_known(prompt) == known


@PATHS
@pytest.mark.parametrize("length", [20, 19, 7, 1])
def test_a_history_of_the_whole_prompt_or_more_leaves_its_last_token_to_be_read(
    team: Team, path: str, length: int
) -> None:
    team.base.compute = Compute(path)
    (kept,) = team.act([Request("actor_0", words(0, 20), 1, 99, keeps_history=True)], temperature=0.0, batch_size=1)
    asked = Request("actor_0", words(0, 20)[:length], 5, 99, history=kept.history)
    other = Request("judge_0", words(1, 30), 5, 99)
    with tokens_read(team) as read:
        found = team.act([asked, other], temperature=0.0, batch_size=2)
    assert found == team.act([replace(asked, history=None), other], temperature=0.0, batch_size=2)
    assert path == "plain" or length == 1 or read[:2] == [30, 1]


def test_a_history_of_another_adapter_is_refused(team: Team) -> None:
    (kept,) = team.act([Request("actor_0", words(0, 20), 1, 99, keeps_history=True)], temperature=0.0, batch_size=1)
    asked = Request("judge_0", words(0, 25), 1, 99, history=kept.history)
    with pytest.raises(AssertionError, match="a history of actor_0, read with judge_0"):
        team.act([asked], temperature=0.0, batch_size=1)
    with pytest.raises(AssertionError, match="a history of actor_0, read with judge_0"):
        team.prompt_features(["judge_0"], [words(0, 25)], 1, [kept.history])
