"""FlexMG, the base class of every environment: Flex-MG on PettingZoo's AEC interface.

An environment says what its task is by the hooks in `marft_envs.hooks`. This class does the rest, so that
every environment keeps the same promises:

- **Composed observations.** Who sees whose words follows from D_t and `recall` alone. An environment can leak
  only by writing one agent's secret into another's `view`.
- **Append-only.** An agent's messages only grow: turn k + 1 has those of turn k, its own action, and what is new.
- **The commit rule.** `step` only records. The consequences follow when everybody who takes part in the round
  has acted, in the canonical order of D_t; and what an agent is told is fixed when its turn opens. So the
  actions of all `ready` agents may be computed in one batch, and submitted in any order: same texts, same
  rewards, same times.
- **Order enforced.** A call out of order is a typed error. No wrapper is needed.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from math import isfinite
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypedDict, cast

import numpy as np
from gymnasium.spaces import Dict, Space
from pettingzoo import AECEnv

from marft_envs.dependencies import Dependencies
from marft_envs.errors import DependencyError, OptionError, OutcomeError, TurnError
from marft_envs.history import History, Played, Round
from marft_envs.hooks import Hooks, Measured
from marft_envs.profiles import Member, Variants, check_hears, draw_profiles, hearers, name_agents
from marft_envs.records import (
    SHORTENED,
    Cut,
    Episode,
    Measurement,
    Outcome,
    RewardEvent,
    Turn,
    checked_info,
    checked_measurement,
    feedback_by_agent,
    recorded_text,
    rewards_by_agent,
)
from marft_envs.rendering import rendered_pieces
from marft_envs.schedule import RoundsSchedule
from marft_envs.seats import Part, Seat
from marft_envs.seeding import SPLITS, EpisodeSeeds, GeneratorState, generator, set_state, split_of, team_generator
from marft_envs.spaces import LLMText
from marft_envs.teams import Team, find_team, is_team_name
from marft_envs.transcript import GAP, OWN_NAME, Message, quoted_lines

if TYPE_CHECKING:
    from marft_envs.env_spec import EnvSpec

_MAX_DRAWS = 10_000
"""Draws until an instance belongs to the split. Even the rare one comes once in five: more means a broken key."""


class BaseOptions(TypedDict, total=False):
    """The options that every environment takes, besides `horizon` and its own."""

    team: Team | None
    split: str
    level: str | int | None
    render_mode: str | None


class FlexMG(Hooks, AECEnv[str, dict[str, str], str]):
    """A Markov game of language model agents, played turn by turn: subclass it to make an environment.

        class GuessTheSum(FlexMG):
            metadata = {"name": "guess_the_sum_v0"}
            default_team = "duo"

            def start(self, rng, options):
                self.a, self.b = rng.integers(10, size=2)

            def view(self, agent):
                return f"What is {self.a} + {self.b}?" if self.round == 0 else ""

            def act(self, agent, action):
                if self.profiles[agent].answers:
                    right = action.strip() == str(self.a + self.b)
                    return Outcome(rewards=float(right), terminated=right, info={"correct": int(right)})

    Every hook and every attribute to declare is described in `marft_envs.hooks`. An environment with options
    of its own names them and forwards the rest:

        def __init__(self, *, horizon: int = 5, operators: str = "+", **base: Unpack[BaseOptions]):
            super().__init__(horizon=horizon, **base)
            self.operators = operators
    """

    spec: "EnvSpec | None" = None
    """How `make` built this environment; None if its class was called directly."""

    def __init__(
        self,
        *,
        horizon: int = 3,
        team: Team | None = None,
        split: str = "train",
        level: str | int | None = None,
        render_mode: str | None = None,
    ) -> None:
        """Sets what stays the same from episode to episode.

        Args:
            horizon: Rounds after which an episode is truncated.
            team: A name (a file in `teams/` beside the environment), a path to a team file, or profiles.
            split: "train" or "test": which instances are drawn.
            level: One of `levels`, or its number where it is written as one; by default the first.
            render_mode: "human" prints what was committed, as it happens; "ansi" lets `render` return it.

        Raises: OptionError, TeamFileError.
        """
        if type(horizon) is not int or horizon < 1:
            raise OptionError(f"horizon is {horizon!r}; use a number of rounds, 1 or more")
        self.metadata = {"render_modes": ["human", "ansi"], "is_parallelizable": False, **self.metadata}
        self.horizon = horizon
        self.split = _one_of("split", split, SPLITS)
        if split == "test" and type(self).instance_key is Hooks.instance_key:
            raise OptionError(f"split is 'test', but {type(self).__name__} has no split; use 'train'")
        self.level = self._default_level = self._checked_level(level)
        if render_mode is not None:
            _one_of("render_mode", render_mode, self.metadata["render_modes"])
        self.render_mode = render_mode
        self._members = find_team(self.default_team if team is None else team, type(self))
        check_hears(self._members)
        self._is_drawn = any(isinstance(member, Variants) for member in self._members)
        self._seat(team_generator(0))
        self.possible_agents = list(self.profiles)
        self.agents = []  # nobody plays before the first reset
        self.agent_selection = ""
        self.sequence = Dependencies.sequence(self.possible_agents)
        self._adopt(self.sequence)
        self._zeros = dict.fromkeys(self.possible_agents, 0.0)
        self._falses = dict.fromkeys(self.possible_agents, False)
        self._spaces: dict[tuple[str, str], Space[Any]] = {}
        self._seeds = EpisodeSeeds()
        self._schedule = RoundsSchedule()
        self._seats: dict[str, Seat] = {}
        self._has_reset = False

    def _seat(self, rng: np.random.Generator) -> None:
        """Fixes who is on the team, which can differ from episode to episode."""
        self.profiles = name_agents(draw_profiles(self._members, self.split, rng))
        self._hearers = hearers(self.profiles)
        self._has_deaf = any(profile.hears is not None for profile in self.profiles.values())
        self._has_costs = any(profile.cost(1) for profile in self.profiles.values())
        self._declared: Dependencies | None = None

    def _checked_level(self, level: object) -> str | None:
        if level is None:
            return self.levels[0] if self.levels else None
        if not self.levels:
            raise OptionError(f"level is {level!r}, but {type(self).__name__} has no levels; leave it out")
        written = str(level) if type(level) is int else level  # a command line makes numbers of what looks like one
        return written if written in self.levels else _one_of("level", level, self.levels)

    # ---- An episode --------------------------------------------------------------------------------------------

    def reset(
        self,
        seed: int | None = None,
        options: Mapping[str, Any] | None = None,
        *,
        measurements: Sequence[Measurement] = (),
        draw_state: str = "",
    ) -> None:
        """Starts the episode of this seed; without one, the next episode after the latest seed that was given.

        `options["level"]` sets the level of this episode only. Keys that the environment does not know are ignored.
        `measurements` are those of an earlier play of the episode, to play it again on any machine: `measured` hands
        them out in their order, and measures once they are used up.
        `draw_state` is that of an earlier reset with this seed, level and split: the instance is drawn at once, without
        the draws before it that did not belong to the split.

        Raises: OptionError, also if what is drawn from `draw_state` does not belong to the split; OutcomeError for a
        measurement that no episode can hold.
        """
        recorded = tuple(map(checked_measurement, measurements)) if measurements else ()
        options = dict(options) if options else {}
        level = options.get("level")
        self.level = self._default_level if level is None else self._checked_level(level)
        self.episode_seed = self._seeds.next(seed)
        if self._is_drawn:
            self._seat(team_generator(self.episode_seed))
        self.reset_options = options
        agents = self.possible_agents
        self.agents = agents.copy()
        self.rewards = self._zeros.copy()
        self._cumulative_rewards = self._zeros.copy()
        self.terminations = self._falses.copy()
        self.truncations = self._falses.copy()
        self.infos = {agent: {SHORTENED: 0} for agent in agents}
        self.info = {}
        self.terminated = self.truncated = False
        self._shortened: set[str] = set()  # whose last action was
        self._were_rewarded = False  # whether the latest step paid anybody
        self._seats = {agent: Seat(profile) for agent, profile in self.profiles.items()}
        self._history = History(self.profiles)
        self._recorded = recorded
        self._measurements: tuple[Measurement, ...] = ()
        self._printed = 0
        self.round = 0
        self.rng = generator(self.episode_seed)
        self._draw(options, draw_state)
        self._has_reset = True
        self._begin()
        if self.render_mode == "human":
            self.render()

    def _draw(self, options: Mapping[str, Any], draw_state: str) -> None:
        """Draws instances until one belongs to the split; where it is known which one does, only that."""
        if draw_state:
            set_state(self.rng, draw_state)
        for _ in range(1 if draw_state else _MAX_DRAWS):
            self._drawn_from = GeneratorState.of(self.rng)
            self._forget()
            self.start(self.rng, options)
            key = self.instance_key()
            if key is None or (self.instance_split() or split_of(self.source, key)) == self.split:
                return
        if draw_state:
            raise OptionError(
                f"draw_state is {draw_state!r}, where seed {self.episode_seed} draws nothing of split {self.split!r}; "
                "use that of a reset with the same seed, level and split, or leave it out"
            )
        raise OutcomeError(
            f"none of {_MAX_DRAWS} instances of {type(self).__name__}, level {self.level!r}, belongs to the split "
            f"{self.split!r}; draw from 2,000 or more, and let instance_key tell them apart"
        )

    def _forget(self) -> None:
        """Drops what hooks have asked for in a draw that was not taken. In rounds they cannot ask for anything."""

    def step(self, action: str | None) -> None:
        """Records the action of `agent_selection`. If that completes the round, the round is committed.

        Once the episode is over, every agent leaves by one more step, with None.

        Raises: TurnError, ActionTypeError.
        """
        agent = self.agent_selection
        seat = self._seats.get(agent)
        if seat is None or not seat.is_open:
            self._step_closed(agent, action)
            return
        max_chars = seat.profile.max_action_chars
        if type(action) is str and len(action) <= max_chars and action.isascii():
            text, dropped = action, 0  # nearly always
        else:
            text, dropped = recorded_text(agent, action, max_chars)
        lines = quoted_lines(text)
        seat.parts.append((OWN_NAME, text, f"{OWN_NAME}:\n> {lines}"))
        seat.num_known += 1
        seat.is_open = False
        if dropped or agent in self._shortened:
            self._note_shortened(agent, dropped)
        if self._were_rewarded:
            self._were_rewarded = False
            self.rewards = self._zeros.copy()
        self._cumulative_rewards[agent] = 0.0
        self._submit(agent, (agent, text, f"{agent}:\n> {lines}"), dropped)

    def _note_shortened(self, agent: str, dropped: int) -> None:
        """Tells by `infos` how much of the agent's last action was dropped."""
        self.infos[agent] = {**self.infos[agent], SHORTENED: dropped}
        self._shortened.discard(agent)
        if dropped:
            self._shortened.add(agent)

    def _step_closed(self, agent: str, action: str | None) -> None:
        """PettingZoo's dead step: an agent whose episode is over leaves. Any other step is out of order."""
        if agent not in self.agents or not (self.terminated or self.truncated):
            self._refuse(agent)
        if action is not None:
            raise TurnError(
                f"the episode is over for {agent!r}, who can only step(None) now; call reset() for the next one"
            )
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

    def _clear_rewards(self) -> None:
        self._were_rewarded = False
        self.rewards = dict.fromkeys(self.agents, 0.0)

    def select(self, agent: str) -> None:
        """Lets another of the `ready` agents act next. Raises: TurnError if it is none of them."""
        seat = self._seats.get(agent)
        if seat is None or not seat.is_open:
            self._refuse(agent)
        self.agent_selection = agent

    def fork(self) -> Self:
        """A copy that goes on by itself from here, exactly as a replay of all actions so far would."""
        return deepcopy(self)

    # ---- Rounds and their commit -------------------------------------------------------------------------------

    _playing: Played
    """What is being played: a round, or on the clock an instant."""

    def _begin(self) -> None:
        """Opens the first turns of an episode."""
        self._open_round()
        self.agent_selection = self._schedule.ready[0]

    def _submit(self, agent: str, words: Part, dropped: int) -> None:
        """An agent whose turn was open has acted: lets others act who waited for it, and commits if nobody is left."""
        played, schedule = self._playing, self._schedule
        played.words[agent] = words
        if dropped:
            played.dropped += ((agent, dropped),)
        for opened in schedule.submit(agent):
            self._open_turn(opened)
        if schedule.is_due:
            self._commit()
        else:
            self.agent_selection = schedule.ready[0]

    def _open_round(self) -> None:
        declared = self.dependencies_for(self.round)
        if declared is not self._declared:
            self._adopt(declared)
        dependencies = self.dependencies
        self._playing = Round(dependencies, self._told_hidden(), self._told_views(dependencies.order))
        self._history.rounds.append(self._playing)
        self._schedule.begin(dependencies)
        for agent in self._schedule.ready:
            self._open_turn(agent)

    def _told_hidden(self) -> str:
        hidden = self.hidden()
        if hidden and not isinstance(hidden, str):
            raise OutcomeError(f"hidden is {hidden!r:.80}; return text")
        if self._is_drawn and self.round == 0:
            drawn = "\n".join([f"{agent}: {profile}" for agent, profile in self.profiles.items()])
            return f"{drawn}\n{hidden}" if hidden else drawn
        return hidden

    def _told_views(self, agents: Sequence[str]) -> dict[str, str]:
        """Asks for the views of those who are about to act, and tells them."""
        views = {}
        for agent in agents:
            view = self.view(agent)
            if view:
                if not isinstance(view, str):
                    raise OutcomeError(f"the view of {agent!r} is {view!r:.80}; return text")
                views[agent] = view
                self._seats[agent].parts.append(("", view, view))
        return views

    def _adopt(self, dependencies: Dependencies) -> None:
        """Makes them this round's, if they name nobody from outside the team."""
        if not isinstance(dependencies, Dependencies):
            raise DependencyError(f"dependencies_for({self.round}) is {dependencies!r:.80}; return Dependencies")
        for agent in dependencies.agents:
            if agent not in self.profiles:
                raise DependencyError(
                    f"dependencies_for({self.round}) names {agent!r}; the team is {', '.join(self.profiles)}"
                )
        self._declared = dependencies
        if self._has_deaf:
            edges = [(parent, child) for parent, child in dependencies.edges if child in self._hearers[parent]]
            dependencies = Dependencies(dependencies.agents, edges)
        self.dependencies = dependencies
        self._parents = {agent: dependencies.parents(agent) for agent in dependencies.order}
        self._hear_later = {  # by speaker, in canonical order: who hears it, but not within the round
            speaker: [agent for agent in self._hearers[speaker] if agent not in dependencies.children(speaker)]
            for speaker in dependencies.order
        }

    def _open_turn(self, agent: str) -> None:
        """Fixes what the agent is told before it acts: its news, then the words of its parents in this round."""
        seat = self._seats[agent]
        parts = seat.parts
        words = self._playing.words
        for parent in self._parents[agent]:
            parts.append(words[parent])
        seat.num_known = len(parts)
        seat.is_open = True

    def _commit(self) -> None:
        """All that follows from a round, in canonical order, whatever the order of submission.

        If a hook raises, nobody's turn is open any more: only `reset` leads out of half a commit.
        """
        played = self._playing
        played.is_committed = True
        terminated = False
        for place, agent in enumerate(self.dependencies.order):
            if self._has_costs:
                self._charge(agent, place)
            outcome = self.act(agent, played.words[agent][1])
            if outcome is not None:
                terminated = self._apply(outcome, place) or terminated
        outcome = self.end_round()
        if outcome is not None:
            terminated = self._apply(outcome, None) or terminated
        if self._were_rewarded:
            for agent, reward in self.rewards.items():
                self._cumulative_rewards[agent] += reward
        self._pass_on_news()
        played.is_closed = True
        self._go_on(terminated)

    def _charge(self, agent: str, place: int) -> None:
        """Takes what a turn costs off the reward: the team's, or where interests differ that agent's own."""
        cost = self.profiles[agent].cost(len(self._playing.words[agent][1]))
        if cost:
            self._apply(Outcome(rewards={agent: -cost} if self.mixed_motives else -cost), place)

    def _apply(self, outcome: Outcome, place: int | None) -> bool:
        """Books what an outcome pays, tells and reports; returns whether it ends the episode.

        `place` is that of the turn in the round, None where the outcome is one of the whole round.
        """
        if not isinstance(outcome, Outcome):
            raise OutcomeError(f"{type(self).__name__} answered {outcome!r:.80}; return an Outcome, or None")
        played = self._playing
        rewards = outcome.rewards
        if rewards:
            if type(rewards) is not float or not isfinite(rewards):  # checked here, since it nearly always is
                rewards = rewards_by_agent(rewards, self.profiles)
            played.payments += ((place, rewards),)
            amounts = rewards if isinstance(rewards, dict) else dict.fromkeys(self._zeros, rewards)
            totals = self.rewards
            for agent in amounts:
                totals[agent] += amounts[agent]
            self._were_rewarded = True
        if outcome.feedback:
            played.feedback += (feedback_by_agent(outcome, self.possible_agents),)
        if outcome.info:
            self.info = {**self.info, **checked_info(outcome)}
            for agent, info in self.infos.items():
                self.infos[agent] = {SHORTENED: info[SHORTENED], **self.info}
        return outcome.terminated

    def _pass_on_news(self) -> None:
        """Keeps for everybody's next turn what it has not heard of this round, and then the feedback."""
        played = self._playing
        if self.recall == "team":  # what D_t lets through is heard within the round
            for speaker, listeners in self._hear_later.items():
                words = played.words[speaker]
                for listener in listeners:
                    self._seats[listener].parts.append(words)
        for feedback in played.feedback:
            for agent, text in feedback.items():
                self._seats[agent].parts.append(("", text, text))

    def _go_on(self, terminated: bool) -> None:
        """Opens the next round, or ends the episode.

        Where the horizon ends it the next round is opened all the same, for `state()`, and nobody can act in it.
        """
        if not terminated:
            self.round += 1
            self._open_round()
        if terminated or self.round == self.horizon:
            self._end(terminated)
        else:
            self.agent_selection = self._schedule.ready[0]
        if self.render_mode == "human":
            self.render()

    def _end(self, terminated: bool) -> None:
        """Nobody acts any more."""
        self.terminated = bool(terminated)
        self.truncated = not terminated
        for seat in self._seats.values():
            seat.is_open = False
        ends = self.terminations if terminated else self.truncations
        ends.update(dict.fromkeys(self.agents, True))
        self.agent_selection = self.agents[0]

    def measured(self, measure: Callable[[Measurement | None], Measured]) -> Measured:
        """What `measure` returns, kept with the episode; see `Hooks.measured`. Raises: OutcomeError, TurnError."""
        if not self._seats or self.terminated or self.truncated or not self._is_deciding:
            raise TurnError(
                f"{type(self).__name__} measures while no round begins or ends, so a replay would not; call measured "
                "in start, act or end_round"
            )
        taken = self._measurements
        recorded = self._recorded[len(taken)] if len(taken) < len(self._recorded) else None
        measurement = checked_measurement(measure(recorded))
        if self._measurements is not taken:
            raise OutcomeError(f"{type(self).__name__} measures within a measurement; call measured once for both")
        self._measurements = (*taken, measurement)
        return cast("Measured", measurement)

    @property
    def _is_deciding(self) -> bool:
        """Whether the hooks are asked what happens, which nobody who acts can see or interrupt."""
        return not any(seat.is_open for seat in self._seats.values())

    # ---- Looking at it -----------------------------------------------------------------------------------------

    @property
    def ready(self) -> tuple[str, ...]:
        """Whose observation can no longer change before they act, in canonical order; nobody once it is over."""
        return tuple([agent for agent in self._schedule.ready if self._seats[agent].is_open]) if self._has_reset else ()

    @property
    def turns(self) -> list[Turn]:
        """All committed turns, in commit order; this round's are among them from its first `act` on. Read only."""
        return [turn for turns in self._history.turns_by_round() for turn in turns]

    def has_acted(self, agent: str) -> bool:
        """Whether the agent has had a turn in this episode."""
        return any(turn.agent == agent for turns in self._history.turns_by_round() for turn in turns)

    def last_words(self, agent: str) -> str | None:
        """What the agent wrote in its latest committed turn; None before its first."""
        return next((turn.action for turn in reversed(self.turns) if turn.agent == agent), None)

    @property
    def reward_events(self) -> list[RewardEvent]:
        """All rewards of committed rounds, in the order of payment. Read only."""
        return self._history.reward_events()

    @property
    def draw_state(self) -> str:
        """Where the generator stood when this episode's instance was drawn, for `reset`; empty before the first."""
        return str(self._drawn_from) if self._has_reset else ""

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        """All that was measured in this episode so far, in the order in which it was."""
        return self._measurements if self._has_reset else ()

    @property
    def cuts(self) -> tuple[Cut, ...]:
        """The turns that the end left unfinished; on the clock alone there are any."""
        return ()

    @property
    def team_members(self) -> tuple[Member, ...]:
        """The team as it was given, in the order of the agents: profiles, or variants of whom an episode draws one."""
        return self._members

    @property
    def most_turns(self) -> int:
        """No episode has more turns."""
        return self.horizon * len(self.possible_agents)

    def opened(self, agent: str) -> str:  # on the clock everybody's turn has a time of its own
        """When an agent's turn opened, as people read it: "round 1 of 3", or on the clock "2.5 of 60 s"."""
        return f"round {self.round + 1} of {self.horizon}"

    @property
    def elapsed(self) -> str:
        """How long it has been played, as people read it: "2 rounds", or on the clock "7.25 s"."""
        return f"{self.num_rounds} round{'' if self.num_rounds == 1 else 's'}"

    @property
    def num_rounds(self) -> int:
        """How many rounds were committed."""
        return sum(played.is_closed for played in self._history.rounds)

    def feedback_to(self, agent: str) -> list[str]:
        """What the outcomes of the latest committed round tell this agent, in their order.

        It is among the agent's messages from its next turn on; once the episode is over there is none.
        """
        if agent not in self._seats:
            self._refuse(agent)
        committed = self._history.rounds[: self.num_rounds][-1:]
        return [texts[agent] for played in committed for texts in played.feedback if agent in texts]

    def agent_iter(self, max_iter: int = 2**63) -> Iterator[str]:  # type: ignore[override]  # a faster iterator
        """`agent_selection`, as often as somebody is left to step, and at most so often."""
        if not self._has_reset:
            self._refuse("")
        return self._turn_by_turn(max_iter)

    def _turn_by_turn(self, left: int) -> Iterator[str]:
        while self.agents and left > 0:
            yield self.agent_selection
            left -= 1

    def last(self, observe: bool = True) -> tuple[dict[str, str] | None, float, bool, bool, dict[str, Any]]:
        """Of `agent_selection`: observation, reward since its last turn, terminated, truncated, info."""
        try:
            agent = self.agent_selection
            return (
                self.observe(agent) if observe else None,
                self._cumulative_rewards[agent],
                self.terminations[agent],
                self.truncations[agent],
                self.infos[agent],
            )
        except (AttributeError, KeyError):
            self._refuse("")  # nobody plays yet, or nobody is left
            raise

    def observe(self, agent: str) -> dict[str, str]:
        """The agent's messages so far, as flat text. Looking changes nothing: for any agent, at any time."""
        seat = self._seats.get(agent)
        if seat is None:
            self._refuse(agent)
        return {"text": seat.text()}

    def messages(self, agent: str) -> list[Message]:
        """The agent's messages so far: its profile's `opening`, what it was told, what it said. Fresh dicts."""
        seat = self._seats.get(agent)
        if seat is None:
            self._refuse(agent)
        return seat.messages()

    def state(self) -> str:  # type: ignore[override]  # AECEnv says an array, and means an element of state_space
        """Everything already decided, as text: all that is hidden, was told, or was said, submitted words included."""
        if not self._has_reset:
            self._refuse("")
        return self._history.text()

    def joint_observation(self) -> str:
        """What was told to anybody, or said, as text: `state()` without what is hidden.

        One agent with everybody's eyes and ears would know it, and no more. Submitted words are included.
        """
        if not self._has_reset:
            self._refuse("")
        return self._history.text_without_hidden()

    def render(self) -> str | None:
        """What was committed so far, with rounds, authors, times and rewards.

        Mode "human" prints what was not printed yet; any other mode returns all of it.
        """
        if not self._has_reset:
            self._refuse("")
        ending = "terminated" if self.terminated else "truncated" if self.truncated else ""
        pieces = rendered_pieces(self._history, self.possible_agents, self._of_all, ending)
        if self.render_mode != "human":
            return GAP.join(pieces)
        for piece in pieces[self._printed :]:
            print(piece, end=GAP, flush=True)  # noqa: T201  # what mode "human" is for
        self._printed = len(pieces)
        return None

    @property
    def _of_all(self) -> str:
        """What stands behind the number of a round where people read it."""
        return f" of {self.horizon}"

    @property
    def make_options(self) -> dict[str, Any]:
        """What `make` needs besides the id to build the same environment on any machine."""
        options = dict(self.spec.kwargs) if self.spec else {}
        options.pop("render_mode", None)  # who watched does not change what happened
        if not is_team_name(options.get("team")):
            options["team"] = self._members  # nobody else has this path, or these objects
        return {name: os.fspath(value) if isinstance(value, os.PathLike) else value for name, value in options.items()}

    def episode(self) -> Episode:
        """What was played since the reset, as a value to be logged, replayed or compared. Committed turns only."""
        if not self._has_reset:
            self._refuse("")
        returns = dict.fromkeys(self.possible_agents, 0.0)
        for event in self.reward_events:
            returns[event.agent] += event.amount
        return Episode(
            env_id=self.spec.id if self.spec else None,
            options=self.make_options,
            seed=self.episode_seed,
            reset_options=dict(self.reset_options),
            turns=tuple(self.turns),
            reward_events=tuple(self.reward_events),
            terminated=self.terminated,
            truncated=self.truncated,
            returns=returns,
            info=dict(self.info),
            data_fingerprint=self.data_fingerprint,
            measurements=self._measurements,
            runtime=self.runtime,
            cuts=self.cuts,
            recall=self.recall,
            on_clock=self.on_clock,
            hears={
                agent: tuple([other for other in self.possible_agents if agent in self._hearers[other]])
                for agent, profile in self.profiles.items()
                if profile.hears is not None
            },
        )

    def observation_space(self, agent: str) -> Space[dict[str, str]]:
        """`Dict({"text": LLMText})`, the same object every time."""
        return self._space("observation", agent)

    def action_space(self, agent: str) -> Space[str]:
        """`LLMText`, the same object every time."""
        return self._space("action", agent)

    @property
    def state_space(self) -> Space[str]:
        """`LLMText`, the same object every time."""
        return self._space("state", "")

    def _space(self, kind: str, agent: str) -> Space[Any]:
        """A space of its own for everybody, made when first asked for: most copies of an environment never are."""
        if agent and agent not in self.profiles:
            self._refuse(agent)
        key = (kind, agent)
        if key not in self._spaces:
            self._spaces[key] = Dict({"text": LLMText()}) if kind == "observation" else LLMText()
        return self._spaces[key]

    def close(self) -> None:
        """Nothing to release."""

    def _refuse(self, agent: str) -> NoReturn:
        """Says why this agent, or nobody, can act or be looked at now."""
        if agent and agent not in self.profiles:
            raise TurnError(f"unknown agent {agent!r}; the agents are {', '.join(self.profiles)}")
        if not self._has_reset:
            raise TurnError("the environment has not been reset; call reset() first")
        if not self.agents:
            raise TurnError("the episode is over and every agent has left; call reset() for the next one")
        if self.terminated or self.truncated:
            raise TurnError("the episode is over; call step(None) for each agent that is left, or reset()")
        if not self.ready:
            raise TurnError("a hook of the environment raised an error in the middle of a commit; call reset()")
        raise TurnError(f"it is not the turn of {agent!r}; select one of those who are ready: {', '.join(self.ready)}")


def _one_of(option: str, value: object, choices: Sequence[str]) -> str:
    for choice in choices:
        if value == choice:
            return choice
    raise OptionError(f"{option} is {value!r}; use one of {', '.join(map(repr, choices))}")
