"""What the benchmarks count is what they say they count."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from benchmarks import env_steps, lookahead, math_answers, replay, sandbox, sandbox_soak
from leaderboard.tracks import TRACKS, Task
from marft_envs.sandbox.runs import Run, Script

OURS = [name for name in env_steps.contestants() if not name.startswith("TextArena")]


ON_THE_CLOCK = 15 + 11 + 9 + 7 + 6 + 6 + 5 + 5
"""Turns of 0.7, 0.95, … 2.45 seconds that begin within ten."""


@pytest.mark.parametrize("name", OURS)
def test_an_episode_has_two_steps_a_round_and_neither_resets_nor_dead_steps_count(name: str) -> None:
    play = env_steps.contestants()[name]
    expected = ON_THE_CLOCK if name == "ClockMG, eight agents" else 2 * 10
    assert [play(), play()] == [expected, expected]


def test_a_rate_is_steps_over_cpu_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([1.0, 1.5, 3.0])  # begins at 1; after the first episode at 1.5, after the second at 3
    monkeypatch.setattr(env_steps, "process_time", lambda: next(clock))
    assert env_steps.measure(lambda: 20, cpu_s=2.0) == 40 / 2.0


def test_everything_runs_by_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    played = []
    monkeypatch.setattr(env_steps, "measure", lambda play, cpu_s: play())
    players = {name: lambda name=name: played.append(name) or 20 for name in "ab"}
    env_steps.compare(players, repeats=2, cpu_s=1.0)
    assert "".join(played) == "ab" + "ab" + "abab"  # length of an episode, warm-up, two repeats


def test_the_table_is_printed_and_the_numbers_are_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "results" / "env_steps.json"
    env_steps.main(["--repeats", "2", "--cpu-s", "0.001", "--out", str(out)])
    kept = {result["name"]: result for result in json.loads(out.read_text(encoding="utf-8"))["results"]}
    printed = capsys.readouterr().out
    assert set(OURS) <= set(kept)
    for name in OURS:
        assert len(kept[name]["steps_per_cpu_s"]) == 2
        assert min(kept[name]["steps_per_cpu_s"]) > 0
        assert name in printed


def test_a_missing_textarena_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(env_steps, "find_spec", lambda name: None)
    env_steps.main(["--repeats", "1", "--cpu-s", "0.001", "--out", str(tmp_path / "out.json")])
    assert "TextArena is not installed, so it was not measured: pip install -e '.[bench]'" in capsys.readouterr().out


def test_the_grader_is_counted_on_the_golds_of_both_formats(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gsm8k, mathematics = tmp_path / "gsm8k.jsonl", tmp_path / "math.jsonl"
    gsm8k.write_text(json.dumps({"answer": "6 * 7 = 42\n#### 42"}) + "\n")
    mathematics.write_text("".join(json.dumps({"final_answer": gold}) + "\n" for gold in ("(1,2)", "\\frac{1}{2}", "")))
    math_answers.main(["--gsm8k", str(gsm8k), "--math", str(mathematics)])
    first, second = capsys.readouterr().out.split("MATH: 3 golds\n")
    assert first.startswith("GSM8K: 1 golds\n  boxed                1.0000   missed: none\n")
    assert "  boxed                0.6667   missed: [(2, '')]\n" in second
    assert "  swapped                   0   accepted of 2 \n" in second  # boxed, and in bold
    assert "  dfrac                1.0000   of 1\n" in second


@pytest.fixture
def bubblewrap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A stand-in that starts what it is told to, whether or not the real one is installed."""
    program = tmp_path / "bin" / "bwrap"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\nwhile [ "$1" = --given ]; do shift; done\nexec "$@"\n')
    program.chmod(0o755)
    monkeypatch.setattr(sandbox, "_BUBBLEWRAP", (str(program), "--given"))
    return program


def test_every_way_judges_every_task(
    bubblewrap: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sandbox, "BATCH", 2)
    out = tmp_path / "results" / "sandbox.json"
    sandbox.main(["--repeats", "1", "--slice-s", "0.001", "--out", str(out)])
    measured = [
        (own["task"], own["way"], own["at_once"]) for own in json.loads(out.read_text(encoding="utf-8"))["figures"]
    ]
    ways = ["sandbox", "subprocess", "bubblewrap"]
    first, *others = [task.name for task in sandbox.tasks()]
    assert sorted(measured) == sorted(
        [(first, way, at_once) for way in ways for at_once in (1, 2)]
        + [(task, way, 2) for task in others for way in ways]
    )
    assert len(capsys.readouterr().out.split("|\n")) == 2 + len(measured) + 1  # a head of two lines; what is below


@pytest.mark.parametrize(
    ("program", "told"), [(None, "not installed"), ("#!/bin/sh\nexit 1\n", "cannot make a user namespace")]
)
def test_why_bubblewrap_is_left_out(bubblewrap: Path, program: str | None, told: str) -> None:
    if program is None:
        bubblewrap.unlink()
    else:
        bubblewrap.write_text(program)
    assert sandbox.missing((str(bubblewrap),)) == told


def test_a_program_that_should_pass_and_does_not_stops_the_benchmark() -> None:
    way = sandbox.Way("broken", 1, lambda task, count: [False] * count)
    with pytest.raises(RuntimeError, match="a right program failed"):
        sandbox.measure(way, sandbox.tasks()[0], sandbox.Figures("", "", 1), slice_s=0.001)


def test_a_rate_is_verdicts_over_wall_seconds_and_cpu_time_is_for_one_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    walls = iter([0.0, 0.0, 3.0, 4.0, 10.0, 10.0, 10.5, 12.0])  # the batch ends at 3, the slice at 4; one takes 0.5
    cpus = iter([1.0, 2.0])
    monkeypatch.setattr(sandbox, "perf_counter", lambda: next(walls))
    monkeypatch.setattr(sandbox, "cpu_seconds", lambda servers: next(cpus))
    figures = sandbox.Figures("", "", 1)
    sandbox.measure(sandbox.Way("", 1, lambda task, count: [True] * count), sandbox.tasks()[0], figures, slice_s=2.0)
    assert figures.rates == [sandbox.BATCH / 4.0]
    assert figures.cpu_ms == [1e3 / sandbox.BATCH]
    assert figures.latencies_ms == [500.0]


def test_cpu_time_of_programs_counts_though_they_are_no_children_of_ours() -> None:
    box = sandbox.Sandbox()
    box.run(Script(""))
    before = sandbox.cpu_seconds(box.pids())
    run = box.run(Script("for _ in range(3_000_000): pass"))
    assert sandbox.cpu_seconds(box.pids()) - before > 0.8 * run.cpu_s > 0.02  # it counts in steps of 0.01
    box.close()


def test_ratios_are_to_a_subprocess_on_the_same_task() -> None:
    figures = [
        sandbox.Figures("t", way, 2, [rate], [1.0], [1.0]) for way, rate in (("sandbox", 300), ("subprocess", 100))
    ]
    assert [row[6] for row in sandbox.rows(figures)] == ["3.00×", "1.00×"]


def test_a_soak_finds_nothing_that_grows(capsys: pytest.CaptureFixture[str]) -> None:
    assert sandbox_soak.main(sandbox_soak.BATCH) == 0
    assert "Nothing grew" in capsys.readouterr().out


def test_a_soak_tells_what_ended_as_it_should_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        sandbox_soak, "_wrong", lambda runs, endings: sandbox_soak.Counter({"lost for finished": 2})
    )  # of the batch, and of the endless one
    assert sandbox_soak.main(1) == 1
    assert "FAILED: 4 lost for finished" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("later", "told"),
    [
        (sandbox_soak.Held(2, (8, 4), (50, 20)), []),
        (sandbox_soak.Held(3, (8, 4), (50, 20)), ["3 processes instead of 2"]),
        (sandbox_soak.Held(2, (8, 5), (50, 20)), ["descriptors (8, 5) instead of (8, 4)"]),
        (sandbox_soak.Held(2, (8, 4), (50, 20 + sandbox_soak.MOST_NEW_BYTES + 1)), ["more memory than may be"]),
    ],
)
def test_what_counts_as_growth(later: sandbox_soak.Held, told: list[str]) -> None:
    assert sandbox_soak.growth(sandbox_soak.Held(2, (8, 4), (50, 20)), later) == told


def test_processes_that_were_there_before_are_not_counted() -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        try:
            assert sandbox_soak.below(os.getpid()) >= {other.pid}
            assert sandbox_soak.held(sandbox_soak.Sandbox(), sandbox_soak.below(os.getpid())).processes == 0
        finally:
            other.kill()


def test_a_run_that_ends_otherwise_is_counted() -> None:
    runs = [Run("finished"), Run("lost"), Run("lost")]
    assert sandbox_soak._wrong(runs, ["finished", "finished", "time"]) == {"lost for finished": 1, "lost for time": 1}


def test_lookahead_counts_the_turns_of_a_batch_and_compares_both_plays(tmp_path: Path) -> None:
    out = tmp_path / "lookahead.json"
    lookahead.main(["--episodes", "2", "--teams", "search_party", "--out", str(out)])
    rows = {row["level"]: row for row in json.loads(out.read_text(encoding="utf-8"))["rows"]}
    assert list(rows) == ["easy", "standard", "hard"]
    assert rows["easy"]["together"] == pytest.approx(4, abs=0.5)  # four scouts in step
    for row in rows.values():
        assert row["alone"] <= 1.0  # what comes after the end counts as no turn
        assert row["ratio"] == row["together"] / row["alone"]


def test_lookahead_needs_the_clock() -> None:
    with pytest.raises(SystemExit, match="is not on the clock"):
        lookahead.main(["--env-id", "collab/sum_relay-v0", "--teams", "pair", "--episodes", "1"])


def test_replays_are_counted_in_episodes_over_cpu_seconds_and_their_parts_told() -> None:
    one = replay.Measured("a", 10, 3.0, 0.001, [2.0, 1.0, 4.0], [0.5, 0.5, 0.5], [1.0, 0.9, 1.1], [0.02, 0.03, 0.01])
    assert one.rates() == [5.0, 10.0, 2.5]  # 10 / 2, 10 / 1, 10 / 4
    assert one.shares() == (0.25, 0.5, 0.25)  # 0.5 / 2, 1 / 2, and the rest
    assert replay.row_of(one) == ["a", "3.0", "5", "2", "10", "25%", "50%", "25%", "1.0", "2.00"]


def test_replays_are_measured_printed_and_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for track, level in (("small", "easy"), ("standard", "standard")):
        tasks = (Task("collab/sum_relay-v0", level), Task("collab/meeting-v0", level))
        monkeypatch.setitem(TRACKS, track, tasks)  # type: ignore[arg-type]  # a dict behind a Mapping
    out = tmp_path / "results" / "replay.json"
    replay.main(
        [
            "--tracks",
            "small",
            "standard",
            "--tasks",
            "sum_relay",
            "--repeats",
            "2",
            "--episodes",
            "9",
            "--out",
            str(out),
        ]
    )
    kept = json.loads(out.read_text(encoding="utf-8"))["results"]
    assert [one["key"] for one in kept] == ["collab/sum_relay-v0@easy", "collab/sum_relay-v0@standard"]
    for one in kept:
        assert (one["episodes"], one["turns"]) == (9, 2.0)
        assert len(one["total_s"]) == len(one["parsing_s"]) == len(one["drawing_s"]) == 2
        assert min(one["total_s"]) > 0
    assert "collab/sum_relay-v0@standard" in capsys.readouterr().out
