"""LLMText: the set of all text, to PettingZoo, to Gymnasium's functions on spaces, and to pickle."""

import copy
import pickle

import numpy as np
import pytest
from gymnasium.spaces import Dict, Discrete, Space, Text, Tuple
from gymnasium.spaces.utils import flatdim, flatten, flatten_space, is_space_dtype_shape_equiv, unflatten
from gymnasium.vector.utils import (
    batch_differing_spaces,
    batch_space,
    concatenate,
    create_empty_array,
    create_shared_memory,
    iterate,
)
from hypothesis import given
from hypothesis import strategies as st

from marft_envs import LLMText

ANY_TEXT = st.text(st.characters(exclude_categories=()))
"""Every str there is: control characters and lone surrogates, too."""


@given(ANY_TEXT)
def test_every_str_is_in_it(text: str) -> None:
    assert text in LLMText()
    assert text in LLMText(max_length=1)
    assert {"text": text} in Dict({"text": LLMText()})


@pytest.mark.parametrize("thing", [None, 3, b"bytes", ["text"], np.array("text")])
def test_nothing_but_str_is_in_it(thing: object) -> None:
    assert thing not in LLMText()


def test_it_is_a_text_space_to_everybody_who_asks() -> None:
    assert isinstance(LLMText(), Text)
    assert isinstance(LLMText(), Space)
    assert LLMText(max_length=100).max_length == 100


def test_samples_are_short_and_now_and_then_empty_or_outside_ascii() -> None:
    space = LLMText(seed=0)
    samples = [space.sample() for _ in range(500)]
    assert all(sample in space for sample in samples)
    assert max(map(len, samples)) <= 24
    assert "" in samples
    assert any(not sample.isascii() for sample in samples)
    assert any(sample.isascii() for sample in samples if sample)
    assert all(sample.encode().decode() == sample for sample in samples)


def test_samples_follow_from_the_seed() -> None:
    space, twin = LLMText(seed=7), LLMText()
    twin.seed(7)
    assert [space.sample() for _ in range(20)] == [twin.sample() for _ in range(20)]
    assert [LLMText(seed=8).sample() for _ in range(5)] != [LLMText(seed=7).sample() for _ in range(5)]


def test_samples_keep_to_a_small_max_length() -> None:
    space = LLMText(max_length=2, seed=0)
    assert {len(space.sample()) for _ in range(100)} == {0, 1, 2}


def test_a_mask_picks_length_and_characters_as_in_gymnasium() -> None:
    space = LLMText(seed=0)
    only_a = np.array([char == "a" for char in space.character_list])
    assert space.sample(mask=(3, only_a.astype(np.int8))) == "aaa"
    assert space.sample(probability=(2, only_a.astype(np.float64))) == "aa"
    assert set(space.sample(mask=(None, only_a.astype(np.int8)))) <= {"a"}
    assert len(space.sample(mask=(5, None))) == 5


def test_all_of_them_are_the_same_set_whatever_the_hint() -> None:
    assert LLMText(max_length=10) == LLMText(max_length=20)
    assert hash(LLMText(max_length=10)) == hash(LLMText(max_length=20))
    assert LLMText(seed=1) == LLMText(seed=2)
    assert is_space_dtype_shape_equiv(LLMText(max_length=10), LLMText(max_length=20))


def test_it_differs_from_a_text_space_with_an_alphabet() -> None:
    plain = Text(max_length=10, min_length=0, charset=LLMText().characters)
    assert LLMText(max_length=10) != plain
    assert plain != LLMText(max_length=10)
    assert not is_space_dtype_shape_equiv(LLMText(max_length=10), plain)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda space: pickle.loads(pickle.dumps(space))])
def test_a_copy_continues_with_the_same_samples(duplicate) -> None:
    space = LLMText(max_length=99, seed=3)
    space.sample()
    state = copy.deepcopy(space.np_random.bit_generator.state)
    twin = duplicate(space)
    assert twin.max_length == 99
    sample = twin.sample()
    space.np_random.bit_generator.state = state
    assert space.sample() == sample


def test_a_pickle_of_it_is_small() -> None:
    # Without a generator it is one number; with one, numpy's own pickle of the generator comes on top.
    assert len(pickle.dumps(LLMText())) < 200
    assert len(pickle.dumps(LLMText(seed=0))) < 1000


def test_its_repr_makes_it_again() -> None:
    assert repr(LLMText(max_length=5)) == "LLMText(max_length=5)"


@pytest.mark.parametrize("bad", [-1, 1.5])
def test_a_max_length_that_is_no_length_is_refused(bad) -> None:
    with pytest.raises((TypeError, ValueError), match="max_length"):
        LLMText(max_length=bad)


@given(ANY_TEXT)
def test_flattening_keeps_the_text_and_comes_back(text: str) -> None:
    space = LLMText(max_length=2**31)
    assert unflatten(space, flatten(space, text)) == text
    assert flatten(space, text) in flatten_space(space)
    observation = Dict({"text": space})
    assert not observation.is_np_flattenable
    assert unflatten(observation, flatten(observation, {"text": text})) == {"text": text}


def test_it_has_no_flat_size_and_says_why() -> None:
    with pytest.raises(ValueError, match="text has any length; tokenise it"):
        flatdim(LLMText())
    with pytest.raises(ValueError, match="cannot be flattened"):
        flatdim(Dict({"text": LLMText()}))


@given(st.lists(ANY_TEXT, min_size=1, max_size=4))
def test_a_batch_is_a_tuple_of_texts_and_is_walked_text_by_text(texts: list[str]) -> None:
    space = LLMText()
    batch = batch_space(space, len(texts))
    assert tuple(texts) in batch
    assert concatenate(space, texts, create_empty_array(space, len(texts))) == tuple(texts)
    assert list(iterate(batch, tuple(texts))) == texts


def test_a_batch_of_observations_is_walked_observation_by_observation() -> None:
    observation = Dict({"text": LLMText(), "round": Discrete(9)})
    observations = [{"text": "é\n", "round": 3}, {"text": "", "round": 4}]
    batch = batch_space(observation, 2)
    stacked = concatenate(observation, observations, create_empty_array(observation, 2))
    assert stacked in batch
    assert [dict(item) for item in iterate(batch, stacked)] == observations


def test_a_batch_samples_a_different_text_in_every_place_and_leaves_the_original_alone() -> None:
    space = LLMText(seed=0)
    assert len(set(batch_space(space, 8).sample())) > 1
    assert space.sample() == LLMText(seed=0).sample()


def test_spaces_with_different_hints_can_be_batched() -> None:
    batch = batch_differing_spaces([LLMText(max_length=1), LLMText(max_length=2)])
    assert isinstance(batch, Tuple)
    assert [space.max_length for space in batch.spaces] == [1, 2]
    assert ("é", "") in batch


def test_an_empty_batch_holds_empty_texts() -> None:
    assert create_empty_array(LLMText(), 2) == ("", "")


def test_it_refuses_shared_memory_and_says_what_to_pass() -> None:
    with pytest.raises(TypeError, match="shared_memory=False"):
        create_shared_memory(LLMText(), 2)
