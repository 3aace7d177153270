"""An episode as a value: play one, keep it, and prove by replay that it happened.

What an environment does follows from its id and options, the seed, and the actions. So these are all that a
log needs to hold; times, rewards and the end are logged as well, and `replay` recomputes every one of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

from marft_envs.action_log import env_id_missing, read_log, write_log
from marft_envs.errors import LogError, ReplayMismatchError, TurnError
from marft_envs.flex_mg import FlexMG
from marft_envs.records import Episode, Outcome, RewardEvent, Turn
from marft_envs.registry import make, spec
from marft_envs.transcript import Message

__all__ = ["Episode", "Outcome", "Policy", "RewardEvent", "Turn", "play", "read_log", "replay", "write_log"]

Policy = Callable[[str, list[Message]], str]
"""Answers an agent's name and its messages so far with its action."""


def play(
    env: FlexMG,
    policies: Mapping[str, Policy] | Policy,
    *,
    seed: int | None = None,
    options: Mapping[str, Any] | None = None,
) -> Episode:
    """Plays one episode, each agent by its policy, or all of them by the only one.

    Raises: TurnError if an agent has no policy; whatever a policy raises.
    """
    if isinstance(policies, Mapping):
        for agent in env.possible_agents:
            if agent not in policies:
                raise TurnError(
                    f"no policy for {agent!r}; give one for each of {', '.join(env.possible_agents)}, or one for all"
                )
    env.reset(seed=seed, options=options)
    while env.ready:
        agent = env.agent_selection
        policy = policies[agent] if isinstance(policies, Mapping) else policies
        env.step(policy(agent, env.messages(agent)))
    return env.episode()


def replay(episode: Episode) -> Episode:
    """Plays a logged episode again, in a new environment, and compares everything.

    Returns the recomputed episode, which equals the logged one. Raises: ReplayMismatchError, naming the first
    difference; LogError if the episode does not tell which environment it was played in.
    """
    if episode.env_id is None:
        raise LogError(env_id_missing("replayed"))
    env = make(spec(episode.env_id), **episode.options)  # an old log names an old version, and needs no warning
    if not isinstance(env, FlexMG):
        raise LogError(f"{episode.env_id} is no FlexMG environment, so it cannot be replayed turn by turn")
    if env.data_fingerprint != episode.data_fingerprint:
        named = ", ".join(f"{name}={value!r}" for name, value in episode.options.items() if isinstance(value, str))
        raise ReplayMismatchError(
            f"{episode}: the data are not those that were played: logged {episode.data_fingerprint!r}, found "
            f"{env.data_fingerprint!r}; replay it where its options ({named or 'none'}) lead to the same data"
        )
    env.reset(seed=episode.seed, options=dict(episode.reset_options))
    for turn in episode.turns:
        if turn.agent not in env.ready:
            ready = ", ".join(env.ready) or "none: the episode is over"
            raise ReplayMismatchError(f"{episode}: turn {turn.index}: agent: logged {turn.agent!r}, ready are {ready}")
        env.select(turn.agent)
        env.step(turn.action)
    recomputed = env.episode()
    recomputed = replace(recomputed, turns=_with_logged_shortening(episode, recomputed, env))
    _compare(episode, recomputed)
    return recomputed


def _with_logged_shortening(episode: Episode, recomputed: Episode, env: FlexMG) -> tuple[Turn, ...]:
    """The recomputed turns, with the number of characters dropped as logged.

    The log has only the text that was kept, so the number cannot be recomputed; but a text that was shortened
    is exactly as long as the profile allows.
    """
    turns = []
    for logged, turn in zip(episode.turns, recomputed.turns, strict=False):
        limit = env.profiles[turn.agent].max_action_chars
        if logged.shortened and len(turn.action) != limit:
            raise ReplayMismatchError(
                f"{episode}: turn {turn.index}: shortened: logged {logged.shortened}, "
                f"but {len(turn.action)} of {limit} characters were kept"
            )
        turns.append(replace(turn, shortened=logged.shortened) if logged.shortened else turn)
    return (*turns, *recomputed.turns[len(turns) :])


def _compare(logged: Episode, recomputed: Episode) -> None:
    """Raises at the first value that differs."""
    for what, expected, found in (
        ("turn", logged.turns, recomputed.turns),
        ("reward", logged.reward_events, recomputed.reward_events),
    ):
        if len(expected) != len(found):
            raise ReplayMismatchError(f"{logged}: {what}s: logged {len(expected)}, recomputed {len(found)}")
        for place, (one, other) in enumerate(zip(expected, found, strict=True)):
            _compare_fields(f"{logged}: {what} {place}", one, other)
    _compare_fields(str(logged), logged, recomputed, skip=("turns", "reward_events", "options"))


def _compare_fields(where: str, logged: Any, recomputed: Any, skip: tuple[str, ...] = ()) -> None:
    for field in fields(logged):
        one, other = getattr(logged, field.name), getattr(recomputed, field.name)
        if field.name not in skip and one != other:
            raise ReplayMismatchError(f"{where}: {field.name}: logged {one!r}, recomputed {other!r}")
