"""leaderboard/scores.py: what episodes come to, by hand."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard.behaviour import make
from leaderboard.scores import Played, Tokens, instance_scores, mean, played, scores_of
from marft_envs import play, timing
from tests.leaderboard.submissions import PARTY, mixed


def one(seed: int, score: float | tuple[float, float], answer: str | None = None, **info: float) -> Played:
    first, second = score if isinstance(score, tuple) else (score, score)
    return Played(seed, {"a_0": first, "b_0": second}, info, answer, 2, 10, 7, 5)


def test_an_episode_is_worth_the_mean_of_the_agents_returns():
    assert one(1, (0.25, 1.0)).score == 0.625  # (0.25 + 1) / 2


def test_a_score_is_the_mean_over_instances_and_not_over_episodes():
    plays = [one(1, 1.0), one(1, 0.0), one(2, 1.0), one(2, 1.0)]
    assert instance_scores(plays, vote=False) == {1: 0.5, 2: 1.0}
    found = scores_of([*plays, one(3, 0.0)], [], vote=False)
    assert found.score == 0.5  # (0.5 + 1 + 0) / 3; over episodes it were 3 / 5
    assert (found.instances, found.episodes) == (3, 5)
    assert found.returns == {"a_0": 0.6, "b_0": 0.6}  # over episodes: 3 / 5


@pytest.mark.parametrize(
    ("plays", "score"),
    [
        ([(1.0, "4"), (0.0, "5"), (0.0, "5")], 0.0),  # two for 5
        ([(1.0, "4"), (0.0, "5"), (1.0, "4")], 1.0),
        ([(1.0, "4"), (0.0, "5")], 1.0),  # a tie: the first of them
        ([(0.0, "5"), (1.0, "4")], 0.0),
        ([(0.0, None), (0.0, None), (1.0, "4")], 1.0),  # who arrived at nothing does not vote
        ([(0.3, None), (0.5, None)], 0.3),  # nobody votes: the first play
        ([(0.5, "4"), (1.0, "4"), (0.0, "5")], 0.75),  # (0.5 + 1) / 2: equal answers, ways that cost something
    ],
)
def test_a_vote_earns_what_the_answer_of_most_plays_earns(plays, score):
    assert instance_scores([one(1, *play) for play in plays], vote=True) == {1: score}
    assert scores_of([one(1, *play) for play in plays], [], vote=True).score == score


def test_instances_keep_the_order_in_which_they_were_played():
    assert list(instance_scores([one(9, 1.0), one(2, 0.0), one(9, 0.0)], vote=False)) == [9, 2]


def test_sums_are_rounded_once():
    values = [0.1] * 10
    assert mean(values) == 0.1 and sum(values) / 10 != 0.1
    assert mean([1e16, 1.0, -1e16]) == 1 / 3  # summed from the left, the 1 were lost


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.randoms())
def test_a_mean_does_not_depend_on_the_order(values, random):
    shuffled = random.sample(values, len(values))
    assert mean(values) == mean(shuffled)
    assert abs(Fraction(mean(values)) - sum(map(Fraction, values)) / len(values)) <= 1e-9


def test_what_an_episode_does_not_report_counts_as_nothing():
    found = scores_of([one(1, 0.0, correct=1.0), one(2, 0.0, share=0.5)], [], vote=False)
    assert found.info == {"correct": 0.5, "share": 0.25}  # 1 / 2, 0.5 / 2


def test_figures_add_up():
    found = scores_of([one(1, 0.0), one(2, 0.0)], [Tokens((3, 4), (1, 2)), Tokens((5,), (6,))], vote=False)
    assert (found.turns, found.chars, found.simulated_us, found.critical_path_us) == (4, 20, 14, 10)
    assert (found.tokens_in, found.tokens_out) == (12, 9)  # 3 + 4 + 5, 1 + 2 + 6


def test_times_are_those_that_timing_tells():
    env = make(PARTY.env_id, PARTY.level, PARTY.options)
    for seed in range(3):
        episode = play(env, lambda agent, _: mixed(env, agent), seed=seed)
        course, found = timing(episode), played(episode, None)
        assert (found.simulated_us, found.critical_path_us) == (course.makespan_us, course.critical_path_us)
        assert found.chars == sum(len(turn.action) for turn in episode.turns)
