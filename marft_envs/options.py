"""Which options an environment has, read off the signatures of its constructors.

An environment's own `__init__` names its own options and forwards the rest, `**base: Unpack[BaseOptions]`.
So nobody keeps a second list of them, and a misspelt one can be answered with the list and the defaults.
"""

import difflib
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Unpack, get_args, get_origin

from marft_envs.errors import OptionError


class _Unseen:
    """Stands for a default that exists, but in code that no signature leads to."""

    def __repr__(self) -> str:
        return "…"


_UNSEEN: Final = _Unseen()


@dataclass(frozen=True, slots=True)
class KnownOptions:
    """What an entry point can be called with."""

    defaults: Mapping[str, object]
    """Each option's default; `inspect.Parameter.empty` where there is none, so that it has to be given."""
    is_open: bool
    """Whether it also takes options whose names cannot be read off its signature."""

    def __str__(self) -> str:
        """All of them with their defaults, for an error message."""
        if not self.defaults:
            return "none"
        return ", ".join(
            f"{name} (required)" if default is inspect.Parameter.empty else f"{name}={default!r}"
            for name, default in sorted(self.defaults.items())
        )


def check_options(env_id: str, creator: Callable[..., object], options: Mapping[str, object]) -> None:
    """Refuses options that the entry point does not have, and their lack where it needs them.

    Raises: OptionError, listing the known options with their defaults.
    """
    known = known_options(creator)
    for name in options:
        if name not in known.defaults and not known.is_open:
            near = difflib.get_close_matches(name, known.defaults, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise OptionError(f"{env_id} has no option {name!r}; {hint}its options are {known}")
    for name, default in known.defaults.items():
        if default is inspect.Parameter.empty and name not in options:
            raise OptionError(f"{env_id} needs the option {name!r}; its options are {known}")


@lru_cache(maxsize=256)
def known_options(creator: Callable[..., object]) -> KnownOptions:
    """Reads the options off the signature; where it forwards `**rest`, also off the one that it forwards to.

    A class forwards to the next `__init__` in its method resolution order. `**rest: Unpack[T]` lets through
    the names in T; any other `**rest` may serve another purpose, so there nothing can be refused.
    """
    defaults: dict[str, object] = {}
    forwarded: Mapping[str, object] | None = None  # the names that `**rest` lets through; None for all
    is_open = False
    for signature in _signatures(creator):
        rest: inspect.Parameter | None = None
        for name, parameter in signature.parameters.items():
            if parameter.kind is parameter.VAR_KEYWORD:
                rest = parameter
            elif _is_option(parameter) and (forwarded is None or name in forwarded):
                defaults.setdefault(name, parameter.default)
        if rest is None:
            return KnownOptions(defaults, is_open)
        names = _unpacked(rest.annotation)
        is_open = is_open or names is None
        if names is not None:
            forwarded = {name: names[name] for name in names if forwarded is None or name in forwarded}
    return KnownOptions({**(forwarded or {}), **defaults}, is_open)


def _is_option(parameter: inspect.Parameter) -> bool:
    return parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)


def _signatures(creator: Callable[..., object]) -> Iterator[inspect.Signature]:
    """A function's signature, or those of a class' constructors in the order in which one calls the next."""
    if not isinstance(creator, type):
        yield _signature(creator)
        return
    for cls in creator.__mro__:
        if cls is not object and "__init__" in vars(cls):
            own = _signature(vars(cls)["__init__"])
            yield own.replace(parameters=list(own.parameters.values())[1:])  # without self


def _signature(function: Callable[..., object]) -> inspect.Signature:
    try:
        return inspect.signature(function, eval_str=True)
    except NameError:  # an annotation written as text that names what only a type checker imports
        return inspect.signature(function)


def _unpacked(annotation: object) -> dict[str, object] | None:
    """The names that `Unpack[T]` of a TypedDict lets through, with their defaults; None for anything else."""
    if get_origin(annotation) is not Unpack:
        return None
    (options,) = get_args(annotation)
    required: frozenset[str] = options.__required_keys__
    return {
        name: inspect.Parameter.empty if name in required else _UNSEEN
        for name in (*sorted(required), *sorted(options.__optional_keys__))
    }
