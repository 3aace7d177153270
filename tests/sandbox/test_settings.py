"""The attacks reach nothing in other settings either: as another user, in a container's filter, as a poorer root."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import marft_envs
from tests.sandbox import arena, settings


@pytest.fixture(scope="module")
def open_folder() -> Iterator[Path]:
    """One that other users can write to, which pytest's own folders are not."""
    folder = Path(tempfile.mkdtemp(prefix="marft-"))
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


def in_setting(setting: str, folder: Path) -> dict[str, str]:
    folder = folder / setting.replace(" ", "-")
    folder.mkdir()
    folder.chmod(0o777)
    paths = [str(Path(marft_envs.__file__).parents[1]), *sys.path]
    ended = subprocess.run(
        [sys.executable, arena.__file__, setting, str(folder)],
        env={**os.environ, "MARFT_TEST_PATH": json.dumps(paths)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    found: dict[str, str] = json.loads(ended.stdout)
    return found


@pytest.fixture(scope="module")
def found_in(open_folder: Path) -> dict[str, dict[str, str]]:
    """What got out in which setting; half of the time they wait, so that two go well together."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        found = pool.map(lambda setting: in_setting(setting, open_folder), settings.SETTINGS)
        return dict(zip(settings.SETTINGS, found, strict=True))


@pytest.mark.parametrize("setting", settings.SETTINGS)
def test_no_attack_reaches_anything_in_another_setting(setting: str, found_in: dict[str, dict[str, str]]):
    found = found_in[setting]
    if "skipped" in found:
        pytest.skip(found["skipped"])
    assert len(found) == len(arena.chosen())
    assert {name: complaint for name, complaint in found.items() if complaint} == {}


def test_container_that_withholds_landlock_is_refused(open_folder: Path):
    found = in_setting(settings.OLD_DOCKER, open_folder)
    if "skipped" in found:
        pytest.skip(found["skipped"])
    assert found.keys() == {"refused"}
    assert "refuses Landlock" in found["refused"] and "seccomp profile" in found["refused"]
