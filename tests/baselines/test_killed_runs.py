"""SIGKILL at random moments, each time gone on from: in the end everything is as if nothing had happened.

The processes are real, and so is the signal; see `killed_run`.
"""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from baselines.algorithms.marft_action import Config
from tests.baselines.outcomes import Outcome, outcome

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system with fork")

KINDS = ("clock", "clock", "collect", "collect", "update", "update", "disk", "disk", "disk", "write")
"""Ten moments: anywhere, in the rollout, in the update, in the checkpoint. Those by the clock come first, when most
iterations are left; the others in any order."""
MOST = {"clock": 0.8, "collect": 7, "update": 18, "disk": 75, "write": 3}
"""Seconds of a few iterations, or about as many calls as one iteration has: a kill comes before the run has ended."""


def run_to_the_end(folder: Path, tiny_model: Path, moments: list[tuple[str, float]]) -> list[list[object]]:
    """Train in processes that are killed at these moments and one that is not; tells how each of them ended."""
    settings = Config(
        env_id="tests.baselines.toy_envs:Letters",
        env_options={"horizon": 1},
        level="fancy",
        curriculum_threshold=1.1,
        model=str(tiny_model),
        lora_targets=("q_proj", "v_proj"),
        run_dir=folder / "run",
        num_iterations=14,
        episodes_per_iteration=4,
        max_new_tokens=3,
        eval_instances=2,
        eval_every=3,
        few_shot=0,
        lr=0.02,
        update_order="random",
        update_epochs=2,
        critic_steps=6,
    )
    folder.mkdir()
    (folder / "settings.json").write_text(json.dumps(asdict(settings), default=str))
    (folder / "moments.json").write_text(json.dumps(moments))
    command = [sys.executable, "-m", "tests.baselines.killed_run", str(folder / "settings.json")]
    done = subprocess.run(
        [*command, str(folder / "moments.json")],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def moments_of(seed: int) -> list[tuple[str, float]]:
    rng = np.random.default_rng(seed)
    drawn = []
    for kind in (*KINDS[:2], *rng.permutation(KINDS[2:]).tolist()):
        most = MOST[kind]
        drawn.append((kind, float(rng.uniform(0.1, most)) if kind == "clock" else int(rng.integers(1, most + 1))))
    return drawn


@pytest.fixture(scope="module")
def undisturbed(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    folder = tmp_path_factory.mktemp("undisturbed") / "folder"
    run_to_the_end(folder, tiny_model, [])
    return outcome(folder / "run")


@pytest.mark.slow
def test_killed_at_ten_random_moments_a_run_ends_as_the_undisturbed_one(
    undisturbed: Outcome, tiny_model: Path, tmp_path: Path
) -> None:
    ends = run_to_the_end(tmp_path / "folder", tiny_model, moments_of(seed=1))
    killed = [(kind, number) for kind, number, status in ends if status == -9]
    assert len(killed) == len(KINDS), f"the run ended before it could be killed: {ends}"
    assert outcome(tmp_path / "folder" / "run") == undisturbed
