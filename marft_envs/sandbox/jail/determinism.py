"""Makes Python's own sources of chance and time the same in every run.

The clock starts on 1 January 2000, UTC, and goes on by a microsecond whenever it is read, so that a loop that waits for
it ends; `sleep` moves it and returns at once. `random`, `secrets`, `uuid` and `os.urandom` give the same numbers in
every process. Hashes of text are fixed by PYTHONHASHSEED. What stays as it is: memory addresses, so `id` and the
default `repr`, and the order of sets of objects without a hash of their own.
"""

import os
import sys
import time
from collections.abc import Callable

EPOCH_NS = 946_684_800 * 10**9
"""1 January 2000, UTC."""
_TICK_NS = 1_000
_PID = 2
_SEED = 0


class Clock:
    """Nanoseconds since the epoch, the same readings in every process that is forked from here."""

    def __init__(self) -> None:
        self.now_ns = EPOCH_NS

    def read_ns(self) -> int:
        """The time, which is a little later at every reading."""
        self.now_ns += _TICK_NS
        return self.now_ns

    def sleep(self, seconds: float, /) -> None:
        """Moves the clock. Raises: what `time.sleep` raises."""
        nanoseconds = int(seconds * 1e9)
        if nanoseconds < 0:
            raise ValueError("sleep length must be non-negative")
        self.now_ns += nanoseconds


def freeze() -> None:
    """Replaces clocks and generators, before any other module can take hold of them."""
    _freeze_time(Clock())
    _freeze_chance()


def _freeze_time(clock: Clock) -> None:
    def seconds() -> float:
        return clock.read_ns() / 1e9

    def since_start() -> float:
        return (clock.read_ns() - EPOCH_NS) / 1e9

    def since_start_ns() -> int:
        return clock.read_ns() - EPOCH_NS

    time.time, time.time_ns = seconds, clock.read_ns
    for name in ("monotonic", "perf_counter", "process_time", "thread_time"):
        setattr(time, name, since_start)
        setattr(time, f"{name}_ns", since_start_ns)
    time.sleep = clock.sleep  # type: ignore[assignment]  # of what has __index__, too
    for name in ("clock_gettime", "clock_gettime_ns"):  # one clock is enough
        delattr(time, name)
    for name in ("localtime", "gmtime", "ctime"):
        setattr(time, name, _with_default_now(getattr(time, name), clock))
    # The C version reads the kernel's clock; the one in Python reads the module `time`.
    sys.modules["_datetime"] = None  # type: ignore[assignment]  # Python's way to say that a module is not to be had


def _with_default_now(convert: Callable[[float], object], clock: Clock) -> Callable[..., object]:
    def converted(seconds: float | None = None, /) -> object:
        return convert(clock.read_ns() / 1e9 if seconds is None else seconds)

    return converted


def _freeze_chance() -> None:
    import _random

    source = _random.Random(_SEED)

    def urandom(size: int, /) -> bytes:
        return source.getrandbits(8 * size).to_bytes(size, "little") if size else b""

    os.urandom = urandom
    os.getpid = lambda: _PID
    import random

    seed = random.Random.seed

    def seeded(self: random.Random, a: int | float | str | bytes | bytearray | None = None, version: int = 2) -> None:
        seed(self, int.from_bytes(urandom(16), "little") if a is None else a, version)

    random.Random.seed = seeded  # type: ignore[method-assign]
    random.seed(_SEED)
    # Python seeds it anew, from the kernel, in every process that is forked; this comes right after that.
    os.register_at_fork(after_in_child=lambda: random.seed(_SEED))
