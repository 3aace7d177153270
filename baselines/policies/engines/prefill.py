"""Reading prompts before a reply is drawn: every distinct beginning once per adapter.

Either way a row of the cache belongs to a request, with prompts aligned at their ends:

- *packed*: an adapter's prompts are one tree (`learning/packing.py`), whose keys and values are handed out to the rows;
- *plain*: equal prompts are read once, each by itself, for models that cannot follow a tree.

Prompts that go on from a `History` are read in rows on either path, their new tokens alone, if that is less to read.
The last token's logits come from the same pass, so no cache covers a whole prompt and is then asked for nothing. A
cache is used with the adapters that filled it, and lives no longer than its batch.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import torch
from peft import PeftModel
from torch import Tensor
from torch.nn import functional
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import Cache, DynamicLayer

from baselines.learning.packing import Pack, num_distinct, pack, packs_within
from baselines.policies.engines.history import History
from baselines.policies.packed import run_pack


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is read with an adapter."""

    adapter: str
    ids: list[int]
    history: History | None = None
    """What it may go on from."""

    @property
    def num_known(self) -> int:
        """How many of its first tokens need not be read."""
        if self.history is None:
            return 0
        assert self.history.adapter == self.adapter, f"a history of {self.history.adapter}, read with {self.adapter}"
        return self.history.num_known(self.ids)

    @property
    def key(self) -> tuple[str, tuple[int, ...]]:
        """Equal prompts of an adapter have the same."""
        return self.adapter, tuple(self.ids)


@dataclass(frozen=True, slots=True)
class Prefilled:
    """Prompts that were read, a row each."""

    logits: Tensor
    """(B, V): what follows each prompt."""
    cache: DynamicCache
    mask: Tensor
    """(B, P): 1 where the cache holds a token of the prompt, padded on the left."""
    features: Tensor | None
    """(B, H), float32: what the head was given to predict what follows each prompt; None if it is no module."""


def prefill(model: PeftModel, prompts: Sequence[Prompt], *, is_packed: bool) -> Prefilled:
    """Read all prompts; equal ones of an adapter once."""
    continued, whole = _parted(prompts, is_packed=is_packed)
    parts: list[tuple[list[int], Prefilled]] = []
    if whole:
        parts.append((whole, (_packed if is_packed else _in_rows)(model, [prompts[number] for number in whole])))
    parts += [(own, _in_rows(model, [prompts[number] for number in own])) for own in continued]
    return parts[0][1] if len(parts) == 1 else _joined(parts)


def _parted(prompts: Sequence[Prompt], *, is_packed: bool) -> tuple[list[list[int]], list[int]]:
    """Numbers of the prompts that go on from their histories, and of those that are read as a whole.

    The former by adapter: agents are told more or less between their turns, and rows are as long as the longest.
    """
    continued: list[list[int]] = []
    for _, own in _by_adapter(prompts):
        known = [number for number in own if prompts[number].num_known]
        if known and not (is_packed and _is_less_as_a_tree([prompts[number] for number in known])):
            continued.append(known)
    return continued, sorted(set(range(len(prompts))) - {number for own in continued for number in own})


def _is_less_as_a_tree(prompts: Sequence[Prompt]) -> bool:
    """Whether prompts of an adapter have no more distinct tokens than are new in rows, padded, of distinct prompts."""
    in_rows = len({prompt.key for prompt in prompts}) * _num_read(prompts)
    return num_distinct([prompt.ids for prompt in prompts]) <= in_rows


def _num_read(prompts: Sequence[Prompt]) -> int:
    """Of how many tokens at its end each prompt is read, if all are read in one call."""
    return max(len(prompt.ids) - prompt.num_known for prompt in prompts)


def _joined(parts: Sequence[tuple[list[int], Prefilled]]) -> Prefilled:
    """Rows that were read apart, each part with the numbers of its prompts, as one batch in their order."""
    order = [number for numbers, _ in parts for number in numbers]
    reads = [read for _, read in parts]
    width = max(read.mask.shape[1] for read in reads)
    back = _inverse(order, reads[0].mask.device)
    features = [read.features for read in reads if read.features is not None]
    return Prefilled(
        logits=torch.cat([read.logits for read in reads])[back],
        cache=_rebuilt(
            [read.cache for read in reads],
            lambda layers: torch.cat(
                [functional.pad(layer, (0, 0, width - layer.shape[2], 0)) for layer in layers],
            )[back],
        ),
        mask=torch.cat([functional.pad(read.mask, (width - read.mask.shape[1], 0)) for read in reads])[back],
        features=torch.cat(features)[back] if features else None,
    )


def _inverse(order: Sequence[int], device: torch.device) -> Tensor:
    """Where each number stands in `order`."""
    return torch.tensor(sorted(range(len(order)), key=order.__getitem__), device=device)


def _rebuilt(caches: Sequence[DynamicCache], rows: Callable[[Sequence[Tensor]], Tensor]) -> DynamicCache:
    """A cache of other rows, which `rows` makes of what the caches have: keys of a layer, or its values.

    Layer by layer, each let go: two caches would take twice the memory.
    """
    together = DynamicCache()
    for number in range(len(caches[0].layers)):
        layers = [_tensors(cache.layers[number]) for cache in caches]
        keys, values = (rows([tensors[place] for tensors in layers]) for place in range(2))
        del layers
        together.update(keys, values, number)
        for cache in caches:
            cache.layers[number] = DynamicLayer()
    return together


def _tensors(layer: object) -> tuple[Tensor, Tensor]:
    """Keys and values, (B, G, T, D)."""
    assert isinstance(layer, DynamicLayer) and layer.keys is not None and layer.values is not None, layer
    return layer.keys, layer.values


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
    width = max(len(prompt.ids) for prompt in prompts)
    mask = _aligned_mask([len(prompt.ids) for prompt in prompts], width, base.device)
    trees: list[_Read] = []
    logits: list[Tensor] = []
    features: list[Tensor] = []
    for adapter, own in _by_adapter(prompts):
        packed = pack([prompts[number].ids for number in own]).to(base.device)
        cache = DynamicCache()
        ends = _read_tree(model, adapter, packed, cache_argument(model, cache))
        logits.append(ends.logits)
        features += ends.given
        paths = torch.stack([torch.cat([path.new_zeros(width - len(path)), path]) for path in packed.paths])
        trees.append(_Read(own, cache, paths))
    back = _inverse([number for tree in trees for number in tree.numbers], base.device)
    read = torch.cat(features)[back].float() if features else None
    cache = _rebuilt([tree.cache for tree in trees], lambda layers: _handed_out(trees, layers, len(prompts)))
    return Prefilled(torch.cat(logits)[back], cache, mask, read)


def _handed_out(trees: Sequence[_Read], layers: Sequence[Tensor], num_prompts: int) -> Tensor:
    """A row for each prompt of what stands along its path. Shapes: of each tree (1, G, T, D) -> (B, G, P, D)."""
    first = layers[0]
    rows = first.new_empty(num_prompts, first.shape[1], trees[0].paths.shape[1], first.shape[3])
    for tree, kept in zip(trees, layers, strict=True):
        rows[tree.numbers] = kept[0][:, tree.paths].transpose(0, 1)
    return rows


def features_of(
    model: PeftModel, prompts: Sequence[Prompt], *, is_packed: bool, max_packed_tokens: int, batch_size: int
) -> Tensor | None:
    """`Prefilled.features` of prompts that nobody replies to, so that no cache outlives its pass.

    `max_packed_tokens`, `batch_size`: bounds on a pass over a tree, and on one in rows.
    """
    continued, whole = _parted(prompts, is_packed=is_packed)
    found: dict[int, Tensor] = {}
    for numbers in continued if is_packed else [*continued, whole]:
        for start in range(0, len(numbers), batch_size):
            chosen = numbers[start : start + batch_size]
            read = _in_rows(model, [prompts[number] for number in chosen]).features
            if read is None:
                return None
            found.update(zip(chosen, read, strict=True))
    for adapter, own in _by_adapter(prompts, whole) if is_packed else ():
        for numbers in packs_within([prompts[number].ids for number in own], max_packed_tokens):
            chosen = [own[number] for number in numbers]
            packed = pack([prompts[number].ids for number in chosen]).to(model.device)
            given = _read_tree(model, adapter, packed).given
            if not given:
                return None
            found.update(zip(chosen, given[0].float(), strict=True))
    return torch.stack([found[number] for number in range(len(prompts))])


def _by_adapter(prompts: Sequence[Prompt], numbers: Sequence[int] | None = None) -> Iterator[tuple[str, list[int]]]:
    """Each adapter with the numbers of its prompts, among `numbers` if there are some to choose from."""
    chosen = range(len(prompts)) if numbers is None else numbers
    for adapter in dict.fromkeys(prompts[number].adapter for number in chosen):
        yield adapter, [number for number in chosen if prompts[number].adapter == adapter]


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


def _in_rows(model: PeftModel, prompts: Sequence[Prompt]) -> Prefilled:
    """Read distinct prompts in a row each, behind what their histories have.

    All have as many tokens to read: where fewer are new, some of the history's are read again. So padding stands on the
    left alone, and tokens stand as far from each other as in the prompt, which is what windows go by.
    """
    distinct = {prompt.key: prompt for prompt in prompts}
    ids, mask = left_padded([prompt.ids for prompt in distinct.values()], 0, model.device)
    num_read = _num_read(list(distinct.values()))
    cache = _continued(list(distinct.values()), ids.shape[1] - num_read)
    with _given_to_head(cast("PreTrainedModel", model.get_base_model())) as given:
        output = model(
            input_ids=ids[:, -num_read:],
            attention_mask=mask,
            position_ids=(mask.cumsum(-1) - 1).clamp(min=0)[:, -num_read:],
            logits_to_keep=1,
            **acting_as(model, [prompt.adapter for prompt in distinct.values()]),
            **cache_argument(model, cache),
        )
    number = {key: place for place, key in enumerate(distinct)}
    rows = torch.tensor([number[prompt.key] for prompt in prompts], device=model.device)
    if len(distinct) < len(prompts):  # it copies, and else each row is its own
        cache.batch_select_indices(rows)
    return Prefilled(output.logits[rows, -1], cache, mask[rows], given[0][rows, -1].float() if given else None)


def _continued(prompts: Sequence[Prompt], width: int) -> DynamicCache:
    """What histories have of the first tokens of prompts, all but those that are read, aligned at `width` places."""
    cache = DynamicCache()
    if width == 0:
        return cache
    num_read = max(len(prompt.ids) for prompt in prompts) - width
    histories = [(prompt.history, max(len(prompt.ids) - num_read, 0)) for prompt in prompts]
    kept = [(row, history.layers, length) for row, (history, length) in enumerate(histories) if history and length]
    for number, tensors in enumerate(kept[0][1]):
        rows = [tensor.new_zeros(len(prompts), len(tensor), width, tensor.shape[-1]) for tensor in tensors]
        for row, layers, length in kept:
            for whole, own in zip(rows, layers[number], strict=True):
                whole[row, :, width - length :] = own[:, :length]
        cache.update(rows[0], rows[1], number)
    return cache


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
