"""Which team of models a command is about: one that was trained, or an untrained one.

Loads torch, so commands import it only once they know that a model plays.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from baselines.commands.options import EnvOptions
from baselines.commands.terminal import hush_libraries
from baselines.policies.team import Team
from baselines.runs.checkpoint_loading import load_checkpoint
from baselines.runs.company import agents_named
from baselines.runs.experiment import ExperimentConfig, load_team, set_up_torch
from baselines.runs.trained_settings import trained_settings


@dataclass(frozen=True)
class Cast:
    """The settings under which a team plays, and where its adapters lie."""

    settings: ExperimentConfig
    checkpoint: Path | None
    """None: fresh adapters, which change nothing, so every agent is the base model."""

    @property
    def title(self) -> str:
        """How to name it to a person."""
        alone = f", one {self.settings.solo} agent alone" if self.settings.solo else ""
        if self.checkpoint is None:
            return f"{self.settings.model}, untrained{alone}"
        return f"{self.checkpoint}, trained from {self.settings.model}{alone}"

    def load(self, agents: list[str]) -> Team:
        """The team itself, or the part of it that plays these agents; without those that scripts play.

        Raises: ModelNotFoundError, ModelFetchError, CheckpointError, ConfigError.
        """
        hush_libraries()
        set_up_torch(self.settings)
        others = {name: who for name, who in self.settings.replace.items() if agents_named(name, agents)}
        acts = not self.settings.workers
        return load_team(replace(self.settings, replace=others), agents, self.checkpoint, acts=acts)


def find_cast(
    checkpoint: Path | None,
    *,
    env_id: str | None,
    level: str | None,
    env_options: EnvOptions,
    given: Mapping[str, str | int | None],
    replaced: Mapping[str, str] | None = None,
) -> Cast:
    """The settings of a checkpoint, or the defaults, with everything in `given` that is not None in their place.

    Options, level and company of the training hold only for the environment that it was about; `replaced` is added to
    the latter. Workers and engine are of the command's own asking.

    Raises: CheckpointError, ConfigError.
    """
    settings, folder = ExperimentConfig(), None
    if checkpoint is not None:
        loaded = load_checkpoint(checkpoint)
        settings, folder = trained_settings(loaded), loaded.path
    if env_id is not None and env_id != settings.env_id:
        settings = replace(settings, env_id=env_id, level=None, env_options={}, replace={}, solo_agent=None)
    if given.get("solo") not in (None, settings.solo):
        settings = replace(settings, solo_agent=None)
    options = {**settings.env_options, **env_options}
    company = {**settings.replace, **(replaced or {})}
    settings = replace(settings, level=level or settings.level, env_options=options, replace=company)
    settings = replace(settings, workers=0, engine="hf")
    for name, value in given.items():
        if value is not None:
            setattr(settings, name, value)
    settings.check()
    return Cast(settings, folder)
