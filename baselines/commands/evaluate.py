"""`marft evaluate`: how good a team is on instances that nobody trained on."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional

import marft_envs
from baselines.commands.options import EnvOptions, Names, OptionalInt, OptionalText, shown
from baselines.commands.results import Result, print_results
from baselines.commands.terminal import note, say, working
from baselines.errors import ConfigError, EnvironmentKindError, extra_required
from marft_envs import FlexMG

if TYPE_CHECKING:
    from baselines.commands.teams import Cast
    from baselines.policies.team import Team
    from baselines.rollouts.workers import Workers
    from baselines.runs.experiment import TextEnv
    from baselines.sampled import Plan


@dataclass(frozen=True)
class Evaluate:
    """Play on held-out instances: a trained team, or with --model and --env-id an untrained one.

    Greedily, each once; or with --samples several times, and then tell what a majority vote and the best play earn.
    """

    checkpoint: Positional[Annotated[Path | None, shown("[CHECKPOINT]")]] = None
    """A run's folder (its latest checkpoint is taken), or a checkpoint's."""
    level: Names = ()
    """One level or several. Default: the one that the team was trained for."""
    instances: int = 200
    """Different instances for each level."""
    split: Literal["test", "train"] = "test"
    """test: instances that no training draws. The easiest levels may have train only."""
    samples: int = 1
    """Plays of each instance. With more than one, a majority vote over what they arrived at and the best of them are
    told besides, with the tokens that all of them write."""
    temperature: float = 0.0
    """Of the replies; 0 takes the likeliest token each time. Several samples want it above 0."""
    equal_tokens_to: Annotated[str | None, shown("NUMBER|RUN")] = None
    """In place of --samples: as many plays of each instance as do not write more than so many tokens, or than the
    trained team of a run wrote when it was evaluated; at least one."""
    solo: Annotated[Literal["blind", "informed"] | None, shown("{blind,informed}")] = None
    """One agent in place of the team. informed: it plays all seats, and reads all that any of them was told. blind: it
    plays one seat, the others are silent, and it may write as much as all together. Default: as in training."""
    solo_agent: OptionalText = None
    """Whose seat it is that plays blind. Default: the last of the team."""
    few_shot: int = 0
    """Put so many solved examples into each agent's prompt."""
    replace: Annotated[dict[str, str], shown("AGENT WHO ...")] = field(default_factory=dict)
    """Let others play an agent, or all of a role: `untrained`, a script (reference, silent, random or echo),
    `openai:MODEL` for a model behind OPENAI_BASE_URL, or the same agent of another run or checkpoint, by its folder.
    They are added to those of the training."""
    server_requests: OptionalInt = None
    """Most requests that are under way to such a server at once. Default: as in training."""
    log: Annotated[Path | None, shown("FILE")] = None
    """Add the episodes to this action log; `marft replay` verifies it."""
    json: bool = False
    """Print JSON, one object for each level, in place of the table."""
    submission: Annotated[Path | None, shown("FOLDER")] = None
    """Play what a track of the leaderboard asks for, and write it as an entry into this folder: the task of the
    environment, or with --model or --replace and no environment all tasks. Task after task may be added to one entry;
    `marft leaderboard validate` recomputes it."""
    track: str = "small"
    """Of the leaderboard: small, standard, or open for any environment."""
    entrant: OptionalText = None
    """What the entry is called in the table. Default: the folder's name."""
    contact: str = ""
    """Whom to ask about the entry."""
    licence: str = "CC-BY-4.0"
    """Under which its logs may be shown and used, as an SPDX id."""
    model: OptionalText = None
    """Base model of the untrained team, or in place of the checkpoint's: a name, a folder or a hub id."""
    env_id: OptionalText = None
    """Environment. Default: the one that the team was trained on."""
    team: OptionalText = None
    """Another team: a name, or the path of a team file."""
    env_options: Annotated[EnvOptions, shown("NAME VALUE ...")] = field(default_factory=dict)
    """Further options of the environment, e.g. `horizon 1`; they are added to those of the training."""
    max_new_tokens: OptionalInt = None
    """Longest reply in tokens. Default: as in training."""
    rollout_batch_size: OptionalInt = None
    """Most prompts in one generate call. Default: as in training."""
    device: OptionalText = None
    """cpu, cuda or cuda:N. Default: as in training."""
    dtype: OptionalText = None
    """Of the base model: float32 or bfloat16. Default: as in training."""
    matmul_precision: Annotated[Literal["highest", "high", "medium"] | None, shown("NAME")] = None
    """Least precision of float32 matrix products: highest, high or medium. Default: as in training."""
    attn_implementation: Annotated[
        Literal["eager", "sdpa", "flash_attention_2", "flex_attention"] | None, shown("NAME")
    ] = None
    """How attention is computed: eager, sdpa, flash_attention_2 or flex_attention. Default: as in training."""
    threads: OptionalInt = None
    """CPU threads of torch; 0 takes what torch chooses. Default: as in training."""
    engine: Literal["hf", "vllm"] = "hf"
    """Who draws replies: the model here, or vLLM on a GPU."""
    workers: int = 0
    """Ray workers that play, each with a copy of the model; 0 plays here."""
    worker_threads: OptionalInt = None
    """CPU threads of each. Default: as in training."""
    ray_address: OptionalText = None
    """Cluster that runs already. Default: RAY_ADDRESS, or else one of its own on this machine."""

    def run(self) -> int:
        """Evaluate every level, then print."""
        self._check()
        with working("loading torch"), extra_required("train", "`marft evaluate`"):
            import baselines.commands.teams  # noqa: F401  # what follows needs it
            from baselines.commands.choosing import evaluate_learner, learner_behind, require_known
        learner = learner_behind(self.checkpoint)
        if learner is not None:
            require_known(self, Evaluate())
        if self.submission is not None:
            from baselines.commands.submission import enter

            return enter(self, self.submission, learner)
        if learner is not None:
            return evaluate_learner(self, *learner)
        options = self.env_options | ({} if self.team is None else {"team": self.team})
        cast = self.cast(self.env_id, options)
        results = self.evaluated(cast)
        if self.json:
            say(json.dumps([self._record(cast, result) for result in results], indent=1, ensure_ascii=False))
        else:
            self._print(cast, results)
        return 0

    def cast(self, env_id: str | None, options: EnvOptions) -> "Cast":
        """The team that is meant, in an environment; None for the one that it was trained on."""
        from baselines.commands.teams import find_cast

        return find_cast(
            self.checkpoint,
            env_id=env_id,
            level=None,
            env_options=options,
            given={
                "model": self.model,
                "max_new_tokens": self.max_new_tokens,
                "rollout_batch_size": self.rollout_batch_size,
                "device": self.device,
                "dtype": self.dtype,
                "matmul_precision": self.matmul_precision,
                "attn_implementation": self.attn_implementation,
                "threads": self.threads,
                "solo": self.solo,
                "solo_agent": self.solo_agent,
                "engine": self.engine,
                "workers": self.workers,
                "worker_threads": self.worker_threads,
                "ray_address": self.ray_address,
                "server_requests": self.server_requests,
            },
            replaced=self.replace,
        )

    def _check(self) -> None:
        if (
            self.submission is None
            and self.checkpoint is None
            and (self.env_id is None or not (self.model or self.replace))
        ):
            raise ConfigError(
                "there is nothing to evaluate; give the folder of a run or a checkpoint, or for an untrained team "
                "both --model NAME and --env-id ID, or in place of --model name everybody under --replace"
            )
        for name, value, least in (
            ("instances", self.instances, 1),
            ("few-shot", self.few_shot, 0),
            ("samples", self.samples, 1),
        ):
            if value < least:
                raise ConfigError(f"--{name} is {value}; it must be at least {least}")
        if not 0 <= self.temperature < float("inf"):
            raise ConfigError(f"--temperature is {self.temperature}; it must be 0 (greedy) or above")
        if self.samples > 1 and self.equal_tokens_to is not None:
            raise ConfigError("--samples and --equal-tokens-to both say how many plays; leave out one of the two")
        if (self.samples > 1 or self.equal_tokens_to is not None) and self.temperature == 0:
            raise ConfigError(
                "at --temperature 0 all plays of an instance are the same; give one above 0, such as that of training, "
                "0.7"
            )

    def evaluated(self, cast: "Cast", seeds: Sequence[int] | None = None) -> list["Result"]:
        """One result for each level; whatever cannot work is told before the model is loaded.

        `seeds`: of the instances; by default held-out ones, as many as were asked for.
        """
        from baselines.rollouts.games import as_game
        from baselines.rollouts.solo import find_solo, seated
        from baselines.runs.experiment import make_env, require_agents

        settings = cast.settings
        levels: Sequence[str | None] = self.level or (settings.level,)
        envs = {level: make_env(settings.env_id, self.split, settings.env_options, level=level) for level in levels}
        for env in envs.values():
            solo = find_solo(settings.solo, settings.solo_agent, as_game(env).agents)
            seated(env, {}, solo)  # refuses what no team of models, or nobody alone, can play
            if (self.log or self.few_shot) and not isinstance(env, FlexMG):
                raise EnvironmentKindError(
                    f"{settings.env_id} is no FlexMG environment, so it has neither an action log nor examples; "
                    "leave out --log and --few-shot"
                )
        agents = list(next(iter(envs.values())).possible_agents)
        require_agents(settings, agents)
        has_team = self._leaves_any(cast, agents)
        if self.log is not None:
            marft_envs.write_log(self.log, ())  # no use finding out after the evaluation that it cannot be kept
        plan = self._plan()
        team = None
        if has_team:
            with working(f"loading {cast.title}"):
                team = cast.load(agents)
        with _workers(cast, agents) as workers:
            try:
                return [self._evaluate_at(level, env, cast, team, plan, workers, seeds) for level, env in envs.items()]
            finally:
                if team is not None:
                    team.close()

    def _leaves_any(self, cast: "Cast", agents: Sequence[str]) -> bool:
        """Whether a model here plays anybody. Raises: ConfigError where that does not fit what was asked for."""
        from baselines.runs.company import Company

        company = Company.named(cast.settings.replace, agents)
        left = company.leaves(agents)
        if left and self.checkpoint is None and self.model is None:
            raise ConfigError(f"nobody plays {', '.join(left)}; give --model NAME, or name them under --replace")
        if self.workers and not left:
            raise ConfigError("no model plays here, so workers would have nothing to do; leave out --workers")
        if company.served and self.equal_tokens_to is not None:
            raise ConfigError(
                f"--equal-tokens-to counts tokens, and how many a server writes for {', '.join(company.served)} is not "
                "known here; give the number of plays: --samples"
            )
        return bool(left)

    def _plan(self) -> "Plan | None":
        """How many plays of each instance; None for one of each, and no vote."""
        from baselines.sampled import Plan, tokens_to_equal

        if self.equal_tokens_to is not None:
            return Plan(most_tokens=tokens_to_equal(self.equal_tokens_to))
        return Plan(num_plays=self.samples) if self.samples > 1 else None

    def _evaluate_at(  # each is a part of what is evaluated
        self,
        level: str | None,
        env: "TextEnv",
        cast: "Cast",
        team: "Team | None",
        plan: "Plan | None",
        workers: "Workers | None",
        seeds: Sequence[int] | None,
    ) -> "Result":
        from baselines.evaluate import episodes_of, held_out_tasks, play_held_out
        from baselines.rollouts.collect import Task
        from baselines.rollouts.few_shot import few_shot_examples
        from baselines.rollouts.solo import find_solo
        from baselines.runs.experiment import make_env
        from baselines.sampled import play_several, sampled

        settings = cast.settings
        tasks = held_out_tasks(env, level, self.instances) if seeds is None else [Task(seed, level) for seed in seeds]
        examples = None
        if self.few_shot:
            solved = make_env(settings.env_id, "train", settings.env_options)
            assert isinstance(solved, FlexMG), "checked before"
            solo = find_solo(settings.solo, settings.solo_agent, solved.possible_agents)
            examples = few_shot_examples(solved, level, self.few_shot, solo)
        at_level = f" at level {level}" if level else ""
        with working(f"evaluating{at_level}") as show:
            play = partial(
                play_held_out,
                settings,
                team,
                tasks,
                split=self.split,
                examples=examples,
                temperature=self.temperature,
                workers=workers,
                status=lambda text: show(f"{text}{at_level}"),
            )
            evaluation = play_several(play, plan) if plan else play()
        if self.log is not None:
            assert isinstance(env, FlexMG), "checked before"
            marft_envs.write_log(self.log, episodes_of(evaluation.rollouts, env))
        return Result(evaluation.rollouts[0].level, evaluation, sampled(evaluation.rollouts) if plan else None, plan)

    def _record(self, cast: "Cast", result: "Result") -> dict[str, object]:
        """A result and what it is about, as JSON can hold them."""
        settings = cast.settings
        return {
            "env_id": settings.env_id,
            "split": self.split,
            "model": settings.model if self.checkpoint or self.model else None,
            "checkpoint": None if cast.checkpoint is None else str(cast.checkpoint),
            "few_shot": self.few_shot,
            "replace": settings.replace,
            "solo": settings.solo,
            "solo_agent": settings.solo_agent,
            "temperature": self.temperature,
            **result.record(),
        }

    def _has_served(self, cast: "Cast") -> bool:
        from baselines.runs.company import SERVED

        return any(who.startswith(SERVED) for who in cast.settings.replace.values())

    def _print(self, cast: "Cast", results: Sequence["Result"]) -> None:
        examples = f", {self.few_shot} examples in each prompt" if self.few_shot else ""
        how = "greedy" if self.temperature == 0 else f"temperature {self.temperature:g}"
        replaced = [f"{agent}: {who}" for agent, who in cast.settings.replace.items()]
        title = [cast.title] if self.checkpoint or self.model else []
        say(f"{cast.settings.env_id}, split {self.split}, {how}{examples}", *title, *replaced)
        names = list(dict.fromkeys(name for result in results for name in result.evaluation.info))
        print_results(results, names, has_served=self._has_served(cast))
        for result in results:
            if result.evaluation.num_instances < self.instances:
                found = result.evaluation.num_instances
                note(f"There are no more than {found} instances at level {result.level}, split {self.split}.")
        if self.log is not None:
            num_episodes = sum(len(result.evaluation.rollouts) for result in results)
            say(f"{num_episodes} episodes added to {self.log}; `marft replay {self.log}` verifies them.")


@contextmanager
def _workers(cast: "Cast", agents: Sequence[str]) -> Iterator["Workers | None"]:
    """Those that play, if any were asked for."""
    from baselines.runs.experiment import start_workers

    workers = None
    if cast.settings.workers:
        with working(f"starting {cast.settings.workers} workers"):
            workers = start_workers(cast.settings, agents)
    try:
        yield workers
    finally:
        if workers is not None:
            workers.close()
            if workers.losses.workers:
                note(f"{workers.losses.workers} workers were lost; others played in their place.")
