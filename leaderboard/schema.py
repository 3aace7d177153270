"""What a submission says: the single source of its JSON schema, its documentation, and what a validator accepts.

A submission is a folder, or a zip archive of one:

    submission.json                      this record
    logs/<task>.jsonl.gz                 the action log of a task: every episode, in the order of the season's seeds
    logs/<task>.tokens.jsonl.gz          a line for each episode: tokens read and written in each of its turns
    README.md                            optional; for people

Everything that can be recomputed from the logs is under `scores`, and is. Everything else is what the entrant says:
who played, how it was trained, on what. Unknown fields are refused, so that a misspelt one is never lost.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from leaderboard.fields import Agent, Count, EnvId, Line, Name, Number, Part, Scalar, Sha256, Text, Word
from leaderboard.names import task_key
from leaderboard.players import ChoicePlayer, ModelPlayer, Player, Sampling, ScriptPlayer

__all__ = [
    "Line",
    "ModelPlayer",
    "Number",
    "Part",
    "Player",
    "Sampling",
    "Scores",
    "ScriptPlayer",
    "Sha256",
    "Submission",
    "TaskResult",
    "Training",
    "Word",
]

SCHEMA_VERSION = 1
"""Raised whenever an old reader would misread a new submission."""
RECORD, README = "submission.json", "README.md"
MAX_TASKS = 64
MAX_AGENTS = 64
MAX_PLAYS = 64


def _is_a_day(text: str) -> str:
    """The text. Raises: ValueError for a day that no calendar has."""
    date.fromisoformat(text)
    return text


Day: TypeAlias = Annotated[
    str, StringConstraints(pattern=r"^20[0-9]{2}-[01][0-9]-[0-3][0-9]$"), AfterValidator(_is_a_day)
]
"""As YYYY-MM-DD."""
Option: TypeAlias = bool | Annotated[int, Field(ge=0, le=1_000_000)] | Word


class Training(Part):
    """How a team came to be. Nobody can recompute it; a leaderboard shows it as said."""

    algorithm: Line
    """As `marft train` names it, or any other."""
    config: Annotated[dict[Line, Scalar | Annotated[tuple[Scalar, ...], Field(max_length=64)]], Field(max_length=200)]
    """Settings that matter, by name."""
    tokens: Count | None = None
    """Sampled while training, by all agents together; null if unknown."""
    seed: Count | None = None
    """Of the run."""
    hardware: Line = ""
    """On which it was trained."""


class Scores(Part):
    """What the logs come to. Validation recomputes all of it but tokens, and the smallest difference is a failure."""

    instances: Annotated[int, Field(ge=1, le=100_000)]
    """Different instances that were played."""
    episodes: Annotated[int, Field(ge=1, le=1_000_000)]
    """Plays of them."""
    score: Number
    """Mean over instances. An instance's score: of one play, or of several the mean, the mean of the agents' returns;
    of a majority vote what the voted answer earns."""
    returns: Annotated[dict[Agent, Number], Field(min_length=1, max_length=MAX_AGENTS)]
    """Mean return of each agent over episodes."""
    info: Annotated[dict[Line, Number], Field(max_length=100)]
    """Means over episodes of what the environment reports, such as `{"correct": 0.8}`; absent counts as 0."""
    turns: Count
    """Of all episodes together, like all that follow."""
    chars: Count
    """Written and recorded."""
    simulated_us: Count
    """Simulated microseconds until the last turn ended."""
    critical_path_us: Count
    """The same with nobody waiting for anything but words that they read: no schedule of these turns is shorter."""
    tokens_in: Count
    """Read by models, as reported."""
    tokens_out: Count
    """Written by models, as reported."""


class TaskResult(Part):
    """One task of a track, who played it, and what came of it."""

    env_id: EnvId
    """Of the catalogue, with its version."""
    level: Word | None
    """null where an environment has no levels."""
    options: Annotated[dict[Word, Option], Field(max_length=16)] = {}  # noqa: RUF012  # pydantic copies it
    """Further options of `make`. On fixed tracks they are the task's."""
    behaviour: Sha256
    """Of how the environment behaved when this was played: see `leaderboard.behaviour`."""
    plays: Annotated[int, Field(ge=1, le=MAX_PLAYS)] = 1
    """Of each instance."""
    vote: bool = False
    """Whether the score is that of a majority vote over these plays."""
    solo: Literal["blind", "informed"] | None = None
    """Whether one agent played for all: with its own seat's view, or with everybody's."""
    few_shot: Annotated[int, Field(ge=0, le=1_000)] = 0
    """Solved examples in each prompt."""
    players: Annotated[dict[Agent, Player], Field(min_length=1, max_length=MAX_AGENTS)]
    """Who plays each agent."""
    training: Training | None = None
    """null if nobody was trained."""
    log: Sha256
    """Of the compressed action log."""
    tokens: Sha256
    """Of the compressed record of tokens."""
    scores: Scores
    """What was earned, and at what cost."""

    @model_validator(mode="after")
    def _says_how_it_was_trained(self) -> Self:
        if self.division == "trained" and self.training is None:
            raise ValueError("somebody is trained, and training is null; say how")
        if self.division != "trained" and self.training is not None:
            raise ValueError("nobody is trained, and training is not null; leave it null")
        return self

    @property
    def key(self) -> str:
        """Tells it from all other tasks of a submission."""
        return task_key(self.env_id, self.level, self.options)

    @property
    def division(self) -> Literal["trained", "frozen", "scripted"]:
        """What it may be compared with: teams of which somebody was trained, of models as they came, or of scripts."""
        players = self.players.values()
        if any(
            isinstance(player, ChoicePlayer) or (isinstance(player, ModelPlayer) and player.is_trained)
            for player in players
        ):
            return "trained"
        return "frozen" if any(isinstance(player, ModelPlayer) for player in players) else "scripted"


class Submission(Part):
    """One team's entry in one track of one season."""

    schema_version: Literal[1]
    """Of this format."""
    suite_version: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,4}(\.[0-9A-Za-z+-]{1,20}){1,4}$")]
    """Of the marft-envs that played."""
    season: Word | Annotated[str, StringConstraints(pattern=r"^[0-9]{4}(-[0-9]{1,2})?$")]
    """Whose seeds were played."""
    track: Word
    """Whose tasks were played."""
    name: Name
    """Of the team."""
    contact: Line
    """Whom to ask: a name, an address, a page."""
    licence: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.+-]{1,60}$")]
    """Under which logs and record may be shown and used, as an SPDX id, such as "CC-BY-4.0"."""
    url: Annotated[str, StringConstraints(pattern=r"^https://[A-Za-z0-9._~:/?#@!$&'()*+,;=%-]{1,180}$")] | None = None
    """Where to read more."""
    created: Day
    """The day."""
    hardware: Line
    """On which it was played."""
    notes: Annotated[Text, StringConstraints(max_length=2_000)] = ""
    """Anything else that a reader should know."""
    tasks: Annotated[tuple[TaskResult, ...], Field(min_length=1, max_length=MAX_TASKS)]
    """Each once."""
    digest: Sha256
    """Of all of this record but the digest: see `digest_of`."""

    @model_validator(mode="after")
    def _has_each_task_once(self) -> Self:
        keys = [task.key for task in self.tasks]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise ValueError(f"tasks holds {twice[0]} twice; a submission plays each task once")
        return self


def digest_of(record: Mapping[str, object]) -> str:
    """The digest of a record as JSON has it: SHA-256 over its canonical text without `digest`.

    Canonical: keys sorted, no blanks, UTF-8 with every character as it is, numbers as Python writes them.
    """
    rest = {name: value for name, value in record.items() if name != "digest"}
    text = json.dumps(rest, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return sha256_of(text.encode())


def sha256_of(content: bytes) -> str:
    """As submissions write it."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
