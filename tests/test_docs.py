"""What scripts in docs/ make is up to date, and what pages say about files and environments is true."""

import inspect
import re
import shutil
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt  # rich brings it
from markdown_it.token import Token

import marft_envs
from tests.docs_scripts import ROOT, script

README = (ROOT / "README.md").read_text(encoding="utf-8")

fences = script("fences")
make_flex_mg = script("make_flex_mg")
make_pages = script("make_pages")
make_tables = script("make_tables")

# --- The table of environments ----------------------------------------------------------------------------------------


def test_the_table_of_environments_is_what_the_docstrings_say() -> None:
    assert make_tables.with_table(README) == README, "run python docs/make_tables.py"


def test_the_table_has_a_row_for_every_environment() -> None:
    rows = [line for line in README.splitlines() if re.match(r"\| `\w+/\w+-v\d+` \|", line)]
    assert [row.split("`")[1] for row in rows] == make_tables.our_ids()


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


# --- A page for every environment -------------------------------------------------------------------------------------


def test_every_environment_has_its_page_and_no_page_is_out_of_date_or_left_over() -> None:
    assert make_pages.problems(make_pages.pages()) == {}, "run python docs/make_pages.py"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the pages, to be spoilt."""
    copy = tmp_path / "environments"
    shutil.copytree(make_pages.PAGES, copy)
    monkeypatch.setattr(make_pages, "PAGES", copy)
    return copy


def lengthen(page: Path) -> None:
    page.write_text(page.read_text(encoding="utf-8") + "More.\n", encoding="utf-8")


def leave_over(page: Path) -> None:
    page.with_name("no_such-v0.md").write_text("# Gone\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lengthen, "reason_act-v0.md is out of date"),
        (Path.unlink, "reason_act-v0.md is missing"),
        (leave_over, "no_such-v0.md is of no environment that exists"),
    ],
)
def test_a_page_that_is_stale_missing_or_left_over_fails_the_check_and_is_mended_without(
    spoil, problem: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make_pages.main(["--check"]) == 0
    spoil(folder / "math" / "reason_act-v0.md")
    assert make_pages.main(["--check"]) == 1
    assert f"docs/environments/math/{problem}; run python docs/make_pages.py" in capsys.readouterr().err
    assert make_pages.main([]) == 0
    assert make_pages.main(["--check"]) == 0


@pytest.mark.parametrize("env_id", make_tables.our_ids())
def test_a_page_shows_both_plays_as_they_are_rendered_and_what_the_first_to_act_is_told(env_id: str) -> None:
    page = (make_pages.PAGES / f"{env_id}.md").read_text(encoding="utf-8")
    blocks = [block.text.rstrip("\n") for block in fences.blocks_of(page)]
    env = marft_envs.make(env_id)
    assert isinstance(env, marft_envs.FlexMG)
    env.reset(seed=make_pages.SEED)
    assert make_pages._listed(env.messages(env.agent_selection)) in blocks
    for policy in (lambda agent, _: env.reference_action(agent), lambda agent, _: make_pages.CLUELESS):
        marft_envs.play(env, policy, seed=make_pages.SEED)
        assert env.render() in blocks


def parsed(page: str) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(page)


HOSTILE = st.text(st.sampled_from("`~|\\\n\r >#-<a\u2028"), max_size=40) | st.text(max_size=40)


@given(HOSTILE)
def test_no_text_breaks_out_of_a_block(text: str) -> None:
    tokens = parsed(f"{fences.fenced(text)}\n\nafter")
    assert [token.type for token in tokens] == ["fence", "paragraph_open", "inline", "paragraph_close"]


@given(HOSTILE, HOSTILE)
def test_no_text_breaks_out_of_a_span_or_out_of_its_cell(one: str, other: str) -> None:
    tokens = parsed(f"{fences.table(('a', 'b'), [(fences.span(one), fences.span(other))])}\n\nafter")
    assert [token.type for token in tokens].count("td_open") == 2
    cells = [token.children for token in tokens if token.type == "inline"][2:4]
    assert [[child.type for child in cell or []] for cell in cells] == [["code_inline"]] * 2


# --- The docstrings themselves ----------------------------------------------------------------------------------------

ROWS = ("id", "agents", "D", "observation", "action", "reward", "horizon", "recall", "levels", "split", "versions")


@pytest.fixture(params=make_tables.our_ids())
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
    assert facts["levels"].split(", ") == (list(env.levels) or ["none"])
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


# --- Links ------------------------------------------------------------------------------------------------------------

MARKDOWN = sorted((ROOT / "docs").rglob("*.md"))
LINK = re.compile(r"\]\((?!https?:|mailto:)(?P<path>[^)#\s]*)(?:#(?P<heading>[^)\s]+))?\)")


def headings_of(page: Path) -> set[str]:
    """What a link to a heading is called, as GitHub makes it of the heading's words."""
    lines = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda page: page.name)
def test_links_of_the_pages_lead_to_files_and_headings_that_exist(page: Path) -> None:
    for link in LINK.finditer(page.read_text(encoding="utf-8")):
        target = page.parent / link["path"] if link["path"] else page
        assert target.exists(), link[0]
        assert link["heading"] is None or link["heading"] in headings_of(target), link[0]
