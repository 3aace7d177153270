"""leaderboard/behaviour.py: the hash is the same wherever an environment behaves the same, and another where not."""

import warnings

import pettingzoo
import pytest

from leaderboard.behaviour import behaviour_of, make
from leaderboard.errors import TrackError
from marft_envs import OptionError, UnknownEnvironmentError, register
from tests.leaderboard import behaving
from tests.leaderboard.behaving import VARIANTS, Adder, env_id, in_another_process
from tests.leaderboard.submissions import SUM, WORD

pytestmark = pytest.mark.usefixtures("behaving_ids")


def hash_of(variant: type[Adder], level: str = "easy", split: str = "test") -> str:
    return behaviour_of(env_id(variant), level, {}, split)


@pytest.mark.parametrize("name", ["OtherPrompt", "OtherReward", "OtherDraw", "OtherAnswer"])
def test_another_prompt_reward_instance_or_answer_is_another_hash(name):
    assert hash_of(getattr(behaving, name)) != hash_of(Adder)


def test_another_source_text_is_the_same_hash():
    assert hash_of(behaving.OtherSource) == hash_of(Adder)


def test_each_level_split_and_option_has_a_hash_of_its_own():
    hashes = {
        hash_of(Adder),
        hash_of(Adder, level="hard"),
        hash_of(Adder, split="train"),
        behaviour_of(env_id(Adder), "easy", {"horizon": 2}, "test"),
    }
    assert len(hashes) == 3  # whoever has one turn ends with it, whatever the horizon


def test_a_hash_is_the_same_in_another_process_whatever_texts_hash_to():
    tasks = [(SUM.env_id, SUM.level), (WORD.env_id, WORD.level), (env_id(Adder), "easy")]
    code = (
        "from tests.leaderboard import behaving; behaving.register_all()\n"
        "from leaderboard.behaviour import behaviour_of\n"
        f"print(*[behaviour_of(env_id, level, {{}}) for env_id, level in {tasks!r}])"
    )
    here = [behaviour_of(name, level, {}) for name, level in tasks]
    for hash_seed in ("1", "4711"):
        assert in_another_process(code, hash_seed).split() == here


def test_what_an_environment_does_not_tell_is_left_out_and_told_apart():
    found = hash_of(behaving.NoReference)
    assert found.startswith("sha256:") and found != hash_of(Adder)


def test_unknown_environments_and_options_are_typed_errors():
    with pytest.raises(UnknownEnvironmentError):
        behaviour_of("behaving/gone-v0", None, {})
    with pytest.raises(OptionError):
        behaviour_of(env_id(Adder), "none", {})


def test_an_environment_that_is_no_flex_mg_is_refused():
    class Foreign(pettingzoo.AECEnv):
        def __init__(self, split: str = "train") -> None:
            super().__init__()

    register("behaving/foreign-v0", Foreign)
    with pytest.raises(TrackError, match="is no FlexMG environment"):
        make("behaving/foreign-v0", None, {})


def test_an_old_version_is_made_without_a_warning():
    register("behaving/adder-v1", VARIANTS[1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert make(env_id(Adder), "easy", {}).level == "easy"
