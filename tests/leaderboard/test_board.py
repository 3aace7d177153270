"""What leaderboard/board.py says, from reports that are put together here.

1. Who has not played everything has no score over everything, and nothing is filled in.
2. Divisions are never in one list; scripts give a scale.
3. The order is that of scores, whatever the order of submissions; ranks have only re-run entries, of their re-run.
4. Costs are per answer.
5. Teams beside each other: pairs of leaders, and models untrained.
6. Claims about algorithms are over seeds of what is otherwise the same.
7. What cannot be listed is an error that says why.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from leaderboard.algorithms import num_without_seed, settings_of
from leaderboard.beside import lead_over, pairs_of, untrained_beside
from leaderboard.board import Board, boards_of, scale_of
from leaderboard.entries import Division, listed
from leaderboard.errors import MalformedError, SubmissionError
from leaderboard.report import Report
from leaderboard.reruns import Rerun, read_reruns
from leaderboard.rows import Row, Scope, Section
from leaderboard.schema import Training
from leaderboard.tracks import OPEN, Task
from tests.leaderboard.boards import (
    ACT,
    MEET,
    OTHER_MODEL,
    SUM,
    frozen,
    model,
    report,
    rerun,
    scripted,
    sha,
    small_tracks,
    trained,
    training,
    verified,
)

NONE, HALF, ALL = (0.0,) * 4, (1.0, 0.0, 1.0, 0.0), (1.0,) * 4
QUARTER = (1.0, 0.0, 0.0, 0.0)


@pytest.fixture(scope="module", autouse=True)
def _tracks() -> Iterator[None]:
    with small_tracks():
        yield


def board_of(*reports: Report, reruns: tuple[Rerun, ...] = (), track: str = "small") -> Board:
    return next(board for board in boards_of([listed(one) for one in reports], reruns) if board.track == track)


def scope_of(board: Board, kind: str = "track", name: str = "") -> Scope:
    return next(scope for scope in board.scopes_of(kind) if name in ("", scope.name))


def section(board: Board, division: Division = "trained", kind: str = "track", name: str = "") -> Section:
    return next(one for one in board.sections[scope_of(board, kind, name)] if one.division == division)


def names(rows: tuple[Row, ...]) -> list[str]:
    return [row.entry.name for row in rows]


# -- what was played ---------------------------------------------------------------------------------------------------


def test_a_score_over_all_tasks_is_the_mean_of_their_means() -> None:
    board = board_of(trained("whole", {SUM: ALL, MEET: HALF, ACT: NONE}))
    (row,) = section(board).rows
    assert row.mean is not None and row.mean.estimate == pytest.approx(0.5)  # (1 + 0.5 + 0) / 3


def test_who_has_not_played_every_task_has_no_score_over_all_of_them() -> None:
    board = board_of(trained("part", {SUM: ALL, MEET: ALL}))
    (row,) = section(board).rows
    assert (row.mean, row.iqm, row.costs) == (None, None, None)
    assert list(row.played) == [SUM.key, MEET.key]
    assert section(board).whole == ()


def test_a_family_has_a_score_once_all_of_it_was_played() -> None:
    board = board_of(trained("part", {SUM: ALL, MEET: HALF}), trained("less", {SUM: ALL, ACT: ALL}))
    family = section(board, kind="family", name="collab")
    assert names(family.whole) == ["part"]
    assert family.whole[0].mean is not None and family.whole[0].mean.estimate == pytest.approx(0.75)
    assert [scope.name for scope in board.scopes_of("family")] == ["collab"]  # math has one task here


def test_a_task_lists_only_those_who_played_it() -> None:
    board = board_of(trained("part", {SUM: ALL}), trained("other", {ACT: ALL}))
    assert names(section(board, kind="task", name=SUM.key).rows) == ["part"]
    assert board.sections[scope_of(board, "task", MEET.key)] == ()


def test_those_with_scores_come_before_those_without_however_much_these_have_played() -> None:
    board = board_of(
        trained("two", {SUM: ALL, MEET: ALL}),
        trained("one", {SUM: ALL}),
        trained("all", dict.fromkeys((SUM, MEET, ACT), NONE)),
    )
    assert names(section(board).rows) == ["all", "two", "one"]


def test_an_open_track_has_the_tasks_that_were_played_and_no_score_over_them() -> None:
    board = board_of(trained("free", {ACT: ALL}, track=OPEN), track=OPEN)
    assert list(board.facts) == [ACT.key]
    assert section(board).rows[0].mean is None
    assert section(board, kind="task").rows[0].mean is not None


def test_a_track_that_nobody_entered_has_its_tasks() -> None:
    board = board_of()
    assert list(board.facts) == [SUM.key, MEET.key, ACT.key]
    assert not board.teams and not any(board.sections.values())


# -- divisions ---------------------------------------------------------------------------------------------------------


def test_a_submission_of_two_divisions_is_an_entry_in_each_and_whole_in_neither() -> None:
    mixed = report(
        "mixed",
        verified(SUM, ALL, model(adapter=sha("a")), train=training()),
        verified(MEET, ALL, model()),
        verified(ACT, ALL, model()),
    )
    board = board_of(mixed)
    assert {entry.division: list(entry.tasks) for entry in board.entries} == {
        "trained": [SUM.key],
        "frozen": [MEET.key, ACT.key],
    }
    assert section(board).whole == section(board, "frozen").whole == ()


def test_scripts_are_no_teams_and_give_a_scale() -> None:
    everywhere = (SUM, MEET, ACT)
    board = board_of(
        scripted("reference", dict.fromkeys(everywhere, ALL)),
        scripted("random", dict.fromkeys(everywhere, NONE)),
        trained("team", dict.fromkeys(everywhere, HALF)),
    )
    sections = board.sections[scope_of(board)]
    assert names(section(board).rows) == ["team"]
    assert scale_of(sections) == {"random": 0.0, "reference": 1.0}


def test_a_script_that_played_only_part_gives_that_part_a_scale() -> None:
    board = board_of(scripted("reference", {SUM: ALL}), trained("team", {SUM: ALL, MEET: ALL, ACT: ALL}))
    assert scale_of(board.sections[scope_of(board)]) == {}
    assert scale_of(board.sections[scope_of(board, "task", SUM.key)]) == {"reference": 1.0}


# -- order and ranks ---------------------------------------------------------------------------------------------------


def test_the_order_is_that_of_scores_then_names_whatever_the_order_of_submissions() -> None:
    reports = [trained(name, {SUM: scores}) for name, scores in (("b", HALF), ("A", HALF), ("c", ALL), ("d", NONE))]
    found = [names(section(board_of(*order), kind="task").rows) for order in (reports, reports[::-1])]
    assert found == [["c", "A", "b", "d"]] * 2


def test_without_a_rerun_nobody_has_a_rank() -> None:
    board = board_of(trained("one", {SUM: ALL}), trained("other", {SUM: NONE}))
    assert section(board, kind="task", name=SUM.key).ranked == {}


def test_ranks_are_those_of_the_rerun_and_not_of_what_was_replayed() -> None:
    task = Task(SUM.env_id, SUM.level, num_instances=SUM.num_instances)
    first, second = trained("claimed more", {SUM: ALL}), trained("plays better", {SUM: NONE})
    board = board_of(first, second, reruns=(rerun(first, {task: NONE}), rerun(second, {task: ALL})))
    (ranked,) = section(board, kind="task", name=SUM.key).ranked.values()
    assert [one.row.entry.name for one in ranked] == ["plays better", "claimed more"]
    assert [one.mean.estimate for one in ranked] == [1.0, 0.0]
    assert names(section(board, kind="task", name=SUM.key).rows) == ["claimed more", "plays better"]


def test_an_entry_that_was_not_rerun_is_in_no_ranking() -> None:
    first, second = trained("checked", {SUM: HALF}), trained("listed", {SUM: ALL})
    board = board_of(first, second, reruns=(rerun(first, {SUM: HALF}),))
    (ranked,) = section(board, kind="task", name=SUM.key).ranked.values()
    assert [(one.row.entry.name, one.standing.best, one.standing.worst) for one in ranked] == [("checked", 1, 1)]


def test_reruns_on_different_seeds_are_not_ranked_together() -> None:
    first, second = trained("one", {SUM: HALF}), trained("other", {SUM: HALF})
    board = board_of(first, second, reruns=(rerun(first, {SUM: HALF}, "autumn"), rerun(second, {SUM: HALF}, "winter")))
    assert {season: len(rows) for season, rows in section(board, kind="task").ranked.items()} == {
        "autumn": 1,
        "winter": 1,
    }


def test_who_was_rerun_on_some_tasks_has_no_rank_over_all() -> None:
    team = trained("team", dict.fromkeys((SUM, MEET, ACT), ALL))
    board = board_of(team, reruns=(rerun(team, {SUM: ALL}),))
    assert section(board).ranked == {}
    assert len(section(board, kind="task", name=SUM.key).ranked) == 1


# -- costs -------------------------------------------------------------------------------------------------------------


def test_costs_are_those_of_an_episode() -> None:
    board = board_of(report("team", verified(SUM, HALF, model(), chars=120)))
    costs = board.entries[0].tasks[SUM.key].costs
    assert costs.chars == pytest.approx(120)
    assert (costs.tokens_out, costs.tokens_in) == (pytest.approx(11), pytest.approx(70))  # 5 + 6, 30 + 40
    assert (costs.simulated_s, costs.critical_path_s) == (pytest.approx(3), pytest.approx(2))


def test_a_vote_costs_all_of_its_plays_and_their_mean_does_not() -> None:
    vote = report("vote", verified(SUM, HALF, model(), plays=3, vote=True))
    mean = report("mean", verified(SUM, HALF, model(), plays=3))
    costs = {entry.name: entry.tasks[SUM.key].costs.chars for entry in board_of(vote, mean).entries}
    assert costs == {"vote": pytest.approx(300), "mean": pytest.approx(100)}  # 3 times 100


def test_who_has_no_model_has_no_tokens() -> None:
    board = board_of(scripted("reference", {SUM: ALL}))
    (row,) = section(board, "scripted", "task", SUM.key).rows
    assert row.costs is not None and set(row.costs) == {"chars", "simulated_s", "critical_path_s"}


def test_the_front_is_of_those_whom_nobody_beats_in_both() -> None:
    reports = [
        report(name, verified(SUM, scores, model(), chars=chars))
        for name, scores, chars in (
            ("cheap", QUARTER, 50),
            ("good", ALL, 200),
            ("beaten", HALF, 300),
            ("fair", HALF, 90),
        )
    ]
    rows = section(board_of(*reports), "frozen", "task", SUM.key).front("chars")
    assert names(rows) == ["cheap", "fair", "good"]


# -- bounds ------------------------------------------------------------------------------------------------------------


def test_a_score_beyond_what_the_environment_says_leaves_no_bounds() -> None:
    inside, outside = board_of(trained("in", {SUM: ALL})), board_of(trained("out", {SUM: (-0.1, 1.0, 1.0, 1.0)}))
    assert inside.bounds[scope_of(inside)] == (0.0, 1.0)
    assert outside.bounds[scope_of(outside)] is None


# -- beside each other -------------------------------------------------------------------------------------------------


def test_pairs_of_leaders_are_the_row_less_the_column() -> None:
    found = pairs_of(section(board_of(trained("a", {SUM: ALL}), trained("b", {SUM: QUARTER})), kind="task"), (0.0, 1.0))
    assert found is not None
    (_, lead), (behind, _) = found.cells
    assert lead is not None and behind is not None
    assert lead.comparison.difference.estimate == -behind.comparison.difference.estimate == 0.75
    assert lead.comparison.improvement == pytest.approx(0.875)  # better on three, even on one of four


def test_one_team_alone_has_no_pairs() -> None:
    assert pairs_of(section(board_of(trained("a", {SUM: ALL})), kind="task"), (0.0, 1.0)) is None


def test_a_trained_team_stands_beside_the_same_models_as_they_came() -> None:
    other = report("other model", verified(SUM, ALL, model(OTHER_MODEL)))
    vote = report("vote", verified(SUM, HALF, model(), plays=3, vote=True))
    team = trained("team", {SUM: ALL})
    board = board_of(team, other, vote, frozen("plain", {SUM: QUARTER}))
    played = next(entry for entry in board.entries if entry.name == "team").tasks[SUM.key]
    beside = untrained_beside(board, SUM.key)[played.models]
    assert [entry.name for entry, _ in beside] == ["plain", "vote"]
    lead = lead_over(played, *beside[0], (0.0, 1.0)).lead
    assert lead.difference.estimate == pytest.approx(0.75)  # 1 less 1 / 4


# -- algorithms --------------------------------------------------------------------------------------------------------


def run(name: str, seed: int | None, scores: tuple[float, ...], task: Task = SUM, **config: float) -> Report:
    return report(name, verified(task, scores, model(adapter=sha(name)), train=training(seed, **config)))


def test_two_seeds_of_the_same_training_make_a_claim() -> None:
    (setting,) = settings_of(board_of(run("a", 1, ALL), run("b", 2, HALF)))
    (task,) = setting.tasks
    assert task.by_seed == {1: 1.0, 2: 0.5}
    assert task.interval is not None
    # Of two nothing is cut: (1 + 0.5) / 2. Resampled, each comes twice in a quarter of cases.
    assert (task.interval.estimate, task.interval.low, task.interval.high) == (0.75, 0.5, 1.0)


def test_one_seed_makes_no_claim() -> None:
    (setting,) = settings_of(board_of(run("a", 1, ALL)))
    assert setting.tasks[0].interval is None and not setting.has_claims


def test_the_same_seed_twice_is_one_seed() -> None:
    (setting,) = settings_of(board_of(run("a", 1, ALL), run("b", 1, HALF)))
    assert setting.tasks[0].by_seed == {1: 0.75} and not setting.has_claims


def test_runs_that_differ_in_more_than_their_seed_are_not_put_together() -> None:
    found = settings_of(board_of(run("a", 1, ALL, rate=0.1), run("b", 2, HALF, rate=0.2)))
    assert [setting.told for setting in found] == [("rate = 0.1",), ("rate = 0.2",)]
    assert not any(setting.has_claims for setting in found)


def test_a_seed_may_stand_among_the_settings() -> None:
    reports = [
        report(
            name,
            verified(SUM, ALL, model(adapter=sha(name)), train=Training(algorithm="mappo", config={"seed": seed})),
        )
        for name, seed in (("a", 1), ("b", 2))
    ]
    (setting,) = settings_of(board_of(*reports))
    assert list(setting.tasks[0].by_seed) == [1, 2]


def test_a_run_without_a_seed_counts_for_no_algorithm() -> None:
    board = board_of(run("a", None, ALL))
    assert settings_of(board) == () and num_without_seed(board) == 1


def test_tasks_with_seeds_enough_are_also_taken_together() -> None:
    (setting,) = settings_of(
        board_of(run("a", 1, ALL), run("b", 2, ALL), run("c", 1, NONE, ACT), run("d", 2, NONE, ACT))
    )
    assert setting.together is not None
    assert setting.together.estimate == pytest.approx(0.5)  # of 1, 1, 0, 0 one is cut at each end


# -- what cannot be listed ---------------------------------------------------------------------------------------------


def test_a_submission_in_which_something_is_wrong_is_refused_by_name() -> None:
    broken = trained("team", {SUM: ALL})
    broken.find("scores", "tasks.0.scores.score", "is 1, and the logs come to 0.5")
    with pytest.raises(SubmissionError, match=r"submissions/team: scores: .*the logs come to 0\.5.*validate"):
        listed(broken)


def test_a_submission_that_is_given_twice_is_refused() -> None:
    team = trained("team", {SUM: ALL})
    with pytest.raises(SubmissionError, match="team is given twice"):
        board_of(team, team)


def test_two_teams_of_one_name_have_pages_of_their_own() -> None:
    board = board_of(trained("team", {SUM: ALL}), trained("Team", {SUM: ALL}), trained("team", {SUM: HALF}))
    assert len({team.slug for team in board.teams}) == 3


def test_addresses_grow_where_somebody_made_a_digest_that_begins_like_another() -> None:
    first, second = (trained("team", {SUM: ALL}, digest=f"sha256:{'a' * 8}{digit * 56}") for digit in "01")
    assert [team.slug for team in board_of(first, second).teams] == [f"team-{'a' * 8}{digit * 8}" for digit in "01"]


def test_a_rerun_of_nobody_is_refused() -> None:
    with pytest.raises(MalformedError, match="no submission has this digest"):
        boards_of([], [rerun(trained("team", {SUM: ALL}), {SUM: ALL})])


def test_a_rerun_on_the_seeds_that_the_entrant_knew_is_refused() -> None:
    team = trained("team", {SUM: ALL})
    with pytest.raises(MalformedError, match="whose seeds its entrant knew"):
        board_of(team, reruns=(rerun(team, {SUM: ALL}, "2026"),))


def test_a_rerun_on_other_seeds_than_its_season_has_is_refused() -> None:
    team = trained("team", {SUM: ALL})
    other = rerun(team, {SUM: ALL}, "winter").model_copy(update={"season": "spring"})
    with pytest.raises(MalformedError, match="are not those of season spring"):
        board_of(team, reruns=(other,))


def test_a_rerun_of_a_task_that_was_not_entered_is_refused() -> None:
    team = trained("team", {SUM: ALL})
    with pytest.raises(MalformedError, match="did not enter it"):
        board_of(team, reruns=(rerun(team, {MEET: ALL}),))


def written(folder: Path, *reruns: Rerun, **told: object) -> Path:
    path = folder / "reruns.json"
    path.write_text(json.dumps({"schema_version": 1, "reruns": [one.model_dump() for one in reruns], **told}))
    return path


def test_reruns_are_read_as_they_were_written(tmp_path: Path) -> None:
    one = rerun(trained("team", {SUM: ALL}), {SUM: HALF})
    assert read_reruns(written(tmp_path, one)) == (one,)


def test_a_file_of_reruns_that_says_more_or_the_same_twice_is_refused(tmp_path: Path) -> None:
    one = rerun(trained("team", {SUM: ALL}), {SUM: HALF})
    with pytest.raises(MalformedError, match="notes"):
        read_reruns(written(tmp_path, one, notes="none"))
    with pytest.raises(MalformedError, match="re-run twice"):
        read_reruns(written(tmp_path, one, one))
