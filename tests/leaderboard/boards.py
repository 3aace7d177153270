"""Boards for tests: a track of three quick tasks, reports that are put together, and submissions that are played."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from leaderboard import behaviour, replaying, tracks
from leaderboard.players import ModelPlayer, Player, Prompt, Sampling, ScriptPlayer, prompts_of
from leaderboard.replaying import agents_of, environment
from leaderboard.report import Report, Verified
from leaderboard.reruns import Rerun, RerunTask
from leaderboard.schema import Submission, TaskResult, Training
from leaderboard.scores import Played, Tokens, scores_of
from leaderboard.scripted import scripted_play
from leaderboard.submit import Entrant, PlayedTask, add_task
from leaderboard.tracks import Task, seeds_of
from marft_envs import SCRIPTED_PLAYS, play

NUM_INSTANCES = 4
SUM, MEET, ACT = TASKS = (
    Task("collab/sum_relay-v0", "easy", num_instances=NUM_INSTANCES),
    Task("collab/meeting-v0", "easy", num_instances=NUM_INSTANCES),
    Task("math/reason_act-v0", "add_digit_long", num_instances=NUM_INSTANCES),
)
SEASON = "2026"
MODEL, OTHER_MODEL = "org/small-model", "org/other-model"


@contextmanager
def small_tracks() -> Iterator[None]:
    """While it is open, the small track has these tasks, and behaviour is hashed from a task's key alone: quick."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(tracks.TRACKS, "small", TASKS)  # type: ignore[arg-type]  # a dict behind a Mapping
        patch.setitem(tracks.TRACKS, "standard", ())  # type: ignore[arg-type]
        for name in set(tracks.TRACKS) - {"small", "standard", "open"}:  # of other tests
            patch.delitem(tracks.TRACKS, name)  # type: ignore[arg-type]
        for module in (replaying, behaviour):
            patch.setattr(module, "behaviour_of", lambda env_id, level, options, split="test": sha(env_id, level))
        yield


def sha(*of: object) -> str:
    return f"sha256:{hashlib.sha256(repr(of).encode()).hexdigest()}"


# -- put together ------------------------------------------------------------------------------------------------------


def model(name: str = MODEL, *, adapter: str | None = None) -> ModelPlayer:
    return ModelPlayer(kind="model", model=name, adapter=adapter, sampling=Sampling(temperature=1.0))


def script(name: str) -> ScriptPlayer:
    return ScriptPlayer.model_validate({"kind": "script", "script": name})


def training(seed: int | None = 1, algorithm: str = "mappo", **config: float) -> Training:
    return Training(algorithm=algorithm, config=dict(config), seed=seed)


def verified(
    task: Task,
    scores: Sequence[float],
    player: Player,
    *,
    train: Training | None = None,
    plays: int = 1,
    chars: int = 100,
    **told: object,
) -> Verified:
    """A task as it is known after validation: `scores` by instance, each play of one scoring the same."""
    agents = agents_of(task)
    seeds = seeds_of(SEASON, task)[: len(scores)]
    played = tuple(
        Played(
            seed=seed,
            returns=dict.fromkeys(agents, score),
            info={},
            answer=str(score),
            turns=2,
            chars=chars,
            simulated_us=3_000_000,
            critical_path_us=2_000_000,
        )
        for seed, score in zip(seeds, scores, strict=True)
        for _ in range(plays)
    )
    tokens = [Tokens((30, 40), (5, 6)) if isinstance(player, ModelPlayer) else Tokens((0, 0), (0, 0))] * len(played)
    result = TaskResult.model_validate(
        {
            "env_id": task.env_id,
            "level": task.level,
            "behaviour": sha(task.env_id, task.level),
            "plays": plays,
            "players": {agent: player.model_dump() for agent in agents},
            "training": train.model_dump() if train else None,
            "log": sha("log", task.key),
            "tokens": sha("tokens", task.key),
            "scores": scores_of(played, tokens, vote=bool(told.get("vote"))).model_dump(),
            **told,
        }
    )
    return Verified(task, result, played)


def report(name: str, *tasks: Verified, track: str = "small", **told: object) -> Report:
    """Of a submission in which nothing is wrong."""
    submission = Submission.model_validate(
        {
            "schema_version": 1,
            "suite_version": "0.1.0",
            "season": SEASON,
            "track": track,
            "name": name,
            "contact": "somebody",
            "licence": "CC0-1.0",
            "created": "2026-11-01",
            "hardware": "a laptop",
            "tasks": tuple(one.result.model_dump() for one in tasks),
            "digest": sha(name, [one.result for one in tasks], told),
            **told,
        }
    )
    return Report(f"submissions/{name}", submission=submission, verified=list(tasks))


def trained(name: str, rates: Mapping[Task, Sequence[float]], *, seed: int | None = 1, **told: object) -> Report:
    """A team of which everybody has an adapter."""
    player, train = model(adapter=sha(name)), training(seed)
    return report(name, *[verified(task, scores, player, train=train) for task, scores in rates.items()], **told)


def frozen(name: str, rates: Mapping[Task, Sequence[float]], **told: object) -> Report:
    return report(name, *[verified(task, scores, model()) for task, scores in rates.items()], **told)


def scripted(name: str, rates: Mapping[Task, Sequence[float]]) -> Report:
    return report(f"script {name}", *[verified(task, scores, script(name)) for task, scores in rates.items()])


def rerun(of: Report, rates: Mapping[Task, Sequence[float]], season: str = "2026b") -> Rerun:
    assert of.submission is not None
    tasks = {
        task.key: RerunTask(
            scores={str(seed): score for seed, score in zip(seeds_of(season, task), scores, strict=True)},
            agreement={"same_text": 0.99},
        )
        for task, scores in rates.items()
    }
    return Rerun(submission=of.submission.digest, season=season, date="2026-12-01", by="a maintainer", tasks=tasks)


# -- played ------------------------------------------------------------------------------------------------------------


def enter_script(folder: Path, name: str, tasks: Sequence[Task] = TASKS) -> Path:
    entrant = Entrant(track="small", name=f"script {name}", contact="-", licence="CC0-1.0", hardware="-")
    for task in tasks:
        add_task(folder, entrant, scripted_play(task, SEASON, name))  # type: ignore[arg-type]  # a name of one
    return folder


def enter(
    folder: Path,
    entrant: Entrant,
    said: Callable[[int, str], str],
    tasks: Sequence[Task] = TASKS,
    *,
    player: Player | None = None,
    train: Training | None = None,
) -> Path:
    """A team that plays half of the instances right; in the others everybody writes `said(place, agent)`."""
    for task in tasks:
        players = dict.fromkeys(agents_of(task), player or model())
        env = environment(task, tuple(sorted(prompts_of(players).items())))
        episodes = [
            play(
                env,
                lambda agent, _, place=place, env=env: (
                    said(place, agent) if place % 2 else SCRIPTED_PLAYS["reference"](env, agent)
                ),
                seed=seed,
            )
            for place, seed in enumerate(seeds_of(SEASON, task))
        ]
        tokens = [Tokens((9,) * len(one.turns), (3,) * len(one.turns)) for one in episodes]
        add_task(folder, entrant, PlayedTask(task, players, episodes, tokens, training=train))
    return folder


HOSTILE = (
    "</dd></td></table><script>document.title='ran'</script><img src=x onerror=\"document.title='ran'\">'\"><a href="
    "'javascript:alert(1)'>&lt;b&#62; {{ 7 * 7 }} {% raw %} <!-- </style></title>"
)
"""That a line of a submission may hold."""
HOSTILE_TEXT = f"{HOSTILE}\n]]><style>*{{display:none}}</style>"
"""That notes and prompts may hold."""
UNSEEN = "\x00\x1b[2J\u202eevil\u202c\u200b\ufeff"
"""That actions may hold besides."""


def hostile_entry(folder: Path, line: str = HOSTILE, text: str = HOSTILE_TEXT) -> Path:
    """A team whose every text is hostile, what its agents say on half of the instances included."""
    entrant = Entrant(
        track="small",
        name="Bobby Tables",
        contact=line,
        licence="CC0-1.0",
        hardware=line,
        url="https://example.org/?a='b'&c=%3Cscript%3E",
        notes=text,
    )
    player = ModelPlayer(
        kind="model",
        model=MODEL,
        adapter=sha("hostile"),
        sampling=Sampling(temperature=1.0, stop=(line,)),
        prompt=Prompt(system=text),
    )
    train = Training(algorithm=line, config={line: line, "seed": 1}, hardware=line)
    said = text + (UNSEEN if text == HOSTILE_TEXT else "x" * len(UNSEEN))
    return enter(folder, entrant, lambda place, agent: said, player=player, train=train)


def entries(folder: Path) -> list[Path]:
    """Submissions for a whole site: scripts, a trained team twice, its model untrained, one that played one task."""
    paths = [enter_script(folder / name, name) for name in ("reference", "random")]
    for seed in (1, 2):
        entrant = Entrant(track="small", name=f"seed {seed}", contact="-", licence="CC0-1.0", hardware="-")
        adapter = model(adapter=sha(seed))
        paths.append(enter(folder / f"seed{seed}", entrant, lambda *_: "no idea", player=adapter, train=training(seed)))
    entrant = Entrant(track="small", name="untrained", contact="-", licence="CC0-1.0", hardware="-")
    paths.append(enter(folder / "untrained", entrant, lambda *_: "I do not know, and say so at length.", TASKS[:2]))
    paths.append(hostile_entry(folder / "hostile"))
    return paths
