"""What is played: tracks of fixed tasks, and seasons, which say by which seeds.

**A new task is a line here**, below its track; the environment is one of the catalogue. Nothing else is touched.

- `standard`: every environment at a standard level.
- `small`: easy levels with few turns, for models of less than a billion parameters.
- `open`: whatever is registered, at any level, with options that are words and numbers.

Budgets of turns and characters are the environment's own at that level: its horizon, and what its profiles let be
recorded. A season has one public list of seeds for each task, the same for all teams, so that teams are compared on the
same instances, pair by pair; all are of the test split, and no two are the same instance.

Seeds follow from the season's name and the task alone. For a season whose name is not known yet there is none: so a
maintainer who re-runs entries names one after they are closed.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from leaderboard.behaviour import make
from leaderboard.errors import TrackError
from leaderboard.names import task_key

NUM_INSTANCES = 200
"""Of every task of a fixed track."""
OPEN = "open"
OPEN_INSTANCES = 200
"""Of every task of the open track."""
SEASONS = ("2026",)
"""Those that were opened, the newest last."""
MAX_DRAWS_PER_INSTANCE = 20
"""After so many seeds for every instance there are no more: an environment whose instances are too few."""
MAX_TURNS = 2_000
"""That an episode of a task may have, by its horizon: looking at a task and replaying it takes so long at most."""
MAX_SEED = 2**53
"""Every reader of JSON holds smaller ones exactly."""
OPEN_OPTIONS = frozenset({"horizon", "recall", "reward", "rewards", "team"})
"""Of `make`, that an open task may set. `data` and `source` name files and hubs."""


@dataclass(frozen=True)
class Task:
    """What is played in a track."""

    env_id: str
    level: str | None
    options: Mapping[str, bool | int | str] = field(default_factory=dict, hash=False)
    num_instances: int = NUM_INSTANCES

    @property
    def key(self) -> str:
        """Its name in files and tables."""
        return task_key(self.env_id, self.level, self.options)

    @property
    def family(self) -> str:
        """Of environments."""
        return self.env_id.partition("/")[0]


TRACKS: Mapping[str, Sequence[Task]] = {
    "small": (
        Task("math/reason_act-v0", "add_digit_long"),
        Task("math/solve_verify-v0", "add_digit_long"),
        Task("coding/write_repair-v0", "line"),
        Task("coding/write_test-v0", "line"),
        Task("collab/sum_relay-v0", "easy"),
        Task("collab/guess_word-v0", "easy"),
        Task("collab/hidden_profile-v0", "easy"),
        Task("collab/meeting-v0", "easy"),
        Task("collab/jigsaw-v0", "easy"),
    ),
    "standard": (
        Task("math/reason_act-v0", "expression"),
        Task("math/pipeline-v0", "expression"),
        Task("math/debate-v0", "expression"),
        Task("math/solve_verify-v0", "expression"),
        Task("math/routed-v0", "expression"),
        Task("coding/write_repair-v0", "mixed"),
        Task("coding/write_test-v0", "mixed"),
        Task("coding/plan_code_review-v0", "mixed"),
        Task("coding/pipeline-v0", "mixed"),
        Task("collab/sum_relay-v0", "standard"),
        Task("collab/guess_word-v0", "standard"),
        Task("collab/hidden_profile-v0", "standard"),
        Task("collab/meeting-v0", "standard"),
        Task("collab/maze_guide-v0", "standard"),
        Task("collab/jigsaw-v0", "standard"),
        Task("collab/budget-v0", "standard"),
        Task("collab/trip-v0", "standard"),
        Task("collab/dispatch-v0", "standard"),
        Task("collab/search_party-v0", "standard"),
        Task("collab/kitchen-v0", "standard"),
        Task("collab/commons-v0", "standard"),
    ),
    OPEN: (),
}
"""By name; what `open` holds is in its submissions."""


def tasks_of(track: str) -> Sequence[Task]:
    """Raises: TrackError for a track that does not exist."""
    if track not in TRACKS:
        raise TrackError(f"unknown track {track!r}; tracks are {', '.join(TRACKS)}")
    return TRACKS[track]


def find_task(track: str, env_id: str, level: str | None, options: Mapping[str, bool | int | str]) -> Task:
    """The task of a track that this is.

    Raises: TrackError, with the way out, if the track does not have it.
    """
    tasks = tasks_of(track)
    if track == OPEN:
        for name in options:
            if name not in OPEN_OPTIONS:
                raise TrackError(
                    f"{env_id}: option {name!r} may not be set; open tasks may set {', '.join(sorted(OPEN_OPTIONS))}"
                )
        return Task(env_id, level, dict(options), OPEN_INSTANCES)
    wanted = task_key(env_id, level, options)
    for task in tasks:
        if task.key == wanted:
            return task
    near = [task.key for task in tasks if task.env_id == env_id] or [task.key for task in tasks]
    raise TrackError(f"track {track} has no task {wanted}; it has {', '.join(near)}")


def require_season(season: str) -> None:
    """Raises: TrackError for a season that was not opened."""
    if season not in SEASONS:
        raise TrackError(f"unknown season {season!r}; seasons are {', '.join(SEASONS)}")


class Instance(NamedTuple):
    """What is played of a task in a season."""

    seed: int
    draw_state: str
    """From where on `FlexMG.reset` draws it at once."""


def seeds_of(season: str, task: Task) -> tuple[int, ...]:
    """The seeds of a season, each of another instance of the test split, in the order in which they are played.

    Raises: TrackError if there are not so many instances; OptionError if the level has no test split.
    """
    return tuple([instance.seed for instance in instances_of(season, task)])


@lru_cache(maxsize=256)
def instances_of(season: str, task: Task) -> tuple[Instance, ...]:
    """The same, with where each instance is drawn from. Raises: as `seeds_of`."""
    name = hashlib.sha256(f"{season}|{task.key}".encode()).digest()
    drawn = np.random.default_rng(np.random.SeedSequence(int.from_bytes(name)))
    env = make(task.env_id, task.level, task.options)
    found: dict[str, Instance] = {}
    for _ in range(task.num_instances * MAX_DRAWS_PER_INSTANCE):
        seed = int(drawn.integers(MAX_SEED))
        env.reset(seed=seed)
        found.setdefault(env.instance_key() or str(seed), Instance(seed, env.draw_state))
        if len(found) == task.num_instances:
            return tuple(found.values())
    raise TrackError(
        f"{task.key} has only {len(found)} different instances in {task.num_instances * MAX_DRAWS_PER_INSTANCE} draws, "
        f"and {task.num_instances} are played; choose another level"
    )
