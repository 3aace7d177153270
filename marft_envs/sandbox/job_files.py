"""A job as files in memory, for its server and its program, and what they wrote as a run.

Everything in these files but one mark is the program's own word, and may be made to mislead or to cost time.
"""

import os
from dataclasses import dataclass, replace

from marft_envs.errors import OptionError
from marft_envs.sandbox.jail import plain, programs, server
from marft_envs.sandbox.runs import PLAIN_TYPES, Calls, NotPlain, Outcome, Raised, Returned, Run, Script

_MOST_TOLD_CHARS = 2_000
"""Of a traceback: `jail.tracebacks` writes fewer, a program that writes its results itself is cut off."""


@dataclass(frozen=True, slots=True)
class JobFiles:
    """The files of one run, in memory: they are gone when nobody has them open."""

    job: int
    stdin: int
    stdout: int
    results: int

    @property
    def descriptors(self) -> list[int]:
        return [self.job, self.stdin, self.stdout, self.results]

    def close(self) -> None:
        for descriptor in self.descriptors:
            os.close(descriptor)


def files_of(job: Calls | Script) -> JobFiles:
    """What a job is handed over in. Raises: OptionError for what cannot be handed over."""
    described: dict[str, object]
    if isinstance(job, Script):
        described, stdin = {"kind": "script", "source": job.source}, job.stdin
    else:
        described, stdin = {"kind": "calls", "source": job.source, "entry_point": job.entry_point}, ""
        described["arguments"] = list(job.arguments)
    try:
        encoded = plain.encode(described)
    except plain.NotPlainError as error:
        raise OptionError(
            f"a job for the sandbox holds {error}, which is no plain data; use {PLAIN_TYPES}, and nests of at most "
            f"{plain.MAX_DEPTH - 3} levels"
        ) from error
    opened: list[int] = []
    try:
        for content in (encoded, stdin.encode("utf-8", errors="replace"), b"", b""):
            opened.append(os.memfd_create("marft"))
            _fill(opened[-1], content)
    except BaseException:
        for descriptor in opened:
            os.close(descriptor)
        raise
    return JobFiles(*opened)


def _fill(descriptor: int, content: bytes) -> None:
    """Writes all of it, and goes back to the beginning."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    if content:
        os.lseek(descriptor, 0, os.SEEK_SET)


def run_of(files: JobFiles, num_calls: int, most_bytes: int, message: bytes) -> Run | None:
    """The run as its files and its server tell it; None if no program was run, as it could not be locked up.

    Args:
        files: What the job was handed over in.
        num_calls: How many outcomes there should be.
        most_bytes: `Limits.output_bytes`.
        message: The server's, as `jail.server.ENDED` packs it.
    """
    if os.pread(files.job, 1, 0) != server.LOCKED:
        return None
    way, code, cpu_s, wall_s = server.ENDED.unpack(message)
    printed, results = (os.pread(file, most_bytes, 0) for file in (files.stdout, files.results))
    outcomes, error, is_done = _outcomes(results, num_calls)
    run = Run(
        "finished",
        outcomes,
        error,
        printed.decode("utf-8", errors="replace"),
        cpu_s=cpu_s,
        wall_s=wall_s,
    )
    if server.WAYS[way] == "time":
        return replace(run, ending="time")
    if max(len(printed), len(results)) >= most_bytes:
        return replace(run, ending="output")
    if server.WAYS[way] == "signal":
        return replace(run, ending="crashed", signal=code)
    if code == programs.NO_MEMORY:
        return replace(run, ending="memory")
    return run if is_done and code == 0 else replace(run, ending="exited", exit_code=code)


def _outcomes(results: bytes, num_calls: int) -> tuple[tuple[Outcome, ...], str, bool]:
    """What the program's process wrote: outcomes, an error, and whether it says that it came to its end.

    It is the program's own word: from the first line on that is not of our kind, nothing is read. An end counts only
    after an outcome of every call, or after an error without any: whoever compares outcomes never has too few of them.
    """
    outcomes: list[Outcome] = []
    error = ""
    for line in results.split(b"\n"):
        try:
            said = plain.decode(line)
        except plain.NotPlainError:
            break
        match said:
            case programs.DONE:
                return tuple(outcomes), error, bool(error) or len(outcomes) == num_calls
            case _ if error:
                break
            case ("error", str(told)) if not outcomes:
                error = _shown(told)
            case _ if len(outcomes) == num_calls:
                break
            case ("value", value):
                outcomes.append(Returned(value))
            case ("raised", str(told)):
                outcomes.append(Raised(_shown(told)))
            case ("not plain", str(name)):
                outcomes.append(NotPlain(_shown(name)))
            case _:
                break
    return tuple(outcomes), error, False


def _shown(text: str) -> str:
    """A text of the program's, as it can be printed and stored: no half of a surrogate pair, and not too long."""
    return text[:_MOST_TOLD_CHARS].encode("utf-8", errors="replace").decode("utf-8")
