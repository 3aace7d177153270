"""Adapters that strangers hand in: weights by their hash, configurations by a list of what may stand there.

Weights are safetensors, so that reading them runs nothing. Of a configuration the few values that plain LoRA needs are
read and checked, and build a configuration of our own; whatever else would change how an adapter acts is refused.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from baselines.entry import file_hash
from baselines.errors import CheckpointError

ADAPTER_CONFIG = "adapter_config.json"
MAX_CONFIG_BYTES = 100_000
MAX_FILES = 10_000
MAX_RANK, MAX_ALPHA, MAX_LAYERS = 1_024, 65_536, 10_000
_NOTHING = frozenset({"None", "False", "{}", "[]", "none", ""})
"""What the values of settings look like that change nothing."""
_FREE = frozenset(
    {
        *("alora_invocation_tokens", "auto_mapping", "base_model_name_or_path", "inference_mode", "init_lora_weights"),
        *("lora_dropout", "megatron_core", "peft_type", "peft_version", "qalora_group_size", "r", "lora_alpha"),
        *("target_modules", "layers_to_transform", "revision", "task_type"),
    }
)
"""Settings that are read, or say nothing of how the adapter acts. None of them is followed."""


@dataclass(frozen=True)
class Adapter:
    """Weights, and the little that has to be known of them."""

    weights: Path
    rank: int
    alpha: int
    target_modules: tuple[str, ...]
    last_layers: int | None
    """How many at the end have it; None for all."""


def find_weights(folder: Path, wanted: Sequence[str]) -> dict[str, Path]:
    """The files below a folder that have these hashes.

    Raises: CheckpointError if one is not there, or there are too many files to look at.
    """
    found: dict[str, Path] = {}
    for number, path in enumerate(sorted(folder.rglob("*.safetensors"))):
        if number >= MAX_FILES:
            raise CheckpointError(f"{folder} holds more than {MAX_FILES:,} files; give that of the adapters alone")
        if path.is_file() and not path.is_symlink():
            found.setdefault(file_hash(path), path)
    for digest in wanted:
        if digest not in found:
            raise CheckpointError(f"no file below {folder} has the digest {digest}, which the entry names; ask for it")
    return {digest: found[digest] for digest in wanted}


def read_adapter(weights: Path) -> Adapter:
    """What stands beside an adapter's weights, as far as it may.

    Raises: CheckpointError for a configuration that is none, or asks for anything but plain LoRA on named layers.
    """
    path = weights.with_name(ADAPTER_CONFIG)
    config = _parsed(path)
    for name, value in config.items():
        if name not in _FREE and str(value) not in _NOTHING:
            raise CheckpointError(f"{path}: {name} is {value!r:.60}; a re-run loads plain LoRA adapters only")
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if not _is_whole(rank, MAX_RANK) or not _is_whole(alpha, MAX_ALPHA):
        raise CheckpointError(f"{path}: r is {rank!r:.20} and lora_alpha {alpha!r:.20}; whole numbers are wanted")
    targets, layers = config.get("target_modules"), config.get("layers_to_transform")
    if not isinstance(targets, list) or not targets or not all(map(_is_layer_name, targets)):
        raise CheckpointError(f"{path}: target_modules is {targets!r:.60}; a list of names of layers is wanted")
    if layers is not None and not (isinstance(layers, list) and layers and all(map(_is_layer, layers))):
        raise CheckpointError(f"{path}: layers_to_transform is {layers!r:.60}; a list of numbers of layers is wanted")
    assert isinstance(rank, int) and isinstance(alpha, int)
    return Adapter(weights, rank, alpha, tuple(sorted(targets)), None if layers is None else len(layers))


def _parsed(path: Path) -> dict[str, object]:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_CONFIG_BYTES + 1)
        config = json.loads(content) if len(content) <= MAX_CONFIG_BYTES else None
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: is no configuration, as lies beside an adapter's weights ({error})") from error
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        raise CheckpointError(f"{path}: is no configuration of a LoRA adapter; nothing else is loaded")
    return config


def _is_whole(value: object, most: int) -> bool:
    return type(value) is int and 1 <= value <= most


def _is_layer_name(name: object) -> bool:
    return isinstance(name, str) and name.isidentifier()


def _is_layer(layer: object) -> bool:
    return type(layer) is int and 0 <= layer < MAX_LAYERS
