"""`marft rerun`: an honest entry agrees with its logs to the last token, a forged one does not; nothing foreign is run.

1. What is found. 2. What is refused.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from baselines.entered import Means, cast_of, models_of
from baselines.errors import CheckpointError, ConfigError
from baselines.foreign_adapters import find_weights, read_adapter
from leaderboard import tracks
from leaderboard.players import Computation
from leaderboard.reruns import read_reruns
from leaderboard.schema import TaskResult
from leaderboard.scores import Tokens
from leaderboard.submit import PlayedTask, add_task, entrant_of
from leaderboard.tracks import Task, seeds_of
from leaderboard.validate import validate

RELAY = Task("collab/sum_relay-v0", "easy", num_instances=5)
SEARCH = Task("collab/search_party-v0", "easy", {"horizon": 5}, num_instances=2)


@pytest.fixture(autouse=True)
def short_tracks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracks, "TRACKS", {"small": (RELAY,), "party": (SEARCH,), "open": ()})


@pytest.fixture
def rerun(marft: Callable[..., str], tiny_model: Path, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Runs it, and gives its record of the only task."""

    def run(entry: Path, weights: Path) -> dict[str, Any]:
        record = tmp_path / "record.json"
        bases = ("--bases", "tiny", tiny_model)
        marft("rerun", entry, "--weights", weights, *bases, "--season", "drawn", "--by", "us", "--output", record)
        (found,) = read_reruns(record)
        (task,) = found.tasks.values()
        return {"scores": task.scores, **task.agreement}

    return run


# ---- 1. What is found ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--samples", 2, "--temperature", 0.7),
        ("--solo", "blind"),
        ("--few-shot", 2),
        ("--replace", "holder_0", "echo"),
    ],
    ids=["greedy", "sampled", "one alone", "examples", "a script beside it"],
)
def test_an_honest_entry_agrees_to_the_last_token(
    words: tuple[object, ...],
    relay_run: Path,
    tmp_path: Path,
    marft: Callable[..., str],
    rerun: Callable[..., Any],
) -> None:
    marft("evaluate", relay_run, "--submission", tmp_path / "entry", *words)
    found = rerun(tmp_path / "entry", relay_run)
    assert (found["same_text"], found["same_tokens"]) == (1.0, 1.0)
    assert set(map(int, found["scores"])) == set(seeds_of("drawn", RELAY))


def test_an_entry_on_the_clock_agrees_too(
    tiny_model: Path, tmp_path: Path, marft: Callable[..., str], rerun: Callable[..., Any]
) -> None:
    entry = tmp_path / "party"
    marft("evaluate", "--model", tiny_model, "--max-new-tokens", 5, "--submission", entry, "--track", "party")
    found = rerun(entry, tmp_path)
    assert (found["same_text"], found["same_tokens"]) == (1.0, 1.0)
    assert found["logprob"] == found["base_logprob"]  # nobody is trained


def test_a_model_is_computed_again_as_it_was_and_an_older_entry_as_is_usual(
    tiny_model: Path, tmp_path: Path, marft: Callable[..., str]
) -> None:
    entry = tmp_path / "entry"
    how = ("--matmul-precision", "medium", "--attn-implementation", "eager")
    marft("evaluate", "--model", tiny_model, "--submission", entry, *how)
    (result,) = (verified.result for verified in validate(entry, num_processes=1).verified)
    said = {player.computed for player in models_of(result).values()}
    assert said == {Computation(dtype="float32", attention="eager", matmul_precision="medium")}
    means = Means(weights=tmp_path, bases={"tiny": str(tiny_model)})
    settings = cast_of(RELAY, result, means).settings
    assert (settings.attn_implementation, settings.matmul_precision) == ("eager", "medium")

    def with_players(*computed: Computation | None) -> TaskResult:
        players = zip(result.players.items(), computed, strict=True)
        return result.model_copy(
            update={"players": {agent: one.model_copy(update={"computed": way}) for (agent, one), way in players}}
        )

    older = cast_of(RELAY, with_players(None, None), means).settings
    assert (older.dtype, older.attn_implementation, older.matmul_precision) == ("float32", None, "highest")
    with pytest.raises(ConfigError, match="computed in different ways"):
        cast_of(RELAY, with_players(None, Computation(dtype="bfloat16")), means)


def test_words_that_the_team_did_not_write_do_not_agree_and_are_no_likelier_to_it_than_to_its_base(
    relay_run: Path,
    tmp_path: Path,
    marft: Callable[..., str],
    rerun: Callable[..., Any],
) -> None:
    honest, forged = tmp_path / "honest", tmp_path / "forged"
    marft("evaluate", relay_run, "--submission", honest)
    marft("leaderboard", "script", "reference", forged)
    ours = validate(honest, num_processes=1).verified[0]
    from leaderboard.scripted import scripted_play  # what the forger played

    shutil.rmtree(forged)
    played = scripted_play(RELAY, "2026", "reference")
    counted = [Tokens((50,) * len(one.turns), (4,) * len(one.turns)) for one in played.episodes]  # as if it had drawn
    add_task(
        forged,
        entrant_of(honest),
        PlayedTask(RELAY, ours.result.players, played.episodes, counted, training=ours.result.training),
    )
    assert validate(forged, num_processes=1).is_valid  # replay cannot see it
    found = rerun(forged, relay_run)
    assert found["same_text"] == 0.0
    assert found["logprob"] < -2


def test_without_the_very_adapters_nothing_is_played(
    relay_run: Path,
    tmp_path: Path,
    marft: Callable[..., str],
    rerun: Callable[..., Any],
) -> None:
    entry = tmp_path / "entry"
    marft("evaluate", relay_run, "--submission", entry)
    with pytest.raises(AssertionError, match=r"no file below .* has the digest sha256:.*; ask for it"):
        rerun(entry, tmp_path)


# ---- 2. What is refused ----------------------------------------------------------------------------------------------


@pytest.fixture
def adapter(relay_run: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "adapter"
    shutil.copytree(relay_run / "checkpoints" / "final" / "holder_0", folder)
    return folder / "adapter_model.safetensors"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"peft_type": "PROMPT_TUNING"}, "is no configuration of a LoRA adapter"),
        ({"use_dora": True}, "use_dora is True; a re-run loads plain LoRA adapters only"),
        ({"layer_replication": [[0, 2]]}, "layer_replication is"),
        ({"rank_pattern": {"q_proj": 4}}, "rank_pattern is"),
        ({"unheard_of": "os.system"}, "unheard_of is"),
        ({"r": 10**9}, "r is 1000000000"),
        ({"r": True}, "r is True"),
        ({"lora_alpha": "8"}, "lora_alpha '8'"),
        ({"target_modules": "(a+)+$"}, "target_modules is"),
        ({"target_modules": ["q_proj", "a.b"]}, "target_modules is"),
        ({"layers_to_transform": [-1]}, "layers_to_transform is"),
    ],
)
def test_a_configuration_that_is_no_plain_lora_is_refused(adapter: Path, change: dict[str, Any], message: str) -> None:
    path = adapter.with_name("adapter_config.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(CheckpointError) as caught:
        read_adapter(adapter)
    assert message in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"[]", b"[" * 50_000, b"{" + b" " * 200_000, b"\xff"])
def test_what_is_no_configuration_is_refused(adapter: Path, content: bytes) -> None:
    adapter.with_name("adapter_config.json").write_bytes(content)
    with pytest.raises(CheckpointError):
        read_adapter(adapter)


def test_links_are_not_followed_and_pickles_not_looked_at(adapter: Path, tmp_path: Path) -> None:
    handed_in = tmp_path / "handed_in"
    handed_in.mkdir()
    (handed_in / "a.safetensors").symlink_to(adapter)
    shutil.copyfile(adapter, handed_in / "adapter_model.bin")
    from baselines.entry import file_hash

    with pytest.raises(CheckpointError, match="no file below"):
        find_weights(handed_in, [file_hash(adapter)])


def test_a_base_that_nobody_has_allowed_is_not_loaded(
    relay_run: Path,
    tmp_path: Path,
    marft: Callable[..., str],
) -> None:
    entry = tmp_path / "entry"
    marft("evaluate", relay_run, "--submission", entry)
    told = marft("rerun", entry, "--weights", relay_run, status=2)
    assert "was played by tiny, which is none of smollm2-135m; give its folder by --bases tiny FOLDER" in told


def test_the_seeds_that_entrants_knew_are_not_played_anew(
    relay_run: Path,
    tmp_path: Path,
    marft: Callable[..., str],
) -> None:
    marft("evaluate", relay_run, "--submission", tmp_path / "e")
    told = marft("rerun", tmp_path / "e", "--weights", relay_run, "--season", "2026", status=2)
    assert "--season is 2026, whose seeds the entrant knew" in told
