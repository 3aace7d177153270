"""Finds a source of tasks by its name, and keeps it, so that all environments of a process share one copy."""

from functools import lru_cache
from pathlib import Path

from marft_envs.errors import OptionError
from marft_envs.math.data import FORMATS, DataSet
from marft_envs.math.generators import GENERATORS, Arithmetic, ReasoningGym
from marft_envs.math.source import Source

_GYM = "reasoning_gym:"
_Stamp = tuple[int, int]


def find_source(name: str, data: str | Path | None = None) -> Source:
    """The source of this name.

    Args:
        name: `arithmetic`, `reasoning_gym:GENERATOR`, `gsm8k`, `math` or `jsonl`.
        data: For the last three: a file, a folder, or an id on the Hugging Face Hub.

    Raises: OptionError, DataError.
    """
    if not isinstance(name, str) or not (name == "arithmetic" or name.startswith(_GYM) or name in FORMATS):
        known = ("arithmetic", *FORMATS, f"{_GYM}GENERATOR, with one of {', '.join(GENERATORS)}")
        raise OptionError(f"source is {name!r}; use one of {', '.join(known)}")
    if data is None or name in FORMATS:
        place = str(data or "")
        return _found(name, place, _stamp(place))
    raise OptionError(
        f"data is {str(data)!r}, but the source {name!r} makes its tasks; leave it out, or use {[*FORMATS]}"
    )


def _stamp(place: str) -> _Stamp:
    """Tells a file from what it was before it changed; nothing for all other places."""
    path = Path(place).expanduser()
    if not place or not path.is_file():
        return (0, 0)
    found = path.stat()
    return (found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=16)
def _found(name: str, place: str, stamp: _Stamp) -> Source:  # noqa: ARG001  # the stamp keeps the cache honest
    if name == "arithmetic":
        return Arithmetic()
    if name.startswith(_GYM):
        return ReasoningGym(name.removeprefix(_GYM))
    return DataSet(name, place)
