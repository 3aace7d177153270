"""The attention of GPUs, as far as a CPU can run it: it follows the same tree as attention in tiles.

1. The block mask shows each token the path to it.
2. Hidden states, logits, keys and values are those of attention in tiles.
3. So are gradients. torch refuses that backward on CPUs, where only its fused kernel lacks one; the refusal is taken
   out, and the formula that the kernel implements is differentiated.
4. It refuses what it does not do.

FlexAttention runs without compilation here: scores are written out, masked by the block mask's function, and summed.
What only a GPU can show is not tested: that the fused kernels compile for these shapes, that they skip empty blocks
rightly (the formula looks at every pair), their rounding, and their speed.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.attention import flex_attention
from transformers import DynamicCache

from baselines.learning.packing import pack, visible
from baselines.policies.engines.prefill import cache_argument
from baselines.policies.packed import block_mask, run_pack, run_trunk
from baselines.policies.team import Team
from tests.baselines.conftest import perturb
from tests.baselines.trees import RELATED, Said, conversations, relative_error

pytestmark = [
    pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile"),
    pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning"),  # torch's own use
]
SEQUENCES = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=12), min_size=1, max_size=12)


@pytest.fixture(autouse=True, scope="module")
def uncompiled() -> Iterator[None]:
    """Compilation takes a minute and a compiler, and on CPUs ends in another kernel than on GPUs."""
    with torch.compiler.set_stance("force_eager"):
        yield


@pytest.fixture(scope="module")
def team(tiny_model: Path) -> Team:
    """In float64, so that no rounding hides a difference."""
    team = perturb(Team.load(("a_0",), model=str(tiny_model)))
    team.base.model.double()
    return team


def ids_of(said: list[Said]) -> list[list[int]]:
    return [one.prompt_ids + one.action_ids for one in said]


@given(sequences=SEQUENCES)
def test_the_block_mask_shows_each_token_the_path_to_it(sequences: list[list[int]]) -> None:
    tree = pack(sequences)
    token = torch.arange(tree.num_tokens)
    mask = block_mask(tree)
    assert mask.shape[-2:] == (tree.num_tokens, tree.num_tokens)
    nothing = torch.zeros((), dtype=torch.long)
    shown = mask.mask_mod(nothing, nothing, token[:, None], token[None, :])
    assert torch.equal(shown, visible(token[:, None], token[None, :], tree.ends))


def test_blocks_that_are_left_out_hold_nothing_that_is_seen() -> None:
    # A kernel looks only into the blocks of 128 × 128 that the mask lists.
    tree = pack([[0] * 150, [0] * 20 + [1] * 140, [2] * 200])
    mask = block_mask(tree)
    token = torch.arange(tree.num_tokens)
    seen = visible(token[:, None], token[None, :], tree.ends)
    size = mask.BLOCK_SIZE[0]
    for row, blocks in enumerate(mask.to_dense()[0, 0].bool().tolist()):
        for column, is_listed in enumerate(blocks):
            block = seen[row * size : (row + 1) * size, column * size : (column + 1) * size]
            assert is_listed == bool(block.any())


@given(said=conversations())
@settings(max_examples=10)
def test_what_is_computed_is_what_tiles_give(team: Team, said: list[Said]) -> None:
    tree = pack(ids_of(said))
    keep = torch.arange(0, tree.num_tokens, 2)
    team.base.model.set_adapter("a_0")
    with torch.no_grad():
        torch.testing.assert_close(
            run_trunk(team.base.model.get_base_model(), tree, "marft_flex"),
            run_trunk(team.base.model.get_base_model(), tree),
        )
        caches = {kind: DynamicCache() for kind in ("marft_flex", "marft_tiled")}
        logits = [
            run_pack(team.base.model, tree, keep=keep, cache=cache_argument(team.base.model, cache), kind=kind)
            for kind, cache in caches.items()
        ]
        torch.testing.assert_close(*logits)
        for layers in zip(*(cache.layers for cache in caches.values()), strict=True):
            torch.testing.assert_close(layers[0].keys, layers[1].keys)
            torch.testing.assert_close(layers[0].values, layers[1].values)


def test_gradients_are_those_of_tiles(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flex_attention, "_validate_device", lambda *tensors: None)
    tree = pack(ids_of(list(RELATED)))
    keep = torch.arange(tree.num_tokens)
    weights = torch.randn((tree.num_tokens, 259), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found, expected = (
        torch.cat(
            [
                gradient.flatten()
                for gradient in torch.autograd.grad(
                    (run_pack(team.base.model, tree, keep=keep, kind=kind).log_softmax(-1) * weights).sum(),
                    team.parameters("a_0"),
                )
            ]
        )
        for kind in ("marft_flex", "marft_tiled")
    )
    assert relative_error(found, expected) <= 1e-7


def test_it_refuses_what_it_does_not_do(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    # FlexAttention itself would leave the window out, since it was given a mask.
    base = team.base.model.get_base_model()
    trunk = base.base_model
    forward = trunk.forward
    monkeypatch.setattr(trunk, "forward", lambda *args, **told: forward(*args, **told, sliding_window=8))
    for kind in ("marft_flex", "marft_tiled"):
        with pytest.raises(ValueError, match="its attention has sliding_window"), torch.no_grad():
            run_trunk(base, pack([[1, 2]]), kind)
