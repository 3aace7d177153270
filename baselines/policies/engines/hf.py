"""Sampling replies with Hugging Face Transformers: many prompts, different adapters mixed in one `generate` call.

The sampler *is* the policy that is trained: temperature only, the whole vocabulary (`top_p = 1`, `top_k` off), and each
token's log-probability is kept as it was when drawn.

Left out: shared prefill of equal prompts; rows that finished stay in the batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from peft import PeftModel
from torch import Tensor
from transformers import (
    GenerationConfig,
    GenerationMixin,
    PreTrainedTokenizerBase,
    StoppingCriteria,
    StoppingCriteriaList,
)


@dataclass(frozen=True, slots=True)
class Request:
    """One reply to draw."""

    adapter: str
    prompt_ids: list[int]
    max_new_tokens: int
    max_chars: int
    """The environment would shorten a longer action. It is cut here instead, at a token, so that what is trained on is
    what was used."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply drawn: its tokens, end-of-sequence included if it was drawn, and their log-probabilities."""

    action_ids: list[int]
    logprobs: list[float]
    """Per token, at the sampling temperature; empty for a greedy reply."""
    text: str


class _RowLimits(StoppingCriteria):
    """Ends each row at its own number of new tokens."""

    def __init__(self, prompt_length: int, limits: Tensor) -> None:
        self.prompt_length = prompt_length
        self.limits = limits

    def __call__(self, input_ids: Tensor, scores: object, **kwargs: object) -> Tensor:
        return self.limits <= input_ids.shape[1] - self.prompt_length


def end_ids(model: PeftModel, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Every token that ends a reply: the tokenizer's and those that the model's generation settings name."""
    base = cast("GenerationMixin", model.get_base_model())
    configured = base.generation_config.eos_token_id
    ids = configured if isinstance(configured, list) else [configured]
    return sorted({int(token) for token in [*ids, tokenizer.eos_token_id] if token is not None})


def left_padded(prompts: Sequence[Sequence[int]], pad_id: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Prompts as one tensor with their ends aligned, and its attention mask; both (B, P)."""
    width = max(len(prompt) for prompt in prompts)
    ids = torch.full((len(prompts), width), pad_id, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, width - len(prompt) :] = torch.tensor(prompt, dtype=torch.long)
        mask[row, width - len(prompt) :] = 1
    return ids.to(device), mask.to(device)


def generate(
    model: PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    requests: Sequence[Request],
    *,
    temperature: float,
    batch_size: int,
) -> list[Reply]:
    """Draw one reply per request, in the order of `requests`; temperature 0 is greedy.

    Requests of similar length share a batch, so that little of it is padding. Random numbers come from torch's global
    generator.
    """
    assert temperature >= 0 and batch_size >= 1, (temperature, batch_size)
    order = sorted(range(len(requests)), key=lambda position: len(requests[position].prompt_ids))
    replies: dict[int, Reply] = {}
    was_training = model.training
    model.eval()  # mixed adapters are exact in eval mode and refused in train mode
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        drawn = _generate_batch(model, tokenizer, [requests[position] for position in chosen], temperature)
        replies.update(zip(chosen, drawn, strict=True))
    model.train(was_training)
    return [replies[position] for position in range(len(requests))]


@torch.no_grad()  # not inference_mode: ids made there cannot take part in a later backward
def _generate_batch(
    model: PeftModel, tokenizer: PreTrainedTokenizerBase, requests: Sequence[Request], temperature: float
) -> list[Reply]:
    ends = end_ids(model, tokenizer)
    ids, mask = left_padded([request.prompt_ids for request in requests], ends[0], model.device)
    limits = torch.tensor([request.max_new_tokens for request in requests], device=model.device)
    sampling = (
        {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0}
        if temperature
        else {"do_sample": False}
    )
    output = model.generate(
        input_ids=ids,
        attention_mask=mask,
        adapter_names=[request.adapter for request in requests],
        generation_config=GenerationConfig(
            max_new_tokens=int(limits.max()),
            eos_token_id=ends,
            pad_token_id=ends[0],
            return_dict_in_generate=True,
            output_logits=temperature > 0,
            **sampling,
        ),
        stopping_criteria=StoppingCriteriaList([_RowLimits(ids.shape[1], limits)]),
    )
    drawn = output.sequences[:, ids.shape[1] :]
    logprobs = _drawn_logprobs(output.logits, drawn, temperature) if temperature else torch.zeros(drawn.shape)
    replies = []
    for request, row, row_logprobs in zip(requests, drawn.tolist(), logprobs.tolist(), strict=True):
        action_ids = _up_to_end(row[: request.max_new_tokens], ends)
        action_ids, text = _cut_to_chars(tokenizer, action_ids, ends, request.max_chars)
        replies.append(Reply(action_ids, row_logprobs[: len(action_ids)] if temperature else [], text))
    return replies


def _drawn_logprobs(logits: Sequence[Tensor], drawn: Tensor, temperature: float) -> Tensor:
    """Log-probability of each drawn token, (B, A).

    Step by step, because (B, A, V) in float32 would be the largest tensor of the run.
    """
    steps = [
        (step.float() / temperature).log_softmax(-1).gather(-1, drawn[:, position : position + 1])
        for position, step in enumerate(logits)
    ]
    return torch.cat(steps, dim=1)


def _up_to_end(ids: list[int], ends: Sequence[int]) -> list[int]:
    """Everything up to the first end-of-sequence token, it included; padding may be the same token."""
    for position, token in enumerate(ids):
        if token in ends:
            return ids[: position + 1]
    return ids


def _cut_to_chars(
    tokenizer: PreTrainedTokenizerBase, action_ids: list[int], ends: Sequence[int], max_chars: int
) -> tuple[list[int], str]:
    """Drop tokens from the end until the text fits; a reply that was cut has no end-of-sequence token any more."""

    def text_of(ids: list[int]) -> str:
        content = ids[:-1] if ids and ids[-1] in ends else ids
        return str(tokenizer.decode(content, skip_special_tokens=False, clean_up_tokenization_spaces=False))

    text = text_of(action_ids)
    while len(text) > max_chars and len(action_ids) > 1:
        action_ids = action_ids[:-1]
        text = text_of(action_ids)
    return action_ids, text[:max_chars]
