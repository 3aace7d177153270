"""A grader: one promise of the contract, checked by playing. And what it found."""

import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from marft_envs.check.subject import Subject


class Violation(Exception):  # noqa: N818  # it is what a grader reports, no mistake of a person
    """The environment breaks the promise; the message tells where."""


class NotApplicable(Exception):  # noqa: N818  # likewise
    """There is nothing to check; the message tells why."""


@dataclass(frozen=True)
class Grader:
    """A promise, why it matters, and what to do where it is broken."""

    name: str
    why: str
    fix: str
    run: Callable[[Subject], None]


@dataclass(frozen=True)
class CheckResult:
    """What one grader found."""

    name: str
    status: Literal["passed", "failed", "skipped"]
    message: str
    """Where the promise is broken, or why there was nothing to check."""
    why: str
    fix: str
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether nothing speaks against the environment."""
        return self.status != "failed"


_registered: dict[str, Grader] = {}


def grader(name: str, *, why: str, fix: str) -> Callable[[Callable[[Subject], None]], Callable[[Subject], None]]:
    """Makes a function of a subject a grader; it raises Violation, or NotApplicable."""

    def add(run: Callable[[Subject], None]) -> Callable[[Subject], None]:
        assert name not in _registered, name
        _registered[name] = Grader(name, why, fix, run)
        return run

    return add


def all_graders() -> tuple[Grader, ...]:
    """Every grader whose module has been imported, in the order of their definition."""
    return tuple(_registered.values())


def grade(one: Grader, subject: Subject) -> CheckResult:
    """Runs a grader. An exception out of the environment is a broken promise, too."""
    began = time.perf_counter()
    status: Literal["passed", "failed", "skipped"] = "passed"
    message = ""
    try:
        one.run(subject)
    except NotApplicable as reason:
        status, message = "skipped", str(reason)
    except Violation as violation:
        status, message = "failed", str(violation)
    except Exception as error:  # noqa: BLE001  # whatever an environment raises in a legal play is its own fault
        status, message = "failed", _told(error)
    return CheckResult(one.name, status, message, one.why, one.fix, time.perf_counter() - began)


def _told(error: Exception) -> str:
    """The error and the line of the environment, or of whatever else was last, that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    text = str(error) or "without a message"
    return f"{type(error).__name__}: {text} ({_place(frames)})"


def _place(frames: Sequence[traceback.FrameSummary]) -> str:
    outside = [frame for frame in frames if "/marft_envs/check/" not in frame.filename.replace("\\", "/")]
    frame = (outside or frames)[-1]
    return f"{frame.filename}:{frame.lineno}, in {frame.name}"
