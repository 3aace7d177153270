"""What a board says of algorithms: how runs come out that differ in nothing but the seed of their training.

A team is one run, and says nothing of what another run would have come to. So claims about algorithms are made over
seeds of training, on tasks that two runs at least were entered for: the interquartile mean of the runs' scores, with an
interval from resampling runs within each task (`statistics.stratified_interval`). Few runs give intervals that are too
short: see there.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from leaderboard.board import Board
from leaderboard.entries import Entry, PlayedTask
from leaderboard.schema import Training
from leaderboard.scores import mean
from leaderboard.statistics import Interval, stratified_interval

LEAST_SEEDS = 2
_SEED = "seed"
"""A training's setting that tells its seed, where `seed` itself is null."""
_NOT_OF_A_SETTING = {"adapter", "weights"}
"""Of a player: they are what training made."""


@dataclass(frozen=True, slots=True)
class Run:
    """A team that was trained, on one task."""

    entry: Entry
    seed: int
    score: float


@dataclass(frozen=True)
class RunsOfTask:
    """Of one setting on one task."""

    key: str
    runs: Sequence[Run]
    """By seed."""
    interval: Interval | None
    """Interquartile mean over seeds; None below `LEAST_SEEDS`."""

    @property
    def by_seed(self) -> Mapping[int, float]:
        """Seed -> score; the mean where several entries were trained with the same."""
        seeds = sorted({run.seed for run in self.runs})
        return {seed: mean([run.score for run in self.runs if run.seed == seed]) for seed in seeds}


@dataclass(frozen=True)
class Setting:
    """Everything about a training but its seed."""

    algorithm: str
    models: tuple[str, ...]
    told: tuple[str, ...]
    """Settings by which it differs from the others of this algorithm with these models, as `name = value`."""
    tasks: Sequence[RunsOfTask]
    """In the board's order."""
    together: Interval | None
    """Over all tasks with enough seeds; None if they are fewer than two."""

    @property
    def has_claims(self) -> bool:
        """Whether there are seeds enough on some task."""
        return any(one.interval is not None for one in self.tasks)

    @property
    def entries(self) -> Sequence[Entry]:
        """Who was trained so, each once, by name."""
        found = {run.entry.team.slug: run.entry for one in self.tasks for run in one.runs}
        return sorted(found.values(), key=lambda entry: (entry.name.casefold(), entry.team.slug))


def settings_of(board: Board) -> tuple[Setting, ...]:
    """All settings by which somebody was trained, by algorithm and models."""
    runs: dict[str, dict[str, list[Run]]] = {}
    of: dict[str, PlayedTask] = {}
    for entry in board.entries:
        for key in board.facts:
            played = entry.tasks.get(key)
            training = played.result.training if played is not None else None
            if played is None or training is None or (seed := seed_of(training)) is None:
                continue
            name = _setting_of(played)
            of.setdefault(name, played)
            runs.setdefault(name, {}).setdefault(key, []).append(Run(entry, seed, played.result.scores.score))
    told = _differences(of)
    found = [_setting(of[name], told[name], by_task) for name, by_task in runs.items()]
    return tuple(sorted(found, key=lambda one: (one.algorithm.casefold(), one.models, one.told, one.tasks[0].key)))


def seed_of(training: Training) -> int | None:
    """None if nobody says."""
    told = training.config.get(_SEED)
    return told if training.seed is None and type(told) is int else training.seed


def num_without_seed(board: Board) -> int:
    """Tasks of trained teams whose seed nobody says, so that they count for no algorithm."""
    trainings = [one.result.training for entry in board.entries for one in entry.tasks.values()]
    return sum(training is not None and seed_of(training) is None for training in trainings)


def _setting_of(played: PlayedTask) -> str:
    """The same text for runs that differ in nothing but their seed, on whatever task."""
    result = played.result
    training = result.training
    assert training is not None
    players = {
        agent: {name: value for name, value in player.model_dump(mode="json").items() if name not in _NOT_OF_A_SETTING}
        for agent, player in result.players.items()
    }
    # Agents have other names on other tasks; who plays them may be the same.
    kinds = sorted({json.dumps(player, sort_keys=True) for player in players.values()})
    config = _config(training)
    return json.dumps(
        [training.algorithm, config, kinds, result.plays, result.vote, result.solo, result.few_shot], sort_keys=True
    )


def _config(training: Training) -> dict[str, object]:
    return {name: value for name, value in training.config.items() if name != _SEED}


def _differences(of: Mapping[str, PlayedTask]) -> dict[str, tuple[str, ...]]:
    """What tells settings of the same algorithm and models from each other."""
    groups: dict[tuple[str, tuple[str, ...]], dict[str, dict[str, str]]] = {}
    for name, played in of.items():
        groups.setdefault(_heading(played), {})[name] = _shown(played)
    found = {}
    for group in groups.values():
        names = sorted({key for told in group.values() for key in told})
        odd = [key for key in names if len({told.get(key) for told in group.values()}) > 1]
        for name, told in group.items():
            found[name] = tuple(f"{key} = {told.get(key, 'not said')}" for key in odd)
    return found


def _heading(played: PlayedTask) -> tuple[str, tuple[str, ...]]:
    training = played.result.training
    assert training is not None
    return training.algorithm, played.models


def _shown(played: PlayedTask) -> dict[str, str]:
    training = played.result.training
    assert training is not None
    return {name: json.dumps(value, ensure_ascii=False) for name, value in _config(training).items()} | {
        "played": ", ".join(played.way) or "once"
    }


def _setting(played: PlayedTask, told: tuple[str, ...], by_task: Mapping[str, Sequence[Run]]) -> Setting:
    algorithm, models = _heading(played)
    tasks = [_runs_of(key, runs) for key, runs in by_task.items()]
    enough = {one.key: list(one.by_seed.values()) for one in tasks if one.interval is not None}
    return Setting(algorithm, models, told, tasks, stratified_interval(enough) if len(enough) > 1 else None)


def _runs_of(key: str, runs: Sequence[Run]) -> RunsOfTask:
    found = RunsOfTask(key, sorted(runs, key=lambda run: (run.seed, run.entry.team.slug)), None)
    scores = list(found.by_seed.values())
    if len(scores) < LEAST_SEEDS:
        return found
    return RunsOfTask(key, found.runs, stratified_interval({key: scores}))
