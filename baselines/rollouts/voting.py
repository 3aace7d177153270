"""Several plays of one instance, and what they come to together: a majority vote, and an oracle's choice.

Pure: scores and answers in, scores out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from leaderboard.voting import majority


@dataclass(frozen=True, slots=True)
class Play:
    """One play of an instance."""

    score: float
    answer: str | None
    """What it arrived at; None if at nothing, and then it does not vote."""


def majority_answer(plays: Sequence[Play]) -> str | None:
    """The answer that most plays arrived at; see `majority`."""
    return majority(play.answer for play in plays)


def majority_score(plays: Sequence[Play]) -> float:
    """What the majority's answer scores: the mean of the plays that arrived at it. The first play's, if nobody votes.

    The mean, because where the way to an answer costs something, equal answers may score differently.
    """
    answer = majority_answer(plays)
    if answer is None:
        return plays[0].score
    scores = [play.score for play in plays if play.answer == answer]
    return sum(scores) / len(scores)


def best_score(plays: Sequence[Play]) -> float:
    """What an oracle would choose that knows every score: no way to play, but a bound of all ways to choose."""
    return max(play.score for play in plays)


def num_affordable(num_tokens: float, tokens_per_play: float) -> int:
    """How many plays so many tokens pay for, on average; at least one."""
    return max(int(num_tokens // max(tokens_per_play, 1.0)), 1)
