"""What happened, as values: a turn, a reward, a measurement, and what an environment answers to an action.

`Turn` and `RewardEvent` are what trainers, logs and the leaderboard read. `Outcome` is what an environment returns.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Literal

from marft_envs.errors import ActionTypeError, OutcomeError

_SURROGATES = re.compile("[\ud800-\udfff]")
_LARGEST = 2**63 - 1
"""Of the numbers in a measurement: whatever reads JSON can hold it."""
DEEPEST_MEASUREMENT = 8
"""Tuples within tuples in a measurement: small values need few, and a forged log gets nowhere with thousands."""
SHORTENED = "shortened"
"""The key in `infos[agent]` that tells how many characters of the agent's last action were dropped."""

Measurement = bool | int | str | tuple["Measurement", ...]
"""What an environment found out by measuring, such as the places of the tests that ran into a time limit: whole numbers
of at most 64 bits, text, and tuples of them. Never None, which stands for what has not been measured yet."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One agent's act, as the log keeps it."""

    index: int
    """Place in the episode, in commit order; the first turn has 0."""
    agent: str
    round: int
    """The round it was part of; the first round has 0."""
    action: str
    """The text as recorded: whole characters only, at most `max_action_chars` of them."""
    shortened: int
    """Characters dropped from the end of what was submitted."""
    parents: tuple[int, ...]
    """Indices of this round's turns that the action could depend on: the agent's parents in D_t."""
    start_us: int
    """Simulated microseconds since the episode began, when the agent could begin to act."""
    finish_us: int
    """The same clock, when its action was complete."""


@dataclass(frozen=True, slots=True)
class RewardEvent:
    """A reward for one agent, at the commit that paid it. The sum over an agent's events is its return."""

    turn: int
    """Index of the turn whose commit paid it. What `end_round` pays belongs to the round's last turn; what an event on
    the clock pays, to the last turn that was committed before, or to -1 if there was none."""
    round: int
    time_us: int
    """When it was paid, on the turns' clock: as that turn finished; for `end_round`, as the round's last to finish
    did; for an event, as it happened."""
    agent: str
    """Who gets it; a team reward is one event for every agent."""
    amount: float
    """Finite and not 0: nothing is recorded where nothing is paid."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A turn on the clock that the end of the episode left unfinished."""

    agent: str
    start_us: int
    action: str | None
    """What it would have been, if the turn could have ended before the episode did; None where nothing depends on it:
    nobody can know whether there was an action yet."""


@dataclass(slots=True)  # not frozen: that would triple the cost of making one, every round
class Outcome:
    """What an environment says to an action, or to a whole round."""

    rewards: Mapping[str, float] | float = 0.0
    """One number for everybody (a team reward), or a number per agent; who is not named gets 0."""
    terminated: bool = False
    """True ends the episode for everybody, by success or failure. The horizon is no business of an outcome."""
    feedback: str | Mapping[str, str] | None = None
    """What everybody, or each agent named, is told at the opening of its next turn."""
    info: Mapping[str, float] = field(default_factory=dict)
    """Numbers for `env.info`, `infos` and the log, such as `{"correct": 1}`; later ones replace earlier ones."""


@dataclass(frozen=True, slots=True)
class Episode:
    """One play of an environment, from its reset to its end, or as far as it went."""

    env_id: str | None
    """None if the environment was not made by `make`: then the episode can be neither logged nor replayed."""
    options: Mapping[str, Any]
    """What `make` needs besides the id to build the same environment on any machine."""
    seed: int
    """What `reset` needs to draw the same instance."""
    reset_options: Mapping[str, Any]
    turns: tuple[Turn, ...]
    """All committed turns, in commit order."""
    reward_events: tuple[RewardEvent, ...]
    terminated: bool
    truncated: bool
    returns: Mapping[str, float]
    """Per agent, the sum of its reward events in their order."""
    info: Mapping[str, float]
    """What the environment reported last, such as `{"correct": 1}`."""
    data_fingerprint: str = ""
    """Identifies the data that an option names, which lie outside of the environment; empty where there are none."""
    measurements: tuple[Measurement, ...] = ()
    """What the environment measured, in the order in which it did: a replay gets it instead of measuring."""
    runtime: str = ""
    """What else the outcomes may depend on, such as "python 3.11"; empty where there is nothing."""
    cuts: tuple[Cut, ...] = ()
    """On the clock, the turns that the end left unfinished, in the order of the agents."""
    recall: Literal["team", "parents"] = "team"
    """Who is told what was said in earlier rounds: see `Hooks.recall`."""
    on_clock: bool = False
    """Whether agents acted at their own pace; if not, in rounds."""
    hears: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """For each agent that does not hear everybody, those whom it hears."""

    def __str__(self) -> str:
        return f"episode of {self.env_id or 'an environment that is not registered'}, seed {self.seed}"


def recorded_text(agent: str, action: object, max_chars: int) -> tuple[str, int]:
    """An action as it is kept, whole characters only and at most so many of them; and how many were dropped.

    Raises: ActionTypeError.
    """
    if not isinstance(action, str):
        way_out = "; None is only for agents whose episode is over" if action is None else ""
        raise ActionTypeError(
            f"the action of {agent!r} is {action!r:.80}, a {type(action).__name__}; pass text, a str{way_out}"
        )
    text = action if type(action) is str else str.__str__(action)
    return whole_characters(text[:max_chars]), max(0, len(text) - max_chars)


def whole_characters(text: str) -> str:
    """The text with U+FFFD for every half of a character, which nobody could encode, log or tokenise."""
    return _SURROGATES.sub("\ufffd", text)


def rewards_by_agent(rewards: Mapping[str, float] | float, agents: Mapping[str, object]) -> dict[str, float]:
    """An outcome's rewards as one float per agent that it names; a team reward names everybody.

    Raises: OutcomeError for an unknown agent, or an amount that is no finite number.
    """
    if not isinstance(rewards, Mapping):
        return dict.fromkeys(agents, _finite(rewards, "the team reward"))
    _check_names(rewards, agents, "rewards")
    return {agent: _finite(amount, f"the reward of {agent!r}") for agent, amount in rewards.items()}


def feedback_by_agent(outcome: Outcome, agents: Collection[str]) -> dict[str, str]:
    """The outcome's feedback for each agent that gets some; one text for all goes to everybody.

    Raises: OutcomeError for an unknown agent, or feedback that is not text.
    """
    feedback = outcome.feedback or {}
    if isinstance(feedback, str):
        return dict.fromkeys(agents, feedback)
    if not isinstance(feedback, Mapping):
        raise OutcomeError(f"feedback is {feedback!r}; return one text for all, or a mapping from agents to texts")
    _check_names(feedback, agents, "feedback")
    for agent, text in feedback.items():
        if not isinstance(text, str):
            raise OutcomeError(f"the feedback of {agent!r} is {text!r}; return text")
    return {agent: text for agent, text in feedback.items() if text}


def checked_info(outcome: Outcome) -> dict[str, float]:
    """The outcome's info as plain numbers: an int stays an int, everything else becomes a float.

    Raises: OutcomeError for a key that is no text or is taken, or a value that is no finite number.
    """
    if not isinstance(outcome.info, Mapping):
        raise OutcomeError(f"info is {outcome.info!r:.80}; return a mapping from names to numbers")
    info: dict[str, float] = {}
    given: dict[object, float] = dict(outcome.info.items())
    for key, value in given.items():
        if not isinstance(key, str) or key == SHORTENED:
            raise OutcomeError(f"info has the key {key!r}; use another name, as text ({SHORTENED!r} is taken)")
        number = _finite(value, f"info[{key!r}]")
        info[key] = int(value) if isinstance(value, int) else number
    return info


def checked_measurement(value: object, depth: int = 0) -> Measurement:
    """The measurement as an episode holds it: its text in whole characters.

    Raises: OutcomeError for a value, or a part of one, that is no `Measurement`.
    """
    kind = type(value)  # and no subclass, which would come back from a log as another type
    if kind is bool or (kind is int and abs(value) <= _LARGEST):  # type: ignore[arg-type]  # an int
        return value  # type: ignore[return-value]  # likewise
    if kind is str:
        return whole_characters(value)  # type: ignore[arg-type]  # a str
    if kind is tuple and depth < DEEPEST_MEASUREMENT:
        return tuple([checked_measurement(part, depth + 1) for part in value])  # type: ignore[attr-defined]  # a tuple
    raise OutcomeError(
        f"a measurement holds {shown(value)}; use bool, int of at most 64 bits, str, and tuples of these, at most "
        f"{DEEPEST_MEASUREMENT} deep; count what is no whole number in a smaller unit"
    )


def shown(value: object) -> str:
    """The beginning of a value's repr, also where it has none: of a number with too many digits."""
    try:
        return f"{value!r:.80}"
    except (ValueError, RecursionError) as error:
        return f"a value of type {type(value).__name__} ({error})"


def _finite(value: object, what: str) -> float:
    if type(value) is float and isfinite(value):
        return value
    try:
        number = float(value)  # type: ignore[arg-type]  # anything that is a number to float(), of NumPy's kinds too
    except (TypeError, ValueError, OverflowError):
        number = float("nan")
    if isinstance(value, str) or not isfinite(number):
        raise OutcomeError(f"{what} is {value!r}; it must be a finite number")
    return number


def _check_names(named: Mapping[str, object], agents: Collection[str], what: str) -> None:
    for agent in named:
        if agent not in agents:
            raise OutcomeError(f"{what} name {agent!r}, who is not on the team; its agents are {', '.join(agents)}")
