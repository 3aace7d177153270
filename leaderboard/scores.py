"""What episodes come to: the figures of a submission, from its replayed logs and nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum

from leaderboard.schema import Scores
from leaderboard.voting import majority
from marft_envs import Episode, critical_path_us


@dataclass(frozen=True, slots=True)
class Played:
    """What counts of one replayed episode."""

    seed: int
    returns: Mapping[str, float]
    info: Mapping[str, float]
    answer: str | None
    """What it arrived at; None where plays cannot be put to a vote."""
    turns: int
    chars: int
    simulated_us: int
    critical_path_us: int

    @property
    def score(self) -> float:
        """Mean of the agents' returns; each of them where the reward is the team's."""
        return fsum(self.returns.values()) / len(self.returns)


@dataclass(frozen=True, slots=True)
class Tokens:
    """As an entrant reports them: of each turn of one episode."""

    read: tuple[int, ...]
    wrote: tuple[int, ...]


def no_tokens(episode: Episode) -> Tokens:
    """Of an episode in which no model played."""
    nothing = (0,) * len(episode.turns)
    return Tokens(nothing, nothing)


def played(episode: Episode, answer: str | None) -> Played:
    """Of a replayed episode; `answer` is what the environment says that it arrived at."""
    return Played(
        seed=episode.seed,
        returns=dict(episode.returns),
        info=dict(episode.info),
        answer=answer,
        turns=len(episode.turns),
        chars=sum(len(turn.action) for turn in episode.turns),
        simulated_us=max((turn.finish_us for turn in episode.turns), default=0),
        critical_path_us=critical_path_us(episode),
    )


def instance_scores(plays: Sequence[Played], *, vote: bool) -> dict[int, float]:
    """Seed -> what the team came to on that instance, in the order in which they were played."""
    by_seed: dict[int, list[Played]] = {}
    for one in plays:
        by_seed.setdefault(one.seed, []).append(one)
    return {seed: _voted(own) if vote else mean([one.score for one in own]) for seed, own in by_seed.items()}


def _voted(plays: Sequence[Played]) -> float:
    """What the majority's answer earns; the first play's score where nobody votes.

    The mean of the plays that arrived at it: where the way costs something, equal answers may earn differently.
    """
    answer = majority(one.answer for one in plays)
    if answer is None:
        return plays[0].score
    return mean([one.score for one in plays if one.answer == answer])


def mean(values: Sequence[float]) -> float:
    """The same on every machine: `fsum` rounds once."""
    return fsum(values) / len(values)


def scores_of(plays: Sequence[Played], tokens: Sequence[Tokens], *, vote: bool) -> Scores:
    """All figures of a task."""
    by_instance = instance_scores(plays, vote=vote)
    agents = list(plays[0].returns)
    names = sorted({name for one in plays for name in one.info})
    return Scores(
        instances=len(by_instance),
        episodes=len(plays),
        score=mean(list(by_instance.values())),
        returns={agent: mean([one.returns[agent] for one in plays]) for agent in agents},
        info={name: mean([one.info.get(name, 0.0) for one in plays]) for name in names},
        turns=sum(one.turns for one in plays),
        chars=sum(one.chars for one in plays),
        simulated_us=sum(one.simulated_us for one in plays),
        critical_path_us=sum(one.critical_path_us for one in plays),
        tokens_in=sum(sum(one.read) for one in tokens),
        tokens_out=sum(sum(one.wrote) for one in tokens),
    )
