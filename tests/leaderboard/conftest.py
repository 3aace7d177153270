"""Submissions that are valid, made once; tests copy what they change."""

from collections.abc import Iterator
from pathlib import Path

import pettingzoo
import pytest

from leaderboard import tracks
from leaderboard.scripted import scripted_play
from leaderboard.submit import add_task
from leaderboard.validate import Report, validate
from marft_envs import registry
from tests.leaderboard.behaving import register_all
from tests.leaderboard.submissions import CODED, SEASON, TASKS, TIMED, TINY, Opened, entrant, played

OPEN_INSTANCES = 2


@pytest.fixture(scope="session", autouse=True)
def _small_tracks() -> Iterator[None]:
    """Tracks of a few instances; the open one is as small."""
    with pytest.MonkeyPatch.context() as patch:
        for name, tasks in TASKS.items():
            patch.setitem(tracks.TRACKS, name, tasks)  # type: ignore[arg-type]  # a dict
        patch.setattr(tracks, "OPEN_INSTANCES", OPEN_INSTANCES)
        yield


def _entered(folder: Path, track: str) -> Path:
    for task in TASKS[track]:
        add_task(folder, entrant(track), played(task))
    return folder


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tasks in words, played by what says to be a trained model."""
    return _entered(tmp_path_factory.mktemp("tiny"), TINY)


@pytest.fixture(scope="session")
def timed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A task on the clock, likewise."""
    return _entered(tmp_path_factory.mktemp("timed"), TIMED)


@pytest.fixture(scope="session")
def coded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A task of programs, likewise."""
    return _entered(tmp_path_factory.mktemp("coded"), CODED)


@pytest.fixture(scope="session")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tasks in words, played by the suite's noise, which says so."""
    folder = tmp_path_factory.mktemp("scripted")
    for task in TASKS[TINY]:
        add_task(folder, entrant(name="Noise"), scripted_play(task, SEASON, "random"))
    return folder


@pytest.fixture(scope="session")
def open_task(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A task on the clock in the open track, with an option."""
    folder = tmp_path_factory.mktemp("open")
    task = tracks.find_task("open", "collab/kitchen-v0", "easy", {"horizon": 30})
    add_task(folder, entrant("open"), played(task))
    return folder


@pytest.fixture
def behaving_ids() -> Iterator[None]:
    """The environments of `behaving.py` are registered; afterwards, nothing is that was not before."""
    before, mirrored = dict(registry._specs), dict(pettingzoo.aec_registry)
    register_all()
    yield
    for ids, known in ((registry._specs, before), (pettingzoo.aec_registry, mirrored)):
        ids.clear()
        ids.update(known)


def check(folder: Path) -> Report:
    """Validates in this process."""
    return validate(folder, num_processes=1)


def opened(folder: Path) -> Opened:
    return Opened.of(folder)
