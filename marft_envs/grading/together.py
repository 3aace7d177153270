"""Several programs, the same calls, one process: for programs that leave nothing behind for the next one.

A process for each is what a program that somebody else wrote gets: what it does to its process is its own matter. It
takes some milliseconds, mostly to make the process and to lock it. Mutants of a reference are changes of what we know,
and where they cannot reach beyond themselves (`marft_envs.coding.mutants.keeps_to_itself`), fifteen of them can share
one.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from marft_envs.sandbox.runs import Calls, Outcome, Plain, Raised, Run

_ENTRY = "call"
_SOURCE = """\
programs = {programs!r}
spaces = {{}}

def {entry}(number, arguments):
    if number not in spaces:
        space = {{"__name__": "program"}}
        exec(compile(programs[number], "<program>", "exec"), space)
        spaces[number] = space
    return spaces[number][{function!r}](*arguments)
"""
_OF_THE_PROCESS = ("MemoryError", "RecursionError")
"""What a program may meet sooner in a process that it shares."""
RunAll: TypeAlias = Callable[[Sequence[Calls]], Sequence[Run]]


def run_together(
    sources: Sequence[str], entry_point: str, arguments: tuple[tuple[Plain, ...], ...], run_all: RunAll
) -> list[Run]:
    """What comes of each program, as if each had had a process, but for the texts of tracebacks.

    `entry_point`: a function. A program that does not come to its end in time, or for which a process of its own might
    make a difference, gets one; those behind it begin again together.
    """
    found: dict[int, Run] = {}
    alone: list[int] = []
    waiting = list(range(len(sources)))
    while len(waiting) > 1:
        (run,) = run_all([_job([sources[number] for number in waiting], entry_point, arguments)])
        came_back = [run.outcomes[first : first + len(arguments)] for first in _firsts(len(waiting), len(arguments))]
        behind = len(waiting)
        for place, (number, outcomes) in enumerate(zip(waiting, came_back, strict=True)):
            if len(outcomes) < len(arguments):
                behind = place
                break
            if any(map(_is_of_the_process, outcomes)):
                alone.append(number)
            else:
                found[number] = Run("finished", outcomes=tuple(outcomes))
        alone += waiting[behind : behind + 1]
        waiting = waiting[behind + 1 :]
    alone += waiting
    by_themselves = run_all([Calls(sources[number], entry_point, arguments) for number in alone]) if alone else []
    found.update(zip(alone, by_themselves, strict=True))
    return [found[number] for number in range(len(sources))]


def _job(programs: Sequence[str], entry_point: str, arguments: tuple[tuple[Plain, ...], ...]) -> Calls:
    source = _SOURCE.format(programs=[*programs], entry=_ENTRY, function=entry_point)
    return Calls(source, _ENTRY, tuple((number, each) for number in range(len(programs)) for each in arguments))


def _firsts(number: int, each: int) -> range:
    return range(0, number * each, each)


def _is_of_the_process(outcome: Outcome) -> bool:
    return isinstance(outcome, Raised) and any(name in outcome.traceback for name in _OF_THE_PROCESS)
