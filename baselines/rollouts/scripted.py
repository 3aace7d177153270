"""A `FlexMG` in which scripts take some seats: what a model is worth in company of our choice."""

from collections.abc import Callable, Mapping

from baselines.errors import EnvironmentKindError
from baselines.rollouts.batch import Turn
from baselines.rollouts.games import FlexGame, as_game
from marft_envs import FlexMG

Script = Callable[[FlexMG, str], str]
"""What an agent writes that no model plays: asked with the environment and the agent's name, its turn open."""


def reference(env: FlexMG, agent: str) -> str:
    """Writes what a perfect agent would. Raises: NotImplementedError where the environment does not tell."""
    return env.reference_action(agent)


def silence(_env: FlexMG, _agent: str) -> str:
    """Writes nothing, at every turn."""
    return ""


class ScriptedGame(FlexGame):
    """Plays a `FlexMG`; only agents without a script are asked for actions.

    Turns of scripts stand in the rollout without token ids, so there is nothing to learn from them.
    """

    def __init__(self, env: FlexMG, scripts: Mapping[str, Script]) -> None:
        super().__init__(env)
        self._scripts = scripts

    def reset(self, seed: int, level: str | None) -> None:
        super().reset(seed, level)
        self._play_scripts()

    def submit(self, agent: str, turn: Turn) -> None:
        super().submit(agent, turn)
        self._play_scripts()

    def _play_scripts(self) -> None:
        """Submit for scripts until nobody is ready who has one."""
        while scripted := [agent for agent in self.env.ready if agent in self._scripts]:
            agent = scripted[0]
            text = self._scripts[agent](self.env, agent)
            super().submit(agent, Turn(agent, 0, [], [], [], text, self.state(agent), self.observation(agent)))


def scripted_game(env: object, scripts: Mapping[str, Script]) -> ScriptedGame:
    """Wrap an environment whose agents named in `scripts` play by themselves.

    Raises: `EnvironmentKindError` for anything but a `FlexMG`: others cannot be asked who is ready.
    """
    game = as_game(env)
    if not isinstance(game, FlexGame):
        raise EnvironmentKindError(f"{env} is no FlexMG environment, so no script can play {', '.join(scripts)}")
    return ScriptedGame(game.env, scripts)
