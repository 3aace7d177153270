"""collab/jigsaw-v0, played by hand."""

import re
from fractions import Fraction
from itertools import combinations
from math import factorial

import numpy as np
import pytest

import marft_envs
from marft_envs import FlexMG, Profile
from marft_envs.collab import jigsaw
from marft_envs.collab.jigsaw import LEVELS, WRONG, Jigsaw
from marft_envs.collab.worlds.rows import KINDS, THINGS, Question, row_table
from marft_envs.errors import TeamFileError


def reset(seed: int = 1, **options: object) -> Jigsaw:
    env = marft_envs.make("collab/jigsaw-v0", **options)
    assert isinstance(env, Jigsaw)
    env.reset(seed=seed)
    return env


def silent_probability(level: str) -> Fraction:
    """The mean, over all that the solver may be told about, of how many answers there can be to how many rows.

    Given some questions, the rows fall into classes by their answers. A guess within the true row's class of m rows is
    right with the probability 1/m, and the class is the true one with m/n!; so it is (number of classes)/n!.
    """
    kind = LEVELS[level]
    table = row_table(kind.size, kind.kinds)
    own = [place for place, each in enumerate(table.questions) if each.kind in kind.own_kinds]
    chances = []
    for asked in combinations(own, kind.num_own):
        patterns = sum(table.answers[question].astype(np.int8) << bit for bit, question in enumerate(asked))
        chances.append(int((np.bincount(patterns) > 0).sum()))
    return Fraction(sum(chances), len(chances) * factorial(kind.size))


# --- The play ---------------------------------------------------------------------------------------------------------


def test_the_right_row_earns_everybody_1_and_ends_the_episode() -> None:
    env = reset()
    for words in ("Hello.", "Hello.", f"Let us see.\nIt is {env.hidden().upper()}!"):
        env.step(words)
    assert env.terminated
    assert set(env.episode().returns.values()) == {1.0}
    assert env.info == {"correct": 1, "share": 1.0}


def test_another_row_earns_nothing_and_tells_how_many_things_stand_right() -> None:
    env = reset()
    one, two, three = env.hidden().split(", ")
    for words in ("Hello.", "Hello.", f"{one} {three} {two}"):
        env.step(words)
    assert env.truncated
    assert set(env.episode().returns.values()) == {0.0}
    assert env.info == {"correct": 0, "share": pytest.approx(1 / 3)}


@pytest.mark.parametrize("answer", ["{0}, {1}", "{0}, {1}, {1}", "{0}, {1}, {2}\nI am sure.", "{0}{1}{2}", "", "yes"])
def test_an_answer_names_all_things_in_its_last_line(answer: str) -> None:
    env = reset()
    env.step("")
    env.step("")
    written = answer.format(*env.hidden().split(", "))
    assert env.gradable("solver_0", written) is False
    env.step(written)
    assert env.info == {"correct": 0, "share": 0.0}


def test_holders_are_not_graded() -> None:
    assert reset().gradable("holder_0", "anything") is None


def test_there_are_as_many_tries_as_rounds() -> None:
    env = reset(horizon=2)
    for words in ("", "", "I do not know.", "", "", env.hidden()):
        env.step(words)
    assert env.terminated
    assert WRONG in env.observe("holder_0")["text"]
    assert set(env.episode().returns.values()) == {1.0}


def test_the_solver_hears_all_holders_and_they_hear_nobody() -> None:
    env = reset()
    env.step("first")
    assert "first" not in env.observe("holder_1")["text"]
    env.step("second")
    text = env.observe("solver_0")["text"]
    assert "holder_0:\n> first" in text
    assert "holder_1:\n> second" in text


@pytest.mark.parametrize(
    "answers", [[False, True], [True], [False, False, False], [True, False, True], [False, True, False]]
)
def test_only_the_last_of_three_or_more_answers(answers: list[bool]) -> None:
    with pytest.raises(TeamFileError, match="only the last"):
        reset(team=tuple(Profile("member", answers=each) for each in answers))


# --- The puzzle -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("num_holders", [2, 3, 7])
def test_all_clues_leave_one_row_and_those_of_the_solver_and_one_holder_leave_several(
    level: str, num_holders: int
) -> None:
    team = (*(Profile("holder") for _ in range(num_holders)), Profile("solver", answers=True))
    for seed in range(20):
        env = reset(seed, level=level, team=team)
        everything = [clue for clues in env.clues.values() for clue in clues]
        assert env.table.fitting(everything, env.row).sum() == 1
        own = env.clues["solver_0"]
        for holder in env.holders:
            assert env.clues[holder]
            assert env.table.fitting([*own, *env.clues[holder]], env.row).sum() > 1


@pytest.mark.parametrize("level", LEVELS)
def test_no_clue_of_the_holders_can_be_left_out(level: str) -> None:
    for seed in range(20):
        env = reset(seed, level=level)
        everything = [clue for clues in env.clues.values() for clue in clues]
        for clue in everything:
            if clue not in env.clues["solver_0"]:
                assert env.table.fitting([each for each in everything if each != clue], env.row).sum() > 1


def true_of(clue: str, row: list[str]) -> bool:
    """Reads a sentence again, by other means than those that wrote it."""
    at = [row.index(word) for word in re.findall(r"\w+", clue) if word in row]
    apart = abs(at[0] - at[-1])
    if number := re.search(r"[Ee]xactly (two|three|four) things", clue):
        return (apart - 1 == ["two", "three", "four"].index(number[1]) + 2) != ("not" in clue)
    if "left of" in clue:
        return at[0] < at[1]
    if "next to" in clue:
        return (apart == 1) != ("not" in clue)
    if "between" in clue:
        return (min(at[1:]) < at[0] < max(at[1:])) != ("not" in clue)
    if "nearer" in clue:
        return (abs(at[0] - at[1]) < abs(at[0] - at[2])) != ("not" in clue)
    (place,) = [n for n, word in enumerate(["first", "second", "third", "fourth", "fifth", "sixth"]) if word in clue]
    return (at[0] == place) != ("not" in clue)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [3, 6])
def test_a_clue_says_what_is_true_of_a_row_and_nothing_that_is_true_of_others(kind: str, size: int) -> None:
    names = list(THINGS[:size])
    table = row_table(size, (kind, "left"))
    for place, question in enumerate(table.questions):
        for row in range(0, len(table.rows), 5):
            told = [names[thing] for thing in table.rows[row]]
            held = bool(table.answers[place, row])
            assert true_of(question.clue(names, holds=held), told)
            assert not true_of(question.clue(names, holds=not held), told)


def test_every_clue_that_is_told_is_true() -> None:
    for level in LEVELS:
        for seed in range(20):
            env = reset(seed, level=level)
            for agent in env.possible_agents:
                told = env.observe(agent)["text"] or env.view(agent)
                clues = re.findall(r"[A-Z][^.]*\.", told.partition("You know: ")[2].partition("\n")[0])
                assert len(clues) == len(env.clues[agent])
                assert all(true_of(clue, env.hidden().split(", ")) for clue in clues)


def test_an_instance_is_the_same_whatever_its_things_are_called_except_where_there_are_few() -> None:
    question, mirrored = Question("next", (0, 3)), Question("next", (2, 4))
    assert question.key([0, 3, 1, 2, 4]) == mirrored.key([4, 2, 0, 1, 3])
    assert Question("between", (0, 1, 2)).key([0, 1, 2]) == Question("between", (2, 0, 1)).key([2, 1, 0])
    assert Question("nearer", (0, 1, 2)).key([0, 1, 2]) != Question("nearer", (0, 1, 2)).key([0, 2, 1])
    assert all(thing in reset().instance_key() for thing in reset().things)
    hard = reset(level="hard")
    assert not any(thing in hard.instance_key() for thing in hard.things)


# --- Without messages -------------------------------------------------------------------------------------------------


def test_the_docstring_tells_how_probable_it_is_that_the_silent_guess_is_right() -> None:
    doc = jigsaw.__doc__ or ""
    assert silent_probability("easy") == Fraction(1, 3)
    assert f"standard {float(silent_probability('standard')):.4f}" in doc


def test_the_docstring_tells_it_at_the_hard_level() -> None:
    """All things are alike there, so it is enough to ask one first question of each sort, as often as its sort."""
    table = row_table(8, LEVELS["hard"].kinds)
    sorts: dict[tuple[str, int], list[int]] = {}
    for place, each in enumerate(table.questions):
        sorts.setdefault((each.kind, each.number), []).append(place)
    classes = Fraction(0)
    for first, *others in sorts.values():
        with_first = [
            int((np.bincount(2 * table.answers[first].astype(np.int8) + table.answers[place]) > 0).sum())
            for place in range(len(table.questions))
            if place != first
        ]
        classes += Fraction(sum(with_first), len(with_first)) * Fraction(1 + len(others), len(table.questions))
    assert f"hard {float(classes / factorial(8)):.6f}" in (jigsaw.__doc__ or "")


@pytest.mark.parametrize("level", ["easy", "standard"])
def test_the_silent_play_earns_what_the_docstring_tells(level: str) -> None:
    env = reset(level=level)
    num_plays = 3_000
    right = 0
    for seed in range(num_plays):
        env.reset(seed=seed)
        env.step("")
        env.step("")
        right += env.silent_action("solver_0") == env.hidden()
    expected = float(silent_probability(level))
    assert right / num_plays == pytest.approx(expected, abs=4 * (expected * (1 - expected) / num_plays) ** 0.5)


def test_of_the_rows_that_the_solvers_clues_allow_none_is_likelier() -> None:
    env = reset()
    counts = np.zeros(3)
    for seed in range(3_000):
        env.reset(seed=seed)
        fit = np.flatnonzero(env.table.fitting(env.clues["solver_0"], env.row))
        counts[fit.tolist().index(env.row)] += 1
    assert ((counts - 1_000) ** 2 / 1_000).sum() < 13.8  # chi-square with 2 degrees of freedom, p = 0.001


def test_it_says_nothing_else_than_an_answer() -> None:
    env = reset(level="hard")
    assert isinstance(env, FlexMG)
    assert sorted(env.silent_action("solver_0").split(", ")) == env.things
