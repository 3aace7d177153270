"""Writes a submission, one task after another: logs, tokens, and the record with its digests.

    entrant = Entrant(track="small", name="my team", contact="me@example.org", licence="CC-BY-4.0", hardware="a laptop")
    add_task("submissions/my-team", entrant, PlayedTask(task, players, episodes, tokens))

Every episode is replayed before it is written, as `validate` will do it; what does not come out the same is refused.
"""

import gzip
import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

import marft_envs
from leaderboard.errors import MalformedError, SubmissionError, TrackError, UnsafeArchiveError
from leaderboard.files import MAX_PACKED_BYTES
from leaderboard.logs import episodes_in
from leaderboard.names import log_name, tokens_name
from leaderboard.players import prompts_of
from leaderboard.record import read_record, said_wrong, written
from leaderboard.replaying import (
    Prepared,
    agents_of,
    can_vote,
    environment,
    in_parts,
    prepared,
    replayed,
)
from leaderboard.schema import RECORD, SCHEMA_VERSION, Player, TaskResult, Training, sha256_of
from leaderboard.scores import Played, Tokens, scores_of
from leaderboard.token_counts import problem_of, written_tokens
from leaderboard.tracks import SEASONS, Task, find_task, require_season
from leaderboard.unpacking import unpacked_lines
from marft_envs import Episode, log_lines


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
    before = _before(folder, entrant)
    now = _prepared(entrant, played)
    lines = _lines(played)
    plays = _replayed(played, now, lines)
    task = played.task
    packed = {
        log_name(task.key): gzip.compress(b"".join(chain.from_iterable(lines)), mtime=0),
        tokens_name(task.key): gzip.compress(written_tokens(played.tokens), mtime=0),
    }
    _require_readable(packed)
    result = _result(played, now, plays, packed)
    results = {one.key: one for one in before}
    results[task.key] = result
    _write(folder, entrant, list(results.values()), packed)
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


def _prepared(entrant: Entrant, played: PlayedTask) -> Prepared:
    """The task here and now. Raises: TrackError, MalformedError if it is none of the track's, or played otherwise."""
    task = played.task
    require_season(entrant.season)
    known = find_task(entrant.track, task.env_id, task.level, task.options)
    if known != task:
        raise TrackError(f"{task.key} is played on {known.num_instances} instances, and not on {task.num_instances}")
    now = prepared(entrant.season, task)
    if now.problem:
        raise TrackError(f"{task.key}: {now.problem}")
    agents = agents_of(task)
    if set(played.players) != set(agents):
        raise MalformedError(
            f"players are {', '.join(played.players)}; the agents of {task.key} are {', '.join(agents)}",
            field="players",
        )
    if played.vote and not can_vote(task):
        raise MalformedError(f"episodes of {task.key} arrive at no answers; leave vote out", field="vote")
    return now


def _lines(played: PlayedTask) -> list[tuple[bytes, ...]]:
    """Of each episode, as a log has them: options in the order in which the leaderboard gives them."""
    made = environment(played.task, tuple(sorted(prompts_of(played.players).items()))).make_options
    own = [replace(one, options=made) if one.options == made else one for one in played.episodes]
    return [tuple([line.encode() for line in log_lines(one)]) for one in own]


def _replayed(played: PlayedTask, now: Prepared, lines: Sequence[tuple[bytes, ...]]) -> list[Played]:
    """What replaying comes to. Raises: SubmissionError if it is not what was to be played."""
    wanted = now.wanted(played.plays)
    if not len(lines) == len(played.tokens) == len(wanted):
        raise SubmissionError(
            f"{played.task.key}: {len(lines)} episodes were played, the tokens of {len(played.tokens)} are known, and "
            f"{len(wanted)} are wanted"
        )
    plays: list[Played] = []
    for part in in_parts(played.task, played.players, wanted, lines, answers=played.vote):
        again = replayed(part)
        for finding in again.findings:
            raise SubmissionError(f"{finding.where}: {finding.message}")
        for number, turns in enumerate(again.turns, start=part.first):
            problem = problem_of(played.players, played.solo is not None, played.tokens[number], turns)
            if problem:
                raise SubmissionError(f"{played.task.key}, episode {number}: tokens: {problem}")
        plays += again.plays
    return plays


def _require_readable(packed: Mapping[str, bytes]) -> None:
    """Raises: UnsafeArchiveError for more than validation reads."""
    for name, content in packed.items():
        if len(content) > MAX_PACKED_BYTES:
            raise UnsafeArchiveError(
                f"{name} has {len(content):,} bytes; {MAX_PACKED_BYTES:,} are read: play less often"
            )
        deque(episodes_in(unpacked_lines(content, name), name), maxlen=0)


def _result(played: PlayedTask, now: Prepared, plays: Sequence[Played], packed: Mapping[str, bytes]) -> TaskResult:
    """The record of a task. Raises: MalformedError."""
    task = played.task
    try:
        return TaskResult(
            env_id=task.env_id,
            level=task.level,
            options=dict(task.options),
            behaviour=now.behaviour,
            plays=played.plays,
            vote=played.vote,
            solo=played.solo,
            few_shot=played.few_shot,
            players=dict(played.players),
            training=played.training,
            log=sha256_of(packed[log_name(task.key)]),
            tokens=sha256_of(packed[tokens_name(task.key)]),
            scores=scores_of(plays, played.tokens, vote=played.vote),
        )
    except ValidationError as error:
        raise said_wrong(error) from error


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
        _put(folder / name, packed)
    _put(folder / RECORD, content)


def _put(path: Path, content: bytes) -> None:
    """Writes a file whole, or leaves it as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.part")
    beside.write_bytes(content)
    beside.replace(path)
