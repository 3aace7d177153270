"""What a matrix of results is made of: runs and evaluations as processes of their own, each done once.

A job is a `marft` command. It leaves a folder or a file behind that says whether it is done, so that a matrix that was
stopped, by Ctrl-C or by kill -9, goes on with what is missing: runs after their newest checkpoint. What each attempt
took is noted beside it, in CPU-seconds of the process and of everything that it waited for, such as sandboxes.
"""

import json
import os
import resource
import shlex
import shutil
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGTERM, default_int_handler, signal
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from baselines.errors import ConfigError
from baselines.runs.claim import FolderClaim
from baselines.runs.disk import write_atomically
from baselines.runs.experiment import TOKENS, ExperimentConfig
from baselines.runs.records import number_of, read_records
from baselines.runs.summary import CONFIG, METRICS, RUN, SUMMARY
from baselines.runs.train_command import train_command

ROOT = Path(__file__).parents[1]
_DONE = ("finished", "token_limit")
"""Endings of a run after which nothing is left to do."""
_POLL_S = 0.25
_STOPPED_BY_CTRL_C = 130
_TOLD_LINES = 5
"""Of a failed job's log."""


class Job(Protocol):
    """One command, and what it leaves."""

    name: str

    @property
    def is_done(self) -> bool:
        """Whether there is nothing left to do."""

    @property
    def is_taken(self) -> bool:
        """Whether another process is at it."""

    @property
    def log(self) -> Path:
        """Where its output goes."""

    @property
    def share_done(self) -> float:
        """How far it is, 0 to 1."""

    def words(self) -> list[str]:
        """What follows `marft`, in the command that does it or goes on with it."""

    def keep(self) -> None:
        """Take what it has left, now that it has ended well."""


def noted_beside(path: Path) -> Path:
    """The file in which attempts at a job are noted."""
    return path.with_name(f"{path.name}.attempts.jsonl")


@dataclass
class Training:
    """A run by `marft train`."""

    name: str
    config: ExperimentConfig

    @property
    def folder(self) -> Path:
        """Of the run."""
        assert self.config.run_dir is not None
        return self.config.run_dir

    @property
    def is_done(self) -> bool:
        """It is once it has been evaluated and summarised."""
        summary = self.folder / SUMMARY
        return summary.is_file() and json.loads(summary.read_bytes())["stop_reason"] in _DONE

    @property
    def is_taken(self) -> bool:
        """A run of a matrix that was killed goes on by itself, to its end."""
        if not self.folder.is_dir():
            return False
        try:
            FolderClaim(self.folder).release()
        except ConfigError:
            return True
        return False

    @property
    def log(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}.log")

    @property
    def share_done(self) -> float:
        """In tokens, or where they do not count in iterations."""
        records = read_records(self.folder / METRICS)
        limit = getattr(self.config, "token_limit", None)
        if limit is None:
            return min(1.0, len(records) / self.config.num_iterations)
        return min(1.0, sum(number_of(record.get(TOKENS)) or 0.0 for record in records) / limit)

    def words(self) -> list[str]:
        """It goes on where it has begun; a folder that holds no run yet is begun anew."""
        if all((self.folder / name).is_file() for name in (CONFIG, RUN)):
            return ["train", "--resume", str(self.folder)]
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        return shlex.split(self.command)[1:]

    @property
    def command(self) -> str:
        """As one would type it."""
        return train_command(self.config)

    def keep(self) -> None:
        """All of it is in the folder."""


@dataclass
class Evaluation:
    """What `marft evaluate --json` says, kept in a file."""

    name: str
    out: Path
    arguments: Sequence[str]

    @property
    def is_done(self) -> bool:
        return self.out.is_file()

    @property
    def is_taken(self) -> bool:
        """Nobody minds who does it."""
        return False

    @property
    def log(self) -> Path:
        return self.out.with_suffix(".log")

    @property
    def share_done(self) -> float:
        return float(self.is_done)

    def words(self) -> list[str]:
        self.out.parent.mkdir(parents=True, exist_ok=True)
        return ["evaluate", *self.arguments, "--json"]

    @property
    def command(self) -> str:
        """As one would type it."""
        return shlex.join(["marft", "evaluate", *self.arguments, "--json"])

    def keep(self) -> None:
        """The list of one result that it has printed."""
        printed = self.log.read_text(encoding="utf-8")
        (result,), _ = json.JSONDecoder().raw_decode(printed, printed.index("[\n {"))  # warnings may stand around it
        kept = {"command": self.command, **result}
        write_atomically(self.out, (json.dumps(kept, indent=1) + "\n").encode())


@dataclass
class _Running:
    job: Job
    pid: int


@dataclass
class Runner:
    """Does jobs, so many at once, one thread each, and shows how far they are."""

    num_workers: int
    console: Console = field(default_factory=Console)
    failed: dict[str, str] = field(default_factory=dict)
    """Job -> the end of its log."""
    was_stopped: bool = False

    def run(self, jobs: Sequence[Job], title: str) -> None:
        """Do what is not done yet. Ctrl-C and SIGTERM let what runs save itself, and start nothing more."""
        waiting = deque(job for job in jobs if not job.is_done)
        running: list[_Running] = []
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with _terminated_as_by_ctrl_c(), Progress(*columns, console=self.console) as progress:
            total = progress.add_task(title, total=len(jobs))
            try:
                while waiting or running:
                    self._start(waiting, running)
                    done = len(jobs) - len(waiting) - len(running)
                    progress.update(total, completed=done, description=f"{title}: {_shown(running)}")
                    time.sleep(_POLL_S)
                    for ended in self._ended(running):
                        running.remove(ended)
                        how = "failed" if ended.job.name in self.failed else "done"
                        progress.console.print(f"{ended.job.name} {how}", highlight=False)
                progress.update(total, completed=len(jobs), description=title)
            except KeyboardInterrupt:
                self.was_stopped = True
                progress.console.print("stopping: what runs is saved; the same command goes on")
                for own in running:
                    os.kill(own.pid, SIGTERM)
                for own in running:
                    self._end(own, *os.wait4(own.pid, 0)[1:])

    def _start(self, waiting: deque[Job], running: list[_Running]) -> None:
        """Fill free places; what another process is at comes later."""
        for _ in range(len(waiting)):
            if len(running) >= self.num_workers:
                return
            job = waiting.popleft()
            if job.is_taken:
                waiting.append(job)
            elif not job.is_done:
                running.append(_Running(job, _spawned(job)))

    def _ended(self, running: Sequence[_Running]) -> list[_Running]:
        """Those whose process has ended since; what they took is noted, what they left is kept."""
        ended = []
        for own in running:
            pid, status, usage = os.wait4(own.pid, os.WNOHANG)
            if pid == 0:
                continue
            ended.append(own)
            self._end(own, status, usage)
        return ended

    def _end(self, own: _Running, status: int, usage: resource.struct_rusage) -> None:
        code = os.waitstatus_to_exitcode(status)
        note(own.job, {"exit": code, "cpu_s": round(usage.ru_utime + usage.ru_stime, 2)})
        if code == 0:
            own.job.keep()
        elif not self.was_stopped:
            lines = own.job.log.read_text(encoding="utf-8", errors="replace").splitlines()
            self.failed[own.job.name] = "\n".join([f"ended with {code}: {own.job.log}", *lines[-_TOLD_LINES:]])

    def tell(self) -> int:
        """Say what failed; the exit status."""
        for name, what in self.failed.items():
            self.console.print(f"{name} {what}", style="red", markup=False)
        return _STOPPED_BY_CTRL_C if self.was_stopped else int(bool(self.failed))


@contextmanager
def _terminated_as_by_ctrl_c() -> Iterator[None]:
    """SIGTERM raises KeyboardInterrupt while the block runs."""
    before = signal(SIGTERM, default_int_handler)
    try:
        yield
    finally:
        signal(SIGTERM, before)


def note(job: Job, event: Mapping[str, object]) -> None:
    """Add a line to what is noted of the attempts at a job."""
    with noted_beside(job.log).open("a", encoding="utf-8") as file:
        file.write(json.dumps(event) + "\n")


def _spawned(job: Job) -> int:
    """Start it, its output in its log; the process's id."""
    words = [sys.executable, "-W", "ignore", "-m", "baselines.cli", *job.words()]
    note(job, {"began": time.time()})
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    settings = {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    with job.log.open("wb") as output, Path(os.devnull).open("rb") as nothing:
        files = {0: nothing, 1: output, 2: output}
        actions = [(os.POSIX_SPAWN_DUP2, file.fileno(), number) for number, file in files.items()]
        # A group of its own: Ctrl-C in a terminal reaches the matrix alone, which tells each run once to save itself.
        return os.posix_spawn(words[0], words, os.environ | settings, file_actions=actions, setpgroup=0)


def _shown(running: Sequence[_Running]) -> str:
    return ", ".join(f"{own.job.name} {own.job.share_done:.0%}" for own in running) or "waiting for other processes"
