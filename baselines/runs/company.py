"""Who plays agents that are not the team's own: an untrained model, a script, a server, one of another run."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import marft_envs
from baselines.errors import CheckpointError, ConfigError
from baselines.rollouts.scripted import Script
from baselines.runs.checkpoint_loading import load_checkpoint
from marft_envs import FlexMG

UNTRAINED = "untrained"
"""What people call the base model where they say who plays."""
SERVED = "openai:"
"""What the name of a server's model begins with there."""


@dataclass(frozen=True)
class Company:
    """Who plays in place of the team's own agents. None of them is trained."""

    models: Mapping[str, str]
    """Agent -> `untrained`, or the folder of the run or checkpoint that it comes from."""
    scripts: Mapping[str, Script]
    """Agent -> what plays it without a model."""
    served: Mapping[str, str] = field(default_factory=dict)
    """Agent -> what an OpenAI-compatible server calls the model that plays it."""

    @classmethod
    def named(cls, names: Mapping[str, str], agents: Sequence[str]) -> "Company":
        """Agents or roles, and who plays them: see `ExperimentConfig.replace`.

        Of names that mean the same agent, the last counts.

        Raises: ConfigError.
        """
        played_by: dict[str, str] = {}
        for name, who in names.items():
            meant = agents_named(name, agents)
            if not meant:
                raise ConfigError(f"replace names {name!r}; the agents are {', '.join(agents)}")
            played_by.update(dict.fromkeys(meant, who))
        known = marft_envs.SCRIPTED_PLAYS
        scripts = {agent: partial(_scripted, who) for agent, who in played_by.items() if who in known}
        served = {agent: who.removeprefix(SERVED) for agent, who in played_by.items() if who.startswith(SERVED)}
        for agent, model in served.items():
            if not model:
                raise ConfigError(f"{agent} is to be played by {SERVED!r}, which names no model; give {SERVED}MODEL")
        models = {agent: who for agent, who in played_by.items() if agent not in scripts and agent not in served}
        if len(scripts) == len(agents):
            raise ConfigError("scripts play every agent; leave at least one to a model")
        return cls(models, scripts, served)

    def leaves(self, agents: Iterable[str]) -> list[str]:
        """Those who need a model here."""
        return [agent for agent in agents if agent not in self.scripts and agent not in self.served]

    def checkpoints(self) -> dict[str, Path | None]:
        """Where each of the models lies, every file compared with its manifest; None: the base model.

        Raises: CheckpointError.
        """
        return {agent: None if who == UNTRAINED else _checkpoint(agent, who) for agent, who in self.models.items()}


def _scripted(who: str, env: FlexMG, agent: str) -> str:
    """Raises: ConfigError where the environment does not tell how such an agent plays."""
    try:
        return marft_envs.SCRIPTED_PLAYS[who](env, agent)
    except NotImplementedError as error:
        raise ConfigError(
            f"{agent} is to be played by {who!r}, but {error}; let untrained, random or echo play it"
        ) from error


def agents_named(name: str, agents: Sequence[str]) -> list[str]:
    """An agent by its name, or all of a role."""
    return [agent for agent in agents if name in (agent, agent.rpartition("_")[0])]


def _checkpoint(agent: str, who: str) -> Path:
    try:
        return checkpoint_of_a_team(Path(who))
    except CheckpointError as error:
        choices = ", ".join((UNTRAINED, *marft_envs.SCRIPTED_PLAYS, f"{SERVED}MODEL"))
        raise CheckpointError(f"{agent} is to be played by {who!r}, none of {choices}: {error}") from error


def checkpoint_of_a_team(folder: Path) -> Path:
    """A checkpoint whose agents can take seats elsewhere.

    Raises: CheckpointError if it is none, or one of an agent that plays alone and reads everything.
    """
    checkpoint = load_checkpoint(folder)
    config = checkpoint.state.get("config")
    if isinstance(config, Mapping) and config.get("solo") == "informed":
        raise CheckpointError(
            f"{checkpoint.path} was trained to play alone, and reads what no agent of a team does; name a run of a team"
        )
    return checkpoint.path
