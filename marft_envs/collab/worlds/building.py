"""A building in wings: each has rooms, in one of which a thing lies, and clues that together tell in which."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from marft_envs.collab.worlds.shuffling import shuffled

# fmt: off
THINGS = (
    "ball", "bell", "book", "bottle", "box", "brush", "candle", "coin", "comb", "crown", "cup", "drum", "flute",
    "globe", "hat", "knife", "lamp", "letter", "map", "mask", "mirror", "pen", "ring", "rope", "scarf", "spoon",
    "sword", "vase", "violin", "watch", "whistle", "wig",
)
PLACES = (
    "attic", "balcony", "bathroom", "bedroom", "cellar", "chapel", "closet", "gallery", "garage", "gym", "hall",
    "kitchen", "laundry", "library", "lobby", "lounge", "nursery", "office", "pantry", "parlor", "studio", "study",
    "theater", "tower", "vault", "workshop",
)
COLOURS = ("black", "blue", "brown", "gray", "green", "pink", "purple", "red", "white", "yellow")
# fmt: on
CODES = range(100, 1_000)


@dataclass(frozen=True)
class Level:
    """One row of the table of levels."""

    summary: str
    search_us: int
    """How long a search takes."""
    num_kinds: int
    """Of rooms in every wing."""
    num_colours: int = 0
    """A room of every kind for each; 0 where rooms have no colours."""
    is_locked: bool = False
    """Whether every other scout needs a code, and clues only tell what is not so."""


LEVELS = {
    "easy": Level("6 rooms each; a clue names the room", 16_000_000, 6),
    "standard": Level("12 rooms each; two clues of two scouts together tell the room", 16_000_000, 3, 4),
    "hard": Level("20 rooms each; three clues, and codes that others find", 12_500_000, 4, 5, is_locked=True),
}


class Clue(NamedTuple):
    """A sentence about where a thing is."""

    text: str
    leaves: frozenset[str]
    """The rooms that it leaves open."""


@dataclass(frozen=True)
class Wing:
    """What one scout can search."""

    thing: str
    rooms: tuple[str, ...]
    described: str
    """The rooms as they are told."""
    place: str
    """The room in which the thing lies."""
    clues: tuple[Clue, ...]
    """Together they leave that room alone."""


@dataclass(frozen=True)
class Building:
    """What there is to find, and who knows what."""

    wings: dict[str, Wing]
    """By scout."""
    codes: dict[str, int]
    """Of the scouts whose rooms are locked."""
    knows: dict[str, tuple[str, ...]]
    """What each scout is told about other wings."""
    notes: dict[str, str]
    """What stands on the thing that a scout finds, for those who find something with a note."""

    def known_to(self, scout: str, *, has_found: bool) -> tuple[str, ...]:
        """What a scout can tell the others."""
        notes = (self.notes[scout],) if has_found and scout in self.notes else ()
        return (*self.knows[scout], *notes)

    def left_open(self, scout: str, words: str) -> list[str]:
        """The scout's rooms that the clues among these words, in lower case, leave open."""
        wing = self.wings[scout]
        told = [clue.leaves for clue in wing.clues if clue.text.lower() in words]
        return [room for room in wing.rooms if all(room in leaves for leaves in told)]

    def is_coded(self, scout: str, words: str) -> bool:
        """Whether the code is among these words, or none is needed."""
        notes = [note for note in self.notes.values() if f"the {self.wings[scout].thing} is" in note]
        return scout not in self.codes or notes[0].lower() in words


def drawn_building(level: Level, scouts: Sequence[str], rng: np.random.Generator) -> Building:
    """Draws wings, and a ring of scouts: clues about one's thing are with those behind it, its code is before it."""
    count = len(scouts)
    wings = {}
    for scout, thing in zip(scouts, rng.choice(len(THINGS), size=count, replace=False).tolist(), strict=True):
        wings[scout] = _wing(level, THINGS[thing], rng)
    ring = shuffled(scouts, rng)
    codes, notes = {}, {}
    knows: dict[str, list[str]] = {scout: [] for scout in scouts}
    for place, scout in enumerate(ring):
        for number, clue in enumerate(wings[scout].clues):
            knows[ring[(place + 1 + number % (count - 1)) % count]].append(clue.text)
        if level.is_locked and place % 2:
            codes[scout] = CODES[rng.integers(len(CODES))]
            notes[ring[place - 1]] = f"The code for the {wings[scout].thing} is {codes[scout]}."
    return Building(wings, codes, {scout: tuple(texts) for scout, texts in knows.items()}, notes)


def _wing(level: Level, thing: str, rng: np.random.Generator) -> Wing:
    if not level.num_colours:
        return _plain_wing(thing, level.num_kinds, rng)
    return _coloured_wing(thing, level, rng)


def _plain_wing(thing: str, num_rooms: int, rng: np.random.Generator) -> Wing:
    """Rooms of one word, and one clue that names the right one."""
    rooms = tuple(_drawn(PLACES, num_rooms, rng))
    place = rooms[rng.integers(num_rooms)]
    clue = Clue(f"The {thing} is in the {place}.", frozenset([place]))
    return Wing(thing, rooms, ", ".join(rooms), place, (clue,))


def _coloured_wing(thing: str, level: Level, rng: np.random.Generator) -> Wing:
    """A room of every colour and kind.

    A clue tells which kinds are not the right one; another the colour, or where rooms are locked, two which colours are
    not.
    """
    num_colours, num_kinds = level.num_colours, level.num_kinds
    colours, kinds = _drawn(COLOURS, num_colours, rng), _drawn(PLACES, num_kinds, rng)
    rooms = tuple(f"{colour} {kind}" for kind in kinds for colour in colours)
    colour, kind = colours[rng.integers(num_colours)], kinds[rng.integers(num_kinds)]
    other_colours = [other for other in colours if other != colour]
    other_kinds = [other for other in kinds if other != kind]
    told = [other_kinds]
    if level.is_locked:
        in_order = shuffled(other_colours, rng)
        told += [sorted(in_order[: num_colours // 2]), sorted(in_order[num_colours // 2 :])]
    clues = [_excluding(thing, words, rooms) for words in told]
    if not level.is_locked:
        leaves = frozenset(room for room in rooms if room.startswith(f"{colour} "))
        clues.append(Clue(f"The {thing} is in a {colour} room.", leaves))
    described = f"a {', '.join(colours[:-1])} and {colours[-1]} one of each: {', '.join(kinds)}"
    return Wing(thing, rooms, described, f"{colour} {kind}", tuple(clues))


def _excluding(thing: str, words: list[str], rooms: tuple[str, ...]) -> Clue:
    """A clue that rules out the rooms whose colour or kind is among these words."""
    is_colour = words[0] in COLOURS
    excluded = " and ".join(f"no {word} room" if is_colour else f"no {word}" for word in words)
    leaves = frozenset(room for room in rooms if not set(room.split()) & set(words))
    return Clue(f"The {thing} is in {excluded}.", leaves)


def _drawn(words: tuple[str, ...], count: int, rng: np.random.Generator) -> list[str]:
    """Some of the words, in alphabetical order."""
    return [words[place] for place in sorted(rng.choice(len(words), size=count, replace=False).tolist())]
