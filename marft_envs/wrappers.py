"""Views: the same game behind other interfaces.

- `SingleAgentView`: a Gymnasium environment for one agent, in which policies play the others.
- `DiscreteChoiceView`: an AEC environment whose actions are numbers of given texts, for learners without language.
- `parallel_view`: PettingZoo's parallel interface, one agent's turn per step.

None of them is needed to play or to train: `FlexMG` checks order and actions itself.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gymnasium
from gymnasium.spaces import Discrete
from pettingzoo import ParallelEnv
from pettingzoo.utils.conversions import turn_based_aec_to_parallel
from pettingzoo.utils.wrappers import BaseWrapper

from marft_envs.episode import Policy
from marft_envs.errors import OptionError, TurnError
from marft_envs.flex_mg import FlexMG
from marft_envs.hooks import Hooks

Choices = Callable[[FlexMG, str], Sequence[str]]
"""(environment, agent whose turn is open) -> the texts that it can choose from."""


def has_choices(env: FlexMG) -> bool:
    """Whether an environment says what can be chosen from, at its easiest level at least."""
    return type(env).choices is not Hooks.choices


def own_choices(env: FlexMG, agent: str) -> Sequence[str]:
    """What the environment itself lets an agent choose from. Raises: OptionError where it has no choices."""
    try:
        return env.choices(agent)
    except NotImplementedError as error:
        raise OptionError(f"{env} has no choices: {error}; take another level, or give texts for its agents") from error


class SingleAgentView(gymnasium.Env[dict[str, str], str]):
    """One agent's game, in Gymnasium's interface; the others are played by policies.

        env = SingleAgentView(marft_envs.make("math/reason_act-v0"), "actor_0", lambda agent, messages: "Add them.")
        observation, info = env.reset(seed=1)
        observation, reward, terminated, truncated, info = env.step("12")

    A step is one turn of the agent. Its reward is all that the agent was paid since its turn before.
    """

    metadata = {"render_modes": ["human", "ansi"]}  # noqa: RUF012  # Gymnasium declares it so

    def __init__(self, env: FlexMG, agent: str, policies: Mapping[str, Policy] | Policy) -> None:
        """Raises: OptionError if there is no such agent, or another one has no policy."""
        if agent not in env.possible_agents:
            raise OptionError(f"agent is {agent!r}; the agents are {', '.join(env.possible_agents)}")
        others = [other for other in env.possible_agents if other != agent]
        if isinstance(policies, Mapping):
            for other in others:
                if other not in policies:
                    raise OptionError(
                        f"no policy for {other!r}; give one for each of {', '.join(others)}, or one for all"
                    )
        self.env = env
        self.agent = agent
        self.observation_space = env.observation_space(agent)
        self.action_space = env.action_space(agent)
        self.render_mode = env.render_mode
        self._policies = policies

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, str], dict[str, Any]]:
        """Starts an episode and plays it to the agent's first turn.

        Raises: TurnError if the episode ends without one; OptionError.
        """
        super().reset(seed=seed)
        self.env.reset(seed=seed, options=options)
        self._num_paid = 0
        self._play_others()
        if not self.env.ready:
            raise TurnError(
                f"the episode of seed {self.env.episode_seed} ended before {self.agent} had a turn; reset with another "
                "seed, or let the others call it"
            )
        return self.env.observe(self.agent), self._info()

    def step(self, action: str) -> tuple[dict[str, str], float, bool, bool, dict[str, Any]]:
        """The agent acts; then the others, until it is its turn again or the episode is over."""
        self.env.step(action)
        self._play_others()
        events = self.env.reward_events
        reward = sum(event.amount for event in events[self._num_paid :] if event.agent == self.agent)
        self._num_paid = len(events)
        return self.env.observe(self.agent), reward, self.env.terminated, self.env.truncated, self._info()

    def _play_others(self) -> None:
        env = self.env
        while env.ready and self.agent not in env.ready:
            other = env.agent_selection
            policy = self._policies[other] if isinstance(self._policies, Mapping) else self._policies
            env.step(policy(other, env.messages(other)))
        if env.ready:
            env.select(self.agent)

    def _info(self) -> dict[str, Any]:
        return dict(self.env.infos[self.agent])

    def render(self) -> str | None:
        """What was committed so far; see `FlexMG.render`."""
        return self.env.render()

    def close(self) -> None:
        """Releases nothing."""
        self.env.close()


class DiscreteChoiceView(BaseWrapper[str, dict[str, str], int]):
    """Actions are numbers: which of the given texts an agent says.

        env = DiscreteChoiceView(marft_envs.make("math/reason_act-v0", level="one_digit"))

    Observations stay texts. So a learner of classical multi-agent reinforcement learning can show that a task is
    learnable without a language model.
    """

    def __init__(
        self, env: FlexMG, choices: Sequence[str] | Mapping[str, Sequence[str]] | Choices | None = None
    ) -> None:
        """`choices`: the same texts for everybody, texts by agent, or a function that is asked at every turn.

        By default these are the environment's own, `FlexMG.choices`. A function has to give the same number of texts to
        an agent every time.

        Raises: OptionError for an agent without texts, or an environment without choices of its own.
        """
        super().__init__(env)  # type: ignore[arg-type]  # the wrapper's actions are others than the environment's
        self.flex_mg = env
        self._spaces: dict[str, Discrete[Any]] = {}
        if choices is None:
            if not has_choices(env):
                raise OptionError(f"{env} has no choices of its own; give texts for its agents")
            choices = own_choices
        self._choices = choices
        if isinstance(choices, Mapping):
            for agent in env.possible_agents:
                if not choices.get(agent):
                    raise OptionError(f"no choices for {agent!r}; give at least one text for each agent")
        elif not callable(choices) and not choices:
            raise OptionError("there are no choices; give at least one text")

    def texts(self, agent: str) -> Sequence[str]:
        """What the agent can choose from now. Raises: OptionError at a level where the environment has no choices."""
        if callable(self._choices):
            return self._choices(self.flex_mg, agent)
        return self._choices[agent] if isinstance(self._choices, Mapping) else self._choices

    def action_space(self, agent: str) -> Discrete[Any]:
        """`Discrete(number of texts)`, the same object every time; where a function chooses, ask after a reset."""
        if agent not in self._spaces:
            self._spaces[agent] = Discrete(len(self.texts(agent)))
        return self._spaces[agent]

    def step(self, action: int | None) -> None:
        """Says the text of this number. Raises: OptionError for a number that no text has."""
        if action is None:
            self.flex_mg.step(None)
            return
        agent = self.flex_mg.agent_selection
        texts = self.texts(agent)
        if not 0 <= action < len(texts):
            raise OptionError(f"action is {action}; {agent} chooses from {len(texts)} texts, 0 to {len(texts) - 1}")
        self.flex_mg.step(texts[action])


def parallel_view(env: FlexMG) -> ParallelEnv[str, Any, Any]:
    """PettingZoo's parallel interface: in each step `agent_selection` acts, and the others' actions are not used.

    It is PettingZoo's own conversion; a batch of all ready agents is asked for with `env.ready` and `env.select`.
    """
    view: ParallelEnv[str, Any, Any] = turn_based_aec_to_parallel(env)  # type: ignore[arg-type]  # texts, no arrays
    return view
