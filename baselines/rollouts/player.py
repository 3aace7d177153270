"""Players in somebody else's loop: one turn at a time, where the collector plays many episodes at once."""

from collections.abc import Sequence

from baselines.policies.chat import Conversation
from baselines.policies.engines.hf import Request
from baselines.policies.engines.question import Answering, Question
from baselines.policies.team import Team
from baselines.rollouts.collect import Sampling
from marft_envs import FlexMG, Message


class TeamPlayer:
    """A policy for `marft_envs.play`: each agent answers with its own adapter. Make one for each episode."""

    def __init__(self, team: Team, env: FlexMG, sampling: Sampling) -> None:
        self._team = team
        self._env = env
        self._sampling = sampling
        self._conversations: dict[str, Conversation] = {}
        self._num_turns = 0

    def __call__(self, agent: str, messages: Sequence[Message]) -> str:
        """The agent's action, given everything it was told and said in this episode."""
        conversation = self._conversations.setdefault(agent, self._team.conversation())
        request = Request(
            adapter=self._team.adapter_of[agent],
            prompt_ids=conversation.prompt(messages),
            max_new_tokens=self._sampling.limit(agent),
            max_chars=self._env.profiles[agent].max_action_chars,
            seed=f"{self._sampling.seed} {self._env.episode_seed} {agent} {self._num_turns}",
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
        question = Question(agent, messages, self._sampling.limit(agent), max_chars)
        (answer,) = self._server.ask([question], self._sampling.temperature)()
        return answer
