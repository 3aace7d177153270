"""Episodes as the environment's reference plays them, in the tokens of a team: what imitation learns from."""

from collections.abc import Callable, Iterable, Mapping

from baselines.errors import ConfigError, EnvironmentKindError
from baselines.policies.team import Team
from baselines.rollouts.batch import Batch, Rollout, Turn
from baselines.rollouts.collect import Sampling, Task
from baselines.rollouts.games import FlexGame
from baselines.rollouts.scripted import Script
from baselines.rollouts.solo import Solo, seated
from marft_envs import FlexMG


def demonstrate(
    make_env: Callable[[], object],
    team: Team,
    tasks: Iterable[Task],
    sampling: Sampling,
    progress: Callable[[int], None] = lambda num_done: None,
    *,
    scripts: Mapping[str, Script] | None = None,
    solo: Solo | None = None,
) -> Batch:
    """Every task once, all agents playing their reference; those of the team with prompts and replies as token ids.

    `scripts` play agents that are none of the team's; `solo` plays alone in its place.

    Raises: `EnvironmentKindError` for anything but a `FlexMG`; `ConfigError` where the environment does not tell what a
    perfect agent would write, or where that is longer than a reply may be.
    """
    env = make_env()
    game = seated(env, scripts or {}, solo)
    if not isinstance(game, FlexGame):
        raise EnvironmentKindError(f"{env} is no FlexMG environment, so it has no reference that could be imitated")
    by_others = (*(scripts or {}), *(solo.scripts(game.agents) if solo else ()))
    served = [agent for agent in game.agents if agent not in team.adapter_of and agent not in by_others]
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


def _demonstrated(game: FlexGame, team: Team, task: Task, sampling: Sampling) -> Rollout:
    game.reset(task.seed, task.level)
    conversations = {agent: team.conversation(agent) for agent in team.adapter_of}
    while not game.done:
        agent = game.ready()[0]
        if not game.appends:
            conversations[agent] = team.conversation(agent)
        prompt_ids = conversations[agent].prompt(game.messages(agent))
        text = _reference(game.env, agent)
        action_ids = team.base_of(agent).encoder.reply_ids(text)
        most = sampling.limit_of_all(game.stands_for(agent))
        if len(action_ids) > most:
            raise ConfigError(
                f"the reference of {agent} writes {len(action_ids)} tokens ({text!r}), but its replies end after "
                f"{most}; give --max-new-tokens {-(-len(action_ids) // len(game.stands_for(agent)))} or more"
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
