"""Beside TRL: its trainers' own losses and advantages, on a tiny model with the adapter that ours has.

1. Log-probabilities and entropies of chosen tokens.
2. What its `GRPOTrainer` and `RLOOTrainer` make of a batch is what our algorithms leave in the adapter.
3. What they make of rewards is what ours hand over, up to the denominator of a deviation.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from baselines.learning.groups import group_advantages
from baselines.learning.losses import chosen_tokens, entropy_from_logits, token_logprobs
from baselines.learning.masks import padded
from baselines.policies.team import Team
from baselines.rollouts.batch import Batch
from tests.baselines.gradients import Caught, caught
from tests.baselines.test_algorithms import TEMPERATURE
from tests.peers.conftest import AGENT, RETURNS, moved, old_logprobs, replies

pytest.importorskip("trl", reason="TRL is not installed; `make peers` installs it")

from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer
from trl.trainer import utils as their_utils

# Transformers says it of whoever sets it, and TRL does.
pytestmark = pytest.mark.filterwarnings("ignore:`gradient_checkpointing` is deprecated:FutureWarning")

MAX_NEW_TOKENS = 4

# --- 1. Tokens ---


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_log_probabilities_and_entropies_of_chosen_tokens_are_theirs(temperature: float) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = (3 * torch.randn(3, 4, 50, generator=generator)).requires_grad_()
    actions = torch.randint(50, (3, 4), generator=generator)
    logprobs, entropy = their_utils.selective_log_softmax_and_entropy(logits, actions, temperature=temperature)
    (theirs,) = torch.autograd.grad((logprobs + 0.3 * entropy).sum(), logits)
    torch.testing.assert_close(token_logprobs(logits, actions, temperature), logprobs)
    torch.testing.assert_close(entropy_from_logits(logits, temperature), entropy)
    chosen = chosen_tokens(logits.flatten(0, 1), torch.arange(12), actions.flatten(), temperature)
    torch.testing.assert_close(chosen.logprobs, logprobs.flatten())
    torch.testing.assert_close(chosen.entropy, entropy.flatten())
    (ours,) = torch.autograd.grad((chosen.logprobs + 0.3 * chosen.entropy).sum(), logits)
    torch.testing.assert_close(ours, theirs)


# --- 2. Losses ---


def their_trainer(
    kind: str, tiny_model: Path, folder: Path, reward: Callable[..., list[float]], **settings: Any
) -> Any:
    """A trainer with a fresh adapter, like ours in size, that computes and does not train."""
    config, trainer = {"grpo": (GRPOConfig, GRPOTrainer), "rloo": (RLOOConfig, RLOOTrainer)}[kind]
    made = trainer(
        model=AutoModelForCausalLM.from_pretrained(tiny_model),
        reward_funcs=reward,
        args=config(
            output_dir=str(folder),
            per_device_train_batch_size=6,
            num_generations=2,
            max_completion_length=MAX_NEW_TOKENS,
            temperature=TEMPERATURE,
            top_k=0,
            bf16=False,
            use_cpu=True,
            report_to="none",
            **settings,
        ),
        train_dataset=Dataset.from_dict({"prompt": ["Go."] * 6}),
        processing_class=AutoTokenizer.from_pretrained(tiny_model),
        peft_config=LoraConfig(
            r=8, lora_alpha=16, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM"
        ),
    )
    made.model.eval()
    return made


def trained(model: torch.nn.Module) -> list[torch.nn.Parameter]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


@torch.no_grad()
def take_over(model: torch.nn.Module, team: Team) -> None:
    """Give their adapter the numbers of ours."""
    for own, other in zip(trained(model), team.parameters(AGENT), strict=True):
        own.copy_(other)


def their_inputs(team: Team, batch: Batch, found: Caught) -> dict[str, Tensor]:
    """A batch as their trainers hand it to their loss: prompts padded on the left, replies on the right."""
    turns = list(batch.turns())

    def rows(lists: Sequence[Sequence[int]], *, left: bool = False) -> tuple[Tensor, Tensor]:
        longest = max(map(len, lists))
        ids, mask = (torch.zeros(len(lists), longest, dtype=torch.long) for _ in range(2))
        for row, own in enumerate(lists):
            place = slice(longest - len(own), None) if left else slice(0, len(own))
            ids[row, place], mask[row, place] = torch.tensor(own), 1
        return ids, mask

    prompt_ids, prompt_mask = rows([turn.prompt_ids for turn in turns], left=True)
    completion_ids, completion_mask = rows([turn.action_ids for turn in turns])
    assert not bool(completion_mask.all())
    return {
        "prompt_ids": prompt_ids,
        "prompt_mask": prompt_mask,
        "completion_ids": completion_ids,
        "completion_mask": completion_mask,
        "advantages": found.advantages[:, 0],
        "old_per_token_logps": padded([torch.tensor(turn.logprobs) for turn in turns]),
        "old_logps": old_logprobs(turns),
        "ref_per_token_logps": padded(team.score_untrained(AGENT, turns, TEMPERATURE)),
    }


GRPO_ON_TOKENS = {
    "loss_type": "bnpo",  # the mean over all tokens of a minibatch
    "epsilon": 0.05,
    "epsilon_high": 0.1,
    "beta": 0.2,
    "use_bias_correction_kl": False,  # as in GRPO's paper; its default weighs the divergence by the ratio as well
    "entropy_coef": 0.05,
}
ON_TOKENS = {"clip_coef": 0.05, "clip_coef_high": 0.1, "reference_kl_coef": 0.2, "ent_coef": 0.05}


@dataclass(frozen=True)
class Case:
    """Two of one kind."""

    algorithm: str
    """Ours."""
    settings: dict[str, Any]
    kind: str
    """Theirs."""
    their_settings: dict[str, Any]


CASES = {
    "dr_mas their GRPO on tokens": Case("dr_mas", ON_TOKENS, "grpo", GRPO_ON_TOKENS),
    "marft_action their RLOO, which is PPO on replies": Case(
        "marft_action",
        {"clip_coef": 0.1, "clip_coef_high": 0.2, "ent_coef": 0.0, "normalise_advantages": False},
        "rloo",
        {"epsilon": 0.1, "epsilon_high": 0.2, "beta": 0.0},
    ),
    "mappo with ratios of means their GSPO": Case(
        "mappo",
        {"ratio": "token", "clip_coef": 0.03, "ent_coef": 0.0, "normalise_advantages": False},
        "grpo",
        {"importance_sampling_level": "sequence", "loss_type": "grpo", "epsilon": 0.03, "beta": 0.0},
    ),
}


def learnt_by_theirs(kind: str, tiny_model: Path, folder: Path, team: Team, inputs: Any, **settings: Any) -> Any:
    """Their loss, their gradient and what they log."""
    trainer = their_trainer(kind, tiny_model, folder, lambda completions, **_: [0.0] * len(completions), **settings)
    take_over(trainer.model, team)
    loss = trainer._compute_loss(trainer.model, inputs)
    loss.backward()
    gradient = torch.cat([parameter.grad.flatten() for parameter in trained(trainer.model)])
    return loss.detach(), gradient, {name: values[-1] for name, values in trainer._metrics["eval"].items()}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_single_agent_makes(
    case: Case, solo: Team, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = replies(solo)
    moved(solo)
    found = caught(case.algorithm, solo, batch, monkeypatch, old_logprobs="sampler", **case.settings)
    inputs = their_inputs(solo, batch, found)
    loss, gradient, logged = learnt_by_theirs(case.kind, tiny_model, tmp_path, solo, inputs, **case.their_settings)
    assert 0 < float(str(found.metrics[f"{AGENT}/clip_fraction"])) < 1
    assert found.metrics[f"{AGENT}/loss"] == pytest.approx(float(loss), abs=1e-5)
    assert found.metrics[f"{AGENT}/entropy"] == pytest.approx(logged["entropy"], rel=1e-5)
    if case.their_settings["beta"]:
        assert found.metrics[f"{AGENT}/reference_kl"] == pytest.approx(logged["kl"], rel=1e-4)
    assert_alike(found.gradients[AGENT], gradient)


@pytest.mark.parametrize("algorithm", ["magrpo", "reinforce_rae"])
def test_one_step_without_clipping_is_their_dr_grpo_and_reinforce(
    algorithm: str, solo: Team, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = replies(solo)
    found = caught(algorithm, solo, batch, monkeypatch)
    inputs = their_inputs(solo, batch, found)
    # Dr. GRPO divides the sum over a reply's tokens by the most that it may have; we do not divide.
    settings = {"loss_type": "dr_grpo", "epsilon": 0.2, "beta": 0.0}
    _, gradient, _ = learnt_by_theirs("grpo", tiny_model, tmp_path / "grpo", solo, inputs, **settings)
    assert_alike(found.gradients[AGENT], MAX_NEW_TOKENS * gradient)
    # RLOO's loss takes one ratio of a whole reply, which is 1 here; its gradient is that of REINFORCE.
    settings = {"epsilon": 0.2, "beta": 0.0}
    _, gradient, _ = learnt_by_theirs("rloo", tiny_model, tmp_path / "rloo", solo, inputs, **settings)
    assert_alike(found.gradients[AGENT], gradient)


def assert_alike(one: Tensor, other: Tensor) -> None:
    """Up to rounding in float32."""
    assert float(other.norm()) > 1e-3
    assert float((one - other).norm()) < 2e-5 * float(other.norm())


# --- 3. Advantages ---


def their_advantages(kind: str, tiny_model: Path, **settings: Any) -> Tensor:
    """What their trainer makes of `RETURNS` for six replies that it draws itself, two to each prompt."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = their_trainer(
            kind, tiny_model, Path(folder), lambda completions, **_: list(RETURNS), beta=0.0, **settings
        )
        trainer.model.train()
        rows = [{"prompt": text} for text in ("One.", "One.", "Two.", "Two.", "Three.", "Three.")]
        made: Tensor = trainer._generate_and_score_completions(rows)["advantages"]
    return made


def test_magrpo_s_advantages_are_those_of_grpo_without_division(tiny_model: Path) -> None:
    groups = torch.tensor([0, 0, 1, 1, 2, 2])
    ours = group_advantages(torch.tensor(RETURNS), groups, divides=False).advantages
    torch.testing.assert_close(ours, their_advantages("grpo", tiny_model, scale_rewards="none"), atol=1e-6, rtol=0)
    # Leaving one out makes of a difference from the mean of n one from that of the n - 1 others: n / (n - 1) times it.
    torch.testing.assert_close(2 * ours, their_advantages("rloo", tiny_model), atol=1e-6, rtol=0)


def test_divided_advantages_are_those_of_grpo_up_to_the_denominator_of_a_deviation(tiny_model: Path) -> None:
    groups = torch.tensor([0, 0, 1, 1, 2, 2])
    ours = group_advantages(torch.tensor(RETURNS), groups, divides=True).advantages
    theirs = their_advantages("grpo", tiny_model, scale_rewards="group")
    pairs = torch.tensor(RETURNS).reshape(3, 2)
    deviations = pairs.std(dim=1, correction=0).repeat_interleave(2)
    # Theirs divides by one less than there are, and adds 1e-4; ours adds 1e-5.
    expected = theirs * (deviations * 2**0.5 + 1e-4) / (deviations + 1e-5)
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=0)
