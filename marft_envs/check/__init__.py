"""`check_env`: the contract of an environment, checked by a machine.

    report = marft_envs.check_env("math/reason_act-v0")
    assert report.passed, report

Every grader checks one promise by playing, says why it matters, and what to do where it is broken. The promises are
those of `FlexMG`, and of an environment worth training on; PettingZoo's own tests are among them.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from marft_envs.check import (  # noqa: F401  # their functions become graders
    determinism,
    identity,
    scoring,
    seeing,
    teamwork,
    texts,
)
from marft_envs.check.grader import CheckResult, Grader, all_graders, grade
from marft_envs.check.subject import Subject
from marft_envs.env_spec import EnvSpec
from marft_envs.errors import OptionError, RegistrationError
from marft_envs.flex_mg import FlexMG
from marft_envs.registry import make

__all__ = ["CheckReport", "CheckResult", "Grader", "all_graders", "check_env"]


@dataclass(frozen=True)
class CheckReport:
    """What all graders found."""

    name: str
    """The environment's id, or its class."""
    results: tuple[CheckResult, ...]

    @property
    def passed(self) -> bool:
        """Whether no promise is broken."""
        return all(result.passed for result in self.results)

    @property
    def failures(self) -> tuple[CheckResult, ...]:
        """The broken promises."""
        return tuple(result for result in self.results if not result.passed)

    def __str__(self) -> str:
        """Every broken promise with its reason and its way out; one line if there is none."""
        if self.passed:
            return f"{self.name}: all promises kept ({len(self.results)})"
        lines = [f"{self.name}: {len(self.failures)} of {len(self.results)} promises broken"]
        for result in self.failures:
            lines += [f"- {result.name}: {result.message}", f"  why: {result.why}", f"  way out: {result.fix}"]
        return "\n".join(lines)


def check_env(
    env: str | EnvSpec | type[FlexMG] | FlexMG,
    *,
    only: Sequence[str] = (),
    options: Mapping[str, object] | None = None,
    on_result: Callable[[CheckResult], None] = lambda result: None,
) -> CheckReport:
    """Checks an environment against the contract.

    Args:
        env: A registered id, `module:Class`, a class, or an environment that `make` made.
        only: Names of graders, to run these alone.
        options: Options under which to check it, such as `{"level": "two_digit"}`.
        on_result: Called with every result as it comes.

    Raises: UnknownEnvironmentError, OptionError (a grader or option that does not exist), RegistrationError (what is
    named is no FlexMG environment).
    """
    subject = _subject(env, options or {})
    results = []
    for one in _chosen(only):
        results.append(grade(one, subject))
        on_result(results[-1])
    return CheckReport(subject.name, tuple(results))


def _chosen(only: Sequence[str]) -> tuple[Grader, ...]:
    """The graders of these names, or all. Raises: OptionError for a name that none has."""
    known = {one.name: one for one in all_graders()}
    for name in only:
        if name not in known:
            raise OptionError(f"there is no grader {name!r}; there are: {', '.join(known)}")
    return tuple(known[name] for name in only) or all_graders()


def _subject(env: str | EnvSpec | type[FlexMG] | FlexMG, options: Mapping[str, object]) -> Subject:
    """What is to be checked, from whatever names it. Raises: see `check_env`."""
    if isinstance(env, FlexMG):
        if env.spec is None:
            raise RegistrationError(
                f"this {type(env).__name__} was made by calling its class, so no fresh copies of it can be made; give "
                "check_env the class, or an id"
            )
        env = env.spec
    if isinstance(env, str) and ":" in env and "/" not in env:
        env = _class_named(env)
    create: Callable[..., object] = env if isinstance(env, type) else partial(make, env)
    name = env.__name__ if isinstance(env, type) else env.id if isinstance(env, EnvSpec) else str(env)
    made = create(**options)
    if not isinstance(made, FlexMG):
        raise RegistrationError(
            f"{name} makes a {type(made).__name__}, and the contract is that of FlexMG environments; subclass "
            "FlexMG, or check other AEC environments with pettingzoo.test.api_test"
        )
    return Subject(name if made.spec is None else made.spec.id, create, dict(options))  # type: ignore[arg-type]


def _class_named(path: str) -> type[FlexMG]:
    module, _, name = path.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise RegistrationError(f"cannot import {path!r}: {error}; write it as package.module:Class") from error
    if not isinstance(found, type) or not issubclass(found, FlexMG):
        raise RegistrationError(f"{path!r} is no FlexMG class; name a class that subclasses marft_envs.FlexMG")
    return found
