"""Behaviour does not change without a new version."""

from pathlib import Path

import pytest

import marft_envs
from marft_envs import golden

OURS = [env_id for env_id in marft_envs.registered_ids() if golden.is_ours(env_id)]


@pytest.mark.parametrize("env_id", OURS)
def test_every_environment_behaves_as_recorded(env_id: str) -> None:
    recorded = golden.recorded_hashes()
    assert env_id in recorded, "python -m marft_envs.golden --add"
    assert golden.behaviour_hash(env_id) == recorded[env_id], golden.WAY_OUT


def test_no_record_is_of_an_environment_that_is_gone() -> None:
    assert set(golden.recorded_hashes()) == set(OURS)  # old versions stay runnable


def test_a_changed_environment_is_found_and_never_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(golden, "GOLDEN", tmp_path / "golden.json")
    monkeypatch.setattr(
        golden, "registered_ids", lambda: ["math/pipeline-v0", "math/reason_act-v0"]
    )  # four times is slow
    golden.GOLDEN.write_text("{}")
    assert golden.main([]) == 1
    assert "math/reason_act-v0 is not recorded yet: python -m marft_envs.golden --add" in capsys.readouterr().err
    assert golden.main(["--add"]) == 0
    kept = golden.GOLDEN.read_text()
    monkeypatch.setattr("marft_envs.math.reason_act.TRY_AGAIN", "Once more.")
    assert golden.main([]) == 1
    assert "math/reason_act-v0 behaves otherwise than recorded: register" in capsys.readouterr().err
    assert golden.GOLDEN.read_text() == kept
    assert golden.main(["--add"]) == 0  # nothing is missing, and what is there is neither looked at nor changed
    assert golden.GOLDEN.read_text() == kept


def test_the_hash_sees_rewards_texts_and_instances(monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = {golden.behaviour_hash("math/reason_act-v0")}
    for name, value in (("QUESTION", "{problem}?"), ("WRONG", "no"), ("share", lambda verdicts: 0.5)):
        with monkeypatch.context() as patch:
            patch.setattr(f"marft_envs.math.reason_act.{name}", value)
            hashes.add(golden.behaviour_hash("math/reason_act-v0"))
    assert len(hashes) == 4
