"""Episodes replayed per CPU-second: what it takes to validate an entry of the leaderboard, task by task.

    python benchmarks/replay.py
    python benchmarks/replay.py --tracks small --repeats 5 --markdown

Every task of a track is played by a mixture of the suite's scripts, now right, now noise, now an echo; its log is then
replayed as `marft leaderboard validate` does it, in this process, by turns: a part of each task, then the next repeat,
so that a busy spell of the machine meets all of them alike. *CPU-seconds* are those of this process and of the sandbox
that it has started, where programs run.

Three parts of it are told: *parsing*, from bytes to an episode; *drawing*, the reset that draws the instance again; and
the *rest*: steps, rewards, graders, comparing every value and every byte, and the figures. Two things are told besides,
which do not come for every episode: *making* the environment, once for each process that replays; and *finding* the
instance of a seed, which are draws until one belongs to the split, once for each instance of a season.
"""

import argparse
import json
import os
import platform
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from statistics import fmean, median
from time import process_time

from rich.console import Console
from rich.table import Table

from leaderboard.behaviour import make
from leaderboard.replaying import Part, environment, in_parts, replayed
from leaderboard.tracks import TRACKS, Instance, Task, tasks_of
from marft_envs import SCRIPTED_PLAYS, FlexMG, log_lines, play, read_episodes

RESULTS = Path(__file__).parent / "results" / "replay.json"
FIRST_SEED = 2**41
"""Any would do; a season's would take longer to find."""
STYLES = ("reference", "reference", "random", "echo")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_USER, _CHILDREN_SYSTEM = 11, 15
"""Fields of /proc/PID/stat behind the name: time of the process and of its children, in user and in system mode."""


@dataclass
class Measured:
    """One task."""

    key: str
    episodes: int
    """Replayed in each repeat."""
    turns: float
    """Of an episode, on average."""
    making_s: float
    """CPU-seconds until there is an environment, once for each process."""
    total_s: list[float] = field(default_factory=list)
    """CPU-seconds of each repeat."""
    parsing_s: list[float] = field(default_factory=list)
    drawing_s: list[float] = field(default_factory=list)
    finding_s: list[float] = field(default_factory=list)

    def rates(self) -> list[float]:
        """Episodes per CPU-second, of each repeat."""
        return [self.episodes / max(seconds, 1e-9) for seconds in self.total_s]

    def shares(self) -> tuple[float, float, float]:
        """Of parsing, drawing and the rest, 0 to 1; by medians."""
        whole = max(median(self.total_s), 1e-9)
        parsing, drawing = (min(median(own) / whole, 1.0) for own in (self.parsing_s, self.drawing_s))
        return parsing, drawing, max(1.0 - parsing - drawing, 0.0)


def cpu_s() -> float:
    """Of this process and of all that it has started, as far as the system tells."""
    return process_time() + sum(map(_ticks, _children())) / _TICKS_PER_S


def _children() -> list[str]:
    try:
        return Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    except OSError:  # not Linux
        return []


def _ticks(pid: str) -> int:
    try:
        told = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # it has ended
        return 0
    return sum(map(int, told[_USER:_CHILDREN_SYSTEM]))


def mixed(env: FlexMG, agent: str) -> str:
    """Now right, now noise, now an echo."""
    drawn = random.Random(f"{env.episode_seed} {agent} {len(env.messages(agent))}")
    return SCRIPTED_PLAYS[drawn.choice(STYLES)](env, agent)


def parts_of(task: Task, num_episodes: int) -> list[Part]:
    """A log of a task, as validation takes it apart."""
    env = make(task.env_id, task.level, task.options)
    played, instances = [], []
    for seed in range(FIRST_SEED, FIRST_SEED + num_episodes):
        played.append(play(env, lambda agent, _: mixed(env, agent), seed=seed))
        instances.append(Instance(seed, env.draw_state))
    lines = [tuple([line.encode() for line in log_lines(episode)]) for episode in played]
    return list(in_parts(task, {}, instances, lines, answers=False))


def took(run: Callable[[], object]) -> float:
    """CPU-seconds of a call."""
    begins = cpu_s()
    run()
    return cpu_s() - begins


def _replay(parts: Sequence[Part]) -> None:
    for part in parts:
        found = replayed(part)
        assert not found.findings, found.findings


def _parse(parts: Sequence[Part]) -> None:
    for part in parts:
        for lines in part.episodes:
            list(read_episodes(lines))


def _draw(parts: Sequence[Part], *, at_once: bool = True) -> None:
    for part in parts:
        env = environment(part.task)
        for seed, draw_state in part.instances:
            env.reset(seed=seed, draw_state=draw_state if at_once else "")


_find = partial(_draw, at_once=False)


def _mean_turns(parts: Sequence[Part]) -> float:
    return fmean(len(lines) - 2 for part in parts for lines in part.episodes)  # a header before, an end behind


def measure(tasks: Sequence[Task], repeats: int, num_episodes: int) -> list[Measured]:
    """All tasks by turns; the first repeat does not count."""
    logs = [parts_of(task, num_episodes) for task in tasks]
    environment.cache_clear()
    found = [
        Measured(task.key, num_episodes, _mean_turns(parts), took(partial(environment, task)))
        for task, parts in zip(tasks, logs, strict=True)
    ]
    for repeat in range(repeats + 1):
        for one, parts in zip(found, logs, strict=True):
            times = [took(partial(run, parts)) for run in (_replay, _parse, _draw, _find)]
            if repeat:
                for own, seconds in zip((one.total_s, one.parsing_s, one.drawing_s, one.finding_s), times, strict=True):
                    own.append(seconds)
    return found


HEADERS = (
    "task",
    "turns",
    "episodes per CPU-s",
    "lowest",
    "highest",
    "parsing",
    "drawing",
    "rest",
    "making, ms",
    "finding, ms",
)


def row_of(one: Measured) -> list[str]:
    """As a table has it."""
    rates = one.rates()
    shares = [f"{share:.0%}" for share in one.shares()]
    finding_ms = median(one.finding_s) * 1e3 / one.episodes
    told = [f"{rate:,.0f}" for rate in (median(rates), min(rates), max(rates))]
    return [one.key, f"{one.turns:.1f}", *told, *shares, f"{one.making_s * 1e3:.1f}", f"{finding_ms:.2f}"]


def show(found: Sequence[Measured], *, markdown: bool) -> None:
    """A table."""
    rows = [row_of(one) for one in found]
    if markdown:
        print("| " + " | ".join(HEADERS) + " |\n|---|" + "--:|" * (len(HEADERS) - 1))
        print("\n".join("| " + " | ".join(row) + " |" for row in rows))
        return
    table = Table()
    for header in HEADERS:
        table.add_column(header, justify="left" if header == "task" else "right")
    for row in rows:
        table.add_row(*row)
    Console(width=140).print(table)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, and keep the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    fixed = [name for name in TRACKS if tasks_of(name)]
    parser.add_argument("--tracks", nargs="+", default=fixed, choices=fixed)
    parser.add_argument("--tasks", nargs="*", default=[], help="only those whose key contains one of these")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--episodes", type=int, default=40, help="of each task in each repeat (default: 40)")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    parser.add_argument("--out", type=Path, default=RESULTS, help="file for all numbers")
    options = parser.parse_args(arguments)
    chosen = [task for name in options.tracks for task in tasks_of(name)]
    tasks = [task for task in chosen if not options.tasks or any(text in task.key for text in options.tasks)]
    if not tasks:
        keys = ", ".join(task.key for task in chosen)
        parser.error(f"no task's key contains {' or '.join(options.tasks)}; keys are {keys}")
    if min(options.repeats, options.episodes) < 1:
        parser.error(f"--repeats is {options.repeats} and --episodes {options.episodes}; use 1 or more of each")
    found = measure(tasks, options.repeats, options.episodes)
    show(found, markdown=options.markdown)
    kept = {
        "python": platform.python_version(),
        "num_cpus": os.cpu_count(),
        "load_average": os.getloadavg(),
        "results": [asdict(one) for one in found],
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
