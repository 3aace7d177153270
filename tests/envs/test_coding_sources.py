"""Where coding tasks come from: files found by their name, and the formats of data sets."""

import base64
import copy
import itertools
import json
import os
import pickle
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from marft_envs.coding import tasks as task_folder
from marft_envs.coding.data import MOST_TEST_CHARS, MOST_TESTS, canonical
from marft_envs.coding.sources import find_source, source_names
from marft_envs.coding.task import Task
from marft_envs.coding.tasks.jsonl import Jsonl
from marft_envs.errors import DataError, OptionError, SkippedRecordsWarning
from marft_envs.grading.programs import CallTest, Rules, StdioTest
from marft_envs.seeding import SPLITS, split_of


def write(path: Path, *records: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records), encoding="utf-8")
    return path


@pytest.fixture
def read(tmp_path: Path):
    """A source of these records in this format; what is left out is looked up in `skipped`."""

    def make(name: str, *records: object):
        path = write(tmp_path / f"{name}.jsonl", *records)
        return find_source(name, path)

    return make


@pytest.fixture
def read_lossy(tmp_path: Path):
    """The same where something is left out, and told."""

    def make(name: str, *records: object):
        with pytest.warns(SkippedRecordsWarning):
            return find_source(name, write(tmp_path / f"{name}.jsonl", *records))

    return make


def tasks_of(source, level="all") -> list[Task]:
    """All tasks of the level, each once."""
    rng = np.random.Generator(np.random.PCG64(0))
    splits = [split for split in SPLITS if not source.why_not(split, level)]
    drawn = [source.draw(level, rng, split) for split in splits for _ in range(80)]
    return sorted({task.description: task for task in drawn}.values(), key=lambda task: task.description)


def only(source) -> Task:
    (task,) = tasks_of(source)
    return task


MBPP = {
    "task_id": 2,
    "text": "Write a function to find what two tuples share.",
    "code": "def shared(a, b):\n  return tuple(set(a) & set(b))",
    "test_list": [
        "assert shared((3, 4), (5, 4)) == (4,)",
        "assert shared((1, -2), (5, 4)) == ()",
        "assert shared((), ()) == ()",
    ],
    "test_setup_code": "",
    "challenge_test_list": ["assert shared((7,), (7,)) == (7,), 'message'"],
}
APPS_STDIO = {
    "problem_id": 1,
    "question": "Add two numbers.\n\nInput\n\n1 2\n\nOutput\n\n3\n\nand\n\n10 20\n\ngives\n\n30\n",
    "input_output": json.dumps(
        {"inputs": ["5 5\n", "1 2\n", "7 8\n", "10 20\n"], "outputs": ["10\n", "3", "15", "30"]}
    ),
    "solutions": json.dumps(["print(sum(map(int, input().split())))", "second"]),
    "difficulty": "interview",
    "starter_code": "",
}
APPS_CALL = {
    "question": "Reverse a word.",
    "input_output": json.dumps({"fn_name": "turn", "inputs": [["ab"], ["cd"]], "outputs": [["ba"], ["dc"]]}),
    "solutions": "",
    "difficulty": "introductory",
    "starter_code": "def turn(word):\n\t",
}
APPS_METHOD = {
    "question": "Both ends.",
    "input_output": json.dumps({"fn_name": "ends", "inputs": [[[1, 2, 3], 1], [[4], 1]], "outputs": [[1], [4]]}),
    "solutions": "[]",
    "difficulty": "competition",
    "starter_code": "class Solution:\n    def ends(self, a: List[int], k: int) -> List[int]:\n        ",
}
CODECONTESTS = {
    "name": "1_A",
    "description": "Double a number.",
    "public_tests": {"input": ["1\n"], "output": ["2\n"]},
    "private_tests": {"input": ["1\n", "2\n"], "output": ["2\n", "4\n"]},
    "generated_tests": {"input": ["3\n"], "output": ["6\n"]},
    "solutions": {"language": [2, 3, 3], "solution": ["int main", "print(2 * int(input()))", "other"]},
    "cf_rating": 1350,
    "input_file": "",
    "time_limit": {"seconds": 2, "nanos": 0},
}
JSONL = {
    "description": "Add one.",
    "entry_point": "inc",
    "tests": [[[1], 2], [[5], 6], [[-1], 0]],
    "reference": "def inc(n): return n + 1",
}


def lcb_cases(*pairs: tuple[str, str], kind: str = "stdin") -> str:
    return json.dumps([{"input": given, "output": wanted, "testtype": kind} for given, wanted in pairs])


def packed(value: object, protocol: int = 4) -> str:
    return base64.b64encode(zlib.compress(pickle.dumps(value, protocol=protocol))).decode()


def lcb(**changes: object) -> dict[str, object]:
    return {
        "question_title": "t",
        "question_content": "Triple a number.",
        "public_test_cases": lcb_cases(("1\n", "3\n")),
        "private_test_cases": lcb_cases(("2\n", "6\n"), ("1\n", "3\n")),
        "starter_code": "",
        "difficulty": "easy",
        "metadata": "{}",
        **changes,
    }


def packed_bytes(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data)).decode()


RECORDS = {
    "mbpp": MBPP,
    "apps": APPS_STDIO,
    "livecodebench": lcb(),
    "codecontests": CODECONTESTS,
    "jsonl": JSONL,
}


# ---- names


def test_every_source_of_the_folder_is_found_under_the_name_of_its_file():
    assert {*RECORDS, "humaneval"} <= set(source_names())


@pytest.mark.parametrize("name", RECORDS)
def test_every_format_is_read_from_a_file_with_its_own_name(read, name):
    source = read(name, RECORDS[name])
    assert source.name == name
    assert source.levels == ("all",)
    task = only(source)
    assert task.hidden
    assert not {canonical(test) for test in task.visible} & {canonical(test) for test in task.hidden}


def test_a_new_source_is_one_file(tmp_path, monkeypatch):
    (tmp_path / "mine_only.py").write_text(
        "from marft_envs.coding.task import Task\n"
        "from marft_envs.coding.data import CodingData\n"
        "from marft_envs.grading.programs import CallTest, Rules\n"
        "from marft_envs.task_sources.source import Source\n\n\n"
        "class Mine(Source[Task]):\n"
        "    split_salt = 'mine'\n\n"
        "    def draw(self, level, rng, split):\n"
        "        return Task('d', 'f', '', (), (CallTest((1,), 2),), Rules(), 'k')\n",
        encoding="utf-8",
    )
    monkeypatch.setattr(task_folder, "__path__", [*task_folder.__path__, str(tmp_path)])
    source = find_source("mine_only")
    assert source.draw(None, np.random.default_rng(0), "train").description == "d"
    assert source.name == "mine_only"
    assert pickle.loads(pickle.dumps(source)) is source
    with pytest.raises(OptionError, match=r"use one of .*mbpp, mine_only"):
        find_source("nothing at all")
    with pytest.raises(
        OptionError, match=r"but the source 'mine_only' has its own tasks; leave it out, or use .*'mbpp'"
    ):
        find_source("mine_only", "x.jsonl")


def test_a_file_with_two_sources_is_refused(tmp_path, monkeypatch):
    body = "class {}(Source):\n    def draw(self, level, rng, split): ...\n"
    text = "from marft_envs.task_sources.source import Source\n" + body.format("One") + body.format("Two")
    (tmp_path / "two_sources.py").write_text(text, encoding="utf-8")
    monkeypatch.setattr(task_folder, "__path__", [*task_folder.__path__, str(tmp_path)])
    with pytest.raises(OptionError, match="two_sources defines 2 sources; define one there"):
        find_source("two_sources")


@pytest.mark.parametrize(
    ("name", "meant"), [("mbbp", "mbpp"), ("human_eval", "humaneval"), ("livecode", "livecodebench")]
)
def test_a_misspelt_name_is_answered_with_the_nearest_one(name, meant):
    with pytest.raises(OptionError, match=f"source is '{name}'; did you mean '{meant}'"):
        find_source(name)


@pytest.mark.parametrize("name", [None, 3, "", "a/b", "marft_envs.coding.tasks.mbpp"])
def test_what_is_no_name_is_refused_with_the_names_there_are(name):
    with pytest.raises(OptionError, match="use one of apps, codecontests"):
        find_source(name)


def test_a_class_of_another_package_is_named_with_its_module(tmp_path):
    path = write(tmp_path / "mine.jsonl", JSONL)
    source = find_source("marft_envs.coding.tasks.jsonl:Jsonl", path)
    assert only(source).entry_point == "inc"
    assert pickle.loads(pickle.dumps(source)) is source


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_package:Thing", "cannot be loaded"),
        (":Thing", "cannot be loaded"),
        ("json:Nothing", "cannot be loaded"),
        ("json:JSONDecoder", "is no source"),
        ("marft_envs.coding.data:CodingData", "is no source"),
    ],
)
def test_a_class_that_is_not_there_or_no_source_is_refused(name, message):
    with pytest.raises(OptionError, match=message):
        find_source(name)


def test_our_own_format_lies_nowhere_by_itself():
    with pytest.raises(DataError, match="source is 'jsonl', which lies nowhere by itself"):
        find_source("jsonl")


def test_a_source_is_kept_copied_and_pickled_as_its_name(read, tmp_path):
    source = read("jsonl", JSONL)
    assert find_source("jsonl", tmp_path / "jsonl.jsonl") is source
    assert copy.deepcopy([source])[0] is source
    assert len(pickle.dumps(source)) < 500
    assert pickle.loads(pickle.dumps(source)) is source
    changed = pickle.dumps(source)
    write(tmp_path / "jsonl.jsonl", {**JSONL, "description": "Something else entirely."})
    with pytest.raises(DataError, match="not the data that were pickled"):
        pickle.loads(changed)


def test_a_source_that_nobody_found_by_name_is_pickled_whole(tmp_path):
    path = write(tmp_path / "mine.jsonl", JSONL)
    source = Jsonl(str(path))
    path.unlink()
    again = pickle.loads(pickle.dumps(source))
    assert again is not source
    assert tasks_of(again) == tasks_of(source)


# ---- MBPP


def test_mbpp_shows_its_first_assertion_and_hides_the_others_and_the_challenges(read):
    task = only(read("mbpp", MBPP))
    assert task.entry_point == "shared"
    assert task.visible == (CallTest(((3, 4), (5, 4)), (4,)),)
    assert task.hidden == (
        CallTest(((1, -2), (5, 4)), ()),
        CallTest(((), ()), ()),
        CallTest(((7,), (7,)), (7,)),
    )
    assert task.rules == Rules()
    assert task.reference == MBPP["code"]
    assert task.description == f"{MBPP['text']}\n\nThe function is `shared`."


def test_the_sanitized_file_calls_the_text_a_prompt(read):
    record = {
        "prompt": "Square it.",
        "code": "",
        "test_imports": [],
        "test_list": ["assert f(2) == 4", "assert f(3) == 9"],
    }
    assert only(read("mbpp", record)).description == "Square it.\n\nThe function is `f`."


def test_assertions_of_closeness_become_a_tolerance(read):
    lines = ["assert math.isclose(f(1), 0.1, rel_tol=0.001)", "assert f(2) == 0.2"]
    task = only(read("mbpp", {**MBPP, "test_list": lines, "challenge_test_list": []}))
    assert task.rules == Rules(tolerance=0.001)
    assert task.hidden == (CallTest((2,), 0.2),)


@pytest.mark.parametrize(
    "line",
    [
        "assert set(shared(1)) == set((1,))",
        "assert shared(1)",
        "assert shared(x) == 1",
        "assert shared(1) == g(1)",
        "assert shared(1) != 1",
        "assert shared(1) == 1 == 1",
        "assert shared(n=1) == 1",
        "assert shared.g(1) == 1",
        "assert shared(__import__('os').system('true')) == 0",
        "assert shared([i for i in range(3)]) == 3",
        "assert shared({[]: 1}) == 1",
        "assert shared(...) == 1",
        "assert math.isclose(shared(1), 1, rel_tol=1e999)",
        "assert math.isclose(shared(1), 1, rel_tol='a')",
        "x = 1",
        "assert shared(1) == 1; x = 1",
        "not python at all",
        "assert shared(" + "(" * 5_000 + ")" * 5_000 + ") == 1",
        "assert shared(" + "-" * 20_000 + "1) == 1",
        "assert shared('" + "a" * 70_000 + "') == 1",
        "assert shared(\0) == 1",
        7,
        None,
    ],
)
def test_a_task_with_any_other_assertion_is_left_out(read_lossy, line):
    source = read_lossy("mbpp", {**MBPP, "text": "Other.", "test_list": [*MBPP["test_list"], line]}, MBPP)
    assert only(source).description.startswith(MBPP["text"])
    (told,) = source.skipped
    assert "1 of 2 records (train)" in told
    no_literal = "with an assertion that is not of the form f(…) == … with literals are left out: 1"
    assert told.endswith(
        "no plain data, or nested too deep are left out: 1" if line and "..." in str(line) else no_literal
    )


def test_assertions_that_call_two_functions_are_left_out(read_lossy):
    source = read_lossy("mbpp", {**MBPP, "text": "Other.", "test_list": ["assert f(1) == 1", "assert g(1) == 1"]}, MBPP)
    assert "without one function that all assertions call" in source.skipped[0]


# ---- APPS


def test_apps_shows_its_first_test_and_the_examples_of_the_question(read):
    task = only(read("apps", APPS_STDIO))
    assert task.entry_point == ""
    assert task.visible == (StdioTest("5 5\n", "10\n"), StdioTest("1 2\n", "3"), StdioTest("10 20\n", "30"))
    assert task.hidden == (StdioTest("7 8\n", "15"),)
    assert task.reference == "print(sum(map(int, input().split())))"
    assert task.rules == Rules()
    assert task.description.endswith("\n\nThe program reads standard input and prints to standard output.")


def test_apps_unwraps_the_outputs_of_functions(read):
    task = only(read("apps", APPS_CALL))
    assert task.entry_point == "turn"
    assert (task.visible, task.hidden) == ((CallTest(("ab",), "ba"),), (CallTest(("cd",), "dc"),))
    assert task.rules.tuples_are_lists
    assert task.description == "Reverse a word.\n\nThe program completes this:\n\ndef turn(word):"
    assert task.reference == ""


def test_apps_takes_the_outputs_of_methods_as_they_are(read):
    task = only(read("apps", APPS_METHOD))
    assert task.entry_point == "Solution.ends"
    assert (task.visible, task.hidden) == ((CallTest(([1, 2, 3], 1), [1]),), (CallTest(([4], 1), [4]),))


def test_outputs_of_functions_stay_as_they_are_where_one_is_not_wrapped(read):
    tests = json.dumps({"fn_name": "turn", "inputs": [["ab"], ["cd"]], "outputs": [["ba"], ["d", "c"]]})
    task = only(read("apps", {**APPS_CALL, "input_output": tests}))
    assert [test.expected for test in (*task.visible, *task.hidden)] == [["ba"], ["d", "c"]]


def test_inputs_of_lines_are_joined(read):
    tests = json.dumps({"inputs": [["1", "2"], "4"], "outputs": [["1", "2"], "4"]})
    task = only(read("apps", {**APPS_STDIO, "input_output": tests}))
    assert task.visible == (StdioTest("1\n2", "1\n2"),)


def test_difficulties_are_levels_from_easy_to_hard_whatever_stands_first(read):
    source = read("apps", APPS_METHOD, APPS_STDIO, APPS_CALL)
    assert source.levels == ("introductory", "interview", "competition", "all")
    (task,) = tasks_of(source, "introductory")
    assert task.entry_point == "turn"


@pytest.mark.parametrize(
    ("tests", "why"),
    [
        ("", "without a hidden test"),
        ("{}", "without a hidden test"),
        ("{", "whose tests are no JSON"),
        ('{"inputs": [' + "9" * 5_000 + '], "outputs": ["1"]}', "whose tests are no JSON"),
        ("[" * 100_000, "whose tests are no JSON"),
        ("[]", "whose tests are no object"),
        ("7", "whose tests are no object"),
        ('{"inputs": 3, "outputs": 4}', "whose inputs are no list"),
        ('{"inputs": ["1", "2"], "outputs": ["1"]}', "whose inputs and outputs differ in number"),
        ('{"inputs": [1, 2], "outputs": ["1", "2"]}', "whose inputs or outputs are no list"),
        ('{"inputs": [[1], "2"], "outputs": ["1", "2"]}', "whose inputs or outputs are no text"),
        (
            '{"fn_name": "f", "inputs": [[1], [2], [3]], "outputs": [true, true, true]}',
            "that ask a question, and all tests have one answer",
        ),
        ('{"fn_name": 3, "inputs": [[1]], "outputs": [[1]]}', "whose function has no name"),
        ('{"fn_name": "f", "inputs": [1, 2], "outputs": [1, 2]}', "whose inputs are no list"),
        ('{"inputs": ["1", "1"], "outputs": ["1", "1 "]}', "without a hidden test"),
        ('{"inputs": ["1", "2", "2"], "outputs": ["1", "2", "3"]}', "whose tests want different outputs of one input"),
        (
            '{"fn_name": "f", "inputs": [[1], [' + "[" * 150 + "]" * 150 + ']], "outputs": [1, 2]}',
            "with a test that is no plain data, or nested too deep",
        ),
    ],
)
def test_tests_that_cannot_be_read_are_left_out_and_the_reason_is_told(read_lossy, tests, why):
    source = read_lossy("apps", {**APPS_STDIO, "question": "Broken.", "input_output": tests}, APPS_STDIO)
    assert not only(source).description.startswith("Broken")
    assert [words.partition("(train) ")[2] for words in source.skipped] == [f"{why} are left out: 1"]


def test_a_function_whose_tests_all_want_one_number_is_kept(read):
    calls = json.dumps({"fn_name": "f", "inputs": [[1], [2]], "outputs": [7, 7]})
    assert only(read("apps", {**APPS_STDIO, "input_output": calls})).hidden == (CallTest((2,), 7),)


@pytest.mark.parametrize("name", ["f\ud800", "two words", "1f", "f(", ".f", "f.", "a.b.c", "def", "ſ"])
def test_functions_that_no_program_can_define_are_left_out(read_lossy, name):
    calls = json.dumps({"fn_name": name, "inputs": [[1], [2]], "outputs": [1, 2]})
    source = read_lossy("apps", {**APPS_STDIO, "question": "Broken.", "input_output": calls}, APPS_STDIO)
    assert not only(source).description.startswith("Broken")
    assert "whose function has a name that Python has not" in source.skipped[0]


# ---- LiveCodeBench


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_private_tests_are_read_as_json_or_packed_by_any_protocol_of_pickle(read, protocol):
    text = lcb_cases(("2\n", "6\n"), ("1\n", "3\n"), ("é\n", "ü\n"))
    plain = only(read("livecodebench", lcb(private_test_cases=text)))
    assert only(read("livecodebench", lcb(private_test_cases=packed(text, protocol)))) == plain
    assert plain.visible == (StdioTest("1\n", "3\n"),)
    assert plain.hidden == (StdioTest("2\n", "6\n"), StdioTest("é\n", "ü\n"))


def test_calls_have_an_argument_to_a_line(read):
    record = lcb(
        public_test_cases=lcb_cases(('[1, 2]\n"a"', "[1]"), kind="functional"),
        private_test_cases=packed(lcb_cases(('[]\n"b"\n', "true"), kind="functional")),
        starter_code="class Solution:\n    def pick(self, a: List[int], s: str):\n        ",
        metadata='{"func_name": "pick"}',
    )
    task = only(read("livecodebench", record))
    assert task.entry_point == "Solution.pick"
    assert task.visible == (CallTest(([1, 2], "a"), [1]),)
    assert task.hidden == (CallTest(([], "b"), True),)
    assert task.rules.tuples_are_lists
    assert "The program completes this:\n\nclass Solution:" in task.description


class Touches:
    """What a hostile pickle is: a call that is made as it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_that_would_run_something_is_refused_and_runs_nothing(read, tmp_path, protocol):
    there = tmp_path / "touched"
    hostile = packed(Touches(there), protocol)
    pickle.loads(zlib.decompress(base64.b64decode(hostile)))
    there.rmdir()  # it would have worked
    with pytest.raises(
        DataError, match=r"livecodebench.jsonl: record 2 has private tests that are a pickle of something else"
    ):
        read("livecodebench", lcb(), lcb(private_test_cases=hostile))
    assert not there.exists()


@pytest.mark.parametrize(
    "written",
    [*map(packed, (["a", "b"], {"a": 1}, 7, b"bytes", ("x", Path))), *map(packed_bytes, (b".", b"Va\nVb\n."))],
)
def test_a_pickle_of_anything_but_one_text_is_refused(read, written):
    with pytest.raises(DataError, match="a pickle of something else than one text"):
        read("livecodebench", lcb(private_test_cases=written))


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("!!!", "whose private tests are neither JSON nor packed"),
        (base64.b64encode(b"no zlib").decode(), "whose private tests are neither JSON nor packed"),
        (packed_bytes(b""), "whose private tests are no pickle"),
        (packed_bytes(b"\x80\x04X\xff\xff\xff\x7fshort"), "whose private tests are no pickle"),
        (packed_bytes(b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xffx."), "whose private tests are no pickle"),
        (packed_bytes(b"Vno end"), "whose private tests are no pickle"),
        (packed("no json"), "whose private tests are no JSON"),
        (packed("[" * 100_000), "whose private tests are no JSON"),
        (packed("{}"), "whose tests are no list"),
        ({"input": "1"}, "whose tests are no list"),
        ("[3]", "whose tests are not of one kind"),
        (lcb_cases(("1", "1"), kind="functional"), "whose tests are not of one kind"),
        ('[{"input": 1, "output": 2, "testtype": "stdin"}]', "whose inputs or outputs are no list"),
        (packed(lcb_cases(("2", "6")))[:-8], "whose private tests are cut, or unpack to more"),
        (packed(""), "whose private tests are no JSON"),
    ],
)
def test_private_tests_that_cannot_be_read_are_left_out(read_lossy, written, why):
    source = read_lossy("livecodebench", lcb(question_content="Broken.", private_test_cases=written), lcb())
    assert not only(source).description.startswith("Broken")
    (told,) = source.skipped
    assert f"1 of 2 records (train) {why}" in told


def test_a_bomb_is_not_unpacked_beyond_what_is_published(read_lossy, monkeypatch):
    monkeypatch.setattr("marft_envs.coding.tasks.livecodebench._MOST_BYTES", 2**16)
    bomb = packed(" " * 2**20)
    source = read_lossy("livecodebench", lcb(question_content="Bomb.", private_test_cases=bomb), lcb())
    assert "whose private tests are cut, or unpack to more than 65,536 bytes" in source.skipped[0]


# ---- CodeContests


def test_codecontests_shows_public_tests_and_hides_private_and_generated_ones(read):
    task = only(read("codecontests", CODECONTESTS))
    assert task.visible == (StdioTest("1\n", "2\n"),)
    assert task.hidden == (StdioTest("2\n", "4\n"), StdioTest("3\n", "6\n"))
    assert task.reference == "print(2 * int(input()))"


def test_ratings_are_levels_in_steps(read):
    ratings = {0: "A", 800: "B", 1150: "C", 1350: "D", 3500: "E"}
    source = read(
        "codecontests", *({**CODECONTESTS, "description": name, "cf_rating": n} for n, name in ratings.items())
    )
    assert source.levels == ("800", "1200", "3200", "all")
    assert [task.description[0] for task in tasks_of(source, "800")] == ["B", "C"]
    assert len(tasks_of(source)) == 5


def test_without_a_program_in_python_3_there_is_no_reference(read):
    for solutions in ({"language": [2], "solution": ["int main"]}, {}, None):
        assert only(read("codecontests", {**CODECONTESTS, "solutions": solutions})).reference == ""


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"input_file": "in.txt"}, "whose program reads a file"),
        ({"private_tests": [1]}, "whose private_tests are no object"),
        ({"private_tests": {"input": ["1"], "output": []}}, "whose private_tests are not of one length"),
        ({"private_tests": {"input": 1, "output": 2}}, "whose private_tests are no list"),
        ({"private_tests": None, "generated_tests": None}, "without a hidden test"),
    ],
)
def test_records_of_codecontests_that_cannot_be_used_are_left_out(read_lossy, changes, why):
    source = read_lossy("codecontests", {**CODECONTESTS, "description": "Broken.", **changes}, CODECONTESTS)
    assert f"1 of 2 records (train) {why} are left out: 1" in source.skipped[0]


# ---- our own format


def test_our_own_format_shows_the_first_test_or_those_that_it_names(read):
    task = only(read("jsonl", JSONL))
    assert (task.entry_point, task.reference) == ("inc", JSONL["reference"])
    assert task.visible == (CallTest((1,), 2),)
    assert task.hidden == (CallTest((5,), 6), CallTest((-1,), 0))
    assert task.rules == Rules(tuples_are_lists=True)
    for visible in ([], [[[5], 6]], [[[9], 10]]):
        task = only(read("jsonl", {**JSONL, "visible": visible}))
        assert [([*test.arguments], test.expected) for test in task.visible] == [tuple(one) for one in visible]
        assert len(task.hidden) == (2 if visible == [[[5], 6]] else 3)


def test_our_own_format_has_programs_levels_and_tolerances(read):
    tests = [{"stdin": "1", "expected": "2"}, {"stdin": "2", "expected": "3"}]
    records = [{"description": f"d{n}", "tests": tests, "level": n, "tolerance": 0.01} for n in (10, 9)]
    source = read("jsonl", *records)
    assert source.levels == ("9", "10", "all")
    task = tasks_of(source)[0]
    assert task.hidden == (StdioTest("2", "3"),)
    assert task.rules == Rules(tolerance=0.01)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"description": None}, "record 2 has no description; its fields are description, entry_point"),
        ({"description": 7}, "record 2 has 7 as its description; write text"),
        ({"description": [[[[[[[1]]]]]]]}, "as its description; write text"),
        ({"entry_point": "a b"}, "record 2 has 'a b' as its entry_point"),
        ({"entry_point": "a.b.c"}, "as its entry_point"),
        ({"entry_point": ["f"]}, "as its entry_point; write text"),
        ({"tests": None}, "record 2 has None as its tests; write a list"),
        ({"tests": {}}, "as its tests; write a list"),
        ({"tests": [[1, 2]]}, r"record 2 has \[1, 2\] as a test of a function; write \[\[argument, …\], output\]"),
        ({"tests": [[[1], 2, 3]]}, "as a test of a function"),
        ({"tests": ["text"]}, "as a test of a function"),
        ({"visible": 3}, "record 2 has 3 as its visible; write a list"),
        ({"entry_point": "", "tests": [[[1], 2]]}, "as a test of a program"),
        ({"entry_point": "", "tests": [{"stdin": 1, "expected": "2"}]}, "as a test of a program"),
        ({"tolerance": "a"}, "as its tolerance"),
        ({"tolerance": True}, "as its tolerance"),
        ({"tolerance": -1}, "as its tolerance"),
        ({"tolerance": float("nan")}, "as its tolerance"),
        ({"reference": 5}, "record 2 has 5 as its reference; write text"),
        ({"level": [1]}, "as its level; write text"),
    ],
)
def test_a_record_of_another_form_is_refused_with_its_number(read, changes, message):
    with pytest.raises(DataError, match=rf"jsonl\.jsonl: .*{message}"):
        read("jsonl", JSONL, {**JSONL, **changes})


def test_a_message_about_a_wrong_value_is_short_however_large_it_is(read):
    deep: object = 1
    for _ in range(300):
        deep = [deep] * 2 if _ < 5 else [deep]
    for value in (["a" * 10**6], [deep], {"a" * 10**6: 1}):
        with pytest.raises(DataError) as error:
            read("jsonl", {**JSONL, "description": value})
        assert len(str(error.value).partition("record 1")[2]) < 120


def test_a_deep_record_is_refused_or_left_out_and_never_runs_out_of_stack(tmp_path):
    line = json.dumps({**JSONL, "tests": "HERE"})
    for depth in (90, 105, 300, 900, 100_000):
        deep = "[" * depth + "]" * depth
        for tests in (f"[[[1], 2], [[{deep}], 1]]", f"[{deep}]"):
            path = tmp_path / "deep.jsonl"
            path.write_text(line.replace('"HERE"', tests), encoding="utf-8")
            try:
                source = find_source("jsonl", path)
            except DataError:
                continue
            assert depth == 90
            assert only(source).hidden


# ---- what all formats share


def test_a_format_that_is_another_is_refused_with_the_reason(read):
    with pytest.raises(DataError, match=r"record 1 has no question_content; its fields are task_id"):
        read("livecodebench", MBPP)
    with pytest.raises(
        DataError,
        match=r"none of 1 records \(train\) has what makes a task \(without a hidden test\); is this the right",
    ):
        read("apps", {"question": "Q?"})


def test_of_many_hidden_tests_some_are_kept_that_lie_evenly(read):
    tests = [[[n], n] for n in range(1_001)]
    task = only(read("jsonl", {**JSONL, "tests": tests}))
    kept = [test.arguments[0] for test in task.hidden]
    assert len(kept) == MOST_TESTS
    assert (kept[0], kept[-1]) == (1, 1_000)
    steps = {later - before for before, later in itertools.pairwise(kept)}
    assert steps <= {52, 53}


def test_a_test_that_is_too_large_is_not_kept(read, read_lossy):
    at_most, too_long = "a" * (MOST_TEST_CHARS - 1), "a" * MOST_TEST_CHARS
    record = {"description": "d", "tests": [{"stdin": text, "expected": "b"} for text in ("v", at_most, too_long)]}
    assert [len(test.stdin) for test in only(read("jsonl", record)).hidden] == [len(at_most)]
    lost = {"description": "e", "tests": [{"stdin": text, "expected": "b"} for text in ("v", too_long)]}
    assert "without a hidden test are left out: 2" in read_lossy("jsonl", record, lost).skipped[0]


def test_no_hidden_test_has_the_input_of_a_visible_one_and_none_stands_there_twice(read):
    tests = [[[1], 2], [[True], 2], [[1.0], 2], [[1], 2], [[5], 6], [[5], 6]]
    task = only(read("jsonl", {**JSONL, "tests": tests}))
    assert [repr(test.arguments[0]) for test in task.hidden] == ["True", "1.0", "5"]


def test_a_description_that_is_repeated_is_kept_once(read_lossy):
    source = read_lossy("jsonl", JSONL, {**JSONL, "description": "Add  one. ", "reference": "other"})
    assert only(source).reference == JSONL["reference"]
    assert "1 of 2 records (train) whose description stands there before are left out: 2" in source.skipped[0]


def test_a_part_for_testing_is_held_out(tmp_path):
    write(tmp_path / "d" / "train.jsonl", JSONL, {**JSONL, "description": "Other."})
    write(tmp_path / "d" / "test.jsonl", JSONL)
    with pytest.warns(SkippedRecordsWarning, match="that are in the test part, too, are left out: 1") as told:
        source = find_source("jsonl", tmp_path / "d")
    assert [warning.filename for warning in told] == [__file__]
    assert {(task.description[:5], task.split) for task in tasks_of(source)} == {("Other", "train"), ("Add o", "test")}


def test_a_large_file_is_split_by_a_hash_and_a_small_one_is_for_training(read):
    large = read("jsonl", *({**JSONL, "description": f"Add {n}."} for n in range(2_100)))
    assert large.why_not("test", "all") == ""
    assert all(task.split == split_of("data", task.key) for task in tasks_of(large))
    small = read("jsonl", JSONL)
    assert only(small).split == "train"
    assert "1 tasks are too few to hold some out" in small.why_not("test", "all")


def test_halves_of_characters_are_replaced_wherever_they_stand(read):
    half = "a\ud800b"
    tests = [{"stdin": f"{half}{n}", "expected": half} for n in range(3)]
    task = only(read("jsonl", {"description": half, "tests": tests, "reference": half, "level": half}))
    everything = (
        task.description,
        task.reference,
        *(text for test in task.hidden for text in (test.stdin, test.expected)),
    )
    assert all("\ufffd" in text and "\ud800" not in text for text in everything)
    assert only(read("jsonl", {**JSONL, "tests": [[[half], half], [["b" + half], half]]})).hidden


@pytest.mark.parametrize("field", ["description", "entry_point", "reference", "tests", "visible", "tolerance", "level"])
def test_any_other_field_is_another_fingerprint(read, field):
    record = {**JSONL, "visible": [[[1], 2]], "tolerance": 0.5, "level": "a"}
    changed = {
        "description": "Other.",
        "entry_point": "f",
        "reference": "",
        "tests": [[[5], 7]],
        "visible": [],
        "tolerance": 0,
        "level": "b",
    }
    other = {**JSONL, "description": "Always there.", "level": "c"}
    first = read("jsonl", record, other).fingerprint
    assert first == read("jsonl", {**record, "note": 1}, other).fingerprint
    assert first != read("jsonl", {**record, field: changed[field]}, other).fingerprint


def test_a_fingerprint_is_the_same_in_every_process(tmp_path):
    lines = ["assert f({'a', 'b', 'c'}) == {'d': {'e', 'f'}}", "assert f({'x', 'y', 'z'}) == {'q', 'r', 's'}"]
    path = write(tmp_path / "sets.jsonl", {**MBPP, "test_list": lines, "challenge_test_list": []})
    program = (
        f"from marft_envs.coding.sources import find_source\nprint(find_source('mbpp', {str(path)!r}).fingerprint)"
    )
    found = set()
    for seed in range(4):
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=True,
        )
        found.add(done.stdout)
    assert len(found) == 1


def test_data_of_the_hub_are_loaded_by_the_same_code(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets", reason="the extra `data` is part of `dev`")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    for split, record in (("train", CODECONTESTS), ("test", {**CODECONTESTS, "description": "Held out."})):
        (tmp_path / "cc" / "data").mkdir(parents=True, exist_ok=True)
        datasets.Dataset.from_list([record]).to_parquet(str(tmp_path / "cc" / "data" / f"{split}-0-of-1.parquet"))
    tasks = tasks_of(find_source("codecontests", tmp_path / "cc"))
    assert {(task.description[:4], task.split) for task in tasks} == {("Doub", "train"), ("Held", "test")}
    assert tasks[0].hidden == (StdioTest("2\n", "4\n"), StdioTest("3\n", "6\n"))


def test_a_hub_that_cannot_be_reached_is_told_in_its_words():
    with pytest.raises(DataError, match="google-research-datasets/mbpp: datasets cannot load it"):
        find_source("mbpp")
