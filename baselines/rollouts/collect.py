"""How experience is made: many environment copies at once, every tick one batch of all agents that are ready."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TypeAlias, TypeVar

from pettingzoo import AECEnv

from baselines.policies.chat import Conversation
from baselines.policies.engines.hf import Reply, Request
from baselines.policies.engines.history import History
from baselines.policies.engines.question import Answering, Question
from baselines.policies.team import Team
from baselines.ranks import ALONE, Ranks
from baselines.rollouts.batch import Batch, BatchKind, Rollout, Turn
from baselines.rollouts.games import Game
from baselines.rollouts.scripted import Script
from baselines.rollouts.solo import Solo, seated
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


def by_instance(tasks: Iterable[Task]) -> list[list[Task]]:
    """Tasks in their order, those together that follow each other and play the same instance: they share prompts."""
    return [list(plays) for _, plays in groupby(tasks, lambda task: (task.seed, task.level))]


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
    temperature_by_role: Mapping[str, float] = field(default_factory=dict)
    """Roles or agents that are sampled at another temperature; where play is greedy, it is for all."""
    stop_by_role: Mapping[str, str] = field(default_factory=dict)
    """Roles or agents whose replies a text ends."""
    max_history_tokens: int = 8192
    """Tokens whose keys and values may be kept from one turn to the next, of all agents together. What would exceed it
    is read again."""

    def limit(self, agent: str) -> int:
        """Most new tokens of one action of `agent`."""
        return of_role(self.max_new_tokens_by_role, agent, self.max_new_tokens)

    def temperature_of(self, agent: str) -> float:
        """At which `agent` is sampled."""
        return of_role(self.temperature_by_role, agent, self.temperature) if self.temperature else 0.0

    def limit_of_all(self, agents: Iterable[str]) -> int:
        """Most new tokens of one who acts for all of them."""
        return sum(map(self.limit, agents))

    def request(  # each is a part of what is asked
        self, agent: str, adapter: str, prompt_ids: list[int], max_chars: int, seed: str, stands_for: Sequence[str]
    ) -> Request:
        """A reply of `agent` to draw, who may write as much as those together for whom it stands."""
        return Request(
            adapter=adapter,
            prompt_ids=prompt_ids,
            max_new_tokens=self.limit_of_all(stands_for),
            max_chars=max_chars,
            seed=seed,
            temperature=self.temperature_of(agent),
            stop=of_role(self.stop_by_role, agent, ""),
        )

    def question(self, agent: str, messages: Sequence[Message], max_chars: int) -> Question:
        """A reply of `agent` to ask a server for."""
        return Question(
            agent=agent,
            messages=messages,
            max_new_tokens=self.limit(agent),
            max_chars=max_chars,
            temperature=self.temperature_of(agent),
            stop=of_role(self.stop_by_role, agent, ""),
        )


Value = TypeVar("Value")


def of_role(by_role: Mapping[str, Value], agent: str, default: Value) -> Value:
    """What is named for an agent, or else for its role (`reasoner` of `reasoner_0`), or else for nobody."""
    return by_role.get(agent, by_role.get(agent.rpartition("_")[0], default))


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

    def __init__(  # noqa: PLR0913  # each is a setting of its own
        self,
        make_env: Callable[[], FlexMG | AECEnv[str, object, object]],
        team: Team | None,
        *,
        num_envs: int,
        reads_final_prompts: bool = False,
        examples: Mapping[str, Sequence[Message]] | None = None,
        scripts: Mapping[str, Script] | None = None,
        solo: Solo | None = None,
        reads_answers: bool = False,
        server: Answering | None = None,
    ) -> None:
        """`reads_final_prompts`: whether rollouts tell what policies make of the next prompts where an episode is cut.

        `examples`: messages put into each agent's prompt after its system text (few-shot).

        `scripts`: who plays agents in place of the team; its own agents alone are asked.

        `solo`: who plays alone in place of the team, which then has that one's policy.

        `reads_answers`: whether rollouts tell what they arrived at, which for programs takes some milliseconds.

        `server`: plays agents as well. Where scripts and a server play all of them, there may be no team.
        """
        self.make_env = make_env
        self._team = team
        self._server = server
        self._served = frozenset(server.models if server else ())
        self.scripts: Mapping[str, Script] = scripts or {}
        self.solo = solo
        self._seats = [Seat(seated(make_env(), self.scripts, solo)) for _ in range(num_envs)]
        self._reads_answers = reads_answers
        self._reads_final_prompts = reads_final_prompts
        self._examples = examples or {}
        self.agents = self._seats[0].game.agents
        self.num_envs = num_envs
        self.num_drawn = 0
        """Tokens of all replies that the team was asked for so far, kept or not."""

    @property
    def team(self) -> Team:
        """Who plays where neither a script nor a server does."""
        assert self._team is not None, "without a team nobody is left to it"
        return self._team

    @property
    def ranks(self) -> Ranks:
        """The processes that share the team's work; a collector plays what it is given by itself."""
        return ALONE if self._team is None else self._team.ranks

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
            seat.conversations = {agent: self.team.conversation(agent) for agent in own}
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
        self.num_drawn += sum(len(reply.action_ids) for reply in replies)
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
                sampling.question(
                    agent, self._with_examples(agent, seat.game.messages(agent)), seat.game.max_chars(agent)
                )
                for seat, agent in asked
            ]
        )

    def _rollouts(self, done: Sequence[Seat], sampling: Sampling) -> dict[int, Rollout]:
        """The finished episodes by their numbers; the next prompts of all that were cut are read together."""
        rollouts = {seat.number: seat.game.rollout() for seat in done}
        if self._reads_answers:
            for seat in done:
                rollouts[seat.number].answer = seat.game.answer()
        if not self._reads_final_prompts:
            return rollouts
        cut = [
            (seat, agent)
            for seat in done
            if not rollouts[seat.number].terminated
            for agent in rollouts[seat.number].final_states
            if agent in seat.conversations and agent in self.team.adapter_of
        ]
        if cut:
            features = self.team.prompt_features(
                [agent for _, agent in cut],
                [self._final_prompt(seat, agent, rollouts[seat.number]) for seat, agent in cut],
                sampling.batch_size,
                [seat.histories.get(agent) for seat, agent in cut],
            )
            for (seat, agent), row in zip(cut, features, strict=True):
                rollouts[seat.number].final_features[agent] = row.cpu().clone()  # a row of its own, as in a reply
        return rollouts

    def _final_prompt(self, seat: Seat, agent: str, rollout: Rollout) -> list[int]:
        """What the agent's next prompt would have been, as far as it was told anything yet."""
        game = seat.game
        asked: Message = {"role": "user", "content": rollout.final_observations[agent]}
        messages = game.messages(agent) if game.tells_to_the_end else [asked]
        conversation = seat.conversations[agent] if game.appends else self.team.conversation(agent)
        return conversation.prompt(self._with_examples(agent, messages))

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
            seat.conversations[agent] = self.team.conversation(agent)
        request = sampling.request(
            agent,
            self.team.adapter_of[agent],
            seat.conversations[agent].prompt(self._with_examples(agent, seat.game.messages(agent))),
            seat.game.max_chars(agent),
            f"{sampling.seed} {seat.task.seed} {seat.task.sample} {agent} {seat.num_turns[agent]}",
            seat.game.stands_for(agent),
        )
        return replace(request, history=history)

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
