"""`marft render`, as it is typed."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import marft_envs
from baselines.cli import main
from baselines.commands import render
from tests.baselines.toy_envs import Paced

ENV = "math/reason_act-v0"
HOSTILE = "<script>alert(1)</script>\u202e</div>"


def play(log: Path, num_episodes: int, env_id: str = ENV) -> None:
    env = marft_envs.make(env_id, horizon=2)
    for seed in range(num_episodes):
        marft_envs.write_log(log, [marft_envs.play(env, lambda agent, messages: HOSTILE, seed=seed)])


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log of three episodes."""
    play(tmp_path / "log.jsonl", 3)
    return tmp_path / "log.jsonl"


@pytest.fixture
def marft(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs the command with these words, and gives what it says; with status 2, its error."""

    def run(*words: object, status: int = 0) -> str:
        found = main(["render", *map(str, words)])
        out, err = capsys.readouterr()
        assert found == status, err
        return out if status == 0 else err

    return run


@pytest.fixture
def paced(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An environment on the clock, registered for one test."""
    import pettingzoo

    monkeypatch.setattr("marft_envs.registry._specs", dict(sys.modules["marft_envs.registry"]._specs))
    before = dict(pettingzoo.aec_registry)
    marft_envs.register("test/paced-v0", Paced)
    yield "test/paced-v0"
    pettingzoo.aec_registry.clear()
    pettingzoo.aec_registry.update(before)


def test_the_page_lies_beside_the_log_and_shows_all_its_episodes(marft: Callable[..., str], log: Path) -> None:
    assert marft(log) == f"{log.with_suffix('.html')}\n"
    page = log.with_suffix(".html").read_text(encoding="utf-8")
    assert page == marft_envs.draw_page([marft_envs.retell(episode) for episode in marft_envs.read_log(log)])
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "\u202e" not in page
    assert [path.name for path in sorted(log.parent.iterdir())] == ["log.html", "log.jsonl"]


def test_a_game_on_the_clock_can_be_drawn(marft: Callable[..., str], tmp_path: Path, paced: str) -> None:
    play(tmp_path / "log.jsonl", 1, paced)
    marft(tmp_path / "log.jsonl")
    assert "The bell rings." in (tmp_path / "log.html").read_text(encoding="utf-8")


def test_the_page_can_go_elsewhere_and_be_drawn_again(marft: Callable[..., str], log: Path, tmp_path: Path) -> None:
    page = tmp_path / "new folder" / "page.html"
    marft(log, "--output", page)
    before = page.read_bytes()
    marft(log, "--output", page)
    assert page.read_bytes() == before
    assert b"\r" not in before


def test_another_file_is_only_written_over_by_force(marft: Callable[..., str], log: Path, tmp_path: Path) -> None:
    other = tmp_path / "thesis.html"
    other.write_text("<p>years of work</p>", encoding="utf-8")
    told = marft(log, "--output", other, status=2)
    assert "thesis.html" in told and "--force" in told
    assert other.read_text(encoding="utf-8") == "<p>years of work</p>"
    marft(log, "--output", other, "--force")
    assert marft_envs.PAGE_MARK in other.read_text(encoding="utf-8")


def test_the_log_itself_is_not_written_over(marft: Callable[..., str], log: Path) -> None:
    named = log.rename(log.with_name("log.html"))
    before = named.read_bytes()
    assert "no page of `marft render`" in marft(named, status=2)
    assert named.read_bytes() == before


@pytest.mark.parametrize(
    ("asked", "numbers"), [("1:3", [2, 3]), ("1:2", [2]), (":1", [1]), ("2:", [3]), ("0:50", [1, 2, 3])]
)
def test_episodes_can_be_chosen(marft: Callable[..., str], log: Path, asked: str, numbers: list[int]) -> None:
    told = marft(log, "--episodes", asked)
    page = log.with_suffix(".html").read_text(encoding="utf-8")
    assert [number for number in range(1, 5) if f'id="e{number}"' in page] == numbers
    assert ("of 3; `--episodes" in told) == (len(numbers) < 3)
    assert ("the log has" in page) == (len(numbers) < 3)


def test_of_many_episodes_the_first_are_shown_and_how_many_more_there_are(
    marft: Callable[..., str], log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(render, "_MOST_EPISODES", 2)
    assert "It shows episodes 1 to 2 of 3; `--episodes 2:4` shows others." in marft(log)
    assert "the log has 1 more" in log.with_suffix(".html").read_text(encoding="utf-8")


@pytest.mark.parametrize("asked", ["x", "3", "1:x", "-1:2", "1:2:3", "²:"])
def test_a_choice_of_another_form_is_explained(marft: Callable[..., str], log: Path, asked: str) -> None:
    assert "write A:B with whole numbers" in marft(log, f"--episodes={asked}", status=2)


@pytest.mark.parametrize("asked", ["3:", "2:2", "7:9"])
def test_a_choice_of_no_episode_is_explained(marft: Callable[..., str], log: Path, asked: str) -> None:
    assert "the log has 3: places 0 to 2" in marft(log, "--episodes", asked, status=2)


def test_what_is_no_log_or_holds_none_or_is_absent_is_explained(marft: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("", encoding="utf-8")
    (tmp_path / "other.jsonl").write_text("hello\n", encoding="utf-8")
    assert "holds no episode" in marft(tmp_path / "empty.jsonl", status=2)
    assert "other.jsonl:1: is no JSON" in marft(tmp_path / "other.jsonl", status=2)
    assert "cannot be read" in marft(tmp_path / "absent.jsonl", status=2)
    assert not list(tmp_path.glob("*.html"))


def test_an_unknown_environment_is_explained(marft: Callable[..., str], log: Path) -> None:
    log.write_text(log.read_text(encoding="utf-8").replace(ENV, "math/reason_akt-v0"), encoding="utf-8")
    assert "unknown environment 'math/reason_akt-v0'; did you mean" in marft(log, status=2)


def test_a_log_that_does_not_replay_is_not_drawn(marft: Callable[..., str], log: Path) -> None:
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    lines[-1]["returns"]["actor_0"] = 1.0
    log.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    told = marft(log, status=2)
    assert "episode 3 of the log: " in told and "returns: logged" in told
    assert not log.with_suffix(".html").exists()
    marft(log, "--episodes", "0:2")  # the others can be


def test_a_place_that_cannot_be_written_is_explained(marft: Callable[..., str], log: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert "choose another --output" in marft(log, "--output", tmp_path / "file" / "page.html", status=2)
    assert "a folder; name a file in it" in marft(log, "--output", tmp_path, status=2)


def test_a_failed_writing_leaves_the_page_before(
    marft: Callable[..., str], log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marft(log)
    page = log.with_suffix(".html")
    before = page.read_bytes()

    def full(path: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    assert "no room left on the disk" in marft(log, status=2)
    assert page.read_bytes() == before
    assert not list(log.parent.glob("*.unfinished"))


def test_the_browser_is_asked_for_the_page(
    marft: Callable[..., str], log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda uri: asked.append(uri) or len(asked) == 1)
    assert "No browser" not in marft(log, "--open")
    assert asked == [log.with_suffix(".html").resolve().as_uri()]
    assert "No browser could be opened" in marft(log, "--open")


def test_drawing_loads_no_torch(log: Path) -> None:
    program = (
        "import sys\nfrom baselines.cli import main\nstatus = main(sys.argv[1:])\n"
        "print(*{'torch', 'transformers', 'peft'} & set(sys.modules), file=sys.stderr)\nsys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "render", str(log)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "\n")
