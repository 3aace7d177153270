"""Which episode is played: seeds, generators, and the split of instances into train and test.

Nothing here touches a global generator, and every number is the same in any process on any machine.
"""

import operator
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b, shake_256
from typing import Any

import numpy as np
from numpy.random.bit_generator import ISpawnableSeedSequence
from numpy.typing import DTypeLike, NDArray

from marft_envs.errors import OptionError

SPLITS = ("train", "test")
TEST_SHARE = 0.2
"""Of all instances; large enough for tight intervals where an environment has a few thousand instances."""
MIN_SPLIT_INSTANCES = 2_000
"""What has fewer instances offers no test split: a fifth of them would be too few to tell teams apart."""
_SEED_BITS = 53
"""Derived seeds stay exact in every reader of JSON, some of which have only doubles."""

_STATE = re.compile("(?P<own>[0-9a-f]{1,32})([.](?P<left>[0-9a-f]{1,8}))?([+](?P<children>[0-9a-f]{1,8}))?")


class EpisodeSeeds:
    """The seed of each episode: `reset(seed=s)` plays s; bare resets follow from the latest s and their count.

    Without any s the root is drawn from the operating system, once. Derived seeds are ordinary ones:
    `reset(seed=d)` plays the same episode again.
    """

    __slots__ = ("_count", "_root")

    def __init__(self) -> None:
        self._root = secrets.randbits(_SEED_BITS)
        self._count = 0

    def next(self, seed: int | None) -> int:
        """The seed of the episode that begins now."""
        if seed is None:
            (word,) = HashedSeed(self._root, (self._count,)).generate_state(1, np.uint64)
            self._count += 1
            return int(word) >> (64 - _SEED_BITS)
        self._root = checked_seed(seed)
        self._count = 0
        return self._root


class HashedSeed(ISpawnableSeedSequence):
    """A `SeedSequence` by another hash: seeds, states and children as there, from SHAKE-256.

    Deviates: NumPy's own takes 30 µs to seed a generator, as long as several steps of an environment; this takes 6.
    """

    __slots__ = ("key", "num_children", "seed")

    def __init__(self, seed: int, key: tuple[int, ...] = ()) -> None:
        self.seed = seed
        self.key = key
        """Tells children apart: the path to this one from the seed itself."""
        self.num_children = 0
        """That were spawned."""

    def generate_state(self, n_words: int, dtype: DTypeLike = np.uint32) -> NDArray[Any]:
        """So many words of the hash, as NumPy's generators ask for them."""
        words = np.dtype(dtype).newbyteorder("<")
        digest = shake_256(f"{self.seed}{self.key}".encode()).digest(n_words * words.itemsize)
        return np.frombuffer(digest, words)

    def spawn(self, n_children: int) -> list["HashedSeed"]:
        """Seeds for generators that are independent of this one's and of each other: `rng.spawn` calls it."""
        first = self.num_children
        self.num_children += n_children
        return [HashedSeed(self.seed, (*self.key, child)) for child in range(first, self.num_children)]


def checked_seed(seed: object) -> int:
    """The seed as a plain int. Raises: OptionError if it is no whole number, or below 0."""
    try:
        number = operator.index(seed)  # type: ignore[arg-type]  # NumPy's integers too
    except TypeError:
        raise OptionError(f"seed is {seed!r}; use a whole number, 0 or more, or None") from None
    if number < 0:
        raise OptionError(f"seed is {number}; use a whole number, 0 or more")
    return number


def generator(seed: int) -> np.random.Generator:
    """A generator of its own for the episode of this seed."""
    return np.random.Generator(np.random.PCG64(HashedSeed(seed)))  # type: ignore[arg-type]  # takes any ISeedSequence


def team_generator(seed: int) -> np.random.Generator:
    """Another one, that draws who is on the team; so the instance is the same whoever plays it."""
    return np.random.Generator(np.random.PCG64(HashedSeed(seed, (-1,))))  # type: ignore[arg-type]  # as above


@dataclass(frozen=True, slots=True)
class GeneratorState:
    """Where the generator of an episode stands: with the episode's seed, all that it is."""

    own: Mapping[str, Any]
    """As NumPy has it."""
    num_children: int
    """Generators that were spawned from it."""

    @classmethod
    def of(cls, rng: np.random.Generator) -> "GeneratorState":
        """Of one that `generator` has made."""
        return cls(rng.bit_generator.state, rng.bit_generator.seed_seq.num_children)  # type: ignore[attr-defined]  # ours

    def __str__(self) -> str:
        """Hexadecimal numbers: its own, the half of one that is left over, and its children if there are any."""
        left_over = f".{self.own['uinteger']:x}" if self.own["has_uint32"] else ""
        children = f"+{self.num_children:x}" if self.num_children else ""
        return f"{self.own['state']['state']:x}{left_over}{children}"


def set_state(rng: np.random.Generator, written: str) -> None:
    """Lets a generator stand where another of the same seed stood: `written` is its `GeneratorState` as text.

    Raises: OptionError for any other text.
    """
    if (found := _STATE.fullmatch(written)) is None:
        raise OptionError(f"draw_state is {written!r:.80}; use the draw_state of another reset of this seed")
    state: dict[str, Any] = rng.bit_generator.state  # type: ignore[assignment]  # typed as a Mapping, and a fresh dict
    state["state"]["state"] = int(found["own"], 16)
    state["has_uint32"], state["uinteger"] = int(found["left"] is not None), int(found["left"] or "0", 16)
    rng.bit_generator.state = state
    rng.bit_generator.seed_seq.num_children = int(found["children"] or "0", 16)  # type: ignore[attr-defined]  # ours


def split_of(source: str, key: str) -> str:
    """The split to which an instance belongs, for good: a hash of its key, salted by the source of the data.

    Environments that draw from one source share its split, so that nothing trained on in one is a test in another.
    """
    digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8, key=_salt(source)).digest()
    return "test" if int.from_bytes(digest, "big") < TEST_SHARE * 2**64 else "train"


def _salt(source: str) -> bytes:
    return blake2b(source.encode("utf-8"), digest_size=16).digest()
