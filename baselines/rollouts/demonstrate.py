"""Episodes as the environment's reference plays them, in the tokens of a team: what imitation learns from."""

from collections.abc import Callable, Iterable, Mapping

from baselines.errors import ConfigError, EnvironmentKindError
from baselines.policies.team import Team
from baselines.rollouts.batch import Batch, Rollout, Turn
from baselines.rollouts.collect import Sampling, Task
from baselines.rollouts.games import FlexGame, as_game
from baselines.rollouts.scripted import Script, ScriptedGame, scripted_game
from marft_envs import FlexMG


def demonstrate(
    make_env: Callable[[], object],
    team: Team,
    tasks: Iterable[Task],
    sampling: Sampling,
    progress: Callable[[int], None] = lambda num_done: None,
    *,
    scripts: Mapping[str, Script] | None = None,
) -> Batch:
    """Every task once, all agents playing their reference; those of the team with prompts and replies as token ids.

    `scripts` play agents that are none of the team's.

    Raises: `EnvironmentKindError` for anything but a `FlexMG`; `ConfigError` where the environment does not tell what a
    perfect agent would write, or where that is longer than a reply may be.
    """
    env = make_env()
    if not isinstance(as_game(env), FlexGame):
        raise EnvironmentKindError(f"{env} is no FlexMG environment, so it has no reference that could be imitated")
    game = scripted_game(env, scripts or {})
    served = [agent for agent in game.agents if agent not in team.adapter_of and agent not in (scripts or {})]
    if served:
        raise ConfigError(
            f"{', '.join(served)} are played by a server, which knows no reference that others could go on from; let a "
            "script play them: --replace AGENT reference"
        )
    rollouts: list[Rollout] = []
    for task in tasks:
        rollouts.append(_demonstrated(game, team, task, sampling))
        progress(len(rollouts))
    return Batch(rollouts)


def _demonstrated(game: ScriptedGame, team: Team, task: Task, sampling: Sampling) -> Rollout:
    game.reset(task.seed, task.level)
    conversations = {agent: team.conversation() for agent in team.adapter_of}
    while not game.done:
        agent = game.ready()[0]
        prompt_ids = conversations[agent].prompt(game.messages(agent))
        text = _reference(game.env, agent)
        action_ids = team.encoder.reply_ids(text)
        if len(action_ids) > sampling.limit(agent):
            raise ConfigError(
                f"the reference of {agent} writes {len(action_ids)} tokens ({text!r}), but its replies end after "
                f"{sampling.limit(agent)}; give --max-new-tokens {len(action_ids)} or more"
            )
        conversations[agent].record(action_ids)
        told = Turn(agent, 0, prompt_ids, action_ids, [], text, game.state(agent), game.observation(agent))
        game.submit(agent, told)
    return game.rollout()


def _reference(env: FlexMG, agent: str) -> str:
    """Raises: `ConfigError`."""
    try:
        return env.reference_action(agent)
    except NotImplementedError as error:
        raise ConfigError(f"there is nothing to imitate: {error}") from error
