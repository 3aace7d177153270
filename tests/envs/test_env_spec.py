"""A spec as JSON: what goes out comes back, and nothing else comes in."""

from pathlib import Path

import pytest

import marft_envs
from marft_envs import EnvSpec, Profile, make, spec
from marft_envs.errors import RegistrationError

SUMS = "math/reason_act-v0"
TEAM = (Profile("thinker", system="Think."), Profile("writer", answers=True, max_action_chars=99))


@pytest.mark.parametrize(
    "options",
    [{}, {"level": "two_digit", "horizon": 1, "split": "test"}, {"team": "duo"}, {"team": TEAM}],
    ids=["defaults", "options", "a team by name", "a team of profiles"],
)
def test_a_spec_comes_back_from_json_and_makes_the_same_environment(options: dict[str, object]) -> None:
    env = make(SUMS, **options)
    again = EnvSpec.from_json(env.spec.to_json())
    assert again == env.spec
    played = [
        marft_envs.play(one, lambda agent, messages, one=one: one.reference_action(agent), seed=5)
        for one in (env, make(again))
    ]
    assert played[0] == played[1]


def test_equal_specs_are_the_same_text() -> None:
    one, other = make(SUMS, horizon=2, level="signed"), make(SUMS, level="signed", horizon=2)
    assert one.spec.to_json() == other.spec.to_json()
    plain = '{"entry_point": "marft_envs.math.reason_act:ReasonAct", "id": "math/reason_act-v0", "kwargs": {}}'
    assert spec(SUMS).to_json() == plain


def test_a_path_is_written_as_text(tmp_path: Path) -> None:
    assert f'"team": "{tmp_path}"' in EnvSpec("a/b-v0", "a:B", {"team": tmp_path}).to_json()


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (EnvSpec("a/b-v0", dict), "its entry point .* is an object of this process"),
        (EnvSpec("a/b-v0", "a:B", {"size": float("nan")}), "an option cannot be written as JSON"),
        (EnvSpec("a/b-v0", "a:B", {"size": {1, 2}}), "set is nothing that JSON has"),
    ],
)
def test_what_json_cannot_hold_is_refused(broken: EnvSpec, message: str) -> None:
    with pytest.raises(RegistrationError, match=message):
        broken.to_json()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "this is no spec: it is no JSON"),
        ("[]", "a spec is an object with id, entry_point, kwargs"),
        ('{"id": "a/b-v0"}', "a spec is an object with id, entry_point, kwargs"),
        ('{"id": "a/b-v0", "entry_point": 1, "kwargs": {}}', "id and entry_point of a spec are text"),
        ('{"id": "a/b-v0", "entry_point": "a:B", "kwargs": []}', r"kwargs of a spec are \[\], no object"),
        ('{"id": "a/b", "entry_point": "a:B", "kwargs": {}}', "malformed environment id 'a/b'"),
        ('{"id": "a/b-v0", "entry_point": "os.system", "kwargs": {}}', "malformed entry point 'os.system'"),
        ('{"id": "a/b-v0", "entry_point": "a:B", "kwargs": {"team": [{"roll": "x"}]}}', "holds a broken profile"),
    ],
)
def test_what_is_no_spec_is_refused(text: str, message: str) -> None:
    with pytest.raises(RegistrationError, match=message):
        EnvSpec.from_json(text)
