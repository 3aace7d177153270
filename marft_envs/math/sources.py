"""Finds a source of tasks by its name, and keeps it, so that all environments of a process share one copy."""

import inspect
import os
import warnings
from functools import lru_cache
from pathlib import Path

from marft_envs.errors import DataError, OptionError, SkippedRecordsWarning
from marft_envs.math.data import DataSet
from marft_envs.math.formats import FORMATS
from marft_envs.math.generators import GENERATORS, Arithmetic, ReasoningGym
from marft_envs.math.source import Source

_GYM = "reasoning_gym:"
_OURS = {"marft_envs", "pettingzoo"}
"""Packages whose code asks for a source because somebody asked them."""


def find_source(name: str, data: str | os.PathLike[str] | None = None) -> Source:
    """The source of this name. What its data hold that is no task is told by a warning, at the caller's own line.

    Args:
        name: `arithmetic`, `reasoning_gym:GENERATOR`, `gsm8k`, `math` or `jsonl`.
        data: For the last three: a file, a folder, or an id on the Hugging Face Hub.

    Raises: OptionError, DataError.
    """
    if not isinstance(name, str) or not (name == "arithmetic" or name.startswith(_GYM) or name in FORMATS):
        known = ("arithmetic", *FORMATS, f"{_GYM}GENERATOR, with one of {', '.join(GENERATORS)}")
        raise OptionError(f"source is {name!r}; use one of {', '.join(known)}")
    if data is not None and name not in FORMATS:
        raise OptionError(
            f"data is {str(data)!r}, but the source {name!r} makes its tasks; leave it out, or use {[*FORMATS]}"
        )
    place = str(data) if data is not None else FORMATS[name].hub_id if name in FORMATS else ""
    source = _current(name, place)
    for words in source.skipped:
        warnings.warn(words, SkippedRecordsWarning, stacklevel=_levels_to_the_caller())
    return source


def found_again(name: str, place: str, fingerprint: str) -> Source:
    """The source that was pickled as these words. Raises: DataError if other tasks are there now."""
    source = _current(name, place)
    if source.fingerprint != fingerprint:
        raise DataError(
            f"{place or name}: these are not the data that were pickled: {fingerprint}, here {source.fingerprint}; "
            "make the environment anew, or bring the data back"
        )
    return source


def _levels_to_the_caller() -> int:
    """How far up, counted from who asks here, the first code stands that is not of this package or PettingZoo."""
    levels = 0
    frame = inspect.currentframe()
    while frame is not None and str(frame.f_globals.get("__name__")).partition(".")[0] in _OURS:
        levels += 1
        frame = frame.f_back
    return levels


def _current(name: str, place: str) -> Source:
    where = _in_full(place)
    return _found(name, where, _stamp(where))


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


@lru_cache(maxsize=16)
def _found(name: str, place: str, stamp: int) -> Source:  # noqa: ARG001  # the stamp keeps the cache honest
    if name == "arithmetic":
        return Arithmetic()
    if name.startswith(_GYM):
        return ReasoningGym(name.removeprefix(_GYM))
    return DataSet(name, place)
