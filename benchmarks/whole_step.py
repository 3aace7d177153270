"""A whole training step, ours against TRL's GRPOTrainer: sample groups of replies, then one update on them.

    pip install -e '.[bench]'
    python benchmarks/whole_step.py
    python benchmarks/whole_step.py --dtype bfloat16

Both on the same model, with an adapter of rank 8 on the same layers, the same prompts, temperature, number of tokens
and reward (arbitrary, of no cost), AdamW, gradients clipped at norm 1, nothing logged or saved. The two take steps by
turns in one process: ours runs in a callback at the end of each of TRL's, whose own clock runs from `on_step_begin` to
`on_step_end`. *CPU-seconds* are medians over steps.

- *Equal tokens*: every reply has exactly the number of new tokens. TRL is told `min_new_tokens`, which forbids the
  end-of-sequence token until then; our sampler is told of no token that ends a reply.
- *TRL*: GRPO with beta 0 and one iteration, so that it computes no log-probabilities but those of the loss; the whole
  batch at once (`per_device_train_batch_size`), no gradient checkpointing (which is its default, and slower), its own
  sampler by Transformers, its fused head.
- *Ours*: `Team.act`, rewards normalised by group, `Team.score` with the PPO loss, backward, step. With one update per
  batch the old log-probabilities are the new ones, detached, here as in TRL.

TRL refuses groups of one.
"""

import argparse
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from baselines.errors import extra_required
from baselines.learning.advantages import normalise
from baselines.learning.losses import ppo_policy_loss
from baselines.policies.adapted import Compute
from baselines.policies.engines.hf import Request
from baselines.policies.models import resolve_model
from baselines.policies.team import Team
from benchmarks.measuring import (
    TIME_HEADERS,
    Contestant,
    Times,
    add_cases,
    alternate,
    load_team,
    parser,
    progress,
    ratio,
    set_up,
    show,
    write_json,
)
from benchmarks.sequences import Case, Said, chat_prompts, endless

AGENT = "reasoner_0"
TEMPERATURE = 0.7
LEARNING_RATE = 1e-5
CLIP_COEF = 0.2
MAX_GRAD_NORM = 1.0
NUM_PROMPTS = 64
"""Different ones, of which each step takes the next."""


CASES = (Case(1, 8, 60, 32), Case(2, 8, 60, 32), Case(1, 8, 60, 64), Case(4, 2, 60, 32))
QUICK = (Case(1, 2, 160, 2),)


def reward(text: str) -> float:
    """Something that differs between replies and is quickly told."""
    return float(sum(map(ord, text)) % 7)


class Ours:
    """GRPO with a team of one."""

    def __init__(self, team: Team, prompts: Sequence[list[int]], case: Case) -> None:
        self.team = team
        self.prompts = list(prompts)
        self.case = case
        self.optimizer = torch.optim.AdamW(team.parameters(AGENT), lr=LEARNING_RATE, weight_decay=0.0, fused=True)
        self.num_steps = 0

    def step(self) -> None:
        """Sample, score, update."""
        case = self.case
        first = self.num_steps * case.prompts
        chosen = [self.prompts[(first + number) % len(self.prompts)] for number in range(case.prompts)]
        seeds = range(case.samples)
        requests = [
            Request(AGENT, prompt, case.new_tokens, 10**6, seed=f"{self.num_steps} {number} {seed}")
            for number, prompt in enumerate(chosen)
            for seed in seeds
        ]
        replies = self.team.act(requests, temperature=TEMPERATURE, batch_size=len(requests))
        said = [Said(asked.prompt_ids, got.action_ids) for asked, got in zip(requests, replies, strict=True)]
        assert all(len(one.action_ids) == case.new_tokens for one in said)
        rewards = torch.tensor([reward(reply.text) for reply in replies])
        groups = torch.arange(len(said)) // case.samples
        advantages = normalise(rewards, torch.ones_like(groups, dtype=torch.bool), groups=groups)
        self.update(said, advantages)
        self.num_steps += 1

    def update(self, said: Sequence[Said], advantages: Tensor) -> None:
        """One step of the optimiser."""
        self.optimizer.zero_grad()
        for chunk in self.team.base.parts(said, range(len(said))):
            scores = self.team.score(AGENT, [said[position] for position in chunk], TEMPERATURE)
            weights = advantages[chunk][:, None].expand_as(scores.logprobs)
            loss = ppo_policy_loss(scores.logprobs, scores.logprobs.detach(), weights, scores.mask, CLIP_COEF)
            (loss * len(chunk) / len(said)).backward()
        torch.nn.utils.clip_grad_norm_(self.team.parameters(AGENT), MAX_GRAD_NORM)
        self.optimizer.step()


def against_trl(options: argparse.Namespace, case: Case) -> list[Times]:
    """Ours, and TRL's, by turns."""
    from transformers import TrainerCallback

    team = load_team(options, [AGENT])
    texts = [str(team.base.tokenizer.decode(ids)) for ids in chat_prompts(team, NUM_PROMPTS, case.prompt_tokens)]
    prompts = [list(team.base.tokenizer(text)["input_ids"]) for text in texts]  # as TRL reads them
    ours = Ours(team, prompts, case)
    mine, theirs = Times("ours, packed"), Times("TRL")

    class InTurn(TrainerCallback):
        """Times TRL's step, and has ours follow."""

        def on_step_begin(self, *_: object, **__: object) -> None:
            theirs.start()

        def on_step_end(self, *_: object, **__: object) -> None:
            theirs.stop()
            with endless(team):
                mine.take(ours.step)

    trainer = _trl_trainer(options, case, texts, InTurn())
    assert torch.get_num_threads() == options.threads, torch.get_num_threads()
    trained = sum(parameter.numel() for parameter in trainer.model.parameters() if parameter.requires_grad)
    assert trained == sum(parameter.numel() for parameter in team.parameters(AGENT)), trained
    trainer.train()
    for times in (mine, theirs):
        times.forget(options.warmup)
    return [mine, theirs]


def _trl_trainer(options: argparse.Namespace, case: Case, texts: Sequence[str], callback: object) -> Any:
    """GRPO as fast as its settings make it on a CPU, and nothing beside."""
    with extra_required("bench", "the comparison with TRL"):
        from datasets import Dataset
        from trl import GRPOConfig, GRPOTrainer
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, PrinterCallback

    where = str(resolve_model(options.model))
    targets = options.lora_targets[0] if options.lora_targets == ["all-linear"] else options.lora_targets
    attention = {"attn_implementation": options.attn_implementation} if options.attn_implementation else {}
    model = AutoModelForCausalLM.from_pretrained(where, dtype=getattr(torch, options.dtype), **attention)
    config = GRPOConfig(
        output_dir=tempfile.mkdtemp(prefix="whole-step-"),
        per_device_train_batch_size=case.prompts * case.samples,
        num_generations=case.samples,
        max_completion_length=case.new_tokens,
        generation_kwargs={"min_new_tokens": case.new_tokens},
        max_steps=options.warmup + options.repeats,
        temperature=TEMPERATURE,
        top_k=0,
        top_p=1.0,
        beta=0.0,
        num_iterations=1,
        epsilon=CLIP_COEF,
        learning_rate=LEARNING_RATE,
        lr_scheduler_type="constant",
        max_grad_norm=MAX_GRAD_NORM,
        gradient_checkpointing=False,
        bf16=False,  # no autocast: the base is of the dtype that was asked for, as ours is
        use_cpu=True,
        logging_strategy="no",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    trainer = GRPOTrainer(
        model=model,
        reward_funcs=lambda completions, **_: [reward(text) for text in completions],
        args=config,
        train_dataset=Dataset.from_dict({"prompt": list(texts)}),
        processing_class=AutoTokenizer.from_pretrained(where),
        peft_config=LoraConfig(r=8, lora_alpha=16, lora_dropout=0.0, target_modules=targets, task_type="CAUSAL_LM"),
        callbacks=[callback],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def alone(options: argparse.Namespace, case: Case) -> list[Times]:
    """Ours, packed and plain, where TRL is not installed or refuses."""
    team = load_team(options, [AGENT])
    prompts = chat_prompts(team, NUM_PROMPTS, case.prompt_tokens)
    steps = {"ours, packed": Ours(team, prompts, case), "ours, plain": Ours(team, prompts, case)}

    def run(name: str) -> None:
        team.base.compute = Compute("packed" if name == "ours, packed" else "plain")
        steps[name].step()

    with endless(team):
        contestants = [Contestant(name, lambda name=name: run(name)) for name in steps]  # type: ignore[misc]
        return alternate(contestants, options.repeats, options.warmup)


def rows(case: Case, times: Sequence[Times]) -> list[list[object]]:
    """Of the table; ratios to the last of them."""
    tokens = case.prompts * case.samples * case.new_tokens
    return [
        [str(case), own.name, *own.cells, *ratio(own, times[-1]), f"{1000 * own.median / tokens:.0f}"] for own in times
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table, keep the numbers."""
    options = _options(arguments)
    set_up(options)
    has_trl = find_spec("trl") is not None and not options.alone
    if not has_trl and not options.alone:
        print("TRL is not installed, so packed is compared with plain: pip install -e '.[bench]'")
    given = [
        Case(prompts, samples, prompt_tokens, new_tokens)
        for prompts, samples, new_tokens, prompt_tokens in options.case or ()
    ]
    results = []
    for case in given or (QUICK if options.quick else CASES):
        progress(f"whole step, {case}")
        times = (against_trl if has_trl else alone)(options, case)
        results.append((case, times))
    headers = ("prompts × samples", "trainer", *TIME_HEADERS, "ratio", "of a repeat", "CPU-ms a token")
    show("Whole step", headers, [row for result in results for row in rows(*result)], markdown=options.markdown)
    write_json(options, [{"case": str(case), "times": [own.record() for own in times]} for case, times in results])


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    made = parser("A whole training step against TRL's GRPO.", "whole_step", repeats=5)
    made.add_argument("--alone", action="store_true", help="compare our packed path with our plain one, without TRL")
    add_cases(made, "PROMPTS")
    return made.parse_args(arguments)


if __name__ == "__main__":
    main()
