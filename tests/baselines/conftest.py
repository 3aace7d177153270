"""A language model small enough to be trained in a test: two random layers, a token for every byte.

It has what makes real models difficult: grouped-query attention, tied embeddings, a chat template with control tokens,
and padding with the very token that ends a reply.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from baselines.policies.team import Team

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def byte_tokenizer(*, eos_token: str = "<|im_end|>", template: str | None = CHATML) -> PreTrainedTokenizerFast:
    """Tokens 0 to 255 are the bytes; then come the control tokens. No merges, so every text has one tokenisation."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    bpe = Tokenizer(models.BPE(vocab={character: token for token, character in enumerate(alphabet)}, merges=[]))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    bpe.decoder = decoders.ByteLevel()
    bpe.add_special_tokens(["<|im_start|>", "<|im_end|>", "<|endoftext|>"])
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token=eos_token,
        pad_token=eos_token,
        chat_template=template,
        name_or_path="tiny",
    )


@pytest.fixture(scope="session")
def make_tokenizer() -> Callable[..., PreTrainedTokenizerFast]:
    """Makes a byte tokenizer of one's own, with another template or end token."""
    return byte_tokenizer


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerFast:
    """A fresh byte tokenizer with ChatML."""
    return byte_tokenizer()


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the model, as `from_pretrained` wants it."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    tokenizer = byte_tokenizer()
    tokenizer.save_pretrained(folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(20504)
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=len(tokenizer),
                hidden_size=64,
                intermediate_size=128,
                num_hidden_layers=2,
                num_attention_heads=4,
                num_key_value_heads=2,
                initializer_range=0.1,  # far enough from 0 that replies depend on what was read
                bos_token_id=None,
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id,
                tie_word_embeddings=True,
            )
        )
    model.save_pretrained(folder)
    return folder


def perturb(team: Team, scale: float = 0.5) -> Team:
    """Move every adapter away from where it starts, each in a direction of its own."""
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        for number, adapter in enumerate(team.blocks):
            torch.manual_seed(number)
            for parameter in team.parameters(adapter):
                parameter.add_(scale * torch.randn_like(parameter))
    return team


@pytest.fixture
def load_team(tiny_model: Path) -> Callable[..., Team]:
    """Loads a team on the tiny model; its adapters are perturbed by `scale` unless `fresh`."""

    def load(*agents: str, fresh: bool = False, scale: float = 0.5, **settings: object) -> Team:
        torch.manual_seed(0)
        team = Team.load(agents or ("reasoner_0", "actor_0"), model=str(tiny_model), **settings)
        return team if fresh else perturb(team, scale)

    return load


@pytest.fixture(scope="session")
def relay_run(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A team that was trained for two iterations."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    words = ["train", "marft_action", "--env-id", "collab/sum_relay-v0", "--level", "easy", "--no-curriculum"]
    words += ["--model", tiny_model, "--num-iterations", "2", "--episodes-per-iteration", "4", "--few-shot", "0"]
    words += ["--samples-per-instance", "2", "--eval-instances", "2", "--max-new-tokens", "4", "--threads", "1"]
    from baselines.cli import main

    assert main([str(word) for word in [*words, "--run-dir", folder]]) == 0
    return folder


@pytest.fixture
def marft(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Runs a command, expects an exit status, and gives its output and what it told besides."""
    from baselines.cli import main

    monkeypatch.setenv("COLUMNS", "160")

    def run(*words: object, status: int = 0) -> str:
        capsys.readouterr()
        found = main([str(word) for word in words])
        out, err = capsys.readouterr()
        assert found == status, f"exit status {found}: {out}{err}"
        return out + err

    return run
