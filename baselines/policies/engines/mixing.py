"""A batch whose rows are different policies, computed in one call for each token that is drawn.

A token of a few rows is little work, and much of it is what surrounds the products: PEFT adds one adapter after
another, and picks each one's rows out and puts them back. Here the matrices of all adapters lie beside each other, as
those of a single adapter of their ranks together: two products for a layer, between which each row loses what is not of
its own policy. What is computed is the same up to rounding.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from peft.tuners.lora.layer import Linear
from peft.utils.other import AuxiliaryTrainingWrapper
from torch import Tensor, nn

from baselines.policies.engines.prefill import acting_as
from baselines.policies.engines.products import instead, is_as_made, linears_of_few_rows


class Rows(Protocol):
    """Rows of a batch, each of them one policy."""

    def keep(self, places: Sequence[int]) -> None:
        """Only these go on."""

    def arguments(self) -> dict[str, list[str]]:
        """What the model is to be called with besides."""
        ...


@contextmanager
def rows_of(model: PeftModel, adapters: Sequence[str]) -> Iterator[Rows]:
    """While it is open, row b of a call is computed with `adapters[b]`, of T = 1 token or more.

    For drawing: nothing may be differentiated in it, be trained, or set adapters.
    """
    with linears_of_few_rows(model):
        if not _adds_products(model):
            yield _Named(model, adapters)
            return
        rows = _Beside(adapters)
        with instead({layer: _Sum(layer, rows) for layer in model.modules() if isinstance(layer, Linear)}):
            yield rows


def _adds_products(model: PeftModel) -> bool:
    """Whether all that its adapters do is to add B(A(x)) to what linear layers make of x."""
    return all(
        isinstance(module, Linear)
        and is_as_made(module)
        and not module.lora_variant
        and not any(module.lora_bias.values())
        and not module.merged
        and not module.disable_adapters
        for module in model.modules()
        if isinstance(module, LoraLayer | AuxiliaryTrainingWrapper)
    )


class _Named:
    """In PEFT's way, for layers of other kinds; of one adapter, by setting it."""

    def __init__(self, model: PeftModel, adapters: Sequence[str]) -> None:
        self._model = model
        self._adapters = list(adapters)

    def keep(self, places: Sequence[int]) -> None:
        self._adapters = [self._adapters[place] for place in places]

    def arguments(self) -> dict[str, list[str]]:
        return acting_as(self._model, self._adapters)


class _Beside:
    """Which adapters rows have, for layers that have all of them beside each other."""

    def __init__(self, adapters: Sequence[str]) -> None:
        self._adapters = list(adapters)
        self.names = sorted(set(adapters))
        """All that any row ever had, in the order in which their columns lie."""
        self._others: dict[tuple[int, ...], Tensor] = {}

    def keep(self, places: Sequence[int]) -> None:
        self._adapters = [self._adapters[place] for place in places]
        self._others.clear()

    def arguments(self) -> dict[str, list[str]]:
        return {}

    def others(self, ranks: tuple[int, ...], device: torch.device) -> Tensor:
        """(B, sum of ranks): whether a column, of the adapter that lies there, is none of a row's own."""
        if ranks not in self._others:  # one for all layers but where a layer's ranks are its own
            owners = [name for name, rank in zip(self.names, ranks, strict=True) for _ in range(rank)]
            self._others[ranks] = torch.tensor(
                [[owner != own for owner in owners] for own in self._adapters], device=device
            )
        return self._others[ranks]


class _Sum:
    """What a linear layer and its adapters make of x: W x + c + B (mask ⊙ A x), shapes (..., in) -> (..., out)."""

    def __init__(self, layer: Linear, rows: _Beside) -> None:
        self._rows = rows
        self._base: nn.Module = layer.get_base_layer()
        have = [name for name in rows.names if name in layer.lora_A]
        firsts: dict[str, Tensor] = {name: layer.get_parameter(f"lora_A.{name}.weight") for name in have}
        seconds = [layer.get_parameter(f"lora_B.{name}.weight") * layer.scaling[name] for name in have]
        self._ranks = tuple(len(firsts[name]) if name in have else 0 for name in rows.names)
        self._is_mixed = len(rows.names) > 1
        self._first: Tensor | None = None
        if have:
            self._first = torch.cat(list(firsts.values())).t()
            self._second = torch.cat(seconds, dim=1).t()

    def __call__(self, x: Tensor) -> Tensor:
        result: Tensor = self._base(x)
        if self._first is None:
            return result
        inner = x.flatten(0, -2).to(self._first.dtype) @ self._first
        if self._is_mixed:
            others = self._rows.others(self._ranks, x.device)
            assert len(inner) % len(others) == 0, (x.shape, others.shape)
            inner.view(len(others), -1, inner.shape[-1]).masked_fill_(others[:, None], 0.0)
        if result.dtype == inner.dtype:
            return result.flatten(0, -2).addmm_(inner, self._second).view(result.shape)
        return (result + (inner @ self._second).view(result.shape)).to(result.dtype)
