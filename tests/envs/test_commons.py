"""collab/commons-v0, played by hand."""

from collections.abc import Callable
from fractions import Fraction
from functools import cache
from itertools import product
from statistics import fmean

import numpy as np
import pytest

import marft_envs
from marft_envs import FlexMG, Profile
from marft_envs.check.subject import play_out, reference
from marft_envs.check.teamwork import silent
from marft_envs.collab import commons
from marft_envs.collab.commons import LEVELS
from marft_envs.collab.worlds.lake import LAW, Lake, Springs, drawn_springs, gini, silent_play
from marft_envs.errors import OptionError, TeamFileError

SILENT = {"easy": 0.239409, "standard": 0.176864, "hard": 0.177135}
BEST = {"easy": 0.6205, "standard": 0.551556, "hard": 0.579133}
"""As the docstring tells, with more digits."""


def reset(*barrels: tuple[int, int, int], **options: object) -> FlexMG:
    """With that many full barrels in the springs of each season, instead of what was drawn."""
    env = marft_envs.make("collab/commons-v0", **options)
    assert isinstance(env, FlexMG)
    env.reset(seed=1)
    if barrels:
        held = np.array(barrels)
        assert env.lake.seasons == len(barrels)
        env.springs = Springs((10,) * 3, held, held * 10, tuple((held.min(axis=1) * env.lake.fish).tolist()))
    return env


def fish(env: FlexMG, *actions: str) -> FlexMG:
    """A season in which nobody says anything of use."""
    for action in ("I say nothing.",) * 3 + actions:
        env.step(action)
    return env


def test_what_each_takes_is_its_own_reward_in_shares_of_full_baskets() -> None:
    env = reset((2, 2, 2), (1, 2, 1), (0, 2, 2))
    fish(env, "2", "My answer is\n1", "0")
    fish(env, "0", "1", "2")
    assert not env.terminated
    fish(env, "0", "0", "0")
    assert env.terminated
    # Of 3 * 2 fish in full baskets each: 2, 2 and 2; 6 of 9 that the lake bore.
    assert env.episode().returns == pytest.approx({"villager_0": 2 / 6, "villager_1": 2 / 6, "villager_2": 2 / 6})
    assert env.info == {"kept": 6 / 9, "alive": 1, "seasons": 3, "gini": 0.0}


def test_who_takes_too_much_together_loses_everything_and_the_lake() -> None:
    env = reset((2, 2, 2), (1, 2, 1), (2, 2, 2))
    fish(env, "2", "2", "2")
    fish(env, "2", "2", "0")
    assert env.terminated
    assert env.episode().returns == pytest.approx({"villager_0": 0.0, "villager_1": 0.0, "villager_2": 0.0}, abs=1e-12)
    assert env.info == {"kept": 0.0, "alive": 0, "seasons": 1, "gini": 0.0}
    assert "judge: You took 0 fish, all together 4. The lake bore 3, and it is dead." in env.render()


@pytest.mark.parametrize("action", ["", "3", "-1", "two", "1 or 2", "99999"])
def test_what_is_no_number_of_fish_in_the_basket_takes_none(action: str) -> None:
    env = fish(reset((2, 2, 2), (2, 2, 2), (2, 2, 2)), action, "2", "2")
    assert env.episode().returns == pytest.approx({"villager_0": 0.0, "villager_1": 2 / 6, "villager_2": 2 / 6})


def test_numbers_that_are_said_when_talking_take_nothing() -> None:
    env = reset()
    for _ in range(3):
        env.step("2")
    assert env.info == {}
    assert env.round == 1


def test_villagers_talk_at_once_and_hear_all_before_they_fish() -> None:
    env = reset()
    env.step("Mine is dry.")
    assert "Mine is dry." not in env.observe("villager_1")["text"]
    env.step("Mine is full.")
    env.step("Mine, too.")
    for listener in ("villager_1", "villager_2"):
        assert "villager_0:\n> Mine is dry." in env.observe(listener)["text"]


def test_everybody_is_told_its_own_spring_alone() -> None:
    env = reset(level="hard")
    held, sizes = env.springs.buckets[0], env.springs.sizes
    for place, agent in enumerate(env.possible_agents):
        told = env.observe(agent)["text"]
        assert f"Your spring holds {held[place]} buckets. {sizes[place]} of your buckets make a barrel." in told
    assert len(set(sizes)) > 1


def test_there_are_as_many_seasons_as_the_level_has_and_the_horizon_allows() -> None:
    assert [reset(level=level).lake.seasons for level in LEVELS] == [3, 4, 4]
    env = reset((2, 2, 2), horizon=3)
    fish(env, "2", "2", "2")
    assert env.terminated
    assert env.episode().returns["villager_0"] == 1.0


def test_a_horizon_without_a_season_is_refused() -> None:
    with pytest.raises(OptionError, match="horizon is 1"):
        reset(horizon=1)


@pytest.mark.parametrize("answers", [[True], [True, False], [True] * 9])
def test_two_to_eight_villagers_fish(answers: list[bool]) -> None:
    with pytest.raises(TeamFileError, match="2 to 8 villagers"):
        reset(team=tuple(Profile("villager", answers=each) for each in answers))


@pytest.mark.parametrize("size", [2, 3, 5, 8])
@pytest.mark.parametrize("level", LEVELS)
def test_the_reference_takes_all_that_the_lake_bears_and_shares_it_fairly(level: str, size: int) -> None:
    env = reset(level=level, team=tuple(Profile("villager", answers=True) for _ in range(size)))
    for seed in range(20):
        returns = play_out(env, reference, seed).returns
        assert env.info["kept"] == 1.0 and env.info["alive"] == 1
        assert sum(returns.values()) == pytest.approx(env.best_welfare())
        spread = max(env.caught.values()) - min(env.caught.values())
        assert spread <= env.lake.seasons * (LEVELS[level].over > 0)


def test_what_is_left_over_goes_around() -> None:
    lake = Lake(3, 4, 4)
    assert [[lake.fair_share(4, place, season) for place in range(3)] for season in range(3)] == [
        [2, 1, 1],
        [1, 2, 1],
        [1, 1, 2],
    ]
    assert [lake.fair_share(8, place, 1) for place in range(3)] == [2, 3, 3]


def test_who_lies_of_a_dry_spring_gains_and_the_others_lose() -> None:
    def earned(told: Callable[[int], int]) -> list[float]:
        """Of villager_2 and of another, where the others take a fair share of the lowest spring that was told of."""
        env, returns = reset(), []
        for seed in range(100):
            env.reset(seed=seed)
            for season in range(3):
                full = [int(each) for each in env.springs.barrels[season]]
                lowest = min(full[0], full[1], told(full[2]))
                rest = min(3 * min(full) - 2 * lowest, 2)
                fish(env, str(lowest), str(lowest), str(rest))
            returns.append([env.episode().returns[agent] for agent in ("villager_2", "villager_0")])
        return np.mean(returns, axis=0).tolist()

    honest, lying = earned(lambda full: full), earned(lambda full: 0)
    assert honest[0] == honest[1]
    assert lying[0] > honest[0] + 0.05
    assert lying[1] == 0.0


def test_the_gini_index_is_0_for_equals_and_that_of_a_hand_made_case() -> None:
    assert gini([2, 2, 2]) == gini([0, 0, 0]) == 0.0
    # Differences 1, 3 and 2, each twice, are 12; 2 * 3 villagers * 4 fish are 24.
    assert gini([0, 1, 3]) == 0.5


def test_villagers_are_alike_in_the_key() -> None:
    env = reset((2, 1, 0), (1, 2, 0), (0, 1, 2))
    key = env.instance_key()
    held = env.springs.barrels[:, [2, 0, 1]]
    env.springs = Springs((10,) * 3, held, held * 10, env.springs.borne)
    assert env.instance_key() == key


def test_springs_are_drawn_by_the_law() -> None:
    springs = drawn_springs(np.random.default_rng(0), Lake(3, 3, 3000), range(10, 11), own_sizes=False)
    counts = np.bincount(springs.buckets.ravel() // 10)
    # Of 9,000: 900, 900 and 7,200, with standard deviations of 28.5, 28.5 and 37.9.
    assert np.abs(counts - [900, 900, 7200]).max() < 4 * 38
    assert (springs.buckets // 10 == springs.barrels).all()
    assert len(set((springs.buckets % 10).ravel().tolist())) == 10


# --- The silent bound -------------------------------------------------------------------------------------------------


def best_silent(fish: int, basket: int, seasons: int, law: tuple) -> object:
    """Three villagers' best welfare without a word, by another road than `silent_play`.

    Two follow any plans, all of which are tried; the third answers each of its own springs with the best amount.
    """
    plans = list(product(range(basket + 1), repeat=3))
    springs = list(product(range(3), repeat=2))

    @cache
    def value(season: int, caught: int) -> object:
        if season == seasons:
            return caught
        after = [value(season + 1, caught + taken) for taken in range(3 * basket + 1)]
        return max(answered(one, other, after) for one in plans for other in plans if one <= other)

    def answered(one: tuple, other: tuple, after: list) -> object:
        worth = 0 * law[0]
        for own in range(3):
            cases = [(law[a] * law[b], one[a] + other[b], fish * min(own, a, b)) for a, b in springs]
            worth += law[own] * max(
                sum(chance * after[taken + amount] for chance, taken, borne in cases if taken + amount <= borne)
                for amount in range(basket + 1)
            )
        return worth

    return value(0, 0)


def test_the_silent_value_of_one_season_can_be_derived_by_hand() -> None:
    # One fish for all per barrel, one villager for two: take 2 if the spring is full, 1 if there is one barrel.
    assert silent_play(Lake(1, 1, 1)).value == pytest.approx(0.1 * 1 + 0.8 * 2)
    # Two villagers, 2 fish a barrel. Who sees 2 takes 2, who sees 1 takes nothing: 4 fish if both see 2, 0.64, and 2
    # if one of them sees 1, 0.16, for the lake bears 2. If one took 1 when it sees 1, that would gain 1 where the
    # other sees 1, too, 0.01, but lose 2 where the other sees 2, 0.08.
    assert silent_play(Lake(2, 2, 1)).value == pytest.approx(4 * 0.64 + 2 * 0.16)


@pytest.mark.parametrize("level", ["easy", "standard"])
def test_the_silent_plan_is_the_best_and_the_docstring_tells_what_it_earns(level: str) -> None:
    lake = reset(level=level).lake
    law = tuple(Fraction(number).limit_denominator(10) for number in LAW) if level == "easy" else LAW
    best = float(best_silent(lake.fish, lake.basket, lake.seasons, law)) / (3 * lake.full)
    assert best == pytest.approx(SILENT[level], abs=1e-6)
    assert silent_play(lake).value / (3 * lake.full) == pytest.approx(best, abs=1e-9)


@pytest.mark.parametrize("level", LEVELS)
def test_the_docstring_tells_what_silent_and_reference_play_earn(level: str) -> None:
    lake, doc = reset(level=level).lake, commons.__doc__ or ""
    assert silent_play(lake).value / (3 * lake.full) == pytest.approx(SILENT[level], abs=1e-6)
    assert f"{level} {SILENT[level]:.3f}" in doc
    # The lowest of three springs is 2 with probability 0.8 ** 3, 0 with 1 - 0.9 ** 3, and else 1.
    borne = lake.fish * (2 * 0.8**3 + (0.9**3 - 0.8**3))
    assert borne / (3 * lake.basket) == pytest.approx(BEST[level], abs=1e-6)
    assert f"{BEST[level]:.3f}" in doc


@pytest.mark.parametrize("level", LEVELS)
def test_both_plays_earn_what_was_derived(level: str) -> None:
    env = reset(level=level)
    for style, expected in ((silent, SILENT[level]), (reference, BEST[level])):
        returns = [fmean(play_out(env, style, seed).returns.values()) for seed in range(500)]
        assert fmean(returns) == pytest.approx(expected, abs=4 * float(np.std(returns)) / 500**0.5)


def test_no_silent_play_is_told_of_larger_teams() -> None:
    env = reset(team=tuple(Profile("villager", answers=True) for _ in range(5)))
    with pytest.raises(NotImplementedError, match="more than 4"):
        env.silent_action("villager_0")
