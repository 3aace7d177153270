"""Products of a few rows with large matrices, where one of torch's two libraries is much faster at them.

PyTorch for x86 multiplies float32 matrices by MKL, unless less than float32 is asked for, and has oneDNN beside it.
With the few rows that are drawn at a time MKL first copies a matrix into another order, which takes as long as the
product. oneDNN reads it where it lies, and faster still from a copy in its own order, made once. Both compute in
float32 and differ by rounding.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast
from weakref import WeakKeyDictionary

import torch
from peft.utils.other import AuxiliaryTrainingWrapper
from torch import Tensor, nn
from torch.nn import functional

FEWEST, MOST = 4, 32
"""Rows with which it is worth it: see benchmarks/few_rows.py."""
_SMALL = 2**16
"""Numbers in a matrix: one of fewer stays near the processor and is read fast either way."""
_NUM_SAMPLED = 256
"""Numbers of a matrix that tell whether it is still the one that was copied."""
MAX_COPIED_BYTES = 2 * 2**30
"""A model with more in such matrices is multiplied from where they lie: the copies take as much memory as they do."""

_copies: "WeakKeyDictionary[nn.Linear, _Copy]" = WeakKeyDictionary()
"""Of layers that are not trained."""


@dataclass(frozen=True, slots=True)
class _Copy:
    """Weights in oneDNN's order."""

    version: int
    """How often they had been written to, as autograd counts."""
    sample: Tensor
    """Some of them: autograd does not see others put in their place through `data`."""
    weight: Tensor


@contextmanager
def linears_of_few_rows(model: nn.Module) -> Iterator[None]:
    """While it is open, linear layers multiply few rows by oneDNN, where that is not what they do already.

    For drawing: what it computes cannot be differentiated.
    """
    modules = list(model.modules()) if has_both() else []
    linears = [module for module in modules if isinstance(module, nn.Linear) and _gains(module)]
    copied = _worth_a_copy(modules, linears)
    with instead(
        {linear: _Product(linear, _copied(linear) if linear in copied else linear.weight) for linear in linears}
    ):
        yield


@contextmanager
def instead(forwards: Mapping[nn.Module, Callable[[Tensor], Tensor]]) -> Iterator[None]:
    """While it is open, modules compute this in place of their `forward`; see `is_as_made`, which they have to be."""
    try:
        for module, forward in forwards.items():
            module.forward = forward  # an attribute of this one, beside its class's
        yield
    finally:
        for module in forwards:
            module.__dict__.pop("forward", None)


def is_as_made(module: nn.Module) -> bool:
    """Whether it computes what its class does: nobody has put another `forward` in its place."""
    return "forward" not in module.__dict__


def has_both() -> bool:
    """Whether there is another library than the one that multiplies."""
    return bool(
        hasattr(torch.ops.mkldnn, "_linear_pointwise")  # what torch's own compiler calls
        and torch.backends.mkl.is_available()  # type: ignore[no-untyped-call]
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and cast("bool", torch.backends.mkldnn.enabled)
        and torch.get_float32_matmul_precision() == "highest"
    )


def _gains(linear: nn.Linear) -> bool:
    return (
        type(linear) is nn.Linear
        and is_as_made(linear)
        and linear.weight.device.type == "cpu"
        and linear.weight.dtype == torch.float32
        and linear.weight.is_contiguous()
        and linear.weight.numel() >= _SMALL
    )


def _worth_a_copy(modules: Iterable[nn.Module], linears: Iterable[nn.Linear]) -> set[nn.Linear]:
    """Those that stay as they are, if they are not too large together."""
    trained = {inner for outer in modules if isinstance(outer, AuxiliaryTrainingWrapper) for inner in outer.modules()}
    frozen = {linear for linear in linears if not linear.weight.requires_grad and linear not in trained}
    return frozen if sum(linear.weight.nbytes for linear in frozen) <= MAX_COPIED_BYTES else set()


def _copied(linear: nn.Linear) -> Tensor:
    """Its weights in oneDNN's order, copied again if they have changed."""
    weight, version = linear.weight.detach(), linear.weight._version  # noqa: SLF001
    sample = weight.flatten()[:: weight.numel() // _NUM_SAMPLED]
    known = _copies.pop(linear, None)
    if known is None or known.version != version or not torch.equal(known.sample, sample):
        del known  # not two at a time
        known = _Copy(version, sample.clone(), reordered(weight))
    _copies[linear] = known
    return known.weight


def reordered(weight: Tensor) -> Tensor:
    """A copy of a matrix, (out, in), in oneDNN's order for few rows."""
    copy: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight, MOST)  # noqa: SLF001  # as torch's compiler does
    return copy


def by_onednn(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`functional.linear`, with the weights where they lie or `reordered`."""
    product: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")  # noqa: SLF001  # likewise
    return product


class _Product:
    """What `nn.Linear` makes of x: shapes (..., in) -> (..., out)."""

    def __init__(self, linear: nn.Linear, weight: Tensor) -> None:
        """`weight`: its own, or a copy in oneDNN's order."""
        self._linear = linear
        self._weight = weight

    def __call__(self, x: Tensor) -> Tensor:
        if x.dtype == torch.float32 and FEWEST <= x.numel() // x.shape[-1] <= MOST:
            return by_onednn(x, self._weight, self._linear.bias)
        return functional.linear(x, self._linear.weight, self._linear.bias)
