"""An episode as a value: play one, keep it, and prove by replay that it happened.

What an environment does follows from its id and options, the seed, the actions, and what it measured. So these are all
that a log needs to hold; times, rewards and the end are logged as well, and `replay` recomputes every one of them.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

from marft_envs.action_log import env_id_missing, read_log, write_log
from marft_envs.clock import ClockMG
from marft_envs.errors import LogError, ReplayMismatchError, TurnError
from marft_envs.flex_mg import FlexMG
from marft_envs.records import Episode, Outcome, RewardEvent, Turn, shown
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


def replay(episode: Episode, env: FlexMG | None = None, *, draw_state: str = "") -> Episode:
    """Plays a logged episode again and compares everything.

    What the environment measured is handed to it instead of being measured: see `Hooks.measured`. Returns the
    recomputed episode, which equals the logged one; its runtime is the logged one.

    Args:
        episode: What a log holds.
        env: One that `make` has made for this id and these options, such as that of the last replay: to make one takes
            longer than most episodes. A new one by default.
        draw_state: Where the instance is drawn from, if that is known: see `FlexMG.reset`.

    Raises: ReplayMismatchError, naming the first difference, be it that `env` is another one; LogError if the episode
    does not tell which environment it was played in; OutcomeError if it has a measurement that no log can hold.
    """
    return played_again(episode, env, draw_state)[1]


def played_again(episode: Episode, env: FlexMG | None = None, draw_state: str = "") -> tuple[FlexMG, Episode]:
    """The environment after all that was logged, and the recomputed episode: see `replay`, whose errors it raises."""
    if episode.env_id is None:
        raise LogError(env_id_missing("replayed"))
    if env is None:
        env = _made_for(episode)
    else:
        _require_made_for(episode, env)
    if env.data_fingerprint != episode.data_fingerprint:
        named = ", ".join(f"{name}={value!r}" for name, value in episode.options.items() if isinstance(value, str))
        raise ReplayMismatchError(
            f"{episode}: the data are not those that were played: logged {episode.data_fingerprint!r}, found "
            f"{env.data_fingerprint!r}; replay it where its options ({named or 'none'}) lead to the same data"
        )
    try:
        recomputed = _recomputed(episode, env, draw_state)
        _compare(episode, recomputed)
    except ReplayMismatchError as error:
        raise ReplayMismatchError(f"{episode}: {error}{_other_runtime(episode, env)}") from error
    return env, recomputed


def _made_for(episode: Episode) -> FlexMG:
    assert episode.env_id is not None, "checked before"
    env = make(spec(episode.env_id), **episode.options)  # an old log names an old version, and needs no warning
    if not isinstance(env, FlexMG):
        raise LogError(f"{episode.env_id} is no FlexMG environment, so it cannot be replayed turn by turn")
    return env


def _require_made_for(episode: Episode, env: FlexMG) -> None:
    """Raises: ReplayMismatchError if it is another environment than was played in, or has other options."""
    made = (env.spec.id if env.spec else None, env.make_options)
    if made != (episode.env_id, episode.options):
        raise ReplayMismatchError(
            f"{episode}: logged {episode.env_id} with {dict(episode.options)!r}, and it was to be replayed in "
            f"{made[0]} with {made[1]!r}; leave the environment out, and one like that of the log is made"
        )


def _recomputed(episode: Episode, env: FlexMG, draw_state: str) -> Episode:
    """The same actions once more, with what was measured; what no replay can know is as logged."""
    env.reset(
        seed=episode.seed,
        options=dict(episode.reset_options),
        measurements=episode.measurements,
        draw_state=draw_state,
    )
    _compare_measurements(episode, env)
    for agent, action in actions_again(episode, env):
        env.select(agent)
        env.step(action)
        _compare_measurements(episode, env)
    recomputed = env.episode()
    return replace(recomputed, turns=_with_logged_shortening(episode, recomputed, env), runtime=episode.runtime)


def actions_again(episode: Episode, env: FlexMG) -> Iterator[tuple[str, str]]:
    """The agents and actions of an episode, for an environment that is stepped with each of them before the next.

    It ends where the environment wants no more of them. Raises: ReplayMismatchError where it wants another agent.
    """
    if not isinstance(env, ClockMG):
        for turn in episode.turns:
            if turn.agent not in env.ready:
                ready = ", ".join(env.ready) or "none: the episode is over"
                raise ReplayMismatchError(f"turn {turn.index}: agent: logged {turn.agent!r}, ready are {ready}")
            yield turn.agent, turn.action
        return
    # On the clock turns are logged as they ended, and not as they were asked for: every agent acts when it can.
    left: dict[str, deque[str]] = {agent: deque() for agent in env.possible_agents}
    for turn in episode.turns:
        if turn.agent not in left:
            raise ReplayMismatchError(f"turn {turn.index}: agent: logged {turn.agent!r}, who is not on the team")
        left[turn.agent].append(turn.action)
    for cut in episode.cuts:
        if cut.agent in left and cut.action is not None:
            left[cut.agent].append(cut.action)
    while agent := next((agent for agent in env.ready if left[agent]), None):
        yield agent, left[agent].popleft()


def _compare_measurements(episode: Episode, env: FlexMG) -> None:
    """Raises at the first that differs, or that the log does not have; all that follows would follow from that."""
    logged, found = episode.measurements, env.measurements
    if len(found) > len(logged):
        raise ReplayMismatchError(f"measurements: logged {len(logged)}, and the environment makes more")
    if repr(found) == repr(logged[: len(found)]):  # not ==, which takes 1 for True
        return
    for place, (one, other) in enumerate(zip(logged, found, strict=False)):
        if repr(one) != repr(other):
            raise ReplayMismatchError(f"measurement {place}: logged {shown(one)}, recomputed {shown(other)}")


def _other_runtime(episode: Episode, env: FlexMG) -> str:
    """The likely reason of a difference, if there is one."""
    if episode.runtime == env.runtime:
        return ""
    return f"; the likely reason: it was played with {episode.runtime!r}, and this is {env.runtime!r}"


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
                f"turn {turn.index}: shortened: logged {logged.shortened}, "
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
            raise ReplayMismatchError(f"{what}s: logged {len(expected)}, recomputed {len(found)}")
        for place, (one, other) in enumerate(zip(expected, found, strict=True)):
            if one != other:
                _compare_fields(f"{what} {place}: ", one, other)
    if len(logged.measurements) != len(recomputed.measurements):  # each that was made was compared as it was
        raise ReplayMismatchError(
            f"measurements: logged {len(logged.measurements)}, and the environment makes {len(recomputed.measurements)}"
        )
    _compare_fields("", logged, recomputed, skip=("turns", "reward_events", "measurements", "options"))


def _compare_fields(where: str, logged: Any, recomputed: Any, skip: tuple[str, ...] = ()) -> None:
    for field in fields(logged):
        one, other = getattr(logged, field.name), getattr(recomputed, field.name)
        if field.name not in skip and one != other:
            raise ReplayMismatchError(f"{where}{field.name}: logged {one!r}, recomputed {other!r}")
