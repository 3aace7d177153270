"""Recomputes every number of a submission, and says which rule is broken where.

    report = validate("submissions/my-team")
    for finding in report.findings:
        print(finding.rule, finding.where, finding.message)

Nothing that is handed in is trusted, imported or run, but for the programs in the logs of coding tasks, and these only
in the sandbox. Where names, sizes or the record are wrong, nothing more is read; where seeds are, nothing is played.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from leaderboard.archive import MAX_PACKED_BYTES, MAX_RECORD_BYTES, Files, open_files, unpacked_lines
from leaderboard.errors import MalformedError, TrackError, UnsafeArchiveError
from leaderboard.record import read_record
from leaderboard.replaying import (
    EPISODES_IN_A_PART,
    Finding,
    Part,
    Prepared,
    agents_of,
    parts_of,
    prepared,
    replayed,
    seed_in,
)
from leaderboard.schema import (
    README,
    RECORD,
    ModelPlayer,
    Scores,
    Submission,
    TaskResult,
    log_name,
    prompts_of,
    sha256_of,
    tokens_name,
)
from leaderboard.scores import Played, Tokens, scores_of
from leaderboard.token_counts import read_tokens
from leaderboard.tracks import Task, find_task, require_season, tasks_of

RULES: Mapping[str, str] = {
    "archive": "A folder, or a zip of one, with the files of a submission and nothing else; no links, bounded sizes.",
    "record": f"`{RECORD}` is what the schema asks for; unknown fields are refused.",
    "digest": "The digests are those of the record and of the files.",
    "season": "The season was opened.",
    "task": "Every task is one of the track, played with its options and nothing else.",
    "players": "Everybody on the team has a player, and nobody else has.",
    "behaviour": "The environment behaves here as it did where it was played.",
    "seed": "Episodes have the season's seeds, in its order.",
    "missing episode": "Every instance was played as often as the record says.",
    "duplicate episode": "No instance was played more often than that.",
    "unfinished episode": "Every episode was played to its end.",
    "log": "A log has the lines and fields of action logs, each once.",
    "action length": "No action is longer than its agent's profile lets be recorded.",
    "replay": "Played again, every episode comes out as logged: turns, times, rewards, returns, end.",
    "tokens": "There is a count for every turn, within the sampler's bound; who is no model has none.",
    "scores": "The figures are those of the replayed logs, to the last digit.",
}
"""What is checked."""
MOST_FINDINGS = 50
"""Told of one submission."""
Status = Callable[[str, int, int], None]
"""What is being done, how much of it is done, and of how much."""
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Verified:
    """A task in which nothing is wrong: what was claimed of it is known now."""

    task: Task
    result: TaskResult
    plays: tuple[Played, ...]


@dataclass
class Report:
    """What validation has found."""

    path: str
    findings: list[Finding] = field(default_factory=list)
    submission: Submission | None = None
    """None where the record cannot be read."""
    verified: list[Verified] = field(default_factory=list)

    @property
    def is_valid(self) -> bool:
        """Whether nothing at all is wrong."""
        return not self.findings and self.submission is not None

    def find(self, rule: str, where: str, message: str) -> None:
        """Add a finding, unless there are so many that one more tells nothing."""
        assert rule in RULES
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(Finding(rule, where, message))


def _quiet(what: str, done: int, of: int) -> None:
    """Nobody is told."""


def validate(path: str | Path, *, num_processes: int | None = None, status: Status = _quiet) -> Report:
    """Replays a submission and compares everything.

    Args:
        path: Of its folder, or of its archive.
        num_processes: That replay; 1 for this one alone, by default one for each core that this process may use.
        status: Told of progress.

    What is wrong with the submission stands in the report, and is no exception. Raises: FileNotFoundError if nothing
    is there; SandboxUnavailableError where programs would have to be run, and cannot be.
    """
    report = Report(str(path))
    try:
        with open_files(path) as files:
            submission = report.submission = read_record(_record_in(files))
            _check_files(files, submission, report)
            tasks = _found_tasks(submission, report)
            if not report.findings:
                with _processes(num_processes) as pool:
                    _Replays(files, submission, tasks, report, status, pool).run()
    except UnsafeArchiveError as error:
        report.find("archive", "", str(error))
    except MalformedError as error:
        report.find("digest" if error.field == "digest" else "record", error.field, str(error))
    return report


def _record_in(files: Files) -> bytes:
    if RECORD not in files.names:
        raise UnsafeArchiveError(f"there is no {RECORD}; give what `marft evaluate --submission` has filled")
    return files.read(RECORD, MAX_RECORD_BYTES)


def _check_files(files: Files, submission: Submission, report: Report) -> None:
    """Exactly the files that the record names are there."""
    wanted = {RECORD} | {name(task.key) for task in submission.tasks for name in (log_name, tokens_name)}
    for name in sorted(wanted - set(files.names)):
        report.find("archive", name, f"{name} is missing, of which the record tells")
    for name in sorted(set(files.names) - wanted - {README}):
        report.find("archive", name, f"the record tells nothing of {name}; leave it out")


def _found_tasks(submission: Submission, report: Report) -> list[Task]:
    """The tasks that were played; a finding for each that the track does not have."""
    try:
        require_season(submission.season)
    except TrackError as error:
        report.find("season", "season", str(error))
    try:
        tasks_of(submission.track)
    except TrackError as error:
        report.find("task", "track", str(error))
        return []
    found = []
    for place, result in enumerate(submission.tasks):
        try:
            found.append(find_task(submission.track, result.env_id, result.level, result.options))
        except TrackError as error:
            report.find("task", f"tasks.{place}", str(error))
    return found


def num_cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _processes(number: int | None) -> Iterator[Executor | None]:
    """Those that replay; None for this one alone."""
    number = num_cores() if number is None else number
    if number == 1:
        yield None
        return
    with ProcessPoolExecutor(number, mp_context=get_context("spawn")) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


@dataclass
class _Replays:
    """Of one submission whose record is in order."""

    files: Files
    submission: Submission
    tasks: Sequence[Task]
    report: Report
    status: Status
    pool: Executor | None

    def run(self) -> None:
        """First what the tasks are here and now, then what was played in them."""
        here: list[Prepared] = []
        for now in self._map(prepared, [self.submission.season] * len(self.tasks), self.tasks):
            here.append(now)
            self.status("seeds and behaviour", len(here), len(self.tasks))
        for place, now in enumerate(here):
            if self._is_playable(place, now):
                self._replay(place, now)

    def _map(self, function: Callable[..., _Result], *arguments: Sequence[object]) -> Iterator[_Result]:
        return self.pool.map(function, *arguments) if self.pool else map(function, *arguments)

    def _is_playable(self, place: int, now: Prepared) -> bool:
        """Whether what was played is what is played here."""
        result, where = self.submission.tasks[place], f"tasks.{place}"
        if now.problem:
            self.report.find("task", where, now.problem)
            return False
        if result.behaviour != now.behaviour:
            self.report.find(
                "behaviour",
                f"{where}.behaviour",
                f"{result.key} behaved as {result.behaviour} where it was played, and here behaves as {now.behaviour}; "
                "play it again with this version",
            )
            return False
        agents = agents_of(self.tasks[place])
        if set(result.players) != set(agents):
            told = f"players are {', '.join(result.players)}; the team's agents are {', '.join(agents)}"
            self.report.find("players", f"{where}.players", told)
            return False
        return True

    def _replay(self, place: int, now: Prepared) -> None:
        """One task: its files, its seeds, its episodes, its figures."""
        task, result = self.tasks[place], self.submission.tasks[place]
        lines = self._unpacked(log_name(task.key), result.log, f"tasks.{place}.log")
        counted = self._unpacked(tokens_name(task.key), result.tokens, f"tasks.{place}.tokens")
        if lines is None or counted is None:
            return
        episodes = list(parts_of(lines))
        wanted = [seed for seed in now.seeds for _ in range(result.plays)]
        if not self._has_seeds(task, episodes, wanted):
            return
        told = len(self.report.findings)
        plays, turns = self._played(task, result, episodes, wanted)
        if len(self.report.findings) > told:
            return
        tokens = read_tokens(counted, tokens_name(task.key))
        self._check_tokens(place, tokens, turns)
        self._check_scores(place, scores_of(plays, tokens, vote=result.vote))
        if len(self.report.findings) == told:
            self.report.verified.append(Verified(task, result, tuple(plays)))

    def _unpacked(self, name: str, digest: str, where: str) -> list[bytes] | None:
        """The lines of a file; None, and a finding, if it is another file than the record tells of."""
        packed = self.files.read(name, MAX_PACKED_BYTES)
        found = sha256_of(packed)
        if found != digest:
            self.report.find("digest", where, f"{name} has the digest {found}, and the record says {digest}")
            return None
        return list(unpacked_lines(packed, name))

    def _has_seeds(self, task: Task, episodes: Sequence[Sequence[bytes]], wanted: Sequence[int]) -> bool:
        """Whether the episodes are those of the season; findings that say how they are not."""
        found = [seed_in(lines[0]) for lines in episodes]
        if found == wanted:
            return True
        played, should = Counter(found), Counter(wanted)
        before = len(self.report.findings)
        for seed in should:
            if played[seed] < should[seed]:
                told = f"seed {seed} was played {played[seed]} times, and {should[seed]} are wanted"
                self.report.find("missing episode", task.key, told)
            elif played[seed] > should[seed]:
                told = f"seed {seed} was played {played[seed]} times; {should[seed]} are wanted"
                self.report.find("duplicate episode", task.key, told)
        for place, named in enumerate(found):
            if named not in should:
                told = f"seed is {named!s:.40}, which is none of the season's for this task"
                self.report.find("seed", f"{task.key}, episode {place}", told)
        if len(self.report.findings) == before:
            self.report.find("seed", task.key, "the seeds are the season's, and not in its order")
        return False

    def _played(
        self, task: Task, result: TaskResult, episodes: Sequence[Sequence[bytes]], wanted: Sequence[int]
    ) -> tuple[list[Played], list[tuple[str, ...]]]:
        """What all episodes come to, and whose turn each turn of them was; findings for those that are not so."""
        prompts = prompts_of(result.players)
        parts = [
            Part(
                task=task,
                prompts=prompts,
                first=first,
                seeds=tuple(wanted[first : first + EPISODES_IN_A_PART]),
                lines=tuple(line for lines in episodes[first : first + EPISODES_IN_A_PART] for line in lines),
                answers=result.vote,
            )
            for first in range(0, len(episodes), EPISODES_IN_A_PART)
        ]
        plays: list[Played] = []
        turns: list[tuple[str, ...]] = []
        for one in self._map(replayed, parts):
            plays += one.plays
            turns += one.turns
            for finding in one.findings:
                self.report.find(finding.rule, finding.where, finding.message)
            self.status(task.key, len(plays), len(wanted))
        return plays, turns

    def _check_tokens(self, place: int, tokens: Sequence[Tokens], turns: Sequence[Sequence[str]]) -> None:
        """Every turn has its counts, and they are such that they may be true."""
        result, where = self.submission.tasks[place], f"tasks.{place}.tokens"
        if len(tokens) != len(turns):
            self.report.find("tokens", where, f"{len(tokens)} episodes are counted, and {len(turns)} were played")
            return
        for number, (one, agents) in enumerate(zip(tokens, turns, strict=True)):
            if not len(one.read) == len(one.wrote) == len(agents):
                told = f"{len(one.read)} and {len(one.wrote)} turns are counted, and it has {len(agents)}"
                self.report.find("tokens", f"{where}, episode {number}", told)
                continue
            for turn, (agent, read, wrote) in enumerate(zip(agents, one.read, one.wrote, strict=True)):
                problem = _problem_of_tokens(result, agent, read, wrote)
                if problem:
                    self.report.find("tokens", f"{where}, episode {number}, turn {turn}", problem)

    def _check_scores(self, place: int, found: Scores) -> None:
        """Every figure is what the logs come to."""
        claimed = self.submission.tasks[place].scores
        for name in type(claimed).model_fields:
            one, other = getattr(claimed, name), getattr(found, name)
            if one != other:
                self.report.find("scores", f"tasks.{place}.scores.{name}", f"is {one}, and the logs come to {other}")


def _problem_of_tokens(result: TaskResult, agent: str, read: int, wrote: int) -> str:
    """Why counts of one turn cannot be true; empty if they can."""
    player = result.players[agent]
    if not isinstance(player, ModelPlayer):
        return f"{agent} is no model, and has tokens" if read or wrote else ""
    most = player.sampling.max_new_tokens
    if result.solo is None and most is not None and wrote > most:
        return f"{agent} wrote {wrote:,} tokens; its sampler draws {most:,} at most"
    return ""
