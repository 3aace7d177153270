"""Where mathematical tasks come from: files, folders, `datasets`, generators; what is left or held out."""

import copy
import json
import pickle
import random
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

import marft_envs
from marft_envs.errors import DataError, OptionError, SkippedRecordsWarning
from marft_envs.grading.answers import last_boxed
from marft_envs.grading.equality import is_right
from marft_envs.math.data import DataSet
from marft_envs.math.generators import GENERATORS, ReasoningGym
from marft_envs.math.sources import find_source
from marft_envs.seeding import SPLITS, split_of


def rng() -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(0))


def global_generators() -> tuple[object, str]:
    return random.getstate(), str(np.random.get_state())  # noqa: NPY002  # the one that nobody should touch


def write(path: Path, records: list[object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records), encoding="utf-8")
    return path


def drawn(source, level="all", count=60):
    """Tasks of all splits that the level has."""
    generator = rng()
    splits = [split for split in SPLITS if not source.why_not(split, level)]
    return {source.draw(level, generator, split) for split in splits for _ in range(count)}


def lines(*records: object) -> DataSet:
    """A source of these records, from a file that is gone again."""
    with TemporaryDirectory() as folder:
        return DataSet("jsonl", str(write(Path(folder) / "train.jsonl", [*records])))


def answers(source) -> set[str]:
    return {task.answer for task in drawn(source)}


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
    with pytest.warns(SkippedRecordsWarning, match=r"1 of 4 records \(train\) without an answer are left out: 4"):
        source = find_source("math", path)
    assert len(drawn(source)) == 3


def test_everybody_who_makes_a_source_is_told_what_is_left_out_and_where_they_asked(tmp_path):
    path = write(tmp_path / "train.jsonl", [*MATH, {"problem": "Why?", "solution": "No box."}])
    for _ in range(2):
        with pytest.warns(SkippedRecordsWarning) as told:
            marft_envs.make("math/pipeline-v0", source="math", data=path)
        assert [warning.filename for warning in told] == [__file__]


def test_numbers_are_written_in_full_and_what_is_no_number_is_no_answer():
    source = lines(
        {"question": "a", "answer": 1e22},
        {"question": "b", "answer": 1e-7},
        {"question": "c", "answer": float("nan")},
        {"question": "d", "answer": float("inf")},
        {"question": "e", "answer": True},
        {"question": "f", "answer": None},
    )
    assert answers(source) == {"1" + "0" * 22, "0.0000001"}
    (told,) = source.skipped
    assert "4 of 6 records (train) without an answer are left out: 3, 4, 5, 6" in told


@pytest.mark.parametrize("written", ["\\boxed{5}", "$\\boxed{5}$", " \\boxed { 5 } ", "$\\boxed 5$."])
def test_of_an_answer_that_is_one_box_the_content_is_wanted(written):
    source = lines({"question": "Q?", "answer": written})
    assert answers(source) == {"5"}
    assert not source.skipped


@pytest.mark.parametrize("hopeless", ["x \\boxed{5}", "1}{2", "{", "a" * 2_500, "\\boxed{5} or \\boxed{6}"])
def test_an_answer_that_no_reply_could_match_is_left_out(hopeless):
    source = lines({"question": "Q?", "answer": "7"}, {"question": "R?", "answer": hopeless})
    assert answers(source) == {"7"}
    (told,) = source.skipped
    assert "1 of 2 records (train) with an answer that no reply could match are left out: 2" in told


def test_data_without_a_single_answer_that_could_be_matched_are_refused():
    with pytest.raises(DataError, match=r"none of 1 records \(train\) has an answer that a reply could match"):
        lines({"question": "Q?", "answer": "{"})


def test_a_question_with_several_answers_is_left_out_and_one_that_is_repeated_is_kept_once():
    source = lines(
        {"question": "One?", "answer": "1"},
        {"question": "Half?", "answer": "1/2"},
        {"question": "One?", "answer": "2"},
        {"question": "Half? ", "answer": "0.5"},
        {"question": "Two?", "answer": "2"},
    )
    assert {(task.question, task.answer) for task in drawn(source)} == {("Half?", "1/2"), ("Two?", "2")}
    disputed, repeated = source.skipped
    assert "2 of 5 records (train) whose question stands there with different answers are left out: 1, 3" in disputed
    assert "1 of 5 records (train) whose question stands there before are left out: 4" in repeated


def test_data_whose_every_question_is_disputed_are_refused():
    with pytest.raises(DataError, match=r"none of 2 records \(train\) has a question with one answer"):
        lines({"question": "One?", "answer": "1"}, {"question": "One?", "answer": "2"})


def test_halves_of_characters_are_replaced_as_in_what_agents_write():
    source = lines({"question": "a\ud800b", "answer": "x\udfff"})
    assert {(task.question, task.answer) for task in drawn(source)} == {("a\ufffdb", "x\ufffd")}


def test_a_task_of_the_test_part_is_left_out_of_training_and_told(tmp_path):
    write(tmp_path / "train.jsonl", GSM8K)
    spaced = {**GSM8K[0], "question": GSM8K[0]["question"].replace(" ", "  ")}
    write(tmp_path / "test.jsonl", [spaced])
    source = DataSet("gsm8k", str(tmp_path))
    (told,) = source.skipped
    assert "1 of 2 records (train) that are in the test part, too, are left out: 1" in told
    assert {(task.answer, task.split) for task in drawn(source)} == {("7", "test"), ("1,200", "train")}


def test_a_small_file_is_for_training_alone(tmp_path):
    source = DataSet("gsm8k", str(write(tmp_path / "train.jsonl", GSM8K)))
    assert {task.split for task in drawn(source)} == {"train"}
    assert "2 tasks are too few to hold some out" in source.why_not("test", "all")
    assert source.why_not("train", "all") == ""


def test_a_large_file_is_split_by_a_hash_where_a_level_is_large_enough(tmp_path):
    records = [{"question": f"What is {n}?", "answer": n, "level": "few" if n < 100 else "many"} for n in range(2_200)]
    source = DataSet("jsonl", str(write(tmp_path / "many.jsonl", records)))
    assert all(task.split == split_of("data", task.key) for task in drawn(source))
    assert {task.split for task in drawn(source)} == {"train", "test"}
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


def test_a_level_whose_tasks_all_fall_into_the_other_split_has_no_such_split():
    records = [{"question": f"q{n}", "answer": n, "level": f"rare{n}" if n < 20 else "many"} for n in range(2_500)]
    source = lines(*records)
    lacking = [level for level in source.levels if source.why_not("train", level)]
    assert lacking == [f"rare{n}" for n in range(20) if split_of("data", f"q{n}") == "test"] != []
    assert source.why_not("train", lacking[0]) == (
        f"level {lacking[0]!r} is small, and a hash of the question puts none of its tasks into this split"
    )
    for level in set(source.levels) - set(lacking):
        assert source.draw(level, rng(), "train").split == "train"


def test_a_task_is_found_however_few_there_are_of_its_split(tmp_path):
    write(tmp_path / "train.jsonl", [{"question": f"q{n}", "answer": n} for n in range(50_000)])
    write(tmp_path / "test.jsonl", [{"question": "Q?", "answer": 1}])
    assert DataSet("jsonl", str(tmp_path)).draw("all", rng(), "test").question == "Q?"


def test_equal_questions_have_one_split_whatever_the_format(tmp_path):
    numbers = range(2_100)
    gsm8k = DataSet(
        "gsm8k", str(write(tmp_path / "g.jsonl", [{"question": f"q{n}", "answer": f"So\n#### {n}"} for n in numbers]))
    )
    math = DataSet("math", str(write(tmp_path / "m.jsonl", [{"problem": f"q{n}", "answer": f"{n}"} for n in numbers])))
    plain = lines(*({"question": f"q{n}", "answer": n} for n in numbers))
    splits = [{task.key: task.split for task in drawn(source, count=30_000)} for source in (gsm8k, math, plain)]
    assert splits[0] == splits[1] == splits[2]
    assert len(splits[0]) == len(numbers)


# ---- which data they are


def test_equal_tasks_have_one_fingerprint_and_any_other_word_another():
    record = {"question": "Q?", "answer": "1", "level": "a"}
    other = {"question": "R?", "answer": "1", "level": "b"}
    first = lines(record, other).fingerprint
    assert first == lines({**record, "note": "x"}, other).fingerprint
    changed = [lines({**record, field: "2"}, other).fingerprint for field in record]
    changed += [lines(other, record).fingerprint, lines(record).fingerprint]
    assert len({first, *changed}) == 1 + len(changed)


def test_a_part_is_part_of_the_fingerprint(tmp_path):
    found = set()
    for name in ("train", "test"):
        folder = tmp_path / name
        write(folder / f"{name}.jsonl", [{"question": "Q?", "answer": "1"}])
        found.add(DataSet("jsonl", str(folder)).fingerprint)
    assert len(found) == 2


def test_what_makes_tasks_is_known_by_its_version_and_our_own_by_that_of_the_environment():
    assert ReasoningGym("gcd").fingerprint == f"reasoning-gym {version('reasoning-gym')} gcd"
    assert find_source("arithmetic").fingerprint == ""


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
        ('{"question": "Q"}', r"none of 1 records \(train\) has an answer; is this the right format\?"),
        ("", r"none of 0 records \(train\) has an answer"),
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


def test_the_same_words_in_another_folder_are_another_file(tmp_path, monkeypatch):
    for number in (1, 2):
        write(tmp_path / f"{number}" / "data" / "train.jsonl", [{"question": "Q?", "answer": number}])
        monkeypatch.chdir(tmp_path / f"{number}")
        assert answers(find_source("jsonl", "data")) == {f"{number}"}
    assert find_source("jsonl", "data") is find_source("jsonl", tmp_path / "2" / "data")


def test_a_folder_in_which_a_file_changed_came_or_went_is_read_again(tmp_path):
    path = write(tmp_path / "d" / "train.jsonl", [{"question": "Q?", "answer": "1"}])
    assert find_source("jsonl", tmp_path / "d") is find_source("jsonl", tmp_path / "d")
    assert answers(find_source("jsonl", tmp_path / "d")) == {"1"}
    write(path, [{"question": "Q?", "answer": "22"}])
    assert answers(find_source("jsonl", tmp_path / "d")) == {"22"}
    write(tmp_path / "d" / "test.jsonl", [{"question": "R?", "answer": "3"}])
    assert answers(find_source("jsonl", tmp_path / "d")) == {"22", "3"}
    path.rename(tmp_path / "d" / "put_aside.jsonl")
    assert answers(find_source("jsonl", tmp_path / "d")) == {"3"}


# ---- copies


def test_a_pickled_source_is_its_name_and_comes_back_as_the_one_that_is_there(tmp_path):
    path = write(tmp_path / "mine.jsonl", [{"question": f"q{n}", "answer": n} for n in range(1_000)])
    for source in (find_source("jsonl", path), find_source("reasoning_gym:gcd"), find_source("arithmetic")):
        pickled = pickle.dumps(source)
        assert len(pickled) < 500
        assert pickle.loads(pickled) is source
        assert copy.deepcopy([source])[0] is source


def test_a_pickled_source_is_refused_where_the_data_are_others(tmp_path):
    path = write(tmp_path / "mine.jsonl", [{"question": "Q?", "answer": 1}])
    pickled = pickle.dumps(find_source("jsonl", path))
    write(path, [{"question": "Q?", "answer": 22}])
    with pytest.raises(
        DataError, match=r"mine.jsonl: these are not the data that were pickled: 1 tasks [0-9a-f]+, here"
    ):
        pickle.loads(pickled)
    path.unlink()
    with pytest.raises(DataError, match="no such file or folder"):
        pickle.loads(pickled)


# ---- generators


@pytest.mark.parametrize("generator", GENERATORS)
def test_a_generator_is_deterministic_and_its_answers_are_accepted_and_theirs_alone(generator):
    source = ReasoningGym(generator)
    before = global_generators()
    for level in (source.levels[0], source.levels[-1]) if source.levels else (None,):
        one, other = rng(), rng()
        for _ in range(10):
            task = source.draw(level, one, "train")
            assert task == source.draw(level, other, "train")
            assert is_right(f"The answer is {task.answer}", task.answer)
            assert not is_right(f"The answer is {task.answer}1", task.answer)
            assert not any(is_right(line, task.answer) for line in (task.question, *task.question.splitlines()))
    assert global_generators() == before


def test_a_harder_level_asks_for_more():
    source = ReasoningGym("products")
    generator = rng()
    easy, hard = ([len(source.draw(level, generator, "train").question) for _ in range(20)] for level in ("1", "11"))
    assert max(easy) < max(hard)


def test_without_reasoning_gym_the_way_out_is_told(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "reasoning_gym", None)
    with pytest.raises(OptionError, match=r"needs reasoning-gym; pip install 'marft-envs\[data\]'"):
        ReasoningGym("gcd")
