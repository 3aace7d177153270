"""A package of somebody else's, installed by pip, brings an environment: found, checked, trained on.

1. Installing it is enough: no import, no call.
2. PettingZoo's registry has it, too.
3. It passes the contract, and a team trains on it.
4. A name that cannot be registered is warned of, and hides nothing else.
"""

import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

import marft_envs
from marft_envs import registry

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "examples" / "plugin"
DEMO = "demo/countdown-v0"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed the plug-in, built from a copy without network."""
    folder = tmp_path_factory.mktemp("site")
    pip = ["-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-index"]
    pip += ["--no-deps", "--no-build-isolation", "--target"]
    words = [sys.executable, *pip, str(folder), str(PLUGIN)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def run(site: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Python in a process of its own, which sees the plug-in as an installed package."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(ROOT)]), "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *words], env=environ, capture_output=True, text=True, check=False)


def test_an_installed_plugin_is_found_without_an_import(site: Path) -> None:
    code = f"""
import sys, marft_envs, pettingzoo
assert "{DEMO}" in marft_envs.registered_ids()
assert "marft_plugin_demo" not in sys.modules
for env in (marft_envs.make("{DEMO}"), pettingzoo.make("aec", "{DEMO}")):
    episode = marft_envs.play(env, lambda agent, messages: env.reference_action(agent), seed=1)
    assert set(episode.returns.values()) == {{1.0}}, episode.returns
"""
    done = run(site, "-c", code)
    assert done.returncode == 0, done.stderr


def test_the_plugin_keeps_every_promise(site: Path) -> None:
    done = run(site, "-m", "baselines.cli", "check", DEMO)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_team_trains_on_it(site: Path, tiny_model: Path, tmp_path: Path) -> None:
    words = ["--env-id", DEMO, "--model", str(tiny_model), "--run-dir", str(tmp_path / "run"), "--num-iterations", "1"]
    words += ["--episodes-per-iteration", "4", "--eval-instances", "2", "--few-shot", "0", "--max-new-tokens", "3"]
    done = run(site, "-m", "baselines.cli", "train", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "run" / "checkpoints" / "final").is_dir()


def test_a_name_that_cannot_be_registered_is_warned_of_and_hides_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [EntryPoint(name, "tests.envs.twins:Parcel", registry.PLUGINS) for name in ("no version", DEMO)]
    monkeypatch.setattr(registry, "entry_points", lambda group: points)
    monkeypatch.setattr(registry, "_specs", dict(registry._specs))
    monkeypatch.setattr(registry, "_mirror", lambda spec: None)
    with pytest.warns(UserWarning, match="an environment of an installed package is left out: malformed"):
        registry.register_plugins()
    assert DEMO in marft_envs.registered_ids()
