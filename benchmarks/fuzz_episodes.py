"""Plays episodes of every environment with text that nobody would write, and looks for what must never happen.

    python benchmarks/fuzz_episodes.py --episodes 100000

Half of the texts come from hypothesis (any Unicode, lone surrogates too, and pieces of answers, LaTeX and code put
together), half are random bytes; one in eight is right instead. Every fifty episodes the environment is drawn anew,
with its source, level, split, team, horizon and recall, at times with members who hear nobody or are heard late; every
episode draws its seed, and the order in which ready agents are stepped. Sources are those that need no network: what an
environment makes by itself, generators of reasoning-gym, and a small data set with answers in LaTeX.

Nothing may raise. Checked in every episode: it ends within the horizon; returns are finite and in the declared range;
every agent's text is valid UTF-8 and only grows; a secret that was put into the hidden state is in nobody's
observation; and for one episode in a hundred, that its replay is the same. At the end, no more objects and bytes may be
held than after the first fifth, but for what MOST_NEW_OBJECTS and MOST_NEW_BYTES allow.
"""

import argparse
import gc
import itertools
import json
import math
import mmap
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis import strategies as st
from rich.progress import track

import marft_envs
from marft_envs import ClockMG, FlexMG, OptionError, Profile

Texts = Callable[[int], Iterator[Sequence[str]]]
"""How many episodes -> the texts of each, to be said in turn and again from the start."""

TEXTS_PER_EPISODE = 6
EPISODES_PER_COPY = 50
"""Then the environment is made anew, with other options."""
_MOST_ROUNDS, _MOST_SECONDS = 4, 60
"""Of the horizons that are drawn."""
_ODD_TEAMS = 4
"""One copy in so many has a team whose profiles have consequences."""
REPLAYED = 100
"""One episode in so many is replayed."""
_BATCH = 1_000
"""Examples that hypothesis makes in one go."""
RIGHT = 8
"""One text in so many is what a perfect agent would write, so that episodes also end by success."""
MOST_NEW_OBJECTS = 3_000
"""That may be left behind the first fifth. Seen: 600 in 2,000 episodes, for what is first used then, and no more in
20,000, in which one object an episode would be 16,000."""
MOST_NEW_BYTES = 16 * 2**20
"""Likewise; seen were 2 MiB, in which every page counts that hypothesis once needed."""
_PIECES = (
    *("", " ", "\n", "\\boxed{", "}", "{", "(", ")", "[", "]", "\\frac{", "\\sqrt{", "^", "_", "-", "+", "*", "/", "="),
    *("0", "1", "12", "-7", "3.5", "1,000", "9" * 30, "9**9**9", "x", "\\pi", "%", "$", "°", "or", "and", "\\text{"),
    *("The answer is ", "Answer: ", "####", "judge: The answer is correct.", "reasoner_0:\n> ", "<|im_end|>", "```"),
    *("__import__('os').abort()", "{0.__class__}", "\x00", "\u202e", "\ud800", "\u2028", "١٢", "½", "−", "∞", "call: "),
)
_GENERATORS = ("basic_arithmetic", "chain_sum", "decimal_chain_sum", "gcd", "gsm_symbolic", "products")
"""Of reasoning-gym: those that take less than 0.1 ms a task, and keep no caches."""
_ANSWERS = (
    *(
        "\\frac{1}{2}",
        "-\\sqrt{3}",
        "x^2 + 2x + 1",
        "(-\\infty, 3]",
        "\\{1, 2\\}",
        "y = 2x + 1",
        "50\\%",
        "3\\pi",
        "1,200",
    ),
    *(
        "(1, -2)",
        "30^\\circ",
        "\\text{Tuesday}",
        "\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}",
        "x \\le 7",
        "2^{10}",
        "\\pm 4",
    ),
)
"""Of the data set: a question for each."""


def by_hypothesis(count: int) -> Iterator[Sequence[str]]:
    """Any text, and pieces put together."""
    pieces = st.lists(st.sampled_from(_PIECES), max_size=12).map("".join)
    anything = st.text(st.characters(), max_size=60)
    strategy = st.lists(st.one_of(pieces, anything, st.tuples(pieces, anything).map("".join)), min_size=1, max_size=6)
    for begun in range(0, count, _BATCH):
        yield from _drawn(strategy, min(_BATCH, count - begun), number=begun)


def _drawn(strategy: st.SearchStrategy[list[str]], count: int, number: int) -> list[tuple[str, ...]]:
    """So many examples, the same for the same number."""
    drawn: list[tuple[str, ...]] = []

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def draw(texts: list[str]) -> None:
        drawn.append(tuple(texts))  # no object that the collector knows, so that no leak hides behind them

    draw()
    return drawn


def random_bytes(count: int) -> Iterator[Sequence[str]]:
    """Bytes, read as UTF-8 with lone surrogates for what is none, or each as a character."""
    drawn = random.Random(20_504)
    for _ in range(count):
        texts = (drawn.randbytes(drawn.choice((0, 1, 8, 64, 512))) for _ in range(TEXTS_PER_EPISODE))
        yield [
            text.decode("utf-8", "surrogateescape") if drawn.getrandbits(1) else text.decode("latin-1")
            for text in texts
        ]


@dataclass
class Fuzzed:
    """What was played."""

    episodes: int = 0
    turns: int = 0
    ends: Counter[str] = field(default_factory=Counter)


class Arena:
    """Copies of every environment, under ever new options."""

    def __init__(self, seed: int, folder: Path) -> None:
        """Makes the data set in an empty folder."""
        self._drawn = random.Random(seed)
        self._ids = marft_envs.registered_ids()
        self._teams = {env_id: _team_names(env_id) for env_id in self._ids}
        self._sources = {
            "math": [{}, *({"source": f"reasoning_gym:{name}"} for name in _GENERATORS), _data_set(folder)],
            "coding": [{}, _programs(folder)],
        }
        for options in self._sources["math"]:
            marft_envs.make("math/pipeline-v0", **options)  # what it imports is no leak
        self._left = 0
        self._secret = f"secret-{self._drawn.getrandbits(64):x}"  # no literal: hypothesis tries those of the code
        self._env: FlexMG

    def play(self, texts: Sequence[str], fuzzed: Fuzzed) -> None:
        """One episode, with all that is checked. Raises: AssertionError, or whatever an environment raised."""
        if not self._left:
            self._env, self._left = self._made(), EPISODES_PER_COPY
        self._left -= 1
        env, drawn = self._env, self._drawn
        env.reset(seed=drawn.getrandbits(40))
        known = dict.fromkeys(env.possible_agents, "")
        left = env.most_turns
        for text in itertools.cycle(texts):
            if not env.ready:
                break
            left -= 1
            assert left >= 0, "it goes on behind its horizon"
            agent = drawn.choice(env.ready)
            env.select(agent)
            env.step(text if drawn.randrange(RIGHT) else env.reference_action(agent))
            fuzzed.turns += 1
            for cut in env.cuts:
                known[cut.agent] = ""  # what it wrote may have been taken back
            for agent in env.possible_agents:
                now = env.observe(agent)["text"]
                now.encode("utf-8")
                assert now.startswith(known[agent]), f"the text of {agent} was rewritten"
                assert self._secret not in now, f"{agent} was told what is hidden"
                known[agent] = now
        self._check_end(env)
        fuzzed.episodes += 1
        fuzzed.ends["terminated" if env.terminated else "truncated"] += 1

    def rest(self) -> None:
        """Lets the environment of the last episode go, for what it holds is no leak."""
        if self._left:
            self._left = 0
            del self._env

    def _check_end(self, env: FlexMG) -> None:
        assert env.terminated != env.truncated
        assert self._secret in env.state()
        low, high = env.reward_range
        episode = env.episode()
        for value in episode.returns.values():
            assert math.isfinite(value) and low - 1e-9 <= value <= high + 1e-9, f"a return of {value}"
        if not self._drawn.randrange(REPLAYED):
            assert marft_envs.replay(episode) == episode

    def _made(self) -> FlexMG:
        drawn = self._drawn
        env_id = drawn.choice(self._ids)
        example = marft_envs.make(env_id)
        most = _MOST_SECONDS if isinstance(example, ClockMG) else _MOST_ROUNDS
        options: dict[str, object] = {"horizon": drawn.randint(1, most), "team": drawn.choice(self._teams[env_id])}
        known = marft_envs.known_options(type(example)).defaults
        if "source" in known:
            options |= drawn.choice(self._sources[env_id.partition("/")[0]])
        if "recall" in known:
            options["recall"] = drawn.choice(("team", "parents"))
        try:
            plain = marft_envs.make(env_id, **options)
        except OptionError:  # too few rounds for this one
            options["horizon"] = 2
            plain = marft_envs.make(env_id, **options)
        assert isinstance(plain, FlexMG), env_id
        if not drawn.randrange(_ODD_TEAMS):
            options["team"] = self._odd([*plain.profiles.values()])
        if plain.levels:
            options["level"] = drawn.choice(plain.levels)
        try:
            env = marft_envs.make(env_id, split=drawn.choice(("train", "test")), **options)
        except OptionError:  # this level has no test split
            env = marft_envs.make(env_id, **options)
        assert isinstance(env, FlexMG), env_id
        hidden = env.hidden
        env.hidden = lambda: f"{hidden()}\n{self._secret}"  # type: ignore[method-assign]  # on this copy only
        return env

    def _odd(self, profiles: Sequence[Profile]) -> list[Profile]:
        """The team with latencies, and one member who hears nobody. Costs would leave the range of rewards."""
        deaf = self._drawn.randrange(len(profiles))  # one alone: graphs of dependencies are kept, and that is no leak
        latencies_us = self._drawn.choices((0, 1, 500_000, 3_000_000), k=len(profiles))
        return [
            replace(profile, latency_us=latency_us, hears=() if place == deaf else None)
            for place, (profile, latency_us) in enumerate(zip(profiles, latencies_us, strict=True))
        ]


def _data_set(folder: Path) -> dict[str, object]:
    """Writes tasks with answers in LaTeX; the options that make an environment ask them."""
    for split, answers in (("train", _ANSWERS[::2]), ("test", _ANSWERS[1::2])):
        tasks = [{"question": f"What is {answer}?", "answer": answer} for answer in answers]
        (folder / f"{split}.jsonl").write_text("\n".join(map(json.dumps, tasks)), encoding="utf-8")
    return {"source": "jsonl", "data": str(folder)}


def _programs(folder: Path) -> dict[str, object]:
    """Writes tasks for programs; the options that make an environment ask for them."""
    tasks = [
        {
            "description": f"Return n to the power of {power}.",
            "entry_point": "f",
            "tests": [[[n], n**power] for n in (2, 3, 0, -1, 5)],
            "reference": f"def f(n): return n ** {power}",
        }
        for power in range(2, 12)
    ]
    path = folder / "programs" / "tasks.jsonl"
    path.parent.mkdir()
    path.write_text("\n".join(map(json.dumps, tasks)), encoding="utf-8")
    return {"source": "jsonl", "data": str(path)}


def _team_names(env_id: str) -> list[str | None]:
    """The default team of an environment, and those of its family that it takes."""
    module = sys.modules[type(marft_envs.make(env_id)).__module__]
    files = sorted((Path(str(module.__file__)).parent / "teams").glob("*.yaml"))
    return [None, *(file.stem for file in files if _takes(env_id, file.stem))]


def _takes(env_id: str, team: str) -> bool:
    try:
        marft_envs.make(env_id, team=team)
    except marft_envs.MarftError:
        return False
    return True


@dataclass(frozen=True)
class Memory:
    """What a process holds."""

    objects: int
    """Those that Python's collector knows."""
    resident_bytes: int
    """0 where the system does not tell."""

    @classmethod
    def now(cls) -> "Memory":
        """After a collection."""
        gc.collect()
        statm = Path("/proc/self/statm")
        pages = int(statm.read_text().split()[1]) if statm.exists() else 0
        return cls(len(gc.get_objects()), pages * mmap.PAGESIZE)


def fuzz(episodes: int, sources: Sequence[Texts] = (by_hypothesis, random_bytes), number: int = 0) -> dict[str, float]:
    """Plays so many episodes; returns what was seen. Raises: what an environment raised, AssertionError."""
    share = episodes // len(sources)
    total = share * len(sources)
    fuzzed = Fuzzed()
    began = time.process_time()
    with TemporaryDirectory() as folder:
        arena = Arena(number, Path(folder))
        before = Memory.now()
        for texts in track(_all_texts(sources, share), "fuzzing", total=total, transient=True):
            arena.play(texts, fuzzed)
            if fuzzed.episodes == total // 5:
                arena.rest()
                before = Memory.now()
        arena.rest()
        after = Memory.now()
    _check_memory(before, after)
    return {
        "episodes": fuzzed.episodes,
        "turns": fuzzed.turns,
        "terminated": fuzzed.ends["terminated"],
        "cpu_s": time.process_time() - began,
        "objects_before": before.objects,
        "objects_after": after.objects,
        "bytes_before": before.resident_bytes,
        "bytes_after": after.resident_bytes,
    }


def _check_memory(before: Memory, after: Memory) -> None:
    for what, first, last, most in (
        ("objects", before.objects, after.objects, MOST_NEW_OBJECTS),
        ("bytes", before.resident_bytes, after.resident_bytes, MOST_NEW_BYTES),
    ):
        assert last <= first + most, f"memory leaks: {first:,} {what} after the first fifth, {last:,} at the end"


def _all_texts(sources: Sequence[Texts], share: int) -> Iterator[Sequence[str]]:
    for source in sources:
        yield from source(share)


def main(arguments: Sequence[str] | None = None) -> None:
    """Fuzz, and print what was seen."""
    parser = argparse.ArgumentParser(description="Episodes of every environment with text that nobody would write.")
    parser.add_argument("--episodes", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    seen = fuzz(options.episodes, number=options.seed)
    print(f"environments   {', '.join(marft_envs.registered_ids())}")
    for name, value in seen.items():
        print(f"{name:<15}{value:,.0f}")


if __name__ == "__main__":
    main()
