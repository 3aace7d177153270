"""`marft evaluate`: how good a team is on instances that nobody trained on."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional

import marft_envs
from baselines.commands.options import EnvOptions, Names, OptionalInt, OptionalText, shown
from baselines.commands.terminal import console, note, say, table, working
from baselines.errors import ConfigError, EnvironmentKindError, extra_required
from marft_envs import FlexMG

if TYPE_CHECKING:
    from baselines.commands.teams import Cast
    from baselines.evaluate import Evaluation
    from baselines.policies.team import Team
    from baselines.rollouts.workers import Workers
    from baselines.runs.experiment import TextEnv


@dataclass(frozen=True)
class Evaluate:
    """Play greedily on held-out instances: a trained team, or with --model and --env-id an untrained one."""

    checkpoint: Positional[Annotated[Path | None, shown("[CHECKPOINT]")]] = None
    """A run's folder (its latest checkpoint is taken), or a checkpoint's."""
    level: Names = ()
    """One level or several. Default: the one that the team was trained for."""
    instances: int = 200
    """Different instances for each level."""
    split: Literal["test", "train"] = "test"
    """test: instances that no training draws. The easiest levels may have train only."""
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
            from baselines.commands.teams import find_cast
        options = self.env_options | ({} if self.team is None else {"team": self.team})
        cast = find_cast(
            self.checkpoint,
            env_id=self.env_id,
            level=None,
            env_options=options,
            given={
                "model": self.model,
                "max_new_tokens": self.max_new_tokens,
                "rollout_batch_size": self.rollout_batch_size,
                "device": self.device,
                "threads": self.threads,
                "engine": self.engine,
                "workers": self.workers,
                "worker_threads": self.worker_threads,
                "ray_address": self.ray_address,
                "server_requests": self.server_requests,
            },
            replaced=self.replace,
        )
        results = self._evaluate(cast)
        if self.json:
            say(json.dumps([self._record(cast, result) for result in results], indent=1, ensure_ascii=False))
        else:
            self._print(cast, results)
        return 0

    def _check(self) -> None:
        if self.checkpoint is None and (self.env_id is None or not (self.model or self.replace)):
            raise ConfigError(
                "there is nothing to evaluate; give the folder of a run or a checkpoint, or for an untrained team "
                "both --model NAME and --env-id ID, or in place of --model name everybody under --replace"
            )
        for name, value, least in (("instances", self.instances, 1), ("few-shot", self.few_shot, 0)):
            if value < least:
                raise ConfigError(f"--{name} is {value}; it must be at least {least}")

    def _evaluate(self, cast: "Cast") -> list["_Result"]:
        """One result for each level; whatever cannot work is told before the model is loaded."""
        from baselines.rollouts.games import as_game
        from baselines.runs.company import Company
        from baselines.runs.experiment import make_env, start_workers

        settings = cast.settings
        levels: Sequence[str | None] = self.level or (settings.level,)
        envs = {level: make_env(settings.env_id, self.split, settings.env_options, level=level) for level in levels}
        for env in envs.values():
            as_game(env)  # refuses what no team of models can play
            if (self.log or self.few_shot) and not isinstance(env, FlexMG):
                raise EnvironmentKindError(
                    f"{settings.env_id} is no FlexMG environment, so it has neither an action log nor examples; "
                    "leave out --log and --few-shot"
                )
        agents = list(next(iter(envs.values())).possible_agents)
        left = Company.named(settings.replace, agents).leaves(agents)
        if left and self.checkpoint is None and self.model is None:
            raise ConfigError(f"nobody plays {', '.join(left)}; give --model NAME, or name them under --replace")
        if self.workers and not left:
            raise ConfigError("no model plays here, so workers would have nothing to do; leave out --workers")
        if self.log is not None:
            marft_envs.write_log(self.log, ())  # no use finding out after the evaluation that it cannot be kept
        team = None
        if left:
            with working(f"loading {cast.title}"):
                team = cast.load(agents)
        with working(f"starting {settings.workers} workers"):
            workers = start_workers(settings, agents)
        try:
            return [self._evaluate_at(level, env, cast, team, workers) for level, env in envs.items()]
        finally:
            if team is not None:
                team.engine.close()
            if workers is not None:
                workers.close()
                if workers.losses.workers:
                    note(f"{workers.losses.workers} workers were lost; others played in their place.")

    def _evaluate_at(
        self, level: str | None, env: "TextEnv", cast: "Cast", team: "Team | None", workers: "Workers | None"
    ) -> "_Result":
        from baselines.evaluate import episodes_of, few_shot_examples, held_out_tasks, play_held_out
        from baselines.runs.experiment import make_env

        settings = cast.settings
        tasks = held_out_tasks(env, level, self.instances)
        examples = None
        if self.few_shot:
            solved = make_env(settings.env_id, "train", settings.env_options)
            assert isinstance(solved, FlexMG), "checked before"
            examples = few_shot_examples(solved, level, self.few_shot)
        at_level = f" at level {level}" if level else ""
        with working(f"evaluating{at_level}") as show:
            evaluation = play_held_out(
                settings,
                team,
                tasks,
                split=self.split,
                examples=examples,
                workers=workers,
                status=lambda text: show(f"{text}{at_level}"),
            )
        if self.log is not None:
            assert isinstance(env, FlexMG), "checked before"
            marft_envs.write_log(self.log, episodes_of(evaluation.rollouts, env))
        return _Result(evaluation.rollouts[0].level, evaluation)

    def _record(self, cast: "Cast", result: "_Result") -> dict[str, object]:
        """A result and what it is about, as JSON can hold them."""
        return {
            "env_id": cast.settings.env_id,
            "split": self.split,
            "model": cast.settings.model if self.checkpoint or self.model else None,
            "checkpoint": None if cast.checkpoint is None else str(cast.checkpoint),
            "few_shot": self.few_shot,
            "replace": cast.settings.replace,
            **result.evaluation.record(),
        }

    def _served(self, cast: "Cast") -> bool:
        from baselines.runs.company import SERVED

        return any(who.startswith(SERVED) for who in cast.settings.replace.values())

    def _print(self, cast: "Cast", results: Sequence["_Result"]) -> None:
        examples = f", {self.few_shot} examples in each prompt" if self.few_shot else ""
        replaced = [f"{agent}: {who}" for agent, who in cast.settings.replace.items()]
        title = [cast.title] if self.checkpoint or self.model else []
        say(f"{cast.settings.env_id}, split {self.split}, greedy{examples}", *title, *replaced)
        names = list(dict.fromkeys(name for result in results for name in result.evaluation.info))
        headings = ("level", "n", "return", "95 % interval", *names, "tokens")
        console().print(table(headings, [result.row(names) for result in results]))
        servers = ", but not those of servers" if self._served(cast) else ""
        note(f"return: the team's mean over n instances; tokens: written per episode{servers}")
        for result in results:
            if result.evaluation.num_instances < self.instances:
                found = result.evaluation.num_instances
                note(f"There are no more than {found} instances at level {result.level}, split {self.split}.")
        if self.log is not None:
            num_episodes = sum(len(result.evaluation.rollouts) for result in results)
            say(f"{num_episodes} episodes added to {self.log}; `marft replay {self.log}` verifies them.")


@dataclass(frozen=True)
class _Result:
    """The evaluation at one level."""

    level: str | None
    evaluation: "Evaluation"

    def row(self, names: Sequence[str]) -> tuple[str, ...]:
        """Its row of the table; `names` are the columns of what the environment reports."""
        found = self.evaluation
        reported = [f"{found.info[name].mean:.3f}" if name in found.info else "-" for name in names]
        return (
            self.level or "-",
            str(found.num_instances),
            f"{found.mean:.3f}",
            f"{found.low:.3f}–{found.high:.3f}",
            *reported,
            f"{found.tokens_out / len(found.rollouts):.1f}",
        )
