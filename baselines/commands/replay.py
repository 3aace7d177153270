"""`marft replay`: whether what an action log says is what happens."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Annotated

from tyro.conf import Positional

import marft_envs
from baselines.commands.options import shown
from baselines.commands.terminal import console, say, table, working
from baselines.errors import ConfigError
from marft_envs import Episode, ReplayMismatchError

DIFFERENT = 1
"""Exit status if an episode comes out differently."""
_MOST_DIFFERENCES = 10
"""Of more than so many, only the number is told: they have one cause."""


@dataclass(frozen=True)
class Replay:
    """Play every episode of an action log again, and say whether each comes out as logged."""

    log: Positional[Annotated[Path, shown("LOG")]]
    """The log, as `marft play --log`, `marft evaluate --log` or `marft_envs.write_log` wrote it."""

    def run(self) -> int:
        """Play again, and print the first difference of each episode that has one."""
        episodes = marft_envs.read_log(self.log)
        if not episodes:
            raise ConfigError(f"{self.log} holds no episode, so there is nothing to verify; give another log")
        differences = _differences(episodes)
        console().print(table(("environment", "level", "episodes", "return", "reported"), _rows(episodes)))
        for difference in differences[:_MOST_DIFFERENCES]:
            say(difference)
        if len(differences) > _MOST_DIFFERENCES:
            say(f"… and {len(differences) - _MOST_DIFFERENCES} more")
        say(f"{len(episodes) - len(differences)} of {len(episodes)} episodes come out exactly as logged.")
        return DIFFERENT if differences else 0


def _differences(episodes: Sequence[Episode]) -> list[str]:
    found = []
    with working("replaying") as status:
        for number, episode in enumerate(episodes, start=1):
            status(f"replaying {number}/{len(episodes)}")
            try:
                marft_envs.replay(episode)
            except ReplayMismatchError as error:
                found.append(f"episode {number} of the log: {error}")
    return found


def _rows(episodes: Sequence[Episode]) -> list[tuple[str, ...]]:
    """One row per environment and level, with the logged means."""
    groups: dict[tuple[str, str], list[Episode]] = {}
    for episode in episodes:
        level = episode.reset_options.get("level") or episode.options.get("level") or "default"
        groups.setdefault((str(episode.env_id), str(level)), []).append(episode)
    return [
        (
            *group,
            str(len(played)),
            f"{fmean(fmean(one.returns.values()) for one in played):.3f}",
            _reported(played),
        )
        for group, played in groups.items()
    ]


def _reported(episodes: Sequence[Episode]) -> str:
    names = sorted({name for episode in episodes for name in episode.info})
    return ", ".join(f"{name} {fmean(episode.info.get(name, 0.0) for episode in episodes):.3f}" for name in names)
