"""Every algorithm on an easy task of every family, five seeds each, at equal sampled tokens; and what to compare with.

    python benchmarks/matrix.py                                        # all of it; the same again goes on
    python benchmarks/matrix.py --algorithms mappo ippo --tasks collab --seeds 3

One thread for each run, `--workers` runs at once. Everything lands in `--out`, where runs are folders as `marft train`
leaves them; `python docs/make_results.py FOLDER` makes the page of it. What is done is not done again, a run that was
stopped goes on after its newest checkpoint, and a folder is refused if it holds a matrix of other settings.

**Equal.** All algorithms begin with the same model, see the same instances in the same order, and stop before the
iteration that would begin with the task's budget of tokens written (`--token-limit`); a run may exceed it by less than
one iteration. Branches that AT-GRPO only plays on count. For imitation it is the reference's tokens. Evaluations do not
count. The settings in `SHARED` are the same for all; `OWN` names those that an algorithm's method asks for otherwise.
All other settings are the algorithm's defaults. What was chosen on which seeds stands at `SHARED`.

**Which algorithms.** Those that `marft train` has, whichever they are. One whose settings have no `model` plays without
a language model: it is run with those of the settings that it knows, and has no budget of tokens.

**Beside them**, on the same 200 held-out instances, greedily: the untrained team; the same with four examples in its
prompt; the reference play; and where this version of `marft` offers them, a majority vote over as many plays of the
untrained team as the budget pays for (`marft evaluate --samples`), and one agent trained by the same budget (`--solo`),
who sees what the one who answers sees (blind), or where information is split also all of it (informed). What is not
offered is reported as not run.
"""

import argparse
import importlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path

import marft_envs
from baselines.commands.evaluate import Evaluate
from baselines.commands.train import algorithms
from baselines.evaluate import held_out_tasks
from baselines.runs.disk import write_atomically
from baselines.runs.experiment import ExperimentConfig
from benchmarks import tiny_model
from benchmarks.matrix_jobs import Evaluation, Job, Runner, Training
from benchmarks.tiny_tasks import TASKS, TinyTask
from marft_envs import FlexMG

OUT = tiny_model.ROOT / "benchmarks" / "results" / "matrix"
SETTINGS, REFERENCE = "matrix.json", "reference.json"
NUM_SEEDS = 5
SHARED: Mapping[str, object] = {
    "curriculum": False,
    "temperature": 1.0,
    "lr": 1e-3,
    "episodes_per_iteration": 64,
    "samples_per_instance": 8,
    "num_iterations": 1_000,
    "eval_instances": 200,
    "few_shot": 0,
    "checkpoint_every": 10,
    "num_checkpoints": 1,
    "threads": 1,
}
"""Of every run. Iterations are a bound that no run reaches before its budget; examples in the prompt are a row.

Chosen on seed 100, which is not reported, by 25 iterations of `marft_action` and `magrpo` on every task, at learning
rates of 1e-3 and 2e-3: both teach all three tasks, and came to a mean of 0.785 and 0.773. Budgets are what leaves
something to tell apart. Nothing else was tuned, and nothing for one algorithm alone.
"""
OWN: Mapping[str, Sequence[str]] = {
    "at_grpo": ("episodes_per_iteration", "samples_per_instance"),  # each of its episodes is a tree of many plays
    "imitation": ("samples_per_instance",),  # the reference plays an instance the same way each time
    # No budget of tokens ends it, and it learns from scratch: as many episodes as it has by default, and its own rate.
    "sb3_ppo": ("num_iterations", "episodes_per_iteration", "samples_per_instance", "lr"),
}
"""Shared settings that an algorithm has by its own default."""
SOLO = {"blind": "single agent, blind", "informed": "single agent, informed"}
SOLO_ALGORITHM = "marft_action"
"""By which a single agent is trained: of one agent it is PPO on replies, with a critic."""
FEW_SHOT = 4


def config_class(algorithm: str) -> type[ExperimentConfig]:
    """The settings of an algorithm."""
    found: type[ExperimentConfig] = importlib.import_module(f"baselines.algorithms.{algorithm}").Config
    return found


def run_config(
    algorithm: str, task: TinyTask, model: Path, seed: int, folder: Path, **more: object
) -> ExperimentConfig:
    """The settings of one run: what all share, as far as the algorithm has such settings, and `more`."""
    kind = config_class(algorithm)
    known = {setting.name for setting in fields(kind)}
    wanted = {name: value for name, value in SHARED.items() if name not in OWN.get(algorithm, ())} | {
        "env_id": task.env_id,
        "level": task.level,
        "env_options": dict(task.env_options),
        "model": str(model),
        "max_new_tokens": task.max_new_tokens,
        "token_limit": task.token_limit,
        "seed": seed,
        "run_dir": folder,
    }
    return kind(**{name: value for name, value in wanted.items() if name in known}, **more)  # type: ignore[arg-type]


def runs(tasks: Sequence[str], chosen: Sequence[str], seeds: Sequence[int], model: Path, out: Path) -> list[Training]:
    """Every cell; all algorithms come to their first seed before any to its second."""
    found = []
    for seed in seeds:
        for name in tasks:
            task = TASKS[name]
            for algorithm in chosen:
                folder = out / name / algorithm / f"seed-{seed}"
                found.append(Training(f"{name}/{algorithm}/{seed}", run_config(algorithm, task, model, seed, folder)))
            for kind in solo_kinds(task):
                folder = out / name / f"solo_{kind}" / f"seed-{seed}"
                config = run_config(SOLO_ALGORITHM, task, model, seed, folder, solo=kind)
                found.append(Training(f"{name}/solo_{kind}/{seed}", config))
    return found


def solo_kinds(task: TinyTask) -> list[str]:
    """How one agent can play the task in this version of `marft`; to be informed differs only where views do."""
    if "solo" not in {setting.name for setting in fields(ExperimentConfig)}:
        return []
    return list(SOLO) if task.is_split else ["blind"]


def evaluations(tasks: Sequence[str], model: Path, out: Path) -> list[Evaluation]:
    """The rows that are played without training."""
    found = []
    for name in tasks:
        words = _evaluated(TASKS[name], model)
        found.append(Evaluation(f"{name}/untrained", out / name / "untrained.json", words))
        shown = [*words, "--few-shot", str(FEW_SHOT)]
        found.append(Evaluation(f"{name}/few_shot", out / name / "few_shot.json", shown))
    return found


def votes(tasks: Sequence[str], model: Path, out: Path) -> list[Evaluation]:
    """Majority votes, where `marft evaluate` can hold them; asked for once the untrained team's length is known."""
    if not {"samples", "temperature"} <= {setting.name for setting in fields(Evaluate)}:
        return []
    found = []
    for name in tasks:
        words = [*_evaluated(TASKS[name], model), "--temperature", str(SHARED["temperature"])]
        found += vote(f"{name}/majority_vote", out / name, words, TASKS[name].token_limit)
    return found


def vote(name: str, folder: Path, words: Sequence[str], token_limit: int) -> list[Evaluation]:
    """A majority vote over as many plays of the untrained team, which are in `folder`, as the budget pays for."""
    path = folder / "untrained.json"
    if not path.is_file():
        return []  # it has failed, and is told
    samples = max(1, round(token_limit / json.loads(path.read_bytes())["tokens_out"]))
    return [Evaluation(name, folder / "majority_vote.json", [*words, "--samples", str(samples)])]


def _evaluated(task: TinyTask, model: Path) -> list[str]:
    options = [str(part) for pair in task.env_options.items() for part in pair]
    return [
        *("--model", str(model), "--env-id", task.env_id, "--level", task.level, "--env-options", *options),
        *("--max-new-tokens", str(task.max_new_tokens), "--instances", str(SHARED["eval_instances"]), "--threads", "1"),
    ]


def play_reference(path: Path, env_id: str, level: str, env_options: Mapping[str, object]) -> None:
    """What the environment's own reference earns on the held-out instances."""
    if path.is_file():
        return
    env = marft_envs.make(env_id, split="test", level=level, **env_options)
    assert isinstance(env, FlexMG)
    returns = []
    for held_out in held_out_tasks(env, level, int(str(SHARED["eval_instances"]))):
        env.reset(seed=held_out.seed)
        while env.ready:
            env.step(env.reference_action(env.agent_selection))
        earned = env.episode().returns.values()
        returns.append(sum(earned) / len(earned))
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = {"mean": sum(returns) / len(returns), "num_instances": len(returns)}
    write_atomically(path, (json.dumps(kept, indent=1) + "\n").encode())


def require_same(out: Path, settings: Mapping[str, object]) -> None:
    """Claim the folder for these settings. Raises: SystemExit if it holds results of others."""
    path = out / SETTINGS
    if path.is_file():
        before = json.loads(path.read_bytes())
        changed = [name for name in {**before, **settings} if before.get(name) != settings.get(name)]
        if changed:
            told = "; ".join(f"{name} was {before.get(name)!r} and is {settings.get(name)!r}" for name in changed)
            raise SystemExit(f"{out} holds results of other settings: {told}. Give another folder by --out")
        return
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(path, (json.dumps(settings, indent=1) + "\n").encode())


def settings_of(model: Path) -> dict[str, object]:
    """What results depend on, as JSON has it."""
    told = [setting.name for setting in fields(TinyTask) if setting.name not in ("habits", "fact")]  # those are code
    tasks = {name: {key: getattr(task, key) for key in told} for name, task in TASKS.items()}
    kept = {"model_hash": tiny_model.hash_of(model), "shared": dict(SHARED), "tasks": tasks}
    found: dict[str, object] = json.loads(json.dumps(kept))
    return found


def ready_model(given: Path | None) -> Path:
    """The folder of the model, made now if none was given and none is there."""
    model = given or tiny_model.OUT
    if not (model / "config.json").is_file():
        if given is not None:
            raise SystemExit(f"there is no model in {given}; leave --model out, and one is made")
        print("The model is made first.")
        tiny_model.make(model)
    return model


def seeds_of(given: argparse.Namespace) -> list[int]:
    """The seeds that were asked for."""
    return list(range(given.first_seed, given.first_seed + given.seeds))


def parser(title: str, what: str, known: Sequence[str]) -> argparse.ArgumentParser:
    """The options that this and `update_order.py` share; `what` can be chosen among those `known`."""
    made = argparse.ArgumentParser(description=title)
    made.add_argument(f"--{what}", nargs="+", choices=known, default=list(known), metavar="NAME")
    made.add_argument("--seeds", type=int, default=NUM_SEEDS, help="how many; default: %(default)s")
    made.add_argument("--first-seed", type=int, default=1, help="default: %(default)s; from 100 on they are pilots")
    made.add_argument("--workers", type=int, default=2, help="runs at once; default: %(default)s")
    made.add_argument("--out", type=Path, default=OUT, help="default: %(default)s")
    return made


def with_model(made: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The same, and which model it is about."""
    made.add_argument("--model", type=Path, help="folder of the model; default: the tiny one, made if need be")
    return made


def main(words: Sequence[str] | None = None) -> int:
    """Does what is missing of the matrix; the exit status."""
    made = with_model(parser(__doc__.partition("\n")[0], "algorithms", list(algorithms())))
    made.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    given = made.parse_args(words)
    model = ready_model(given.model)
    require_same(given.out, settings_of(model))
    runner = Runner(given.workers)
    for jobs, title in _stages(given, model):
        if not runner.was_stopped:
            runner.run(jobs, title)
    if not runner.was_stopped:
        for name in given.tasks:
            task = TASKS[name]
            play_reference(given.out / name / REFERENCE, task.env_id, task.level, task.env_options)
        print(f"For the page: python docs/make_results.py {given.out}")
    return runner.tell()


def _stages(given: argparse.Namespace, model: Path) -> Iterator[tuple[Sequence[Job], str]]:
    """What can be done at once, one stage after another."""
    yield evaluations(given.tasks, model, given.out), "untrained"
    yield votes(given.tasks, model, given.out), "votes"
    yield runs(given.tasks, given.algorithms, seeds_of(given), model, given.out), "runs"


if __name__ == "__main__":
    sys.exit(main())
