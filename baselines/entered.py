"""The team behind an entry of the leaderboard, loaded as the entry describes it.

Bases are those that the suite knows, those whose folder is given, and with leave those of the hub; no code of a model
is run. Adapters are found by their hash, and read as `foreign_adapters.py` reads them.
"""

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from baselines.entry import model_name
from baselines.errors import ConfigError
from baselines.foreign_adapters import Adapter, find_weights, read_adapter
from baselines.policies.adapted import WEIGHTS
from baselines.policies.models import HUB_ID, KNOWN_MODELS
from baselines.policies.team import Team
from baselines.rollouts.collect import Sampling
from baselines.rollouts.collect import Task as Play
from baselines.rollouts.few_shot import few_shot_examples
from baselines.rollouts.solo import find_solo
from baselines.rollouts.stage import Stage
from baselines.runs.company import Company
from baselines.runs.experiment import ExperimentConfig, load_team, make_env, sampling_for
from leaderboard.players import Computation, ModelPlayer, ScriptPlayer, prompts_of
from leaderboard.replaying import environment, made
from leaderboard.schema import TaskResult
from leaderboard.tracks import Task
from marft_envs import FlexMG, Message

LONGEST_REPLY = 1_024
"""In tokens, where an entry names no bound: most have more than one character, and 2,048 are recorded by default."""


@dataclass(frozen=True)
class Means:
    """What a re-run may use, and how it computes."""

    weights: Path
    """The folder below which adapters lie."""
    bases: Mapping[str, str]
    """Name of a base in the entry -> its folder here."""
    may_ask_hub: bool = False
    device: str = "cpu"
    threads: int = 0


def base_of(player: ModelPlayer, given: Mapping[str, str], *, may_ask_hub: bool) -> str:
    """The base model of a player, as `marft train` takes it.

    Raises: ConfigError for one that nobody has allowed.
    """
    name = player.model
    if name in given:
        own, revision = model_name(given[name])
        if player.revision is not None and revision is not None and revision != player.revision:
            raise ConfigError(f"{given[name]} is {own} at {revision}, and the entry played {name} at {player.revision}")
        return given[name]
    if name in KNOWN_MODELS:
        return name
    if may_ask_hub and HUB_ID.fullmatch(name):
        return name if player.revision is None else f"{name}@{player.revision}"
    raise ConfigError(
        f"the entry was played by {name}, which is none of {', '.join(KNOWN_MODELS)}; give its folder by --bases "
        f"{name} FOLDER, or let the hub be asked by --hub"
    )


@dataclass(frozen=True)
class Cast:
    """A task's team, as the entry describes it."""

    task: Task
    result: TaskResult
    settings: ExperimentConfig
    adapters: Mapping[str, Adapter]
    """Of the agents that have any."""

    @property
    def agents(self) -> tuple[str, ...]:
        """Everybody in the game."""
        return tuple(environment(self.task).possible_agents)

    @property
    def playing(self) -> tuple[str, ...]:
        """Those that a model plays here; one alone stands for all."""
        solo = find_solo(self.settings.solo, self.settings.solo_agent, self.agents)
        if solo is not None:
            return solo.seats
        return tuple(agent for agent in self.agents if isinstance(self.result.players[agent], ModelPlayer))

    def make(self) -> FlexMG:
        """A new environment."""
        return made(self.task, prompts_of(self.result.players))

    def stage(self, num_plays: int) -> Stage:
        """Where it is played."""
        company = Company.named(self.settings.replace, self.agents)
        solo = find_solo(self.settings.solo, self.settings.solo_agent, self.agents)
        return Stage(
            self.make,
            num_envs=min(self.settings.num_envs, num_plays),
            examples=self._examples(),
            scripts=company.scripts,
            solo=solo,
            reads_answers=self.result.vote,
        )

    def _examples(self) -> Mapping[str, Sequence[Message]]:
        if not self.result.few_shot:
            return {}
        solved = make_env(self.task.env_id, "train", dict(self.task.options))
        assert isinstance(solved, FlexMG), "the leaderboard plays no others"
        solo = find_solo(self.settings.solo, self.settings.solo_agent, solved.possible_agents)
        return few_shot_examples(solved, self.task.level, self.result.few_shot, solo)

    def plays(self, seeds: Sequence[int]) -> list[Play]:
        """Every play of every instance."""
        return [Play(seed, self.task.level, sample) for seed in seeds for sample in range(self.result.plays)]

    @property
    def sampling(self) -> Sampling:
        """How replies are drawn."""
        hottest = max((player.sampling.temperature for player in models_of(self.result).values()), default=0.0)
        return sampling_for(self.settings, hottest)


def models_of(result: TaskResult) -> dict[str, ModelPlayer]:
    """The agents that models play."""
    return {agent: player for agent, player in result.players.items() if isinstance(player, ModelPlayer)}


def cast_of(task: Task, result: TaskResult, means: Means) -> Cast:
    """The team of a task, found and checked; nothing is loaded yet.

    Raises: ConfigError for what cannot be had here; CheckpointError for weights that are not there, or no plain LoRA.
    """
    models = models_of(result)
    if not models:
        raise ConfigError(f"{result.key} was played by no model, so there is nothing to load; validation says it all")
    for agent, player in result.players.items():
        if not isinstance(player, ModelPlayer | ScriptPlayer):
            raise ConfigError(f"{agent} chose among given texts, without a language model; a re-run loads models only")
    tuned = {agent: player.adapter or player.weights for agent, player in models.items() if player.is_trained}
    files = find_weights(means.weights, sorted({digest for digest in tuned.values() if digest}))
    adapters = {agent: read_adapter(files[digest]) for agent, digest in tuned.items() if digest}
    return Cast(task, result, _settings(task, result, means, list(adapters.values())), adapters)


def _settings(task: Task, result: TaskResult, means: Means, adapters: Sequence[Adapter]) -> ExperimentConfig:
    models = models_of(result)
    forms = {(one.rank, one.alpha, one.target_modules, one.last_layers) for one in adapters}
    if len(forms) > 1:
        raise ConfigError(f"{result.key}: the adapters of one team differ in r, lora_alpha or layers; they must not")
    lora = next(iter(forms), None)
    if any(player.weights for player in models.values()):
        raise ConfigError(f"{result.key} was played by whole weights of its own; a re-run loads adapters only")
    ways = [player.computed or Computation() for player in models.values()]
    if any(way != ways[0] for way in ways):
        raise ConfigError(f"{result.key}: the models of one team were computed in different ways; they must not")
    bases = {agent: base_of(player, means.bases, may_ask_hub=means.may_ask_hub) for agent, player in models.items()}
    settings = ExperimentConfig(
        env_id=task.env_id,
        level=task.level,
        env_options=dict(task.options),
        model=next(iter(bases.values())),
        model_by_role=bases if len(set(bases.values())) > 1 else {},
        solo=result.solo,
        replace={agent: one.script for agent, one in result.players.items() if isinstance(one, ScriptPlayer)},
        max_new_tokens_by_role={agent: one.sampling.max_new_tokens or LONGEST_REPLY for agent, one in models.items()},
        temperature_by_role={
            agent: one.sampling.temperature for agent, one in models.items() if one.sampling.temperature > 0
        },
        stop_by_role={agent: one.sampling.stop[0] for agent, one in models.items() if one.sampling.stop},
        dtype=ways[0].dtype,
        attn_implementation=ways[0].attention,
        matmul_precision=ways[0].matmul_precision,
        device=means.device,
        threads=means.threads,
        few_shot=0,
        run_dir=None,
    )
    if lora is not None:
        settings = replace(
            settings, lora_rank=lora[0], lora_alpha=lora[1], lora_targets=lora[2], lora_last_layers=lora[3]
        )
    return settings


@contextmanager
def team_of(cast: Cast) -> Iterator[Team]:
    """The team itself, with the adapters of the entry."""
    team = load_team(cast.settings, cast.agents)
    try:
        with tempfile.TemporaryDirectory() as folder:
            for agent in cast.playing:
                adapter = cast.adapters.get(agent)
                name = team.adapter_of[agent]
                if adapter is None:
                    continue  # a fresh adapter changes nothing
                place = Path(folder) / name
                place.mkdir(exist_ok=True)
                shutil.copyfile(adapter.weights, place / WEIGHTS)
                team.base_of(agent).read(name, place)
        yield team
    finally:
        team.close()
