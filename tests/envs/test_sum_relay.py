"""collab/sum_relay-v0, played by hand."""

import numpy as np
import pytest

import marft_envs
from marft_envs import FlexMG, Profile
from marft_envs.collab import sum_relay
from marft_envs.collab.sum_relay import LEVELS
from marft_envs.errors import OptionError, TeamFileError

SILENT = {"easy": 1 / 999, "standard": 0.008333, "hard": 0.0002996}
"""As the docstring tells, with more digits."""


def reset(**options: object) -> FlexMG:
    env = marft_envs.make("collab/sum_relay-v0", **options)
    assert isinstance(env, FlexMG)
    env.reset(seed=1)
    return env


def test_the_right_sum_earns_everybody_1_and_ends_the_episode() -> None:
    env = reset()
    env.step("I hold something.")
    env.step(f"Let us see.\nThe answer is {env.total}")
    assert env.episode().returns == {"holder_0": 1.0, "holder_1": 1.0}
    assert env.terminated


def test_a_wrong_sum_earns_nothing_and_tells_how_far_it_is_off() -> None:
    env = reset()
    env.step("I hold something.")
    env.step(str(env.total * 3 // 2))
    assert env.truncated
    assert env.episode().returns == {"holder_0": 0.0, "holder_1": 0.0}
    assert env.info == {"correct": 0, "off": pytest.approx(0.5, abs=0.01)}


def test_near_pays_up_to_half_for_a_wrong_sum_and_then_it_is_over() -> None:
    for said, earned in (("nothing", 0.0), ("exact", 1.0), ("three halves", 0.25), ("thrice", 0.0)):
        env = reset(reward="near", horizon=2)
        env.step("I hold something.")
        total = env.total
        env.step(
            {"nothing": "?", "exact": str(total), "three halves": str(total * 3 // 2), "thrice": str(total * 3)}[said]
        )
        assert env.episode().returns["holder_1"] == pytest.approx(earned, abs=0.01)
        assert env.terminated


def test_an_unknown_reward_is_refused_with_those_there_are() -> None:
    with pytest.raises(OptionError, match=r"reward is 'close'; use 'exact' .* or 'near'"):
        reset(reward="close")


def test_there_are_as_many_tries_as_rounds() -> None:
    env = reset(horizon=2)
    for answer in (0, env.total):
        env.step("I hold something.")
        env.step(str(answer))
    assert env.terminated
    assert "judge: That is not the sum. Try again." in env.observe("holder_0")["text"]
    assert env.episode().returns == {"holder_0": 1.0, "holder_1": 1.0}


def test_everybody_hears_its_neighbour_alone() -> None:
    env = reset(team=tuple(Profile("holder", answers=number == 3) for number in range(4)), level="standard")
    for number in range(4):
        env.step(f"words of {number}")
    text = env.observe("holder_3")["text"]
    assert "holder_2:\n> words of 2" in text
    assert "words of 1" not in text


def test_a_longer_team_passes_on_what_it_has_summed_up() -> None:
    env = reset(team=tuple(Profile("holder", answers=number == 3) for number in range(4)), level="hard")
    episode = marft_envs.play(env, lambda agent, messages: env.reference_action(agent), seed=3)
    said = [int(turn.action) for turn in episode.turns]
    assert said == [sum(sum(env.numbers[f"holder_{other}"]) for other in range(place + 1)) for place in range(4)]
    assert set(episode.returns.values()) == {1.0}


@pytest.mark.parametrize("answers", [[True], [False, False], [True, True], [True, False]])
def test_only_the_last_of_two_or_more_answers(answers: list[bool]) -> None:
    with pytest.raises(TeamFileError, match="only the last"):
        reset(team=tuple(Profile("holder", answers=each) for each in answers))


@pytest.mark.parametrize("level", LEVELS)
def test_the_silent_guess_is_the_likeliest_sum_and_the_docstring_tells_its_probability(level: str) -> None:
    among, count = LEVELS[level].first, LEVELS[level].count
    one = np.zeros(among[-1] - among[0] + 1)
    one[:: among.step] = 1 / len(among)
    sums = one
    for _ in range(count - 1):
        sums = np.convolve(sums, one)
    env = reset(level=level)
    env.step("")
    guessed = int(env.silent_action("holder_1")) - sum(env.numbers["holder_1"])
    assert sums[guessed - among[0] * count] == pytest.approx(sums.max(), rel=1e-9)
    assert sums.max() == pytest.approx(SILENT[level], rel=1e-3)
    assert f"{level} {SILENT[level]:.{3 + (level == 'hard')}f}" in (sum_relay.__doc__ or "")
