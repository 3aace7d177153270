"""What scripts in docs/ make is up to date, and what pages say about files and environments is true."""

import importlib.util
import inspect
import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from types import ModuleType

import pytest

import marft_envs

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def script(name: str) -> ModuleType:
    """A script of docs/, loaded and not run."""
    spec = importlib.util.spec_from_file_location(f"docs_{name}", ROOT / "docs" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look their own annotations up
    spec.loader.exec_module(module)
    return module


make_tables = script("make_tables")
make_flex_mg = script("make_flex_mg")

# --- The table of environments ----------------------------------------------------------------------------------------


def test_the_table_of_environments_is_what_the_docstrings_say() -> None:
    assert make_tables.with_table(README) == README, "run python docs/make_tables.py"


def test_the_table_has_a_row_for_every_environment() -> None:
    rows = [line for line in README.splitlines() if re.match(r"\| `\w+/\w+-v\d+` \|", line)]
    assert [row.split("`")[1] for row in rows] == list(marft_envs.registered_ids())


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A README whose table holds another reward."""
    path = tmp_path / "README.md"
    changed = README.replace("to the whole team: the share", "to the last agent: the share")
    assert changed != README
    path.write_text(changed, encoding="utf-8")
    monkeypatch.setattr(make_tables, "README", path)
    return path


def test_a_table_that_is_out_of_date_fails_the_check_and_stays(page: Path) -> None:
    before = page.read_text(encoding="utf-8")
    assert make_tables.main(["--check"]) == 1
    assert page.read_text(encoding="utf-8") == before


def test_a_table_that_is_out_of_date_is_rewritten_without_a_check(page: Path) -> None:
    assert make_tables.main([]) == 0
    assert page.read_text(encoding="utf-8") == README
    assert make_tables.main(["--check"]) == 0


def test_a_page_without_a_place_for_the_table_is_refused() -> None:
    with pytest.raises(ValueError, match="no place for the table"):
        make_tables.with_table("# marft-envs\n")


# --- The docstrings themselves ----------------------------------------------------------------------------------------

ROWS = ("id", "agents", "D", "observation", "action", "reward", "horizon", "recall", "levels", "split", "versions")


@pytest.fixture(params=marft_envs.registered_ids())
def env(request: pytest.FixtureRequest) -> marft_envs.FlexMG:
    made = marft_envs.make(request.param)
    assert isinstance(made, marft_envs.FlexMG)
    return made


@pytest.fixture
def facts(env: marft_envs.FlexMG) -> dict[str, str]:
    """The table in the docstring of the environment's module."""
    return make_tables.facts_in(inspect.getdoc(sys.modules[type(env).__module__]) or "")


def test_a_docstring_tells_everything_that_a_player_needs(facts: dict[str, str]) -> None:
    assert [row for row in ROWS if not facts.get(row)] == []


def test_a_docstring_names_the_id_and_the_newest_version(env: marft_envs.FlexMG, facts: dict[str, str]) -> None:
    assert env.spec is not None
    assert facts["id"] == f"`{env.spec.id}`"
    assert f"v{env.spec.version}:" in facts["versions"]


def test_a_docstring_names_the_levels_the_horizon_and_the_recall(env: marft_envs.FlexMG, facts: dict[str, str]) -> None:
    assert facts["levels"].split(", ") == list(env.levels)
    assert re.findall(r"\d+", facts["horizon"])[:1] == [str(env.horizon)]
    assert facts["recall"].split()[0] == env.recall


def test_a_docstring_names_the_agents_of_the_default_team(env: marft_envs.FlexMG, facts: dict[str, str]) -> None:
    assert re.findall(r"`(\w+_\d+)`", facts["agents"]) == env.possible_agents


def test_a_docstring_names_both_ends_of_the_reward_range(env: marft_envs.FlexMG, facts: dict[str, str]) -> None:
    assert re.findall(r"-?\d+(?:\.\d+)?", facts["reward"]) == [f"{end:g}" for end in env.reward_range]


# --- Pictures and files -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", make_flex_mg.THEMES)
def test_a_picture_is_what_its_script_draws(name: str) -> None:
    drawn = make_flex_mg.drawings()[name]
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == drawn, "run python docs/make_flex_mg.py"
    assert ET.fromstring(drawn).tag == "{http://www.w3.org/2000/svg}svg"


def test_the_pictures_that_the_readme_shows_exist() -> None:
    shown = re.findall(r'src(?:set)?="([^"]+)"', README)
    assert set(shown) == {f"docs/{name}" for name in make_flex_mg.THEMES}
    assert all((ROOT / path).is_file() for path in shown)


def tree() -> set[str]:
    """Every path that the README's tree draws."""
    drawn = README.partition("## Where things are")[2].split("```")[1]
    paths: set[str] = set()
    folder = ""
    for line in drawn.strip().splitlines():
        names = re.sub(r"^[├└]── ", "", line).partition("  ")[0]
        if line.startswith(("├", "└")):
            paths |= {folder + name for name in names.split(", ")}
        else:
            folder = names
            paths.add(folder)
    return paths


def test_everything_in_the_tree_exists() -> None:
    assert {path for path in tree() if not (ROOT / path).exists()} == set()


def test_the_tree_has_every_module_of_the_environments_and_every_part_of_the_trainers() -> None:
    modules = {f"marft_envs/{path.name}" for path in (ROOT / "marft_envs").glob("[!_]*.py")}
    parts = {f"baselines/{path.parent.name}/" for path in (ROOT / "baselines").glob("*/__init__.py")}
    assert (modules | parts) - tree() == set()
