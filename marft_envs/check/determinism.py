"""Graders of reproducibility: the seed and the actions decide everything, in any copy, order and process."""

import copy
import gc
import os
import pickle
import random
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from marft_envs.action_log import write_log
from marft_envs.check.grader import NotApplicable, Violation, grader
from marft_envs.check.subject import VARIED, Style, Subject, at, generators_kept, play_out, sometimes_right
from marft_envs.check.traces import (
    Recorder,
    commits,
    moment,
    require_equal,
    require_equal_told,
    rest,
    told_again,
    trace,
)
from marft_envs.clock import ClockMG
from marft_envs.env_spec import EnvSpec
from marft_envs.flex_mg import FlexMG

NUM_RESETS = 1_000
MOST_GROWTH_BYTES = 64 * 1024
"""Over the second half of the resets. Caches fill in the first half; a leak of one small object a reset is more."""
_SEEDS_THAT_DIFFER = range(40)


@grader(
    "seed control",
    why="a seed that does not fix the episode makes no result repeatable, and no two teams comparable",
    fix="draw from self.rng alone, in a fixed order; no set iteration, no hash(), no clock",
)
def seed_control(subject: Subject) -> None:
    """Two copies play the same seed alike, whatever the global generators hold; and seeds matter at all."""
    for style in VARIED:
        for seed in subject.seeds:
            with _global_generators(seed):
                one = trace(subject.make(), style, seed=seed)
            with _global_generators(seed + 1):
                other = trace(subject.make(), style, seed=seed)
            require_equal(one, other, f"two plays of seed {seed} differ")
    env = subject.make()
    env.reset(seed=0)
    if env.instance_key() is None:
        return
    keys = set()
    for seed in _SEEDS_THAT_DIFFER:
        env.reset(seed=seed)
        keys.add(env.instance_key())
    if len(keys) == 1:
        raise Violation(f"{len(_SEEDS_THAT_DIFFER)} seeds all draw the instance {keys.pop()!r}")


@grader(
    "draws apart",
    why="a leaderboard draws the instance of a seed at once, without those before it that were of the other split",
    fix="let start set everything anew and draw from self.rng alone, and keep nothing of a draw that was not taken",
)
def draws_apart(subject: Subject) -> None:
    """An instance that is drawn again from where its own draw began makes the same episode."""
    for level, split in subject.levels_and_splits():
        for seed in subject.seeds:
            env = subject.make(split=split, **at(level))
            expected = trace(env, sometimes_right, seed=seed)
            again = subject.make(split=split, **at(level))
            again.reset(seed=seed, draw_state=env.draw_state)
            found = trace(again, sometimes_right)
            require_equal(expected, found, f"seed {seed} of {split} with and without the draws before it differ")


@grader(
    "global generators",
    why="an environment that draws from random or numpy.random changes what its user draws next",
    fix="draw from self.rng; pass it on to whatever draws for you",
)
def global_generators(subject: Subject) -> None:
    """Python's and NumPy's global generators are where they were."""
    before = random.getstate(), np.random.get_state()  # noqa: NPY002  # the one that nobody should touch
    for style in VARIED:
        play_out(subject.make(), style, subject.seeds[0])
    if random.getstate() != before[0]:
        raise Violation("an episode moved the global generator of `random`")
    if not _same_state(np.random.get_state(), before[1]):  # noqa: NPY002
        raise Violation("an episode moved the global generator of `numpy.random`")


@grader(
    "interleaving",
    why="trainers step many copies by turns; what they share leaks from one episode into another",
    fix="keep what an episode changes in attributes of self, set in start; no class attributes, no module globals",
)
def interleaving(subject: Subject) -> None:
    """Two copies stepped by turns behave as each does alone."""
    for style in VARIED:
        seeds = subject.seeds[0], subject.seeds[-1] + 1
        alone = [trace(subject.make(), style, seed=seed) for seed in seeds]
        envs = [subject.make() for _ in seeds]
        for env, seed in zip(envs, seeds, strict=True):
            env.reset(seed=seed)
        recorders = [Recorder(env) for env in envs]
        while any(env.ready for env in envs):
            for env, recorder in zip(envs, recorders, strict=True):
                if env.ready:
                    recorder.step(style(env, env.agent_selection))
        for recorder, seed, expected in zip(recorders, seeds, alone, strict=True):
            require_equal(expected, recorder.trace(), f"seed {seed} alone and beside another copy differ")


@grader(
    "reset hygiene",
    why="what is left over from the last episode changes the next one, and fills the memory in the end",
    fix="set every attribute that an episode changes in start, and append to nothing that outlives an episode",
)
def reset_hygiene(subject: Subject) -> None:
    """The thousandth reset with a seed equals the first, and nothing has grown."""
    env = subject.make()
    first = trace(env, sometimes_right, seed=subject.seeds[0])
    gc.collect()
    tracemalloc.start()
    try:
        held = 0
        for count in range(NUM_RESETS):
            env.reset(seed=count)
            env.step(sometimes_right(env, env.agent_selection))
            if count == NUM_RESETS // 2:
                gc.collect()
                held = tracemalloc.get_traced_memory()[0]
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - held
    finally:
        tracemalloc.stop()
    again = trace(env, sometimes_right, seed=subject.seeds[0])
    require_equal(first, again, f"seed {subject.seeds[0]} before and after {NUM_RESETS} resets differ")
    if grown > MOST_GROWTH_BYTES:
        raise Violation(f"{NUM_RESETS // 2} resets left {grown:,} bytes behind")


@grader(
    "order of ready agents",
    why="actions of ready agents are computed in one batch; an outcome that depends on their order is not reproducible",
    fix="let act and end_round follow from the actions alone; read no clock or counter of steps",
)
def order_independence(subject: Subject) -> None:
    """Ready agents that are asked together, and answer in any order, make the same episode."""
    for style in VARIED:
        for seed in subject.seeds:
            if isinstance(subject.make(), ClockMG):
                _on_the_clock(subject, style, seed)
                continue
            expected = commits(trace(subject.make(), style, seed=seed))
            for shuffle in range(3):
                env = subject.make()
                env.reset(seed=seed)
                recorder, drawn = Recorder(env), random.Random(shuffle)
                while env.ready:
                    batch = {agent: _asked(env, style, agent) for agent in env.ready}
                    for agent in drawn.sample(list(batch), len(batch)):
                        env.select(agent)
                        recorder.step(batch[agent])
                require_equal(expected, commits(recorder.trace()), f"seed {seed}, ready agents in another order")


def _on_the_clock(subject: Subject, style: Style, seed: int) -> None:
    """The same actions of every agent, in batches and one by one, in any order: everybody is told the same."""
    episode = play_out(subject.make(), style, seed)
    expected = told_again(subject.make(), episode, lambda ready: ready[:1])
    drawn = random.Random(seed)
    orders: tuple[Callable[[tuple[str, ...]], Sequence[str]], ...] = (
        lambda ready: drawn.sample(ready, len(ready)),
        lambda ready: drawn.sample(ready, 1),
        lambda ready: ready[-1:],
    )
    for order in orders:
        told = told_again(subject.make(), episode, order)
        require_equal_told(expected, told, f"seed {seed}, ready agents in another order")


def _asked(env: FlexMG, style: Style, agent: str) -> str:
    env.select(agent)
    return style(env, agent)


@grader(
    "fork",
    why="tree search and tree sampling copy an episode in its middle; a copy that shares or loses state falsifies both",
    fix="keep attributes that copy.deepcopy copies: no open files, locks, generators (yield) or class-level state",
)
def fork(subject: Subject) -> None:
    """A copy made in mid-episode goes on as the original would, and neither moves the other."""
    for style in VARIED:
        for seed in subject.seeds:
            whole = trace(subject.make(), style, seed=seed)
            env = subject.make()
            env.reset(seed=seed)
            for step in range(len(whole.moments) - 1):
                for copied, how in ((env.fork(), "fork()"), (copy.deepcopy(env), "copy.deepcopy")):
                    what = f"seed {seed}, {how} after {step} steps goes on otherwise"
                    require_equal(rest(whole, step), trace(copied, style), what)
                env.step(style(env, env.agent_selection))
                if moment(env) != whole.moments[step + 1]:
                    raise Violation(f"seed {seed}: playing its forks moved the original, {step + 1} steps in")


@grader(
    "pickling",
    why="environments travel to worker processes",
    fix="keep attributes that pickle; name functions at module level; leave open files and locks out",
)
def pickling(subject: Subject) -> None:
    """A pickled copy goes on as the original would, from any place."""
    whole = trace(subject.make(), sometimes_right, seed=subject.seeds[0])
    env = subject.make()
    env.reset(seed=subject.seeds[0])
    for step in range(len(whole.moments) - 1):
        copied = pickle.loads(pickle.dumps(env))  # noqa: S301  # our own bytes
        require_equal(
            rest(whole, step), trace(copied, sometimes_right), f"pickled after {step} steps, it goes on otherwise"
        )
        env.step(sometimes_right(env, env.agent_selection))


_REPLAYER = """
import sys
from marft_envs import read_log, registered_ids, replay
from marft_envs.registry import register
env_id, entry_point, path = sys.argv[1:]
if env_id not in registered_ids():
    register(env_id, entry_point)
for episode in read_log(path):
    replay(episode)
"""


@grader(
    "replay elsewhere",
    why="a log is worth what a stranger's machine makes of it: every score of a leaderboard is recomputed by replay",
    fix="iterate over lists, not sets; use no hash() of text, no id(), no clock, no locale",
)
def replay_elsewhere(subject: Subject) -> None:
    """Logged episodes replay from their file in other processes with other hash seeds."""
    episodes = [play_out(subject.make(), style, seed) for style in VARIED for seed in subject.seeds]
    spec = subject.make().spec
    if spec is None or not isinstance(spec.entry_point, str):
        raise NotApplicable("only an environment registered by a string 'package.module:Class' can be made elsewhere")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "episodes.jsonl"
        write_log(path, episodes)
        for hash_seed in ("1", "2"):
            _replay_in_process(spec, path, hash_seed)


def _replay_in_process(spec: EnvSpec, path: Path, hash_seed: str) -> None:
    environ = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", _REPLAYER, spec.id, str(spec.entry_point), str(path)],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        told = done.stderr.strip().splitlines() or ["no message"]
        raise Violation(f"replay in another process, PYTHONHASHSEED={hash_seed}: {told[-1]}")


@contextmanager
def _global_generators(seed: int) -> Iterator[None]:
    """Python's and NumPy's global generators as after seeding; afterwards as they were."""
    with generators_kept():
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        yield


def _same_state(one: object, other: object) -> bool:
    return pickle.dumps(one) == pickle.dumps(other)
