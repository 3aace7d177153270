"""Which levels are climbed, when the next one opens, what is reviewed and what is previewed meanwhile."""

import numpy as np
import pytest

from baselines.errors import ConfigError
from baselines.rollouts.curriculum import Curriculum, curriculum_levels

KNOWN = ("one", "two", "three")


def climber(threshold: float = 0.6, review: float = 0.25, preview: float = 0.0) -> Curriculum:
    return Curriculum(KNOWN, threshold=threshold, review=review, preview=preview)


def drawn(curriculum: Curriculum, number: int = 4000) -> dict[str | None, float]:
    rng = np.random.default_rng(0)
    levels = [curriculum.draw(rng) for _ in range(number)]
    return {level: levels.count(level) / number for level in dict.fromkeys(levels)}


def test_it_begins_with_the_easiest_level_and_draws_nothing_else() -> None:
    assert drawn(climber()) == {"one": 1.0}


def test_the_next_level_opens_when_the_current_one_reaches_the_threshold() -> None:
    curriculum = climber()
    curriculum.update({"one": 0.59})
    assert curriculum.level == "one"
    curriculum.update({"one": 0.6})
    assert curriculum.level == "two"


def test_what_is_earned_at_other_levels_opens_nothing() -> None:
    curriculum = climber()
    curriculum.update({"one": 1.0})
    curriculum.update({"one": 1.0})  # reviewed episodes only
    curriculum.update({})
    assert curriculum.level == "two"


def test_one_level_opens_at_a_time_and_the_last_one_stays() -> None:
    curriculum = climber()
    everything = dict.fromkeys(KNOWN, 1.0)
    levels = []
    for _ in range(4):
        curriculum.update(everything)
        levels.append(curriculum.level)
    assert levels == ["two", "three", "three", "three"]


def test_a_share_of_the_episodes_reviews_all_levels_passed_alike() -> None:
    curriculum = climber(review=0.25)
    curriculum.position = 2
    shares = drawn(curriculum)
    assert shares["three"] == pytest.approx(0.75, abs=0.03)
    assert shares["one"] == pytest.approx(0.125, abs=0.03)
    assert shares["two"] == pytest.approx(0.125, abs=0.03)


def test_without_review_only_the_current_level_is_drawn() -> None:
    curriculum = climber(review=0.0)
    curriculum.position = 1
    assert drawn(curriculum) == {"two": 1.0}


def test_a_share_of_the_episodes_previews_all_levels_to_come_alike() -> None:
    # At the first level nothing can be reviewed: 1 - 0.4 for "one", and 0.4 / 2 for each of the others.
    assert drawn(climber(preview=0.4)) == pytest.approx({"one": 0.6, "two": 0.2, "three": 0.2}, abs=0.03)


def test_between_the_levels_passed_and_those_to_come_the_current_one_keeps_its_share() -> None:
    curriculum = climber(review=0.25, preview=0.4)
    curriculum.position = 1
    assert drawn(curriculum) == pytest.approx({"one": 0.25, "two": 0.35, "three": 0.4}, abs=0.03)


def test_at_the_last_level_nothing_is_left_to_preview() -> None:
    curriculum = climber(review=0.0, preview=0.4)
    curriculum.position = 2
    assert drawn(curriculum) == {"three": 1.0}


def test_review_and_preview_that_leave_nothing_for_the_current_level_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"review 0.5 and curriculum_preview 0.5 leave no episodes"):
        climber(review=0.5, preview=0.5)


def test_an_environment_without_levels_is_a_curriculum_of_one() -> None:
    curriculum = Curriculum([None], threshold=0.6, review=0.25)
    curriculum.update({})
    assert curriculum.level is None
    assert drawn(curriculum) == {None: 1.0}


@pytest.mark.parametrize("review", [-0.1, 1.0])
def test_a_review_share_that_leaves_nothing_or_less_is_refused(review: float) -> None:
    with pytest.raises(ConfigError, match=r"curriculum_review is .*at least 0 and below 1"):
        climber(review=review)


@pytest.mark.parametrize(
    ("target", "climb", "chosen", "expected"),
    [
        ("three", True, (), ("one", "two", "three")),
        ("two", True, (), ("one", "two")),
        ("two", False, (), ("two",)),
        (None, True, (), ("one", "two", "three")),
        ("three", True, ("one",), ("one", "three")),
        ("three", True, ("two", "three"), ("two", "three")),
    ],
)
def test_the_levels_climbed_end_with_the_one_to_reach(
    target: str | None, climb: bool, chosen: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    assert curriculum_levels(KNOWN, target, climb=climb, chosen=chosen) == expected


def test_an_environment_without_levels_climbs_none() -> None:
    assert curriculum_levels((), None, climb=True) == (None,)


@pytest.mark.parametrize(
    ("known", "target", "chosen", "message"),
    [
        (KNOWN, "four", (), r"unknown level 'four'; this environment has one, two, three"),
        (KNOWN, "three", ("zero",), r"unknown level 'zero'"),
        ((), "one", (), r"unknown level 'one'; this environment has no levels"),
    ],
)
def test_a_level_that_the_environment_lacks_is_refused(
    known: tuple[str, ...], target: str, chosen: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        curriculum_levels(known, target, climb=True, chosen=chosen)
