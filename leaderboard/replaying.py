"""Plays the episodes of a submission again: part by part, each part anywhere.

A part is plain data, so that parts can go to other processes. The environment is made of the task, never of what a log
says: an id or an option in a log is compared, and leads nowhere. Programs that teams wrote run in the sandbox, as they
did when they were played.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from leaderboard.behaviour import behaviour_of, make
from leaderboard.scores import Played, played
from leaderboard.tracks import Task, seeds_of
from marft_envs import (
    Episode,
    FlexMG,
    MarftError,
    ReplayMismatchError,
    SandboxUnavailableError,
    read_episodes,
    replay,
)

EPISODES_IN_A_PART = 8
_HEADER = b'{"kind": "episode"'
_MOST_TOLD = 300
Prompts = Mapping[str, str]
"""Agent -> its system message, where that is not the environment's own."""


@dataclass(frozen=True)
class Finding:
    """What is wrong with a submission."""

    rule: str
    """Which rule it breaks: a key of `RULES`."""
    where: str
    """A field, or an episode: `math/reason_act-v0@add_digit, episode 7`."""
    message: str


@dataclass(frozen=True)
class Part:
    """Some episodes of a task's log."""

    task: Task
    prompts: Prompts
    first: int
    """Place of its first episode in the log."""
    seeds: tuple[int, ...]
    """That its episodes must have."""
    lines: tuple[bytes, ...]
    answers: bool
    """Whether it is to be told what each episode arrived at."""


@dataclass(frozen=True)
class Replayed:
    """What a part came to; where something is wrong, as far as it was right."""

    plays: tuple[Played, ...] = ()
    findings: tuple[Finding, ...] = ()
    turns: tuple[tuple[str, ...], ...] = ()
    """Of each episode, whose turn each of its turns was."""


@dataclass(frozen=True)
class Prepared:
    """What a task is here and now."""

    seeds: tuple[int, ...]
    behaviour: str
    problem: str = ""
    """Why it cannot be played; empty if it can."""


def prepared(season: str, task: Task) -> Prepared:
    """The season's seeds of a task, and how its environment behaves."""
    try:
        return Prepared(seeds_of(season, task), behaviour_of(task.env_id, task.level, task.options))
    except MarftError as error:
        return Prepared((), "", str(error)[:_MOST_TOLD])


def parts_of(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The lines of each episode, as far as its first line tells that it is one. What stands before the first, alone."""
    current: list[bytes] = []
    for line in lines:
        if line.startswith(_HEADER) and current:
            yield current
            current = []
        current.append(line)
    if current:
        yield current


def seed_in(header: bytes) -> int | None:
    """That an episode's first line names; None if it names none."""
    try:
        seed = json.loads(header)["seed"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return None
    return seed if type(seed) is int else None


def replayed(part: Part) -> Replayed:
    """Plays a part again. It ends at the first episode that is not what the log says."""
    env = environment(part.task, tuple(sorted(part.prompts.items())))
    plays: list[Played] = []
    turns: list[tuple[str, ...]] = []
    place = part.first

    def found(rule: str, message: str) -> Replayed:
        finding = Finding(rule, f"{part.task.key}, episode {place}", message[:_MOST_TOLD])
        return Replayed(tuple(plays), (finding,), tuple(turns))

    try:
        for place, episode in enumerate(read_episodes(part.lines, "log", strict=True), start=part.first):
            if place - part.first >= len(part.seeds):
                return found("missing episode", "an episode begins within another one")
            broken = _broken(episode, env, part.seeds[place - part.first])
            if broken is not None:
                return found(*broken)
            again = replay(episode, env)
            plays.append(played(again, env.answer() if part.answers else None))
            turns.append(tuple(turn.agent for turn in again.turns))
    except SandboxUnavailableError:
        raise  # no fault of the submission
    except ReplayMismatchError as error:
        return found("replay", str(error))
    except MarftError as error:
        return found("log", str(error))
    if len(plays) < len(part.seeds):
        place = part.first + len(plays)
        return found("missing episode", "the log ends before it")
    return Replayed(tuple(plays), (), tuple(turns))


def _broken(episode: Episode, env: FlexMG, seed: int) -> tuple[str, str] | None:
    """The rule that an episode breaks before it is played, and how."""
    if episode.seed != seed:
        return "seed", f"seed is {episode.seed!s:.40}, and the season's is {seed}"
    if episode.reset_options:
        return "task", f"reset had options {sorted(episode.reset_options)!r:.80}; a task is played without"
    if not (episode.terminated or episode.truncated):
        return "unfinished episode", "it has neither terminated nor was truncated; play it to its end"
    for turn in episode.turns:
        limit = env.profiles[turn.agent].max_action_chars if turn.agent in env.profiles else 0
        if len(turn.action) > limit:
            told = f"turn {turn.index}: action has {len(turn.action):,} characters"
            return "action length", f"{told}; {turn.agent!r:.40} may write {limit:,}"
    return None


def agents_of(task: Task) -> tuple[str, ...]:
    """Everybody on the team of a task, in its order."""
    return tuple(environment(task).possible_agents)


@lru_cache(maxsize=8)
def environment(task: Task, prompts: tuple[tuple[str, str], ...] = ()) -> FlexMG:
    """The environment of a task, with other system messages for some agents; the same object for the same ones."""
    return made(task, dict(prompts))


def made(task: Task, prompts: Prompts) -> FlexMG:
    """A new environment of a task, with other system messages for some agents."""
    env = make(task.env_id, task.level, task.options)
    if not prompts:
        return env
    members = [replace(profile, system=prompts.get(agent, profile.system)) for agent, profile in env.profiles.items()]
    return make(task.env_id, task.level, {**task.options, "team": members})
