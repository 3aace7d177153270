"""Looks at a folder that should hold a model, before a library fails on it in ten lines of traceback."""

import json
from pathlib import Path

from baselines.errors import ModelNotFoundError

GIT_LFS_POINTER = b"version https://git-lfs"
"""How the text file begins that git checks out in place of a large file."""


def require_model_folder(folder: Path) -> None:
    """Say what a folder lacks, before a library says it in ten lines of traceback."""
    wanted = "a model folder holds config.json, weights (*.safetensors or pytorch_model*.bin) and a tokenizer"
    saved = "as `save_pretrained` of a transformers model and of its tokenizer writes them"
    if not folder.is_dir():
        raise ModelNotFoundError(f"the model {str(folder)!r} is a file; {wanted}, {saved}; name the folder")
    names = {path.name for path in folder.iterdir()}
    if "adapter_config.json" in names and "config.json" not in names:
        raise ModelNotFoundError(
            f"the folder {str(folder)!r} holds an adapter, not a model; name the model that it belongs to"
        )
    lacking = []
    if "config.json" not in names:
        lacking.append("config.json")
    weights = sorted(name for name in names if is_weights(name))
    if not weights:
        lacking.append("weights")
    if not any(name.startswith(("tokenizer", "vocab")) for name in names):
        lacking.append("tokenizer")
    if lacking:
        raise ModelNotFoundError(f"the folder {str(folder)!r} has no {' and no '.join(lacking)}; {wanted}, {saved}")
    _require_whole_weights(folder, weights)


def is_weights(name: str) -> bool:
    """Whether a file's name is one under which transformers looks for weights."""
    return name.endswith(".safetensors") or (name.startswith("pytorch_model") and name.endswith(".bin"))


def _require_whole_weights(folder: Path, weights: list[str]) -> None:
    """Notice weights that were never really copied: pointers of git-lfs, missing shards."""
    for name in weights:
        with (folder / name).open("rb") as file:
            if file.read(len(GIT_LFS_POINTER)) == GIT_LFS_POINTER:
                raise ModelNotFoundError(
                    f"{str(folder / name)!r} is a git-lfs pointer, not the weights; run `git lfs pull` in {folder}"
                )
    for index in folder.glob("*.index.json"):
        shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        missing = sorted(shards - set(weights))
        if missing:
            raise ModelNotFoundError(
                f"the folder {str(folder)!r} lacks {len(missing)} of {len(shards)} shards of its weights,"
                f" the first is {missing[0]!r}; copy them too"
            )
