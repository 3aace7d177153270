"""Plays the episodes of a submission again: part by part, each part anywhere.

A part is plain data, so that parts can go to other processes. The environment is made of the task, never of what a log
says: an id or an option in a log is compared, and leads nowhere. Programs that teams wrote run in the sandbox, as they
did when they were played. What comes out is written as the suite writes it and compared with the log byte by byte, so
nothing can stand there that nobody has recomputed.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import islice

from leaderboard.behaviour import behaviour_of, make
from leaderboard.errors import TrackError
from leaderboard.players import CHOICES, Player, prompts_of, scripts_of
from leaderboard.report import Finding
from leaderboard.scores import Played, played
from leaderboard.tracks import MAX_TURNS, Instance, Task, instances_of
from marft_envs import (
    SCRIPTED_PLAYS,
    Episode,
    FlexMG,
    MarftError,
    Profile,
    ReplayMismatchError,
    SandboxUnavailableError,
    Variants,
    log_lines,
    read_episodes,
    replay,
)

EPISODES_IN_A_PART = 8
_LONGEST_RUNTIME = 100
Turned = tuple[str, int]
"""Of a turn: whose it was, and how many characters were recorded."""
Prompts = Mapping[str, str]
"""Agent -> its system message, where that is not the environment's own."""


@dataclass(frozen=True)
class Part:
    """Some episodes of a task's log."""

    task: Task
    prompts: Prompts
    first: int
    """Place of its first episode in the log."""
    instances: tuple[Instance, ...]
    """That its episodes must be of."""
    episodes: tuple[tuple[bytes, ...], ...]
    """The lines of each."""
    answers: bool
    """Whether it is to be told what each episode arrived at."""
    scripts: Mapping[str, str] = field(default_factory=dict)
    """Agent -> which script is said to play it, or `CHOICES`."""


@dataclass(frozen=True)
class Replayed:
    """What a part came to; where something is wrong, as far as it was right."""

    plays: tuple[Played, ...] = ()
    findings: tuple[Finding, ...] = ()
    turns: tuple[tuple[Turned, ...], ...] = ()
    """Of each episode."""


@dataclass(frozen=True)
class Prepared:
    """What a task is here and now."""

    instances: tuple[Instance, ...]
    behaviour: str
    problem: str = ""
    """Why it cannot be played; empty if it can."""

    def wanted(self, plays: int) -> tuple[Instance, ...]:
        """The instance of every episode, if each is played so often."""
        return tuple([instance for instance in self.instances for _ in range(plays)])


class _BrokenRuleError(Exception):
    """An episode breaks a rule."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule


def prepared(season: str, task: Task) -> Prepared:
    """The season's instances of a task, and how its environment behaves."""
    try:
        _require_fitting(task, environment(task))
        return Prepared(instances_of(season, task), behaviour_of(task.env_id, task.level, task.options))
    except MarftError as error:
        return Prepared((), "", str(error))


def _require_fitting(task: Task, env: FlexMG) -> None:
    """Raises: TrackError for a task that goes by several names, or whose episodes may go on for too long."""
    if task.level is None and env.levels:
        raise TrackError(f"level is null, and {task.env_id} has levels; name one of {', '.join(env.levels)}")
    if env.most_turns > MAX_TURNS:
        raise TrackError(
            f"horizon is {env.horizon}, with which an episode may have {env.most_turns:,} turns; {MAX_TURNS:,} are the "
            "most"
        )


def in_parts(
    task: Task,
    players: Mapping[str, Player],
    wanted: Sequence[Instance],
    episodes: Iterable[tuple[bytes, ...]],
    *,
    answers: bool,
) -> Iterator[Part]:
    """The log of a task, taken apart as it is read: `wanted` is the instance of every episode."""
    left = iter(episodes)
    for first in range(0, len(wanted), EPISODES_IN_A_PART):
        yield Part(
            task=task,
            prompts=prompts_of(players),
            first=first,
            instances=tuple(wanted[first : first + EPISODES_IN_A_PART]),
            episodes=tuple(islice(left, EPISODES_IN_A_PART)),
            answers=answers,
            scripts=scripts_of(players),
        )


def replayed(part: Part) -> Replayed:
    """Plays a part again. It ends at the first episode that is not what the log says."""
    env = environment(part.task, tuple(sorted(part.prompts.items())))
    plays: list[Played] = []
    turns: list[tuple[Turned, ...]] = []
    for place, (instance, lines) in enumerate(zip(part.instances, part.episodes, strict=True), start=part.first):
        try:
            again = _again(env, instance, lines)
            came_to = played(again, env.answer() if part.answers else None)
            if part.scripts:
                _require_scripted(again, env, part.scripts)
            plays.append(came_to)
            turns.append(tuple([(turn.agent, len(turn.action)) for turn in again.turns]))
        except _BrokenRuleError as error:
            finding = Finding(error.rule, f"{part.task.key}, episode {place}", str(error))
            return Replayed(tuple(plays), (finding,), tuple(turns))
    return Replayed(tuple(plays), (), tuple(turns))


def _again(env: FlexMG, instance: Instance, lines: tuple[bytes, ...]) -> Episode:
    """The recomputed episode. Raises: _BrokenRuleError; SandboxUnavailableError, no fault of the submission."""
    try:
        episode, *others = read_episodes(lines, "line")
        if others:
            raise _BrokenRuleError("log", "another episode begins within it")
        _require_fit_to_play(episode, env, instance.seed)
        again = replay(episode, env, draw_state=instance.draw_state)
    except SandboxUnavailableError:
        raise
    except ReplayMismatchError as error:
        raise _BrokenRuleError("replay", str(error)) from error
    except (MarftError, RecursionError) as error:
        raise _BrokenRuleError("log", str(error)) from error
    for number, (line, written) in enumerate(zip(lines, log_lines(again), strict=True), start=1):
        if line != written.encode():
            raise _BrokenRuleError("log", f"line {number} is {line!r:.120}, and the suite writes {written!r:.120}")
    return again


def _require_fit_to_play(episode: Episode, env: FlexMG, seed: int) -> None:
    """Raises: _BrokenRuleError, with the rule that an episode breaks before it is played."""
    made = (env.spec.id if env.spec else None, env.make_options)
    if (episode.env_id, episode.options) != made:
        told = f"logged {episode.env_id!r:.80} with {dict(episode.options)!r:.120}, and the task is {made[0]} with"
        raise _BrokenRuleError("task", f"{told} {made[1]!r:.120}")
    if episode.seed != seed:
        raise _BrokenRuleError("seed", f"seed is {episode.seed!s:.40}, and the season's is {seed}")
    if episode.reset_options:
        told = f"reset had options {sorted(episode.reset_options)!r:.80}"
        raise _BrokenRuleError("task", f"{told}; a task is played without")
    if not (episode.terminated or episode.truncated):
        raise _BrokenRuleError("unfinished episode", "it has neither terminated nor was truncated; play it to its end")
    if bool(episode.runtime) != bool(env.runtime) or len(episode.runtime) > _LONGEST_RUNTIME:
        raise _BrokenRuleError("replay", f"runtime: logged {episode.runtime!r:.80}, and here it is {env.runtime!r}")
    limits = _limits(env)
    for turn in episode.turns:
        if len(turn.action) > limits.get(turn.agent, 0):
            told = f"turn {turn.index}: action has {len(turn.action):,} characters"
            raise _BrokenRuleError(
                "action length", f"{told}; {turn.agent!r:.40} may write {limits.get(turn.agent, 0):,}"
            )


def _limits(env: FlexMG) -> dict[str, int]:
    """How many characters of each agent's action are recorded at most, whichever variant of it plays."""
    return {
        agent: max([profile.max_action_chars for profile in _variants(member)])
        for agent, member in zip(env.possible_agents, env.team_members, strict=True)
    }


def _variants(member: Profile | Variants) -> tuple[Profile, ...]:
    return (member,) if isinstance(member, Profile) else (*member.train, *member.test)


def _require_scripted(episode: Episode, env: FlexMG, scripts: Mapping[str, str]) -> None:
    """Raises: _BrokenRuleError if a script would have written something else, or has no play here."""
    said: dict[str, deque[str]] = {agent: deque() for agent in env.possible_agents}
    for turn in episode.turns:
        said[turn.agent].append(turn.action)
    env.reset(seed=episode.seed, measurements=episode.measurements, draw_state=env.draw_state)
    while env.ready:
        agent = env.agent_selection
        logged = said[agent].popleft() if said[agent] else None  # None: its turn was cut
        try:
            env.step(_own_words(env, agent, scripts.get(agent), logged))
        except (NotImplementedError, ReplayMismatchError) as error:  # no such play; or other programs took the time
            raise _BrokenRuleError("script", f"{agent} is said to be played by {scripts[agent]!r}: {error}") from error
    for turn, other in zip(episode.turns, env.turns, strict=False):
        if (turn.agent, turn.action, turn.shortened) != (other.agent, other.action, other.shortened):
            told = f"turn {turn.index}: {turn.agent} is said to be played by {scripts.get(turn.agent)!r}"
            raise _BrokenRuleError("script", f"{told}, wrote {turn.action!r:.80}, and not {other.action!r:.80}")


def _own_words(env: FlexMG, agent: str, script: str | None, logged: str | None) -> str:
    """What the agent writes by its script; without one, or if it may choose so, what it is logged to have written."""
    if script is None or script == CHOICES:
        if script and logged is not None and logged not in env.choices(agent):
            told = f"{agent} is said to choose among texts that it is offered, and wrote {logged!r:.80}"
            raise _BrokenRuleError("script", told)
        return logged or ""
    return SCRIPTED_PLAYS[script](env, agent)


def agents_of(task: Task) -> tuple[str, ...]:
    """Everybody on the team of a task, in its order."""
    return tuple(environment(task).possible_agents)


def can_vote(task: Task) -> bool:
    """Whether episodes of a task arrive at answers that can be put to a vote."""
    return type(environment(task)).answer is not FlexMG.answer


@lru_cache(maxsize=8)
def environment(task: Task, prompts: tuple[tuple[str, str], ...] = ()) -> FlexMG:
    """The environment of a task, with other system messages for some agents; the same object for the same ones."""
    return made(task, dict(prompts))


def made(task: Task, prompts: Prompts) -> FlexMG:
    """A new environment of a task, with other system messages for some agents."""
    env = make(task.env_id, task.level, task.options)
    if not prompts:
        return env
    members = [
        _told(member, prompts.get(agent)) for agent, member in zip(env.possible_agents, env.team_members, strict=True)
    ]
    return make(task.env_id, task.level, {**task.options, "team": members})


def _told(member: Profile | Variants, system: str | None) -> Profile | Variants:
    """A member of a team, or all variants of it, with another system message; None leaves it as it is."""
    if system is None:
        return member
    if isinstance(member, Profile):
        return replace(member, system=system)
    train, test = (tuple([replace(one, system=system) for one in ones]) for ones in (member.train, member.test))
    return Variants(train, test)
