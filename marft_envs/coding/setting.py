"""The setting of coding environments: where their tasks come from, who writes programs, and what they are asked."""

from collections.abc import Mapping
from pathlib import Path

from marft_envs.coding.sources import find_source
from marft_envs.coding.task import Task
from marft_envs.errors import OptionError, TeamFileError
from marft_envs.flex_mg import BaseOptions, FlexMG
from marft_envs.grading.failures import call, literal
from marft_envs.grading.programs import CallTest
from marft_envs.profiles import Profile
from marft_envs.task_sources.source import Source

REWARDS = ("all", "share")
WITH_CODE = "Reply with only the code."
"""Ends every request for a program: without it an untrained SmolLM2-135M-Instruct often writes about one."""
REPAIR = f"Repair the program. {WITH_CODE}"


def check_reward(reward: str) -> None:
    """Raises: OptionError for a rule that is not among `REWARDS`."""
    if reward not in REWARDS:
        raise OptionError(f"reward is {reward!r}; use 'all' (of the hidden tests, or nothing) or 'share' (of them)")


def use_source(env: FlexMG, name: str, data: str | Path | None, base: BaseOptions) -> Source[Task]:
    """Where the environment's tasks come from; to be called before the base's `__init__`, which is given `base`.

    Raises: OptionError, DataError.
    """
    source = find_source(name, data)
    env.source, env.data_fingerprint = source.split_salt, source.fingerprint
    env.levels = source.levels
    if base.get("level") is None:
        base["level"] = source.default_level
    return source


def check_split(env: FlexMG, source: Source[Task]) -> None:
    """Raises: OptionError if this level of the source has no such split."""
    why = source.why_not(env.split, env.level)
    if why:
        raise OptionError(f"split is {env.split!r}, but {why}; use another split, level or source")


def writers(profiles: Mapping[str, Profile]) -> list[str]:
    """Those who write programs, in the order of the team. Raises: TeamFileError for a team without any."""
    found = [agent for agent, profile in profiles.items() if profile.answers]
    if not found:
        raise TeamFileError(
            f"nobody in the team ({', '.join(profiles)}) answers, so there is no program to run; "
            "write 'answers: true' in at least one profile"
        )
    return found


def asked(task: Task) -> str:
    """The task as everybody reads it: what to write, and what it should do on the visible tests."""
    examples = [
        f"{call(task.entry_point, test.arguments)} should be {literal(test.expected)}."
        for test in task.visible
        if isinstance(test, CallTest) and not task.rules.property
    ]
    return "\n".join([task.description, *examples])
