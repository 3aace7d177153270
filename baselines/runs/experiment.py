"""What every trainer sets up alike: settings, environment factory, team, collector, curriculum, seeds.

An algorithm's own file holds what makes it that algorithm; this is the part that would be copied.
"""

import importlib
import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Literal, TypeVar, cast

import numpy as np
import pettingzoo
import torch
from pettingzoo import AECEnv

import marft_envs
from baselines.errors import ConfigError, extra_required
from baselines.policies.adapted import Compute
from baselines.policies.loading import Lora
from baselines.policies.models import resolve_model
from baselines.policies.team import Team
from baselines.ranks import ALONE, Ranks, joined
from baselines.rollouts.batch import Batch
from baselines.rollouts.collect import Sampling, Task, of_role
from baselines.rollouts.curriculum import Curriculum, curriculum_levels
from baselines.rollouts.fingerprint import behaviour
from baselines.rollouts.games import as_game
from baselines.rollouts.shares import played_together
from baselines.rollouts.solo import SoloKind, find_solo, seated
from baselines.rollouts.stage import Collecting, Stage
from baselines.runs.circumstances import alike_everywhere, circumstances, weights_hash
from baselines.runs.company import Company, agents_named
from baselines.runs.train_command import algorithm_of, train_command
from marft_envs import FlexMG, OptionError, UnknownEnvironmentError

if TYPE_CHECKING:
    from baselines.rollouts.workers import Workers

Metrics = dict[str, float | int | str | None]
"""What is logged: name -> number, or text for reasons and level names."""
TOKENS = "train/tokens_out"
"""The metric that `token_limit` bounds the sum of."""
Status = Callable[[str], None]
"""Told what is being done right now."""
TextEnv = FlexMG | AECEnv[str, object, object]
CURRICULUM_POSITION, CIRCUMSTANCES = "curriculum_position", "circumstances"
"""Entries of a checkpoint's state that only a run that goes on reads."""

_EPISODES, _LEVELS, _SAMPLER = range(3)  # streams of the run's seed; a stream never moves when another is drawn from


@dataclass
class EnvironmentConfig:
    """What is played, and how its levels are climbed."""

    env_id: str = "math/reason_act-v0"
    """Environment to train on; `marft envs` lists them."""
    level: str | None = None
    """Difficulty to reach. Default: the last of `curriculum_levels`, or else the easiest with instances held out for
    evaluation."""
    curriculum: bool = True
    """Climb the environment's levels from the easiest up to `level`."""
    curriculum_levels: tuple[str, ...] = ()
    """Climb only these levels; default: all up to `level`."""
    curriculum_threshold: float = 0.35
    """Mean training return at the current level that opens the next one."""
    curriculum_review: float = 0.2
    """Share of episodes drawn from levels already passed, in [0, 1)."""
    curriculum_preview: float = 0.4
    """Share of episodes drawn from levels still to come, in [0, 1)."""
    env_options: dict[str, int | float | bool | str] = field(default_factory=dict)
    """Further options of the environment, e.g. `horizon 1`."""


@dataclass
class ModelConfig:
    """Which language model plays, what of it is trained, and how it is computed."""

    model: str = "smollm2-135m"
    """Base model: a known name, a local folder or a Hugging Face id."""
    model_by_role: dict[str, str] = field(default_factory=dict)
    """Roles (or agents) that act on another base, e.g. `actor ./my-model`. Each base is loaded once, and a critic reads
    for each."""
    adapters: Literal["per_agent", "shared"] = "per_agent"
    """One policy for each agent, or one for all agents on a base."""
    tuning: Literal["lora", "full"] = "lora"
    """What of the base a policy changes: low-rank additions to its layers (LoRA), or all weights. A policy then is a
    copy of the model with an optimiser of twice its size; the base stays beside it, for critics and comparisons. It
    wants a learning rate ten to a hundred times smaller."""
    init_from: Path | None = None
    """A run or checkpoint whose adapters the team begins with, such as one of imitation; its model, its agents and its
    LoRA settings must be this run's. Critic and optimisers begin anew."""
    replace: dict[str, str] = field(default_factory=dict)
    """Agents, or all of a role, that others play and that are not trained: `untrained`, a script (reference, silent,
    random or echo), `openai:MODEL` for a model behind OPENAI_BASE_URL, or the same agent of another run or checkpoint,
    by its folder."""
    solo: SoloKind | None = None
    """One agent in place of the team, to compare with. informed: one policy, whatever `adapters` says, plays all seats
    and reads all that any of them was told, and all that was said. blind: one seat plays, the others are silent, and
    its replies may be as long as those of all together."""
    solo_agent: str | None = None
    """Whose seat it is that plays blind; default: the last of the team."""
    lora_rank: int = 8
    """Rank of the adapters; more learns more and costs little."""
    lora_alpha: int = 16
    """Adapter output is scaled by alpha / rank."""
    lora_targets: tuple[str, ...] = ("all-linear",)
    """Linear layers that get an adapter, by name, e.g. `q_proj v_proj`; default: all of them but the head."""
    lora_last_layers: int | None = None
    """Adapt only the last so many layers: the backward pass stops there. Default: all."""
    device: str = "cpu"
    """cpu, cuda or cuda:N. Of several processes each takes a GPU of its own for cuda."""
    dtype: str = "float32"
    """Of the base model: float32 or bfloat16. Adapters and critic are always float32."""
    matmul_precision: Literal["highest", "high", "medium"] = "highest"
    """Least precision of float32 matrix products, as torch names it. On GPUs "high" and "medium" allow TensorFloat32;
    on CPUs "medium" lets oneDNN choose: bfloat16 inside on some processors, its own float32 kernels on others."""
    attn_implementation: Literal["eager", "sdpa", "flash_attention_2", "flex_attention"] | None = None
    """How attention is computed; default: what Transformers chooses. On CPUs eager suits matmul_precision medium, where
    prompts are short."""
    update_path: Literal["packed", "plain"] = "packed"
    """How log-probabilities and features are computed: each distinct token once, or each sequence by itself. The
    numbers are the same; plain is the reference, and for models whose attention is not full."""
    max_packed_tokens: int = 1024
    """Distinct tokens in one forward pass; gradients accumulate up to the minibatch. Memory grows with it, by 2.7 MiB a
    token on the default model; on a GPU that has it, more is faster."""
    update_batch_size: int = 16
    """Sequences in one forward pass on the plain path."""
    gradient_checkpointing: bool = False
    """Compute each layer again in the backward pass in place of keeping what it computed: less memory, a third more
    time."""


@dataclass
class ScheduleConfig:
    """How long a run is, and what an iteration plays."""

    threads: int = 0
    """CPU threads of torch; 0 takes what torch chooses. With other load on the machine fewer can be faster."""

    seed: int = 1
    """Seeds the instances, the sampler, the adapters and the critic."""
    num_iterations: int = 48
    """Collect-and-update cycles."""
    time_limit_s: float | None = None
    """Stop before an iteration that would exceed it, in seconds; a run that goes on counts anew."""
    episodes_per_iteration: int = 64
    """Episodes collected before each update."""
    samples_per_instance: int = 4
    """Episodes that play the same instance. They share their prompts, and what a team that has become sure says alike,
    so more of them cost less each; but there are fewer different instances in a batch."""
    num_envs: int = 64
    """Environment copies played at once, by each process."""


@dataclass
class SamplingConfig:
    """How a language model's replies are drawn."""

    token_limit: int | None = None
    """Stop before an iteration that would begin with so many tokens in replies behind it, their ends included: what
    algorithms are compared at. `num_iterations` stays the bound that it is."""
    temperature: float = 0.7
    """Of sampling and of the policy that is trained; it is one thing."""
    max_new_tokens: int = 16
    """Longest action in tokens. Keep room for the longest answers of the hardest level: a form that fits on easy levels
    only is a dead end."""
    max_new_tokens_by_role: dict[str, int] = field(default_factory=dict)
    """Roles (or agents) with another bound, e.g. `actor 8`."""
    temperature_by_role: dict[str, float] = field(default_factory=dict)
    """Roles (or agents) that are sampled, and trained, at another temperature, e.g. `actor 0.3`."""
    stop_by_role: dict[str, str] = field(default_factory=dict)
    """Roles (or agents) whose replies a text ends, e.g. `actor .`; \\n stands for the end of a line. What is recorded
    ends before it."""
    must_speak: tuple[str, ...] = ()
    """Roles (or agents) that have no right to stay silent: a reply of theirs does not begin with its end. Others may
    say nothing at all."""
    rollout_batch_size: int = 64
    """Most prompts in one generate call."""
    max_history_tokens: int = 8192
    """Tokens whose keys and values are kept from one turn of an agent to its next, of all episodes together; what
    exceeds it is read again, and 0 keeps nothing. Memory grows with it, by 45 KiB a token on the default model."""


@dataclass
class PlayersConfig:
    """Who draws replies and plays episodes beside the process that trains."""

    server_requests: int = 16
    """Most requests that are under way at once to a server that plays agents."""
    engine: Literal["hf", "vllm"] = "hf"
    """Who draws replies: the model that is trained, or vLLM on a GPU, whose probabilities differ a little: see
    `max_sampler_ratio` and the metrics of drift."""
    vllm_memory: float = 0.4
    """Share of a GPU's memory that vLLM takes for its copy of the base, and for keys and values; the rest is for
    training, where both are on one GPU. Several bases divide it."""
    vllm_options: dict[str, int | float | bool | str] = field(default_factory=dict)
    """Further arguments of vLLM's `LLM`, e.g. `max_model_len 8192 tensor_parallel_size 2`."""
    workers: int = 0
    """Ray workers that play the episodes, each with a copy of the base model, here or in a cluster; 0 plays them in
    this process. Of several processes that train together each has so many."""
    worker_threads: int = 1
    """CPU threads of each worker's torch, and CPUs that it takes of the cluster."""
    worker_gpus: float | None = None
    """GPUs that each worker takes of the cluster, such as 0.5 for two on one; 0 lets workers act on the CPU. Default: 1
    where `device` is a GPU."""
    ray_address: str | None = None
    """Cluster that runs already, such as `auto` or `10.0.0.1:6379`. Default: RAY_ADDRESS, or else one of its own on
    this machine."""


@dataclass
class RecordsConfig:
    """What a run writes down, where, and how often."""

    run_dir: Path | None = None
    """Folder of the run; default runs/<environment>/<time>-seed<seed>."""
    eval_instances: int = 200
    """Held-out instances of each greedy evaluation; 0 turns evaluation off."""
    eval_every: int = 0
    """Iterations between evaluations on the way; 0 evaluates before and after only."""
    checkpoint_every: int = 1
    """Iterations between checkpoints, which is what a kill can cost; the last one is always saved. A checkpoint of two
    agents on the default model takes 0.3 s and 59 MB; more agents take more."""
    num_checkpoints: int = 2
    """The newest checkpoints that are kept; 0 keeps all."""


@dataclass
class RunConfig(RecordsConfig, ScheduleConfig, EnvironmentConfig):
    """Settings that all trainers share, whatever they train."""

    @property
    def num_instances(self) -> int:
        """Different ones of an iteration; the last may have fewer samples."""
        return -(-self.episodes_per_iteration // self.samples_per_instance)

    def check(self) -> None:
        """Raises: `ConfigError` for a number out of its range."""
        at_least_one = (
            "num_iterations",
            "episodes_per_iteration",
            "samples_per_instance",
            "num_envs",
            "checkpoint_every",
        )
        for name in at_least_one:
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.num_checkpoints < 0:
            raise ConfigError(f"num_checkpoints is {self.num_checkpoints}; give how many to keep, or 0 to keep all")
        if self.threads < 0:
            raise ConfigError(f"threads is {self.threads}; give a number of CPU threads, or 0 for torch's own choice")


@dataclass
class ExperimentConfig(
    RunConfig, RecordsConfig, PlayersConfig, SamplingConfig, ScheduleConfig, ModelConfig, EnvironmentConfig
):
    """Settings that all trainers of language models share: the parts' fields, from the last part to the first."""

    few_shot: int = 4
    """Examples in the prompt of the untrained reference; 0 leaves that row out."""

    def temperature_of(self, agent: str) -> float:
        """At which an agent is sampled and trained."""
        return of_role(self.temperature_by_role, agent, self.temperature)

    @property
    def reads_final_prompts(self) -> bool:
        """Whether what is learnt from tells what policies make of the next prompts where an episode is cut."""
        return False

    def check(self) -> None:
        super().check()
        at_least_one = (
            "max_new_tokens",
            "rollout_batch_size",
            "server_requests",
            "lora_rank",
            "max_packed_tokens",
            "update_batch_size",
        )
        for name in at_least_one:
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.token_limit is not None and self.token_limit < 1:
            raise ConfigError(f"token_limit is {self.token_limit}; it must be at least 1, or be left out")
        if self.temperature <= 0:
            raise ConfigError(
                f"temperature is {self.temperature}; training samples, so it must be above 0 (greedy play is what "
                "evaluation does)"
            )
        self._check_by_role()
        self._check_solo()
        if self.max_history_tokens < 0:
            raise ConfigError(
                f"max_history_tokens is {self.max_history_tokens}; give how many tokens may be kept, or 0 to keep "
                "nothing"
            )
        self._check_players()

    def _check_players(self) -> None:
        """Who draws replies, and where."""
        if not 0 < self.vllm_memory <= 1:
            raise ConfigError(f"vllm_memory is {self.vllm_memory}; it must be a share, above 0 and at most 1")
        if self.engine == "vllm" and self.tuning == "full":
            raise ConfigError(
                "engine is 'vllm' and tuning 'full', but vLLM takes low-rank adapters and no policies that are whole "
                "copies of the model; choose --engine hf, or --tuning lora"
            )
        if self.workers < 0:
            raise ConfigError(f"workers is {self.workers}; give how many play, or 0 to play in this process")
        if self.worker_threads < 1:
            raise ConfigError(f"worker_threads is {self.worker_threads}; a worker needs at least 1")
        if self.worker_gpus is not None and self.worker_gpus < 0:
            raise ConfigError(f"worker_gpus is {self.worker_gpus}; give a share of a GPU, a number of them, or 0")

    @property
    def policy_per(self) -> Literal["per_agent", "shared"]:
        """Whether each agent has a policy of its own; who plays alone with full information is one in all seats."""
        return "shared" if self.solo == "informed" else self.adapters

    def _check_solo(self) -> None:
        if self.solo is not None and self.replace:
            raise ConfigError(
                f"solo is {self.solo!r}, so one agent plays alone, and replace names others who play; leave out one of "
                "the two"
            )
        if self.solo == "informed" and self.model_by_role:
            raise ConfigError(
                "solo is 'informed', so one policy plays all seats, and model_by_role names bases for some; leave out "
                "one of the two"
            )
        if self.solo_agent is not None and self.solo != "blind":
            raise ConfigError(
                f"solo_agent is {self.solo_agent!r}, but solo is {self.solo!r}; only with solo blind a seat is chosen"
            )

    def _check_by_role(self) -> None:
        for role, temperature in self.temperature_by_role.items():
            if temperature <= 0:
                raise ConfigError(f"temperature_by_role gives {role} {temperature}; it must be above 0")
        for role, most in self.max_new_tokens_by_role.items():
            if most < 1:
                raise ConfigError(f"max_new_tokens_by_role gives {role} {most}; it must be at least 1")
        for role, stop in self.stop_by_role.items():
            if not stop:
                raise ConfigError(f"stop_by_role gives {role} no text; name one that ends its replies, or leave it out")


Config_co = TypeVar("Config_co", bound=RunConfig, covariant=True)


class Plan(Generic[Config_co]):
    """What a run plays in each iteration, whatever it trains."""

    circumstances: Mapping[str, str]
    """What its numbers depend on beside the settings."""

    def __init__(self, config: Config_co, agents: Sequence[str], levels: Sequence[str | None]) -> None:
        """Raises: ConfigError."""
        self.config = config
        self.agents = agents
        self.curriculum = Curriculum(
            levels,
            threshold=config.curriculum_threshold,
            review=config.curriculum_review,
            preview=config.curriculum_preview,
        )
        self.folder = config.run_dir or default_folder(config)
        self.level = self.curriculum.levels[-1]

    @property
    def ranks(self) -> Ranks:
        """The processes that train together."""
        return ALONE

    def tasks(self, iteration: int) -> list[Task]:
        """This iteration's episodes; the same for every algorithm, as far as the curriculum is."""
        config = self.config
        seeds = _stream(config.seed, _EPISODES, iteration).integers(2**62, size=config.num_instances)
        levels = _stream(config.seed, _LEVELS, iteration)
        drawn = [(int(seed), self.curriculum.draw(levels)) for seed in seeds]
        samples = range(config.samples_per_instance)
        tasks = [Task(seed, level, sample) for seed, level in drawn for sample in samples]
        return tasks[: config.episodes_per_iteration]

    def batch_metrics(self, batch: Batch) -> Metrics:
        """What a batch says before anything is learnt from it."""
        metrics: Metrics = {
            "train/return": batch.mean_return,
            "train/level": self.curriculum.level,
            "train/episodes": len(batch.rollouts),
            "train/turns": sum(len(rollout.turns) for rollout in batch.rollouts),
        }
        metrics |= {f"train/return/{level}": value for level, value in batch.mean_return_by_level().items()}
        for agent in self.agents:
            own = [rollout.returns[agent] for rollout in batch.rollouts]
            metrics[f"{agent}/return"] = sum(own) / len(own)
        return metrics

    def climb(self, batch: Batch) -> None:
        """Let the curriculum react to what was collected."""
        self.curriculum.update(batch.mean_return_by_level())

    def config_record(self) -> dict[str, object]:
        """The settings as JSON can hold them, with versions of what they ran on."""
        record = {name: str(value) if isinstance(value, Path) else value for name, value in asdict(self.config).items()}
        return record | {
            "algorithm": algorithm_of(self.config),
            "levels": list(self.curriculum.levels),
            "versions": {"marft_envs": marft_envs.__version__, "torch": torch.__version__},
        }

    def state(self) -> dict[str, object]:
        """What a checkpoint's state.json holds of every run: its settings, and what it takes to go on.

        Environments are not in it: every episode begins with a reset to a seed that follows from the iteration.
        """
        return {
            "config": self.config_record(),
            CURRICULUM_POSITION: self.curriculum.position,
            CIRCUMSTANCES: self.circumstances,
        }


class Experiment(Plan[ExperimentConfig]):
    """The prepared parts of one run."""

    def __init__(
        self,
        config: ExperimentConfig,
        team: Team,
        collector: Collecting,
        levels: Sequence[str | None],
        *,
        workers: "Workers | None" = None,
    ) -> None:
        """`workers`: who plays for the collector, if not this process."""
        super().__init__(config, collector.agents, levels)
        self.team = team
        self.collector = collector
        self.workers = workers
        self._told = (0, 0) if workers is None else (workers.losses.workers, workers.losses.episodes)
        self.folder = team.ranks.first(lambda: self.folder)  # its name may tell the time
        self.circumstances = circumstances(
            team.device,
            weights_hash(team.base_parameters()),
            behaviour(as_game(make_env(config.env_id, "train", config.env_options)), levels),
            team.ranks.size,
        )

    @classmethod
    def prepare(cls, config: ExperimentConfig) -> "Experiment":
        """Check the settings, meet the other processes if there are any, load the model and build everything.

        Raises: typed errors for whatever cannot work, before anything is written.
        """
        config.check()
        ranks = joined(config.device)
        require_enough_instances(config, ranks)
        require_one_process_for_vllm(config, ranks)
        set_up_torch(config)
        # Nothing here draws from torch's own generator; should a library do so, a run still follows from its seed.
        torch.manual_seed(int(_stream(config.seed, _SAMPLER).integers(2**62)))
        probe = make_env(config.env_id, "train", config.env_options)
        agents = as_game(probe).agents
        require_agents(config, agents)
        solo = find_solo(config.solo, config.solo_agent, agents)
        seated(probe, {}, solo)  # refuses what cannot be played alone
        company = Company.named(config.replace, agents)
        if len(company.models) == len(company.leaves(agents)):
            raise ConfigError("replace leaves nobody to train; leave at least one agent out of it")
        levels = levels_to_climb(config, probe)
        stage = Stage(
            partial(make_env, config.env_id, "train", config.env_options),
            num_envs=min(config.num_envs, config.episodes_per_iteration),
            reads_final_prompts=config.reads_final_prompts,
            scripts=company.scripts,
            served=company.served,
            max_requests=config.server_requests,
            solo=solo,
        )
        with ExitStack() as begun:  # what was begun ends if anything that follows fails
            team = load_team(config, agents, ranks=ranks, acts=not config.workers)
            begun.callback(team.close)
            workers = start_workers(config, agents, ranks)
            if workers is not None:
                begun.callback(workers.close)
            experiment = cls(config, team, collector_for(stage, team, workers), levels, workers=workers)
            ranks.require_alike(experiment.config_record() | alike_everywhere(experiment.circumstances))
            begun.pop_all()
        return experiment

    def close(self) -> None:
        """Stop what runs beside this process: workers, and whatever draws replies."""
        self.team.close()
        if self.workers is not None:
            self.workers.close()

    @property
    def ranks(self) -> Ranks:
        """The processes that train together."""
        return self.team.ranks

    def batch_metrics(self, batch: Batch) -> Metrics:
        """What a batch says before anything is learnt from it, and what workers have lost on the way to it."""
        return super().batch_metrics(batch) | {TOKENS: batch.num_tokens} | self._loss_metrics()

    def _loss_metrics(self) -> Metrics:
        """What workers of all processes have lost since this was asked last, in evaluations too."""
        if self.workers is None:
            return {}
        before, self._told = self._told, (self.workers.losses.workers, self.workers.losses.episodes)
        new = self.ranks.gather((self._told[0] - before[0], self._told[1] - before[1]))
        return {
            "train/lost_workers": sum(workers for workers, _ in new),
            "train/replayed_episodes": sum(episodes for _, episodes in new),
        }

    def collect(self, iteration: int, status: Status) -> Batch:
        """Play this iteration's episodes; of several processes each plays its share, and has all of them in the end."""
        sampling = self.sampling(iteration)

        def play(tasks: Sequence[Task]) -> Batch:
            status(f"collecting {len(tasks)} episodes")
            return self.collector.collect(tasks, sampling, lambda done: status(f"collecting {done}/{len(tasks)}"))

        return played_together(self.ranks, self.tasks(iteration), play)

    def sampling(self, iteration: int) -> Sampling:
        """How this iteration's replies are drawn."""
        seed = int(_stream(self.config.seed, _SAMPLER, 0, iteration).integers(2**62))
        return replace(sampling_for(self.config, self.config.temperature), seed=seed)

    def next_steps(self, checkpoint: Path) -> list[str]:
        """What to try after a run, as commands."""
        again = replace(self.config, seed=self.config.seed + 1, run_dir=None)
        return [
            f"marft evaluate {checkpoint}    # greedy play on held-out instances",
            f"marft play {self.config.env_id} --checkpoint {checkpoint}    # watch the team, or take a seat in it",
            f"{train_command(again)}    # the same with another seed",
        ]

    def state(self) -> dict[str, object]:
        """That of every run, and who acts with which adapter: enough to load the team again."""
        return super().state() | {"adapter_of": self.team.adapter_of}


def make_env(
    env_id: str, split: Literal["train", "test"], options: Mapping[str, object], *, level: str | None = None
) -> TextEnv:
    """An environment by id: one of ours (with its split), one in PettingZoo's registry, or `module:factory`.

    `module:family/name-v0` imports the module, which registers the id.

    Raises: `UnknownEnvironmentError`, `OptionError`, `ConfigError`.
    """
    if ":" in env_id and "/" not in env_id:
        return _from_entry_point(env_id, split, options, level)
    try:
        spec = marft_envs.spec(env_id)
    except UnknownEnvironmentError:
        if env_id not in pettingzoo.aec_registry:
            raise
        return cast("TextEnv", pettingzoo.make("aec", env_id, max_cycles=None, **options))
    extra = {} if level is None else {"level": level}
    return marft_envs.make(spec.id, **{"split": split, **options, **extra})


def sampling_for(config: ExperimentConfig, temperature: float) -> Sampling:
    """How replies are drawn at a temperature; 0 is greedy."""
    return Sampling(
        temperature,
        config.max_new_tokens,
        config.max_new_tokens_by_role,
        config.rollout_batch_size,
        temperature_by_role=config.temperature_by_role,
        stop_by_role={role: stop.replace("\\n", "\n") for role, stop in config.stop_by_role.items()},
        max_history_tokens=config.max_history_tokens,
    )


def levels_to_climb(config: RunConfig, probe: TextEnv) -> tuple[str | None, ...]:
    """The levels of a run, the one to reach last; None where there are no levels. Raises: ConfigError."""
    known = tuple(probe.levels) if isinstance(probe, FlexMG) else ()
    target = config.level or next(reversed(config.curriculum_levels), None)
    if target is None and isinstance(probe, FlexMG):
        target = easiest_with_test(config, probe)
    return curriculum_levels(known, target, climb=config.curriculum, chosen=config.curriculum_levels)


def easiest_with_test(config: RunConfig, probe: FlexMG) -> str | None:
    """The first level that offers a test split; the environment's own if none does, or if there are no levels."""
    for level in probe.levels:
        try:
            make_env(config.env_id, "test", config.env_options, level=level)
        except OptionError:
            continue  # too few instances: nothing else can be wrong, since the train split was made with these options
        return level
    return probe.level


def _from_entry_point(env_id: str, split: str, options: Mapping[str, object], level: str | None) -> TextEnv:
    module, _, name = env_id.partition(":")
    try:
        factory = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:  # ValueError: nothing stands before the colon
        raise ConfigError(
            f"cannot import the environment {env_id!r}: {error}; write it as package.module:factory"
        ) from error
    if isinstance(factory, type) and issubclass(factory, FlexMG):
        options = {"split": split, **options, **({} if level is None else {"level": level})}
    try:
        inspect.signature(factory).bind(**options)
    except TypeError as error:
        raise ConfigError(f"env_options {dict(options)} do not fit {env_id}: {error}") from error
    except ValueError:
        pass  # something built in, which tells no signature
    env: TextEnv = factory(**options)
    return env


def set_up_torch(config: ExperimentConfig) -> None:
    """Give this process the threads and the precision of a run."""
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.set_float32_matmul_precision(config.matmul_precision)


def load_team(
    config: ExperimentConfig,
    agents: Sequence[str],
    checkpoint: Path | None = None,
    *,
    ranks: Ranks = ALONE,
    acts: bool = True,
) -> Team:
    """The team of a configuration, fresh or from a checkpoint's folder, without those that scripts or servers play.

    `acts`: whether replies are drawn here; where workers draw them, no other engine is needed beside the model.

    `ranks`: the processes that will share its work.

    Raises: `ModelNotFoundError`, `CheckpointError`, `ConfigError`.
    """
    company = Company.named(config.replace, agents)
    solo = find_solo(config.solo, config.solo_agent, agents)
    playing = company.leaves(agents) if solo is None else list(solo.seats)
    model_of = {agent: of_role(config.model_by_role, agent, config.model) for agent in agents}
    checkpoints = company.checkpoints()
    lora = Lora(config.lora_rank, config.lora_alpha, tuple(config.lora_targets), config.lora_last_layers)
    torch_seed = int(_stream(config.seed, _SAMPLER, 1).integers(2**62))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed)  # adapters start alike whatever was drawn before
        team = Team.load(
            playing,
            model=config.model,
            model_of=model_of,
            adapters=config.policy_per,
            tuning=config.tuning,
            lora=lora,
            speaking=[agent for name in config.must_speak for agent in agents_named(name, agents)],
            device=ranks.device(config.device),
            dtype=config.dtype,
            attn_implementation=config.attn_implementation,
            compute=Compute(
                config.update_path,
                config.max_packed_tokens,
                config.update_batch_size,
                gradient_checkpointing=config.gradient_checkpointing,
                ranks=ranks,
            ),
        )
        for agent, folder in checkpoints.items():
            team.replace(agent, folder)
    if checkpoint is not None:
        team.load_adapters(checkpoint)
    if acts and config.engine == "vllm":
        with extra_required("vllm", "--engine vllm"):
            from baselines.policies.engines.vllm import VllmEngine

            names = dict.fromkeys(model_of[agent] for agent in playing)
            for base, name in zip(team.bases, names, strict=True):
                base.engine = VllmEngine(
                    base.model,
                    base.tokenizer,
                    str(resolve_model(name)),
                    memory=config.vllm_memory / len(team.bases),
                    options=config.vllm_options,
                )
    return team


def require_agents(config: ExperimentConfig, agents: Sequence[str]) -> None:
    """Raises: `ConfigError` for a setting by role that names nobody, or gives those who share a policy different ones.

    Agents that share a policy are sampled at one temperature: it is part of what the policy is.
    """
    by_role = ("model_by_role", "max_new_tokens_by_role", "temperature_by_role", "stop_by_role", "must_speak")
    for setting in by_role:
        for name in getattr(config, setting):
            if not agents_named(name, agents):
                raise ConfigError(f"{setting} names {name!r}; the agents are {', '.join(agents)}")
    served = Company.named(config.replace, agents).served
    for agent in (agent for name in config.must_speak for agent in agents_named(name, agents) if agent in served):
        raise ConfigError(
            f"must_speak names {agent}, which a server plays, and nobody can keep that from saying nothing; leave it "
            "out of one of the two"
        )
    if config.policy_per == "shared":
        models = {agent: of_role(config.model_by_role, agent, config.model) for agent in agents}
        for agent, other in combinations(agents, 2):
            if models[agent] == models[other] and config.temperature_of(agent) != config.temperature_of(other):
                raise ConfigError(
                    f"temperature_by_role gives {agent} {config.temperature_of(agent)} and {other} "
                    f"{config.temperature_of(other)}, but they share a policy, of which the temperature is a part; "
                    "give each its own: --adapters per_agent"
                )


def require_enough_instances(config: ExperimentConfig, ranks: Ranks) -> None:
    """Raises: `ConfigError` for more processes than instances: plays of one instance stay in one process."""
    if config.num_instances < ranks.size:
        raise ConfigError(
            f"there are {ranks.size} processes, but an iteration has {config.num_instances} instances "
            f"(episodes_per_iteration {config.episodes_per_iteration}, samples_per_instance "
            f"{config.samples_per_instance}), and each process plays at least one; start fewer processes, or give more "
            "episodes"
        )


def require_one_process_for_vllm(config: ExperimentConfig, ranks: Ranks) -> None:
    """Raises: `ConfigError` for vLLM under a launcher of several processes, of whose groups it would be a part."""
    if ranks.size > 1 and config.engine == "vllm":
        raise ConfigError(
            f"engine is 'vllm', and there are {ranks.size} processes that train together, in whose environment vLLM "
            "would take itself for one of them; choose --engine hf, or start one process and let its workers draw: "
            "--workers N"
        )


def start_workers(config: ExperimentConfig, agents: Sequence[str], ranks: Ranks = ALONE) -> "Workers | None":
    """The workers of a configuration, each with the team that acts for these agents; None if it wants none.

    Of several processes (`ranks`) each starts its own.

    Raises: `MissingExtraError`, `ClusterError`; `ConfigError` where processes would take the same GPUs for theirs; in a
    worker, whatever `load_team` raises.
    """
    if not config.workers:
        return None
    with extra_required("ray", "--workers"):
        from baselines.rollouts.cluster import ADDRESS, address_of
        from baselines.rollouts.workers import Workers
    on_gpu = config.device.partition(":")[0] == "cuda"
    gpus = float(on_gpu) if config.worker_gpus is None else config.worker_gpus
    if ranks.size > 1 and on_gpu and gpus and address_of(config.ray_address) is None:
        raise ConfigError(
            f"there are {ranks.size} processes that train together, and each would start a Ray cluster whose workers "
            "take the same GPUs; start one cluster for all with `ray start --head` and name it by --ray-address or "
            f"{ADDRESS}, or let workers act on the CPU: --worker-gpus 0"
        )
    there = replace(
        config,
        device="cuda" if on_gpu and gpus else "cpu",  # Ray shows a worker its own GPUs alone, numbered from 0
        threads=config.worker_threads,
        model=_absolute(config.model),
        model_by_role={name: _absolute(model) for name, model in config.model_by_role.items()},
        replace={name: _absolute(who) for name, who in config.replace.items()},
    )
    return Workers(
        partial(_load_there, there, list(agents)),
        config.workers,
        threads=config.worker_threads,
        gpus=gpus,
        address=config.ray_address,
    )


def _load_there(config: ExperimentConfig, agents: Sequence[str]) -> Team:
    set_up_torch(config)
    return load_team(config, agents)


def _absolute(name: str) -> str:
    """A path that exists here, from the root: a worker may run in another folder. Any other name stays."""
    return str(Path(name).absolute()) if Path(name).exists() else name


def collector_for(stage: Stage, team: Team | None, workers: "Workers | None") -> Collecting:
    """Who plays on a stage: workers, if there are any, or else this process."""
    if workers is None or team is None:
        return stage.collector(team)
    from baselines.rollouts.workers import RemoteCollector

    return RemoteCollector(stage, team, workers)


def default_folder(config: RunConfig) -> Path:
    """runs/<environment>/<date>-seed<seed>, in the working directory."""
    name = config.env_id.replace("/", "-").replace(":", "-")
    return Path("runs") / name / f"{time.strftime('%Y%m%d-%H%M%S')}-seed{config.seed}"


def _stream(seed: int, *path: int) -> np.random.Generator:
    """An independent generator for one purpose of a run."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=path))
