"""Environments by id: `register` names them, `make` creates them, PettingZoo's registry mirrors them.

An environment is registered by a string that tells where its class is, so nothing is imported before it is made.
"""

import difflib
import importlib
import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pettingzoo

from marft_envs.errors import RegistrationError, UnknownEnvironmentError
from marft_envs.options import check_options

EntryPoint = str | Callable[..., object]
"""`"package.module:Class"`, or anything to call with the options; a string keeps a spec picklable."""

_ID = re.compile(r"(?P<family>[A-Za-z0-9_.-]+)/(?P<name>[A-Za-z0-9_.-]+?)-v(?P<version>0|[1-9][0-9]*)")


@dataclass(frozen=True, slots=True)
class EnvSpec:
    """What it takes to make an environment: its id, where its class is, and with which options.

    An environment made by `make` carries its own, with all options given, as `env.spec`; `make(env.spec)`
    makes another one like it.

    Raises: RegistrationError for an id that is not `family/name-vN`, or an entry point of another form.
    """

    id: str
    entry_point: EntryPoint
    kwargs: Mapping[str, object] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise RegistrationError(
                f"malformed environment id {self.id!r}; write 'family/name-vN' with letters, digits, '_', "
                "'.' and '-', such as 'math/reason_act-v0'"
            )
        if not callable(self.entry_point) and not re.fullmatch(r"[\w.]+:\w+", str(self.entry_point)):
            raise RegistrationError(
                f"{self.id}: malformed entry point {self.entry_point!r}; write 'package.module:Class'"
            )

    @property
    def family(self) -> str:
        """The part before the slash: what kind of task it is."""
        return self._part("family")

    @property
    def name(self) -> str:
        """The part between slash and version."""
        return self._part("name")

    @property
    def version(self) -> int:
        """Counts the changes of behaviour, from 0."""
        return int(self._part("version"))

    def _part(self, part: str) -> str:
        match = _ID.fullmatch(self.id)
        assert match is not None, "checked at construction"
        return match[part]


_specs: dict[str, EnvSpec] = {}


def register(id: str, entry_point: EntryPoint, **kwargs: object) -> None:  # noqa: A002  # PettingZoo's name
    """Names an environment, here and in PettingZoo's registry.

    `kwargs` are options that `make` passes to the entry point unless its caller gives others, so that one
    class can stand under several ids.

    Raises: RegistrationError for a malformed or taken id.
    """
    spec = EnvSpec(_normalised(id), entry_point, kwargs)
    if spec.id in _specs:
        raise RegistrationError(
            f"environment {spec.id!r} is already registered, with entry point "
            f"{_specs[spec.id].entry_point!r}; choose another name, or the next version"
        )
    _mirror(spec)
    _specs[spec.id] = spec


def make(id: str | EnvSpec, **options: object) -> pettingzoo.AECEnv[str, Any, Any]:  # noqa: A002
    """Creates an environment; an id without a version means the newest one.

    Raises: UnknownEnvironmentError, OptionError, and RegistrationError if the entry point cannot be loaded.
    """
    found = id if isinstance(id, EnvSpec) else spec(id)
    creator = _load(found)
    merged = deepcopy(dict(found.kwargs)) | options
    check_options(found.id, creator, merged)
    env = creator(**merged)
    if not isinstance(env, pettingzoo.AECEnv):
        raise RegistrationError(
            f"{found.id}: entry point {found.entry_point!r} made a {type(env).__name__}, which is no "
            "pettingzoo.AECEnv; register an environment with the AEC interface"
        )
    env.spec = replace(found, kwargs=merged)  # type: ignore[attr-defined]  # PettingZoo declares none
    return env


def spec(id: str) -> EnvSpec:  # noqa: A002
    """What is registered under the id; without a version, the newest one.

    Raises: UnknownEnvironmentError.
    """
    wanted = _normalised(id)
    if wanted in _specs:
        return _specs[wanted]
    versions = _versions(wanted)
    if versions:
        return versions[-1]
    raise UnknownEnvironmentError(f"unknown environment {id!r}; {_way_out(wanted)}")


def registered_ids() -> tuple[str, ...]:
    """All ids, sorted by family, name and version."""
    ordered = sorted(_specs.values(), key=lambda spec: (spec.family, spec.name, spec.version))
    return tuple(spec.id for spec in ordered)


def _normalised(id: object) -> str:  # noqa: A002
    """The id as we write it; PettingZoo's users may write `name_v0` for `name-v0`."""
    return re.sub(r"_v(?=[0-9]+$)", "-v", str(id).strip())


def _versions(unversioned: str) -> list[EnvSpec]:
    """Everything registered as `family/name`, oldest first."""
    specs = [spec for spec in _specs.values() if f"{spec.family}/{spec.name}" == unversioned]
    return sorted(specs, key=lambda spec: spec.version)


def _way_out(wanted: str) -> str:
    """What somebody who asked for this unknown id may have meant."""
    versions = _versions(re.sub(r"-v[0-9]+$", "", wanted))
    if versions:
        return f"its versions are {', '.join(spec.id for spec in versions)}"
    meant: dict[str, str] = {}
    for known in registered_ids():  # the newest version comes last, and wins the names without one
        spec = _specs[known]
        for name in (known, f"{spec.family}/{spec.name}", spec.name):
            meant[name] = known
    near = difflib.get_close_matches(wanted, meant, n=3)
    if near:
        ids = dict.fromkeys(meant[name] for name in near)
        return f"did you mean {' or '.join(repr(known) for known in ids)}?"
    return f"registered are {', '.join(registered_ids()) or 'none'}"


def _mirror(spec: EnvSpec) -> None:
    """Puts the environment into PettingZoo's registry, under the same id and with our `make` behind it.

    An entry of our own from before a reload is replaced; that needs no warning.

    Raises: RegistrationError if the id belongs to somebody else there.
    """
    there = pettingzoo.aec_registry.get(spec.id)
    if there is not None:
        creator = there.entry_point
        if not isinstance(creator, partial) or getattr(creator.func, "__module__", "") != __name__:
            raise RegistrationError(f"PettingZoo already has an environment {spec.id!r}; choose another family or name")
        del pettingzoo.aec_registry[spec.id]
    pettingzoo.register("aec", spec.id, entry_point=partial(make, spec.id), kwargs=dict(spec.kwargs))


def _load(spec: EnvSpec) -> Callable[..., Any]:
    if not isinstance(spec.entry_point, str):
        return spec.entry_point
    module, _, attribute = spec.entry_point.partition(":")
    try:
        creator = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise RegistrationError(
            f"{spec.id}: entry point {spec.entry_point!r} cannot be loaded ({error}); "
            "correct it, or install what it needs"
        ) from error
    if not callable(creator):
        raise RegistrationError(
            f"{spec.id}: entry point {spec.entry_point!r} is a {type(creator).__name__}; name a class or a function"
        )
    return creator  # type: ignore[no-any-return]  # called with what its own signature asks for
