"""Pre-trains a language model of half a million parameters on texts of our own environments, in minutes, on one thread.

python benchmarks/tiny_model.py                        # writes benchmarks/results/tiny_model
python benchmarks/tiny_model.py --out FOLDER --seed 1

It is for comparing algorithms on a CPU: `marft train --model ./benchmarks/results/tiny_model`. It knows the tasks of
`tiny_tasks.py` and nothing else. What it has read are prompts as trainers make them, of train instances alone, with
replies by the *habits* that stand there: of the right form, mostly wrong, and right in 15 to 20 %. So it is readable
and not skilled, and it has what RL needs: what is right is found by chance now and then.

The tokeniser is byte-level BPE, trained on the same texts, with a token for every digit; the template is ChatML;
padding has a token of its own. The same seed gives the same weights on the same machine with the same versions; the
hash that is printed tells whether they are.
"""

import argparse
import hashlib
import json
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.progress import Progress
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

import marft_envs
from baselines.policies.chat import ChatEncoder
from benchmarks.tiny_tasks import TASKS, Heard, TinyTask, reply
from marft_envs import FlexMG, Message

ROOT = Path(__file__).parents[1]
OUT = ROOT / "benchmarks" / "results" / "tiny_model"
PAD, BEGIN, END = "<|pad|>", "<|im_start|>", "<|im_end|>"
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
VOCABULARY = 512
"""Bytes, control tokens, and enough merges for every word that the environments use."""
TOKENIZER_EPISODES = 500
"""Of each task, that merges are learnt from."""
HIDDEN_SIZE, NUM_LAYERS, NUM_HEADS = 128, 3, 4
NUM_STEPS, BATCH_SIZE, LR = 700, 32, 3e-3
"""Of AdamW, a batch of each task in every one; the rate rises over a tenth of them and falls to nothing."""
SHOWN_EVERY = 10
CARD = "model.json"
"""What was made, how, and the hash of it, in the model's folder."""
IGNORED = -100
"""What torch's cross-entropy leaves out."""


@dataclass(frozen=True)
class Said:
    """One turn: what an agent read and what it replied."""

    messages: Sequence[Message]
    text: str


def turns(task: TinyTask, seed: int) -> Iterator[Said]:
    """Endless turns of a team that has habits and no skill, on train instances."""
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    env = marft_envs.make(task.env_id, split="train", level=task.level, **task.env_options)
    assert isinstance(env, FlexMG)
    while True:
        env.reset(seed=int(rng.integers(2**62)))
        said = ""
        for agent in env.possible_agents:
            messages = env.messages(agent)
            told = "\n".join(
                message["content"] for message in messages if message["role"] == "user" and "name" not in message
            )
            written = reply(task.habits_of(agent), Heard(told, said, env.reference_action(agent)), rng)
            yield Said(messages, written)
            said = written
            if agent != env.possible_agents[-1]:  # what the last one does is only judged
                env.step(written)


def make_tokenizer(seed: int) -> PreTrainedTokenizerFast:
    """Byte-level BPE whose words are the environments', and whose digits are tokens of their own."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[PAD, BEGIN, END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    bpe.train_from_iterator(_texts(seed), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe, eos_token=END, pad_token=PAD, chat_template=CHATML, name_or_path="tiny"
    )


def _texts(seed: int) -> Iterator[str]:
    for task in TASKS.values():
        for _, turn in zip(range(2 * TOKENIZER_EPISODES), turns(task, seed), strict=False):
            yield "\n".join([*(f"{message['role']}\n{message['content']}" for message in turn.messages), turn.text])


def new_model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """Random weights from torch's generator."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=HIDDEN_SIZE,
            intermediate_size=2 * HIDDEN_SIZE,
            num_hidden_layers=NUM_LAYERS,
            num_attention_heads=NUM_HEADS,
            num_key_value_heads=NUM_HEADS,
            max_position_embeddings=2_048,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            tie_word_embeddings=True,
        )
    )


@dataclass(frozen=True)
class Padded:
    """Sequences of one task: prompt, reply, padding. Shapes: all (B, T)."""

    ids: Tensor
    mask: Tensor
    labels: Tensor
    """The reply's ids at its places, `IGNORED` elsewhere."""


def batches(task: TinyTask, tokenizer: PreTrainedTokenizerFast, size: int, seed: int) -> Iterator[Padded]:
    """Endless batches; prompts are encoded as trainers encode them."""
    encoder = ChatEncoder(tokenizer)
    source = turns(task, seed)
    while True:
        prompts, replies = [], []
        for turn in (next(source) for _ in range(size)):
            merged = encoder.merged(turn.messages)
            prompts.append(encoder.encode(encoder.skeleton(merged), [message["content"] for message in merged]))
            replies.append(encoder.reply_ids(turn.text))
        yield padded(prompts, replies, int(tokenizer.pad_token_id))


def padded(prompts: Sequence[Sequence[int]], replies: Sequence[Sequence[int]], pad_id: int) -> Padded:
    """Sequences of different lengths as one tensor, padded on the right."""
    rows = [[*prompt, *said] for prompt, said in zip(prompts, replies, strict=True)]
    ids = torch.full((len(rows), max(map(len, rows))), pad_id)
    labels = torch.full_like(ids, IGNORED)
    for number, (row, prompt) in enumerate(zip(rows, prompts, strict=True)):
        ids[number, : len(row)] = torch.tensor(row)
        labels[number, len(prompt) : len(row)] = ids[number, len(prompt) : len(row)]
    lengths = torch.tensor([len(row) for row in rows])
    return Padded(ids, (torch.arange(ids.shape[1]) < lengths[:, None]).long(), labels)


def pretrain(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, *, num_steps: int, batch_size: int, seed: int
) -> float:
    """Next-token prediction on replies, all tasks in every step; the loss of the last tenth, in nats per token."""
    sources = [batches(task, tokenizer, batch_size, seed + 1 + number) for number, task in enumerate(TASKS.values())]
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=LR, total_steps=num_steps, pct_start=0.1)
    losses: list[float] = []
    model.train()
    with Progress() as progress:
        bar = progress.add_task("pre-training", total=num_steps)
        for step in range(num_steps):
            optimizer.zero_grad()
            found = [next(source) for source in sources]
            total = 0.0
            for batch in found:
                loss = model(input_ids=batch.ids, attention_mask=batch.mask, labels=batch.labels).loss / len(found)
                loss.backward()
                total += float(loss.detach())
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(total)
            if (step + 1) % SHOWN_EVERY == 0:
                loss = np.mean(losses[-SHOWN_EVERY:])
                progress.update(bar, completed=step + 1, description=f"pre-training, {loss:.3f} nats per token")
    model.eval()
    return float(np.mean(losses[-max(1, num_steps // 10) :]))


def hash_of(folder: Path) -> str:
    """SHA-256 of the weights and the tokeniser: equal for models that say the same."""
    digest = hashlib.sha256()
    for name in ("model.safetensors", "tokenizer.json"):
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()


def make(out: Path, seed: int = 0, *, num_steps: int = NUM_STEPS, batch_size: int = BATCH_SIZE) -> dict[str, object]:
    """Make the model in a folder, whole or not at all, and give its card. What lay there is replaced."""
    began_s = time.process_time()
    torch.set_num_threads(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        tokenizer = make_tokenizer(seed)
        model = new_model(tokenizer)
        loss = pretrain(model, tokenizer, num_steps=num_steps, batch_size=batch_size, seed=seed)
    part = out.with_name(f"{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    tokenizer.save_pretrained(part)
    model.save_pretrained(part)
    card: dict[str, object] = {
        "hash": hash_of(part),
        "seed": seed,
        "num_parameters": sum(parameter.numel() for parameter in model.parameters()),
        "vocabulary": len(tokenizer),
        "num_steps": num_steps,
        "batch_size": batch_size,
        "loss_nats_per_token": round(loss, 4),
        "cpu_s": round(time.process_time() - began_s, 1),
    }
    (part / CARD).write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    shutil.rmtree(out, ignore_errors=True)
    part.rename(out)
    return card


def main(words: Sequence[str] | None = None) -> None:
    """Makes it, and prints what it is."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the model; default: %(default)s")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--num-steps", type=int, default=NUM_STEPS)
    parser.add_argument("--batch-size", type=int, default=BATCH_SIZE, help="turns of each task in a step")
    given = parser.parse_args(words)
    card = make(given.out, given.seed, num_steps=given.num_steps, batch_size=given.batch_size)
    print(f"{given.out}: {json.dumps(card)}")


if __name__ == "__main__":
    main()
