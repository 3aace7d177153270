"""Candidates and what speaks for and against them, spread over a group so that nobody alone sees who is best.

A *point* is one fact about one candidate, good or bad; the best candidate has the most good points less bad ones. The
points that all are told make a *favourite* of another one, and those that each is told besides change nothing about
that for anybody; but all together they do.

What the chair is told is drawn first, who is best after that, and everything else last. So the chair's points tell
nothing about who is best among those who are not the favourite.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import add, lt
from typing import NamedTuple, TypeAlias

import numpy as np

from marft_envs.collab.worlds.shuffling import shuffled

_NAMES = """
Ada Bob Cleo Dan Eva Finn Gus Hana Ivan June Kai Lena Max Nora Omar Pia Quinn Rosa Sam Tess Uma Vic Wanda Xenia Yuri
Zoe"""
_GOOD = """
honest kind brave wise loyal clever skilled creative fair punctual helpful strong witty fit curious experienced eloquent
generous inventive practical musical athletic friendly polite trusted gifted learned sincere capable quick"""
_BAD = """
lazy vain moody stubborn clumsy forgetful jealous noisy bossy nosy wasteful rash gloomy sloppy smug tactless gullible
restless fussy secretive chaotic grumpy envious sarcastic pushy messy boring unreliable greedy evasive"""
NAMES, GOOD, BAD = (tuple(words.split()) for words in (_NAMES, _GOOD, _BAD))
MOST_AGENTS = 8
"""Then no candidate can have more points than there are words for."""

_AT_ONCE = 128
"""About as many as an instance takes: 28 to 800, half of all a hundred or less in groups of three."""

Nets: TypeAlias = list[int]
"""Good points less bad ones, of each candidate. Lists, since arrays of so few numbers are slow."""
Words = Sequence[tuple[list[str], list[str]]]
"""Of each candidate, the good and the bad ones that are left."""


@dataclass(frozen=True)
class Sizes:
    """How many candidates, and how many points less bad ones somebody knows of one of them."""

    num_candidates: int
    favourite: int
    """Of the favourite, told to all."""
    shared: range
    """Of each of the others, told to all."""
    chair: range
    """Of each of the others, told to the chair besides; of the favourite, 0."""
    member: range
    """Of each, told to one of the other members besides."""
    pair_share: float = 0.0
    """How often a good and a bad point, which make no difference, are told besides."""
    num_copies: int = 0
    """Points that are told to two members."""


class Point(NamedTuple):
    """One fact."""

    candidate: int
    word: str
    is_good: bool


@dataclass(frozen=True)
class Profiles:
    """All points: of all, and of each."""

    favourite: int
    best: int
    shared: tuple[Point, ...]
    private: tuple[tuple[Point, ...], ...]
    """The members', and last the chair's."""


def draw_profiles(sizes: Sizes, num_members: int, rng: np.random.Generator) -> Profiles:
    """Draws who is best, and points that show it only together."""
    favourite = int(rng.integers(sizes.num_candidates))
    shared = _drawn(sizes.shared, sizes.num_candidates, rng)
    chair = _drawn(sizes.chair, sizes.num_candidates, rng)
    shared[favourite], chair[favourite] = sizes.favourite, 0
    words = [(shuffled(GOOD, rng), shuffled(BAD, rng)) for _ in shared]
    of_all, of_chair = _points(shared, words, 0.0, rng), _points(chair, words, sizes.pair_share, rng)
    others = [one for one in range(sizes.num_candidates) if one != favourite]
    best = others[int(rng.integers(len(others)))]
    with Numbers(sizes.member, rng) as numbers:
        members = _member_nets(numbers, shared, list(map(add, shared, chair)), favourite, best, num_members)
    private = [_points(nets, words, sizes.pair_share, rng) for nets in members]
    views = [list(map(add, shared, nets)) for nets in members]
    copies = _copies(private, views, favourite, sizes.num_copies, rng)
    told = [tuple(own + more) for own, more in zip(private, copies, strict=True)]
    return Profiles(favourite, best, tuple(of_all), (*told, tuple(of_chair)))


class Numbers:
    """Numbers of a range, of which few are wanted at a time, and it is not known how many: they are drawn many at once.

    Behind the `with` the generator stands as if only those had been drawn that were taken.
    """

    def __init__(self, values: range, rng: np.random.Generator) -> None:
        self._values = values
        self._rng = rng

    def __enter__(self) -> "Numbers":
        self._before = self._rng.bit_generator.state
        self._drawn: Nets = []
        self._num_taken = 0
        return self

    def __exit__(self, *_: object) -> None:
        self._rng.bit_generator.state = self._before
        _drawn(self._values, self._num_taken, self._rng)

    def take(self, count: int) -> Nets:
        """The next ones."""
        begin, end = self._num_taken, self._num_taken + count
        while end > len(self._drawn):
            self._drawn += _drawn(self._values, _AT_ONCE, self._rng)
        self._num_taken = end
        return self._drawn[begin:end]


def _drawn(values: range, number: int, rng: np.random.Generator) -> Nets:
    drawn: Nets = rng.integers(values.start, values.stop, number).tolist()  # several times as fast as rng.choice
    return drawn


def _member_nets(
    numbers: Numbers, shared: Nets, known: Nets, favourite: int, best: int, num_members: int
) -> list[Nets]:
    """What each member knows besides.

    To everybody the favourite seems ahead of all others, but in all the best is. `known` has what the chair knows.
    """
    of_candidate = [[0] * num_members for _ in shared]

    def seems_behind(one: int) -> bool:
        lead = shared[favourite] - shared[one]
        return all(map(lt, of_candidate[one], [lead + other for other in of_candidate[favourite]]))

    def total(one: int) -> int:
        return known[one] + sum(of_candidate[one])

    while not (total(best) > total(favourite) and seems_behind(best)):
        of_both = numbers.take(2 * num_members)
        of_candidate[favourite], of_candidate[best] = of_both[::2], of_both[1::2]
    to_beat = total(best)
    for one in range(len(shared)):
        while one not in (favourite, best):
            of_candidate[one] = numbers.take(num_members)
            if total(one) < to_beat and seems_behind(one):
                break
    return [list(nets) for nets in zip(*of_candidate, strict=True)]


def _points(nets: Nets, words: Words, pair_share: float, rng: np.random.Generator) -> list[Point]:
    """Points that come to these sums, each with a word that the candidate has not had yet: they are taken away."""
    points = []
    for one, (net, drawn) in enumerate(zip(nets, rng.random(len(nets)).tolist(), strict=True)):
        pairs = int(drawn < pair_share)
        good, bad = words[one]
        points += [Point(one, good.pop(), True) for _ in range(max(net, 0) + pairs)]
        points += [Point(one, bad.pop(), False) for _ in range(max(-net, 0) + pairs)]
    return points


def _copies(
    private: Sequence[Sequence[Point]], views: list[Nets], favourite: int, num_copies: int, rng: np.random.Generator
) -> list[list[Point]]:
    """Points of others that each member is told, too; the favourite still seems ahead to all."""
    copies: list[list[Point]] = [[] for _ in private]
    every = [(member, point) for member, points in enumerate(private) for point in points]
    places = rng.permutation(len(every)).tolist()
    left = num_copies
    for place, further in zip(places, rng.integers(1, len(private), len(every)).tolist(), strict=True):
        if left == 0:
            break
        member, point = every[place]
        to = (member + further) % len(private)
        changed = views[to].copy()
        changed[point.candidate] += 1 if point.is_good else -1
        if all(net < changed[favourite] for one, net in enumerate(changed) if one != favourite):
            views[to] = changed
            copies[to].append(point)
            left -= 1
    return copies


def sums(points: Iterable[Point], num_candidates: int) -> list[int]:
    """Good points less bad ones, of each candidate."""
    net = [0] * num_candidates
    for point in points:
        net[point.candidate] += 1 if point.is_good else -1
    return net


def told(points: Sequence[Point], names: Sequence[str]) -> str:
    """Points as somebody tells them, a sentence for each candidate."""
    words: dict[int, tuple[list[str], list[str]]] = {}
    for point in points:
        words.setdefault(point.candidate, ([], []))[not point.is_good].append(point.word)
    return " ".join(
        f"{names[one]} is {', but '.join(_joined(of_kind) for of_kind in words[one] if of_kind)}."
        for one in sorted(words)
    )


def _joined(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else words[0]
