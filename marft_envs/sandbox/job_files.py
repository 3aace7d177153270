"""A job as files in memory, for its server and its program; Linux's way to hand it over."""

import os
from dataclasses import dataclass

from marft_envs.sandbox.jail.protocol import ENDED, LOCKED
from marft_envs.sandbox.jobs import Ended, encoded, run_from
from marft_envs.sandbox.runs import Calls, Run, Script


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
    wanted, stdin = encoded(job)
    opened: list[int] = []
    try:
        for content in (wanted, stdin, b"", b""):
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
        message: The server's, as `jail.protocol.ENDED` packs it.
    """
    if os.pread(files.job, 1, 0) != LOCKED:
        return None
    printed, results = (os.pread(file, most_bytes, 0) for file in (files.stdout, files.results))
    return run_from(printed, results, Ended(*ENDED.unpack(message)), num_calls, most_bytes)
