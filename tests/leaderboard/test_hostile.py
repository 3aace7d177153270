"""Whatever strangers hand in ends as a finding or a typed error: soon, in little memory, and nothing else happens.

Each case is validated in a process of its own, which the system ends after two seconds of processor time beyond its
imports; its memory is measured. Nothing around what is validated changes, and no module is imported because of it.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leaderboard.archive import open_files
from leaderboard.errors import UnsafeArchiveError
from leaderboard.files import MAX_FILES
from leaderboard.pack import pack
from leaderboard.report import RULES
from leaderboard.schema import RECORD
from tests.leaderboard import hostile_archives, hostile_folders, hostile_logs, hostile_records  # noqa: F401  # its cases
from tests.leaderboard.behaving import ROOT
from tests.leaderboard.conftest import check
from tests.leaderboard.hostile_cases import CASES, LOG, put
from tests.leaderboard.hostile_files import MB, packed
from tests.leaderboard.refusing import CPU_S, ENDLESS
from tests.leaderboard.submissions import Opened

MOST_BYTES = 500 * MB
TIMEOUT_S = 300
"""Of a busy machine, for what takes two seconds of one processor at most."""


@pytest.fixture(scope="module")
def validator(tiny: Path) -> Iterator[Callable[[Path | str], dict[str, Any]]]:
    """Validates in processes that are forked from one that has imported everything."""
    command = [sys.executable, "-m", "tests.leaderboard.refusing", str(tiny)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:

        def validated(path: Path | str) -> dict[str, Any]:
            process.stdin.write(json.dumps(str(path)) + "\n")
            process.stdin.flush()
            found: dict[str, Any] = json.loads(process.stdout.readline())
            return found

        yield validated
        process.stdin.close()
        assert process.wait(TIMEOUT_S) == 0


def _everything(folder: Path) -> dict[str, tuple[int, ...]]:
    """What lies in a folder, at any depth, and when it was changed."""
    found = {}
    for above, folders, names in os.walk(folder):
        for name in (*folders, *names):
            here = os.lstat(Path(above, name))
            found[f"{above}/{name}"] = (here.st_mode, here.st_size, here.st_mtime_ns, here.st_ino)
    return found


@pytest.mark.parametrize("name", CASES)
def test_what_is_hostile_is_refused_soon_in_little_memory_and_nothing_else_happens(name, tiny, tmp_path, validator):
    rules, build = CASES[name]
    folder, beside = shutil.copytree(tiny, tmp_path / "own"), tmp_path / "beside"
    beside.mkdir()
    path = build(folder, beside) or folder
    before = _everything(tmp_path)
    found = validator(path)
    assert "crash" not in found, found["crash"]
    assert not found.get("valid") and found["findings"]
    assert rules & {rule for rule, _, _ in found["findings"]} and {rule for rule, _, _ in found["findings"]} <= set(
        RULES
    )
    for _, where, message in found["findings"]:
        assert where.isprintable() and message.isprintable() and len(where) <= 200 and len(message) <= 400
    assert found["peak_bytes"] < MOST_BYTES
    assert [module for module in found["modules"] if not module.startswith("encodings")] == []
    assert _everything(tmp_path) == before


def test_what_is_valid_is_valid_there_and_what_takes_longer_is_ended(tiny, validator):
    found = validator(tiny)
    assert found["valid"] and found["cpu_s"] < CPU_S
    assert validator(ENDLESS)["crash"] == f"it ended with {signal.SIGXCPU}"


# ---- Very many files, and bytes by chance ----------------------------------------------------------------------------


class _Entry:
    def __init__(self, number: int) -> None:
        self.name = f"{number}.jsonl.gz"

    def is_symlink(self) -> bool:
        return False

    def is_dir(self, follow_symlinks: bool = True) -> bool:
        return False

    def is_file(self, follow_symlinks: bool = True) -> bool:
        return True


class _Endless:
    """A folder of a million files, each looked at as it is asked for."""

    looked = 0

    def __enter__(self) -> Iterator[_Entry]:
        return self._entries()

    def __exit__(self, *_: object) -> None:
        pass

    def _entries(self) -> Iterator[_Entry]:
        for number in range(10**6):
            self.looked += 1
            yield _Entry(number)


def test_a_million_files_are_not_listed(tiny, tmp_path, monkeypatch):
    folder = shutil.copytree(tiny, tmp_path / "own")
    endless, scandir = _Endless(), os.scandir
    monkeypatch.setattr("os.scandir", lambda path: endless if str(path).endswith("logs") else scandir(path))
    with pytest.raises(UnsafeArchiveError, match=f"more than {MAX_FILES} files"):
        open_files(folder)
    assert endless.looked <= MAX_FILES + 2


@given(st.data())
@settings(max_examples=150)
def test_an_archive_with_bytes_changed_by_chance_never_crashes(tiny, tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("chance")
    pack(tiny, folder / "x.zip")
    content = bytearray((folder / "x.zip").read_bytes())
    # Headers are where lies do most: the list of members is at the end.
    place = st.one_of(st.integers(-600, -1), st.integers(0, 100), st.integers(0, len(content) - 1))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(place)] = data.draw(st.integers(0, 255))
    cut = data.draw(st.sampled_from([0, 0, 0, 1, 22, 100]))
    (folder / "x.zip").write_bytes(content[: len(content) - cut])
    report = check(folder / "x.zip")
    assert report.is_valid == (not report.findings)


@given(st.binary(max_size=300))
@settings(max_examples=100)
def test_any_bytes_for_a_record_or_a_log_never_crash(tiny, tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("chance") / "own"
    opened = Opened.of(tiny)
    opened.write(folder, sealed=True)
    put(folder, LOG, "log", packed([content]))
    assert not check(folder).is_valid
    (folder / RECORD).write_bytes(content)
    assert not check(folder).is_valid
