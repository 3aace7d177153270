"""Examples are run as their readers run them; torchrl_text.py in tests/clients, the plug-in in tests/baselines."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs_scripts import ROOT


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What `python examples/write_an_env.py` prints, in an empty folder, where a warning is an error."""
    folder = tmp_path_factory.mktemp("anywhere")
    environ = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-W", "error", str(ROOT / "examples" / "write_an_env.py")]
    done = subprocess.run(words, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not any(Path(folder).iterdir())
    return done.stdout


def test_the_environment_of_the_example_is_solved_in_its_transcript(printed: str) -> None:
    transcript = printed.partition("── terminated ──")[0]
    assert transcript.startswith("── round 1 of 2 ──\n\nto scout_0:\nIt is in row ")
    assert transcript.endswith("rewards: scout_0 +1, digger_0 +1\n\n")


def test_the_environment_of_the_example_keeps_every_promise(printed: str) -> None:
    assert "examples/treasure-v0: all promises kept" in printed


def test_the_example_is_the_same_in_pettingzoos_loop_and_in_the_replay(printed: str) -> None:
    assert "PettingZoo's loop comes to the same: True" in printed
    assert "The replay comes out as logged: True" in printed
    assert "A log that was altered does not: episode of examples/treasure-v0, seed 1: turn 0" in printed
