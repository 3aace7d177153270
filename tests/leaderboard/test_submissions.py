"""The entries in the tree are valid: whatever changes here, their every number still comes out."""

from pathlib import Path

import pytest

from leaderboard.validate import validate

FOLDER = Path(__file__).parents[2] / "leaderboard" / "submissions"
ENTRIES = sorted(path for path in FOLDER.iterdir() if path.is_dir())


def test_there_are_entries_and_nothing_else() -> None:
    assert ENTRIES
    assert [path.name for path in FOLDER.iterdir() if not path.is_dir()] == []


@pytest.mark.parametrize("path", ENTRIES, ids=lambda path: path.name)
def test_an_entry_in_the_tree_is_valid(path: Path) -> None:
    report = validate(path, num_processes=1)
    assert report.findings == []
    assert report.is_valid
