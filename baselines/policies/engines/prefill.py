"""Reading prompts before a reply is drawn: every distinct beginning once per adapter.

Either way a row of the cache belongs to a request, with prompts aligned at their ends:

- *packed*: an adapter's prompts are one tree (`learning/packing.py`), whose keys and values are handed out to the rows;
- *plain*: equal prompts are read once, each by itself, for models that cannot follow a tree.

The last token's logits come from the same pass, so no cache covers a whole prompt and is then asked for nothing. A
cache is used with the adapters that filled it, and lives no longer than its batch.
"""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import torch
from peft import PeftModel
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import Cache, DynamicLayer

from baselines.learning.packing import Pack, pack, packs_within
from baselines.policies.packed import run_pack

Prompt = tuple[str, list[int]]
"""Adapter and token ids."""


@dataclass(frozen=True, slots=True)
class Prefilled:
    """Prompts that were read, a row each."""

    logits: Tensor
    """(B, V): what follows each prompt."""
    cache: Cache
    mask: Tensor
    """(B, P): 1 where the cache holds a token of the prompt, padded on the left."""
    features: Tensor | None
    """(B, H), float32: what the head was given to predict what follows each prompt; None if it is no module."""


def prefill(model: PeftModel, prompts: Sequence[Prompt], *, is_packed: bool) -> Prefilled:
    """Read all prompts; equal ones of an adapter once."""
    return (_packed if is_packed else _plain)(model, prompts)


@dataclass(frozen=True, slots=True)
class _Read:
    """One adapter's prompts as they were read: a tree."""

    numbers: list[int]
    """Of its prompts among all."""
    cache: DynamicCache
    """Keys and values of the tree's tokens."""
    paths: Tensor
    """(b, P): where each prompt's tokens stand in the tree, aligned at their ends."""


def _packed(model: PeftModel, prompts: Sequence[Prompt]) -> Prefilled:
    base = cast("PreTrainedModel", model.get_base_model())
    width = max(len(ids) for _, ids in prompts)
    mask = _aligned_mask([len(ids) for _, ids in prompts], width, base.device)
    trees: list[_Read] = []
    logits: list[Tensor] = []
    features: list[Tensor] = []
    for adapter, own in _by_adapter(prompts):
        packed = pack([prompts[number][1] for number in own]).to(base.device)
        cache = DynamicCache()
        ends = _read_tree(model, adapter, packed, cache_argument(model, cache))
        logits.append(ends.logits)
        features += ends.given
        paths = torch.stack([torch.cat([path.new_zeros(width - len(path)), path]) for path in packed.paths])
        trees.append(_Read(own, cache, paths))
    order = [number for tree in trees for number in tree.numbers]
    back = torch.tensor(sorted(range(len(order)), key=order.__getitem__), device=base.device)
    read = torch.cat(features)[back].float() if features else None
    return Prefilled(torch.cat(logits)[back], _handed_out(trees, len(prompts)), mask, read)


def _handed_out(trees: Sequence[_Read], num_prompts: int) -> DynamicCache:
    """A row of keys and values for each prompt. Layer by layer, each let go: two caches would take twice the memory."""
    together = DynamicCache()
    for number in range(len(trees[0].cache.layers)):
        layers = [tree.cache.layers[number] for tree in trees]
        parts = [(tree, _tensors(layer)) for tree, layer in zip(trees, layers, strict=True)]
        keys, values = (_rows([(tree, tensors[place]) for tree, tensors in parts], num_prompts) for place in range(2))
        together.update(keys, values, number)
        for tree in trees:
            tree.cache.layers[number] = DynamicLayer()
    return together


def _tensors(layer: object) -> tuple[Tensor, Tensor]:
    """Keys and values, (1, G, T, D)."""
    assert isinstance(layer, DynamicLayer) and layer.keys is not None and layer.values is not None, layer
    return layer.keys, layer.values


def _rows(parts: Sequence[tuple[_Read, Tensor]], num_prompts: int) -> Tensor:
    """What stands along the paths of trees. Shapes: of each tree (1, G, T, D) -> (B, G, P, D)."""
    _, first = parts[0]
    rows = first.new_empty(num_prompts, first.shape[1], parts[0][0].paths.shape[1], first.shape[3])
    for tree, kept in parts:
        rows[tree.numbers] = kept[0][:, tree.paths].transpose(0, 1)
    return rows


def features_of(model: PeftModel, prompts: Sequence[Prompt], *, max_packed_tokens: int) -> Tensor | None:
    """`Prefilled.features` of prompts that nobody replies to: as a tree, and nothing is kept in a cache."""
    found: dict[int, Tensor] = {}
    for adapter, own in _by_adapter(prompts):
        for numbers in packs_within([prompts[number][1] for number in own], max_packed_tokens):
            chosen = [own[number] for number in numbers]
            packed = pack([prompts[number][1] for number in chosen]).to(model.device)
            given = _read_tree(model, adapter, packed).given
            if not given:
                return None
            found.update(zip(chosen, given[0].float(), strict=True))
    return torch.stack([found[number] for number in range(len(prompts))])


def _by_adapter(prompts: Sequence[Prompt]) -> Iterator[tuple[str, list[int]]]:
    """Each adapter with the numbers of its prompts."""
    for adapter in dict.fromkeys(adapter for adapter, _ in prompts):
        yield adapter, [number for number, (name, _) in enumerate(prompts) if name == adapter]


@dataclass(frozen=True, slots=True)
class _Ends:
    """What a model makes of the ends of prompts."""

    logits: Tensor
    """(b, V)."""
    given: list[Tensor]
    """(b, H), what the head was given for them; empty if it is no module."""


def _read_tree(model: PeftModel, adapter: str, packed: Pack, cache: Mapping[str, object] | None = None) -> _Ends:
    """Read prompts as a tree with an adapter; ends that several share are computed once."""
    kept, places = torch.unique(torch.stack([path[-1] for path in packed.paths]), return_inverse=True)
    _set(model, adapter)
    with _given_to_head(cast("PreTrainedModel", model.get_base_model())) as given:
        logits = run_pack(model, packed, keep=kept, cache=cache)[places]
    return _Ends(logits, [hidden[0, places] for hidden in given])


def _plain(model: PeftModel, prompts: Sequence[Prompt]) -> Prefilled:
    keys = [(adapter, tuple(ids)) for adapter, ids in prompts]
    distinct = list(dict.fromkeys(keys))
    ids, mask = left_padded([list(prompt) for _, prompt in distinct], 0, model.device)
    cache = DynamicCache()
    with _given_to_head(cast("PreTrainedModel", model.get_base_model())) as given:
        output = model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=(mask.cumsum(-1) - 1).clamp(min=0),
            logits_to_keep=1,
            **acting_as(model, [adapter for adapter, _ in distinct]),
            **cache_argument(model, cache),
        )
    number = {key: place for place, key in enumerate(distinct)}
    rows = torch.tensor([number[key] for key in keys], device=model.device)
    cache.batch_select_indices(rows)
    return Prefilled(output.logits[rows, -1], cache, mask[rows], given[0][rows, -1].float() if given else None)


@contextmanager
def _given_to_head(base: PreTrainedModel) -> Iterator[list[Tensor]]:
    """The hidden states that the head is called with while the block runs, one tensor a call."""
    given: list[Tensor] = []
    head = base.get_output_embeddings()
    if head is None:
        yield given
        return
    handle = head.register_forward_pre_hook(lambda _head, args: given.append(args[0]))
    try:
        yield given
    finally:
        handle.remove()


def left_padded(prompts: Sequence[Sequence[int]], pad_id: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Prompts as one tensor with their ends aligned, and its attention mask; both (B, P)."""
    width = max(len(prompt) for prompt in prompts)
    ids = torch.full((len(prompts), width), pad_id, dtype=torch.long)
    for row, prompt in enumerate(prompts):
        ids[row, width - len(prompt) :] = torch.tensor(prompt, dtype=torch.long)
    return ids.to(device), _aligned_mask([len(prompt) for prompt in prompts], width, device)


def _aligned_mask(lengths: Sequence[int], width: int, device: torch.device) -> Tensor:
    """1 at the last `lengths[b]` of `width` places, (B, P)."""
    return (torch.arange(width) >= width - torch.tensor(lengths)[:, None]).long().to(device)


def acting_as(model: PeftModel, adapters: Sequence[str]) -> dict[str, list[str]]:
    """Let row b of the next call be computed with `adapters[b]`; returns what to call the model with.

    PEFT sorts rows by their adapter in every layer of every call: a sixth of the time, which rows of one adapter are
    spared by setting it.
    """
    if len(set(adapters)) > 1:
        return {"adapter_names": list(adapters)}
    _set(model, adapters[0])
    return {}


def _set(model: PeftModel, adapter: str) -> None:
    if model.active_adapter != adapter:  # setting it walks through all modules
        model.set_adapter(adapter)


def cache_argument(model: PeftModel, cache: Cache) -> dict[str, object]:
    """The cache, under the name that this release of Transformers has for it."""
    base = cast("PreTrainedModel", model.get_base_model())
    name = "cache" if "cache" in inspect.signature(type(base).forward).parameters else "past_key_values"
    return {name: cache, "use_cache": True}
