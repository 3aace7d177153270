"""Flex-MG environments that are over in no time, for the tests of what plays and trains on them."""

import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from itertools import cycle
from pathlib import Path

import numpy as np

from marft_envs import ClockMG, Dependencies, FlexMG, Outcome, Profile

WRITERS = (Profile("writer", system="You write."), Profile("editor", system="You edit."), Profile("critic"))
PAIR = (Profile("writer"), Profile("editor"))


class Letters(FlexMG):
    """Every turn pays the team a hundredth per character of its action; every round pays it 1 when it ends."""

    metadata = {"name": "letters_v0"}  # noqa: RUF012  # PettingZoo declares it so
    levels = ("plain", "fancy")
    source = "letters"

    def __init__(self, *, shape: str = "sequence", selfish: bool = False, horizon: int = 2, **base: object) -> None:
        super().__init__(horizon=horizon, **{"team": WRITERS, **base})
        self.shape = shape
        self.selfish = selfish

    def start(self, rng: np.random.Generator, options: Mapping[str, object]) -> None:
        self.number = int(rng.integers(10_000))

    def dependencies_for(self, round: int) -> Dependencies:
        return getattr(Dependencies, self.shape)(self.possible_agents)

    def view(self, agent: str) -> str:
        return f"Write about {self.number}, {self.level}." if self.round == 0 else "Go on."

    def act(self, agent: str, action: str) -> Outcome:
        paid = len(action) / 100
        return Outcome(rewards={agent: paid} if self.selfish else paid)

    def end_round(self) -> Outcome:
        return Outcome(rewards=0.0 if self.selfish else 1.0, feedback="That was a round.")

    def hidden(self) -> str:
        return f"the number is {self.number}"

    def instance_key(self) -> str:
        return f"{self.level} {self.number}"


class Halting(Letters):
    """It measures whether an episode goes on after a round, and one in three times it does not."""

    spells = cycle((False, True, True))

    def end_round(self) -> Outcome:
        goes_on = self.measured(lambda recorded: recorded if recorded is not None else next(self.spells))
        return Outcome(rewards=1.0, terminated=not goes_on)


class Paced(ClockMG):
    """On the clock: the team is paid a hundredth per character, 0.5 at 1.5 s, and stops where somebody says "stop"."""

    metadata = {"name": "paced_v0"}  # noqa: RUF012  # PettingZoo declares it so
    source = "paced"

    def __init__(self, *, horizon: int = 4, **base: object) -> None:
        team = tuple(Profile(role, base_us=us) for role, us in (("quick", 600_000), ("slow", 2_500_000)))
        super().__init__(horizon=horizon, **{"team": team, **base})

    def start(self, rng: np.random.Generator, options: Mapping[str, object]) -> None:
        self.number = int(rng.integers(10_000))
        self.at(1_500_000, "bell")

    def view(self, agent: str) -> str:
        return f"It is {self.now_us}."

    def act(self, agent: str, action: str) -> Outcome:
        return Outcome(rewards=len(action) / 100, terminated=action == "stop")

    def happen(self, event: str) -> Outcome:
        return Outcome(rewards=0.5, feedback="The bell rings.")

    def instance_key(self) -> str:
        return str(self.number)


class Uppercase(FlexMG):
    """One round: the team earns the share of capitals in the writer's text, times that in the editor's; or the mean."""

    metadata = {"name": "uppercase_v0"}  # noqa: RUF012  # PettingZoo declares it so
    source = "uppercase"

    def __init__(self, *, mean: bool = False, horizon: int = 1, **base: object) -> None:
        super().__init__(horizon=horizon, **{"team": PAIR, **base})
        self.mean = mean

    def start(self, rng: np.random.Generator, options: Mapping[str, object]) -> None:
        self.number = int(rng.integers(10_000))
        self.shares: dict[str, float] = {}

    def view(self, agent: str) -> str:
        return "Go."

    def act(self, agent: str, action: str) -> None:
        self.shares[agent] = sum("A" <= letter <= "Z" for letter in action) / max(len(action), 1)

    def end_round(self) -> Outcome:
        writer, editor = self.shares["writer_0"], self.shares["editor_0"]
        return Outcome(rewards=(writer + editor) / 2 if self.mean else writer * editor, terminated=True)

    def instance_key(self) -> str:
        return str(self.number)


class Told:
    """What makes a toy tell what a perfect agent would write."""

    def reference_action(self, agent: str) -> str:
        return "AB"


class ToldLetters(Told, Letters):
    """Letters, with a reference."""


class ToldUppercase(Told, Uppercase):
    """Uppercase, with a reference."""


class ToldPaced(Told, Paced):
    """Paced, with a reference."""


class Signals(FlexMG):
    """The teller sees a colour, and the guesser, who reads it a round later, names it; the guesser has a third turn.

    The guesser alone is paid: 1 after the first round, 2 after the second, and in the third 4 for the colour.
    """

    metadata = {"name": "signals_v0"}  # noqa: RUF012  # PettingZoo declares it so
    source = "signals"
    reward_range = (0.0, 7.0)
    colours = ("red", "green", "blue")

    def __init__(self, *, horizon: int = 3, **base: object) -> None:
        super().__init__(horizon=horizon, **{"team": (Profile("teller"), Profile("guesser")), **base})

    def start(self, rng: np.random.Generator, options: Mapping[str, object]) -> None:
        self.number = int(rng.integers(10_000))
        self.colour = self.colours[self.number % 3]

    def dependencies_for(self, round: int) -> Dependencies:
        return Dependencies([("guesser_0", "teller_0", "guesser_0")[min(round, 2)]])

    def view(self, agent: str) -> str:
        return f"It is {self.colour}, number {self.number}." if agent == "teller_0" else "Which one?"

    def act(self, agent: str, action: str) -> Outcome:
        paid = 4.0 * (action == self.colour) if self.round == 2 else float(self.round + 1)
        return Outcome(rewards={"guesser_0": paid}, terminated=self.round == 2)

    def instance_key(self) -> str:
        return str(self.number)

    def choices(self, agent: str) -> list[str]:
        return [*self.colours] if agent == "guesser_0" else [f"I see {self.colour}.", "I say nothing."]


class Deadly(ToldLetters):
    """Kills the process in which an action is taken while a file lies there, and the file with it; one is spared."""

    def __init__(self, *, file: str = "none", spared: int = 0, **base: object) -> None:
        super().__init__(**base)
        self.file = Path(file)
        self.spared = spared

    def act(self, agent: str, action: str) -> Outcome:
        if os.getpid() != self.spared:
            with suppress(FileNotFoundError):  # only one of several processes finds it
                self.file.unlink()
                os.kill(os.getpid(), signal.SIGKILL)
        return super().act(agent, action)
