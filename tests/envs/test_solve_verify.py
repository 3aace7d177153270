"""math/solve_verify-v0, played by hand."""

from pathlib import Path

import pytest

import marft_envs
from marft_envs import FlexMG, Profile
from marft_envs.errors import OptionError, TeamFileError
from tests.envs.conftest import said


@pytest.fixture
def env(one_task: Path) -> FlexMG:
    return reset(one_task)


def reset(data: Path, **options: object) -> FlexMG:
    env = marft_envs.make("math/solve_verify-v0", source="jsonl", data=str(data), **options)
    assert isinstance(env, FlexMG)
    env.reset(seed=1)
    return env


def test_who_acts_follows_from_the_verifiers_words(env: FlexMG) -> None:
    agents = said(env, "7", "That is half of 14.", "8", "Wrong.", "6.5", "I accept it.")
    assert agents == ["solver_0", "verifier_0"] * 3
    assert env.terminated


def test_an_accepted_right_answer_earns_everybody_1(env: FlexMG) -> None:
    said(env, "Half of 13 is\n\\boxed{6\\frac{1}{2}}", "accept")
    assert env.episode().returns == {"solver_0": 1.0, "verifier_0": 1.0}
    assert env.info == {"first": 1, "last": 1, "repetitions": 0, "correct": 1, "fitting": 1.0}


def test_every_repetition_costs_a_tenth(env: FlexMG) -> None:
    said(env, "7", "no", "6.5", "no", "6.5", "accept")
    assert env.episode().returns == pytest.approx({"solver_0": 0.8, "verifier_0": 0.8})
    assert env.info["repetitions"] == 2


def test_no_reward_is_below_0_however_long_it_takes(one_task: Path) -> None:
    env = reset(one_task, horizon=30)
    said(env, *["6.5", "no"] * 12, "6.5", "accept")
    assert env.terminated
    assert set(env.episode().returns.values()) == {0.0}


def test_an_accepted_wrong_answer_earns_nothing_and_ends_the_episode(env: FlexMG) -> None:
    said(env, "7", "accept")
    assert env.terminated
    assert set(env.episode().returns.values()) == {0.0}
    assert env.info["correct"] == 0
    assert env.feedback_to("solver_0") == ["judge: The answer is incorrect."]


def test_a_right_answer_that_nobody_accepts_earns_nothing(env: FlexMG) -> None:
    said(env, *["6.5", "Hm."] * 3)
    assert env.truncated
    assert set(env.episode().returns.values()) == {0.0}
    assert env.info["correct"] == 0


def test_the_shares_tell_solvers_from_verifiers(env: FlexMG) -> None:
    said(env, "7", "reject")
    assert env.info == {"first": 0, "last": 0, "repetitions": 0, "correct": 0, "fitting": 1.0}
    said(env, "6.5", "reject")
    assert env.info == {"first": 0, "last": 1, "repetitions": 1, "correct": 0, "fitting": 0.5}
    said(env, "7", "accept")
    assert env.info == {"first": 0, "last": 0, "repetitions": 2, "correct": 0, "fitting": pytest.approx(1 / 3)}


def test_the_verifier_reads_the_problem_and_the_answer_and_no_verdict(env: FlexMG) -> None:
    said(env, "7")
    text = env.observe("verifier_0")["text"]
    assert text.endswith(
        "solver_0:\n> 7\n\nWhat is half of 13?\nDo you accept the answer? Reply with accept, or say what is wrong."
    )
    assert "judge" not in text


def test_the_solver_reads_why_its_answer_was_sent_back(env: FlexMG) -> None:
    said(env, "7", "It is half of 14.")
    assert env.observe("solver_0")["text"].endswith("you:\n> 7\n\nverifier_0:\n> It is half of 14.\n\nAnswer again.")


def test_the_solver_is_told_how_to_write_its_answer(env: FlexMG) -> None:
    assert "only the answer, in \\boxed{}" in env.observe("solver_0")["text"]


def test_planners_stand_before_the_solver_and_speak_once(one_task: Path) -> None:
    team = (Profile("planner"), Profile("solver", answers=True), Profile("verifier"))
    env = reset(one_task, team=team)
    agents = said(env, "Divide.", "7", "no")
    assert agents == ["planner_0", "solver_0", "verifier_0"]
    assert "planner_0:\n> Divide." in env.observe("solver_0")["text"]
    assert "boxed" not in env.observe("planner_0")["text"]
    assert env.ready == ("solver_0",)


def test_all_verifiers_have_to_accept(one_task: Path) -> None:
    env = reset(one_task, team=(Profile("solver", answers=True), Profile("verifier"), Profile("verifier")))
    assert said(env, "6.5", "accept", "no", "6.5") == ["solver_0", "verifier_0", "verifier_1", "solver_0"]
    said(env, "no", "accept", "6.5")
    said(env, "accept", "accept")
    assert env.terminated
    assert env.episode().returns["verifier_1"] == pytest.approx(0.8)


def test_the_reference_verifier_sends_back_what_is_wrong(env: FlexMG) -> None:
    said(env, "7")
    assert env.reference_action("verifier_0") == "reject: it is 13/2."
    said(env, env.reference_action("verifier_0"))
    said(env, env.reference_action("solver_0"))
    said(env, env.reference_action("verifier_0"))
    assert env.episode().returns == pytest.approx({"solver_0": 0.9, "verifier_0": 0.9})


def test_only_the_solvers_form_is_measured(env: FlexMG) -> None:
    assert env.gradable("solver_0", "\\boxed{7}") is True
    assert env.gradable("solver_0", "no idea") is False
    said(env, "7")
    assert env.gradable("verifier_0", "accept") is None


@pytest.mark.parametrize(
    "roles",
    [[("solver", True)], [("verifier", False), ("solver", True)], [("solver", True)] * 2, [("verifier", False)]],
)
def test_a_team_needs_one_solver_and_a_verifier_behind_it(roles: list[tuple[str, bool]]) -> None:
    team = tuple(Profile(role, answers=answers) for role, answers in roles)
    with pytest.raises(TeamFileError, match="exactly one of it"):
        marft_envs.make("math/solve_verify-v0", team=team)


def test_a_horizon_in_which_nobody_verifies_is_refused() -> None:
    with pytest.raises(OptionError, match="use 2 rounds or more"):
        marft_envs.make("math/solve_verify-v0", horizon=1)


def test_other_sources_and_teams_keep_the_contract() -> None:
    team = (Profile("planner"), Profile("solver", answers=True), Profile("verifier"), Profile("verifier"))
    options = {"source": "reasoning_gym:gcd", "team": team, "level": "1", "horizon": 5}
    report = marft_envs.check_env("math/solve_verify-v0", options=options)
    assert report.passed, report
