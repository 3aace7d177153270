"""Writes a submission, one task after another: logs, tokens, and the record with its digests.

    entrant = Entrant(track="small", name="my team", contact="me@example.org", licence="CC-BY-4.0", hardware="a laptop")
    add_task("submissions/my-team", entrant, PlayedTask(task, players, episodes, tokens))

Every episode is replayed before it is written, as `validate` will do it; what does not come out the same is refused.
"""

import gzip
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import marft_envs
from leaderboard.behaviour import behaviour_of
from leaderboard.errors import MalformedError, SubmissionError
from leaderboard.record import read_record, written
from leaderboard.replaying import EPISODES_IN_A_PART, Part, parts_of, replayed
from leaderboard.schema import (
    RECORD,
    SCHEMA_VERSION,
    Player,
    TaskResult,
    Training,
    log_name,
    prompts_of,
    sha256_of,
    tokens_name,
)
from leaderboard.scores import Played, Tokens, scores_of
from leaderboard.token_counts import written_tokens
from leaderboard.tracks import SEASONS, Task, find_task, require_season, seeds_of
from marft_envs import Episode


@dataclass(frozen=True)
class Entrant:
    """Who enters, and in what."""

    track: str
    name: str
    contact: str
    licence: str
    hardware: str
    season: str = SEASONS[-1]
    url: str | None = None
    notes: str = ""


@dataclass(frozen=True)
class PlayedTask:
    """A task that was played, and by whom."""

    task: Task
    players: Mapping[str, Player]
    episodes: Sequence[Episode]
    """In the order of the season's seeds, all plays of a seed one after another."""
    tokens: Sequence[Tokens]
    """Of each episode."""
    plays: int = 1
    vote: bool = False
    solo: Literal["blind", "informed"] | None = None
    few_shot: int = 0
    training: Training | None = None


def add_task(folder: str | Path, entrant: Entrant, played: PlayedTask) -> TaskResult:
    """Adds a task to a submission, or puts it in the place of the same one; makes the submission if there is none.

    Raises: SubmissionError if episodes are not those of the season, or do not replay; MalformedError if something is
    said that no submission may say, or the folder holds another team's; TrackError.
    """
    folder = Path(folder)
    require_season(entrant.season)
    task = find_task(entrant.track, played.task.env_id, played.task.level, played.task.options)
    before = _before(folder, entrant)
    log, plays = _replayed_log(entrant.season, played)
    packed_log = gzip.compress(log, mtime=0)
    packed_tokens = gzip.compress(written_tokens(played.tokens), mtime=0)
    result = TaskResult(
        env_id=task.env_id,
        level=task.level,
        options=dict(task.options),
        behaviour=behaviour_of(task.env_id, task.level, task.options),
        plays=played.plays,
        vote=played.vote,
        solo=played.solo,
        few_shot=played.few_shot,
        players=dict(played.players),
        training=played.training,
        log=sha256_of(packed_log),
        tokens=sha256_of(packed_tokens),
        scores=scores_of(plays, played.tokens, vote=played.vote),
    )
    results = {one.key: one for one in before}
    results[task.key] = result
    _write(
        folder, entrant, list(results.values()), {log_name(task.key): packed_log, tokens_name(task.key): packed_tokens}
    )
    return result


def entrant_of(folder: str | Path) -> Entrant:
    """Who has entered what a folder holds. Raises: MalformedError."""
    found = read_record((Path(folder) / RECORD).read_bytes())
    return Entrant(**{name: getattr(found, name) for name in Entrant.__dataclass_fields__})


def _before(folder: Path, entrant: Entrant) -> Sequence[TaskResult]:
    """What the folder holds already. Raises: MalformedError if it is another entry's."""
    path = folder / RECORD
    if not path.is_file():
        return ()
    found = read_record(path.read_bytes())
    for name in ("track", "season", "name"):
        if getattr(found, name) != getattr(entrant, name):
            raise MalformedError(
                f"{folder} holds a submission whose {name} is {getattr(found, name)!r}, and this one's is "
                f"{getattr(entrant, name)!r}; choose another folder",
                field=name,
            )
    return found.tasks


def _replayed_log(season: str, played: PlayedTask) -> tuple[bytes, list[Played]]:
    """The log, and what replaying it comes to. Raises: SubmissionError if it is not what was to be played."""
    seeds = [seed for seed in seeds_of(season, played.task) for _ in range(played.plays)]
    if len(played.episodes) != len(seeds):
        raise SubmissionError(
            f"{played.task.key}: {len(played.episodes)} episodes were played, and {len(seeds)} are wanted"
        )
    log = _logged(played.episodes)
    lines = list(parts_of(log.splitlines(keepends=True)))
    plays: list[Played] = []
    for first in range(0, len(seeds), EPISODES_IN_A_PART):
        here = slice(first, first + EPISODES_IN_A_PART)
        part = Part(
            task=played.task,
            prompts=prompts_of(played.players),
            first=first,
            seeds=tuple(seeds[here]),
            lines=tuple(line for episode in lines[here] for line in episode),
            answers=played.vote,
        )
        again = replayed(part)
        for finding in again.findings:
            raise SubmissionError(f"{finding.where}: {finding.message}")
        plays += again.plays
    return log, plays


def _logged(episodes: Sequence[Episode]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.jsonl"
        marft_envs.write_log(path, episodes)
        return path.read_bytes()


def _write(folder: Path, entrant: Entrant, results: Sequence[TaskResult], files: Mapping[str, bytes]) -> None:
    """Logs first, then the record that tells of them: who is killed in between has a record that does not."""
    record = {
        "schema_version": SCHEMA_VERSION,
        "suite_version": marft_envs.__version__,
        **asdict(entrant),
        "created": datetime.now(UTC).date().isoformat(),
        "tasks": [json.loads(result.model_dump_json()) for result in results],
    }
    content = written(record)
    read_record(content)  # refuses what the entrant may not say, before anything is written
    for name, packed in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(packed)
    (folder / RECORD).write_bytes(content)
