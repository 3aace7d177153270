"""leaderboard/remembered.py: what was replayed is not replayed again, and nothing that has changed passes for it."""

import os
from pathlib import Path

import pytest

from leaderboard import checking
from leaderboard.errors import SubmissionError
from leaderboard.page import write_page
from leaderboard.remembered import Remembered, name_of
from leaderboard.replaying import Part, Replayed
from leaderboard.report import Report
from leaderboard.submit import add_task
from leaderboard.validate import validate
from tests.leaderboard.submissions import SUM, WORD, Opened, entrant, played


@pytest.fixture
def remembered(tmp_path: Path) -> Remembered:
    return Remembered(tmp_path / "remembered")


@pytest.fixture
def num_replayed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many episodes were replayed, part by part."""
    replayed, found = checking.replayed, []

    def counted(part: Part) -> Replayed:
        found.append(len(part.episodes))
        return replayed(part)

    monkeypatch.setattr(checking, "replayed", counted)
    return found


@pytest.fixture
def voted(tmp_path: Path) -> Path:
    """A task whose plays are put to a vote."""
    add_task(tmp_path / "voted", entrant(), played(SUM, plays=2, vote=True))
    return tmp_path / "voted"


def check(folder: Path, remembered: Remembered | None) -> Report:
    return validate(folder, num_processes=1, remembered=remembered)


@pytest.mark.parametrize("name", ["tiny", "coded"])
def test_what_was_replayed_once_is_not_replayed_again_and_comes_to_the_same(name, request, remembered, num_replayed):
    folder = request.getfixturevalue(name)
    alone, first = check(folder, None), check(folder, remembered)
    assert sum(num_replayed) == 2 * sum(len(one.plays) for one in first.verified)
    num_replayed.clear()
    again = check(folder, Remembered(remembered.folder))
    assert num_replayed == []
    assert alone == first == again and again.is_valid


def test_votes_are_remembered_with_their_answers(voted: Path, remembered, num_replayed):
    first = check(voted, remembered)
    assert any(play.answer for one in first.verified for play in one.plays)
    num_replayed.clear()
    assert check(voted, remembered) == first and num_replayed == []


def test_a_log_that_has_changed_is_found_though_its_record_is_remembered(tiny, tmp_path, remembered):
    assert check(tiny, remembered).is_valid
    opened = Opened.of(tiny)
    opened.logs[SUM.key][0][1]["action"] += "!"
    report = check(opened.write(tmp_path / "changed", sealed=False), remembered)
    assert {finding.rule for finding in report.findings} == {"digest"}


def test_a_task_that_has_changed_is_replayed_and_the_others_are_not(tiny, tmp_path, remembered, num_replayed):
    assert check(tiny, remembered).is_valid
    num_replayed.clear()
    opened = Opened.of(tiny)
    opened.results[WORD.key]["scores"]["score"] += 0.1
    report = check(opened.write(tmp_path / "changed", sealed=True), remembered)
    assert [(finding.rule, finding.where) for finding in report.findings] == [("scores", "tasks.1.scores.score")]
    assert sum(num_replayed) == WORD.num_instances


def test_what_is_wrong_is_not_remembered(tiny, tmp_path, remembered, num_replayed):
    opened = Opened.of(tiny)
    opened.results[WORD.key]["scores"]["score"] += 0.1
    wrong = opened.write(tmp_path / "wrong", sealed=True)
    first = check(wrong, remembered)
    num_replayed.clear()
    assert check(wrong, remembered) == first and not first.is_valid
    assert sum(num_replayed) == WORD.num_instances  # the other task was right


def test_what_is_damaged_is_replayed_and_written_anew(tiny, remembered, num_replayed):
    first = check(tiny, remembered)
    for content in (b"", b"{}", b'[{"seed": "1"}]', b"\xff"):
        for file in remembered.folder.iterdir():
            file.write_bytes(content)
        assert check(tiny, remembered) == first
    num_replayed.clear()
    assert check(tiny, remembered) == first and num_replayed == []


def test_a_name_tells_all_that_plays_follow_from(tiny, monkeypatch):
    (one, *_) = check(tiny, None).verified
    known = {name_of("2026", one.task, one.result, "sha256:a")}
    known.add(name_of("2027", one.task, one.result, "sha256:a"))
    known.add(name_of("2026", WORD, one.result, "sha256:a"))
    known.add(name_of("2026", one.task, one.result.model_copy(update={"log": "sha256:" + "0" * 64}), "sha256:a"))
    known.add(name_of("2026", one.task, one.result, "sha256:b"))
    monkeypatch.setattr("marft_envs.__version__", "9.9.9")
    known.add(name_of("2026", one.task, one.result, "sha256:a"))
    assert len(known) == 6
    monkeypatch.undo()
    monkeypatch.setattr("platform.python_version", lambda: "3.99.0")
    known.add(name_of("2026", one.task, one.result, "sha256:a"))
    assert len(known) == 7


def test_a_page_is_the_same_and_no_half_of_a_file_is_left(tiny, scripted, tmp_path, monkeypatch, num_replayed):
    write_page([tiny, scripted], tmp_path / "all", num_processes=1)
    kept = tmp_path / "remembered"
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdopen", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write_page([tiny, scripted], tmp_path / "stopped", num_processes=1, remember=kept)
    assert list(kept.iterdir()) == []
    write_page([tiny, scripted], tmp_path / "first", num_processes=1, remember=kept)
    num_replayed.clear()
    write_page([tiny, scripted], tmp_path / "second", num_processes=1, remember=kept)
    assert num_replayed == []
    sites = [
        {file.relative_to(site).as_posix(): file.read_bytes() for file in sorted(site.rglob("*")) if file.is_file()}
        for site in (tmp_path / "all", tmp_path / "first", tmp_path / "second")
    ]
    assert sites[0] == sites[1] == sites[2]


@pytest.mark.parametrize("what", ["out", "remember"])
def test_a_file_in_the_place_of_a_folder_is_told_before_anything_is_replayed(what, tiny, tmp_path, num_replayed):
    (tmp_path / "file").write_text("kept")
    places = {"out": tmp_path / "site", "remember": tmp_path / "remembered", what: tmp_path / "file"}
    with pytest.raises(SubmissionError, match="file is there, and no folder; choose another place"):
        write_page([tiny], places["out"], num_processes=1, remember=places["remember"])
    assert num_replayed == [] and (tmp_path / "file").read_text() == "kept"


def interrupted(handle: int, mode: str) -> None:
    os.close(handle)
    raise KeyboardInterrupt
