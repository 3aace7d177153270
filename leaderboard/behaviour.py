"""How an environment behaves, as one hash: the same wherever it behaves the same, whatever its source looks like.

What is hashed are golden plays: everything that agents are told and every line of the log, of a few fixed seeds, played
by the suite's scripts, right, wrong and in between. An environment whose prompts, rewards or instances change gives
another hash, and submissions that were played before no longer pass for what is played now.
"""

import hashlib
import json
import random
from collections.abc import Iterator, Mapping
from functools import lru_cache

import marft_envs
from leaderboard.errors import TrackError
from marft_envs import SCRIPTED_PLAYS, FlexMG

NUM_SEEDS = 6
_FROM = 2**40
"""The first seed. Any would do; these are far from those that people try."""


def behaviour_of(env_id: str, level: str | None, options: Mapping[str, object], split: str = "test") -> str:
    """The hash of a task's golden plays, as `sha256:…`.

    Raises: TrackError for an environment that is no FlexMG; OptionError, UnknownEnvironmentError.
    """
    told = json.dumps([env_id, level, dict(sorted(options.items())), split])
    return _behaviour_of(told)


@lru_cache(maxsize=256)
def _behaviour_of(told: str) -> str:
    env_id, level, options, split = json.loads(told)
    env = make(env_id, level, options, split)
    found = hashlib.sha256()
    for line in _golden(env):
        found.update(line.encode() + b"\n")
    return f"sha256:{found.hexdigest()}"


def make(env_id: str, level: str | None, options: Mapping[str, object], split: str = "test") -> FlexMG:
    """The environment of a task, as every play of it is made.

    Raises: TrackError if it is no FlexMG environment.
    """
    given = {**options} if level is None else {**options, "level": level}
    env = marft_envs.make(marft_envs.spec(env_id), split=split, **given)
    if not isinstance(env, FlexMG):
        raise TrackError(f"{env_id} is no FlexMG environment, so its plays cannot be replayed; choose another one")
    return env


def _golden(env: FlexMG) -> Iterator[str]:
    """What happens in golden plays, line by line."""
    for place in range(NUM_SEEDS):
        for style in ("reference", "random", "echo", "mixed"):
            env.reset(seed=_FROM + place)
            try:
                yield from _told_in_play(env, style)
            except NotImplementedError:
                yield json.dumps([style, "no such play"])
                continue
            episode = env.episode()
            yield json.dumps([[turn.action, turn.parents, turn.start_us, turn.finish_us] for turn in episode.turns])
            yield json.dumps([[one.turn, one.agent, one.amount, one.time_us] for one in episode.reward_events])
            yield json.dumps([episode.terminated, episode.truncated, episode.returns, episode.info], sort_keys=True)
            yield json.dumps(env.answer())


def _told_in_play(env: FlexMG, style: str) -> Iterator[str]:
    """What each agent is told, before each turn what is new: messages only grow."""
    known = dict.fromkeys(env.possible_agents, 0)
    while env.ready:
        agent = env.agent_selection
        messages = env.messages(agent)
        yield json.dumps([agent, messages[known[agent] :]])
        known[agent] = len(messages)
        env.step(_said(env, agent, style))


def _said(env: FlexMG, agent: str, style: str) -> str:
    if style == "mixed":
        drawn = random.Random(f"{env.episode_seed} {agent} {len(env.messages(agent))}")
        style = drawn.choice(("reference", "random"))
    return SCRIPTED_PLAYS[style](env, agent)
