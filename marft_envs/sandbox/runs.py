"""What is run in the sandbox, within which limits, and what came of it: values, all of them."""

from dataclasses import dataclass, replace
from typing import Literal, Self

from marft_envs.errors import OptionError

PLAIN_TYPES = "None, bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset"
Plain = object
"""Data of Python's own types, as `marft_envs.sandbox.jail.plain` carries them in and out: None, bool, int, float,
complex, str, bytes, list, tuple, dict, set, frozenset, and nothing else."""

Ending = Literal["finished", "exited", "time", "memory", "output", "crashed", "lost"]
"""How a run ended:

- `finished`: the program came to its end, whatever it returned or raised on the way.
- `exited`: its process ended before, with an exit code: `os._exit`, or `sys.exit` in a script.
- `time`: it used up its CPU seconds or its wall seconds.
- `memory`: there was no memory left even to tell what it did.
- `output`: it wrote more than it may.
- `crashed`: a signal ended it, such as a segmentation fault, or the one for a forbidden kind of system call; on
  WebAssembly a trap, such as a stack that is used up.
- `lost`: the sandbox itself failed, on fresh workers too; nothing is known about the program.
"""

_MOST_SECONDS = 10**6
"""poll(2) takes milliseconds, up to 2**31."""
_MOST_BYTES = 2**46


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run may use. Raises: OptionError."""

    cpu_s: float = 2.0
    """Seconds of a processor."""
    wall_s: float = 10.0
    """Seconds by the clock on the wall, for programs that wait instead of computing."""
    memory_bytes: int = 256 * 2**20
    """Address space beyond what the interpreter has before the program begins."""
    output_bytes: int = 2**18
    """Of printed text, and again of returned values."""

    def __post_init__(self) -> None:
        for name in ("cpu_s", "wall_s"):
            seconds = getattr(self, name)
            if type(seconds) not in (int, float) or not 0 < seconds <= _MOST_SECONDS:
                raise OptionError(f"{name} is {seconds!r}; use seconds, more than 0 and at most {_MOST_SECONDS}")
        for name in ("memory_bytes", "output_bytes"):
            size = getattr(self, name)
            if type(size) is not int or not 0 < size <= _MOST_BYTES:
                raise OptionError(f"{name} is {size!r}; use a number of bytes, from 1 to {_MOST_BYTES}")

    def slower(self, factor: float) -> Self:
        """The same for a machine that is so many times slower: only times grow."""
        return replace(self, cpu_s=self.cpu_s * factor, wall_s=self.wall_s * factor)


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Calls:
    """A program that defines a function, and what to call it with, one call after the other in one process."""

    source: str
    entry_point: str
    """The function's name; `Class.method` makes a fresh object, without arguments, for each call."""
    arguments: tuple[tuple[Plain, ...], ...]
    """The positional arguments of each call."""


@dataclass(frozen=True, slots=True)
class Script:
    """A program that reads standard input and prints."""

    source: str
    stdin: str = ""


@dataclass(frozen=True, slots=True)
class Returned:
    """A call came back with plain data."""

    value: Plain


@dataclass(frozen=True, slots=True)
class Raised:
    """A call, or the program before any call, raised; the text is the program's own and not to be trusted."""

    traceback: str
    """Our format: the program's own last lines, `line 2, in f: return 1 / n`, then `ZeroDivisionError: …`."""


@dataclass(frozen=True, slots=True)
class NotPlain:
    """A call came back with something else than plain data, such as a generator or an object of its own class."""

    type_name: str


Outcome = Returned | Raised | NotPlain


@dataclass(frozen=True, slots=True)
class Run:
    """What came of a `Calls` or a `Script`. Everything but `ending` and the figures is the program's own word."""

    ending: Ending
    outcomes: tuple[Outcome, ...] = ()
    """Of a `Calls`: one for each call that came back, in order; fewer than calls if the run ended before."""
    error: str = ""
    """The traceback, as in `Raised`, if a script raised, or the program before its first call, so without outcomes."""
    printed: str = ""
    """What went to standard output, as far as `output_bytes`; bytes that are not UTF-8 as U+FFFD."""
    exit_code: int = 0
    """0 unless `ending` is "exited"."""
    signal: int = 0
    """Which signal ended it; 0 unless `ending` is "crashed", and always on WebAssembly, which has none."""
    cpu_s: float = 0.0
    wall_s: float = 0.0
