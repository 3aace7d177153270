"""Prompts and replies of a given number of tokens, made as real ones are: a chat with a system text that all share."""

import copy
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

from transformers import GenerationConfig, GenerationMixin, PreTrainedTokenizerBase

from baselines.learning.packing import common_length, num_distinct
from baselines.policies.team import Team
from marft_envs import Message

SYSTEM = "You are an expert in math."
_WORDS = ("apples", "pencils", "marbles", "coins", "buys", "sells", "counts", "finds", "each", "and", "then", "after")


@dataclass(frozen=True)
class Said:
    """A prompt and the reply to it."""

    prompt_ids: list[int]
    action_ids: list[int]


@dataclass(frozen=True)
class Case:
    """How much is said: replies to each of some prompts, and their lengths in tokens."""

    prompts: int
    samples: int
    prompt_tokens: int = 60
    new_tokens: int = 12

    def __str__(self) -> str:
        return f"{self.prompts} × {self.samples}, {self.prompt_tokens} + {self.new_tokens}"


def chat_prompts(team: Team, num_prompts: int, num_tokens: int, seed: int = 0) -> list[list[int]]:
    """So many different prompts of so many tokens each: the same system text, questions that begin alike.

    Raises: `ValueError` if the chat template and the system text alone are longer.
    """
    rng = random.Random(seed)
    short, other = (_ids(team, word) for word in ("What is", "Find"))
    behind = common_length(short[::-1], other[::-1])
    room = num_tokens - common_length(short, other) - behind
    if room < 1:
        raise ValueError(f"a prompt of {num_tokens} tokens has no room for a question; give more")
    prompts = []
    for _ in range(num_prompts):
        words = " ".join(rng.choice(_WORDS) for _ in range(num_tokens))
        ids = _ids(team, f"What is {rng.randrange(100, 1000)} + {rng.randrange(10, 100)}? Mia {words}")
        prompts.append(ids[: num_tokens - behind] + ids[len(ids) - behind :])
    assert all(len(prompt) == num_tokens for prompt in prompts)
    return prompts


def questions(num_tokens: Callable[[str], int], number: int, wanted: int, seed: int = 0) -> list[str]:
    """So many different texts, of each of which `num_tokens` makes exactly so many tokens.

    Raises: `ValueError` if a short question has more.
    """
    rng = random.Random(seed)
    if num_tokens("What is 100 + 10?") > wanted:
        raise ValueError(f"a prompt of {wanted} tokens has no room for a question; give more")
    found: dict[str, None] = {}
    while len(found) < number:
        text = f"What is {rng.randrange(100, 1000)} + {rng.randrange(10, 100)}?"
        while (missing := wanted - num_tokens(text)) > 0:
            longer = f"{text} {rng.choice(_WORDS)}"
            text = longer if num_tokens(longer) <= wanted else text + rng.choice("?!.")
            if missing == wanted - num_tokens(text):
                break  # a tokenizer may read one sign more as one token, and go on for ever
        if num_tokens(text) == wanted:
            found[text] = None
    return list(found)


def groups(team: Team, num_prompts: int, num_samples: int, prompt_tokens: int, reply_tokens: int) -> list[Said]:
    """Every prompt with so many replies of random tokens: two replies share nothing, as is worst for packing."""
    rng = random.Random(1)
    vocabulary = int(team.base.model.config.vocab_size)
    return [
        Said(prompt, [rng.randrange(vocabulary) for _ in range(reply_tokens)])
        for prompt in chat_prompts(team, num_prompts, prompt_tokens)
        for _ in range(num_samples)
    ]


def plain_tokens(said: list[Said]) -> int:
    """Tokens of all sequences."""
    return sum(len(one.prompt_ids) + len(one.action_ids) for one in said)


def distinct_tokens(said: list[Said]) -> int:
    """Tokens of the tree that they are."""
    return num_distinct([[*one.prompt_ids, *one.action_ids] for one in said])


@contextmanager
def endless(team: Team) -> Iterator[None]:
    """No token ends a reply: all of them become as long as they may, so that samplers draw equal numbers of tokens."""
    base = cast("GenerationMixin", team.base.model.get_base_model())
    before = team.base.tokenizer, base.generation_config
    without_end = copy.deepcopy(team.base.tokenizer)
    without_end.eos_token = None
    _set_ends(team, base, without_end, GenerationConfig())
    try:
        yield
    finally:
        _set_ends(team, base, *before)


def _set_ends(
    team: Team, base: GenerationMixin, tokenizer: PreTrainedTokenizerBase, settings: GenerationConfig
) -> None:
    """Has these two say which tokens end a reply."""
    team.base.tokenizer, base.generation_config = tokenizer, settings
    team.base.compute = team.base.compute  # an engine is made of the tokenizer that there is when it is made


def _ids(team: Team, content: str) -> list[int]:
    messages: list[Message] = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": content}]
    return list(team.conversation(next(iter(team.adapter_of))).prompt(messages))
