"""collab/guess_word-v0, played by hand; what it knows of words; and what it forbids."""

import time
from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import marft_envs
from marft_envs import Profile
from marft_envs.collab import guess_word
from marft_envs.collab.guess_word import LEVELS, WRONG, GuessWord
from marft_envs.collab.worlds.taboo import forbidden_in
from marft_envs.collab.worlds.words import WORDS, spared
from marft_envs.errors import TeamFileError

EVERY = [word for known in WORDS.values() for word in known]


def reset(seed: int = 1, **options: object) -> GuessWord:
    env = marft_envs.make("collab/guess_word-v0", **options)
    assert isinstance(env, GuessWord)
    env.reset(seed=seed)
    return env


def others(env: GuessWord) -> list[str]:
    return [each.word for each in env.listed if each != env.secret]


# --- The play ---------------------------------------------------------------------------------------------------------


def test_the_secret_earns_everybody_1_at_the_first_guess_and_ends_the_episode() -> None:
    env = reset()
    env.step("You will not guess it.")
    env.step(f"{others(env)[0]}? No.\nIt is {env.secret.word.upper()}!")
    assert env.terminated
    assert env.episode().returns == {"hinter_0": 1.0, "guesser_0": 1.0}
    assert env.info == {"correct": 1, "void": 0, "guesses": 1}


@pytest.mark.parametrize(("wrong", "earned"), [(1, 0.5), (2, 0.25)])
def test_every_later_guess_earns_half_as_much(wrong: int, earned: float) -> None:
    env = reset(horizon=3)
    for guess in [*others(env)[:wrong], env.secret.word]:
        env.step("Try.")
        env.step(guess)
    assert WRONG in env.observe("hinter_0")["text"]
    assert env.terminated
    assert set(env.episode().returns.values()) == {earned}
    assert env.info["guesses"] == wrong + 1


def test_after_the_last_guess_it_is_over() -> None:
    env = reset()
    for guess in others(env)[:2]:
        env.step("Try.")
        env.step(guess)
    assert env.truncated
    assert set(env.episode().returns.values()) == {0.0}


@pytest.mark.parametrize("round", [0, 1])
def test_a_forbidden_word_in_a_hint_ends_the_episode_without_reward_even_if_the_guess_is_right(round: int) -> None:
    env = reset()
    for _ in range(round):
        env.step("Try.")
        env.step(others(env)[0])
    env.step(f"Not {env.secret.taboo[0]}.")
    env.step(env.secret.word)
    assert env.terminated
    assert set(env.episode().returns.values()) == {0.0}
    assert env.info == {"correct": 0, "void": 1, "guesses": round + 1}


def test_the_secret_in_a_hint_ends_the_episode_without_reward_and_nothing_can_be_won_later() -> None:
    env = reset(horizon=5)
    env.step(env.secret.word)
    env.step(others(env)[0])
    assert env.terminated
    assert set(env.episode().returns.values()) == {0.0}
    assert env.episode().info["void"] == 1


@pytest.mark.parametrize("guess", ["{secret} or {other}", "{secret}\nI am sure.", "", "word"])
def test_a_guess_names_one_word_in_its_last_line(guess: str) -> None:
    env = reset()
    env.step("Try.")
    written = guess.format(secret=env.secret.word, other=others(env)[0])
    assert env.gradable("guesser_0", written) is False
    env.step(written)
    assert env.info["correct"] == 0
    assert not env.terminated


def test_hints_are_not_graded() -> None:
    assert reset().gradable("hinter_0", "anything") is None


@pytest.mark.parametrize("level", LEVELS)
def test_who_hints_does_not_see_the_list_and_the_guesser_does_not_see_the_secret(level: str) -> None:
    for seed in range(20):
        env = reset(seed, level=level)
        hinter, guesser = env.view("hinter_0"), env.view("guesser_0")
        listed = guesser.partition("Words: ")[2].partition(".\n")[0].split(", ")
        assert listed == [each.word for each in env.listed]
        assert guesser == f"Words: {', '.join(listed)}.\nWhich one is the secret word? Reply with only that word."
        assert f"is {env.secret.word}. Forbidden words: {', '.join(env.forbidden)}." in hinter
        assert not any(f" {word}," in hinter for word in others(env) if word not in env.forbidden)


@pytest.mark.parametrize("answers", [[True], [False, False], [True, True], [True, False]])
def test_only_the_last_of_two_or_more_guesses(answers: list[bool]) -> None:
    with pytest.raises(TeamFileError, match="only the last"):
        reset(team=tuple(Profile("player", answers=each) for each in answers))


def test_of_several_who_hint_nobody_may_use_a_forbidden_word() -> None:
    env = reset(team=(Profile("hinter"), Profile("hinter"), Profile("guesser", answers=True)))
    for words in (env.secret.word, "Try.", env.secret.word):
        env.step(words)
    assert set(env.episode().returns.values()) == {0.0}


# --- The reference follows from the hint ------------------------------------------------------------------------------


def test_the_reference_guess_follows_from_what_the_hint_says() -> None:
    env = reset(level="standard")
    other = next(each for each in env.listed if each != env.secret)
    env.step(f"It is {', '.join(other.attributes)}")
    assert env.reference_action("guesser_0") == other.word
    env.step(env.reference_action("guesser_0"))
    env.step(env.reference_action("hinter_0"))
    assert env.reference_action("guesser_0") == env.secret.word


def test_without_a_hint_the_reference_knows_no_better_than_anybody() -> None:
    right = 0
    for seed in range(400):
        env = reset(seed, level="standard")
        env.step("")
        right += env.reference_action("guesser_0") == env.secret.word
    assert right / 400 == pytest.approx(1 / 8, abs=4 * (7 / 64 / 400) ** 0.5)


def test_the_reference_does_not_repeat_a_guess_that_was_wrong() -> None:
    env = reset(level="standard")
    wrong = next(each for each in env.listed if each != env.secret)
    env.step(", ".join(wrong.attributes))
    env.step(f"I say\n{wrong.word}!")
    env.step("")
    assert env.reference_action("guesser_0") != wrong.word


# --- The words --------------------------------------------------------------------------------------------------------


def test_there_are_as_many_words_as_the_docstring_tells_and_no_two_alike() -> None:
    assert f"| {len(EVERY)} words" in (guess_word.__doc__ or "")
    assert len({word.word for word in EVERY}) == len(EVERY)
    for word in EVERY:
        assert len(set(word.attributes)) == 6, word
        assert len(set(word.taboo)) == 3, word


def test_no_word_has_all_attributes_of_another_one_of_its_category() -> None:
    for known in WORDS.values():
        for one, other in permutations(known, 2):
            assert not {*one.attributes} <= {*other.attributes}, (one, other)


def test_all_that_can_be_said_of_a_word_may_be_said() -> None:
    for word in EVERY:
        for saying in (word.category, *word.attributes, f"{word.category}: {', '.join(word.attributes)}"):
            assert forbidden_in(saying, [word.word, *word.taboo]) is None, (word, saying)


def test_whatever_is_forbidden_besides_what_is_left_tells_the_word_from_its_category_and_may_be_said() -> None:
    rng = np.random.default_rng(1)
    for word in EVERY:
        for _ in range(10):
            taken = spared(word, 2, rng)
            left = [each for each in word.attributes if each not in taken]
            assert len(taken) <= 2
            assert not any({*left} <= {*each.attributes} for each in WORDS[word.category] if each != word)
            assert forbidden_in(f"{word.category}: {', '.join(left)}", [word.word, *word.taboo, *taken]) is None


def test_lists_have_as_many_words_as_their_level_says_of_one_kind_or_of_as_many() -> None:
    for level, row in LEVELS.items():
        for seed in range(50):
            env = reset(seed, level=level)
            assert len({each.word for each in env.listed}) == row.size
            assert len({each.category for each in env.listed}) == (row.size if row.is_mixed else 1)
            assert len(env.forbidden) <= 3 + row.num_more
    assert any(len(reset(seed, level="hard").forbidden) == 5 for seed in range(20))


def test_the_key_knows_no_order_and_tells_secrets_apart() -> None:
    env = reset()
    key = env.instance_key()
    env.listed.reverse()
    assert env.instance_key() == key
    env.secret = next(each for each in env.listed if each != env.secret)
    assert env.instance_key() != key


# --- What is forbidden ------------------------------------------------------------------------------------------------

USES = [
    ("lion", "A LION."),
    ("lion", "lions"),
    ("lion", "the lion's"),
    ("lion", "l-i-o-n"),
    ("lion", "l i o n"),
    ("lion", "L.I.O.N."),
    ("lion", "li on"),
    ("lion", "lio-n"),
    ("lion", "noil"),
    ("lion", "n.o.i.l"),
    ("lion", "l10n"),
    ("lion", "|ion"),
    ("lion", "l1on"),
    ("lion", "1ion"),
    ("lion", "líons"),
    ("lion", "lión"),
    ("lion", "\uff4c\uff49\uff4f\uff4e"),  # full width
    ("lion", "l\u0456on"),  # with a Cyrillic letter
    ("lion", "\U0001d40bION"),  # with a bold L
    ("lion", "\U0001f981"),  # its picture
    ("lion", "li\u200bon"),  # with a space of no width
    ("lion", "l as in lamp, i as in ink, o as in oven, n as in nose"),
    ("lion", "lionlike"),
    ("run", "running"),
    ("bake", "baking"),
    ("bake", "baker"),
    ("fly", "flies"),
    ("leaf", "leaves"),
    ("knife", "knives"),
    ("sand", "sandy"),
    ("sun", "sunny"),
    ("saw", "was it a w, an a and an s"),
    ("cat", "tac"),
    ("string", "stringed"),
    ("tiger", "tigerstripes"),
    ("guitar", "bassguitars"),
    ("rainbow", "rain bow"),
    ("four-wheels", "It has four wheels."),
]
DOES_NOT = [
    ("lion", "A big cat that roars, and a million more."),
    ("ant", "I want a giant elephant."),
    ("star", "You can start there."),
    ("round", "In the ground around us."),
    ("ring", "It is during spring."),
    ("goat", "big oats"),
    ("cat", "a cattle scatter"),
    ("bee", "It has been here."),
    ("car", "Here is a card."),
    ("bus", "They are busy."),
    ("saw", "It was there."),
    ("man", "There are many."),
    ("lion", "It is big\u2026 and \u201cproud\u201d \u2013 isn\u2019t it?"),
    ("lion", ""),
    ("lion", "4 legs & 1 tail; 100%!"),
]


@pytest.mark.parametrize(("word", "text"), USES)
def test_a_word_is_used_however_it_is_written(word: str, text: str) -> None:
    assert forbidden_in(text, [word]) == word


@pytest.mark.parametrize(("word", "text"), DOES_NOT)
def test_a_word_is_not_used_where_others_only_look_like_it(word: str, text: str) -> None:
    assert forbidden_in(text, [word]) is None


@given(st.text(max_size=300))
def test_any_text_is_read_without_an_error(text: str) -> None:
    assert forbidden_in(text, ["lion", "mane"]) in (None, "lion", "mane")


@pytest.mark.parametrize("text", ["l" * 100_000, "l " * 50_000, "li" * 50_000, "l-1" * 30_000, "é" * 100_000])
def test_long_texts_are_read_in_linear_time(text: str) -> None:
    began = time.process_time()
    forbidden_in(text, ["waterfall", "lion", "chocolate", "black-and-white"])
    assert time.process_time() - began < 2


# --- Without messages -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", LEVELS)
def test_the_silent_play_earns_what_the_docstring_tells(level: str) -> None:
    """All orders of the list being as likely, the secret stands first or second once in as many times as there are."""
    size = LEVELS[level].size
    expected = Fraction(1, size) + Fraction(1, 2) * Fraction(1, size)
    assert f"{level} {float(expected):.3f}" in (guess_word.__doc__ or "").replace("0.1875", "0.188")
    env = reset(level=level)
    num_plays = 1_500
    earned = []
    for seed in range(num_plays):
        env.reset(seed=seed)
        while env.ready:
            env.step(env.silent_action(env.agent_selection))
        earned.append(env.episode().returns["guesser_0"])
    spread = float((Fraction(1, size) + Fraction(1, 4) * Fraction(1, size) - expected**2) / num_plays) ** 0.5
    assert np.mean(earned) == pytest.approx(float(expected), abs=4 * spread)


def test_neither_a_words_place_nor_its_rank_in_the_alphabet_tells_that_it_is_the_secret() -> None:
    places, ranks = np.zeros(8), np.zeros(8)
    env = reset(level="standard")
    for seed in range(2_400):
        env.reset(seed=seed)
        places[env.listed.index(env.secret)] += 1
        ranks[sorted(each.word for each in env.listed).index(env.secret.word)] += 1
    for counts in (places, ranks):
        assert ((counts - 300) ** 2 / 300).sum() < 24.3  # chi-square with 7 degrees of freedom, p = 0.001


def test_silent_players_do_not_run_out_of_words() -> None:
    env = reset(horizon=20)
    while env.ready:
        env.step(env.silent_action(env.agent_selection))
    assert env.terminated
