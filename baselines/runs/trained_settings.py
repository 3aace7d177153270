"""The settings that a team was trained with, read back from its checkpoint, whatever version wrote it.

Only the shared settings are of use later: they say which environment, which model and which adapters.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from baselines.errors import CheckpointError
from baselines.runs.checkpoint_loading import Checkpoint
from baselines.runs.checkpoints import STATE
from baselines.runs.experiment import ExperimentConfig, ModelConfig, RunConfig

_NEEDED = ("env_id", "model")
"""Without these nobody knows what was trained; everything else has a default."""
_WORDS = ("nan", "inf", "-inf")
"""How records write what JSON has no numbers for."""
_WAY_OUT = "give a checkpoint that `marft train` saved"

Settings = TypeVar("Settings", bound=RunConfig)


def trained_settings(checkpoint: Checkpoint) -> ExperimentConfig:
    """The settings behind a checkpoint; `level` is the one that training climbed to.

    Settings that this version does not know are left out, and those that the checkpoint lacks take their defaults.

    Raises: CheckpointError, naming the setting that is missing or of a wrong type.
    """
    where = checkpoint.path / STATE
    record = checkpoint.state.get("config")
    if (
        isinstance(record, Mapping)
        and record.get("algorithm")
        and not get_type_hints(ModelConfig).keys() & record.keys()
    ):
        raise CheckpointError(
            f"{checkpoint.path} was trained by {record['algorithm']}, without a language model, so nobody in it can "
            "write; what it earned is in the run's evaluations.jsonl"
        )
    settings = read_settings(record, ExperimentConfig, where)
    assert isinstance(record, Mapping), "it has been read"
    return replace(settings, level=_level_reached_for(record) or settings.level)


def read_settings(record: object, kind: type[Settings], where: Path) -> Settings:
    """Settings of any kind from their record, which lies in `where`; unknown ones are left out, others take defaults.

    Raises: CheckpointError, naming the setting that is missing or of a wrong type.
    """
    if not isinstance(record, Mapping):
        raise CheckpointError(f"{where} holds no settings under 'config'; {_WAY_OUT}")
    hints = get_type_hints(kind)
    missing = [name for name in _NEEDED if name in hints and name not in record]
    if missing:
        raise CheckpointError(f"{where}: config has no {' and no '.join(missing)}; {_WAY_OUT}")
    known: dict[str, Any] = {}
    for name in hints.keys() & record.keys():
        try:
            known[name] = _restored(record[name], hints[name])
        except ValueError:
            raise CheckpointError(
                f"{where}: config.{name} is {record[name]!r}, which is no {hints[name]}; {_WAY_OUT}"
            ) from None
    return kind(**known)


def _level_reached_for(record: Mapping[str, object]) -> str | None:
    """The last of the curriculum's levels, where the run recorded them."""
    levels = record.get("levels")
    return levels[-1] if isinstance(levels, list) and levels and isinstance(levels[-1], str) else None


def _restored(value: object, hint: Any) -> object:
    """A value from JSON as the type that it had: tuples come back as lists, paths as text.

    Raises: ValueError if it cannot have been of that type.
    """
    kind, inner = get_origin(hint) or hint, get_args(hint)
    if kind is float and value in _WORDS:
        value = float(str(value))
    if kind in (Union, UnionType):
        for choice in inner:
            try:
                return _restored(value, choice)
            except ValueError:
                continue
    elif kind is Literal and value in inner:
        return value
    elif kind is tuple and isinstance(value, list):
        return tuple(_restored(item, inner[0]) for item in value)
    elif kind is dict and isinstance(value, dict):
        return {name: _restored(item, inner[1]) for name, item in value.items()}
    elif kind is Path and isinstance(value, str):
        return Path(value)
    elif kind in (NoneType, bool, int, float, str) and type(value) in ((int, float) if kind is float else (kind,)):
        return value
    raise ValueError
