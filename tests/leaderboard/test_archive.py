"""leaderboard/archive.py, zips.py, files.py, unpacking.py, logs.py: what is read, and how much.

What is made to do harm stands in test_hostile.py.
"""

import gzip
import os
import re
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard import logs, unpacking
from leaderboard.archive import open_files
from leaderboard.errors import UnsafeArchiveError
from leaderboard.files import MAX_FILES
from leaderboard.logs import episodes_in, seed_in, seeds_in
from leaderboard.pack import pack
from leaderboard.schema import RECORD
from leaderboard.unpacking import unpacked_lines

HEADER = b'{"kind": "episode", "seed": 5}\n'


def test_a_folder_and_an_archive_of_it_hold_the_same(tiny, tmp_path):
    pack(tiny, tmp_path / "packed.zip")
    with open_files(tiny) as folder, open_files(tmp_path / "packed.zip") as archive:
        assert folder.names == archive.names and RECORD in folder.names
        assert len(folder.names) == 5  # the record, two files for each of two tasks
        for name in folder.names:
            assert folder.read(name, 10**6) == archive.read(name, 10**6) == (tiny / name).read_bytes()


def test_packing_the_same_twice_gives_the_same_bytes(tiny, tmp_path):
    for name in ("one.zip", "other.zip"):
        pack(tiny, tmp_path / name)
        os.utime(tiny / RECORD, (1, 1))
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "other.zip").read_bytes()


def test_an_archive_with_an_entry_for_the_folder_of_logs_is_read(tiny, tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("logs/", "")
        for name in ("submission.json", "README.md"):
            archive.writestr(name, "{}")
    with open_files(tmp_path / "x.zip") as files:
        assert files.names == ["README.md", "submission.json"]


@pytest.mark.parametrize("is_packed", [False, True])
def test_a_file_is_read_to_its_limit_and_no_further(tiny, tmp_path, is_packed):
    path = tiny
    if is_packed:
        path = tmp_path / "packed.zip"
        pack(tiny, path)
    size = (tiny / RECORD).stat().st_size
    with open_files(path) as files:
        assert len(files.read(RECORD, size)) == size
        with pytest.raises(UnsafeArchiveError, match="longer than"):
            files.read(RECORD, size - 1)


def test_nothing_there_is_told_apart_from_something_unsafe(tmp_path):
    with pytest.raises(FileNotFoundError):
        open_files(tmp_path / "gone")


def test_a_folder_may_have_as_many_files_as_a_submission_can(tmp_path):
    (tmp_path / "logs").mkdir()
    for number in range(MAX_FILES):
        (tmp_path / f"logs/{number}.jsonl.gz").touch()
    with open_files(tmp_path) as files:
        assert len(files.names) == MAX_FILES
    for number in range(2):
        (tmp_path / f"logs/more{number}.jsonl.gz").touch()
    with pytest.raises(UnsafeArchiveError, match=f"more than {MAX_FILES} files"):
        open_files(tmp_path)


@given(st.lists(st.binary(max_size=50).filter(lambda line: b"\n" not in line), max_size=20), st.booleans())
def test_lines_are_those_that_were_packed(lines, ends):
    content = b"\n".join(lines) + (b"\n" if ends else b"")
    assert b"".join(unpacked_lines(gzip.compress(content), "x")) == content
    assert list(unpacked_lines(gzip.compress(content), "x")) == re.findall(rb"[^\n]*\n|[^\n]+", content)


@given(st.binary(min_size=1, max_size=300_000))
def test_lines_do_not_depend_on_the_pieces_in_which_they_are_unpacked(content):
    packed = gzip.compress(content, 0)
    whole = list(unpacked_lines(packed, "x"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unpacking, "_CHUNK", 7 if len(content) < 2000 else 997)
        assert list(unpacked_lines(packed, "x")) == whole


def test_limits_of_a_log_are_those_that_are_told(monkeypatch):
    monkeypatch.setattr(unpacking, "MAX_LINES", 3)
    monkeypatch.setattr(unpacking, "MAX_LINE_BYTES", 10)
    monkeypatch.setattr(unpacking, "MAX_LOG_BYTES", 25)
    good = (b"", b"a\nb\nc\n", b"0123456789\n0123456789\n", b"x" * 10)
    for content in good:
        assert b"".join(unpacked_lines(gzip.compress(content), "x")) == content
    for content, told in (
        (b"a\nb\nc\nd\n", "more than 3 lines"),
        (b"01234567890", "a line of more than 10 bytes"),
        (b"01234567890\n", "a line of more than 10 bytes"),
        (b"01234567\n" * 3, "unpacks to more than 25 bytes"),
    ):
        with pytest.raises(UnsafeArchiveError, match=told):
            list(unpacked_lines(gzip.compress(content), "x"))


def test_episodes_begin_with_their_headers():
    lines = [HEADER, b"a\n", b"b\n", HEADER, b"c\n"]
    assert list(episodes_in(lines, "x")) == [(HEADER, b"a\n", b"b\n"), (HEADER, b"c\n")]
    assert list(episodes_in([b"a\n", HEADER], "x")) == [(b"a\n",), (HEADER,)]
    assert list(episodes_in([], "x")) == []


def test_an_episode_has_bounds(monkeypatch):
    monkeypatch.setattr(logs, "_MOST_LINES", 3)
    monkeypatch.setattr(logs, "MAX_EPISODE_BYTES", 50)
    assert len(list(episodes_in([HEADER, b"a\n", b"b\n"] * 5, "x"))) == 5
    for lines in ([HEADER, b"a\n", b"b\n", b"c\n"], [HEADER, b"a" * 30]):
        with pytest.raises(UnsafeArchiveError, match="x has an episode of more than 3 lines or 50 bytes"):
            list(episodes_in(lines, "x"))


@pytest.mark.parametrize(
    "header", [b"", b"[" * 100_000, b"[]", b"7", b'{"seed": "5"}', b'{"seed": true}', b'{"seed": 5.0}', b"{}", b"\xff"]
)
def test_what_names_no_seed_has_none(header):
    assert seed_in(header) is None


def test_seeds_are_those_of_the_first_episodes_to_the_one_that_names_none():
    episodes = [(b'{"kind": "episode", "seed": %d}' % number,) for number in range(9)]
    assert seeds_in(episodes, 4) == [0, 1, 2, 3]
    assert seeds_in([*episodes[:2], (b"{}",), *episodes[2:]], 9) == [0, 1, None]
    assert seeds_in([], 9) == []
