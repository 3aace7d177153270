"""What maintainers found who loaded a team's adapters and let it play: what makes an entry a *re-run* one, with a rank.

    {"schema_version": 1, "reruns": [
      {"submission": "sha256:…", "season": "2026b", "date": "2026-12-01", "by": "a maintainer", "hardware": "one H100",
       "tasks": {"math/reason_act-v0@add_digit_long": {
         "scores": {"8112": 1.0, "90311": 0.0}, "agreement": {"turns": 400, "same_text": 0.995}}}}]}

Nobody can recompute a re-run from logs alone, so who is named in `by` answers for it. Its season is one whose name was
drawn after entries had closed; its seeds follow from that name, and are checked.
"""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, StringConstraints, ValidationError, model_validator

from leaderboard.errors import MalformedError
from leaderboard.record import parsed
from leaderboard.schema import Line, Number, Part, Sha256, Submission, Word
from leaderboard.tracks import Task, seeds_of

Seed: TypeAlias = Annotated[str, StringConstraints(pattern=r"^(0|[1-9][0-9]{0,15})$")]
"""JSON's names are text."""
_MOST_TOLD = 200


class RerunTask(Part):
    """One task, played once more."""

    scores: Annotated[dict[Seed, Number], Field(min_length=2, max_length=100_000)]
    """Seed -> what the team came to on that instance."""
    agreement: Annotated[dict[Word, Number], Field(min_length=1, max_length=20)]
    """How far the loaded team and the submitted log agree, by names of figures, such as `{"same_text": 0.995}`: the
    share of logged turns that it writes again, word for word, from the same prompts."""


class Rerun(Part):
    """One entry, re-run."""

    submission: Sha256
    """The digest of its record."""
    season: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
    """Whose seeds were played: none that the entrant could know."""
    date: Annotated[str, StringConstraints(pattern=r"^20[0-9]{2}-[01][0-9]-[0-3][0-9]$")]
    """The day, as YYYY-MM-DD."""
    by: Annotated[Line, StringConstraints(min_length=1)]
    """Who did it, and answers for it."""
    hardware: Line = ""
    tasks: Annotated[dict[Line, RerunTask], Field(min_length=1, max_length=64)]
    """By the tasks' keys."""


class Reruns(Part):
    """All of them; an entry has one at most."""

    schema_version: Literal[1]
    reruns: Annotated[tuple[Rerun, ...], Field(max_length=10_000)]

    @model_validator(mode="after")
    def _has_each_entry_once(self) -> Self:
        counts = Counter(rerun.submission for rerun in self.reruns)
        twice = sorted(digest for digest, count in counts.items() if count > 1)
        if twice:
            raise ValueError(f"{twice[0]} is re-run twice; keep the later one")
        return self


def read_reruns(path: str | Path) -> tuple[Rerun, ...]:
    """Raises: MalformedError, naming the field and the rule; FileNotFoundError."""
    record = parsed(Path(path).read_bytes())
    try:
        return Reruns.model_validate_json(json.dumps(record, allow_nan=False)).reruns
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"]))
        raise MalformedError(f"{path}: {field}: {first['msg']}"[:_MOST_TOLD], field=field) from error


def scores_by_seed(rerun: Rerun, submission: Submission, tasks: Sequence[Task]) -> dict[str, dict[int, float]]:
    """Task -> seed -> score. `tasks` are those of the submission.

    Raises: MalformedError for a task that was not entered, a season that entrants knew, or seeds of another one.
    """
    known = {task.key: task for task in tasks}
    if rerun.season == submission.season:
        raise MalformedError(
            f"{submission.name} was re-run on season {rerun.season}, whose seeds its entrant knew; draw another season",
            field="season",
        )
    found = {}
    for key, one in rerun.tasks.items():
        if key not in known:
            raise MalformedError(f"{key} was re-run, and {submission.name} did not enter it; leave it out", field=key)
        scores = {int(seed): score for seed, score in one.scores.items()}
        if set(scores) != set(seeds_of(rerun.season, known[key])):
            raise MalformedError(
                f"{key}: the seeds of {submission.name}'s re-run are not those of season {rerun.season}; "
                "play each of them, and no other",
                field=key,
            )
        found[key] = scores
    return found
