"""Where mathematical tasks come from: files, folders, `datasets`, generators; what is left or held out."""

import json
import random
from pathlib import Path

import numpy as np
import pytest

from marft_envs.errors import DataError, OptionError, SkippedRecordsWarning
from marft_envs.grading.answers import last_boxed
from marft_envs.grading.equality import is_right
from marft_envs.math.data import DataSet
from marft_envs.math.generators import GENERATORS, ReasoningGym
from marft_envs.math.sources import find_source


def rng() -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(0))


def global_generators() -> tuple[object, str]:
    return random.getstate(), str(np.random.get_state())  # noqa: NPY002  # the one that nobody should touch


def write(path: Path, records: list[object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records), encoding="utf-8")
    return path


def drawn(source, level="all", count=60):
    generator = rng()
    return {source.draw(level, generator) for _ in range(count)}


GSM8K = [
    {"question": "Ann has 3 pens and buys 4. How many?", "answer": "3 + 4 = <<3+4=7>>7\n#### 7"},
    {"question": "Ben sold 600 twice. How much?", "answer": "He sold\n600 * 2 = <<600*2=1200>>1,200\n#### 1,200"},
]
MATH = [
    {"problem": "Halve 1.", "solution": "So $\\boxed{\\frac{1}{2}}$.", "level": "Level 1", "type": "Algebra"},
    {"problem": "Root of 4?", "solution": "It is \\boxed{-2}, no: $\\boxed 2$.", "level": "Level 5", "type": "Algebra"},
    {"problem": "Root of 9?", "answer": "3", "solution": "\\boxed{0}", "level": "Level ?", "type": "Algebra"},
]


# ---- formats


def test_gsm8k_asks_the_question_and_wants_what_follows_the_hashes(tmp_path):
    source = DataSet("gsm8k", str(write(tmp_path / "train.jsonl", GSM8K)))
    assert {(task.question, task.answer) for task in drawn(source)} == {
        (GSM8K[0]["question"], "7"),
        (GSM8K[1]["question"], "1,200"),
    }
    assert source.levels == ("1", "2", "all")  # by the lines of the worked answer


def test_math_wants_its_answer_or_the_last_box_of_its_solution(tmp_path):
    source = DataSet("math", str(write(tmp_path / "train.jsonl", MATH)))
    assert {task.answer for task in drawn(source)} == {"\\frac{1}{2}", "2", "3"}
    assert source.levels == ("1", "5", "all")
    assert {task.answer for task in drawn(source, "5")} == {"2"}


def test_math_is_read_from_folders_with_a_problem_to_a_file(tmp_path):
    for split, records in (("train", MATH[:2]), ("test", MATH[2:])):
        for number, record in enumerate(records):
            path = tmp_path / "MATH" / split / "algebra" / f"{number}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(record), encoding="utf-8")
    tasks = drawn(DataSet("math", str(tmp_path / "MATH")))
    assert {(task.answer, task.split) for task in tasks} == {("\\frac{1}{2}", "train"), ("2", "train"), ("3", "test")}


def test_answers_of_json_lines_may_be_numbers_and_levels_keep_their_order(tmp_path):
    records = [
        {"question": "1 + 1", "answer": 2, "level": "easy"},
        {"question": "1 / 2", "answer": 0.5, "level": "medium"},
        {"question": "17 * 3", "answer": "51", "level": "hard"},
    ]
    source = DataSet("jsonl", str(write(tmp_path / "mine.jsonl", records)))
    assert source.levels == ("easy", "medium", "hard", "all")
    assert {task.answer for task in drawn(source)} == {"2", "0.5", "51"}


def test_a_json_list_is_read_as_well(tmp_path):
    (tmp_path / "list.json").write_text(json.dumps([{"question": "1 + 1", "answer": 2}]), encoding="utf-8")
    assert {task.answer for task in drawn(DataSet("jsonl", str(tmp_path / "list.json")))} == {"2"}


@pytest.mark.parametrize(
    ("solution", "answer"),
    [
        ("so \\boxed{\\frac{1}{2}}.", "\\frac{1}{2}"),
        ("first \\boxed{1}, then \\boxed{2}", "2"),
        ("it is $\\boxed 3$.", "3"),
        ("an \\fbox{4}", "4"),
        ("no box", None),
        ("\\boxed", None),
        ("\\boxed{open", None),
    ],
)
def test_the_last_box_of_a_solution(solution, answer):
    assert last_boxed(solution) == answer


# ---- what is left out, and what is held out


def test_records_without_an_answer_are_left_out_and_told(tmp_path):
    path = write(tmp_path / "train.jsonl", [*MATH, {"problem": "Why?", "solution": "No box."}])
    with pytest.warns(SkippedRecordsWarning, match="1 of 4 records without an answer are left out: 4"):
        source = DataSet("math", str(path))
    assert len(drawn(source)) == 3


def test_a_task_of_the_test_part_is_left_out_of_training_and_told(tmp_path):
    write(tmp_path / "train.jsonl", GSM8K)
    spaced = {**GSM8K[0], "question": GSM8K[0]["question"].replace(" ", "  ")}
    write(tmp_path / "test.jsonl", [spaced])
    with pytest.warns(SkippedRecordsWarning, match="in the test part, too, are left out: 1"):
        source = DataSet("gsm8k", str(tmp_path))
    assert {(task.answer, task.split) for task in drawn(source)} == {("7", "test"), ("1,200", "train")}


def test_a_small_file_is_for_training_alone(tmp_path):
    source = DataSet("gsm8k", str(write(tmp_path / "train.jsonl", GSM8K)))
    assert {task.split for task in drawn(source)} == {"train"}
    assert "2 tasks are too few to hold some out" in source.why_not("test", "all")
    assert source.why_not("train", "all") == ""


def test_a_large_file_is_split_by_a_hash_where_a_level_is_large_enough(tmp_path):
    records = [{"question": f"What is {n}?", "answer": n, "level": "few" if n < 100 else "many"} for n in range(2_200)]
    source = DataSet("jsonl", str(write(tmp_path / "many.jsonl", records)))
    assert {task.split for task in drawn(source)} == {None}
    assert source.why_not("test", "all") == source.why_not("test", "many") == ""
    assert "level 'few' has only 100 tasks" in source.why_not("test", "few")


def test_a_folder_with_a_test_part_alone_is_for_testing_alone(tmp_path):
    write(tmp_path / "test.jsonl", GSM8K)
    source = DataSet("gsm8k", str(tmp_path))
    assert source.why_not("test", "all") == ""
    assert source.why_not("train", "all") == "the data have no part 'train'"


def test_a_level_without_a_task_in_a_part_has_no_such_split(tmp_path):
    write(tmp_path / "train.jsonl", GSM8K)
    write(tmp_path / "test.jsonl", [{"question": "Q?", "answer": "one\nline\nmore\n#### 5"}])
    source = DataSet("gsm8k", str(tmp_path))
    assert source.why_not("train", "3") == "level '3' has no task in the part 'train'"
    assert source.why_not("test", "1") == "level '1' has no task in the part 'test'"


# ---- the hub: the same code reads a local folder


@pytest.fixture
def hub_folder(tmp_path: Path) -> Path:
    """A data set laid out as on the hub: two configurations, Parquet files, a card that names them."""
    datasets = pytest.importorskip("datasets", reason="the extra `data` is part of `dev`")
    folder = tmp_path / "gsm"
    for configuration, records in (("main", GSM8K), ("other", GSM8K[:1])):
        for split in ("train", "test"):
            path = folder / configuration / f"{split}-00000-of-00001.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            rows = records if split == "train" else [{"question": "Held out?", "answer": "So\n#### 9"}]
            datasets.Dataset.from_list(rows).to_parquet(str(path))
    card = "".join(
        f"- config_name: {name}\n  data_files:\n"
        f"  - split: train\n    path: {name}/train-*\n  - split: test\n    path: {name}/test-*\n"
        for name in ("main", "other")
    )
    (folder / "README.md").write_text(f"---\nconfigs:\n{card}---\n", encoding="utf-8")
    return folder


def test_a_data_set_is_loaded_as_from_the_hub(hub_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    tasks = drawn(DataSet("gsm8k", str(hub_folder)))
    assert {(task.answer, task.split) for task in tasks} == {("7", "train"), ("1,200", "train"), ("9", "test")}


def test_a_configuration_of_a_data_set_can_be_named(hub_folder):
    tasks = drawn(DataSet("gsm8k", f"{hub_folder}:other"))
    assert {(task.answer, task.split) for task in tasks} == {("7", "train"), ("9", "test")}


def test_a_hub_that_cannot_be_reached_is_told_in_its_words():
    with pytest.raises(DataError, match="openai/gsm8k: datasets cannot load it"):
        DataSet("gsm8k")


# ---- mistakes


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"mine.jsonl, line 1: is no JSON"),
        ("\n[1]\n", r"mine.jsonl, line 2: record 1 is \[1\]; write JSON objects"),
        ('{"ask": 1}', r"record 1 has no question; its fields are ask"),
        ('{"question": "Q"}', r"none of 1 records has an answer; is this the right format\?"),
        ("", r"none of 0 records has an answer"),
    ],
)
def test_a_broken_file_is_refused_with_the_place(tmp_path, content, message):
    path = tmp_path / "mine.jsonl"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        DataSet("jsonl", str(path))


def test_a_file_that_is_no_utf8_is_refused(tmp_path):
    (tmp_path / "mine.jsonl").write_bytes(b"\xff")
    with pytest.raises(DataError, match="byte 0 is not UTF-8"):
        DataSet("jsonl", str(tmp_path / "mine.jsonl"))


def test_a_file_that_changed_is_read_again_and_one_that_did_not_is_not(tmp_path):
    path = write(tmp_path / "mine.jsonl", [{"question": "Q?", "answer": "1"}])
    first = find_source("jsonl", str(path))
    assert find_source("jsonl", str(path)) is first
    write(path, [{"question": "Q?", "answer": "22"}])
    assert {task.answer for task in drawn(find_source("jsonl", str(path)))} == {"22"}


# ---- generators


@pytest.mark.parametrize("generator", GENERATORS)
def test_a_generator_is_deterministic_and_its_answers_are_accepted_and_theirs_alone(generator):
    source = ReasoningGym(generator)
    before = global_generators()
    for level in (source.levels[0], source.levels[-1]) if source.levels else (None,):
        one, other = rng(), rng()
        for _ in range(10):
            task = source.draw(level, one)
            assert task == source.draw(level, other)
            assert is_right(f"The answer is {task.answer}", task.answer)
            assert not is_right(f"The answer is {task.answer}1", task.answer)
            assert not any(is_right(line, task.answer) for line in (task.question, *task.question.splitlines()))
    assert global_generators() == before


def test_a_harder_level_asks_for_more():
    source = ReasoningGym("products")
    generator = rng()
    easy, hard = ([len(source.draw(level, generator).question) for _ in range(20)] for level in ("1", "11"))
    assert max(easy) < max(hard)


def test_without_reasoning_gym_the_way_out_is_told(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "reasoning_gym", None)
    with pytest.raises(OptionError, match=r"needs reasoning-gym; pip install 'marft-envs\[data\]'"):
        ReasoningGym("gcd")
