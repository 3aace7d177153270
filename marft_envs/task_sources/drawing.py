"""Drawing: how an environment takes a source up, and refuses a split that a level of it does not have."""

from marft_envs.errors import OptionError
from marft_envs.flex_mg import BaseOptions
from marft_envs.hooks import Hooks
from marft_envs.task_sources.source import Source


def take_up(env: Hooks, source: Source[object], base: BaseOptions) -> None:
    """Declares what follows from the source, before the base's `__init__`, which is given `base`."""
    env.source, env.data_fingerprint = source.split_salt, source.fingerprint
    env.levels = source.levels
    if base.get("level") is None:
        base["level"] = source.default_level


def check_split(env: Hooks, source: Source[object]) -> None:
    """Raises: OptionError if this level of the source has no such split."""
    why = source.why_not(env.split, env.level)
    if why:
        raise OptionError(f"split is {env.split!r}, but {why}; use another split, level or source")
