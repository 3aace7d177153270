"""How experience is made: many environment copies at once, every tick one batch of all agents that are ready."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pettingzoo import AECEnv

from baselines.policies.chat import Conversation
from baselines.policies.engines.hf import Reply, Request
from baselines.policies.team import Team
from baselines.rollouts.batch import Batch, Rollout, Turn
from baselines.rollouts.games import Game, as_game
from baselines.rollouts.scripted import Script, scripted_game
from marft_envs import FlexMG, Message


@dataclass(frozen=True, slots=True)
class Task:
    """One episode to play."""

    seed: int
    level: str | None = None
    sample: int = 0
    """Tells several plays of the same instance apart: each draws its own replies."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How replies are drawn."""

    temperature: float
    """0 is greedy."""
    max_new_tokens: int
    max_new_tokens_by_role: Mapping[str, int] = field(default_factory=dict)
    """Roles (`reasoner` of `reasoner_0`) or agents that need another bound."""
    batch_size: int = 64
    seed: int = 0
    """With the task, the agent and its turn it decides what is drawn."""

    def limit(self, agent: str) -> int:
        """Most new tokens of one action of `agent`."""
        role = agent.rpartition("_")[0]
        by_role = self.max_new_tokens_by_role
        return by_role.get(agent, by_role.get(role, self.max_new_tokens))


@dataclass(slots=True)
class _Seat:
    """One environment copy and the conversations of its agents."""

    game: Game
    number: int = -1
    task: Task = Task(0)
    conversations: dict[str, Conversation] = field(default_factory=dict)
    num_turns: dict[str, int] = field(default_factory=dict)
    """Of each agent, in this episode."""


class Collector:
    """Plays episodes of one environment with one team."""

    def __init__(
        self,
        make_env: Callable[[], FlexMG | AECEnv[str, object, object]],
        team: Team,
        *,
        num_envs: int,
        examples: Mapping[str, Sequence[Message]] | None = None,
        scripts: Mapping[str, Script] | None = None,
    ) -> None:
        """`examples`: messages put into each agent's prompt after its system text (few-shot).

        `scripts`: who plays agents in place of the team; its own agents alone are asked.
        """
        self._team = team
        games = [scripted_game(make_env(), scripts) if scripts else as_game(make_env()) for _ in range(num_envs)]
        self._seats = [_Seat(game) for game in games]
        self._examples = examples or {}
        self.agents = self._seats[0].game.agents

    def collect(
        self,
        tasks: Iterable[Task],
        sampling: Sampling,
        progress: Callable[[int], None] = lambda num_done: None,
    ) -> Batch:
        """Play every task once; rollouts come back in the order of the tasks.

        `progress` is told the number of finished episodes after every tick.
        """
        waiting = iter(enumerate(tasks))
        finished: dict[int, Rollout] = {}
        active = [seat for seat in self._seats if self._begin(seat, waiting)]
        while active:
            self._tick(active, sampling)
            for seat in [seat for seat in active if seat.game.done]:
                finished[seat.number] = self._rollout(seat)
                if not self._begin(seat, waiting):
                    active.remove(seat)
            progress(len(finished))
        return Batch([finished[number] for number in sorted(finished)])

    def _begin(self, seat: _Seat, waiting: Iterator[tuple[int, Task]]) -> bool:
        """Start the next task on a seat; False when there is none."""
        for number, task in waiting:
            seat.number, seat.task = number, task
            seat.game.reset(task.seed, task.level)
            seat.conversations = {agent: self._team.conversation() for agent in seat.game.agents}
            seat.num_turns = dict.fromkeys(seat.game.agents, 0)
            return True
        return False

    def _tick(self, active: list[_Seat], sampling: Sampling) -> None:
        """Ask all ready agents of all copies in one batch, then submit their actions in acting order."""
        asked = [(seat, agent) for seat in active for agent in seat.game.ready()]
        requests = [self._request(seat, agent, sampling) for seat, agent in asked]
        replies = self._team.act(requests, temperature=sampling.temperature, batch_size=sampling.batch_size)
        for (seat, agent), request, reply in zip(asked, requests, replies, strict=True):
            seat.conversations[agent].record(reply.action_ids)
            seat.num_turns[agent] += 1
            seat.game.submit(agent, _turn(agent, request, reply, seat.game))

    def _rollout(self, seat: _Seat) -> Rollout:
        rollout = seat.game.rollout()
        if not rollout.terminated:
            rollout.final_prompts = {agent: self._final_prompt(seat, agent, rollout) for agent in rollout.final_states}
        return rollout

    def _final_prompt(self, seat: _Seat, agent: str, rollout: Rollout) -> list[int]:
        """What the agent's next prompt would have been, as far as it was told anything yet."""
        if seat.game.appends:
            messages = self._with_examples(agent, seat.game.messages(agent))
            return seat.conversations[agent].prompt(messages)
        asked: Message = {"role": "user", "content": rollout.final_observations[agent]}
        return self._team.conversation().prompt(self._with_examples(agent, [asked]))

    def _request(self, seat: _Seat, agent: str, sampling: Sampling) -> Request:
        if not seat.game.appends:
            seat.conversations[agent] = self._team.conversation()
        return Request(
            adapter=self._team.adapter_of[agent],
            prompt_ids=seat.conversations[agent].prompt(self._with_examples(agent, seat.game.messages(agent))),
            max_new_tokens=sampling.limit(agent),
            max_chars=seat.game.max_chars(agent),
            seed=f"{sampling.seed} {seat.task.seed} {seat.task.sample} {agent} {seat.num_turns[agent]}",
        )

    def _with_examples(self, agent: str, messages: Sequence[Message]) -> Sequence[Message]:
        begin = 1 if messages and messages[0]["role"] == "system" else 0
        return [*messages[:begin], *self._examples.get(agent, ()), *messages[begin:]]


def _turn(agent: str, request: Request, reply: Reply, game: Game) -> Turn:
    return Turn(
        agent=agent,
        round=0,
        prompt_ids=request.prompt_ids,
        action_ids=reply.action_ids,
        logprobs=reply.logprobs,
        text=reply.text,
        state=game.state(agent),
        observation=game.observation(agent),
        features=reply.features,
    )
