"""Which of the things that can be chosen does a reply name?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marft_envs.grading.choices import named_choices, stated_choice

CHOICES = ("red", "red box", "Blue", "the well", "9:00", "a.b")


@pytest.mark.parametrize(
    ("reply", "choice"),
    [
        ("red", "red"),
        ("RED BOX", "red box"),
        ("It is the red\tbox, I think.", "red box"),
        ("red or blue?\nblue", "Blue"),
        ("blue, of course: blue!\n\n", "Blue"),
        ("'the  well'", "the well"),
        ("At 9:00.", "9:00"),
        ("a.b", "a.b"),
    ],
)
def test_the_last_line_states_a_choice(reply: str, choice: str) -> None:
    assert stated_choice(reply, CHOICES) == choice


@pytest.mark.parametrize(
    "reply",
    ["", " \n ", "red or blue", "reddish", "red_box", "axb", "blue\nwho knows", "19:00", "the\N{SOFT HYPHEN}well"],
)
def test_what_hedges_or_names_nothing_states_nothing(reply: str) -> None:
    assert stated_choice(reply, CHOICES) is None


def test_all_that_is_named_comes_once_in_the_order_of_its_first_mention() -> None:
    assert named_choices("blue, a red box, Blue\nred", CHOICES) == ["Blue", "red box", "red"]


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    assert set(named_choices(text, CHOICES)) <= set(CHOICES)


@pytest.mark.parametrize("reply", ["the we\u0131l", "\u017fet", "l\u0131ft", "l\u0130ft", "li\ufb01"])
def test_letters_that_only_look_like_those_of_a_choice_name_nothing(reply: str) -> None:
    assert named_choices(reply, ("set", "lift", "the well")) == []
