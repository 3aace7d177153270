"""Players in somebody else's loop: one turn at a time, where the collector plays many episodes at once."""

from collections.abc import Sequence

from baselines.policies.chat import Conversation
from baselines.policies.engines.question import Answering
from baselines.policies.team import Team
from baselines.rollouts.collect import Sampling
from baselines.rollouts.games import FlexGame
from marft_envs import FlexMG, Message


class TeamPlayer:
    """A policy for `marft_envs.play`: each agent answers with its own adapter. Make one for each episode."""

    def __init__(self, team: Team, env: FlexMG, sampling: Sampling, game: FlexGame | None = None) -> None:
        """`game`: how `env` is read, if not as a team reads it."""
        self._team = team
        self._env = env
        self._game = game or FlexGame(env)
        self._sampling = sampling
        self._conversations: dict[str, Conversation] = {}
        self._num_turns = 0

    def __call__(self, agent: str, messages: Sequence[Message]) -> str:  # a policy is given them
        """The agent's action, given everything it was told and said in this episode."""
        game = self._game
        if not game.appends:
            self._conversations.pop(agent, None)
        conversation = self._conversations.setdefault(agent, self._team.conversation(agent))
        request = self._sampling.request(
            agent,
            self._team.adapter_of[agent],
            conversation.prompt(game.messages(agent)),
            game.max_chars(agent),
            f"{self._sampling.seed} {self._env.episode_seed} {agent} {self._num_turns}",
            game.stands_for(agent),
        )
        (reply,) = self._team.act([request], temperature=self._sampling.temperature, batch_size=1)
        conversation.record(reply.action_ids)
        self._num_turns += 1
        return reply.text


class ServedPlayer:
    """A policy for `marft_envs.play`: a server answers for every agent that it is asked for."""

    def __init__(self, server: Answering, env: FlexMG, sampling: Sampling) -> None:
        self._server = server
        self._env = env
        self._sampling = sampling

    def __call__(self, agent: str, messages: Sequence[Message]) -> str:
        """The agent's action. Raises: `ServerError`."""
        max_chars = self._env.profiles[agent].max_action_chars
        (answer,) = self._server.ask([self._sampling.question(agent, messages, max_chars)])()
        return answer
