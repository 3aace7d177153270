"""A job as bytes, for whatever runs it, and what its program wrote as a run: the same on every system.

Everything that is read here is the program's own word, and may be made to mislead or to cost time.
"""

from dataclasses import dataclass, replace

from marft_envs.errors import OptionError
from marft_envs.sandbox.jail import plain, programs
from marft_envs.sandbox.jail.protocol import WAYS
from marft_envs.sandbox.runs import PLAIN_TYPES, Calls, NotPlain, Outcome, Raised, Returned, Run, Script

_MOST_TOLD_CHARS = 2_000
"""Of a traceback: `jail.tracebacks` writes fewer, a program that writes its results itself is cut off."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended, as whoever ran it saw it."""

    way: int
    """An index of `jail.protocol.WAYS`."""
    code: int
    """The exit code, or the signal."""
    cpu_s: float
    wall_s: float


def encoded(job: Calls | Script) -> tuple[bytes, bytes]:
    """What `jail.programs.run` reads, and standard input. Raises: OptionError for what cannot be handed over."""
    described: dict[str, object]
    if isinstance(job, Script):
        described, stdin = {"kind": "script", "source": job.source}, job.stdin
    else:
        described, stdin = {"kind": "calls", "source": job.source, "entry_point": job.entry_point}, ""
        described["arguments"] = list(job.arguments)
    try:
        return plain.encode(described), stdin.encode("utf-8", errors="replace")
    except plain.NotPlainError as error:
        raise OptionError(
            f"a job for the sandbox holds {error}, which is no plain data; use {PLAIN_TYPES}, and nests of at most "
            f"{plain.MAX_DEPTH - 3} levels"
        ) from error


def run_from(printed: bytes, results: bytes, ended: Ended, num_calls: int, most_bytes: int) -> Run:
    """The run that they tell of.

    Args:
        printed: What went to standard output, at most `most_bytes`.
        results: What went to `jail.programs.RESULTS`, at most `most_bytes`.
        ended: How the program ended.
        num_calls: How many outcomes there should be.
        most_bytes: `Limits.output_bytes`.
    """
    outcomes, error, is_done = _outcomes(results, num_calls)
    run = Run(
        "finished",
        outcomes,
        error,
        printed.decode("utf-8", errors="replace"),
        cpu_s=ended.cpu_s,
        wall_s=ended.wall_s,
    )
    if WAYS[ended.way] == "time":
        return replace(run, ending="time")
    if max(len(printed), len(results)) >= most_bytes:
        return replace(run, ending="output")
    if WAYS[ended.way] == "signal":
        return replace(run, ending="crashed", signal=ended.code)
    if ended.code == programs.NO_MEMORY:
        return replace(run, ending="memory")
    return run if is_done and ended.code == 0 else replace(run, ending="exited", exit_code=ended.code)


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
