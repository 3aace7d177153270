"""One face for every environment a trainer can play: Flex-MG, and anybody else's AEC environments with text spaces.

The collector sees a `Game`. `FlexGame` plays a `FlexMG` with all that it offers (ready sets, messages, state, reward
events). `AECGame` plays any PettingZoo AEC environment whose observations and actions are text: the observation becomes
one user message, the environment's own `state()` is what the critic reads if it is text, else the observation, and each
turn is a round of its own.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol, Self, TypeVar

import gymnasium
from pettingzoo import AECEnv

from baselines.errors import EnvironmentKindError
from baselines.rollouts.batch import Rollout, Turn
from marft_envs import ClockMG, FlexMG, Message

DEFAULT_MAX_CHARS = 4096
"""Bound on an action's length where the action space names none."""


class Game(Protocol):
    """What the collector needs of an environment."""

    agents: tuple[str, ...]

    @property
    def done(self) -> bool:
        """Whether the episode has ended."""

    @property
    def appends(self) -> bool:
        """Whether an agent's messages only grow within an episode, so that its token ids can."""

    @property
    def may_act_again(self) -> bool:
        """Whether an agent that acts now may be asked again in this episode."""

    def reset(self, seed: int, level: str | None) -> None:
        """Begin an episode."""

    def ready(self) -> tuple[str, ...]:
        """The agents whose next action can be asked for now, in acting order."""

    def messages(self, agent: str) -> Sequence[Message]:
        """Everything a ready agent reads before it acts."""

    def max_chars(self, agent: str) -> int:
        """Longest action that is taken whole."""

    def stands_for(self, agent: str) -> tuple[str, ...]:
        """The agents whose bounds on new tokens, added up, hold for one action of `agent`: as a rule its own."""

    @property
    def tells_to_the_end(self) -> bool:
        """Whether `messages` can be asked for once the episode is over: what a next turn would have read."""

    def answer(self) -> str | None:
        """What the finished episode arrived at, for votes; None if at nothing, or nobody knows."""

    def state(self, agent: str) -> str:
        """What a central critic reads before `agent` acts."""

    def observation(self, agent: str) -> str:
        """What `agent` itself can read, as text."""

    def submit(self, agent: str, turn: Turn) -> None:
        """Act. The turn is completed (round, rewards, times) when the episode is over."""

    def rollout(self) -> Rollout:
        """The finished episode."""

    def fork(self) -> Self:
        """Another game that stands where this one does; what is done in one is not seen in the other.

        Raises: `EnvironmentKindError` if the environment cannot be copied.
        """


class FlexGame:
    """Plays a `FlexMG`."""

    appends = True
    tells_to_the_end = True

    def __init__(self, env: FlexMG) -> None:
        self.env = env
        self.agents = tuple(env.possible_agents)
        self._seed = 0
        self._submitted: dict[str, list[Turn]] = {}

    @property
    def done(self) -> bool:
        return self.env.terminated or self.env.truncated

    @property
    def may_act_again(self) -> bool:
        return isinstance(self.env, ClockMG) or self.env.round + 1 < self.env.horizon

    def reset(self, seed: int, level: str | None) -> None:
        self._seed = seed
        self._submitted = {agent: [] for agent in self.agents}
        self.env.reset(seed=seed, options=None if level is None else {"level": level})

    def ready(self) -> tuple[str, ...]:
        return self.env.ready

    def messages(self, agent: str) -> Sequence[Message]:
        return self.env.messages(agent)

    def max_chars(self, agent: str) -> int:
        return self.env.profiles[agent].max_action_chars

    def stands_for(self, agent: str) -> tuple[str, ...]:
        return (agent,)

    def answer(self) -> str | None:
        return self.env.answer()

    def state(self, agent: str) -> str:
        return self.env.state()

    def observation(self, agent: str) -> str:
        return self.env.observe(agent)["text"]

    def submit(self, agent: str, turn: Turn) -> None:
        if self.done:
            return  # on the clock the end may come before an agent that was asked: nobody will know what it said
        self._submitted[agent].append(turn)
        self.env.select(agent)
        self.env.step(turn.text)

    def rollout(self) -> Rollout:
        env = self.env
        turns: list[Turn] = []
        submitted = {agent: iter(own) for agent, own in self._submitted.items()}
        for logged in env.turns:
            turn = next(submitted[logged.agent])
            turn.round, turn.text, turn.parents = logged.round, logged.action, logged.parents
            turn.start_us, turn.finish_us = logged.start_us, logged.finish_us
            turns.append(turn)
        on_clock = isinstance(env, ClockMG)
        events = env.reward_events
        if not on_clock:
            for event in events:
                paid = turns[event.turn].rewards
                paid[event.agent] = paid.get(event.agent, 0.0) + event.amount
        return Rollout(
            turns=turns,
            agents=self.agents,
            terminated=env.terminated,
            final_states=dict.fromkeys(self.agents, env.state()),
            final_observations={agent: self.observation(agent) for agent in self.agents},
            seed=self._seed,
            level=env.level,
            instance=env.instance_key() or str(self._seed),
            info=dict(env.info),
            time="clock" if on_clock else "rounds",
            measurements=env.measurements,
            payments=tuple([(event.time_us, event.agent, event.amount) for event in events]) if on_clock else (),
            end_us=env.now_us if isinstance(env, ClockMG) else 0,
            unfinished={agent: turn.text for agent, left in submitted.items() for turn in left},
        )

    def fork(self) -> Self:
        twin = copy.copy(self)
        twin.env = _copied(self.env)
        own = {agent: [replace(turn, rewards={}) for turn in turns] for agent, turns in self._submitted.items()}
        twin._submitted = own  # noqa: SLF001  # a game of the same kind
        return twin


class AECGame:
    """Plays any other AEC environment with text observations and text actions."""

    appends = False
    tells_to_the_end = False

    def __init__(self, env: AECEnv[str, object, object]) -> None:
        self.env = env
        self.agents = tuple(env.possible_agents)
        self._text_of: dict[str, Callable[[object], str]] = {}
        for agent in self.agents:
            self._text_of[agent] = _text_reader(env, agent)
            if not isinstance(env.action_space(agent), gymnasium.spaces.Text):
                raise EnvironmentKindError(
                    f"agent {agent!r} of {env} acts in {env.action_space(agent)}, but language models write text; "
                    "its action space must be gymnasium.spaces.Text (marft_envs.LLMText takes any text)"
                )
        self._turns: list[Turn] = []
        self._final_states: dict[str, str] = {}
        self._final_observations: dict[str, str] = {}
        self._seed = 0

    @property
    def done(self) -> bool:
        return not self.env.agents

    @property
    def may_act_again(self) -> bool:
        return True

    def reset(self, seed: int, level: str | None) -> None:
        self._turns, self._seed = [], seed
        self._final_states, self._final_observations = {}, {}
        self.env.reset(seed=seed)

    def ready(self) -> tuple[str, ...]:
        return (self.env.agent_selection,)

    def messages(self, agent: str) -> Sequence[Message]:
        return [{"role": "user", "content": self.observation(agent)}]

    def max_chars(self, agent: str) -> int:
        space = self.env.action_space(agent)
        return space.max_length if isinstance(space, gymnasium.spaces.Text) else DEFAULT_MAX_CHARS

    def stands_for(self, agent: str) -> tuple[str, ...]:
        return (agent,)

    def answer(self) -> str | None:
        return None

    def state(self, agent: str) -> str:
        try:
            state = self.env.state()
        except NotImplementedError:
            state = None
        return state if isinstance(state, str) else self.observation(agent)

    def observation(self, agent: str) -> str:
        return self._text_of[agent](self.env.observe(agent))

    def submit(self, agent: str, turn: Turn) -> None:
        turn.round = len(self._turns)
        self._turns.append(turn)
        self.env.step(turn.text)
        for cut in self.env.agents:
            if self.env.truncations[cut] and not self.env.terminations[cut]:
                # Asked now: once finished agents are stepped away, there is nobody to observe.
                self._final_states[cut] = self.state(cut)
                self._final_observations[cut] = self.observation(cut)
        turn.rewards = {other: float(amount) for other, amount in self.env.rewards.items() if amount}
        self._bury_the_dead()

    def _bury_the_dead(self) -> None:
        """Step finished agents with None, as the AEC protocol wants, until somebody can act or nobody is left."""
        env = self.env
        while env.agents:
            agent = env.agent_selection
            if not (env.terminations[agent] or env.truncations[agent]):
                return
            env.step(None)

    def rollout(self) -> Rollout:
        return Rollout(
            turns=self._turns,
            agents=self.agents,
            terminated=not self._final_states,
            final_states=self._final_states,
            final_observations=self._final_observations,
            seed=self._seed,
            level=None,
            instance=str(self._seed),
            info={},
            time="turns",
        )

    def fork(self) -> Self:
        twin = copy.copy(self)
        twin.env = _copied(self.env)
        turns = [replace(turn) for turn in self._turns]
        twin._turns = turns  # noqa: SLF001  # a game of the same kind
        return twin


Env = TypeVar("Env")


def _copied(env: Env) -> Env:
    """Raises: `EnvironmentKindError` if it cannot be copied."""
    try:
        return copy.deepcopy(env)
    except Exception as error:  # whatever an environment of somebody else raises: it cannot be copied
        raise EnvironmentKindError(
            f"{env} cannot be copied in the middle of an episode ({error!r}); an algorithm that tries several actions "
            "from the same state needs that. Give it a __deepcopy__, or train by another algorithm"
        ) from error


def _text_reader(env: AECEnv[str, object, object], agent: str) -> Callable[[object], str]:
    """How the text of one agent's observation is reached: the observation itself, or the key "text" of a Dict."""
    space = env.observation_space(agent)
    if isinstance(space, gymnasium.spaces.Text):
        return str
    if isinstance(space, gymnasium.spaces.Dict) and isinstance(space.spaces.get("text"), gymnasium.spaces.Text):
        return _text_entry
    raise EnvironmentKindError(
        f"agent {agent!r} of {env} observes {space}, but language models read text; its observation space must be "
        'gymnasium.spaces.Text or Dict({"text": Text})'
    )


def _text_entry(observation: object) -> str:
    assert isinstance(observation, Mapping)
    return str(observation["text"])


def as_game(env: object) -> Game:
    """Wrap an environment.

    Raises: `EnvironmentKindError` for anything but an AEC environment with text spaces.
    """
    if isinstance(env, FlexMG):
        return FlexGame(env)
    if isinstance(env, AECEnv):
        inner = env.unwrapped
        return FlexGame(inner) if isinstance(inner, FlexMG) else AECGame(env)
    raise EnvironmentKindError(
        f"{type(env).__name__} is not a PettingZoo AEC environment; a parallel one becomes one with "
        "pettingzoo.utils.parallel_to_aec"
    )
