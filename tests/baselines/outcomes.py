"""What a run came to, as far as it must be the same to the last bit when it was stopped on its way."""

import json
from dataclasses import dataclass
from pathlib import Path

from baselines.runs.checkpoint_loading import load_checkpoint
from baselines.runs.records import read_records

_OF_THE_RUN = {"config.json", "manifest.json", "state.json"}
"""Files that name the folder or the time."""


@dataclass(frozen=True)
class Outcome:
    """Compares equal with that of another folder."""

    metrics: list[dict[str, object]]
    evaluations: list[dict[str, object]]
    state: dict[str, object]
    files: dict[str, bytes]
    """Adapters, critic, optimisers and generators of the final checkpoint."""


def outcome(folder: Path) -> Outcome:
    """The outcome of a run that has ended; its checkpoint is verified."""
    checkpoint = load_checkpoint(folder / "checkpoints" / "final")
    config = json.loads((folder / "config.json").read_text())
    assert isinstance(checkpoint.state["config"], dict)
    return Outcome(
        metrics=_without_times(folder / "metrics.jsonl"),
        evaluations=_without_times(folder / "evaluations.jsonl"),
        state=checkpoint.state | {"config": None, "settings": config | {"run_dir": None}},
        files={
            str(path.relative_to(checkpoint.path)): _content(path)
            for path in checkpoint.path.rglob("*")
            if path.is_file() and path.name not in _OF_THE_RUN
        },
    )


def _content(path: Path) -> bytes:
    """The bytes; of PEFT's description the meaning, since it writes a set in the order that this process has for it."""
    if path.name != "adapter_config.json":
        return path.read_bytes()
    described = json.loads(path.read_text())
    return json.dumps(described | {"target_modules": sorted(described["target_modules"])}).encode()


def _without_times(path: Path) -> list[dict[str, object]]:
    times = {"wall_s", "cpu_s"}
    return [
        {name: value for name, value in record.items() if name not in times and not name.startswith("time/")}
        for record in read_records(path)
    ]
