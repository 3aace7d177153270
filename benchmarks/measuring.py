"""How the benchmarks of the training step measure: contestants by turns, medians with their spread, one JSON file.

Everything that is compared runs in one process (or, where memory is compared, in fresh ones), first one then the other,
repeat after repeat: a busy spell of the machine meets all of them alike, and what is worth reading is their ratio.
*CPU-seconds* are those of this process, all its threads; *wall seconds* contain whatever else the machine did.
"""

import argparse
import json
import os
import platform
import resource
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

import torch
from rich.console import Console
from rich.table import Table
from transformers.utils.logging import disable_progress_bar

from baselines.policies.adapted import Compute
from baselines.policies.loading import ALL_LINEAR, Lora
from baselines.policies.team import Team
from baselines.runs.circumstances import processor

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("torch", "transformers", "peft", "accelerate", "trl", "comlrl", "numpy")
"""Whose versions are kept beside the numbers."""
_KIB = 1024


@dataclass(frozen=True)
class Contestant:
    """Something that is measured."""

    name: str
    run: Callable[[], object]


@dataclass
class Times:
    """What one contestant took, a number per repeat."""

    name: str
    cpu_s: list[float] = field(default_factory=list)
    wall_s: list[float] = field(default_factory=list)
    _began: tuple[float, float] = (0.0, 0.0)

    @property
    def median(self) -> float:
        """Median CPU-seconds."""
        return median(self.cpu_s)

    @property
    def cells(self) -> list[str]:
        """For a table: median, lowest and highest CPU-seconds, median wall seconds."""
        return [*spread(self.cpu_s), number(median(self.wall_s))]

    def record(self) -> dict[str, object]:
        """For JSON."""
        return {"name": self.name, "cpu_s": self.cpu_s, "wall_s": self.wall_s}

    def start(self) -> None:
        """The clock runs from here."""
        self._began = process_time(), perf_counter()

    def stop(self) -> None:
        """Keep how long it has run."""
        cpu, wall = self._began
        self.cpu_s.append(process_time() - cpu)
        self.wall_s.append(perf_counter() - wall)

    def take(self, run: Callable[[], object]) -> None:
        """Run once and keep how long it took."""
        self.start()
        run()
        self.stop()

    def forget(self, warmup: int) -> None:
        """Leave the first repeats out."""
        del self.cpu_s[:warmup], self.wall_s[:warmup]


TIME_HEADERS = ("CPU-s", "lowest", "highest", "wall s")
"""Of `Times.cells`."""


def alternate(contestants: Sequence[Contestant], repeats: int, warmup: int = 1) -> list[Times]:
    """Everybody in turn, repeat after repeat; the first `warmup` repeats do not count."""
    for _ in range(warmup):
        for contestant in contestants:
            contestant.run()
    times = [Times(contestant.name) for contestant in contestants]
    for _ in range(repeats):
        for contestant, own in zip(contestants, times, strict=True):
            own.take(contestant.run)
    return times


def number(value: float) -> str:
    """Three digits, as tables have them."""
    digits = 2 if abs(value) < 10 else 1  # noqa: PLR2004  # 9.87, 98.7
    return f"{value:.{digits}f}"


def spread(values: Sequence[float]) -> list[str]:
    """Median, lowest, highest."""
    return [number(median(values)), number(min(values)), number(max(values))]


def ratio(times: Times, reference: Times) -> list[str]:
    """Of medians, with the lowest and highest ratio of any one repeat: both met the machine in the same state there."""
    each = [own / other for own, other in zip(times.cpu_s, reference.cpu_s, strict=True)]
    return [f"{times.median / reference.median:.2f}×", f"{min(each):.2f}–{max(each):.2f}"]


def show(title: str, headers: Sequence[str], rows: Sequence[Sequence[object]], *, markdown: bool) -> None:
    """Print a table, as Markdown to paste or drawn for a terminal; numbers stand on the right."""
    texts = [[str(cell) for cell in row] for row in rows]
    numeric = [column > 0 and all(_is_number(row[column]) for row in texts) for column in range(len(headers))]
    if markdown:
        print(f"\n{title}\n")
        print("| " + " | ".join(headers) + " |")
        print("|" + "|".join("--:" if is_number else "---" for is_number in numeric) + "|")
        for row in texts:
            print("| " + " | ".join(row) + " |")
        return
    table = Table(title=title, title_justify="left")
    for header, is_number in zip(headers, numeric, strict=True):
        table.add_column(header, justify="right" if is_number else "left")
    for row in texts:
        table.add_row(*row)
    # Piped into a file nothing is cut off for want of width.
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def progress(text: str) -> None:
    """Say what is being measured, beside the output."""
    print(f"{datetime.now().astimezone():%H:%M:%S} {text}", file=sys.stderr, flush=True)


def _is_number(cell: str) -> bool:
    return not cell or not any(letter.isalpha() for letter in cell.replace("e-", ""))


# -- options and circumstances -----------------------------------------------------------------------------------------


def parser(description: str, name: str, *, repeats: int) -> argparse.ArgumentParser:
    """The options that all these benchmarks have."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--model", default="smollm2-135m", help="a name, a folder or a hub id")
    made.add_argument("--repeats", type=int, default=repeats, help=f"of everybody, by turns (default: {repeats})")
    made.add_argument("--threads", type=int, default=1, help="of torch (default: 1)")
    made.add_argument("--dtype", default="float32", help="of the base model: float32 or bfloat16")
    made.add_argument("--matmul-precision", default="highest", help="highest, high or medium, as torch names it")
    made.add_argument("--attn-implementation", default=None, help="eager or sdpa; default: what Transformers chooses")
    made.add_argument("--lora-targets", nargs="+", default=[ALL_LINEAR], help="linear layers, e.g. q_proj v_proj")
    made.add_argument("--quick", action="store_true", help="the smallest sizes, to see that it runs")
    made.add_argument("--markdown", action="store_true", help="print tables as Markdown")
    made.add_argument("--json", type=Path, default=RESULTS / f"{name}.json", help="file for all numbers")
    return made


def add_cases(made: argparse.ArgumentParser, groups: str, note: str = "") -> None:
    """The options of benchmarks of a whole step: `groups` is what each case has so many samples of."""
    made.add_argument("--warmup", type=int, default=1, help="steps that do not count (default: 1)")
    made.add_argument(
        "--case",
        nargs=4,
        type=int,
        action="append",
        metavar=(groups, "SAMPLES", "NEW_TOKENS", "PROMPT_TOKENS"),
        help=f"instead of the list of cases; may be given again{note}",
    )


def set_up(options: argparse.Namespace) -> None:
    """Threads and precision of this process; and the same draws every time."""
    torch.set_num_threads(options.threads)
    torch.set_float32_matmul_precision(options.matmul_precision)
    torch.manual_seed(0)
    disable_progress_bar()  # of loading weights; a table is all that is printed


def load_team(options: argparse.Namespace, agents: Sequence[str], compute: Compute | None = None) -> Team:
    """A team with the options' model and adapters."""
    return Team.load(
        agents,
        model=options.model,
        lora=Lora(target_modules=tuple(options.lora_targets)),
        dtype=options.dtype,
        attn_implementation=options.attn_implementation,
        compute=compute,
    )


def circumstances(options: argparse.Namespace) -> dict[str, object]:
    """What the numbers depend on beside the code."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": processor(),
        "num_cpus": os.cpu_count(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "load_average": os.getloadavg(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PACKAGES},
        "threads": torch.get_num_threads(),
        "matmul_precision": torch.get_float32_matmul_precision(),
        "options": {name: str(value) for name, value in vars(options).items()},
    }


def peak_mib() -> float:
    """The most memory that this process has had resident so far, in MiB."""
    return _maxrss_mib(resource.getrusage(resource.RUSAGE_SELF))


def _maxrss_mib(usage: "resource.struct_rusage") -> float:
    return usage.ru_maxrss / (_KIB * _KIB if sys.platform == "darwin" else _KIB)  # bytes there, KiB on Linux


def run_fresh(words: Sequence[str], environment: Mapping[str, str], log: Path) -> tuple[float, float]:
    """Run a command in a process of its own, its output in `log`; its peak memory in MiB, and its CPU-seconds.

    Not below this process's own peak: on Linux a new process starts with what its parent had resident.

    Raises: `RuntimeError` if it fails.
    """
    with log.open("wb") as output:
        actions = [(os.POSIX_SPAWN_DUP2, output.fileno(), number) for number in (1, 2)]
        pid = os.posix_spawn(words[0], list(words), dict(environment), file_actions=actions)
        _, status, usage = os.wait4(pid, 0)
    if status != 0:
        told = log.read_text(encoding="utf-8", errors="replace")[-2000:]
        raise RuntimeError(f"{' '.join(words)} ended with {os.waitstatus_to_exitcode(status)}: {told}")
    return _maxrss_mib(usage), usage.ru_utime + usage.ru_stime


def write_json(options: argparse.Namespace, results: object) -> None:
    """Keep all numbers, with what they depend on."""
    record = circumstances(options) | {"peak_mib": round(peak_mib()), "results": results}
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(f"\n{summary(options)}\nThe numbers are in {options.json}")


def summary(options: argparse.Namespace) -> str:
    """One line on where and how it was measured, to paste below a table."""
    found = circumstances(options)
    versions = ", ".join(f"{name} {_version(name)}" for name in PACKAGES[:3])
    return (
        f"{str(found['date'])[:10]}, {found['processor']}, {found['num_cpus']} cores, load "
        f"{os.getloadavg()[0]:.1f}; Python {found['python']}, {versions}; {found['threads']} thread(s), "
        f"{options.dtype}, matmul_precision {found['matmul_precision']}; {options.repeats} repeats"
    )


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
