"""What a team has played, as an entry of the leaderboard: who played, how replies were drawn, how it was trained.

The leaderboard's own modules write and validate it; here stands what only trainers know.
"""

import hashlib
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from baselines.errors import ConfigError
from baselines.evaluate import episodes_of
from baselines.policies.adapted import WEIGHTS
from baselines.policies.model_folder import is_weights
from baselines.policies.models import HUB_ID, KNOWN_MODELS, resolve_model
from baselines.rollouts.batch import Rollout
from baselines.rollouts.collect import Sampling, of_role
from baselines.runs.checkpoint_loading import Checkpoint, load_checkpoint
from baselines.runs.checkpoints import sha256
from baselines.runs.circumstances import processor
from baselines.runs.company import SERVED, UNTRAINED, agents_named
from baselines.runs.experiment import TOKENS, ExperimentConfig
from baselines.runs.records import number_of, read_records
from baselines.runs.summary import METRICS
from leaderboard.players import ChoicePlayer, Computation, ModelPlayer, Player, ScriptPlayer
from leaderboard.players import Sampling as SaidSampling
from leaderboard.schema import Training
from leaderboard.scores import Tokens, no_tokens
from leaderboard.submit import PlayedTask
from leaderboard.tracks import Task
from marft_envs import SCRIPTED_PLAYS, Episode, FlexMG

_MOST_SETTINGS = 200
_UNTOLD = frozenset(
    {
        *("run_dir", "init_from", "threads", "workers", "worker_threads", "ray_address"),
        *("env_id", "model", "model_by_role", "replace"),
    }
)
"""Settings that say nothing of how a team was trained, or are told elsewhere; paths are nobody's business."""
_LINE = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]{0,200}")


@dataclass(frozen=True)
class Played:
    """How a task was played."""

    settings: ExperimentConfig
    checkpoint: Path | None
    sampling: Sampling
    plays: int = 1
    vote: bool = False
    few_shot: int = 0


def played_task(task: Task, seeds: Sequence[int], env: FlexMG, how: Played, rollouts: Sequence[Rollout]) -> PlayedTask:
    """The entry's part about one task.

    `env` is one that the leaderboard makes of the task. Rollouts may come in any order, those of a seed in theirs.

    Raises: ConfigError if somebody played whose tokens nobody here has counted.
    """
    ordered = _ordered(seeds, rollouts)
    episodes = list(episodes_of(ordered, env))
    trained = None if how.checkpoint is None else load_checkpoint(how.checkpoint)
    players = _players(how, trained, env.possible_agents)
    is_trained = any(isinstance(player, ModelPlayer) and player.is_trained for player in players.values())
    return PlayedTask(
        task=task,
        players=players,
        episodes=episodes,
        tokens=[_tokens(*pair) for pair in zip(ordered, episodes, strict=True)],
        plays=how.plays,
        vote=how.vote,
        solo=how.settings.solo,
        few_shot=how.few_shot,
        training=_training(trained) if trained is not None and is_trained else None,
    )


def chosen_task(  # each is something of its own that an entry says
    task: Task,
    seeds: Sequence[int],
    env: FlexMG,
    trained: Checkpoint,
    package: str,
    weights: str,
    rollouts: Sequence[Rollout],
) -> PlayedTask:
    """The same of a learner without language, which plays every agent; `weights` names its file in the checkpoint."""
    ordered = _ordered(seeds, rollouts)
    episodes = list(episodes_of(ordered, env))
    player = ChoicePlayer(kind="choices", package=package, weights=file_hash(trained.path / weights))
    return PlayedTask(
        task=task,
        players=dict.fromkeys(env.possible_agents, player),
        episodes=episodes,
        tokens=[no_tokens(episode) for episode in episodes],
        training=_training(trained),
    )


def _ordered(seeds: Sequence[int], rollouts: Sequence[Rollout]) -> list[Rollout]:
    """As the season has its seeds, at the level at which the environment is made."""
    place = {seed: number for number, seed in enumerate(seeds)}
    return [replace(rollout, level=None) for rollout in sorted(rollouts, key=lambda rollout: place[rollout.seed])]


def _tokens(rollout: Rollout, episode: Episode) -> Tokens:
    """Of each turn as the log has them: there in the order of commits, here in that of acting."""
    counted: dict[str, deque[tuple[int, int]]] = {}
    for turn in rollout.turns:
        counted.setdefault(turn.agent, deque()).append((len(turn.prompt_ids), len(turn.action_ids)))
    found = [counted[turn.agent].popleft() if counted.get(turn.agent) else (0, 0) for turn in episode.turns]
    return Tokens(tuple(read for read, _ in found), tuple(wrote for _, wrote in found))


# -- who played --------------------------------------------------------------------------------------------------------


def _players(how: Played, trained: Checkpoint | None, agents: Sequence[str]) -> dict[str, Player]:
    settings = how.settings
    if settings.solo is not None:  # one plays for all
        alone = settings.solo_agent or agents[-1]
        return dict.fromkeys(agents, _model_player(how, trained, alone))
    company = {agent: who for name, who in settings.replace.items() for agent in agents_named(name, agents)}
    return {agent: _player(how, trained, agent, company.get(agent)) for agent in agents}


def _player(how: Played, trained: Checkpoint | None, agent: str, who: str | None) -> Player:
    if who is None:
        return _model_player(how, trained, agent)
    if who in SCRIPTED_PLAYS:
        return ScriptPlayer(kind="script", script=who)  # type: ignore[arg-type]  # its names are those of the schema
    if who.startswith(SERVED):
        raise ConfigError(
            f"{agent} is played by {who}, and how many tokens a server reads and writes is not known here; an entry "
            "tells them: load the model itself"
        )
    return _model_player(how, None if who == UNTRAINED else load_checkpoint(Path(who)), agent)


def _model_player(how: Played, trained: Checkpoint | None, agent: str) -> ModelPlayer:
    model = of_role(how.settings.model_by_role, agent, how.settings.model)
    name, revision = model_name(model)
    adapter = None if trained is None else _weights(trained, agent)
    is_full = (
        trained is not None
        and isinstance(config := trained.state.get("config"), Mapping)
        and (config.get("tuning") == "full")
    )
    stop = of_role(how.sampling.stop_by_role, agent, "")
    return ModelPlayer(
        kind="model",
        model=name,
        revision=revision,
        adapter=None if is_full else adapter,
        weights=adapter if is_full else None,
        sampling=SaidSampling(
            temperature=float(how.sampling.temperature_of(agent)),
            max_new_tokens=how.sampling.limit(agent),
            stop=(stop,) if stop else (),
        ),
        computed=_computed(how.settings),
    )


def _computed(settings: ExperimentConfig) -> Computation | None:
    """None where another engine drew, which has ways of its own."""
    if settings.engine != "hf":
        return None
    return Computation(
        dtype=settings.dtype,  # type: ignore[arg-type]  # one of those names, or nothing would have been loaded
        attention=settings.attn_implementation,
        matmul_precision=settings.matmul_precision,
    )


def _weights(trained: Checkpoint, agent: str) -> str:
    """The hash of the file that an agent's adapter, or its own weights, lie in."""
    adapters = trained.state.get("adapter_of")
    name = adapters.get(agent, agent) if isinstance(adapters, Mapping) else agent
    return file_hash(trained.path / str(name) / WEIGHTS)


def model_name(model: str) -> tuple[str, str | None]:
    """A model as an entry names it, and its revision: of a folder here its own name, and the hash of its weights."""
    if model in KNOWN_MODELS:
        return model, None
    if not Path(model).expanduser().exists() and HUB_ID.fullmatch(model):
        name, _, revision = model.partition("@")
        return name, revision or None
    folder = resolve_model(model)
    files = sorted(path for path in folder.iterdir() if is_weights(path.name))
    found = hashlib.sha256("".join(file_hash(path) for path in files).encode()).hexdigest()
    return re.sub(r"[^A-Za-z0-9._-]", "_", folder.resolve().name).lstrip("._-") or "model", f"sha256-{found[:32]}"


def file_hash(path: Path) -> str:
    """As entries write it."""
    return f"sha256:{sha256(path)}"


# -- how it was trained ------------------------------------------------------------------------------------------------


def _training(trained: Checkpoint) -> Training:
    """What the checkpoint and the run around it say."""
    config = trained.state.get("config")
    assert isinstance(config, Mapping), "its settings were read before"
    seed = config.get("seed")
    return Training(
        algorithm=str(config.get("algorithm", "unknown")),
        config=dict(list(_told(config))[:_MOST_SETTINGS]),
        tokens=_tokens_written(trained),
        seed=seed if isinstance(seed, int) else None,
        hardware=processor()[:_MOST_SETTINGS],
    )


def _told(config: Mapping[object, object]) -> Iterator[tuple[str, Any]]:
    """Settings that are numbers, words and lists of these."""
    for name, value in config.items():
        if str(name) in _UNTOLD:
            continue
        if isinstance(value, Mapping):
            value = [f"{key} {one}" for key, one in value.items()]  # noqa: PLW2901  # as a list of what it maps
        if isinstance(value, list):
            if value and all(_is_told(one) for one in value):
                yield str(name), tuple(value)
        elif _is_told(value):
            yield str(name), value


def _is_told(value: object) -> bool:
    return (
        value is None
        or isinstance(value, bool | int | float)
        or (isinstance(value, str) and bool(_LINE.fullmatch(value)))
    )


def _tokens_written(trained: Checkpoint) -> int | None:
    """While training so far; None where the run's records are not beside the checkpoint."""
    num_done = trained.state.get("num_iterations_done")
    records = read_records(trained.path.parent.parent / METRICS)
    if not isinstance(num_done, int) or len(records) < num_done:
        return None
    counts = [number_of(record.get(TOKENS)) for record in records[:num_done]]
    known = [count for count in counts if count is not None]
    return int(sum(known)) if len(known) == num_done else None
