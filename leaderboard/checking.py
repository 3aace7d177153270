"""What is checked of a submission whose record is in order: first file by file, then by playing all of it again.

Nothing of a log stays in memory but what it came to: a log is read as a stream, once to look at it and once to play it.
"""

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from leaderboard.archive import MAX_PACKED_BYTES, Files
from leaderboard.errors import MalformedError, UnsafeArchiveError
from leaderboard.logs import episodes_in, seeds_in
from leaderboard.names import log_name, tokens_name
from leaderboard.processes import Status, Workers
from leaderboard.remembered import Remembered, name_of
from leaderboard.replaying import Part, Prepared, Turned, agents_of, can_vote, in_parts, prepared, replayed
from leaderboard.report import MOST_FINDINGS, Report, Verified
from leaderboard.schema import Scores, Submission, sha256_of
from leaderboard.scores import Played, Tokens, scores_of
from leaderboard.token_counts import problem_of, read_tokens
from leaderboard.tracks import Task
from leaderboard.unpacking import unpacked_lines

Kind = Literal["log", "tokens"]
MAX_UNPACKED_BYTES = 1_000_000_000
"""Of all files together: 64 plays of each instance of a track in words have some 300 MB."""


@dataclass
class Checking:
    """Of one submission."""

    files: Files
    submission: Submission
    tasks: Sequence[Task]
    report: Report
    status: Status
    remembered: Remembered | None = None
    """Replays that need not be done again."""
    _looked_at: int = 0
    """Bytes of files, unpacked."""

    def look(self) -> None:
        """At all files: whether they are those of the record, and unpack to no more than they may.

        Raises: UnsafeArchiveError.
        """
        for place in range(len(self.tasks)):
            for kind in get_args(Kind):
                name, said = self._file(place, kind)
                packed = self.files.read(name, MAX_PACKED_BYTES)
                if (found := sha256_of(packed)) != said:
                    told = f"{name} has the digest {found}, and the record says {said}"
                    self.report.find("digest", f"tasks.{place}.{kind}", told)
                    continue
                lines = self._counted_lines(unpacked_lines(packed, name))
                deque(episodes_in(lines, name) if kind == "log" else lines, maxlen=0)  # for the errors alone
            self.status("files", place + 1, len(self.tasks))

    def replay(self, workers: Workers) -> None:
        """What the tasks are here and now, and then what was played in them. Raises: UnsafeArchiveError."""
        here: list[Prepared] = []
        for now in workers.map(_prepared, [(self.submission.season, task) for task in self.tasks]):
            here.append(now)
            self.status("seeds and behaviour", len(here), len(self.tasks))
        for place, now in enumerate(here):
            if self._is_playable(place, now) and self._has_seeds(place, now) and not self.report.is_full:
                self._replay(place, now, workers)

    def _counted_lines(self, lines: Iterator[bytes]) -> Iterator[bytes]:
        """The same lines. Raises: UnsafeArchiveError if all that were looked at are more than a submission has."""
        for line in lines:
            self._looked_at += len(line)
            if self._looked_at > MAX_UNPACKED_BYTES:
                told = f"all files together unpack to more than {MAX_UNPACKED_BYTES:,} bytes"
                raise UnsafeArchiveError(f"{told}; no submission needs that: play less often")
            yield line

    def _file(self, place: int, kind: Kind) -> tuple[str, str]:
        """The name of one of a task's files, and its digest as the record says it."""
        key, result = self.tasks[place].key, self.submission.tasks[place]
        return (log_name(key), result.log) if kind == "log" else (tokens_name(key), result.tokens)

    def _lines(self, place: int, kind: Kind) -> Iterator[bytes]:
        """Of one of a task's files. Raises: UnsafeArchiveError."""
        name, said = self._file(place, kind)
        packed = self.files.read(name, MAX_PACKED_BYTES)
        if sha256_of(packed) != said:
            raise UnsafeArchiveError(f"{name} was changed while it was validated; validate again")
        return unpacked_lines(packed, name)

    def _episodes(self, place: int) -> Iterator[tuple[bytes, ...]]:
        return episodes_in(self._lines(place, "log"), self._file(place, "log")[0])

    # ---- What a task is here and now -----------------------------------------------------------------------------

    def _is_playable(self, place: int, now: Prepared) -> bool:
        """Whether what was played is what is played here."""
        result, where = self.submission.tasks[place], f"tasks.{place}"
        before = self.report.num_findings
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
        agents = agents_of(self.tasks[place])
        if set(result.players) != set(agents):
            told = f"players are {', '.join(result.players)}; the team's agents are {', '.join(agents)}"
            self.report.find("players", f"{where}.players", told)
        if result.vote and not can_vote(self.tasks[place]):
            self.report.find("vote", f"{where}.vote", f"episodes of {result.env_id} arrive at no answers to count")
        return self.report.num_findings == before

    def _has_seeds(self, place: int, now: Prepared) -> bool:
        """Whether the episodes are those of the season; findings that say how they are not."""
        task, plays = self.tasks[place], self.submission.tasks[place].plays
        wanted = tuple([instance.seed for instance in now.wanted(plays)])
        found = tuple(seeds_in(self._episodes(place), len(wanted) + MOST_FINDINGS))
        if found == wanted:
            return True
        played, should = Counter(found), Counter(wanted)
        before = self.report.num_findings
        for seed in should:
            if played[seed] < should[seed]:
                told = f"seed {seed} was played {played[seed]} times, and {should[seed]} are wanted"
                self.report.find("missing episode", task.key, told)
            elif played[seed] > should[seed]:
                told = f"seed {seed} was played {played[seed]} times; {should[seed]} are wanted"
                self.report.find("duplicate episode", task.key, told)
        for number, named in enumerate(found):
            if named not in should:
                told = f"seed is {named!s:.40}, which is none of the season's for this task"
                self.report.find("seed", f"{task.key}, episode {number}", told)
        if self.report.num_findings == before:
            self.report.find("seed", task.key, "the seeds are the season's, and not in its order")
        return False

    # ---- What was played -----------------------------------------------------------------------------------------

    def _replay(self, place: int, now: Prepared, workers: Workers) -> None:
        """One task: its episodes, its tokens, its figures."""
        task, result = self.tasks[place], self.submission.tasks[place]
        name = name_of(self.submission.season, task, result, now.behaviour)
        if self.remembered is not None and (known := self.remembered.find(name)) is not None:
            self.report.verified.append(Verified(task, result, known))
            self.status(task.key, len(known), len(known))
            return
        before = self.report.num_findings
        plays: list[Played] = []
        turns: list[tuple[Turned, ...]] = []
        for one in workers.map(replayed, self._parts(place, now)):
            plays += one.plays
            turns += one.turns
            for finding in one.findings:
                self.report.find(finding.rule, finding.where, finding.message)
            if self.report.is_full:
                return
            self.status(task.key, len(plays), len(now.instances) * result.plays)
        if self.report.num_findings > before:
            return
        tokens = self._counted(place, turns)
        if self.report.num_findings == before:
            self._check_scores(place, scores_of(plays, tokens, vote=result.vote))
        if self.report.num_findings == before:
            self.report.verified.append(Verified(task, result, tuple(plays)))
            if self.remembered is not None:
                self.remembered.keep(name, plays)

    def _parts(self, place: int, now: Prepared) -> Iterator[Part]:
        result, episodes = self.submission.tasks[place], self._episodes(place)
        return in_parts(self.tasks[place], result.players, now.wanted(result.plays), episodes, answers=result.vote)

    def _counted(self, place: int, turns: Sequence[Sequence[Turned]]) -> list[Tokens]:
        """The tokens of every episode; findings unless they may be true."""
        result, where = self.submission.tasks[place], f"tasks.{place}.tokens"
        found: list[Tokens] = []
        try:
            for number, one in enumerate(read_tokens(self._lines(place, "tokens"), self._file(place, "tokens")[0])):
                if number == len(turns):
                    self.report.find("tokens", where, f"more episodes are counted than the {number} that were played")
                    break
                problem = problem_of(result.players, result.solo is not None, one, turns[number])
                if problem:
                    self.report.find("tokens", f"{where}, episode {number}", problem)
                found.append(one if not problem else Tokens((), ()))
        except MalformedError as error:
            self.report.find("tokens", where, str(error))
        else:
            if len(found) < len(turns):
                self.report.find("tokens", where, f"{len(found)} episodes are counted, and {len(turns)} were played")
        return found

    def _check_scores(self, place: int, found: Scores) -> None:
        """Every figure is what the logs come to."""
        claimed = self.submission.tasks[place].scores
        for name in type(claimed).model_fields:
            one, other = _exactly(getattr(claimed, name)), _exactly(getattr(found, name))
            if one != other:
                self.report.find("scores", f"tasks.{place}.scores.{name}", f"is {one}, and the logs come to {other}")


def _prepared(what: tuple[str, Task]) -> Prepared:
    return prepared(*what)


def _exactly(value: object) -> str:
    """The same text for the same numbers: -0.0 is not 0.0, and the order of names is nothing."""
    return repr(dict(sorted(value.items())) if isinstance(value, Mapping) else value)
