"""What a reviewer's words decide."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marft_envs.grading.decisions import accepts


@pytest.mark.parametrize(
    "words",
    ["accept", "Accepted.", "I approve of this.", "All tests passed, so I accept. Nothing to repair.", "ACCEPT!"],
)
def test_words_that_accept(words: str) -> None:
    assert accepts(words)


@pytest.mark.parametrize(
    "words",
    [
        "",
        "repair",
        "I do not accept this.",
        "I can't accept it",
        "We should never accept that.",
        "Fix line 2, then I accept.",
        "looks good",
        "It is wrong; accept nothing.",
        "\u202eaccept\x00 "[::-1],
        "unacceptable",
    ],
)
def test_words_that_do_not_accept(words: str) -> None:
    assert not accepts(words)


@given(st.text())
def test_any_text_is_read_and_one_that_begins_by_rejecting_never_accepts(words: str) -> None:
    assert accepts(words) in (True, False)
    assert not accepts(f"Reject. {words}")


def test_a_denial_far_before_the_word_is_not_one_of_it() -> None:
    assert not accepts("I do not fully accept it.")
    assert accepts("It is not what I thought at first, and I have read all of it twice: accepted.")
