"""Graders of what an environment is: PettingZoo's interface, its splits, its spec."""

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator

from marft_envs.check.grader import NotApplicable, Violation, grader
from marft_envs.check.subject import Subject, at, generators_kept, play_out, sometimes_right
from marft_envs.check.traces import require_equal_episodes
from marft_envs.flex_mg import FlexMG
from marft_envs.registry import make
from marft_envs.seeding import SPLITS

NUM_KEYS = 400
"""Instances drawn per split: enough to see whether there are far fewer than `LEAST_INSTANCES`."""
LEAST_INSTANCES = 2_000
_SURELY_FEWER = LEAST_INSTANCES / 2
"""An estimate from so few pairs is rough; below half of it the doubt is gone."""


@grader(
    "PettingZoo api_test",
    why="whoever knows PettingZoo relies on its interface",
    fix="leave reset, step, last and the spaces to FlexMG; override hooks only",
)
def api(subject: Subject) -> None:
    """PettingZoo's own test of the AEC interface."""
    from pettingzoo.test.api_test import api_test

    _quietly(lambda: api_test(subject.make(), num_cycles=50))


@grader(
    "PettingZoo seed_test",
    why="PettingZoo's users seed by reset(seed), and expect spaces to follow",
    fix="draw from self.rng alone",
)
def seeds(subject: Subject) -> None:
    """PettingZoo's own test of seeding."""
    from pettingzoo.test.seed_test import seed_test

    _quietly(lambda: seed_test(subject.make, num_cycles=20))


@grader(
    "PettingZoo render_test",
    why="people look at episodes",
    fix="leave render to FlexMG, and forward render_mode to its constructor",
)
def rendering(subject: Subject) -> None:
    """PettingZoo's own test of rendering."""
    from pettingzoo.test.render_test import render_test

    _quietly(lambda: render_test(subject.make))  # type: ignore[arg-type]  # says Env, and takes AECEnv


@grader(
    "PettingZoo state_test",
    why="central critics read state()",
    fix="leave state to FlexMG; what no agent is told goes into hidden",
)
def state(subject: Subject) -> None:
    """PettingZoo's own test of the global state, and of turns in parallel."""
    from pettingzoo.test.parallel_test import parallel_api_test
    from pettingzoo.test.state_test import state_test
    from pettingzoo.utils.conversions import turn_based_aec_to_parallel

    def both() -> None:
        parallel = turn_based_aec_to_parallel(subject.make())  # type: ignore[arg-type]  # its texts are no arrays
        state_test(subject.make(), parallel)
        parallel_api_test(parallel, num_cycles=30)

    _quietly(both)


@grader(
    "disjoint splits",
    why="a score on instances that were trained on says nothing",
    fix="let instance_key be the same for instances that teach the same, and for no others; draw from 2,000 or more",
)
def disjoint_splits(subject: Subject) -> None:
    """Train and test share no instance, a seed's key is always the same, and there are enough instances."""
    env = subject.make()
    env.reset(seed=0)
    if env.instance_key() is None:
        raise NotApplicable("instance_key gives None: the environment has no split")
    for level in subject.levels():
        offered = subject.splits(level)
        keys = {split: list(_keys(subject, level, split)) for split in offered}
        for split in offered:
            if keys[split] != list(_keys(subject, level, split)):
                raise Violation(f"level {level}, split {split}: the same seed has another instance_key the second time")
        shared = set(keys.get("train", ())) & set(keys.get("test", ()))
        if shared:
            raise Violation(f"level {level}: {len(shared)} instances are in both splits, such as {shared.pop()!r}")
        if set(offered) == set(SPLITS):
            _require_enough(level, keys["train"])


def _keys(subject: Subject, level: str | None, split: str) -> Iterator[str]:
    env = subject.make(split=split, **at(level))
    for seed in range(NUM_KEYS):
        env.reset(seed=seed)
        yield str(env.instance_key())


def _require_enough(level: str | None, keys: list[str]) -> None:
    """By the birthdays: among n draws from M instances, n(n - 1)/2M pairs are expected to be alike."""
    num_alike = sum(keys.count(key) - 1 for key in keys) / 2
    estimate = NUM_KEYS * (NUM_KEYS - 1) / 2 / num_alike if num_alike else float("inf")
    if estimate < _SURELY_FEWER:
        raise Violation(
            f"level {level}: about {estimate:.0f} instances in the train split, by how often they repeat; a split "
            f"wants {LEAST_INSTANCES:,}, or none should be offered"
        )


@grader(
    "spec round trip",
    why="a spec is how an environment is named in logs, submissions and other processes",
    fix="name every option in the signature of __init__ or forward it; keep option values plain",
)
def spec_round_trip(subject: Subject) -> None:
    """An environment made from the spec of another one plays alike."""
    env = subject.make()
    if env.spec is None:
        raise NotApplicable("the class was called directly; only registered environments have a spec")
    again = make(env.spec)
    if getattr(again, "spec", None) != env.spec:
        raise Violation(f"make(env.spec) made {again.spec}, and the spec was {env.spec}")  # type: ignore[attr-defined]
    seed = subject.seeds[0]
    expected = play_out(env, sometimes_right, seed)
    assert isinstance(again, FlexMG), "the same entry point and options"
    require_equal_episodes(expected, play_out(again, sometimes_right, seed), "made from its spec, it plays otherwise")


def _quietly(test: Callable[[], None]) -> None:
    """Runs a test of PettingZoo's without what it prints, and with the global generators that it seeds put back."""
    with generators_kept(), contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        test()
