"""What the benchmarks count is what they say they count."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

PATH = Path(__file__).parents[1] / "benchmarks" / "env_steps.py"
spec = importlib.util.spec_from_file_location("benchmarks_env_steps", PATH)
assert spec is not None and spec.loader is not None
env_steps = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = env_steps  # where dataclasses look their own annotations up
spec.loader.exec_module(env_steps)

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
