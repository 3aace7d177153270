"""Environments by id: `register` names them, `make` creates them, PettingZoo's registry mirrors them.

An environment is registered by a string that tells where its class is, so nothing is imported before it is made.
"""

import difflib
import importlib
import re
import warnings
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import partial
from importlib.metadata import entry_points
from typing import Any

import pettingzoo

from marft_envs.env_spec import EntryPoint, EnvSpec
from marft_envs.errors import OutdatedEnvironmentWarning, RegistrationError, UnknownEnvironmentError
from marft_envs.options import check_options

PLUGINS = "marft_envs"
"""The entry-point group in which packages name their environments: `"family/name-v0" = "package.module:Class"`."""


_AS_NEAR = 0.15
"""Of likeness, from 0 to 1: ids that fall so far behind the likeliest are not what was meant."""
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


def register_plugins() -> None:
    """Registers what installed packages name in the entry-point group `marft_envs`. None of their code is run.

    A name that cannot be registered is warned of, and keeps nobody from the others.
    """
    for point in entry_points(group=PLUGINS):
        known = _specs.get(_normalised(point.name))
        if known is not None and known.entry_point == point.value:
            continue  # registered before this module was loaded again
        try:
            register(point.name, point.value)
        except RegistrationError as error:
            package = point.dist.name if point.dist is not None else "an installed package"
            warnings.warn(f"an environment of {package} is left out: {error}", stacklevel=2)


def make(id: str | EnvSpec, **options: object) -> pettingzoo.AECEnv[str, Any, Any]:  # noqa: A002
    """Creates an environment; an id without a version means the newest one.

    `module:family/name-vN` imports the module first, which is expected to register the id. An id with an old version
    makes the old environment, and warns.

    Raises: UnknownEnvironmentError, OptionError, and RegistrationError if the entry point cannot be loaded.
    """
    found = id if isinstance(id, EnvSpec) else spec(id)
    if not isinstance(id, EnvSpec):
        _warn_if_outdated(found)
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
    """What is registered under the id; without a version, the newest one. `module:id` imports the module first.

    Raises: UnknownEnvironmentError; RegistrationError for a module that cannot be imported.
    """
    module, colon, name = str(id).rpartition(":")
    if colon:
        _import(module, name)
    wanted = _normalised(name)
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


def pprint_registry(*, disable_print: bool = False) -> str | None:
    """Prints all ids by family; returns them as text instead where `disable_print` is True.

    The name and the switch are Gymnasium's.
    """
    families: dict[str, list[str]] = {}
    for env_id in registered_ids():
        families.setdefault(_specs[env_id].family, []).append(env_id)
    text = "\n".join(f"===== {family} =====\n" + "\n".join(ids) for family, ids in families.items())
    if disable_print:
        return text
    print(text)  # noqa: T201  # what it is for
    return None


def _warn_if_outdated(found: EnvSpec) -> None:
    newest = _versions(f"{found.family}/{found.name}")
    if newest and found.version < newest[-1].version:
        warnings.warn(
            f"{found.id} is outdated: it stays as it is, and {newest[-1].id} is the version to use in new work",
            OutdatedEnvironmentWarning,
            stacklevel=3,
        )


def _import(module: str, name: str) -> None:
    try:
        importlib.import_module(module)
    except (ImportError, ValueError) as error:  # ValueError: nothing stands before the colon
        raise RegistrationError(
            f"cannot import {module!r}, which should register {name!r}: {error}; write package.module:family/name-vN"
        ) from error


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
        likeness = {name: difflib.SequenceMatcher(None, name, wanted).ratio() for name in near}
        least = max(likeness.values()) - _AS_NEAR
        ids = dict.fromkeys(meant[name] for name in near if likeness[name] >= least)
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
