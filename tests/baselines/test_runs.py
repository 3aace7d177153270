"""Bookkeeping of a run.

1. The folder. 2. Records. 3. Iterations and how they end. 4. What is shown. 5. The end, and going on after
it. Checkpoints have their own file.
"""

import errno
import io
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from baselines.errors import CheckpointError, ConfigError, DiskFullError, MissingExtraError
from baselines.runs.interrupts import StopSignals
from baselines.runs.live import LiveProgress
from baselines.runs.progress import Pace, PlainProgress, duration, short
from baselines.runs.records import RecordWriter, read_records, to_json
from baselines.runs.run import Run, load_checkpoint

METRICS = {
    "train/return": 0.31,
    "train/level": "add_digit",
    "reasoner_0/kl": 0.012,
    "reasoner_0/clip_fraction": 0.04,
    "reasoner_0/entropy": 1.25,
    "reasoner_0/skipped_updates": 2,
    "reasoner_0/stop_reason": "target_kl",
    "actor_0/kl": 0.02,
    "actor_0/stop_reason": None,
    "critic/explained_variance": 0.5,
}


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with Run.create(tmp_path / "run", {"seed": 1}, title="a test", quiet=True) as run:
        yield run


def records(run: Run) -> list[dict]:
    return [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]


def logged_scalars(folder: Path, name: str) -> list[tuple[int, float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard")).Reload()
    return [(event.step, event.value) for event in events.Scalars(name)]


# --- 1. The folder ---


def test_a_run_makes_its_folder_and_keeps_the_settings_as_given(tmp_path: Path) -> None:
    config = {"lr": 2e-3, "levels": ("easy", "hard"), "folder": Path("x/y"), "limit": None, "bound": math.inf}
    with Run.create(tmp_path / "runs" / "first", config, title="MARFT-A", quiet=True):
        pass
    kept = json.loads((tmp_path / "runs/first/config.json").read_text())
    assert kept == {"lr": 2e-3, "levels": ["easy", "hard"], "folder": "x/y", "limit": None, "bound": "inf"}
    described = json.loads((tmp_path / "runs/first/run.json").read_text())
    assert described["title"] == "MARFT-A" and described["packages"]["numpy"] == np.__version__


def test_an_empty_folder_will_do(tmp_path: Path) -> None:
    Run.create(tmp_path, {}, title="t", quiet=True).close()


def test_a_folder_with_something_in_it_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("do not lose")
    with pytest.raises(ConfigError, match=r"is not empty.*choose another one, or remove it"):
        Run.create(tmp_path, {}, title="t", quiet=True)
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]


@pytest.mark.parametrize("where", ["file", "file/below"])
def test_a_file_in_the_way_is_told(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="is, or lies in, a file; choose another one"):
        Run.create(tmp_path / where, {}, title="t", quiet=True)


def test_a_missing_package_is_told_before_the_folder_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("baselines.runs.run_folder.find_spec", lambda name: None if name == "matplotlib" else object())
    with pytest.raises(MissingExtraError, match=r"'matplotlib'.*pip install"):
        Run.create(tmp_path / "run", {}, title="t", quiet=True)
    assert not (tmp_path / "run").exists()


def test_a_disk_that_is_full_from_the_start_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr("baselines.runs.run_folder.write_atomically", no_room)
    with pytest.raises(DiskFullError, match="free some room, or choose a folder on another disk"):
        Run.create(tmp_path / "run", {}, title="t", quiet=True)


# --- 2. Records ---


def test_a_record_can_be_read_while_the_run_goes_on(run: Run) -> None:
    run.log(0, METRICS)
    run.log(1, METRICS | {"train/return": 0.5})
    first, second = records(run)
    assert {name: first[name] for name in METRICS} == METRICS
    assert (first["iteration"], second["iteration"], second["train/return"]) == (0, 1, 0.5)
    assert 0.0 <= first["wall_s"] <= second["wall_s"] and 0.0 <= first["cpu_s"] <= second["cpu_s"]


def test_what_is_not_finite_is_kept_as_a_word_so_that_any_program_reads_the_line(run: Run) -> None:
    run.log(0, {"a/kl": math.nan, "a/loss": -math.inf, "a/entropy": float(np.float32(0.5))})
    line = json.loads((run.folder / "metrics.jsonl").read_text(), parse_constant=pytest.fail)
    assert (line["a/kl"], line["a/loss"], line["a/entropy"]) == ("nan", "-inf", 0.5)


def test_scalars_of_numpy_are_recorded_as_numbers() -> None:
    assert to_json({"x": np.float32(0.5), "y": np.int64(3), "z": np.bool_(True)}) == {
        "x": 0.5,
        "y": 3,
        "z": True,
    }


def test_what_has_no_json_form_is_told(run: Run) -> None:
    with pytest.raises(TypeError, match="ndarray has no JSON form"):
        run.log(0, {"train/return": np.zeros(3)})
    assert records(run) == []


@pytest.mark.parametrize("name", ["iteration", "wall_s", "cpu_s"])
def test_a_metric_may_not_take_the_name_of_a_stamp(run: Run, name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}: the bookkeeping adds these itself"):
        run.log(0, {name: 1.0})


def test_tensorboard_has_the_same_numbers_under_the_same_names(run: Run) -> None:
    run.log(0, METRICS)
    run.log(1, METRICS | {"train/return": 0.5, "actor_0/kl": None})
    run.record_evaluation(1, "trained", {"mean": 0.75, "num_instances": 4, "level": "hard"})
    run.close()
    assert logged_scalars(run.folder, "train/return") == [(0, pytest.approx(0.31)), (1, 0.5)]
    assert [step for step, _ in logged_scalars(run.folder, "actor_0/kl")] == [0]
    assert logged_scalars(run.folder, "evaluation/trained/mean") == [(1, 0.75)]


def test_tensorboard_shows_words_as_text(run: Run) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run.log(7, METRICS)
    events = EventAccumulator(str(run.folder / "tensorboard")).Reload()
    (event,) = events.Tensors("train/level/text_summary")
    assert (event.step, event.tensor_proto.string_val[0]) == (7, b"add_digit")
    assert "train/level/text_summary" in events.PluginTagToContent("text")


def test_a_record_that_finds_no_room_leaves_the_file_whole(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run.log(0, METRICS)
    run.checkpoint("iteration-1", lambda folder: None, {})

    class AlmostFull:
        """Takes ten bytes, then there is no room."""

        def __init__(self, file: io.FileIO):
            self.file, self.written = file, 0

        def write(self, content: bytes) -> int:
            if self.written:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self.written = self.file.write(content[:10])
            return self.written

        def __getattr__(self, name: str) -> object:
            return getattr(self.file, name)

    with monkeypatch.context() as patch:
        patch.setattr(run._metrics, "_file", AlmostFull(run._metrics._file))
        with pytest.raises(DiskFullError, match=r"metrics\.jsonl; the last complete checkpoint is .*iteration-1"):
            run.log(1, METRICS)
    run.log(2, METRICS)  # there is room again
    assert [record["iteration"] for record in records(run)] == [0, 2]


def test_a_kernel_that_has_no_room_is_understood(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("only Linux has a device that is always full")
    with RecordWriter(Path("/dev/full")) as writer, pytest.raises(OSError, match="No space left on device"):
        writer.append({"x": 1})


def test_a_line_cut_off_by_a_kill_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"iteration": 0}\n{"iteration": 1}\n{"iteration": 2, "tr')
    assert read_records(tmp_path / "metrics.jsonl") == [{"iteration": 0}, {"iteration": 1}]


# --- 3. Iterations and how they end ---


def test_all_iterations_are_done_from_the_start_given(run: Run) -> None:
    assert list(run.iterations(5, start=2)) == [2, 3, 4]
    assert run.stop_reason == "finished"


def test_nothing_is_left_to_do_after_the_last(run: Run) -> None:
    assert list(run.iterations(3, start=3)) == []
    assert run.stop_reason == "finished"


@pytest.mark.parametrize(
    ("number", "reason"),
    [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")],
    ids=["Ctrl-C", "SIGTERM"],
)
def test_the_first_signal_ends_the_loop_after_the_current_iteration(run: Run, number: int, reason: str) -> None:
    finished = []
    for iteration in run.iterations(10):
        if iteration == 2:
            os.kill(os.getpid(), number)
        finished.append(iteration)
        run.log(iteration, METRICS)
    assert finished == [0, 1, 2]
    assert run.stop_reason == reason
    assert len(records(run)) == 3


def test_the_second_signal_stops_at_once(run: Run) -> None:
    def train() -> None:
        for iteration in run.iterations(10):
            run.log(iteration, METRICS)
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            pytest.fail("went on after the second Ctrl-C")

    with pytest.raises(KeyboardInterrupt):
        train()
    assert run.stop_reason == "interrupted"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_signals_are_given_back_however_the_loop_ends(run: Run) -> None:
    former = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)

    def broken() -> None:
        for _ in run.iterations(3):
            assert signal.getsignal(signal.SIGINT) != former[0]
            raise RuntimeError

    def left() -> None:
        for _ in run.iterations(3):
            break

    with pytest.raises(RuntimeError):
        broken()
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == former
    assert run.stop_reason == "left_early"
    left()
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == former
    assert run.stop_reason == "left_early"


def test_a_trainer_may_say_itself_why_it_stopped(run: Run) -> None:
    for iteration in run.iterations(10):
        run.log(iteration, METRICS)
        if iteration == 1:
            run.stop_reason = "solved"
            break
    assert run.stop_reason == "solved"


def test_outside_the_main_thread_signals_are_left_alone() -> None:
    from threading import Thread

    former = signal.getsignal(signal.SIGINT)
    signals = StopSignals(lambda: None)
    thread = Thread(target=signals.install)
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGINT) is former


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        signals = StopSignals(lambda: None)
        signals.install()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        signals.restore()
    finally:
        signal.signal(signal.SIGINT, former)


def test_the_time_limit_is_not_overrun_by_an_iteration_of_the_usual_length(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock(monkeypatch)
    done = []
    for iteration in run.iterations(100, time_limit_s=35.0):
        clock.now += 10.0
        done.append(iteration)
    # After three iterations 30 s are gone; a fourth would end at 40 s.
    assert (done, run.stop_reason) == ([0, 1, 2], "time_limit")


def test_the_first_iteration_is_done_whatever_the_limit(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock(monkeypatch)
    done = []
    for iteration in run.iterations(100, time_limit_s=5.0):
        clock.now += 10.0
        done.append(iteration)
    assert (done, run.stop_reason) == ([0], "time_limit")


class FakeClock:
    """`time.monotonic` moves only when told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.now = 1000.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


def test_the_time_left_is_that_of_the_iterations_or_of_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock(monkeypatch)
    pace = Pace(num_iterations=10, first=0, time_limit_s=None)
    assert pace.remaining_s is None
    pace.durations_s += [10.0, 10.0, 100.0, 10.0]  # a slow one does not count
    clock.now += 130.0
    assert pace.remaining_s == pytest.approx(60.0)  # six more at 10 s
    clock.now += 4.0  # into the fifth
    assert pace.remaining_s == pytest.approx(56.0)
    pace.time_limit_s = 150.0
    assert pace.remaining_s == pytest.approx(16.0)


# --- 4. What is shown ---


def test_without_a_terminal_there_is_a_line_per_iteration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Run.create(tmp_path, {}, title="MARFT-A, seed 1") as run:
        run.record_evaluation(
            0,
            "untrained",
            {
                "mean": 0.02,
                "low": 0.005,
                "high": 0.04,
                "num_instances": 200,
                "level": "hard",
                "correct": 0.02,
            },
        )
        for iteration in run.iterations(2):
            run.status("collecting 1/64")
            run.log(iteration, METRICS)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "MARFT-A, seed 1"
    assert lines[1].split() == [
        "evaluation",
        "iteration",
        "level",
        "mean",
        "95",
        "%",
        "interval",
        "instances",
    ]
    assert lines[2].split() == [
        "untrained",
        "0",
        "hard",
        "0.020",
        "[0.005,",
        "0.040]",
        "200",
        "correct",
        "0.0200",
    ]
    assert lines[3].startswith("iteration 1/2 | add_digit  return 0.31  critic expl. var. 0.50 | reasoner_0 KL 0.0120")
    assert "skipped 2 (target_kl) | actor_0 KL 0.0200 | 0:00:0" in lines[3]
    assert len(lines) == 5 and all(line.isascii() for line in lines)


def test_a_quiet_run_says_nothing(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    for iteration in run.iterations(2):
        run.status("collecting")
        run.log(iteration, METRICS)
    run.record_evaluation(2, "trained", {"mean": 1.0})
    run.finish()
    assert capsys.readouterr() == ("", "")


def test_a_long_silence_is_broken_by_the_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = FakeClock(monkeypatch)
    progress = PlainProgress()
    for seconds in range(130):
        clock.now = 1000.0 + seconds
        progress.status(f"evaluating {seconds}/200")
    assert capsys.readouterr().out == "... evaluating 60/200\n... evaluating 120/200\n"


def test_the_live_display_shows_bar_clock_team_and_agents() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None)
    progress = LiveProgress("MARFT-A, seed 1", console)
    progress.begin(Pace(40, 0, None))
    progress.metrics(0, METRICS | {"train/return": 0.1})
    progress.metrics(1, METRICS)
    progress.status("collecting 40/64")
    with console.capture() as captured:
        console.print(progress.render())
    progress.line("a line of its own")
    progress.stopping()
    with console.capture() as stopping:
        console.print(progress.render())
    progress.stop()
    shown = captured.get()
    for text in (
        "0/40",
        "0:00:00 elapsed",
        "add_digit  return 0.31",
        "▁█",
        "reasoner_0  KL 0.0120",
        "collecting 40/64",
    ):
        assert text in shown
    assert "once more to stop at once" in stopping.get()
    assert "a line of its own" in console.file.getvalue()


def test_the_live_display_survives_a_narrow_terminal_and_odd_numbers() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=20)
    progress = LiveProgress("t", console)
    progress.status("before the first iteration")
    progress.begin(Pace(0, 0, 10.0))
    for value in (math.nan, math.inf, 0.5, 0.5, None):
        progress.metrics(0, {"train/return": value, "[bold]odd/kl": value})
    console.print(progress.render())
    progress.stop()
    progress.stop()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0.00"),
        (0.31, "0.31"),
        (0.0123, "0.0123"),
        (2.5e-6, "2.5e-06"),
        (-1234.5, "-1234"),
        (None, "-"),
        ("nan", "nan"),
        (True, "1.00"),
    ],
)
def test_figures_are_short(value: object, text: str) -> None:
    assert short(value) == text


def test_durations_are_read_as_on_a_clock() -> None:
    assert [duration(seconds) for seconds in (0.4, 59.6, 331, 36_000)] == [
        "0:00:00",
        "0:01:00",
        "0:05:31",
        "10:00:00",
    ]


# --- 5. The end, and going on after it ---


def test_the_end_tells_where_everything_is_and_what_to_try_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with Run.create(Path("runs/a"), {}, title="t") as run:
        for iteration in run.iterations(3):
            run.log(iteration, METRICS)
        run.checkpoint("final", lambda folder: None, {})
        run.record_evaluation(3, "trained", {"mean": 0.9, "low": 0.8, "high": 1.0, "num_instances": 50})
        capsys.readouterr()
        summary = run.finish(["marft play math/reason_act-v0"])
    said = capsys.readouterr().out
    for text in (
        "Finished after 3 of 3 iterations",
        "runs/a/curve.png",
        "runs/a/checkpoints/final",
        "runs/a/metrics.jsonl",
        "tensorboard --logdir runs/a/tensorboard",
        "marft play math/reason_act-v0",
        "[0.800, 1.000]",
    ):
        assert text in said
    assert summary.curve.is_file() and summary.checkpoint is not None
    kept = json.loads(Path("runs/a/summary.json").read_text())
    assert (kept["stop_reason"], kept["num_iterations"], kept["last_metrics"]["train/return"]) == (
        "finished",
        3,
        0.31,
    )
    assert kept["evaluations"][0]["mean"] == 0.9


def test_a_run_that_was_stopped_ends_as_well(run: Run) -> None:
    for iteration in run.iterations(10):
        run.log(iteration, METRICS)
        os.kill(os.getpid(), signal.SIGTERM)
    summary = run.finish()
    assert (summary.stop_reason, summary.num_iterations, summary.num_planned) == ("terminated", 1, 10)
    assert summary.checkpoint is None


def test_a_run_goes_on_where_its_checkpoint_was_taken(tmp_path: Path) -> None:
    with Run.create(tmp_path / "run", {}, title="a title", quiet=True) as run:
        run.record_evaluation(0, "untrained", {"mean": 0.1})
        for iteration in run.iterations(4):
            run.log(iteration, METRICS | {"train/return": 0.1})
            run.record_evaluation(iteration + 1, "on the way", {"mean": 0.1})
            if iteration == 1:
                run.checkpoint("iteration-2", lambda folder: None, {"num_done": iteration + 1})
    wall_s = records(run)[1]["wall_s"]
    start = load_checkpoint(tmp_path / "run").state["num_done"]
    with Run.resume(tmp_path / "run", start=start, quiet=True) as run:
        assert run.title == "a title"
        for iteration in run.iterations(4, start=start):
            run.log(iteration, METRICS | {"train/return": 0.9})
    kept = records(run)
    assert [(record["iteration"], record["train/return"]) for record in kept] == [
        (0, 0.1),
        (1, 0.1),
        (2, 0.9),
        (3, 0.9),
    ]
    assert kept[2]["wall_s"] >= wall_s
    evaluations = read_records(tmp_path / "run" / "evaluations.jsonl")
    assert [record["iteration"] for record in evaluations] == [0, 1, 2]
    assert [value for _, value in logged_scalars(run.folder, "train/return")] == pytest.approx([0.1, 0.1, 0.9, 0.9])


def test_only_a_run_can_be_resumed(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"run\.json is missing or damaged; give the folder of a run"):
        Run.resume(tmp_path, start=3)


def test_importing_the_bookkeeping_loads_nothing_heavy() -> None:
    script = "import sys, baselines.runs.run, baselines.runs.intervals; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not {"torch", "matplotlib", "rich"} & set(done.stdout.split())
