"""Small submissions, and how to take one apart, change it and put it together again."""

import gzip
import json
import random
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from leaderboard.behaviour import make
from leaderboard.names import log_name, tokens_name
from leaderboard.players import ModelPlayer, Player, Sampling
from leaderboard.schema import RECORD, Training, digest_of, sha256_of
from leaderboard.scores import Tokens
from leaderboard.submit import Entrant, PlayedTask
from leaderboard.tracks import Task, seeds_of
from marft_envs import SCRIPTED_PLAYS, Episode, FlexMG, play

SEASON = "2026"
TINY, TIMED, CODED = "tiny", "timed", "coded"
"""Tracks that only these tests have."""
TASKS: Mapping[str, tuple[Task, ...]] = {
    TINY: (
        Task("collab/sum_relay-v0", "easy", num_instances=6),
        Task("collab/guess_word-v0", "easy", num_instances=6),
    ),
    TIMED: (Task("collab/search_party-v0", "standard", num_instances=2),),
    CODED: (Task("coding/write_repair-v0", "line", num_instances=3),),
}
SUM, WORD = TASKS[TINY]
(PARTY,) = TASKS[TIMED]
(REPAIR,) = TASKS[CODED]
MOST_TOKENS = 600
ADAPTER = "sha256:" + "ab" * 32


def entrant(track: str = TINY, **more: Any) -> Entrant:
    said = {"name": "Team 1", "contact": "me@example.org", "licence": "CC-BY-4.0", "hardware": "a laptop"}
    return Entrant(track=track, **{**said, **more})


def model(**more: Any) -> ModelPlayer:
    """A language model, as the record says; who really writes is a mixture of scripts."""
    said: dict[str, Any] = {"model": "smollm2-135m", "sampling": Sampling(temperature=0.7, max_new_tokens=MOST_TOKENS)}
    return ModelPlayer(kind="model", **{**said, **more})


def mixed(env: FlexMG, agent: str, play: int = 0) -> str:
    """Now right, now noise, now an echo: so rewards are varied."""
    drawn = random.Random(f"{env.episode_seed} {agent} {len(env.messages(agent))} {play}")
    return SCRIPTED_PLAYS[drawn.choice(("reference", "reference", "random", "echo"))](env, agent)


def tokens_of(episode: Episode) -> Tokens:
    """Such as a model could have read and written."""
    read = tuple([40 + turn.index for turn in episode.turns])
    return Tokens(read, tuple([1 + len(turn.action) // 4 for turn in episode.turns]))


def played(task: Task, style: Any = mixed, *, plays: int = 1, players: Mapping[str, Player] | None = None, **more: Any):
    """A task, played by a mixture of scripts that says to be a trained model."""
    env = make(task.env_id, task.level, task.options)
    episodes = [
        play(env, lambda agent, _, number=number: style(env, agent, number), seed=seed)
        for seed in seeds_of(SEASON, task)
        for number in range(plays)
    ]
    who = players or {agent: model(adapter=ADAPTER) for agent in env.possible_agents}
    more.setdefault("training", Training(algorithm="marft_action", config={"lr": 1e-3}, tokens=1000, seed=1))
    return PlayedTask(task, who, episodes, [tokens_of(one) for one in episodes], plays=plays, **more)


Line = dict[str, Any]


@dataclass
class Opened:
    """A submission as plain values, to be changed."""

    record: dict[str, Any]
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Task -> its part of the record."""
    logs: dict[str, list[list[Line]]] = field(default_factory=dict)
    """Task -> its episodes, each a list of lines."""
    tokens: dict[str, list[Line]] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path) -> "Opened":
        opened = cls(json.loads((folder / RECORD).read_bytes()))
        for result in opened.record["tasks"]:
            key = f"{result['env_id']}@{result['level']}"
            opened.results[key], opened.logs[key] = result, []
            for line in gzip.decompress((folder / log_name(key)).read_bytes()).splitlines():
                if (value := json.loads(line))["kind"] == "episode":
                    opened.logs[key].append([])
                opened.logs[key][-1].append(value)
            packed = (folder / tokens_name(key)).read_bytes()
            opened.tokens[key] = [json.loads(line) for line in gzip.decompress(packed).splitlines()]
        return opened

    @property
    def keys(self) -> list[str]:
        return list(self.logs)

    def copy(self) -> "Opened":
        return deepcopy(self)

    def write(self, folder: Path, *, sealed: bool) -> Path:
        """Puts it together; `sealed`: with the digests of what there is now, in place of those that the record has."""
        (folder / "logs").mkdir(parents=True, exist_ok=True)
        for key in self.keys:
            lines = [_line(line) for episode in self.logs[key] for line in episode]
            for name, kind, content in (
                (log_name(key), "log", lines),
                (tokens_name(key), "tokens", map(_line, self.tokens[key])),
            ):
                packed = gzip.compress("".join(content).encode("utf-8", "surrogatepass"), mtime=0)
                (folder / name).write_bytes(packed)
                if sealed:
                    self.results[key][kind] = sha256_of(packed)
        return self.write_record(folder, sealed=sealed)

    def write_record(self, folder: Path, *, sealed: bool) -> Path:
        if sealed:
            self.record["digest"] = digest_of(self.record)
        (folder / RECORD).write_text(json.dumps(self.record, ensure_ascii=False, sort_keys=True, indent=1) + "\n")
        return folder


def _line(value: Line) -> str:
    return json.dumps(value, ensure_ascii=False) + "\n"
