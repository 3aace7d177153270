"""What the benchmarks count is what they say they count."""

import json
from pathlib import Path

import pytest

from benchmarks import env_steps, math_answers

OURS = [name for name in env_steps.contestants() if not name.startswith("TextArena")]


@pytest.mark.parametrize("name", OURS)
def test_an_episode_has_two_steps_a_round_and_neither_resets_nor_dead_steps_count(name: str) -> None:
    play = env_steps.contestants()[name]
    assert [play(), play()] == [2 * 10, 2 * 10]


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
