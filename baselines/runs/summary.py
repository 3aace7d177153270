"""How a run ended: the figures, and where a person finds everything."""

import os
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from baselines.errors import CheckpointError
from baselines.runs.checkpoint_loading import latest_checkpoint
from baselines.runs.checkpoints import CHECKPOINTS
from baselines.runs.progress import duration, short
from baselines.runs.records import STAMPS, Record, iteration_of, number_of, read_records

CONFIG, RUN, SUMMARY = "config.json", "run.json", "summary.json"
METRICS, EVALUATIONS = "metrics.jsonl", "evaluations.jsonl"
CURVE, CURVES = "curve.png", "curves.png"
TENSORBOARD = "tensorboard"

_PACKAGES = ("marft-envs", "torch", "transformers", "peft", "numpy", "pettingzoo", "gymnasium")
"""Packages whose version can change a run's numbers."""
_ENDINGS = {
    "finished": "Finished",
    "interrupted": "Stopped by Ctrl-C",
    "terminated": "Stopped by SIGTERM",
    "time_limit": "Stopped at the time limit",
    "token_limit": "Stopped at the token limit",
    "left_early": "Stopped early",
}
STOPPED = frozenset({"interrupted", "terminated", "time_limit", "left_early"})
"""Endings after which there is something left to do."""
_EVALUATION_ROW = "{:<26} {:>9}  {:<16} {:>6}  {:<14} {:>9}"
_LENIENT = "right_value"
"""What an environment reports beside the score where the right value in any format would have earned more."""
_IN_ROW = frozenset({*STAMPS, "name", "level", "mean", "low", "high", "num_instances", "tokens_out", _LENIENT})


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run came to."""

    title: str
    folder: Path
    stop_reason: str | None
    """Why the iterations ended, see `Run.iterations`; None if there were none."""
    num_iterations: int
    """Iterations recorded."""
    num_planned: int
    wall_s: float
    cpu_s: float
    last_metrics: Record
    evaluations: tuple[Record, ...]
    curve: Path
    checkpoint: Path | None
    """The latest checkpoint; None if none was saved."""
    next_steps: tuple[str, ...]


def summarise(
    folder: Path, title: str, stop_reason: str | None, num_planned: int, next_steps: Sequence[str]
) -> Summary:
    """Gather a run's summary from its records."""
    metrics, evaluations = read_records(folder / METRICS), read_records(folder / EVALUATIONS)
    wall_s, cpu_s = time_spent(metrics + evaluations)
    return Summary(
        title=title,
        folder=folder,
        stop_reason=stop_reason,
        num_iterations=len({iteration_of(record) for record in metrics}),
        num_planned=num_planned,
        wall_s=wall_s,
        cpu_s=cpu_s,
        last_metrics=metrics[-1] if metrics else {},
        evaluations=tuple(evaluations),
        curve=folder / CURVE,
        checkpoint=latest_checkpoint(folder / CHECKPOINTS),
        next_steps=tuple(next_steps),
    )


def time_spent(records: Sequence[Mapping[str, object]]) -> tuple[float, float]:
    """Wall and CPU seconds from the start of the run to its last record."""
    wall_s = max((number_of(record.get("wall_s")) or 0.0 for record in records), default=0.0)
    cpu_s = max((number_of(record.get("cpu_s")) or 0.0 for record in records), default=0.0)
    return wall_s, cpu_s


def provenance(title: str) -> Record:
    """What one needs to repeat a run, beside its settings."""
    return {
        "title": title,
        "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        "python": platform.python_version(),
        "packages": packages(),
        "machine": f"{platform.system()} {platform.machine()}",
        "num_cpus": os.cpu_count(),
    }


def names_of(folders: Sequence[Path]) -> dict[str, Path]:
    """What runs are called beside each other: by their folders, or by whole paths where that would not tell two apart.

    Raises: `CheckpointError` if a folder is named twice.
    """
    whole = [folder.resolve() for folder in folders]
    if len(set(whole)) < len(whole):
        twice = next(folder for folder in whole if whole.count(folder) > 1)
        raise CheckpointError(f"the run {twice} is named twice; each is looked at once")
    last = [folder.name for folder in whole]
    return {
        folder.name if last.count(folder.name) == 1 else str(given): given
        for folder, given in zip(whole, folders, strict=True)
    }


def packages() -> dict[str, str | None]:
    """The installed versions of what can change a run's numbers."""
    return {package: _version(package) for package in _PACKAGES}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def closing_message(summary: Summary) -> str:
    """What a person reads at the end: how it went, where everything is, what to try next."""
    ending = _ENDINGS.get(summary.stop_reason or "", f"Ended ({summary.stop_reason})")
    done = f"{summary.num_iterations} of {summary.num_planned} iterations"
    times = f"{duration(summary.wall_s)} by the wall clock, {duration(summary.cpu_s)} of CPU time"
    rows = ["", f"{ending} after {done}: {times}."]
    if summary.evaluations:
        rows += ["", evaluation_header(), *map(evaluation_row, summary.evaluations)]
    folder = shown(summary.folder)
    rows += [
        "",
        f"  curve        {shown(summary.curve)}",
        f"  checkpoint   {shown(summary.checkpoint) if summary.checkpoint else 'none was saved'}",
        f"  logs         {folder}/{METRICS}, {folder}/{EVALUATIONS}",
        f"  TensorBoard  tensorboard --logdir {folder}/{TENSORBOARD}",
    ]
    if summary.next_steps:
        rows += ["", "Try next:", *(f"  {step}" for step in summary.next_steps)]
    return "\n".join(rows)


def evaluation_header() -> str:
    """Headings over `evaluation_row`."""
    return _EVALUATION_ROW.format("evaluation", "iteration", "level", "mean", "95 % interval", "instances").rstrip()


def evaluation_row(record: Mapping[str, object]) -> str:
    """One evaluation as a row; numbers beyond the usual ones follow by name.

    Below it stands what the right value in any format would have scored, if that was reported.
    """
    row = _EVALUATION_ROW.format(
        str(record.get("name", "-")).replace("_", " "),
        str(iteration_of(record)),
        str(record.get("level") or "-"),
        _score(record.get("mean")),
        _bounds(record.get("low"), record.get("high")),
        str(record.get("num_instances", "-")),
    )
    more = [f"{name} {short(value)}" for name, value in record.items() if name not in _IN_ROW and _is_number(value)]
    row = "  ".join([row, *more]).rstrip()
    if _LENIENT not in record:
        return row
    bounds = record.get(f"{_LENIENT}_interval")
    low, high = bounds if isinstance(bounds, Sequence) and len(bounds) == len(("low", "high")) else (None, None)
    lenient = _EVALUATION_ROW.format(
        "  right value, any format", "", "", _score(record[_LENIENT]), _bounds(low, high), ""
    ).rstrip()
    return f"{row}\n{lenient}"


def _bounds(low: object, high: object) -> str:
    return "-" if low is None or high is None else f"[{_score(low)}, {_score(high)}]"


def _is_number(value: object) -> bool:
    return number_of(value) is not None


def _score(value: object) -> str:
    """A score or a bound of it, to three decimals, which is finer than any evaluation can tell."""
    number = number_of(value)
    return "-" if number is None else f"{number:.3f}"


def resume_command(folder: Path) -> str:
    """What one types to go on with a run."""
    return shlex.join(["marft", "train", "--resume", shown(folder)])


def shown(path: Path) -> str:
    """The path as one would type it here: relative if it lies below the working directory."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
