"""Candidates and what speaks for and against them, spread over a group so that nobody alone sees who is best.

A *point* is one fact about one candidate, good or bad; the best candidate has the most good points less bad ones. The
points that all are told make a *favourite* of another one, and those that each is told besides change nothing about
that for anybody; but all together they do.

What the chair is told is drawn first, who is best after that, and everything else last. So the chair's points tell
nothing about who is best among those who are not the favourite.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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

Nets = NDArray[np.int_]
"""Good points less bad ones, of each candidate."""
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


@dataclass(frozen=True)
class Point:
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
    words = [(rng.permutation(GOOD).tolist(), rng.permutation(BAD).tolist()) for _ in shared]
    of_all, of_chair = _points(shared, words, 0.0, rng), _points(chair, words, sizes.pair_share, rng)
    best = int(rng.choice(np.delete(np.arange(sizes.num_candidates), favourite)))
    members = _member_nets(sizes.member, shared, shared + chair, favourite, best, num_members, rng)
    private = [_points(nets, words, sizes.pair_share, rng) for nets in members]
    copies = _copies(private, shared + members, favourite, sizes.num_copies, rng)
    told = [tuple(own + more) for own, more in zip(private, copies, strict=True)]
    return Profiles(favourite, best, tuple(of_all), (*told, tuple(of_chair)))


def _drawn(values: range, shape: int | tuple[int, int], rng: np.random.Generator) -> Nets:
    return rng.integers(values.start, values.stop, shape)  # several times as fast as rng.choice


def _member_nets(
    values: range, shared: Nets, known: Nets, favourite: int, best: int, num_members: int, rng: np.random.Generator
) -> Nets:
    """What each member knows besides; shape (members, candidates).

    To everybody the favourite seems ahead of all others, but in all the best is. `known` has what the chair knows.
    """
    of_all, of_chair = shared.tolist(), known.tolist()
    nets = [[0] * num_members for _ in of_all]  # of each candidate; lists, since so few numbers are slow as arrays

    def seems_behind(one: int) -> bool:
        lead = of_all[favourite] - of_all[one]
        return all(own < lead + other for own, other in zip(nets[one], nets[favourite], strict=True))

    def total(one: int) -> int:
        return int(of_chair[one]) + sum(nets[one])

    while not (total(best) > total(favourite) and seems_behind(best)):
        nets[favourite], nets[best] = _drawn(values, (num_members, 2), rng).T.tolist()
    for one in range(len(of_all)):
        while one not in (favourite, best):
            nets[one] = _drawn(values, num_members, rng).tolist()
            if seems_behind(one) and total(one) < total(best):
                break
    return np.array(nets, np.int_).T


def _points(nets: Nets, words: Words, pair_share: float, rng: np.random.Generator) -> list[Point]:
    """Points that come to these sums, each with a word that the candidate has not had yet: they are taken away."""
    points = []
    for one, net in enumerate(nets.tolist()):
        pairs = int(rng.random() < pair_share)
        for is_good, count in ((True, max(net, 0) + pairs), (False, max(-net, 0) + pairs)):
            points += [Point(one, words[one][not is_good].pop(), is_good) for _ in range(count)]
    return points


def _copies(
    private: Sequence[Sequence[Point]], views: Nets, favourite: int, num_copies: int, rng: np.random.Generator
) -> list[list[Point]]:
    """Points of others that each member is told, too; the favourite still seems ahead to all."""
    copies: list[list[Point]] = [[] for _ in private]
    every = [(member, point) for member, points in enumerate(private) for point in points]
    for place in rng.permutation(len(every)).tolist():
        member, point = every[place]
        to = (member + int(rng.integers(1, len(private)))) % len(private)
        changed = views[to].copy()
        changed[point.candidate] += 1 if point.is_good else -1
        if (np.delete(changed, favourite) < changed[favourite]).all() and sum(map(len, copies)) < num_copies:
            views[to] = changed
            copies[to].append(point)
    return copies


def sums(points: Iterable[Point], num_candidates: int) -> list[int]:
    """Good points less bad ones, of each candidate."""
    net = [0] * num_candidates
    for point in points:
        net[point.candidate] += 1 if point.is_good else -1
    return net


def told(points: Sequence[Point], names: Sequence[str]) -> str:
    """Points as somebody tells them, a sentence for each candidate."""
    sentences = []
    for one, name in enumerate(names):
        good, bad = ([p.word for p in points if p.candidate == one and p.is_good is kind] for kind in (True, False))
        if good or bad:
            sentences.append(f"{name} is {', but '.join(_joined(words) for words in (good, bad) if words)}.")
    return " ".join(sentences)


def _joined(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else words[0]
