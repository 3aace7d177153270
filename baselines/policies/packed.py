"""A model that runs over a pack: its own layers, and attention that follows a tree.

Transformers lets attention be registered under a name, and hands whatever keyword a model is called with down to it; so
no layer is replaced, and PEFT's adapters act as ever. On CPUs attention is computed in tiles; on GPUs by FlexAttention,
whose block mask needs one comparison per token.

A model that does not hand the keyword down, or mixes tokens by other means than full attention (sliding windows, state
spaces), would be silently wrong on a tree. `check_packing` compares a small pack with the plain path, and refuses.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import torch
from peft import PeftModel
from torch import Tensor, nn
from torch.nn.attention.flex_attention import BlockMask, create_block_mask
from transformers import AttentionInterface, PreTrainedModel

from baselines.errors import ConfigError
from baselines.learning.packing import Pack, pack, tiled_attention, visible

TILED = "marft_tiled"
"""Name of the attention in tiles among those of Transformers."""
FLEX = "flex_attention"
_PROBE = ((1, 2, 3, 4), (1, 2, 5, 6, 7), (1, 2, 5, 6, 8))
"""Token ids of sequences that branch twice; every tokenizer has them."""
MAX_ERROR = 0.05
"""Of the hidden state of a probe, relative: rounding in bfloat16 stays below, another context does not."""


def _tiled(
    module: nn.Module,  # noqa: ARG001  # Transformers' signature
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,  # noqa: ARG001  # as above; who sees whom stands in the pack
    scaling: float | None = None,
    packing: Pack | None = None,
    **kwargs: object,  # noqa: ARG001  # as above
) -> tuple[Tensor, None]:
    """Attention over the pack that the model was called with."""
    assert packing is not None, "the model does not hand keywords down to its attention"
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    return tiled_attention(query, key, value, packing.tiles, packing.places, scale), None


AttentionInterface.register(TILED, _tiled)


def run_pack(
    model: PeftModel,
    packed: Pack,
    *,
    keep: Tensor,
    cache: Mapping[str, object] | None = None,
) -> Tensor:
    """The model's logits at the tokens `keep`, (K, V), with the adapter that is set.

    `cache`: arguments by which the model fills one with the keys and values of the row.
    """
    base = cast("PreTrainedModel", model.get_base_model())
    with _attention(base, packed) as arguments:
        output = model(
            input_ids=packed.ids[None],
            position_ids=packed.positions[None],
            logits_to_keep=keep,
            **(cache or {"use_cache": False}),
            **arguments,
        )
    return cast("Tensor", output.logits[0])


def run_trunk(base: PreTrainedModel, packed: Pack) -> Tensor:
    """The last hidden states of a pack, (T, H), with whatever adapters are on."""
    with _attention(base, packed) as arguments:
        output = base.base_model(
            input_ids=packed.ids[None], position_ids=packed.positions[None], use_cache=False, **arguments
        )
    return cast("Tensor", output.last_hidden_state[0])


@contextmanager
def _attention(base: PreTrainedModel, packed: Pack) -> Iterator[Mapping[str, Any]]:
    """Attention along the tree while the block runs; yields what the model has to be called with."""
    on_gpu = packed.ids.device.type == "cuda"
    with attention_set(base, FLEX if on_gpu else TILED):
        yield {"attention_mask": block_mask(packed)} if on_gpu else {"packing": packed}


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
        f"its layers are of the kinds {', '.join(sorted(kinds))}" if kinds != {"full_attention"} else _difference(base)
    )
    if why:
        raise ConfigError(
            f"packing does not work with this model ({type(base).__name__}): {why}; use --update-path plain, which "
            "computes each sequence by itself"
        )


def _difference(base: PreTrainedModel) -> str:
    """What is wrong on a small pack; empty if nothing is."""
    packed = pack(_PROBE).to(base.device)
    try:
        on_tree = run_trunk(base, packed)
    except (AssertionError, TypeError, ValueError, NotImplementedError) as error:
        return f"it cannot be run on a tree: {error}"
    for sequence, path in zip(_PROBE, packed.paths, strict=True):
        alone = base.base_model(
            input_ids=torch.tensor([sequence], device=base.device), use_cache=False
        ).last_hidden_state[0]
        if float((on_tree[path] - alone).norm() / alone.norm()) > MAX_ERROR:
            return "on a tree it computes something else than on the branches"
    return ""
