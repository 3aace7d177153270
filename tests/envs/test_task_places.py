"""Reading records from files and folders: nothing that could be a part is passed over in silence."""

from pathlib import Path

import pytest

from marft_envs.errors import DataError
from marft_envs.task_sources.places import read_parts

ONE = '{"n": 1}\n'


@pytest.fixture
def folder(tmp_path: Path):
    """Writes files, by their names, into a folder."""

    def make(**contents: str) -> str:
        for name, content in contents.items():
            path = tmp_path / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        return str(tmp_path)

    return make


def numbers(place: str) -> dict[str, list[object]]:
    return {split: [record["n"] for record in records] for split, records in read_parts(place).items()}


# ---- files


@pytest.mark.parametrize("inside", ["\u2028", "\u2029", "\x85"])
def test_only_a_line_feed_ends_a_line(tmp_path, inside):
    path = tmp_path / "mine.jsonl"
    path.write_bytes(f'{{"n": "a{inside}b"}}\r\n{{"n": 2}}\r\n'.encode())
    assert numbers(str(path)) == {"train": [f"a{inside}b", 2]}


@pytest.mark.parametrize(("name", "content"), [("mine.jsonl", ONE), ("mine.json", '[{"n": 1}]'), ("MINE.JSONL", ONE)])
def test_a_mark_of_byte_order_is_no_part_of_the_data(tmp_path, name, content):
    (tmp_path / name).write_text(content, encoding="utf-8-sig")
    assert numbers(str(tmp_path / name)) == {"train": [1]}


@pytest.mark.parametrize("name", ["mine.csv", "mine.parquet", "mine.jsonl.gz", "mine"])
def test_a_file_of_another_kind_is_refused_with_the_kinds_that_are_read(tmp_path, name):
    (tmp_path / name).write_bytes(b"PAR1\xff")
    with pytest.raises(
        DataError,
        match=rf"{name}: of single files, \.jsonl and \.json are read; others are read by datasets, from a folder",
    ):
        read_parts(str(tmp_path / name))


def test_a_list_is_wanted_where_lines_stand_in_a_json_file(tmp_path):
    (tmp_path / "mine.json").write_text(ONE * 2, encoding="utf-8")
    with pytest.raises(DataError, match=r"mine\.json: is no JSON .*; write one JSON list, or name it \.jsonl"):
        read_parts(str(tmp_path / "mine.json"))


# ---- folders


def test_a_part_is_a_file_or_a_folder_of_files(folder):
    place = folder(train_jsonl=ONE * 2, test__b_json='{"n": 2}', test__deep__a_jsonl='{"n": 3}\n{"n": 4}\n')
    assert numbers(place) == {"train": [1, 1], "test": [2, 3, 4]}


@pytest.mark.parametrize(
    "beside", ["test_csv", "test-0_parquet", "test_jsonl_gz", "test", "test__x_csv", "Test-x_jsonl"]
)
def test_a_test_part_that_cannot_be_read_is_never_passed_over(folder, beside):
    with pytest.raises(DataError, match=r": (t|T)est\S* could be the part 'test', and is not read beside train.jsonl"):
        read_parts(folder(train_jsonl=ONE, **{beside: "n\n1\n"}))


def test_a_training_part_that_cannot_be_read_is_never_passed_over(folder):
    with pytest.raises(DataError, match=r"train.csv could be the part 'train', and is not read beside test.jsonl"):
        read_parts(folder(test_jsonl=ONE, train_csv="n\n1\n"))


def test_an_empty_test_folder_is_no_test_part(folder, tmp_path):
    (tmp_path / "test").mkdir()
    with pytest.raises(DataError, match="test could be the part 'test'"):
        read_parts(folder(train_jsonl=ONE))


def test_two_that_could_be_the_same_part_are_refused(folder):
    with pytest.raises(DataError, match=r"test.jsonl could be the part 'test', and is not read beside test.json;"):
        read_parts(folder(train_jsonl=ONE, test_jsonl=ONE, test_json="[]"))


def test_a_file_of_another_kind_within_a_part_is_refused(folder):
    with pytest.raises(DataError, match=r"test/b.csv is not read; .* \.jsonl or \.json"):
        read_parts(folder(train_jsonl=ONE, test__a_jsonl=ONE, test__b_csv="n\n1\n"))


def test_what_has_another_name_is_left_alone(folder):
    place = folder(
        train_jsonl=ONE,
        test_jsonl=ONE,
        README_md="",
        training_csv="",
        tests__a_py="",
        _hidden="",
    )
    assert numbers(place) == {"train": [1], "test": [1]}


def test_another_configuration_beside_both_parts_is_left_alone(tmp_path):
    for name in ("train", "test", "train_socratic", "test_socratic"):  # as GSM8K's own repository has them
        (tmp_path / f"{name}.jsonl").write_text(ONE, encoding="utf-8")
    assert numbers(str(tmp_path)) == {"train": [1], "test": [1]}
    (tmp_path / "test.jsonl").unlink()
    with pytest.raises(DataError, match=r"test_socratic.jsonl could be the part 'test'"):
        read_parts(str(tmp_path))
