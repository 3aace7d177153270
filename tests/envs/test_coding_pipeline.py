"""coding/pipeline-v0, played by hand."""

import pytest

import marft_envs
from marft_envs import FlexMG

WRONG = "def f(n):\n    return 987654321"
TEAMS = {"solo": 1, "duo": 2, "trio": 3, "quartet": 4, "octet": 8}


def reset(**options: object) -> FlexMG:
    env = marft_envs.make("coding/pipeline-v0", level="two_steps", **options)
    assert isinstance(env, FlexMG)
    env.reset(seed=1)
    return env


def play_round(env: FlexMG, program: str) -> None:
    for agent in env.possible_agents:
        assert env.agent_selection == agent
        env.step(program if env.profiles[agent].answers else f"{agent} helps")


@pytest.mark.parametrize(("team", "size"), TEAMS.items())
def test_every_team_has_one_coder_whose_right_program_earns_everybody_1(team: str, size: int) -> None:
    env = reset(team=team)
    play_round(env, env.task.reference)
    assert env.terminated
    assert list(env.episode().returns.values()) == [1.0] * size


def test_everybody_reads_those_who_stand_before_them() -> None:
    env = reset(team="trio")
    play_round(env, WRONG)
    assert "planner_0:\n> planner_0 helps" in env.observe("coder_0")["text"]
    assert "coder_0:\n> def f(n):" in env.observe("reviewer_0")["text"]


def test_after_a_wrong_program_everybody_is_told_what_fails_and_asked_again() -> None:
    env = reset(team="trio")
    play_round(env, WRONG)
    assert env.observe("planner_0")["text"].endswith("Help those who write the program.")
    for agent in env.possible_agents:
        assert "judge: 0 of 3 tests passed." in env.observe(agent)["text"]
        env.step(f"{agent} goes on")
    assert "reviewer_0:\n> reviewer_0 helps" in env.observe("coder_0")["text"]


def test_wrong_programs_to_the_end_earn_nothing_and_truncate() -> None:
    env = reset(team="duo", horizon=2)
    play_round(env, WRONG)
    play_round(env, WRONG)
    assert env.truncated
    assert env.episode().returns == {"planner_0": 0.0, "coder_0": 0.0}


def test_of_two_who_write_each_is_judged_and_the_reward_is_the_mean() -> None:
    coder = marft_envs.Profile("coder", answers=True)
    env = reset(team=(coder, coder))
    env.step(env.task.reference)
    env.step(WRONG)
    assert env.terminated
    assert env.episode().returns == {"coder_0": 0.5, "coder_1": 0.5}
    assert env.info["solved"] == 0.5


def test_a_team_without_a_coder_is_refused() -> None:
    with pytest.raises(marft_envs.MarftError, match=r"nobody in the team .* answers"):
        reset(team=(marft_envs.Profile("planner"),))
