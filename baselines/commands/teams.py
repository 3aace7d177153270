"""Which team of models a command is about: one that was trained, or an untrained one.

Loads torch, so commands import it only once they know that a model plays.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import marft_envs
from baselines.commands.options import EnvOptions
from baselines.commands.terminal import hush_libraries
from baselines.errors import CheckpointError, ConfigError
from baselines.policies.team import Team
from baselines.rollouts.scripted import Script
from baselines.runs.checkpoint_loading import load_checkpoint
from baselines.runs.experiment import ExperimentConfig, check_ranges, load_team, set_up_torch
from baselines.runs.trained_settings import trained_settings

UNTRAINED = "untrained"
"""What people call the base model where they say who plays."""


@dataclass(frozen=True)
class Replacements:
    """Who plays agents in place of the team's own."""

    adapters: Mapping[str, Path | None]
    """Agent -> the checkpoint that it comes from; None: the base model."""
    scripts: Mapping[str, Script]
    """Agent -> what plays it without a model."""

    @classmethod
    def named(cls, names: Mapping[str, str], agents: Sequence[str]) -> "Replacements":
        """What people call them. Raises: ConfigError, CheckpointError."""
        adapters: dict[str, Path | None] = {}
        scripts: dict[str, Script] = {}
        for name, who in names.items():
            meant = [agent for agent in agents if name in (agent, agent.rpartition("_")[0])]
            if not meant:
                raise ConfigError(f"--replace names {name!r}; the agents are {', '.join(agents)}")
            for agent in meant:
                if who in marft_envs.SCRIPTED_PLAYS:
                    scripts[agent] = marft_envs.SCRIPTED_PLAYS[who]
                else:
                    adapters[agent] = None if who == UNTRAINED else _checkpoint(name, who)
        return cls(adapters, scripts)


def _checkpoint(name: str, who: str) -> Path:
    try:
        return load_checkpoint(Path(who)).path
    except CheckpointError as error:
        choices = ", ".join((UNTRAINED, *marft_envs.SCRIPTED_PLAYS))
        raise CheckpointError(f"{name} is to be played by {who!r}, none of {choices}: {error}") from error


@dataclass(frozen=True)
class Cast:
    """The settings under which a team plays, and where its adapters lie."""

    settings: ExperimentConfig
    checkpoint: Path | None
    """None: fresh adapters, which change nothing, so every agent is the base model."""

    @property
    def title(self) -> str:
        """How to name it to a person."""
        if self.checkpoint is None:
            return f"{self.settings.model}, untrained"
        return f"{self.checkpoint}, trained from {self.settings.model}"

    def load(self, agents: list[str]) -> Team:
        """The team itself. Raises: ModelNotFoundError, ModelFetchError, CheckpointError, ConfigError."""
        hush_libraries()
        set_up_torch(self.settings)
        return load_team(self.settings, agents, self.checkpoint)


def find_cast(
    checkpoint: Path | None,
    *,
    env_id: str | None,
    level: str | None,
    env_options: EnvOptions,
    given: Mapping[str, str | int | None],
) -> Cast:
    """The settings of a checkpoint, or the defaults, with everything in `given` that is not None in their place.

    Options and level of the training hold only for the environment that it was about.

    Raises: CheckpointError, ConfigError.
    """
    settings, folder = ExperimentConfig(), None
    if checkpoint is not None:
        loaded = load_checkpoint(checkpoint)
        settings, folder = trained_settings(loaded), loaded.path
    if env_id is not None and env_id != settings.env_id:
        settings = replace(settings, env_id=env_id, level=None, env_options={})
    options = {**settings.env_options, **env_options}
    settings = replace(settings, level=level or settings.level, env_options=options)
    for name, value in given.items():
        if value is not None:
            setattr(settings, name, value)
    check_ranges(settings)
    return Cast(settings, folder)
