"""What validation says: the rules, and which of them a submission breaks where."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from leaderboard.errors import visible
from leaderboard.schema import RECORD, Submission, TaskResult
from leaderboard.scores import Played
from leaderboard.tracks import Task

RULES: Mapping[str, str] = {
    "archive": "A folder, or a zip of one, with the files of a submission and nothing else; no links, bounded sizes.",
    "record": f"`{RECORD}` is what the schema asks for; unknown fields are refused.",
    "digest": "The digests are those of the record and of the files.",
    "season": "The season was opened.",
    "task": "Every task is one of the track, played with its options and nothing else.",
    "players": "Everybody on the team has a player, and nobody else has.",
    "vote": "Plays are put to a vote only where they arrive at answers.",
    "behaviour": "The environment behaves here as it did where it was played.",
    "seed": "Episodes have the season's seeds, in its order.",
    "missing episode": "Every instance was played as often as the record says.",
    "duplicate episode": "No instance was played more often than that.",
    "unfinished episode": "Every episode was played to its end.",
    "log": "A log is byte for byte what the suite writes of the episodes in it.",
    "action length": "No action is longer than its agent's profile lets be recorded.",
    "replay": "Played again, every episode comes out as logged: turns, times, rewards, returns, end.",
    "script": "Who is said to be a script wrote what it writes; who is said to choose, a text that it was offered.",
    "tokens": "There is a count for every turn, within the sampler's bound; who is no model has none.",
    "scores": "The figures are those of the replayed logs, to the last digit.",
}
"""What is checked."""
MOST_FINDINGS = 50
"""Told of one submission."""
_LONGEST_PLACE, _LONGEST_MESSAGE = 200, 400


@dataclass(frozen=True)
class Finding:
    """What is wrong with a submission. Its texts are on one line and show whatever strangers wrote as it is."""

    rule: str
    """Which rule it breaks: a key of `RULES`."""
    where: str
    """A field, or an episode: `math/reason_act-v0@add_digit, episode 7`."""
    message: str


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
    num_findings: int = 0
    """With those that are not told, because `MOST_FINDINGS` are."""
    submission: Submission | None = None
    """None where the record cannot be read."""
    verified: list[Verified] = field(default_factory=list)

    @property
    def is_valid(self) -> bool:
        """Whether nothing at all is wrong."""
        return not self.num_findings and self.submission is not None

    @property
    def is_full(self) -> bool:
        """Whether looking further would tell nothing."""
        return self.num_findings >= MOST_FINDINGS

    def find(self, rule: str, where: str, message: str) -> None:
        """Add a finding; where there are many, count it."""
        assert rule in RULES
        self.num_findings += 1
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(Finding(rule, visible(where, _LONGEST_PLACE), visible(message, _LONGEST_MESSAGE)))
