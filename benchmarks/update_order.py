"""Agents updated one after another, in which order, or all at once: MARFT-A on the relay, five seeds of each.

    python benchmarks/update_order.py                  # the same again goes on
    python benchmarks/update_order.py --seeds 2 --workers 1

The relay is where one agent's words are worth nothing without the other's, so an update of one changes what the
other's actions are worth. In acting order the second learns with the ratio of the first as its weight; in reverse the
first with the second's; in random order either; simultaneously both learn as if the other had not moved. Everything
else is as in `matrix.py`, whose folder this fills, too, and the run of acting order is the same as its MARFT-A.

Told of every variant: what it came to; its *worst drop*, the largest fall of the training return from one iteration to
the next; how far an agent's actions moved in an iteration (KL, mean over iterations); and the effective sample size
under the ratios of agents updated before, its mean and its least.
"""

import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from rich.console import Console
from rich.table import Table

from baselines.runs.records import Record, agents_in, number_of, read_records
from baselines.runs.summary import EVALUATIONS, METRICS
from benchmarks.matrix import parser, ready_model, require_same, run_config, seeds_of, settings_of, with_model
from benchmarks.matrix_jobs import Runner, Training
from benchmarks.tiny_tasks import TASKS

FOLDER = "update_order"
TASK = "collab"
VARIANTS: Mapping[str, Mapping[str, str]] = {
    "acting": {"update": "sequential", "update_order": "acting"},
    "reverse": {"update": "sequential", "update_order": "reverse"},
    "random": {"update": "sequential", "update_order": "random"},
    "simultaneous": {"update": "simultaneous"},
}


def runs(chosen: Sequence[str], seeds: Sequence[int], model: Path, out: Path) -> list[Training]:
    """Every variant's first seed comes before any second one."""
    return [
        Training(
            f"{variant}/{seed}",
            run_config(
                "marft_action", TASKS[TASK], model, seed, out / FOLDER / variant / f"seed-{seed}", **VARIANTS[variant]
            ),
        )
        for seed in seeds
        for variant in chosen
    ]


def worst_drop(metrics: Sequence[Record]) -> float:
    """The largest fall of the training return from one iteration to the next; 0 if it never falls."""
    returns = [number_of(record.get("train/return")) or 0.0 for record in metrics]
    return max((before - after for before, after in pairwise(returns)), default=0.0)


def movement(folder: Path) -> dict[str, object]:
    """How a run's agents moved, and what their predecessors left of the sample."""
    metrics = read_records(folder / METRICS)
    found: dict[str, object] = {"worst_drop": worst_drop(metrics)}
    for agent in agents_in(metrics):
        for name, summarise in (("kl", _mean), ("predecessor_ess", _mean), ("predecessor_ess_least", min)):
            recorded = [number_of(record.get(f"{agent}/{name.removesuffix('_least')}")) for record in metrics]
            numbers = [number for number in recorded if number is not None]
            found[f"{agent}/{name}"] = summarise(numbers) if numbers else None
    return found


def show(runs_of: Mapping[str, Sequence[Path]]) -> None:
    """Print a row for each variant, of the runs that are done, means over seeds."""
    rows = []
    for variant, folders in runs_of.items():
        finals = [final(folder) for folder in folders]
        moved = [movement(folder) for folder in folders]
        numbers = {name: [number_of(own[name]) for own in moved] for name in (moved[0] if moved else {})}
        known = {name: [number for number in own if number is not None] for name, own in numbers.items()}
        cells = {name: f"{_mean(own):.3f}" if own else "-" for name, own in known.items()}
        rows.append({"updates": variant, "seeds": str(len(folders)), "return": _shown(finals), **cells})
    table = Table(*dict.fromkeys(name for row in rows for name in row))
    for row in rows:
        table.add_row(*(row.get(column.header, "not run") for column in table.columns))
    Console().print(table)


def _shown(finals: Sequence[float]) -> str:
    return f"{_mean(finals):.3f}" if finals else "not run"


def final(folder: Path) -> float:
    """The greedy return after the last iteration."""
    found = [record for record in read_records(folder / EVALUATIONS) if record.get("name") == "trained"]
    return number_of(found[-1]["mean"]) or 0.0


def _mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / len(numbers)


def main(words: Sequence[str] | None = None) -> int:
    """Does what is missing, and prints the table; the exit status."""
    given = with_model(parser(__doc__.partition("\n")[0], "variants", list(VARIANTS))).parse_args(words)
    model = ready_model(given.model)
    require_same(given.out, settings_of(model))
    runner = Runner(given.workers)
    jobs = runs(given.variants, seeds_of(given), model, given.out)
    runner.run(jobs, "update order")
    done = [job.folder for job in jobs if job.is_done]
    show({variant: [folder for folder in done if folder.parent.name == variant] for variant in given.variants})
    return runner.tell()


if __name__ == "__main__":
    sys.exit(main())
