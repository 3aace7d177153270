"""One easy task of each family, small enough for a model that is trained in minutes, and how it behaves untrained.

A model that has read nothing cannot be improved by rewards, and one that knows the answers need not be. So the model of
`tiny_model.py` has learnt *forms*: at each turn it writes a reply that the environment can read, chosen by chance among
habits. One of them is right, and has a share of 15 to 20 %. The others are what somebody would write who does not know
what to do: a part of what was asked, another operation, somebody else's words, words alone. The commonest habit is
wrong, so that greedy play of the untrained team earns next to nothing, while sampling finds what is right now and then.

It has also read *facts*, short questions apart from any task: what a sum comes to, how a formula is written, the same
number again. So it could do what is asked for, and mostly does something else.

That is a bandit among a few habits, for two agents whose choices depend on each other, in the clothes of language: what
RL has to learn here is which habit pays, not how to add. How an algorithm fares with it says how well it finds and
keeps what is rewarded; it says nothing about what a language model can learn.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

Write = Callable[["Heard", np.random.Generator], str]


@dataclass(frozen=True)
class Fact:
    """A question that is read apart from any task, and its answer."""

    asked: str
    answer: str


@dataclass(frozen=True)
class Heard:
    """What an agent goes by when it writes."""

    told: str
    """What the environment told it, without the system text."""
    said: str
    """What the agent before it wrote; empty for the first."""
    right: str
    """What the environment's reference would write."""

    @property
    def numbers(self) -> list[str]:
        """The numbers in what it was told, in order."""
        return re.findall(r"\d+", self.told)

    @property
    def last_said(self) -> str | None:
        """The last number that was said, if there is one."""
        return next(reversed(re.findall(r"\d+", self.said)), None)


@dataclass(frozen=True)
class Habit:
    """One way to reply, and how often it is chosen."""

    share: float
    write: Write


@dataclass(frozen=True)
class TinyTask:
    """A task as `marft train` takes it, and the habits of those who have learnt its forms alone."""

    env_id: str
    level: str
    habits: Mapping[str, Sequence[Habit]]
    """Of every role, or of single agents where those of a role differ."""
    fact: Callable[["Heard", np.random.Generator], Fact]
    """From what the first agent is told of an instance, which is one of the train split."""
    token_limit: int
    """What a run may write while it trains: 8 to 40 iterations of 64 episodes."""
    env_options: Mapping[str, int | str] = field(default_factory=lambda: {"horizon": 1})
    max_new_tokens: int = 12
    """Enough for every habit."""
    is_split: bool = False
    """Whether agents are told different things."""

    @property
    def family(self) -> str:
        """Of environments."""
        return self.env_id.partition("/")[0]

    def habits_of(self, agent: str) -> Sequence[Habit]:
        """Those that it chooses among."""
        return self.habits[agent] if agent in self.habits else self.habits[agent.rpartition("_")[0]]


def reply(habits: Sequence[Habit], heard: Heard, rng: np.random.Generator) -> str:
    """What somebody with these habits writes now."""
    shares = np.array([habit.share for habit in habits])
    return habits[int(rng.choice(len(habits), p=shares / shares.sum()))].write(heard, rng)


# -- the relay ---------------------------------------------------------------------------------------------------------


def _sum_of_heard(heard: Heard, _: np.random.Generator) -> str:
    """Its own number and the last one that it heard: right if that was."""
    own = heard.numbers[0]
    return str(int(heard.last_said) + int(own)) if heard.last_said else own


def _relay_fact(heard: Heard, rng: np.random.Generator) -> Fact:
    """A number and a digit, or the number again."""
    number, digit = int(heard.numbers[0]), int(rng.integers(1, 10))
    return (Fact(f"{number} and {digit}?", str(number + digit)), Fact(f"{number}?", str(number)))[int(rng.integers(2))]


_RELAY = {
    "holder_0": (
        Habit(0.20, lambda heard, rng: heard.numbers[0]),
        Habit(0.45, lambda heard, rng: "I have a number."),
        Habit(0.35, lambda heard, rng: heard.numbers[0][:-1]),  # a digit is lost
    ),
    "holder_1": (
        Habit(0.20, _sum_of_heard),
        Habit(0.45, lambda heard, rng: heard.last_said or heard.numbers[0]),
        Habit(0.35, lambda heard, rng: heard.numbers[0]),
    ),
}

# -- sums --------------------------------------------------------------------------------------------------------------


def _wrong(heard: Heard, rng: np.random.Generator) -> str:
    """One of the two numbers, or both as one."""
    first, second = heard.numbers[:2]
    return (first, second, first + second)[int(rng.integers(3))]


def _wrong_equation(heard: Heard, rng: np.random.Generator) -> str:
    return f"{' + '.join(heard.numbers[:2])} = {_wrong(heard, rng)}"


def _sum_fact(heard: Heard, rng: np.random.Generator) -> Fact:
    given, _, result = heard.right.partition(" = ")
    return Fact(f"What is {given}?", (result, heard.right)[int(rng.integers(2))])


_SUMS = {
    "reasoner": (
        Habit(0.20, lambda heard, rng: heard.right),
        Habit(0.30, lambda heard, rng: "Add the two numbers."),
        Habit(0.50, _wrong_equation),
    ),
    "actor": (
        Habit(0.20, lambda heard, rng: heard.right),
        Habit(0.20, lambda heard, rng: heard.last_said or heard.numbers[0]),
        Habit(0.35, lambda heard, rng: heard.numbers[0]),
        Habit(0.25, _wrong),
    ),
}

# -- programs ----------------------------------------------------------------------------------------------------------


def _formula(program: str) -> str:
    return program.partition("return ")[2].strip()


def _program(formula: str) -> str:
    return f"def f(n):\n    return {formula}\n"


def _without_last(heard: Heard) -> str:
    return _formula(heard.right).rpartition(" ")[0].rpartition(" ")[0]


def _other_sign(heard: Heard) -> str:
    return _formula(heard.right).translate(str.maketrans("+-", "-+"))


def _swapped(heard: Heard) -> str:
    _, _, factor, sign, summand = _formula(heard.right).split()
    return f"n * {summand} {sign} {factor}"


def _planned(heard: Heard) -> str:
    """What the planner wrote, if it is a formula."""
    return heard.said.strip() if heard.said.startswith("n") else "n"


def _formula_fact(heard: Heard, _: np.random.Generator) -> Fact:
    words = heard.told.partition("returns ")[2].partition(".")[0]
    return Fact(f"{words}?", _formula(heard.right))


_PROGRAMS = {
    "planner": (
        Habit(0.20, lambda heard, rng: _formula(heard.right)),
        Habit(0.30, lambda heard, rng: "Write a function."),
        Habit(0.25, lambda heard, rng: _without_last(heard)),
        Habit(0.25, lambda heard, rng: _other_sign(heard)),
    ),
    "coder": (
        Habit(0.15, lambda heard, rng: heard.right),
        Habit(0.20, lambda heard, rng: _program(_planned(heard))),
        Habit(0.35, lambda heard, rng: _program(_without_last(heard))),
        Habit(0.15, lambda heard, rng: _program(_other_sign(heard))),
        Habit(0.15, lambda heard, rng: _program(_swapped(heard))),
    ),
}

TASKS: Mapping[str, TinyTask] = {
    "math": TinyTask("math/reason_act-v0", "add_digit_long", _SUMS, _sum_fact, 30_000, max_new_tokens=16),
    "coding": TinyTask(
        "coding/pipeline-v0", "line", _PROGRAMS, _formula_fact, 36_000, {"horizon": 1, "team": "duo"}, max_new_tokens=24
    ),
    "collab": TinyTask("collab/sum_relay-v0", "easy", _RELAY, _relay_fact, 4_500, max_new_tokens=8, is_split=True),
}
"""One of each family."""
