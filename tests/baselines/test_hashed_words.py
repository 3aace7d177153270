"""What an agent has read as a vector: every feature by hand, and what a reader may rely on."""

from zlib import crc32

import numpy as np
import pytest

from baselines.policies.hashed_words import features, hashed_words, words_of
from marft_envs import Message

AUTHOR, KIND, FIRST, SECOND = 0x9E3779B97F4A7C15, 0x6A09E667F3BCC909, 0xBB67AE8584CAA73B, 0x3C6EF372FE94F82B
WORD, PLACE, LINE = range(3)


def told(text: str) -> Message:
    return {"role": "user", "content": text}


def heard(text: str, name: str = "scout_0") -> Message:
    return {"role": "user", "content": text, "name": name}


def own(text: str) -> Message:
    return {"role": "assistant", "content": text}


def crc(word: str) -> int:
    return crc32(word.encode())


def stirred(value: int) -> int:
    """The module's mixing once more, in whole numbers."""
    for _ in range(2):
        value = (value ^ (value >> 31)) * AUTHOR % 2**64
    return value ^ (value >> 32)


def test_a_single_word_has_three_features_that_follow_from_its_crc_32() -> None:
    line = stirred((LINE * KIND + crc("wait") * FIRST) % 2**64)  # one word at place 0, of no author
    expected = {
        stirred((crc("assistant") * AUTHOR + WORD * KIND + crc("wait") * FIRST) % 2**64),
        stirred((crc("assistant") * AUTHOR + PLACE * KIND + crc("wait") * FIRST + 0 * SECOND) % 2**64),
        stirred((crc("assistant") * AUTHOR + LINE * KIND + line * FIRST) % 2**64),
    }
    assert set(features([own("wait")]).tolist()) == expected
    vector = np.zeros(64)
    for value in expected:
        vector[value % 64] += -1.0 if value >> 63 else 1.0
    np.testing.assert_allclose(hashed_words([own("Wait!")], 64), vector / np.linalg.norm(vector), atol=1e-7)


def test_words_are_read_in_lower_case_without_punctuation() -> None:
    read = words_of('The answer is "12", or -3 + 4.')
    assert read == tuple(map(crc, ("the", "answer", "is", "12", "or", "-3", "+", "4")))


def test_what_is_told_counts_words_places_pairs_and_lines() -> None:
    # Three words with their places, pairs (1, 2), (2, 3) and (1, 3), and the line: 3 + 3 + 3 + 1.
    assert len(features([told("red green blue")])) == 10
    # Two lines of one word each: no pair reaches over the end of a line.
    assert len(features([told("red\ngreen")])) == 6


def test_what_is_learnt_about_one_list_holds_for_another() -> None:
    one = features([told("Rooms: attic, hall"), heard("The hall.")])
    other = features([told("Rooms: office, study"), heard("The study.")])
    # Of what is told the word `rooms`, and that at place 0. Of what is heard `the`, and that at place 0; that the
    # second room was named, and that at place 1; the line with that for the word.
    assert len({*one.tolist()} & {*other.tolist()}) == 2 + 5
    third = features([told("Rooms: office, study"), heard("The office.")])
    assert len(set(one.tolist()) & set(third.tolist())) == 2 + 2


def test_a_word_that_is_told_only_later_is_known_by_its_place_all_the_same() -> None:
    early = features([heard("The hall."), told("Rooms: attic, hall")])
    late = features([told("Rooms: attic, hall"), heard("The hall.")])
    assert sorted(early.tolist()) == sorted(late.tolist())


def test_what_is_new_since_ones_own_words_counts_once_more() -> None:
    before = len(features([heard("red")]))
    assert before == 3
    assert len(features([own("green"), heard("red")])) == 3 + 2 * before
    assert len(features([heard("red"), own("green")])) == 3 + before


def test_who_says_it_makes_a_difference() -> None:
    said = [
        set(features([message]).tolist()) for message in (told("red"), own("red"), heard("red"), heard("red", "b_0"))
    ]
    assert all(not one & other for one in said for other in said if one is not other)


@pytest.mark.parametrize("text", ["", " \n\n", "?!", "\ud800", "\x00"])
def test_any_text_can_be_read(text: str) -> None:
    vector = hashed_words([told(text), heard(text), own(text)], 32)
    assert vector.shape == (32,) and vector.dtype == np.float32
    assert np.linalg.norm(vector) == pytest.approx(1.0) or not vector.any()
