"""What is checked: a way to make fresh copies of an environment, and ways to play them.

A *style* is a policy made for tests: it sees the environment, so that it can write the reference action, and answers
the same text to the same question, so that two plays of one seed can be compared.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from marft_envs.errors import OptionError
from marft_envs.flex_mg import FlexMG
from marft_envs.records import Episode
from marft_envs.seeding import SPLITS

Style = Callable[[FlexMG, str], str]
"""(environment, agent whose turn is open) -> action."""

_WORDS = ("yes", "no", "wait", "done", "a", "B", "0", "1", "7", "42", "-3", "1/2", "the", "answer", "is", "=", "call:")


@dataclass(frozen=True)
class Subject:
    """One environment under check."""

    name: str
    """Its id, or the name of its class."""
    create: Callable[..., FlexMG]
    """Makes a fresh copy; takes options of the environment."""
    options: Mapping[str, object] = field(default_factory=dict)
    """Options under which it is checked."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Episodes that most graders play."""

    def make(self, **options: object) -> FlexMG:
        """A fresh copy, not reset yet."""
        return self.create(**{**self.options, **options})

    def levels(self) -> tuple[str | None, ...]:
        """The levels to check: that of the options if there is one, else all."""
        if "level" in self.options:
            return (self.make().level,)
        return tuple(self.make().levels) or (None,)

    def splits(self, level: str | None) -> tuple[str, ...]:
        """The splits that the environment offers at a level."""
        offered = []
        for split in SPLITS:
            try:
                self.make(split=split, **at(level))
            except OptionError:
                continue
            offered.append(split)
        return tuple(offered)

    def levels_and_splits(self) -> Iterator[tuple[str | None, str]]:
        """Each level with each split that it offers."""
        for level in self.levels():
            for split in self.splits(level):
                yield level, split


def at(level: str | None) -> dict[str, object]:
    """The option for a level, if there are levels."""
    return {} if level is None else {"level": level}


@contextmanager
def generators_kept() -> Iterator[tuple[object, object]]:
    """Puts Python's and NumPy's global generators back afterwards; yields the states that they had."""
    before = random.getstate(), np.random.get_state()  # noqa: NPY002  # the one that nobody should touch
    try:
        yield before
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002


# ---- styles


def reference(env: FlexMG, agent: str) -> str:
    """What a perfect agent would write. Raises: NotImplementedError if the environment does not say."""
    return env.reference_action(agent)


def nothing(env: FlexMG, agent: str) -> str:  # noqa: ARG001  # a style
    """The empty text."""
    return ""


def echo(env: FlexMG, agent: str) -> str:
    """The last thing that it was told."""
    told = [message["content"] for message in env.messages(agent) if message["role"] != "assistant"]
    return told[-1] if told else ""


def noise(env: FlexMG, agent: str) -> str:
    """Random words: those that stand in what the agent sees, and some that environments like to read."""
    drawn = random.Random(f"{env.episode_seed} {agent} {len(env.messages(agent))}")
    seen = env.observe(agent)["text"].split() or [""]
    return " ".join(drawn.choice(seen if drawn.getrandbits(1) else _WORDS) for _ in range(drawn.randrange(1, 9)))


def sometimes_right(env: FlexMG, agent: str) -> str:
    """The reference action or noise, by a coin; noise alone where there is no reference."""
    drawn = random.Random(f"coin {env.episode_seed} {agent} {len(env.messages(agent))}")
    if drawn.getrandbits(1):
        try:
            return env.reference_action(agent)
        except NotImplementedError:
            pass
    return noise(env, agent)


def silent(env: FlexMG, agent: str) -> str:
    """What it writes on the best team that does not talk. Raises: NotImplementedError without such a play."""
    return env.silent_action(agent)


SCRIPTED_PLAYS: Mapping[str, Style] = {"reference": reference, "silent": silent, "random": noise, "echo": echo}
"""Styles that people ask for by name; they need no model."""
VARIED: tuple[Style, ...] = (sometimes_right, noise)
"""Styles that between them see successes, failures and long episodes."""


def play_out(env: FlexMG, style: Style, seed: int | None = None) -> Episode:
    """Plays an episode to its end; without a seed, goes on with the one that is being played."""
    if seed is not None:
        env.reset(seed=seed)
    for agent in turns_of(env):
        env.step(style(env, agent))
    return env.episode()


def turns_of(env: FlexMG) -> Iterator[str]:
    """The agent that acts next, until the episode is over or has had far too many turns."""
    for _ in range(env.most_turns):
        if not env.ready:
            return
        yield env.agent_selection
    if env.ready:
        raise AssertionError(f"{env.most_turns} turns were played, all that the horizon allows, and it goes on")
