"""Few rows by oneDNN: the same products up to rounding, from copies that are never out of date."""

import pytest
import torch
from torch import Tensor, nn

from baselines.policies.engines import products
from baselines.policies.engines.products import FEWEST, MOST, linears_of_few_rows

pytestmark = pytest.mark.skipif(not products.has_both(), reason="this torch has no two libraries to choose from")


@pytest.fixture
def model() -> nn.Sequential:
    torch.manual_seed(0)
    small = nn.Linear(16, 300)
    made = nn.Sequential(small, nn.Linear(300, 400), nn.ReLU(), nn.Linear(400, 300, bias=False))
    return made.requires_grad_(False)


def changed(model: nn.Module) -> list[nn.Module]:
    return [module for module in model.modules() if "forward" in module.__dict__]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """The matrices that oneDNN multiplied by."""
    seen: list[Tensor] = []
    real = torch.ops.mkldnn._linear_pointwise

    def product(x: Tensor, matrix: Tensor, *rest: object) -> Tensor:
        seen.append(matrix)
        return real(x, matrix, *rest)  # type: ignore[no-any-return]

    monkeypatch.setattr(torch.ops.mkldnn, "_linear_pointwise", product)
    return seen


@torch.no_grad()
@pytest.mark.parametrize("copies", [True, False], ids=["copied", "where they lie"])
def test_products_of_few_rows_are_those_of_the_layers(
    model: nn.Sequential, calls: list[Tensor], monkeypatch: pytest.MonkeyPatch, copies: bool
) -> None:
    if not copies:
        monkeypatch.setattr(products, "MAX_COPIED_BYTES", 0)
    for shape in ((1, 16), (FEWEST, 1, 16), (2, 5, 16), (MOST, 16), (MOST + 1, 1, 16)):
        x = torch.randn(shape)
        expected = model(x)
        calls.clear()
        with linears_of_few_rows(model):
            assert changed(model) == [model[1], model[3]]  # the first is small
            found = model(x)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
        are_copies = [matrix is not layer.weight for matrix, layer in zip(calls, (model[1], model[3]), strict=False)]
        assert are_copies == ([copies] * 2 if FEWEST <= x.numel() // 16 <= MOST else [])
        assert len(calls) == len(are_copies)
    assert changed(model) == []


@torch.no_grad()
def test_a_copy_is_made_once_and_again_when_the_weights_have_changed(model: nn.Sequential, calls: list[Tensor]) -> None:
    x = torch.randn(8, 16)

    def drawn() -> Tensor:
        with linears_of_few_rows(model):
            return model(x)  # type: ignore[no-any-return]

    drawn(), drawn()
    assert calls[0] is calls[2] and calls[1] is calls[3]
    model[1].weight.mul_(2)  # in place
    torch.testing.assert_close(drawn(), model(x), atol=1e-5, rtol=0)
    model[3].weight = nn.Parameter(torch.randn(300, 400), requires_grad=False)  # others instead
    torch.testing.assert_close(drawn(), model(x), atol=1e-4, rtol=0)
    model[3].weight.data.normal_()  # which autograd does not count
    torch.testing.assert_close(drawn(), model(x), atol=1e-4, rtol=0)
    model.load_state_dict({name: torch.randn_like(tensor) for name, tensor in model.state_dict().items()})
    torch.testing.assert_close(drawn(), model(x), atol=0.02, rtol=0)  # of numbers about 100


@torch.no_grad()
def test_what_is_trained_is_not_copied(model: nn.Sequential, calls: list[Tensor]) -> None:
    model[1].requires_grad_(True)
    with linears_of_few_rows(model):
        model(torch.randn(8, 16))
    assert calls[0] is model[1].weight and calls[1] is not model[3].weight


@torch.no_grad()
def test_copies_go_with_their_layers(model: nn.Sequential) -> None:
    before = len(products._copies)
    with linears_of_few_rows(model):
        model(torch.randn(8, 16))
    assert len(products._copies) == before + 2
    del model[3], model[1]
    assert len(products._copies) == before


@torch.no_grad()
def test_other_precisions_and_layers_are_left_alone(model: nn.Sequential, calls: list[Tensor]) -> None:
    with linears_of_few_rows(model.bfloat16()):
        assert changed(model) == []
        model(torch.randn(8, 16, dtype=torch.bfloat16))
    model.float()
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")  # by oneDNN anyhow
        with linears_of_few_rows(model):
            assert changed(model) == []
    finally:
        torch.set_float32_matmul_precision(before)
    model[1].forward = model[1].forward  # somebody else's
    with linears_of_few_rows(model):
        assert changed(model) == [model[1], model[3]]
        model(torch.randn(8, 16))
    assert len(calls) == 1 and changed(model) == [model[1]]


def test_an_error_leaves_nothing_changed(model: nn.Sequential) -> None:
    with pytest.raises(KeyboardInterrupt), linears_of_few_rows(model):
        raise KeyboardInterrupt
    assert changed(model) == []
