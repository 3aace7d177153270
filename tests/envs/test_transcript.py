"""Messages as text: what is quoted, and what chat templates get."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marft_envs import flatten_messages, merge_messages, quote

TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What is 1 + 1?"},
    {"role": "user", "content": "I think\n2", "name": "reasoner_0"},
    {"role": "assistant", "content": "2\nindeed"},
    {"role": "user", "content": "Right."},
]


def test_flat_text_has_the_environments_words_as_they_are_and_everybody_elses_quoted():
    assert flatten_messages(TALK) == (
        "Be brief.\n\nWhat is 1 + 1?\n\nreasoner_0:\n> I think\n> 2\n\nyou:\n> 2\n> indeed\n\nRight."
    )


def test_merged_messages_take_turns_and_keep_the_own_words_as_they_were():
    assert merge_messages(TALK) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is 1 + 1?\n\nreasoner_0:\n> I think\n> 2"},
        {"role": "assistant", "content": "2\nindeed"},
        {"role": "user", "content": "Right."},
    ]


def test_a_named_message_that_comes_first_is_quoted_too():
    assert merge_messages([TALK[2]]) == [{"role": "user", "content": "reasoner_0:\n> I think\n> 2"}]


def test_merging_leaves_the_messages_alone():
    talk = [dict(message) for message in TALK]
    merge_messages(talk)
    assert talk == TALK


def test_no_messages_are_an_empty_text():
    assert flatten_messages([]) == ""
    assert merge_messages([]) == []


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("", "a_0:\n> "),
        ("x", "a_0:\n> x"),
        ("x\n", "a_0:\n> x"),
        ("\nx", "a_0:\n> \n> x"),
        ("x\n\n\ny", "a_0:\n> x\n> \n> \n> y"),
        ("x\r\ny\rz", "a_0:\n> x\n> y\n> z"),
        ("x\u2028y\x85z\x0cw", "a_0:\n> x\n> y\n> z\n> w"),
        ("> x", "a_0:\n> > x"),
    ],
)
def test_a_quotation_has_every_line_behind_a_mark(text, quoted):
    assert quote("a_0", text) == quoted


@given(st.text(), st.text())
def test_nothing_that_is_quoted_starts_a_line_of_its_own(text, other):
    lines = quote("a_0", text + "\n" + other).splitlines()
    assert lines[0] == "a_0:"
    assert all(line.startswith("> ") for line in lines[1:])


@given(st.lists(st.sampled_from(TALK), max_size=8))
def test_after_merging_no_two_user_messages_stand_side_by_side_and_nothing_is_lost(messages):
    merged = merge_messages(messages)
    roles = [message["role"] for message in merged]
    assert ("user", "user") not in set(pairwise(roles))
    assert flatten_messages(merged) == flatten_messages(messages)
    assert all("name" not in message for message in merged)
