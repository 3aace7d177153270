"""Flex-MG environments: teams of language models as PettingZoo AEC environments, text in and text out.

    import marft_envs

    env = marft_envs.make("math/reason_act-v0")

Importing the package registers every environment of the suite, and those that installed plug-ins name, here and in
PettingZoo's registry. The code behind the other names is loaded at their first use, so that the import costs little.
"""

import importlib
from typing import TYPE_CHECKING

from marft_envs import catalog as _catalog  # noqa: F401  # its lines register the environments
from marft_envs.env_spec import EnvSpec
from marft_envs.errors import (
    MarftError,
    OptionError,
    OutdatedEnvironmentWarning,
    ReplayMismatchError,
    SandboxUnavailableError,
    SandboxWarning,
    SecondOpinionError,
    UnknownEnvironmentError,
)
from marft_envs.registry import make, pprint_registry, register, register_plugins, registered_ids, spec

if TYPE_CHECKING:
    from marft_envs.action_log import log_lines, read_episodes, read_log, write_log
    from marft_envs.cache import cache_dir
    from marft_envs.check import CheckReport, CheckResult, check_env
    from marft_envs.check.subject import SCRIPTED_PLAYS
    from marft_envs.clock import ClockMG
    from marft_envs.course import Timing, critical_path_us, timing
    from marft_envs.dependencies import Dependencies
    from marft_envs.drawing.page import PAGE_MARK, as_html, draw_page
    from marft_envs.drawing.record import Record, record_of, retell
    from marft_envs.drawing.still import still_svg
    from marft_envs.episode import play, replay
    from marft_envs.flex_mg import FlexMG
    from marft_envs.options import known_options
    from marft_envs.profiles import Example, Profile, Variants
    from marft_envs.records import Cut, Episode, Measurement, Outcome, RewardEvent, Turn
    from marft_envs.spaces import LLMText
    from marft_envs.transcript import Message, flatten_messages, merge_messages, quote
    from marft_envs.wrappers import DiscreteChoiceView, SingleAgentView, own_choices, parallel_view

__version__ = "0.1.0"

register_plugins()

__all__ = [
    "PAGE_MARK",
    "SCRIPTED_PLAYS",
    "CheckReport",
    "CheckResult",
    "ClockMG",
    "Cut",
    "Dependencies",
    "DiscreteChoiceView",
    "EnvSpec",
    "Episode",
    "Example",
    "FlexMG",
    "LLMText",
    "MarftError",
    "Measurement",
    "Message",
    "OptionError",
    "Outcome",
    "OutdatedEnvironmentWarning",
    "Profile",
    "Record",
    "ReplayMismatchError",
    "RewardEvent",
    "SandboxUnavailableError",
    "SandboxWarning",
    "SecondOpinionError",
    "SingleAgentView",
    "Timing",
    "Turn",
    "UnknownEnvironmentError",
    "Variants",
    "__version__",
    "as_html",
    "cache_dir",
    "check_env",
    "critical_path_us",
    "draw_page",
    "flatten_messages",
    "known_options",
    "log_lines",
    "make",
    "merge_messages",
    "own_choices",
    "parallel_view",
    "play",
    "pprint_registry",
    "quote",
    "read_episodes",
    "read_log",
    "record_of",
    "register",
    "registered_ids",
    "replay",
    "retell",
    "spec",
    "still_svg",
    "timing",
    "write_log",
]

_HOMES = {
    "CheckReport": "check",
    "CheckResult": "check",
    "ClockMG": "clock",
    "Cut": "records",
    "Dependencies": "dependencies",
    "DiscreteChoiceView": "wrappers",
    "Episode": "records",
    "Example": "profiles",
    "FlexMG": "flex_mg",
    "LLMText": "spaces",
    "Measurement": "records",
    "Message": "transcript",
    "Outcome": "records",
    "PAGE_MARK": "drawing.page",
    "Profile": "profiles",
    "Record": "drawing.record",
    "SCRIPTED_PLAYS": "check.subject",
    "RewardEvent": "records",
    "SingleAgentView": "wrappers",
    "Timing": "course",
    "Turn": "records",
    "Variants": "profiles",
    "as_html": "drawing.page",
    "cache_dir": "cache",
    "check_env": "check",
    "critical_path_us": "course",
    "draw_page": "drawing.page",
    "flatten_messages": "transcript",
    "known_options": "options",
    "log_lines": "action_log",
    "merge_messages": "transcript",
    "own_choices": "wrappers",
    "parallel_view": "wrappers",
    "play": "episode",
    "quote": "transcript",
    "read_episodes": "action_log",
    "read_log": "action_log",
    "record_of": "drawing.record",
    "replay": "episode",
    "retell": "drawing.record",
    "still_svg": "drawing.still",
    "timing": "course",
    "write_log": "action_log",
}
"""The module of every name that is loaded at its first use."""


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
