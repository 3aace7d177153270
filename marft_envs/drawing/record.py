"""What happened in an episode as one value: its turns and rewards, and what its agents were told.

A log holds actions alone. What agents were told follows from them, by a replay.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from marft_envs.clock import ClockMG
from marft_envs.episode import played_again
from marft_envs.flex_mg import FlexMG
from marft_envs.history import Played, told_time
from marft_envs.profiles import Profile
from marft_envs.records import Episode, RewardEvent, Turn

Happened = TypeVar("Happened", Turn, RewardEvent)


@dataclass(frozen=True, slots=True)
class Scene:
    """A round, or on the clock an instant at which something happened."""

    title: str
    """`Round 1`, or the time of the instant."""
    start_us: int
    end_us: int
    """On the clock the same as its start."""
    hidden: str
    """What no agent was told; empty where that is as in the scene before."""
    views: Mapping[str, str]
    """What agents were told as their turns opened: at the start of a round, at the end of an instant."""
    turns: tuple[Turn, ...]
    """In a round those who acted, in canonical order; at an instant those whose turns ended."""
    feedback: tuple[Mapping[str, str], ...]
    rewards: tuple[RewardEvent, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """An episode with all that was told in it."""

    episode: Episode
    profiles: Mapping[str, Profile]
    """The team, by the agents' names, in its order."""
    split: str
    level: str | None
    horizon: str
    """As people read it: `3 rounds`, `60 s`."""
    end_us: int
    """When it was over, in simulated microseconds."""
    scenes: tuple[Scene, ...]


def retell(episode: Episode) -> Record:
    """Plays a logged episode again, and tells all that happened.

    Raises: as `replay` does.
    """
    return record_of(*played_again(episode))


def record_of(env: FlexMG, episode: Episode | None = None) -> Record:
    """What has happened in an environment so far; `episode` says how its turns were logged.

    Raises: TurnError before the first reset.
    """
    episode = env.episode() if episode is None else episode
    is_over = env.terminated or env.truncated
    rounds = env._history.rounds  # noqa: SLF001  # the base class's own; nobody but us and `render` tells of it
    played = [one for one in rounds if one.is_closed or not is_over]  # what would have followed was never told
    scenes = _instants(episode, played) if isinstance(env, ClockMG) else _rounds(episode, played)
    last_us = max((turn.finish_us for turn in episode.turns), default=0)
    return Record(
        episode=episode,
        profiles=dict(env.profiles),
        split=env.split,
        level=env.level,
        horizon=f"{env.horizon} {'s' if isinstance(env, ClockMG) else 'round' if env.horizon == 1 else 'rounds'}",
        end_us=max(last_us, env.now_us) if isinstance(env, ClockMG) else last_us,
        scenes=tuple(scenes),
    )


def _rounds(episode: Episode, played: list[Played]) -> list[Scene]:
    scenes = []
    turns_of, rewards_of = _by_round(episode.turns), _by_round(episode.reward_events)
    opened_us = 0
    for number, one in enumerate(played):
        turns = tuple(turns_of.get(number, ()))
        closed_us = max((turn.finish_us for turn in turns), default=opened_us)
        scenes.append(
            Scene(
                title=f"Round {number + 1}",
                start_us=min((turn.start_us for turn in turns), default=opened_us),
                end_us=closed_us,
                hidden=_news(played, number),
                views=one.views,
                turns=turns,
                feedback=one.feedback,
                rewards=tuple(rewards_of.get(number, ())),
            )
        )
        opened_us = closed_us
    return scenes


def _instants(episode: Episode, played: list[Played]) -> list[Scene]:
    """The views of an instant open the turns that end at later ones, so here they stand with the instant before."""
    scenes = []
    turns_of, rewards_of = _by_round(episode.turns), _by_round(episode.reward_events)
    num_closed = sum(one.is_closed for one in played)
    times_us = [0, *[one.closed_us(()) for one in played[:num_closed]]]
    for number, time_us in enumerate(times_us):
        ended = played[number - 1 : number] if number else []
        opens = number < len(played)
        scene = Scene(
            title=told_time(time_us),
            start_us=time_us,
            end_us=time_us,
            hidden=_news(played, number) if opens else "",
            views=played[number].views if opens else {},
            turns=tuple(turns_of.get(number - 1, ())),
            feedback=tuple([told for one in ended for told in one.feedback]),
            rewards=tuple(rewards_of.get(number - 1, ())),
        )
        if scene.hidden or scene.views or scene.turns or scene.feedback or scene.rewards:
            scenes.append(scene)
    return scenes


def _by_round(happened: Iterable[Happened]) -> dict[int, list[Happened]]:
    found: dict[int, list[Happened]] = {}
    for one in happened:
        found.setdefault(one.round, []).append(one)
    return found


def _news(played: list[Played], number: int) -> str:
    """What is hidden, where it has changed."""
    hidden = played[number].hidden
    return "" if number and hidden == played[number - 1].hidden else hidden
