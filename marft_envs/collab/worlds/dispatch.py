"""The world of dispatch: people's belongings, who knows what about them, and what is asked.

Facts are drawn, so that nobody can know them but the expert who is told them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

OWNERS = (  # noqa: SIM905  # a list would take a line for each
    "Amy Ann Ben Carl Dora Ella Emma Finn Fred Gina Greg Hans Ida Ian Jack Jane Joe John Kate Kim Lara Leo Lily Lisa "
    "Lucy Luke Mark Mary Max Mia Mike Nina Noah Nora Olga Otto Pam Paul Pete Rita Rosa Ruth Sam Sara Tina Tom Vera "
    "Will Zach Zoe"
).split()
THINGS = (  # noqa: SIM905  # as above
    "bag ball bed bell belt bench bike boat book boot bottle bowl box brush bucket cage cap card cart chair clock coat "
    "coin comb cup desk dish doll drum fan flag flute fork glove guitar hat jar kettle key kite knife ladder lamp lock "
    "map mask mirror mug pan pen piano pillow pipe plate pot purse radio ring rope rug"
).split()


@dataclass(frozen=True)
class Kind:
    """One kind of fact."""

    tells: str
    """A fact in words."""
    values: tuple[str, ...]
    disguises: tuple[str, ...]
    """Questions that ask for it and do not name it."""


KINDS: Mapping[str, Kind] = {
    "colour": Kind(
        "{item} is {value}",
        ("red", "blue", "green", "black", "white", "brown", "pink", "grey"),
        ("If I painted a picture of {item}, which tube would be empty first?", "Which ink do I need to draw {item}?"),
    ),
    "price": Kind(
        "{item} costs {value} dollars",
        ("2", "3", "4", "5", "6", "7", "8", "9"),
        ("How much would I have to pay for {item}?", "What is left in the till when {item} is sold?"),
    ),
    "place": Kind(
        "{item} is in the {value}",
        ("kitchen", "garden", "attic", "cellar", "garage", "office", "hall", "shed"),
        ("Where do I have to go to fetch {item}?", "Behind which door does {item} lie?"),
    ),
    "material": Kind(
        "{item} is made of {value}",
        ("wood", "glass", "steel", "wool", "paper", "clay", "silk", "stone"),
        ("What would the dust be if {item} were ground down?", "What did somebody have to buy who made {item}?"),
    ),
    "age": Kind(
        "{item} is {value} years old",
        ("10", "20", "30", "40", "50", "60", "70", "80"),
        ("How many birthdays has {item} had?", "How long ago did {item} leave the workshop?"),
    ),
    "weight": Kind(
        "{item} weighs {value} grams",
        ("100", "200", "300", "400", "500", "600", "700", "800"),
        ("What does the scale show under {item}?", "By how much is my bag easier to carry without {item}?"),
    ),
    "origin": Kind(
        "{item} comes from {value}",
        ("Peru", "Spain", "Japan", "Egypt", "India", "Kenya", "Italy", "Norway"),
        ("Which country exported {item}?", "Which flag hangs where {item} was made?"),
    ),
    "smell": Kind(
        "{item} smells of {value}",
        ("lemon", "mint", "smoke", "rose", "coffee", "honey", "soap", "tar"),
        ("What does my nose tell me about {item}?", "What does {item} remind me of when my eyes are shut?"),
    ),
}
"""By their names, which plain questions name."""


def plain_question(kind: str, item: str) -> str:
    """The question that names what is asked for."""
    return f"What is the {kind} of {item}?"


@dataclass(frozen=True)
class Level:
    """One row of the table of levels."""

    summary: str
    num_items: int
    """About which every expert knows something."""
    num_questions: int
    num_known: int
    """Kinds of fact that an expert knows."""
    is_drawn: bool = True
    """Whether every episode draws who knows what."""
    is_disguised: bool = False
    """Whether questions do not name the kind of fact that they ask for."""


LEVELS = {
    "easy": Level("one question; who knows what is always the same", 2, 1, 1, is_drawn=False),
    "standard": Level("six questions; who knows what is drawn", 4, 6, 1),
    "hard": Level("twelve questions in disguise; everybody knows two of eight kinds", 6, 12, 2, is_disguised=True),
}


@dataclass(frozen=True)
class Question:
    """What is asked for, and how."""

    kind: str
    item: str
    text: str


@dataclass(frozen=True)
class World:
    """What is known and asked in one episode."""

    items: list[str]
    kinds: list[str]
    """All that are known, in the order of `KINDS`."""
    books: dict[str, dict[str, dict[str, str]]]
    """What everybody knows: by expert, kind and item. Values of one kind differ."""
    questions: list[Question]


def drawn_world(rng: np.random.Generator, level: Level, experts: Sequence[str]) -> World:
    """Deals kinds to experts; where they have more places than there are kinds, some know the same."""
    places = rng.choice(len(OWNERS) * len(THINGS), size=level.num_items, replace=False).tolist()
    items = [f"{OWNERS[place // len(THINGS)]}'s {THINGS[place % len(THINGS)]}" for place in places]
    kinds = [*KINDS][: len(experts) * level.num_known]
    facts = {kind: dict(zip(items, rng.permutation(KINDS[kind].values).tolist(), strict=False)) for kind in kinds}
    dealt = rng.permutation(kinds).tolist() if level.is_drawn else kinds
    books = {}
    for place, expert in enumerate(experts):
        known = [dealt[(place * level.num_known + k) % len(dealt)] for k in range(level.num_known)]
        books[expert] = {kind: facts[kind] for kind in known}
    questions = [_drawn_question(rng, level, kinds, items) for _ in range(level.num_questions)]
    return World(items, kinds, books, questions)


def _drawn_question(rng: np.random.Generator, level: Level, kinds: Sequence[str], items: Sequence[str]) -> Question:
    """Asks for any fact there is, as likely as any other."""
    kind, item = kinds[int(rng.integers(len(kinds)))], items[int(rng.integers(len(items)))]
    disguises = KINDS[kind].disguises
    disguise = disguises[int(rng.integers(len(disguises)))].format(item=item)
    return Question(kind, item, disguise if level.is_disguised else plain_question(kind, item))


def facts_in(book: Mapping[str, Mapping[str, str]]) -> list[str]:
    """What an expert knows, as it is told: a line for each kind."""
    return [
        " ".join(f"{KINDS[kind].tells.format(item=item, value=value)}." for item, value in values.items())
        for kind, values in book.items()
    ]
