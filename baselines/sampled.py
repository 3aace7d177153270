"""Several plays of each held-out instance: what one of them earns, what a majority vote does, and the best of them.

At equal tokens: a vote of K plays writes K times what one play does, so every number stands beside its tokens.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from baselines.errors import ConfigError
from baselines.evaluate import Evaluation, summarised
from baselines.rollouts.batch import Rollout
from baselines.rollouts.voting import Play, best_score, majority_answer, majority_score, num_affordable
from baselines.runs.intervals import Interval, bootstrap_interval
from baselines.runs.records import number_of, read_records
from baselines.runs.summary import EVALUATIONS

TRAINED = "trained"
"""What a run's records call the evaluations of its team after training, or on the way."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """So many plays of each instance, by team return; intervals are over instances."""

    num_plays: int
    """Of each instance."""
    one: Interval
    """Of one play: the mean of all."""
    vote: Interval | None
    """Of the majority's answer; None where no play of any instance has one."""
    best: Interval
    """Of the best play, as an oracle would choose it that knows the scores."""
    num_without_vote: int
    """Instances of which no play has an answer: there the first play counts."""
    tokens_per_play: float

    @property
    def tokens_per_instance(self) -> float:
        """What all plays of an instance write."""
        return self.num_plays * self.tokens_per_play

    def record(self) -> dict[str, object]:
        """As JSON can hold it."""
        found: dict[str, object] = {"samples": self.num_plays}
        for name, interval in (("one_play", self.one), ("majority_vote", self.vote), ("best_of_n", self.best)):
            found[name] = None if interval is None else interval.mean
            found[f"{name}_interval"] = None if interval is None else [interval.low, interval.high]
        return {
            **found,
            "instances_without_vote": self.num_without_vote,
            "tokens_per_play": self.tokens_per_play,
            "tokens_per_instance": self.tokens_per_instance,
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """How many plays of each instance: so many, or as many as so many tokens pay for."""

    num_plays: int = 1
    most_tokens: float | None = None
    """For each instance; it decides in place of `num_plays`, if given."""


def play_several(play: Callable[..., Evaluation], plan: Plan) -> Evaluation:
    """Several plays of each instance; where their number follows from tokens, it follows from what first plays write.

    `play`: plays all instances, once for each of the numbers in its argument `samples`.
    """
    if plan.most_tokens is None:
        return play(samples=range(plan.num_plays))
    first = play(samples=range(1))
    num_plays = num_affordable(plan.most_tokens, tokens_per_play(first.rollouts))
    if num_plays == 1:
        return first
    others = play(samples=range(1, num_plays))
    return summarised([*first.rollouts, *others.rollouts], first.level)


def sampled(rollouts: Sequence[Rollout]) -> Sampled:
    """What plays came to that tell their answers; those of an instance in the order in which they count."""
    plays: dict[str, list[Play]] = {}
    for rollout in rollouts:
        plays.setdefault(rollout.instance, []).append(Play(rollout.team_return, rollout.answer))
    num_without_vote = sum(majority_answer(own) is None for own in plays.values())

    def over(score: Callable[[Sequence[Play]], float]) -> Interval:
        return bootstrap_interval({instance: [score(own)] for instance, own in plays.items()})

    return Sampled(
        num_plays=len(rollouts) // len(plays),
        one=over(_mean),
        vote=None if num_without_vote == len(plays) else over(majority_score),
        best=over(best_score),
        num_without_vote=num_without_vote,
        tokens_per_play=tokens_per_play(rollouts),
    )


def _mean(plays: Sequence[Play]) -> float:
    return sum(play.score for play in plays) / len(plays)


def tokens_per_play(rollouts: Sequence[Rollout]) -> float:
    """Tokens that all agents together write in an episode, on average."""
    return sum(rollout.num_tokens for rollout in rollouts) / len(rollouts)


def tokens_to_equal(named: str) -> float:
    """Tokens for an instance: a number, or what the team of a run wrote in its latest evaluation after training.

    Raises: ConfigError.
    """
    try:
        number = float(named)
    except ValueError:
        return _tokens_of_run(Path(named))
    if not 0 < number < float("inf"):
        raise ConfigError(f"--equal-tokens-to is {named}; give a number of tokens for each instance, above 0, or a run")
    return number


def _tokens_of_run(folder: Path) -> float:
    records = [record for record in read_records(folder / EVALUATIONS) if record.get("name") == TRAINED]
    if not records:
        raise ConfigError(
            f"--equal-tokens-to is {folder}, and there is no run with an evaluation after training; give the folder of "
            "one, or a number of tokens for each instance"
        )
    tokens, instances = (number_of(records[-1].get(name)) for name in ("tokens_out", "num_instances"))
    if not tokens or not instances:
        raise ConfigError(
            f"{folder / EVALUATIONS} does not tell how much the trained team wrote; give --equal-tokens-to a number"
        )
    return tokens / instances
