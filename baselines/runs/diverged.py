"""When learning diverges: what the last batch held, kept for whoever wants to know why."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

from baselines.errors import DivergedError
from baselines.rollouts.batch import Batch, Rollout, Turn
from baselines.runs.disk import write_atomically
from baselines.runs.records import to_json

DIVERGED = "diverged.jsonl"
_LEFT_OUT = frozenset({"features", "final_features"})
"""What can be read again, and is large."""


@contextmanager
def kept_if_diverged(folder: Path, batch: Batch, iteration: int, *, writes: bool = True) -> Iterator[None]:
    """Write the batch to the run's folder if what is done inside diverges, an episode a line, and say so.

    `writes`: whether this process does; of several that diverge alike one is enough.

    Raises: `DivergedError`.
    """
    try:
        yield
    except DivergedError as error:
        path = folder / DIVERGED
        if writes:
            told = [{"iteration": iteration, **_told(rollout)} for rollout in batch.learnt_from()]
            lines = [json.dumps(to_json(rollout), ensure_ascii=False, allow_nan=False) for rollout in told]
            write_atomically(path, ("\n".join(lines) + "\n").encode())
        raise DivergedError(f"{error}. The batch of iteration {iteration} is in {path}") from error


def _told(what: Rollout | Turn) -> dict[str, object]:
    values = {part.name: getattr(what, part.name) for part in fields(what) if part.name not in _LEFT_OUT}
    if isinstance(what, Rollout):
        values["turns"] = [_told(turn) for turn in what.turns]
        values["measurements"] = [repr(measured) for measured in what.measurements]
    return values
