"""A model that runs over a pack: its own layers, and attention that follows a tree.

Transformers lets attention be registered under a name, and hands whatever keyword a model is called with down to it; so
no layer is replaced, and PEFT's adapters act as ever. On CPUs attention is computed in tiles; on GPUs by FlexAttention,
whose block mask needs one comparison per token.

A model that does not hand the keyword down, or mixes tokens by other means than full attention (sliding windows, state
spaces), would be silently wrong on a tree. Two things stand in the way: attention refuses to be told of anything that
it does not do, and `check_packing` compares a small pack with the plain path.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from random import Random
from typing import Any, Literal, cast

import torch
from peft import PeftModel
from torch import Tensor, nn
from torch.nn.attention.flex_attention import BlockMask, create_block_mask
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.flex_attention import flex_attention_forward

from baselines.errors import ConfigError
from baselines.learning.packing import Pack, leaves, pack, tiled_attention, visible

AttentionKind = Literal["marft_tiled", "marft_flex"]
"""Our names among those that Transformers has for attention: in tiles, or by FlexAttention."""
_NOT_DONE = ("sliding_window", "softcap", "s_aux", "sinks", "position_bias", "indices", "block_indices")
"""What Transformers' models tell their attention that changes who is seen or how much, and that we do not do."""
_PROBE_IDS = 100
"""Ids below this are drawn for the probe; every tokenizer has them."""
_PROBE_TILE = 16
"""Queries of a tile of the probe: few, so that a short probe has several tiles."""
MAX_ERROR = 1e-3
"""Of hidden states on the probe, relative, mean over a branch. In float32 rounding made at most 3e-6."""
MAX_ROUNDED_ERROR = 0.05
"""The same where products are rounded to fewer digits. In bfloat16 rounding made 0.008 for SmolLM2, and 0.04 for a
random model of 30 layers with weights of 0.3. For SmolLM2 row numbers as positions make 0.1 and a context of everything
before 0.2; positions off by one make 0.02, which float32 alone shows."""


def _require_full_attention(told: Mapping[str, object]) -> None:
    """Raises: `ValueError` if a layer's attention is told to do more than to look at everything before a token."""
    for name in _NOT_DONE:
        if told.get(name) is not None:
            raise ValueError(f"its attention has {name}")
    if told.get("dropout"):
        raise ValueError("its attention has dropout")


def _tiled(
    module: nn.Module,  # noqa: ARG001  # Transformers' signature
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,  # noqa: ARG001  # as above; who sees whom stands in the pack
    scaling: float | None = None,
    packing: Pack | None = None,
    **told: object,
) -> tuple[Tensor, None]:
    """Attention over the pack that the model was called with."""
    if packing is None:
        raise ValueError("it does not hand keywords down to its attention")
    _require_full_attention(told)
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    return tiled_attention(query, key, value, packing, scale), None


def _flex(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,  # noqa: ARG001  # as in `_tiled`
    scaling: float | None = None,
    packing: BlockMask | None = None,
    **told: object,
) -> tuple[Tensor, Tensor | None]:
    """The same by FlexAttention, which Transformers compiles."""
    if packing is None:
        raise ValueError("it does not hand keywords down to its attention")
    _require_full_attention(told)
    return flex_attention_forward(module, query, key, value, packing, scaling)


AttentionInterface.register("marft_tiled", _tiled)
AttentionInterface.register("marft_flex", _flex)


def run_pack(
    model: PeftModel,
    packed: Pack,
    *,
    keep: Tensor,
    cache: Mapping[str, object] | None = None,
    kind: AttentionKind | None = None,
) -> Tensor:
    """The model's logits at the tokens `keep`, (K, V), with the adapter that is set.

    `cache`: arguments by which the model fills one with the keys and values of the row.
    """
    base = cast("PreTrainedModel", model.get_base_model())
    with _attention(base, packed, kind) as arguments:
        output = model(
            input_ids=packed.ids[None],
            position_ids=packed.positions[None],
            logits_to_keep=keep,
            **(cache or {"use_cache": False}),
            **arguments,
        )
    return cast("Tensor", output.logits.squeeze(0))  # whose backward is a view, where that of an index copies all


def run_trunk(base: PreTrainedModel, packed: Pack, kind: AttentionKind | None = None) -> Tensor:
    """The last hidden states of a pack, (T, H), with whatever adapters are on."""
    with _attention(base, packed, kind) as arguments:
        output = base.base_model(
            input_ids=packed.ids[None], position_ids=packed.positions[None], use_cache=False, **arguments
        )
    return cast("Tensor", output.last_hidden_state.squeeze(0))


@contextmanager
def _attention(base: PreTrainedModel, packed: Pack, kind: AttentionKind | None) -> Iterator[Mapping[str, Any]]:
    """Attention along the tree while the block runs; yields what the model has to be called with."""
    chosen = kind or ("marft_flex" if packed.ids.device.type == "cuda" else "marft_tiled")
    with attention_set(base, chosen):
        yield {"packing": block_mask(packed) if chosen == "marft_flex" else packed}


@contextmanager
def attention_set(base: PreTrainedModel, name: str) -> Iterator[None]:
    """A kind of attention while the block runs."""
    before = base.config._attn_implementation  # noqa: SLF001  # there is no public way to ask
    base.set_attn_implementation(name)
    try:
        yield
    finally:
        base.set_attn_implementation(before)


def block_mask(packed: Pack) -> BlockMask:
    """FlexAttention's form of who sees whom."""
    ends = packed.ends

    def sees(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:  # noqa: ARG001  # its signature
        return visible(query, key, ends)

    return create_block_mask(sees, None, None, packed.num_tokens, packed.num_tokens, device=str(ends.device))


@torch.no_grad()
def check_packing(model: PeftModel) -> None:
    """Raises: `ConfigError` if this model computes something else on a tree than on its branches."""
    base = cast("PreTrainedModel", model.get_base_model())
    kinds = set(getattr(base.config, "layer_types", None) or ["full_attention"])
    why = (
        f"its layers are of the kinds {', '.join(sorted(kinds))}" if kinds != {"full_attention"} else _difference(model)
    )
    if why:
        raise ConfigError(
            f"packing does not work with this model ({type(base).__name__}): {why}; use --update-path plain, which "
            "computes each sequence by itself"
        )


def _difference(model: PeftModel) -> str:
    """What is wrong on a small pack; empty if nothing is."""
    base = cast("PreTrainedModel", model.get_base_model())
    sequences = _probe()
    packed = pack(sequences, _PROBE_TILE).to(base.device)
    last = packed.paths[-1]
    num_shared = [shared for _, shared in leaves(sequences)]
    try:
        hidden = run_trunk(base, packed)
        logits = run_pack(model, packed, keep=last[1::2])
    except torch.OutOfMemoryError:
        raise
    except (AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        return f"it cannot be run on a tree: {error}"
    if len(logits) != len(last[1::2]):
        return "it makes logits for other tokens than it is asked for"
    ids = [torch.tensor([sequence], device=base.device) for sequence in sequences]
    errors = [
        _error(hidden[path], base.base_model(input_ids=alone, use_cache=False).last_hidden_state[0], shared)
        for path, alone, shared in zip(packed.paths, ids, num_shared, strict=True)
    ]
    errors.append(_error(logits, base(input_ids=ids[-1], use_cache=False).logits[0, 1::2], 0))
    is_exact = base.dtype in {torch.float32, torch.float64} and torch.get_float32_matmul_precision() == "highest"
    if not max(errors) <= (MAX_ERROR if is_exact else MAX_ROUNDED_ERROR):  # nor if it is NaN
        return f"on a tree it computes something else than on the branches, off by {max(errors):.1g}"
    return ""


def _probe() -> list[list[int]]:
    """Sequences that branch twice, sorted as in a pack: the last ones stand far from where they branch off."""
    noise = Random(0)
    root, trunk, *leaves = ([noise.randrange(_PROBE_IDS) for _ in range(length)] for length in (24, 24, 16, 16, 40))
    return sorted([root + trunk + leaves[0], root + trunk + leaves[1], root + leaves[2]])


def _error(found: Tensor, expected: Tensor, begin: int) -> float:
    """How far rows from `begin` on are off, relative to their length, on average."""
    found, expected = found[begin:].float(), expected[begin:].float()
    return float(((found - expected).norm(dim=-1) / expected.norm(dim=-1)).mean())
