"""A team of language-model agents: one copy of the base model, a LoRA adapter per agent.

n agents on one base take the memory of one. An adapter that several agents share is one *block*: blocks are what
trainers update.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, Protocol, cast

import torch
from peft import PeftModel, get_peft_model, set_peft_model_state_dict
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import Parameter
from transformers import AutoTokenizer, GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from baselines.errors import CheckpointError, ConfigError
from baselines.learning.losses import chosen_tokens, entropy_from_logits, token_logprobs
from baselines.learning.masks import length_mask, padded
from baselines.learning.packing import pack, packs_within
from baselines.policies.chat import ChatEncoder, Conversation
from baselines.policies.engines.engine import Engine
from baselines.policies.engines.hf import HfEngine, Reply, Request, end_ids
from baselines.policies.engines.history import History
from baselines.policies.engines.prefill import Prompt, features_of, left_padded
from baselines.policies.features import text_features, text_ids
from baselines.policies.loading import (
    Lora,
    adapter_name,
    base_model,
    checkpointed_layers,
    device_of,
    dtype_of,
    lora_config,
)
from baselines.policies.models import resolve_model
from baselines.policies.packed import check_packing, run_pack, run_trunk

SHARED = "team"
"""Name of the one adapter of a team that shares it."""
UNTRAINED = "~untrained"
"""Name of the adapter, one that changes nothing, of all agents that act as the base model. No agent's own is called so:
`adapter_name` leaves no `~` in a name."""
WEIGHTS = "adapter_model.safetensors"
"""What PEFT calls an adapter's file."""


class TokenSequence(Protocol):
    """What a trainer asks log-probabilities of: a prompt and the tokens that followed it."""

    @property
    def prompt_ids(self) -> list[int]: ...
    @property
    def action_ids(self) -> list[int]: ...


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


@dataclass(frozen=True, slots=True)
class Scores:
    """What the current policy says of actions already taken; all (B, A), right-padded where `mask` is False."""

    logprobs: Tensor
    entropy: Tensor
    mask: Tensor


class Team:
    """Policies of all agents on one base model."""

    def __init__(
        self,
        model: PeftModel,
        tokenizer: PreTrainedTokenizerBase,
        adapter_of: Mapping[str, str],
        compute: Compute | None = None,
    ) -> None:
        self.model = model
        self.compute = compute or Compute()
        self._checkpointed = checkpointed_layers(self._base) if self.compute.gradient_checkpointing else []
        self.tokenizer = tokenizer
        self.adapter_of = dict(adapter_of)
        self._of_others: set[str] = set()
        self.encoder = ChatEncoder(tokenizer, end_ids(model, tokenizer))
        self.engine: Engine = HfEngine(model, tokenizer, is_packed=self.compute.path == "packed")

    @classmethod
    def load(  # noqa: PLR0913  # each is a setting of its own
        cls,
        agents: Sequence[str],
        *,
        model: str,
        adapters: Literal["per_agent", "shared"] = "per_agent",
        lora: Lora | None = None,
        device: str = "cpu",
        dtype: str = "float32",
        attn_implementation: str | None = None,
        compute: Compute | None = None,
        checkpoint: Path | None = None,
    ) -> "Team":
        """Load the base once and give every agent its adapter: a fresh one, or that of a checkpoint.

        Fresh adapters change nothing yet. `attn_implementation` is a name that Transformers knows; None leaves it the
        choice.

        Raises: `ModelNotFoundError`, `CheckpointError`, `ConfigError` (device, dtype or attention that this machine or
        model lacks; a model that cannot be packed).
        """
        where = str(resolve_model(model))
        base = base_model(where, dtype_of(dtype), attn_implementation)
        base.to(device_of(device))  # type: ignore[arg-type]  # its wrapper of `Module.to` is typed without `self`
        tokenizer = AutoTokenizer.from_pretrained(where)
        base.requires_grad_(False)
        # What `generate` is not told it takes from the model's own settings, such as a repetition penalty; then the
        # sampler would not be the policy that is trained. Of those settings we want only what ends a reply.
        base.generation_config = GenerationConfig(eos_token_id=base.generation_config.eos_token_id)
        parts = {part for name, _ in base.named_parameters() for part in name.split(".")}
        adapter_of = {agent: SHARED if adapters == "shared" else adapter_name(agent, parts) for agent in agents}
        names = list(dict.fromkeys(adapter_of.values()))
        if len(names) < len(agents) and adapters == "per_agent":
            raise ConfigError(
                f"agents {sorted(agents)} cannot be told apart as adapter names; use letters, digits, _ and -"
            )
        config = lora_config(lora or Lora(), base)
        try:
            peft_model = get_peft_model(base, config, adapter_name=names[0])
        except ValueError as error:
            raise ConfigError(f"cannot adapt {model!r}: {error}; lora_targets names its linear layers") from error
        for name in names[1:]:
            peft_model.add_adapter(name, config)
        peft_model.eval()  # no dropout anywhere: the policy that is trained is the policy that was sampled
        team = cls(peft_model, tokenizer, adapter_of, compute)
        if team.compute.path == "packed":
            check_packing(peft_model)
        if checkpoint is not None:
            team.load_adapters(checkpoint)
        return team

    @property
    def blocks(self) -> dict[str, tuple[str, ...]]:
        """Adapter name -> the agents that act with it, in the team's order; without those that were replaced."""
        blocks: dict[str, tuple[str, ...]] = {}
        for agent, adapter in self.adapter_of.items():
            if adapter not in self._of_others:
                blocks[adapter] = (*blocks.get(adapter, ()), agent)
        return blocks

    @property
    def trained_agents(self) -> tuple[str, ...]:
        """Those whose adapters are this team's own."""
        return tuple(agent for agents in self.blocks.values() for agent in agents)

    def conversation(self) -> Conversation:
        """A fresh conversation for one agent's episode."""
        return Conversation(self.encoder)

    def act(self, requests: Sequence[Request], *, temperature: float, batch_size: int) -> list[Reply]:
        """Draw a reply to each request; adapters may be mixed. Temperature 0 is greedy."""
        return self.engine.draw(requests, temperature=temperature, batch_size=batch_size)

    def parameters(self, adapter: str) -> list[Parameter]:
        """The trainable tensors of one adapter, in the model's order."""
        return [parameter for name, parameter in self.model.named_parameters() if f".{adapter}." in name]

    def base_parameters(self) -> list[Parameter]:
        """The tensors of the base model, which no training changes."""
        adapted = tuple(f".{adapter}." for adapter in self.model.peft_config)
        return [
            parameter for name, parameter in self.model.named_parameters() if not any(part in name for part in adapted)
        ]

    def score(self, adapter: str, sequences: Sequence[TokenSequence], temperature: float) -> Scores:
        """Log-probabilities and entropies of action tokens under one adapter, with gradients if they are enabled.

        All sequences in one forward pass; `parts` says how many that may be. Call `backward` before another adapter is
        scored: PEFT freezes all but one, and torch drops what would have gone to a frozen tensor without a word. Here
        that backward raises.
        """
        self.model.set_adapter(adapter)
        for layer in self._checkpointed:
            layer.training = True  # sampling puts everything back into eval mode
        score = self._score_packed if self.compute.path == "packed" else self._score_plain
        scores = score(sequences, temperature)
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

    def _score_packed(self, sequences: Sequence[TokenSequence], temperature: float) -> Scores:
        """Every distinct token once; the head runs where an action token is predicted."""
        packed = pack([[*s.prompt_ids, *s.action_ids] for s in sequences]).to(self.model.device)
        lengths = [len(s.action_ids) for s in sequences]
        predicting = [path[-1 - length : -1] for path, length in zip(packed.paths, lengths, strict=True)]
        kept, rows = torch.unique(torch.cat(predicting), return_inverse=True)
        actions = torch.cat([path[len(path) - length :] for path, length in zip(packed.paths, lengths, strict=True)])
        chosen = chosen_tokens(run_pack(self.model, packed, keep=kept), rows, packed.ids[actions], temperature)
        logprobs, entropy = (padded(torch.split(flat, lengths)) for flat in (chosen.logprobs, chosen.entropy))
        return Scores(logprobs, entropy, length_mask(torch.tensor(lengths, device=logprobs.device), logprobs.shape[1]))

    def _score_plain(self, sequences: Sequence[TokenSequence], temperature: float) -> Scores:
        """Prompts padded on the left and actions on the right, so that the head runs over action positions only."""
        prompts, prompt_mask = left_padded([s.prompt_ids for s in sequences], 0, self.model.device)
        lengths = torch.tensor([len(s.action_ids) for s in sequences])
        longest = int(lengths.max())
        actions = torch.zeros((len(sequences), longest), dtype=torch.long)
        for row, sequence in enumerate(sequences):
            actions[row, : len(sequence.action_ids)] = torch.tensor(sequence.action_ids)
        by_length = torch.arange(longest) < lengths[:, None]  # not by token: padding may be a real one
        mask = by_length.to(self.model.device)
        actions = actions.to(self.model.device)
        attention = torch.cat([prompt_mask, mask.long()], dim=1)
        output = self.model(
            input_ids=torch.cat([prompts, actions], dim=1),
            attention_mask=attention,
            position_ids=(attention.cumsum(-1) - 1).clamp(min=0),
            logits_to_keep=longest + 1,
            use_cache=False,
        )
        logits = output.logits[:, :-1]  # the logits at a position predict the token after it
        return Scores(token_logprobs(logits, actions, temperature), entropy_from_logits(logits, temperature), mask)

    @torch.no_grad()
    def score_all(
        self,
        adapter: str,
        sequences: Sequence[TokenSequence],
        temperature: float,
        passes: Sequence[Sequence[int]] | None = None,
    ) -> list[Tensor]:
        """Log-probabilities of every action token, one (A,) tensor on the CPU per sequence, without gradients.

        `passes`: positions of the sequences that go through the model together, each once; default: `parts` of all.
        """
        found: dict[int, Tensor] = {}
        for chunk in passes or self.parts(sequences, range(len(sequences))):
            logprobs = self.score(adapter, [sequences[position] for position in chunk], temperature).logprobs.cpu()
            for row, position in zip(logprobs, chunk, strict=True):
                found[position] = row[: len(sequences[position].action_ids)]
        return [found[position] for position in range(len(sequences))]

    @torch.no_grad()
    def score_untrained(self, adapter: str, sequences: Sequence[TokenSequence], temperature: float) -> list[Tensor]:
        """As `score_all`, of the base model without the adapter."""
        with self.model.disable_adapter():
            return self.score_all(adapter, sequences, temperature)

    def parts(self, sequences: Sequence[TokenSequence], positions: Sequence[int]) -> list[list[int]]:
        """Positions in the groups that one forward pass each takes: those that share most, or are of similar length."""
        if self.compute.path == "plain":
            return chunks_by_length(sequences, positions, self.compute.batch_size)
        full = [[*sequences[position].prompt_ids, *sequences[position].action_ids] for position in positions]
        return [
            [positions[number] for number in numbers] for numbers in packs_within(full, self.compute.max_packed_tokens)
        ]

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
        with self.model.disable_adapter():
            hidden = self._read(rows)
        return [row[-max(len(action), 1) :].float() for row, action in zip(hidden, actions, strict=True)]

    @torch.no_grad()
    def prompt_features(
        self,
        agents: Sequence[str],
        prompts: Sequence[Sequence[int]],
        batch_size: int,
        histories: Sequence[History | None] = (),
    ) -> Tensor:
        """What each agent's policy makes of a prompt: the hidden state that its head is given at the end, (N, H).

        The same as `Reply.features`, for prompts that nobody replied to. `histories`: what each goes on from, if any
        were kept.

        Raises: `ConfigError` for a model whose head cannot be listened to.
        """
        asked = [
            Prompt(self.adapter_of[agent], list(ids), history)
            for agent, ids, history in zip(agents, prompts, histories or [None] * len(prompts), strict=True)
        ]
        self.model.eval()  # mixed adapters are exact in eval mode alone
        found = features_of(
            self.model,
            asked,
            is_packed=self.compute.path == "packed",
            max_packed_tokens=self.compute.max_packed_tokens,
            batch_size=batch_size,
        )
        return self.require_features(found)

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

    def _read(self, sequences: Sequence[list[int]]) -> list[Tensor]:
        """The last hidden states of each sequence, (L, H)."""
        found: dict[int, Tensor] = {}
        if self.compute.path == "packed":
            for numbers in packs_within(sequences, self.compute.max_packed_tokens):
                packed = pack([sequences[number] for number in numbers]).to(self.model.device)
                hidden = run_trunk(self._base, packed)
                found.update(zip(numbers, (hidden[path] for path in packed.paths), strict=True))
        else:
            order = sorted(range(len(sequences)), key=lambda number: len(sequences[number]))
            for start in range(0, len(order), self.compute.batch_size):
                numbers = order[start : start + self.compute.batch_size]
                hidden = self._trunk([sequences[number] for number in numbers])
                found.update(
                    (number, row[len(row) - len(sequences[number]) :])
                    for number, row in zip(numbers, hidden, strict=True)
                )
        return [found[number] for number in range(len(sequences))]

    def _trunk(self, sequences: Sequence[list[int]]) -> Tensor:
        """The last hidden states, (B, T, H), padded on the left."""
        ids, mask = left_padded(sequences, 0, self.model.device)
        output = self._base.base_model(
            input_ids=ids, attention_mask=mask, position_ids=(mask.cumsum(-1) - 1).clamp(min=0), use_cache=False
        )
        return cast("Tensor", output.last_hidden_state)

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

    def weights(self) -> dict[str, Tensor]:
        """All that training changes of how the team acts, on the CPU, by the names that the model has for it."""
        trained = tuple(f".{adapter}." for adapter in self.blocks)
        return {
            name: parameter.detach().cpu().contiguous()
            for name, parameter in self.model.named_parameters()
            if any(part in name for part in trained)
        }

    @torch.no_grad()
    def take_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Act from now on as the team whose `weights` these are; it is made of the same settings."""
        own = dict(self.model.named_parameters())
        for name, value in weights.items():
            own[name].copy_(value)

    def save_adapters(self, folder: Path) -> None:
        """Write each adapter as PEFT writes them: `folder/<adapter>/adapter_model.safetensors` and its config."""
        for adapter in self.blocks:
            self.model.save_pretrained(str(folder), selected_adapters=[adapter])

    def load_adapters(self, folder: Path) -> None:
        """Read every adapter of this team from `folder`.

        Raises: `CheckpointError` naming the adapter that is missing or does not fit.
        """
        for adapter in self.blocks:
            if not (folder / adapter / WEIGHTS).is_file():
                raise CheckpointError(
                    f"no adapter {adapter!r} in {folder}; a checkpoint of this team has a folder for each of "
                    f"{sorted(self.blocks)}"
                )
            self._read_adapter(adapter, folder / adapter)

    def replace(self, agent: str, folder: Path | None) -> None:
        """Lets an agent act from now on as it does in a checkpoint of another team, or for None as the base model.

        It is part of no block any more.

        Raises: `CheckpointError` if there is no adapter of the agent, or none that fits.
        """
        own = self.adapter_of[agent]
        adapter = f"~{len(self._of_others)}" if folder else UNTRAINED
        if adapter not in self._of_others:
            self.model.add_adapter(adapter, self.model.peft_config[own])
            self._of_others.add(adapter)
        self.adapter_of[agent] = adapter
        if folder is None:
            return
        places = [folder / name for name in (adapter_name(agent, ()), adapter_name(agent, (agent,)), SHARED)]
        place = next((place for place in places if (place / WEIGHTS).is_file()), None)
        if place is None:
            raise CheckpointError(f"no adapter of {agent} in {folder}; give a checkpoint of a team that has this agent")
        self._read_adapter(adapter, place)

    def _read_adapter(self, adapter: str, place: Path) -> None:
        """Raises: `CheckpointError`."""
        try:
            weights = load_file(place / WEIGHTS)
            outcome = cast("_Loaded", set_peft_model_state_dict(self.model, weights, adapter_name=adapter))
        except (RuntimeError, ValueError, OSError) as error:
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


def chunks_by_length(sequences: Sequence[TokenSequence], positions: Sequence[int], size: int) -> list[list[int]]:
    """Positions in groups of at most `size`, similar lengths together so that little of a batch is padding."""
    by_length = sorted(
        positions,
        key=lambda position: len(sequences[position].prompt_ids) + len(sequences[position].action_ids),
    )
    return [by_length[start : start + size] for start in range(0, len(by_length), size)]
