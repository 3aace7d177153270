"""Shape assertions, so that a wrong broadcast stops where it happens not in a curve that will not rise."""

from collections.abc import Collection

from torch import Tensor


def assert_alike(ranks: Collection[int], *tensors: Tensor) -> None:
    """All tensors have one shape, and its rank is one of `ranks`."""
    shapes = [tuple(tensor.shape) for tensor in tensors]
    assert all(shape == shapes[0] for shape in shapes), shapes
    assert len(shapes[0]) in ranks, (shapes[0], ranks)
