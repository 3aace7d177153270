"""Golden plays of the pipeline, in plain prose: its teams, its recall, its sources, what its judge pays."""

import copy
import json
import pickle
from dataclasses import replace
from pathlib import Path

import pytest

import marft_envs
from marft_envs import Profile
from marft_envs.errors import DataError, OptionError, ReplayMismatchError, TeamFileError

ENV_ID = "math/pipeline-v0"
TEAMS = {
    "solo": ["solver_0"],
    "duo": ["reasoner_0", "actor_0"],
    "trio": ["reasoner_0", "actor_0", "verifier_0"],
    "quartet": ["decomposer_0", "planner_0", "executor_0", "verifier_0"],
    "octet": [
        *("parser_0", "generator_0", "selector_0", "solver_0"),
        *("numeric_0", "symbolic_0", "verifier_0", "aggregator_0"),
    ],
}
BARE_TRIO = [Profile("reasoner"), Profile("actor", answers=True), Profile("verifier")]


@pytest.fixture
def one_task(tmp_path: Path) -> Path:
    """Data with one question."""
    path = tmp_path / "one.jsonl"
    path.write_text(json.dumps({"question": "What is half of 13?", "answer": "13/2"}), encoding="utf-8")
    return path


def opened(seed=0, **options):
    env = marft_envs.make(ENV_ID, **options)
    env.reset(seed=seed)
    return env


def say(env, *actions):
    for action in actions:
        env.step(action)


def text(env, agent):
    return env.observe(agent)["text"]


# Golden plays.


def test_each_reads_the_problem_and_all_who_stand_before_it(one_task):
    env = opened(team=BARE_TRIO, source="jsonl", data=str(one_task))
    assert text(env, "reasoner_0") == "What is half of 13?"
    say(env, "Divide it by two.", "6.5")
    assert text(env, "actor_0") == (
        "What is half of 13?\nEnd with a line that holds only the answer, in \\boxed{}.\n\n"
        "reasoner_0:\n> Divide it by two.\n\nyou:\n> 6.5"
    )
    assert text(env, "verifier_0") == ("What is half of 13?\n\nreasoner_0:\n> Divide it by two.\n\nactor_0:\n> 6.5")


def test_an_equal_answer_in_another_form_pays_everybody_and_ends_the_episode(one_task):
    env = opened(team=BARE_TRIO, source="jsonl", data=str(one_task))
    say(env, "Divide it by two.", "Half of it is\n\\boxed{6\\frac{1}{2}}", "Yes.")
    assert env.terminated
    assert env.episode().returns == {"reasoner_0": 1.0, "actor_0": 1.0, "verifier_0": 1.0}
    assert env.info == {"correct": 1.0, "right_value": 1.0}


def test_a_verifier_is_heard_in_the_next_round(one_task):
    env = opened(team=BARE_TRIO, source="jsonl", data=str(one_task))
    say(env, "Divide it by two.", "7", "That is half of 14.")
    assert text(env, "reasoner_0") == (
        "What is half of 13?\n\nyou:\n> Divide it by two.\n\nactor_0:\n> 7\n\nverifier_0:\n> That is half of 14.\n\n"
        "judge: The answer is incorrect.\n\nTry again."
    )


def test_with_recall_of_parents_nobody_is_told_what_was_said_before(one_task):
    env = opened(team=BARE_TRIO, source="jsonl", data=str(one_task), recall="parents")
    say(env, "Divide it by two.", "7", "That is half of 14.")
    assert text(env, "reasoner_0") == (
        "What is half of 13?\n\nyou:\n> Divide it by two.\n\njudge: The answer is incorrect.\n\nTry again."
    )


def test_the_horizon_truncates_a_team_that_never_answers_right(one_task):
    env = opened(team="solo", source="jsonl", data=str(one_task), horizon=2)
    say(env, "7", "7.5")
    assert env.truncated
    assert not env.terminated
    assert env.episode().returns == {"solver_0": 0.0}


def test_two_who_answer_are_paid_their_share(one_task):
    team = [Profile("solver", answers=True), Profile("solver", answers=True)]
    env = opened(team=team, source="jsonl", data=str(one_task))
    say(env, "6.5", "7")
    assert env.terminated
    assert env.episode().returns == {"solver_0": 0.5, "solver_1": 0.5}


def test_the_question_said_back_is_no_answer():
    env = opened(team="solo", horizon=1)
    expression = text(env, "solver_0").partition("What is ")[2].partition("?")[0]
    say(env, expression)
    assert env.info["correct"] == 0.0


def test_a_right_integer_in_a_sentence_is_reported_and_pays_nothing():
    env = opened(team="solo", horizon=1)
    say(env, f"I am fairly sure that what you are looking for is {env.task.answer} ...")
    assert env.info == {"correct": 0.0, "right_value": 1.0}


@pytest.mark.parametrize(
    ("reply", "has_form"),
    [
        ("\\boxed{7}", True),
        ("6 1/2", True),
        ("no idea", False),
        ("", False),
        ("I think it is six and a half, roughly", False),
    ],
)
def test_a_reply_can_be_graded_if_it_states_some_mathematics(one_task, reply, has_form):
    env = opened(team=BARE_TRIO, source="jsonl", data=str(one_task))
    assert env.gradable("reasoner_0", reply) is None
    assert env.gradable("actor_0", reply) is has_form


# Teams.


@pytest.mark.parametrize("team", TEAMS)
def test_a_team_has_the_roles_of_the_original_work_and_one_who_answers(team):
    env = opened(team=team)
    assert env.possible_agents == TEAMS[team]
    assert sum(profile.answers for profile in env.profiles.values()) == 1


@pytest.mark.parametrize(("team", "recall"), [*((team, "team") for team in TEAMS), ("quartet", "parents")])
def test_every_team_keeps_the_contract(team, recall):
    report = marft_envs.check_env(ENV_ID, options={"team": team, "recall": recall, "level": "add_digit_long"})
    assert report.passed, report


def test_a_team_in_which_nobody_answers_is_refused():
    with pytest.raises(TeamFileError, match="nobody in the team"):
        marft_envs.make(ENV_ID, team=[Profile("reasoner")])


# Sources.


def test_generated_tasks_keep_the_contract():
    report = marft_envs.check_env(ENV_ID, options={"source": "reasoning_gym:gsm_symbolic"})
    assert report.passed, report


@pytest.fixture
def sums(tmp_path: Path) -> Path:
    """Data with 2,500 questions."""
    path = tmp_path / "sums.jsonl"
    lines = (json.dumps({"question": f"Add {a} and {b}.", "answer": a + b}) for a in range(50) for b in range(50))
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_a_data_set_keeps_the_contract(sums):
    report = marft_envs.check_env(ENV_ID, options={"source": "jsonl", "data": str(sums)})
    assert report.passed, report


def test_a_data_set_is_shared_by_copies_and_survives_pickling(sums):
    env = opened(source="jsonl", data=str(sums))
    assert copy.deepcopy(env)._source is env._source
    assert pickle.loads(pickle.dumps(env)).task == env.task


def test_arithmetic_is_split_as_in_reason_act():
    pipeline, reason_act = (
        marft_envs.make(name, split="test", level="two_digit") for name in (ENV_ID, "math/reason_act-v0")
    )
    for seed in range(50):
        pipeline.reset(seed=seed)
        reason_act.reset(seed=seed)
        assert pipeline.instance_key() == reason_act.instance_key()


def test_data_sets_default_to_all_of_their_tasks_and_generators_to_the_easiest(sums):
    assert opened(source="jsonl", data=str(sums)).level == "all"
    assert opened(source="reasoning_gym:gcd").level == "1"
    assert opened().level == "one_digit"


def test_an_episode_on_a_data_set_can_be_logged_and_replayed(sums, tmp_path):
    env = marft_envs.make(ENV_ID, source="jsonl", data=str(sums), team="duo")
    episode = marft_envs.play(env, lambda agent, messages: env.reference_action(agent), seed=3)
    marft_envs.write_log(tmp_path / "log.jsonl", [episode])
    (logged,) = marft_envs.read_log(tmp_path / "log.jsonl")
    assert marft_envs.replay(logged) == episode


def test_an_episode_is_replayed_with_the_data_that_were_played_and_with_no_others(tmp_path, monkeypatch):
    for folder, first in (("a", 0), ("b", 5)):
        (tmp_path / folder).mkdir()
        lines = (json.dumps({"question": f"q{n + first}", "answer": n}) for n in range(30))
        (tmp_path / folder / "d.jsonl").write_text("\n".join(lines), encoding="utf-8")
    monkeypatch.chdir(tmp_path / "a")
    env = marft_envs.make(ENV_ID, source="jsonl", data=Path("d.jsonl"), team="duo")
    episode = marft_envs.play(env, lambda agent, messages: env.reference_action(agent), seed=3)
    marft_envs.write_log(tmp_path / "log.jsonl", [episode])
    (logged,) = marft_envs.read_log(tmp_path / "log.jsonl")
    assert marft_envs.replay(logged) == logged == episode
    monkeypatch.chdir(tmp_path / "b")
    with pytest.raises(ReplayMismatchError, match=r"the data are not those that were played: .* data='d.jsonl'"):
        marft_envs.replay(logged)


def test_generated_tasks_are_replayed_by_the_version_that_made_them():
    episode = opened(source="reasoning_gym:gcd").episode()
    assert episode.data_fingerprint.startswith("reasoning-gym ")
    with pytest.raises(ReplayMismatchError, match="logged 'reasoning-gym 0 gcd', found 'reasoning-gym "):
        marft_envs.replay(replace(episode, data_fingerprint="reasoning-gym 0 gcd"))


def test_our_own_arithmetic_needs_no_fingerprint():
    assert opened().episode().data_fingerprint == ""


def test_a_number_names_a_level_of_a_data_set(tmp_path):
    path = tmp_path / "levels.jsonl"
    lines = (json.dumps({"question": f"q{n}", "answer": n, "level": n % 3}) for n in range(30))
    path.write_text("\n".join(lines), encoding="utf-8")
    env = opened(source="jsonl", data=path, level=2)
    assert env.level == "2"
    env.reset(seed=0, options={"level": 1})
    assert env.level == "1"


def test_a_pickled_environment_leaves_its_data_where_they_lie(sums):
    env = opened(source="jsonl", data=sums)
    pickled = pickle.dumps(env)
    assert len(pickled) < 20_000
    again = pickle.loads(pickled)
    assert again._source is env._source
    assert again.episode() == env.episode()


def test_a_question_that_cannot_be_encoded_is_mended(tmp_path):
    path = tmp_path / "odd.jsonl"
    path.write_text('{"question": "a\\ud800b", "answer": "1"}', encoding="utf-8")
    env = opened(team=BARE_TRIO, source="jsonl", data=path)
    assert text(env, "reasoner_0").encode() == "a\ufffdb".encode()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"source": "arithmetics"}, OptionError, "source is 'arithmetics'; use one of arithmetic, gsm8k, math, jsonl"),
        ({"source": "reasoning_gym:sudoku"}, OptionError, "generators with one right answer that is a number are"),
        ({"data": "x.jsonl"}, OptionError, "the source 'arithmetic' makes its tasks; leave it out"),
        ({"source": "jsonl"}, DataError, "lies nowhere by itself; give the path of a file or folder"),
        ({"source": "jsonl", "data": "none.jsonl"}, DataError, "no such file or folder"),
        ({"recall": "all"}, OptionError, "recall is 'all'; use 'team' or 'parents'"),
        ({"split": "test"}, OptionError, "level 'one_digit' has only 55 problems"),
        ({"source": "reasoning_gym:products", "split": "test"}, OptionError, "fewer than 2,000 tasks at level '1'"),
    ],
)
def test_a_wrong_option_is_refused_with_the_way_out(options, error, message):
    with pytest.raises(error, match=message):
        marft_envs.make(ENV_ID, **options)
