"""Team files: YAML that says who is on the team."""

import difflib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from marft_envs.errors import TeamFileError
from marft_envs.profiles import Member, Profile, Variants

if TYPE_CHECKING:
    import yaml

_SPLITS = ("train", "test")


def load_team(path: str | Path) -> tuple[Member, ...]:
    """Reads a team file: YAML with `agents`, a list of profiles, and an optional `title`.

        title: A planner and a solver
        agents:
          - role: reasoner
            system: Plan in one sentence.
          - role: actor
            answers: true

    Turns that a member is shown before its first are `examples`:

          - role: actor
            examples: [{told: 'What is 2 + 3?', says: '5'}]

    A member with `variants` is drawn for every episode; each variant says in which fields it differs:

          - role: scout
            variants:
              train: [{base_us: 500000}, {base_us: 1000000, latency_us: 2000000}]
              test: [{base_us: 2000000}]

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
    return tuple(_member(agent, f"{path}: agent {number}") for number, agent in enumerate(agents, start=1))


def _member(agent: object, where: str) -> Member:
    if not isinstance(agent, dict):
        raise TeamFileError(f"{where}: is {agent!r}; write a profile, such as 'role: actor'")
    fixed = {name: value for name, value in agent.items() if name != "variants"}
    profile = _profile(fixed, where)
    if "variants" not in agent:
        return profile
    variants = agent["variants"]
    if not isinstance(variants, dict):
        raise TeamFileError(
            f"{where}: variants is {variants!r}; write a mapping with 'train', and 'test' if it differs"
        )
    _check_fields(variants, _SPLITS, f"{where}, variants")
    drawn = {split: _variants(fixed, variants.get(split, []), f"{where}, variants, {split}") for split in _SPLITS}
    try:
        return Variants(**drawn)
    except TeamFileError as error:
        raise TeamFileError(f"{where}: {error}") from None


def _variants(fixed: Mapping[object, object], listed: object, where: str) -> tuple[Profile, ...]:
    if not isinstance(listed, list) or not all(isinstance(variant, dict) for variant in listed):
        raise TeamFileError(f"{where}: is {listed!r}; write a list of mappings, such as [{{base_us: 500000}}]")
    return tuple(
        [_profile({**fixed, **variant}, f"{where} {number}") for number, variant in enumerate(listed, start=1)]
    )


def _profile(agent: Mapping[object, object], where: str) -> Profile:
    _check_fields(agent, tuple(field.name for field in fields(Profile)), where)
    if "role" not in agent:
        raise TeamFileError(f"{where}: has no field 'role'; every profile needs one")
    try:
        return Profile(**agent)  # type: ignore[arg-type]  # its fields are checked, and then their values
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
