"""leaderboard/validate.py: what is valid, and that every rule is enforced, with the place that it names.

1. A valid submission is valid as a folder and as an archive, by one process and by two.
2. Every rule is broken by a test here, which names it.
3. Many findings are counted, and hide nothing.
"""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from leaderboard.errors import SubmissionError
from leaderboard.names import log_name
from leaderboard.pack import pack
from leaderboard.players import Prompt
from leaderboard.processes import Workers, processes
from leaderboard.replaying import agents_of, environment
from leaderboard.report import MOST_FINDINGS, RULES, Report
from leaderboard.submit import add_task
from leaderboard.validate import validate
from marft_envs import SandboxUnavailableError
from tests.leaderboard.conftest import check
from tests.leaderboard.submissions import SUM, WORD, Opened, entrant, model, played

FIRST = "holder_0"
"""An agent of the first task."""

# ---- What is valid ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tiny", "timed", "coded", "scripted", "open_task"])
def test_what_was_played_is_valid_as_a_folder_and_as_an_archive(name, request, tmp_path):
    folder = request.getfixturevalue(name)
    pack(folder, tmp_path / "packed.zip")
    for path in (folder, tmp_path / "packed.zip"):
        report = check(path)
        assert report.findings == [] and report.is_valid
        assert [one.task.key for one in report.verified] == [one.key for one in report.submission.tasks]
        for one in report.verified:
            assert len(one.plays) == one.result.scores.episodes


def test_two_processes_come_to_what_one_comes_to(tiny):
    status = []
    several = validate(tiny, num_processes=2, status=lambda *told: status.append(told))
    alone = check(tiny)
    assert several.is_valid and several == alone
    assert status[-1] == (WORD.key, 6, 6)
    assert ("seeds and behaviour", 2, 2) in status


def test_rewards_of_the_examples_are_varied(tiny):
    for one in check(tiny).verified:
        assert len({play.score for play in one.plays}) > 1, one.task.key


def test_plays_of_an_instance_stand_one_after_another_and_a_vote_is_valid(tmp_path):
    add_task(tmp_path, entrant(), played(WORD, plays=3, vote=True))
    report = check(tmp_path)
    assert report.is_valid
    assert (report.verified[0].result.scores.instances, report.verified[0].result.scores.episodes) == (6, 18)


def test_a_readme_for_people_is_no_mistake(tiny, tmp_path):
    folder = shutil.copytree(tiny, tmp_path / "own")
    (folder / "README.md").write_text("# Hello")
    assert check(folder).is_valid


def test_another_system_message_is_told_and_replayed(tmp_path):
    agents = agents_of(SUM)
    told = tuple((agent, "Be brief.") for agent in sorted(agents))
    task = played(SUM, players={agent: model(prompt=Prompt(system="Be brief.")) for agent in agents}, training=None)
    options = environment(SUM, told).make_options
    add_task(tmp_path, entrant(), replace(task, episodes=[replace(one, options=options) for one in task.episodes]))
    assert check(tmp_path).is_valid
    changed = Opened.of(tmp_path)
    changed.record["tasks"][0]["players"][agents[0]]["prompt"] = None
    (finding,) = check(changed.write(tmp_path, sealed=True)).findings
    assert (finding.rule, finding.where) == ("task", f"{SUM.key}, episode 0")


# ---- Every rule ------------------------------------------------------------------------------------------------------

Change = Callable[[Opened, Path], None]
BROKEN: dict[str, tuple[str, str, Change]] = {}
"""Name -> rule, where, and how a valid submission is changed; its digests are made anew."""


def breaks(rule: str, where: str) -> Callable[[Change], Change]:
    def kept(change: Change) -> Change:
        BROKEN[change.__name__] = (rule, where, change)
        return change

    return kept


@breaks("archive", "logs/stray.jsonl.gz")
def a_file_that_the_record_does_not_tell_of(opened, folder):
    (folder / "logs/stray.jsonl.gz").write_bytes(b"")


@breaks("archive", log_name(WORD.key))
def a_file_that_is_missing(opened, folder):
    opened.logs[WORD.key] = []
    opened.write = lambda folder, sealed: _without(opened, folder, log_name(WORD.key))


def _without(opened: Opened, folder: Path, name: str) -> Path:
    Opened.write(opened, folder, sealed=True)
    (folder / name).unlink()
    return folder


@breaks("record", "tasks.1.plays")
def a_field_that_is_no_number(opened, folder):
    opened.record["tasks"][1]["plays"] = "1"


@breaks("record", f"tasks.0.players.{FIRST}.model.favourite")
def a_field_that_nobody_knows(opened, folder):
    opened.record["tasks"][0]["players"][FIRST]["favourite"] = "blue"


@breaks("digest", "digest")
def a_record_with_another_digest(opened, folder):
    opened.write_record = lambda folder, sealed: _unsealed(opened, folder)


def _unsealed(opened: Opened, folder: Path) -> Path:
    opened.record["digest"] = "sha256:" + "0" * 64
    return Opened.write_record(opened, folder, sealed=False)


@breaks("digest", "tasks.1.log")
def a_log_with_another_digest(opened, folder):
    opened.write_record = lambda folder, sealed: _with_other_log(opened, folder)


def _with_other_log(opened: Opened, folder: Path) -> Path:
    opened.record["tasks"][1]["log"] = "sha256:" + "0" * 64
    return Opened.write_record(opened, folder, sealed=True)


@breaks("season", "season")
def a_season_that_nobody_opened(opened, folder):
    opened.record["season"] = "2031"


@breaks("task", "track")
def a_track_that_nobody_opened(opened, folder):
    opened.record["track"] = "huge"


@breaks("task", "tasks.0")
def a_task_of_another_track(opened, folder):
    opened.record["track"] = "standard"


@breaks("task", f"{SUM.key}, episode 2")
def an_episode_of_another_level(opened, folder):
    opened.logs[SUM.key][2][0]["options"]["level"] = "standard"


@breaks("task", f"{SUM.key}, episode 2")
def an_episode_of_another_environment(opened, folder):
    opened.logs[SUM.key][2][0]["env"] = WORD.env_id


@breaks("task", f"{SUM.key}, episode 1")
def a_reset_with_options(opened, folder):
    opened.logs[SUM.key][1][0]["reset_options"] = {"level": "easy"}


@breaks("players", "tasks.0.players")
def an_agent_without_a_player(opened, folder):
    del opened.record["tasks"][0]["players"][FIRST]


@breaks("players", "tasks.0.players")
def a_player_without_an_agent(opened, folder):
    opened.record["tasks"][0]["players"]["coach_0"] = opened.record["tasks"][0]["players"][FIRST]


@breaks("behaviour", "tasks.1.behaviour")
def an_environment_that_behaved_otherwise(opened, folder):
    opened.record["tasks"][1]["behaviour"] = "sha256:" + "1" * 64


@breaks("seed", f"{WORD.key}, episode 3")
def a_seed_of_no_season(opened, folder):
    opened.logs[WORD.key][3][0]["seed"] = 12345


@breaks("seed", WORD.key)
def seeds_in_another_order(opened, folder):
    episodes = opened.logs[WORD.key]
    episodes[1], episodes[2] = episodes[2], episodes[1]


@breaks("missing episode", SUM.key)
def an_episode_that_is_left_out(opened, folder):
    del opened.logs[SUM.key][4]


@breaks("duplicate episode", SUM.key)
def an_episode_that_is_there_twice(opened, folder):
    opened.logs[SUM.key].insert(4, opened.logs[SUM.key][3])


@breaks("unfinished episode", f"{SUM.key}, episode 5")
def an_episode_that_has_not_ended(opened, folder):
    opened.logs[SUM.key][5][-1] |= {"terminated": False, "truncated": False}


@breaks("log", f"{SUM.key}, episode 0")
def a_field_in_a_log_that_no_log_has(opened, folder):
    opened.logs[SUM.key][0][1]["mood"] = "good"


@breaks("log", f"{SUM.key}, episode 0")
def a_number_written_as_true(opened, folder):
    opened.logs[SUM.key][0][-1]["info"]["correct"] = bool(opened.logs[SUM.key][0][-1]["info"]["correct"])


@breaks("action length", f"{SUM.key}, episode 1")
def an_action_that_is_too_long(opened, folder):
    opened.logs[SUM.key][1][1]["action"] = "x" * 2049


@breaks("replay", f"{SUM.key}, episode 0")
def a_time_that_is_another(opened, folder):
    opened.logs[SUM.key][0][1]["finish_us"] += 1


@breaks("replay", f"{SUM.key}, episode 0")
def a_runtime_where_nothing_is_run(opened, folder):
    opened.logs[SUM.key][0][0]["runtime"] = "python 3.11"


@breaks("tokens", "tasks.0.tokens, episode 1")
def a_turn_that_is_not_counted(opened, folder):
    del opened.tokens[SUM.key][1]["wrote"][0]


@breaks("tokens", "tasks.0.tokens, episode 2")
def more_tokens_than_the_sampler_draws(opened, folder):
    opened.tokens[SUM.key][2]["wrote"][0] = 601


@breaks("tokens", "tasks.0.tokens, episode 2")
def a_model_that_read_nothing(opened, folder):
    opened.tokens[SUM.key][2]["read"][0] = 0


@breaks("tokens", "tasks.0.tokens")
def an_episode_more_that_is_counted(opened, folder):
    opened.tokens[SUM.key].append(opened.tokens[SUM.key][0])


@breaks("tokens", "tasks.0.tokens")
def an_episode_that_is_not_counted(opened, folder):
    opened.tokens[SUM.key].pop()


@breaks("tokens", "tasks.0.tokens")
def a_count_below_zero(opened, folder):
    opened.tokens[SUM.key][0]["read"][0] = -1


@breaks("scores", "tasks.1.scores.score")
def a_score_that_is_a_little_higher(opened, folder):
    opened.record["tasks"][1]["scores"]["score"] += 1e-15


@breaks("scores", "tasks.0.scores.returns")
def a_zero_with_another_sign(opened, folder):
    returns = opened.record["tasks"][0]["scores"]["returns"]
    returns[FIRST] = -0.0


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_is_named_and_so_is_its_place(name, tiny, tmp_path):
    rule, where, change = BROKEN[name]
    opened = Opened.of(tiny)
    (tmp_path / "logs").mkdir()
    change(opened, tmp_path)
    report = check(opened.write(tmp_path, sealed=True))
    assert not report.is_valid
    assert (rule, where) in {(one.rule, one.where) for one in report.findings}, report.findings


def test_a_script_that_would_have_written_something_else_is_named(tiny, tmp_path):
    opened = Opened.of(tiny)
    result = opened.record["tasks"][0]
    result["players"] = {agent: {"kind": "script", "script": "random"} for agent in result["players"]}
    result["training"] = None
    for counts in opened.tokens[SUM.key]:
        counts |= {name: [0] * len(values) for name, values in counts.items()}
    result["scores"] |= {"tokens_in": 0, "tokens_out": 0}
    report = check(opened.write(tmp_path, sealed=True))
    assert {one.rule for one in report.findings} == {"script"}


def test_a_vote_where_nobody_answers_is_refused(timed, tmp_path):
    opened = Opened.of(timed)
    opened.record["tasks"][0]["vote"] = True
    (finding,) = check(opened.write(tmp_path, sealed=True)).findings
    assert (finding.rule, finding.where) == ("vote", "tasks.0.vote")


def test_every_rule_is_broken_by_a_test_here():
    assert {rule for rule, _, _ in BROKEN.values()} | {"script", "vote"} == set(RULES)


# ---- Many findings ---------------------------------------------------------------------------------------------------


def test_findings_that_are_not_told_count_all_the_same(tmp_path):
    report = Report("x")
    for number in range(MOST_FINDINGS + 3):
        report.find("seed", f"episode {number}", "is wrong")
    assert (len(report.findings), report.num_findings) == (MOST_FINDINGS, MOST_FINDINGS + 3)
    assert not report.is_valid


def test_a_task_behind_many_findings_is_not_taken_for_verified(tiny, tmp_path):
    opened = Opened.of(tiny)
    for episode in opened.logs[SUM.key]:
        episode[0]["seed"] += 1  # six that are missing, six that are none of the season's
    opened.logs[SUM.key] *= 10
    opened.record["tasks"][1]["scores"]["score"] = 0.123
    report = check(opened.write(tmp_path, sealed=True))
    assert len(report.findings) == MOST_FINDINGS and report.verified == []


def test_what_strangers_wrote_is_shown_and_not_obeyed(tiny, tmp_path):
    opened = Opened.of(tiny)
    opened.logs[SUM.key][0][0]["env"] = "a\x1b[2J\u202eb\n::error::c/" + "x" * 10_000
    (finding,) = check(opened.write(tmp_path, sealed=True)).findings
    for text in (finding.where, finding.message):
        assert text.isprintable() and len(text) <= 400
    assert "\\x1b[2J" in finding.message


def test_all_files_together_have_a_bound(tiny, monkeypatch):
    monkeypatch.setattr("leaderboard.checking.MAX_UNPACKED_BYTES", 5_000)
    (finding,) = check(tiny).findings
    assert finding.rule == "archive" and "all files together unpack to more than 5,000 bytes" in finding.message


# ---- Errors ----------------------------------------------------------------------------------------------------------


def test_nothing_there_is_an_error_of_who_asks(tmp_path):
    with pytest.raises(FileNotFoundError):
        validate(tmp_path / "gone", num_processes=1)


def test_a_machine_without_a_sandbox_is_no_fault_of_the_submission(coded, monkeypatch):
    def unavailable(*_: object, **__: object) -> None:
        raise SandboxUnavailableError("no sandbox here")

    monkeypatch.setattr("marft_envs.coding.judge.judge_all", unavailable)
    with pytest.raises(SandboxUnavailableError):
        check(coded)


def _dies(argument: int) -> int:
    os._exit(argument)


def test_a_process_that_is_killed_is_a_typed_error():
    with processes(2) as workers, pytest.raises(SubmissionError, match="was killed"):
        list(workers.map(_dies, [9, 9]))


def test_arguments_are_taken_as_they_are_needed():
    taken = []

    class Immediate:
        def submit(self, function, argument):
            taken.append(argument)

            class Done:
                result = staticmethod(lambda: function(argument))

            return Done

    results = Workers(2, Immediate()).map(lambda number: number * number, iter(range(1000)))
    assert next(results) == 0
    assert taken == list(range(8))  # four for each of two
    assert list(results) == [number * number for number in range(1, 1000)]
