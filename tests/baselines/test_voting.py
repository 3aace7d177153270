"""Several plays of one instance: the vote's arithmetic, by hand.

1. Votes: who counts, ties, and what an answer scores.
2. Over instances: means, intervals, tokens.
3. Equal tokens: how many plays so many tokens pay for.
"""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.errors import ConfigError
from baselines.evaluate import Evaluation, summarised
from baselines.rollouts.batch import Rollout, Turn
from baselines.rollouts.voting import Play, best_score, majority_answer, majority_score, num_affordable
from baselines.sampled import Plan, play_several, sampled, tokens_to_equal

PLAYS = st.lists(
    st.builds(Play, st.floats(-10, 10), st.none() | st.sampled_from("abc")), min_size=1, max_size=9
)  # fmt: skip


def plays(*told: tuple[float, str | None]) -> list[Play]:
    return [Play(score, answer) for score, answer in told]


# --- 1. Votes ---


def test_the_answer_that_most_plays_arrived_at_is_elected() -> None:
    found = plays((0.0, "7"), (1.0, "12"), (1.0, "12"), (0.0, "9"))
    assert majority_answer(found) == "12"
    assert majority_score(found) == 1.0


def test_a_wrong_majority_scores_what_is_wrong() -> None:
    assert majority_score(plays((1.0, "12"), (0.0, "7"), (0.0, "7"))) == 0.0


def test_of_answers_with_equally_many_plays_the_one_is_elected_that_came_first() -> None:
    assert majority_answer(plays((0.0, "7"), (1.0, "12"), (1.0, "12"), (0.0, "7"))) == "7"
    assert majority_answer(plays((1.0, "12"), (0.0, "7"))) == "12"


def test_plays_without_an_answer_do_not_vote() -> None:
    found = plays((0.0, None), (0.0, None), (1.0, "12"))
    assert majority_answer(found) == "12"
    assert majority_score(found) == 1.0


def test_where_nobody_votes_the_first_play_counts() -> None:
    found = plays((0.25, None), (1.0, None))
    assert majority_answer(found) is None
    assert majority_score(found) == 0.25


def test_an_answer_scores_the_mean_of_the_plays_that_arrived_at_it() -> None:
    # A way to an answer may cost something: (1.0 + 0.9 + 0.8) / 3.
    assert majority_score(plays((1.0, "a"), (0.9, "a"), (0.8, "a"), (0.0, "b"))) == pytest.approx(0.9)


def test_the_best_play_is_an_oracles_choice_whatever_it_arrived_at() -> None:
    assert best_score(plays((0.0, "7"), (0.5, None), (0.25, "12"))) == 0.5


@given(PLAYS)
def test_a_vote_lies_between_the_worst_and_the_best_play(found: list[Play]) -> None:
    assert min(play.score for play in found) - 1e-9 <= majority_score(found) <= best_score(found) + 1e-9


@given(PLAYS)
def test_a_vote_of_one_play_is_that_play(found: list[Play]) -> None:
    assert majority_score(found[:1]) == best_score(found[:1]) == found[0].score


# --- 2. Over instances ---


def rollout(instance: str, earned: float, answer: str | None, num_tokens: int = 3) -> Rollout:
    turn = Turn("a_0", 0, [1], list(range(num_tokens)), [], "", "", "", rewards={"a_0": earned})
    return Rollout([turn], ("a_0",), True, {}, {}, 0, None, instance, {}, "rounds", answer=answer)


def test_every_instance_counts_once_and_stands_beside_its_tokens() -> None:
    found = sampled(
        [
            *(rollout("one", earned, answer, 2) for earned, answer in ((1.0, "a"), (0.0, "b"), (1.0, "a"))),
            *(rollout("two", earned, answer, 4) for earned, answer in ((0.0, "c"), (0.0, "c"), (1.0, "d"))),
        ]
    )
    assert found.num_plays == 3
    assert found.one.mean == pytest.approx((2 / 3 + 1 / 3) / 2)
    assert found.vote is not None
    assert found.vote.mean == pytest.approx((1.0 + 0.0) / 2)
    assert found.best.mean == 1.0
    assert (found.one.num_instances, found.num_without_vote) == (2, 0)
    assert found.tokens_per_play == 3.0  # (3 · 2 + 3 · 4) / 6
    assert found.tokens_per_instance == 9.0
    assert found.record()["majority_vote"] == 0.5
    assert found.record()["majority_vote_interval"] == [found.vote.low, found.vote.high]


def test_plays_count_in_their_order_also_where_instances_take_turns() -> None:
    taken_in_turns = [rollout("one", 0.0, "x"), rollout("two", 1.0, "y"), rollout("one", 1.0, "z")]
    found = sampled([*taken_in_turns, rollout("two", 0.0, "w")])
    assert found.vote is not None
    assert found.vote.mean == 0.5  # the first of either


def test_instances_without_a_vote_are_counted_and_a_vote_that_never_was_is_none() -> None:
    found = sampled([rollout("one", 0.0, None), rollout("one", 0.0, "a"), *(rollout("two", 0.5, None),) * 2])
    assert found.num_without_vote == 1
    assert found.vote is not None
    nobody = sampled([rollout("one", 0.0, None), rollout("two", 1.0, None)])
    assert nobody.vote is None
    assert nobody.num_without_vote == 2
    assert nobody.record()["majority_vote"] is None
    assert nobody.best.mean == 0.5


# --- 3. Equal tokens ---


@pytest.mark.parametrize(
    ("tokens", "per_play", "expected"), [(36.0, 9.0, 4), (35.9, 9.0, 3), (5.0, 9.0, 1), (12.0, 0.0, 12)]
)
def test_tokens_pay_for_so_many_plays_and_at_least_for_one(tokens: float, per_play: float, expected: int) -> None:
    assert num_affordable(tokens, per_play) == expected


def test_how_many_plays_tokens_pay_for_follows_from_the_first_plays() -> None:
    asked = []

    def play(samples: range) -> Evaluation:
        asked.append(samples)
        return summarised([rollout(name, 1.0, "a") for name in ("one", "two") for _ in samples], "easy")

    found = play_several(play, Plan(most_tokens=10.0))
    assert asked == [range(1), range(1, 3)]  # 3 tokens a play
    assert len(found.rollouts) == 6
    assert found.level == "easy"
    assert play_several(play, Plan(most_tokens=4.0)).num_instances == 2
    assert asked[2:] == [range(1)]
    play_several(play, Plan(num_plays=5))
    assert asked[3:] == [range(5)]


def test_tokens_are_given_as_a_number_or_by_a_run(tmp_path: Path) -> None:
    assert tokens_to_equal("12.5") == 12.5
    lines = [
        '{"name": "untrained", "iteration": 0, "tokens_out": 900, "num_instances": 10}',
        '{"name": "trained", "iteration": 4, "tokens_out": 300, "num_instances": 10}',
        '{"name": "trained", "iteration": 8, "tokens_out": 240, "num_instances": 10}',
    ]
    (tmp_path / "evaluations.jsonl").write_text("\n".join([*lines, ""]), encoding="utf-8")
    assert tokens_to_equal(str(tmp_path)) == 24.0


@pytest.mark.parametrize("named", ["0", "-3", "nan", "inf"])
def test_no_number_of_tokens_is_refused(named: str) -> None:
    with pytest.raises(ConfigError, match="above 0"):
        tokens_to_equal(named)


def test_a_folder_without_a_trained_team_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no run with an evaluation after training; give the folder of one, or a num"):
        tokens_to_equal(str(tmp_path))
