"""Pre-trains a language model of half a million parameters on texts of our own environments, in minutes, on one thread.

python benchmarks/tiny_model.py                        # writes benchmarks/results/tiny_model
python benchmarks/tiny_model.py --out FOLDER --seed 1

It is for comparing algorithms on a CPU: `marft train --model ./benchmarks/results/tiny_model`. It knows the tasks of
`tiny_tasks.py` and nothing else. What it has read are prompts as trainers make them, of train instances alone, with
replies by the *habits* that stand there: of the right form, mostly wrong, and right in 15 to 20 %. So it is readable
and not skilled, and it has what RL needs: what is right is found by chance now and then.

The tokeniser is byte-level BPE, trained on the same texts, with a token for every digit; the template is ChatML;
padding has a token of its own. At every turn several replies are drawn, which share their prompt in a pack, as samples
of an instance do in training. Between them stand *facts*, questions by which it learns to copy numbers and to add.
The same seed gives the same weights on the same machine with the same versions; the hash that is printed tells whether
they are.
"""

import argparse
import hashlib
import json
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from rich.progress import Progress
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

import marft_envs
from baselines.learning.packing import pack
from baselines.policies.chat import ChatEncoder
from baselines.policies.packed import run_trunk
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
TOKENIZER_TURNS = 1_000
"""Of each task, that merges are learnt from."""
HIDDEN_SIZE, NUM_LAYERS, NUM_HEADS = 128, 3, 4
NUM_STEPS, NUM_TURNS, NUM_REPLIES, NUM_FACTS, LR = 1_100, 12, 6, 24, 3e-3
"""Steps of AdamW; turns of each task in every one, replies that are drawn at each, facts of each task. The rate rises
over a tenth of the steps and falls to nothing."""
SHOWN_EVERY = 10
CARD = "model.json"
"""What was made, how, and the hash of it, in the model's folder."""


@dataclass(frozen=True)
class Said:
    """One turn: what an agent read, and replies that it might give; the first is what it gave."""

    messages: Sequence[Message]
    replies: Sequence[str]


def turns(task: TinyTask, seed: int, num_replies: int = NUM_REPLIES) -> Iterator[Said]:
    """Endless turns of a team that has habits and no skill, on train instances."""
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    env = marft_envs.make(task.env_id, split="train", level=task.level, **task.env_options)
    assert isinstance(env, FlexMG)
    while True:
        env.reset(seed=int(rng.integers(2**62)))
        said = ""
        for agent in env.possible_agents:
            messages = env.messages(agent)
            told = [message["content"] for message in messages if message["role"] == "user" and "name" not in message]
            heard = Heard("\n".join(told), said, env.reference_action(agent))
            replies = [reply(task.habits_of(agent), heard, rng) for _ in range(num_replies)]
            yield Said(messages, replies)
            said = replies[0]
            if agent != env.possible_agents[-1]:  # what the last one does is only judged
                env.step(said)


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
        for turn in islice(turns(task, seed), TOKENIZER_TURNS):
            yield "\n".join([*(f"{message['role']}\n{message['content']}" for message in turn.messages), *turn.replies])


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
class Example:
    """A prompt and a reply to it, in tokens."""

    prompt_ids: list[int]
    reply_ids: list[int]


def sequences(task: TinyTask, tokenizer: PreTrainedTokenizerFast, seed: int) -> Iterator[list[Example]]:
    """Endless turns in tokens; prompts are encoded as trainers encode them."""
    encoder = ChatEncoder(tokenizer)
    for turn in turns(task, seed):
        merged = encoder.merged(turn.messages)
        prompt = encoder.encode(encoder.skeleton(merged), [message["content"] for message in merged])
        yield [Example(prompt, encoder.reply_ids(text)) for text in turn.replies]


def facts(task: TinyTask, tokenizer: PreTrainedTokenizerFast, seed: int) -> Iterator[Example]:
    """Endless facts in tokens, of train instances: chats without a system text."""
    encoder = ChatEncoder(tokenizer)
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    env = marft_envs.make(task.env_id, split="train", level=task.level, **task.env_options)
    assert isinstance(env, FlexMG)
    first = env.possible_agents[0]
    while True:
        env.reset(seed=int(rng.integers(2**62)))
        fact = task.fact(Heard(env.messages(first)[-1]["content"], "", env.reference_action(first)), rng)
        asked: Message = {"role": "user", "content": fact.asked}
        yield Example(encoder.encode(encoder.skeleton([asked]), [fact.asked]), encoder.reply_ids(fact.answer))


def reply_loss(model: LlamaForCausalLM, batch: Sequence[Example]) -> Tensor:
    """Minus the mean log-probability of a reply's token, in nats; what sequences share is computed once."""
    packed = pack([[*one.prompt_ids, *one.reply_ids] for one in batch])
    hidden = run_trunk(model, packed)
    begins = [len(one.prompt_ids) for one in batch]
    predicting = torch.cat([path[begin - 1 : -1] for path, begin in zip(packed.paths, begins, strict=True)])
    predicted = torch.cat([path[begin:] for path, begin in zip(packed.paths, begins, strict=True)])
    kept, rows = torch.unique(predicting, return_inverse=True)
    logits = model.lm_head(hidden[kept])
    return torch.nn.functional.cross_entropy(logits[rows], packed.ids[predicted])


def pretrain(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, *, num_steps: int, num_turns: int, seed: int
) -> float:
    """Next-token prediction on replies and on what follows in facts, all tasks in every step.

    Returns: the loss of replies in the last tenth, in nats per token.
    """
    said = [sequences(task, tokenizer, seed + 1 + number) for number, task in enumerate(TASKS.values())]
    known = [facts(task, tokenizer, seed + 1 + number) for number, task in enumerate(TASKS.values())]
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=LR, total_steps=num_steps, pct_start=0.1)
    losses: list[float] = []
    model.train()
    with Progress() as progress:
        bar = progress.add_task("pre-training", total=num_steps)
        for step in range(num_steps):
            optimizer.zero_grad()
            batch = [example for source in said for turn in islice(source, num_turns) for example in turn]
            loss = reply_loss(model, batch)
            loss.backward()
            reply_loss(model, [fact for source in known for fact in islice(source, NUM_FACTS)]).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(float(loss.detach()))
            if (step + 1) % SHOWN_EVERY == 0:
                mean = np.mean(losses[-SHOWN_EVERY:])
                progress.update(bar, completed=step + 1, description=f"pre-training, {mean:.3f} nats per token")
    model.eval()
    return float(np.mean(losses[-max(1, num_steps // 10) :]))


def hash_of(folder: Path) -> str:
    """SHA-256 of the weights and the tokeniser: equal for models that say the same."""
    digest = hashlib.sha256()
    for name in ("model.safetensors", "tokenizer.json"):
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()


def make(out: Path, seed: int = 0, *, num_steps: int = NUM_STEPS, num_turns: int = NUM_TURNS) -> dict[str, object]:
    """Make the model in a folder, whole or not at all, and give its card. What lay there is replaced."""
    began_s = time.process_time()
    torch.set_num_threads(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        tokenizer = make_tokenizer(seed)
        model = new_model(tokenizer)
        loss = pretrain(model, tokenizer, num_steps=num_steps, num_turns=num_turns, seed=seed)
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
        "num_turns": num_turns,
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
    parser.add_argument("--num-turns", type=int, default=NUM_TURNS, help="of each task in a step")
    given = parser.parse_args(words)
    card = make(given.out, given.seed, num_steps=given.num_steps, num_turns=given.num_turns)
    print(f"{given.out}: {json.dumps(card)}")


if __name__ == "__main__":
    main()
