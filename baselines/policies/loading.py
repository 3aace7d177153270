"""From names and settings to a model with adapters: the base, its precision and place, and what is adapted."""

import re
from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import cast

import torch
from peft import LoraConfig
from peft.utils.constants import DUMMY_TARGET_MODULES
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from baselines.errors import ConfigError
from baselines.policies.packed import attention_set

_PEFT_PARTS = frozenset({"base_model", "base_layer", "lora_A", "lora_B", "modules_to_save", "original_module"})
"""What PEFT adds to the paths of an adapted model."""
ALL_LINEAR = "all-linear"
"""Stands for every linear layer but the head."""


@dataclass(frozen=True, slots=True)
class Lora:
    """What is trained on each adapter."""

    rank: int = 8
    alpha: int = 16
    target_modules: tuple[str, ...] = (ALL_LINEAR,)
    """Names of linear layers; `all-linear` alone means all of them but the head."""
    last_layers: int | None = None


def base_model(where: str, dtype: torch.dtype, attn_implementation: str | None) -> PreTrainedModel:
    """The model in a folder or on the hub, in that precision.

    Raises: `ConfigError` for an attention that this machine or model lacks.
    """
    attention = {} if attn_implementation is None else {"attn_implementation": attn_implementation}
    try:
        base = AutoModelForCausalLM.from_pretrained(where, dtype=dtype, **attention)
    except (ImportError, ValueError) as error:
        if attn_implementation is None:
            raise
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(
            f"attn_implementation {attn_implementation!r} does not work here: {reason} Use sdpa or eager, which need "
            "nothing further, or leave it out"
        ) from error
    head = base.get_output_embeddings()
    if head is not None:
        # The head gets a slice of positions. torch multiplies a slice that is not contiguous row by row, and oneDNN
        # then copies the whole head for each row: it was half the time of an update.
        head.register_forward_pre_hook(_contiguous_input)
    return cast("PreTrainedModel", base)


def _contiguous_input(_head: torch.nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(arg.contiguous() for arg in args)


def adapter_name(agent: str, taken: Collection[str]) -> str:
    """An agent's name as PEFT can put it into module paths: without dots, and unlike any part of them."""
    name = re.sub(r"[^0-9A-Za-z_-]", "_", agent)
    return f"agent_{name}" if name in taken or name in _PEFT_PARTS else name


def lora_config(lora: Lora, base: PreTrainedModel) -> LoraConfig:
    """PEFT's form of what is trained.

    Raises: `ConfigError` for more layers than there are.
    """
    num_layers, last = int(base.config.num_hidden_layers), lora.last_layers
    if last is not None and not 1 <= last <= num_layers:
        raise ConfigError(
            f"last_layers is {last}, but the model has {num_layers} layers; give 1 to {num_layers}, or leave it out "
            "for all"
        )
    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=0.0,  # dropout would make the policy that is trained differ from the one that was sampled
        target_modules=_linear_layers(base) if lora.target_modules == (ALL_LINEAR,) else list(lora.target_modules),
        layers_to_transform=None if last is None else list(range(num_layers - last, num_layers)),
    )


def full_config(base: PreTrainedModel) -> LoraConfig:
    """PEFT's form of a policy that is a whole copy of the base's weights: every module with tensors, saved as it is.

    Embeddings and a head that are one tensor stay one.
    """
    own = {
        name.rpartition(".")[2]
        for name, module in base.named_modules()
        if next(module.parameters(recurse=False), None) is not None
    }
    head = base.get_output_embeddings()
    inputs = base.get_input_embeddings()
    is_tied = head is not None and head.weight is inputs.weight
    tied = {name.rpartition(".")[2] for name, module in base.named_modules() if is_tied and module is head}
    return LoraConfig(
        target_modules=DUMMY_TARGET_MODULES,  # no layer gets a low-rank addition
        modules_to_save=sorted(own - tied),
        ensure_weight_tying=is_tied,
    )


def checkpointed_layers(base: PreTrainedModel) -> list[torch.nn.Module]:
    """Make the base compute its layers again in the backward pass; returns them.

    Transformers looks at a layer's own `training` to decide, so it is these layers' flag that turns it on and off. All
    else in the model stays in eval mode: no dropout comes with it. A layer is computed again with the attention that it
    had before, whatever the model uses by then.

    Raises: `ConfigError` for a model that cannot.
    """

    def as_before() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), attention_set(base, base.config._attn_implementation)  # noqa: SLF001  # as in packed.py

    enable = getattr(base, "activation_checkpointing_enable", None) or base.gradient_checkpointing_enable
    try:
        enable({"use_reentrant": False, "context_fn": as_before})
    except ValueError as error:
        raise ConfigError(f"{type(base).__name__} has no gradient checkpointing: {error}; leave it out") from error
    return [module for module in base.modules() if isinstance(module, GradientCheckpointingLayer)]


def _linear_layers(base: PreTrainedModel) -> list[str]:
    """The names of all linear layers but the head; PEFT's own word for them excludes choosing layers by number."""
    head = base.get_output_embeddings()
    return sorted(
        {
            name.rpartition(".")[2]
            for name, module in base.named_modules()
            if isinstance(module, torch.nn.Linear) and module is not head
        }
    )


def dtype_of(name: str) -> torch.dtype:
    """Raises: `ConfigError` for a precision that is none."""
    dtypes = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if name not in dtypes:
        raise ConfigError(f"unknown dtype {name!r}; choose one of {', '.join(dtypes)}")
    return dtypes[name]


def device_of(name: str) -> torch.device:
    """Raises: `ConfigError` for a device that is none, or that torch does not see."""
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"unknown device {name!r}; use cpu, cuda or cuda:0") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            f"device {name!r} was asked for, but torch {torch.__version__} sees no GPU; use --device cpu, or install a "
            "CUDA build of torch"
        )
    return device
