"""The learning curve.

1. What is taken out of the records. 2. A picture comes out of whatever there is, and shows it. 3. Several runs in one.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from baselines.errors import CheckpointError
from baselines.runs.curve import draw_curve
from baselines.runs.curves import draw_curves
from baselines.runs.series import Band, bands, evaluation_points, pieces, series, smooth

BLUE, VERMILLION = (0, 114, 178), (213, 94, 0)


def write(folder: Path, name: str, records: list[dict]) -> None:
    (folder / name).write_text("".join(json.dumps(record) + "\n" for record in records))


def training(
    num_iterations: int, *, level: str | None = "easy", agents: tuple[str, ...] = ("reasoner_0", "actor_0")
) -> list:
    records = []
    for iteration in range(num_iterations):
        record = {"iteration": iteration, "wall_s": 10.0 * iteration, "cpu_s": 19.0 * iteration}
        record |= {"train/return": iteration / num_iterations, "train/level": level}
        for agent in agents:
            record |= {f"{agent}/kl": 0.01, f"{agent}/entropy": 1.0 - iteration / num_iterations}
        records.append(record)
    return records


def pixels(path: Path) -> np.ndarray:
    from matplotlib.image import imread

    return np.rint(imread(path)[..., :3] * 255).astype(int)


def share_of(colour: tuple[int, int, int], picture: np.ndarray) -> float:
    return float((np.abs(picture - colour).max(axis=-1) <= 2).mean())


# --- What is taken out of the records ---


def test_a_series_leaves_out_what_is_absent_or_not_finite() -> None:
    values = [0.5, None, "nan", "inf", True, "text", 2]
    records = [{"iteration": number, "x": value} for number, value in enumerate(values)]
    taken = series([*records, {"iteration": 9}], "x")
    assert taken.x.tolist() == [0, 4, 6]
    assert taken.y.tolist() == [0.5, 1.0, 2.0]


def test_levels_become_bands_and_may_come_back() -> None:
    levels = ["a", "a", "b", "b", "b", "a"]
    records = [{"iteration": number, "train/level": level} for number, level in enumerate(levels)]
    assert bands(records) == [Band("a", 0, 1), Band("b", 2, 4), Band("a", 5, 5)]


def test_without_levels_there_are_no_bands() -> None:
    assert bands(training(3, level=None)) == []


def test_the_curve_is_cut_where_the_level_changes() -> None:
    records = training(4, level="a") + [
        record | {"iteration": record["iteration"] + 4} for record in training(3, level="b")
    ]
    cut = pieces(series(records, "train/return"), bands(records))
    assert [piece.x.tolist() for piece in cut] == [[0, 1, 2, 3], [4, 5, 6]]


def test_smoothing_keeps_a_straight_line_and_both_ends() -> None:
    # Equally many values on both sides: the mean of a line around a point is the point.
    line = np.arange(40.0)
    assert smooth(line) == pytest.approx(line)


def test_smoothing_averages_noise_away() -> None:
    # Forty alternating values, nine averaged: (5 - 4) / 9 remains.
    zigzag = np.array([1.0, -1.0] * 20)
    assert np.abs(smooth(zigzag)[4:-4]) == pytest.approx(1 / 9)


@pytest.mark.parametrize("length", [0, 1, 2, 3])
def test_smoothing_a_run_that_has_just_begun_changes_nothing(length: int) -> None:
    assert smooth(np.arange(length) ** 2.0).tolist() == [0.0, 1.0, 4.0][:length]


def test_an_evaluation_stands_after_the_iterations_that_were_done() -> None:
    untrained, trained, broken = evaluation_points(
        [
            {"iteration": 0, "name": "untrained", "mean": 0.1, "low": 0.05, "high": 0.2, "right_value": 0.3},
            {"iteration": 40, "name": "trained", "mean": 0.9, "right_value": 0.9},
            {"iteration": 3, "name": "no mean", "mean": "nan"},
            {"iteration": 3, "name": "bounds missed", "mean": 0.5, "low": 0.6, "high": 0.4},
        ]
    )
    assert (untrained.num_done, trained.num_done) == (0, 40)
    assert (trained.low, trained.high) == (0.9, 0.9)
    assert (untrained.right_value, trained.right_value) == (
        0.3,
        None,
    )  # equal to the mean, it would only hide it
    assert (broken.low, broken.high) == (0.5, 0.5)


# --- The picture ---


def test_the_picture_shows_training_and_evaluations(tmp_path: Path) -> None:
    write(tmp_path, "metrics.jsonl", training(30))
    empty = share_of(VERMILLION, pixels(draw_curve(tmp_path)))
    evaluation = {"mean": 0.5, "low": 0.2, "high": 0.8, "num_instances": 200, "level": "easy"}
    write(tmp_path, "evaluations.jsonl", [{"iteration": 0, "name": "untrained", **evaluation}])
    picture = pixels(draw_curve(tmp_path))
    assert picture.shape[0] > 800 and picture.shape[1] > 1200
    assert share_of(BLUE, picture) > 0.001
    assert empty == 0.0 and share_of(VERMILLION, picture) > 0.0005


def test_a_reference_is_a_line_across_and_no_point(tmp_path: Path) -> None:
    write(tmp_path, "metrics.jsonl", training(30))
    without = share_of((107, 107, 107), pixels(draw_curve(tmp_path)))
    record = {"iteration": 0, "name": "untrained_few_shot", "mean": 0.5, "low": 0.4, "high": 0.6}
    write(tmp_path, "evaluations.jsonl", [record])
    picture = pixels(draw_curve(tmp_path))
    assert share_of(VERMILLION, picture) == 0.0
    assert share_of((107, 107, 107), picture) > without


def test_a_change_of_level_shades_the_band(tmp_path: Path) -> None:
    write(tmp_path, "metrics.jsonl", training(10))
    before = share_of((234, 241, 246), pixels(draw_curve(tmp_path)))
    hard = [record | {"iteration": record["iteration"] + 10} for record in training(10, level="hard")]
    write(tmp_path, "metrics.jsonl", training(10) + hard)
    assert before < 0.001  # blurred edges of letters
    assert share_of((234, 241, 246), pixels(draw_curve(tmp_path))) > 0.1


@pytest.mark.parametrize(
    "records",
    [
        pytest.param([], id="nothing recorded"),
        pytest.param([{"iteration": 0}], id="an iteration without metrics"),
        pytest.param(training(1), id="one iteration"),
        pytest.param(training(5, agents=()), id="no agents"),
        pytest.param(training(5, agents=tuple(f"agent_{k}" for k in range(8))), id="an octet"),
        pytest.param([{"iteration": 0, "train/return": "nan", "a/kl": "inf"}], id="nothing finite"),
        pytest.param([{"iteration": k, "train/return": -50.0 * k} for k in range(9)], id="returns beyond 0 to 1"),
        pytest.param(
            [{"iteration": k, "train/return": 0.1, "train/level": f"level {k % 3}"} for k in range(60)],
            id="levels in turn",
        ),
    ],
)
def test_whatever_there_is_can_be_drawn(tmp_path: Path, records: list[dict]) -> None:
    if records:
        write(tmp_path, "metrics.jsonl", records)
    assert pixels(draw_curve(tmp_path)).std() > 1.0


def test_evaluations_alone_can_be_drawn(tmp_path: Path) -> None:
    write(tmp_path, "evaluations.jsonl", [{"iteration": 0, "name": "untrained", "mean": 0.25}])
    assert share_of(VERMILLION, pixels(draw_curve(tmp_path))) > 0.0


def test_a_record_cut_off_by_a_kill_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, "metrics.jsonl", training(5))
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"iteration": 5, "train/ret')
    assert draw_curve(tmp_path).is_file()


def test_a_damaged_record_is_named_by_file_and_line(tmp_path: Path) -> None:
    write(tmp_path, "metrics.jsonl", training(3))
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    (tmp_path / "metrics.jsonl").write_text("\n".join([lines[0], "{oops", lines[2], ""]))
    with pytest.raises(CheckpointError, match=r"metrics\.jsonl:2 is not a JSON object.*delete that line"):
        draw_curve(tmp_path)
    assert not (tmp_path / "curve.png").exists()


def test_drawing_leaves_nothing_else_behind(tmp_path: Path) -> None:
    write(tmp_path, "metrics.jsonl", training(3))
    draw_curve(tmp_path)
    draw_curve(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curve.png", "metrics.jsonl"]


def test_a_run_may_be_drawn_elsewhere(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    write(run, "metrics.jsonl", training(3))
    assert draw_curve(run, tmp_path / "other.png") == tmp_path / "other.png"
    assert pixels(tmp_path / "other.png").std() > 1.0
    assert not (run / "curve.png").exists()


# --- Several runs in one picture ---


def runs(tmp_path: Path, **records: list[dict]) -> list[Path]:
    """A folder of a run for each name."""
    for name, lines in records.items():
        (tmp_path / name).mkdir()
        write(tmp_path / name, "metrics.jsonl", lines)
    return [tmp_path / name for name in records]


def words_of(folders: list[Path], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every word in the picture of these runs."""
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    found: list[str] = []
    save = Figure.savefig

    def note(figure: Figure, *args: object, **kwargs: object) -> None:
        save(figure, *args, **kwargs)  # type: ignore[arg-type]
        found.extend(element.get_text() for element in figure.findobj(Text) if element.get_visible())

    monkeypatch.setattr(Figure, "savefig", note)
    draw_curves(folders, folders[0].parent / "curves.png")
    return found


def test_every_run_has_its_line_and_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = runs(tmp_path, one=training(20), two=training(12))
    alone = pixels(draw_curves(folders[:1], tmp_path / "alone.png"))
    both = pixels(draw_curves(folders, tmp_path / "both.png"))
    orange = (230, 159, 0)  # the second colour of the palette
    assert share_of(BLUE, alone) > 0.001 and share_of(orange, alone) == 0.0
    assert share_of(BLUE, both) > 0.0005 and share_of(orange, both) > 0.0005
    words = words_of(folders, monkeypatch)
    assert {"one", "two", "entropy of reasoner_0", "entropy of actor_0"} <= set(words)


def test_evaluations_of_each_run_are_drawn_in_its_colour(tmp_path: Path) -> None:
    folders = runs(tmp_path, one=[{"iteration": 0, "wall_s": 1.0}], two=[{"iteration": 0, "wall_s": 1.0}])
    before = share_of((230, 159, 0), pixels(draw_curves(folders, tmp_path / "before.png")))
    write(folders[1], "evaluations.jsonl", [{"iteration": 0, "name": "untrained", "mean": 0.5}])
    picture = pixels(draw_curves(folders, tmp_path / "after.png"))
    assert before == 0.0 and share_of((230, 159, 0), picture) > 0.0
    assert share_of(BLUE, picture) == 0.0


def test_runs_of_the_same_name_are_told_apart_by_their_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [tmp_path / "a" / "run", tmp_path / "b" / "run"]
    for folder in folders:
        folder.mkdir(parents=True)
        write(folder, "metrics.jsonl", training(3))
    assert {str(folder) for folder in folders} <= set(words_of(folders, monkeypatch))


def test_the_same_run_twice_is_refused(tmp_path: Path) -> None:
    (folder,) = runs(tmp_path, one=training(3))
    with pytest.raises(CheckpointError, match="named twice"):
        draw_curves([folder, tmp_path / "." / "one"], tmp_path / "curves.png")


@pytest.mark.parametrize(
    "records",
    [
        pytest.param([{"iteration": 0}], id="an iteration without metrics"),
        pytest.param(training(5, agents=()), id="no agents"),
        pytest.param(training(5, agents=tuple(f"agent_{k}" for k in range(8))), id="an octet"),
        pytest.param(training(3, level="a") + training(3, level="b"), id="levels"),
    ],
)
def test_whatever_several_runs_hold_can_be_drawn(tmp_path: Path, records: list[dict]) -> None:
    folders = runs(tmp_path, one=records, two=training(4))
    assert pixels(draw_curves(folders, tmp_path / "curves.png")).std() > 1.0
