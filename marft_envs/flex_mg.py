"""FlexMG, the base class of every environment: Flex-MG on PettingZoo's AEC interface.

An environment file says what the task is: who waits for whom, what an agent is told, what an action is worth. This class
does all the rest, so that every environment keeps the same promises:

- **Composed observations.** Who sees whose words follows from D_t and `recall` alone. An environment can leak only by
  writing one agent's secret into another's `view`.
- **Append-only.** An agent's messages only grow: those of turn k + 1 are those of turn k, its own action, what is new.
- **The commit rule.** `step` only records. The consequences run when everybody who takes part in the round has acted,
  in the canonical order of D_t. What an agent is told is frozen when its turn opens. So all `ready` agents may be
  computed in one batch and submitted in any order: same texts, same rewards, same times.
- **Order enforced here.** A call out of order is a typed error; no wrapper is needed.
"""

import copy
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal, NoReturn, Self, TypedDict, cast

import numpy as np
from gymnasium.spaces import Dict, Space
from pettingzoo import AECEnv

from marft_envs.dependencies import Dependencies
from marft_envs.errors import ActionTypeError, DependencyError, OptionError, OutcomeError, TurnError
from marft_envs.profiles import Profile, name_agents
from marft_envs.records import (
    SHORTENED,
    Episode,
    Outcome,
    RewardEvent,
    Turn,
    checked_info,
    feedback_by_agent,
    rewards_by_agent,
)
from marft_envs.rendering import blocks
from marft_envs.schedule import RoundsSchedule, Schedule, Slot
from marft_envs.seeding import SPLITS, EpisodeSeeds, generator, split_of
from marft_envs.spaces import LLMText
from marft_envs.teams import Team, find_team, is_team_name
from marft_envs.transcript import Message, Part, Thread, Transcript

_SURROGATES = re.compile("[\ud800-\udfff]")
"""Halves of a character. They cannot be encoded, so they can neither be logged nor tokenised."""
_MAX_DRAWS = 10_000
"""Draws of an instance until one falls into the split; 0.8 to this power is nothing, so more means a broken key."""


class BaseOptions(TypedDict, total=False):
    """The options that every environment takes, besides `horizon` and its own."""

    team: Team | None
    split: str
    level: str | None
    render_mode: str | None


class _Seat:
    """What the base class keeps of one agent."""

    __slots__ = ("action", "has_acted", "is_open", "news", "profile", "shortened", "thread")

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.sit_down()

    def sit_down(self) -> None:
        """Starts an episode."""
        self.thread = Thread(self.profile.system)
        self.news: list[Part] = []  # what waits for the opening of the agent's next turn
        self.is_open = False
        self.has_acted = False  # in the round that is being played
        self.action = ""
        self.shortened = 0


class FlexMG(AECEnv[str, dict[str, str], str]):
    """A Markov game of language model agents, played turn by turn.

    To make an environment, subclass it, set the class attributes that differ, and write the hooks:

        class GuessTheSum(FlexMG):
            metadata = {"name": "guess_the_sum_v0"}
            default_team = "duo"

            def start(self, rng, options):
                self.a, self.b = rng.integers(10, size=2)

            def view(self, agent):
                return f"What is {self.a} + {self.b}?" if self.round == 0 else ""

            def act(self, agent, action):
                if self.profiles[agent].answers and action.strip() == str(self.a + self.b):
                    return Outcome(rewards=1.0, terminated=True)

    Only `start` and `act` or `end_round` are needed in practice. No hook may be called from outside, and none may touch
    a global random generator: draw from `self.rng`. Hooks are asked in a fixed order, whatever the order of stepping, so
    what they draw is reproducible.
    """

    # What an environment declares.
    metadata: dict[str, Any] = {"name": "flex_mg"}
    """`name` at least; `render_modes` and `is_parallelizable` are filled in."""
    default_team: ClassVar[str] = ""
    """The team that plays unless `team` says otherwise: the name of a file in `teams/` beside the environment."""
    levels: ClassVar[tuple[str, ...]] = ()
    """Difficulties from easy to hard; the first is the default. Empty if there is only one."""
    recall: ClassVar[Literal["team", "parents"]] = "team"
    """Who hears in a later round what was said in an earlier one: everybody who has not heard it yet, or nobody, so
    that words reach an agent only through D_t."""
    reward_range: ClassVar[tuple[float, float]] = (-float("inf"), float("inf"))
    """Bounds of an agent's return in one episode."""
    source: ClassVar[str] = ""
    """Names the data that instances come from. It salts the split: equal sources share their test instances."""

    # The episode, for everybody to read.
    agents: list[str]
    """Everybody, until the episode is over; then each leaves with its `step(None)`."""
    agent_selection: str
    """Who acts next: one of `ready`, by default the first of them."""
    dependencies: Dependencies
    """D_t of this round."""
    round: int
    """This round; the first has 0. After a truncation: the round that would have followed."""
    level: str | None
    """This episode's level; None where there is only one."""
    episode_seed: int
    """`reset(seed=env.episode_seed)` plays this episode again."""
    reset_options: dict[str, Any]
    """What this episode's `reset` got as options."""
    terminated: bool
    """Whether the episode has ended by success or failure."""
    truncated: bool
    """Whether the horizon has ended it."""
    turns: list[Turn]
    """All committed turns, in commit order."""
    reward_events: list[RewardEvent]
    """All rewards paid, in the order of their commits."""
    info: dict[str, float]
    """The latest value of everything that outcomes reported in this episode; part of every agent's `infos`."""
    rng: np.random.Generator
    """This episode's generator, for hooks."""
    spec: Any = None
    """The EnvSpec from which `make` built this environment; None if its class was called directly."""

    # ------------------------------------------------------------------ hooks

    def start(self, rng: np.random.Generator, options: Mapping[str, Any]) -> None:
        """Draws the task instance for `self.level`, and forgets the last one.

        Called by `reset`, again and again until the instance belongs to the split; so it sets every attribute that an episode changes.
        `rng` is `self.rng`. `options` are those of `reset`; leave alone what you do not know.
        """

    def dependencies_for(self, round: int) -> Dependencies:
        """D_t of this round: who acts in it and who waits for whom.

        Asked once, as the round opens; it may follow from anything committed before, such as what an orchestrator
        wrote. Agents that do not take part are told nothing and keep their messages. When the horizon ends the
        episode, it is asked for the round `horizon` as well, which is composed but never played.
        By default everybody acts and reads all who stand before it on the team.
        """
        return self._default_dependencies

    def view(self, agent: str) -> str:
        """What only this agent is told in this round; empty for nothing.

        Asked once for everybody who takes part, in canonical order, as the round opens. Other agents' words
        and feedback are added by the base class; if you repeat an agent's words here, `quote` them.
        """
        return ""

    def act(self, agent: str, action: str) -> Outcome | None:
        """What follows from an action; None for nothing.

        Called at the commit of the round, once per turn in canonical order. Nothing that any agent writes in a
        round can depend on it. `action` is the recorded text: any Unicode, perhaps empty, at most `max_action_chars` long;
        a reply that makes no sense is worth what the task says, and is no error.
        """
        return None

    def end_round(self) -> Outcome | None:
        """What follows from the round as a whole; None for nothing. Called at its commit, after every `act`."""
        return None

    def hidden(self) -> str:
        """The part of the state that no agent is told, such as the solution or the hidden board; empty for nothing.

        Asked as each round opens. Only `state()` shows it, for central critics.
        """
        return ""

    def instance_key(self) -> str | None:
        """Identifies the instance that `start` drew, for the split into train and test.

        Instances that teach the same get the same key: write 3 + 5 and 5 + 3 alike. None, the default, offers no split.
        """
        return None

    def reference_action(self, agent: str) -> str:
        """What a perfect agent would write now, for checks, imitation and upper bounds.

        Asked while the agent's turn is open. Raises: NotImplementedError unless the environment provides it.
        """
        raise NotImplementedError(f"{type(self).__name__} provides no reference_action")

    # ------------------------------------------------------------- making one

    def __init__(
        self,
        *,
        horizon: int = 3,
        team: Team | None = None,
        split: str = "train",
        level: str | None = None,
        render_mode: str | None = None,
    ) -> None:
        """Raises: OptionError, TeamFileError.

        A subclass with options of its own declares them and forwards the rest:
        `def __init__(self, *, horizon: int = 5, my_option: int = 1, **base: Unpack[BaseOptions])`.
        """
        super().__init__()
        if horizon < 1:
            raise OptionError(f"horizon is {horizon!r}; use a number of rounds, 1 or more")
        _check_choice("split", split, SPLITS)
        if split == "test" and type(self).instance_key is FlexMG.instance_key:
            raise OptionError(f"split is 'test', but {type(self).__name__} offers no split; use 'train'")
        self.metadata = {"render_modes": ["human", "ansi"], "is_parallelizable": False, **self.metadata}
        if render_mode is not None:
            _check_choice("render_mode", render_mode, self.metadata["render_modes"])
        self.horizon = horizon
        self.split = split
        self.render_mode = render_mode
        self._default_level = self.level = self._checked_level(level)
        self.team = self.default_team if team is None else team
        self.profiles: dict[str, Profile] = name_agents(find_team(self.team, type(self)))
        self.possible_agents = list(self.profiles)
        self.observation_spaces = {
            agent: cast("Space[dict[str, str]]", Dict({"text": LLMText()})) for agent in self.profiles
        }
        self.action_spaces = {agent: LLMText() for agent in self.profiles}
        self.state_space = LLMText()
        self._default_dependencies = Dependencies.sequence(self.possible_agents)
        self._seeds = EpisodeSeeds()
        self._seats = {agent: _Seat(profile) for agent, profile in self.profiles.items()}
        self._begin()
        self.agents = []  # nobody sits here before the first reset
        self._stage: Literal["new", "playing", "committing", "over"] = "new"

    def _checked_level(self, level: object) -> str | None:
        if level is None:
            return self.levels[0] if self.levels else None
        if not self.levels:
            raise OptionError(f"level is {level!r}, but {type(self).__name__} has no levels; leave it out")
        return _check_choice("level", level, self.levels)

    def observation_space(self, agent: str) -> Space[dict[str, str]]:
        """`Dict({"text": LLMText})`, the same object every time."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Space[str]:
        """All text; the same object every time."""
        return self.action_spaces[agent]

    # -------------------------------------------------------------- an episode

    def reset(self, seed: int | None = None, options: Mapping[str, Any] | None = None) -> None:
        """Starts the episode of this seed; without a seed, the next one after the latest seed given.

        `options["level"]` sets the level of this episode only. Raises: OptionError.
        """
        given = dict(options or {})
        level = self._checked_level(given["level"]) if given.get("level") is not None else self._default_level
        self.episode_seed = self._seeds.next(seed)
        self.level = level
        self.reset_options = given
        self._begin()
        self.rng = generator(self.episode_seed)
        self._draw(given)
        self._open_round()
        self._stage = "playing"
        self.agent_selection = self._schedule.ready[0]
        if self.render_mode == "human":
            self.render()

    @property
    def num_rounds(self) -> int:
        """How many rounds were committed."""
        return self.turns[-1].round + 1 if self.turns else 0

    def _begin(self) -> None:
        self.agents = list(self.possible_agents)
        self.rewards = dict.fromkeys(self.agents, 0.0)
        self._cumulative_rewards = dict.fromkeys(self.agents, 0.0)
        self.terminations = dict.fromkeys(self.agents, False)
        self.truncations = dict.fromkeys(self.agents, False)
        self.infos = {agent: {SHORTENED: 0} for agent in self.agents}
        self.info = {}
        self.round = 0
        self.turns = []
        self.reward_events = []
        self._schedule: Schedule = RoundsSchedule()
        self._transcript = Transcript(self.possible_agents)
        self._rewarded = False
        self._hidden = ""
        self._printed = 0
        self.terminated = False
        self.truncated = False
        for seat in self._seats.values():
            seat.sit_down()

    def _draw(self, options: Mapping[str, Any]) -> None:
        """Draws instances until one belongs to the split."""
        for _ in range(_MAX_DRAWS):
            self.start(self.rng, options)
            key = self.instance_key()
            if key is None or split_of(self.source, key) == self.split:
                return
        raise OutcomeError(
            f"none of {_MAX_DRAWS} instances of {type(self).__name__}, level {self.level!r}, belongs to the split "
            f"{self.split!r}; draw from at least 2,000 instances, and let instance_key tell them apart"
        )

    def step(self, action: str | None) -> None:
        """Records the action of `agent_selection`; when that completes the round, commits the round.

        Once the episode is over, every agent steps once more, with None. Raises: TurnError, ActionTypeError.
        """
        if self._stage != "playing":
            self._step_finished(action)
            return
        agent = self.agent_selection
        seat = self._seats.get(agent)
        if seat is None or not seat.is_open:
            self._refuse(agent)
        recorded = self._recorded(agent, seat, action)
        if self._rewarded:
            self._clear_rewards()
            self._rewarded = False
        self._cumulative_rewards[agent] = 0.0
        self.infos[agent] = {SHORTENED: seat.shortened, **self.info}
        seat.is_open = False
        seat.has_acted = True
        seat.action = recorded
        seat.thread.parts.append(("assistant", None, recorded))
        profile = seat.profile
        for opened in self._schedule.submit(agent, profile.base_us + profile.per_char_us * len(recorded)):
            self._open_turn(opened)
        due = self._schedule.due()
        if due:
            self._commit(due)
        if self._stage == "playing":
            self.agent_selection = self._schedule.ready[0]

    def _recorded(self, agent: str, seat: _Seat, action: object) -> str:
        """The action as it is kept: whole characters only, and at most as many as the profile allows."""
        if not isinstance(action, str):
            way_out = " (None is only for agents whose episode is over)" if action is None else ""
            raise ActionTypeError(
                f"the action of {agent!r} is {action!r:.80}, a {type(action).__name__}; pass text, a str{way_out}"
            )
        recorded = str.__str__(action)[: seat.profile.max_action_chars]
        seat.shortened = len(action) - len(recorded)
        return recorded if recorded.isascii() else _SURROGATES.sub("\ufffd", recorded)

    def _step_finished(self, action: object) -> None:
        """PettingZoo's dead step: an agent whose episode is over leaves."""
        if self._stage != "over" or not self.agents:
            self._refuse(None)
        agent = self.agent_selection
        if action is not None:
            raise TurnError(f"the episode is over for {agent!r}; step(None) here, or call reset()")
        for values in (
            self.rewards,
            self._cumulative_rewards,
            self.terminations,
            self.truncations,
            self.infos,
        ):
            del values[agent]
        self.agents.remove(agent)
        self._clear_rewards()
        if self.agents:
            self.agent_selection = self.agents[0]

    def select(self, agent: str) -> None:
        """Lets another of the `ready` agents act next. Raises: TurnError if it is not ready."""
        seat = self._seats.get(agent)
        if self._stage != "playing" or seat is None or not seat.is_open:
            self._refuse(agent)
        self.agent_selection = agent

    @property
    def ready(self) -> tuple[str, ...]:
        """The agents whose observation can no longer change before they act, in canonical order; none at the end."""
        return self._schedule.ready if self._stage == "playing" else ()

    def fork(self) -> Self:
        """A copy that goes on by itself, from here, exactly as a replay of all actions so far would."""
        return copy.deepcopy(self)

    # --------------------------------------------------- rounds and the commit

    def _open_round(self) -> None:
        dependencies = self.dependencies_for(self.round)
        self._check_dependencies(dependencies)
        self.dependencies = dependencies
        self._transcript.entries.append(("round", "", f"round {self.round + 1}"))
        hidden = self.hidden()
        if hidden and hidden != self._hidden:
            self._transcript.entries.append(("hidden", "", hidden))
        self._hidden = hidden
        views = {}
        for agent in dependencies.order:
            view = self.view(agent)
            if view:
                views[agent] = view
                self._seats[agent].news.append(("user", None, view))
        if views:
            self._transcript.entries.append(("told", "", views))
        for agent in self._schedule.begin(dependencies):
            self._open_turn(agent)

    def _open_turn(self, agent: str) -> None:
        """Composes what the agent is told, for good: its news, then the words of its parents in this round."""
        seat = self._seats[agent]
        parts = seat.thread.parts
        parts += seat.news
        seat.news = []
        for parent in self.dependencies.parents(agent):
            parts.append(("user", parent, self._seats[parent].action))
        seat.is_open = True

    def _commit(self, due: Sequence[Slot]) -> None:
        """Everything that follows from a round, in canonical order, whatever the order of submission."""
        self._stage = "committing"  # for good, if a hook raises: only reset() leads out of half a round
        self._record(due)
        feedback: list[dict[str, str]] = []
        terminated = False
        last = len(self.turns) - 1
        for place, slot in enumerate(due, start=len(self.turns) - len(due)):
            outcome = self.act(slot.agent, self._seats[slot.agent].action)
            if outcome is not None:
                terminated |= self._apply(outcome, place, slot.finish_us, feedback)
        outcome = self.end_round()
        if outcome is not None:
            terminated |= self._apply(outcome, last, self._schedule.time_us, feedback)
        self._spread_the_word(due, feedback)
        if self._rewarded:
            self._accumulate_rewards()
        self._move_on(terminated)

    def _record(self, due: Sequence[Slot]) -> None:
        index = {slot.agent: place for place, slot in enumerate(due, start=len(self.turns))}
        for slot in due:
            seat = self._seats[slot.agent]
            parents = tuple([index[parent] for parent in self.dependencies.parents(slot.agent)])
            self.turns.append(
                Turn(
                    index[slot.agent],
                    slot.agent,
                    self.round,
                    seat.action,
                    seat.shortened,
                    parents,
                    slot.start_us,
                    slot.finish_us,
                )
            )
            self._transcript.entries.append(("said", slot.agent, seat.action))
            seat.has_acted = False

    def _apply(self, outcome: Outcome, turn: int, time_us: int, feedback: list[dict[str, str]]) -> bool:
        """Books what an outcome pays and reports, and sets its feedback aside; returns whether it ends the episode."""
        if not isinstance(outcome, Outcome):
            raise OutcomeError(f"{type(self).__name__} answered {outcome!r:.80}; return an Outcome, or None")
        for agent, amount in rewards_by_agent(outcome, self.profiles).items():
            if amount:
                self.rewards[agent] += amount
                self.reward_events.append(RewardEvent(turn, self.round, time_us, agent, amount))
                self._rewarded = True
        told = feedback_by_agent(outcome, self.profiles)
        if told:
            feedback.append(told)
        if outcome.info:
            self.info = {**self.info, **checked_info(outcome)}
            for agent, info in self.infos.items():
                self.infos[agent] = {SHORTENED: info[SHORTENED], **self.info}
        return bool(outcome.terminated)

    def _spread_the_word(self, due: Sequence[Slot], feedback: Iterable[dict[str, str]]) -> None:
        """Keeps for everybody's next turn what they have not heard of this round, then the feedback."""
        if self.recall == "team":
            for slot in due:
                part: Part = ("user", slot.agent, self._seats[slot.agent].action)
                heard_by = self.dependencies.children(slot.agent)
                for agent, seat in self._seats.items():
                    if agent != slot.agent and agent not in heard_by:
                        seat.news.append(part)
        for told in feedback:
            self._transcript.entries.append(("told", "", told))
            for agent, text in told.items():
                self._seats[agent].news.append(("user", None, text))

    def _move_on(self, terminated: bool) -> None:
        """Ends the episode, or opens the next round. A truncated one opens it too: its state is what trainers bootstrap from."""
        if not terminated:
            self.round += 1
            self._open_round()
        self.terminated = terminated
        self.truncated = not terminated and self.round >= self.horizon
        if self.terminated or self.truncated:
            self._stage = "over"
            self.agent_selection = self.agents[0]
            ends = self.terminations if terminated else self.truncations
            for agent in self.agents:
                ends[agent] = True
        else:
            self._stage = "playing"
        if self.render_mode == "human":
            self.render()

    def _check_dependencies(self, dependencies: object) -> None:
        if not isinstance(dependencies, Dependencies):
            raise DependencyError(
                f"dependencies_for({self.round}) is {dependencies!r:.80}; return Dependencies"
            )
        for agent in dependencies.agents:
            if agent not in self.profiles:
                raise DependencyError(
                    f"dependencies_for({self.round}) names {agent!r}, who is not on the team; "
                    f"its agents are {', '.join(self.profiles)}"
                )

    # -------------------------------------------------------------- looking on

    def observe(self, agent: str) -> dict[str, str]:
        """The agent's messages so far as flat text. Looking changes nothing, for any agent at any time."""
        return {"text": self._thread(agent).text()}

    def messages(self, agent: str) -> list[Message]:
        """The agent's messages so far: its system message, what it was told, what it said. Fresh dicts."""
        return self._thread(agent).messages()

    def _thread(self, agent: str) -> Thread:
        seat = self._seats.get(agent)
        if self._stage == "new" or seat is None:
            self._refuse(agent)
        return seat.thread

    def last(self, observe: bool = True) -> tuple[dict[str, str] | None, float, bool, bool, dict[str, Any]]:
        """Observation, reward since its last turn, terminated, truncated and info of `agent_selection`."""
        if not self.agents:
            self._refuse(None)
        agent = self.agent_selection
        return (
            self.observe(agent) if observe else None,
            self._cumulative_rewards[agent],
            self.terminations[agent],
            self.truncations[agent],
            self.infos[agent],
        )

    def state(self) -> str:  # type: ignore[override]  # AECEnv declares an array, and means "anything in state_space"
        """All that is hidden, was told, was said, or is already decided, as one text.

        Words that are submitted but not yet committed stand at its end, in canonical order.
        """
        if self._stage == "new":
            self._refuse(None)
        seats = [(agent, self._seats[agent]) for agent in self.dependencies.order]
        return self._transcript.text([(agent, seat.action) for agent, seat in seats if seat.has_acted])

    def render(self) -> str | None:
        """The committed transcript with rounds, authors, times and rewards: returned in mode "ansi"; in mode "human" what is new is printed."""
        if self._stage == "new":
            self._refuse(None)
        pieces = blocks(self._transcript, self.turns, self.reward_events, self.horizon)
        if self._stage == "over":
            pieces.append("── terminated ──" if self.terminated else "── truncated ──")
        if self.render_mode == "human":
            for piece in pieces[self._printed :]:
                print(piece, end="\n\n", flush=True)
            self._printed = len(pieces)
            return None
        return "\n\n".join(pieces)

    def episode(self) -> Episode:
        """What was played since the reset, committed turns only, as a value that can be logged and replayed."""
        if self._stage == "new":
            self._refuse(None)
        returns = dict.fromkeys(self.possible_agents, 0.0)
        for event in self.reward_events:
            returns[event.agent] += event.amount
        options = dict(self.spec.kwargs) if self.spec is not None else {}
        if not is_team_name(options.get("team")):
            options["team"] = tuple(
                self.profiles.values()
            )  # a path, or objects: nobody else could look it up
        return Episode(
            env_id=self.spec.id if self.spec is not None else None,
            options=options,
            seed=self.episode_seed,
            reset_options=dict(self.reset_options),
            turns=tuple(self.turns),
            reward_events=tuple(self.reward_events),
            terminated=self.terminated,
            truncated=self.truncated,
            returns=returns,
            info=dict(self.info),
        )

    def close(self) -> None:
        """Nothing to release."""

    def _refuse(self, agent: str | None) -> NoReturn:
        """Says why this agent cannot act, or be looked at, now."""
        if agent is not None and agent not in self.profiles:
            raise TurnError(f"unknown agent {agent!r}; the agents are {', '.join(self.possible_agents)}")
        if self._stage == "new":
            raise TurnError("the environment has not been reset; call reset() first")
        if self._stage == "committing":
            raise TurnError("the round was left half committed by an error; call reset()")
        if self._stage == "over":
            raise TurnError("the episode is over; call reset(), or step(None) for each agent in agents")
        raise TurnError(
            f"it is not the turn of {agent!r}; ready are {', '.join(self.ready)}: select one of them"
        )


def _check_choice(option: str, value: object, choices: Sequence[str]) -> str:
    for choice in choices:
        if value == choice:
            return choice
    raise OptionError(f"{option} is {value!r}; use one of {', '.join(map(repr, choices))}")
