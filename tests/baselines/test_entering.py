"""`marft evaluate --submission` and `marft leaderboard`: from a team to an entry, and to a verdict about it.

1. What is written is what was played: who, how, how often, at how many tokens. 2. What does not fit is refused before
anything is played. 3. The verdict, in words, as JSON, and as a pull request shows it.
"""

import gzip
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from baselines.entry import Played, _model_player
from baselines.rollouts.collect import Sampling
from baselines.runs.experiment import ExperimentConfig
from leaderboard import tracks
from leaderboard.tracks import Task

RELAY = Task("collab/sum_relay-v0", "easy", num_instances=5)
WORD = Task("collab/guess_word-v0", "easy", num_instances=4)
SEARCH = Task("collab/search_party-v0", "easy", {"horizon": 5}, num_instances=3)


@pytest.fixture(autouse=True)
def short_tracks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A track of two tasks with few instances each."""
    monkeypatch.setattr(tracks, "TRACKS", {"small": (RELAY, WORD), "party": (SEARCH,), "open": ()})
    monkeypatch.setattr(tracks, "OPEN_INSTANCES", 3)


def record(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "submission.json").read_bytes())
    return found


# ---- 1. What is written ----------------------------------------------------------------------------------------------


def test_a_trained_team_enters_the_task_that_it_was_trained_on(
    relay_run: Path, tmp_path: Path, marft: Callable[..., str]
) -> None:
    entry = tmp_path / "ours"
    shown = marft("evaluate", relay_run, "--submission", entry, "--contact", "me@example.org")
    assert "collab/sum_relay-v0@easy: score " in shown
    said = record(entry)
    assert (said["name"], said["track"], said["contact"], said["licence"]) == (
        "ours",
        "small",
        "me@example.org",
        "CC-BY-4.0",
    )
    (task,) = said["tasks"]
    assert (task["plays"], task["vote"], task["solo"], task["few_shot"]) == (1, False, None, 0)
    assert task["training"]["algorithm"] == "marft_action"
    assert task["training"]["config"]["lr"] == 5e-4
    metrics = [json.loads(line) for line in (relay_run / "metrics.jsonl").read_text().splitlines()]
    assert task["training"]["tokens"] == sum(one["train/tokens_out"] for one in metrics)
    for agent in ("holder_0", "holder_1"):
        player = task["players"][agent]
        weights = relay_run / "checkpoints" / "final" / agent / "adapter_model.safetensors"
        assert player["adapter"] == f"sha256:{hashlib.sha256(weights.read_bytes()).hexdigest()}"
        assert player["sampling"] == {"temperature": 0.0, "max_new_tokens": 4, "stop": [], "top_p": 1.0}
    assert (
        str(relay_run.parent) not in (entry / "submission.json").read_text()
    )  # whose machine it was is nobody's business
    marft("leaderboard", "validate", entry, "--processes", 1)


def test_tokens_are_those_of_each_turn_in_the_order_of_the_log(
    tiny_model: Path, tmp_path: Path, marft: Callable[..., str]
) -> None:
    entry = tmp_path / "party"
    marft("evaluate", "--model", tiny_model, "--max-new-tokens", 5, "--submission", entry, "--track", "party")
    (task,) = record(entry)["tasks"]
    stem = "collab+search_party-v0+easy+horizon=5"
    tokens = [
        json.loads(line)
        for line in gzip.decompress((entry / "logs" / f"{stem}.tokens.jsonl.gz").read_bytes()).splitlines()
    ]
    log = [
        json.loads(line) for line in gzip.decompress((entry / "logs" / f"{stem}.jsonl.gz").read_bytes()).splitlines()
    ]
    turns = [line for line in log if line["kind"] == "turn"]
    wrote = [count for one in tokens for count in one["wrote"]]
    assert len(wrote) == len(turns) > 0
    assert all(0 < count <= 5 for count in wrote)
    # A byte is a token of this model: what was written is as long as its tokens, but for the one that ends a reply.
    assert all(len(turn["action"].encode()) <= 4 * count for turn, count in zip(turns, wrote, strict=True))
    assert task["scores"]["tokens_out"] == sum(wrote)
    marft("leaderboard", "validate", entry, "--processes", 1)


def test_an_untrained_team_enters_every_task_of_a_track_and_one_may_be_played_again(
    tiny_model: Path, tmp_path: Path, marft: Callable[..., str]
) -> None:
    entry = tmp_path / "base"
    words = ("evaluate", "--model", tiny_model, "--max-new-tokens", 4, "--submission", entry, "--entrant", "Base model")
    shown = marft(*words)
    assert "task 1 of 2: collab/sum_relay-v0@easy" in shown
    first = record(entry)
    assert [task["env_id"] for task in first["tasks"]] == ["collab/sum_relay-v0", "collab/guess_word-v0"]
    assert all(task["training"] is None for task in first["tasks"])
    # The reference says a number, so that there is something to vote about.
    several = ("--samples", 3, "--temperature", 1, "--replace", "holder_1", "reference")
    marft(*words, "--env-id", "collab/sum_relay-v0", *several)
    again = record(entry)
    assert [task["plays"] for task in again["tasks"]] == [3, 1]
    assert again["tasks"][0]["vote"] is True
    assert again["tasks"][1] == first["tasks"][1]
    assert again["name"] == "Base model"
    shown = marft("leaderboard", "validate", entry, "--processes", 1)
    assert "Valid: 19 episodes come out as logged" in shown  # 5 instances thrice, and 4 once


def test_how_another_engine_computed_is_not_said() -> None:
    for engine in ("hf", "vllm"):
        settings = ExperimentConfig(engine=engine, matmul_precision="medium")  # type: ignore[arg-type]  # both are known
        how = Played(settings, None, Sampling(0.0, 16))
        player = _model_player(how, None, "reasoner_0")
        assert (player.computed is not None) == (engine == "hf")


def test_one_alone_and_a_team_with_scripts_say_so(tiny_model: Path, tmp_path: Path, marft: Callable[..., str]) -> None:
    words = ("evaluate", "--model", tiny_model, "--env-id", "collab/sum_relay-v0", "--max-new-tokens", 4)
    marft(*words, "--submission", tmp_path / "alone", "--solo", "informed")
    (task,) = record(tmp_path / "alone")["tasks"]
    assert task["solo"] == "informed"
    assert task["players"]["holder_0"] == task["players"]["holder_1"]
    marft(*words, "--submission", tmp_path / "mixed", "--replace", "holder_0", "reference")
    (task,) = record(tmp_path / "mixed")["tasks"]
    assert task["players"]["holder_0"] == {"kind": "script", "script": "reference"}
    assert task["players"]["holder_1"]["kind"] == "model"
    for name in ("alone", "mixed"):
        marft("leaderboard", "validate", tmp_path / name, "--processes", 1)


def test_the_open_track_takes_any_environment_at_any_level(
    tiny_model: Path, tmp_path: Path, marft: Callable[..., str]
) -> None:
    words = (
        "evaluate",
        "--model",
        tiny_model,
        "--max-new-tokens",
        4,
        "--submission",
        tmp_path / "o",
        "--track",
        "open",
    )
    marft(*words, "--env-id", "math/reason_act-v0", "--level", "signed", "--env-options", "horizon", 1)
    (task,) = record(tmp_path / "o")["tasks"]
    assert (task["level"], task["options"]) == ("signed", {"horizon": 1})
    marft("leaderboard", "validate", tmp_path / "o", "--processes", 1)


# ---- 2. What does not fit --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--env-id", "math/debate-v0"), "track small does not play math/debate-v0; it plays collab/sum_relay-v0@easy"),
        (("--level", "hard"), "at level hard; it plays"),
        (("--env-options", "horizon", "2"), "track small decides the options of its tasks; leave --env-options out"),
        (("--team", "trio"), "leave --team out"),
        (("--split", "train"), "an entry plays the test split"),
        (("--track", "large"), "unknown track 'large'; tracks are small, party, open"),
        (("--track", "open"), "track open plays one environment; give --env-id"),
        (
            ("--track", "open", "--env-id", "math/pipeline-v0", "--env-options", "source", "x"),
            "option 'source' may not",
        ),
        (("--entrant", "no\nlines"), "name"),
        (("--json",), "leave --log and --json out"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(
    words: tuple[str, ...], message: str, tiny_model: Path, tmp_path: Path, marft: Callable[..., str]
) -> None:
    base = ("evaluate", "--model", tiny_model, "--max-new-tokens", 4, "--submission", tmp_path / "x")
    assert message in marft(*base, *words, status=2)
    assert not (tmp_path / "x").exists()


def test_an_entry_takes_no_tasks_of_another_track(tiny_model: Path, tmp_path: Path, marft: Callable[..., str]) -> None:
    marft("leaderboard", "script", "random", tmp_path / "x")
    base = ("evaluate", "--model", tiny_model, "--max-new-tokens", 4, "--submission", tmp_path / "x")
    assert "track is 'small', and this one's is 'party'" in marft(*base, "--track", "party", status=2)


# ---- 3. The verdict --------------------------------------------------------------------------------------------------


@pytest.fixture
def scripted(tmp_path: Path, marft: Callable[..., str]) -> Path:
    folder = tmp_path / "script"
    marft("leaderboard", "script", "reference", folder)
    return folder


def test_a_valid_entry_has_exit_status_0_packed_or_not(
    scripted: Path, tmp_path: Path, marft: Callable[..., str]
) -> None:
    archive = tmp_path / "packed.zip"
    marft("leaderboard", "pack", scripted, archive)
    shown = marft("leaderboard", "validate", scripted, archive, "--processes", 1)
    assert shown.count("Valid: 9 episodes come out as logged, and every number is what they come to.") == 2
    first = archive.read_bytes()
    marft("leaderboard", "pack", scripted, archive)
    assert archive.read_bytes() == first


def test_an_invalid_entry_has_exit_status_1_and_rule_and_field_are_named(
    scripted: Path, marft: Callable[..., str]
) -> None:
    path = scripted / "submission.json"
    path.write_text(path.read_text().replace('"score": 1.0', '"score": 0.5', 1))
    assert "✗ digest: digest:" in marft("leaderboard", "validate", scripted, status=1)
    shown = json.loads(marft("leaderboard", "validate", scripted, "--format", "json", status=1))
    assert [(one["valid"], one["findings"][0]["rule"]) for one in shown] == [(False, "digest")]


def test_a_pull_request_is_annotated_and_cannot_be_talked_into_other_commands(
    scripted: Path, marft: Callable[..., str]
) -> None:
    (scripted / "a\n::stop-commands::x").write_text("")
    lines = marft("leaderboard", "validate", scripted, "--format", "github", status=1).splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("::error file=")
    assert "title=archive::" in lines[0]


def test_mistakes_of_the_person_have_exit_status_2(tmp_path: Path, marft: Callable[..., str]) -> None:
    assert "there is nothing at" in marft("leaderboard", "validate", tmp_path / "none", status=2)
    assert "--processes is 0" in marft("leaderboard", "validate", tmp_path, "--processes", 0, status=2)
    assert "unknown season '1999'" in marft("leaderboard", "seeds", "--season", "1999", status=2)


def test_seeds_and_tracks_are_told(marft: Callable[..., str]) -> None:
    seeds = json.loads(marft("leaderboard", "seeds"))
    assert {task: len(own) for task, own in seeds.items()} == {RELAY.key: 5, WORD.key: 4}
    assert "collab/guess_word-v0@easy" in marft("leaderboard", "tracks", "small")


def test_the_leaderboard_loads_no_torch() -> None:
    told = "main(['leaderboard', 'tracks', 'small']); print('torch' in sys.modules)"
    code = f"import sys; from baselines.cli import main; {told}"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "False"
