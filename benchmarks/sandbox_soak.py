"""Runs very many programs, most of them bad, and looks for what grows: processes, descriptors, memory.

    python benchmarks/sandbox.py --soak 100000

Every batch of a hundred has right programs, errors, crashes, hoarders of memory, floods, exits and endless recursion;
every tenth one program that never ends, and every fiftieth loses a fork server to SIGKILL. Each run must end as its
program wants it. Counted after the first tenth, in the middle and at the end.
"""

import os
import resource
import signal
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from marft_envs.sandbox.pool import Sandbox
from marft_envs.sandbox.runs import Calls, Limits, Run, Script

NUM_WORKERS = 2
BATCH = 100
ENDLESS_EVERY, KILL_EVERY = 10, 50
"""Batches."""
MOST_NEW_BYTES = 8 * 2**20
"""Of resident memory, in this process or in a server, after the first tenth; a kilobyte a run would be 90 MB."""
_LIMITS = Limits(cpu_s=5.0, wall_s=60.0)
_LITTLE = Limits(cpu_s=0.05, wall_s=60.0)
_ENDLESS = Script("while True: pass")

PROGRAMS: tuple[tuple[int, Calls | Script, str], ...] = (
    (50, Calls("def f(n): return [n] * n", "f", tuple((n,) for n in range(10))), "finished"),
    (10, Script("print(sum(map(int, input().split())))", "1 2 3\n"), "finished"),
    (10, Calls("def f(n): return 1 / n", "f", ((0,), (1,))), "finished"),
    (5, Calls("def f(: pass", "f", ((1,),)), "finished"),
    (4, Calls("def f(n): return (m for m in n)", "f", (([1],),)), "finished"),
    (4, Calls("def f(n): return f(n)", "f", ((1,),)), "finished"),
    (4, Calls("def f(n): return len(bytearray(n))", "f", ((2**30,),)), "finished"),
    (4, Script("import ctypes\nctypes.string_at(0)"), "crashed"),
    (4, Script("import os\nos._exit(3)"), "exited"),
    (3, Script("raise SystemExit(4)"), "exited"),
    (2, Script("while True: print('x' * 10000)"), "output"),
)
"""How many of a hundred, what is run, and how it ends."""


@dataclass(frozen=True)
class Held:
    """What is held at one moment."""

    processes: int
    """Below this one, dead ones that nobody waited for included."""
    descriptors: tuple[int, ...]
    """Open in this process, then in each server."""
    resident: tuple[int, ...]
    """Bytes of memory, likewise."""

    def __str__(self) -> str:
        sizes = ", ".join(f"{size / 2**20:.1f}" for size in self.resident)
        return f"{self.processes} processes; descriptors {self.descriptors}; resident MiB {sizes}"


def held(sandbox: Sandbox, others: Set[int]) -> Held:
    """By this process and the sandbox's servers, now, without other processes that were there before."""
    pids = [os.getpid(), *sorted(sandbox.pids())]
    return Held(
        processes=len(below(os.getpid()) - others),
        descriptors=tuple(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids),
        resident=tuple(_resident(pid) for pid in pids),
    )


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()


def below(root: int) -> set[int]:
    """All processes that descend from this one."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                fields = (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            except OSError:  # it has ended meanwhile
                continue
            parents[int(entry.name)] = int(fields[1])
    found = {root}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {root}


def growth(first: Held, later: Held) -> list[str]:
    """What there is more of than may be, in words."""
    found = []
    if later.processes > first.processes:
        found.append(f"{later.processes} processes instead of {first.processes}")
    if sum(later.descriptors) > sum(first.descriptors):
        found.append(f"descriptors {later.descriptors} instead of {first.descriptors}")
    if any(now - then > MOST_NEW_BYTES for then, now in zip(first.resident, later.resident, strict=True)):
        found.append("more memory than may be")
    return found


def surprises(sandbox: Sandbox, num_runs: int) -> Iterator[str]:
    """Runs so many programs, a batch at a time; yields, for every batch, what ended as it should not, if anything."""
    jobs = [(job, ending) for count, job, ending in PROGRAMS for _ in range(count)]
    for batch in range(-(-num_runs // BATCH)):
        if batch % KILL_EVERY == KILL_EVERY - 1:
            os.kill(sandbox.pids()[0], signal.SIGKILL)
        runs = sandbox.run_all([job for job, _ in jobs], _LIMITS)
        wrong = _wrong(runs, [ending for _, ending in jobs])
        if batch % ENDLESS_EVERY == 0:
            wrong += _wrong([sandbox.run(_ENDLESS, _LITTLE)], ["time"])
        yield ", ".join(f"{count} {what}" for what, count in wrong.items())


def _wrong(runs: Sequence[Run], endings: Sequence[str]) -> Counter[str]:
    return Counter(
        f"{run.ending} for {ending}" for run, ending in zip(runs, endings, strict=True) if run.ending != ending
    )


def main(num_runs: int) -> int:
    """Prints what is held as it goes; 1 if anything grew or ended as it should not."""
    num_batches = -(-num_runs // BATCH)
    looks = {(num_batches - 1) // 10, num_batches // 2, num_batches - 1}
    found: list[str] = []
    began, first = perf_counter(), None
    others = below(os.getpid())
    sandbox = Sandbox(NUM_WORKERS)
    for batch, surprise in enumerate(surprises(sandbox, num_runs)):
        found += [surprise] if surprise else []
        if batch in looks:
            now = held(sandbox, others)
            print(f"{(batch + 1) * BATCH:>8} runs, {perf_counter() - began:.0f} s: {now}", flush=True)
            first = first or now
            found += growth(first, now)
    sandbox.close()
    if left := len(below(os.getpid()) - others):
        found.append(f"{left} processes are left after closing")
    print("\n".join(f"FAILED: {what}" for what in found) or "Nothing grew, and every run ended as it should.")
    return 1 if found else 0
