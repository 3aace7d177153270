"""Tasks that are generated: our own arithmetic, and the generators of reasoning-gym whose answers are unique.

reasoning-gym (https://github.com/open-thought/reasoning-gym, Apache-2.0, the extra `data`) makes questions and
answers here, deterministically; its scorers are not used: the answer is compared by our own grader. Offered are the
generators of mathematical tasks for which that is exact: there is one right answer, a number. It may happen to stand in
the question (it does in 10 of 200 tasks of `gsm_symbolic`), but neither the question nor a line of it is accepted as an
answer. So no `simple_geometry`, whose convex polygons have angles of 233°, no rounded results, no yes or no.
"""

from functools import lru_cache
from importlib.metadata import version
from typing import Any

import numpy as np

from marft_envs.errors import OptionError
from marft_envs.math.arithmetic import LEVELS, QUESTION, SPLIT_LEVELS, draw, num_instances
from marft_envs.math.source import Source, Task
from marft_envs.seeding import MIN_SPLIT_INSTANCES

GENERATORS = (
    "basic_arithmetic",
    "chain_sum",
    "count_bits",
    "count_primes",
    "decimal_chain_sum",
    "dice",
    "gcd",
    "gsm_symbolic",
    "lcm",
    "leg_counting",
    "letter_counting",
    "products",
    "simple_equations",  # solves with SymPy, whose caches grow until they are full
)
_MOST_DRAWS = 4 * MIN_SPLIT_INSTANCES
"""Until enough different tasks must have come up, if there are: of 8,000 draws from 2,500 tasks 2,400 differ."""
_NUM_SEEDS = 2**31
"""reasoning-gym seeds Python's `Random`; some of its generators take no more than 32 bits."""


class Arithmetic(Source):
    """The problems of `marft_envs.math.arithmetic`."""

    name = split_salt = "arithmetic"
    levels = tuple(LEVELS)
    answer_form = ""

    def draw(self, level: str | None, rng: np.random.Generator, split: str) -> Task:
        problem = draw(str(level), rng)
        return Task(QUESTION.format(problem=problem.text), str(problem.answer), problem.key)

    def answers(self, level: str | None) -> range:
        return LEVELS[str(level)].answers

    def why_not(self, split: str, level: str | None) -> str:
        if split == "train" or level in SPLIT_LEVELS:
            return ""
        return f"level {level!r} has only {num_instances(str(level))} problems, too few to hold some out"


class ReasoningGym(Source):
    """One generator of reasoning-gym; its levels are those of its curriculum, every attribute raised alike.

    Raises: OptionError if reasoning-gym is not installed, or the generator is none that is offered.
    """

    def __init__(self, generator: str) -> None:
        if generator not in GENERATORS:
            raise OptionError(
                f"source is 'reasoning_gym:{generator}'; generators with one right answer that is a number are "
                f"{', '.join(GENERATORS)}"
            )
        self.name = self.split_salt = f"reasoning_gym:{generator}"
        self.generator = generator
        curriculum = _factory().CURRICULA.get(generator)
        self.fingerprint = f"reasoning-gym {version('reasoning-gym')} {generator}"
        if curriculum is not None:
            most = max(len(attribute.levels) for attribute in curriculum().attributes.values())
            self.levels = tuple(str(number) for number in range(1, most + 1))

    def draw(self, level: str | None, rng: np.random.Generator, split: str) -> Task:
        entry = _entry(self.generator, level, int(rng.integers(_NUM_SEEDS)))
        question = str(entry["question"]).strip()
        return Task(question, str(entry["answer"]), " ".join(question.split()))

    def why_not(self, split: str, level: str | None) -> str:
        if split == "train" or _has_enough(self.generator, level):
            return ""
        return f"{self.name} has fewer than {MIN_SPLIT_INSTANCES:,} tasks at level {level!r}, too few to hold some out"


def _factory() -> Any:  # a module without types
    """reasoning-gym's registry; imported here, since it takes a second. Raises: OptionError if it is not installed."""
    try:
        import reasoning_gym  # noqa: F401  # registers its generators
        from reasoning_gym import factory
    except ImportError as error:
        raise OptionError("source 'reasoning_gym:…' needs reasoning-gym; pip install 'marft-envs[data]'") from error
    return factory


@lru_cache(maxsize=64)
def _config(generator: str, level: str | None) -> dict[str, object]:
    """The generator's configuration at a level: every attribute of its curriculum as far up as it goes."""
    factory = _factory()
    if level is None:
        return {}
    curriculum = factory.create_curriculum(generator)
    for name, attribute in curriculum.attributes.items():
        curriculum.set_attr_level(name, min(int(level), len(attribute.levels)) - 1)
    return dict(vars(curriculum.generate_configuration()))


def _entry(generator: str, level: str | None, seed: int) -> dict[str, object]:
    config = {**_config(generator, level), "seed": seed, "size": 1}
    entry: dict[str, object] = _factory().create_dataset(generator, **config)[0]
    return entry


@lru_cache(maxsize=64)
def _has_enough(generator: str, level: str | None) -> bool:
    """Whether different tasks keep coming."""
    rng = np.random.Generator(np.random.PCG64(0))
    seen: set[object] = set()
    for _ in range(_MOST_DRAWS):
        seen.add(_entry(generator, level, int(rng.integers(_NUM_SEEDS)))["question"])
        if len(seen) >= MIN_SPLIT_INSTANCES:
            return True
    return False
