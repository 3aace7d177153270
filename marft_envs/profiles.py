"""Who is on the team: profiles as data, and the team files that hold them.

A profile says what an agent is told about its part, how long its turns take on the simulated clock, and how
much of its text is recorded. Which *model* plays the agent is no business of an environment.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from marft_envs.errors import TeamFileError

if TYPE_CHECKING:
    import yaml

_ROLE = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,47}")
"""Agents are named `<role>_<k>`. Chat services accept these characters in a message's `name`, 64 at most."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One agent's part in the team.

    Raises: TeamFileError for a value outside its range.
    """

    role: str
    """What the agent is called: letters, digits, `_` and `-`. The k-th agent of a role is `<role>_<k>`."""
    system: str = ""
    """The system message, the same in every episode; empty for none."""
    base_us: int = 1_000_000
    """Simulated microseconds that every turn takes, however short; at least 1."""
    per_char_us: int = 20_000
    """Simulated microseconds per character of the recorded action: 50 characters a second by default."""
    max_action_chars: int = 2048
    """Longest action that is recorded, in characters; the rest is dropped and counted. At least 1."""
    answers: bool = False
    """Whether this agent's action is what gets graded."""

    def duration_us(self, num_chars: int) -> int:
        """Simulated microseconds that a turn of so many recorded characters takes."""
        return self.base_us + self.per_char_us * num_chars

    def __post_init__(self) -> None:
        problem = self._problem()
        if problem:
            raise TeamFileError(f"profile {self.role!r}: {problem}")

    def _problem(self) -> str:
        """What is wrong with the first wrong field, and its rule; empty if nothing is."""
        if not _is_role(self.role):
            return f"role is {self.role!r}; use a letter, then at most 47 letters, digits, '_' or '-'"
        if not _is_text(self.system):
            return f"system is {self.system!r}; write text of whole characters (in YAML, put quotes around it)"
        for name, least in (("base_us", 1), ("per_char_us", 0), ("max_action_chars", 1)):
            value = getattr(self, name)
            if not _is_whole(value, least):
                return f"{name} is {value!r}; use a whole number, at least {least}"
        if not _is_flag(self.answers):
            return f"answers is {self.answers!r}; use true or false"
        return ""


def _is_role(value: object) -> bool:
    return isinstance(value, str) and _ROLE.fullmatch(value) is not None


def _is_text(value: object) -> bool:
    """True for a `str` without lone surrogates, which no file and no tokeniser can hold."""
    return isinstance(value, str) and not any("\ud800" <= char <= "\udfff" for char in value)


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def name_agents(profiles: Iterable[Profile]) -> dict[str, Profile]:
    """Names every agent `<role>_<k>`, k counting within the role, in the order of the profiles."""
    counts: dict[str, int] = {}
    named: dict[str, Profile] = {}
    for profile in profiles:
        k = counts.get(profile.role, 0)
        counts[profile.role] = k + 1
        named[f"{profile.role}_{k}"] = profile
    return named


def load_team(path: str | Path) -> tuple[Profile, ...]:
    """Reads a team file: YAML with `agents`, a list of profiles, and an optional `title`.

        title: A planner and a solver
        agents:
          - role: reasoner
            system: Plan in one sentence.
          - role: actor
            answers: true

    Raises: TeamFileError, naming the file, the agent and the field.
    """
    path = Path(path)
    team = _read_yaml(path)
    if not isinstance(team, dict):
        raise TeamFileError(f"{path}: holds no fields; write a mapping with the field 'agents'")
    _check_fields(team, ("title", "agents"), str(path))
    if not isinstance(team.get("title", ""), str):
        raise TeamFileError(f"{path}: title is {team['title']!r}; write text")
    agents = team.get("agents")
    if not isinstance(agents, list) or not agents:
        raise TeamFileError(f"{path}: agents is {agents!r}; write a list with at least one profile")
    return tuple(_profile(agent, f"{path}: agent {number}") for number, agent in enumerate(agents, start=1))


def _profile(agent: object, where: str) -> Profile:
    if not isinstance(agent, dict):
        raise TeamFileError(f"{where}: is {agent!r}; write a profile, such as 'role: actor'")
    _check_fields(agent, tuple(field.name for field in fields(Profile)), where)
    if "role" not in agent:
        raise TeamFileError(f"{where}: has no field 'role'; every profile needs one")
    try:
        return Profile(**agent)
    except TeamFileError as error:
        raise TeamFileError(f"{where}: {error}") from None


def _check_fields(found: Mapping[object, object], known: tuple[str, ...], where: str) -> None:
    for name in found:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise TeamFileError(f"{where}: unknown field {name!r}; {hint}the fields are {', '.join(known)}")


def _read_yaml(path: Path) -> object:
    import yaml  # imported here: most programs never read a team file of their own

    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise TeamFileError(f"{path}: cannot be read ({error.strerror}); check the path of the team file") from error
    except UnicodeDecodeError as error:
        raise TeamFileError(f"{path}: byte {error.start} is not UTF-8; save the team file as UTF-8") from error
    try:
        _refuse_repeated_fields(yaml.compose(text, Loader=yaml.SafeLoader), path)
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise TeamFileError(f"{path}: is not valid YAML; {' '.join(str(error).split())}") from error


def _refuse_repeated_fields(node: "yaml.Node | None", path: Path) -> None:
    """YAML forbids a field that stands twice; the parser would silently keep the last."""
    import yaml

    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_repeated_fields(item, path)
    elif isinstance(node, yaml.MappingNode):
        seen: set[object] = set()
        for key, value in node.value:
            if key.value in seen:
                raise TeamFileError(
                    f"{path}, line {key.start_mark.line + 1}: field {key.value!r} stands twice; keep one"
                )
            seen.add(key.value)
            _refuse_repeated_fields(value, path)
