"""One base model and the policies on it: adapters that are trained while the base stays as it is.

A policy is a LoRA adapter, or, where everything is fine-tuned, a whole copy of the base's weights that stands in their
place. Either way it is one of PEFT's adapters: set by its name, saved in PEFT's files, and taken off where the
untrained base is asked.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, Protocol, cast

import torch
from peft import LoraConfig, PeftConfig, PeftModel, get_peft_model, set_peft_model_state_dict
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import Parameter
from transformers import AutoTokenizer, GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from baselines.errors import CheckpointError, ConfigError
from baselines.learning.packing import leaves, pack, packs_within
from baselines.policies.chat import ChatEncoder
from baselines.policies.engines.engine import Engine
from baselines.policies.engines.hf import HfEngine, Reply, Request, end_ids
from baselines.policies.engines.prefill import Prompt, features_of, left_padded
from baselines.policies.features import text_features, text_ids
from baselines.policies.loading import (
    Lora,
    base_model,
    checkpointed_layers,
    device_of,
    dtype_of,
    full_config,
    lora_config,
)
from baselines.policies.models import resolve_model
from baselines.policies.packed import check_packing, run_trunk
from baselines.policies.scoring import Scores, TokenSequence, chunks_by_length, score_packed, score_plain
from baselines.ranks import ALONE, Ranks

WEIGHTS = "adapter_model.safetensors"
"""What PEFT calls an adapter's file."""
Tuning = Literal["lora", "full"]
"""What of the base a policy changes: low-rank additions to its layers, or every weight."""


class _Loaded(Protocol):
    """What PEFT tells of an adapter that it has loaded; its own annotation names no fields."""

    missing_keys: list[str]
    unexpected_keys: list[str]


@dataclass(frozen=True, slots=True)
class Compute:
    """How what a model says of given tokens is computed, and how much of it in one forward pass."""

    path: Literal["packed", "plain"] = "packed"
    """Each distinct token once, or each sequence by itself."""
    max_packed_tokens: int = 1024
    """Distinct tokens of a pack."""
    batch_size: int = 16
    """Sequences on the plain path."""
    gradient_checkpointing: bool = False
    """Keep a layer's input alone for the backward pass, and compute the rest again there."""
    ranks: Ranks = ALONE
    """The processes that share what is asked of sequences and texts. Replies each of them draws by itself."""


@dataclass(frozen=True, slots=True)
class Base:
    """A model as it came, frozen."""

    name: str
    """As people call it."""
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase

    @classmethod
    def load(cls, name: str, *, device: str, dtype: str, attn_implementation: str | None) -> "Base":
        """Raises: `ModelNotFoundError`; `ConfigError` for a device, dtype or attention that is not to be had."""
        where = str(resolve_model(name))
        model = base_model(where, dtype_of(dtype), attn_implementation)
        model.to(device_of(device))  # type: ignore[arg-type]  # its wrapper of `Module.to` is typed without `self`
        model.requires_grad_(False)
        # What `generate` is not told it takes from the model's own settings, such as a repetition penalty; then the
        # sampler would not be the policy that is trained. Of those settings we want only what ends a reply.
        model.generation_config = GenerationConfig(eos_token_id=model.generation_config.eos_token_id)
        return cls(name, model, AutoTokenizer.from_pretrained(where))

    @property
    def parts(self) -> set[str]:
        """What the paths of the model's tensors are made of: no policy can be called so."""
        return {part for name, _ in self.model.named_parameters() for part in name.split(".")}


class AdaptedModel:
    """A base model with policies on it."""

    def __init__(
        self,
        model: PeftModel,
        tokenizer: PreTrainedTokenizerBase,
        compute: Compute | None = None,
        *,
        speaking: Sequence[str] = (),
    ) -> None:
        """`speaking`: policies that never begin an action with a token that would end it."""
        self.model = model
        self.tokenizer = tokenizer
        self._compute = compute or Compute()
        self.speaking = frozenset(speaking)
        self._checkpointed = checkpointed_layers(self._base) if self.compute.gradient_checkpointing else []
        self.encoder = ChatEncoder(tokenizer, end_ids(model, tokenizer))
        self.engine: Engine = self._own_engine()

    @classmethod
    def on(
        cls,
        base: Base,
        policies: Sequence[str],
        *,
        tuning: Tuning = "lora",
        lora: Lora | None = None,
        compute: Compute | None = None,
        speaking: Sequence[str] = (),
    ) -> "AdaptedModel":
        """Put fresh policies on a base, which change nothing yet.

        Raises: `ConfigError` for settings that do not fit the model, or one that cannot be packed.
        """
        config = lora_config(lora or Lora(), base.model) if tuning == "lora" else full_config(base.model)
        peft_model = _adapted(base, config, policies)
        peft_model.eval()  # no dropout anywhere: the policy that is trained is the policy that was sampled
        adapted = cls(peft_model, base.tokenizer, compute, speaking=speaking)
        if adapted.compute.path == "packed":
            check_packing(peft_model)
        return adapted

    @property
    def compute(self) -> Compute:
        """How what it says is computed."""
        return self._compute

    @compute.setter
    def compute(self, compute: Compute) -> None:
        self._compute = compute
        if isinstance(self.engine, HfEngine):  # others draw by models of their own
            self.engine = self._own_engine()

    def _own_engine(self) -> HfEngine:
        return HfEngine(self.model, self.tokenizer, is_packed=self.compute.path == "packed")

    @property
    def tuning(self) -> Tuning:
        """What of the base its policies change."""
        config = next(iter(self.model.peft_config.values()))
        return "full" if getattr(config, "modules_to_save", None) else "lora"

    def act(self, requests: Sequence[Request], *, temperature: float, batch_size: int) -> list[Reply]:
        """Draw a reply to each request, at the temperature that it names, or else at this one.

        Low-rank adapters are mixed in a batch; whole copies of the weights take turns.
        """
        asked = [
            replace(request, must_speak=True) if request.adapter in self.speaking else request for request in requests
        ]
        replies: dict[int, Reply] = {}
        for numbers in self._batches([request.adapter for request in asked]):
            drawn = self.engine.draw(
                [asked[number] for number in numbers], temperature=temperature, batch_size=batch_size
            )
            replies.update(zip(numbers, drawn, strict=True))
        return [replies[number] for number in range(len(asked))]

    def _batches(self, adapters: Sequence[str]) -> list[list[int]]:
        """Numbers of what may be computed in one call, each with an adapter."""
        if self.tuning == "lora":
            return [list(range(len(adapters)))] if adapters else []
        return [[n for n, own in enumerate(adapters) if own == adapter] for adapter in dict.fromkeys(adapters)]

    def parameters(self, adapter: str) -> list[Parameter]:
        """The trainable tensors of one policy, in the model's order."""
        return [parameter for name, parameter in self.model.named_parameters() if f".{adapter}." in name]

    def base_parameters(self) -> list[Parameter]:
        """The tensors of the base model, which no training changes."""
        adapted = tuple(f".{adapter}." for adapter in self.model.peft_config)
        return [
            parameter for name, parameter in self.model.named_parameters() if not any(part in name for part in adapted)
        ]

    # -- what a policy says of tokens ----------------------------------------------------------------------------------

    def score(self, adapter: str, sequences: Sequence[TokenSequence], temperature: float) -> Scores:
        """Log-probabilities and entropies of action tokens under one policy, with gradients if they are enabled.

        All sequences in one forward pass; `parts` says how many that may be. Call `backward` before another policy is
        scored: PEFT freezes all but one, and torch drops what would have gone to a frozen tensor without a word. Here
        that backward raises.
        """
        self.model.set_adapter(adapter)
        for layer in self._checkpointed:
            layer.training = True  # sampling puts everything back into eval mode
        score = score_packed if self.compute.path == "packed" else score_plain
        never_first = sorted(self.encoder.end_ids) if adapter in self.speaking else ()
        scores = score(self.model, sequences, temperature, never_first)
        for tensor in (scores.logprobs, scores.entropy):
            if tensor.requires_grad:
                tensor.register_hook(partial(self._require_trainable, adapter))  # type: ignore[no-untyped-call]
        return scores

    def _require_trainable(self, adapter: str, _gradient: Tensor) -> None:
        """Raises: `RuntimeError` in a backward whose gradient would be lost."""
        if not all(parameter.requires_grad for parameter in self.parameters(adapter)):
            raise RuntimeError(
                f"adapter {adapter!r} was frozen between its forward and its backward, so the gradient would be lost; "
                "call backward before another adapter is scored"
            )

    @torch.no_grad()
    def score_all(
        self,
        adapter: str,
        sequences: Sequence[TokenSequence],
        temperature: float,
        passes: Sequence[Sequence[int]] | None = None,
    ) -> list[Tensor]:
        """Log-probabilities of every action token, one (A,) tensor on the CPU per sequence, without gradients.

        `passes`: positions of the sequences that go through the model together; of all processes, each position once.
        Default: `parts` of all.
        """
        found: dict[int, Tensor] = {}
        for chunk in self.parts(sequences, range(len(sequences))) if passes is None else passes:
            logprobs = self.score(adapter, [sequences[position] for position in chunk], temperature).logprobs.cpu()
            for row, position in zip(logprobs, chunk, strict=True):
                found[position] = row[: len(sequences[position].action_ids)]
        merged = self.ranks.merge(found)
        return [merged[position] for position in range(len(sequences))]

    @torch.no_grad()
    def score_untrained(self, adapter: str, sequences: Sequence[TokenSequence], temperature: float) -> list[Tensor]:
        """As `score_all`, of the base model without the policy."""
        with self.model.disable_adapter():
            return self.score_all(adapter, sequences, temperature)

    def parts(self, sequences: Sequence[TokenSequence], positions: Sequence[int]) -> list[list[int]]:
        """Positions in the groups that one forward pass each takes: those that share most, or are of similar length.

        Of several processes each has a share of its own, and all of them together have every position once.
        """
        full = [[*sequences[position].prompt_ids, *sequences[position].action_ids] for position in positions]
        own = self._share(full)
        if self.compute.path == "plain":
            return chunks_by_length(sequences, [positions[number] for number in own], self.compute.batch_size)
        packs = packs_within([full[number] for number in own], self.compute.max_packed_tokens)
        return [[positions[own[number]] for number in numbers] for numbers in packs]

    def _share(self, sequences: Sequence[Sequence[int]]) -> Sequence[int]:
        """Which of some token sequences are this process's own: neighbours, which share most, of about equal work."""
        if self.ranks.size == 1:
            return range(len(sequences))
        is_packed = self.compute.path == "packed"
        order = list(leaves(sequences))
        weights = [len(sequences[number]) - (shared if is_packed else 0) for number, shared in order]
        return [order[place][0] for place in self.ranks.share(weights)]

    # -- what critics read ---------------------------------------------------------------------------------------------

    @torch.no_grad()
    def features(self, texts: Sequence[str], *, max_tokens: int = 2048) -> Tensor:
        """What the *untrained* base makes of texts: its last hidden state at each text's last token, (N, H) in float32.

        See `text_features`: texts that begin others are read along with them.
        """
        with self.model.disable_adapter():
            return text_features(texts, self._plain_ids, self._read, max_tokens=max_tokens)

    @torch.no_grad()
    def token_features(
        self, texts: Sequence[str], actions: Sequence[Sequence[int]], *, max_tokens: int = 2048
    ) -> list[Tensor]:
        """What the *untrained* base has made of a text, and of an action's tokens so far, before each of its tokens.

        Its last hidden states, (A, H) in float32 per text: the first is that of `features`; an action without tokens
        has it, too.
        """
        ids = text_ids(texts, self._plain_ids, max_tokens=max_tokens)
        rows = [[*ids[text], *action[:-1]] for text, action in zip(texts, actions, strict=True)]
        kept = [range(len(row) - max(len(action), 1), len(row)) for row, action in zip(rows, actions, strict=True)]
        with self.model.disable_adapter():
            return self._read(rows, kept)

    @torch.no_grad()
    def prompt_features(self, prompts: Sequence[Prompt], batch_size: int) -> Tensor:
        """What each policy makes of a prompt: the hidden state that its head is given at the end, (N, H).

        The same as `Reply.features`, for prompts that nobody replied to.

        Raises: `ConfigError` for a model whose head cannot be listened to.
        """
        self.model.eval()  # mixed adapters are exact in eval mode alone
        found: dict[int, Tensor] = {}
        for numbers in self._batches([prompt.adapter for prompt in prompts]):
            rows = features_of(
                self.model,
                [prompts[number] for number in numbers],
                is_packed=self.compute.path == "packed",
                max_packed_tokens=self.compute.max_packed_tokens,
                batch_size=batch_size,
            )
            found.update(zip(numbers, self.require_features(rows), strict=True))
        return torch.stack([found[number] for number in range(len(prompts))])

    def require_features(self, features: Tensor | None) -> Tensor:
        """Raises: `ConfigError` if there are none."""
        if features is None:
            raise ConfigError(
                f"{type(self._base).__name__} does not show what its head is given, so a critic cannot read "
                "observations there; use --critic-input state"
            )
        return features

    def _plain_ids(self, text: str) -> list[int]:
        """Tokens of text that is no chat message; control tokens in it are split into ordinary ones."""
        return list(self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"])

    def _read(self, sequences: Sequence[list[int]], kept: Sequence[Sequence[int]]) -> list[Tensor]:
        """The last hidden states of each sequence at the places that are kept of it, (K, H) in float32."""
        own = self._share(sequences)
        found: dict[int, Tensor] = {}
        if self.compute.path == "packed":
            for places in packs_within([sequences[number] for number in own], self.compute.max_packed_tokens):
                numbers = [own[place] for place in places]
                packed = pack([sequences[number] for number in numbers]).to(self.model.device)
                hidden = run_trunk(self._base, packed)
                for number, path in zip(numbers, packed.paths, strict=True):
                    found[number] = hidden[path[list(kept[number])]].float()
        else:
            order = sorted(own, key=lambda number: len(sequences[number]))
            for start in range(0, len(order), self.compute.batch_size):
                numbers = order[start : start + self.compute.batch_size]
                hidden = self._trunk([sequences[number] for number in numbers])
                for number, row in zip(numbers, hidden, strict=True):
                    found[number] = row[len(row) - len(sequences[number]) :][list(kept[number])].float()
        merged = self.ranks.merge(found)
        return [merged[number].to(self.model.device) for number in range(len(sequences))]

    def _trunk(self, sequences: Sequence[list[int]]) -> Tensor:
        """The last hidden states, (B, T, H), padded on the left."""
        ids, mask = left_padded(sequences, 0, self.model.device)
        output = self._base.base_model(
            input_ids=ids, attention_mask=mask, position_ids=(mask.cumsum(-1) - 1).clamp(min=0), use_cache=False
        )
        return cast("Tensor", output.last_hidden_state)

    # ------------------------------------------------------------------------------------------------------------------

    @property
    def ranks(self) -> Ranks:
        """The processes that train it together."""
        return self.compute.ranks

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return cast("torch.device", self.model.device)

    @property
    def dtype(self) -> torch.dtype:
        """Of the base model's computation."""
        return self._base.dtype

    @property
    def hidden_size(self) -> int:
        """Width H of `features`."""
        return int(self._base.config.hidden_size)

    @property
    def _base(self) -> PreTrainedModel:
        """The model below the adapters, which PEFT types as any module."""
        return cast("PreTrainedModel", self.model.get_base_model())

    def add(self, adapter: str) -> None:
        """Put another policy on the base, which changes nothing yet."""
        _add(self.model, adapter, next(iter(self.model.peft_config.values())))

    def save(self, adapter: str, folder: Path) -> None:
        """Write a policy as PEFT writes them: `folder/<adapter>/adapter_model.safetensors` and its configuration."""
        self.model.save_pretrained(str(folder), selected_adapters=[adapter])

    def read(self, adapter: str, place: Path) -> None:
        """Take a policy's weights from a folder that `save` wrote.

        Raises: `CheckpointError`.
        """
        try:
            weights = load_file(place / WEIGHTS)
            outcome = cast("_Loaded", set_peft_model_state_dict(self.model, weights, adapter_name=adapter))
        except (RuntimeError, ValueError, OSError, KeyError) as error:
            reason = str(error).splitlines()[:2][-1].strip()  # a mismatch is listed for every tensor, under a title
            raise CheckpointError(
                f"adapter {place.name!r} in {place.parent} does not fit the model: {reason} Use the model and LoRA "
                "settings it was trained with"
            ) from error
        missing = [name for name in outcome.missing_keys if f".{adapter}." in name]
        if missing or outcome.unexpected_keys:
            raise CheckpointError(
                f"adapter {place.name!r} in {place.parent} was trained with other LoRA settings: it lacks "
                f"{len(missing)} tensors and has {len(outcome.unexpected_keys)} that this team has no place for; see "
                "the run's config.json"
            )


def _adapted(base: Base, config: LoraConfig, policies: Sequence[str]) -> PeftModel:
    """Raises: `ConfigError` for settings that do not fit the model."""
    try:
        peft_model = get_peft_model(base.model, config, adapter_name=policies[0])
    except ValueError as error:
        raise ConfigError(f"cannot adapt {base.name!r}: {error}; lora_targets names its linear layers") from error
    for name in policies[1:]:
        _add(peft_model, name, config)
    return cast("PeftModel", peft_model)


def _add(model: PeftModel, name: str, config: PeftConfig) -> None:
    """Put one more policy like the others on a model.

    PEFT looks for tied weights by their names, which have changed with the first policy, and warns that it finds none;
    what it has found then stands in the configuration, and is used again.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="You have requested `ensure_weight_tying`, but no tied modules were")
        model.add_adapter(name, config)
