"""Finds a source of tasks by its name, and keeps it, so that all environments of a process share one copy."""

import inspect
import warnings
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Generic, TypeVar

from marft_envs.errors import DataError, SkippedRecordsWarning
from marft_envs.task_sources.source import Source

SourceT = TypeVar("SourceT", bound=Source[object])

_OURS = {"marft_envs", "pettingzoo"}
"""Packages whose code asks for a source because somebody asked them."""
_MOST_KEPT = 16


class Finder(Generic[SourceT]):
    """The sources of one family, which are kept until data in their place change.

    Args:
        make: Makes the source of a name and a place that the family has checked.
        found_again: What the sources are pickled as: a function of a module, that calls this finder's `again`.
    """

    def __init__(self, make: Callable[[str, str], SourceT], found_again: Callable[[str, str, str], SourceT]) -> None:
        def made(name: str, place: str, stamp: int) -> SourceT:  # noqa: ARG001  # the stamp keeps the cache honest
            source = make(name, place)
            source.pickled_as = found_again
            return source

        self._kept = lru_cache(maxsize=_MOST_KEPT)(made)

    def find(self, name: str, place: str) -> SourceT:
        """The source of this name. What its data hold that is no task is told by a warning, at the caller's own line.

        Raises: OptionError, DataError.
        """
        source = self._current(name, place)
        for words in source.skipped:
            warnings.warn(words, SkippedRecordsWarning, stacklevel=_levels_to_the_caller())
        return source

    def again(self, name: str, place: str, fingerprint: str) -> SourceT:
        """The source that was pickled as these words. Raises: DataError if other tasks are there now."""
        source = self._current(name, place)
        if source.fingerprint != fingerprint:
            raise DataError(
                f"{place or name}: these are not the data that were pickled: {fingerprint}, here {source.fingerprint}; "
                "make the environment anew, or bring the data back"
            )
        return source

    def _current(self, name: str, place: str) -> SourceT:
        where = _in_full(place)
        return self._kept(name, where, _stamp(where))


def _levels_to_the_caller() -> int:
    """How far up, counted from who asks here, the first code stands that is not of this package or PettingZoo."""
    levels = 0
    frame = inspect.currentframe()
    while frame is not None and str(frame.f_globals.get("__name__")).partition(".")[0] in _OURS:
        levels += 1
        frame = frame.f_back
    return levels


def _in_full(place: str) -> str:
    """The whole path, if it is one: the same words lead elsewhere from another folder."""
    folder, colon, configuration = place.partition(":")
    for path, rest in ((place, ""), (folder, f"{colon}{configuration}")):
        found = Path(path).expanduser()
        if path and found.exists():
            return f"{found.resolve()}{rest}"
    return place


def _stamp(place: str) -> int:
    """Tells a file, or a folder and all in it, from what they were before they changed; 0 for other places."""
    for path in (Path(place), Path(place.partition(":")[0])):
        if place and path.exists():
            there = (path, *path.rglob("*")) if path.is_dir() else (path,)
            return hash(frozenset((one, (found := one.stat()).st_mtime_ns, found.st_size) for one in there))
    return 0
