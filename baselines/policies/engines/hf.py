"""Sampling replies with Hugging Face Transformers: many prompts, different adapters mixed in one batch.

The sampler *is* the policy that is trained: temperature only, the whole vocabulary, and each token's log-probability is
kept as it was when drawn. Every distinct beginning of a batch's prompts is read once, what an agent has read and said
in earlier turns is not read again where that was kept, and a row that ended is dropped.

Why not `generate`: it reads equal prompts once each, keeps rows that ended, and draws from the global generator, so
that a reply would depend on who else is in the batch. What it does per token is one call of the model, which is done
here, through the model's public arguments (cache, adapter names).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import cast

import torch
from peft import PeftModel
from torch import Tensor
from transformers import GenerationMixin, PreTrainedTokenizerBase
from transformers.cache_utils import Cache

from baselines.policies.engines.history import History, history_of
from baselines.policies.engines.mixing import rows_of
from baselines.policies.engines.prefill import Prompt, cache_argument, prefill


@dataclass(frozen=True, slots=True)
class Request:
    """One reply to draw."""

    adapter: str
    prompt_ids: list[int]
    max_new_tokens: int
    max_chars: int
    """The environment would shorten a longer action. It is cut here instead, at a token, so that what is trained on is
    what was used."""
    seed: int | str = 0
    """Decides what is drawn: the same request with the same seed is answered alike. Greedy replies need none."""
    history: History | None = field(default=None, compare=False, repr=False)
    """What the prompt goes on from, if that was kept. It saves reading, and changes nothing else."""
    keeps_history: bool = False
    """Whether the reply brings what the next prompt can go on from."""
    temperature: float | None = None
    """Its own, where the team's agents differ; 0 is greedy."""
    stop: str = ""
    """Text that ends the reply: the token that completes it is the last one drawn. What is recorded ends before it."""
    must_speak: bool = False
    """Whether the first token is none that would end the reply."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply drawn: its tokens, end-of-sequence included if it was drawn, and their log-probabilities."""

    action_ids: list[int]
    logprobs: list[float]
    """Per token, at the sampling temperature; empty for a greedy reply."""
    text: str
    features: Tensor | None = field(default=None, compare=False, repr=False)
    """(H,), float32 on the CPU: the model's last hidden state where the prompt ends, which the head was given; None
    where that is not known."""
    history: History | None = field(default=None, compare=False, repr=False)
    """Of the prompt and all tokens that were drawn but the last, which nothing was drawn after; None where it was not
    asked for, or where the model's cache does not hold every token."""


def end_ids(model: PeftModel, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Every token that ends a reply: the tokenizer's and those that the model's generation settings name."""
    base = cast("GenerationMixin", model.get_base_model())
    configured = base.generation_config.eos_token_id
    ids = configured if isinstance(configured, list) else [configured]
    return sorted({int(token) for token in [*ids, tokenizer.eos_token_id] if token is not None})


def generate(
    model: PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    requests: Sequence[Request],
    *,
    temperature: float,
    batch_size: int,
    is_packed: bool = True,
) -> list[Reply]:
    """Draw one reply per request, in the order of `requests`; temperature 0 is greedy.

    `temperature`: of requests that name none. `is_packed`: whether prompts are read as a tree, or each by itself. What
    a request draws follows from its own seed: neither its company nor the size of batches matters, beyond rounding.
    """
    assert temperature >= 0 and batch_size >= 1, (temperature, batch_size)
    order = sorted(range(len(requests)), key=lambda number: (requests[number].adapter, requests[number].prompt_ids))
    replies: dict[int, Reply] = {}
    ends = end_ids(model, tokenizer)
    was_training = model.training
    model.eval()  # mixed adapters are exact in eval mode and refused in train mode
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        for position, row in zip(
            chosen,
            _draw(
                model,
                tokenizer,
                [_at(requests[position], temperature) for position in chosen],
                ends,
                is_packed=is_packed,
            ),
            strict=True,
        ):
            ids, text = cut_to_chars(tokenizer, row.ids, ends, row.request)
            logprobs = row.logprobs[: len(ids)] if row.temperature else []
            replies[position] = Reply(ids, logprobs, text, row.features, row.history)
    model.train(was_training)
    return [replies[position] for position in range(len(requests))]


def _at(request: Request, temperature: float) -> Request:
    return request if request.temperature is not None else replace(request, temperature=temperature)


class HfEngine:
    """Draws with the model itself, which is the trainer's: in float32 both give the same probabilities."""

    def __init__(self, model: PeftModel, tokenizer: PreTrainedTokenizerBase, *, is_packed: bool) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._is_packed = is_packed

    def draw(self, requests: Sequence[Request], *, temperature: float, batch_size: int) -> list[Reply]:
        """See `generate`."""
        return generate(
            self._model,
            self._tokenizer,
            requests,
            temperature=temperature,
            batch_size=batch_size,
            is_packed=self._is_packed,
        )

    def close(self) -> None:
        """There is nothing beside the model."""


@dataclass(slots=True)
class _Row:
    """A reply that is being drawn."""

    request: Request
    noise: Random
    tokenizer: PreTrainedTokenizerBase
    features: Tensor | None = None
    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    history: History | None = None

    def take(self, token: int, logprob: float, ends: Sequence[int]) -> bool:
        """Append a token; whether more are to come."""
        self.ids.append(token)
        self.logprobs.append(logprob)
        return token not in ends and len(self.ids) < self.request.max_new_tokens and not self._has_stopped

    @property
    def temperature(self) -> float:
        """At which it is drawn."""
        assert self.request.temperature is not None, "each request was given one"
        return self.request.temperature

    @property
    def _has_stopped(self) -> bool:
        return bool(self.request.stop) and self.request.stop in _text(self.tokenizer, self.ids)

    def keep(self, cache: Cache, place: int) -> None:
        """Take what its history is from the batch's cache, if it was asked for."""
        if self.request.keeps_history:
            read = [*self.request.prompt_ids, *self.ids[:-1]]
            self.history = history_of(cache, place, self.request.adapter, read)


@torch.no_grad()  # not inference_mode: ids made there cannot take part in a later backward
def _draw(
    model: PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    requests: Sequence[Request],
    ends: Sequence[int],
    *,
    is_packed: bool,
) -> list[_Row]:
    """Read all prompts once, then draw token by token; a row that ended leaves the batch."""
    rows = [_Row(request, Random(request.seed), tokenizer) for request in requests]
    prefilled = prefill(model, [Prompt(r.adapter, r.prompt_ids, r.history) for r in requests], is_packed=is_packed)
    logits, mask = prefilled.logits, prefilled.mask
    if prefilled.features is not None:
        for row, features in zip(rows, prefilled.features.cpu(), strict=True):
            row.features = features.clone()  # a row of its own, or it would keep all the others
    if any(row.request.must_speak for row in rows):
        begins = torch.tensor([row.request.must_speak for row in rows], device=logits.device)
        logits = without(logits, begins, ends)
    active = list(range(len(rows)))
    with rows_of(model, [request.adapter for request in requests]) as policies:
        while True:
            drawn = _drawn(
                logits,
                [rows[number].noise.random() for number in active],
                [rows[number].temperature for number in active],
            )
            going_on = [
                place
                for place, (number, token, logprob) in enumerate(zip(active, *drawn, strict=True))
                if rows[number].take(token, logprob, ends)
            ]
            for place in sorted(set(range(len(active))) - set(going_on)):
                rows[active[place]].keep(prefilled.cache, place)
            if not going_on:
                return rows
            if len(going_on) < len(active):
                active = [active[place] for place in going_on]
                kept = torch.tensor(going_on, device=mask.device)
                prefilled.cache.batch_select_indices(kept)
                policies.keep(going_on)
                mask = mask[kept]
            mask = torch.cat([mask, mask.new_ones(len(active), 1)], dim=1)
            logits = model(
                input_ids=torch.tensor([[rows[number].ids[-1]] for number in active], device=mask.device),
                attention_mask=mask,
                position_ids=mask.sum(-1, keepdim=True) - 1,
                **policies.arguments(),
                **cache_argument(model, prefilled.cache),
            ).logits[:, -1]


def _drawn(logits: Tensor, noise: Sequence[float], temperatures: Sequence[float]) -> tuple[list[int], list[float]]:
    """A token for each row, and its log-probability; greedy at temperature 0.

    The token at which the cumulated probability passes the row's noise, a number from 0 to 1. Shapes: logits (B, V).
    """
    tokens, logprobs = [0] * len(logits), [0.0] * len(logits)
    for temperature in dict.fromkeys(temperatures):
        places = [place for place, own in enumerate(temperatures) if own == temperature]
        rows = logits if len(places) == len(logits) else logits[places]
        found = _drawn_alike(rows, [noise[place] for place in places], temperature)
        for place, token, logprob in zip(places, *found, strict=True):
            tokens[place], logprobs[place] = token, logprob
    return tokens, logprobs


def _drawn_alike(logits: Tensor, noise: Sequence[float], temperature: float) -> tuple[list[int], list[float]]:
    if temperature == 0:
        return logits.argmax(-1).tolist(), [0.0] * len(logits)
    logprobs = (logits.float() / temperature).log_softmax(-1)
    passed = logprobs.exp().cumsum(-1)
    at = torch.tensor(noise, device=logits.device)[:, None] * passed[:, -1:]
    tokens = torch.searchsorted(passed, at, right=True).clamp(max=logits.shape[-1] - 1)
    return tokens[:, 0].tolist(), logprobs.gather(-1, tokens)[:, 0].tolist()


def without(logits: Tensor, places: Tensor, tokens: Sequence[int]) -> Tensor:
    """Logits with which certain tokens are not chosen at certain places.

    Shapes: logits (..., V), places (...) bool -> (..., V).
    """
    forbidden = torch.zeros(logits.shape[-1], dtype=torch.bool, device=logits.device)
    forbidden[list(tokens)] = True
    return logits.masked_fill(places[..., None] & forbidden, -torch.inf)


def _text(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> str:
    return str(tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))


def num_until_stop(tokenizer: PreTrainedTokenizerBase, action_ids: Sequence[int], request: Request) -> int:
    """How many tokens there are up to the one that completes the text which stops a reply; all, if none does."""
    if not request.stop:
        return len(action_ids)
    stopped = (end for end in range(1, len(action_ids)) if request.stop in _text(tokenizer, list(action_ids[:end])))
    return next(stopped, len(action_ids))


def cut_to_chars(
    tokenizer: PreTrainedTokenizerBase, action_ids: list[int], ends: Sequence[int], request: Request
) -> tuple[list[int], str]:
    """Drop tokens from the end until the text fits; a reply that was cut has no end-of-sequence token any more.

    The text ends before what stops the reply.
    """

    def text_of(ids: list[int]) -> str:
        text = _text(tokenizer, ids[:-1] if ids and ids[-1] in ends else ids)
        return text.partition(request.stop)[0] if request.stop else text

    text = text_of(action_ids)
    while len(text) > request.max_chars and len(action_ids) > 1:
        action_ids = action_ids[:-1]
        text = text_of(action_ids)
    return action_ids, text[: request.max_chars]
