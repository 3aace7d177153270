"""leaderboard/submit.py and scripted.py: what is written holds, and what would not is refused."""

import json
from dataclasses import replace

import pytest

from leaderboard.errors import MalformedError, SubmissionError, TrackError, UnsafeArchiveError
from leaderboard.players import ScriptPlayer
from leaderboard.replaying import agents_of
from leaderboard.schema import RECORD
from leaderboard.scores import Tokens
from leaderboard.scripted import scripted_play
from leaderboard.submit import add_task, entrant_of
from leaderboard.tracks import Task
from tests.leaderboard.conftest import check
from tests.leaderboard.submissions import PARTY, REPAIR, SEASON, SUM, WORD, entrant, model, played


@pytest.fixture(scope="module")
def example():
    return played(SUM)


def test_tasks_are_added_one_after_another_and_one_takes_its_own_place(tmp_path):
    add_task(tmp_path, entrant(), played(SUM))
    add_task(tmp_path, entrant(), played(WORD))
    better = add_task(tmp_path, entrant(), played(SUM, lambda env, agent, _: env.reference_action(agent)))
    report = check(tmp_path)
    assert report.is_valid and [one.key for one in report.submission.tasks] == [SUM.key, WORD.key]
    assert report.submission.tasks[0] == better and better.scores.score == 1.0


def test_who_has_entered_is_read_back(tmp_path, example):
    own = entrant(notes="Two\nlines.", url="https://example.org/")
    add_task(tmp_path, own, example)
    assert entrant_of(tmp_path) == own


@pytest.mark.parametrize("field", ["name", "track", "season"])
def test_a_folder_is_one_teams_in_one_track_of_one_season(tmp_path, tiny, field):
    other = {"name": "Team 2", "track": "open", "season": "2025"}[field]
    with pytest.raises(MalformedError, match=f"whose {field} is") as caught:
        add_task(tiny, replace(entrant(), **{field: other}), played(SUM))
    assert caught.value.field == field


def test_what_is_refused_is_not_written(tmp_path, example):
    for wrong in (
        replace(example, episodes=example.episodes[:-1]),
        replace(example, tokens=example.tokens[:-1]),
        replace(example, tokens=[Tokens((), ()), *example.tokens[1:]]),
        replace(example, episodes=[example.episodes[1], example.episodes[0], *example.episodes[2:]]),
        replace(example, episodes=[replace(example.episodes[0], info={}), *example.episodes[1:]]),
        replace(example, plays=2),
        replace(example, few_shot=-1),
        replace(example, training=None),
        replace(example, players={}),
        replace(example, players={**example.players, "coach_0": model()}),
        replace(example, task=Task(SUM.env_id, SUM.level, num_instances=5)),
        replace(example, task=Task(SUM.env_id, "standard", num_instances=6)),
    ):
        with pytest.raises(SubmissionError):
            add_task(tmp_path, entrant(), wrong)
    with pytest.raises(MalformedError, match="name"):
        add_task(tmp_path, entrant(name="a\x1b[2J"), example)
    with pytest.raises(TrackError, match="season"):
        add_task(tmp_path, entrant(season="1999"), example)
    assert list(tmp_path.iterdir()) == []


def test_a_vote_over_no_answers_is_refused(tmp_path):
    with pytest.raises(MalformedError, match="arrive at no answers"):
        add_task(tmp_path, entrant("timed"), played(PARTY, vote=True))


def test_a_log_that_nobody_would_read_is_refused(tmp_path, example, monkeypatch):
    monkeypatch.setattr("leaderboard.submit.MAX_PACKED_BYTES", 100)
    with pytest.raises(UnsafeArchiveError, match="play less often"):
        add_task(tmp_path, entrant(), example)


def test_options_may_come_in_any_order(tmp_path, example):
    turned = [replace(one, options=dict(reversed(one.options.items()))) for one in example.episodes]
    add_task(tmp_path / "a", entrant(), example)
    add_task(tmp_path / "b", entrant(), replace(example, episodes=turned))
    assert check(tmp_path / "b").is_valid
    names = [path.name for path in sorted((tmp_path / "a/logs").iterdir())]
    for name in names:
        assert (tmp_path / "a/logs" / name).read_bytes() == (tmp_path / "b/logs" / name).read_bytes()


def test_a_record_is_whole_or_as_it_was(tmp_path, example, monkeypatch):
    add_task(tmp_path, entrant(), example)
    before = (tmp_path / RECORD).read_bytes()

    def full(self, content):
        raise OSError("no space left")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OSError, match="no space"):
        add_task(tmp_path, entrant(), played(WORD))
    assert (tmp_path / RECORD).read_bytes() == before and check(tmp_path).is_valid


@pytest.mark.parametrize("task", [SUM, WORD, PARTY], ids=lambda task: task.key)
@pytest.mark.parametrize("script", ["reference", "random", "silent", "echo"])
def test_a_scripted_play_is_an_entry_that_says_so(task, script, tmp_path):
    track = {PARTY.key: "timed"}.get(task.key, "tiny")
    result = add_task(tmp_path, entrant(track), scripted_play(task, SEASON, script))
    assert result.players == dict.fromkeys(agents_of(task), ScriptPlayer(kind="script", script=script))
    assert (result.division, result.scores.tokens_in, result.scores.tokens_out) == ("scripted", 0, 0)
    assert check(tmp_path).is_valid
    if script == "reference" and task is SUM:
        assert result.scores.score == 1.0


def test_a_script_without_a_play_is_told(tmp_path):
    with pytest.raises(NotImplementedError, match="silent play"):
        scripted_play(REPAIR, SEASON, "silent")


def test_a_record_says_what_it_should(tiny):
    record = json.loads((tiny / RECORD).read_bytes())
    assert record["schema_version"] == 1 and record["suite_version"] and record["tasks"][0]["env_id"] == SUM.env_id
    assert list(record) == sorted(record)
