"""leaderboard/token_counts.py: how counts are read, and which of them cannot be true."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard.errors import MalformedError
from leaderboard.players import ChoicePlayer, ScriptPlayer
from leaderboard.scores import Tokens
from leaderboard.token_counts import problem_of, read_tokens, written_tokens
from tests.leaderboard.submissions import model

COUNTS = st.lists(st.integers(0, 10_000_000), max_size=5).map(tuple)


@given(st.lists(st.builds(Tokens, COUNTS, COUNTS), max_size=5))
def test_what_is_written_is_read(tokens):
    lines = written_tokens(tokens).splitlines(keepends=True)
    assert list(read_tokens(lines, "x")) == tokens


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"", "x:1: is no JSON"),
        (b"[" * 100_000, "x:1: is no JSON"),
        (b"\xff", "x:1: is no JSON"),
        (b"[]\n", "x:1: is no object of 'read' and 'wrote'"),
        (b'{"read": [1]}\n', "x:1: is no object of"),
        (b'{"read": [], "wrote": [], "more": []}\n', "x:1: is no object of"),
        (b'{"read": [1.0], "wrote": [1]}\n', "has a count that is no whole number"),
        (b'{"read": [true], "wrote": [1]}\n', "has a count that is no whole number"),
        (b'{"read": [-1], "wrote": [1]}\n', "has a count that is no whole number"),
        (b'{"read": [10000001], "wrote": [1]}\n', "has a count that is no whole number to 10,000,000"),
        (b'{"read": [NaN], "wrote": [1]}\n', "has a count that is no whole number"),
        (b'{"read": 1, "wrote": [1]}\n', "has a count that is no whole number"),
        (b'{"read": [1], "wrote": [1], "read": [1]}\n', "is not written as the suite writes it"),
        (b'{"wrote": [1], "read": [1]}\n', "is not written as the suite writes it"),
        (b'{"read":[1],"wrote":[1]}\n', "is not written as the suite writes it"),
        (b'{"read": [1], "wrote": [1]}', "is not written as the suite writes it"),
    ],
)
def test_a_line_of_another_form_is_named(line, message):
    with pytest.raises(MalformedError, match=message):
        list(read_tokens([line], "x"))


def test_the_number_of_the_line_is_told():
    with pytest.raises(MalformedError, match="x:3: is no JSON"):
        list(read_tokens([*[written_tokens([Tokens((1,), (1,))])] * 2, b"x"], "x"))


PLAYERS = {
    "a_0": model(),
    "b_0": ScriptPlayer(kind="script", script="echo"),
    "c_0": ChoicePlayer(kind="choices", package="stable-baselines3 2.7.0"),
}


@pytest.mark.parametrize(
    ("agent", "chars", "read", "wrote", "problem"),
    [
        ("a_0", 5, 10, 3, ""),
        ("a_0", 0, 10, 0, ""),  # an empty reply
        ("a_0", 5, 10, 600, ""),
        ("a_0", 5, 10, 601, "turn 0: a_0 wrote 601 tokens; its sampler draws 600 at most"),
        ("a_0", 5, 0, 3, "turn 0: a_0 read 0 tokens and wrote 3, and 5 characters are recorded"),
        ("a_0", 5, 9, 0, "turn 0: a_0 read 9 tokens and wrote 0, and 5 characters are recorded"),
        ("b_0", 5, 0, 0, ""),
        ("b_0", 5, 1, 0, "turn 0: b_0 is no model, and has tokens"),
        ("c_0", 5, 0, 1, "turn 0: c_0 is no model, and has tokens"),
    ],
)
def test_counts_that_cannot_be_true_are_told(agent, chars, read, wrote, problem):
    assert problem_of(PLAYERS, False, Tokens((read,), (wrote,)), [(agent, chars)]) == problem


def test_one_who_plays_for_all_may_write_all_in_one_reply():
    tokens, turns = Tokens((50, 0), (2000, 0)), [("a_0", 10), ("a_0", 10)]
    assert problem_of(PLAYERS, True, tokens, turns) == ""
    assert problem_of(PLAYERS, False, tokens, turns) != ""


def test_every_turn_has_two_counts():
    for tokens in (Tokens((), ()), Tokens((1, 1), (1,)), Tokens((1,), (1, 1))):
        assert "and it has 1" in problem_of(PLAYERS, False, tokens, [("a_0", 1)])


def test_a_sampler_without_a_limit_draws_any_number():
    players = {"a_0": model(sampling=model().sampling.model_copy(update={"max_new_tokens": None}))}
    assert problem_of(players, False, Tokens((1,), (10_000_000,)), [("a_0", 1)]) == ""
