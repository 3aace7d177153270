"""Memory of a team: the peak of fresh processes that train a solo, a duo, …, an octet for one iteration.

    python benchmarks/memory.py

Each team plays the same number of episodes of `math/pipeline-v0`, with one round, and learns from them once: what
`marft train` does, without evaluations. All agents have an adapter of their own on one base model. The peak is
the operating system's for that process (resident set, MiB), and contains Python, torch, the model, and activations.
The first team is the duo unless `--teams` begins with another.

What the operating system counts is not what is in use: memory that was freed, and that the allocator has kept because
nothing fits into its holes, is counted too. So allocators are compared (`--allocators`): the system's own as it is
(*default*), the same told to give every block of 128 KiB or more back as soon as it is freed (*mmap*, by the variable
`MALLOC_MMAP_THRESHOLD_`, which glibc reads), and any library given by its path, which is loaded before (`LD_PRELOAD`).
Ratios are to the first team with the same allocator.

Activations grow with the distinct tokens of a forward and backward pass, up to `--max-packed-tokens`; and a larger team
reads more, since everybody reads those before. So there are two questions: what does a larger team take at the
defaults, and what if passes are equally large? For the second, give a bound that a duo reaches.

With `--second-base MODEL` every team is measured once more with its last agent on that model: whatever the size of the
team, it should cost what that model weighs, and no more.
"""

import os
import sys
import tempfile
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from statistics import median
from typing import NamedTuple

import marft_envs
from benchmarks.measuring import parser, progress, run_fresh, set_up, show, spread, write_json

TEAMS = ("duo", "solo", "trio", "quartet", "octet")
QUICK = ("duo", "octet")
ROOT = Path(__file__).parents[1]
ALLOCATORS: dict[str, dict[str, str]] = {"default": {}, "mmap": {"MALLOC_MMAP_THRESHOLD_": str(128 * 1024)}}
"""Environment variables of each."""


class Contestant(NamedTuple):
    """What is measured."""

    allocator: str
    second_base: str | None
    team: str

    @property
    def label(self) -> str:
        """Its name in the table."""
        return self.team if self.second_base is None else f"{self.team}, two bases"


def last_agent(team: str) -> str:
    """The name of the one that acts last."""
    return marft_envs.make("math/pipeline-v0", team=team, horizon=1).possible_agents[-1]


def train(team: str, allocator: str, second_base: str | None, options: dict[str, object]) -> tuple[float, float]:
    """Peak in MiB and CPU-seconds of one iteration; `second_base` is the last agent's, if it has one of its own."""
    variables = ALLOCATORS.get(allocator, {"LD_PRELOAD": allocator})
    with tempfile.TemporaryDirectory() as folder:
        words = [
            *(sys.executable, "-W", "ignore", "-m", "baselines.cli", "train"),
            *("--env-id", "math/pipeline-v0", "--env-options", "team", team, "horizon", "1"),
            *("--num-iterations", "1", "--eval-instances", "0", "--run-dir", str(Path(folder) / "run")),
        ]
        for name, value in options.items():
            words += [f"--{name}", *(map(str, value) if isinstance(value, list) else [str(value)])]
        if second_base is not None:
            words += ["--model-by-role", last_agent(team), second_base]
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        log = Path(folder) / "log"
        peak, cpu_s = run_fresh(words, os.environ | {"PYTHONPATH": path} | variables, log)
    return peak, cpu_s


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table, keep the numbers."""
    made = parser("Peak memory of teams by size.", "memory", repeats=3)
    made.add_argument("--episodes", type=int, default=16, help="of each team (default: 16)")
    made.add_argument("--max-packed-tokens", type=int, default=1024, help="of a pass (default: 1024, as when training)")
    made.add_argument("--teams", nargs="+", choices=TEAMS, help="default: all of them")
    made.add_argument(
        "--allocators",
        nargs="+",
        default=list(ALLOCATORS),
        metavar="ALLOCATOR",
        help="default, mmap or the path of a library (default: default mmap)",
    )
    made.add_argument("--second-base", metavar="MODEL", help="measure teams with their last agent on it, too")
    made.add_argument("--path", default="packed", help="packed or plain (default: packed)")
    options = made.parse_args(arguments)
    for allocator in options.allocators:
        if allocator not in ALLOCATORS and not Path(allocator).is_file():  # the loader would go on without it
            made.error(f"no allocator and no library {allocator!r}: give {', '.join(ALLOCATORS)} or the path of a file")
    set_up(options)
    settings: dict[str, object] = {
        "model": options.model,
        "threads": options.threads,
        "dtype": options.dtype,
        "matmul-precision": options.matmul_precision,
        "update-path": options.path,
        "episodes-per-iteration": options.episodes,
        "max-packed-tokens": options.max_packed_tokens,
        "lora-targets": options.lora_targets,
    }
    if options.attn_implementation is not None:
        settings["attn-implementation"] = options.attn_implementation
    teams = options.teams or (QUICK if options.quick else TEAMS)
    bases = (None,) if options.second_base is None else (None, options.second_base)
    contestants = [Contestant(*one) for one in product(options.allocators, bases, teams)]
    peaks: dict[Contestant, list[float]] = {one: [] for one in contestants}
    cpu_s: dict[Contestant, list[float]] = {one: [] for one in contestants}
    for _ in range(options.repeats):
        for one in contestants:
            progress(f"memory, {one.label}, {one.allocator}")
            peak, cpu = train(one.team, one.allocator, one.second_base, settings)
            peaks[one].append(peak)
            cpu_s[one].append(cpu)
    rows = [
        [
            one.label,
            Path(one.allocator).name,
            *(f"{float(value):.0f}" for value in spread(own)),
            f"{median(own) / median(peaks[Contestant(one.allocator, None, teams[0])]):.2f}×",
            *spread(cpu_s[one]),
        ]
        for one, own in peaks.items()
    ]
    headers = ("team", "allocator", "peak MiB", "lowest", "highest", "ratio", "CPU-s", "lowest", "highest")
    show("Memory", headers, rows, markdown=options.markdown)
    kept = [
        {
            "team": one.team,
            "allocator": one.allocator,
            "second_base": one.second_base,
            "peak_mib": own,
            "cpu_s": cpu_s[one],
        }
        for one, own in peaks.items()
    ]
    write_json(options, kept)


if __name__ == "__main__":
    main()
