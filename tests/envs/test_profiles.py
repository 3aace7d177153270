"""Profiles and team files: what they hold, how agents are named, and which mistakes are answered how."""

import pickle
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marft_envs import Example, MarftError, Profile, Variants
from marft_envs.errors import TeamFileError
from marft_envs.profiles import name_agents
from marft_envs.team_files import load_team

ROLES = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,10}", fullmatch=True)


def write_team(folder: Path, text: str) -> Path:
    path = folder / "team.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_agents_are_named_by_role_and_counted_within_it() -> None:
    roles = ["reasoner", "actor", "reasoner"]
    named = name_agents([Profile(role) for role in roles])
    assert list(named) == ["reasoner_0", "actor_0", "reasoner_1"]
    assert [profile.role for profile in named.values()] == roles


@given(st.lists(ROLES, max_size=8))
def test_no_two_agents_of_a_team_get_the_same_name(roles: list[str]) -> None:
    assert len(name_agents([Profile(role) for role in roles])) == len(roles)


def test_a_profile_is_a_value() -> None:
    profile = Profile("actor", system="Answer.", answers=True)
    assert pickle.loads(pickle.dumps(profile)) == profile
    assert hash(profile) == hash(Profile("actor", system="Answer.", answers=True))
    with pytest.raises(FrozenInstanceError):
        profile.role = "reasoner"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"role": ""}, r"role is ''; use a letter"),
        ({"role": "the actor"}, r"role is 'the actor'"),
        ({"role": "judge:\n"}, r"role is 'judge:\\n'"),
        ({"role": "a" * 49}, r"at most 47"),
        ({"role": None}, r"role is None"),
        ({"system": 3}, r"system is 3; write text"),
        ({"system": "\ud800"}, r"whole characters"),
        ({"examples": "2 + 3"}, r"examples is '2 \+ 3'; use a list of what the agent is told and says"),
        ({"examples": ["2 + 3"]}, r"example 1 is '2 \+ 3'; write a mapping of 'told' and 'says'"),
        ({"examples": [Example("2 + 3", "5"), {"told": "1 + 1"}]}, r"example 2 is \{'told': '1 \+ 1'\}; write"),
        ({"examples": [{"told": "2 + 3", "says": 5}]}, r"not empty \(in YAML, put quotes around it\)"),
        ({"examples": (Example("2 + 3", ""),)}, r"example 1 is .*both text that is not empty"),
        ({"examples": (Example("\ud800", "5"),)}, r"example 1 is .*both text"),
        ({"base_us": 0}, r"base_us is 0; use a whole number, at least 1"),
        ({"base_us": 1.5}, r"base_us is 1.5"),
        ({"base_us": True}, r"base_us is True"),
        ({"per_char_us": -1}, r"per_char_us is -1; use a whole number, at least 0"),
        ({"max_action_chars": 0}, r"max_action_chars is 0"),
        ({"answers": "yes"}, r"answers is 'yes'; use true or false"),
        ({"answers": 1}, r"answers is 1"),
    ],
)
def test_a_field_outside_its_range_is_refused_with_its_rule(fields, message) -> None:
    with pytest.raises(TeamFileError, match=message):
        Profile(**{"role": "actor", **fields})


def test_a_team_file_gives_its_profiles_in_order(tmp_path: Path) -> None:
    path = write_team(
        tmp_path,
        """
title: A planner and a solver
agents:
  - role: reasoner
    system: Plan — in one sentence.
    max_action_chars: 200
  - role: actor
    answers: true
""",
    )
    assert load_team(path) == (
        Profile("reasoner", system="Plan — in one sentence.", max_action_chars=200),
        Profile("actor", answers=True),
    )
    assert load_team(str(path)) == load_team(path)


def test_a_team_file_shows_a_member_turns_and_variants_may_be_shown_others(tmp_path: Path) -> None:
    path = write_team(
        tmp_path,
        """
agents:
  - role: actor
    examples: [{told: '2 + 3?', says: '5'}]
    variants:
      train: [{base_us: 5}, {examples: []}]
""",
    )
    (member,) = load_team(path)
    assert isinstance(member, Variants)
    assert [variant.examples for variant in member.train] == [(Example("2 + 3?", "5"),), ()]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"holds no fields; write a mapping with the field 'agents'"),
        ("- role: actor", r"holds no fields"),
        ("title: Nobody", r"agents is None; write a list with at least one profile"),
        ("agents: []", r"agents is \[\]"),
        ("agents: actor", r"agents is 'actor'"),
        ("agents: [actor]", r"agent 1: is 'actor'; write a profile, such as 'role: actor'"),
        ("agents: [{role: a}, {system: hi}]", r"agent 2: has no field 'role'"),
        (
            "agents: [{role: a, sytem: hi}]",
            r"agent 1: unknown field 'sytem'; did you mean 'system'\? the fields are role, system,",
        ),
        ("agents: [{role: a, 3: hi}]", r"agent 1: unknown field 3; the fields are"),
        ("agent: [{role: a}]", r"unknown field 'agent'; did you mean 'agents'\?"),
        (
            "agents: [{role: a, base_us: fast}]",
            r"agent 1: profile 'a': base_us is 'fast'; use a whole number",
        ),
        ("title: 3\nagents: [{role: a}]", r"title is 3; write text"),
        ("agents:\n  - role: a\n    role: b", r"line 3: field 'role' stands twice"),
        ("agents: [{role: a, examples: [{told: 2 + 3, says: 5}]}]", r"agent 1: profile 'a': example 1 is"),
        ("agents: [{role: a}", r"is not valid YAML;.*line 1"),
        ("agents: !!python/object/apply:os.getcwd []", r"is not valid YAML"),
    ],
)
def test_a_mistake_in_a_team_file_names_file_agent_and_field(tmp_path: Path, text: str, message: str) -> None:
    path = write_team(tmp_path, text)
    with pytest.raises(TeamFileError, match=rf"(?s)team\.yaml.*{message}") as caught:
        load_team(path)
    assert isinstance(caught.value, MarftError)


def test_a_missing_team_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TeamFileError, match=r"none\.yaml: cannot be read .*; check the path"):
        load_team(tmp_path / "none.yaml")


def test_a_team_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    path = tmp_path / "team.yaml"
    path.write_bytes("title: Café\n".encode("latin-1"))
    with pytest.raises(TeamFileError, match=r"team\.yaml: byte 10 is not UTF-8; save"):
        load_team(path)
