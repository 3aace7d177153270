"""Who is on the team: profiles as data.

A profile says what an agent is told about its part, how long its turns take on the simulated clock, how much of its
text is recorded, whom it hears, and what its turns cost. Which *model* plays the agent is no business of an
environment. Where a member of the team is one of several `Variants`, every episode draws which.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from marft_envs.errors import TeamFileError
from marft_envs.records import shown
from marft_envs.transcript import Message

_ROLE = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,47}")
"""Agents are named `<role>_<k>`. Chat services accept these characters in a message's `name`, 64 at most."""
_LONGEST_US = 10**12
"""Of one time in a profile: eleven days. Sums of many of them are still exact in whatever reads JSON."""
_DEAREST = 10**9
"""Of one cost: with it a text of any length costs a finite amount."""


@dataclass(frozen=True, slots=True)
class Example:
    """A turn that an agent is shown before its first, as if it had been its own."""

    told: str
    """What it was told; not empty."""
    says: str
    """What it wrote; not empty."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One agent's part in the team.

    Raises: TeamFileError for a value outside its range.
    """

    role: str
    """What the agent is called: letters, digits, `_` and `-`. The k-th agent of a role is `<role>_<k>`."""
    system: str = ""
    """The system message, the same in every episode; empty for none."""
    examples: tuple[Example, ...] = ()
    """Turns that it is shown behind the system message, the same in every episode: how its part can be played."""
    base_us: int = 1_000_000
    """Simulated microseconds that every turn takes, however short; at least 1."""
    per_char_us: int = 20_000
    """Simulated microseconds per character of the recorded action: 50 characters a second by default."""
    max_action_chars: int = 2048
    """Longest action that is recorded, in characters; the rest is dropped and counted. At least 1."""
    answers: bool = False
    """Whether this agent's action is what gets graded."""
    latency_us: int = 0
    """Simulated microseconds until what it said has reached the others; at least 0."""
    hears: tuple[str, ...] | None = None
    """Whose words reach it, by name or by role; () for nobody's, None for everybody's. It does not wait for others."""
    cost_per_turn: float = 0.0
    """What each of its turns takes off the reward; at least 0. See `Hooks.mixed_motives` for who pays."""
    cost_per_char: float = 0.0
    """The same for each character of the recorded action."""

    def cost(self, num_chars: int) -> float:
        """What a turn of so many recorded characters takes off the reward."""
        return self.cost_per_turn + self.cost_per_char * num_chars

    def duration_us(self, num_chars: int) -> int:
        """Simulated microseconds that a turn of so many recorded characters takes."""
        return self.base_us + self.per_char_us * num_chars

    def opening(self) -> list[Message]:
        """What stands before everything that is told and said in an episode. Fresh dicts."""
        messages: list[Message] = [{"role": "system", "content": self.system}] if self.system else []
        for example in self.examples:
            messages.append({"role": "user", "content": example.told})
            messages.append({"role": "assistant", "content": example.says})
        return messages

    def __post_init__(self) -> None:
        if isinstance(self.hears, list):
            object.__setattr__(self, "hears", tuple(self.hears))  # files have no tuples
        if isinstance(self.examples, list):
            object.__setattr__(self, "examples", tuple(map(_example, self.examples)))  # nor records
        for problem in self._problems():
            raise TeamFileError(f"profile {self.role!r}: {problem}")

    def _problems(self) -> Iterator[str]:
        """What is wrong with each wrong field, and its rule."""
        if not _is_role(self.role):
            yield f"role is {self.role!r}; use a letter, then at most 47 letters, digits, '_' or '-'"
        if not _is_text(self.system):
            yield f"system is {self.system!r}; write text of whole characters (in YAML, put quotes around it)"
        yield from self._problems_of_examples()
        for name, least in (("base_us", 1), ("per_char_us", 0), ("max_action_chars", 1), ("latency_us", 0)):
            value = getattr(self, name)
            if not _is_whole(value, least):
                yield f"{name} is {shown(value)}; use a whole number, at least {least}"
            elif name.endswith("_us") and value > _LONGEST_US:
                yield f"{name} is {shown(value)}; use at most {_LONGEST_US:,} microseconds"
        if not _is_flag(self.answers):
            yield f"answers is {self.answers!r}; use true or false"
        if self.hears is not None and not (isinstance(self.hears, tuple) and all(map(_is_name, self.hears))):
            yield f"hears is {self.hears!r}; use a list of agents or roles, or leave it out to hear everybody"
        for name in ("cost_per_turn", "cost_per_char"):
            value = getattr(self, name)
            if not _is_cost(value):
                yield f"{name} is {shown(value)}; use a finite number, at least 0 and at most {_DEAREST:,}"

    def _problems_of_examples(self) -> Iterator[str]:
        if not isinstance(self.examples, tuple):
            yield f"examples is {shown(self.examples)}; use a list of what the agent is told and says"
            return
        for number, example in enumerate(self.examples, start=1):
            if not _is_example(example):
                yield (
                    f"example {number} is {shown(example)}; write a mapping of 'told' and 'says', both text that is "
                    "not empty (in YAML, put quotes around it)"
                )


def _is_role(value: object) -> bool:
    return isinstance(value, str) and _ROLE.fullmatch(value) is not None


def _is_text(value: object) -> bool:
    """True for a `str` without lone surrogates, which no file and no tokeniser can hold."""
    return isinstance(value, str) and not any("\ud800" <= char <= "\udfff" for char in value)


def _example(plain: object) -> object:
    """What a file has of an example; anything else as it is."""
    return Example(**plain) if isinstance(plain, dict) and set(plain) == {"told", "says"} else plain


def _is_example(value: object) -> bool:
    return isinstance(value, Example) and all(_is_text(text) and text for text in (value.told, value.says))


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_name(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_cost(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _DEAREST


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def name_agents(profiles: Iterable[Profile]) -> dict[str, Profile]:
    """Names every agent `<role>_<k>`, k counting within the role, in the order of the profiles."""
    counts: dict[str, int] = {}
    named: dict[str, Profile] = {}
    for profile in profiles:
        k = counts.get(profile.role, 0)
        counts[profile.role] = k + 1
        named[f"{profile.role}_{k}"] = profile
    return named


def names_of(agents: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The agents that every name means, in lower case: an agent's own, or that of its role."""
    named: dict[str, tuple[str, ...]] = {}
    for agent in agents:
        for name in (agent, agent.rpartition("_")[0]):
            named[name.lower()] = (*named.get(name.lower(), ()), agent)
    return named


@dataclass(frozen=True, slots=True)
class Variants:
    """A member of the team of whom every episode draws one variant, by its seed.

    What is learned with those of the training split is tested with those of the test split: team-mates never met.

    Raises: TeamFileError if there are none, or if they are not of one role.
    """

    train: tuple[Profile, ...]
    """Of the training split; at least one. All of one role, and all of them answer, or none."""
    test: tuple[Profile, ...] = ()
    """Of the test split; empty for the same."""

    def __post_init__(self) -> None:
        if not self.train:
            raise TeamFileError("variants has no profile under 'train'; give at least one")
        if len({(profile.role, profile.answers) for profile in (*self.train, *self.test)}) > 1:
            raise TeamFileError(
                f"the variants of {self.train[0].role!r} differ in role or answers; these are the same in all of them"
            )

    def of(self, split: str) -> tuple[Profile, ...]:
        """The variants of a split."""
        return self.test or self.train if split == "test" else self.train


Member = Profile | Variants


def draw_profiles(members: Iterable[Member], split: str, rng: np.random.Generator) -> list[Profile]:
    """The profiles of one episode."""
    return [member if isinstance(member, Profile) else _one_of(member.of(split), rng) for member in members]


def _one_of(profiles: Sequence[Profile], rng: np.random.Generator) -> Profile:
    return profiles[int(rng.integers(len(profiles)))]


def check_hears(members: Sequence[Member]) -> None:
    """Looks at every variant, since one that is rarely drawn would else end a run that has lasted for hours.

    Raises: TeamFileError if somebody hears an agent that is not on the team.
    """
    all_of = [(member,) if isinstance(member, Profile) else (*member.train, *member.test) for member in members]
    agents = name_agents(profiles[0] for profiles in all_of)
    named = names_of(agents)
    for profile in (profile for profiles in all_of for profile in profiles):
        for name in profile.hears or ():
            if name.lower() not in named:
                raise TeamFileError(
                    f"profile {profile.role!r}: it hears {name!r}, who is not on the team; its agents are "
                    f"{', '.join(agents)}"
                )


def hearers(profiles: Mapping[str, Profile]) -> dict[str, tuple[str, ...]]:
    """By speaker, whom its words reach, in the order of the team. Of a team that `check_hears` takes."""
    named = names_of(profiles)
    reached: dict[str, list[str]] = {agent: [] for agent in profiles}
    for agent, profile in profiles.items():
        heard = set(profiles)
        if profile.hears is not None:
            heard = {other for name in profile.hears for other in named[name.lower()]}
        for other in heard - {agent}:
            reached[other].append(agent)
    return {agent: tuple(reached[agent]) for agent in profiles}
