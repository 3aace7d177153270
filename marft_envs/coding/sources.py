"""The sources of coding tasks, by their names.

A source is one file of `marft_envs.coding.tasks`, and the file's name is the source's. It defines one subclass of
`Source[Task]`, which is made without arguments, or, where its `takes_data` is true, with a place. A source of another
package is named as `package.module:Class`.
"""

import difflib
import importlib
import inspect
import os
import pkgutil
from types import ModuleType

from marft_envs.coding import tasks
from marft_envs.coding.task import Task
from marft_envs.errors import OptionError
from marft_envs.task_sources.finding import Finder
from marft_envs.task_sources.source import Source


def source_names() -> tuple[str, ...]:
    """The sources of this package: the files of its folder."""
    return tuple(sorted(found.name for found in pkgutil.iter_modules(tasks.__path__)))


def find_source(name: str, data: str | os.PathLike[str] | None = None) -> Source[Task]:
    """The source of this name. What its data hold that is no task is told by a warning, at the caller's own line.

    Args:
        name: One of `source_names()`, or `package.module:Class`.
        data: For those that take data: a file, a folder, or an id on the Hugging Face Hub.

    Raises: OptionError, DataError.
    """
    kind = _class_of(name)
    if data is not None and not kind.takes_data:
        takers = [one for one in source_names() if _class_of(one).takes_data]
        raise OptionError(
            f"data is {str(data)!r}, but the source {name!r} has its own tasks; leave it out, or use {takers}"
        )
    return _SOURCES.find(name, str(data) if data is not None else kind.hub_id)


def found_again(name: str, place: str, fingerprint: str) -> Source[Task]:
    """The source that was pickled as these words. Raises: DataError if other tasks are there now."""
    return _SOURCES.again(name, place, fingerprint)


def _made(name: str, place: str) -> Source[Task]:
    kind = _class_of(name)
    source = kind(place) if kind.takes_data else kind()  # type: ignore[call-arg]  # the convention above
    source.name = name
    return source


_SOURCES: Finder[Source[Task]] = Finder(_made, found_again)


def _class_of(name: str) -> type[Source[Task]]:
    """The class of this name; its module is imported now. Raises: OptionError."""
    if isinstance(name, str) and ":" in name:
        return _class_elsewhere(name)
    if name not in source_names():
        near = difflib.get_close_matches(str(name), source_names(), n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise OptionError(
            f"source is {name!r}; {hint}use one of {', '.join(source_names())}, or package.module:Class for your own"
        )
    module = importlib.import_module(f"{tasks.__name__}.{name}")
    found = [one for one in vars(module).values() if _is_source(one) and one.__module__ == module.__name__]
    if len(found) != 1:
        raise OptionError(f"source is {name!r}, but {module.__name__} defines {len(found)} sources; define one there")
    return found[0]  # type: ignore[no-any-return]  # `_is_source` has looked


def _class_elsewhere(name: str) -> type[Source[Task]]:
    where, _, attribute = name.partition(":")
    try:
        module: ModuleType = importlib.import_module(where)
        found = getattr(module, attribute)
    except (ImportError, AttributeError, ValueError) as error:  # ValueError: nothing stands before the colon
        raise OptionError(
            f"source is {name!r}, which cannot be loaded ({error}); write package.module:Class"
        ) from error
    if not _is_source(found):
        raise OptionError(f"source is {name!r}, which is no source; name a class with the hooks of {Source.__module__}")
    return found  # type: ignore[no-any-return]  # `_is_source` has looked


def _is_source(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Source) and not inspect.isabstract(value)
