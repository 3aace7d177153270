"""A team of language-model agents: one copy of each base model, and the policies of its agents on it.

n agents on one base take the memory of one. Agents may act on different bases, each with its own tokenizer and chat
template. An adapter that several agents share is one *block*: blocks are what trainers update.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from torch.nn import Parameter

from baselines.errors import CheckpointError, ConfigError
from baselines.policies.adapted import WEIGHTS, AdaptedModel, Base, Compute, Tuning
from baselines.policies.chat import Conversation
from baselines.policies.engines.hf import Reply, Request
from baselines.policies.engines.history import History
from baselines.policies.engines.prefill import Prompt
from baselines.policies.loading import Lora, adapter_name
from baselines.policies.scoring import Scores, TokenSequence
from baselines.ranks import Ranks

SHARED = "team"
"""Name of the one adapter of a team that shares it; on each further base a number follows."""
UNTRAINED = "~untrained"
"""Name of the adapter, one that changes nothing, of all agents that act as their base model; on each further base a
number follows. No agent's own is called so: `adapter_name` leaves no `~` in a name."""


class Team:
    """Policies of all agents."""

    def __init__(self, bases: Sequence[AdaptedModel], adapter_of: Mapping[str, str]) -> None:
        """Each adapter lies on one of the bases."""
        self.bases = tuple(bases)
        self.adapter_of = dict(adapter_of)
        self._base_of = {adapter: base for base in bases for adapter in base.model.peft_config}
        self._of_others: set[str] = set()

    @classmethod
    def load(  # noqa: PLR0913  # each is a setting of its own
        cls,
        agents: Sequence[str],
        *,
        model: str,
        model_of: Mapping[str, str] | None = None,
        adapters: Literal["per_agent", "shared"] = "per_agent",
        tuning: Tuning = "lora",
        lora: Lora | None = None,
        speaking: Sequence[str] = (),
        device: str = "cpu",
        dtype: str = "float32",
        attn_implementation: str | None = None,
        compute: Compute | None = None,
        checkpoint: Path | None = None,
    ) -> "Team":
        """Load each base once and give every agent its policy: a fresh one, or that of a checkpoint.

        Fresh policies change nothing yet. `model_of` names agents that act on another base; those that share adapters
        share one with all on their base. `speaking`: agents whose replies are never empty. `attn_implementation` is a
        name that Transformers knows; None leaves it the choice.

        Raises: `ModelNotFoundError`, `CheckpointError`, `ConfigError` (device, dtype or attention that this machine or
        model lacks; a model that cannot be packed; agents that share a policy, of which not all are `speaking`).
        """
        if tuning == "full" and dtype != "float32":
            raise ConfigError(
                f"tuning is full and dtype {dtype}, whose digits are too few to add up small steps of the weights; use "
                "dtype float32, or tuning lora, whose adapters are always float32"
            )
        models = {agent: (model_of or {}).get(agent, model) for agent in agents}
        adapter_of: dict[str, str] = {}
        bases: list[AdaptedModel] = []
        for number, name in enumerate(dict.fromkeys(models.values())):
            base = Base.load(name, device=device, dtype=dtype, attn_implementation=attn_implementation)
            on_it = [agent for agent in agents if models[agent] == name]
            taken = base.parts
            own = {
                agent: numbered(SHARED, number) if adapters == "shared" else adapter_name(agent, taken)
                for agent in on_it
            }
            adapter_of |= own
            adapted = AdaptedModel.on(
                base,
                list(dict.fromkeys(own.values())),
                tuning=tuning,
                lora=lora,
                compute=compute,
                speaking=_speaking(own, speaking),
            )
            bases.append(adapted)
        if adapters == "per_agent" and len(set(adapter_of.values())) < len(agents):
            raise ConfigError(
                f"agents {sorted(agents)} cannot be told apart as adapter names; use letters, digits, _ and -"
            )
        team = cls(bases, {agent: adapter_of[agent] for agent in agents})
        if checkpoint is not None:
            team.load_adapters(checkpoint)
        return team

    # -- who acts with what --------------------------------------------------------------------------------------------

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

    @property
    def base(self) -> AdaptedModel:
        """The base of the first agent: what reads where no agent of the team is asked."""
        return self.bases[0]

    def base_of(self, agent: str) -> AdaptedModel:
        """The base that an agent acts on; for an agent that is not of the team, the first."""
        return self._base_of[self.adapter_of[agent]] if agent in self.adapter_of else self.base

    def conversation(self, agent: str) -> Conversation:
        """A fresh conversation for one agent's episode."""
        return Conversation(self.base_of(agent).encoder)

    # -- acting --------------------------------------------------------------------------------------------------------

    def act(self, requests: Sequence[Request], *, temperature: float, batch_size: int) -> list[Reply]:
        """Draw a reply to each request; adapters may be mixed. Temperature 0 is greedy.

        A request that names a temperature is drawn at its own.
        """
        replies: dict[int, Reply] = {}
        for base in self.bases:
            own = [number for number, asked in enumerate(requests) if self._base_of[asked.adapter] is base]
            drawn = base.act([requests[number] for number in own], temperature=temperature, batch_size=batch_size)
            replies.update(zip(own, drawn, strict=True))
        return [replies[number] for number in range(len(requests))]

    def close(self) -> None:
        """Give back what the bases' engines hold beside the models."""
        for base in self.bases:
            base.engine.close()

    def prompt_features(
        self,
        agents: Sequence[str],
        prompts: Sequence[Sequence[int]],
        batch_size: int,
        histories: Sequence[History | None] = (),
    ) -> list[Tensor]:
        """What each agent's policy makes of a prompt: the hidden state that its head is given at the end, (H,) each.

        The same as `Reply.features`, for prompts that nobody replied to. `histories`: what each goes on from, if any
        were kept.

        Raises: `ConfigError` for a model whose head cannot be listened to.
        """
        asked = [
            Prompt(self.adapter_of[agent], list(ids), history)
            for agent, ids, history in zip(agents, prompts, histories or [None] * len(prompts), strict=True)
        ]
        found: dict[int, Tensor] = {}
        for base in self.bases:
            own = [number for number, prompt in enumerate(asked) if self._base_of[prompt.adapter] is base]
            if own:
                found.update(zip(own, base.prompt_features([asked[number] for number in own], batch_size), strict=True))
        return [found[number] for number in range(len(asked))]

    # -- what a policy says of tokens; see `AdaptedModel` --------------------------------------------------------------

    def parameters(self, adapter: str) -> list[Parameter]:
        """The trainable tensors of one policy, in the model's order."""
        return self._base_of[adapter].parameters(adapter)

    def base_parameters(self) -> list[Parameter]:
        """The tensors of all bases, which no training changes."""
        return [parameter for base in self.bases for parameter in base.base_parameters()]

    def score(self, adapter: str, sequences: Sequence[TokenSequence], temperature: float) -> Scores:
        """Log-probabilities and entropies of action tokens under one policy, with gradients if they are enabled."""
        return self._base_of[adapter].score(adapter, sequences, temperature)

    def score_all(
        self,
        adapter: str,
        sequences: Sequence[TokenSequence],
        temperature: float,
        passes: Sequence[Sequence[int]] | None = None,
    ) -> list[Tensor]:
        """Log-probabilities of every action token, one (A,) tensor on the CPU per sequence, without gradients."""
        return self._base_of[adapter].score_all(adapter, sequences, temperature, passes)

    def score_untrained(self, adapter: str, sequences: Sequence[TokenSequence], temperature: float) -> list[Tensor]:
        """As `score_all`, of the base model without the policy."""
        return self._base_of[adapter].score_untrained(adapter, sequences, temperature)

    def parts(self, adapter: str, sequences: Sequence[TokenSequence], positions: Sequence[int]) -> list[list[int]]:
        """Positions in the groups that one forward pass each takes: those that share most, or are of similar length."""
        return self._base_of[adapter].parts(sequences, positions)

    def dtype_of(self, adapter: str) -> torch.dtype:
        """In which a policy's base computes."""
        return self._base_of[adapter].dtype

    @property
    def ranks(self) -> Ranks:
        """The processes that train this team together."""
        return self.base.ranks

    @property
    def device(self) -> torch.device:
        """Where the bases compute."""
        return self.base.device

    # -- files ---------------------------------------------------------------------------------------------------------

    def weights(self) -> dict[str, Tensor]:
        """All that training changes of how the team acts, on the CPU, by each base's number and its name there."""
        trained = tuple(f".{adapter}." for adapter in self.blocks)
        return {
            name: parameter.detach().cpu().contiguous()
            for name, parameter in self._named_parameters()
            if any(part in name for part in trained)
        }

    @torch.no_grad()
    def take_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Act from now on as the team whose `weights` these are; it is made of the same settings."""
        own = dict(self._named_parameters())
        for name, value in weights.items():
            own[name].copy_(value)

    def _named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Of all bases, whose own names may be the same."""
        for number, base in enumerate(self.bases):
            for name, parameter in base.model.named_parameters():
                yield f"{number}.{name}", parameter

    def save_adapters(self, folder: Path) -> None:
        """Write each adapter as PEFT writes them: `folder/<adapter>/adapter_model.safetensors` and its config."""
        for adapter in self.blocks:
            self._base_of[adapter].save(adapter, folder)

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
            self._base_of[adapter].read(adapter, folder / adapter)

    def replace(self, agent: str, folder: Path | None) -> None:
        """Lets an agent act from now on as it does in a checkpoint of another team, or for None as its base model.

        It is part of no block any more.

        Raises: `CheckpointError` if there is no adapter of the agent, or none that fits.
        """
        base = self.base_of(agent)
        adapter = f"~{len(self._of_others)}" if folder else numbered(UNTRAINED, self.bases.index(base))
        if adapter not in self._of_others:
            base.add(adapter)
            self._base_of[adapter] = base
            self._of_others.add(adapter)
        self.adapter_of[agent] = adapter
        if folder is None:
            return
        names = (adapter_name(agent, ()), adapter_name(agent, (agent,)))
        shared = numbered(SHARED, self.bases.index(base))
        place = next((folder / name for name in (*names, shared) if (folder / name / WEIGHTS).is_file()), None)
        if place is None:
            raise CheckpointError(f"no adapter of {agent} in {folder}; give a checkpoint of a team that has this agent")
        base.read(adapter, place)


def numbered(name: str, number: int) -> str:
    """A name of the first base's, and one of its own for each further base."""
    return f"{name}_{number}" if number else name


def _speaking(adapter_of: Mapping[str, str], agents: Sequence[str]) -> list[str]:
    """The adapters of agents whose replies are never empty.

    Raises: `ConfigError` if one is shared with an agent that may be silent.
    """
    speaking = {adapter for agent, adapter in adapter_of.items() if agent in agents}
    silent = [agent for agent, adapter in adapter_of.items() if adapter in speaking and agent not in agents]
    if silent:
        raise ConfigError(
            f"{', '.join(silent)} may be silent, but shares a policy with agents that must speak; let all who share it "
            "speak, or give each its own: --adapters per_agent"
        )
    return sorted(speaking)
