"""The suite's scripted plays as entries: what is best, what is worth nothing, and what needs no talk.

They need no model and are nobody's team. A board shows them beside the teams, so that a score has a scale.
"""

from leaderboard.behaviour import make
from leaderboard.players import ScriptName, ScriptPlayer
from leaderboard.scores import no_tokens
from leaderboard.submit import PlayedTask
from leaderboard.tracks import Task, seeds_of
from marft_envs import SCRIPTED_PLAYS, play


def scripted_play(task: Task, season: str, script: ScriptName) -> PlayedTask:
    """A task of a season, every agent played by the script.

    Raises: NotImplementedError where an environment does not tell how the script plays; TrackError.
    """
    env = make(task.env_id, task.level, task.options)
    style = SCRIPTED_PLAYS[script]
    episodes = [play(env, lambda agent, _: style(env, agent), seed=seed) for seed in seeds_of(season, task)]
    players = {agent: ScriptPlayer(kind="script", script=script) for agent in env.possible_agents}
    return PlayedTask(task, players, episodes, [no_tokens(episode) for episode in episodes])
