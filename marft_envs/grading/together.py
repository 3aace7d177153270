"""Several programs, one process: for programs that leave nothing behind for the next one.

A process for each is what a program that somebody else wrote gets: what it does to its process is its own matter. It
takes some milliseconds, mostly to make the process and to lock it. Mutants of a reference are changes of what we know,
and where they cannot reach beyond themselves (`marft_envs.coding.mutants.keeps_to_itself`), all of them can share one.
"""

from collections.abc import Sequence
from itertools import islice
from typing import TypeAlias

from marft_envs.grading.running import Job, Runner, run_jobs
from marft_envs.sandbox.jail import plain
from marft_envs.sandbox.runs import DEFAULT_LIMITS, Calls, Limits, Outcome, Raised, Run

_SOURCE = """\
programs = {programs!r}
compiled = {{}}
current = (None, {{}})

def call(job, number, function, arguments):
    global current
    if job != current[0]:
        current[1].clear()
        if number not in compiled:
            compiled[number] = compile(programs[number], "<program>", "exec")
        current = (None, {{"__name__": "program"}})
        exec(compiled[number], current[1])
        current = (job, current[1])
    return current[1][function](*arguments)
"""
"""Of what a program had, nothing is left when the next one begins."""
_OF_THE_PROCESS = ("MemoryError", "RecursionError")
"""What a program may meet sooner in a process that it shares."""

_Key: TypeAlias = tuple[str, str, str, int, int]
"""Program, entry point, inputs, and the limits that may change what comes of them; of more time nothing does."""


class Together:
    """A runner that lets programs share a process, and each of them begin afresh in it, which is several times as fast.

    It is for programs that are not an agent's, and each of which `keeps_to_itself`, so that it prints nothing and
    catches nothing; what comes of them is the same, but for the texts of tracebacks. A program that does not come
    to its end in time, or for which a process of its own might make a difference, gets one. So does one whose entry
    point is a method.
    """

    def __init__(self, runner: Runner | None = None) -> None:
        self._runner = runner
        self._known: dict[_Key, Run | None] = {}  # None: it needs a process of its own

    def foresee(self, jobs: Sequence[Calls], limits: Limits) -> None:
        """Runs in one process what will be asked for later, at several times; what does not fit in is run then."""
        self._run_together([(key, job) for job in jobs if (key := _key(job, limits)) is not None], limits)

    def run_all(self, jobs: Sequence[Job], limits: Limits = DEFAULT_LIMITS) -> list[Run]:
        """What came of each job, in their order."""
        keys = [_key(job, limits) for job in jobs]
        pairs = [(key, job) for key, job in zip(keys, jobs, strict=True) if key and isinstance(job, Calls)]
        while len(waiting := [pair for pair in pairs if pair[0] not in self._known]) > 1:
            self._run_together(waiting, limits)
        runs = [None if key is None else self._known.get(key) for key in keys]
        alone = [job for job, run in zip(jobs, runs, strict=True) if run is None]
        by_themselves = iter(run_jobs(alone, self._runner, limits))
        return [next(by_themselves) if run is None else run for run in runs]

    def _run_together(self, jobs: Sequence[tuple[_Key, Calls]], limits: Limits) -> None:
        """Gets to know the first of them at least, and the others up to one that does not come to its end."""
        if len(jobs) < 2:  # noqa: PLR2004  # one is alone anyway
            return
        (run,) = run_jobs([_shared([job for _, job in jobs])], self._runner, limits)
        left = iter(run.outcomes)
        for key, job in jobs:
            outcomes = tuple(islice(left, len(job.arguments)))
            is_complete = len(outcomes) == len(job.arguments)
            is_trusted = is_complete and not any(map(_is_of_the_process, outcomes))
            self._known[key] = Run("finished", outcomes) if is_trusted else None
            if not is_complete:
                return


def _key(job: Job, limits: Limits) -> _Key | None:
    """Tells jobs apart that can share a process; None for one that cannot."""
    if not isinstance(job, Calls) or "." in job.entry_point or not job.arguments:
        return None
    try:
        inputs = repr(job.arguments)  # 1 is equal to True, and is another input
    except ValueError:  # a number of more digits than Python writes
        inputs = plain.encode(list(job.arguments)).decode()
    return job.source, job.entry_point, inputs, limits.memory_bytes, limits.output_bytes


def _shared(jobs: Sequence[Calls]) -> Calls:
    """All of them as one job."""
    programs = list(dict.fromkeys(job.source for job in jobs))
    number_of = {program: number for number, program in enumerate(programs)}
    calls = [
        (place, number_of[job.source], job.entry_point, each)
        for place, job in enumerate(jobs)
        for each in job.arguments
    ]
    return Calls(_SOURCE.format(programs=programs), "call", tuple(calls))


def _is_of_the_process(outcome: Outcome) -> bool:
    return isinstance(outcome, Raised) and any(name in outcome.traceback for name in _OF_THE_PROCESS)
