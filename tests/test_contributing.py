"""CONTRIBUTING's recipes are followed to the letter, in a copy of this checkout.

1. A block under "In `path`:" is the whole of that file; under "Behind the last line of `path`:" it is added to it.
2. Shell blocks are run as they stand, in the root of the copy.
3. There is no other kind of block in a recipe, so that nothing of it goes untested.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs_scripts import ROOT, script

fences = script("fences")

PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
RECIPE = PAGE.partition("## Add an environment\n")[2].partition("### In a package of your own\n")[0]
BLOCKS = list(fences.blocks_of(RECIPE))
TASKS = PAGE.partition("## Add a family of coding tasks\n")[2].partition("## Add an algorithm\n")[0]
TASKS_BLOCKS = list(fences.blocks_of(TASKS))
PLACE = re.compile(r"(?P<how>In|Behind the last line of) `(?P<path>[^`]+)`:")
ENV_ID = "puzzles/rendezvous-v0"

pytestmark = pytest.mark.slow  # 10 to 25 seconds of CPU: marft check, documentation tests, mypy


def place_of(block, recipe: str = RECIPE) -> re.Match[str] | None:
    """What the line above a block says about where it belongs."""
    above = recipe[: block.begin].rpartition("```")[0].rstrip()
    return PLACE.fullmatch(above.rpartition("\n")[2])


def run(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    """A shell in the copy: its modules go before those that are installed, and it stops at the first failure."""
    tools = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environ = os.environ | {"PATH": tools, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}
    words = ["bash", "-euc", command]
    return subprocess.run(words, cwd=folder, env=environ, capture_output=True, text=True, check=False)


def names_of_files() -> list[str]:
    """All files that git knows or does not ignore; in an unpacked source distribution, all there are."""
    if not (ROOT / ".git").exists():
        return [path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*")]
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return listed.rstrip("\0").split("\0")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkout")
    for name in names_of_files():
        if (ROOT / name).is_file():  # neither a folder, nor a link to one, nor deleted
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def followed(checkout: Path) -> dict[str, str]:
    """What the commands printed, by block, after the recipe was followed from top to bottom."""
    printed = {}
    for block in BLOCKS:
        place = place_of(block)
        if place is None:
            done = run(checkout, block.text)
            assert done.returncode == 0, f"{block.text}\n{done.stdout}\n{done.stderr}"
            printed[block.text] = done.stdout
            continue
        path = checkout / place["path"]
        is_new = place["how"] == "In"
        assert path.exists() != is_new, f"{place[0]} {path}: there is {'already' if is_new else 'no'} such file"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(("" if is_new else path.read_text(encoding="utf-8")) + block.text, encoding="utf-8")
    return printed


def test_every_block_of_the_recipe_is_a_file_a_part_of_one_or_a_command() -> None:
    kinds = [(block.language, place_of(block) is not None) for block in BLOCKS]
    assert all(is_placed == (language != "sh") for language, is_placed in kinds)
    assert [language for language, _ in kinds].count("sh") == 2


def test_the_recipe_leads_to_an_environment_that_keeps_every_promise(followed: dict[str, str]) -> None:
    checked = "".join(printed for commands, printed in followed.items() if "marft check" in commands)
    assert "all promises kept" in checked


def test_the_recipe_records_the_behaviour_and_changes_no_other_record(checkout: Path, followed: dict[str, str]) -> None:
    before = json.loads((ROOT / "marft_envs" / "golden.json").read_text(encoding="utf-8"))
    after = json.loads((checkout / "marft_envs" / "golden.json").read_text(encoding="utf-8"))
    assert len(after.pop(ENV_ID)) == 64
    assert after == before


def test_the_recipe_writes_the_row_and_the_page(checkout: Path, followed: dict[str, str]) -> None:
    readme = (checkout / "README.md").read_text(encoding="utf-8")
    assert f"\n| `{ENV_ID}` | Rendezvous: two agents" in readme
    page = (checkout / "docs" / "environments" / f"{ENV_ID}.md").read_text(encoding="utf-8")
    assert "rewards: asker_0 +1, booker_0 +1" in page
    assert f"]({ENV_ID}.md)" in (checkout / "docs" / "environments" / "README.md").read_text(encoding="utf-8")


def test_the_tests_that_the_recipe_names_pass_and_see_the_new_environment(followed: dict[str, str]) -> None:
    (printed,) = [printed for commands, printed in followed.items() if "pytest" in commands]
    assert re.search(r"\d+ passed", printed)
    assert "failed" not in printed


@pytest.mark.usefixtures("followed")
def test_what_the_recipe_writes_is_in_the_house_format_and_passes_lint_and_types(checkout: Path) -> None:
    new = [place["path"] for block in BLOCKS if (place := place_of(block)) and place["path"].endswith(".py")]
    files = " ".join(new)
    if (ROOT / ".mypy_cache").is_dir():  # what mypy knows of numpy and the base class takes it 15 seconds to find out
        shutil.copytree(ROOT / ".mypy_cache", checkout / ".mypy_cache")
    done = run(checkout, f"ruff format --check {files} && ruff check {files} && mypy marft_envs/puzzles")
    assert done.returncode == 0, done.stdout + done.stderr


ENTRY = f'        Task("{ENV_ID}", "four_hours"),\n'
ENTER = f"""
from pathlib import Path
from leaderboard.scripted import scripted_play
from leaderboard.submit import Entrant, add_task
from leaderboard.tracks import tasks_of

(task,) = (task for task in tasks_of("small") if task.env_id == "{ENV_ID}")
entrant = Entrant(track="small", name="Script", contact="me@example.org", licence="CC0-1.0", hardware="a laptop")
add_task(Path("entry"), entrant, scripted_play(task, "2026", "reference"))
"""


@pytest.mark.usefixtures("followed")
def test_the_new_environment_is_on_the_board_by_an_entry_in_a_track_and_nothing_else(checkout: Path) -> None:
    tracks = checkout / "leaderboard" / "tracks.py"
    before = tracks.read_text(encoding="utf-8")
    last_of_small = '        Task("collab/jigsaw-v0", "easy"),\n'
    assert before.count(last_of_small) == 1
    tracks.write_text(before.replace(last_of_small, last_of_small + ENTRY), encoding="utf-8")
    (checkout / "enter.py").write_text(ENTER, encoding="utf-8")
    done = run(
        checkout, "python enter.py && marft leaderboard validate entry && marft leaderboard page --out site entry"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Valid: 200 episodes" in " ".join(done.stdout.split())
    board = (checkout / "site" / "small-2026" / "index.html").read_text(encoding="utf-8")
    assert "Rendezvous: two agents" in board
    name = "puzzles+rendezvous-v0+four_hours.html"
    assert "own free hours" in (checkout / "site" / "small-2026" / "tasks" / name).read_text(encoding="utf-8")
    (transcript,) = (checkout / "site").glob(f"small-2026/transcripts/*/{name}")
    assert "You are free at" in transcript.read_text(encoding="utf-8")


def test_the_recipe_for_coding_tasks_leads_to_a_source_that_environments_find_and_that_passes(checkout: Path) -> None:
    file, commands = TASKS_BLOCKS
    place = place_of(file, TASKS)
    assert place is not None
    path = checkout / place["path"]
    assert not path.exists()
    path.write_text(file.text, encoding="utf-8")
    assert place_of(commands, TASKS) is None
    done = run(checkout, commands.text)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("promises kept") == 2
    done = run(checkout, f"ruff format --check {path} && ruff check {path} && mypy {path}")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_family_whose_reference_fails_its_own_tests_is_caught(checkout: Path) -> None:
    wrong = TASKS_BLOCKS[0].text.replace("if {low} <= value <= {high})", "if {low} < value <= {high})")
    assert wrong != TASKS_BLOCKS[0].text
    (checkout / "marft_envs" / "coding" / "tasks" / "wrong_sums.py").write_text(wrong, encoding="utf-8")
    done = run(checkout, "marft check coding/write_repair --only 'instances are sound' --env-options source wrong_sums")
    assert done.returncode == 1
    assert "fails its own tests" in " ".join(done.stdout.split())
