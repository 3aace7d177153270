"""What turns are worth by a critic's word: read before an update, and fitted to what came of them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from baselines.learning.losses import explained_variance, value_loss
from baselines.policies.critic import Critic
from baselines.policies.team import Team
from baselines.rollouts.batch import Batch, Rollout, Turn
from baselines.rollouts.credit import Axis, Credit, assign_credit
from baselines.runs.experiment import Metrics
from baselines.updates.config import CriticConfig
from baselines.updates.optimizers import require_finite

CriticInput = Literal["state", "observation"]
"""What values are read from: everything decided so far, as the untrained base reads it; or what the acting agent sees,
as its own policy reads it when it samples, so that only what would follow a cut episode is read for it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a critic made of a batch: one entry per turn in the order of `Batch.turns()`, or one per token of each."""

    values: Tensor
    """(M,)."""
    after: list[dict[str, float]]
    """Per rollout, by agent, what its next turn would have been worth; empty where the episode terminated."""
    features: Tensor
    """(M, H): what values were read from."""
    known: Tensor
    """(M,) bool: entries that a critic can tell anything of. One of observations reads what policies make of them, and
    scripts make nothing."""


class Values:
    """A critic and its optimiser."""

    def __init__(self, config: CriticConfig, team: Team, reads: CriticInput, *, names_agents: bool = False) -> None:
        """`names_agents`: whether a state says at its end who is about to act, for values that are an agent's own."""
        self._config = config
        self._team = team
        self._reads = reads
        self._names_agents = names_agents
        self.critic = Critic.drawn(team.hidden_size, seed=config.seed, normalises=config.normalise_values)
        self.critic.to(team.model.device)
        self.optimizer = torch.optim.Adam(self.critic.parameters(), lr=config.critic_lr)

    def read(self, batch: Batch) -> Reading:
        """Values of all turns, and of what would have followed where an episode was cut, if that counts."""
        turns = list(batch.turns())
        cut = [(rollout, agent) for rollout in _cut(batch) for agent in rollout.final_states]
        counts = self._config.bootstraps
        features = self._features(turns, cut if counts else [])
        with torch.no_grad():
            read = self.critic(features).cpu()
        after = read[len(turns) :] if counts else torch.zeros(len(cut))
        return Reading(
            values=read[: len(turns)],
            after=_per_rollout(batch, after.tolist()),
            features=features[: len(turns)],
            known=torch.tensor([self._is_known(turn) for turn in turns]),
        )

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
        before = self._team.token_features([turn.state for turn in turns], [turn.action_ids for turn in turns])
        states = [rollout.final_states[agent] for rollout in _cut(batch) for agent in rollout.final_states]
        counts = self._config.bootstraps and bool(states)
        features = torch.cat([*before, self._team.features(states)] if counts else before)
        with torch.no_grad():
            read = self.critic(features).cpu()
        num_steps = len(read) - (len(states) if counts else 0)
        after = read[num_steps:] if counts else torch.zeros(len(states))
        reading = Reading(
            values=read[:num_steps],
            after=_per_rollout(batch, after.tolist()),
            features=features[:num_steps],
            known=torch.ones(num_steps, dtype=torch.bool),
        )
        return reading, [len(rows) for rows in before]

    def fit(self, reading: Reading, returns: Tensor) -> Metrics:
        """Move the critic towards `returns`, (M,); what is logged tells of it as it was before."""
        known = reading.known
        features, targets = reading.features[known], returns[known]
        everything = torch.ones(1, len(targets), dtype=torch.bool)
        if self.critic.normalises:
            self.critic.follow(targets)
        unit = self.critic.scale.std
        clip = self._config.value_clip_coef
        with torch.no_grad():  # as they are now: what is known of returns may just have moved them
            old = self.critic(features)[None] / unit
        wanted = targets[None].to(features.device) / unit
        loss = torch.zeros(())
        for _ in range(self._config.critic_steps):
            loss = value_loss(
                self.critic(features)[None] / unit,
                wanted,
                everything.to(features.device),
                self._config.huber_delta / unit,
                *(() if clip is None else (old, clip / unit)),
            )
            require_finite("the critic's loss", loss)
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it without annotations
            self.optimizer.step()
        values = reading.values[known]
        return {
            "critic/loss": float(loss.detach()),
            "critic/explained_variance": float(explained_variance(values[None], targets[None], everything)),
            "critic/value_mean": float(values.mean()),
        }

    def save(self, folder: Path) -> None:
        """Write the head; its optimiser's state is saved with all others."""
        self.critic.save(folder)

    def load(self, folder: Path) -> None:
        """Raises: `CheckpointError`."""
        self.critic.load(folder)

    def _features(self, turns: list[Turn], cut: list[tuple[Rollout, str]]) -> Tensor:
        """What values are read from: before each turn, then where each episode was cut, (N, H)."""
        if self._reads == "state":
            before = [self._told(turn.state, turn.agent) for turn in turns]
            return self._team.features(before + [self._told(one.final_states[agent], agent) for one, agent in cut])
        nothing = torch.zeros(self._team.hidden_size)  # of scripts, whose values nobody asks for
        read = self._read_again([turn for turn in turns if self._is_known(turn) and turn.features is None])
        own = [
            (turn.features if turn.features is not None else next(read)) if self._is_known(turn) else nothing
            for turn in turns
        ]
        after = [rollout.final_features.get(agent, nothing) for rollout, agent in cut]
        return torch.stack([*own, *after]).to(self._team.model.device)

    def _read_again(self, turns: Sequence[Turn]) -> Iterator[Tensor]:
        """Prompts whose sampler did not tell what it made of them; the policy has not moved since.

        Raises: `ConfigError` for a model that does not show it.
        """
        if not turns:
            return iter(())
        agents, prompts = [turn.agent for turn in turns], [turn.prompt_ids for turn in turns]
        return iter(self._team.prompt_features(agents, prompts, self._team.compute.batch_size).cpu())

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
