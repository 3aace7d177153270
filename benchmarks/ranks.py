"""An iteration of training by one process, by two that share it, and by one with two threads.

    python benchmarks/ranks.py
    python benchmarks/ranks.py --processes 4 --threads-of-one 4    # on a machine with four cores

`marft train dr_mas` is started anew for each contestant, by turns: alone with one thread, by `torchrun` with one thread
each, alone with as many threads. Every run makes a few iterations on the same seed; the first does not count. *Wall s*
is what an iteration takes (collecting and learning), *CPU-s* that of all processes together. What is worth reading is
wall time, so nothing else may run on the machine: the load that is printed below the table tells.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

from benchmarks.measuring import TIME_HEADERS, Times, number, parser, progress, run_fresh, set_up, show, write_json

ROOT = Path(__file__).parents[1]
ITERATIONS = 3


@dataclass(frozen=True)
class Layout:
    """Who shares the work."""

    processes: int
    threads: int

    @property
    def name(self) -> str:
        """For the table."""
        return f"{self.processes} × {self.threads} thread{'s' if self.threads > 1 else ''}"

    @property
    def launcher(self) -> list[str]:
        """What a command begins with."""
        alone = [sys.executable, "-m"]
        launched = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
        return alone if self.processes == 1 else [*launched, str(self.processes), "-m"]


def train(options: argparse.Namespace, layout: Layout, folder: Path) -> tuple[list[float], list[float]]:
    """Wall and CPU seconds of each iteration but the first.

    Raises: `RuntimeError` if the run fails.
    """
    settings = {
        "model": options.model,
        "dtype": options.dtype,
        "threads": layout.threads,
        "matmul-precision": options.matmul_precision,
        "run-dir": folder / "run",
        "num-iterations": ITERATIONS,
        "eval-instances": 0,
        "checkpoint-every": ITERATIONS,
    }
    sizes = {"episodes-per-iteration": 4, "samples-per-instance": 2, "max-new-tokens": 2} if options.quick else {}
    words = [word for name, value in {**settings, **sizes}.items() for word in (f"--{name}", str(value))]
    targets = ["--lora-targets", *options.lora_targets]
    environment = os.environ | {"OMP_NUM_THREADS": str(layout.threads), "PYTHONPATH": str(ROOT)}
    command = [*layout.launcher, "baselines.cli", "train", "dr_mas", *words, *targets]
    run_fresh(command, environment, folder / "log.txt")
    lines = (folder / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    wall = [record["time/collect_s"] + record["time/learn_s"] for record in records[1:]]
    return wall, [later["cpu_s"] - earlier["cpu_s"] for earlier, later in pairwise(records)]


def measure(options: argparse.Namespace) -> list[Times]:
    """Everybody by turns."""
    layouts = [Layout(1, 1), Layout(options.processes, 1), Layout(1, options.threads_of_one)]
    times = [Times(layout.name) for layout in layouts]
    for repeat in range(options.repeats):
        for layout, own in zip(layouts, times, strict=True):
            progress(f"{layout.name}, repeat {repeat + 1}")
            with tempfile.TemporaryDirectory(prefix="ranks-") as folder:
                wall, cpu = train(options, layout, Path(folder))
            own.wall_s += wall
            own.cpu_s += cpu
    return times


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table, keep the numbers."""
    made = parser("An iteration by one process, by several, and by one with several threads.", "ranks", repeats=2)
    made.add_argument("--processes", type=int, default=2, help="that share an iteration (default: 2)")
    made.add_argument("--threads-of-one", type=int, default=2, help="of the process that is alone (default: 2)")
    options = made.parse_args(arguments)
    set_up(options)
    times = measure(options)
    first = median(times[0].wall_s)
    rows = [[own.name, *own.cells, f"{median(own.wall_s) / first:.2f}×", number(min(own.wall_s))] for own in times]
    headers = ("processes", *TIME_HEADERS, "ratio of wall s", "least wall s")
    show("An iteration", headers, rows, markdown=options.markdown)
    write_json(options, [own.record() for own in times])


if __name__ == "__main__":
    main()
