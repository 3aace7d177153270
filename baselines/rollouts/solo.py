"""One agent in place of a team: what a team is compared with, at equal tokens.

An *informed* agent plays all seats with one policy, and at each turn reads everything that anybody was told and all
that was said so far; only what is hidden from everybody is hidden from it. Its turns, and what it may write in each,
are those of the team.

A *blind* one plays one seat and reads what that seat alone is told. The others are silent, and what they might have
written it may write besides.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from baselines.errors import ConfigError, EnvironmentKindError
from baselines.rollouts.games import FlexGame, Game, as_game
from baselines.rollouts.scripted import Script, ScriptedGame, scripted_game, silence
from marft_envs import FlexMG, Message

SoloKind = Literal["blind", "informed"]
ACT_AS = "You play the whole team, and know all that any of it was told. Act now as {agent}."
"""Ends what an informed agent reads: the same policy plays all seats, so that it has to be told which is next."""


@dataclass(frozen=True, slots=True)
class Solo:
    """Who plays alone, and how."""

    kind: SoloKind
    seats: tuple[str, ...]
    """Those that it plays: all of the team, or one."""

    def scripts(self, agents: Sequence[str]) -> dict[str, Script]:
        """What plays the seats that are left: nothing is said there."""
        return {agent: silence for agent in agents if agent not in self.seats}


def find_solo(kind: SoloKind | None, agent: str | None, agents: Sequence[str]) -> Solo | None:
    """The solo that settings name, in a team of these agents; None for the team itself. By default the last is blind.

    Raises: ConfigError if there is no such agent.
    """
    if kind is None:
        return None
    if kind == "informed":
        return Solo(kind, tuple(agents))
    if agent is not None and agent not in agents:
        raise ConfigError(f"solo_agent is {agent!r}; the agents are {', '.join(agents)}")
    return Solo(kind, (agent or agents[-1],))


class InformedGame(FlexGame):
    """Plays a `FlexMG`, one turn at a time, and lets every seat read everything."""

    appends = False  # what is told to one seat stands between the words of another

    def ready(self) -> tuple[str, ...]:
        """Only the first: the next one reads what it has said."""
        return self.env.ready[:1]

    def messages(self, agent: str) -> Sequence[Message]:
        """The seat's profile, and all that was told and said."""
        told: Message = {"role": "user", "content": f"{self.observation(agent)}\n\n{ACT_AS.format(agent=agent)}"}
        return [*self.env.profiles[agent].opening(), told]

    def observation(self, agent: str) -> str:
        return self.env.joint_observation()


class BlindGame(ScriptedGame):
    """Plays a `FlexMG` of which one seat alone is asked; the others say nothing, and are not heard."""

    def __init__(self, env: FlexMG, solo: Solo) -> None:
        super().__init__(env, solo.scripts(env.possible_agents))

    def messages(self, agent: str) -> Sequence[Message]:
        """What it was told and said itself: empty words of others are left out."""
        return [message for message in self.env.messages(agent) if "name" not in message]

    def stands_for(self, agent: str) -> tuple[str, ...]:
        return self.agents


def seated(env: object, scripts: Mapping[str, Script], solo: Solo | None = None) -> Game:
    """An environment with those on its seats who play: a team, scripts among it, or one agent alone.

    Raises: `EnvironmentKindError` for what cannot be played, or not in this way.
    """
    if solo is None:
        return scripted_game(env, scripts) if scripts else as_game(env)
    game = as_game(env)
    if not isinstance(game, FlexGame):
        raise EnvironmentKindError(
            f"{env} is no FlexMG environment, so nobody knows what all of its agents are told; play it without --solo"
        )
    return InformedGame(game.env) if solo.kind == "informed" else BlindGame(game.env, solo)
