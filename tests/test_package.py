"""What an installation gets: the files that are packed, the version, the extras."""

import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

import marft_envs
from baselines.errors import EXTRA_MODULES

ROOT = Path(__file__).parents[1]
PACKAGES = ("marft_envs", "baselines", "leaderboard")
IGNORED = shutil.ignore_patterns("__pycache__")


@pytest.fixture(scope="module")
def project() -> dict[str, object]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source distribution and the wheel, built from a copy of what is packed."""
    source = tmp_path_factory.mktemp("source")
    for package in (*PACKAGES, "tests"):
        shutil.copytree(ROOT / package, source / package, ignore=IGNORED)
    for name in (
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        "CITATION.cff",
        "Makefile",
        ".gitignore",
    ):
        shutil.copy(ROOT / name, source / name)
    into = tmp_path_factory.mktemp("built")
    # Without isolation the build back end of this environment is used, so nothing is downloaded.
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(into), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return into


def packed_files() -> set[str]:
    """Every file of the packages, as it should lie in a wheel: entries of the leaderboard are the repository's."""
    return {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and not {"__pycache__", "submissions"} & set(path.parts)
    }


def test_the_wheel_holds_every_file_of_the_packages_and_nothing_else(built: Path) -> None:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert names == packed_files()


def test_teams_and_type_marks_are_among_the_files_that_are_packed() -> None:
    names = packed_files()
    assert "marft_envs/math/teams/duo.yaml" in names
    assert {"marft_envs/py.typed", "baselines/py.typed", "leaderboard/py.typed"} <= names


def test_the_source_distribution_can_be_tested(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert packed_files() <= names
    assert {"pyproject.toml", "Makefile", "LICENSE", "tests/test_package.py"} <= names


def test_the_wheel_names_the_command_and_the_licence(built: Path) -> None:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        texts = {Path(name).name: wheel.read(name).decode() for name in wheel.namelist() if ".dist-info/" in name}
    assert "marft = baselines.cli:main" in texts["entry_points.txt"]
    assert "License-Expression: MIT" in texts["METADATA"]
    assert texts["LICENSE"].startswith("MIT License")


def test_the_version_is_the_same_everywhere(project: dict[str, object]) -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert project["version"] == marft_envs.__version__
    assert f"\nversion: {marft_envs.__version__}\n" in citation
    assert f"## [{marft_envs.__version__}]" in changelog


def test_the_extras_that_errors_name_are_the_ones_that_exist(project: dict[str, object]) -> None:
    extras = project["optional-dependencies"]
    assert isinstance(extras, dict)
    for extra, modules in EXTRA_MODULES.items():
        packages = {re.split(r"[<>=!~ \[;]", requirement)[0] for requirement in extras[extra]}
        assert modules == {package.replace("-", "_").lower() for package in packages}


def test_the_core_stays_small(project: dict[str, object]) -> None:
    dependencies = project["dependencies"]
    assert isinstance(dependencies, list)
    names = {re.split(r"[<>=!~ \[;]", requirement)[0] for requirement in dependencies}
    assert names == {"gymnasium", "numpy", "pettingzoo", "pyyaml"}
