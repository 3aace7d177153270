"""The sources of mathematical tasks, by their names."""

import os

from marft_envs.errors import OptionError
from marft_envs.math.data import DataSet
from marft_envs.math.formats import FORMATS
from marft_envs.math.generators import GENERATORS, Arithmetic, ReasoningGym
from marft_envs.math.source import Source
from marft_envs.task_sources.finding import Finder

_GYM = "reasoning_gym:"


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
    return _SOURCES.find(name, place)


def found_again(name: str, place: str, fingerprint: str) -> Source:
    """The source that was pickled as these words. Raises: DataError if other tasks are there now."""
    return _SOURCES.again(name, place, fingerprint)


def _made(name: str, place: str) -> Source:
    if name == "arithmetic":
        return Arithmetic()
    if name.startswith(_GYM):
        return ReasoningGym(name.removeprefix(_GYM))
    return DataSet(name, place)


_SOURCES: Finder[Source] = Finder(_made, found_again)
