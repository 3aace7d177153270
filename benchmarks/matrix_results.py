"""What a folder of results says, as one small record: cells that were run as they ended, all others by name.

Nothing is filled in. A cell has a state: `done`; `unfinished`, if its run was begun and stopped; `not run`. Cells that
could be are those of every algorithm that `marft train` has, of every task, of so many seeds as were asked for.
"""

import json
import platform
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from baselines.commands.train import algorithms
from baselines.runs.circumstances import processor
from baselines.runs.experiment import TOKENS
from baselines.runs.records import Record, number_of, read_records
from baselines.runs.summary import CONFIG, EVALUATIONS, METRICS, SUMMARY, packages
from benchmarks.matrix import NUM_SEEDS, REFERENCE, SETTINGS, SOLO
from benchmarks.matrix_jobs import noted_beside
from benchmarks.smollm2 import FOLDER as SMOLLM2
from benchmarks.update_order import FOLDER, VARIANTS, movement

WATCHING = ("imitation",)
"""Algorithms that do not play while they learn: what they record as returns are those of the reference."""
NUM_POINTS = 40
"""Of a curve that is kept: each the mean of so many iterations that there are no more."""
DIGITS = 4
EVALUATED = {
    "untrained": ("untrained", "mean"),
    "few_shot": ("untrained, four examples in each prompt", "mean"),
    "majority_vote": ("untrained, majority vote at equal tokens", "majority_vote"),
    "best_of_n": ("untrained, the best of these plays", "best_of_n"),
}
"""Row -> its title, and what of its evaluation it tells."""
FILE_OF = {"best_of_n": "majority_vote"}
"""Rows of an evaluation that has another one's name."""
NO_VOTE = "no answers to vote on"
REFERENCE_ROW = "reference play"
Result = dict[str, object]


def collected(out: Path, *, num_seeds: int = NUM_SEEDS) -> Result:
    """The record of a folder that `matrix.py` and `update_order.py` have filled."""
    settings = json.loads((out / SETTINGS).read_bytes())
    return {
        "about": about(settings),
        "tasks": settings["tasks"],
        "algorithms": list(algorithms()),
        "seeds": list(range(1, num_seeds + 1)),
        "cells": [
            cell(out / name / algorithm / f"seed-{seed}", name, algorithm, seed)
            for name in settings["tasks"]
            for algorithm in [*algorithms(), *(f"solo_{kind}" for kind in SOLO)]
            for seed in range(1, num_seeds + 1)
        ],
        "rows": {name: rows(out, name) for name in settings["tasks"]},
        "smollm2": real_model(out / SMOLLM2, num_seeds),
        "update_order": {variant: ordered(out / FOLDER / variant, num_seeds) for variant in VARIANTS},
    }


def added(before: Result, out: Path, *, num_seeds: int = NUM_SEEDS) -> Result:
    """A record, and what a folder has besides; where both have a cell, the folder's.

    Raises: SystemExit if there are no results in it, or they were run otherwise: with other settings, other versions,
    on another processor.
    """
    if not any(path.exists() for path in (out / SETTINGS, out / SMOLLM2 / SETTINGS, out / FOLDER)):
        raise SystemExit(f"there are no results in {out}; benchmarks/README.md tells what leaves some")
    here: Any = circumstances()
    _require_alike(before["about"], here, here, "this machine")
    found = dict(before)
    if (out / SETTINGS).is_file():
        now = collected(out, num_seeds=num_seeds)
        _require_alike(before, now, ("about", "tasks", "algorithms", "seeds"), str(out))
        found["cells"] = _together(before["cells"], now["cells"])
        found["rows"] = {task: _rows_together(before["rows"][task], now["rows"][task]) for task in now["rows"]}
    if (out / SMOLLM2 / SETTINGS).is_file():
        found["smollm2"] = _model_together(before["smollm2"], real_model(out / SMOLLM2, num_seeds))
    if (out / FOLDER).is_dir():
        found["update_order"] = {
            variant: _together(before["update_order"][variant], ordered(out / FOLDER / variant, num_seeds))
            for variant in VARIANTS
        }
    return found


def _model_together(before: Result, now: Result) -> Result:
    if before["state"] != "done":
        return now
    _require_alike(before, now, ("settings", "algorithms"), "the real model")
    cells, rows = _together(before["cells"], now["cells"]), _rows_together(before["rows"], now["rows"])
    return {**now, "cells": cells, "rows": rows}


_DEGREES = ("not run", "unfinished", "done")
"""How much of it there is."""


def _together(before: Any, now: Sequence[Result]) -> list[Result]:
    """Cells of the same names: the one of which there is more, or else the newer one."""
    older = {_cell_key(cell): cell for cell in before}
    return [_fuller(older.get(_cell_key(cell), cell), cell) for cell in now]


def _cell_key(cell: Result) -> tuple[object, ...]:
    return tuple(cell.get(name) for name in ("task", "algorithm", "seed"))


def _rows_together(before: Any, now: Mapping[str, Result]) -> dict[str, Result]:
    """The newer ones, where they were run."""
    return {title: before.get(title, row) if row["state"] == "not run" else row for title, row in now.items()}


def _fuller(older: Result, newer: Result) -> Result:
    return max(newer, older, key=lambda one: _DEGREES.index(str(one["state"])))  # the first of equals


def _require_alike(before: Any, now: Any, names: Iterable[str], what: str) -> None:
    changed = [f"{name} was {before[name]!r} and is {now[name]!r}" for name in names if before[name] != now[name]]
    if changed:
        raise SystemExit(f"{what} is not that of the record: {'; '.join(changed)}. Make a new record by --anew")


def about(settings: Mapping[str, object]) -> Result:
    """On what it was run, and with what."""
    return {"settings": settings["shared"], "model_hash": settings["model_hash"], **circumstances()}


def circumstances() -> Result:
    """Versions and processor."""
    return {"versions": {"python": platform.python_version(), **packages()}, "processor": processor()}


def cell(folder: Path, task: str, algorithm: str, seed: int) -> Result:
    """One run."""
    found: Result = {"task": task, "algorithm": algorithm, "seed": seed}
    if not folder.is_dir():
        return {**found, "state": "not run"}
    return {**found, **run_record(folder)}


def run_record(folder: Path) -> Result:
    """What a run came to, or how far it is."""
    metrics, evaluations = read_records(folder / METRICS), read_records(folder / EVALUATIONS)
    trained = [record for record in evaluations if record.get("name") == "trained"]
    summary = json.loads((folder / SUMMARY).read_bytes()) if (folder / SUMMARY).is_file() else {}
    if summary.get("stop_reason") not in ("finished", "token_limit") or not trained:
        return {"state": "unfinished", "iterations": len(metrics)}
    plays = json.loads((folder / CONFIG).read_bytes()).get("algorithm") not in WATCHING
    return {
        "state": "done",
        "final": trained[-1]["mean"],
        "interval": [trained[-1]["low"], trained[-1]["high"]],
        "instances": trained[-1]["num_instances"],
        "iterations": len(metrics),
        "while_training": while_training(metrics) if plays else None,
        "tokens": int(sum(number_of(record.get(TOKENS)) or 0.0 for record in metrics)),
        **took(folder),
        "curve": curve(metrics),
        "command": _command(folder),
    }


def ordered(folder: Path, num_seeds: int) -> list[Result]:
    """The seeds of one order of updates."""
    found = []
    for seed in range(1, num_seeds + 1):
        run = folder / f"seed-{seed}"
        record = run_record(run) if run.is_dir() else {"state": "not run"}
        moved = movement(run) if record["state"] == "done" else {}
        found.append({"seed": seed, **record, **moved})
    return found


def took(folder: Path) -> Result:
    """CPU-seconds of all attempts whose end was seen; `is_whole` is false if one was killed unseen."""
    path = noted_beside(folder.with_name(f"{folder.name}.log"))
    events = read_records(path)
    ends = [float(str(event["cpu_s"])) for event in events if "cpu_s" in event]
    num_begun = sum("began" in event for event in events)
    return {"cpu_s": round(sum(ends), 1), "is_whole": num_begun == len(ends)}


def while_training(metrics: Sequence[Record]) -> float | None:
    """Mean training return over all iterations: how much was earned on the way, and so how fast it was learnt.

    None where a run does not play while it learns.
    """
    returns = [number_of(record.get("train/return")) for record in metrics]
    known = [earned for earned in returns if earned is not None]
    return round(sum(known) / len(known), DIGITS) if known else None


def curve(metrics: Sequence[Record]) -> list[list[float]]:
    """[tokens written, mean return while training], thinned by averaging neighbours."""
    tokens, points = 0.0, []
    for record in metrics:
        tokens += number_of(record.get(TOKENS)) or 0.0
        points.append((tokens, number_of(record.get("train/return")) or 0.0))
    width = -(-len(points) // NUM_POINTS) or 1
    parts = [points[begin : begin + width] for begin in range(0, len(points), width)]
    return [[part[-1][0], round(sum(earned for _, earned in part) / len(part), DIGITS)] for part in parts]


def _command(folder: Path) -> str:
    """As it was begun."""
    record = json.loads((folder / "run.json").read_bytes())
    return _from_here(shlex.join(["marft", *record["command"][1:]]))


def _from_here(command: str) -> str:
    """Where this checkout lies is nobody's business."""
    return re.sub(r"/\S*?(?=benchmarks/results/)", "", command)


def real_model(out: Path, num_seeds: int) -> Result:
    """What `smollm2.py` has left; None if it was not run."""
    if not (out / SETTINGS).is_file():
        return {"state": "not run"}
    settings = json.loads((out / SETTINGS).read_bytes())
    return {
        "state": "done",
        **settings,
        "cells": [
            cell(out / algorithm / f"seed-{seed}", SMOLLM2, algorithm, seed)
            for algorithm in settings["algorithms"]
            for seed in range(1, num_seeds + 1)
        ],
        "rows": rows(out.parent, out.name),
    }


def rows(out: Path, name: str) -> dict[str, Result]:
    """What stands beside the trained teams of a task."""
    found: dict[str, Result] = {}
    for key, (title, told) in EVALUATED.items():
        path = out / name / f"{FILE_OF.get(key, key)}.json"
        found[title] = _told(json.loads(path.read_bytes()), told) if path.is_file() else {"state": "not run"}
    path = out / name / REFERENCE
    found[REFERENCE_ROW] = (
        {"state": "done", **json.loads(path.read_bytes())} if path.is_file() else {"state": "not run"}
    )
    return found


def _told(evaluation: Mapping[str, Any], what: str) -> Result:
    """One number of an evaluation: the mean over plays, or what came of several plays of each instance."""
    low, high = evaluation.get(f"{what}_interval") or (evaluation["low"], evaluation["high"])
    if evaluation[what] is None:
        return {"state": NO_VOTE}
    wanted = {name: evaluation[name] for name in ("num_instances", "tokens_out")}
    command = _from_here(evaluation["command"])
    return {"state": "done", "mean": evaluation[what], "low": low, "high": high, **wanted, "command": command}
