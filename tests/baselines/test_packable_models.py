"""Which families of models can be packed: those that can give the same on a tree, and all others are refused.

1. Families that are accepted give the logits and the gradients that each sequence gives on its own.
2. What does more than look at everything before a token is refused, and the refusal names the way out.
3. The probe sees what it has to see: on another layout of the tree a model that works is refused.

Models are random and tiny, made from configurations. Weights are large enough that attention matters.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedConfig

from baselines.errors import ConfigError
from baselines.learning.packing import pack
from baselines.policies import packed as packed_module
from baselines.policies.adapted import AdaptedModel, Compute
from baselines.policies.packed import check_packing, run_pack
from baselines.policies.team import Team
from tests.baselines.conftest import byte_tokenizer
from tests.baselines.trees import (
    RELATED,
    TEMPERATURE,
    Said,
    as_scores,
    largest_difference,
    naive_scores,
    relative_error,
)

SIZES = {
    "vocab_size": 259,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "pad_token_id": 0,
}
EXPERTS = {"num_local_experts": 4, "num_experts_per_tok": 2}
LATENT = {
    "num_key_value_heads": 4,
    "kv_lora_rank": 16,
    "q_lora_rank": 16,
    "qk_nope_head_dim": 16,
    "qk_rope_head_dim": 8,
    "head_dim": 8,
    "v_head_dim": 12,
    "n_routed_experts": 4,
    "n_group": 1,
    "topk_group": 1,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 32,
}
GPT2 = {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 256, "vocab_size": 259}
ALL_FULL = {"layer_types": ["full_attention"] * 2}


def config(kind: str, **settings: object) -> PreTrainedConfig:
    known = AutoConfig.for_model(kind)
    return AutoConfig.for_model(
        kind, **{name: value for name, value in SIZES.items() if hasattr(known, name)} | settings
    )


def adapted(chosen: PreTrainedConfig) -> PeftModel:
    """The model that a configuration describes, with an adapter on its first linear layer."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        base = AutoModelForCausalLM.from_config(chosen).eval()
        for parameter in base.parameters():
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.15)
        layers = [name for name, module in base.named_modules() if type(module).__name__ in {"Linear", "Conv1D"}]
        lora = LoraConfig(target_modules=layers[:1], init_lora_weights=False, fan_in_fan_out="c_attn" in layers[0])
        return get_peft_model(base, lora).eval()


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Without what Transformers says of kernels that are not installed."""
    before = logging.getLogger("transformers").level
    logging.getLogger("transformers").setLevel(logging.ERROR)
    yield
    logging.getLogger("transformers").setLevel(before)


# Accepted, and the same.

ACCEPTED = [
    ("llama", {}),
    ("llama", {"attn_implementation": "eager"}),
    ("qwen2", {"use_sliding_window": False, "sliding_window": 32}),
    ("qwen3", {}),
    ("qwen3_moe", {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}),
    ("mistral", {"sliding_window": None}),
    ("mixtral", {"sliding_window": None, **EXPERTS}),
    ("gemma", {}),
    ("gemma3_text", ALL_FULL),
    ("phi", {}),
    ("phi3", {"sliding_window": None}),
    ("olmo2", {}),
    ("granite", {"attention_multiplier": 0.3}),
    ("cohere", {}),
    ("starcoder2", {"sliding_window": None}),
    ("deepseek_v3", LATENT),
    ("opt", {"ffn_dim": 96, "word_embed_proj_dim": 64, "max_position_embeddings": 256}),
    ("gpt_neox", {}),
    ("gpt2", GPT2),
    ("gpt2", {**GPT2, "scale_attn_by_inverse_layer_idx": True}),
]
NATIVE = {"phi", "starcoder2", "opt", "gpt_neox", "gpt2"}
"""Whose norms stay in float64; those of the others round to float32 (`test_packed.py`)."""


@pytest.mark.parametrize(("kind", "settings"), ACCEPTED, ids=[kind for kind, _ in ACCEPTED])
def test_a_family_that_is_accepted_gives_the_same_on_a_tree(kind: str, settings: dict[str, object]) -> None:
    model = adapted(config(kind, **settings))
    check_packing(model)
    model.double().requires_grad_(True)
    model.get_base_model().set_experts_implementation("eager")  # the other ways know no float64
    sequences = [said.prompt_ids + said.action_ids for said in RELATED]
    tree = pack(sequences)
    logits = run_pack(model, tree, keep=torch.arange(tree.num_tokens))
    alone = [model(input_ids=torch.tensor([sequence]), use_cache=False).logits[0] for sequence in sequences]
    for path, expected in zip(tree.paths, alone, strict=True):
        torch.testing.assert_close(logits[path], expected, atol=1e-5, rtol=0)
    bound = 1e-10 if kind in NATIVE else 1e-5
    assert relative_error(slope(model, [logits[path] for path in tree.paths]), slope(model, alone)) <= bound


@pytest.mark.parametrize("path", ["packed", "plain"])
def test_places_are_counted_from_a_prompts_beginning_and_not_from_its_padding(path: str) -> None:
    # Llama would not notice: its positions are relative, so that all may be shifted. GPT-2 learns one vector per place.
    model = AdaptedModel(adapted(config("gpt2", **GPT2)), byte_tokenizer(), Compute(path))
    team = Team([model], {"a_0": "default"})
    with torch.no_grad():
        found = team.score("default", RELATED, TEMPERATURE)
        assert largest_difference(found, as_scores(naive_scores(team, "default", RELATED))) <= 1e-4


def slope(model: PeftModel, logits: list[Tensor]) -> Tensor:
    """The gradient, to every parameter, of some fixed mixture of log-probabilities."""
    drawn = torch.Generator().manual_seed(0)
    loss = sum(
        (part.log_softmax(-1) * torch.randn(part.shape, generator=drawn, dtype=part.dtype)).sum() for part in logits
    )
    grads = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)
    return torch.cat([grad.flatten() for grad in grads if grad is not None])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("num_layers", [2, 30])
def test_rounding_alone_is_no_reason_to_refuse(dtype: torch.dtype, num_layers: int) -> None:
    model = adapted(config("llama", num_hidden_layers=num_layers)).to(dtype)
    check_packing(model)


# Refused.

REFUSED = [
    ("mistral", {"sliding_window": 4096}, "its attention has sliding_window"),
    ("mixtral", {"sliding_window": 4096, **EXPERTS}, "its attention has sliding_window"),
    ("phi3", {"sliding_window": 2047}, "its attention has sliding_window"),
    ("starcoder2", {"sliding_window": 4096}, "its attention has sliding_window"),
    ("qwen2", {"use_sliding_window": True, "max_window_layers": 1}, "its layers .*sliding_attention"),
    ("gemma2", {}, "its layers .*sliding_attention"),
    ("gemma2", ALL_FULL, "its attention has softcap"),
    ("gpt_oss", {**ALL_FULL, **EXPERTS}, "its attention has s_aux"),
    ("stablelm", {}, "does not hand keywords down"),
    ("gpt_neo", {"attention_types": [[["global"], 2]], "num_layers": 2, "num_heads": 4}, "something else"),
    ("bloom", {"n_layer": 2, "n_head": 4}, "something else"),
    ("mamba", {"state_size": 4}, "its layers .*linear_attention"),
    ("lfm2", {"layer_types": ["conv", "full_attention"]}, "its layers .*conv"),
    ("rwkv", {"attention_hidden_size": 64}, "something else"),
]


@pytest.mark.parametrize(("kind", "settings", "why"), REFUSED, ids=[kind for kind, _, _ in REFUSED])
def test_a_family_that_would_be_wrong_is_refused_with_the_way_out(
    kind: str, settings: dict[str, object], why: str
) -> None:
    model = adapted(config(kind, **settings))
    with pytest.raises(ConfigError, match=f"packing does not work with this model .*{why}.*use --update-path plain"):
        check_packing(model)
    assert model.get_base_model().config._attn_implementation != "marft_tiled"  # it is left as it was


def test_a_team_on_a_model_with_a_window_is_loaded_with_the_plain_path_alone(tmp_path: Path) -> None:
    base = AutoModelForCausalLM.from_config(config("mistral", sliding_window=8))
    base.save_pretrained(tmp_path)
    byte_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match=r"MistralForCausalLM.*sliding_window.*--update-path plain"):
        Team.load(("a_0",), model=str(tmp_path))
    team = Team.load(("a_0",), model=str(tmp_path), compute=Compute("plain"))
    assert team.score("a_0", [Said([70] * 20, [71])], 1.0).logprobs.shape == (1, 1)


def test_a_model_that_takes_no_notice_of_the_tokens_it_is_asked_about_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = adapted(config("llama"))
    base = model.get_base_model()
    forward = base.forward
    monkeypatch.setattr(base, "forward", lambda *args, **settings: forward(*args, **settings | {"logits_to_keep": 0}))
    with pytest.raises(ConfigError, match="logits for other tokens than it is asked for"):
        check_packing(model)


# The probe.


@pytest.mark.parametrize(
    "spoil",
    [
        lambda tree: replace(tree, positions=torch.arange(tree.num_tokens)),
        lambda tree: replace(tree, positions=tree.positions + (torch.arange(tree.num_tokens) >= 64).long()),
        lambda tree: replace(
            tree, tiles=tuple(replace(t, hidden=t.keys[:, None] > t.queries[..., None]) for t in tree.tiles)
        ),
        lambda tree: replace(tree, tiles=tuple(replace(t, hidden=t.hidden | far(tree, t)) for t in tree.tiles)),
    ],
    ids=["positions along the row", "positions off by one behind a branch", "everything before", "a window of 32"],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_tree_laid_out_wrongly_is_seen_by_the_probe(
    spoil: Callable[[object], object], dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = adapted(config("llama")).to(dtype)
    check_packing(model)
    monkeypatch.setattr(packed_module, "pack", lambda *arguments: spoil(pack(*arguments)))
    with pytest.raises(ConfigError, match="something else than on the branches"):
        check_packing(model)


def far(tree: SimpleNamespace, tiles: SimpleNamespace) -> Tensor:
    """Whether a key lies 32 or more tokens above a query."""
    return tree.positions[tiles.queries][:, :, None] - tree.positions[tiles.keys][:, None] >= 32
