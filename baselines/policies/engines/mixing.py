"""A batch whose rows are different policies, computed in one call for each token that is drawn.

PEFT's own way, `adapter_names`, picks each adapter's rows out in every layer and puts them back, which with two agents
and eight replies is a sixth of a token's time. Here all adapters are active at once, as those are that add up, and
hooks zero what each makes of other policies' rows between its two matrices. To those rows it adds exactly nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, cast

import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer, LoraModel
from peft.tuners.lora.layer import Linear
from torch import Tensor, nn

from baselines.policies.engines.prefill import acting_as


class Rows(Protocol):
    """Rows of a batch, each of them one policy."""

    def keep(self, places: Sequence[int]) -> None:
        """Only these go on."""

    def arguments(self) -> dict[str, list[str]]:
        """What the model is to be called with besides."""
        ...


@contextmanager
def rows_of(model: PeftModel, adapters: Sequence[str]) -> Iterator[Rows]:
    """While it is open, row b of a call is computed with `adapters[b]`. Nobody else may set adapters meanwhile."""
    layers = [module for module in model.modules() if isinstance(module, LoraLayer)]
    if len(set(adapters)) == 1 or not all(_adds_a_product(layer) for layer in layers):
        yield _Named(model, adapters)
        return
    rows = _Masked(model, adapters)
    handles = [
        layer.lora_A[name].register_forward_hook(rows.hook_of(name))
        for layer in layers
        for name in sorted(set(adapters) & layer.lora_A.keys())
    ]
    try:
        yield rows
    finally:
        for handle in handles:
            handle.remove()
        _activate(model, [model.active_adapter])


def _adds_a_product(layer: LoraLayer) -> bool:
    """Whether all that its adapters do is to add B(A(x)): then nothing is added where A(x) is zero."""
    return isinstance(layer, Linear) and not layer.lora_variant and not any(layer.lora_bias.values())


def _activate(model: PeftModel, adapters: list[str]) -> None:
    """All of them; to the outer model its one active adapter stays what it was."""
    cast("LoraModel", model.base_model).set_adapter(adapters)


class _Named:
    """In PEFT's way, for layers of other kinds; of one adapter, by setting it."""

    def __init__(self, model: PeftModel, adapters: Sequence[str]) -> None:
        self._model = model
        self._adapters = list(adapters)

    def keep(self, places: Sequence[int]) -> None:
        self._adapters = [self._adapters[place] for place in places]

    def arguments(self) -> dict[str, list[str]]:
        return acting_as(self._model, self._adapters)


class _Masked:
    """With all adapters active."""

    def __init__(self, model: PeftModel, adapters: Sequence[str]) -> None:
        self._model = model
        self._adapters = list(adapters)
        self._of_others: dict[str, Tensor] = {}
        """Of each adapter, (B, 1, 1): whether a row is another's."""
        self._look()

    def keep(self, places: Sequence[int]) -> None:
        self._adapters = [self._adapters[place] for place in places]
        self._look()

    def arguments(self) -> dict[str, list[str]]:
        return {}

    def _look(self) -> None:
        """Activates the adapters that rows have, and notes whose rows are whose."""
        names = sorted(set(self._adapters))
        if names != sorted(self._of_others):  # setting them walks through all modules
            _activate(self._model, names)
        self._of_others = {
            name: torch.tensor([own != name for own in self._adapters], device=self._model.device)[:, None, None]
            for name in names
        }

    def hook_of(self, adapter: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]:
        """What becomes of the output of its first matrices, (B, T, rank)."""

        def without_others(_module: nn.Module, _given: tuple[Tensor, ...], output: Tensor) -> Tensor:
            others = self._of_others[adapter]
            assert output.ndim == others.ndim and len(output) == len(others), (output.shape, others.shape)
            return output.masked_fill(others, 0.0)

        return without_others
