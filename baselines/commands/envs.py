"""`marft envs`: which environments there are, and what one of them is like."""

import inspect
import pkgutil
import re
import sys
from dataclasses import dataclass
from typing import Annotated, Any

from pettingzoo import AECEnv
from tyro.conf import Positional

import marft_envs
from baselines.commands.options import shown
from baselines.commands.terminal import console, say, table
from marft_envs import FlexMG, MarftError

_MOST_NAMES = 3
"""Agents that a row of the list names; of more it tells the number."""
_TABLE_ROW = re.compile(r"\| *(?P<key>[^|]*?) *\| *(?P<value>.*?) *\|")


@dataclass(frozen=True)
class Envs:
    """List the environments, or describe one."""

    env_id: Positional[Annotated[str | None, shown("[ENV_ID]")]] = None
    """The environment to describe; all are listed if none is named."""

    def run(self) -> int:
        """Print the list or the description."""
        if self.env_id is None:
            _list_all()
        else:
            _describe(self.env_id)
        return 0


def _list_all() -> None:
    rows = [_row(env_id) for env_id in marft_envs.registered_ids()]
    drawn = table(("id", "agents", "levels", "horizon", "title"), rows, right="horizon")
    drawn.columns[0].no_wrap = True  # to be copied
    console().print(drawn)
    say("marft envs ID describes one, marft play ID plays it, marft train --env-id ID trains a team on it.")


def _row(env_id: str) -> tuple[str, ...]:
    try:
        env = marft_envs.make(env_id)
    except MarftError as error:  # one broken environment must not hide the others
        return (env_id, "", "", "", f"cannot be made: {error}")
    if not isinstance(env, FlexMG):
        return (env_id, _names(env.possible_agents), "", "", _name(env))
    return (env_id, _names(env.possible_agents), _levels(env), str(env.horizon), _name(env))


def _names(agents: list[str]) -> str:
    return ", ".join(agents) if len(agents) <= _MOST_NAMES else f"{len(agents)}: {agents[0]}, …, {agents[-1]}"


def _levels(env: FlexMG) -> str:
    """From easy to hard: the first, the last, and how many."""
    if len(env.levels) <= 1:
        return ", ".join(env.levels)
    return f"{len(env.levels)}: {env.levels[0]} to {env.levels[-1]}"


def _description(env: AECEnv[str, Any, Any]) -> list[str]:
    """The lines of the environment's page: its module's docstring."""
    return inspect.cleandoc(sys.modules[type(env).__module__].__doc__ or "").splitlines()


def _title(env: AECEnv[str, Any, Any]) -> str:
    return next(iter(_description(env)), "")


def _name(env: AECEnv[str, Any, Any]) -> str:
    """The title without its explanation."""
    return _title(env).partition(": ")[0]


def _describe(env_id: str) -> None:
    env = marft_envs.make(env_id)
    lines = _description(env)
    facts = [match.group("key", "value") for line in lines if (match := _TABLE_ROW.fullmatch(line))]
    facts = [(key, value.replace("`", "")) for key, value in facts if key.strip("- ")]
    text = "\n".join(line for line in lines[1:] if not line.startswith("|")).strip()
    say(_title(env))
    if facts:
        drawn = table(("", ""), facts)
        drawn.show_header = False
        console().print(drawn)
    if text:
        say(text, "")
    spec = marft_envs.spec(env_id)
    creator = spec.entry_point if callable(spec.entry_point) else pkgutil.resolve_name(spec.entry_point)
    defaults = {**marft_envs.known_options(creator).defaults, **spec.kwargs}
    rows = [(name, "required" if value is inspect.Parameter.empty else repr(value)) for name, value in defaults.items()]
    console().print(table(("option", "default"), rows))
    say(f"env = marft_envs.make({spec.id!r}, option=value, …), or --env-options option value … of the other commands.")
