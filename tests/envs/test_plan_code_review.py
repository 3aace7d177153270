"""coding/plan_code_review-v0, played by hand."""

import pytest

import marft_envs
from marft_envs import FlexMG
from tests.envs.conftest import said

WRONG = "def f(n):\n    return 987654321"


@pytest.fixture
def env() -> FlexMG:
    return reset()


def reset(**options: object) -> FlexMG:
    env = marft_envs.make("coding/plan_code_review-v0", level="two_steps", **options)
    assert isinstance(env, FlexMG)
    env.reset(seed=1)
    return env


def test_who_acts_follows_from_the_reviewers_words(env: FlexMG) -> None:
    right = env.task.reference
    agents = said(env, "Use a loop.", WRONG, "It is wrong for 3.", WRONG, "Still.", right, "I accept it.")
    assert agents == ["planner_0", "coder_0", "reviewer_0", "coder_0", "reviewer_0", "coder_0", "reviewer_0"]
    assert env.terminated


def test_an_accepted_right_program_earns_everybody_1(env: FlexMG) -> None:
    said(env, "Plan", env.task.reference, "accept")
    assert env.episode().returns == dict.fromkeys(env.possible_agents, 1.0)
    assert env.info == {"visible": 1.0, "repairs": 0, "solved": 1, "share": 1.0}


def test_every_repair_costs_a_tenth(env: FlexMG) -> None:
    said(env, "Plan", WRONG, "no", WRONG, "no", env.task.reference, "accept")
    assert env.episode().returns["coder_0"] == pytest.approx(0.8)
    assert env.info["repairs"] == 2


def test_an_accepted_wrong_program_earns_nothing_and_ends_the_episode(env: FlexMG) -> None:
    said(env, "Plan", WRONG, "accept")
    assert env.terminated
    assert env.episode().returns == dict.fromkeys(env.possible_agents, 0.0)


def test_a_right_program_that_nobody_accepts_earns_nothing(env: FlexMG) -> None:
    right = env.task.reference
    said(env, "Plan", right, "no", right, "no", right, "no")
    assert env.truncated
    assert env.episode().returns == dict.fromkeys(env.possible_agents, 0.0)


def test_only_the_reviewer_is_told_what_the_program_does(env: FlexMG) -> None:
    said(env, "Plan", WRONG, "Repair it.")
    assert "judge: 0 of 3 tests passed." in env.observe("reviewer_0")["text"]
    assert "judge:" not in env.observe("coder_0")["text"]
    assert "reviewer_0:\n> Repair it." in env.observe("coder_0")["text"]


def test_the_coder_reads_the_plan_and_the_reviewer_reads_the_program(env: FlexMG) -> None:
    said(env, "Use a loop.")
    assert "planner_0:\n> Use a loop." in env.observe("coder_0")["text"]
    said(env, WRONG)
    assert "coder_0:\n> def f(n):" in env.observe("reviewer_0")["text"]


def test_all_reviewers_have_to_accept() -> None:
    coder, reviewer = marft_envs.Profile("coder", answers=True), marft_envs.Profile("reviewer")
    env = reset(team=(coder, reviewer, reviewer))
    right = env.task.reference
    assert said(env, right, "accept", "no", right) == ["coder_0", "reviewer_0", "reviewer_1", "coder_0"]
    said(env, "no", "accept", right)
    said(env, "accept", "accept")
    assert env.terminated
    assert env.episode().returns["reviewer_1"] == pytest.approx(0.8)


@pytest.mark.parametrize(
    "roles", [[("coder", True)], [("reviewer", False), ("coder", True)], [("coder", True), ("coder", True)]]
)
def test_a_team_needs_one_coder_and_a_reviewer_behind_it(roles: list[tuple[str, bool]]) -> None:
    team = tuple(marft_envs.Profile(role, answers=answers) for role, answers in roles)
    with pytest.raises(marft_envs.MarftError, match="exactly one of it writes the program"):
        reset(team=team)


def test_a_horizon_in_which_nobody_reviews_is_refused() -> None:
    with pytest.raises(marft_envs.MarftError, match="use 2 rounds or more"):
        reset(horizon=1)
