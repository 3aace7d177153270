"""Verdicts per second on model-written programs, in our sandbox and as others run them.

    python benchmarks/sandbox.py
    python benchmarks/sandbox.py --soak 100000    # no speed: does anything grow?

A *verdict* is `judge_all` on one program of a few lines that passes its tests. Beside it stand two other ways to run
it, each an interpreter of its own for every program, which reads the job as JSON and answers in JSON:

- `subprocess`: under rlimits and nothing else, so a program may read files, use the network and start processes;
- `bubblewrap`: the same in namespaces of its own, with the file system read-only, where `bwrap` may make them.

All by turns, a slice of each, repeat after repeat: a busy spell of the machine meets all of them alike, and what is
worth reading is their ratio. Latencies are of programs that run one by one, rates of 1 or 2 at once. *CPU-ms* are of
this process, its children and the fork servers with theirs, together, for one verdict.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

from benchmarks import sandbox_soak
from marft_envs.grading.programs import CallTest, Rules, StdioTest, Test
from marft_envs.grading.verdicts import judge_all
from marft_envs.sandbox.pool import Sandbox

RESULTS = Path(__file__).parent / "results" / "sandbox.json"
BATCH = 20
"""Programs that are judged in one call where a rate is measured."""
RULES = Rules()
_TICKS = os.sysconf("SC_CLK_TCK")
_BUBBLEWRAP = ("bwrap", "--unshare-all", "--die-with-parent", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc")
_DRIVER = """
import contextlib, io, json, resource, sys
for limit, value in ((resource.RLIMIT_CPU, 4), (resource.RLIMIT_AS, 2**29), (resource.RLIMIT_FSIZE, 2**18)):
    resource.setrlimit(limit, (value, value))
job = json.load(sys.stdin)
space = {"__name__": "program"}
code = compile(job["source"], "<program>", "exec")
if job["entry_point"]:
    exec(code, space)
    print(json.dumps([space[job["entry_point"]](*arguments) for arguments in job["inputs"]]))
else:
    sys.stdin = io.StringIO(job["inputs"][0])
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, space)
    print(json.dumps([printed.getvalue()]))
"""
_SUM_OF_ODD = """
def f(numbers):
    total = 0
    for number in numbers:
        if number % 2:
            total += number
    return total
"""
_PRINTS = "numbers = list(map(int, input().split()))\nprint(sum(number for number in numbers if number % 2))\n"


@dataclass(frozen=True)
class Task:
    """A program that passes its tests."""

    name: str
    source: str
    entry_point: str
    tests: tuple[Test, ...]


@dataclass(frozen=True)
class Way:
    """How programs are judged, so many at once."""

    name: str
    at_once: int
    verdicts: Callable[[Task, int], list[bool]]
    """A task, and how often -> whether it passed, each time."""
    servers: Callable[[], list[int]] = list
    """Processes that go on, and whose CPU time counts."""
    is_waited_for: bool = True
    """False where programs end as nobody's children, so that the kernel forgets their CPU time."""


@dataclass
class Figures:
    """What one way took for one task: a number for each slice, and for each latency."""

    task: str
    way: str
    at_once: int
    rates: list[float] = field(default_factory=list)
    """Verdicts per second."""
    cpu_ms: list[float] = field(default_factory=list)
    """For one verdict; empty where nobody counts them."""
    latencies_ms: list[float] = field(default_factory=list)


def tasks() -> list[Task]:
    """From one call to a hundred, with large inputs, and a script."""
    return [
        Task("10 calls", _SUM_OF_ODD, "f", _calls(10)),
        Task("1 call", _SUM_OF_ODD, "f", _calls(1)),
        Task("100 calls", _SUM_OF_ODD, "f", _calls(100)),
        Task("1 MB of inputs", "def f(text): return len(text)", "f", (CallTest(("x" * 10**6,), 10**6),)),
        Task("a script", _PRINTS, "", (StdioTest("1 2 3 4 5\n", "9\n"),)),
    ]


def _calls(count: int) -> tuple[Test, ...]:
    lists = [list(range(first, first + 10)) for first in range(count)]
    return tuple(CallTest((numbers,), sum(number for number in numbers if number % 2)) for numbers in lists)


def ways(sandboxes: Sequence[Sandbox]) -> list[Way]:
    """Ours with the workers of each sandbox, then the others as far as they are to be had."""
    made = [Way("sandbox", box.num_workers, partial(_ours, box), box.pids) for box in sandboxes]
    for name, prefix in (("subprocess", ()), ("bubblewrap", _BUBBLEWRAP)):
        if not prefix or missing(prefix) == "":
            made += [
                Way(name, box.num_workers, partial(_others, prefix, box.num_workers), is_waited_for=not prefix)
                for box in sandboxes
            ]
    return made


def missing(command: Sequence[str]) -> str:
    """Why programs cannot be run so, or nothing."""
    if shutil.which(command[0]) is None:
        return "not installed"
    tried = subprocess.run([*command, "true"], capture_output=True, check=False)
    return "" if tried.returncode == 0 else "cannot make a user namespace"


def _ours(sandbox: Sandbox, task: Task, count: int) -> list[bool]:
    verdicts = judge_all([task.source] * count, task.entry_point, task.tests, RULES, sandbox=sandbox)
    return [verdict.passed for verdict in verdicts]


def _others(prefix: Sequence[str], at_once: int, task: Task, count: int) -> list[bool]:
    if count == 1:
        return [_other(prefix, task)]
    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(lambda _: _other(prefix, task), range(count)))


def _other(prefix: Sequence[str], task: Task) -> bool:
    inputs = [test.arguments if isinstance(test, CallTest) else test.stdin for test in task.tests]
    job = json.dumps({"source": task.source, "entry_point": task.entry_point, "inputs": inputs})
    command = [*prefix, sys.executable, "-I", "-S", "-c", _DRIVER]
    ended = subprocess.run(command, input=job, capture_output=True, text=True, timeout=60, check=True)
    return bool(json.loads(ended.stdout) == [test.expected for test in task.tests])


# -- measuring ---------------------------------------------------------------------------------------------------------


def cpu_seconds(servers: Sequence[int]) -> float:
    """Of this process, of children that it waited for, and of servers with those they waited for.

    A server counts in ticks of the kernel, a hundredth of a second.
    """
    mine, waited = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    ticks = 0
    for server in servers:
        fields = Path(f"/proc/{server}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15]))  # utime, stime, cutime, cstime
    return mine.ru_utime + mine.ru_stime + waited.ru_utime + waited.ru_stime + ticks / _TICKS


def measure(way: Way, task: Task, figures: Figures, slice_s: float) -> None:
    """One slice for the rate, then one for latencies.

    Raises: RuntimeError if a program does not pass, which would be another thing to measure.
    """
    count = 0
    began, cpu_began = perf_counter(), cpu_seconds(way.servers())
    while not count or perf_counter() - began < slice_s:  # once at least, however busy the machine is
        count += _passed(way.verdicts(task, BATCH))
    figures.rates.append(count / (perf_counter() - began))
    if way.is_waited_for:
        figures.cpu_ms.append(1e3 * (cpu_seconds(way.servers()) - cpu_began) / count)
    began = perf_counter()
    while (now := perf_counter()) - began < slice_s:
        _passed(way.verdicts(task, 1))
        figures.latencies_ms.append(1e3 * (perf_counter() - now))


def _passed(verdicts: Sequence[bool]) -> int:
    if not all(verdicts):
        raise RuntimeError("a right program failed")
    return len(verdicts)


def compare(all_tasks: Sequence[Task], all_ways: Sequence[Way], repeats: int, slice_s: float) -> list[Figures]:
    """Everything once to warm up, then a slice of each by turns. One at once is measured for the first task alone."""
    pairs = [(task, way) for task in all_tasks for way in all_ways if task is all_tasks[0] or way.at_once > 1]
    figures = [Figures(task.name, way.name, way.at_once) for task, way in pairs]
    for task, way in pairs:
        way.verdicts(task, BATCH)
    for _ in range(repeats):
        for (task, way), own in zip(pairs, figures, strict=True):
            measure(way, task, own, slice_s)
    return figures


def rows(figures: Sequence[Figures]) -> list[list[str]]:
    """A line for each, its rate also as a multiple of the subprocess's for the same task."""
    plain = {own.task: own for own in figures if (own.way, own.at_once) == ("subprocess", figures[-1].at_once)}
    return [_row(own, plain[own.task]) for own in figures]


def _row(own: Figures, plain: Figures) -> list[str]:
    latencies = sorted(own.latencies_ms)
    late = latencies[int(0.95 * len(latencies))]
    rates = [median(own.rates), min(own.rates), max(own.rates)]
    return [
        *(own.task, own.way, str(own.at_once)),
        *(f"{rate:.0f}" for rate in rates),
        f"{rates[0] / median(plain.rates):.2f}×",
        *(f"{milliseconds:.1f}" for milliseconds in (median(latencies), late)),
        f"{median(own.cpu_ms):.1f}" if own.cpu_ms else "",
    ]


HEADERS = ("task", "way", "at once", "verdicts/s", "lowest", "highest", "ratio", "p50 ms", "p95 ms", "CPU-ms")


def show(lines: Sequence[Sequence[str]]) -> None:
    """A table in Markdown, to read and to paste."""
    print("| " + " | ".join(HEADERS) + " |")
    print("|---|---|" + "--:|" * (len(HEADERS) - 2))
    for line in lines:
        print("| " + " | ".join(line) + " |")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table, keep the numbers."""
    parser = argparse.ArgumentParser(description="Verdicts per second on model-written programs.")
    parser.add_argument("--repeats", type=int, default=9, help="slices of everything, by turns (default: 9)")
    parser.add_argument("--slice-s", type=float, default=0.5, help="wall seconds of a slice (default: 0.5)")
    parser.add_argument("--soak", type=int, default=0, metavar="N", help="run N mixed programs, and see what grows")
    parser.add_argument("--out", type=Path, default=RESULTS, help="JSON file for the numbers")
    options = parser.parse_args(arguments)
    if options.soak:
        sys.exit(sandbox_soak.main(options.soak))
    sandboxes = [Sandbox(1), Sandbox(2)]
    figures = compare(tasks(), ways(sandboxes), options.repeats, options.slice_s)
    for box in sandboxes:
        box.close()
    show(rows(figures))
    if reason := missing(_BUBBLEWRAP):
        print(f"bubblewrap was not measured: {reason}")
    record = {
        "machine": platform.platform(),
        "num_cpus": os.cpu_count(),
        "load_average": os.getloadavg(),
        "python": platform.python_version(),
        "figures": [asdict(own) for own in figures],
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(
        f"\n{record['machine']}, {record['num_cpus']} cores, load {os.getloadavg()[0]:.1f}; Python "
        f"{record['python']}; {options.repeats} slices of {options.slice_s} s\n"
        f"The numbers are in {options.out}"
    )


if __name__ == "__main__":
    main()
