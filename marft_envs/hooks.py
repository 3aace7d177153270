"""What an environment file writes: the class attributes and the hooks that make a task out of `FlexMG`.

`FlexMG` asks the hooks in a fixed order, whatever the order in which agents are stepped:

    reset        start → instance_key, until the instance belongs to the split
    round opens  dependencies_for → hidden → view of each agent that takes part, in canonical order
    round ends   act of each agent that took part, in canonical order → end_round

So everything that they draw from `self.rng` is reproducible. What cannot be, because it depends on the machine, goes
through `self.measured`. They may read what is declared below under "The episode", draw from `self.rng`, and change
attributes of their own. They touch no global random generator and call no `reset` or `step`. Attributes of their own
need to survive `copy.deepcopy`: no open files, no threads.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np

from marft_envs.dependencies import Dependencies
from marft_envs.profiles import Profile
from marft_envs.records import Measurement, Outcome, RewardEvent, Turn

Measured = TypeVar("Measured", bound=Measurement)

MOST_CHOICES = 1_000
"""Texts to choose from, at most: with more of them a level has no `choices`, for nobody would find the right one."""
SILENCE = "I say nothing."
"""Among the choices of an agent that may tell something, what it says to keep it to itself."""


def filled(texts: Sequence[str], count: int) -> list[str]:
    """As many texts as `Hooks.choices` always has to give: the last one is repeated."""
    return [*texts, *[texts[-1]] * (count - len(texts))]


class Hooks:
    """The part of `FlexMG` that environments override. Only `start`, and `act` or `end_round`, are always needed."""

    # ---- What an environment declares --------------------------------------------------------------------------

    metadata: dict[str, Any] = {"name": "flex_mg"}  # noqa: RUF012  # PettingZoo declares it so
    """`name` at least. The base class fills in `render_modes` and `is_parallelizable`."""
    default_team: ClassVar[str] = ""
    """The team that plays unless the option `team` says otherwise: a file in `teams/` beside the environment."""
    levels: tuple[str, ...] = ()
    """Difficulties from easy to hard; the first is the default. Empty if there is only one."""
    recall: Literal["team", "parents"] = "team"
    """Who is told what was said in *earlier* rounds: "team", everybody who has not heard it yet; "parents", nobody, so
    that an agent never hears anything but what D_t let through."""
    on_clock: ClassVar[bool] = False
    """Whether agents act at their own pace; `ClockMG` says so."""
    reward_range: ClassVar[tuple[float, float]] = (-float("inf"), float("inf"))
    """The lowest and the highest return that an agent can have in one episode, not counting what its turns cost."""
    mixed_motives: ClassVar[bool] = False
    """Whether interests differ: then what a turn costs, by the agent's profile, is paid by that agent alone. If not, it
    is taken off everybody's reward, so that the team's reward stays one number."""
    source: str = ""
    """Names the data that instances come from. Environments with the same source share their test instances.

    An environment whose options decide about `levels`, `recall` or `source` sets them before it calls the base's
    `__init__`."""

    data_fingerprint: str = ""
    """Identifies the data that instances are drawn from, where an option names them: a hash of all that is drawn, or
    the version of what makes it. It is part of every episode, and a replay with other data is refused. Set it before
    the base's `__init__`, too."""
    runtime: str = ""
    """What else outcomes may depend on, such as "python 3.11" where programs are run. It is part of every episode. A
    replay elsewhere is not refused: if it differs, this is told as the likely reason."""

    # ---- The episode, for hooks and everybody else to read -----------------------------------------------------

    profiles: dict[str, Profile]
    """The team of this episode, by the agents' names. Names, and who `answers`, are the same in every episode."""
    horizon: int
    """The episode is truncated after this many rounds."""
    split: str
    """"train" or "test"."""
    level: str | None
    """This episode's level; None where there is only one."""
    episode_seed: int
    """`reset(seed=env.episode_seed)` plays this episode again."""
    rng: np.random.Generator
    """This episode's generator; hooks draw from it and from no other."""
    round: int
    """The round that is being played, from 0. After a truncation, the round that would have followed."""
    dependencies: Dependencies
    """D_t of that round."""
    sequence: Dependencies
    """The default D_t: everybody takes part and reads all who stand before it on the team."""
    info: dict[str, float]
    """The latest value of everything that outcomes have reported; it is part of every agent's `infos`."""

    @property
    def turns(self) -> list[Turn]:
        """All committed turns, in commit order; this round's are among them from its first `act` on. Read only."""
        raise NotImplementedError

    @property
    def reward_events(self) -> list[RewardEvent]:
        """All rewards of committed rounds, in the order of payment. Read only."""
        raise NotImplementedError

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        """All that was measured in this episode so far, in the order in which it was."""
        raise NotImplementedError

    # ---- For hooks to call ---------------------------------------------------------------------------------------

    def measured(self, measure: Callable[[Measurement | None], Measured]) -> Measured:
        """What `measure` returns, kept with the episode: for outcomes that depend on the speed of the machine.

            def act(self, agent, action):
                slow = self.measured(lambda recorded: self.too_slow(action, recorded))

        In a first play `measure(None)` measures. In a replay `measure(recorded)` gets what the log holds at this place,
        and takes from it whatever may differ between machines: tests that ran out of time did so, and are not run
        again; all others are run again, with four times the time, so that none fails for a slower machine. What it
        returns is recorded again, and the replay compares it with the log.

        A log may be forged: `recorded` is any `Measurement`, of whatever form, and nothing is true because it stands
        there. Where its form makes no sense, measure as if there were none, for what you return is compared; or raise
        ReplayMismatchError with a message that names the value. Recompute all that would do an agent good.

        To be called by `start`, `view`, `act`, `end_round` and the other hooks that are asked in the fixed order above,
        under conditions that follow from the episode alone, and never within `measure`.

        Raises: OutcomeError if `measure` returns anything else than a `Measurement`; TurnError if it is called between
        rounds, as by `gradable` or `reference_action`; whatever `measure` raises.
        """
        raise NotImplementedError

    # ---- The hooks ---------------------------------------------------------------------------------------------

    def start(self, rng: np.random.Generator, options: Mapping[str, Any]) -> None:
        """Draws the task instance for `self.level`.

        Sets every attribute that an episode changes, for nothing of the last episode may remain. It is called
        again if the instance does not belong to the split.

        Args:
            rng: `self.rng`.
            options: What `reset` got. Leave alone what you do not know.
        """

    def dependencies_for(self, round: int) -> Dependencies:  # the round is what it is about
        """D_t of this round: who takes part, and whose action depends on whose.

        Asked once, as the round opens. It may follow from all that was committed before, such as whom an
        orchestrator has called. An agent that does not take part is told nothing, and what it misses waits
        for its next turn. When the horizon ends the episode, the round after the last is asked for, too: its
        opening belongs to the state from which trainers bootstrap.

        By default everybody takes part and reads all who stand before it on the team.
        """
        return self.sequence

    def view(self, agent: str) -> str:
        """What only this agent is told in this round; empty for nothing.

        Asked once for everybody who takes part, as the round opens. Other agents' words and feedback are not
        written here: the base class adds them, as D_t and `recall` say. If you repeat an agent's words,
        `quote` them, so that nobody can speak in your name.
        """
        return ""

    def act(self, agent: str, action: str) -> Outcome | None:
        """What follows from this agent's action; None for nothing.

        Called at the end of the round, once per turn. All of them are called, even if the first ends the
        episode, so that nobody's reward depends on the order of stepping.

        Args:
            agent: Who acted.
            action: The recorded text: any Unicode, perhaps empty, perhaps a megabyte if the profile allows it. A
                reply that makes no sense is worth what the task says; it is never an error.
        """
        return None

    def end_round(self) -> Outcome | None:
        """What follows from the round as a whole, after every `act`; None for nothing."""
        return None

    def hidden(self) -> str:
        """The part of the state that no agent is told, such as the solution or a hidden board; empty for nothing.

        Asked as each round opens. Only `state()` shows it, to central critics.
        """
        return ""

    def instance_key(self) -> str | None:
        """Identifies the instance that `start` drew, so that train and test never share one.

        Instances that teach the same have the same key: 3 + 5 and 5 + 3. None, the default: there is no split.
        """
        return None

    def instance_split(self) -> str | None:
        """The split to which the data assign this instance; None, the default: a hash of `instance_key` decides."""
        return None

    def best_welfare(self) -> float | None:
        """The greatest sum of all returns that this instance allows, where interests differ.

        None, the default: everybody can reach the top of `reward_range` at once. Asked after the episode.
        """
        return None

    def reference_action(self, agent: str) -> str:
        """What a perfect agent would write now, with its turn open: for checks, imitation and upper bounds.

        Raises: NotImplementedError unless the environment provides it. No trainer reads it during RL.
        """
        raise NotImplementedError(f"{type(self).__name__} has no reference action for {agent!r}")

    def silent_action(self, agent: str) -> str:
        """What the agent writes on the best team whose members hear nothing of each other.

        A bound: what a team earns above it, it earns by talking. So it follows from what the environment has told this
        agent, and from what the agent itself has written, and from nothing that others know. Asked as
        `reference_action` is. The docstring says how the play was found, and whether it is proven to be the best.

        Raises: NotImplementedError unless the environment provides it.
        """
        raise NotImplementedError(f"{type(self).__name__} has no silent play for {agent!r}")

    def choices(self, agent: str) -> Sequence[str]:
        """The texts that a learner without language may choose from at its open turn.

        To it a text is the number of its place. So an agent has as many at every turn of every episode of a level, and
        what they are, and in which order, follows from what the environment has told this agent, from what the agent
        itself has written, and from what is always the same. Nothing that others know or have said decides about a text
        or its place. Whoever takes the same place each time then earns no more than a team that does not talk, and what
        a learner earns above that, it has read. The reference's own words are among the texts, or others that are worth
        as much, where that can be.

        Asked as `reference_action` is, by `DiscreteChoiceView` and `marft train sb3_ppo`.

        Raises: NotImplementedError unless the environment provides it; at levels with too much to choose from, too.
        """
        raise NotImplementedError(f"{type(self).__name__} has no choices for {agent!r}")

    def flaw(self) -> str:
        """What is wrong with the instance that was drawn, in words; empty, the default, if nothing is.

        Asked after `reset`, by `check_env` alone: for tasks that come from somewhere else than the environment itself,
        such as one whose reference solution fails its own tests.
        """
        return ""

    def gradable(self, agent: str, action: str) -> bool | None:
        """Whether a text has the form of an answer, right or wrong. None, the default: it is not graded, only read.

        Asked with the agent's turn open, before the action is submitted, by those who measure how much of what a
        model writes is lost on the form. It tells and changes nothing: no attribute, no draw, no reward.
        """
        return None

    def answer(self) -> str | None:
        """What the finished episode arrived at, so that several plays of an instance can be put to a vote.

        Equal answers are equal texts: numbers written in one way, names as the task writes them, in a fixed order. It
        follows from what agents wrote, and from what the task lets them be told; never from the solution, so it does
        not reveal whether it is right. Asked after the episode; it tells and changes nothing.

        None where the episode arrived at nothing. None always, the default, where plays cannot be put to a vote, such
        as where agents act in a world that goes on.
        """
        return None
