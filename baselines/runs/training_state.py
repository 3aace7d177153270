"""What a checkpoint holds beside adapters and critic, so that training goes on bit for bit: optimisers and generators.

    optimizers.safetensors   every tensor of every optimiser's state, its step counts too: <optimiser>/<position>/<part>
    generators.json          numpy's generators by name, and torch's own as hexadecimal text

What follows from the settings, such as learning rates, is in neither: an optimiser is made from them, then filled.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from baselines.errors import CheckpointError

OPTIMIZERS, GENERATORS = "optimizers.safetensors", "generators.json"
_CPU = "cpu"

_State = dict[int, dict[str, Tensor]]
"""An optimiser's state as torch gives it: position of the parameter -> part, such as `exp_avg` -> tensor."""


def save_optimizers(folder: Path, optimizers: Mapping[str, torch.optim.Optimizer]) -> None:
    """Write the state of every optimiser; one that has not stepped yet has none."""
    tensors: dict[str, Tensor] = {}
    for name, optimizer in optimizers.items():
        state: _State = optimizer.state_dict()["state"]
        for position, parts in state.items():
            for part, value in parts.items():
                tensors[f"{name}/{position}/{part}"] = value.contiguous()
    save_file(tensors, folder / OPTIMIZERS)


def load_optimizers(folder: Path, optimizers: Mapping[str, torch.optim.Optimizer]) -> None:
    """Fill optimisers that were made like those that were saved.

    Raises: CheckpointError if the file is missing, or is of other optimisers.
    """
    path = folder / OPTIMIZERS
    try:
        saved = load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"cannot read the optimisers' state {path}: {error}; go on from another one") from error
    states: dict[str, _State] = {name: {} for name in optimizers}
    for key, value in saved.items():
        name, position, part = key.rsplit("/", 2)
        if name not in states:
            raise CheckpointError(f"{path} holds the state of an optimiser {name!r}; this run has {sorted(states)}")
        # A copy: what was loaded is a view of the file, which is deleted in time.
        states[name].setdefault(int(position), {})[part] = value.clone()
    for name, optimizer in optimizers.items():
        _require_fit(path, name, states[name], optimizer)
        # Every part keeps its type, the step count too: torch would cast all but that to the parameter's.
        optimizer.load_state_dict({"state": states[name], "param_groups": optimizer.state_dict()["param_groups"]})


def _require_fit(path: Path, name: str, state: _State, optimizer: torch.optim.Optimizer) -> None:
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for position, parts in state.items():
        shapes = {tuple(value.shape) for value in parts.values() if value.dim()}
        if position >= len(parameters) or shapes != {tuple(parameters[position].shape)}:
            raise CheckpointError(
                f"{path} does not fit: tensor {position} of {name!r} has shape {sorted(shapes)}. Go on with the model "
                "and the LoRA settings it was trained with"
            )


def save_generators(folder: Path, generators: Mapping[str, np.random.Generator], device: torch.device) -> None:
    """Write the state of numpy's generators, and of torch's own on the CPU and on `device`."""
    own = {_CPU: torch.get_rng_state()}
    if device.type == "cuda":
        own["cuda"] = torch.cuda.get_rng_state(device)
    record = {
        "numpy": {name: generator.bit_generator.state for name, generator in generators.items()},
        "torch": {name: bytes(state.tolist()).hex() for name, state in own.items()},
    }
    (folder / GENERATORS).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def load_generators(folder: Path, generators: Mapping[str, np.random.Generator], device: torch.device) -> None:
    """Put all generators where they stood.

    A GPU's is left alone where there was none, or is none now: such a change is told as one of the circumstances.

    Raises: CheckpointError if the file is missing, or is of other generators.
    """
    path = folder / GENERATORS
    try:
        record = json.loads(path.read_bytes())
        for name, generator in generators.items():
            generator.bit_generator.state = record["numpy"][name]
        own = {
            name: torch.tensor(list(bytes.fromhex(text)), dtype=torch.uint8) for name, text in record["torch"].items()
        }
        torch.set_rng_state(own[_CPU])
        if device.type == "cuda" and "cuda" in own:
            torch.cuda.set_rng_state(own["cuda"], device)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise CheckpointError(f"cannot read the generators' state {path}: {error!r}; go on from another one") from error
