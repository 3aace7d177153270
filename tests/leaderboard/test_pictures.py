"""Where things lie in the pictures of a board, and how figures are written.

1. An axis puts numbers where they belong, and has few, round ticks.
2. Dots, fronts and labels: a front is a flight of stairs, labels cover nothing.
3. Profiles go down in steps, and are left out where they would say nothing.
4. Strips have a bar for what was played, a dot for what was not.
5. Numbers and texts are written in one way.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard import shown
from leaderboard.board import boards_of
from leaderboard.entries import listed
from leaderboard.pictures.axes import Axis, bar, cost_axis
from leaderboard.pictures.profiles import profiles
from leaderboard.pictures.scatter import Scatter, scatter
from leaderboard.pictures.strip import Strip, strip
from leaderboard.rows import Section
from leaderboard.statistics import Interval
from leaderboard.validate import Report
from tests.leaderboard.boards import ACT, MEET, SUM, model, report, scripted, small_tracks, trained, verified

ALL, HALF, NONE = (1.0,) * 4, (1.0, 0.0, 1.0, 0.0), (0.0,) * 4
QUARTER = (1.0, 0.0, 0.0, 0.0)


@pytest.fixture(scope="module", autouse=True)
def _tracks() -> Iterator[None]:
    with small_tracks():
        yield


# -- axes --------------------------------------------------------------------------------------------------------------


def test_an_axis_is_even_and_ends_at_its_ends() -> None:
    axis = Axis(0.0, 2.0, 10.0, 110.0)
    assert [axis.at(value) for value in (0.0, 0.5, 2.0, -1.0, 3.0)] == [10.0, 35.0, 110.0, 10.0, 110.0]


def test_a_logarithmic_axis_gives_every_decade_the_same_room() -> None:
    axis = Axis(1.0, 1000.0, 0.0, 300.0, is_log=True)
    assert [axis.at(value) for value in (1.0, 10.0, 100.0, 1000.0)] == pytest.approx([0.0, 100.0, 200.0, 300.0])


def test_an_axis_may_run_upwards() -> None:
    assert Axis(0.0, 1.0, 300.0, 20.0).at(0.25) == 230.0  # 300 − 0.25 · 280


@pytest.mark.parametrize(
    ("axis", "values"),
    [
        (Axis(0.0, 1.0, 0, 1), [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (Axis(-0.5, 3.0, 0, 1), [0, 1, 2, 3]),
        (Axis(0.61, 0.64, 0, 1), [0.61, 0.62, 0.63, 0.64]),
        (Axis(8.0, 300.0, 0, 1, is_log=True), [10, 20, 50, 100, 200]),
        (Axis(1.0, 1e6, 0, 1, is_log=True), [1, 10, 100, 1000, 1e4, 1e5, 1e6]),
        (Axis(80.0, 240.0, 0, 1, is_log=True), [100, 150, 200]),
    ],
)
def test_ticks_are_few_and_round(axis: Axis, values: list[float]) -> None:
    assert [tick.value for tick in axis.ticks] == pytest.approx(values)


@given(st.lists(st.floats(1e-3, 1e9), min_size=1, max_size=20))
def test_an_axis_of_costs_holds_them_all_with_a_tick_among_them(amounts: list[float]) -> None:
    axis = cost_axis(amounts)
    assert axis.low < min(amounts) and max(amounts) < axis.high
    assert 1 <= len(axis.ticks) <= 14


def test_a_bar_that_leaves_its_axis_ends_with_it() -> None:
    drawn = bar(Axis(0.0, 1.0, 0.0, 100.0), Interval(0.5, float("-inf"), float("inf")))
    assert (drawn.low, drawn.at, drawn.high) == (0.0, 50.0, 100.0)


# -- score and cost ----------------------------------------------------------------------------------------------------


def sections_of(*reports: Report) -> tuple[Section, ...]:
    board = next(board for board in boards_of([listed(one) for one in reports]) if board.track == "small")
    return board.sections[next(scope for scope in board.scopes if scope.name == SUM.key)]


def drawn(*teams: tuple[str, tuple[float, ...], int]) -> Scatter:
    reports = [report(name, verified(SUM, scores, model(), chars=chars)) for name, scores, chars in teams]
    found = scatter(sections_of(*reports), "chars", (0.0, 1.0), {"reference": 1.0, "random": 0.0})
    assert found is not None
    return found


def test_a_front_is_a_flight_of_stairs_from_the_cheapest_to_the_best() -> None:
    found = drawn(("cheap", QUARTER, 10), ("good", ALL, 1000), ("beaten", QUARTER, 100))
    places = {dot.row.entry.name: (dot.x, dot.y) for dot in found.dots}
    (path,) = found.fronts.values()
    (x, y), (end, top) = places["cheap"], places["good"]
    assert path == f"M{x:.1f} {y:.1f}H{end:.1f}V{top:.1f}"
    assert [dot.row.entry.name for dot in found.on_front] == ["cheap", "good"]


def test_a_front_of_one_team_is_no_line() -> None:
    assert drawn(("good", ALL, 10), ("beaten", HALF, 100)).fronts == {}


def test_scripts_are_levels_and_no_dots() -> None:
    reports = (scripted("reference", {SUM: ALL}), trained("team", {SUM: HALF}))
    found = scatter(sections_of(*reports), "chars", (0.0, 1.0), {"reference": 1.0})
    assert found is not None
    assert [dot.row.entry.name for dot in found.dots] == ["team"]
    assert [(level.script, level.y) for level in found.levels] == [("reference", found.y.end)]


def test_without_anybody_there_is_no_picture() -> None:
    assert scatter(sections_of(scripted("reference", {SUM: ALL})), "chars", (0.0, 1.0), {}) is None


@given(st.lists(st.tuples(st.sampled_from([ALL, HALF, QUARTER, NONE]), st.integers(1, 400)), min_size=1, max_size=12))
def test_labels_cover_no_dot_no_level_and_no_other_label(teams: list[tuple[tuple[float, ...], int]]) -> None:
    found = drawn(*[(f"team {place}", scores, chars) for place, (scores, chars) in enumerate(teams)])
    boxes = [label.box for label in (*found.labels, *[level.label for level in found.levels])]
    dots = [(dot.x, dot.y, dot.x, dot.y) for dot in found.dots]
    pairs = [
        *combinations(boxes[: len(found.labels)], 2),
        *[(box, dot) for box in boxes[: len(found.labels)] for dot in dots],
    ]
    pairs += [(box, other) for box in boxes[: len(found.labels)] for other in boxes[len(found.labels) :]]
    for one, other in pairs:
        assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


# -- profiles ----------------------------------------------------------------------------------------------------------


def track_section(*reports: Report) -> Section:
    board = next(board for board in boards_of([listed(one) for one in reports]) if board.track == "small")
    return board.sections[board.scopes[0]][0]


def test_a_profile_goes_down_by_a_task_at_each_mean() -> None:
    found = profiles(track_section(trained("team", {SUM: ALL, MEET: HALF, ACT: NONE})), (0.0, 1.0), 3)
    assert found is not None and found.of == "tasks"
    # Means 1, 0.5, 0: above 0 are two of three, above 0.5 one, above 1 none; each height holds up to the next point.
    x, y = found.x, found.y
    two, one, half, end = y.at(2 / 3), y.at(1 / 3), x.at(0.5), x.end
    points = [(x.start, two), (half, two), (half, one), (end, one), (end, y.start), (end, y.start)]
    assert found.lines[0].path == "M" + "L".join(f"{across:.1f} {down:.1f}" for across, down in points)


def test_a_profile_of_two_tasks_or_of_one_that_succeeds_or_fails_would_say_nothing() -> None:
    section = sections_of(trained("team", {SUM: HALF}))[0]
    assert profiles(section, (0.0, 1.0), 1) is None
    assert profiles(section, (0.0, 1.0), 2) is None


def test_of_one_task_with_partial_scores_the_share_of_instances_is_drawn() -> None:
    found = profiles(sections_of(trained("team", {SUM: (0.2, 0.4, 0.9, 1.0)}))[0], (0.0, 1.0), 1)
    assert found is not None and found.of == "instances"


# -- strips ------------------------------------------------------------------------------------------------------------


def test_a_strip_has_a_bar_for_each_task_that_was_played_and_a_dot_for_each_other() -> None:
    board = next(one for one in boards_of([listed(trained("team", {SUM: ALL, ACT: HALF}))]) if one.track == "small")
    (row,) = board.sections[board.scopes[0]][0].rows
    drawn = strip(row, list(board.facts.values()))
    # A bar stands on 16 and ends at 15 for 0, 2 for 1, and 15 − 13 / 2 for a half; between families are 4 more.
    assert drawn == Strip(width=22.0, bars="M3 16V2.0M19 16V8.5", dots="M9 16h0")


def test_without_bounds_there_is_no_strip() -> None:
    board = next(one for one in boards_of([listed(trained("team", {SUM: ALL}))]) if one.track == "small")
    (row,) = board.sections[board.scopes[0]][0].rows
    assert strip(row, [replace(board.facts[SUM.key], bounds=None)]) is None


# -- figures -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("write", "value", "expected"),
    [
        (shown.score, 0.5, "0.500"),
        (shown.score, -0.25, "−0.250"),
        (shown.signed, 0.0004, "0.000"),
        (shown.signed, -0.0004, "0.000"),
        (shown.signed, 0.25, "+0.250"),
        (shown.signed, -0.25, "−0.250"),
        (shown.count, 3.4, "3.4"),
        (shown.count, 3.0, "3"),
        (shown.count, 1204.4, "1,204"),
        (shown.tick, 5000.0, "5k"),
        (shown.tick, 2e6, "2M"),
        (shown.tick, 0.2, "0.2"),
        (shown.percent, 0.614, "61 %"),
        (shown.setting, (1, "a", None), '[1, "a", null]'),
        (shown.setting, "text", "text"),
    ],
)
def test_figures_are_written_in_one_way(write, value: object, expected: str) -> None:
    assert write(value) == expected


def test_ranks_are_one_number_or_two() -> None:
    assert (shown.ranks(2, 2), shown.ranks(2, 4)) == ("2", "2–4")


def test_lists_are_short() -> None:
    assert shown.listed(["a", "b", "c", "d"]) == "a, b, c, d"  # "and 1 more" would be no shorter
    assert shown.listed(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"


def test_ids_may_be_broken_behind_their_signs_and_are_escaped() -> None:
    assert shown.breakable("math/reason_act-v0@<b>") == "math/<wbr>reason_<wbr>act-<wbr>v0@&lt;b&gt;"


def test_a_long_text_is_cut_and_says_so() -> None:
    assert shown.seen("x" * 4_010).endswith("x … and 10 more characters")
