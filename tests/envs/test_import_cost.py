"""`import marft_envs` is light: it loads what it stands on, and nothing else that weighs."""

import subprocess
import sys

import pytest

HEAVY = {"torch", "transformers", "peft", "pandas", "scipy", "matplotlib", "tyro", "rich", "yaml"}
"""Packages that the trainers and the command line use, each of them slower to load than all of ours."""


def modules_after(program: str) -> set[str]:
    """The modules loaded by a fresh interpreter that ran this."""
    program += "\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def packages(modules: set[str]) -> set[str]:
    return {module.split(".")[0] for module in modules}


@pytest.fixture(scope="module")
def bare() -> set[str]:
    return modules_after("import marft_envs")


@pytest.fixture(scope="module")
def foundation() -> set[str]:
    return modules_after("import numpy, gymnasium, pettingzoo")


def test_importing_the_package_loads_nothing_heavy(bare: set[str]) -> None:
    assert not packages(bare) & HEAVY


def test_importing_the_package_loads_no_package_but_what_it_stands_on(bare: set[str], foundation: set[str]) -> None:
    assert packages(bare) - packages(foundation) - sys.stdlib_module_names == {"marft_envs"}


def test_importing_the_package_loads_no_environment(bare: set[str]) -> None:
    assert {module for module in bare if module.startswith("marft_envs.")} == {
        "marft_envs.catalog",
        "marft_envs.errors",
        "marft_envs.options",
        "marft_envs.env_spec",
        "marft_envs.registry",
    }


def test_every_name_on_the_face_is_there_and_loads_nothing_heavy() -> None:
    loaded = modules_after(
        "import marft_envs\n"
        "for name in marft_envs.__all__:\n"
        "    assert getattr(marft_envs, name) is not None and name in dir(marft_envs), name"
    )
    assert not packages(loaded) & HEAVY


def test_a_star_import_gives_every_name_on_the_face() -> None:
    modules_after("from marft_envs import *\nFlexMG, Outcome, play, make, __version__")


def test_yaml_is_loaded_with_the_first_team_file(tmp_path) -> None:
    team = tmp_path / "team.yaml"
    team.write_text("agents: [{role: actor}]")
    assert "yaml" in modules_after(f"from marft_envs.team_files import load_team\nload_team({str(team)!r})")


def test_a_name_that_is_not_on_the_face_is_an_attribute_error() -> None:
    modules_after(
        "import marft_envs\n"
        "try:\n"
        "    marft_envs.no_such_name\n"
        "except AttributeError as error:\n"
        "    assert 'no_such_name' in str(error)\n"
        "else:\n"
        "    raise SystemExit(1)"
    )
