"""Finds the team that somebody asked for: by name, by path, or as profiles."""

import difflib
import sys
from collections.abc import Sequence
from pathlib import Path

from marft_envs.errors import TeamFileError
from marft_envs.profiles import Member, Profile, Variants
from marft_envs.team_files import load_team

Team = str | Path | Sequence[Member]
"""A name (`"trio"`: the file `teams/trio.yaml` beside the environment), a path to a team file, or a list of profiles,
each of them fixed or one of several `Variants`."""


def find_team(team: Team, environment: type) -> tuple[Member, ...]:
    """The members of a team, for an environment of this class.

    A str with a suffix or a separator is a path; any other is a name, looked up beside the class' module,
    then beside those of its bases. Raises: TeamFileError if there is no such team, or its file is broken.
    """
    if isinstance(team, Path):
        return load_team(team)
    if isinstance(team, str):
        return load_team(Path(team) if _is_path(team) else _file_of(team, environment))
    if not isinstance(team, list | tuple):  # an iterator would be used up by the first who looks at it
        raise TeamFileError(f"team is {team!r:.80}; give a list of profiles, the name of a team, or a path")
    for member in team:
        if not isinstance(member, Profile | Variants):
            raise TeamFileError(f"team holds {member!r}; give profiles only, the name of a team, or a path")
    if not team:
        raise TeamFileError("team is empty; give at least one profile, the name of a team, or a path")
    return tuple(team)


def is_team_name(team: object) -> bool:
    """Whether a `team` option means a file that comes with the environment, so that it is the same everywhere."""
    return team is None or (isinstance(team, str) and not _is_path(team))


def _is_path(team: str) -> bool:
    return Path(team).suffix != "" or Path(team).name != team


def _file_of(name: str, environment: type) -> Path:
    files = _team_files(environment)
    if name in files:
        return files[name]
    if not files:
        raise TeamFileError(f"unknown team {name!r}: {environment.__name__} comes with no team files; give a path")
    near = difflib.get_close_matches(name, files, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise TeamFileError(f"unknown team {name!r}; {hint}known are {', '.join(sorted(files))}; a path works as well")


def _team_files(environment: type) -> dict[str, Path]:
    """Every team file that comes with the class, by name; a subclass' own files go before those of its bases."""
    files: dict[str, Path] = {}
    for cls in environment.__mro__:
        module = getattr(sys.modules.get(cls.__module__), "__file__", None)
        if module is not None and cls.__module__ != "builtins":
            for file in sorted((Path(module).parent / "teams").glob("*.yaml")):
                files.setdefault(file.stem, file)
    return files
