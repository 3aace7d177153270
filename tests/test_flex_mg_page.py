"""docs/flex_mg.md: its code runs, prints what stands under it, and plays the episode that its pictures show."""

import re
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pettingzoo
import pytest

import marft_envs
from tests.docs_scripts import ROOT, script

make_example = script("make_example")
pictures = script("pictures")
play_page = script("play_page")
make_flex_mg = script("make_flex_mg")

PAGE = make_example.PAGE.read_text(encoding="utf-8")
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def registries() -> Iterator[None]:
    """What the page registers is registered for these tests only."""
    ours, theirs = dict(sys.modules["marft_envs.registry"]._specs), dict(pettingzoo.aec_registry)
    yield
    for registry, before in ((sys.modules["marft_envs.registry"]._specs, ours), (pettingzoo.aec_registry, theirs)):
        registry.clear()
        registry.update(before)


@pytest.fixture(scope="module")
def played(registries: None) -> play_page.Played:
    return play_page.play_page(PAGE, str(make_example.PAGE))


@pytest.fixture(scope="module")
def episode(played: play_page.Played) -> marft_envs.Episode:
    return played.namespace["episode"]


@pytest.fixture
def fresh_registries(registries: None, played: play_page.Played) -> None:
    """Lets the page register its environment once more."""
    del sys.modules["marft_envs.registry"]._specs["demo/shop-v0"]
    del pettingzoo.aec_registry["demo/shop-v0"]


def test_every_output_on_the_page_is_what_its_code_prints(played: play_page.Played) -> None:
    assert played.page == PAGE, "run python docs/make_example.py"


@pytest.mark.usefixtures("fresh_registries")
def test_the_pictures_are_what_the_script_draws_of_the_played_episode() -> None:
    wanted = make_example.files()
    assert len(wanted) == 5
    stale = [path.name for path, text in wanted.items() if path.read_text(encoding="utf-8") != text]
    assert stale == [], "run python docs/make_example.py"


@pytest.mark.usefixtures("fresh_registries")
def test_a_stale_picture_fails_the_check_and_is_redrawn_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "flex_mg_rounds.svg"
    path.write_text("<svg/>", encoding="utf-8")
    monkeypatch.setattr(make_example, "files", lambda: {path: "<svg></svg>"})
    assert make_example.main(["--check"]) == 1
    assert path.read_text(encoding="utf-8") == "<svg/>"
    assert make_example.main([]) == 0
    assert make_example.main(["--check"]) == 0


def test_the_page_shows_both_pictures_in_light_and_dark_and_says_in_words_what_they_show() -> None:
    shown = re.findall(r'src(?:set)?="([^"]+)"', PAGE)
    names = [f"flex_mg_{picture}{theme}.svg" for picture in ("rounds", "timeline") for theme in ("_dark", "")]
    assert shown == names
    assert all((ROOT / "docs" / name).is_file() for name in names)
    assert all(len(alt) > 80 for alt in re.findall(r'alt="([^"]+)"', PAGE))


def test_the_example_changes_d_in_every_round_and_lets_somebody_wait(episode: marft_envs.Episode) -> None:
    rounds = pictures.rounds_of(episode)
    graphs = [[(turn.agent, len(turn.parents)) for turn in turns] for turns in rounds]
    assert graphs == [
        [("planner_0", 0)],
        [("solver_0", 0), ("solver_1", 0), ("planner_0", 2)],
        [("solver_0", 0), ("solver_1", 1)],
    ]


THEME = make_flex_mg.THEMES["flex_mg.svg"]


def test_the_picture_of_rounds_has_an_arrow_and_a_one_for_every_edge(episode: marft_envs.Episode) -> None:
    drawn = ET.fromstring(pictures.rounds_picture(THEME, episode))
    arrows = [path for path in drawn.iter(f"{SVG}path") if path.get("marker-end") == "url(#edge)"]
    entries = [text.text for text in drawn.iter(f"{SVG}text") if text.text in ("0", "1")]
    assert len(arrows) == entries.count("1") == 3
    assert len(entries) == 1 + 9 + 4  # as many as there are pairs of agents that act in the round


def test_the_timeline_has_a_bar_for_every_turn_a_box_for_every_wait_and_a_line_for_every_commit(
    episode: marft_envs.Episode,
) -> None:
    drawn = ET.fromstring(pictures.timeline_picture(THEME, episode))
    legend = 1
    boxes = list(drawn.iter(f"{SVG}rect"))
    assert len([box for box in boxes if box.get("fill") == THEME.edge]) == len(episode.turns) + legend
    assert len([box for box in boxes if box.get("fill") == "none"]) == 2 + legend
    lines = [path for path in drawn.iter(f"{SVG}path") if path.get("stroke") == THEME.commit]
    assert len(lines) == 3 + legend


def test_the_table_names_every_symbol_and_everything_that_it_names_exists(played: play_page.Played) -> None:
    rows = re.findall(r"^\| (\w), ", PAGE, re.MULTILINE)
    assert sorted(rows) == sorted("VNSOATRγD")
    env = played.namespace["env"]
    named = set(re.findall(r"`env\.(\w+)", PAGE)) | set(re.findall(r"the hooks? `(\w+)`", PAGE))
    assert {"dependencies", "ready", "fork", "messages", "dependencies_for"} <= named
    assert [name for name in sorted(named) if not hasattr(env, name)] == []


# --- The script itself ------------------------------------------------------------------------------------------------


def test_a_stale_output_is_replaced_and_blocks_share_their_names() -> None:
    page = "```python\na = 1\n```\n\n```python\nprint(a)\n```\n\n```text\n2\n```\n\nEnd.\n"
    assert play_page.play_page(page, "page.md").page == page.replace("\n2\n", "\n1\n")


@pytest.mark.parametrize(
    ("page", "problem"),
    [
        ("```python\nprint(1)\n```\n", "line 1: the block prints .*; let a text block follow"),
        ("\n```python\na = 1\n```\n\n```text\n1\n```\n", "line 2: the block prints ''; remove the text block"),
    ],
)
def test_output_that_is_missing_or_of_no_block_is_refused(page: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        play_page.play_page(page, "page.md")
