"""Processes that replay: this one alone, or several at once."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TypeVar

from leaderboard.errors import SubmissionError

Status = Callable[[str, int, int], None]
"""What is being done, how much of it is done, and of how much."""
_AHEAD = 4
"""Arguments that wait for each process: so many are in memory at once, however many there are."""
_Argument = TypeVar("_Argument")
_Result = TypeVar("_Result")


def quiet(what: str, done: int, of: int) -> None:
    """Nobody is told."""


def num_cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Workers:
    """Those that compute; without a pool, whoever asks."""

    number: int
    pool: Executor | None

    def map(self, function: Callable[[_Argument], _Result], arguments: Iterable[_Argument]) -> Iterator[_Result]:
        """The function of each argument, in their order. Raises: SubmissionError if a process is killed."""
        if self.pool is None:
            yield from map(function, arguments)
            return
        waiting: deque[Callable[[], _Result]] = deque()
        try:
            for argument in arguments:
                waiting.append(self.pool.submit(function, argument).result)
                if len(waiting) >= self.number * _AHEAD:
                    yield waiting.popleft()()
            while waiting:
                yield waiting.popleft()()
        except BrokenProcessPool as error:
            raise SubmissionError(
                "a process that replayed was killed, perhaps because memory ran out: use fewer (--processes 1); a "
                "script of yours that validates needs `if __name__ == '__main__':` around it"
            ) from error


@contextmanager
def processes(number: int | None) -> Iterator[Workers]:
    """So many, by default one for each core."""
    number = num_cores() if number is None else number
    if number == 1:
        yield Workers(1, None)
        return
    with ProcessPoolExecutor(number, mp_context=get_context("spawn")) as pool:
        try:
            yield Workers(number, pool)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
