"""coding/write_test-v0, played by hand."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

import marft_envs
from marft_envs import FlexMG
from marft_envs.coding import write_test
from marft_envs.coding.telling import repeats, telling, written
from marft_envs.grading.programs import Rules
from marft_envs.sandbox.runs import Limits

WRONG = "def f(n):\n    return 987654321"


@pytest.fixture
def env() -> FlexMG:
    return reset()


def reset(seed: int = 1, **options: object) -> FlexMG:
    env = marft_envs.make("coding/write_test-v0", **{"level": "two_steps", **options})
    assert isinstance(env, FlexMG)
    env.reset(seed=seed)
    return env


def both(env: FlexMG, program: str, tests: str) -> None:
    env.select("coder_0")
    env.step(program)
    env.select("tester_0")
    env.step(tests)


def hidden_tests(env: FlexMG, count: int = 5) -> list[str]:
    return [written(env.task, test) for test in telling(env.task)[:count]]


def returns(env: FlexMG) -> dict[str, float]:
    return dict(env.episode().returns)


def test_both_work_at_the_same_time_and_read_nothing_of_each_other(env: FlexMG) -> None:
    assert list(env.ready) == ["coder_0", "tester_0"]
    assert env.dependencies.matrix().sum() == 0
    env.select("tester_0")
    env.step("assert f(1) == 111222333")
    assert "111222333" not in env.observe("coder_0")["text"]


def test_a_right_program_and_tests_that_kill_every_mutant_earn_1_each(env: FlexMG) -> None:
    both(env, env.reference_action("coder_0"), env.reference_action("tester_0"))
    assert returns(env) == {"coder_0": 1.0, "tester_0": 1.0}
    assert env.info == {"valid": 1.0, "killed": 1.0, "solved": 1, "share": 1.0}


def test_the_coder_is_shown_what_its_program_does_on_the_testers_tests_and_may_repair_it(env: FlexMG) -> None:
    test = hidden_tests(env, 1)[0]
    both(env, WRONG, test)
    assert list(env.ready) == ["coder_0"]
    read = env.observe("coder_0")["text"]
    assert "judge: 0 of 1 test passed." in read
    assert "and is 987654321." in read
    assert f"tester_0:\n> {test}" in read
    env.step(env.task.reference)
    assert env.terminated
    assert returns(env)["coder_0"] == 1.0


def test_a_program_that_is_still_wrong_in_the_last_round_is_judged_as_it_is(env: FlexMG) -> None:
    both(env, WRONG, hidden_tests(env, 1)[0])
    env.step(WRONG)
    assert env.terminated
    assert returns(env)["coder_0"] == 0.0


def test_the_testers_reward_does_not_depend_on_the_program() -> None:
    earned = set()
    for program in (WRONG, "", "def f(n): return 1 / 0"):
        env = reset()
        both(env, program, env.reference_action("tester_0"))
        env.step(program)
        earned.add(returns(env)["tester_0"])
    assert earned == {1.0}


def test_the_coders_reward_does_not_depend_on_the_tests(env: FlexMG) -> None:
    for tests in ("", "assert f(1) == 987654321", env.reference_action("tester_0")):
        env = reset()
        both(env, WRONG, tests)
        if not env.terminated:
            env.step(WRONG)
        assert returns(env)["coder_0"] == 0.0


def test_a_test_that_the_reference_fails_costs_its_share(env: FlexMG) -> None:
    right = env.reference_action("tester_0").splitlines()
    both(env, env.task.reference, "\n".join([*right, "assert f(5) == 'never'"][-5:]))
    num_read = min(len(right) + 1, 5)
    assert env.info["valid"] == pytest.approx((num_read - 1) / num_read)


def test_a_wrong_test_kills_no_mutant(env: FlexMG) -> None:
    both(env, env.task.reference, "assert f(5) == 'never'")
    assert env.info["valid"] == 0.0
    assert env.info["killed"] == 0.0
    env.step(env.task.reference)
    assert returns(env) == {"coder_0": 1.0, "tester_0": 0.0}


def test_a_test_that_every_mutant_passes_earns_nothing() -> None:
    found = []
    for seed in range(40):
        env = reset(seed, level="numbers")
        for test in hidden_tests(env, 9):
            trial = reset(seed, level="numbers")
            both(trial, trial.task.reference, test)
            found.append((trial.info["killed"], returns(trial)["tester_0"]))
            if trial.info["killed"] == 0.0:
                break
        if found[-1][0] == 0.0:
            break
    assert found[-1] == (0.0, 0.0), "no weak test in forty tasks"
    assert any(0.0 < killed < 1.0 and earned == killed for killed, earned in found)


def test_to_repeat_the_visible_tests_is_no_work(env: FlexMG) -> None:
    both(env, env.task.reference, "\n".join(written(env.task, test) for test in env.task.visible))
    assert returns(env) == {"coder_0": 1.0, "tester_0": 0.0}


def test_to_repeat_the_visible_tests_in_another_form_is_no_work_either() -> None:
    env = reset(level="lists")
    shown = [(tuple(test.arguments[0]), test.expected) for test in env.task.visible]
    both(env, env.task.reference, "\n".join(f"assert f({values}) == {expected!r}" for values, expected in shown))
    assert returns(env) == {"coder_0": 1.0, "tester_0": 0.0}


def test_of_two_answers_to_one_question_the_first_counts(env: FlexMG) -> None:
    right = hidden_tests(env, 1)[0]
    call = right.partition(" == ")[0]
    both(env, env.task.reference, f"{call} == 'never'\n{right}")
    assert env.info["valid"] == 0.0


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (12.0, 12),
        (12.2, 12),
        (12 + 0j, 12),
        (True, 1),
        (3, 3.0000001),
        ((3, 1), [3, 1]),
        ({3: 0, 1: 0}, [3, 1]),
        (b"\x03\x01", [3, 1]),
        ({1, 3}, [3, 1]),
        ({"b", "a"}, frozenset({"a", "b"})),
        (["a", "b"], "ab"),
        ([(1.0,), []], [[1], ""]),
        ({"a": 1.0}, {"a": 1}),
        (None, None),
        (10**200, 10**200),
    ],
)
def test_a_value_in_another_form_is_the_same_input(value: object, shown: object) -> None:
    assert repeats(value, shown)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (13, 12),
        (12.6, 12),
        (12 + 1j, 12),
        (1e999, 12),
        (float("nan"), 10**400),
        (3.1, 3.0),
        ([3, 1], [1, 3]),
        ([3], [3, 1]),
        ({"a": 1}, {"a": 2}),
        ({3, 2}, [3, 1]),
        ("ab", "abc"),
        ("ab", "ba"),
        ("1", 1),
        (None, 0),
        (["a"], [["b"]]),
    ],
)
def test_another_value_is_another_input(value: object, shown: object) -> None:
    assert not repeats(value, shown)


def test_more_than_five_tests_are_not_read(env: FlexMG) -> None:
    wrong = [f"assert f({number}) == 'never'" for number in range(1000, 1005)]
    both(env, env.task.reference, "\n".join([*wrong, *hidden_tests(env)]))
    assert env.info["valid"] == 0.0


def test_without_a_test_the_program_is_judged_at_once(env: FlexMG) -> None:
    both(env, env.task.reference, "I would rather not.")
    assert env.terminated
    assert returns(env) == {"coder_0": 1.0, "tester_0": 0.0}


def test_as_a_team_both_get_the_mean() -> None:
    env = reset(rewards="team")
    both(env, env.task.reference, "I would rather not.")
    assert returns(env) == {"coder_0": 0.5, "tester_0": 0.5}


def test_a_source_without_functions_is_refused_with_a_way_out(tmp_path: Path) -> None:
    record = '{"description": "Print 1.", "tests": [{"stdin": "", "expected": "1"}, {"stdin": "x", "expected": "1"}]}'
    (tmp_path / "tasks.jsonl").write_text(record, encoding="utf-8")
    with pytest.raises(marft_envs.MarftError, match="tasks has a function with a reference"):
        reset(source="jsonl", data=str(tmp_path / "tasks.jsonl"), level=None)


@pytest.mark.parametrize("answers", [(True, True), (False, False), (True, False, False)])
def test_a_team_is_a_coder_and_a_tester(answers: tuple[bool, ...]) -> None:
    team = tuple(marft_envs.Profile("agent", answers=one) for one in answers)
    with pytest.raises(marft_envs.MarftError, match="answer"):
        reset(team=team)


LOOPS = """
def f(n):
    total = 0
    step = 1
    while total < n:
        total += step
    return total + step
"""
"""With `step = 0` it gives another f(0), and does not end for any other."""


def of_file(folder: Path, reference: str, tests: list[list[object]]) -> FlexMG:
    record = {"description": "The task.", "entry_point": "f", "tests": tests, "reference": reference}
    (folder / "tasks.jsonl").write_text(json.dumps(record), encoding="utf-8")
    return reset(source="jsonl", data=str(folder / "tasks.jsonl"), level=None)


def test_a_mutant_that_does_not_end_on_a_hidden_test_is_left_out_and_its_log_is_replayed(tmp_path: Path) -> None:
    env = of_file(tmp_path, LOOPS, [[[n], n + 1] for n in (9, 0, 5, 3)])
    both(env, env.reference_action("coder_0"), "assert f(5) == 6\nassert f(0) == 1")  # it does not get to the second
    assert any(env.measurements[1]), "none of them timed out"
    assert not any(env.measurements[2]), "one that timed out was not left out"
    assert returns(env) == {"coder_0": 1.0, "tester_0": 1.0}
    assert marft_envs.replay(env.episode()) == env.episode()


def test_a_test_that_only_takes_long_kills_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_test, "QUICK", Limits(cpu_s=0.05))
    env = of_file(
        tmp_path, "def f(n):\n    for _ in range(n):\n        pass\n    return n + 1", [[[n], n + 1] for n in range(9)]
    )
    both(env, env.task.reference, "assert f(10000000) == 10000001")
    assert any(env.measurements[2]), "none of the mutants took long"
    assert env.info["valid"] == 1.0
    assert env.info["killed"] < 1.0


def test_a_log_cannot_leave_out_mutants_by_saying_that_they_took_long(env: FlexMG) -> None:
    both(env, env.task.reference, hidden_tests(env, 1)[0])
    honest = env.measurements
    forged = (honest[0], tuple((0,) for _ in honest[1]), *honest[2:])
    env.reset(seed=1, measurements=forged)
    env.select("coder_0")
    env.step(env.task.reference)
    with pytest.raises(marft_envs.MarftError, match="here it ends within 25% of it"):
        env.step(hidden_tests(env, 1)[0])


def test_hidden_tests_that_would_not_count_make_no_mutants(tmp_path: Path) -> None:
    """The visible test is the first; f(9.2) repeats it, and alone tells `9 < 9.1` from what is asked for."""
    reference = "def f(n):\n    return n + (1 if n < 9.1 else 2)"
    env = of_file(tmp_path, reference, [[[n], n + (1 if n < 9.1 else 2)] for n in (9, 9.2, 5, 3, 70)])
    assert [test.arguments for test in telling(env.task)] == [(5,), (3,), (70,)]
    both(env, env.task.reference, env.reference_action("tester_0"))
    assert returns(env) == {"coder_0": 1.0, "tester_0": 1.0}


def test_a_task_with_many_right_outputs_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a test of it expects, the reference passes."""
    env = reset()
    drawn = iter([replace(env.task, rules=Rules(property="find_zero")), env.task])
    monkeypatch.setattr(env._source, "draw", lambda *_: next(drawn))
    env.reset(seed=2)
    assert not env.task.rules.property


def test_tasks_whose_tests_nobody_could_write_on_a_line_are_refused(tmp_path: Path) -> None:
    with pytest.raises(marft_envs.MarftError, match="can be written on a line"):
        of_file(tmp_path, "def f(n):\n    return 'a' * (n + 300)", [[[n], "a" * (n + 300)] for n in range(4)])
