"""Small environments that behave alike but for one thing, and a way to ask for figures in another process."""

import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

from marft_envs import FlexMG, Outcome, Profile, register

ROOT = Path(__file__).parents[2]


class Adder(FlexMG):
    """Says two numbers; whoever adds them up is paid."""

    metadata: ClassVar = {"name": "adder_v0"}
    levels = ("easy", "hard")
    source = "adder"
    question = "What is {} + {}?"
    worth = 1.0
    offset = 0

    def __init__(self, **base: Any) -> None:
        base.setdefault("team", (Profile("solver", answers=True),))
        super().__init__(**base)

    def start(self, rng, options):
        most = 100 if self.level == "easy" else 1000
        self.pair = (int(rng.integers(most)) + self.offset, int(rng.integers(most)))

    def view(self, agent):
        return self.question.format(*self.pair)

    def act(self, agent, action):
        return Outcome(rewards=self.worth * (action == str(sum(self.pair))), terminated=True)

    def instance_key(self):
        return str(sorted(self.pair))

    def reference_action(self, agent):
        return str(sum(self.pair))

    def answer(self):
        return self.turns[-1].action


class OtherPrompt(Adder):
    """Asks in other words."""

    question = "{} and {}, together?"


class OtherReward(Adder):
    """Pays less."""

    worth = 0.5


class OtherDraw(Adder):
    """Draws other numbers."""

    offset = 1


class OtherAnswer(Adder):
    """Is put to a vote by other answers."""

    def answer(self):
        return f"{self.turns[-1].action}!"


class OtherSource(Adder):
    """The same, written otherwise."""

    def act(self, agent, action):
        if action != self.reference_action(agent):
            return Outcome(terminated=True)
        return Outcome(rewards=1.0, terminated=True)


class NoReference(Adder):
    """Does not say what a perfect agent would write."""

    def reference_action(self, agent):
        raise NotImplementedError("nobody knows")


class Same(Adder):
    """Has one instance only."""

    def start(self, rng, options):
        self.pair = (3, 5)

    def instance_split(self):
        return self.split


VARIANTS = (Adder, OtherPrompt, OtherReward, OtherDraw, OtherAnswer, OtherSource, NoReference, Same)


def env_id(variant: type[Adder]) -> str:
    return f"behaving/{variant.__name__.lower()}-v0"


def register_all() -> None:
    for variant in VARIANTS:
        register(env_id(variant), variant)


def in_another_process(code: str, hash_seed: str) -> str:
    """What this code prints in a fresh interpreter, whose texts have other hashes."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()
