"""coding/write_repair-v0, played by hand."""

import re
from collections.abc import Callable

import pytest

import marft_envs
from marft_envs import FlexMG

CONSTANT = "def f(n):\n    return 987654321"


@pytest.fixture
def env() -> FlexMG:
    return reset()


def reset(seed: int = 1, **options: object) -> FlexMG:
    env = marft_envs.make("coding/write_repair-v0", level="two_steps", **options)
    assert isinstance(env, FlexMG)
    env.reset(seed=seed)
    return env


def right_on(env: FlexMG, is_shown: Callable[[bool], bool]) -> str:
    """A program that knows some of the tests by heart."""
    task = env.task
    known = {test.arguments: test.expected for test in task.visible if is_shown(True)}
    known |= {test.arguments: test.expected for test in task.hidden if is_shown(False)}
    return f"def f(n):\n    return {known!r}.get((n,), 'unknown')"


def test_a_right_program_earns_everybody_1_and_ends_the_episode(env: FlexMG) -> None:
    env.step(f"Here it is:\n```python\n{env.task.reference}\n```\nIt does what you asked for.")
    assert env.terminated
    assert env.episode().returns == {"coder_0": 1.0, "repairer_0": 1.0}
    assert env.info == {"solved": 1, "share": 1.0, "visible": 1.0}


def test_the_repairer_is_shown_the_task_the_program_and_what_fails(env: FlexMG) -> None:
    assert list(env.ready) == ["coder_0"]
    env.step(CONSTANT)
    assert list(env.ready) == ["repairer_0"]
    read = env.observe("repairer_0")["text"]
    test = env.task.visible[0]
    assert env.task.description in read
    assert "> def f(n):\n>     return 987654321" in read
    assert "judge: 0 of 3 tests passed." in read
    assert f"f({test.arguments[0]}) should be {test.expected}, and is 987654321." in read


def test_a_program_that_raises_is_shown_its_own_last_lines_quoted(env: FlexMG) -> None:
    env.step("def f(n):\n    return n / 0")
    assert "> line 2, in f: return n / 0\n> ZeroDivisionError: division by zero" in env.observe("repairer_0")["text"]


def test_a_repaired_program_earns_everybody_1(env: FlexMG) -> None:
    env.step(CONSTANT)
    env.step(env.reference_action("repairer_0"))
    assert env.episode().returns == {"coder_0": 1.0, "repairer_0": 1.0}


def test_who_passes_the_visible_tests_alone_is_done_and_earns_nothing(env: FlexMG) -> None:
    env.step(right_on(env, lambda shown: shown))
    assert env.terminated
    assert env.episode().returns == {"coder_0": 0.0, "repairer_0": 0.0}
    assert env.info["visible"] == 1.0
    assert env.info["share"] == 0.0


def test_who_fails_the_visible_tests_to_the_end_is_truncated_and_earns_nothing(env: FlexMG) -> None:
    for _ in range(3):
        env.step(right_on(env, lambda shown: not shown))
    assert env.truncated
    assert env.episode().returns == {"coder_0": 0.0, "repairer_0": 0.0}
    assert env.info == {"solved": 0, "share": 1.0, "visible": 0.0}


def test_a_share_of_the_hidden_tests_is_worth_a_share_where_that_is_asked_for() -> None:
    env = reset(reward="share", horizon=1)
    half = {test.arguments: test.expected for test in env.task.hidden[: len(env.task.hidden) // 2]}
    env.step(f"def f(n):\n    return {half!r}.get((n,), 'unknown')")
    assert env.episode().returns["coder_0"] == len(half) / len(env.task.hidden)
    assert env.info["solved"] == 0


def test_nobody_ever_reads_of_a_hidden_test(env: FlexMG) -> None:
    for _ in range(3):
        env.step("def f(n):\n    return 987654321 + n")
    read = "".join(env.observe(agent)["text"] for agent in env.possible_agents)
    shown = {int(number) for number in re.findall(r"f\((-?\d+)\)", read)}
    assert shown == {test.arguments[0] for test in env.task.visible}


def test_hidden_inputs_are_not_among_the_visible_ones(env: FlexMG) -> None:
    assert not {test.arguments for test in env.task.hidden} & {test.arguments for test in env.task.visible}


def test_one_agent_can_write_and_repair_alone() -> None:
    env = reset(team="solo")
    env.step(CONSTANT)
    env.step(env.reference_action("coder_0"))
    assert env.episode().returns == {"coder_0": 1.0}


def test_repairers_take_turns() -> None:
    coder, repairer = marft_envs.Profile("coder", answers=True), marft_envs.Profile("repairer", answers=True)
    env = reset(team=(coder, repairer, repairer), horizon=4)
    for _ in range(4):
        env.step(CONSTANT)
    assert [turn.agent for turn in env.episode().turns] == ["coder_0", "repairer_0", "repairer_1", "repairer_0"]


def test_who_does_not_write_programs_has_no_place_in_the_team() -> None:
    team = (marft_envs.Profile("coder", answers=True), marft_envs.Profile("planner"))
    with pytest.raises(marft_envs.MarftError, match=r"coder_0, planner_0.*pipeline-v0"):
        reset(team=team)


def test_a_wrong_rule_of_reward_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(marft_envs.OptionError, match=r"'half'; use 'all' .* or 'share'"):
        reset(reward="half")


def test_a_program_that_does_not_end_is_a_failure_that_the_log_keeps_and_a_replay_does_not_run() -> None:
    env = reset(horizon=1)
    env.step("def f(n):\n    while True: pass")
    episode = env.episode()
    assert episode.measurements == (((0,),), ((0,),))
    assert episode.runtime.startswith("python 3.")
    assert marft_envs.replay(episode) == episode
