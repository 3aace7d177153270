"""What turns are worth by a critic's word: read before an update, and fitted to what came of them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from baselines.learning.losses import explained_variance, value_loss
from baselines.policies.adapted import AdaptedModel
from baselines.policies.critic import Critic
from baselines.policies.team import Team, numbered
from baselines.rollouts.batch import Batch, Rollout, Turn
from baselines.rollouts.credit import Axis, Credit, assign_credit
from baselines.runs.experiment import Metrics
from baselines.updates.config import CriticConfig
from baselines.updates.optimizers import require_finite

CriticInput = Literal["state", "observation"]
"""What values are read from: everything decided so far, as the untrained base reads it; or what the acting agent sees,
as its own policy reads it when it samples, so that only what would follow a cut episode is read for it."""


@dataclass(frozen=True, slots=True)
class Read:
    """What one base has read, and of which entries."""

    entries: Tensor
    """(m,), positions."""
    features: Tensor
    """(m, H)."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What critics made of a batch: one entry per turn in the order of `Batch.turns()`, or one per token of each."""

    values: Tensor
    """(M,)."""
    after: list[dict[str, float]]
    """Per rollout, by agent, what its next turn would have been worth; empty where the episode terminated."""
    reads: list[Read]
    """What values were read from, base by base."""
    known: Tensor
    """(M,) bool: entries that a critic can tell anything of. One of observations reads what policies make of them, and
    scripts make nothing."""


@dataclass(frozen=True, slots=True)
class Head:
    """A critic on one base, and its optimiser."""

    critic: Critic
    optimizer: torch.optim.Optimizer


class Values:
    """A critic and its optimiser; of a team on several bases one for each, which reads for the agents on it."""

    def __init__(self, config: CriticConfig, team: Team, reads: CriticInput, *, names_agents: bool = False) -> None:
        """`names_agents`: whether a state says at its end who is about to act, for values that are an agent's own."""
        self._config = config
        self._team = team
        self._reads = reads
        self._names_agents = names_agents
        self.heads: list[Head] = []
        for base in team.bases:
            critic = Critic.drawn(base.hidden_size, seed=config.seed, normalises=config.normalise_values)
            critic.to(base.device)
            self.heads.append(Head(critic, torch.optim.Adam(critic.parameters(), lr=config.critic_lr)))

    @property
    def critic(self) -> Critic:
        """The first base's."""
        return self.heads[0].critic

    def read(self, batch: Batch) -> Reading:
        """Values of all turns, and of what would have followed where an episode was cut, if that counts."""
        turns = list(batch.turns())
        cut = [(rollout, agent) for rollout in _cut(batch) for agent in rollout.final_states]
        counts = self._config.bootstraps
        agents = [turn.agent for turn in turns] + [agent for _, agent in cut if counts]
        reads = self._features(agents, turns, cut if counts else [])
        known = torch.tensor([self._is_known(turn) for turn in turns])
        return self._reading(batch, reads, known, num_cut=len(cut))

    def credit(self, batch: Batch, axis: Axis) -> tuple[Credit, Metrics]:
        """What every turn was worth by the critic's word, to which the critic is then fitted; and what to log of it.

        Raises: `ConfigError` if the axis is the team's, and agents were paid differently.
        """
        reading = self.read(batch)
        config = self._config
        found = assign_credit(
            batch, reading.values, reading.after, gamma=config.gamma, gae_lambda=config.gae_lambda, axis=axis
        )
        return found, self.fit(reading, found.returns)

    def read_tokens(self, batch: Batch) -> tuple[Reading, list[int]]:
        """Values before each token of every turn, all that was said of its reply so far included; and tokens by turn.

        A turn without tokens has one value.
        """
        assert self._reads == "state", "a policy's hidden states behind its prompt are not kept"
        turns = list(batch.turns())
        lengths = [max(len(turn.action_ids), 1) for turn in turns]
        begins = np.cumsum([0, *lengths])
        cut = [(rollout.final_states[agent], agent) for rollout in _cut(batch) for agent in rollout.final_states]
        counts = self._config.bootstraps and bool(cut)
        reads: list[Read] = []
        for base in self._team.bases:
            own = [number for number, turn in enumerate(turns) if self._team.base_of(turn.agent) is base]
            entries = [entry for number in own for entry in range(begins[number], begins[number + 1])]
            rows = base.token_features([turns[n].state for n in own], [turns[n].action_ids for n in own])
            after = [number for number, (_, agent) in enumerate(cut) if counts and self._team.base_of(agent) is base]
            if after:
                entries += [int(begins[-1]) + number for number in after]
                rows.append(base.features([cut[number][0] for number in after]))
            read = torch.cat(rows) if rows else torch.zeros(0, base.hidden_size, device=base.device)
            reads.append(Read(torch.tensor(entries, dtype=torch.long), read))
        known = torch.ones(int(begins[-1]), dtype=torch.bool)
        return self._reading(batch, reads, known, num_cut=len(cut)), lengths

    def _reading(self, batch: Batch, reads: list[Read], known: Tensor, *, num_cut: int) -> Reading:
        """What the heads say of what was read: of all entries, and behind them of what would have followed."""
        num_entries = len(known)
        values = torch.zeros(num_entries + num_cut)
        for head, read in zip(self.heads, reads, strict=True):
            with torch.no_grad():
                values[read.entries] = head.critic(read.features).cpu()
        within = [read.entries < num_entries for read in reads]
        return Reading(
            values=values[:num_entries],
            after=_per_rollout(batch, values[num_entries:].tolist()),
            reads=[
                Read(read.entries[inside], read.features[inside.to(read.features.device)])
                for read, inside in zip(reads, within, strict=True)
            ],
            known=known,
        )

    def fit(self, reading: Reading, returns: Tensor) -> Metrics:
        """Move the critics towards `returns`, (M,); what is logged tells of them as they were before."""
        known = reading.known
        losses = [self._fit(head, read, known, returns) for head, read in zip(self.heads, reading.reads, strict=True)]
        weights = [int(known[read.entries].sum()) for read in reading.reads]
        values, targets = reading.values[known], returns[known]
        everything = torch.ones(1, len(targets), dtype=torch.bool)
        total = max(sum(weights), 1)
        return {
            "critic/loss": sum(loss * (weight / total) for loss, weight in zip(losses, weights, strict=True)),
            "critic/explained_variance": float(explained_variance(values[None], targets[None], everything)),
            "critic/value_mean": float(values.mean()),
        }

    def _fit(self, head: Head, read: Read, known: Tensor, returns: Tensor) -> float:
        """Move one critic; gives its loss in the last step."""
        chosen = known[read.entries]
        features, targets = read.features[chosen.to(read.features.device)], returns[read.entries[chosen]]
        if not len(targets):
            return 0.0
        critic = head.critic
        everything = torch.ones(1, len(targets), dtype=torch.bool)
        if critic.normalises:
            critic.follow(targets)
        unit = critic.scale.std
        clip = self._config.value_clip_coef
        with torch.no_grad():  # as they are now: what is known of returns may just have moved them
            old = critic(features)[None] / unit
        wanted = targets[None].to(features.device) / unit
        loss = torch.zeros(())
        for _ in range(self._config.critic_steps):
            loss = value_loss(
                critic(features)[None] / unit,
                wanted,
                everything.to(features.device),
                self._config.huber_delta / unit,
                *(() if clip is None else (old, clip / unit)),
            )
            require_finite("the critic's loss", loss)
            head.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it without annotations
            head.optimizer.step()
        return float(loss.detach())

    @property
    def named_optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """Each critic's, by a name to save it under."""
        return {numbered("critic", number): head.optimizer for number, head in enumerate(self.heads)}

    def weights(self) -> Iterator[Tensor]:
        """Of all heads."""
        for head in self.heads:
            yield from head.critic.parameters()

    def save(self, folder: Path) -> None:
        """Write the heads; their optimisers' states are saved with all others."""
        for number, head in enumerate(self.heads):
            head.critic.save(folder, numbered("critic", number))

    def load(self, folder: Path) -> None:
        """Raises: `CheckpointError`."""
        for number, head in enumerate(self.heads):
            head.critic.load(folder, numbered("critic", number))

    def _features(self, agents: Sequence[str], turns: list[Turn], cut: list[tuple[Rollout, str]]) -> list[Read]:
        """What values are read from: before each turn, then where each episode was cut, each read by its agent's base.

        `agents`: of each turn, then of each place where an episode was cut.
        """
        reads: list[Read] = []
        for base in self._team.bases:
            own = [number for number, agent in enumerate(agents) if self._team.base_of(agent) is base]
            before = [turns[number] for number in own if number < len(turns)]
            after = [cut[number - len(turns)] for number in own if number >= len(turns)]
            reads.append(Read(torch.tensor(own, dtype=torch.long), self._features_on(base, before, after)))
        return reads

    def _features_on(self, base: AdaptedModel, turns: list[Turn], cut: list[tuple[Rollout, str]]) -> Tensor:
        """Shapes: -> (turns and cuts, H)."""
        if not turns and not cut:
            return torch.zeros(0, base.hidden_size, device=base.device)
        if self._reads == "state":
            before = [self._told(turn.state, turn.agent) for turn in turns]
            return base.features(before + [self._told(one.final_states[agent], agent) for one, agent in cut])
        nothing = torch.zeros(base.hidden_size)  # of scripts, whose values nobody asks for
        read = self._read_again(base, [turn for turn in turns if self._is_known(turn) and turn.features is None])
        own = [
            (turn.features if turn.features is not None else next(read)) if self._is_known(turn) else nothing
            for turn in turns
        ]
        after = [rollout.final_features.get(agent, nothing) for rollout, agent in cut]
        return torch.stack([*own, *after]).to(base.device)

    def _read_again(self, base: AdaptedModel, turns: Sequence[Turn]) -> Iterator[Tensor]:
        """Prompts of agents on a base whose sampler did not tell what it made of them; no policy has moved since.

        Raises: `ConfigError` for a model that does not show it.
        """
        if not turns:
            return iter(())
        agents, prompts = [turn.agent for turn in turns], [turn.prompt_ids for turn in turns]
        return (row.cpu() for row in self._team.prompt_features(agents, prompts, base.compute.batch_size))

    def _told(self, state: str, agent: str) -> str:
        return f"{state}\n\n{agent} is about to act." if self._names_agents else state

    def _is_known(self, turn: Turn) -> bool:
        return self._reads == "state" or bool(turn.action_ids)


def _cut(batch: Batch) -> list[Rollout]:
    return [rollout for rollout in batch.rollouts if not rollout.terminated]


def _per_rollout(batch: Batch, next_values: Iterable[float]) -> list[dict[str, float]]:
    """The values after each rollout by agent; nothing where the episode terminated."""
    values = iter(next_values)
    return [
        {} if rollout.terminated else {agent: next(values) for agent in rollout.final_states}
        for rollout in batch.rollouts
    ]
