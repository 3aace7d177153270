"""Who is on a board: submissions in which nothing is wrong, divided so that only what may be compared stands together.

A submission may have tasks that were played by a trained team, and others by models as they came. An *entry* is a
submission's part in one division; a board never puts two divisions in one list. What was not played is not there.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeAlias

from leaderboard.errors import SubmissionError
from leaderboard.players import ModelPlayer, ScriptPlayer
from leaderboard.report import Report
from leaderboard.reruns import Rerun, scores_by_seed
from leaderboard.schema import Submission, TaskResult
from leaderboard.scores import instance_scores
from leaderboard.tracks import Task

Division: TypeAlias = Literal["trained", "frozen", "scripted"]
DIVISIONS: tuple[Division, ...] = ("trained", "frozen", "scripted")
_SECONDS = 1e-6
_DIGEST_CHARS = (8, 16, 64)
"""Of a digest in an address; more where somebody has made one that begins like another."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Of one answer, on average: of an episode, or where plays vote of all of them together."""

    chars: float
    """Written, as recorded and replayed."""
    tokens_out: float | None
    """Written by models, as the entrant reports; None where no model played."""
    tokens_in: float | None
    """Read by models, as the entrant reports."""
    simulated_s: float
    """Until the last turn ended. Simulated by the tasks' profiles, whatever machine played; votes one after another."""
    critical_path_s: float
    """The same with nobody waiting for anything but words that they read."""


@dataclass(frozen=True)
class PlayedTask:
    """A task of a submission, with what is known of it."""

    task: Task
    result: TaskResult
    play_scores: Sequence[float]
    """Of every episode, in the order of the log: the mean of the agents' returns."""
    scores: Mapping[int, float]
    """Seed -> score on that instance."""

    @cached_property
    def costs(self) -> Costs:
        """Of one answer."""
        scores = self.result.scores
        times = (self.result.plays if self.result.vote else 1) / scores.episodes
        has_models = any(isinstance(player, ModelPlayer) for player in self.result.players.values())
        return Costs(
            chars=scores.chars * times,
            tokens_out=scores.tokens_out * times if has_models else None,
            tokens_in=scores.tokens_in * times if has_models else None,
            simulated_s=scores.simulated_us * _SECONDS * times,
            critical_path_s=scores.critical_path_us * _SECONDS * times,
        )

    @cached_property
    def models(self) -> tuple[str, ...]:
        """Bases that play, each once, sorted."""
        players = self.result.players.values()
        return tuple(sorted({player.model for player in players if isinstance(player, ModelPlayer)}))

    @property
    def way(self) -> tuple[str, ...]:
        """How it was played, where that is not one play of each instance by the whole team."""
        result = self.result
        found = []
        if result.plays > 1:
            found.append(f"vote of {result.plays}" if result.vote else f"mean of {result.plays} plays")
        if result.solo:
            found.append(f"one agent, {result.solo}")
        if result.few_shot:
            found.append(f"{result.few_shot} examples" if result.few_shot > 1 else "1 example")
        return tuple(found)


@dataclass(frozen=True)
class Listed:
    """A submission in which nothing is wrong: what is kept of its report."""

    submission: Submission
    path: Path
    tasks: Sequence[PlayedTask]


@dataclass(frozen=True)
class Team:
    """A submission on a board."""

    submission: Submission
    path: Path
    slug: str
    """Its name in addresses; no other submission has it."""
    tasks: Mapping[str, PlayedTask]
    """By key, in the order of the track."""
    rerun: Rerun | None
    rerun_scores: Mapping[str, Mapping[int, float]]
    """Task -> seed -> score; empty if nobody has re-run it."""

    @property
    def entries(self) -> tuple["Entry", ...]:
        """Its part in each division in which it has one."""
        found = []
        for division in DIVISIONS:
            tasks = {key: one for key, one in self.tasks.items() if one.result.division == division}
            if tasks:
                found.append(Entry(self, division, tasks))
        return tuple(found)


@dataclass(frozen=True)
class Entry:
    """A team's part in one division."""

    team: Team
    division: Division
    tasks: Mapping[str, PlayedTask]

    @property
    def name(self) -> str:
        """Of the team."""
        return self.team.submission.name

    @property
    def script(self) -> str | None:
        """Which of the suite's scripts played everybody everywhere; None where no one script did."""
        players = [player for one in self.tasks.values() for player in one.result.players.values()]
        names = {player.script if isinstance(player, ScriptPlayer) else None for player in players}
        return names.pop() if len(names) == 1 else None

    def over(self, keys: Iterable[str]) -> dict[str, PlayedTask]:
        """What it has played of these tasks."""
        return {key: self.tasks[key] for key in keys if key in self.tasks}


def listed(report: Report) -> Listed:
    """A submission as boards need it, without its episodes. Raises: SubmissionError if something is wrong with it."""
    if report.submission is None or not report.is_valid:
        first = report.findings[0]
        raise SubmissionError(
            f"{report.path}: {first.rule}: {first.where} {first.message}; only what replays as it says is listed: "
            f"run `marft leaderboard validate {report.path}`, and leave it out until nothing is wrong"
        )
    tasks = [
        PlayedTask(
            one.task,
            one.result,
            tuple(play.score for play in one.plays),
            instance_scores(one.plays, vote=one.result.vote),
        )
        for one in report.verified
    ]
    return Listed(report.submission, Path(report.path), tasks)


def teams_of(submissions: Sequence[Listed], reruns: Sequence[Rerun], tasks: Sequence[Task]) -> tuple[Team, ...]:
    """The teams of one track and season, by name and digest; `tasks` are the track's, in its order.

    Raises: SubmissionError for a submission that is given twice; MalformedError for a re-run of other seeds or tasks.
    """
    slugs = _slugs([one.submission for one in submissions])
    by_digest = {rerun.submission: rerun for rerun in reruns}
    places = {task.key: place for place, task in enumerate(tasks)}
    found = []
    for one in submissions:
        played = sorted(one.tasks, key=lambda of: (places.get(of.task.key, len(places)), of.task.key))
        rerun = by_digest.get(one.submission.digest)
        found.append(
            Team(
                submission=one.submission,
                path=one.path,
                slug=slugs[one.submission.digest],
                tasks={of.task.key: of for of in played},
                rerun=rerun,
                rerun_scores=scores_by_seed(rerun, one.submission, [of.task for of in played]) if rerun else {},
            )
        )
    return tuple(sorted(found, key=lambda team: (team.submission.name.casefold(), team.submission.digest)))


def _slugs(submissions: Sequence[Submission]) -> dict[str, str]:
    """Digest -> name in addresses: the team's, and so much of the digest that no two are the same."""
    digests = [submission.digest for submission in submissions]
    if len(set(digests)) < len(digests):
        twice = sorted({one.name for one in submissions if digests.count(one.digest) > 1})
        raise SubmissionError(f"the submission of {twice[0]} is given twice; give it once")
    for length in _DIGEST_CHARS:
        slugs = {one.digest: _slug(one, length) for one in submissions}
        if len(set(slugs.values())) == len(slugs):
            return slugs
    raise AssertionError("whole digests differ")


def _slug(submission: Submission, length: int) -> str:
    name = re.sub("[^a-z0-9]+", "-", submission.name.lower()).strip("-")
    return f"{name}-{submission.digest.removeprefix('sha256:')[:length]}"
