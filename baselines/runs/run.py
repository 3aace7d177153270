"""One run: its folder, its iterations, its records and checkpoints, and what a person sees of it.

config.json     the settings, as given            run.json            title, start, command, versions, machine
metrics.jsonl   one line per iteration            evaluations.jsonl   one line per evaluation
tensorboard/    the same for TensorBoard          checkpoints/        see `checkpoints`
curve.png       the learning curve                summary.json        how it ended
"""

import json
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

from baselines.errors import CheckpointError, ConfigError, disk_full_explained, extra_required
from baselines.runs.checkpoint_loading import Checkpoint, load_checkpoint
from baselines.runs.checkpoints import CHECKPOINTS, save_checkpoint, what_is_safe
from baselines.runs.curve import draw_curve
from baselines.runs.disk import write_atomically
from baselines.runs.interrupts import StopSignals
from baselines.runs.progress import Metrics, Pace, open_progress
from baselines.runs.records import STAMPS, RecordWriter, keep_records, number_of, pretty_json, read_records
from baselines.runs.summary import (
    CONFIG,
    EVALUATIONS,
    METRICS,
    RUN,
    SUMMARY,
    TENSORBOARD,
    Summary,
    closing_message,
    evaluation_header,
    evaluation_row,
    provenance,
    summarise,
    time_spent,
)
from baselines.runs.tensorboard import TensorBoard

__all__ = ["Checkpoint", "Run", "load_checkpoint"]

_PACKAGES = ("matplotlib", "rich", "tensorboard")


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
    (break or error), or what the trainer set before its break. None while they have not ended."""

    def __init__(self, folder: Path, title: str, *, start: int = 0, quiet: bool = False):
        """Open the records of a folder that `create` or `resume` has prepared."""
        self.folder = folder
        self.title = title
        self._num_planned = 0
        records = read_records(folder / METRICS) + read_records(folder / EVALUATIONS)
        self._wall_before_s, self._cpu_before_s = time_spent(records)
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
        _check_packages()
        try:
            with disk_full_explained(folder, "free some room, or choose a folder on another disk"):
                folder.mkdir(parents=True, exist_ok=True)
                if any(folder.iterdir()):
                    raise ConfigError(
                        f"the run folder {folder} is not empty; a run wants a folder of its own, so that "
                        "nothing is overwritten: choose another one, or remove it first"
                    )
                write_atomically(folder / CONFIG, pretty_json(config))
                write_atomically(folder / RUN, pretty_json(provenance(title)))
        except (FileExistsError, NotADirectoryError) as error:
            raise ConfigError(f"the run folder {folder} is, or lies in, a file; choose another one") from error
        except PermissionError as error:
            raise ConfigError(f"may not write into the run folder {folder}; choose another one") from error
        return cls(folder, title, quiet=quiet)

    @classmethod
    def resume(cls, folder: Path, *, start: int, quiet: bool = False) -> "Run":
        """Go on with a run from a checkpoint that was taken when `start` iterations were done.

        Records of later iterations are dropped: those iterations are about to be done again. Times go on adding up.

        Raises:
            CheckpointError: the folder is not a run's, or its records are damaged.
        """
        folder = Path(folder)
        _check_packages()
        try:
            title = str(json.loads((folder / RUN).read_bytes())["title"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(
                f"{folder} cannot be resumed, {folder / RUN} is missing or damaged; give the folder of a run"
            ) from error
        with disk_full_explained(folder, what_is_safe(folder / CHECKPOINTS)):
            keep_records(folder / METRICS, lambda iteration: iteration < start)
            keep_records(folder / EVALUATIONS, lambda num_done: num_done <= start)
        return cls(folder, title, start=start, quiet=quiet)

    def iterations(
        self, num_iterations: int, *, start: int = 0, time_limit_s: float | None = None
    ) -> Generator[int, None, None]:
        """Count from `start` to `num_iterations` - 1, showing progress, until done or asked to stop.

        Ctrl-C and SIGTERM end the loop after the current iteration, a second one raises KeyboardInterrupt at
        once. With a time limit (wall time from here on) no iteration is begun that would overrun it, going by
        the latest ones; the first is always done. `stop_reason` tells which it was.
        """
        self._num_planned = num_iterations
        self.stop_reason = None
        pace = Pace(num_iterations, start, time_limit_s)
        signals = StopSignals(self._progress.stopping)
        self._progress.begin(pace)
        signals.install()
        try:
            for iteration in range(start, num_iterations):
                self.stop_reason = signals.request or ("time_limit" if pace.is_out_of_time else None)
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
        if not self._header_shown:
            self._progress.line(evaluation_header())
            self._header_shown = True
        self._progress.line(evaluation_row(record))

    def checkpoint(self, name: str, save: Callable[[Path], None], state: Mapping[str, object]) -> Path:
        """Save a checkpoint whole or not at all, and make it the latest; see `save_checkpoint`."""
        self._progress.status(f"saving checkpoint {name}")
        with self._full_disk_explained(self._metrics.path):
            self._metrics.sync()
            self._evaluations.sync()
        return save_checkpoint(self.folder / CHECKPOINTS, name, save, state)

    def finish(self, next_steps: Sequence[str] = ()) -> Summary:
        """Draw the curve, write the summary, say where everything is; `next_steps` says what to try next."""
        self.close()
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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _stamped(self, iteration: int, content: Mapping[str, object]) -> dict[str, object]:
        taken = [name for name in STAMPS if name in content]
        if taken:
            raise ValueError(f"{', '.join(taken)}: the bookkeeping adds these itself; give the value another name")
        wall_s = self._wall_before_s + time.monotonic() - self._started
        cpu_s = self._cpu_before_s + time.process_time() - self._cpu_started  # all threads of this process
        return {"iteration": iteration, "wall_s": round(wall_s, 3), "cpu_s": round(cpu_s, 3), **content}

    def _full_disk_explained(self, path: Path) -> AbstractContextManager[None]:
        safe = f"{what_is_safe(self.folder / CHECKPOINTS)}, and all earlier records are whole"
        return disk_full_explained(path, f"{safe}. Free some room, then go on from there.")


def _check_packages() -> None:
    """Miss a package before the folder is made, not when the curve is to be drawn."""
    with extra_required("train", "a training run"):
        for package in _PACKAGES:
            if find_spec(package) is None:
                raise ModuleNotFoundError(f"No module named {package!r}", name=package)
