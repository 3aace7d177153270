"""One run: its folder, its iterations, its records and checkpoints, and what a person sees of it.

What lies in the folder is listed in `run_folder`.
"""

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Self

from baselines.errors import ClusterError, DiskFullError, RankLostError, ServerError, disk_full_explained
from baselines.runs.checkpoint_loading import Checkpoint, load_checkpoint
from baselines.runs.checkpoints import CHECKPOINTS, NUM_DONE, keep_newest, save_checkpoint, what_is_safe
from baselines.runs.claim import FolderClaim
from baselines.runs.curve import draw_curve
from baselines.runs.disk import write_atomically
from baselines.runs.interrupts import Request, StopSignals, TerminationIsExit
from baselines.runs.progress import Metrics, Pace, open_progress
from baselines.runs.records import STAMPS, RecordWriter, iteration_of, number_of, pretty_json, read_records
from baselines.runs.run_folder import begin_folder, reopen_folder
from baselines.runs.summary import (
    EVALUATIONS,
    METRICS,
    STOPPED,
    SUMMARY,
    TENSORBOARD,
    Summary,
    closing_message,
    evaluation_header,
    evaluation_row,
    resume_command,
    summarise,
    time_spent,
)
from baselines.runs.tensorboard import TensorBoard
from marft_envs import MarftError

__all__ = ["Checkpoint", "Run", "load_checkpoint"]

_OF_THE_WORLD = (ClusterError, DiskFullError, RankLostError, ServerError)
"""What may stop a run whose settings are right."""


class Run:
    """Bookkeeping of one training run.

    As a context manager it closes its files and gives the terminal back whatever happens:

        with Run.create(folder, config, title="...") as run:
            for iteration in run.iterations(40):
                run.log(iteration, {"train/return": 0.31})
            run.finish()
    """

    stop_reason: str | None = None
    """Why the iterations ended: finished, interrupted (Ctrl-C), terminated (SIGTERM), time_limit, left_early
    (break or error), or what the trainer set before its break, such as token_limit. None while they have not ended."""

    num_done: int
    """Iterations done and recorded."""

    asked_elsewhere: Request | None = None
    """That another process of the same run was asked to stop, and how; heeded as a signal to this one."""

    cpu_elsewhere_s: float = 0.0
    """CPU time that other processes have spent on this run since it was opened."""

    def __init__(self, folder: Path, title: str, claim: FolderClaim, *, start: int = 0, quiet: bool = False):
        """Open the records of a folder that `create` or `resume` has claimed and prepared."""
        self.folder = folder
        self.title = title
        self.num_done = start
        self._num_planned = 0
        self._claim = claim
        self._termination = TerminationIsExit()
        metrics, evaluations = read_records(folder / METRICS), read_records(folder / EVALUATIONS)
        self._evaluated = {(iteration_of(record), record.get("name")) for record in evaluations}
        self._wall_before_s, self._cpu_before_s = time_spent(metrics + evaluations)
        self._started, self._cpu_started = time.monotonic(), time.process_time()
        self._header_shown = False
        with self._full_disk_explained(folder):
            self._tensorboard = TensorBoard(folder / TENSORBOARD, first_iteration=start)
            self._metrics = RecordWriter(folder / METRICS)
            self._evaluations = RecordWriter(folder / EVALUATIONS)
        self._progress = open_progress(title, quiet=quiet)

    @classmethod
    def create(cls, folder: Path, config: Mapping[str, object], *, title: str, quiet: bool = False) -> "Run":
        """Start a run in a folder that is new or empty.

        Raises:
            ConfigError: the folder holds something, is a file, or cannot be written.
            DiskFullError: no room for the first files.
            MissingExtraError: a package of the extra `train` is missing.
        """
        folder = Path(folder)
        claim = begin_folder(folder, config, title)
        return cls(folder, title, claim, quiet=quiet)

    @classmethod
    def resume(
        cls,
        folder: Path,
        *,
        start: int,
        config: Mapping[str, object] | None = None,
        later: Sequence[str] = (),
        quiet: bool = False,
    ) -> "Run":
        """Go on with a run from a checkpoint that was taken when `start` iterations were done.

        Records of later iterations are dropped, and so are the checkpoints `later`: those iterations are about to be
        done again. Times go on adding up. `config`: the settings from now on, if any has changed.

        Raises:
            CheckpointError: the folder is not a run's, or its records are damaged.
            ConfigError: another process is training there.
        """
        folder = Path(folder)
        found = reopen_folder(folder, start, config, later)
        return cls(folder, found.title, found.claim, start=start, quiet=quiet)

    def iterations(
        self, num_iterations: int, *, start: int | None = None, time_limit_s: float | None = None
    ) -> Generator[int, None, None]:
        """Count from `start` to `num_iterations` - 1, showing progress, until done or asked to stop.

        By default it starts at 0, or where a resumed run goes on.

        Ctrl-C and SIGTERM end the loop after the current iteration, a second one raises KeyboardInterrupt at
        once. With a time limit (wall time from here on) no iteration is begun that would overrun it, going by
        the latest ones; the first is always done. `stop_reason` tells which it was.
        """
        start = self.num_done if start is None else start
        self._num_planned = num_iterations
        self.stop_reason = None
        pace = Pace(num_iterations, start, time_limit_s)
        signals = StopSignals(self._progress.stopping)
        self._progress.begin(pace)
        signals.install()
        try:
            for iteration in range(start, num_iterations):
                asked = signals.request or self.asked_elsewhere
                self.stop_reason = asked or ("time_limit" if pace.is_out_of_time else None)
                if self.stop_reason is not None:
                    return
                self.stop_reason = "left_early"  # what it is if the caller breaks or raises now
                began = time.monotonic()
                yield iteration
                pace.durations_s.append(time.monotonic() - began)
            self.stop_reason = "finished"
        finally:
            if self.stop_reason == "left_early" and signals.request is not None:
                self.stop_reason = signals.request
            signals.restore()
            self._progress.stop()

    def status(self, text: str) -> None:
        """Show what is being done right now, such as "collecting 40/64"."""
        self._progress.status(text)

    def note(self, text: str) -> None:
        """Show a line that stays."""
        self._progress.line(text)

    def log(self, iteration: int, metrics: Metrics) -> None:
        """Record what an iteration gave, under names like `reasoner_0/kl`, and show it.

        Raises:
            ValueError: a metric has a name that the bookkeeping uses.
            TypeError: a value has no JSON form, such as a tensor.
            DiskFullError: no room; this record is left out whole, earlier ones stay.
        """
        record = self._stamped(iteration, metrics)
        with self._full_disk_explained(self._metrics.path):
            self._metrics.append(record)
            self._tensorboard.log(iteration, metrics)
        self.num_done = iteration + 1
        self._progress.metrics(iteration, metrics)

    def record_evaluation(self, iteration: int, name: str, result: Mapping[str, object]) -> None:
        """Record an evaluation made when `iteration` iterations were done, and show it as a row.

        `result` has `mean`, `low`, `high` and `num_instances`, perhaps `level`, and any further numbers. The
        curve draws a `name` with `few_shot` in it as a line to compare with, every other one as a point.
        """
        record = self._stamped(iteration, {"name": name, **result})
        numbers = {f"evaluation/{name}/{key}": number_of(value) for key, value in result.items()}
        with self._full_disk_explained(self._evaluations.path):
            self._evaluations.append(record)
            self._tensorboard.log(iteration, numbers)
        self._evaluated.add((iteration, name))
        if not self._header_shown:
            self._progress.line(evaluation_header())
            self._header_shown = True
        self._progress.line(evaluation_row(record))

    def has_evaluation(self, iteration: int, name: str) -> bool:
        """Whether this evaluation is recorded, by this process or by one before it."""
        return (iteration, name) in self._evaluated

    def checkpoint(
        self, name: str, save: Callable[[Path], None], state: Mapping[str, object], *, keep: int = 0
    ) -> Path:
        """Save a checkpoint whole or not at all, and make it the latest; see `save_checkpoint`.

        `keep`: so many of the newest stay, this one among them; 0 keeps all.
        """
        self._progress.status(f"saving checkpoint {name}")
        with self._full_disk_explained(self._metrics.path):
            self._metrics.sync()
            self._evaluations.sync()
        path = save_checkpoint(self.folder / CHECKPOINTS, name, save, {**state, NUM_DONE: self.num_done})
        keep_newest(self.folder / CHECKPOINTS, keep)
        return path

    def finish(self, next_steps: Sequence[str] = ()) -> Summary:
        """Draw the curve, write the summary, say where everything is; `next_steps` says what to try next."""
        self.close()
        if self.stop_reason in STOPPED:
            next_steps = [f"{resume_command(self.folder)}    # go on where it stopped", *next_steps]
        with self._full_disk_explained(self.folder):
            draw_curve(self.folder)
            summary = summarise(self.folder, self.title, self.stop_reason, self._num_planned, next_steps)
            write_atomically(self.folder / SUMMARY, pretty_json(summary))
        self._progress.line(closing_message(summary))
        return summary

    def close(self) -> None:
        """Close the files and give the terminal back; a second call does nothing."""
        self._progress.stop()
        self._metrics.close()
        self._evaluations.close()
        self._tensorboard.close()
        self._claim.release()

    def __enter__(self) -> Self:
        self._termination.install()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._termination.restore()
        self.close()
        settings_are_wrong = isinstance(error, MarftError) and not isinstance(error, _OF_THE_WORLD)
        if error is not None and not settings_are_wrong:
            self._progress.line(f"Go on with: {resume_command(self.folder)}")

    def _stamped(self, iteration: int, content: Mapping[str, object]) -> dict[str, object]:
        taken = [name for name in STAMPS if name in content]
        if taken:
            raise ValueError(f"{', '.join(taken)}: the bookkeeping adds these itself; give the value another name")
        wall_s = self._wall_before_s + time.monotonic() - self._started
        cpu_s = self._cpu_before_s + time.process_time() - self._cpu_started + self.cpu_elsewhere_s  # all threads
        return {"iteration": iteration, "wall_s": round(wall_s, 3), "cpu_s": round(cpu_s, 3), **content}

    def _full_disk_explained(self, path: Path) -> AbstractContextManager[None]:
        safe = f"{what_is_safe(self.folder / CHECKPOINTS)}, and all earlier records are whole"
        return disk_full_explained(path, f"{safe}. Free some room, then go on from there.")
