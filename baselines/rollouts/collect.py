"""How experience is made: many environment copies at once, every tick one batch of all agents that are ready."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from pettingzoo import AECEnv

from baselines.policies.chat import Conversation
from baselines.policies.engines.hf import Reply, Request
from baselines.policies.engines.history import History
from baselines.policies.engines.question import Answering, Question
from baselines.policies.team import Team
from baselines.rollouts.batch import Batch, BatchKind, Rollout, Turn
from baselines.rollouts.games import Game, as_game
from baselines.rollouts.scripted import Script, scripted_game
from marft_envs import FlexMG, Message

Progress: TypeAlias = Callable[[int], None]
"""Told how many episodes have ended."""


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
    max_history_tokens: int = 8192
    """Tokens whose keys and values may be kept from one turn to the next, of all agents together. What would exceed it
    is read again."""

    def limit(self, agent: str) -> int:
        """Most new tokens of one action of `agent`."""
        role = agent.rpartition("_")[0]
        by_role = self.max_new_tokens_by_role
        return by_role.get(agent, by_role.get(role, self.max_new_tokens))


@dataclass(slots=True)
class Seat:
    """One environment copy, the conversations of its agents and what is kept of them."""

    game: Game
    number: int = -1
    task: Task = Task(0)
    conversations: dict[str, Conversation] = field(default_factory=dict)
    histories: dict[str, History] = field(default_factory=dict)
    num_turns: dict[str, int] = field(default_factory=dict)
    """Of each agent, in this episode."""

    def fork(self, sample: int) -> "Seat":
        """Another copy that stands where this one does, and goes on by itself as play number `sample`.

        Raises: `EnvironmentKindError` if the environment cannot be copied.
        """
        conversations = {agent: conversation.fork() for agent, conversation in self.conversations.items()}
        task = replace(self.task, sample=sample)
        return Seat(self.game.fork(), self.number, task, conversations, {}, dict(self.num_turns))


class Collector:
    """Plays episodes of one environment with one team."""

    def __init__(
        self,
        make_env: Callable[[], FlexMG | AECEnv[str, object, object]],
        team: Team | None,
        *,
        num_envs: int,
        reads_final_prompts: bool = False,
        examples: Mapping[str, Sequence[Message]] | None = None,
        scripts: Mapping[str, Script] | None = None,
        server: Answering | None = None,
    ) -> None:
        """`reads_final_prompts`: whether rollouts tell what policies make of the next prompts where an episode is cut.

        `examples`: messages put into each agent's prompt after its system text (few-shot).

        `scripts`: who plays agents in place of the team; its own agents alone are asked.

        `server`: plays agents as well. Where scripts and a server play all of them, there may be no team.
        """
        self.make_env = make_env
        self._team = team
        self._server = server
        self._served = frozenset(server.models if server else ())
        self.scripts: Mapping[str, Script] = scripts or {}
        games = [scripted_game(make_env(), scripts) if scripts else as_game(make_env()) for _ in range(num_envs)]
        self._seats = [Seat(game) for game in games]
        self._reads_final_prompts = reads_final_prompts
        self._examples = examples or {}
        self.agents = self._seats[0].game.agents
        self.num_envs = num_envs

    @property
    def team(self) -> Team:
        """Who plays where neither a script nor a server does."""
        assert self._team is not None, "without a team nobody is left to it"
        return self._team

    def collect(
        self,
        tasks: Iterable[Task],
        sampling: Sampling,
        progress: Progress = lambda num_done: None,
    ) -> Batch:
        """Play every task once; rollouts come back in the order of the tasks.

        `progress` is told the number of finished episodes after every tick.
        """
        waiting = iter(enumerate(tasks))
        finished: dict[int, Rollout] = {}
        active = [seat for seat in self._seats if self._begin(seat, waiting)]
        try:
            while active:
                self._tick(active, sampling)
                done = [seat for seat in active if seat.game.done]
                finished |= self._rollouts(done, sampling)
                for seat in done:
                    if not self._begin(seat, waiting):
                        active.remove(seat)
                progress(len(finished))
        finally:
            for seat in self._seats:
                seat.histories = {}  # before the next call adapters may move
        return Batch([finished[number] for number in sorted(finished)])

    def collect_by(
        self,
        way: "Way[BatchKind]",
        tasks: Sequence[Task],
        sampling: Sampling,
        progress: Progress = lambda num_done: None,
    ) -> BatchKind:
        """Make a batch in a way of one's own; see `Collecting`."""
        return way(self, tasks, sampling, progress)

    # -- step by step, for those who branch ----------------------------------------------------------------------------

    def begun(self, tasks: Sequence[Task]) -> list[Seat]:
        """A seat of its own for each task, its episode begun.

        Raises: `EnvironmentKindError` if the environment cannot be copied.
        """
        seats = []
        for number, task in enumerate(tasks):
            self._begin(self._seats[0], iter([(number, task)]))
            seats.append(self._seats[0].fork(task.sample))
        return seats

    def ask(self, asked: Sequence[tuple[Seat, str]], sampling: Sampling) -> list[Turn]:
        """Let ready agents act, all in one batch, and keep nothing of what models read; what each did."""
        return self._ask(asked, [seat for seat, _ in asked], replace(sampling, max_history_tokens=0))

    def submit(self, seat: Seat, agent: str, turn: Turn) -> None:
        """Let an agent do what is known already."""
        if agent in seat.conversations:
            seat.conversations[agent].record(turn.action_ids)
        seat.num_turns[agent] += 1
        seat.game.submit(agent, turn)

    def play_on(self, seats: Sequence[Seat], sampling: Sampling) -> None:
        """Play all of them to their ends; nothing is kept of what models read."""
        while active := [seat for seat in seats if not seat.game.done]:
            self._tick(active, sampling)
            for seat in active:
                if seat.game.done:
                    seat.histories = {}

    # ------------------------------------------------------------------------------------------------------------------

    def _begin(self, seat: Seat, waiting: Iterator[tuple[int, Task]]) -> bool:
        """Start the next task on a seat; False when there is none."""
        seat.histories = {}
        for number, task in waiting:
            seat.number, seat.task = number, task
            seat.game.reset(task.seed, task.level)
            own = [agent for agent in seat.game.agents if agent not in self.scripts and agent not in self._served]
            seat.conversations = {agent: self.team.conversation() for agent in own}
            seat.num_turns = dict.fromkeys(seat.game.agents, 0)
            return True
        return False

    def _tick(self, active: Sequence[Seat], sampling: Sampling) -> None:
        """Ask all ready agents of all copies in one batch, then submit their actions in acting order."""
        self._ask([(seat, agent) for seat in active for agent in seat.game.ready()], active, sampling)

    def _ask(self, asked: Sequence[tuple[Seat, str]], active: Sequence[Seat], sampling: Sampling) -> list[Turn]:
        """`active`: whose histories count against what may be kept."""
        served = [(seat, agent) for seat, agent in asked if agent in self._served]
        awaited = self._asked_of_server(served, sampling)  # it writes while the team does
        own = [(seat, agent) for seat, agent in asked if agent not in self._served]
        requests = self._requests(own, active, sampling)
        replies: Sequence[Reply] = ()
        if requests:
            replies = self.team.act(requests, temperature=sampling.temperature, batch_size=sampling.batch_size)
        drawn = iter(zip(requests, replies, strict=True))
        answers = iter(awaited())
        turns = []
        for seat, agent in asked:  # in acting order: each is told what was submitted before
            if agent in self._served:
                told = seat.game.state(agent), seat.game.observation(agent)
                turns.append(Turn(agent, 0, [], [], [], next(answers), *told))
            else:
                request, reply = next(drawn)
                if reply.history is not None:
                    seat.histories[agent] = reply.history
                turns.append(_turn(agent, request, reply, seat.game))
            self.submit(seat, agent, turns[-1])
        return turns

    def _asked_of_server(self, asked: Sequence[tuple[Seat, str]], sampling: Sampling) -> Callable[[], list[str]]:
        """Ask; what is returned waits for the answers."""
        if self._server is None or not asked:
            return list
        return self._server.ask(
            [
                Question(
                    agent,
                    self._with_examples(agent, seat.game.messages(agent)),
                    sampling.limit(agent),
                    seat.game.max_chars(agent),
                )
                for seat, agent in asked
            ],
            sampling.temperature,
        )

    def _rollouts(self, done: Sequence[Seat], sampling: Sampling) -> dict[int, Rollout]:
        """The finished episodes by their numbers; the next prompts of all that were cut are read together."""
        rollouts = {seat.number: seat.game.rollout() for seat in done}
        if not self._reads_final_prompts:
            return rollouts
        cut = [
            (seat, agent)
            for seat in done
            if not rollouts[seat.number].terminated
            for agent in rollouts[seat.number].final_states
            if agent in seat.conversations
        ]
        if cut:
            features = self.team.prompt_features(
                [agent for _, agent in cut],
                [self._final_prompt(seat, agent, rollouts[seat.number]) for seat, agent in cut],
                sampling.batch_size,
                [seat.histories.get(agent) for seat, agent in cut],
            )
            for (seat, agent), row in zip(cut, features.cpu(), strict=True):
                rollouts[seat.number].final_features[agent] = row.clone()  # a row of its own, as in a reply
        return rollouts

    def _final_prompt(self, seat: Seat, agent: str, rollout: Rollout) -> list[int]:
        """What the agent's next prompt would have been, as far as it was told anything yet."""
        if seat.game.appends:
            messages = self._with_examples(agent, seat.game.messages(agent))
            return seat.conversations[agent].prompt(messages)
        asked: Message = {"role": "user", "content": rollout.final_observations[agent]}
        return self.team.conversation().prompt(self._with_examples(agent, [asked]))

    def _requests(self, asked: Sequence[tuple[Seat, str]], active: Sequence[Seat], sampling: Sampling) -> list[Request]:
        """What is asked of the team, with what was kept of earlier turns; replies keep theirs while there is room."""
        histories = [seat.histories.pop(agent, None) for seat, agent in asked]
        kept = sum(len(history.ids) for seat in active for history in seat.histories.values())
        requests: list[Request] = []
        for (seat, agent), history in zip(asked, histories, strict=True):
            request = self._request(seat, agent, sampling, history)
            most = len(request.prompt_ids) + request.max_new_tokens - 1
            if self._needs_history(seat.game) and kept + most <= sampling.max_history_tokens:
                request = replace(request, keeps_history=True)
                kept += most
            requests.append(request)
        return requests

    def _needs_history(self, game: Game) -> bool:
        """Whether anything may be read after what an agent says now."""
        return game.appends and (game.may_act_again or self._reads_final_prompts)

    def _request(self, seat: Seat, agent: str, sampling: Sampling, history: History | None) -> Request:
        if not seat.game.appends:
            seat.conversations[agent] = self.team.conversation()
        return Request(
            adapter=self.team.adapter_of[agent],
            prompt_ids=seat.conversations[agent].prompt(self._with_examples(agent, seat.game.messages(agent))),
            max_new_tokens=sampling.limit(agent),
            max_chars=seat.game.max_chars(agent),
            seed=f"{sampling.seed} {seat.task.seed} {seat.task.sample} {agent} {seat.num_turns[agent]}",
            history=history,
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


Way: TypeAlias = Callable[[Collector, Sequence[Task], Sampling, Progress], BatchKind]
"""How a collector makes a batch of tasks."""
